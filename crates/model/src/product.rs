//! Matrix products. Natively by `gemm` (AVX-512 where the machine has it), in components by a plain loop: heads
//! are computed by the host, so components only need the code to exist.

/// A matrix over borrowed values, row after row.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    /// Steps in `values` from row to row and from column to column.
    row_step: usize,
    column_step: usize,
}

impl<'a> Matrix<'a> {
    /// The matrix of `values` with rows of length `columns`.
    ///
    /// # Panics
    /// When `values` are not whole rows.
    pub fn new(values: &'a [f32], columns: usize) -> Self {
        let rows = values.len().checked_div(columns).unwrap_or(0);
        assert_eq!(values.len(), rows * columns, "values are not whole rows of {columns}");
        Self { values, rows, columns, row_step: columns, column_step: 1 }
    }

    /// The same values read the other way.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_step: self.column_step,
            column_step: self.row_step,
            ..self
        }
    }
}

/// `out += left · right`, `out` row after row. One thread.
///
/// # Panics
/// When the shapes do not fit.
pub fn add(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    assert!(
        left.columns == right.rows && out.len() == left.rows * right.columns,
        "product of {}x{} and {}x{} into {} values",
        left.rows,
        left.columns,
        right.rows,
        right.columns,
        out.len()
    );
    if out.is_empty() || left.columns == 0 {
        return;
    }
    if left.rows > 1 {
        return kernel(out, left, right);
    }
    // For one row the library sums in another order; beside its like it gets the bits that it gets in any company.
    let mut twice = [&*out, &*out].concat();
    kernel(&mut twice, Matrix { rows: 2, row_step: 0, ..left }, right);
    out.copy_from_slice(&twice[..out.len()]);
}

#[cfg(not(target_family = "wasm"))]
#[allow(unsafe_code)] // `gemm` takes pointers; `Matrix::new` and `add` have checked that they cover the shapes
fn kernel(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    // SAFETY: every index a shape and its steps reach lies in the matrix's values (a transposed matrix reaches the
    // same ones), `out` has a value for each row and column and is borrowed alone.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            right.columns as isize,
            true,
            left.values.as_ptr(),
            left.column_step as isize,
            left.row_step as isize,
            right.values.as_ptr(),
            right.column_step as isize,
            right.row_step as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(target_family = "wasm")]
fn kernel(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    plain(out, left, right);
}

/// The product as it is defined; also what the fast one is compared with.
#[cfg(any(target_family = "wasm", test))]
fn plain(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    for (row, out) in out.chunks_exact_mut(right.columns).enumerate() {
        for inner in 0..left.columns {
            let factor = left.values[row * left.row_step + inner * left.column_step];
            for (column, out) in out.iter_mut().enumerate() {
                *out += factor * right.values[inner * right.row_step + column * right.column_step];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| (((i + seed) * 7919 % 1013) as f32 - 500.0) / 500.0).collect()
    }

    proptest! {
        #[test]
        fn the_fast_product_is_the_product(
            [rows, inner, columns] in [0usize..40, 1usize..40, 1usize..40], flip in any::<[bool; 2]>()
        ) {
            let (a, b) = (values(rows * inner, 1), values(inner * columns, 2));
            let left = if flip[0] && rows > 0 { Matrix::new(&a, rows).transposed() } else { Matrix::new(&a, inner) };
            let right = if flip[1] { Matrix::new(&b, inner).transposed() } else { Matrix::new(&b, columns) };
            let (mut fast, mut slow) = (values(rows * columns, 3), values(rows * columns, 3));
            add(&mut fast, left, right);
            plain(&mut slow, left, right);
            for (fast, slow) in fast.iter().zip(&slow) {
                prop_assert!((fast - slow).abs() < 1e-4);
            }
        }
    }

    #[test]
    #[should_panic(expected = "product of 2x3 and 2x3")]
    fn shapes_must_fit() {
        let a = values(6, 0);
        add(&mut [0.0; 6], Matrix::new(&a, 3), Matrix::new(&a, 3));
    }
}
