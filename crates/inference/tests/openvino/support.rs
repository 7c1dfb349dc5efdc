//! Finds OpenVINO and the default encoder, converts the encoder once per run.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use inference::{
    Conversion, EncoderPackage, LIBRARY_VARIABLE, OpenVinoEncoder, PROJECT_FOLDER, Settings, Weights,
};

/// Names another published encoder folder for these tests.
const ENCODER_VARIABLE: &str = "SPINDLE_ENCODER";

struct Fixture {
    settings: Settings,
    package: EncoderPackage,
    encoder: OpenVinoEncoder,
    _store: tempfile::TempDir,
}

/// The default encoder, converted and compiled in 32-bit floats; `None` after printing why it is skipped.
pub(crate) fn encoder() -> Option<&'static OpenVinoEncoder> {
    fixture().map(|fixture| &fixture.encoder)
}

/// Its package.
pub(crate) fn package() -> Option<&'static EncoderPackage> {
    fixture().map(|fixture| &fixture.package)
}

/// Settings that find OpenVINO.
pub(crate) fn settings() -> Option<&'static Settings> {
    fixture().map(|fixture| &fixture.settings)
}

/// The published encoder's folder.
pub(crate) fn published() -> Option<PathBuf> {
    located(ENCODER_VARIABLE, "build/encoders/all-MiniLM-L6-v2")
}

/// Conversion to the reference, without rounding.
pub(crate) fn as_published() -> Conversion {
    Conversion { weights: Weights::F32, ..Conversion::default() }
}

fn fixture() -> Option<&'static Fixture> {
    static FIXTURE: OnceLock<Option<Fixture>> = OnceLock::new();
    FIXTURE
        .get_or_init(|| {
            let library = located(LIBRARY_VARIABLE, PROJECT_FOLDER)?;
            let published = published()?;
            let store = tempfile::tempdir().expect("a temporary folder");
            let package = EncoderPackage::convert(&published, store.path(), &as_published());
            let package = package.expect("the encoder converts");
            let settings = Settings { library: Some(library), batch_pieces: Some(96), ..Settings::default() };
            let encoder = OpenVinoEncoder::open(&package.folder, &settings).expect("the package opens");
            Some(Fixture { settings, package, encoder, _store: store })
        })
        .as_ref()
}

fn located(variable: &str, project: &str) -> Option<PathBuf> {
    let place = std::env::var_os(variable)
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(project), PathBuf::from);
    if place.exists() {
        return Some(place);
    }
    let line = format!("{} is absent; run `cargo xtask setup` or set {variable}", place.display());
    assert!(std::env::var_os("CI").is_none(), "{line}");
    println!("skipped: {line}");
    None
}
