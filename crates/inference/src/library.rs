//! Finds the OpenVINO C library, loads it once per process, and compiles graphs with it.
//!
//! OpenVINO's own search knows neither the versioned file name of its wheel nor a project folder, so the path is
//! found here and handed over. One [`Library`] with one OpenVINO core serves the whole process; the first call that
//! succeeds decides which file it is.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use openvino::{CompiledModel, Core, DeviceType, PropertyKey, RwPropertyKey};
use thiserror::Error;

use crate::settings::{PROCESSOR, Precision, Settings};

/// Names the library's file, or a folder that holds it.
pub const LIBRARY_VARIABLE: &str = "SPINDLE_OPENVINO_LIBRARY";

/// Where `cargo xtask setup` unpacks OpenVINO, below the project folder.
pub const PROJECT_FOLDER: &str = "build/openvino/libs";

/// A function of the C library's interface; a file without its name is some other library.
const PROBE: &[u8] = b"ov_get_openvino_version";

static LIBRARY: OnceLock<Library> = OnceLock::new();

/// Why there is no OpenVINO. The operator can fix it.
#[derive(Debug, Error)]
pub enum LibraryError {
    /// No candidate exists.
    #[error(
        "the OpenVINO library was not found; run `cargo xtask setup`, or set {LIBRARY_VARIABLE} to libopenvino_c or its \
         folder; looked at: {}", .tried.join(", ")
    )]
    NotFound {
        /// Every place, in the order tried.
        tried: Vec<String>,
    },
    /// A candidate exists but is not a usable OpenVINO.
    #[error(
        "{} cannot be used as the OpenVINO library: {reason}; run `cargo xtask setup` for a known good one", .path.display()
    )]
    Unusable {
        /// The candidate.
        path: PathBuf,
        /// What the loader or the library said.
        reason: String,
    },
    /// No such device.
    #[error("OpenVINO finds no device {wanted:?} on this machine, only: {}", .found.join(", "))]
    NoDevice {
        /// Its name.
        wanted: String,
        /// Those that are there.
        found: Vec<String>,
    },
}

/// The loaded library and its core.
pub struct Library {
    path: PathBuf,
    version: String,
    /// Compiling sets properties on the core first, so it is one caller's at a time.
    core: Mutex<Core>,
}

impl Library {
    /// The process's library, loaded now if this is the first call.
    ///
    /// Tried in this order: `explicit`, [`LIBRARY_VARIABLE`], [`PROJECT_FOLDER`] below the working folder, the program and
    /// their parents, the system's library folders. A place that was named (the first two) and fails is an
    /// error: falling through to another library would hide the mistake.
    ///
    /// # Errors
    /// [`LibraryError`] with everything that was tried. The next call tries again.
    pub fn load(explicit: Option<&Path>) -> Result<&'static Self, LibraryError> {
        static LOADING: Mutex<()> = Mutex::new(());
        let _one_at_a_time = LOADING.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = LIBRARY.get() {
            return Ok(library);
        }
        let library = Self::open(&find(explicit)?)?;
        tracing::info!(path = %library.path.display(), version = library.version, "OpenVINO loaded");
        Ok(LIBRARY.get_or_init(|| library))
    }

    /// The library if some call has already loaded it.
    pub fn loaded() -> Option<&'static Self> {
        LIBRARY.get()
    }

    /// The file in use, symbolic links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// OpenVINO's build number, for example `2026.4.1-22982-…`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether OpenVINO can compute on the device of this name.
    ///
    /// # Errors
    /// [`LibraryError::NoDevice`] with the names of those that are there.
    pub fn check_device(&self, name: &str) -> Result<(), LibraryError> {
        let core = self.lock_core();
        let found = core.available_devices().unwrap_or_default();
        let found: Vec<String> = found.iter().map(|device| device.as_ref().to_owned()).collect();
        // `GPU` is the first of several, `GPU.0`.
        let first = format!("{name}.0");
        if found.iter().any(|device| device == name || *device == first) {
            return Ok(());
        }
        Err(LibraryError::NoDevice { wanted: name.to_owned(), found })
    }

    /// Whether the processor computes bf16 in hardware.
    pub fn has_bf16(&self) -> bool {
        self.lock_core()
            .get_property(&DeviceType::CPU, &PropertyKey::DeviceCapabilities)
            .is_ok_and(|capabilities| capabilities.split_whitespace().any(|capability| capability == "BF16"))
    }

    /// Reads and compiles an IR for the device of `settings`, to compute `streams` batches at a time.
    pub(crate) fn compile(
        &self,
        xml: &Path,
        bin: &Path,
        settings: &Settings,
        streams: usize,
    ) -> Result<CompiledModel, String> {
        let (Some(xml), Some(bin)) = (xml.to_str(), bin.to_str()) else {
            return Err(format!("{} is not a UTF-8 path, as OpenVINO needs it", xml.display()));
        };
        let processor = settings.device() == PROCESSOR;
        let precision = match settings.precision {
            Precision::Auto if processor && self.has_bf16() => "bf16",
            Precision::Bf16 => "bf16",
            Precision::Auto | Precision::F32 => "f32",
        };
        let device = DeviceType::from(settings.device());
        let mut core = self.lock_core();
        let mut set = |key: RwPropertyKey, value: &str| {
            core.set_property(&device, &key, value)
                .map_err(|error| format!("cannot set {} to {value}: {error}", key.as_ref()))
        };
        // The crate compiles without properties of its own: the core's are what counts, so every one is set every time.
        set(RwPropertyKey::HintPerformanceMode, "THROUGHPUT")?;
        set(RwPropertyKey::HintInferencePrecision, precision)?;
        if processor {
            set(RwPropertyKey::InferenceNumThreads, &settings.threads().to_string())?;
            set(RwPropertyKey::NumStreams, &streams.to_string())?;
            // Pinned processes in containers collide on the same cores.
            set(RwPropertyKey::HintEnableCpuPinning, "NO")?;
        }
        let cache = settings.compiled_cache.as_deref().unwrap_or(Path::new(""));
        set(
            RwPropertyKey::CacheDir,
            cache.to_str().ok_or("the folder for compiled models is not a UTF-8 path")?,
        )?;
        let model = core.read_model_from_file(xml, bin).map_err(|error| error.to_string())?;
        core.compile_model(&model, device).map_err(|error| error.to_string())
    }

    fn open(candidate: &Path) -> Result<Self, LibraryError> {
        let unusable = |reason: String| LibraryError::Unusable { path: candidate.to_path_buf(), reason };
        // OpenVINO finds its plugins beside the file it was loaded as, so a link must be followed first.
        let path = candidate.canonicalize().map_err(|error| unusable(error.to_string()))?;
        let bytes = std::fs::read(&path).map_err(|error| unusable(error.to_string()))?;
        if !bytes.windows(PROBE.len()).any(|window| window == PROBE) {
            return Err(unusable("it is not the OpenVINO C library".into()));
        }
        // Refuses versions before 2025.1, whose element types have other numbers.
        openvino_sys::library::load_from(path.clone()).map_err(unusable)?;
        let core = Core::new().map_err(|error| unusable(error.to_string()))?;
        let version = openvino::version().build_number;
        Ok(Self { path, version, core: Mutex::new(core) })
    }

    fn lock_core(&self) -> MutexGuard<'_, Core> {
        // The core holds no invariant of ours that a panic elsewhere could have broken.
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first existing candidate.
fn find(explicit: Option<&Path>) -> Result<PathBuf, LibraryError> {
    let from_variable =
        std::env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(named) = explicit.map(Path::to_path_buf).or(from_variable) {
        return library_at(&named)
            .ok_or_else(|| LibraryError::NotFound { tried: vec![named.display().to_string()] });
    }
    let starts = [std::env::current_dir().ok(), std::env::current_exe().ok()];
    let mut tried = Vec::new();
    for ancestor in starts.iter().flatten().flat_map(|start| start.ancestors()) {
        let folder = ancestor.join(PROJECT_FOLDER);
        if let Some(library) = library_at(&folder) {
            return Ok(library);
        }
        tried.push(folder.display().to_string());
    }
    tried.push("the system's library folders".into());
    openvino_sys::library::find().ok_or(LibraryError::NotFound { tried })
}

/// The library's file: `place` itself, or the file in folder `place` with the shortest fitting name.
fn library_at(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return Some(place.to_path_buf());
    }
    let fits = |name: &str| {
        let plain = format!("{}openvino_c{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
        // Wheels carry only the versioned name, `libopenvino_c.so.2641`.
        name.strip_prefix(&plain).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let mut names: Vec<String> = std::fs::read_dir(place)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| fits(name))
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names.first().map(|name| place.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_searched_for_the_versioned_name() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["libopenvino.so.2641", "libopenvino_c_extra.so", "libopenvino_c.so.2641"] {
            std::fs::write(folder.path().join(name), b"").expect("a file");
        }
        let found = library_at(folder.path()).expect("the versioned file");
        assert!(found.ends_with("libopenvino_c.so.2641"), "{}", found.display());
        assert_eq!(library_at(&folder.path().join("absent")), None);
    }

    #[test]
    fn a_named_place_without_library_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let error = find(Some(folder.path())).expect_err("there is no library");
        let text = error.to_string();
        assert!(
            text.contains("cargo xtask setup") && text.contains(&folder.path().display().to_string()),
            "{text}"
        );
    }

    #[test]
    fn another_library_is_refused_before_it_is_loaded() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("libopenvino_c.so");
        std::fs::write(&file, b"something else").expect("a file");
        let error = Library::open(&file).err().expect("must be refused");
        assert!(error.to_string().contains("is not the OpenVINO C library"), "{error}");
    }
}
