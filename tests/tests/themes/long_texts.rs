//! Documents as long as a request allows, and characters that no form letter has, before a model with an encoder.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use spindle_tests::units::{STRING_INDEX_TYPES, slice};
use spindle_tests::{Client, Example, Server};

/// What the contract allows in one document.
const CHARACTERS_MAX: usize = 125_000;
const NEEDLE: &str = "Claim CLM-2025-02853\n";
const NUMBER: &str = "CLM-2025-02853";
/// Place of the number in the needle.
const NUMBER_AT: usize = 6;
/// Lines without entities. Their lengths differ, so that needles meet the encoder's windows at every place.
const FILLER: [&str; 3] = [
    "Thank you for your message about the matter we spoke of on the telephone.\n",
    "The colleague who looks after it is away and will come back to you soon.\n",
    "There is nothing more to do at the moment, so please keep the papers ready.\n",
];
/// A needle every so many lines.
const STEP: usize = 7;
const DEPLOYMENT: &str = "production";
const CALL: &str = "/language/:analyze-text";
const LETTER: &str = "Claim by Ana Ruiz under policy PN-447120: hail damage on 3 May 2024, EUR 1,250.";

#[test]
fn length_changes_nothing_and_odd_characters_have_a_defined_answer() -> Result<()> {
    let server = Server::shared()?;
    let client = server.client();
    let example = Example::claims_desk("Long", "long")?;
    example.upload(&server)?;
    example.import(&client)?;
    let job = example.start_training(&client, "m", "contextual")?;
    assert_eq!(client.wait(&job)?["status"], "succeeded");
    example.deploy(&client, "m", DEPLOYMENT)?;
    needles_are_found_wherever_they_are(&client, &example)?;
    for (name, text) in odd_texts() {
        let entities =
            entities(&client, &example, "UnicodeCodePoint", &text).with_context(|| name.to_owned())?;
        println!("{name}: {} entities", entities.len());
    }
    units_agree_on_odd_characters(&client, &example)
}

/// The first line, the last and every seventh between them hold the same number; all are found, as in a short text.
fn needles_are_found_wherever_they_are(client: &Client, example: &Example) -> Result<()> {
    let short = [FILLER[0], NEEDLE, FILLER[1]].concat();
    let found = entities(client, example, "UnicodeCodePoint", &short)?;
    assert!(found.iter().any(|entity| is_number(entity, FILLER[0].len())), "{found:?}");

    let (text, needles) = haystack();
    assert_eq!(text.len(), CHARACTERS_MAX);
    let found = entities(client, example, "UnicodeCodePoint", &text)?;
    let missed: Vec<&usize> =
        needles.iter().filter(|start| !found.iter().any(|entity| is_number(entity, **start))).collect();
    assert!(missed.is_empty(), "of {} needles not those at {missed:?}", needles.len());
    Ok(())
}

/// ASCII, so that bytes are characters; with the places of its needles.
fn haystack() -> (String, Vec<usize>) {
    let (mut text, mut needles) = (String::new(), vec![]);
    let last = NEEDLE.trim_end();
    for (number, filler) in FILLER.iter().cycle().enumerate() {
        let is_needle = number.is_multiple_of(STEP);
        let line = if is_needle { NEEDLE } else { *filler };
        if text.len() + line.len() + last.len() + 1 > CHARACTERS_MAX {
            break;
        }
        if is_needle {
            needles.push(text.len());
        }
        text.push_str(line);
    }
    text.push_str(&"-".repeat(CHARACTERS_MAX - text.len() - last.len() - 1));
    text.push('\n');
    needles.push(text.len());
    text.push_str(last);
    (text, needles)
}

fn is_number(entity: &Value, needle: usize) -> bool {
    entity["offset"] == needle + NUMBER_AT && entity["text"] == NUMBER && entity["category"] == "ClaimNumber"
}

/// Entities of one document, each of which is the piece of the text that it says.
fn entities(client: &Client, example: &Example, unit: &str, text: &str) -> Result<Vec<Value>> {
    let documents = json!([{ "id": "1", "language": "en-us", "text": text }]);
    let question = example.question(DEPLOYMENT, unit, &documents);
    let answer = client.send("POST", CALL, Some(&question))?.expect(200)?;
    assert_eq!(answer["results"]["errors"], json!([]));
    let found = answer["results"]["documents"][0]["entities"].as_array().context("no entities")?.clone();
    for entity in &found {
        let number = |name: &str| entity[name].as_u64().with_context(|| format!("{entity} has no {name}"));
        let (offset, length) = (usize::try_from(number("offset")?)?, usize::try_from(number("length")?)?);
        assert_eq!(slice(text, unit, offset, length).as_deref(), entity["text"].as_str(), "{unit}: {entity}");
    }
    Ok(found)
}

fn odd_texts() -> Vec<(&'static str, String)> {
    vec![
        ("a word of 10,000 characters", "x".repeat(10_000)),
        ("such a word between letters", [LETTER, &"x".repeat(10_000), LETTER].join(" ")),
        ("no blanks", "x".repeat(CHARACTERS_MAX)),
        ("numbers without blanks", "PN-4471".repeat(CHARACTERS_MAX / 7)),
        ("ideographs", "保険".repeat(CHARACTERS_MAX / 2)),
        ("digits alone", "1".repeat(CHARACTERS_MAX)),
        ("blanks alone", " \r\n\t ".repeat(1000)),
        ("as many blanks as allowed", " ".repeat(CHARACTERS_MAX)),
        ("NUL alone", "\0".repeat(500)),
        ("zero-width spaces alone", "\u{200b}".repeat(500)),
        ("joiners alone", "\u{200d}".repeat(500)),
        ("one letter under 124,999 accents", format!("e{}", "\u{301}".repeat(CHARACTERS_MAX - 1))),
        ("the last character there is", "\u{10ffff}".repeat(100)),
    ]
}

fn units_agree_on_odd_characters(client: &Client, example: &Example) -> Result<()> {
    for (name, text) in [
        ("NUL between letters", format!("{LETTER}\0{LETTER}")),
        ("right-to-left marks", format!("\u{202e}{LETTER}\u{200f}\u{200e}\u{2067}{LETTER}")),
        ("zero-width spaces in between", LETTER.replace(' ', " \u{200b}")),
        ("a byte order mark", format!("\u{feff}{LETTER}")),
        ("no-break spaces", LETTER.replace(' ', "\u{a0}")),
    ] {
        let mut seen = vec![];
        for unit in STRING_INDEX_TYPES {
            let found = entities(client, example, unit, &text).context(name)?;
            seen.push(found.iter().map(|entity| entity["category"].clone()).collect::<Vec<_>>());
        }
        assert!(seen.iter().all(|categories| categories == &seen[0]), "{name}: {seen:?}");
    }
    Ok(())
}
