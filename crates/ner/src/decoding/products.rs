//! What all sequences' probabilities are computed with, in whole registers: products of rows with matrices whose rows are
//! filled up, and exponentials. Bits are the same in registers of every width.

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

/// Puts `e^(value / divisor)` in the place of each value, which are at most 0; quotients below `floor`, at least -700, are taken
/// as that. To a few units of the last bit.
#[inline(always)]
pub(super) fn exponentials(values: &mut [f64], divisor: f64, floor: f64) {
    // Adding it leaves a number's whole part in the lowest bits.
    const WHOLE: f64 = 6_755_399_441_055_744.0;
    // The logarithm of 2 in two parts, the first so short that its products with whole parts are exact.
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    for value in values {
        let quotient = (*value / divisor).max(floor);
        let shifted = quotient * std::f64::consts::LOG2_E + WHOLE;
        let whole = shifted - WHOLE;
        let rest = quotient - whole * LN_2[0] - whole * LN_2[1];
        // Taylor's series: the rest is at most ln 2 / 2, so what is left out is below the last bit.
        let series = INVERSE_FACTORIALS.iter().fold(0.0, |sum, factor| sum * rest + factor);
        let power = f64::from_bits(shifted.to_bits().wrapping_add(1_023) << 52);
        *value = series * power;
    }
}

/// `1 / n!` from 13 down to 0.
const INVERSE_FACTORIALS: [f64; 14] = {
    let mut factors = [1.0; 14];
    let (mut at, mut factorial) = (13, 1.0);
    while at > 0 {
        factorial *= (14 - at) as f64;
        factors[at - 1] = 1.0 / factorial;
        at -= 1;
    }
    factors
};

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
    fn exponentials_are_those_of_the_library() {
        for divisor in [1.0, 0.37, 4.2] {
            let given: Vec<f64> = (0..50_000).map(|at| f64::from(at).powi(2) * -3.1e-7).collect();
            let mut values = given.clone();
            exponentials(&mut values, divisor, -600.0);
            for (value, given) in values.iter().zip(&given) {
                let expected = (given / divisor).max(-600.0).exp();
                assert!((value - expected).abs() <= 1e-15 * expected, "{given} {value} {expected}");
            }
            assert_eq!(values[0], 1.0);
        }
    }

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
