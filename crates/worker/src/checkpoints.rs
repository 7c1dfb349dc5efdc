//! What trainings have computed and the next attempt need not: files of a folder, bounded, on this machine alone.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Files that nobody asked for this long are of no use any more.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// Length of the digest that a file begins with.
const DIGEST: usize = 64;

/// Begins the names of what one run alone can use.
const OF_A_RUN: &str = "run-";

/// A folder of checkpoints.
pub struct CheckpointFolder {
    folder: PathBuf,
    bytes_max: u64,
    machine: String,
}

/// A file with its size and the moment it was last asked for.
struct Kept {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl CheckpointFolder {
    /// Checkpoints in `folder`, `bytes_max` at most. `machine` says what else decides the bits of a result: another
    /// program, processor or device finds nothing.
    pub fn new(folder: impl Into<PathBuf>, bytes_max: u64, machine: &str) -> Self {
        let mut machine = model::sha256_hex(machine.as_bytes());
        machine.truncate(16);
        Self { folder: folder.into(), bytes_max, machine }
    }

    /// Removes what nobody asked for in a week, and drafts of killed runs.
    pub(crate) fn sweep(&self) {
        let now = SystemTime::now();
        let old = |kept: &Kept| now.duration_since(kept.used).is_ok_and(|age| age > AGE_MAX);
        self.files().iter().filter(|kept| old(kept)).for_each(|kept| remove(&kept.path));
    }

    /// Removes everything: somebody else needs the room.
    pub(crate) fn clear(&self) {
        self.files().iter().for_each(|kept| remove(&kept.path));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}-{name}", self.machine))
    }

    fn files(&self) -> Vec<Kept> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let kept = |entry: fs::DirEntry| {
            let data = entry.metadata().ok()?;
            Some(Kept { path: entry.path(), bytes: data.len(), used: data.modified().ok()? })
        };
        entries.filter_map(kept).collect()
    }

    fn read(&self, name: &str) -> Option<Vec<u8>> {
        let path = self.path(name);
        let mut bytes = fs::read(&path).ok()?;
        let whole = bytes
            .split_at_checked(DIGEST)
            .filter(|(digest, content)| model::sha256_hex(content).as_bytes() == *digest);
        if whole.is_none() {
            tracing::warn!(path = %path.display(), "a damaged checkpoint is computed again");
            remove(&path);
            return None;
        }
        // The least recently used go first; not to be able to say so harms nothing.
        let _ =
            File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(bytes.split_off(DIGEST))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let size = (DIGEST + bytes.len()) as u64;
        if size > self.bytes_max / 4 {
            return Ok(());
        }
        fs::create_dir_all(&self.folder)?;
        self.make_room(size);
        let draft = self.path(&format!("draft-{:?}", std::thread::current().id()));
        let written = File::create(&draft)
            .and_then(|mut file| {
                file.write_all(model::sha256_hex(bytes).as_bytes())?;
                file.write_all(bytes)
            })
            .and_then(|()| fs::rename(&draft, self.path(name)));
        if written.is_err() {
            remove(&draft);
        }
        written
    }

    fn make_room(&self, bytes: u64) {
        let mut files = self.files();
        files.sort_by_key(|kept| kept.used);
        let mut total: u64 = files.iter().map(|kept| kept.bytes).sum();
        for kept in files {
            if total + bytes <= self.bytes_max {
                return;
            }
            remove(&kept.path);
            total -= kept.bytes;
        }
    }
}

/// Somebody else may have removed it.
fn remove(path: &Path) {
    let _ = fs::remove_file(path);
}

/// The checkpoints as one job uses them.
pub(crate) struct JobCheckpoints<'a> {
    folder: &'a CheckpointFolder,
    of_the_run: Mutex<BTreeSet<String>>,
}

impl<'a> JobCheckpoints<'a> {
    pub(crate) fn new(folder: &'a CheckpointFolder) -> Self {
        Self { folder, of_the_run: Mutex::default() }
    }

    /// Removes what this job's run alone could use: it has ended and is not tried again.
    pub(crate) fn done(&self) {
        let names = std::mem::take(&mut *self.of_the_run.lock().unwrap_or_else(PoisonError::into_inner));
        names.iter().for_each(|name| remove(&self.folder.path(name)));
    }

    fn note(&self, name: &str) {
        if name.starts_with(OF_A_RUN) {
            self.of_the_run.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        }
    }
}

impl training::Checkpoints for JobCheckpoints<'_> {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        self.note(name);
        let found = self.folder.read(name)?;
        tracing::info!(name, bytes = found.len(), "taken from an earlier training");
        Some(found)
    }

    fn save(&self, name: &str, bytes: &[u8]) {
        if let Err(error) = self.folder.write(name, bytes) {
            tracing::warn!(%error, "a checkpoint could not be written; their room is given back");
            self.folder.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use training::Checkpoints;

    fn folder(bytes_max: u64) -> (tempfile::TempDir, CheckpointFolder) {
        let place = tempfile::tempdir().expect("a temporary folder");
        let folder = CheckpointFolder::new(place.path().join("checkpoints"), bytes_max, "this machine");
        (place, folder)
    }

    #[test]
    fn what_was_kept_is_found_until_the_run_is_done() {
        let (place, folder) = folder(1 << 20);
        let job = JobCheckpoints::new(&folder);
        job.save("run-1-member", b"weights");
        job.save("vectors-1", b"vectors");
        let other = CheckpointFolder::new(place.path().join("checkpoints"), 1 << 20, "another machine");
        assert_eq!(JobCheckpoints::new(&other).load("vectors-1"), None);
        let next = JobCheckpoints::new(&folder);
        assert_eq!(next.load("run-1-member").as_deref(), Some(b"weights".as_slice()));
        next.done();
        assert_eq!(next.load("run-1-member"), None);
        assert_eq!(next.load("vectors-1").as_deref(), Some(b"vectors".as_slice()));
    }

    #[test]
    fn a_damaged_file_is_no_checkpoint() {
        let (_place, folder) = folder(1 << 20);
        let job = JobCheckpoints::new(&folder);
        for damage in [b"".as_slice(), b"short", &[b'0'; 100]] {
            job.save("vectors-1", b"vectors");
            fs::write(folder.path("vectors-1"), damage).expect("a file");
            assert_eq!(job.load("vectors-1"), None);
        }
        assert!(folder.files().is_empty(), "it is removed");
    }

    #[test]
    fn the_folder_never_outgrows_its_bound() {
        let (_place, folder) = folder(4_000);
        let job = JobCheckpoints::new(&folder);
        for at in 0..20u64 {
            job.save(&format!("vectors-{at}"), &[0; 700]);
            let file = File::options().append(true).open(folder.path(&format!("vectors-{at}"))).expect("it");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at)).expect("a time");
        }
        assert!(folder.files().iter().map(|kept| kept.bytes).sum::<u64>() <= 4_000);
        assert!(job.load("vectors-19").is_some() && job.load("vectors-0").is_none());
        job.save("vectors-large", &[0; 3_000]);
        assert!(job.load("vectors-large").is_none(), "one file is not worth all others");
        folder.sweep();
        assert_eq!(folder.files().len(), 1, "the one that was just asked for");
        folder.clear();
        assert!(folder.files().is_empty());
    }

    #[test]
    fn a_folder_that_can_not_be_written_costs_nothing_but_time() {
        let (place, _) = folder(0);
        fs::write(place.path().join("file"), b"x").expect("a file");
        let folder = CheckpointFolder::new(place.path().join("file"), 1 << 20, "m");
        let job = JobCheckpoints::new(&folder);
        job.save("run-1", b"x");
        assert_eq!(job.load("run-1"), None);
    }
}
