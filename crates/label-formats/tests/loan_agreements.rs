//! The public sample set: its labels file imports without change, and the published evaluation comes out
//! of its documents (contract: authoring 7.4, evaluation 4.3).

use label_formats::{SourceFormat, check, read, resolve_document};
use language_api::Limits;
use ner::{ConfusionMatrix, Entity, EntityCategory, LabeledDocument, Scores, Span};
use std::path::PathBuf;

/// The resolved documents, or `None` with a printed line where the data is not installed.
fn documents() -> Option<Vec<LabeledDocument>> {
    let folder: PathBuf =
        [env!("CARGO_MANIFEST_DIR"), "..", "..", "..", "shared", "data", "loan-agreements"].iter().collect();
    let Ok(bytes) = std::fs::read(folder.join("loanAgreementsLabels.json")) else {
        println!("skipped: the loan agreements are not at {}", folder.display());
        return None;
    };
    let (file, format) = read(&bytes, None).unwrap();
    assert_eq!((format, check(&file, &Limits::default())), (SourceFormat::Current, vec![]));
    let entries = file.assets.unwrap().documents;
    let resolve = |(index, entry): (usize, &_)| {
        let entry: &language_api::project_file::DocumentEntry = entry;
        let text = std::fs::read_to_string(folder.join(&entry.location)).unwrap();
        resolve_document(entry, index, &text, &Limits::default()).unwrap()
    };
    Some(entries.iter().enumerate().map(resolve).collect())
}

#[test]
fn the_original_labels_file_imports_without_change() {
    let Some(documents) = documents() else { return };
    assert_eq!(documents.len(), 20);
    let address = EntityCategory::new("BorrowerAddress").unwrap();
    let eleventh = documents.iter().find(|d| d.document.location == "11.txt").unwrap();
    let label = eleventh.labels().find(|label| label.category == address).unwrap();
    assert_eq!(label.span.slice(&eleventh.document.text), "mailing address of 2948 Ben Street");
}

/// The predictions of the published example: the labels with three changes.
fn predictions(document: &LabeledDocument) -> Vec<Entity> {
    let text = &document.document.text;
    let mut entities: Vec<Entity> = document
        .labels()
        .map(|label| Entity { span: label.span, category: label.category.clone(), confidence: 1.0 })
        .collect();
    let at = |entities: &[Entity], name: &str| {
        entities.iter().position(|entity| entity.category.as_str() == name).unwrap()
    };
    match document.document.location.as_str() {
        "11.txt" => {
            let start = text.find("2948 Ben Street").unwrap();
            let address = at(&entities, "BorrowerAddress");
            entities[address].span = Span::new(start, start + "2948 Ben Street".len());
        }
        "01.txt" => {
            let address = entities[at(&entities, "BorrowerAddress")].clone();
            let of = text[..address.span.start.get()].rfind("of").unwrap();
            entities.push(Entity { span: Span::new(of, of + "of".len()), ..address });
        }
        "02.txt" => {
            let interest = at(&entities, "Interest");
            let span = entities[interest].span;
            entities[interest].span = Span::new(span.start.get(), span.end.get() + 1);
        }
        _ => {}
    }
    entities
}

#[test]
fn the_published_evaluation_comes_out() {
    let Some(documents) = documents() else { return };
    let chosen: Vec<_> = documents
        .iter()
        .filter(|d| ["11.txt", "01.txt", "02.txt", "03.txt"].contains(&d.document.location.as_str()))
        .map(|document| (document, predictions(document)))
        .collect();
    let scores = Scores::of(chosen.iter().map(|(d, predicted)| (&d.regions[..], &predicted[..])));
    let total = scores.total();
    assert_eq!((total.true_positives, total.false_positives, total.false_negatives), (46, 3, 2));
    let (micro, average) = (scores.micro(), scores.macro_average());
    let found = [micro.f1, micro.precision, micro.recall, average.f1, average.precision, average.recall];
    let published = [0.94845366, 0.93877554, 0.9583333, 0.9513889, 0.9458334, 0.9583333];
    for (found, published) in found.iter().zip(published) {
        assert!((found - published).abs() < 1e-6, "{found} instead of {published}");
    }

    let matrix = ConfusionMatrix::of(
        chosen.iter().map(|(d, predicted)| (d.document.text.as_str(), &d.regions[..], &predicted[..])),
    );
    let name = |class: &Option<EntityCategory>| class.as_ref().map_or("$none", |c| c.as_str()).to_owned();
    let mut unusual = Vec::new();
    for cell in matrix.cells() {
        let (row, column) = (name(cell.labeled), name(cell.predicted));
        if row != column || row == "$none" || row == "BorrowerAddress" {
            unusual.push((row, column, cell.raw, cell.normalized));
        } else {
            assert_eq!((cell.raw, cell.normalized), (4.0, 100.0), "{row}");
        }
    }
    let expected = [
        ("$none", "$none", 51.90372, 99.81485),
        ("$none", "BorrowerAddress", 0.0952381, 0.18315019),
        ("$none", "Interest", 0.0010427529, 0.002005294),
        ("BorrowerAddress", "$none", 0.55172414, 13.793103),
        ("BorrowerAddress", "BorrowerAddress", 3.4482758, 86.206894),
    ];
    assert_eq!(unusual.len(), expected.len(), "{unusual:?}");
    for ((row, column, raw, normalized), expected) in unusual.iter().zip(expected) {
        assert_eq!((row.as_str(), column.as_str()), (expected.0, expected.1));
        assert!((raw - expected.2).abs() < 6e-6, "{row}/{column}: {raw} instead of {}", expected.2);
        assert!(
            (normalized - expected.3).abs() < 6e-6,
            "{row}/{column}: {normalized} instead of {}",
            expected.3
        );
    }
}
