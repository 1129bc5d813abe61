//! How a probe blurs a slice: the optical transfer function (OTF), the Fourier transform of the probe intensity at a
//! distance d from the crossover (paper 002, equations (7) to (10)), and its exact derivative along the beam:
//!
//! OTF(k; d) = FFT[ |psi(r, d)|^2 ] exp(-2 pi^2 source_size^2 k^2), psi(k, d) = A(k) exp(-i chi(k)) exp(-i pi lambda d k^2),
//! d|psi|^2 / dd = 2 Re(conj(psi) dpsi/dd), dpsi/dd = IFFT[ -i pi lambda k^2 psi(k, d) ], chi without its defocus term.
//!
//! The same holds for every coefficient C of the aberrations, with dchi/dC in place of pi lambda k^2.
//!
//! The intensity reaches to twice the aperture, often beyond what the image grid holds. It is therefore made on a fine
//! grid of the same extent (the same frequencies), with just so many points that nothing aliases into the band that is
//! read, and its spectrum is cropped to the image grid.

use std::f64::consts::PI;
use std::sync::Arc;

use ndarray::Array2;
use num_complex::Complex64;
use rustfft::{Fft, FftPlanner};

use super::probe::{check_grid, Probe};
use crate::error::{Error, Result};
use crate::grid::{fast_size, frequencies};

/// Rows that are transformed together: enough to read and write whole cache lines while transposing.
const BLOCK: usize = 16;
/// Most points per axis of the fine grid.
const MAX_POINTS: usize = 1 << 14;

/// Coefficients of the aberrations that fits correct: C12 and C21 as C cos(m phi_nm) and C sin(m phi_nm), then C30 (angstrom).
pub const CORRECTIONS: usize = 5;

/// What a transfer function is differentiated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slope {
    /// The distance d from the crossover.
    Distance,
    /// A coefficient, by its place among the [`CORRECTIONS`].
    Correction(usize),
}

/// One axis of the image grid and of the fine grid of the same extent.
#[derive(Debug, Clone, Copy)]
struct Axis {
    /// Pixels of the image.
    n: usize,
    /// Points of the fine grid.
    points: usize,
    /// Largest frequency index inside the aperture.
    reach: usize,
    /// Largest frequency index of the intensity that the image holds.
    band: usize,
    /// Frequency step, 1/angstrom.
    step: f64,
}

impl Axis {
    fn new(n: usize, pixel_size: f64, cutoff: f64) -> Result<Self> {
        let extent = n as f64 * pixel_size;
        // the margin keeps a frequency on the very edge of a hard aperture in spite of rounding
        let reach = (cutoff * extent + 1e-9).floor();
        let points = 2.0 * reach + (2.0 * reach).min((n / 2) as f64) + 1.0;
        if points.is_nan() || points > MAX_POINTS as f64 {
            let wanted =
                format!("at most {:.4e} A for an aperture of {cutoff:.4} 1/A", MAX_POINTS as f64 / 4.0 / cutoff);
            return Err(Error::range("extent of the probe grid", format!("{extent} A"), wanted));
        }
        let reach = reach as usize;
        let band = (2 * reach).min(n / 2);
        // |psi|^2 has indices up to 2 reach; those beyond the points alias to 2 reach - points, which must miss the band
        Ok(Self { n, points: fast_size(2 * reach + band + 1), reach, band, step: 1.0 / extent })
    }

    /// Signed indices of the frequencies inside the aperture.
    fn aperture(self) -> impl Iterator<Item = isize> {
        -(self.reach as isize)..=self.reach as isize
    }

    /// Position of a signed frequency index on the fine grid.
    fn fine(self, index: isize) -> usize {
        index.rem_euclid(self.points as isize) as usize
    }

    /// pi lambda k^2 at the frequencies inside the aperture, rad / angstrom.
    fn chirp(self, lambda: f64) -> Vec<f64> {
        self.aperture().map(|i| PI * lambda * (i as f64 * self.step).powi(2)).collect()
    }

    /// exp(-2 pi^2 sigma^2 k^2) at the frequencies of the image, in FFT order.
    fn source(self, sigma: f64) -> Vec<f64> {
        let pixel_size = 1.0 / (self.step * self.n as f64);
        frequencies(self.n, pixel_size).iter().map(|k| (-2.0 * (PI * sigma * k).powi(2)).exp()).collect()
    }
}

/// Plan for the transfer functions of one probe on one image grid: immutable, `Send + Sync`, to be shared.
///
/// The probe's own C10 plays no part: every call names the defocus of its image. All other aberrations, the aperture and
/// the source size do. The images are periodic: where the extent is smaller than the probe, the probe wraps around.
///
/// A transfer function is a half spectrum of a real image, **transposed**: index \[kx\]\[ky\], kx in 0..columns/2+1,
/// ky in 0..rows in FFT order, contiguous. Its origin is pixel (0, 0), so that a product with the half spectrum of an
/// image blurs without a shift, and its value at k = 0 is 1. On the Nyquist row and column of even sizes it is the mean
/// of the values at +Nyquist and -Nyquist, the one convention that keeps images real and leaves a point probe a point.
#[derive(Clone)]
pub struct ProbeTransfer {
    x: Axis,
    y: Axis,
    /// A exp(-i chi) without defocus, normalised, [kx][ky], both centred.
    pupil: Array2<Complex64>,
    chirp_x: Vec<f64>,
    chirp_y: Vec<f64>,
    /// dchi/dC of the corrections, rad / angstrom, as `pupil`.
    phases: Arc<[Array2<f64>; CORRECTIONS]>,
    source_x: Vec<f64>,
    source_y: Vec<f64>,
    centrosymmetric: bool,
    inverse_x: Arc<dyn Fft<f64>>,
    inverse_y: Arc<dyn Fft<f64>>,
    forward_x: Arc<dyn Fft<f64>>,
    forward_y: Arc<dyn Fft<f64>>,
}

/// Scratch memory for one caller of a [`ProbeTransfer`]. Grows on the first call, is reused by later ones, and may serve
/// any plan in turn.
#[derive(Default)]
pub struct TransferWorkspace {
    /// psi and dpsi/dd, transformed along y: [kx inside the aperture][y].
    waves: [Vec<Complex64>; 2],
    /// A block of rows of both.
    rows: [Vec<Complex64>; 2],
    /// Intensity and its derivative, transformed along x: [kx][y].
    halves: [Vec<Complex64>; 2],
    /// exp(-i pi lambda d ky^2).
    propagator_y: Vec<Complex64>,
    scratch: Vec<Complex64>,
}

impl TransferWorkspace {
    /// Bytes held at present.
    pub fn bytes(&self) -> usize {
        let pairs = [&self.waves, &self.rows, &self.halves].into_iter().flatten();
        let values = pairs.map(Vec::len).sum::<usize>() + self.propagator_y.len() + self.scratch.len();
        values * size_of::<Complex64>()
    }
}

impl std::fmt::Debug for ProbeTransfer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProbeTransfer").field("x", &self.x).field("y", &self.y).finish_non_exhaustive()
    }
}

impl ProbeTransfer {
    /// Plans the transfer of `probe` to images of `rows` x `cols` pixels of `pixel_size` (angstrom).
    ///
    /// # Errors
    /// `Shape` and `Range` for an impossible grid, or an extent that is too large for the aperture.
    pub fn new(probe: &Probe, rows: usize, cols: usize, pixel_size: f64) -> Result<Self> {
        Self::with_edge(probe, rows, cols, pixel_size, (rows, cols))
    }

    /// The same, with the soft edge of the aperture as wide as an image of `edge` = (rows, columns) pixels has it: the
    /// probe then does not change where images are padded to `rows` x `cols`.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_edge(probe: &Probe, rows: usize, cols: usize, pixel_size: f64, edge: (usize, usize)) -> Result<Self> {
        check_grid((rows, cols), pixel_size)?;
        let cutoff = probe.cutoff(edge, pixel_size);
        let (x, y) = (Axis::new(cols, pixel_size, cutoff)?, Axis::new(rows, pixel_size, cutoff)?);
        let aberrations = probe.aberrations().in_focus();
        let mut planner = FftPlanner::new();
        Ok(Self {
            pupil: normalised_pupil(probe.pupil(&aberrations, edge, pixel_size), x, y),
            chirp_x: x.chirp(probe.wavelength()),
            chirp_y: y.chirp(probe.wavelength()),
            phases: Arc::new(correction_phases(probe.wavelength(), x, y)),
            source_x: x.source(probe.source_size()),
            source_y: y.source(probe.source_size()),
            centrosymmetric: aberrations.is_centrosymmetric(),
            inverse_x: planner.plan_fft_inverse(x.points),
            inverse_y: planner.plan_fft_inverse(y.points),
            forward_x: planner.plan_fft_forward(x.points),
            forward_y: planner.plan_fft_forward(y.points),
            x,
            y,
        })
    }

    /// The same lens with these coefficients added to its aberrations. `symmetric` false: also its derivatives by
    /// coefficients of odd symmetry are wanted, for which inversion must not be used.
    #[must_use]
    pub fn corrected(&self, coefficients: &[f64; CORRECTIONS], symmetric: bool) -> Self {
        let mut changed = self.clone();
        for (phase, c) in self.phases.iter().zip(coefficients).filter(|(_, c)| **c != 0.0) {
            changed.pupil.zip_mut_with(phase, |value, g| *value *= Complex64::cis(-c * g));
        }
        let odd = coefficients[2] != 0.0 || coefficients[3] != 0.0;
        changed.centrosymmetric = self.centrosymmetric && symmetric && !odd;
        changed
    }

    /// Shape (columns / 2 + 1, rows) of a transfer function.
    pub fn shape(&self) -> (usize, usize) {
        (self.x.n / 2 + 1, self.y.n)
    }

    /// Whether the probe is its own image under inversion (only aberrations of even azimuthal order): the transfer
    /// functions are then real, their imaginary parts exactly 0.
    pub fn is_centrosymmetric(&self) -> bool {
        self.centrosymmetric
    }

    /// Transfer function at `depth` of an image of this `defocus` (both angstrom along the beam from the same reference
    /// plane), that is at the distance d = depth - defocus from the crossover. Not finite in, not finite out.
    pub fn otf(&self, defocus: f64, depth: f64) -> Array2<Complex64> {
        let mut otf = Array2::zeros(self.shape());
        self.evaluate(depth - defocus, Slope::Distance, &mut TransferWorkspace::default(), &mut [slice_of(&mut otf)]);
        otf
    }

    /// Transfer function and its derivative with respect to the distance d along the beam (1/angstrom):
    /// d/d(depth) = +derivative, d/d(defocus) = -derivative.
    pub fn otf_with_derivative(&self, defocus: f64, depth: f64) -> (Array2<Complex64>, Array2<Complex64>) {
        self.otf_with_slope(defocus, depth, Slope::Distance)
    }

    /// Transfer function and its derivative by what `slope` names.
    pub fn otf_with_slope(&self, defocus: f64, depth: f64, slope: Slope) -> (Array2<Complex64>, Array2<Complex64>) {
        let (mut otf, mut derivative) = (Array2::zeros(self.shape()), Array2::zeros(self.shape()));
        let outs = &mut [slice_of(&mut otf), slice_of(&mut derivative)];
        self.evaluate(depth - defocus, slope, &mut TransferWorkspace::default(), outs);
        (otf, derivative)
    }

    /// As [`Self::otf`], into `otf` (contiguous, of length columns/2+1 times rows), without allocation once the workspace
    /// has served a call like this.
    ///
    /// # Errors
    /// `Shape` for an output of another length.
    pub fn otf_into(
        &self,
        defocus: f64,
        depth: f64,
        workspace: &mut TransferWorkspace,
        otf: &mut [Complex64],
    ) -> Result<()> {
        self.check_length("otf", otf)?;
        self.evaluate(depth - defocus, Slope::Distance, workspace, &mut [otf]);
        Ok(())
    }

    /// As [`Self::otf_with_derivative`], into `otf` and `derivative`, without allocation once the workspace has served a
    /// call like this.
    ///
    /// # Errors
    /// `Shape` for an output of another length.
    pub fn otf_with_derivative_into(
        &self,
        defocus: f64,
        depth: f64,
        workspace: &mut TransferWorkspace,
        otf: &mut [Complex64],
        derivative: &mut [Complex64],
    ) -> Result<()> {
        self.check_length("otf", otf)?;
        self.check_length("derivative", derivative)?;
        self.evaluate(depth - defocus, Slope::Distance, workspace, &mut [otf, derivative]);
        Ok(())
    }

    /// Bytes that a workspace of this plan holds after a call with or without the derivative.
    pub fn workspace_bytes(&self, derivative: bool) -> usize {
        let fields = 1 + usize::from(derivative);
        let [waves, rows, halves] = self.field_lengths();
        (fields * (waves + rows + halves) + self.chirp_y.len() + self.scratch_length()) * size_of::<Complex64>()
    }

    fn check_length(&self, name: &str, out: &[Complex64]) -> Result<()> {
        let (columns, rows) = self.shape();
        if out.len() == columns * rows {
            return Ok(());
        }
        Err(Error::shape(name, &[out.len()], format!("{} values, {columns} x {rows}", columns * rows)))
    }

    /// Lengths of `waves`, `rows` and `halves` for one field.
    fn field_lengths(&self) -> [usize; 3] {
        [(2 * self.x.reach + 1) * self.y.points, BLOCK * self.x.points, (self.x.band + 1) * self.y.points]
    }

    fn scratch_length(&self) -> usize {
        let plans = [&self.inverse_x, &self.inverse_y, &self.forward_x, &self.forward_y];
        plans.iter().map(|p| p.get_inplace_scratch_len()).max().unwrap_or(0)
    }

    /// Rows of the intensity that must be made: the others follow from inversion symmetry.
    fn rows_made(&self) -> usize {
        if self.centrosymmetric {
            self.y.points / 2 + 1
        } else {
            self.y.points
        }
    }

    /// The OTF into `outs[0]` and, where there is a second output, its derivative into `outs[1]`.
    fn evaluate(&self, distance: f64, slope: Slope, workspace: &mut TransferWorkspace, outs: &mut [&mut [Complex64]]) {
        let fields = outs.len();
        self.prepare(workspace, fields);
        self.waves_along_y(distance, slope, workspace, fields);
        for first in (0..self.rows_made()).step_by(BLOCK) {
            let count = BLOCK.min(self.rows_made() - first);
            self.gather_rows(first, count, workspace, fields);
            self.intensity_along_x(first, count, workspace, fields);
        }
        for (out, half) in outs.iter_mut().zip(&mut workspace.halves) {
            if self.centrosymmetric {
                complete_by_inversion(half, self.y.points);
            }
            self.crop(half, &mut workspace.scratch, out);
        }
    }

    fn prepare(&self, workspace: &mut TransferWorkspace, fields: usize) {
        let [waves, rows, halves] = self.field_lengths();
        for field in 0..fields {
            workspace.waves[field].resize(waves, Complex64::ZERO);
            workspace.rows[field].resize(rows, Complex64::ZERO);
            workspace.halves[field].resize(halves, Complex64::ZERO);
        }
        workspace.propagator_y.resize(self.chirp_y.len(), Complex64::ZERO);
        workspace.scratch.resize(self.scratch_length(), Complex64::ZERO);
    }

    /// psi(k, d) and its derivative, -i pi lambda k^2 psi(k, d) or -i dchi/dC psi(k, d), transformed along y. The propagator is
    /// a row times a column.
    fn waves_along_y(&self, distance: f64, by: Slope, workspace: &mut TransferWorkspace, fields: usize) {
        let rate = |i: usize, j: usize| match by {
            Slope::Distance => self.chirp_x[i] + self.chirp_y[j],
            Slope::Correction(c) => self.phases[c][(i, j)],
        };
        let TransferWorkspace { waves, propagator_y, scratch, .. } = workspace;
        for (p, chirp) in propagator_y.iter_mut().zip(&self.chirp_y) {
            *p = Complex64::cis(-chirp * distance);
        }
        waves[..fields].iter_mut().for_each(|wave| wave.fill(Complex64::ZERO));
        let [psi, slope] = waves;
        for (i, (pupil, &chirp_x)) in self.pupil.rows().into_iter().zip(&self.chirp_x).enumerate() {
            let propagator_x = Complex64::cis(-chirp_x * distance);
            let column = i * self.y.points..(i + 1) * self.y.points;
            for (j, ky) in self.y.aperture().enumerate() {
                let value = pupil[j] * propagator_x * propagator_y[j];
                let at = column.start + self.y.fine(ky);
                psi[at] = value;
                if fields == 2 {
                    slope[at] = value * Complex64::new(0.0, -rate(i, j));
                }
            }
        }
        for wave in &mut waves[..fields] {
            self.inverse_y.process_with_scratch(wave, scratch);
        }
    }

    /// Completes psi (and dpsi/dd) on `count` rows from `first`: [row][x].
    fn gather_rows(&self, first: usize, count: usize, workspace: &mut TransferWorkspace, fields: usize) {
        let TransferWorkspace { waves, rows, scratch, .. } = workspace;
        for (wave, rows) in waves.iter().zip(rows).take(fields) {
            let rows = &mut rows[..count * self.x.points];
            rows.fill(Complex64::ZERO);
            for (i, kx) in self.x.aperture().enumerate() {
                let (column, at) = (&wave[i * self.y.points + first..][..count], self.x.fine(kx));
                for (row, value) in rows.chunks_exact_mut(self.x.points).zip(column) {
                    row[at] = *value;
                }
            }
            self.inverse_x.process_with_scratch(rows, scratch);
        }
    }

    /// From the waves on `count` rows to their intensity (and its derivative), transformed along x, in `halves`.
    /// Two real rows travel through one complex transform: rows y and y + 1, or intensity and derivative of one row.
    fn intensity_along_x(&self, first: usize, count: usize, workspace: &mut TransferWorkspace, fields: usize) {
        let TransferWorkspace { rows: [psi, slope], halves: [half, half_slope], scratch, .. } = workspace;
        let (n, ny) = (self.x.points, self.y.points);
        if fields == 2 {
            for (v, s) in psi[..count * n].iter_mut().zip(slope.iter()) {
                *v = Complex64::new(v.norm_sqr(), 2.0 * (v.conj() * s).re);
            }
            self.forward_x.process_with_scratch(&mut psi[..count * n], scratch);
            for (y, packed) in (first..).zip(psi[..count * n].chunks_exact(n)) {
                for kx in 0..=self.x.band {
                    (half[kx * ny + y], half_slope[kx * ny + y]) = unpack(packed, kx);
                }
            }
            return;
        }
        for (y, pair) in (first..).step_by(2).zip(psi[..count * n].chunks_mut(2 * n)) {
            let (packed, second) = pair.split_at_mut(n);
            for (x, v) in packed.iter_mut().enumerate() {
                *v = Complex64::new(v.norm_sqr(), second.get(x).map_or(0.0, Complex64::norm_sqr));
            }
            self.forward_x.process_with_scratch(packed, scratch);
            for kx in 0..=self.x.band {
                let (even, odd) = unpack(packed, kx);
                half[kx * ny + y] = even;
                if !second.is_empty() {
                    half[kx * ny + y + 1] = odd;
                }
            }
        }
    }

    /// Last transform, along y, and the crop to the image grid, with source size and normalisation.
    fn crop(&self, half: &mut [Complex64], scratch: &mut [Complex64], out: &mut [Complex64]) {
        let (x, y) = (self.x, self.y);
        self.forward_y.process_with_scratch(half, scratch);
        out.fill(Complex64::ZERO);
        let scale = 1.0 / (x.points * y.points) as f64;
        let lines = out.chunks_exact_mut(y.n).zip(half.chunks_exact(y.points)).zip(&self.source_x);
        for (kx, ((line, fine), source_x)) in lines.enumerate() {
            for ky in -(y.band as isize)..=y.band as isize {
                // +Nyquist and -Nyquist of an even size meet in one element, which receives half of each
                let weight = if 2 * ky.unsigned_abs() == y.n { 0.5 } else { 1.0 };
                line[ky.rem_euclid(y.n as isize) as usize] += fine[y.fine(ky)] * weight;
            }
            if 2 * kx == x.n {
                make_hermitian(line);
            }
            for (v, source_y) in line.iter_mut().zip(&self.source_y) {
                *v *= scale * source_x * source_y;
                if self.centrosymmetric {
                    v.im = 0.0;
                }
            }
        }
    }
}

/// Samples the pupil at the frequencies inside the aperture, [kx][ky], scaled to a sum of squares of 1.
fn normalised_pupil(pupil: impl Fn(f64, f64) -> Complex64, x: Axis, y: Axis) -> Array2<Complex64> {
    let at = |axis: Axis, i: usize| (i as f64 - axis.reach as f64) * axis.step;
    let shape = (2 * x.reach + 1, 2 * y.reach + 1);
    let values = Array2::from_shape_fn(shape, |(i, j)| pupil(at(x, i), at(y, j)));
    let norm = values.iter().map(Complex64::norm_sqr).sum::<f64>().sqrt();
    values / Complex64::from(norm)
}

/// dchi/dC = 2 pi / lambda alpha^(n+1) / (n+1) {cos m phi, sin m phi} of the corrections, [kx][ky] inside the aperture.
fn correction_phases(lambda: f64, x: Axis, y: Axis) -> [Array2<f64>; CORRECTIONS] {
    const TERMS: [(i32, f64, bool); CORRECTIONS] =
        [(1, 2.0, false), (1, 2.0, true), (2, 1.0, false), (2, 1.0, true), (3, 0.0, false)];
    let at = |axis: Axis, i: usize| (i as f64 - axis.reach as f64) * axis.step;
    TERMS.map(|(n, m, sine)| {
        Array2::from_shape_fn((2 * x.reach + 1, 2 * y.reach + 1), |(i, j)| {
            let (kx, ky) = (at(x, i), at(y, j));
            let (alpha, phi) = (lambda * kx.hypot(ky), ky.atan2(kx));
            let azimuthal = if sine { (m * phi).sin() } else { (m * phi).cos() };
            2.0 * PI / lambda * alpha.powi(n + 1) / f64::from(n + 1) * azimuthal
        })
    })
}

/// Spectra at index `k` of the real rows a and b from the transform of a + i b.
fn unpack(packed: &[Complex64], k: usize) -> (Complex64, Complex64) {
    let (plus, minus) = (packed[k], packed[(packed.len() - k) % packed.len()].conj());
    let difference = plus - minus;
    ((plus + minus) * 0.5, Complex64::new(difference.im, -difference.re) * 0.5)
}

/// Rows n/2 + 1 .. n of an intensity that equals its own inversion: F(kx, -y) = conj F(kx, y).
fn complete_by_inversion(half: &mut [Complex64], n: usize) {
    for column in half.chunks_exact_mut(n) {
        for y in n / 2 + 1..n {
            column[y] = column[n - y].conj();
        }
    }
}

/// The mean of F(+Nyquist, ky) and F(-Nyquist, ky) = conj F(+Nyquist, -ky).
fn make_hermitian(line: &mut [Complex64]) {
    let n = line.len();
    for ky in 0..=n / 2 {
        let opposite = (n - ky) % n;
        let mean = (line[ky] + line[opposite].conj()) * 0.5;
        line[ky] = mean;
        line[opposite] = mean.conj();
    }
}

/// The elements of an array in standard layout.
fn slice_of(array: &mut Array2<Complex64>) -> &mut [Complex64] {
    array.as_slice_mut().unwrap_or(&mut [])
}
