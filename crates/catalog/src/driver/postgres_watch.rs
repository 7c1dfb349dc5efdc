//! The programs that run an installation's jobs over a PostgreSQL database, and how they hear of new ones.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use tokio_postgres::{AsyncMessage, Client, Config};

use super::native_postgres::map_error;
use super::{Place, postgres_address as address};
use crate::Error;

/// Between attempts to hear of changes again.
const AGAIN: Duration = Duration::from_secs(1);

/// A place at the database, for as long as this lives.
pub struct PostgresWatch {
    config: Config,
    place: Place,
    session: Session,
}

/// A connection of its own: locks and what is heard belong to it.
struct Session {
    // The connection ends with its client.
    _client: Client,
    connection: address::PostgresConnection,
}

impl std::fmt::Debug for PostgresWatch {
    // The address has a password in it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresWatch").finish_non_exhaustive()
    }
}

impl PostgresWatch {
    pub(super) async fn open(config: Config, place: Place) -> Result<Self, Error> {
        Ok(Self { session: Session::open(&config, place).await?, place, config })
    }

    /// Calls `ring` with `Ok` whenever a commit, in any process, may have changed the jobs; never ends. A lost
    /// connection is told and made again, with a ring for what may have been missed.
    pub async fn run(mut self, ring: impl Fn(Result<(), Error>)) {
        loop {
            ring(Err(self.session.hear(&ring).await));
            self.session = loop {
                tokio::time::sleep(AGAIN).await;
                match Session::open(&self.config, self.place).await {
                    Ok(session) => break session,
                    Err(error) => ring(Err(error)),
                }
            };
            ring(Ok(()));
        }
    }
}

impl Session {
    async fn open(config: &Config, place: Place) -> Result<Self, Error> {
        let (client, mut connection) = address::connect(config).await?;
        {
            let mut asked = pin!(client.batch_execute(place.statements()));
            loop {
                tokio::select! {
                    done = &mut asked => break done.map_err(|error| map_error(&error))?,
                    message = poll_fn(|context| connection.poll_message(context)) => going_on(message).map(drop)?,
                }
            }
        }
        Ok(Self { _client: client, connection })
    }

    /// Rings for what comes, until the connection is lost; why it was.
    async fn hear(&mut self, ring: &impl Fn(Result<(), Error>)) -> Error {
        loop {
            match going_on(poll_fn(|context| self.connection.poll_message(context)).await) {
                Ok(AsyncMessage::Notification(_)) => ring(Ok(())),
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }
}

fn going_on(message: Option<Result<AsyncMessage, tokio_postgres::Error>>) -> Result<AsyncMessage, Error> {
    match message {
        Some(message) => message.map_err(|error| map_error(&error)),
        None => Err(Error::Unavailable("the server closed the connection".to_owned())),
    }
}
