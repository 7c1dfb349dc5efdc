//! The import of a large project: many small documents, one label file.

use crate::process;
use crate::table::Table;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Client, Server};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// As many as a project may have by default.
pub(crate) const DOCUMENTS: usize = 100_000;

const PROJECT: &str = "Large";
const CONTAINER: &str = "large";
/// One document in as many has no entry in the label file.
const UNLABELED_EVERY: usize = 50;

/// Imports `count` generated documents into a fresh server and prints what it took.
pub(crate) fn import(count: usize) -> Result<()> {
    let server = Server::fresh()?.quiet();
    let client = server.client();
    // The component's first call compiles nothing, but fills its memory once.
    client.get(PROJECTS)?.expect(200)?;
    let idle = process::peak_mib(server.pid())?;
    let begun = Instant::now();
    // The embedded S3 server keeps an object as a file of that name.
    let file = write_documents(&server.data().join("s3").join(CONTAINER), count)?;
    let mut table = Table::new(
        "Import of small documents with four labels each, one in fifty without; the program is started for it alone",
        &["", "documents", "MB", "seconds", "documents/s", "peak resident MiB"],
    );
    let size = file.len() as f64 / 1e6;
    let mut row = |name: &str, size: String, seconds: f64, peak: Option<f64>| {
        let rate = format!("{:.0}", count as f64 / seconds);
        let peak = peak.map_or_else(String::new, |peak| format!("{peak:.0}"));
        table.row(vec![name.to_owned(), count.to_string(), size, format!("{seconds:.1}"), rate, peak]);
    };
    row("documents written by the bench", String::new(), begun.elapsed().as_secs_f64(), Some(idle));
    for again in [false, true] {
        let (accepted, worked) = measure(&server, &client, &file)?;
        let suffix = if again { ", again over it" } else { "" };
        row(&format!("label file accepted{suffix}"), format!("{size:.1}"), accepted.0, Some(accepted.1));
        row(&format!("import job{suffix}"), String::new(), worked.0, Some(worked.1));
    }
    row_of_export(&client, &mut row)?;
    table.print();
    Ok(())
}

type Row<'a> = &'a mut dyn FnMut(&str, String, f64, Option<f64>);

/// The same labels on their way out.
fn row_of_export(client: &Client, row: Row<'_>) -> Result<()> {
    let begun = Instant::now();
    let path = format!("{PROJECTS}/{PROJECT}/:export?stringIndexType=Utf16CodeUnit");
    let state = client.succeed("POST", &path, None)?;
    let file = client.get(state["resultUrl"].as_str().context("no resultUrl")?)?;
    let documents = file.expect(200)?["assets"]["documents"].as_array().map_or(0, Vec::len);
    let size = file.body.len() as f64 / 1e6;
    ensure!(documents > 0, "the exported file has no documents");
    row("export, job and download", format!("{size:.1}"), begun.elapsed().as_secs_f64(), None);
    Ok(())
}

/// Seconds and peak MiB until the file is accepted, and of the job behind it.
fn measure(server: &Server, client: &Client, file: &str) -> Result<((f64, f64), (f64, f64))> {
    let pid = server.pid();
    process::forget_peak(pid)?;
    let begun = Instant::now();
    let body = Some(("application/json", file.as_bytes().to_vec()));
    let answer = client.send_bytes("POST", &format!("{PROJECTS}/{PROJECT}/:import"), body)?;
    ensure!(answer.status == 202, "the import answered {}: {}", answer.status, answer.text());
    let accepted = (begun.elapsed().as_secs_f64(), process::peak_mib(pid)?);
    process::forget_peak(pid)?;
    let begun = Instant::now();
    let state = client.wait(answer.header("operation-location"))?;
    ensure!(state["status"] == "succeeded", "the import ended as {state}");
    ensure!(state["warnings"].as_array().is_none_or(Vec::is_empty), "the import warns: {state}");
    Ok((accepted, (begun.elapsed().as_secs_f64(), process::peak_mib(pid)?)))
}

/// Writes the documents into `folder` and returns their label file.
fn write_documents(folder: &Path, count: usize) -> Result<String> {
    fs::create_dir_all(folder)?;
    let categories: Vec<Value> = CATEGORIES.iter().map(|category| json!({ "category": category })).collect();
    let metadata = json!({
        "projectKind": "CustomEntityRecognition",
        "storageInputContainerName": CONTAINER,
        "projectName": PROJECT,
        "multilingual": false,
        "language": "en-us",
    });
    let mut file = format!(
        "{{\"projectFileVersion\":\"2022-05-01\",\"stringIndexType\":\"Utf16CodeUnit\",\"metadata\":{metadata},\
         \"assets\":{{\"projectKind\":\"CustomEntityRecognition\",\"entities\":{},\"documents\":[",
        Value::Array(categories)
    );
    for index in 0..count {
        let name = format!("letter-{index:06}.txt");
        let letter = Letter::new(index);
        fs::write(folder.join(&name), &letter.text)?;
        if index % UNLABELED_EVERY == UNLABELED_EVERY - 1 {
            continue;
        }
        let separator = if index == 0 { "" } else { "," };
        write!(file, "{separator}{}", letter.entry(&name, index))?;
    }
    file.push_str("]}}");
    Ok(file)
}

const CATEGORIES: [&str; 4] = ["Claimant", "PolicyNumber", "DamageDate", "Amount"];
const FIRST: [&str; 8] = ["Ana", "Bölge", "Chloé", "Dmitri", "Emi", "Fatima", "Grete", "Hiro"];
const LAST: [&str; 8] = ["Ruiz", "Ångström", "Lefèvre", "Ivanov", "Sato", "Haddad", "Weiß", "Tanaka"];

/// A text with its labels, decided by its number alone.
struct Letter {
    text: String,
    /// Category, offset and length in UTF-16 code units.
    labels: Vec<(&'static str, usize, usize)>,
}

impl Letter {
    fn new(index: usize) -> Self {
        // Knuth's multiplicative hash: neighbours differ in all their digits.
        let mixed = (index as u64 + 1).wrapping_mul(2_654_435_761);
        let pick = |list: &[&str; 8], shift: u32| list[(mixed >> shift) as usize % list.len()].to_owned();
        let name = format!("{} {}", pick(&FIRST, 7), pick(&LAST, 13));
        let policy = format!("PN-{:04}-{index:06}", mixed % 10_000);
        let date = format!("{} March 20{:02}", 1 + (mixed >> 5) % 28, 10 + (mixed >> 9) % 15);
        let amount = format!("€ {}.{:02}", 100 + (mixed >> 3) % 90_000, mixed % 100);
        let mut letter = Self { text: String::new(), labels: vec![] };
        letter.plain("Dear Sir or Madam 🏠,\r\n\r\nmy name is ");
        letter.entity(CATEGORIES[0], &name);
        letter.plain(" and I am insured under policy ");
        letter.entity(CATEGORIES[1], &policy);
        letter.plain(". On ");
        letter.entity(CATEGORIES[2], &date);
        letter.plain(" water came through the ceiling of our kitchen. The repair costs ");
        letter.entity(CATEGORIES[3], &amount);
        letter.plain(".\r\n\r\nYours faithfully\r\n");
        letter
    }

    fn plain(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn entity(&mut self, category: &'static str, text: &str) {
        self.labels.push((category, units(&self.text), units(text)));
        self.text.push_str(text);
    }

    fn entry(&self, name: &str, index: usize) -> Value {
        let label = |(category, offset, length): &(&str, usize, usize)| json!({ "category": category, "offset": offset, "length": length });
        json!({
            "location": name,
            "language": "en-us",
            "dataset": if index % 5 == 0 { "Test" } else { "Train" },
            "entities": [{
                "regionOffset": 0,
                "regionLength": units(&self.text),
                "labels": self.labels.iter().map(label).collect::<Vec<_>>(),
            }],
        })
    }
}

fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_lie_on_what_they_name() {
        let letter = Letter::new(7);
        let units: Vec<u16> = letter.text.encode_utf16().collect();
        let slices: Vec<String> = letter
            .labels
            .iter()
            .map(|(_, offset, length)| String::from_utf16_lossy(&units[*offset..offset + length]))
            .collect();
        assert!(slices[1].starts_with("PN-") && slices[1].ends_with("000007"), "{slices:?}");
        assert!(slices[3].starts_with('€'), "{slices:?}");
    }
}
