//! Which PostgreSQL server and database: what an address may say, and what of it may be shown.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Config, Connection, NoTls, Socket};

use super::native_postgres::map_error;
use super::postgres as engine;
use crate::Error;

/// What carries a client's messages.
pub(super) type PostgresConnection = Connection<Socket, NoTlsStream>;

const DEFAULT_PORT: u16 = 5432;
/// How long an unreachable server is waited for, and one that vanished without a word.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// The values of `sslmode` that insist on TLS, in the words of PostgreSQL's own clients.
const TLS_MODES: [&str; 3] = ["require", "verify-ca", "verify-full"];

/// The settings of connections to `address`.
///
/// # Errors
/// [`Error::Unavailable`]; the message holds no part of the address, since a password with unescaped signs would be
/// taken for something else.
pub(super) fn parse(address: &str) -> Result<Config, Error> {
    let unusable = |reason: &str| Error::Unavailable(format!("its address {reason}"));
    if !["postgres://", "postgresql://"].iter().any(|scheme| address.starts_with(scheme)) {
        return Err(unusable("does not begin with postgres://"));
    }
    let parameters = engine::parameters(address).unwrap_or_default();
    let mode = parameters.split('&').find_map(|one| one.strip_prefix("sslmode="));
    let no_tls = "asks for TLS with sslmode, which this program does not speak to databases; connect to a proxy on \
                  this machine that does, or let the network encrypt";
    if mode.is_some_and(|mode| TLS_MODES.contains(&mode)) {
        return Err(unusable(no_tls));
    }
    let unreadable = "is not postgres://user:password@host:port/database; in a user or password, / : @ ? # and % are \
                      written %2F %3A %40 %3F %23 and %25";
    let mut config = Config::from_str(&engine::with_settings(address)).map_err(|_| unusable(unreadable))?;
    if config.get_ssl_mode() == SslMode::Require {
        return Err(unusable(no_tls));
    }
    match config.get_hosts() {
        // Components are granted the host by its name; another address for it would be refused to them alone.
        [Host::Tcp(name)] if !name.contains('@') && config.get_hostaddrs().is_empty() => {}
        [Host::Tcp(name)] if name.contains('@') => return Err(unusable(unreadable)),
        _ => return Err(unusable("must name one host to reach over TCP")),
    }
    if config.get_dbname().is_some_and(|name| name.contains('@')) {
        return Err(unusable(unreadable));
    }
    config.ssl_mode(SslMode::Disable).application_name("spindle");
    config.tcp_user_timeout(SILENCE_MAX).keepalives_idle(SILENCE_MAX);
    Ok(config)
}

/// A connection to a server of a version that will do. Whoever else listens there may never say a word.
pub(super) async fn connect(config: &Config) -> Result<(Client, PostgresConnection), Error> {
    let wait = config.get_connect_timeout().copied().unwrap_or(SILENCE_MAX);
    let connected = tokio::time::timeout(wait, config.connect(NoTls)).await.map_err(|_| {
        Error::Unavailable(format!("nothing that speaks PostgreSQL answers at {} for {wait:?}", host(config)))
    })?;
    let (client, connection) = connected.map_err(|error| map_error(&error))?;
    check_version(connection.parameter("server_version").unwrap_or_default())?;
    Ok((client, connection))
}

/// `host:port`.
pub(super) fn host(config: &Config) -> String {
    let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
    match name(config) {
        name if name.contains(':') => format!("[{name}]:{port}"),
        name => format!("{name}:{port}"),
    }
}

/// Whether the host is this machine by its name alone.
pub(super) fn is_local(config: &Config) -> bool {
    let name = name(config);
    name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// The database in words, without the password.
pub(super) fn show(config: &Config, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let user = config.get_user().unwrap_or("the system's user");
    let database = config.get_dbname().unwrap_or(user);
    write!(f, "PostgreSQL database {database:?} at {} as {user}", host(config))
}

fn name(config: &Config) -> &str {
    // `parse` lets nothing else through.
    match config.get_hosts() {
        [Host::Tcp(name)] => name,
        _ => "",
    }
}

/// The first number of the version a server names itself: `15.18 (Debian 15.18-0)`.
fn check_version(version: &str) -> Result<(), Error> {
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse::<u32>() {
        Ok(major) if major >= engine::MAJOR_VERSION_MIN => Ok(()),
        _ => Err(Error::Unavailable(format!(
            "the server is PostgreSQL {version:?}; version {} or a newer one is needed",
            engine::MAJOR_VERSION_MIN
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_work_are_refused_without_being_shown() {
        for (address, reason) in [
            ("mysql://u:hidden@localhost/db", "begin with postgres://"),
            ("host=localhost password=hidden", "begin with postgres://"),
            ("postgres://u:hidden@localhost:port/db", "is not postgres://"),
            ("postgres://u:p@hidden@localhost/db", "%40"),
            ("postgres://u:hidden@localhost/db?sslmode=require", "TLS"),
            ("postgres://u:hidden@localhost/db?connect_timeout=2&sslmode=verify-full", "TLS"),
            ("postgres://u:hidden@localhost/db?sslmode=%72equire", "TLS"),
            ("postgres://u:hidden@localhost/db?sslmode=hidden", "is not postgres://"),
            ("postgres://u:hidden@%2Ftmp/db", "over TCP"),
            ("postgres://u:hidden@a.example,b.example/db", "one host"),
            ("postgres://u:hidden@a.example/db?hostaddr=10.0.0.1", "one host"),
            ("postgres://", "over TCP"),
        ] {
            let error = parse(address).expect_err(address).to_string();
            assert!(error.contains(reason) && !error.contains("hid"), "{address}: {error}");
        }
    }

    #[test]
    fn hosts_have_their_ports_and_passwords_stay_out() {
        struct Shown(Config);
        impl fmt::Display for Shown {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                show(&self.0, f)
            }
        }
        for (address, place, local) in [
            ("postgresql://u:p%40ss@a.example/db", "a.example:5432", false),
            ("postgres://u:p?/:#ss@a.example/db", "a.example:5432", false),
            ("postgres://u@127.0.0.1:7000/db?sslmode=disable", "127.0.0.1:7000", true),
            ("postgres://u@[::1]:7000/db", "[::1]:7000", true),
            ("postgres://u@localhost/db?sslmode=prefer", "localhost:5432", true),
        ] {
            let config = parse(address).expect("an address");
            assert_eq!((host(&config), is_local(&config)), (place.to_owned(), local));
            assert_eq!(Shown(config).to_string(), format!("PostgreSQL database \"db\" at {place} as u"));
        }
    }

    #[test]
    fn old_servers_are_refused() {
        assert_eq!(check_version("15.18 (Debian 15.18-0+deb12u1)"), Ok(()));
        for old in ["11.22", "9.6.24", ""] {
            assert!(matches!(check_version(old), Err(Error::Unavailable(_))), "{old}");
        }
    }
}
