//! ART and SART: updates after every ray, or after every view or small set of views.
//!
//! ART (Kaczmarz; Gordon, Bender & Herman 1970): for one ray i after the other,
//!
//!   V <- V + lambda a_i (b_i - <a_i, V>) / ||a_i||^2.
//!
//! Rays of a view whose pixels are not neighbours share no voxel, since a voxel reaches two pixels: their updates do not
//! see each other, and all of them are done at once. So each view is four updates, one for each parity of row and column;
//! the result is exactly that of the rays one by one in this order.
//!
//! SART (Andersen & Kak 1984), with ordered subsets of m views: V <- V + lambda / m A_s* R (b_s - A_s V), where R = 1 / (sums
//! of the rows of A); 1 / m is 1 / (sums of columns) for every voxel that all views of the subset see whole.
//!
//! Views are visited in an order that puts angles far from each other after one another (steps of the golden ratio through
//! the tilts sorted by angle); bounds and support are held after every update.

use super::measured::{zeros, Measured};
use super::method::{Method, Stepped};
use super::options::TomographyOptions;
use super::simultaneous::{distance, inverse_rows};
use crate::error::Result;
use crate::problem::Waiting;

/// Default relaxation.
const RELAXATION: f64 = 0.3;

pub(super) struct Sequential {
    /// Views of each update, in their order.
    subsets: Vec<Vec<usize>>,
    /// 1 / (sums of rows), or 1 / ||a_i||^2.
    rows: Vec<f32>,
    /// ART: one parity of rows and columns after the other.
    by_ray: bool,
    relaxation: f64,
    next: Vec<f32>,
    residual: Vec<f32>,
}

impl Sequential {
    pub fn sart(measured: &Measured, options: &TomographyOptions, waiting: &mut Waiting<'_>) -> Result<Self> {
        let rows = inverse_rows(measured, waiting)?;
        Self::new(measured, options, rows, options.subset_size.unwrap_or(1), false)
    }

    pub fn art(measured: &Measured, options: &TomographyOptions, waiting: &mut Waiting<'_>) -> Result<Self> {
        let mut norms = measured.projector.row_norms(&measured.context, waiting)?;
        norms.iter_mut().zip(&measured.weights).filter(|(_, w)| **w == 0.0).for_each(|(n, _)| *n = 0.0);
        super::simultaneous::invert(&mut norms);
        Self::new(measured, options, norms, 1, true)
    }

    fn new(
        measured: &Measured,
        options: &TomographyOptions,
        rows: Vec<f32>,
        size: usize,
        by_ray: bool,
    ) -> Result<Self> {
        let order = visiting_order(measured);
        let size = size.min(order.len());
        Ok(Self {
            subsets: order.chunks(size).map(<[usize]>::to_vec).collect(),
            rows,
            by_ray,
            relaxation: options.relaxation.unwrap_or(RELAXATION),
            next: zeros(measured.projector.voxels())?,
            residual: zeros(size * measured.frame_len())?,
        })
    }
}

/// The driving views, sorted by the direction of their beams and then visited in steps of the golden ratio.
fn visiting_order(measured: &Measured) -> Vec<usize> {
    let beam = |view: usize| measured.projector.views()[view].rotation[2];
    let first = beam(measured.driving[0]);
    let axis = super::weighted::tilt_axis(measured.projector.views());
    let across = crate::geometry::cross(&axis, &first);
    let angle = |view: usize| {
        let n = beam(view);
        let dot = |a: &[f64; 3]| a.iter().zip(&n).map(|(a, b)| a * b).sum::<f64>();
        dot(&across).atan2(dot(&first)).rem_euclid(std::f64::consts::PI)
    };
    let mut sorted = measured.driving.clone();
    sorted.sort_by(|a, b| angle(*a).total_cmp(&angle(*b)).then(a.cmp(b)));
    let n = sorted.len();
    let mut step = ((n as f64 * 0.618_033_988_749_895).round() as usize).max(1);
    let common = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    while common(step, n) != 1 {
        step += 1;
    }
    (0..n).map(|i| sorted[i * step % n]).collect()
}

impl Method for Sequential {
    fn step(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<Stepped> {
        // The volume as it was, for the length of the step and for a step that is cancelled.
        let former = volume.clone();
        let parities = if self.by_ray { 4 } else { 1 };
        let (len, plane_len, columns) = (measured.frame_len(), measured.plane(), measured.projector.frame().columns);
        let (rows, updates) = (&self.rows, self.subsets.len() * parities);
        let mut driving = Vec::new();
        for (done, (subset, parity)) in
            self.subsets.iter().flat_map(|s| (0..parities).map(move |parity| (s, parity))).enumerate()
        {
            let residual = &mut self.residual[..subset.len() * len];
            let factor = |at: usize| {
                let pixel = at % len;
                let of_pixel = (pixel / columns) % 2 * 2 + pixel % columns % 2;
                if parities == 4 && of_pixel != parity {
                    0.0
                } else {
                    rows[at]
                }
            };
            let (from, to) = (done as f64 / updates as f64, (done + 1) as f64 / updates as f64);
            let gain = (self.relaxation / if self.by_ray { 1.0 } else { subset.len() as f64 }) as f32;
            let next = &mut self.next;
            let updated = waiting.part(from, to, |waiting| {
                let misfits = measured.residual(subset, volume, &factor, residual, waiting)?;
                let finish = |z: usize, plane: &mut [f32]| {
                    let from = &volume[z * plane_len..][..plane_len];
                    plane.iter_mut().zip(from).for_each(|(v, from)| *v = from + gain * *v);
                    measured.constrain(z, plane);
                };
                measured.projector.back_project(&measured.context, subset, residual, next, waiting, &finish)?;
                Ok(misfits)
            });
            match updated {
                Ok(misfits) if parity == 0 => driving.extend(misfits),
                Ok(_) => {}
                Err(error) => {
                    *volume = former;
                    return Err(error);
                }
            }
            std::mem::swap(volume, &mut self.next);
        }
        let length = distance(measured, volume, &former, waiting)?;
        Ok(Stepped { driving, length, ..Stepped::default() })
    }
}
