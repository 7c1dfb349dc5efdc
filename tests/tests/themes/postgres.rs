//! The whole program over PostgreSQL.

use crate::command_line::says;
use crate::interface::clear;
use crate::restart::until_at_work;
use anyhow::{Context, Result};
use serde_json::json;
use spindle_tests::api::PROJECTS;
use spindle_tests::command::{command, run};
use spindle_tests::server::refused;
use spindle_tests::{Client, Example, Server};
use std::ffi::OsStr;
use test_postgres::PostgresServer;

/// Signs of the server's password that no output may hold.
const SECRET: &str = "cr@t";
const SECRET_ESCAPED: &str = "cr%40t";

#[test]
fn a_project_lives_in_postgresql_through_a_kill_and_an_outage() -> Result<()> {
    let Some(mut database) = PostgresServer::start()? else { return Ok(()) };
    let address = database.database()?;
    let arguments: [&OsStr; 2] = ["--database".as_ref(), address.as_ref()];
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let server = Server::start_with(&data, &arguments)?;
    let (client, first) = (server.client(), server.text("/endpoint").to_owned());
    let example = Example::claims_desk("Elephant", "elephant")?;
    example.upload(&server)?;
    example.import(&client)?;
    let job = example.start_training(&client, "kept", "lexical")?;
    let begun = until_at_work(&client, &job)?;
    server.kill9()?;

    let server = Server::start_with(&data, &arguments)?;
    let client = server.client();
    let path = job.strip_prefix(&first).context("a foreign job")?;
    let state = client.wait(&format!("{}{path}", client.endpoint))?;
    assert_eq!(state["status"], "succeeded", "{state}");
    let started = "/result/trainingStatus/startDateTime";
    assert_ne!(state.pointer(started), begun.pointer(started), "the killed run had ended its training");

    keys(&server, &address)?;
    outage(&mut database, &client)?;
    // A job that begins after the outage: the worker hears of it again.
    example.deploy(&client, "kept", "production")?;
    let texts = example.unseen()?;
    let sent = json!([{ "id": "1", "language": "en-us", "text": texts[0].1 }]);
    let question = example.question("production", "UnicodeCodePoint", &sent);
    let answer = client.send("POST", "/language/:analyze-text", Some(&question))?.expect(200)?;
    let entities = answer["results"]["documents"][0]["entities"].as_array().map_or(0, Vec::len);
    assert!(entities > 0, "{answer}");
    client.succeed("DELETE", &example.path(""), None)?;

    assert!(!data.join("spindle.sqlite").exists(), "nothing was written beside PostgreSQL");
    let output = server.output();
    assert!(!output.contains(SECRET) && !output.contains(SECRET_ESCAPED), "{output}");
    Ok(())
}

/// Keys are made beside the running server, whose work goes on.
fn keys(server: &Server, address: &str) -> Result<()> {
    let data = server.data().to_str().context("the data folder's name is not UTF-8")?;
    let words = ["key", "add", "beside", "--role", "reader", "--data", data];
    says(&run(command(&words)?, "")?.ended(1)?.stderr, &["no ", "spindle.sqlite", "--database"]);
    let made = run(command(&[&words[..], &["--database", address]].concat())?, "")?.ended(0)?;
    assert!(!made.stderr.contains(SECRET_ESCAPED), "{made:?}");
    server.client().with_key(made.stdout.trim()).get(PROJECTS)?.expect(200)?;
    Ok(())
}

/// Callers are told to come back, and are served when they do.
fn outage(database: &mut PostgresServer, client: &Client) -> Result<()> {
    client.get(PROJECTS)?.expect(200)?;
    database.stop();
    let away = client.get(PROJECTS)?;
    assert_eq!(away.error()?.0, 503, "{}", away.text());
    assert!(away.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{}", away.text());
    database.start_again()?;
    client.get(PROJECTS)?.expect(200)?;
    Ok(())
}

#[test]
fn a_database_that_cannot_be_used_is_told_without_the_password() -> Result<()> {
    let Some(database) = PostgresServer::start()? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let good = database.database()?;
    let wrong = good.replace("se%2F", "not-");
    let away = good.replace(&database.port().to_string(), "1");
    let (tls, file) = (format!("{good}?sslmode=require"), good.replace("postgres://", "sqlite://"));
    let absent = database.address("absent");
    for (address, words) in [
        (&wrong, ["password authentication failed", "correct the user or the password"]),
        (&absent, ["\"absent\" does not exist", "create it"]),
        (&away, ["127.0.0.1:1", "refused"]),
        (&tls, ["TLS", "sslmode"]),
        (&file, ["postgres://", "address"]),
    ] {
        let start = refused(&data, &["--listen", "127.0.0.1:0", "--database", address])?;
        clear(&start, &words);
        clear(&start, &["--database"]);
        for secret in [SECRET, SECRET_ESCAPED, "not-"] {
            assert!(!start.output.contains(secret), "{secret}:\n{}", start.output);
        }
    }
    Ok(())
}
