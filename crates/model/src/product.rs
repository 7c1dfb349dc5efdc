//! Matrix products. Natively by `gemm` (AVX-512 where the machine has it), in components by a plain loop: heads
//! are computed by the host, so components only need the code to exist.

/// `out += left · right` with shapes `[rows, inner] · [inner, columns]`, all row after row. One thread.
///
/// # Panics
/// When a slice's length is not the product of its two sizes.
pub fn add(out: &mut [f32], left: &[f32], right: &[f32], [rows, inner, columns]: [usize; 3]) {
    assert!(
        out.len() == rows * columns && left.len() == rows * inner && right.len() == inner * columns,
        "matrices of {} = {} x {} values do not have shapes {rows}, {inner}, {columns}",
        out.len(),
        left.len(),
        right.len()
    );
    kernel(out, left, right, [rows, inner, columns]);
}

#[cfg(not(target_family = "wasm"))]
#[allow(unsafe_code)] // `gemm` takes pointers; `add` has checked that they cover what the shapes say
fn kernel(out: &mut [f32], left: &[f32], right: &[f32], [rows, inner, columns]: [usize; 3]) {
    if rows == 0 || columns == 0 || inner == 0 {
        return;
    }
    let (row, column) = (columns as isize, 1);
    // SAFETY: the three slices cover their shapes row after row (checked in `add`), and `out` is borrowed alone.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out.as_mut_ptr(),
            column,
            row,
            true,
            left.as_ptr(),
            1,
            inner as isize,
            right.as_ptr(),
            1,
            columns as isize,
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
fn kernel(out: &mut [f32], left: &[f32], right: &[f32], [_, inner, columns]: [usize; 3]) {
    if columns == 0 || inner == 0 {
        return;
    }
    for (out, left) in out.chunks_exact_mut(columns).zip(left.chunks_exact(inner)) {
        for (&factor, right) in left.iter().zip(right.chunks_exact(columns)) {
            out.iter_mut().zip(right).for_each(|(out, right)| *out += factor * right);
        }
    }
}
