//! Names and ids in paths and bodies, valid by construction (contract: authoring 4 and 16, limits 5).

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Longest name of a project, model or deployment in characters.
pub const NAME_CHARACTERS_MAX: usize = 50;

/// Longest name of a container; S3 and Azure agree.
pub const CONTAINER_CHARACTERS_MAX: usize = 63;

/// Why a text is no name. The caller can fix it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Wrong length.
    #[error("the name of a {what} has 1 to {max} characters, {characters} were given")]
    Length {
        /// Kind of object.
        what: &'static str,
        /// Longest name.
        max: usize,
        /// Length given.
        characters: usize,
    },
    /// A sign that is not allowed.
    #[error(
        "the name of a {what} is made of letters A-Z and a-z, digits, '_', '.' and '-'; {sign:?} is not allowed"
    )]
    Sign {
        /// Kind of object.
        what: &'static str,
        /// The first such sign.
        sign: char,
    },
    /// A word with a meaning in paths.
    #[error("{name:?} is reserved and can't name a {what}")]
    Reserved {
        /// Kind of object.
        what: &'static str,
        /// The name.
        name: String,
    },
}

fn check(what: &'static str, name: &str, max: usize, reserved: Option<&str>) -> Result<(), NameError> {
    let characters = name.chars().count();
    if characters == 0 || characters > max {
        return Err(NameError::Length { what, max, characters });
    }
    let allowed = |sign: &char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '.' | '-');
    if let Some(sign) = name.chars().find(|sign| !allowed(sign)) {
        return Err(NameError::Sign { what, sign });
    }
    // Names become parts of object keys and URLs, where dots alone mean another folder.
    let dots = name.chars().all(|sign| sign == '.');
    if dots || reserved.is_some_and(|word| name.eq_ignore_ascii_case(word)) {
        return Err(NameError::Reserved { what, name: name.to_owned() });
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $max:expr, $reserved:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// Checks `name`.
            ///
            /// # Errors
            /// The first rule broken.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check($what, name, $max, $reserved)?;
                Ok(Self(name.to_owned()))
            }

            /// The name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// A project's name: case-sensitive, never `global`.
    ProjectName, "project", NAME_CHARACTERS_MAX, Some("global")
);
name!(
    /// The label of a trained model: case-sensitive.
    ModelLabel, "model", NAME_CHARACTERS_MAX, None
);
name!(
    /// A deployment's name: case-sensitive, never `swap`.
    DeploymentName, "deployment", NAME_CHARACTERS_MAX, Some("swap")
);
name!(
    /// An exported model's name: case-sensitive.
    ExportedModelName, "exported model", NAME_CHARACTERS_MAX, None
);
name!(
    /// A subscriber's name: case-sensitive.
    SubscriberName, "subscriber", NAME_CHARACTERS_MAX, None
);
name!(
    /// The container (bucket) that holds a project's documents.
    ContainerName, "storage container", CONTAINER_CHARACTERS_MAX, None
);

/// 100-nanosecond ticks between 0001-01-01 and 1970-01-01.
const TICKS_TO_EPOCH: i64 = 621_355_968_000_000_000;
const TICKS_PER_DAY: i64 = 864_000_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// A text that is no id of this kind: no such job can exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed job id")]
pub struct JobIdError;

/// Id of an authoring job: a GUID, `_`, and the ticks of the creation day at 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JobId {
    guid: Uuid,
    day_ticks: i64,
}

impl JobId {
    /// The id of a job created at `created`.
    pub fn new(guid: Uuid, created: Timestamp) -> Self {
        let day = created.as_second().div_euclid(SECONDS_PER_DAY);
        Self { guid, day_ticks: TICKS_TO_EPOCH + day * TICKS_PER_DAY }
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.guid.hyphenated(), self.day_ticks)
    }
}

impl FromStr for JobId {
    type Err = JobIdError;
    fn from_str(text: &str) -> Result<Self, JobIdError> {
        let (guid, ticks) = text.split_once('_').ok_or(JobIdError)?;
        let digits = !ticks.is_empty() && ticks.bytes().all(|sign| sign.is_ascii_digit());
        let day_ticks = ticks.parse().ok().filter(|_| digits).ok_or(JobIdError)?;
        Ok(Self { guid: parse_guid(guid)?, day_ticks })
    }
}

impl TryFrom<String> for JobId {
    type Error = JobIdError;
    fn try_from(text: String) -> Result<Self, JobIdError> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(id: JobId) -> Self {
        id.to_string()
    }
}

/// Id of a prediction job: a plain GUID, because .NET and Java clients parse it as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuntimeJobId(pub Uuid);

impl fmt::Display for RuntimeJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for RuntimeJobId {
    type Err = JobIdError;
    fn from_str(text: &str) -> Result<Self, JobIdError> {
        parse_guid(text).map(Self)
    }
}

impl TryFrom<String> for RuntimeJobId {
    type Error = JobIdError;
    fn try_from(text: String) -> Result<Self, JobIdError> {
        text.parse()
    }
}

impl From<RuntimeJobId> for String {
    fn from(id: RuntimeJobId) -> Self {
        id.to_string()
    }
}

/// The hyphenated form alone: other spellings of one GUID must not name the same job twice.
fn parse_guid(text: &str) -> Result<Uuid, JobIdError> {
    let hyphenated = text.len() == uuid::fmt::Hyphenated::LENGTH;
    Uuid::try_parse(text).ok().filter(|_| hyphenated).ok_or(JobIdError)
}

/// Id of one trained model, new on every training: `label-yyyymmddThhmmss-32 hex digits`.
///
/// The real service writes the hour on a 12-hour clock; we write 24 (contract: authoring 11.1).
pub fn model_id(label: &ModelLabel, trained: Timestamp, guid: Uuid) -> String {
    let moment = trained.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%S").to_string();
    format!("{label}-{moment}-{}", guid.simple())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "8a207877-a5bd-4b51-b820-bbaa4a9ccec1";

    #[test]
    fn names_follow_the_contract() {
        for name in ["ClaimsDesk", "a", "v1.2_x-y", "a".repeat(50).as_str()] {
            assert_eq!(ProjectName::new(name).map(|n| n.to_string()), Ok(name.to_owned()));
        }
        assert!(matches!(ProjectName::new(""), Err(NameError::Length { characters: 0, .. })));
        assert!(matches!(ModelLabel::new(&"é".repeat(51)), Err(NameError::Length { characters: 51, .. })));
        assert!(matches!(ModelLabel::new("a b"), Err(NameError::Sign { sign: ' ', .. })));
        assert!(matches!(ModelLabel::new("a/b"), Err(NameError::Sign { sign: '/', .. })));
        for dots in [".", "..", "..."] {
            assert!(matches!(ContainerName::new(dots), Err(NameError::Reserved { .. })));
        }
    }

    #[test]
    fn words_of_the_paths_are_reserved_where_they_clash() {
        assert!(ProjectName::new("Global").is_err() && DeploymentName::new("swap").is_err());
        assert!(ProjectName::new("swap").is_ok() && DeploymentName::new("global").is_ok());
    }

    #[test]
    fn a_job_id_carries_its_creation_day() {
        let created: Timestamp = "2024-05-06T09:26:44Z".parse().unwrap();
        let id = JobId::new(GUID.parse().unwrap(), created);
        assert_eq!(id.to_string(), format!("{GUID}_638505504000000000"));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn malformed_job_ids_are_refused() {
        for text in [
            "",
            GUID,
            "x_638505504000000000",
            &format!("{GUID}_"),
            &format!("{GUID}_+1"),
            &format!("{GUID}_9{}", "0".repeat(30)),
        ] {
            assert_eq!(text.parse::<JobId>(), Err(JobIdError), "{text}");
        }
        assert!(GUID.parse::<RuntimeJobId>().is_ok());
        assert!(GUID.replace('-', "").parse::<RuntimeJobId>().is_err());
    }

    #[test]
    fn a_model_id_names_label_moment_and_guid() {
        let trained: Timestamp = "2024-05-06T21:31:08.9Z".parse().unwrap();
        let id = model_id(&ModelLabel::new("claims-v1").unwrap(), trained, GUID.parse().unwrap());
        assert_eq!(id, "claims-v1-20240506T213108-8a207877a5bd4b51b820bbaa4a9ccec1");
    }
}
