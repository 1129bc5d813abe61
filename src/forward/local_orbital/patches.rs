//! Derivatives of images with respect to single atoms, each as a small patch around the atom: what Fisher matrices of
//! neighbouring atoms are summed from.
//!
//! With the orbital g = exp(-rho^2 / B) in a window around the atom, formulas (1)-(4) of the LOT paper give
//! dI/dH = s p (x) g, dI/dx' = s p (x) 2 H dx / B g, dI/dB = s p (x) H rho^2 / B^2 g (sums over the terms of an
//! [`Orbital`], each with its weight and width) and, with linear slices,
//! dI/dz' = s H / thickness (p_{k+1} - p_k) (x) g. The direct model has p = delta and no dI/dz'.

use super::placement::{half_width, DepthBins};
use super::{Interaction, Orbital, SeriesGeometry, Slicing};
use crate::error::Result;
use crate::fourier::{RealTransform2, RealTransformScratch};
use crate::geometry::{self, Mat3, Vec3};
use crate::grid;
use crate::optics::ProbeTransfer;
use crate::simd::SimdPath;
use num_complex::Complex64;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Beyond this many angstrom from the edge of the geometric cone a probe counts as zero.
const PROBE_TAIL: f64 = 1.5;

/// Half width of the window of an orbital in sqrt(B): beyond it less than 1e-5 of it is left.
const CUTOFF: f64 = 3.4;

/// One atom: position in the specimen frame (A), height, width (A^2).
#[derive(Debug, Clone, Copy)]
pub struct AtomValues {
    /// x, y, z in A.
    pub position: Vec3,
    /// H in the unit of the images.
    pub height: f64,
    /// B in A^2.
    pub width: f64,
}

/// What is refined of one image: p' = R p + shift, intensity scale s, defocus with its correction.
#[derive(Debug, Clone, Copy)]
pub struct ImagePose {
    /// R.
    pub rotation: Mat3,
    /// u, v, w in A.
    pub shift: Vec3,
    /// s.
    pub scale: f64,
    /// Crossover along the beam in A.
    pub defocus: f64,
}

/// Derivatives of one image with respect to x, y, z (specimen frame, per A), H and B of one atom.
#[derive(Debug, Clone, Default)]
pub struct AtomPatch {
    /// Row and column of the image where the patch begins; may lie outside.
    pub corner: (i64, i64),
    /// Five patches [size, size], one after the other.
    pub values: Vec<f64>,
}

/// Plan for all patches of a series. Immutable but for a cache of transfer functions.
pub struct AtomPatches {
    series: SeriesGeometry,
    orbital: Orbital,
    /// Edge of a patch in pixels.
    size: usize,
    probe: Option<Box<PatchProbe>>,
}

/// Transfer functions on the grid of a patch: one per slice, for every defocus in use.
struct PatchProbe {
    bins: DepthBins,
    transfer: ProbeTransfer,
    defocus: f64,
    plan: RealTransform2<f64>,
    known: Mutex<BTreeMap<u64, Stack>>,
}

type Stack = Arc<Vec<Vec<Complex64>>>;

/// Scratch of one worker.
pub struct PatchWorkspace {
    /// f and its in-plane derivatives: functions of which the patches are combinations.
    functions: Vec<f64>,
    spectra: Vec<Vec<Complex64>>,
    product: Vec<Complex64>,
    scratch: Option<RealTransformScratch<f64>>,
}

impl AtomPatches {
    /// Derivatives per patch: x, y, z, H, B.
    pub const COUNT: usize = 5;

    /// Plans patches for orbitals of at most `width_max` (A^2) at most `depth` (A) from the specimen origin along the
    /// beam. The probe is that of slices, in all modes of the model.
    pub fn new(
        series: SeriesGeometry,
        interaction: &Interaction,
        orbital: &Orbital,
        (width_max, depth): (f64, f64),
    ) -> Result<Self> {
        let half = half_width(CUTOFF, width_max * orbital.widest(), series.pixel_size);
        let orbital = orbital.clone();
        let Interaction::Rigid { probe, slice_thickness, slicing, .. } = interaction else {
            return Ok(Self { size: 2 * half + 1, probe: None, series, orbital });
        };
        let far = series.farthest_crossover(probe) + depth;
        let spread = far * probe.semiangle_mrad() * 1e-3 + 3.0 * probe.source_size() + PROBE_TAIL;
        let size = grid::fast_size(2 * (half + (spread / series.pixel_size).ceil() as usize) + 2);
        let edge = (series.rows, series.columns);
        let slices = slicing.count(depth, *slice_thickness);
        let probe = PatchProbe {
            bins: DepthBins {
                first_centre: -0.5 * (slices - 1) as f64 * slice_thickness,
                thickness: *slice_thickness,
                slices,
                linear: *slicing == Slicing::Linear,
            },
            transfer: ProbeTransfer::with_edge(probe, size, size, series.pixel_size, edge)?,
            defocus: probe.defocus(),
            plan: RealTransform2::new(SimdPath::detect(), size, size),
            known: Mutex::default(),
        };
        Ok(Self { size, probe: Some(Box::new(probe)), series, orbital })
    }

    /// Edge of a patch in pixels.
    pub fn size(&self) -> usize {
        self.size
    }

    /// A new workspace; its content is garbage between calls.
    pub fn workspace(&self) -> PatchWorkspace {
        let spectrum = self.probe.as_ref().map_or(0, |p| p.plan.spectrum_len());
        PatchWorkspace {
            functions: vec![0.0; 4 * self.size * self.size],
            spectra: vec![vec![Complex64::default(); spectrum]; 4],
            product: vec![Complex64::default(); spectrum],
            scratch: self.probe.as_ref().map(|p| p.plan.scratch()),
        }
    }

    /// The derivatives with respect to one atom; false, and nothing useful in `patch`, where it does not touch the image.
    pub fn derivatives(
        &self,
        pose: &ImagePose,
        atom: &AtomValues,
        patch: &mut AtomPatch,
        workspace: &mut PatchWorkspace,
    ) -> bool {
        let rotated = geometry::apply(&pose.rotation, &atom.position);
        let moved: Vec3 = std::array::from_fn(|a| rotated[a] + pose.shift[a]);
        let pixel = self.series.pixel_size;
        let row = grid::origin(self.series.rows) as f64 + moved[1] / pixel;
        let column = grid::origin(self.series.columns) as f64 + moved[0] / pixel;
        let (size, half) = (self.size as i64, (self.size / 2) as i64);
        let near = (row.round() as i64, column.round() as i64);
        patch.corner = (near.0 - half, near.1 - half);
        let touches = |from: i64, n: usize| from < n as i64 && from + size > 0;
        if !(touches(patch.corner.0, self.series.rows) && touches(patch.corner.1, self.series.columns)) {
            return false;
        }
        let centre = (row - patch.corner.0 as f64, column - patch.corner.1 as f64);
        self.functions(centre, atom, &mut workspace.functions);
        let pixels = self.size * self.size;
        patch.values.resize(Self::COUNT * pixels, 0.0);
        match &self.probe {
            None => {
                let (in_plane, rest) = patch.values.split_at_mut(2 * pixels);
                in_plane.copy_from_slice(&workspace.functions[pixels..3 * pixels]);
                rest[..pixels].fill(0.0);
                rest[pixels..2 * pixels].copy_from_slice(&workspace.functions[..pixels]);
                rest[2 * pixels..].copy_from_slice(&workspace.functions[3 * pixels..]);
            }
            Some(probe) => probe.image(pose.defocus, moved[2], atom.height, &mut patch.values, workspace),
        }
        turn(&pose.rotation, pose.scale, pixels, &mut patch.values);
        true
    }

    /// f, df/dx' H, df/dy' H, df/dB H on the patch.
    fn functions(&self, centre: (f64, f64), atom: &AtomValues, out: &mut [f64]) {
        let (size, pixel) = (self.size, self.series.pixel_size);
        out.fill(0.0);
        let (g, rest) = out.split_at_mut(size * size);
        let (gx, rest) = rest.split_at_mut(size * size);
        let (gy, gb) = rest.split_at_mut(size * size);
        let middle = (size / 2) as f64;
        for term in self.orbital.terms() {
            let width = term.width * atom.width;
            let (decay, window) = (pixel * pixel / width, half_width(CUTOFF, width, pixel) as f64);
            for i in 0..size * size {
                let (r, c) = ((i / size) as f64, (i % size) as f64);
                let (dy, dx) = (r - centre.0, c - centre.1);
                if (r - middle).abs() > window || (c - middle).abs() > window {
                    continue;
                }
                let value = term.weight * (-(dx * dx + dy * dy) * decay).exp();
                g[i] += value;
                gx[i] += 2.0 * decay * dx * value * atom.height / pixel;
                gy[i] += 2.0 * decay * dy * value * atom.height / pixel;
                gb[i] += (dx * dx + dy * dy) * decay / atom.width * value * atom.height;
            }
        }
    }
}

/// From d/dx', d/dy', d/dz' to d/dx, d/dy, d/dz = R^T (d/dx', d/dy', d/dz'); all five times the intensity scale.
fn turn(rotation: &Mat3, scale: f64, pixels: usize, values: &mut [f64]) {
    for i in 0..pixels {
        let g = [values[i], values[i + pixels], values[i + 2 * pixels]];
        for a in 0..3 {
            values[i + a * pixels] = scale * (rotation[0][a] * g[0] + rotation[1][a] * g[1] + rotation[2][a] * g[2]);
        }
        values[i + 3 * pixels] *= scale;
        values[i + 4 * pixels] *= scale;
    }
}

impl PatchProbe {
    /// The patches x', y', z', H, B through the probe at `depth`.
    fn image(&self, defocus: f64, depth: f64, height: f64, out: &mut [f64], workspace: &mut PatchWorkspace) {
        let PatchWorkspace { functions, spectra, product, scratch: Some(scratch) } = workspace else { return };
        let size = self.plan.rows();
        let pixels = size * size;
        for (function, spectrum) in functions.chunks_exact(pixels).zip(spectra.iter_mut()) {
            self.plan.forward(function, size, 0..size, spectrum, scratch);
        }
        let stack = self.stack(defocus);
        let (bin, second, slope) = self.bins.of(depth);
        let (first, next) = (&stack[bin], &stack[(bin + 1).min(stack.len() - 1)]);
        // Place of each function among the patches.
        for (spectrum, at) in spectra.iter().zip([3, 0, 1, 4]) {
            for (i, value) in product.iter_mut().enumerate() {
                *value = spectrum[i] * (first[i] * (1.0 - second) + next[i] * second);
            }
            let patch = &mut out[at * pixels..(at + 1) * pixels];
            self.plan.inverse(product, 1.0, patch, size, 0..size, scratch);
        }
        let along = &mut out[2 * pixels..3 * pixels];
        if !slope {
            along.fill(0.0);
            return;
        }
        let factor = height / self.bins.thickness;
        for (i, value) in product.iter_mut().enumerate() {
            *value = spectra[0][i] * (next[i] - first[i]) * factor;
        }
        self.plan.inverse(product, 1.0, along, size, 0..size, scratch);
    }

    /// Transfer functions of all slices for one defocus.
    fn stack(&self, defocus: f64) -> Stack {
        let key = (self.defocus + defocus).to_bits();
        if let Some(stack) = self.known.lock().unwrap_or_else(|p| p.into_inner()).get(&key) {
            return stack.clone();
        }
        let slice = |k: usize| {
            let depth = self.bins.first_centre + k as f64 * self.bins.thickness;
            self.transfer.otf(self.defocus + defocus, depth).iter().copied().collect()
        };
        let stack: Stack = Arc::new((0..self.bins.slices).map(slice).collect());
        self.known.lock().unwrap_or_else(|p| p.into_inner()).insert(key, stack.clone());
        stack
    }
}
