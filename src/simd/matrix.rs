//! Products of dense real matrices, by the crate `matrixmultiply` on the calling thread.
//!
//! That crate chooses its instructions by the processor alone, whatever path the context has. Every element is a sum in
//! one order that depends on nothing but the inner size.

/// A row-major matrix in a slice.
#[derive(Clone, Copy)]
pub struct Matrix<'a, T> {
    /// Its values from the first one on.
    pub values: &'a [T],
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Distance of rows.
    pub pitch: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A matrix whose rows follow each other without a gap.
    pub fn dense(values: &'a [T], rows: usize, columns: usize) -> Self {
        Self { values, rows, columns, pitch: columns }
    }

    /// Do all values lie within the slice?
    fn fits(&self) -> bool {
        let end = self.rows.saturating_sub(1).checked_mul(self.pitch).and_then(|last| last.checked_add(self.columns));
        self.rows == 0 || self.columns <= self.pitch && end.is_some_and(|end| end <= self.values.len())
    }
}

/// Writes `left` * `right` to `product`, row-major and dense.
///
/// # Panics
/// If sizes do not fit each other or their slices.
pub fn multiply<T: Product>(left: Matrix<'_, T>, right: Matrix<'_, T>, product: &mut [T]) {
    assert!(left.fits() && right.fits(), "a matrix beyond its slice");
    let values = left.rows.checked_mul(right.columns);
    assert!(left.columns == right.rows && values == Some(product.len()), "sizes of a matrix product");
    // SAFETY: both matrices lie within their slices, the product fills its own, which nothing else borrows.
    unsafe {
        T::product(
            [left.rows, left.columns, right.columns],
            (left.values.as_ptr(), left.pitch),
            (right.values.as_ptr(), right.pitch),
            product.as_mut_ptr(),
        );
    }
}

/// Numbers that matrices are made of.
#[doc(hidden)]
pub trait Product: Sized {
    /// Product of \[rows, inner\] and \[inner, columns\] for `shape` = \[rows, inner, columns\]; factors with the
    /// distance of their rows, the result dense.
    ///
    /// # Safety
    /// The pointers are valid for matrices of these sizes; the result overlaps none of the factors.
    unsafe fn product(shape: [usize; 3], left: (*const Self, usize), right: (*const Self, usize), to: *mut Self);
}

macro_rules! product {
    ($real:ty, $function:path) => {
        impl Product for $real {
            unsafe fn product(
                [rows, inner, columns]: [usize; 3],
                (left, left_pitch): (*const Self, usize),
                (right, right_pitch): (*const Self, usize),
                to: *mut Self,
            ) {
                // distances within a slice never exceed isize::MAX
                let distance = |pitch: usize| pitch as isize;
                let (l, r, p) = (distance(left_pitch), distance(right_pitch), distance(columns));
                // SAFETY: the caller grants the matrices; with the factor 0 the result is written only.
                unsafe { $function(rows, inner, columns, 1.0, left, l, 1, right, r, 1, 0.0, to, p, 1) }
            }
        }
    };
}

product!(f32, matrixmultiply::sgemm);
product!(f64, matrixmultiply::dgemm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_strided_matrices() {
        let value = |i: usize| ((i * 37 % 101) as f64 - 50.0) * 0.01;
        for (rows, inner, columns) in [(1, 1, 1), (3, 5, 7), (17, 300, 33)] {
            let (pitch_l, pitch_r) = (inner + 3, columns + 5);
            let left: Vec<f64> = (0..rows * pitch_l).map(value).collect();
            let right: Vec<f64> = (0..inner * pitch_r).map(|i| value(i + 11)).collect();
            let mut product = vec![f64::NAN; rows * columns];
            let l = Matrix { values: &left, rows, columns: inner, pitch: pitch_l };
            let r = Matrix { values: &right, rows: inner, columns, pitch: pitch_r };
            multiply(l, r, &mut product);
            for (at, got) in product.iter().enumerate() {
                let (i, j) = (at / columns, at % columns);
                let wanted: f64 = (0..inner).map(|k| left[i * pitch_l + k] * right[k * pitch_r + j]).sum();
                assert!((got - wanted).abs() < 1e-12, "[{i}, {j}]: {got} for {wanted}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "beyond its slice")]
    fn a_matrix_beyond_its_slice_is_refused() {
        let values = [0.0f32; 11];
        multiply(Matrix::dense(&values, 3, 4), Matrix::dense(&values, 4, 1), &mut [0.0; 3]);
    }
}
