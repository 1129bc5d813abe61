//! F and M of all free parameters, column by column from changes of the images.

use super::solve::{Information, Noise};
use super::{AtomVariance, Estimation};
use crate::error::{Error, Result};
use crate::forward::local_orbital::Blocks;
use crate::problem::Waiting;
use nalgebra::DMatrix;
use std::sync::Mutex;

impl Estimation<'_> {
    /// Variances of all atoms with all free parameters fitted at once.
    pub(super) fn dense(&self, waiting: &mut Waiting<'_>) -> Result<Vec<AtomVariance>> {
        let information = self.information(waiting)?;
        let layout = &self.plan.layout;
        let positions = layout.offset("positions").ok_or_else(|| Error::Internal("positions are frozen".into()))?;
        let atoms = self.plan.species.len();
        let mut wanted: Vec<usize> = (positions..positions + 3 * atoms).collect();
        let alike = wanted.clone();
        let heights = layout.offset("heights").filter(|_| self.plan.free_per_atom(Blocks::HEIGHTS));
        wanted.extend(heights.into_iter().flat_map(|at| at..at + atoms));
        // One item of work: the calling thread serves its host meanwhile.
        let result = Mutex::new(Vec::new());
        self.context.for_each(1, &mut |_| waiting.at(0.99, "an error estimate"), &|_| {
            let variances = information.variances(&wanted, &alike);
            *result.lock().unwrap_or_else(|p| p.into_inner()) = variances;
            Ok(())
        })?;
        let variances = result.into_inner().unwrap_or_else(|p| p.into_inner());
        let of_atom = |i: usize| AtomVariance {
            position: std::array::from_fn(|a| variances[3 * i + a]),
            height: variances.get(3 * atoms + i).copied().unwrap_or(f64::NAN),
        };
        Ok((0..atoms).map(of_atom).collect())
    }

    fn information(&self, waiting: &mut Waiting<'_>) -> Result<Information> {
        let n = self.plan.layout.free_len();
        let mut fisher = DMatrix::zeros(n, n);
        let mut noise = DMatrix::zeros(0, 0);
        if self.weights.proportion.is_none() {
            noise = DMatrix::zeros(n, n);
        }
        for at in 0..n {
            waiting.at(0.99 * at as f64 / n as f64, "an error estimate")?;
            let mut unit = vec![0.0; n];
            unit[at] = 1.0;
            for (matrix, with_noise) in [(&mut fisher, false), (&mut noise, true)] {
                if matrix.nrows() > 0 {
                    matrix.column_mut(at).copy_from_slice(&self.product(&unit, with_noise, waiting)?);
                }
            }
        }
        let noise = match self.weights.proportion {
            Some(factor) => Noise::Proportional(factor),
            None => Noise::Matrix(symmetric(noise)),
        };
        Ok(Information { fisher: symmetric(fisher), noise })
    }
}

/// Rounding makes the halves differ in single precision.
fn symmetric(matrix: DMatrix<f64>) -> DMatrix<f64> {
    let transposed = matrix.transpose();
    (matrix + transposed) * 0.5
}
