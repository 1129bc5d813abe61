//! From F and M to variances.

use nalgebra::{Cholesky, DMatrix, DVector, SymmetricEigen};

/// Parameters of one unit whose diagonal is below this part of the largest count as not seen: what is left of an atom
/// outside all images is the rounding of transforms.
const UNSEEN: f64 = 1e-10;

/// Smallest pivot of the matrix with unit diagonal at which it counts as regular.
const SINGULAR: f64 = 1e-10;

/// Largest matrix whose directions are looked at one by one when it is singular.
const MOST_EIGEN: usize = 1500;

/// F = J^T W J with what is known of M = J^T W S W J.
pub(super) struct Information {
    pub fisher: DMatrix<f64>,
    pub noise: Noise,
}

/// M.
pub(super) enum Noise {
    /// A number times F.
    Proportional(f64),
    /// The matrix itself.
    Matrix(DMatrix<f64>),
}

impl Information {
    /// Diagonal elements `wanted` of F^-1 M F^-1; infinite where the data do not determine the parameter. `alike` are
    /// parameters of one unit: those whose diagonal is negligible beside the largest of them are not determined.
    pub fn variances(&self, wanted: &[usize], alike: &[usize]) -> Vec<f64> {
        let largest = alike.iter().map(|i| self.fisher[(*i, *i)]).fold(0.0, f64::max);
        let seen = |i: usize| {
            let value = self.fisher[(i, i)];
            value.is_finite() && value > 0.0 && (!alike.contains(&i) || value > UNSEEN * largest)
        };
        let kept: Vec<usize> = (0..self.fisher.nrows()).filter(|i| seen(*i)).collect();
        let scale: Vec<f64> = kept.iter().map(|i| self.fisher[(*i, *i)].sqrt().recip()).collect();
        let scaled = |of: &DMatrix<f64>| {
            DMatrix::from_fn(kept.len(), kept.len(), |i, j| of[(kept[i], kept[j])] * scale[i] * scale[j])
        };
        let fisher = scaled(&self.fisher);
        let noise = match &self.noise {
            Noise::Proportional(_) => None,
            Noise::Matrix(matrix) => Some(scaled(matrix)),
        };
        let inverse = Inverse::of(fisher);
        let variance = |parameter: &usize| {
            let Some(at) = kept.iter().position(|k| k == parameter) else { return f64::INFINITY };
            let Some(column) = inverse.column(at) else { return f64::INFINITY };
            let scaled = match (&self.noise, &noise) {
                (Noise::Proportional(factor), _) => factor * column[at],
                (_, Some(noise)) => column.dot(&(noise * &column)),
                _ => return f64::NAN,
            };
            scaled.max(0.0) * scale[at] * scale[at]
        };
        wanted.iter().map(variance).collect()
    }
}

/// The inverse of a symmetric matrix with unit diagonal.
enum Inverse {
    Regular(Cholesky<f64, nalgebra::Dyn>),
    /// The inverse on what is determined; parameters with a part in the rest have none.
    Partial(SymmetricEigen<f64, nalgebra::Dyn>),
    None,
}

impl Inverse {
    fn of(matrix: DMatrix<f64>) -> Self {
        let regular = |c: &Cholesky<f64, nalgebra::Dyn>| c.l_dirty().diagonal().iter().all(|d| d * d > SINGULAR);
        match Cholesky::new(matrix.clone()).filter(regular) {
            Some(cholesky) => Inverse::Regular(cholesky),
            None if matrix.nrows() > MOST_EIGEN || matrix.iter().any(|v| !v.is_finite()) => Inverse::None,
            None => Inverse::Partial(SymmetricEigen::new(matrix)),
        }
    }

    /// Column `at` of the inverse, `None` where it does not exist.
    fn column(&self, at: usize) -> Option<DVector<f64>> {
        match self {
            Inverse::None => None,
            Inverse::Regular(cholesky) => {
                let n = cholesky.l_dirty().nrows();
                Some(cholesky.solve(&DVector::from_fn(n, |i, _| f64::from(i == at))))
            }
            Inverse::Partial(eigen) => {
                let n = eigen.eigenvalues.len();
                let mut column = DVector::zeros(n);
                let mut lost = 0.0;
                for (value, vector) in eigen.eigenvalues.iter().zip(eigen.eigenvectors.column_iter()) {
                    if *value > SINGULAR * n as f64 {
                        column.axpy(vector[at] / value, &vector, 1.0);
                    } else {
                        lost += vector[at] * vector[at];
                    }
                }
                (lost < 1e-6).then_some(column)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn information(values: &[f64], n: usize) -> Information {
        Information { fisher: DMatrix::from_row_slice(n, n, values), noise: Noise::Proportional(2.0) }
    }

    #[test]
    fn regular_matrices_are_inverted() {
        let f = information(&[4.0, 2.0, 2.0, 3.0], 2);
        let got = f.variances(&[0, 1], &[0, 1]);
        assert!((got[0] - 2.0 * 3.0 / 8.0).abs() < 1e-12 && (got[1] - 2.0 * 4.0 / 8.0).abs() < 1e-12);
        // M = F^2 gives the identity.
        let matrix = &f.fisher * &f.fisher;
        let sandwich = Information { fisher: f.fisher.clone(), noise: Noise::Matrix(matrix) };
        assert!(sandwich.variances(&[0, 1], &[]).iter().all(|v| (v - 1.0).abs() < 1e-12));
    }

    #[test]
    fn what_is_not_determined_is_infinite_and_the_rest_is_not() {
        // The second parameter is not seen; the third and fourth only as their sum.
        let f = information(&[4.0, 0.0, 0.0, 0.0, 0.0, 1e-20, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0], 4);
        let got = f.variances(&[0, 1, 2, 3], &[0, 1]);
        assert!((got[0] - 0.5).abs() < 1e-12);
        assert!(got[1..].iter().all(|v| *v == f64::INFINITY), "{got:?}");
        let nothing = information(&[0.0], 1);
        assert_eq!(nothing.variances(&[0], &[0]), [f64::INFINITY]);
    }
}
