//! Which server, and with which key: arguments first, then the environment, then the data folder.

use super::{Client, ClientError};
use crate::access::{Access, S3Access};
use clap::Args;
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const ENDPOINT_VARIABLE: &str = "SPINDLE_ENDPOINT";
const KEY_VARIABLE: &str = "SPINDLE_KEY";
const DATA_VARIABLE: &str = "SPINDLE_DATA";
/// Where `spindle up` keeps its data when nobody says otherwise.
pub(crate) const DATA_DEFAULT: &str = "spindle-data";

/// The server a command talks to.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Server")]
pub(crate) struct ConnectArguments {
    /// Address of the API, for example http://127.0.0.1:8080 [env: SPINDLE_ENDPOINT]
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Key of the API; the environment shows it to fewer eyes [env: SPINDLE_KEY]
    #[arg(long)]
    key: Option<String>,
    /// Data folder of a server on this machine; its access.json holds addresses and keys [env: SPINDLE_DATA] [default: spindle-data]
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["endpoint", "key"])]
    data: Option<PathBuf>,
}

/// A server, and its object storage when the data folder tells it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) s3: Option<S3Access>,
}

impl ConnectArguments {
    /// The server these arguments and the environment name; nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::NoServer`] or [`ClientError::Usage`].
    pub(crate) fn connect(&self) -> Result<Connection, ClientError> {
        let found = self.find(|name| env::var(name).ok().filter(|value| !value.is_empty()))?;
        Ok(Connection { client: Client::new(&found.endpoint, &found.key)?, s3: found.s3 })
    }

    fn find(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Found, ClientError> {
        if let Some(data) = &self.data {
            return Found::read(data);
        }
        let endpoint = self.endpoint.clone().or_else(|| variable(ENDPOINT_VARIABLE));
        let key = self.key.clone().or_else(|| variable(KEY_VARIABLE));
        match (endpoint, key) {
            (Some(endpoint), Some(key)) => Ok(Found { endpoint: checked(endpoint)?, key, s3: None }),
            (Some(endpoint), None) => Err(ClientError::Usage(format!(
                "there is no key for {endpoint}; give one in {KEY_VARIABLE} or with --key"
            ))),
            (None, key) => {
                let data = variable(DATA_VARIABLE).unwrap_or_else(|| DATA_DEFAULT.to_owned());
                let found = Found::read(Path::new(&data))?;
                Ok(Found { key: key.unwrap_or(found.key), ..found })
            }
        }
    }
}

#[derive(Debug)]
struct Found {
    endpoint: String,
    key: String,
    s3: Option<S3Access>,
}

impl Found {
    /// What the server on `data` wrote when it was ready; the file goes away with the server.
    fn read(data: &Path) -> Result<Self, ClientError> {
        let path = data.join("access.json");
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ClientError::NoServer(format!(
                "no server found: there is no {}; start one with `spindle up --data {}`, or name one with --data, or with --endpoint and --key",
                path.display(),
                data.display()
            )),
            _ => ClientError::NoServer(format!("cannot read {}: {error}", path.display())),
        })?;
        let access: Access = serde_json::from_slice(&bytes)
            .map_err(|error| ClientError::NoServer(format!("{} is damaged: {error}", path.display())))?;
        Ok(Self { endpoint: access.endpoint, key: access.key, s3: Some(access.s3) })
    }
}

fn checked(endpoint: String) -> Result<String, ClientError> {
    match endpoint.split_once("://") {
        Some(("http", host)) if !host.is_empty() => Ok(endpoint),
        Some(("https", _)) => Err(ClientError::Usage(format!(
            "{endpoint}: the command line speaks plain http; reach the server without its proxy, or through a tunnel"
        ))),
        _ => Err(ClientError::Usage(format!(
            "{endpoint:?} is no address of a server; one looks like http://127.0.0.1:8080"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS: &str = r#"{"endpoint":"http://127.0.0.1:7","key":"k1","pid":1,
        "s3":{"endpoint":"http://127.0.0.1:8","accessKeyId":"A","secretAccessKey":"S","region":"r"}}"#;

    fn find(
        arguments: &ConnectArguments,
        variables: &[(&str, &str)],
    ) -> Result<(String, String, bool), String> {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let found = arguments.find(variable).map_err(|error| format!("{} {error}", error.exit_code()))?;
        Ok((found.endpoint, found.key, found.s3.is_some()))
    }

    fn found(endpoint: &str, key: &str, s3: bool) -> Result<(String, String, bool), String> {
        Ok((endpoint.to_owned(), key.to_owned(), s3))
    }

    #[test]
    fn arguments_win_over_the_environment_and_the_environment_over_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("access.json"), ACCESS).unwrap();
        let path = folder.path().to_str().unwrap();
        let variables = [(ENDPOINT_VARIABLE, "http://env:1"), (KEY_VARIABLE, "k2"), (DATA_VARIABLE, path)];
        let none = ConnectArguments::default();
        let named = ConnectArguments { data: Some(folder.path().to_owned()), ..none.clone() };
        assert_eq!(find(&named, &variables), found("http://127.0.0.1:7", "k1", true));
        assert_eq!(find(&none, &variables), found("http://env:1", "k2", false));
        let given = ConnectArguments {
            endpoint: Some("http://arg:1".to_owned()),
            key: Some("k3".to_owned()),
            ..none.clone()
        };
        assert_eq!(find(&given, &variables), found("http://arg:1", "k3", false));
        assert_eq!(find(&none, &variables[2..]), found("http://127.0.0.1:7", "k1", true));
        assert_eq!(find(&none, &variables[1..]), found("http://127.0.0.1:7", "k2", true));
    }

    #[test]
    fn what_is_missing_is_said_with_the_way_out() {
        let given = |endpoint: &str| ConnectArguments {
            endpoint: Some(endpoint.to_owned()),
            ..ConnectArguments::default()
        };
        let message = |endpoint: &str, key: &[(&str, &str)]| find(&given(endpoint), key).unwrap_err();
        let key = [(KEY_VARIABLE, "k")];
        assert!(message("http://h", &[]).starts_with("2 there is no key for http://h"));
        assert!(message("127.0.0.1:8080", &key).contains("http://127.0.0.1:8080"));
        assert!(message("https://h", &key).contains("plain http"));
        let nowhere =
            ConnectArguments { data: Some(PathBuf::from("nowhere")), ..ConnectArguments::default() };
        let error = find(&nowhere, &[]).unwrap_err();
        assert!(
            error.starts_with("3 no server found") && error.contains("spindle up --data nowhere"),
            "{error}"
        );
    }
}
