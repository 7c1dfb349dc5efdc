//! The life of a project from the command line: each command is a few calls of the REST API and one answer.
//!
//! One file per resource, named as in the routes. Data goes to standard output, all else to standard error.

pub(crate) mod deployment;
pub(crate) mod documents;
pub(crate) mod evaluate;
pub(crate) mod extract;
pub(crate) mod inbox;
pub(crate) mod job;
pub(crate) mod label_file;
pub(crate) mod model;
pub(crate) mod project;
pub(crate) mod subscriber;
pub(crate) mod train;
pub(crate) mod upload;

use crate::access::S3Access;
use crate::client::{Answer, Client, ClientError, ConnectArguments, JobAddress, JobView};
use crate::print::{self, JobProgress, Paint};
use anyhow::Result;
use clap::Args;
use serde::de::DeserializeOwned;

/// What every command that talks to a server takes.
#[derive(Args)]
pub(crate) struct Common {
    /// Print the API's own answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connect: ConnectArguments,
}

/// Whether to stay until a job has ended.
#[derive(Args)]
pub(crate) struct Waiting {
    /// Wait until the job has ended; the default
    #[arg(long, overrides_with = "no_wait")]
    wait: bool,
    /// Start the job, print its state and leave it running
    #[arg(long, overrides_with = "wait")]
    no_wait: bool,
}

impl Waiting {
    fn waits(&self) -> bool {
        self.wait || !self.no_wait
    }
}

/// One command's connection and the form of its answer.
struct Session {
    client: Client,
    s3: Option<S3Access>,
    json: bool,
    paint: Paint,
}

/// How a job stood when the command stopped looking.
enum Followed {
    Succeeded {
        state: Answer,
    },
    /// Left running, as asked.
    Started {
        state: Answer,
    },
}

impl Common {
    fn open(&self) -> Result<Session> {
        let connection = self.connect.connect()?;
        Ok(Session { client: connection.client, s3: connection.s3, json: self.json, paint: Paint::stdout() })
    }
}

impl Session {
    /// Prints the answer as it came, or as people read it.
    fn show<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        human: impl FnOnce(T, Paint) -> String,
    ) -> Result<()> {
        if self.json {
            return self.say(answer, "");
        }
        self.say(answer, &human(answer.read()?, self.paint))
    }

    /// Prints a sentence for people, or the answer for scripts.
    fn say(&self, answer: &Answer, sentence: &str) -> Result<()> {
        let text = if self.json { answer.json() } else { sentence };
        if !text.is_empty() {
            print::out(text)?;
        }
        Ok(())
    }

    /// Waits for a job, or says where it is found.
    async fn follow(&self, job: &JobAddress, title: &str, waiting: &Waiting) -> Result<Followed> {
        if waiting.waits() {
            return Ok(Followed::Succeeded { state: self.wait(job, title).await? });
        }
        let state = self.client.get(job.path()).await?;
        print::note(&format!("{title} goes on at the server; wait for it with `spindle job watch {job}`"));
        Ok(Followed::Started { state })
    }

    /// Waits until a job has succeeded, with its progress; Ctrl+C leaves it running.
    async fn wait(&self, job: &JobAddress, title: &str) -> Result<Answer> {
        let mut progress = JobProgress::new(title);
        let ended = {
            let waiting = self.client.succeeded(job, |view| progress.show(view));
            tokio::select! {
                ended = waiting => ended,
                _ = tokio::signal::ctrl_c() => Err(ClientError::Interrupted { job: job.to_string() }),
            }
        };
        progress.end();
        let (state, view) = ended?;
        warn(&view);
        Ok(state)
    }
}

fn warn(view: &JobView) {
    for warning in view.warnings.iter().flatten() {
        print::note(&format!("warning: {} ({})", warning.message, warning.code));
    }
}

/// A list for people, or what to do when it is empty.
fn or_empty(rows: usize, table: String, empty: &str) -> String {
    if rows == 0 { format!("{empty}\n") } else { table }
}
