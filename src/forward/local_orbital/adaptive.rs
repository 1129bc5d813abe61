//! Adaptive depth-dependent interaction: the pixels of the probes are fitted.
//!
//! Formula (4) with p_jk as free, non-negative pixels on a square around the beam, for every slice (or template) k and every
//! section j: one set for all tilts, since the microscope does not change, or one for every image. Around the square the
//! probe stays what the optics say; so do the negative lobes that the band limit of the image grid gives it, so that the
//! model at the start is the rigid one:
//!
//! P_k = c (OTF_k + F[p_k - p_k of the optics]),
//!
//! with c such that the sums of all probes have the mean 1: intensity belongs to the heights, and heights and probes cannot
//! drift apart. The derivative by a pixel is the correlation of the residual with the slice, conj(O_k) R.

use super::parameters::{ProbeShape, ProbeSharing, OPTICS};
use super::probes::{ProbeStack, ProbeTables};
use super::rigid::{ramp_axis, Ramp, Rigid, RigidWorkspace};
use super::{ImageGeometry, LocalOrbital, SeriesGeometry};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::fourier::RealTransform2;
use crate::grid;
use crate::optics::Probe;
use crate::problem::Point;
use crate::simd::{self, Real, Transfer};
use num_complex::Complex;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// Reach of a square beyond the rays of the aperture, A.
pub(super) const MARGIN: f64 = 1.5;

/// Most pixels from the middle of a square to its edge where nothing is asked for.
const FARTHEST: usize = 24;

/// How probes become pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProbePixels {
    /// Which images share them.
    pub sharing: ProbeSharing,
    /// Edge of the square in pixels, odd; `None`: what the rays of the aperture need, 49 at most.
    pub side: Option<usize>,
}

/// Plan of the probe pixels.
pub(super) struct Adaptive<T: Real> {
    shape: ProbeShape,
    sharing: ProbeSharing,
    /// Moves the square from the corner of the grid to around its origin.
    to_origin: Ramp<T>,
}

impl<T: Real> Adaptive<T> {
    /// `depth`: largest distance of atoms from the specimen origin along the beam.
    pub fn new(
        options: ProbePixels,
        series: &SeriesGeometry,
        probe: &Probe,
        (slices, depth): (usize, f64),
        (rows, columns): (usize, usize),
    ) -> Result<Self> {
        let limit = (rows.min(columns) - 1) / 2;
        let half = match options.side {
            Some(side) if side % 2 == 1 && side / 2 <= limit => side / 2,
            Some(side) => {
                let wanted = format!("an odd number up to {} (pixels)", 2 * limit + 1);
                return Err(Error::range("probe_side", side, wanted));
            }
            None => {
                // the recorded defocus may be nothing but a start: any crossover inside the specimen is allowed for
                let far = depth + series.farthest_crossover(probe).max(depth);
                let reach = far * probe.semiangle_mrad() * 1e-3 + 2.0 * probe.source_size() + MARGIN;
                ((reach / series.pixel_size).ceil() as usize).min(FARTHEST).min(limit)
            }
        };
        let groups = match options.sharing {
            ProbeSharing::Section => series.sections,
            ProbeSharing::Image => series.images.len(),
        };
        if options.sharing == ProbeSharing::Section {
            check_sections(series)?;
        }
        let frequencies = (grid::frequencies(columns, 1.0), grid::frequencies(rows, 1.0));
        let mut to_origin = Ramp::default();
        let Ramp { x, y, dx, dy } = &mut to_origin;
        ramp_axis(&frequencies.0, columns / 2 + 1, -(half as f64), x, dx);
        ramp_axis(&frequencies.1, rows, -(half as f64), y, dy);
        let shape = ProbeShape { groups, slices, side: 2 * half + 1 };
        Ok(Self { shape, sharing: options.sharing, to_origin })
    }

    pub fn shape(&self) -> &ProbeShape {
        &self.shape
    }

    pub fn groups(&self) -> usize {
        self.shape.groups
    }

    fn group_of(&self, images: &[ImageGeometry], image: usize) -> usize {
        match self.sharing {
            ProbeSharing::Section => images[image].section,
            ProbeSharing::Image => image,
        }
    }

    /// The pixels of group `group` and slice `k` within the block.
    fn at(&self, group: usize, k: usize) -> Range<usize> {
        let first = (group * self.shape.slices + k) * self.shape.pixels();
        first..first + self.shape.pixels()
    }

    /// The square of a probe, without the negative lobes that the band limit of the grid gives it.
    pub fn pixels_of(&self, rigid: &Rigid<T>, whole: &Transfer<T>) -> Vec<f64> {
        let (plan, side) = (&rigid.plan, self.shape.side);
        let pitch = plan.columns();
        let mut spectrum: Vec<Complex<T>> = (0..plan.spectrum_len()).map(|i| whole.at(i)).collect();
        let mut image = vec![T::zero(); plan.rows() * pitch];
        self.to_origin.apply(&mut spectrum, plan.rows(), true);
        plan.inverse(&mut spectrum, T::one(), &mut image, pitch, 0..side, &mut plan.scratch());
        image.chunks_exact(pitch).take(side).flat_map(|row| &row[..side]).map(|v| v.f64().max(0.0)).collect()
    }

    /// Spectrum of a square of pixels around the origin.
    fn transform(
        &self,
        plan: &RealTransform2<T>,
        pixels: &[f64],
        (frame, spectrum): (&mut Vec<T>, &mut [Complex<T>]),
        scratch: &mut crate::fourier::RealTransformScratch<T>,
    ) {
        let (side, pitch) = (self.shape.side, plan.columns());
        frame.clear();
        frame.resize(plan.rows() * pitch, T::zero());
        for (row, of_square) in frame.chunks_exact_mut(pitch).zip(pixels.chunks_exact(side)) {
            row.iter_mut().zip(of_square).for_each(|(v, pixel)| *v = T::of(*pixel));
        }
        plan.forward(frame, pitch, 0..side, spectrum, scratch);
        self.to_origin.apply(spectrum, plan.rows(), false);
    }

    /// Tables of the probes with these `pixels`, from what the optics say for every image.
    pub fn tables(
        &self,
        rigid: &Rigid<T>,
        optics: &[Arc<ProbeStack<T>>],
        pixels: &[f64],
        context: &Context,
        images: &[ImageGeometry],
    ) -> Result<ProbeTables<T>> {
        let group = |image: usize| self.group_of(images, image);
        let first: Vec<Option<usize>> =
            (0..self.shape.groups).map(|g| (0..images.len()).find(|image| group(*image) == g)).collect();
        let count = self.shape.slices;
        let mut sum = 0.0;
        let mut change = pixels.to_vec();
        for (g, image) in first.iter().enumerate() {
            let Some(image) = image else { continue };
            let of_group = &mut change[self.at(g, 0).start..][..count * self.shape.pixels()];
            of_group.iter_mut().zip(&optics[*image].pixels).for_each(|(c, at_start)| *c -= at_start);
            sum += optics[*image].slices.iter().map(|slice| slice.at(0).re.f64()).sum::<f64>();
            sum += of_group.iter().sum::<f64>();
        }
        let probes = first.iter().flatten().count() * count;
        if sum.is_nan() || sum <= 0.0 {
            let wanted = "more than 0: the probes are empty";
            return Err(Error::range("sum of all pixels of probes", sum, wanted));
        }
        let factor = probes as f64 / sum;
        let computed: Vec<OnceLock<Transfer<T>>> = (0..self.shape.groups * count).map(|_| OnceLock::new()).collect();
        context.for_each(computed.len(), &mut |_| Ok(()), &|item| {
            let (g, k) = (item / count, item % count);
            let Some(image) = first[g] else { return Ok(()) };
            let mut scratch = rigid.plan.scratch();
            let mut spectrum = vec![Complex::default(); rigid.plan.spectrum_len()];
            self.transform(&rigid.plan, &change[self.at(g, k)], (&mut vec![], &mut spectrum), &mut scratch);
            let (scale, of_optics) = (T::of(factor), &optics[image].slices[k]);
            spectrum.iter_mut().enumerate().for_each(|(i, v)| *v = (*v + of_optics.at(i)).scale(scale));
            let _ = computed[item].set(Transfer::Complex(spectrum));
            Ok(())
        })?;
        let mut computed = computed.into_iter().map(OnceLock::into_inner);
        let stacks: Vec<Arc<ProbeStack<T>>> = (0..self.shape.groups)
            .map(|_| {
                let slices = computed.by_ref().take(count).flatten().collect();
                Arc::new(ProbeStack { slices, slopes: vec![], pixels: vec![] })
            })
            .collect();
        Ok(ProbeTables { by_image: (0..images.len()).map(|image| stacks[group(image)].clone()).collect(), factor })
    }

    /// The pixels that the optics say, all groups and slices.
    pub fn start(&self, stacks: &[Arc<ProbeStack<T>>], images: &[ImageGeometry]) -> Vec<f64> {
        let mut start = vec![0.0; self.shape.len()];
        for (image, stack) in stacks.iter().enumerate() {
            let group = self.group_of(images, image);
            start[self.at(group, 0).start..][..stack.pixels.len()].copy_from_slice(&stack.pixels);
        }
        start
    }

    /// dL/dp = c (conj(O_k) R - mean), the mean what the factor c answers with.
    pub fn add_gradient(
        &self,
        model: &LocalOrbital<T>,
        rigid: &Rigid<T>,
        at: &Point<'_, ProbeTables<T>>,
        images: &[usize],
        gradient: &mut [f64],
        own: &mut RigidWorkspace<T>,
    ) -> Result<()> {
        let (factor, series) = (at.shared.factor, &model.series.images);
        let along: f64 = (0..images.len()).map(|m| rigid.product(&own.residuals[m], &own.images[m])).sum();
        let share = along * factor / self.probes(series) as f64;
        let gradient = &mut gradient[model.blocks.probe.clone()];
        gradient.iter_mut().for_each(|g| *g -= share);
        let mut groups: Vec<usize> = images.iter().map(|image| self.group_of(series, *image)).collect();
        groups.sort_unstable();
        groups.dedup();
        let (side, pitch) = (self.shape.side, rigid.plan.columns());
        for (g, k) in groups.iter().flat_map(|g| (0..self.shape.slices).map(move |k| (*g, k))) {
            at.cancel.check("an evaluation")?;
            let (true, object) = &own.objects[k] else { continue };
            own.spectrum.fill(Complex::default());
            for (m, _) in images.iter().enumerate().filter(|(_, image)| self.group_of(series, **image) == g) {
                simd::add_adjoint_product(model.simd, object, &own.residuals[m], &mut own.spectrum);
            }
            self.to_origin.apply(&mut own.spectrum, rigid.plan.rows(), true);
            rigid.plan.inverse(&mut own.spectrum, T::of(factor), &mut own.frame, pitch, 0..side, &mut own.scratch);
            let rows = own.frame.chunks_exact(pitch);
            for (of_row, row) in gradient[self.at(g, k)].chunks_exact_mut(side).zip(rows) {
                of_row.iter_mut().zip(row).for_each(|(g, v)| *g += v.f64());
            }
        }
        Ok(())
    }

    /// Adds the change of the images with the pixels to `own.residuals`: the adjoint of [`Self::add_gradient`].
    pub fn add_change(
        &self,
        model: &LocalOrbital<T>,
        rigid: &Rigid<T>,
        at: &Point<'_, ProbeTables<T>>,
        images: &[usize],
        direction: &[f64],
        own: &mut RigidWorkspace<T>,
    ) -> Result<()> {
        let (factor, series) = (at.shared.factor, &model.series.images);
        let direction = &direction[model.blocks.probe.clone()];
        if direction.iter().all(|d| *d == 0.0) {
            return Ok(());
        }
        let answer = T::of(-factor * direction.iter().sum::<f64>() / self.probes(series) as f64);
        for (change, image) in own.residuals.iter_mut().zip(&own.images).take(images.len()) {
            change.iter_mut().zip(image).for_each(|(c, s)| *c = *c + s.scale(answer));
        }
        for (m, image) in images.iter().enumerate() {
            for k in 0..self.shape.slices {
                at.cancel.check("an evaluation")?;
                let (true, object) = &own.objects[k] else { continue };
                let pixels = &direction[self.at(self.group_of(series, *image), k)];
                let (frame, spectrum) = (&mut own.frame, &mut own.spectrum);
                self.transform(&rigid.plan, pixels, (frame, spectrum), &mut own.scratch);
                spectrum.iter_mut().for_each(|v| *v = v.scale(T::of(factor)));
                simd::add_product(model.simd, object, spectrum, &mut own.residuals[m]);
            }
        }
        Ok(())
    }

    /// Number of probes whose sums the factor brings to a mean of 1.
    fn probes(&self, images: &[ImageGeometry]) -> usize {
        let used = (0..self.shape.groups).filter(|g| (0..images.len()).any(|image| self.group_of(images, image) == *g));
        used.count() * self.shape.slices
    }
}

/// Images that share a probe need one defocus.
fn check_sections(series: &SeriesGeometry) -> Result<()> {
    for section in 0..series.sections {
        let mut of_section = series.images.iter().enumerate().filter(|(_, i)| i.section == section);
        let Some((first, known)) = of_section.next() else { continue };
        if let Some((other, image)) = of_section.find(|(_, i)| i.defocus != known.defocus) {
            let why = format!(
                "images {first} and {other} of section {section} have the defocus {} and {} A, but share a probe; number the \
                 sections alike in every tilt, give a section one defocus, or set probe_sharing to image",
                known.defocus, image.defocus
            );
            return Err(Error::Inconsistent { what: "sections of the adaptive model".into(), why });
        }
    }
    Ok(())
}

/// Probes on other depths: linear between them, constant beyond.
pub fn resample_probes(values: &[f64], shape: &ProbeShape, from: &[f64], to: &[f64]) -> Vec<f64> {
    let (pixels, last) = (shape.pixels(), from.len() - 1);
    let mut out = Vec::with_capacity(shape.groups * to.len() * pixels);
    for (group, depth) in (0..shape.groups).flat_map(|g| to.iter().map(move |z| (g, *z))) {
        let next = from.partition_point(|z| *z < depth).clamp(1, last.max(1)).min(last);
        let before = next.saturating_sub(1);
        let step = from[next] - from[before];
        let part = if step > 0.0 { ((depth - from[before]) / step).clamp(0.0, 1.0) } else { 0.0 };
        let of = |k: usize| &values[(group * from.len() + k) * pixels..][..pixels];
        out.extend(of(before).iter().zip(of(next)).map(|(a, b)| a * (1.0 - part) + b * part));
    }
    out
}

impl<T: Real> LocalOrbital<T> {
    /// Depths of slices or templates, A.
    pub fn depths(&self) -> Vec<f64> {
        self.rigid.as_ref().map_or(vec![0.0], |rigid| (0..rigid.slices).map(|k| rigid.centre(k)).collect())
    }

    /// Shape of the block of probe pixels.
    pub fn probe_shape(&self) -> ProbeShape {
        self.rigid.as_ref().and_then(|rigid| rigid.adaptive.as_ref()).map_or(ProbeShape::default(), |a| *a.shape())
    }

    /// Pixels of the probes as the optics in `parameters` (which need not hold pixels yet) say.
    pub fn start_probes(
        &self,
        parameters: &[f64],
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<Vec<f64>> {
        let Some(rigid) = &self.rigid else { return Ok(vec![]) };
        let Some(adaptive) = &rigid.adaptive else { return Ok(vec![]) };
        let none = [false; OPTICS];
        let stacks = rigid.stacks(self, parameters, none, context, waiting)?;
        Ok(adaptive.start(&stacks, &self.series.images))
    }
}
