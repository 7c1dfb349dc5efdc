//! Products of rows with matrices whose rows are filled up to whole registers.

/// Values of the widest register.
const LANES: usize = 8;

/// So many values in whole registers.
pub(super) fn whole(values: usize) -> usize {
    values.next_multiple_of(LANES)
}

/// The same rows, each filled up with zeros to whole registers.
pub(super) fn filled_up(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.chunks_exact(columns);
    rows.flat_map(|row| row.iter().copied().chain(std::iter::repeat_n(0.0, whole(columns) - columns)))
        .collect()
}

/// `sums = factors · rows` with rows of `columns` values, some columns at a time: their sums stay in registers.
#[inline(always)]
pub(super) fn multiply(sums: &mut Vec<f64>, factors: &[f64], rows: &[f64], columns: usize) {
    sums.clear();
    for start in (0..columns).step_by(4 * LANES) {
        match (columns - start) / LANES {
            1 => sums.extend(block::<LANES>(factors, rows, columns, start)),
            2 => sums.extend(block::<{ 2 * LANES }>(factors, rows, columns, start)),
            3 => sums.extend(block::<{ 3 * LANES }>(factors, rows, columns, start)),
            _ => sums.extend(block::<{ 4 * LANES }>(factors, rows, columns, start)),
        }
    }
}

#[inline(always)]
fn block<const N: usize>(factors: &[f64], rows: &[f64], columns: usize, start: usize) -> [f64; N] {
    let mut sums = [0.0; N];
    for (factor, row) in factors.iter().zip(rows.chunks_exact(columns)) {
        sums.iter_mut().zip(&row[start..start + N]).for_each(|(sum, step)| *sum += factor * step);
    }
    sums
}

/// Runs `work`, whatever is inlined into it, by the machine's widest vectors. Their sums are those of narrow ones, bit by bit.
#[cfg(not(target_family = "wasm"))]
#[inline(always)]
pub(super) fn in_wide_vectors(work: impl FnOnce()) {
    pulp::Arch::new().dispatch(work);
}

/// Components have one kind of vectors.
#[cfg(target_family = "wasm")]
#[inline(always)]
pub(super) fn in_wide_vectors(work: impl FnOnce()) {
    work();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_every_width_are_sums_of_products() {
        for columns in 1..90 {
            let factors: Vec<f64> = (0..7).map(|row| f64::from(row * row) - 9.0).collect();
            let values: Vec<f64> = (0..7 * columns).map(|at| (at * 37 % 19) as f64 - 8.5).collect();
            let mut sums = vec![5.0];
            multiply(&mut sums, &factors, &filled_up(&values, columns), whole(columns));
            let plain = |column: usize| (0..7).map(|row| factors[row] * values[row * columns + column]).sum();
            let plain: Vec<f64> = (0..columns).map(plain).collect();
            assert_eq!((&sums[..columns], sums.len()), (plain.as_slice(), whole(columns)));
        }
    }
}
