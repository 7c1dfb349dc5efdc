//! One page of a bucket's objects, from the folder that holds them.
//!
//! Costs one look at the names of the folders that can hold the page, and one at the metadata of its objects alone: a
//! bucket of any size is listed page by page without holding more than a page of it.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What a page shall hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Keys begin with it.
    pub(super) prefix: String,
    /// Whether keys with a further `/` behind the prefix are told as one name up to it.
    pub(super) folded: bool,
    /// Names come after it.
    pub(super) after: String,
    /// Most names.
    pub(super) names_max: usize,
}

/// Names in the order of their bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) objects: Vec<Object>,
    /// Up to their `/`, which is included.
    pub(super) folders: Vec<String>,
    /// The last name of the page, when names follow it.
    pub(super) next: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size_bytes: u64,
    pub(super) modified: SystemTime,
}

/// Reads a page of the bucket in `root`.
///
/// # Errors
/// A folder can't be read. A file or folder that goes away meanwhile is none.
pub(super) fn page(root: &Path, wanted: &Wanted) -> io::Result<Page> {
    // Keys below the last folder of the prefix alone can begin with it.
    let within = wanted.prefix.rfind('/').map_or("", |slash| &wanted.prefix[..=slash]);
    if within.split_terminator('/').any(|part| matches!(part, "" | "." | "..")) {
        // No key has such parts, and a path with them would lead out of the bucket.
        return Ok(Page::default());
    }
    let mut scan = Scan { wanted, found: BTreeMap::new() };
    scan.folder(&root.join(within), within)?;
    let mut page = Page::default();
    let mut names = scan.found.into_iter();
    for (name, path) in names.by_ref().take(wanted.names_max) {
        page.next = Some(name.clone());
        if name.ends_with('/') {
            page.folders.push(name);
        } else if let Some(metadata) = if_there(fs::metadata(path))? {
            let modified = metadata.modified()?;
            page.objects.push(Object { key: name, size_bytes: metadata.len(), modified });
        }
    }
    if names.next().is_none() {
        page.next = None;
    }
    Ok(page)
}

struct Scan<'a> {
    wanted: &'a Wanted,
    /// The first names so far, one more than wanted.
    found: BTreeMap<String, PathBuf>,
}

impl Scan<'_> {
    /// Looks through the folder whose keys begin with `prefix`, which is empty or ends with `/`.
    fn folder(&mut self, folder: &Path, prefix: &str) -> io::Result<()> {
        for entry in entries(folder)?.into_iter().flatten() {
            let entry = entry?;
            // A name that is no text is no key.
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            if entry.file_type()?.is_dir() {
                self.subfolder(&entry, &format!("{prefix}{name}/"))?;
            } else if self.fits(prefix, name) {
                self.keep(format!("{prefix}{name}"), entry.path());
            }
        }
        Ok(())
    }

    fn subfolder(&mut self, entry: &DirEntry, name: &str) -> io::Result<()> {
        let Wanted { prefix, folded, after, .. } = self.wanted;
        let holds_wanted = name.starts_with(prefix.as_str()) || prefix.starts_with(name);
        let holds_later = name > after.as_str() || after.starts_with(name);
        if !holds_wanted || !holds_later {
            return Ok(());
        }
        if !*folded || !name.starts_with(prefix.as_str()) {
            return self.folder(&entry.path(), name);
        }
        // Its keys come after its name, which was told before them.
        if name > after.as_str() && self.has_room(name) && holds_object(&entry.path())? {
            self.keep(name.to_owned(), entry.path());
        }
        Ok(())
    }

    fn fits(&self, prefix: &str, name: &str) -> bool {
        let wanted = self.wanted;
        let begins = match wanted.prefix.strip_prefix(prefix) {
            Some(rest) => name.starts_with(rest),
            None => prefix.starts_with(&wanted.prefix),
        };
        // Without making the key: most names of a large bucket are on another page.
        let later = match wanted.after.strip_prefix(prefix) {
            Some(rest) => name > rest,
            None => prefix > wanted.after.as_str(),
        };
        let full = self.found.len() > wanted.names_max;
        let early = || self.found.last_key_value().is_some_and(|(last, _)| before(prefix, name, last));
        begins && later && (!full || early())
    }

    fn has_room(&self, name: &str) -> bool {
        self.found.len() <= self.wanted.names_max
            || self.found.last_key_value().is_some_and(|(last, _)| name < last.as_str())
    }

    fn keep(&mut self, name: String, path: PathBuf) {
        self.found.insert(name, path);
        if self.found.len() > self.wanted.names_max + 1 {
            self.found.pop_last();
        }
    }
}

/// Whether `prefix` and `name` together come before `other`.
fn before(prefix: &str, name: &str, other: &str) -> bool {
    match other.strip_prefix(prefix) {
        Some(rest) => name < rest,
        None => prefix < other,
    }
}

/// Whether a file lies in the folder or below it; folders alone are no objects.
fn holds_object(folder: &Path) -> io::Result<bool> {
    for entry in entries(folder)?.into_iter().flatten() {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || holds_object(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn entries(folder: &Path) -> io::Result<Option<ReadDir>> {
    if_there(fs::read_dir(folder))
}

fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    /// A bucket with these keys, those ending with `/` being empty folders.
    fn bucket(keys: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for key in keys {
            let path = root.path().join(key);
            if key.ends_with('/') {
                fs::create_dir_all(path).expect("a folder");
            } else {
                fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
                fs::write(path, key).expect("a file");
            }
        }
        root
    }

    fn all(root: &Path, prefix: &str, folded: bool, names_max: usize) -> Vec<String> {
        let mut wanted = Wanted { prefix: prefix.to_owned(), folded, after: String::new(), names_max };
        let mut names = vec![];
        loop {
            let page = page(root, &wanted).expect("a page");
            let mut found: Vec<String> = page.objects.into_iter().map(|object| object.key).collect();
            found.extend(page.folders);
            found.sort();
            assert!(found.len() <= names_max);
            names.extend(found);
            match page.next {
                Some(next) => wanted.after = next,
                None => return names,
            }
        }
    }

    #[test]
    fn folders_are_told_once_and_empty_ones_not_at_all() {
        let root = bucket(&["a.txt", "a/1.txt", "a/2.txt", "b/", "c/d/3.txt", "c-1.txt", "é.txt"]);
        let names = |prefix, folded| all(root.path(), prefix, folded, 2);
        assert_eq!(names("", true), ["a.txt", "a/", "c-1.txt", "c/", "é.txt"]);
        assert_eq!(names("", false), ["a.txt", "a/1.txt", "a/2.txt", "c-1.txt", "c/d/3.txt", "é.txt"]);
        assert_eq!(names("a", true), ["a.txt", "a/"]);
        assert_eq!(names("a/", true), ["a/1.txt", "a/2.txt"]);
        assert_eq!(names("c/d", false), ["c/d/3.txt"]);
        assert_eq!(names("c/d", true), ["c/d/"]);
        assert_eq!(names("absent/", true), Vec::<String>::new());
        assert_eq!(names("a.txt/", false), Vec::<String>::new());
    }

    #[test]
    fn no_prefix_leads_out_of_the_bucket() {
        let root = bucket(&["b/1.txt", "other/2.txt"]);
        for prefix in ["../", "../other/", "/", "//other/", "./", "../../../../etc/"] {
            assert_eq!(all(&root.path().join("b"), prefix, false, 9), Vec::<String>::new(), "{prefix}");
        }
    }

    #[test]
    fn sizes_are_bytes() {
        let root = bucket(&["é.txt"]);
        let wanted = Wanted { names_max: 1_000, ..Wanted::default() };
        assert_eq!(page(root.path(), &wanted).expect("a page").objects[0].size_bytes, 6);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the size of a page, all pages together are what sorting all keys gives.
        #[test]
        fn pages_are_the_sorted_keys(
            keys in proptest::collection::btree_set("[ab][ab.-]?(/[ab][ab.-]?){0,2}x", 0..24),
            prefix in "[ab]{0,2}/?[ab]?",
            names_max in 1usize..5,
            folded: bool,
        ) {
            // A file can't also be a folder: keys end with a sign that no folder's name holds.
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let root = bucket(&keys);
            let expected: BTreeSet<String> = keys
                .iter()
                .filter_map(|key| {
                    let rest = key.strip_prefix(prefix.as_str())?;
                    let cut = rest.find('/').filter(|_| folded);
                    Some(cut.map_or_else(|| (*key).to_owned(), |at| key[..=prefix.len() + at].to_owned()))
                })
                .collect();
            prop_assert_eq!(all(root.path(), &prefix, folded, names_max), Vec::from_iter(expected));
        }
    }
}
