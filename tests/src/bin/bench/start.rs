//! From the program's start to its first answer, and what the running server costs when nobody asks.

use crate::process;
use crate::table::{Table, quantile};
use anyhow::Result;
use spindle_tests::Server;
use spindle_tests::api::PROJECTS;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const IDLE: Duration = Duration::from_secs(10);

pub(crate) fn start() -> Result<()> {
    // Fills the cache of compiled components, as every start after the first finds it.
    drop(Server::fresh()?.quiet());
    let (mut ready, mut answered) = (vec![], vec![]);
    let mut idle = None;
    for round in 0..ROUNDS {
        let begun = Instant::now();
        let server = Server::fresh()?.quiet();
        ready.push(begun.elapsed().as_secs_f64() * 1e3);
        server.client().get(PROJECTS)?.expect(200)?;
        answered.push(begun.elapsed().as_secs_f64() * 1e3);
        if round + 1 == ROUNDS {
            idle = Some((process::cpu_percent(server.pid(), IDLE)?, process::resident_mib(server.pid())?));
        }
    }
    let mut table = Table::new(
        "Start of `spindle up`: fresh data folder, components compiled before",
        &["", "best ms", "median ms"],
    );
    for (name, mut values) in
        [("ready (access.json is there)", ready), ("first answer of a component", answered)]
    {
        values.sort_by(f64::total_cmp);
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", values[0]),
            format!("{:.0}", quantile(&values, 0.5)),
        ]);
    }
    table.print();
    let mut table = Table::new("Idle server, over 10 s", &["", "CPU % of one core", "resident MiB"]);
    if let Some((cpu, memory)) = idle {
        table.row(vec!["no model loaded".to_owned(), format!("{cpu:.2}"), format!("{memory:.0}")]);
    }
    table.print();
    Ok(())
}
