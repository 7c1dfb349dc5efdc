//! What a run gets from where it runs: room, a wish to stop, and a place for what the next attempt need not compute again.

use crate::request::{TrainError, TrainRequest};
use model::Recipe;
use sha2::{Digest, Sha256};

/// Keeps what was computed under names that say everything it depends on. Losing any of it costs time, nothing else.
pub trait Checkpoints: Sync {
    /// What was kept under `name`, byte for byte, or nothing.
    fn load(&self, name: &str) -> Option<Vec<u8>>;

    /// Keeps `bytes` under `name`, if there is room.
    fn save(&self, name: &str, bytes: &[u8]);
}

/// What a run gets from where it runs. Changes nothing about the result.
#[derive(Clone, Copy, Default)]
pub struct Surroundings<'a> {
    /// What earlier attempts left, and where this one leaves what it has computed.
    pub checkpoints: Option<&'a dyn Checkpoints>,
    /// Asked often and from any thread: whether to stop.
    pub stop: Option<&'a (dyn Fn() -> bool + Sync)>,
    /// Bytes of memory a run may take; a run that needs more is refused before it does.
    pub memory_bytes_max: Option<u64>,
}

/// Begins the names of what depends on documents and encoder alone, and so serves other runs too.
const SHARED: &str = "vectors";

/// The checkpoints as one run uses them.
#[derive(Clone)]
pub(crate) struct Trail<'a> {
    store: Option<&'a dyn Checkpoints>,
    run: String,
}

impl<'a> Trail<'a> {
    /// The trail of the run that would learn `candidates` from what `request` asks for.
    pub(crate) fn new(request: &TrainRequest<'a>, candidates: &[Recipe]) -> Self {
        let store = request.surroundings.checkpoints;
        let mut run = String::new();
        if store.is_some() {
            let mut hash = Sha256::new();
            let mut part = |part: &str| {
                hash.update((part.len() as u64).to_le_bytes());
                hash.update(part.as_bytes());
            };
            part(&request.code_version);
            part(&format!("{} {:?} {candidates:?}", request.seed, request.recipe));
            part(&crate::corpus::digest(request.corpus));
            // Words are numbered in the order of the documents.
            request.corpus.iter().for_each(|document| part(&document.document.location));
            request.categories.iter().for_each(|category| part(category.as_str()));
            let encoder = request.encoder.as_ref().map(|encoder| &encoder.reference);
            part(&format!("{encoder:?}"));
            run = model::hex(&hash.finalize());
        }
        Self { store, run }
    }

    /// What an attempt left of `part` of this run, as `read` understands it, else what `make` gives, which is kept.
    pub(crate) fn resume<T>(
        &self,
        part: &str,
        read: impl FnOnce(&[u8]) -> Option<T>,
        bytes: impl FnOnce(&T) -> Vec<u8>,
        make: impl FnOnce() -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        let Some(store) = self.store else { return make() };
        let name = format!("run-{}-{part}", self.run);
        if let Some(found) = store.load(&name).and_then(|found| read(&found)) {
            return Ok(found);
        }
        let made = make()?;
        store.save(&name, &bytes(&made));
        Ok(made)
    }

    /// The `count` values that depend on `content` and nothing else, else what `make` gives, which is kept.
    pub(crate) fn shared(
        &self,
        content: impl FnOnce(&mut Sha256),
        count: usize,
        make: impl FnOnce() -> Result<Vec<u16>, TrainError>,
    ) -> Result<Vec<u16>, TrainError> {
        let Some(store) = self.store else { return make() };
        let mut hash = Sha256::new();
        content(&mut hash);
        let name = format!("{SHARED}-{}", model::hex(&hash.finalize()));
        if let Some(found) = store.load(&name).filter(|found| found.len() == 2 * count) {
            return Ok(found.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes)).collect());
        }
        let made = make()?;
        let bytes: Vec<u8> = made.iter().flat_map(|value| value.to_le_bytes()).collect();
        store.save(&name, &bytes);
        Ok(made)
    }
}

/// Little-endian floats as bytes.
pub(crate) fn float_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// The reverse of [`float_bytes`]; a rest that is no float is left out.
pub(crate) fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

/// Refuses a step for which there is no room: `needed_bytes` of memory for it.
pub(crate) fn make_room(surroundings: &Surroundings<'_>, needed_bytes: u64) -> Result<(), TrainError> {
    match surroundings.memory_bytes_max {
        Some(most) if needed_bytes > most => Err(TrainError::Memory { needed_bytes, available_bytes: most }),
        _ => Ok(()),
    }
}
