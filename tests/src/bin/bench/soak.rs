//! Memory over many requests: what grows with their number is a leak.

use crate::process;
use crate::table::Table;
use anyhow::{Result, ensure};
use serde_json::json;
use spindle_tests::{Client, Example, Server};
use std::sync::atomic::{AtomicUsize, Ordering};

const REQUESTS: usize = 100_000;
/// Requests between two looks.
const STEP: usize = 20_000;
const CALLERS: usize = 8;

/// Asks a lexical model [`REQUESTS`] times and prints what the server holds on the way.
pub(crate) fn soak() -> Result<()> {
    let server = Server::fresh()?.quiet();
    let client = server.client();
    let example = Example::claims_desk("Bench", "bench")?;
    example.upload(&server)?;
    example.import(&client)?;
    let state = client.wait(&example.start_training(&client, "lexical", "lexical")?)?;
    ensure!(state["status"] == "succeeded", "the training ended as {state}");
    example.deploy(&client, "lexical", "lexical")?;
    let mut table = Table::new("Memory over requests to `:analyze-text`", &["requests", "resident MiB"]);
    for asked in (0..=REQUESTS).step_by(STEP) {
        if asked > 0 {
            ask(&client, &example, STEP)?;
        }
        table.row(vec![asked.to_string(), format!("{:.0}", process::resident_mib(server.pid())?)]);
    }
    table.print();
    Ok(())
}

fn ask(client: &Client, example: &Example, requests: usize) -> Result<()> {
    let unseen = example.unseen()?;
    let left = AtomicUsize::new(requests);
    let caller = || -> Result<()> {
        let client = Client::new(&client.endpoint, &client.key);
        while let Ok(left) =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
        {
            let (_, text) = &unseen[left % unseen.len()];
            let sent = json!([{ "id": "1", "language": "en-us", "text": text }]);
            let question = example.question("lexical", "UnicodeCodePoint", &sent);
            client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..CALLERS).map(|_| scope.spawn(caller)).collect();
        running.into_iter().try_for_each(|caller| caller.join().expect("a caller panicked"))
    })
}
