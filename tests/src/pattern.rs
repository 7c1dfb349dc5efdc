//! Patterns of JSON values, as scenarios write them.
//!
//! - An object holds at least the fields of the pattern; a list has as many items, each matching.
//! - A text may hold `*` for any piece; other values are equal.
//! - `{"$absent": true}` as a field: the field is not there. `{"$each": p}`: every item of a list. `{"$some": p}`: one
//!   item. `{"$length": n}`: so many items. `{"$kind": "number"}`: a value of this JSON type.

use serde_json::Value;

/// Fields of a pattern that are rules. Other names may begin with `$`, too: a confusion matrix has a `$none`.
const RULES: [&str; 4] = ["$each", "$some", "$length", "$kind"];

/// Where and why `value` does not match; `None` when it does.
pub fn mismatch(pattern: &Value, value: &Value) -> Option<String> {
    at(pattern, Some(value), "#")
}

fn at(pattern: &Value, value: Option<&Value>, place: &str) -> Option<String> {
    if pattern.get("$absent").is_some() {
        return value.map(|value| format!("{place}: is there: {value}"));
    }
    let Some(value) = value else { return Some(format!("{place}: is missing")) };
    let differs = || Some(format!("{place}: {value} does not match {pattern}"));
    match (pattern, value) {
        (Value::Object(rule), _) if rule.keys().any(|key| RULES.contains(&key.as_str())) => {
            rule.iter().find_map(|(name, rule)| special(name, rule, value, place))
        }
        (Value::Object(fields), Value::Object(_)) => {
            fields.iter().find_map(|(name, field)| at(field, value.get(name), &format!("{place}/{name}")))
        }
        (Value::Array(items), Value::Array(found)) if items.len() == found.len() => items
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (item, found))| at(item, Some(found), &format!("{place}/{index}"))),
        (Value::String(glob), Value::String(text)) if matches(glob, text) => None,
        (Value::Object(_) | Value::Array(_) | Value::String(_), _) => differs(),
        _ if pattern == value => None,
        _ => differs(),
    }
}

fn special(name: &str, rule: &Value, value: &Value, place: &str) -> Option<String> {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    match name {
        "$each" => items
            .iter()
            .enumerate()
            .find_map(|(index, item)| at(rule, Some(item), &format!("{place}/{index}"))),
        "$some" if items.iter().any(|item| at(rule, Some(item), place).is_none()) => None,
        "$length" if value.is_array() && rule.as_u64() == Some(items.len() as u64) => None,
        "$kind" if rule == kind(value) => None,
        _ => Some(format!("{place}: {value} does not match {name} {rule}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}

/// Whether `text` is `glob`, where `*` stands for any piece.
pub fn matches(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match text.find(piece) {
            Some(found) => text = &text[found + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_may_hold_gaps() {
        for (glob, text, expected) in [
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("*", "", true),
            ("a*b*", "axxb and more", true),
            ("a*a", "a", false),
            ("plain", "plain", true),
        ] {
            assert_eq!(matches(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn what_differs_is_named_with_its_place() {
        let value = json!({ "a": [1, { "b": "text" }], "c": null });
        for pattern in [
            json!({}),
            json!({ "a": [1, { "b": "te*" }], "d": { "$absent": true } }),
            json!({ "a": { "$some": { "b": "text" } }, "c": null }),
            json!({ "a": { "$length": 2 }, "c": { "$kind": "null" } }),
        ] {
            assert_eq!(mismatch(&pattern, &value), None, "{pattern}");
        }
        for (pattern, place) in [
            (json!({ "a": [1] }), "#/a"),
            (json!({ "a": [1, { "b": "x" }] }), "#/a/1/b"),
            (json!({ "c": { "$absent": true } }), "#/c"),
            (json!({ "d": 1 }), "#/d: is missing"),
            (json!({ "a": { "$each": 1 } }), "#/a/1"),
            (json!({ "a": { "$unknown": 1 } }), "#/a"),
        ] {
            let found = mismatch(&pattern, &value).expect("differs");
            assert!(found.starts_with(place), "{found}");
        }
    }
}
