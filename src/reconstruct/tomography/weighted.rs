//! Back-projections of filtered images: one step, linear in the data.
//!
//! FBP, for views about one axis a: with the angle theta_k of each beam about a and the part dtheta_k of the half turn that
//! is nearer to it than to other beams (a missing wedge belongs to no view),
//!
//!   V = sum over k of dtheta_k A_k* (|q| w(q) * b_k),
//!
//! where q is the frequency across the axis, in 1 / pixel, and w the window. The ramp is that of the sampled line
//! (Ramachandran & Lakshminarayanan 1971: 1/4 at 0, -1 / (pi n)^2 at odd n), which keeps constants right; images are padded
//! to twice their size.
//!
//! WBP, for any views: each image is divided by what all back-projections put at its frequencies (Radermacher 1992, exact
//! filters): with k the point of frequency (u, v) of image i in space, n_j the beams and D the diameter of the volume,
//!
//!   V = 1 / D sum over i of A_i* (b_i / max(1, sum over j of sinc(D k.n_j))),
//!
//! which for evenly spaced tilts about one axis is the ramp again.
//!
//! Both keep the unit: a complete set of views gives back the density. What a missing wedge lacks is missing from the sum,
//! or doubled by the weights of the views beside it: it is off by a tenth to a fifth for tilts to 70 degrees.

use super::measured::{zeros, Measured};
use super::method::{Method, Stepped};
use super::options::{RampWindow, TomographyOptions};
use crate::error::Result;
use crate::forward::projection::View;
use crate::fourier::RealTransform2;
use crate::geometry::{self, Vec3};
use crate::problem::Waiting;
use crate::statistics::median;
use nalgebra::Matrix3;
use std::f64::consts::PI;
use std::sync::Mutex;

pub(super) struct BackProjection {
    window: RampWindow,
    exact: bool,
}

/// Gaps between beams beyond this many times their median are missing wedges.
const WEDGE: f64 = 3.0;

/// Samples of the ramp per frequency of the padded image: it is wanted between them, too.
const FINE: usize = 8;

impl BackProjection {
    pub fn filtered(options: &TomographyOptions) -> Self {
        Self { window: options.window, exact: false }
    }

    pub fn weighted(options: &TomographyOptions) -> Self {
        Self { window: options.window, exact: true }
    }
}

impl RampWindow {
    /// Its value at `q`, relative to the Nyquist frequency; 0 beyond.
    fn at(self, q: f64) -> f64 {
        let quarter = 0.5 * PI * q;
        match self {
            _ if q > 1.0 => 0.0,
            RampWindow::RamLak => 1.0,
            RampWindow::SheppLogan => sinc(0.5 * q),
            RampWindow::Cosine => quarter.cos(),
            RampWindow::Hamming => 0.54 + 0.46 * (PI * q).cos(),
            RampWindow::Hann => 0.5 + 0.5 * (PI * q).cos(),
        }
    }
}

/// sin(pi x) / (pi x)
fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-8 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The axis that the beams are perpendicular to, as nearly as they are to any.
pub(super) fn tilt_axis(views: &[View]) -> Vec3 {
    let mut sum = Matrix3::zeros();
    for view in views {
        let n = nalgebra::Vector3::from(view.rotation[2]);
        sum += n * n.transpose();
    }
    let eigen = sum.symmetric_eigen();
    let least = (0..3).min_by(|a, b| eigen.eigenvalues[*a].total_cmp(&eigen.eigenvalues[*b])).unwrap_or(0);
    let axis: Vec3 = eigen.eigenvectors.column(least).into();
    // The sign does not matter to the result; one is chosen, so that results repeat.
    let largest = axis.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap_or(1.0);
    axis.map(|v| v * largest.signum())
}

/// The part of the half turn about `axis`, in radians, that belongs to each view.
fn angular_widths(views: &[View], axis: &Vec3) -> Vec<f64> {
    let n = views.len();
    let first = views[0].rotation[2];
    let across = geometry::cross(axis, &first);
    let dot = |a: &Vec3, b: &Vec3| (0..3).map(|i| a[i] * b[i]).sum::<f64>();
    let angle = |v: &View| dot(&across, &v.rotation[2]).atan2(dot(&first, &v.rotation[2])).rem_euclid(PI);
    let mut order: Vec<(f64, usize)> = views.iter().enumerate().map(|(i, v)| (angle(v), i)).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    // gaps[i]: from beam i to the next, around the half turn
    let mut gaps: Vec<f64> = (0..n).map(|i| (order[(i + 1) % n].0 - order[i].0).rem_euclid(PI)).collect();
    if n == 1 {
        return vec![PI];
    }
    let limit = WEDGE * median(&gaps).max(1e-9);
    let wedge: Vec<bool> = gaps.iter().map(|gap| *gap > limit).collect();
    // A beam beside a wedge reaches as far into it as to its other neighbour.
    let former = gaps.clone();
    for i in 0..n {
        if wedge[i] {
            gaps[i] = former[(i + n - 1) % n].min(former[(i + 1) % n]).min(limit);
        }
    }
    let mut widths = vec![0.0; n];
    for i in 0..n {
        widths[order[i].1] = 0.5 * (gaps[i] + gaps[(i + n - 1) % n]);
    }
    widths
}

/// |q| as the sampled ramp of `n` samples has it, at [`FINE`] n steps of the frequency from 0 to Nyquist, with its window.
fn ramp(n: usize, window: RampWindow) -> Vec<f64> {
    let steps = FINE * n / 2;
    let at = |step: usize| {
        let q = 0.5 * step as f64 / steps as f64;
        let odd = (1..n / 2).step_by(2).map(|k| (2.0 * PI * q * k as f64).cos() / (PI * k as f64).powi(2));
        (0.25 - 2.0 * odd.sum::<f64>()) * window.at(2.0 * q)
    };
    (0..=steps).map(at).collect()
}

/// Value of a table over 0..=1/2 at frequency q; 0 beyond.
fn look_up(table: &[f64], q: f64) -> f64 {
    let at = 2.0 * q.abs() * (table.len() - 1) as f64;
    let i = at as usize;
    match table.get(i + 1) {
        Some(next) => table[i] + (at - i as f64) * (next - table[i]),
        None if at <= (table.len() - 1) as f64 => table[table.len() - 1],
        None => 0.0,
    }
}

impl BackProjection {
    /// The factor of every frequency (u, v), 1 / pixel, of a driving view.
    fn factor<'a>(&self, measured: &'a Measured, edge: usize) -> Box<dyn Fn(usize, f64, f64) -> f64 + Sync + 'a> {
        let views: Vec<View> = measured.driving.iter().map(|view| measured.projector.views()[*view]).collect();
        let geometry = *measured.projector.geometry();
        // V is the density per pixel^3 times the volume of a voxel.
        let voxel = (geometry.voxel_size / geometry.pixel_size).powi(3);
        let window = self.window;
        if self.exact {
            let [nz, ny, nx] = geometry.shape.map(|n| n as f64 * geometry.voxel_size / geometry.pixel_size);
            let diameter = nz.min(ny.max(nx)).max(ny.min(nx));
            return Box::new(move |place, u, v| {
                let r = &views[place].rotation;
                let k: Vec3 = std::array::from_fn(|i| u * r[0][i] + v * r[1][i]);
                let along = |view: &View| (0..3).map(|i| k[i] * view.rotation[2][i]).sum::<f64>();
                let sum: f64 = views.iter().map(|view| sinc(diameter * along(view))).sum();
                voxel * window.at(2.0 * u.hypot(v)) / (diameter * sum.max(1.0))
            });
        }
        let axis = tilt_axis(&views);
        let widths = angular_widths(&views, &axis);
        let table = ramp(edge, window);
        let across: Vec<[f64; 2]> = views
            .iter()
            .map(|view| {
                let along = geometry::apply(&view.rotation, &axis);
                let length = along[0].hypot(along[1]).max(1e-12);
                [-along[1] / length, along[0] / length]
            })
            .collect();
        Box::new(move |place, u, v| {
            voxel * widths[place] * look_up(&table, u * across[place][0] + v * across[place][1])
        })
    }

    /// The frames of the driving views, filtered.
    fn filtered_frames(&self, measured: &Measured, waiting: &mut Waiting<'_>) -> Result<Vec<f32>> {
        let shape = measured.projector.frame();
        let (rows, columns) = (shape.rows - 2, shape.columns - 2);
        let padded = |n: usize| (2 * n).next_multiple_of(2);
        let transform = RealTransform2::<f32>::new(measured.context.simd(), padded(rows), padded(columns));
        let (height, width) = (transform.rows(), transform.columns());
        let factor = self.factor(measured, width.max(height));
        let mut frames = zeros(measured.driving.len() * shape.len())?;
        let cells: Vec<Mutex<&mut [f32]>> = frames.chunks_exact_mut(shape.len()).map(Mutex::new).collect();
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / cells.len() as f64, "filtering");
        measured.context.for_each(cells.len(), &mut tell, &|place| {
            let data = &measured.data[measured.driving[place] * shape.len()..][..shape.len()];
            let mut image = vec![0.0; height * width];
            for row in 0..rows {
                let from = &data[(row + 1) * shape.columns + 1..][..columns];
                image[row * width..][..columns].copy_from_slice(from);
            }
            let mut spectrum = vec![Default::default(); transform.spectrum_len()];
            let mut scratch = transform.scratch();
            transform.forward(&image, width, 0..rows, &mut spectrum, &mut scratch);
            for (kx, column) in spectrum.chunks_exact_mut(height).enumerate() {
                cancel.check("filtering")?;
                let u = kx as f64 / width as f64;
                for (ky, value) in column.iter_mut().enumerate() {
                    let v = if ky <= height / 2 { ky as f64 } else { ky as f64 - height as f64 } / height as f64;
                    *value *= factor(place, u, v) as f32;
                }
            }
            transform.inverse(&mut spectrum, 1.0, &mut image, width, 0..rows, &mut scratch);
            let mut frame = cells[place].lock().unwrap_or_else(|p| p.into_inner());
            for row in 0..rows {
                frame[(row + 1) * shape.columns + 1..][..columns].copy_from_slice(&image[row * width..][..columns]);
            }
            Ok(())
        })?;
        drop(cells);
        Ok(frames)
    }
}

impl Method for BackProjection {
    fn step(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<Stepped> {
        let frames = waiting.part(0.0, 0.3, |waiting| self.filtered_frames(measured, waiting))?;
        let mut next = zeros(volume.len())?;
        waiting.part(0.3, 1.0, |waiting| {
            let (context, projector) = (&measured.context, &measured.projector);
            let finish = |z: usize, plane: &mut [f32]| measured.constrain(z, plane);
            projector.back_project(context, &measured.driving, &frames, &mut next, waiting, &finish)
        })?;
        let length = super::simultaneous::distance(measured, &mut next, volume, waiting)?;
        *volume = next;
        Ok(Stepped { length, finished: true, ..Stepped::default() })
    }
}
