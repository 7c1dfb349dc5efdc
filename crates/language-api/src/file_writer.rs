//! Writes a project file document by document, so that a large project is never in memory as a whole.

use crate::project_file::{
    Assets, CategoryEntry, DocumentEntry, FileMetadata, PROJECT_FILE_VERSION, ProjectFile, UTF16,
};

/// What closes the documents, the assets and the file.
const END: &str = "]}}";

/// A project file on its way out. The pieces it gives, joined in order, are the file.
#[derive(Debug)]
pub struct FileWriter {
    documents: u64,
}

impl FileWriter {
    /// Everything before the documents.
    pub fn begin(metadata: FileMetadata, categories: Vec<CategoryEntry>) -> (Self, String) {
        let assets =
            Assets { project_kind: metadata.project_kind.clone(), entities: categories, documents: vec![] };
        let file = ProjectFile {
            project_file_version: PROJECT_FILE_VERSION.to_owned(),
            string_index_type: UTF16.to_owned(),
            metadata,
            assets: Some(assets),
        };
        let whole = json(&file);
        // The documents are the last field of the last field, and there are none yet.
        let head = whole.strip_suffix(END).unwrap_or(&whole).to_owned();
        (Self { documents: 0 }, head)
    }

    /// The next document.
    pub fn document(&mut self, entry: &DocumentEntry) -> String {
        let separator = if self.documents == 0 { "" } else { "," };
        self.documents += 1;
        format!("{separator}{}", json(entry))
    }

    /// Everything after the documents.
    pub fn end(self) -> &'static str {
        END
    }
}

fn json(value: &impl serde::Serialize) -> String {
    // Only maps with keys that are no texts can fail, and there are none.
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project_file::{LabelEntry, RegionEntry};
    use ner::Dataset;

    fn document(location: &str) -> DocumentEntry {
        let labels = vec![LabelEntry { category: "Claim\"ant".into(), offset: 3, length: 2 }];
        DocumentEntry {
            location: location.to_owned(),
            language: Some("de".to_owned()),
            dataset: Some(Dataset::Test),
            entities: vec![RegionEntry { region_offset: 0, region_length: 9, labels }],
        }
    }

    #[test]
    fn the_pieces_are_the_file_that_is_written_whole() {
        for locations in [&[][..], &["a.txt"], &["a.txt", "b]}}.txt", "c.txt"]] {
            let metadata =
                FileMetadata { project_kind: "CustomEntityRecognition".into(), ..Default::default() };
            let categories = vec![CategoryEntry { category: "Claim\"ant".into(), description: None }];
            let documents: Vec<_> = locations.iter().map(|location| document(location)).collect();
            let (mut writer, mut text) = FileWriter::begin(metadata, categories);
            for entry in &documents {
                text += &writer.document(entry);
            }
            text += writer.end();
            let file = ProjectFile::parse(text.as_bytes()).expect("a project file");
            assert_eq!(file.assets.expect("assets").documents, documents);
            assert_eq!(
                (file.project_file_version.as_str(), file.string_index_type.as_str()),
                ("2022-05-01", UTF16)
            );
        }
    }
}
