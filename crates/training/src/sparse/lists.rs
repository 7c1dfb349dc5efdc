//! Rows of numbers of different lengths.

use super::numbering::Occurrences;

/// Rows, one after the other.
#[derive(Clone)]
pub(crate) struct Lists {
    borders: Vec<usize>,
    items: Vec<u32>,
}

impl Default for Lists {
    fn default() -> Self {
        Self { borders: vec![0], items: Vec::new() }
    }
}

impl Lists {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.borders.len() - 1
    }

    pub(crate) fn row(&self, at: usize) -> &[u32] {
        &self.items[self.borders[at]..self.borders[at + 1]]
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u32]> {
        self.borders.windows(2).map(|borders| &self.items[borders[0]..borders[1]])
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = u32>) {
        self.items.extend(row);
        self.borders.push(self.items.len());
    }

    /// Adds empty rows.
    pub(crate) fn push_empty(&mut self, count: usize) {
        self.borders.resize(self.borders.len() + count, self.items.len());
    }

    /// Where each number below `numbers` is, `of_row` of all its rows added up.
    pub(super) fn occurrences(
        &self,
        numbers: usize,
        of_row: impl Fn(usize) -> Occurrences,
    ) -> Vec<Occurrences> {
        let mut occurrences = vec![Occurrences::default(); numbers];
        for (at, row) in self.rows().enumerate() {
            let of_row = of_row(at);
            row.iter().for_each(|&item| occurrences[item as usize].add(of_row));
        }
        occurrences
    }

    /// Puts `new[number]` in the place of every number, [`NONE`] leaving it out. Rows rise afterwards.
    pub(crate) fn renumbered(mut self, new: &[u32]) -> Self {
        let (mut from, mut kept) = (0, 0);
        for border in &mut self.borders[1..] {
            let start = kept;
            for at in from..*border {
                let number = new[self.items[at] as usize];
                if number != NONE {
                    self.items[kept] = number;
                    kept += 1;
                }
            }
            self.items[start..kept].sort_unstable();
            from = std::mem::replace(border, kept);
        }
        self.items.truncate(kept);
        self.items.shrink_to_fit();
        self
    }

    /// The rows that have numbers, and where each row is among them, [`NONE`] where it is not.
    pub(crate) fn without_empty(&self) -> (Self, Vec<u32>) {
        let (mut lists, mut places) = (Self::default(), Vec::with_capacity(self.len()));
        for row in self.rows() {
            places.push(if row.is_empty() { NONE } else { lists.len() as u32 });
            if !row.is_empty() {
                lists.push(row.iter().copied());
            }
        }
        (lists, places)
    }

    /// For each number below `numbers`, the rows it is in.
    pub(crate) fn transposed(&self, numbers: usize) -> Self {
        let mut borders = vec![0];
        borders.resize(numbers + 1, 0);
        self.items.iter().for_each(|&item| borders[item as usize + 1] += 1);
        (1..borders.len()).for_each(|number| borders[number] += borders[number - 1]);
        let (mut next, mut items) = (borders.clone(), vec![0; self.items.len()]);
        for (row, number) in self.rows().zip(0..) {
            for &item in row {
                items[next[item as usize]] = number;
                next[item as usize] += 1;
            }
        }
        Self { borders, items }
    }
}

/// No number.
pub(crate) const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(lists: &Lists) -> Vec<Vec<u32>> {
        lists.rows().map(<[u32]>::to_vec).collect()
    }

    #[test]
    fn rows_are_renumbered_and_turned() {
        let mut lists = Lists::default();
        lists.push([3, 0]);
        lists.push_empty(1);
        lists.push([1, 3, 2]);
        assert_eq!((lists.len(), lists.row(2)), (3, [1, 3, 2].as_slice()));
        let lists = lists.renumbered(&[2, NONE, 0, 1]);
        assert_eq!(rows(&lists), [vec![1, 2], vec![], vec![0, 1]]);
        let (without, places) = lists.without_empty();
        assert_eq!((rows(&without), places), (vec![vec![1, 2], vec![0, 1]], vec![0, NONE, 1]));
        assert_eq!(rows(&lists.clone().renumbered(&[NONE, 5, 1])), [vec![1, 5], vec![], vec![5]]);
        assert_eq!(rows(&lists.transposed(3)), [vec![2], vec![0, 2], vec![0]]);
    }
}
