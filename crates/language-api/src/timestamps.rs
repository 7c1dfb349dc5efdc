//! Moments as the contract writes them (contract: authoring 1, row "Timestamps").

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment written to the whole second: `2024-05-06T09:26:44Z`. Dates of jobs and projects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WholeSeconds(pub Timestamp);

/// A moment written with seven fraction digits: `2024-05-06T09:27:01.1800311Z`. Dates of training phases,
/// of a deployment's training, and of a prediction task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SevenDigits(pub Timestamp);

/// A plain day: `2024-10-28`. Expiry dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

impl Serialize for WholeSeconds {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

impl Serialize for SevenDigits {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%dT%H:%M:%S.%7fZ"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.strftime("%Y-%m-%d"))
    }
}

impl<'de> Deserialize<'de> for WholeSeconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for SevenDigits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer).map(Self)
    }
}

fn parsed<'de, D: Deserializer<'de>, T: std::str::FromStr<Err = jiff::Error>>(
    deserializer: D,
) -> Result<T, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_cut_not_rounded() {
        let moment: Timestamp = "2024-05-06T09:27:01.999999999Z".parse().unwrap();
        assert_eq!(serde_json::to_string(&WholeSeconds(moment)).unwrap(), r#""2024-05-06T09:27:01Z""#);
        assert_eq!(serde_json::to_string(&SevenDigits(moment)).unwrap(), r#""2024-05-06T09:27:01.9999999Z""#);
        let whole: Timestamp = "2024-05-06T09:27:01Z".parse().unwrap();
        assert_eq!(serde_json::to_string(&SevenDigits(whole)).unwrap(), r#""2024-05-06T09:27:01.0000000Z""#);
    }

    #[test]
    fn days_come_back() {
        let day: Day = serde_json::from_str(r#""2024-10-28""#).unwrap();
        assert_eq!(serde_json::to_string(&day).unwrap(), r#""2024-10-28""#);
    }
}
