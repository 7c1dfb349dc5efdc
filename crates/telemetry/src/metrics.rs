//! Metrics by name and labels, added up in this process.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Upper bounds of a histogram's buckets in seconds: from a cached answer to a long training.
pub(crate) const BOUNDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0, 600.0, 3600.0];

/// A label's value, of a set that no caller can widen.
pub(crate) type Label = Cow<'static, str>;

/// What a metric's numbers mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Only grows.
    Counter,
    /// As it is now.
    Gauge,
    /// How many took how long.
    Histogram,
}

/// A metric: one series for each combination of its labels' values.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    /// UCUM, as OTLP wants it: `s`, `By`, `1`.
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
    pub(crate) labels: &'static [&'static str],
    series: Mutex<BTreeMap<Vec<Label>, Value>>,
}

/// The state of one series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Of counters and gauges.
    Number(f64),
    /// Of histograms: how many fell into each bucket, the last one without bound, and the sum of all.
    Buckets { counts: [u64; BOUNDS.len() + 1], sum: f64 },
}

impl Family {
    pub(crate) const fn new(
        kind: Kind,
        name: &'static str,
        help: &'static str,
        unit: &'static str,
        labels: &'static [&'static str],
    ) -> Self {
        Self { name, help, unit, kind, labels, series: Mutex::new(BTreeMap::new()) }
    }

    /// Changes a counter or gauge by `by`.
    pub(crate) fn add(&self, labels: Vec<Label>, by: f64) {
        if let Value::Number(number) = self.series().entry(labels).or_insert(Value::Number(0.0)) {
            *number += by;
        }
    }

    /// Sets a gauge, or a counter that somebody else adds up.
    pub(crate) fn set(&self, labels: Vec<Label>, to: f64) {
        self.series().insert(labels, Value::Number(to));
    }

    /// Replaces all series of a gauge.
    pub(crate) fn replace(&self, all: impl IntoIterator<Item = (Vec<Label>, f64)>) {
        *self.series() = all.into_iter().map(|(labels, number)| (labels, Value::Number(number))).collect();
    }

    /// Counts `seconds` into a histogram.
    pub(crate) fn record(&self, labels: Vec<Label>, seconds: f64) {
        let empty = Value::Buckets { counts: [0; BOUNDS.len() + 1], sum: 0.0 };
        if let Value::Buckets { counts, sum } = self.series().entry(labels).or_insert(empty) {
            counts[BOUNDS.partition_point(|bound| *bound < seconds)] += 1;
            *sum += seconds;
        }
    }

    /// All series as they are now.
    pub(crate) fn now(&self) -> Vec<(Vec<Label>, Value)> {
        self.series().iter().map(|(labels, value)| (labels.clone(), value.clone())).collect()
    }

    fn series(&self) -> MutexGuard<'_, BTreeMap<Vec<Label>, Value>> {
        // Every change is whole before anything can panic.
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let family = Family::new(Kind::Histogram, "h", "", "s", &[]);
        for seconds in [0.0, 0.001, 0.0011, 3600.0, 3601.0] {
            family.record(vec![], seconds);
        }
        let Value::Buckets { counts, sum } = &family.now()[0].1 else { panic!("a histogram") };
        assert_eq!((counts[0], counts[1], counts[15], counts[16]), (2, 1, 1, 1));
        assert!((sum - 7201.0021).abs() < 1e-6);
    }
}
