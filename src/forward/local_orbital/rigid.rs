//! Rigid depth-dependent interaction: I_j = sum_k p_jk (x) O_jk, formula (4) of the LOT paper.
//!
//! Slices are walked once along the beam with two rolling images: the atoms between slice centres k and k + 1 go
//! into both, then slice k is complete and is transformed; its spectrum serves all foci of the tilt. The residual
//! spectra walk back the same way: G_k = sum_m conj(P_mk) R_m, gathered at the atoms between k and k + 1.
//! Drift (u, v) is a phase ramp on an image's spectrum.
//!
//! With [`super::templates`] the images of few depths take the place of slices, with [`super::adaptive`] fitted pixels that of
//! the optics; all else is the same.

use super::adaptive::{Adaptive, ProbePixels};
use super::placement::{Canvas, DepthAxis, DepthBins, GeometryChange};
use super::probes::{ProbeTables, StackCache};
use super::templates::Templates;
use super::{DepthMode, LocalOrbital, SeriesGeometry, Slicing, Workspace};
use crate::error::{Error, Result};
use crate::fourier::{RealTransform2, RealTransformScratch};
use crate::geometry::{self, Mat3, Vec3};
use crate::grid;
use crate::optics::{Probe, ProbeTransfer};
use crate::problem::Point;
use crate::simd::{self, Real, SimdPath, Transfer};
use num_complex::Complex;
use std::f64::consts::PI;
use std::ops::Range;

/// Atoms may leave the volume of the start by this much (A) before margins or slices end.
const SLACK: f64 = 1.0;

impl Slicing {
    /// Slices of `thickness` for atoms at most `depth` from the specimen origin along the beam.
    pub(super) fn count(self, depth: f64, thickness: f64) -> usize {
        let needed = (2.0 * (depth + SLACK) / thickness).ceil() as usize;
        match self {
            Slicing::Linear => needed + 1,
            Slicing::Hard => needed.max(1),
        }
    }
}

/// What a plan of the rigid model is made from.
pub(super) struct RigidInput<'a> {
    pub series: &'a SeriesGeometry,
    pub start: &'a [Vec3],
    pub rotations: &'a [Mat3],
    pub probe: &'a Probe,
    pub thickness: f64,
    pub slicing: Slicing,
    pub mode: DepthMode,
    /// Largest error of templates.
    pub tolerance: Option<f64>,
    /// Probes whose pixels are fitted.
    pub pixels: Option<ProbePixels>,
    /// Largest half width of a window in pixels.
    pub half_width: f64,
    /// Pixels of the window of an orbital at the start.
    pub window: f64,
    /// Width in A^2 down to which templates keep their error.
    pub narrowest: f64,
    pub simd: SimdPath,
}

/// Plan of the rigid model: grid, slices or templates, probes.
pub(super) struct Rigid<T: Real> {
    pub plan: RealTransform2<T>,
    /// Row and column of the grid where image pixel (0, 0) lies.
    offset: (usize, usize),
    /// Frequencies along columns and rows of the grid, cycles per pixel.
    pub(super) frequencies: (Vec<f64>, Vec<f64>),
    /// Slices, or depths of the templates.
    pub slices: usize,
    thickness: f64,
    pub slicing: Slicing,
    /// Slices, templates or knots.
    pub mode: DepthMode,
    /// In place of slices.
    pub templates: Option<Templates<T>>,
    pub transfer: ProbeTransfer,
    pub probe_defocus: f64,
    /// Transfer functions are real (centrosymmetric probe).
    pub real: bool,
    pub cache: StackCache<T>,
    pub adaptive: Option<Adaptive<T>>,
}

/// Scratch of one worker for the rigid model.
pub(super) struct RigidWorkspace<T: Real> {
    /// Rolling slice images on the canvas; the first holds the images of all templates.
    pub(super) first: Vec<T>,
    second: Vec<T>,
    /// Image on the grid, without margins.
    pub(super) frame: Vec<T>,
    /// Spectrum of one slice, then of one image.
    pub(super) spectrum: Vec<Complex<T>>,
    /// Spectrum of every image of the tilt before drift; in the way back, of its residual.
    pub(super) images: Vec<Vec<Complex<T>>>,
    /// Derivatives of `images` with respect to the numbers of the optics that are fitted, image by image.
    pub(super) slopes: Vec<Vec<Complex<T>>>,
    pub(super) residuals: Vec<Vec<Complex<T>>>,
    /// Spectra of all slices and whether they hold anything: kept where pixels of probes are fitted.
    pub(super) objects: Vec<(bool, Transfer<T>)>,
    ramp: Ramp<T>,
    pub(super) scratch: RealTransformScratch<T>,
}

/// Phase ramp of a shift: E(kx, ky) = x[kx] y[ky], and derivatives per pixel. At Nyquist the cosine stands, which is
/// the shift of a real image.
#[derive(Default)]
pub(super) struct Ramp<T> {
    pub x: Vec<Complex<T>>,
    pub y: Vec<Complex<T>>,
    pub dx: Vec<Complex<T>>,
    pub dy: Vec<Complex<T>>,
}

/// The first `count` factors of the ramp exp(-2 pi i k shift) along one axis (`frequencies` k of the whole axis, shift in
/// pixels), and their derivatives with respect to the shift.
pub(super) fn ramp_axis<T: Real>(
    frequencies: &[f64],
    count: usize,
    shift: f64,
    factors: &mut Vec<Complex<T>>,
    derivatives: &mut Vec<Complex<T>>,
) {
    factors.clear();
    derivatives.clear();
    for (i, k) in frequencies.iter().take(count).enumerate() {
        let w = -2.0 * PI * k;
        let (s, c) = (w * shift).sin_cos();
        let nyquist = 2 * i == frequencies.len();
        let (e, d) = if nyquist { ((c, 0.0), (-w * s, 0.0)) } else { ((c, s), (-w * s, w * c)) };
        factors.push(Complex::new(T::of(e.0), T::of(e.1)));
        derivatives.push(Complex::new(T::of(d.0), T::of(d.1)));
    }
}

impl<T: Real> Rigid<T> {
    pub fn new(input: &RigidInput<'_>) -> Result<Self> {
        let RigidInput { series, probe, thickness, slicing, .. } = *input;
        if !(thickness.is_finite() && thickness > 0.0) {
            return Err(Error::range("slice_thickness", thickness, "a positive number (A), 4 by default"));
        }
        let extent = Extent::of(input.start, input.rotations);
        let slices = slicing.count(extent.depth, thickness);
        let far = series.farthest_crossover(probe) + extent.depth;
        let spread = far * probe.semiangle_mrad() * 1e-3 + 3.0 * probe.source_size() + SLACK;
        let reach = input.half_width + spread / series.pixel_size;
        let (rows, row_offset) = fit_axis(series.rows, extent.y, reach, series.pixel_size);
        let (columns, column_offset) = fit_axis(series.columns, extent.x, reach, series.pixel_size);
        let transfer =
            ProbeTransfer::with_edge(probe, rows, columns, series.pixel_size, (series.rows, series.columns))?;
        let templates = Templates::choose(input, extent.depth + SLACK, slices, (rows, columns))?;
        let slices = templates.as_ref().map_or(slices, Templates::count);
        let mode = match (&templates, input.mode) {
            (None, _) => DepthMode::Slices,
            (Some(_), DepthMode::Knots) => DepthMode::Knots,
            (Some(_), _) => DepthMode::Templates,
        };
        let adaptive = input
            .pixels
            .map(|pixels| Adaptive::new(pixels, series, probe, (slices, extent.depth), (rows, columns)))
            .transpose()?;
        Ok(Self {
            plan: RealTransform2::new(input.simd, rows, columns),
            offset: (row_offset, column_offset),
            frequencies: (grid::frequencies(columns, 1.0), grid::frequencies(rows, 1.0)),
            slices,
            thickness,
            slicing,
            mode,
            templates,
            real: transfer.is_centrosymmetric(),
            transfer,
            probe_defocus: probe.defocus(),
            cache: StackCache::default(),
            adaptive,
        })
    }

    /// z' of the centre of slice k, or depth of template k.
    pub fn centre(&self, k: usize) -> f64 {
        match &self.templates {
            Some(templates) => templates.depth(k),
            None => (k as f64 - 0.5 * (self.slices - 1) as f64) * self.thickness,
        }
    }

    fn depth_axis(&self) -> DepthAxis {
        match &self.templates {
            Some(templates) => DepthAxis::Templates(templates.line()),
            None => DepthAxis::Slices(DepthBins {
                first_centre: self.centre(0),
                thickness: self.thickness,
                slices: self.slices,
                linear: self.slicing == Slicing::Linear,
            }),
        }
    }

    /// Length in A in which stamps count depth.
    fn depth_unit(&self) -> f64 {
        self.templates.as_ref().map_or(self.thickness, |t| t.line().step)
    }

    fn canvas(&self, model: &LocalOrbital<T>, parameters: &[f64]) -> Canvas {
        let origin = (
            (grid::origin(model.series.rows) + self.offset.0) as f64,
            (grid::origin(model.series.columns) + self.offset.1) as f64,
        );
        let half_width = model.largest_half_width(parameters);
        Canvas::new(self.plan.rows(), self.plan.columns(), origin, half_width, model.series.pixel_size)
    }

    pub fn workspace(&self) -> RigidWorkspace<T> {
        RigidWorkspace {
            first: Vec::new(),
            second: Vec::new(),
            frame: Vec::new(),
            spectrum: vec![Complex::default(); self.plan.spectrum_len()],
            images: Vec::new(),
            slopes: Vec::new(),
            residuals: Vec::new(),
            objects: Vec::new(),
            ramp: Ramp::default(),
            scratch: self.plan.scratch(),
        }
    }

    pub fn workspace_bytes(&self, images: usize) -> usize {
        let spectrum = self.plan.spectrum_len() * size_of::<Complex<T>>();
        let canvas = (self.plan.rows() + 32) * (self.plan.columns() + 48) * size_of::<T>();
        let canvases = 3 + self.templates.as_ref().map_or(0, |t| t.count() - 2);
        let objects = if self.adaptive.is_some() { self.slices } else { 0 };
        spectrum * (2 * images + 1 + objects) + canvases * canvas + self.plan.scratch_bytes()
    }

    fn set_ramp(&self, model: &LocalOrbital<T>, parameters: &[f64], image: usize, ramp: &mut Ramp<T>) {
        let [u, v] = model.blocks.drift_of(parameters, image).map(|d| d / model.series.pixel_size);
        ramp_axis(&self.frequencies.0, self.plan.half_columns(), u, &mut ramp.x, &mut ramp.dx);
        ramp_axis(&self.frequencies.1, self.plan.rows(), v, &mut ramp.y, &mut ramp.dy);
    }

    /// Rows of the grid (not of the canvas) that slice `k` touches.
    pub(super) fn rows_of_slice(&self, rows: &[Range<usize>], k: usize, canvas: &Canvas) -> Range<usize> {
        let mut touched = rows[k].clone();
        if self.slicing == Slicing::Linear && k > 0 {
            touched = touched.start.min(rows[k - 1].start)..touched.end.max(rows[k - 1].end);
        }
        let inside = |r: usize| r.saturating_sub(canvas.margin).min(canvas.rows);
        if touched.start < touched.end {
            inside(touched.start)..inside(touched.end)
        } else {
            0..0
        }
    }

    pub fn predict(
        &self,
        model: &LocalOrbital<T>,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        out: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let canvas = self.canvas(model, at.parameters);
        let rotation = model.rotation(at.parameters, tilt);
        let depth_offset = at.parameters[model.blocks.depth_offset.start + tilt];
        model.place(
            at.parameters,
            &rotation,
            [0.0, 0.0, depth_offset],
            &canvas,
            &self.depth_axis(),
            &mut workspace.placement,
        );
        let Some(own) = workspace.rigid.as_mut() else { return Err(no_workspace()) };
        let slopes = images.first().map_or(0, |image| at.shared.of_image(*image).slopes.len());
        own.reset(images.len(), slopes, &canvas, self.templates.as_ref());
        own.objects.iter_mut().for_each(|(filled, _)| *filled = false);
        if at.active[super::Blocks::PROBE] {
            let empty = || (false, Transfer::Complex(vec![Complex::default(); self.plan.spectrum_len()]));
            own.objects.resize_with(self.slices, empty);
        }
        if let Some(templates) = &self.templates {
            templates.splat(model.simd, &canvas, &workspace.placement, own);
        }
        for k in 0..self.slices {
            at.cancel.check("an evaluation")?;
            self.add_slice(model.simd, at, images, k, &canvas, &workspace.placement, own);
        }
        for (m, (image, out)) in
            images.iter().zip(out.chunks_exact_mut(model.series.rows * model.series.columns)).enumerate()
        {
            self.set_ramp(model, at.parameters, *image, &mut own.ramp);
            own.spectrum.copy_from_slice(&own.images[m]);
            own.ramp.apply(&mut own.spectrum, self.plan.rows(), false);
            self.read_image(model, out, own);
        }
        Ok(())
    }

    /// The image of which `own.spectrum` is the spectrum on the grid.
    fn read_image(&self, model: &LocalOrbital<T>, out: &mut [T], own: &mut RigidWorkspace<T>) {
        let (wanted, pitch) = (self.offset.0..self.offset.0 + model.series.rows, self.plan.columns());
        self.plan.inverse(&mut own.spectrum, T::one(), &mut own.frame, pitch, wanted, &mut own.scratch);
        for (row, out) in out.chunks_exact_mut(model.series.columns).enumerate() {
            out.copy_from_slice(&own.frame[(row + self.offset.0) * pitch + self.offset.1..][..out.len()]);
        }
    }

    /// Change of the images before scale and background. Spectra, slopes and stamps of the prediction stay.
    pub fn push_forward(
        &self,
        model: &LocalOrbital<T>,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        direction: &[f64],
        out: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let canvas = self.canvas(model, at.parameters);
        let change = GeometryChange {
            direction,
            rotation: &model.rotation(at.parameters, tilt),
            rotation_change: &model.rotation_change(at.parameters, direction, tilt),
            shift: [0.0, 0.0, direction[model.blocks.depth_offset.start + tilt]],
        };
        let Some(own) = workspace.rigid.as_mut() else { return Err(no_workspace()) };
        workspace.placement.set_weights(model, at.parameters, self.depth_unit(), &change);
        own.residuals.iter_mut().for_each(|spectrum| spectrum.fill(Complex::default()));
        if let Some(adaptive) = &self.adaptive {
            adaptive.add_change(model, self, at, images, direction, own)?;
        }
        if let Some(templates) = &self.templates {
            templates.splat_change(model.simd, &canvas, &workspace.placement, own);
        }
        for k in 0..self.slices {
            at.cancel.check("an evaluation")?;
            self.add_slice_change(model.simd, at, images, k, &canvas, &workspace.placement, own);
        }
        for (m, (image, out)) in
            images.iter().zip(out.chunks_exact_mut(model.series.rows * model.series.columns)).enumerate()
        {
            self.set_ramp(model, at.parameters, *image, &mut own.ramp);
            self.image_change(model, at, *image, m, direction, own);
            self.read_image(model, out, own);
        }
        Ok(())
    }

    /// As [`Self::add_slice`] for the change of the orbitals, into the place of the residuals.
    fn add_slice_change(
        &self,
        simd: SimdPath,
        at: &Point<'_, ProbeTables<T>>,
        images: &[usize],
        k: usize,
        canvas: &Canvas,
        placement: &super::Placement<T>,
        own: &mut RigidWorkspace<T>,
    ) {
        if self.templates.is_none() {
            let linear = self.slicing == Slicing::Linear;
            let bin = placement.bins[k].clone();
            let (stamps, weights) = (&placement.stamps[bin.clone()], &placement.sums[bin]);
            let second = linear.then_some(own.second.as_mut_slice());
            simd::splat_weighted(simd, stamps, weights, &mut own.first, second, canvas.pitch);
        }
        if self.transform_slice(k, canvas, placement, own) {
            for (image, change) in images.iter().zip(&mut own.residuals) {
                simd::add_product(simd, &at.shared.of_image(*image).slices[k], &own.spectrum, change);
            }
        }
    }

    /// Spectrum of the change of one image from that of its slices: E dS + sum_o S_o E do + S dE over the numbers o of the
    /// optics, the adjoint of [`Self::image_gradient`].
    fn image_change(
        &self,
        model: &LocalOrbital<T>,
        at: &Point<'_, ProbeTables<T>>,
        image: usize,
        m: usize,
        direction: &[f64],
        own: &mut RigidWorkspace<T>,
    ) {
        let RigidWorkspace { spectrum, residuals, images, slopes, ramp, .. } = own;
        spectrum.copy_from_slice(&residuals[m]);
        let section = model.series.images[image].section;
        let (optics, fitted) = (model.blocks.optics_of(section), &at.shared.of_image(image).slopes);
        for ((o, _), slope) in fitted.iter().zip(&slopes[m * fitted.len()..]) {
            let along = T::of(direction[optics[*o]]);
            spectrum.iter_mut().zip(slope).for_each(|(s, d)| *s = *s + d.scale(along));
        }
        ramp.apply(spectrum, self.plan.rows(), false);
        let [u, v] = model.blocks.drift_of(direction, image).map(|d| T::of(d / model.series.pixel_size));
        if u == T::zero() && v == T::zero() {
            return;
        }
        let rows = self.plan.rows();
        for kx in 0..self.plan.half_columns() {
            for ky in 0..rows {
                let change = (ramp.dx[kx] * ramp.y[ky]).scale(u) + (ramp.x[kx] * ramp.dy[ky]).scale(v);
                let at = kx * rows + ky;
                spectrum[at] = spectrum[at] + images[m][at] * change;
            }
        }
    }

    /// Splats the atoms of bin k, transforms slice k and adds its part to every image's spectrum.
    fn add_slice(
        &self,
        simd: SimdPath,
        at: &Point<'_, ProbeTables<T>>,
        images: &[usize],
        k: usize,
        canvas: &Canvas,
        placement: &super::Placement<T>,
        own: &mut RigidWorkspace<T>,
    ) {
        if self.templates.is_none() {
            let linear = self.slicing == Slicing::Linear;
            let stamps = &placement.stamps[placement.bins[k].clone()];
            simd::splat(simd, stamps, &mut own.first, linear.then_some(own.second.as_mut_slice()), canvas.pitch);
        }
        if self.transform_slice(k, canvas, placement, own) {
            for (m, image) in images.iter().enumerate() {
                let stack = at.shared.of_image(*image);
                simd::add_product(simd, &stack.slices[k], &own.spectrum, &mut own.images[m]);
                let slopes = own.slopes[m * stack.slopes.len()..].iter_mut();
                for ((_, of_slices), slope) in stack.slopes.iter().zip(slopes) {
                    simd::add_product(simd, &of_slices[k], &own.spectrum, slope);
                }
            }
            if let Some((filled, Transfer::Complex(object))) = own.objects.get_mut(k) {
                object.copy_from_slice(&own.spectrum);
                *filled = true;
            }
        }
    }

    /// Transforms slice k, which is complete, into `own.spectrum` and rolls on; false where it is empty.
    fn transform_slice(
        &self,
        k: usize,
        canvas: &Canvas,
        placement: &super::Placement<T>,
        own: &mut RigidWorkspace<T>,
    ) -> bool {
        if let Some(templates) = &self.templates {
            return templates.transform(self, k, canvas, placement, own);
        }
        let filled = self.rows_of_slice(&placement.rows, k, canvas);
        let any = !filled.is_empty();
        if any {
            let image = &own.first[canvas.at(0)..];
            self.plan.forward(image, canvas.pitch, filled, &mut own.spectrum, &mut own.scratch);
            own.first.fill(T::zero());
        }
        if self.slicing == Slicing::Linear {
            std::mem::swap(&mut own.first, &mut own.second);
        }
        any
    }

    pub fn pull_back(
        &self,
        model: &LocalOrbital<T>,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        residual: &[T],
        gradient: &mut [f64],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let canvas = self.canvas(model, at.parameters);
        let rotation = model.rotation(at.parameters, tilt);
        let Some(own) = workspace.rigid.as_mut() else { return Err(no_workspace()) };
        for (m, (image, residual)) in
            images.iter().zip(residual.chunks_exact(model.series.rows * model.series.columns)).enumerate()
        {
            at.cancel.check("an evaluation")?;
            self.transform_residual(model, residual, m, own);
            self.image_gradient(model, at, *image, m, gradient, own);
        }
        if let (Some(adaptive), true) = (&self.adaptive, at.active[super::Blocks::PROBE]) {
            adaptive.add_gradient(model, self, at, images, gradient, own)?;
        }
        if let Some(templates) = &self.templates {
            templates.clear_margins(&canvas, own);
        }
        for k in 0..self.slices {
            at.cancel.check("an evaluation")?;
            self.gather_slice(model.simd, at, images, k, &canvas, &mut workspace.placement, own);
        }
        if let Some(templates) = &self.templates {
            templates.gather(model.simd, &canvas, &mut workspace.placement, own);
        }
        let geometry =
            workspace.placement.add_to_gradient(model, at.parameters, &rotation, self.depth_unit(), gradient);
        geometry.add_angles(model, at.parameters, tilt, gradient);
        gradient[model.blocks.depth_offset.start + tilt] += geometry.shift[2];
        Ok(())
    }

    /// Spectrum of one image's residual, placed on the grid.
    fn transform_residual(&self, model: &LocalOrbital<T>, residual: &[T], m: usize, own: &mut RigidWorkspace<T>) {
        let pitch = self.plan.columns();
        own.frame.fill(T::zero());
        for (row, residual) in residual.chunks_exact(model.series.columns).enumerate() {
            own.frame[(row + self.offset.0) * pitch + self.offset.1..][..residual.len()].copy_from_slice(residual);
        }
        let filled = self.offset.0..self.offset.0 + model.series.rows;
        self.plan.forward(&own.frame, pitch, filled, &mut own.residuals[m], &mut own.scratch);
    }

    /// Derivatives with respect to drift and optics of one image (Parseval), then the residual before the ramp.
    fn image_gradient(
        &self,
        model: &LocalOrbital<T>,
        at: &Point<'_, ProbeTables<T>>,
        image: usize,
        m: usize,
        gradient: &mut [f64],
        own: &mut RigidWorkspace<T>,
    ) {
        self.set_ramp(model, at.parameters, image, &mut own.ramp);
        let ramp = &own.ramp;
        if at.active[super::Blocks::DRIFT] {
            let per_pixel = 1.0 / model.series.pixel_size;
            let slopes = |kx: usize, ky: usize| (ramp.dx[kx] * ramp.y[ky], ramp.x[kx] * ramp.dy[ky]);
            let (u, v) = self.parseval(&own.residuals[m], &own.images[m], slopes);
            let drift = model.blocks.drift.start + 2 * image;
            gradient[drift] += u * per_pixel;
            gradient[drift + 1] += v * per_pixel;
        }
        ramp.apply(&mut own.residuals[m], self.plan.rows(), true);
        let optics = model.blocks.optics_of(model.series.images[image].section);
        let fitted = &at.shared.of_image(image).slopes;
        for ((o, _), slope) in fitted.iter().zip(&own.slopes[m * fitted.len()..]) {
            gradient[optics[*o]] += self.product(&own.residuals[m], slope);
        }
    }

    /// Sum over the image plane of the product of two images, from their half spectra.
    pub(super) fn product(&self, a: &[Complex<T>], b: &[Complex<T>]) -> f64 {
        let one = Complex::new(T::one(), T::zero());
        self.parseval(a, b, |_, _| (one, one)).0
    }

    /// Sums over the image plane of residual times (factor * spectrum), for two factors, from half spectra.
    fn parseval(
        &self,
        residual: &[Complex<T>],
        spectrum: &[Complex<T>],
        factors: impl Fn(usize, usize) -> (Complex<T>, Complex<T>),
    ) -> (f64, f64) {
        let (rows, columns) = (self.plan.rows(), self.plan.columns());
        let (mut a, mut b) = (0.0, 0.0);
        for kx in 0..self.plan.half_columns() {
            // Columns between 0 and Nyquist stand for their mirror images too.
            let weight = if kx == 0 || 2 * kx == columns { 1.0 } else { 2.0 };
            for ky in 0..rows {
                let product = residual[kx * rows + ky].conj() * spectrum[kx * rows + ky];
                let (f, g) = factors(kx, ky);
                a += weight * (product * f).re.f64();
                b += weight * (product * g).re.f64();
            }
        }
        let n = (rows * columns) as f64;
        (a / n, b / n)
    }

    /// G_k = sum_m conj(P_mk) R_m, then, with slices, the sums at the atoms of the bin that is now complete.
    fn gather_slice(
        &self,
        simd: SimdPath,
        at: &Point<'_, ProbeTables<T>>,
        images: &[usize],
        k: usize,
        canvas: &Canvas,
        placement: &mut super::Placement<T>,
        own: &mut RigidWorkspace<T>,
    ) {
        let of_slice = if self.templates.is_some() { 0 } else { k };
        let wanted = self.rows_of_slice(&placement.rows, of_slice, canvas);
        if !wanted.is_empty() {
            own.spectrum.fill(Complex::default());
            for (m, image) in images.iter().enumerate() {
                let transfer = &at.shared.of_image(*image).slices[k];
                simd::add_adjoint_product(simd, transfer, &own.residuals[m], &mut own.spectrum);
            }
            let (image, pitch) = match &self.templates {
                Some(templates) => (&mut own.first[templates.at(k, canvas)..], templates.pitch(canvas)),
                None => (&mut own.second[canvas.at(0)..], canvas.pitch),
            };
            self.plan.inverse(&mut own.spectrum, T::one(), image, pitch, wanted, &mut own.scratch);
        }
        if self.templates.is_some() {
            return;
        }
        let linear = self.slicing == Slicing::Linear;
        let bin = if linear { k.checked_sub(1) } else { Some(k) };
        if let Some(bin) = bin {
            let range = placement.bins[bin].clone();
            let (stamps, sums) = (&placement.stamps[range.clone()], &mut placement.sums[range]);
            if linear {
                simd::gather(simd, stamps, &own.first, Some(&own.second), canvas.pitch, sums);
            } else {
                simd::gather(simd, stamps, &own.second, None, canvas.pitch, sums);
            }
        }
        std::mem::swap(&mut own.first, &mut own.second);
    }
}

impl<T: Real> RigidWorkspace<T> {
    /// Zeroes what is accumulated and fits the buffers to the canvas.
    fn reset(&mut self, images: usize, slopes: usize, canvas: &Canvas, templates: Option<&Templates<T>>) {
        let (first, second) = templates.map_or((1, 1), |t| (t.count(), 0));
        for (buffer, canvases) in [(&mut self.first, first), (&mut self.second, second)] {
            buffer.clear();
            buffer.resize(canvases * canvas.len(), T::zero());
        }
        self.frame.resize(canvas.rows * canvas.columns, T::zero());
        let len = self.spectrum.len();
        let counts = [images, slopes * images, images];
        for (spectra, count) in [&mut self.images, &mut self.slopes, &mut self.residuals].into_iter().zip(counts) {
            // What is there stays for tilts with more images.
            spectra.resize_with(count.max(spectra.len()), || vec![Complex::default(); len]);
        }
        // Residuals are written, not added to.
        for (spectra, count) in [&mut self.images, &mut self.slopes].into_iter().zip(counts) {
            spectra.iter_mut().take(count).for_each(|s| s.fill(Complex::default()));
        }
    }
}

impl<T: Real> Ramp<T> {
    pub fn apply(&self, spectrum: &mut [Complex<T>], rows: usize, conjugate: bool) {
        let one = Complex::new(T::one(), T::zero());
        if self.x.iter().chain(&self.y).all(|e| *e == one) {
            return;
        }
        for (x, column) in self.x.iter().zip(spectrum.chunks_exact_mut(rows)) {
            for (y, value) in self.y.iter().zip(column) {
                let e = *x * *y;
                *value = *value * if conjugate { e.conj() } else { e };
            }
        }
    }
}

fn no_workspace() -> Error {
    Error::Internal("workspace of another model".into())
}

/// Largest |z'| over all tilts, and the ranges of x' and y', in A.
struct Extent {
    x: (f64, f64),
    y: (f64, f64),
    depth: f64,
}

impl Extent {
    fn of(start: &[Vec3], rotations: &[Mat3]) -> Self {
        let mut extent = Self { x: (0.0, 0.0), y: (0.0, 0.0), depth: 0.0 };
        for p in start.iter().flat_map(|p| rotations.iter().map(move |r| geometry::apply(r, p))) {
            extent.x = (extent.x.0.min(p[0]), extent.x.1.max(p[0]));
            extent.y = (extent.y.0.min(p[1]), extent.y.1.max(p[1]));
            extent.depth = extent.depth.max(p[2].abs());
        }
        extent
    }
}

/// Size of the transform along one axis and the place of image pixel 0 in it, so that what wraps around never falls
/// on the image. Atoms further than twice the reach beside the image cannot touch it.
fn fit_axis(n: usize, (low, high): (f64, f64), reach: f64, pixel_size: f64) -> (usize, usize) {
    let origin = grid::origin(n) as f64;
    let low = (origin + low / pixel_size).max(-2.0 * reach) - reach;
    let high = (origin + high / pixel_size).min(n as f64 + 2.0 * reach) + reach;
    let before = (-low).ceil().max(0.0) as usize;
    let after = (high - (n as f64 - 1.0)).ceil().max(0.0) as usize;
    (grid::fast_size(n + before + after), before)
}
