//! How much memory a job may still take: what the system, the process's control groups and the operator leave.

use std::fs;
use std::path::Path;

/// Control groups, version 2.
const GROUPS: &str = "/sys/fs/cgroup";

/// Bytes that can be taken without anything being killed; `None` where the system does not tell. `most` is the operator's
/// word.
pub fn available_bytes(most: Option<u64>) -> Option<u64> {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| free_in(&text));
    let group =
        fs::read_to_string("/proc/self/cgroup").ok().and_then(|text| left_in(Path::new(GROUPS), &text));
    [system, group, most].into_iter().flatten().min()
}

/// `MemAvailable` of `/proc/meminfo`, which is in KiB.
fn free_in(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// What the process's group and every group above it leave. `memberships` is `/proc/self/cgroup`.
fn left_in(root: &Path, memberships: &str) -> Option<u64> {
    let group = memberships.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let own = root.join(group);
    own.ancestors().take_while(|folder| folder.starts_with(root)).filter_map(left).min()
}

/// What one group leaves; `None` when it has no limit.
fn left(folder: &Path) -> Option<u64> {
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    let used = number("memory.current")?;
    // Pages that only mirror files are given back when somebody needs room.
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let mirrored =
        stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.parse().ok()).unwrap_or(0);
    Some(number("memory.max")?.saturating_sub(used.saturating_sub(mirrored)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_what_is_free() {
        assert_eq!(free_in("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(free_in("MemTotal: 9 kB\n"), None);
        assert!(available_bytes(Some(1000)).is_some_and(|bytes| bytes <= 1000));
    }

    #[test]
    fn the_narrowest_group_decides() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let inner = root.path().join("slice/unit");
        fs::create_dir_all(&inner).expect("folders");
        let write =
            |folder: &Path, file: &str, text: &str| fs::write(folder.join(file), text).expect("a file");
        let left = || left_in(root.path(), "1:cpu:/other\n0::/slice/unit\n");
        assert_eq!(left(), None);
        write(&inner, "memory.current", "300\n");
        write(&inner, "memory.max", "max\n");
        assert_eq!(left(), None);
        write(&inner, "memory.max", "1000\n");
        write(&inner, "memory.stat", "anon 5\ninactive_file 100\n");
        assert_eq!(left(), Some(800));
        write(inner.parent().expect("a parent"), "memory.current", "300\n");
        write(inner.parent().expect("a parent"), "memory.max", "350\n");
        assert_eq!(left(), Some(50));
    }
}
