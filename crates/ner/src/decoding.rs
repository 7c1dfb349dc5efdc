//! From scores to tags and probabilities: a linear chain over the words of one sequence.
//!
//! A reading's score is the sum of its words' emissions, its transitions, its start and its end. Readings that
//! [`crate::tags`] does not allow do not exist. Probabilities are computed in scaled form (each word's potentials
//! divided by their largest, each step by its sum) in `f64`, so long sequences neither overflow nor vanish.

mod products;

use crate::tags::{self, OUTSIDE, Tag};
use products::{exponentials, filled_up, in_wide_vectors, multiply, whole};
use std::ops::Range;

/// Scores below the word's largest by more than this are taken as this: `e^-600` is still a number in `f64`, so
/// that no reading has probability zero and nothing is divided by zero.
const FLOOR: f64 = -600.0;

/// Scores between tags, as the caller holds them.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// Number of tags, odd.
    pub tags: usize,
    /// `tags * tags`, row = the earlier tag. Entries that no reading allows are not read.
    pub transitions: &'a [f32],
    /// Beginning a sequence, `tags`.
    pub start: &'a [f32],
    /// Ending a sequence, `tags`.
    pub end: &'a [f32],
}

/// A lattice ready to be run over sequences.
///
/// Inside, tags stand in another order: first the *open* ones that may follow everything (`O`, all `B`), then all
/// `I`, which only follow their own category. Steps are dense over the first part and cost two products per `I`.
#[derive(Clone, Debug)]
pub struct Lattice {
    tags: usize,
    open: usize,
    /// The tag of each index inside.
    order: Vec<Tag>,
    /// `tags * open` log scores, row = earlier tag.
    opening: Vec<f64>,
    /// Log scores of `B → I` and of `I → I`, per category.
    entering: Vec<f64>,
    staying: Vec<f64>,
    start: Vec<f64>,
    end: Vec<f64>,
    /// Their exponentials, each group divided by `e^shift`. Rows of `opening_exp` are filled up with zeros to whole registers.
    opening_exp: Vec<f64>,
    /// `opening_exp` read the other way, a row for each open tag, filled up too.
    opening_back: Vec<f64>,
    entering_exp: Vec<f64>,
    staying_exp: Vec<f64>,
    start_exp: Vec<f64>,
    end_exp: Vec<f64>,
    shift: f64,
    temperature: f64,
}

/// Probabilities over one sequence's readings; buffers are kept between sequences.
#[derive(Clone, Debug, Default)]
pub struct Posterior {
    words: usize,
    /// `words * tags` in inner order: emissions' exponentials, forward and backward values. A word's products
    /// `forward * backward` are its marginals.
    emitted: Vec<f64>,
    forward: Vec<f64>,
    backward: Vec<f64>,
    /// Sum of each step before scaling, and of the end.
    scale: Vec<f64>,
    end_scale: f64,
    log_partition: f64,
    row: Vec<f64>,
    sums: Vec<f64>,
}

/// Expected counts of what the lattice scores, summed over sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// `tags * tags`, row = the earlier tag.
    pub transitions: Vec<f64>,
    /// `tags`.
    pub start: Vec<f64>,
    /// `tags`.
    pub end: Vec<f64>,
}

/// Index inside the lattice of a tag.
fn inner(tag: Tag, open: usize) -> usize {
    match tags::category_of(tag) {
        None => 0,
        Some(category) if tags::is_inside(tag) => open + category,
        Some(category) => 1 + category,
    }
}

/// The tag of an index inside the lattice.
fn outer(index: usize, open: usize) -> Tag {
    match index {
        0 => OUTSIDE,
        _ if index < open => tags::begin(index - 1),
        _ => tags::inside(index - open),
    }
}

impl Lattice {
    /// A lattice over `scores`, all scores divided by `temperature` (1 leaves them as they are).
    ///
    /// # Panics
    /// When the lengths in `scores` do not fit its number of tags, or that is even.
    pub fn new(scores: Scores<'_>, temperature: f64) -> Self {
        let Scores { tags, transitions, start, end } = scores;
        assert!(
            tags % 2 == 1 && transitions.len() == tags * tags && start.len() == tags && end.len() == tags,
            "scores do not fit {tags} tags"
        );
        let open = tags.div_ceil(2);
        let score = |value: f32| f64::from(value) / temperature;
        let from =
            |earlier: Tag, later: Tag| score(transitions[usize::from(earlier) * tags + usize::from(later)]);
        let order = |index| outer(index, open);
        let all: Vec<Tag> = (0..tags).map(order).collect();
        let pairs = (0..tags).flat_map(|a| (0..open).map(move |b| (a, b)));
        let opening: Vec<f64> = pairs.map(|(a, b)| from(order(a), order(b))).collect();
        let categories = 0..open - 1;
        let entering: Vec<f64> = categories.clone().map(|c| from(tags::begin(c), tags::inside(c))).collect();
        let staying: Vec<f64> = categories.map(|c| from(tags::inside(c), tags::inside(c))).collect();
        let start: Vec<f64> = (0..open).map(|index| score(start[usize::from(order(index))])).collect();
        let end: Vec<f64> = (0..tags).map(|index| score(end[usize::from(order(index))])).collect();
        let groups = [&opening, &entering, &staying, &start, &end];
        let shift = groups.iter().flat_map(|group| group.iter().copied()).fold(f64::MIN, f64::max);
        let exp = |group: &[f64]| -> Vec<f64> {
            group.iter().map(|&score| (score - shift).max(FLOOR).exp()).collect()
        };
        let opening_exp = exp(&opening);
        let back: Vec<f64> =
            (0..open).flat_map(|later| opening_exp[later..].iter().step_by(open)).copied().collect();
        Self {
            opening_back: filled_up(&back, tags),
            opening_exp: filled_up(&opening_exp, open),
            entering_exp: exp(&entering),
            staying_exp: exp(&staying),
            start_exp: exp(&start),
            end_exp: exp(&end),
            tags,
            open,
            order: all,
            opening,
            entering,
            staying,
            start,
            end,
            shift,
            temperature,
        }
    }

    /// The same lattice with `bonus` for a reading each time an entity begins at a sequence's start or after a word
    /// outside: what is doubtful is found rather than left out, and is no longer for it.
    pub fn bolder(mut self, bonus: f64) -> Self {
        let factor = bonus.min(-FLOOR).exp();
        // The first row is that of words outside.
        let opening = self.opening.iter_mut().zip(&mut self.opening_exp).take(self.open).skip(1);
        let start = self.start.iter_mut().zip(&mut self.start_exp).skip(1);
        for (score, exp) in opening.chain(start) {
            *score += bonus;
            *exp *= factor;
        }
        self.opening_back.iter_mut().step_by(whole(self.tags)).skip(1).for_each(|exp| *exp *= factor);
        self
    }

    /// Number of tags.
    pub fn tags(&self) -> usize {
        self.tags
    }

    /// The best reading of one sequence. `emissions` are `words * tags`; ties go to the earlier tag.
    pub fn best(&self, emissions: &[f32]) -> Vec<Tag> {
        let (tags, open) = (self.tags, self.open);
        let words = emissions.len() / tags;
        if words == 0 {
            return Vec::new();
        }
        let emission = |word: usize, index: usize| {
            f64::from(emissions[word * tags + usize::from(outer(index, open))]) / self.temperature
        };
        let mut scores: Vec<f64> = (0..tags)
            .map(
                |index| if index < open { self.start[index] + emission(0, index) } else { f64::NEG_INFINITY },
            )
            .collect();
        let mut before = vec![0u16; words * tags];
        let mut next = vec![0.0; tags];
        for word in 1..words {
            let before = &mut before[word * tags..(word + 1) * tags];
            next[..open].fill(f64::NEG_INFINITY);
            for (earlier, (&score, row)) in scores.iter().zip(self.opening.chunks_exact(open)).enumerate() {
                for ((best, from), step) in next.iter_mut().zip(before.iter_mut()).zip(row) {
                    if score + step > *best {
                        (*best, *from) = (score + step, earlier as u16);
                    }
                }
            }
            for category in 0..open - 1 {
                let (begin, inside) = (1 + category, open + category);
                let (enter, stay) =
                    (scores[begin] + self.entering[category], scores[inside] + self.staying[category]);
                next[inside] = enter.max(stay);
                before[inside] = if enter >= stay { begin } else { inside } as u16;
            }
            (0..tags).for_each(|index| next[index] += emission(word, index));
            std::mem::swap(&mut scores, &mut next);
        }
        let ended = scores.iter().zip(&self.end).map(|(score, end)| score + end);
        let mut at = ended
            .enumerate()
            .fold((0, f64::NEG_INFINITY), |best, (i, s)| if s > best.1 { (i, s) } else { best })
            .0;
        let mut reading = vec![OUTSIDE; words];
        for word in (0..words).rev() {
            reading[word] = outer(at, open);
            at = usize::from(before[word * tags + at]);
        }
        reading
    }

    /// The score of one allowed reading of a sequence (before any division by the partition).
    pub fn score(&self, emissions: &[f32], reading: &[Tag]) -> f64 {
        let open = self.open;
        let mut total = 0.0;
        let mut previous: Option<usize> = None;
        for (row, &tag) in emissions.chunks_exact(self.tags).zip(reading) {
            let index = inner(tag, open);
            total += f64::from(row[usize::from(tag)]) / self.temperature;
            total += match previous {
                None => self.start[index],
                Some(before) if index < open => self.opening[before * open + index],
                Some(before) if before == index => self.staying[index - open],
                Some(_) => self.entering[index - open],
            };
            previous = Some(index);
        }
        total + previous.map_or(0.0, |last| self.end[last])
    }
}

impl Posterior {
    /// Runs `lattice` over one sequence; `emissions` are `words * tags`, at least one word.
    pub fn run(&mut self, lattice: &Lattice, emissions: &[f32]) {
        in_wide_vectors(
            #[inline(always)]
            || self.run_here(lattice, emissions),
        );
    }

    #[inline(always)]
    fn run_here(&mut self, lattice: &Lattice, emissions: &[f32]) {
        let tags = lattice.tags;
        self.words = emissions.len() / tags;
        let size = self.words * tags;
        for buffer in [&mut self.emitted, &mut self.forward, &mut self.backward] {
            buffer.clear();
            buffer.resize(size, 0.0);
        }
        self.log_partition = 0.0;
        for (row, emitted) in emissions.chunks_exact(tags).zip(self.emitted.chunks_exact_mut(tags)) {
            let largest = row.iter().copied().fold(f32::MIN, f32::max);
            for (&tag, emitted) in lattice.order.iter().zip(&mut *emitted) {
                *emitted = f64::from(row[usize::from(tag)] - largest);
            }
            exponentials(emitted, lattice.temperature, FLOOR);
            self.log_partition += f64::from(largest) / lattice.temperature;
        }
        self.run_forward(lattice);
        self.run_backward(lattice);
        self.log_partition += self.scale.iter().map(|scale| scale.ln()).sum::<f64>() + self.end_scale.ln();
        // Words + 1 scores of the lattice are in every reading, each was divided by `e^shift`.
        self.log_partition += lattice.shift * (self.words + 1) as f64;
    }

    #[inline(always)]
    fn run_forward(&mut self, lattice: &Lattice) {
        let (tags, open) = (lattice.tags, lattice.open);
        self.scale.clear();
        for word in 0..self.words {
            let (earlier, row) = self.forward.split_at_mut(word * tags);
            let row = &mut row[..tags];
            if word == 0 {
                row[..open].copy_from_slice(&lattice.start_exp);
            } else {
                let earlier = &earlier[(word - 1) * tags..];
                multiply(&mut self.sums, &earlier[..tags], &lattice.opening_exp, whole(open));
                row[..open].copy_from_slice(&self.sums[..open]);
                for category in 0..open - 1 {
                    row[open + category] = earlier[1 + category] * lattice.entering_exp[category]
                        + earlier[open + category] * lattice.staying_exp[category];
                }
            }
            let emitted = &self.emitted[word * tags..(word + 1) * tags];
            row.iter_mut().zip(emitted).for_each(|(value, emitted)| *value *= emitted);
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
            self.scale.push(sum);
        }
        let last = &self.forward[(self.words - 1) * tags..];
        self.end_scale = last.iter().zip(&lattice.end_exp).map(|(value, end)| value * end).sum();
    }

    #[inline(always)]
    fn run_backward(&mut self, lattice: &Lattice) {
        let (tags, open) = (lattice.tags, lattice.open);
        let last = (self.words - 1) * tags;
        for (value, end) in self.backward[last..].iter_mut().zip(&lattice.end_exp) {
            *value = end / self.end_scale;
        }
        for word in (1..self.words).rev() {
            self.fill_row(word, tags);
            let row = &self.row;
            multiply(&mut self.sums, &row[..open], &lattice.opening_back, whole(tags));
            let earlier = &mut self.backward[(word - 1) * tags..word * tags];
            earlier.copy_from_slice(&self.sums[..tags]);
            for category in 0..open - 1 {
                let next = row[open + category];
                earlier[1 + category] += lattice.entering_exp[category] * next;
                earlier[open + category] += lattice.staying_exp[category] * next;
            }
        }
    }

    /// What comes into `word` from the one before: `emitted * backward / scale`, in `self.row`.
    #[inline(always)]
    fn fill_row(&mut self, word: usize, tags: usize) {
        let range = word * tags..(word + 1) * tags;
        let factor = 1.0 / self.scale[word];
        self.row.clear();
        let pairs = self.emitted[range.clone()].iter().zip(&self.backward[range]);
        self.row.extend(pairs.map(|(emitted, backward)| emitted * backward * factor));
    }

    /// The logarithm of the sum over all readings of the exponentials of their scores.
    pub fn log_partition(&self) -> f64 {
        self.log_partition
    }

    /// Writes each word's tag probabilities into `out` (`words * tags`, tag order).
    pub fn marginals(&self, lattice: &Lattice, out: &mut [f32]) {
        let tags = lattice.tags;
        let values = self.forward.chunks_exact(tags).zip(self.backward.chunks_exact(tags));
        for (out, (forward, backward)) in out.chunks_exact_mut(tags).zip(values) {
            for ((&tag, forward), backward) in lattice.order.iter().zip(forward).zip(backward) {
                out[usize::from(tag)] = (forward * backward) as f32;
            }
        }
    }

    /// The probability that exactly `words` are an entity of `category`: begun at the first, not going on after
    /// the last.
    pub fn probability(&self, lattice: &Lattice, words: Range<usize>, category: usize) -> f64 {
        let (tags, open) = (lattice.tags, lattice.open);
        let (begin, inside) = (1 + category, open + category);
        let mut value = self.forward[words.start * tags + begin];
        let mut at = begin;
        for word in words.start + 1..words.end {
            let step = if at == begin { &lattice.entering_exp } else { &lattice.staying_exp }[category];
            value *= step * self.emitted[word * tags + inside] / self.scale[word];
            at = inside;
        }
        if words.end == self.words {
            return value * lattice.end_exp[at] / self.end_scale;
        }
        let next = words.end * tags..words.end * tags + open;
        let steps = &lattice.opening_exp[at * whole(open)..][..open];
        let rest = steps.iter().zip(&self.emitted[next.clone()]).zip(&self.backward[next]);
        value * rest.map(|((step, emitted), backward)| step * emitted * backward).sum::<f64>()
            / self.scale[words.end]
    }

    /// Adds this sequence's expected counts to `counts`, an accumulator of [`Counts`].
    pub fn count(&mut self, lattice: &Lattice, counts: &mut Counts) {
        in_wide_vectors(
            #[inline(always)]
            || self.count_here(lattice, counts),
        );
    }

    #[inline(always)]
    fn count_here(&mut self, lattice: &Lattice, counts: &mut Counts) {
        let (tags, open) = (lattice.tags, lattice.open);
        for word in 1..self.words {
            self.fill_row(word, tags);
            let earlier = &self.forward[(word - 1) * tags..word * tags];
            for (&value, sums) in earlier.iter().zip(counts.opening.chunks_exact_mut(open)) {
                sums.iter_mut().zip(&self.row).for_each(|(sum, next)| *sum += value * next);
            }
            for category in 0..open - 1 {
                let next = self.row[open + category];
                counts.entering[category] += earlier[1 + category] * next;
                counts.staying[category] += earlier[open + category] * next;
            }
        }
        let last = (self.words - 1) * tags;
        for index in 0..tags {
            counts.start[index] += self.forward[index] * self.backward[index];
            counts.end[index] += self.forward[last + index] * self.backward[last + index];
        }
    }
}

/// Sums of expected counts before the step potentials, which are the same for every word, are multiplied in.
#[derive(Clone, Debug)]
pub struct Counts {
    opening: Vec<f64>,
    entering: Vec<f64>,
    staying: Vec<f64>,
    start: Vec<f64>,
    end: Vec<f64>,
}

impl Counts {
    /// No counts yet.
    pub fn new(lattice: &Lattice) -> Self {
        let (tags, open) = (lattice.tags, lattice.open);
        let none = |length| vec![0.0; length];
        Self {
            opening: none(tags * open),
            entering: none(open - 1),
            staying: none(open - 1),
            start: none(tags),
            end: none(tags),
        }
    }

    /// Adds the counts of `other`.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.opening, &other.opening),
            (&mut self.entering, &other.entering),
            (&mut self.staying, &other.staying),
            (&mut self.start, &other.start),
            (&mut self.end, &other.end),
        ];
        for (sums, others) in pairs {
            sums.iter_mut().zip(others).for_each(|(sum, other)| *sum += other);
        }
    }

    /// The expected counts, in tag order.
    pub fn expected(&self, lattice: &Lattice) -> Expected {
        let (tags, open) = (lattice.tags, lattice.open);
        let order = |index: usize| usize::from(outer(index, open));
        let mut expected =
            Expected { transitions: vec![0.0; tags * tags], start: vec![0.0; tags], end: vec![0.0; tags] };
        for earlier in 0..tags {
            for later in 0..open {
                expected.transitions[order(earlier) * tags + order(later)] =
                    self.opening[earlier * open + later] * lattice.opening_exp[earlier * whole(open) + later];
            }
            expected.start[order(earlier)] = self.start[earlier];
            expected.end[order(earlier)] = self.end[earlier];
        }
        for category in 0..open - 1 {
            let (begin, inside) = (order(1 + category), order(open + category));
            expected.transitions[begin * tags + inside] =
                self.entering[category] * lattice.entering_exp[category];
            expected.transitions[inside * tags + inside] =
                self.staying[category] * lattice.staying_exp[category];
        }
        expected
    }
}

#[cfg(test)]
mod tests;
