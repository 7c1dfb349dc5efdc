//! Which format files have, by what is in them.

use super::conll_tags::parse;
use super::json_lines::LABEL_KEYS;
use super::{File, Format};
use serde_json::Value;

/// Bytes of a file that are looked at line by line.
const LOOK_BYTES: usize = 64 << 10;

/// No format fits. The person who names the files can fix it by naming the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the format of {0} can't be told; name it: contract, conll, spacy, doccano, label-studio or brat")]
pub struct Undetected(String);

/// The format that `files` have together.
///
/// # Errors
/// [`Undetected`] when none fits.
pub fn detect(files: &[File]) -> Result<Format, Undetected> {
    if files.iter().any(|file| is_contract(&file.bytes)) {
        return Ok(Format::Contract);
    }
    if files.iter().any(|file| file.name.ends_with(".ann")) {
        return Ok(Format::Brat);
    }
    let found = files.iter().find_map(|file| json(&file.bytes).or_else(|| columns(&file.bytes)));
    found.ok_or_else(|| {
        let named = files.first().map_or("nothing", |file| file.name.as_str());
        Undetected(if files.len() > 1 { format!("{named} and its neighbours") } else { named.to_owned() })
    })
}

/// Whether a file is a contract's label file of any age, going by its keys.
pub(super) fn is_contract(bytes: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Top {
        project_file_version: Option<serde::de::IgnoredAny>,
        assets: Option<serde::de::IgnoredAny>,
        extractors: Option<serde::de::IgnoredAny>,
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return false;
    }
    serde_json::from_slice(bytes).is_ok_and(|top: Top| {
        top.project_file_version.is_some() || top.assets.is_some() || top.extractors.is_some()
    })
}

fn json(bytes: &[u8]) -> Option<Format> {
    let text = std::str::from_utf8(bytes).ok()?.trim_start_matches('\u{FEFF}').trim_start();
    let first = match text.as_bytes().first()? {
        b'[' => match serde_json::from_str(text)
            .ok()
            .or_else(|| serde_json::from_str(text.lines().next()?).ok())?
        {
            // One of spaCy's training tuples on a line of its own.
            Value::Array(items) if items.first().is_some_and(Value::is_string) => Value::Array(items),
            Value::Array(items) => items.into_iter().next()?,
            _ => return None,
        },
        b'{' => {
            serde_json::from_str(text.lines().next()?).ok().or_else(|| serde_json::from_str(text).ok())?
        }
        _ => return None,
    };
    let map = match &first {
        Value::Array(pair) if pair.first().is_some_and(Value::is_string) => return Some(Format::Spacy),
        other => other.as_object()?,
    };
    if map.get("data").is_some_and(Value::is_object) {
        return Some(Format::LabelStudio);
    }
    map.get("text")?;
    let labels = LABEL_KEYS.into_iter().find(|key| map.contains_key(*key));
    let doccano_items =
        labels.and_then(|key| map[key].get(0)).is_some_and(|item| item.get("start_offset").is_some());
    let doccano = doccano_items || matches!(labels, Some("label" | "labels"));
    Some(if doccano { Format::Doccano } else { Format::Spacy })
}

/// The first line that is not empty marks a document or ends with a tag.
fn columns(bytes: &[u8]) -> Option<Format> {
    let look = String::from_utf8_lossy(&bytes[..bytes.len().min(LOOK_BYTES)]);
    let comment =
        |line: &&str| line.starts_with('#') && line.split_whitespace().next_back().and_then(parse).is_none();
    let first = look.lines().filter(|line| !line.trim().is_empty()).find(|line| !comment(line))?;
    let mut columns = first.trim_start_matches('\u{FEFF}').split_whitespace();
    let start = columns.next()?;
    let tagged = columns.next_back().is_some_and(|last| parse(last).is_some());
    (tagged || start == "-DOCSTART-").then_some(Format::Conll)
}
