//! Tables of probe transfer functions: one stack over the slices for every set of optics in use.
//!
//! The stack of a section with defocus f holds OTF(z_k - f), the transform of |psi(z_k - f)|^2 normalised to sum 1 over
//! pixels, formulas (8)-(10) of the LOT paper, times what is fitted beside aberrations:
//!
//! P_k(q) = OTF(q; z_k - f) exp(-2 pi^2 (blur + broadening z_k) q^2) exp(-attenuation z_k).
//!
//! Tables depend on numbers only, so a cache by those numbers changes no result.

use super::adaptive::{resample_probes, Adaptive, MARGIN};
use super::parameters::{Blocks, ProbeShape, OPTICS};
use super::rigid::Rigid;
use super::LocalOrbital;
use crate::context::Context;
use crate::error::Result;
use crate::fourier::RealTransform2;
use crate::grid;
use crate::optics::{Probe, ProbeTransfer, Slope};
use crate::simd::{Real, SimdPath, Transfer};
use ndarray::Array2;
use num_complex::Complex64;
use std::f64::consts::PI;
use std::sync::{Arc, Mutex, OnceLock};

/// Places in [`Blocks::optics_of`].
const FIRST_ABERRATION: usize = 1;
const BLUR: usize = 6;
const BROADENING: usize = 7;
const ATTENUATION: usize = 8;

/// Transfer functions of all slices for one set of optics.
pub(super) struct ProbeStack<T> {
    pub slices: Vec<Transfer<T>>,
    /// Derivatives with respect to the numbers of the optics that are fitted, by their place in [`Blocks::optics_of`].
    pub slopes: Vec<(usize, Vec<Transfer<T>>)>,
    /// Of the adaptive model: the pixels of the square at these optics.
    pub pixels: Vec<f64>,
}

/// The optics (bits of their numbers), and which derivatives are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    optics: [u64; OPTICS],
    wanted: [bool; OPTICS],
}

impl Key {
    fn optics(&self) -> [f64; OPTICS] {
        self.optics.map(f64::from_bits)
    }
}

/// Stacks of the latest point.
pub(super) type StackCache<T> = Mutex<Vec<(Key, Arc<ProbeStack<T>>)>>;

/// The stack of every image of the series at one point.
pub struct ProbeTables<T> {
    pub(super) by_image: Vec<Arc<ProbeStack<T>>>,
    /// Factor that brings the pixels of all probes to a mean sum of 1; 1 without pixels.
    pub(super) factor: f64,
}

impl<T> Default for ProbeTables<T> {
    fn default() -> Self {
        Self { by_image: Vec::new(), factor: 1.0 }
    }
}

impl<T> ProbeTables<T> {
    pub(super) fn of_image(&self, image: usize) -> &ProbeStack<T> {
        &self.by_image[image]
    }
}

impl<T: Real> Rigid<T> {
    /// Tables for `parameters`, new ones computed on the workers.
    pub(super) fn tables(
        &self,
        model: &LocalOrbital<T>,
        parameters: &[f64],
        active: &[bool],
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<ProbeTables<T>> {
        let wanted = Blocks::OF_OPTICS.map(|block| active[block] && self.adaptive.is_none());
        let by_image = self.stacks(model, parameters, wanted, context, waiting)?;
        match &self.adaptive {
            None => Ok(ProbeTables { by_image, factor: 1.0 }),
            Some(adaptive) => {
                let pixels = &parameters[model.blocks.probe.clone()];
                adaptive.tables(self, &by_image, pixels, context, &model.series.images)
            }
        }
    }

    /// What the optics say, for every image.
    pub(super) fn stacks(
        &self,
        model: &LocalOrbital<T>,
        parameters: &[f64],
        wanted: [bool; OPTICS],
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<Vec<Arc<ProbeStack<T>>>> {
        let images = model.series.images.iter();
        let keys: Vec<Key> = images
            .map(|image| {
                let mut optics = model.blocks.optics_of(image.section).map(|at| parameters[at]);
                optics[0] += self.probe_defocus + image.defocus;
                Key { optics: optics.map(f64::to_bits), wanted }
            })
            .collect();
        let mut known = self.cache.lock().unwrap_or_else(|p| p.into_inner()).clone();
        let mut missing: Vec<Key> = keys.iter().filter(|k| !known.iter().any(|(c, _)| c == *k)).copied().collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            known.extend(self.compute(&missing, model.series.pixel_size, context, waiting)?);
            known.retain(|(key, _)| keys.contains(key));
            *self.cache.lock().unwrap_or_else(|p| p.into_inner()) = known.clone();
        }
        let find = |key: &Key| known.iter().find(|(k, _)| k == key).map(|(_, stack)| stack.clone());
        Ok(keys.iter().filter_map(find).collect())
    }

    fn compute(
        &self,
        keys: &[Key],
        pixel_size: f64,
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<Vec<(Key, Arc<ProbeStack<T>>)>> {
        let items = keys.len() * self.slices;
        let computed: Vec<OnceLock<Slice<T>>> = (0..items).map(|_| OnceLock::new()).collect();
        context.for_each(items, &mut |done| waiting(done as f64 / items as f64), &|item| {
            let (key, depth) = (&keys[item / self.slices], self.centre(item % self.slices));
            let _ = computed[item].set(self.slice(key, depth, pixel_size));
            Ok(())
        })?;
        let mut slices = computed.into_iter().filter_map(OnceLock::into_inner);
        let stacks = keys.iter().map(|key| {
            let mut stack = ProbeStack { slices: vec![], slopes: vec![], pixels: vec![] };
            stack.slopes.extend((0..OPTICS).filter(|o| key.wanted[*o]).map(|o| (o, vec![])));
            for slice in slices.by_ref().take(self.slices) {
                stack.slices.push(slice.value);
                stack.slopes.iter_mut().zip(slice.slopes).for_each(|((_, of_all), slope)| of_all.push(slope));
                stack.pixels.extend(slice.pixels);
            }
            (*key, Arc::new(stack))
        });
        Ok(stacks.collect())
    }

    /// The transfer function of one depth, and its derivatives by the numbers wanted.
    fn slice(&self, key: &Key, depth: f64, pixel_size: f64) -> Slice<T> {
        let optics = key.optics();
        let coefficients = std::array::from_fn(|c| optics[FIRST_ABERRATION + c]);
        // the derivative by a coefficient of coma has no symmetry even where there is no coma
        let symmetric = !(key.wanted[3] || key.wanted[4]);
        let transfer = self.transfer.corrected(&coefficients, symmetric);
        let convert = |values: Array2<Complex64>| {
            let values = values.as_standard_layout();
            Transfer::new(values.as_slice().unwrap_or_default(), transfer.is_centrosymmetric())
        };
        let rate = |(kx, ky): (usize, usize)| blur_rate(self.frequencies.0[kx], self.frequencies.1[ky], pixel_size);
        let damped = |mut values: Array2<Complex64>| {
            damp(&mut values, &optics, depth, rate);
            values
        };
        let value = damped(transfer.otf(optics[0], depth));
        let scaled = |factor: &dyn Fn((usize, usize)) -> f64| {
            let mut scaled = value.clone();
            scaled.indexed_iter_mut().for_each(|(at, value)| *value *= factor(at));
            scaled
        };
        let slope = |optic: usize| match optic {
            0 => -damped(transfer.otf_with_slope(optics[0], depth, Slope::Distance).1), // d = z - f
            BLUR => scaled(&rate),
            BROADENING => scaled(&|at| depth * rate(at)),
            ATTENUATION => scaled(&|_| -depth),
            c => damped(transfer.otf_with_slope(optics[0], depth, Slope::Correction(c - FIRST_ABERRATION)).1),
        };
        let slopes = (0..OPTICS).filter(|o| key.wanted[*o]).map(|o| convert(slope(o))).collect();
        let value = convert(value);
        let pixels = self.adaptive.as_ref().map_or(vec![], |adaptive| adaptive.pixels_of(self, &value));
        Slice { value, slopes, pixels }
    }

    /// Bytes of the tables for `sets` different optics.
    pub fn table_bytes(&self, sets: usize) -> usize {
        let value = size_of::<T>() * if self.real && self.adaptive.is_none() { 1 } else { 2 };
        let of_probes = self.adaptive.as_ref().map_or(0, Adaptive::groups);
        (sets + of_probes) * self.slices * self.plan.spectrum_len() * value
    }
}

/// One depth of a stack.
struct Slice<T> {
    value: Transfer<T>,
    slopes: Vec<Transfer<T>>,
    pixels: Vec<f64>,
}

/// -2 pi^2 q^2 at frequencies in cycles per pixel: the logarithm of a transfer function per A^2 of variance.
fn blur_rate(kx: f64, ky: f64, pixel_size: f64) -> f64 {
    -2.0 * (PI / pixel_size).powi(2) * (kx * kx + ky * ky)
}

/// Blur, broadening and attenuation.
fn damp(values: &mut Array2<Complex64>, optics: &[f64; OPTICS], depth: f64, rate: impl Fn((usize, usize)) -> f64) {
    let variance = optics[BLUR] + optics[BROADENING] * depth;
    if variance == 0.0 && optics[ATTENUATION] == 0.0 {
        return;
    }
    let kept = (-optics[ATTENUATION] * depth).exp();
    values.indexed_iter_mut().for_each(|(at, value)| *value *= kept * (variance * rate(at)).exp());
}

/// The probe of an image in numbers that hold on any grid.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageOptics {
    /// As [`Blocks::optics_of`]; the first is the crossover in A.
    pub numbers: [f64; OPTICS],
    /// What the pixels of an adaptive probe add, at depths of their own: `None` in the rigid model.
    pub pixels: Option<Arc<ProbeChange>>,
}

/// Difference between the pixels of a probe and those of its optics.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeChange {
    /// Factor on the whole probe.
    pub factor: f64,
    /// Rows and columns.
    pub side: usize,
    /// Depths of its slices, A.
    pub depths: Vec<f64>,
    /// [depths, side, side].
    pub values: Vec<f64>,
}

impl ImageOptics {
    /// Transfer functions at some depths on the square grid of `plan` (transposed half spectra), what pixels add included.
    pub(super) fn stack(
        &self,
        transfer: &ProbeTransfer,
        depths: &[f64],
        (plan, pixel_size): (&RealTransform2<f64>, f64),
    ) -> Vec<Vec<Complex64>> {
        let size = plan.rows();
        let coefficients = std::array::from_fn(|c| self.numbers[FIRST_ABERRATION + c]);
        let (transfer, frequencies) = (transfer.corrected(&coefficients, true), grid::frequencies(size, 1.0));
        let rate = |(kx, ky): (usize, usize)| blur_rate(frequencies[kx], frequencies[ky], pixel_size);
        let of_optics = |depth: &f64| {
            let mut values = transfer.otf(self.numbers[0], *depth);
            damp(&mut values, &self.numbers, *depth, rate);
            values.iter().copied().collect()
        };
        let mut stack: Vec<Vec<Complex64>> = depths.iter().map(of_optics).collect();
        let Some(change) = &self.pixels else { return stack };
        let side = change.side.min(size);
        let shape = ProbeShape { groups: 1, slices: change.depths.len(), side: change.side };
        let values = resample_probes(&change.values, &shape, &change.depths, depths);
        let (mut scratch, mut spectrum) = (plan.scratch(), vec![Complex64::default(); plan.spectrum_len()]);
        for (transfer, pixels) in stack.iter_mut().zip(values.chunks_exact(shape.pixels())) {
            // around pixel (0, 0), from where the rest wraps around
            let mut frame = vec![0.0; size * size];
            let (half, skipped) = (side / 2, (change.side - side) / 2);
            for (r, c) in (0..side).flat_map(|r| (0..side).map(move |c| (r, c))) {
                let (row, column) = ((r + size - half) % size, (c + size - half) % size);
                frame[row * size + column] += pixels[(r + skipped) * change.side + c + skipped];
            }
            plan.forward(&frame, size, 0..size, &mut spectrum, &mut scratch);
            transfer.iter_mut().zip(&spectrum).for_each(|(t, s)| *t = (*t + s) * change.factor);
        }
        stack
    }
}

/// Intensities of a probe at some depths, [depths, side, side] around the beam; images have the shape `edge`. `side`: `None`
/// for what the rays of the aperture need.
///
/// # Errors
/// As for [`ProbeTransfer::with_edge`].
pub fn probe_images(
    probe: &Probe,
    optics: &ImageOptics,
    depths: &[f64],
    (edge, pixel_size): ((usize, usize), f64),
    side: Option<usize>,
) -> Result<(usize, Vec<f64>)> {
    let far = depths.iter().map(|z| (z - optics.numbers[0]).abs()).fold(0.0, f64::max);
    let rays = (far * probe.semiangle_mrad() * 1e-3 + 2.0 * probe.source_size() + MARGIN) / pixel_size;
    let side = side.unwrap_or(2 * rays.ceil() as usize + 1);
    // twice the square: what lies beside it must not wrap around into it
    let size = grid::fast_size(2 * side);
    let transfer = ProbeTransfer::with_edge(probe, size, size, pixel_size, edge)?;
    let plan = RealTransform2::<f64>::new(SimdPath::detect(), size, size);
    let (mut scratch, mut image) = (plan.scratch(), vec![0.0; size * size]);
    let mut out = Vec::with_capacity(depths.len() * side * side);
    for mut spectrum in optics.stack(&transfer, depths, (&plan, pixel_size)) {
        plan.inverse(&mut spectrum, 1.0, &mut image, size, 0..size, &mut scratch);
        for (r, c) in (0..side).flat_map(|r| (0..side).map(move |c| (r, c))) {
            out.push(image[(r + size - side / 2) % size * size + (c + size - side / 2) % size]);
        }
    }
    Ok((side, out))
}
