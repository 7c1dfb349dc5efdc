//! What operators see, and that nothing of what people write or keep secret is in it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::command::add_key;
use spindle_tests::python::{self, INFRA};
use spindle_tests::{Client, Example, Server};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use test_postgres::PostgresServer;

/// Stands in documents, their names, labels, queries, wrong keys and bodies. No encoding changes it.
const PLANTED: &str = "Xylophagouszebra";
/// The collector is told several times a second.
const TOLD_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
const ANALYZE: &str = "/language/:analyze-text";
const JOBS: &str = "/language/analyze-text/jobs";

/// What a collector was sent, line by line.
fn lines(record: &Path) -> Vec<Value> {
    let text = fs::read_to_string(record).unwrap_or_default();
    // The last line may be half written.
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The items that a path of keys leads to, through all lists on the way.
fn all<'a>(value: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    let Some((key, rest)) = path.split_first() else { return vec![value] };
    let next = &value[*key];
    match next.as_array() {
        Some(items) => items.iter().flat_map(|item| all(item, rest)).collect(),
        None => all(next, rest),
    }
}

fn attribute<'a>(of: &'a Value, key: &str) -> Option<&'a Value> {
    let found = of["attributes"].as_array()?.iter().find(|one| one["key"] == key)?;
    found["value"].as_object()?.values().next()
}

fn spans(lines: &[Value]) -> Vec<&Value> {
    lines
        .iter()
        .flat_map(|line| all(line, &["traces", "resourceSpans", "scopeSpans", "spans"]))
        .filter(|span| span.is_object())
        .collect()
}

/// Waits until `seen` finds what it looks for in what was sent.
fn until_told<T>(record: &Path, what: &str, seen: impl Fn(&[Value]) -> Option<T>) -> Result<T> {
    let begun = Instant::now();
    loop {
        let lines = lines(record);
        if let Some(found) = seen(&lines) {
            return Ok(found);
        }
        ensure!(begun.elapsed() < TOLD_MAX, "the collector never heard of {what}");
        thread::sleep(POLL);
    }
}

/// The example with the planted word in every text, in the name of one, and as a type of entity.
fn planted(folder: &Path) -> Result<Example> {
    let mut example = Example::claims_desk("Observed", "observed")?;
    let documents = example.folder().join("documents");
    let first =
        example.labels["assets"]["documents"][0]["location"].as_str().context("no document")?.to_owned();
    let renamed = format!("{PLANTED}.txt");
    for file in fs::read_dir(documents)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        let name = if name == first { renamed.clone() } else { name };
        fs::write(folder.join(name), format!("{} {PLANTED}\n", fs::read_to_string(file.path())?))?;
    }
    let labels = example.labels.to_string().replace("\"PolicyNumber\"", &format!("\"{PLANTED}\""));
    example.labels =
        serde_json::from_str(&labels.replace(&format!("\"{first}\""), &format!("\"{renamed}\"")))?;
    Ok(example)
}

/// Everything that happens to a project, and each kind of failure.
fn live(server: &Server, client: &Client, example: &Example, documents: &Path) -> Result<()> {
    python::upload(server, example.container(), documents)?;
    example.import(client)?;
    let trained = client.wait(&example.start_training(client, "model", "lexical")?)?;
    assert_eq!(trained["status"], "succeeded", "{trained}");
    example.deploy(client, "model", "production")?;
    let texts =
        json!([{ "id": PLANTED, "language": "en-us", "text": format!("{PLANTED} of policy PN-4471") }]);
    client
        .send("POST", ANALYZE, Some(&example.question("production", "UnicodeCodePoint", &texts)))?
        .expect(200)?;
    let done = client.wait(&client.start(
        "POST",
        JOBS,
        Some(&example.job("production", "UnicodeCodePoint", &texts)),
    )?)?;
    assert_eq!(done["status"], "succeeded", "{done}");

    // An import with a label beside the text, a training of a project without labels, extraction from nowhere.
    let mut wrong = example.labels.clone();
    wrong["metadata"]["projectName"] = json!("Wrong");
    wrong["assets"]["documents"][0]["entities"][0]["labels"][0]["offset"] = json!(1_000_000);
    wrong["assets"]["documents"][0]["entities"][0]["regionLength"] = json!(2_000_000);
    let failed = client.wait(&client.start("POST", &format!("{PROJECTS}/Wrong/:import"), Some(&wrong))?)?;
    assert_eq!(failed["status"], "failed", "{failed}");
    let mut empty = example.labels.clone();
    empty["metadata"]["projectName"] = json!("Empty");
    empty["assets"]["documents"] = json!([]);
    client.succeed("POST", &format!("{PROJECTS}/Empty/:import"), Some(&empty))?;
    let training = json!({ "modelLabel": "m", "trainingConfigVersion": "lexical", "evaluationOptions": { "kind": "manual" } });
    let answer = client.send("POST", &format!("{PROJECTS}/Empty/:train"), Some(&training))?;
    if answer.status == 202 {
        let failed = client.wait(answer.header("operation-location"))?;
        assert_eq!(failed["status"], "failed", "{failed}");
    }
    let nowhere = example.question(PLANTED, "UnicodeCodePoint", &texts);
    assert!(client.send("POST", ANALYZE, Some(&nowhere))?.status >= 400);
    let job = client.send("POST", JOBS, Some(&example.job(PLANTED, "UnicodeCodePoint", &texts)))?;
    if job.status == 202 {
        client.wait(job.header("operation-location"))?;
    }

    // Callers who write nonsense.
    assert_eq!(client.with_key(PLANTED).get(PROJECTS)?.status, 401);
    let asked =
        client.get(&format!("{PROJECTS}?api-version=2023-04-01&top={PLANTED}&{PLANTED}={PLANTED}"))?;
    assert!(asked.status < 500, "{}", asked.text());
    client.send_bytes("POST", ANALYZE, Some(("application/json", format!("{{\"{PLANTED}").into_bytes())))?;
    client.get(&format!("{PROJECTS}/{PLANTED}"))?;
    client.get(&format!("/{PLANTED}"))?;
    client.send_bytes(
        "POST",
        &format!("/events/storage?secret={PLANTED}"),
        Some(("application/json", PLANTED.into())),
    )?;
    Ok(())
}

#[test]
fn operators_see_what_happens_and_nothing_that_people_wrote() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let record = folder.path().join("record");
    let mut collector = INFRA.start("collector.py", &[&record])?;
    let endpoint = format!("http://127.0.0.1:{}", collector.line()?);
    let variables: [(&str, &OsStr); 6] = [
        ("SPINDLE_LOG", "trace".as_ref()),
        ("SPINDLE_LOG_FORMAT", "json".as_ref()),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_ref()),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=a%20b".as_ref()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "300".as_ref()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200".as_ref()),
    ];
    // Its client logs every statement with its values, if it is let.
    let database = PostgresServer::start()?;
    let address = database.as_ref().map(PostgresServer::database).transpose()?;
    let arguments: Vec<&OsStr> =
        address.iter().flat_map(|address| ["--database".as_ref(), address.as_ref()]).collect();
    let mut server = Server::start_in(&folder.path().join("data"), &arguments, &variables)?;
    let documents = folder.path().join("documents");
    fs::create_dir(&documents)?;
    let example = planted(&documents)?;
    let key = match &address {
        Some(_) => server.text("/key").to_owned(),
        None => add_key(&server, "observed", "owner")?,
    };
    let client = server.client().with_key(&key);
    live(&server, &client, &example, &documents)?;

    traces_tell_of_requests_and_jobs(&record)?;
    let metrics = client.get(&format!("{}/metrics", client.endpoint))?;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let metrics = metrics.text();
    metrics_tell_of_all(&metrics)?;
    the_collector_hears_the_same(&record)?;

    assert!(server.terminate()?.success());
    let log = server.output();
    // The server prints the owner's key once, for whoever started it.
    let log: Vec<&str> = log.lines().filter(|line| !line.starts_with("key ")).collect();
    logs_tell_of_requests(&log)?;
    let secret = server.text("/s3/secretAccessKey").to_owned();
    for (place, text) in
        [("the log", log.join("\n")), ("/metrics", metrics), ("OTLP", fs::read_to_string(&record)?)]
    {
        for hidden in [PLANTED, key.as_str(), secret.as_str(), test_postgres::PASSWORD] {
            let found = text.lines().find(|line| line.contains(hidden));
            ensure!(found.is_none(), "{place} holds {hidden}: {}", found.unwrap_or_default());
        }
    }
    Ok(())
}

fn traces_tell_of_requests_and_jobs(record: &Path) -> Result<()> {
    let job = |kind: &'static str, outcome: &'static str| {
        until_told(record, &format!("a job {kind} that {outcome}"), move |lines| {
            let found = spans(lines).into_iter().find(|span| {
                span["name"] == "job"
                    && attribute(span, "job.kind").is_some_and(|found| found == kind)
                    && attribute(span, "job.outcome").is_some_and(|found| found == outcome)
            });
            found.cloned()
        })
    };
    let training = job("train", "succeeded")?;
    assert_eq!(training["kind"], "SPAN_KIND_CONSUMER", "{training}");
    let nanoseconds = |name: &str| training[name].as_str().and_then(|text| text.parse::<u64>().ok());
    assert!(nanoseconds("endTimeUnixNano") > nanoseconds("startTimeUnixNano"), "{training}");
    let failed = job("import", "failed")?;
    assert_eq!(failed["status"]["code"], "STATUS_CODE_ERROR", "{failed}");
    // The extraction's request belongs to the trace of its job.
    let extraction = job("extract", "ended")?;
    until_told(record, "the request of an extraction job", |lines| {
        let of_job = |span: &&&Value| {
            span["parentSpanId"] == extraction["spanId"] && span["traceId"] == extraction["traceId"]
        };
        let found = spans(lines);
        let request = found.iter().find(of_job)?;
        (attribute(request, "http.route")? == "/internal/analyze-text/...").then_some(())
    })?;
    until_told(record, "a request that was refused", |lines| {
        let found = spans(lines);
        let refused = found.iter().find(|span| {
            attribute(span, "http.response.status_code").is_some_and(|status| status == "401")
        })?;
        (refused["kind"] == "SPAN_KIND_SERVER" && attribute(refused, "component")? == "authoring")
            .then_some(())
    })
}

fn metrics_tell_of_all(metrics: &str) -> Result<()> {
    for line in [
        "# TYPE spindle_http_request_duration_seconds histogram",
        "spindle_http_request_duration_seconds_count{component=\"authoring\",method=\"GET\",route=\"/language/authoring/...\",status=\"4xx\"}",
        "spindle_http_request_duration_seconds_bucket{component=\"extraction\",method=\"POST\",route=\"/language/...\",status=\"2xx\",le=\"+Inf\"}",
        "spindle_job_duration_seconds_count{kind=\"train\",outcome=\"succeeded\"} 1",
        "spindle_job_duration_seconds_count{kind=\"import\",outcome=\"failed\"} 1",
        "spindle_jobs_running{kind=\"train\"} 0",
        "spindle_models{part=\"head\"} 1",
        "spindle_model_bytes{part=\"head\"} ",
        "spindle_inference_batches_total 0",
        "spindle_build_info{process=\"up\",version=\"",
    ] {
        ensure!(metrics.lines().any(|found| found.starts_with(line)), "no {line} in\n{metrics}");
    }
    Ok(())
}

fn the_collector_hears_the_same(record: &Path) -> Result<()> {
    let path = ["metrics", "resourceMetrics", "scopeMetrics", "metrics"];
    let point = until_told(record, "a training's duration", |lines| {
        let all = lines.iter().flat_map(|line| all(line, &path));
        let jobs = all.filter(|metric| metric["name"] == "spindle_job_duration_seconds");
        let points = jobs.flat_map(|metric| all_points(&metric["histogram"]));
        points.filter(|point| attribute(point, "kind").is_some_and(|kind| kind == "train")).last().cloned()
    })?;
    assert_eq!(point["count"], "1", "{point}");
    let counts: BTreeSet<&str> =
        all(&point, &["bucketCounts"]).into_iter().filter_map(Value::as_str).collect();
    assert_eq!(counts, BTreeSet::from(["0", "1"]), "{point}");
    assert!(point["sum"].as_f64().is_some_and(|sum| sum > 0.0), "{point}");
    let lines = lines(record);
    let first = lines.first().context("nothing was sent")?;
    let who = all(first, &["traces", "resourceSpans", "resource"])
        .into_iter()
        .chain(all(first, &["metrics", "resourceMetrics", "resource"]));
    let name = who.into_iter().find_map(|resource| attribute(resource, "service.name"));
    assert_eq!(name, Some(&json!("spindle")), "{first}");
    let tenants = lines.iter().map(|line| all(line, &["headers", "x-tenant"])[0]);
    assert!(tenants.into_iter().all(|tenant| tenant == "a b"), "headers as configured");
    Ok(())
}

fn all_points(histogram: &Value) -> Vec<&Value> {
    all(histogram, &["dataPoints"])
}

/// Each line is JSON, and each request is told with its id, route, status and time.
fn logs_tell_of_requests(log: &[&str]) -> Result<()> {
    let parsed: Vec<Value> = log.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let plain = log.len() - parsed.len();
    ensure!(plain < 10, "{plain} lines are no JSON: {log:#?}");
    let told = parsed.iter().find(|line| {
        let fields = &line["fields"];
        fields["message"] == "request answered"
            && fields["status"] == 200
            && fields["component"] == "extraction"
    });
    let fields = &told.context("no request is told")?["fields"];
    assert_eq!(fields["route"], "/language/...", "{fields}");
    assert!(fields["milliseconds"].as_f64().is_some_and(|time| time > 0.0), "{fields}");
    assert_eq!(fields["id"].as_str().map(str::len), Some(36), "{fields}");
    Ok(())
}
