//! Metrics as Prometheus reads them: its text format 0.0.4.

use crate::families::{ALL, refresh};
use crate::metrics::{BOUNDS, Family, Kind, Label, Value};
use std::fmt::Write;

/// Of [`text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics as they are now.
pub fn text() -> String {
    refresh();
    let mut text = String::new();
    for family in ALL {
        write(family, &mut text);
    }
    text
}

fn write(family: &Family, text: &mut String) {
    let series = family.now();
    if series.is_empty() {
        return;
    }
    let name = family.name;
    let kind = match family.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    // Writing to a string does not fail.
    let _ = writeln!(text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
    for (values, value) in series {
        match value {
            Value::Number(number) => {
                let _ = writeln!(text, "{name}{} {number}", labels(family, &values, None));
            }
            Value::Buckets { counts, sum } => {
                let mut count = 0;
                let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
                for (bound, one) in bounds.zip(counts) {
                    count += one;
                    let labels = labels(family, &values, Some(&bound));
                    let _ = writeln!(text, "{name}_bucket{labels} {count}");
                }
                let labels = labels(family, &values, None);
                let _ = writeln!(text, "{name}_sum{labels} {sum}\n{name}_count{labels} {count}");
            }
        }
    }
}

fn labels(family: &Family, values: &[Label], bound: Option<&str>) -> String {
    let pairs = family.labels.iter().copied().zip(values.iter().map(AsRef::as_ref));
    let pairs = pairs.chain(bound.map(|bound| ("le", bound)));
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let gauge = Family::new(Kind::Gauge, "models", "In memory", "1", &["part"]);
        let mut text = String::new();
        write(&gauge, &mut text);
        assert_eq!(text, "", "what has no series is not mentioned");
        gauge.set(vec!["he\"ad".into()], 2.0);
        write(&gauge, &mut text);
        let histogram = Family::new(Kind::Histogram, "took_seconds", "Time", "s", &[]);
        histogram.record(vec![], 0.002);
        histogram.record(vec![], 7200.0);
        write(&histogram, &mut text);
        let text: Vec<&str> =
            text.lines().filter(|line| !line.ends_with(" 1") || line.contains("Inf")).collect();
        expect![[r#"
            # HELP models In memory
            # TYPE models gauge
            models{part="he\"ad"} 2
            # HELP took_seconds Time
            # TYPE took_seconds histogram
            took_seconds_bucket{le="0.001"} 0
            took_seconds_bucket{le="+Inf"} 2
            took_seconds_sum 7200.002
            took_seconds_count 2"#]]
        .assert_eq(&text.join("\n"));
    }
}
