//! `spindle encoder`: the pretrained encoders of a data folder, beside the default one. Works on files alone.

use crate::places;
use crate::print::{self, Align, Paint, Table};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use inference::{
    BIN_FILE, Conversion, EncoderManifest, EncoderPackage, MANIFEST_FILE, OpenVinoEncoder, Settings,
    TOKENIZER_FILE,
};
use model::{ContextualRecipe, Encoder, PieceTokenizer};
use ner::segmentation::{self, Segmentation};
use serde_json::{Value, json};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// What a new encoder is asked first: letters of several scripts.
const SAMPLE: &str = "Ana Ruiz, São Paulo, 東京, Ωμέγα: 42";

/// Add, list and remove pretrained encoders
#[derive(Args)]
#[command(
    after_help = "Examples:\n  spindle encoder add ./xlm-roberta-base\n  spindle encoder add FacebookAI/xlm-roberta-base --name xlmr\n  spindle encoder list\n  spindle encoder remove xlmr\n\nA project in a language that the default encoder does not read uses an added one for many languages;\n`spindle up --encoder NAME` makes an added one the default. `spindle worker` reads those of its own data folder: run the\nsame command for every worker that trains, in its image or on a volume that they share."
)]
pub(crate) struct EncoderArguments {
    #[command(subcommand)]
    command: EncoderCommand,
}

#[derive(Subcommand)]
enum EncoderCommand {
    /// Convert a published encoder of the BERT or XLM-RoBERTa family and keep it
    #[command(
        after_help = "Examples:\n  spindle encoder add ./xlm-roberta-base\n  spindle encoder add FacebookAI/xlm-roberta-base --name xlmr\n\nA folder holds config.json, tokenizer.json and model.safetensors. A name is looked for among the project's encoders and\nin Hugging Face's cache, which `huggingface-cli download NAME` fills; nothing is downloaded here."
    )]
    Add {
        /// Folder as published, or a name
        source: String,
        /// What to call it; as its folder when absent
        #[arg(long)]
        name: Option<String>,
        /// OpenVINO's C library; found in the environment or in the project's build folder when absent
        #[arg(long, env = "SPINDLE_OPENVINO_LIBRARY")]
        openvino: Option<PathBuf>,
        #[command(flatten)]
        place: Place,
    },
    /// The added encoders by name
    #[command(after_help = "Example:\n  spindle encoder list")]
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Remove an encoder; models that were trained over it keep it
    #[command(after_help = "Example:\n  spindle encoder remove xlmr")]
    Remove {
        /// Its name or digest
        name: String,
        #[command(flatten)]
        place: Place,
    },
}

/// The data folder a command works on.
#[derive(Args)]
struct Place {
    /// The server's data folder
    #[arg(long, env = "SPINDLE_DATA", default_value = "spindle-data")]
    data: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A package that was added.
struct Added {
    folder: PathBuf,
    digest: String,
    manifest: EncoderManifest,
}

/// Runs the subcommand.
pub(crate) fn encoder(arguments: EncoderArguments) -> Result<()> {
    match arguments.command {
        EncoderCommand::Add { source, name, openvino, place } => add(&source, name, openvino, &place),
        EncoderCommand::List { place } => list(&place),
        EncoderCommand::Remove { name, place } => remove(&name, &place),
    }
}

/// Where the added encoders of the data folder lie, each in a folder named by its digest.
pub(crate) fn encoders_folder(data: &Path) -> PathBuf {
    data.join("encoders")
}

/// The folder of an encoder that was named to the server: as published, or a package that was added under this name.
pub(crate) fn resolve(named: &Path, data: Option<&Path>) -> Result<PathBuf> {
    if named.join("config.json").exists() {
        return Ok(named.to_path_buf());
    }
    let name = named.to_string_lossy();
    if let Some(found) = data.map(added).transpose()?.and_then(|added| find(added, &name)) {
        return Ok(found.folder);
    }
    bail!(
        "{name:?} is neither an encoder folder, which has a config.json, nor the name of an added encoder; `spindle encoder \
         list` shows these"
    )
}

fn find(added: Vec<Added>, name: &str) -> Option<Added> {
    added.into_iter().find(|added| added.manifest.name == name || added.digest == name)
}

fn add(source: &str, name: Option<String>, openvino: Option<PathBuf>, place: &Place) -> Result<()> {
    let published = published(source)?;
    let name = name.unwrap_or_else(|| own_name(source));
    if !crate::keys::can_be_typed(&name) {
        bail!(
            "an encoder needs a name, by which it is chosen later, without blanks around it; give one with --name"
        );
    }
    let conversion = Conversion { name: Some(name.clone()), ..Conversion::default() };
    let before = find(added(&place.data)?, &name);
    let package = EncoderPackage::convert(&published, &encoders_folder(&place.data), &conversion)?;
    let other = before.as_ref().filter(|before| before.digest != package.digest);
    let proved = match other {
        Some(other) => Err(anyhow::anyhow!(
            "another encoder is called {name:?} already ({}); remove it first, or give a name with --name",
            other.digest
        )),
        None => prove(&package, openvino),
    };
    if let Err(error) = proved {
        if before.is_none_or(|before| before.digest != package.digest) {
            let _ = fs::remove_dir_all(&package.folder);
        }
        return Err(error);
    }
    let added = Added { folder: package.folder, digest: package.digest, manifest: package.manifest };
    if place.json {
        return Ok(print::out(&wire(&added).to_string())?);
    }
    let use_of_it = match added.manifest.is_multilingual() {
        true => "projects in other languages than English, or in several, use it from now on",
        false => "`spindle up --encoder` with its name makes it the default",
    };
    print::note(&format!("{name} is added; {use_of_it}"));
    Ok(print::out(&table(&[added], Paint::stdout()))?)
}

/// Has the encoder read a sample, so that what can't be computed is refused now and not in a training.
fn prove(package: &EncoderPackage, openvino: Option<PathBuf>) -> Result<()> {
    let tokenizer = PieceTokenizer::from_json(&fs::read(package.folder.join(TOKENIZER_FILE))?)?;
    let settings = Settings { library: openvino, ..Settings::default() };
    let encoder = OpenVinoEncoder::open(&package.folder, &settings)?;
    let segmentation = Segmentation::new(SAMPLE, &segmentation::Settings { ends_at: None, words_max: 100 });
    let window_pieces = package.manifest.max_pieces.min(ContextualRecipe::default().window_pieces);
    let recipe = ContextualRecipe { window_pieces, ..ContextualRecipe::default() };
    let pieces = tokenizer.windows(&[(SAMPLE, &segmentation)], &recipe)?;
    let said = encoder.encode(&pieces).context("the encoder can't read a sample")?;
    if said.len() != segmentation.words.len() * encoder.width() || said.iter().any(|value| !value.is_finite())
    {
        bail!("the encoder says nothing sensible of a sample: are these files those of one encoder?");
    }
    Ok(())
}

/// The folder with the published files that `source` means.
fn published(source: &str) -> Result<PathBuf> {
    let folder = Path::new(source);
    if folder.is_dir() {
        return Ok(folder.canonicalize()?);
    }
    let mut tried: Vec<PathBuf> =
        places::roots().into_iter().map(|root| root.join("build/encoders").join(source)).collect();
    tried.extend(cached(source));
    if let Some(found) = tried.iter().find(|folder| folder.join("config.json").exists()) {
        return Ok(found.clone());
    }
    let list: Vec<String> = tried.iter().map(|folder| folder.display().to_string()).collect();
    bail!(
        "there is no encoder {source:?}: no such folder, and none of this name is on this machine; fetch it with \
         `huggingface-cli download {source}`. Looked at: {}",
        list.join(", ")
    )
}

/// The snapshots of `name` in Hugging Face's cache, or the place where they would be.
fn cached(name: &str) -> Vec<PathBuf> {
    let home = env::var_os("HF_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cache/huggingface")));
    let Some(home) = home else { return vec![] };
    let model = home.join("hub").join(format!("models--{}", name.replace('/', "--")));
    let main = fs::read_to_string(model.join("refs/main")).unwrap_or_else(|_| "main".to_owned());
    vec![model.join("snapshots").join(main.trim())]
}

/// The last part of a path or of `organisation/name`.
fn own_name(source: &str) -> String {
    let path = Path::new(source).canonicalize().unwrap_or_else(|_| PathBuf::from(source));
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// The packages in the data folder by name; what is damaged is named.
fn added(data: &Path) -> Result<Vec<Added>> {
    let folder = encoders_folder(data);
    if !folder.exists() {
        return Ok(vec![]);
    }
    let mut found = vec![];
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let folder = entry?.path();
        let Ok(json) = fs::read(folder.join(MANIFEST_FILE)) else { continue };
        match EncoderManifest::parse(&json) {
            Ok(manifest) => found.push(Added { digest: model::sha256_hex(&json), folder, manifest }),
            Err(reason) => print::note(&format!("{} is no encoder: {reason}", folder.display())),
        }
    }
    found.sort_by(|a, b| (&a.manifest.name, &a.digest).cmp(&(&b.manifest.name, &b.digest)));
    Ok(found)
}

fn list(place: &Place) -> Result<()> {
    let added = added(&place.data)?;
    if place.json {
        return Ok(print::out(&json!({ "value": added.iter().map(wire).collect::<Vec<_>>() }).to_string())?);
    }
    if added.is_empty() {
        return Ok(print::out(
            "no encoder was added; `spindle encoder add` adds one to the default encoder",
        )?);
    }
    Ok(print::out(&table(&added, Paint::stdout()))?)
}

fn remove(name: &str, place: &Place) -> Result<()> {
    let Some(found) = find(added(&place.data)?, name) else {
        bail!("no encoder {name:?} was added; `spindle encoder list` shows those that were");
    };
    // Out of sight first: nobody must find half an encoder.
    let hidden = encoders_folder(&place.data).join(format!(".removed-{}", std::process::id()));
    fs::rename(&found.folder, &hidden).and_then(|()| fs::remove_dir_all(&hidden))?;
    if place.json {
        return Ok(print::out(&json!({ "name": found.manifest.name, "removed": true }).to_string())?);
    }
    print::note(&format!("{} is removed; models that were trained over it keep it", found.manifest.name));
    Ok(())
}

fn bytes(added: &Added) -> u64 {
    fs::metadata(added.folder.join(BIN_FILE)).map_or(0, |data| data.len())
}

fn wire(added: &Added) -> Value {
    let manifest = &added.manifest;
    json!({
        "name": manifest.name, "digest": added.digest, "architecture": manifest.architecture,
        "multilingual": manifest.is_multilingual(), "lowercase": manifest.lowercase, "width": manifest.width,
        "vocabulary": manifest.vocabulary, "bytes": bytes(added),
    })
}

fn table(added: &[Added], paint: Paint) -> String {
    let mut table = Table::new([
        ("encoder", Align::Left),
        ("family", Align::Left),
        ("languages", Align::Left),
        ("width", Align::Right),
        ("MiB", Align::Right),
        ("digest", Align::Left),
    ]);
    for added in added {
        table.row([
            added.manifest.name.clone(),
            added.manifest.architecture.clone(),
            if added.manifest.is_multilingual() { "many" } else { "one" }.to_owned(),
            added.manifest.width.to_string(),
            bytes(added).div_ceil(1 << 20).to_string(),
            added.digest[..12].to_owned(),
        ]);
    }
    table.text(paint, 0)
}
