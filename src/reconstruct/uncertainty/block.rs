//! Standard errors of the values of one block: of optics, drift, angles, intensities.
//!
//! The variance of value i among all that is fitted is u^T M u, F u = e_i. Conjugate gradients with the diagonal of F find u from
//! products with F alone, so that neither the number of atoms nor that of the other parameters matters beyond the cost of a
//! pass. The steps of the method add up to e_i^T u without a residual (Hestenes and Stiefel, J. Res. NBS 49, 409 (1952)): it
//! has ended when the latest of them no longer count.

use super::Estimation;
use crate::context::log;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use crate::reconstruct::plan::Plan;
use crate::reconstruct::Precision;

/// Most values of a block: each has a solution of its own.
const MOST_VALUES: usize = 1000;

/// Random vectors that the diagonal of F comes from.
const PROBES: usize = 16;

/// Most steps of a solution.
const MOST_STEPS: usize = 500;

/// A solution ends when this many steps together add less than this part.
const SETTLED: (usize, f64) = (6, 1e-3);

/// Curvature along a direction, as part of that of the diagonal, below which the images do not see it: above the rounding of
/// the products.
fn unseen(precision: Precision) -> f64 {
    match precision {
        Precision::Single => 3e-7,
        Precision::Double => 1e-11,
    }
}

/// Places in x of the free block `name` at the places `rows` of its first axis, all where `None`.
pub(super) fn places(plan: &Plan, name: &str, rows: Option<&[usize]>) -> Result<Vec<usize>> {
    let block = plan.layout.block(name)?;
    let (count, per_row) = (block.shape[0], block.shape[1..].iter().product::<usize>());
    if let Some(row) = rows.and_then(|rows| rows.iter().find(|row| **row >= count)) {
        return Err(Error::range(format!("row of block {name}"), row, format!("a number below {count}")));
    }
    let len = rows.map_or(block.len(), |rows| rows.len() * per_row);
    if len > MOST_VALUES {
        let wanted = format!("at most {MOST_VALUES}; name rows, or take estimate_errors for atoms");
        return Err(Error::range(format!("values of block {name}"), len, wanted));
    }
    let Some(first) = plan.layout.offset(name) else {
        let why = format!("the block {name} is frozen: its values are taken as known; free it first");
        return Err(Error::NotReady { what: "an error estimate".into(), why });
    };
    let of_row = |row: usize| first + row * per_row..first + (row + 1) * per_row;
    Ok(match rows {
        None => (first..first + len).collect(),
        Some(rows) => rows.iter().flat_map(|row| of_row(*row)).collect(),
    })
}

impl Estimation<'_> {
    /// Variances of the parameters at these places of x; infinite where the images do not determine one.
    pub(super) fn of_places(&self, places: &[usize], waiting: &mut Waiting<'_>) -> Result<Vec<f64>> {
        let len = places.len();
        let diagonal = self.diagonal(waiting)?;
        let mut variances = Vec::with_capacity(len);
        for (at, place) in places.iter().enumerate() {
            let solved = waiting.part(at as f64 / len as f64, (at + 1) as f64 / len as f64, |waiting| {
                self.unit_solution(*place, &diagonal, waiting)
            })?;
            variances.push(match (solved, self.weights.proportion) {
                (None, _) => f64::INFINITY,
                (Some((value, _)), Some(factor)) => factor * value,
                (Some((_, solution)), None) => dot(&solution, &self.product(&solution, true, waiting)?),
            });
        }
        Ok(variances)
    }

    /// An estimate of the diagonal of F.
    fn diagonal(&self, waiting: &mut Waiting<'_>) -> Result<Vec<f64>> {
        let (problem, images, active) = (&self.plan.problem, &self.weights.images, self.plan.active());
        let mut quiet = Waiting { cancel: waiting.cancel, tell: &mut |_| true };
        let mut diagonal = problem.gauss_newton_diagonal(self.parameters, &active, images, PROBES, &mut quiet)?;
        self.plan.layout.gather_in_place(&mut diagonal);
        diagonal.iter_mut().for_each(|v| *v *= self.plan.used_pixels as f64);
        Ok(diagonal)
    }

    /// e^T u and u with F u = e, the unit vector of parameter `at`; `None` where there is no such u.
    fn unit_solution(&self, at: usize, diagonal: &[f64], waiting: &mut Waiting<'_>) -> Result<Option<(f64, Vec<f64>)>> {
        let unseen = unseen(self.recipe.options.precision);
        // what no image sees stays where it is
        let scaled = |r: &[f64]| -> Vec<f64> {
            r.iter().zip(diagonal).map(|(r, d)| if *d > 0.0 { r / d } else { 0.0 }).collect()
        };
        let mut solution = vec![0.0; diagonal.len()];
        let mut residual = solution.clone();
        residual[at] = 1.0;
        let mut direction = scaled(&residual);
        let mut square = dot(&residual, &direction);
        let mut added = Vec::<f64>::new();
        while square > 0.0 && added.len() < MOST_STEPS {
            // how many steps it takes is not known: the fraction only grows
            waiting.at(added.len() as f64 / (added.len() + 20) as f64, "an error estimate")?;
            let product = self.product(&direction, false, waiting)?;
            let curvature = dot(&direction, &product);
            let of_diagonal: f64 = direction.iter().zip(diagonal).map(|(p, d)| p * p * d).sum();
            if curvature.is_nan() || curvature <= unseen * of_diagonal {
                return Ok(None);
            }
            let length = square / curvature;
            for (i, (p, q)) in direction.iter().zip(&product).enumerate() {
                solution[i] += length * p;
                residual[i] -= length * q;
            }
            added.push(length * square);
            let total: f64 = added.iter().sum();
            let (count, part) = SETTLED;
            if added.len() > count && added[added.len() - count..].iter().sum::<f64>() < part * total {
                return Ok(Some((total, solution)));
            }
            let next = scaled(&residual);
            let next_square = dot(&residual, &next);
            let beta = next_square / square;
            direction.iter_mut().zip(&next).for_each(|(p, z)| *p = z + beta * *p);
            square = next_square;
        }
        match added.len() {
            0 => Ok(None),
            MOST_STEPS => {
                log::warning(format!(
                    "the error of parameter {at} did not settle in {MOST_STEPS} steps; it is given as infinite"
                ));
                Ok(None)
            }
            _ => Ok(Some((added.iter().sum(), solution))),
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
