//! Derivatives of images with respect to single atoms, each as a small patch around the atom: what Fisher matrices of
//! neighbouring atoms are summed from.
//!
//! With the orbital g = exp(-rho^2 / B) in a window around the atom, formulas (1)-(4) of the LOT paper give
//! dI/dH = s p (x) g, dI/dx' = s p (x) 2 H dx / B g, dI/dB = s p (x) H rho^2 / B^2 g (sums over the terms of an
//! [`Orbital`], each with its weight and width) and, with linear slices,
//! dI/dz' = s H / thickness (p_{k+1} - p_k) (x) g. The direct model has p = delta and no dI/dz'.

use super::patch_tables::PatchTables;
use super::placement::{half_width, DepthBins};
use super::probes::ImageOptics;
use super::{Interaction, Orbital, SeriesGeometry, Slicing};
use crate::context::Context;
use crate::error::Result;
use crate::fourier::{RealTransform2, RealTransformScratch};
use crate::geometry::{self, Mat3, Vec3};
use crate::grid;
use crate::optics::ProbeTransfer;
use crate::problem::Waiting;
use crate::simd::{patches, SimdPath};
use num_complex::Complex64;
use std::sync::OnceLock;

/// Beyond this many angstrom from the edge of the geometric cone a probe counts as zero.
const PROBE_TAIL: f64 = 1.5;

/// Half width of the window of an orbital in sqrt(B): beyond it less than 1e-5 of it is left.
const CUTOFF: f64 = 3.4;

/// Largest part of the squares of a derivative that its patch may lack: tails of the probe. From 1e-6, which takes five
/// times as long, standard errors change by 4e-4 of themselves, 1.4e-3 at most (208 and 15,000 atoms).
const CUT_OFF: f64 = 1e-4;

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

/// What is refined of one image: p' = R p + shift, intensity scale s, optics.
#[derive(Debug, Clone, Copy)]
pub struct ImagePose {
    /// R.
    pub rotation: Mat3,
    /// u, v, w in A.
    pub shift: Vec3,
    /// s.
    pub scale: f64,
    /// Its probe, by number among those of the patches.
    pub probe: usize,
}

/// Derivatives of one image with respect to parameters of one atom on a square around it.
#[derive(Debug, Clone, Default)]
pub struct AtomPatch<const L: usize> {
    /// Row and column of the image where the square begins; may lie outside.
    pub corner: (i64, i64),
    /// Edge in pixels.
    pub side: usize,
    /// \[side\]\[side\], `L` numbers per pixel: the derivatives that were asked for, then zeros.
    pub pixels: Vec<[f64; L]>,
}

/// Plan for all patches of a series. Immutable but for transfer functions, made when first asked for.
pub struct AtomPatches {
    series: SeriesGeometry,
    orbital: Orbital,
    simd: SimdPath,
    /// Edge in pixels of the square on which patches are made; less of it is kept.
    size: usize,
    /// [H, x', y', z'], and B where it is asked for.
    functions: usize,
    probe: Option<Box<PatchProbe>>,
    tables: Option<PatchTables>,
}

/// Transfer functions on the grid of a patch: one per slice, for every probe in use.
struct PatchProbe {
    bins: DepthBins,
    transfer: ProbeTransfer,
    plan: RealTransform2<f64>,
    pixel_size: f64,
    optics: Vec<ImageOptics>,
    stacks: Vec<OnceLock<Stack>>,
}

type Stack = Vec<Vec<Complex64>>;

/// Scratch of one worker.
pub struct PatchWorkspace {
    /// Orbital and its derivatives before the probe: H, x', y', B.
    orbitals: Vec<f64>,
    /// The same through the probe, with z': H, x', y', z', B.
    planes: Vec<f64>,
    /// The same from tables.
    joined: Vec<f32>,
    /// Profiles of a term along both axes.
    profiles: [Vec<f64>; 2],
    spectra: Vec<Vec<Complex64>>,
    product: Vec<Complex64>,
    scratch: Option<RealTransformScratch<f64>>,
}

impl AtomPatches {
    /// Derivatives per patch: x, y, z, H, B.
    pub const COUNT: usize = 5;

    /// Plans patches for orbitals of at most `width_max` (A^2) at most `depth` (A) from the specimen origin along the
    /// beam. The probes are those of slices, in all modes of the model, `optics` the different ones. Derivatives by the width
    /// are left out unless `with_widths`.
    pub fn new(
        series: SeriesGeometry,
        (interaction, optics): (&Interaction, Vec<ImageOptics>),
        orbital: &Orbital,
        (width_max, depth): (f64, f64),
        with_widths: bool,
        simd: SimdPath,
    ) -> Result<Self> {
        let half = half_width(CUTOFF, width_max * orbital.widest(), series.pixel_size);
        let (orbital, functions) = (orbital.clone(), if with_widths { 5 } else { 4 });
        let Interaction::Rigid { probe, slice_thickness, slicing, .. } = interaction else {
            return Ok(Self { size: 2 * half + 1, probe: None, tables: None, series, orbital, simd, functions });
        };
        let far = optics.iter().map(|o| o.numbers[0].abs()).fold(0.0, f64::max) + depth;
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
            plan: RealTransform2::new(simd, size, size),
            pixel_size: series.pixel_size,
            stacks: optics.iter().map(|_| OnceLock::new()).collect(),
            optics,
        };
        Ok(Self { size, probe: Some(Box::new(probe)), tables: None, series, orbital, simd, functions })
    }

    /// The same with tables where they pay: for atoms of these widths and about so many patches.
    pub fn with_tables(
        mut self,
        widths: &[f64],
        evaluations: usize,
        context: &Context,
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        self.tables = PatchTables::new(&self, widths, evaluations, context, waiting)?;
        Ok(self)
    }

    #[cfg(test)]
    pub(super) fn has_tables(&self) -> bool {
        self.tables.is_some()
    }

    /// Edge in pixels of the square on which patches are made.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Planes of a patch.
    pub(super) fn functions(&self) -> usize {
        self.functions
    }

    /// Depths of the slices in A; `None` without a probe.
    pub(super) fn slice_depths(&self) -> Option<Vec<f64>> {
        let bins = &self.probe.as_ref()?.bins;
        Some((0..bins.slices).map(|k| bins.first_centre + k as f64 * bins.thickness).collect())
    }

    /// Distance of slices in A.
    pub(super) fn thickness(&self) -> f64 {
        self.probe.as_ref().map_or(f64::INFINITY, |p| p.bins.thickness)
    }

    /// Slices that share an atom.
    pub(super) fn slices_per_atom(&self) -> usize {
        if self.probe.as_ref().is_some_and(|p| p.bins.linear) {
            2
        } else {
            1
        }
    }

    /// Steps across a pixel, so many per standard deviation of the narrowest term.
    pub(super) fn steps(&self, width: f64, fineness: f64) -> usize {
        let deviation = (0.5 * width * self.orbital.narrowest()).sqrt() / self.series.pixel_size;
        ((fineness / deviation).ceil() as usize).max(2)
    }

    /// Number of different probes; 0 without.
    pub(super) fn probes(&self) -> usize {
        self.probe.as_ref().map_or(0, |p| p.optics.len())
    }

    /// The planes H, x', y', z' and perhaps B of an atom of height 1, its width as bits and the number of the probe, so many
    /// rows and columns off the middle.
    pub(super) fn plain<'a>(
        &self,
        row: f64,
        column: f64,
        (width, probe): (u64, usize),
        depth: f64,
        workspace: &'a mut PatchWorkspace,
    ) -> &'a [f64] {
        self.planes((row, column), f64::from_bits(width), depth, probe, workspace);
        &workspace.planes[..self.functions * self.size * self.size]
    }

    /// A new workspace; its content is garbage between calls.
    pub fn workspace(&self) -> PatchWorkspace {
        let spectrum = self.probe.as_ref().map_or(0, |p| p.plan.spectrum_len());
        let pixels = self.size * self.size;
        PatchWorkspace {
            orbitals: vec![0.0; 4 * pixels],
            planes: vec![0.0; Self::COUNT * pixels],
            joined: Vec::new(),
            profiles: std::array::from_fn(|_| vec![0.0; self.size]),
            spectra: vec![vec![Complex64::default(); spectrum]; 4],
            product: vec![Complex64::default(); spectrum],
            scratch: self.probe.as_ref().map(|p| p.plan.scratch()),
        }
    }

    /// The derivatives with respect to the parameters `own` (0 to 4: x, y, z in the specimen frame per A, H, B) of one
    /// atom, at most `L`; false, and nothing useful in `patch`, where it does not touch the image.
    pub fn derivatives<const L: usize>(
        &self,
        pose: &ImagePose,
        atom: &AtomValues,
        own: &[usize],
        patch: &mut AtomPatch<L>,
        workspace: &mut PatchWorkspace,
    ) -> bool {
        let rotated = geometry::apply(&pose.rotation, &atom.position);
        let moved: Vec3 = std::array::from_fn(|a| rotated[a] + pose.shift[a]);
        let pixel = self.series.pixel_size;
        let row = grid::origin(self.series.rows) as f64 + moved[1] / pixel;
        let column = grid::origin(self.series.columns) as f64 + moved[0] / pixel;
        let near = (row.round() as i64, column.round() as i64);
        let touches = |at: i64, half: i64, n: usize| at - half < n as i64 && at + half >= 0;
        let touch = |half: i64| touches(near.0, half, self.series.rows) && touches(near.1, half, self.series.columns);
        if !touch((self.size / 2) as i64) {
            return false;
        }
        let offset = (row - near.0 as f64, column - near.1 as f64);
        let columns = columns_of(pose, atom.height, own);
        let columns = &columns[..self.functions];
        let table = self.tables.as_ref().and_then(|t| t.of(atom.width, pose.probe));
        let half = match (table, &self.probe) {
            (Some(table), Some(probe)) => {
                let bin = probe.bins.of(moved[2]);
                let (plane, half) = table.join(self.simd, offset, bin, &mut workspace.joined);
                patch.take(near, half);
                let (layout, side) = ((plane, patch.side), patch.side);
                patches::combine(self.simd, &workspace.joined, layout, columns, side, &mut patch.pixels);
                half
            }
            _ => {
                self.planes(offset, atom.width, moved[2], pose.probe, workspace);
                let (plane, edge) = (self.size * self.size, self.size);
                // The window of an orbital is all of it; what a probe adds are tails.
                let half = match &self.probe {
                    None => edge / 2,
                    Some(_) => kept_half(&workspace.planes[..self.functions * plane], edge),
                };
                patch.take(near, half);
                patches::combine(self.simd, &workspace.planes, (plane, edge), columns, 2 * half + 1, &mut patch.pixels);
                half
            }
        };
        touch(half as i64)
    }

    /// Image of an atom of height 1 and its derivatives by x', y', z', B, `offset` pixels from the middle of the square.
    fn planes(&self, offset: (f64, f64), width: f64, depth: f64, number: usize, workspace: &mut PatchWorkspace) {
        let middle = (self.size / 2) as f64;
        self.orbitals((middle + offset.0, middle + offset.1), width, workspace);
        let pixels = self.size * self.size;
        match &self.probe {
            None => {
                let PatchWorkspace { orbitals, planes, .. } = workspace;
                planes[..3 * pixels].copy_from_slice(&orbitals[..3 * pixels]);
                planes[3 * pixels..4 * pixels].fill(0.0);
                planes[4 * pixels..].copy_from_slice(&orbitals[3 * pixels..]);
            }
            Some(probe) => probe.image(number, depth, self.functions, workspace),
        }
    }

    /// Orbital of height 1 and its derivatives by x', y', B, before the probe.
    fn orbitals(&self, centre: (f64, f64), width: f64, workspace: &mut PatchWorkspace) {
        let (size, pixel) = (self.size, self.series.pixel_size);
        let PatchWorkspace { orbitals, profiles: [along_y, along_x], .. } = workspace;
        orbitals.fill(0.0);
        let (g, rest) = orbitals.split_at_mut(size * size);
        let (gx, rest) = rest.split_at_mut(size * size);
        let (gy, gb) = rest.split_at_mut(size * size);
        for term in self.orbital.terms() {
            let own = term.width * width;
            let (decay, window) = (pixel * pixel / own, half_width(CUTOFF, own, pixel).min(size / 2));
            let used = size / 2 - window..(size / 2 + window + 1).min(size);
            for (profile, at) in [(&mut *along_y, centre.0), (&mut *along_x, centre.1)] {
                used.clone().for_each(|i| profile[i] = (-decay * (i as f64 - at).powi(2)).exp());
            }
            for r in used.clone() {
                let (dy, of_row) = (r as f64 - centre.0, term.weight * along_y[r]);
                for c in used.clone() {
                    let (i, dx, value) = (r * size + c, c as f64 - centre.1, of_row * along_x[c]);
                    g[i] += value;
                    gx[i] += 2.0 * decay * dx * value / pixel;
                    gy[i] += 2.0 * decay * dy * value / pixel;
                    gb[i] += (dx * dx + dy * dy) * decay / width * value;
                }
            }
        }
    }
}

impl<const L: usize> AtomPatch<L> {
    fn take(&mut self, near: (i64, i64), half: usize) {
        self.side = 2 * half + 1;
        self.corner = (near.0 - half as i64, near.1 - half as i64);
        self.pixels.resize(self.side * self.side, [0.0; L]);
    }
}

/// What a pixel of each of the planes H, x', y', z', B adds to the derivatives `own`:
/// d/dx, d/dy, d/dz = H R^T (d/dx', d/dy', d/dz'), all times the intensity scale.
fn columns_of<const L: usize>(pose: &ImagePose, height: f64, own: &[usize]) -> [[f64; L]; AtomPatches::COUNT] {
    let mut columns = [[0.0; L]; AtomPatches::COUNT];
    for (to, parameter) in own.iter().enumerate().take(L) {
        match parameter {
            3 => columns[0][to] = pose.scale,
            4 => columns[4][to] = pose.scale * height,
            a => (0..3).for_each(|b| columns[1 + b][to] = pose.scale * height * pose.rotation[b][*a]),
        }
    }
    columns
}

/// Half edge of the square that holds all but [`CUT_OFF`] of the squares of every plane, `edge` x `edge` each.
pub(super) fn kept_half(planes: &[f64], edge: usize) -> usize {
    let middle = edge / 2;
    let half_of = |plane: &[f64]| {
        let mut rings = vec![0.0; middle + 1];
        for (i, value) in plane.iter().enumerate() {
            rings[(i / edge).abs_diff(middle).max((i % edge).abs_diff(middle))] += value * value;
        }
        let allowed = CUT_OFF * rings.iter().sum::<f64>();
        let mut beyond = 0.0;
        let within = |ring: &f64| {
            beyond += ring;
            beyond > allowed
        };
        rings.iter().rposition(within).unwrap_or(0)
    };
    planes.chunks_exact(edge * edge).map(half_of).max().unwrap_or(0).min((edge - 1) / 2)
}

impl PatchProbe {
    /// `workspace.orbitals` through the probe at `depth`: H, x', y', z' and, with five functions, B.
    fn image(&self, number: usize, depth: f64, functions: usize, workspace: &mut PatchWorkspace) {
        let PatchWorkspace { orbitals, planes, spectra, product, scratch: Some(scratch), .. } = workspace else {
            return;
        };
        let size = self.plan.rows();
        let pixels = size * size;
        let used = functions - 1;
        for (function, spectrum) in orbitals.chunks_exact(pixels).zip(spectra.iter_mut()).take(used) {
            self.plan.forward(function, size, 0..size, spectrum, scratch);
        }
        let stack = self.stacks[number].get_or_init(|| self.stack(&self.optics[number]));
        let (bin, second, slope) = self.bins.of(depth);
        let (first, next) = (&stack[bin], &stack[(bin + 1).min(stack.len() - 1)]);
        // Place of each function among the planes.
        for (spectrum, at) in spectra.iter().zip([0, 1, 2, 4]).take(used) {
            for (i, value) in product.iter_mut().enumerate() {
                *value = spectrum[i] * (first[i] * (1.0 - second) + next[i] * second);
            }
            let plane = &mut planes[at * pixels..(at + 1) * pixels];
            self.plan.inverse(product, 1.0, plane, size, 0..size, scratch);
        }
        let along = &mut planes[3 * pixels..4 * pixels];
        if !slope {
            along.fill(0.0);
            return;
        }
        for (i, value) in product.iter_mut().enumerate() {
            *value = spectra[0][i] * (next[i] - first[i]) / self.bins.thickness;
        }
        self.plan.inverse(product, 1.0, along, size, 0..size, scratch);
    }

    /// Transfer functions of all slices for one probe.
    fn stack(&self, optics: &ImageOptics) -> Stack {
        let depth = |k: usize| self.bins.first_centre + k as f64 * self.bins.thickness;
        let depths: Vec<f64> = (0..self.bins.slices).map(depth).collect();
        optics.stack(&self.transfer, &depths, (&self.plan, self.pixel_size))
    }
}
