//! Each component answers through the real host.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::api::PROJECTS;
use spindle_tests::{Answer, Server};
use std::fs;
use ureq::http::Request;

#[test]
fn the_authoring_component_answers_with_the_headers_clients_look_for() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let answer = client.get(PROJECTS)?;
    assert!(answer.expect(200)?["value"].is_array());
    assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("access-control-expose-headers"), "*");
    assert_eq!(answer.header("apim-request-id").len(), 36);
    let versions = client
        .get(&format!("{PROJECTS}/global/training-config-versions?projectKind=CustomEntityRecognition"))?;
    assert!(
        versions.text().contains("\"lexical\"") && versions.text().contains("\"contextual\""),
        "{}",
        versions.text()
    );
    let languages =
        client.get(&format!("{PROJECTS}/global/languages?projectKind=CustomEntityRecognition"))?;
    assert!(languages.expect(200)?["value"].as_array().is_some_and(|list| list.len() > 10));
    Ok(())
}

#[test]
fn the_extraction_component_answers_and_keeps_its_inner_route_to_itself() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let id = "7669f653-2ff2-4db7-bf52-aa3e813bcb8b";
    assert_eq!(client.get(&format!("/language/analyze-text/jobs/{id}"))?.error()?.1, "OperationNotFound");
    let inner = format!("{}/internal/analyze-text/jobs/{id}:run", client.endpoint);
    let answer = client.send("POST", &inner, None)?;
    assert!(
        matches!(answer.status, 401 | 403 | 404),
        "a caller's key opens no inner route: {}",
        answer.status
    );
    Ok(())
}

#[test]
fn the_studio_is_a_page_that_loads_nothing_from_elsewhere() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    for (path, content_type) in
        [("/", "text/html"), ("/studio.js", "text/javascript"), ("/studio.css", "text/css")]
    {
        let answer = client.with_key("").get(&format!("{}{path}", client.endpoint))?;
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").starts_with(content_type), "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe-inline"), "{policy}");
    }
    let page = client.with_key("").get(&format!("{}/", client.endpoint))?.text();
    assert!(!page.contains("https://") && !page.contains("<script>"), "nothing foreign, nothing inline");
    assert_eq!(client.get(&format!("{}/no-such-page", client.endpoint))?.status, 404);
    Ok(())
}

#[test]
fn a_bucket_notification_needs_the_installations_secret() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let secrets: Value = serde_json::from_slice(&fs::read(server.data().join("secrets.json"))?)?;
    let secret = secrets["eventsSecret"].as_str().context("no events secret")?;
    let metadata = json!({
        "projectKind": "CustomEntityRecognition", "storageInputContainerName": "events", "projectName": "Events",
        "multilingual": false, "language": "en-us"
    });
    client.send("PATCH", &format!("{PROJECTS}/Events"), Some(&metadata))?.expect(201)?;

    let created = notification("events", "new+letter.txt");
    for wrong in ["", "Bearer ", "Bearer 0123456789abcdef0123456789abcdef"] {
        assert_eq!(post(&server, wrong, &created)?.status, 401, "authorization {wrong:?}");
    }
    let good = format!("Bearer {secret}");
    let told = |body: &str| post(&server, &good, body)?.expect(200);
    assert_eq!(told(&created)?, json!({ "accepted": 1, "repeated": 0 }));
    // Told twice, as buckets do.
    assert_eq!(told(&created)?, json!({ "accepted": 0, "repeated": 1 }));
    assert_eq!(told(&notification("nobodys", "letter.txt"))?, json!({ "accepted": 1, "repeated": 0 }));
    assert_eq!(told("[]")?, json!({ "accepted": 0, "repeated": 0 }));
    assert_eq!(post(&server, &good, "{")?.status, 400);
    let asks = json!([{ "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent", "subject": "",
        "data": { "validationCode": "512d38b6" } }]);
    assert_eq!(told(&asks.to_string())?, json!({ "validationResponse": "512d38b6" }));
    let handshake = |address: &str| {
        let request =
            Request::builder().method("OPTIONS").uri(format!("{}/events/storage{address}", client.endpoint));
        client.run(request.header("WebHook-Request-Origin", "eventgrid.azure.net").body(())?)
    };
    assert_eq!(handshake("")?.status, 401);
    let permitted = handshake(&format!("?secret={secret}"))?;
    assert_eq!((permitted.status, permitted.header("webhook-allowed-origin")), (200, "eventgrid.azure.net"));
    Ok(())
}

/// A notification as S3 servers send it.
fn notification(bucket: &str, key: &str) -> String {
    json!({ "Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-east-1",
        "eventTime": "2026-01-05T10:00:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": bucket }, "object": { "key": key, "size": 12, "eTag": "9b2cf535f27731c974343645a3985328" } }
    }] })
    .to_string()
}

fn post(server: &Server, authorization: &str, body: &str) -> Result<Answer> {
    let client = server.client();
    let mut request = Request::post(format!("{}/events/storage", client.endpoint))
        .header("Content-Type", "application/json");
    if !authorization.is_empty() {
        request = request.header("Authorization", authorization);
    }
    client.run(request.body(body.as_bytes().to_vec())?)
}
