//! Small model bundles on disk, made with the `model` crate's own writers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use model::{
    Entry, FORMAT, FileRef, HEAD_FILE, Head, Lattice, Layout, Lineage, MANIFEST_FILE, Manifest, Network,
    Recipe, Sparse,
};

/// The feature hash whose weight for tag 1 is [`WEIGHT`].
pub(crate) const FEATURE: u64 = 7;
/// See [`FEATURE`].
pub(crate) const WEIGHT: f32 = 2.5;

/// Writes model `id` below `root`; with `encoder`, its network hands the first of the vector's numbers to tag 0.
pub(crate) fn write(root: &Path, id: &str, encoder: Option<model::EncoderRef>) -> Manifest {
    let mut manifest = Manifest {
        format: FORMAT,
        model_id: id.to_owned(),
        recipe: if encoder.is_some() { Recipe::contextual() } else { Recipe::lexical() },
        language: "en".into(),
        categories: vec!["Thing".into()],
        lattice: Lattice::default(),
        temperature: 1.0,
        boldness: 0.0,
        encoder,
        files: BTreeMap::new(),
        lineage: Lineage::default(),
        digest: String::new(),
    };
    let tags = manifest.tag_set().expect("one category makes a tag set").len();
    manifest.lattice =
        Lattice { transitions: vec![0.0; tags * tags], start: vec![0.0; tags], end: vec![0.0; tags] };
    let head = head(tags, manifest.encoder.as_ref().map(|encoder| encoder.width as usize)).to_bytes();
    manifest.files.insert(HEAD_FILE.into(), FileRef::of(&head));
    let folder = root.join("models").join(id);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(HEAD_FILE), head).expect("a file");
    fs::write(folder.join(MANIFEST_FILE), manifest.to_json()).expect("a file");
    manifest
}

fn head(tags: usize, width: Option<usize>) -> Head {
    let sparse = Sparse::new(vec![FEATURE], vec![0, 1], vec![Entry { tag: 1, weight: WEIGHT }])
        .expect("a sound table");
    let network = width.map(|width| {
        let layout = Layout { width, hidden: 0, reach: 0, pooled: false, tags };
        let mut weights = vec![0.0; layout.weights()];
        // Scale 1 everywhere, then the linear map's one weight.
        weights[width..2 * width].fill(1.0);
        weights[2 * width] = 1.0;
        Network::new(layout, &weights).expect("a sound network")
    });
    Head::new(vec![0.0; tags], sparse, network).expect("a sound head")
}

/// Inputs of one sequence; each entry is one word's features.
pub(crate) fn inputs(words: &[&[u64]]) -> model::Inputs {
    let mut inputs = model::Inputs { feature_offsets: vec![0], ..model::Inputs::default() };
    for features in words {
        inputs.features.extend_from_slice(features);
        inputs.feature_offsets.push(inputs.features.len() as u32);
    }
    inputs.sequence_offsets = vec![0, words.len() as u32];
    inputs
}
