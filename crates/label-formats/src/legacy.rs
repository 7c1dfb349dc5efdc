//! The shapes of November 2021, which had `extractors` where later ones have `entities`
//! (contract: authoring 15).

use crate::contract::SourceFormat;
use language_api::ProjectKind;
use language_api::project_file::{FileMetadata, PROJECT_FILE_VERSION, UTF16};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

/// The format of a file by the words it uses; cheap, since nothing is kept.
pub(crate) fn recognize(bytes: &[u8]) -> SourceFormat {
    #[derive(Deserialize)]
    struct Top {
        extractors: Option<IgnoredAny>,
        assets: Option<Inner>,
    }
    #[derive(Deserialize)]
    struct Inner {
        extractors: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Top>(bytes) {
        Ok(Top { extractors: Some(_), .. }) => SourceFormat::Labels2021,
        Ok(Top { assets: Some(Inner { extractors: Some(_) }), .. }) => SourceFormat::Import2021,
        _ => SourceFormat::Current,
    }
}

/// The same file in the present shape. `project` describes the project for the format that has no place for
/// it. Parts that are not as expected stay as they are, for the reader of the present shape to complain about.
pub(crate) fn modernize(file: Value, format: SourceFormat, project: Option<&FileMetadata>) -> Value {
    let (metadata, assets) = match format {
        SourceFormat::Current => return file,
        SourceFormat::Labels2021 => (json!(project), file),
        SourceFormat::Import2021 => {
            let part = |key| file.get(key).cloned().unwrap_or(Value::Null);
            (modern_metadata(part("metadata")), part("assets"))
        }
    };
    json!({
        "projectFileVersion": PROJECT_FILE_VERSION,
        "stringIndexType": UTF16,
        "metadata": metadata,
        "assets": modern_assets(assets),
    })
}

fn modern_metadata(metadata: Value) -> Value {
    let Value::Object(mut metadata) = metadata else { return metadata };
    rename(&mut metadata, "name", "projectName");
    rename(&mut metadata, "multiLingual", "multilingual");
    // `Extraction` was the one model type that found entities.
    match metadata.remove("modelType") {
        Some(Value::String(kind)) if kind.eq_ignore_ascii_case("Extraction") => {
            metadata.insert("projectKind".to_owned(), json!(ProjectKind::NAME));
        }
        Some(other) => drop(metadata.insert("projectKind".to_owned(), other)),
        None => {}
    }
    Value::Object(metadata)
}

fn modern_assets(assets: Value) -> Value {
    let Value::Object(mut assets) = assets else { return assets };
    assets.insert("projectKind".to_owned(), json!(ProjectKind::NAME));
    rename(&mut assets, "extractors", "entities");
    each(&mut assets, "entities", |category| rename(category, "name", "category"));
    each(&mut assets, "documents", |document| {
        rename(document, "extractors", "entities");
        each(document, "entities", |region| {
            each(region, "labels", |label| rename(label, "extractorName", "category"));
        });
    });
    Value::Object(assets)
}

fn rename(map: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}

fn each(map: &mut Map<String, Value>, key: &str, change: impl Fn(&mut Map<String, Value>)) {
    let items = map.get_mut(key).and_then(Value::as_array_mut);
    items.into_iter().flatten().filter_map(Value::as_object_mut).for_each(change);
}

/// A place of the present shape as a place of the file that was given.
pub(crate) fn original_pointer(pointer: &str, format: SourceFormat) -> String {
    let (prefix, rest) = match (format, pointer.strip_prefix("#/assets")) {
        (SourceFormat::Current, _) => return pointer.to_owned(),
        (SourceFormat::Labels2021, Some(rest)) => ("#", rest),
        (SourceFormat::Import2021, Some(rest)) => ("#/assets", rest),
        (_, None) => {
            let renamed = [
                ("#/metadata/projectName", "#/metadata/name"),
                ("#/metadata/multilingual", "#/metadata/multiLingual"),
                ("#/metadata/projectKind", "#/metadata/modelType"),
            ];
            let known = renamed.iter().find(|(modern, _)| *modern == pointer);
            return known.map_or(pointer, |(_, original)| original).to_owned();
        }
    };
    let in_label = rest.contains("/labels/");
    let word = |word| match word {
        "entities" => "extractors",
        "category" if in_label => "extractorName",
        "category" => "name",
        other => other,
    };
    let words: Vec<&str> = rest.split('/').map(word).collect();
    format!("{prefix}{}", words.join("/"))
}
