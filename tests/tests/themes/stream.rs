//! Documents line by line: in order, as fast as they are taken, whatever single lines hold.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::{Client, Example};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const STREAM: &str = "/language/analyze-text/stream";
const DOCUMENTS: usize = 2_000;
/// What may lie in sockets and pipes between a writer and a reader who takes nothing: kernels grant megabytes.
const UNDER_WAY_BYTES_MAX: usize = 24 << 20;
/// Several times that.
const FLOOD_BYTES: usize = 96 << 20;

/// What every stream is asked, on a project whose deployment `production` exists.
pub(crate) fn streams(client: &Client, example: &Example) -> Result<()> {
    refusals(client, example)?;
    lines_fail_alone(client, example)?;
    many_documents(client, example)?;
    a_reader_who_takes_nothing_stops_the_writer(client, example)
}

fn place(example: &Example, rest: &str) -> String {
    format!("{STREAM}?projectName={}&deploymentName=production{rest}", example.project)
}

fn send(client: &Client, place: &str, body: &str) -> Result<spindle_tests::Answer> {
    client.send_bytes("POST", place, Some(("application/x-ndjson", body.as_bytes().to_vec())))
}

fn refusals(client: &Client, example: &Example) -> Result<()> {
    let error = |place: &str| send(client, place, "")?.error();
    assert_eq!(send(&client.with_key("wrong"), &place(example, ""), "")?.error()?.0, 401);
    assert_eq!(error(STREAM)?, (400, "InvalidArgument".into(), "InvalidParameterValue".into()));
    let (project, deployment) = (&example.project, "production");
    let at = |project: &str, deployment: &str| {
        error(&format!("{STREAM}?projectName={project}&deploymentName={deployment}"))
    };
    assert_eq!(at("Absent", deployment)?.0, 404);
    assert_eq!(at(project, "absent")?, (404, "NotFound".into(), String::new()));
    assert_eq!(error(&place(example, "&stringIndexType=Bytes"))?.0, 400);
    assert_eq!(client.get(&place(example, ""))?.error()?.0, 405);
    Ok(())
}

fn lines_fail_alone(client: &Client, example: &Example) -> Result<()> {
    let text = "👍🏽 Claim by Ana Ruiz under policy PN-4471: hail damage on 3 May 2024, EUR 1,250.";
    let good = json!({ "id": "good", "text": text, "language": "auto" });
    let foreign = json!({ "id": "foreign", "text": "nuqneH", "language": "tlh" });
    let body = format!(
        "{good}\n\n{{\"id\":\n{foreign}\n{{\"id\":\"empty\",\"text\":\"\"}}\r\n{{\"text\":\"x\"}}\n{good}"
    );
    for unit in ["Utf16CodeUnit", "UnicodeCodePoint", "TextElements_v8"] {
        let answer = send(client, &place(example, &format!("&stringIndexType={unit}")), &body)?;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.header("content-type"), "application/x-ndjson; charset=utf-8");
        let lines: Vec<Value> = answer.text().lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        let told: Vec<_> = lines.iter().map(|line| (line["line"].as_u64(), line["id"].as_str())).collect();
        assert_eq!(
            told,
            [
                (None, Some("good")),
                (Some(3), None),
                (Some(4), Some("foreign")),
                (Some(5), Some("empty")),
                (Some(6), None),
                (None, Some("good")),
            ]
        );
        let question = example.question("production", unit, &json!([good]));
        let one = client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
        assert_eq!(lines[0], one["results"]["documents"][0], "stream and call differ");
        assert_eq!(lines[0], lines[5]);
    }
    let answer = send(client, &place(example, "&showStats=true"), &good.to_string())?;
    assert!(answer.json()?["statistics"].is_object(), "{}", answer.text());
    Ok(())
}

/// One request of chunks as they are written, and its answer as it is read.
struct Open {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
}

impl Open {
    fn new(client: &Client, example: &Example) -> Result<Self> {
        let address = client.endpoint.trim_start_matches("http://");
        let mut writer = TcpStream::connect(address)?;
        let reader = BufReader::new(writer.try_clone()?);
        let target = client.url(&place(example, ""));
        let target = target.trim_start_matches(&client.endpoint);
        write!(
            writer,
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nOcp-Apim-Subscription-Key: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
            client.key
        )?;
        Ok(Self { writer, reader })
    }
}

fn chunk(writer: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    write!(writer, "{:x}\r\n", bytes.len())?;
    writer.write_all(bytes)?;
    Ok(writer.write_all(b"\r\n")?)
}

/// The status line, then the header lines are passed over.
fn head(reader: &mut BufReader<TcpStream>) -> Result<String> {
    let mut status = String::new();
    reader.read_line(&mut status)?;
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        ensure!(reader.read_line(&mut line)? > 0, "the answer ended in its headers");
    }
    Ok(status)
}

/// The next piece of a chunked answer; empty at its end.
fn piece(reader: &mut BufReader<TcpStream>) -> Result<Vec<u8>> {
    let mut size = String::new();
    reader.read_line(&mut size)?;
    let size = usize::from_str_radix(size.trim(), 16).with_context(|| format!("no chunk: {size:?}"))?;
    let mut bytes = vec![0; size + 2];
    reader.read_exact(&mut bytes)?;
    bytes.truncate(size);
    Ok(bytes)
}

/// The first answers come while documents are still being sent, and all come in order.
fn many_documents(client: &Client, example: &Example) -> Result<()> {
    let texts = example.texts("Test")?;
    let Open { mut writer, mut reader } = Open::new(client, example)?;
    let line = |id: usize| {
        format!("{}\n", json!({ "id": id.to_string(), "text": texts[id % texts.len()].1 })).into_bytes()
    };
    chunk(&mut writer, &line(0))?;
    let status = head(&mut reader)?;
    ensure!(status.contains("200"), "{status}");
    let mut answered = piece(&mut reader)?;
    ensure!(answered.ends_with(b"\n"), "the first document was answered before the second was sent");
    thread::scope(|scope| -> Result<()> {
        let sending = scope.spawn(move || -> Result<()> {
            (1..DOCUMENTS).try_for_each(|id| chunk(&mut writer, &line(id)))?;
            Ok(writer.write_all(b"0\r\n\r\n")?)
        });
        loop {
            let more = piece(&mut reader)?;
            if more.is_empty() {
                break;
            }
            answered.extend(more);
        }
        sending.join().map_err(|_| anyhow::anyhow!("the sender panicked"))?
    })?;
    let mut found = 0;
    for (at, line) in String::from_utf8(answered)?.lines().enumerate() {
        let answer: Value = serde_json::from_str(line)?;
        assert_eq!(answer["id"], at.to_string(), "order");
        found += answer["entities"].as_array().context("no entities")?.len();
    }
    println!("{found} entities in {DOCUMENTS} documents of one stream");
    ensure!(found > DOCUMENTS, "{found} entities in {DOCUMENTS} documents");
    Ok(())
}

/// The server reads no further than answers are taken: a writer that floods it is held up, then goes on.
fn a_reader_who_takes_nothing_stops_the_writer(client: &Client, example: &Example) -> Result<()> {
    let Open { mut writer, mut reader } = Open::new(client, example)?;
    let stop = writer.try_clone()?;
    let written = AtomicUsize::new(0);
    // Each line is wrong, so that answers, which are longer, are all the work there is.
    let lines = "?\n".repeat(32 << 10);
    thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            while written.load(Ordering::Relaxed) < FLOOD_BYTES
                && chunk(&mut writer, lines.as_bytes()).is_ok()
            {
                written.fetch_add(lines.len(), Ordering::Relaxed);
            }
        });
        let status = head(&mut reader)?;
        ensure!(status.contains("200"), "{status}");
        let mut taken = 0;
        // Answers are twenty times the size of their lines, so what was read of the body stays far behind.
        for _ in 0..200 {
            taken += piece(&mut reader)?.len();
        }
        let sent = written.load(Ordering::Relaxed);
        stop.shutdown(std::net::Shutdown::Both)?;
        println!("{sent} bytes were sent when {taken} were taken");
        ensure!(sent <= UNDER_WAY_BYTES_MAX, "{sent} bytes were read when {taken} were taken");
        Ok(())
    })
}
