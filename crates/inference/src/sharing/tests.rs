use super::*;
use model::Pieces;
use proptest::prelude::*;
use std::sync::Barrier;

/// Answers each piece with its own id; keeps what it was given; fails on [`BAD`] and panics on [`TERRIBLE`].
#[derive(Default)]
struct Echo {
    given: Mutex<Vec<(usize, Vec<i32>)>>,
    /// Holds back the end of every computation while it is locked.
    gate: Mutex<()>,
}

const BAD: i32 = 90_000;
const TERRIBLE: i32 = 90_001;

impl Device for Echo {
    type Running<'a> = Vec<f32>;

    fn start(&self, input: &Input, _company: bool) -> Result<Vec<f32>, GraphError> {
        self.given.lock().expect("no panic").push((input.length, input.ids.clone()));
        if input.ids.contains(&BAD) {
            return Err(GraphError::Failed("bad".into()));
        }
        Ok(input.ids.iter().zip(&input.mask).map(|(id, mask)| (id * mask) as f32).collect())
    }

    fn finish(
        &self,
        running: Vec<f32>,
        values: usize,
        read: &mut dyn FnMut(&[f32]),
    ) -> Result<(), GraphError> {
        assert!(!running.contains(&(TERRIBLE as f32)), "terrible");
        let _open = self.gate.lock();
        assert_eq!(running.len(), values);
        read(&running);
        Ok(())
    }
}

/// Rows of these ids, every piece a word.
fn pieces(rows: &[Vec<i32>]) -> Pieces {
    let length = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut pieces = Pieces { windows: rows.len(), length, ..Pieces::default() };
    for (at, row) in rows.iter().enumerate() {
        pieces.input_ids.extend(row.iter().copied().chain(std::iter::repeat_n(0, length - row.len())));
        pieces.attention_mask.extend((0..length).map(|column| i32::from(column < row.len())));
        pieces.first_pieces.extend((0..row.len()).map(|column| (at * length + column) as i32));
    }
    pieces
}

fn ask(sharing: &Sharing<Echo>, rows: &[Vec<i32>]) -> Result<Vec<f32>, GraphError> {
    let pieces = pieces(rows);
    sharing.encode(&Request::new(&pieces, 100_000, 64).expect("sound pieces"))
}

fn waiting(sharing: &Sharing<Echo>) -> usize {
    sharing.queue().waiting.len()
}

/// Callers that all wait behind a busy device, then the batches it is given.
fn behind_a_busy_device(callers: &[Vec<i32>]) -> Vec<(usize, Vec<i32>)> {
    let sharing = Sharing::new(Echo::default(), 1, 64, 1, 1);
    std::thread::scope(|scope| {
        let busy = sharing.device.gate.lock().expect("no panic");
        scope.spawn(|| ask(&sharing, &[vec![1]]));
        while sharing.queue().running == 0 {
            std::thread::yield_now();
        }
        for (at, row) in callers.iter().enumerate() {
            scope.spawn(|| {
                let expected: Vec<f32> = row.iter().map(|id| *id as f32).collect();
                assert_eq!(ask(&sharing, std::slice::from_ref(row)), Ok(expected));
            });
            while waiting(&sharing) <= at {
                std::thread::yield_now();
            }
        }
        drop(busy);
    });
    sharing.device.given.into_inner().expect("no panic")
}

/// A row and its padding to 8 pieces.
fn row(ids: &[i32]) -> Vec<i32> {
    let mut row = ids.to_vec();
    row.resize(8, 0);
    row
}

#[test]
fn who_waits_is_computed_together() {
    let given = behind_a_busy_device(&[vec![2, 3], vec![4, 5], vec![6]]);
    assert_eq!(given, [(8, row(&[1])), (8, [row(&[2, 3]), row(&[4, 5]), row(&[6])].concat())]);
}

#[test]
fn long_and_short_are_not_mixed_and_no_batch_exceeds_the_budget() {
    let (long, short) = (vec![8; 64], vec![2]);
    let mut callers = vec![long.clone()];
    callers.extend(vec![short.clone(); 9]);
    let given = behind_a_busy_device(&callers);
    assert_eq!(given, [(8, row(&[1])), (64, long), (8, row(&short).repeat(8)), (8, row(&short))]);
}

#[test]
fn a_failure_is_told_and_over() {
    let sharing = Sharing::new(Echo::default(), 1, 2, 1, 2);
    let failed = Err(GraphError::Failed("bad".into()));
    assert_eq!(ask(&sharing, &[vec![1], vec![BAD], vec![2], vec![3, 4]]), failed);
    assert_eq!((waiting(&sharing), sharing.queue().running), (0, 0));
    assert_eq!(ask(&sharing, &[vec![5]]), Ok(vec![5.0]));
}

#[test]
fn a_panic_leaves_nobody_waiting() {
    let sharing = Sharing::new(Echo::default(), 1, 64, 1, 1);
    std::thread::scope(|scope| {
        let panicking = scope.spawn(|| ask(&sharing, &[vec![TERRIBLE]]));
        assert!(panicking.join().is_err());
    });
    assert_eq!(sharing.queue().running, 0);
    assert_eq!(ask(&sharing, &[vec![5]]), Ok(vec![5.0]));
}

#[test]
fn nothing_asked_is_answered_at_once() {
    let sharing = Sharing::new(Echo::default(), 1, 64, 1, 1);
    assert_eq!(ask(&sharing, &[]), Ok(vec![]));
    assert!(sharing.device.given.into_inner().expect("no panic").is_empty());
}

proptest! {
    #[test]
    fn every_caller_gets_its_own_vectors(
        callers in prop::collection::vec(prop::collection::vec(prop::collection::vec(1i32..50_000, 1..20), 0..6), 1..8),
        budget in 1usize..200,
        streams in 1usize..4,
        places in 1usize..4,
    ) {
        let sharing = Sharing::new(Echo::default(), 1, budget, streams, places);
        let start = Barrier::new(callers.len());
        std::thread::scope(|scope| {
            for rows in &callers {
                let (sharing, start) = (&sharing, &start);
                scope.spawn(move || {
                    start.wait();
                    let expected: Vec<f32> = rows.iter().flatten().map(|id| *id as f32).collect();
                    assert_eq!(ask(sharing, rows), Ok(expected));
                });
            }
        });
        prop_assert_eq!(sharing.queue().running, 0);
        for (length, ids) in sharing.device.given.into_inner().expect("no panic") {
            prop_assert!(ids.len() <= budget || ids.len() == length);
        }
    }
}
