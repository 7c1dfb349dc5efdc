//! The default encoder, converted once per run.

use std::sync::OnceLock;

use inference::{Conversion, EncoderPackage, OpenVinoEncoder, Settings, Weights};

use crate::located::{library, published};

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

/// Conversion to the reference, without rounding.
pub(crate) fn as_published() -> Conversion {
    Conversion { weights: Weights::F32, ..Conversion::default() }
}

fn fixture() -> Option<&'static Fixture> {
    static FIXTURE: OnceLock<Option<Fixture>> = OnceLock::new();
    FIXTURE
        .get_or_init(|| {
            let library = library()?;
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
