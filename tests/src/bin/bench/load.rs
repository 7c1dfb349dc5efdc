//! Callers at once, and what they reach.

use crate::caller::{self, Caller};
use crate::table::quantile;
use anyhow::Result;
use serde::Deserialize;
use serde_json::json;
use spindle_tests::{Client, Example};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How long one figure is measured that has none beside it.
pub(crate) const SPAN: Duration = Duration::from_secs(4);
/// How long something works before it is measured.
pub(crate) const WARMING: Duration = Duration::from_secs(1);
const ANALYZE: &str = "/language/:analyze-text";

/// What one way of computing reached.
#[derive(Deserialize)]
pub(crate) struct Figures {
    pub(crate) words_per_second: f64,
    /// One value per call.
    pub(crate) milliseconds: Vec<f64>,
}

impl Figures {
    /// The median turn's words per second, and all turns' calls.
    pub(crate) fn of_turns(turns: Vec<Self>) -> Self {
        let mut rates: Vec<f64> = turns.iter().map(|turn| turn.words_per_second).collect();
        rates.sort_by(f64::total_cmp);
        let milliseconds = turns.into_iter().flat_map(|turn| turn.milliseconds).collect();
        Self { words_per_second: quantile(&rates, 0.5), milliseconds }
    }
}

/// Clients at once, each with a connection of its own, the hosts in turn.
pub(crate) struct Load<'a> {
    texts: &'a [String],
    callers: usize,
    /// Each with its requests.
    hosts: Vec<(&'a Client, Vec<Vec<u8>>)>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(
        hosts: &'a [Client],
        example: &Example,
        deployment: &str,
        texts: &'a [String],
        callers: usize,
    ) -> Result<Self> {
        let questions = texts.iter().map(|text| {
            let sent = json!([{ "id": "1", "language": "en-us", "text": text }]);
            serde_json::to_vec(&example.question(deployment, "UnicodeCodePoint", &sent))
        });
        let questions = questions.collect::<Result<Vec<_>, _>>()?;
        let request = |host: &Client, question: &Vec<u8>| caller::request(host, ANALYZE, question);
        let requests = |host| questions.iter().map(|question| request(host, question)).collect();
        let hosts = hosts.iter().map(|host| (host, requests(host))).collect();
        Ok(Self { texts, callers, hosts })
    }

    /// What is reached in `span`. The first time, every instance that so many callers need has to meet the model.
    pub(crate) fn measure(&self, span: Duration) -> Result<Figures> {
        let begun = Instant::now();
        let calls = asked(&self.hosts, self.callers, span)?;
        let seconds = begun.elapsed().as_secs_f64();
        let words: usize = calls.iter().map(|(at, _)| self.texts[*at].split_whitespace().count()).sum();
        let milliseconds = calls.into_iter().map(|(_, milliseconds)| milliseconds).collect();
        Ok(Figures { words_per_second: words as f64 / seconds, milliseconds })
    }

    /// What is reached, warm.
    pub(crate) fn measure_alone(&self) -> Result<Figures> {
        self.measure(WARMING)?;
        self.measure(SPAN)
    }
}

/// Which question each call had, and its milliseconds; callers share the hosts, each with its requests.
fn asked(hosts: &[(&Client, Vec<Vec<u8>>)], callers: usize, span: Duration) -> Result<Vec<(usize, f64)>> {
    let (stop, next) = (AtomicBool::new(false), AtomicUsize::new(0));
    let caller = |host: &Client, requests: &[Vec<u8>]| -> Result<Vec<(usize, f64)>> {
        let mut caller = Caller::connect(host)?;
        let mut calls = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed) % requests.len();
            let start = Instant::now();
            caller.ask(&requests[at])?;
            calls.push((at, start.elapsed().as_secs_f64() * 1e3));
        }
        Ok(calls)
    };
    let calls = std::thread::scope(|scope| {
        let hosts = hosts.iter().cycle().take(callers);
        let running: Vec<_> = hosts.map(|(host, requests)| scope.spawn(|| caller(host, requests))).collect();
        std::thread::sleep(span);
        stop.store(true, Ordering::Relaxed);
        let ended = running.into_iter().map(|caller| caller.join().expect("a caller panicked"));
        ended.collect::<Result<Vec<_>>>()
    })?;
    Ok(calls.concat())
}
