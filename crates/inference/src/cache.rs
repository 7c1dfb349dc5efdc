//! Loaded things by name: loaded once however many ask at the same time, dropped by age when memory is short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// A cache whose entries count their own size; `E` is why loading failed.
pub(crate) struct Cache<V, E> {
    budget_bytes: u64,
    state: Mutex<State<V, E>>,
}

struct State<V, E> {
    slots: HashMap<String, Slot<V, E>>,
    /// Counts uses; an entry's age is the count at its last use.
    clock: u64,
}

struct Slot<V, E> {
    loading: Loading<V, E>,
    used: u64,
}

/// Shared by everyone who asks while it is being filled.
type Loading<V, E> = Arc<OnceLock<Result<Loaded<V>, E>>>;

struct Loaded<V> {
    value: Arc<V>,
    bytes: u64,
}

impl<V, E: Clone> Cache<V, E> {
    /// A cache that holds at most `budget_bytes`, apart from entries in use.
    pub(crate) fn new(budget_bytes: u64) -> Self {
        Self { budget_bytes, state: Mutex::new(State { slots: HashMap::new(), clock: 0 }) }
    }

    /// The value of `name`, loaded by `load` (value and size in bytes) unless it is here.
    ///
    /// Callers that ask while another loads share its outcome; a failure is given to them and then forgotten.
    pub(crate) fn get(&self, name: &str, load: impl FnOnce() -> Result<(V, u64), E>) -> Result<Arc<V>, E> {
        let loading = self.slot(name);
        let outcome = loading
            .get_or_init(|| load().map(|(value, bytes)| Loaded { value: Arc::new(value), bytes }))
            .as_ref()
            .map(|loaded| Arc::clone(&loaded.value))
            .map_err(E::clone);
        let mut state = self.state();
        match outcome {
            Ok(_) => state.evict(self.budget_bytes, name),
            Err(_) => state.forget(name, &loading),
        }
        outcome
    }

    /// How many entries there are, and their size in bytes.
    pub(crate) fn held(&self) -> (u64, u64) {
        let state = self.state();
        let sizes = state.slots.values().filter_map(Slot::size_and_idle);
        sizes.fold((0, 0), |(count, bytes), (size, _)| (count + 1, bytes + size))
    }

    /// Drops `name`; who holds its value keeps it.
    pub(crate) fn remove(&self, name: &str) {
        self.state().slots.remove(name);
    }

    fn slot(&self, name: &str) -> Loading<V, E> {
        let mut state = self.state();
        state.clock += 1;
        let used = state.clock;
        if let Some(slot) = state.slots.get_mut(name) {
            slot.used = used;
            return Arc::clone(&slot.loading);
        }
        let loading = Loading::default();
        state.slots.insert(name.to_owned(), Slot { loading: Arc::clone(&loading), used });
        loading
    }

    fn state(&self) -> MutexGuard<'_, State<V, E>> {
        // Every change of the state is whole before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V, E> State<V, E> {
    /// Drops the least recently used entries that nobody holds until the rest fits; `keep` stays.
    fn evict(&mut self, budget_bytes: u64, keep: &str) {
        let mut total: u64 =
            self.slots.values().filter_map(|slot| slot.size_and_idle()).map(|(bytes, _)| bytes).sum();
        while total > budget_bytes {
            let oldest = self
                .slots
                .iter()
                .filter(|(name, _)| *name != keep)
                .filter_map(|(name, slot)| {
                    Some((slot.used, name, slot.size_and_idle().filter(|(_, idle)| *idle)?.0))
                })
                .min();
            let Some((_, name, bytes)) = oldest else { return };
            let name = name.clone();
            self.slots.remove(&name);
            total -= bytes;
        }
    }

    /// Forgets a failure, unless someone has already started anew.
    fn forget(&mut self, name: &str, loading: &Loading<V, E>) {
        if self.slots.get(name).is_some_and(|slot| Arc::ptr_eq(&slot.loading, loading)) {
            self.slots.remove(name);
        }
    }
}

impl<V, E> Slot<V, E> {
    /// Size and whether only the cache holds it, once it is loaded.
    fn size_and_idle(&self) -> Option<(u64, bool)> {
        let loaded = self.loading.get()?.as_ref().ok()?;
        // Dropping what others hold would free nothing and make them load it twice.
        Some((loaded.bytes, Arc::strong_count(&loaded.value) == 1))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn names(cache: &Cache<u32, String>) -> Vec<String> {
        let mut names: Vec<String> = cache.state().slots.keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn many_at_once_load_once() {
        let cache = Cache::<u32, String>::new(100);
        let (loads, start) = (AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let value = cache.get("a", || Ok((loads.fetch_add(1, Ordering::Relaxed) as u32, 1)));
                    assert_eq!(value.as_deref(), Ok(&0));
                });
            }
        });
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn failures_are_not_kept() {
        let cache = Cache::<u32, String>::new(100);
        assert_eq!(cache.get("a", || Err("absent".into())), Err("absent".into()));
        assert_eq!(cache.get("a", || Ok((1, 1))).as_deref(), Ok(&1));
    }

    #[test]
    fn the_least_recently_used_goes_first_and_what_is_held_stays() {
        let cache = Cache::<u32, String>::new(2);
        let held = cache.get("held", || Ok((0, 1))).expect("loads");
        for name in ["a", "b", "c"] {
            drop(cache.get(name, || Ok((1, 1))));
        }
        assert_eq!(names(&cache), ["c", "held"]);
        drop(held);
        drop(cache.get("c", || Err("it is here".into())));
        drop(cache.get("d", || Ok((1, 1))));
        assert_eq!(names(&cache), ["c", "d"]);
    }

    #[test]
    fn one_entry_larger_than_the_budget_still_loads() {
        let cache = Cache::<u32, String>::new(1);
        assert_eq!(cache.get("a", || Ok((1, 5))).as_deref(), Ok(&1));
        assert_eq!(names(&cache), ["a"]);
        cache.remove("a");
        assert_eq!(names(&cache), Vec::<String>::new());
    }
}
