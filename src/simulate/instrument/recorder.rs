//! The plan of an instrument for images of one size, and the recording of one image.

use super::detector::gamma;
use super::scan::{resample, spline_coefficients};
use super::{Instrument, Transfer};
use crate::error::{Error, Result};
use crate::fourier::{RealFilter, RealFilterScratch};
use crate::grid::Plane;
use crate::simd::SimdPath;
use crate::simulate::random::{poisson, stream, Purpose};
use ndarray::{Array2, Array3};
use rand::RngExt;
use rand_distr::StandardNormal;

/// A defect of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Defect {
    /// A good pixel.
    None = 0,
    /// It sees no electrons.
    Dead = 1,
    /// It has a dark current of its own.
    Hot = 2,
}

/// An instrument planned for images of one size: immutable, shared between threads.
pub struct Recorder {
    instrument: Instrument,
    plane: Plane,
    spline: Option<RealFilter>,
    before_noise: Option<RealFilter>,
    after_noise: Option<RealFilter>,
    /// Relative gain of each pixel, 0 of dead ones; empty where all are 1.
    gain: Vec<f64>,
    /// Mean dark electrons of each pixel; empty where all are 0.
    dark: Vec<f64>,
    defects: Vec<Defect>,
}

/// Scratch of one worker; garbage between calls.
pub struct RecorderScratch {
    copy: Vec<f64>,
    filter: Option<RealFilterScratch>,
}

impl Instrument {
    /// The plan for images of `plane`, and the fixed patterns of its detector.
    ///
    /// # Errors
    /// Those of [`Instrument::check`], and `Range` for more defects than pixels.
    pub fn recorder(&self, path: SimdPath, plane: Plane) -> Result<Recorder> {
        self.check()?;
        let detector = &self.detector;
        let shape = (plane.rows, plane.columns);
        let filter =
            |factor: &dyn Fn(f64) -> f64| RealFilter::new(path, shape, self.edge, |ky, kx| factor(ky.hypot(kx)));
        let (mtf, noise) = (&detector.mtf, &detector.noise_mtf);
        let defects = self.defects(plane.pixels())?;
        Ok(Recorder {
            spline: (!self.scan.is_perfect()).then(|| spline_coefficients(path, &plane, self.edge)),
            before_noise: (mtf != noise).then(|| filter(&|f| mtf.at(f) / noise.at(f))),
            after_noise: (*noise != Transfer::Perfect).then(|| filter(&|f| noise.at(f))),
            gain: self.gain(&defects)?,
            dark: self.dark(&defects)?,
            defects,
            instrument: self.clone(),
            plane,
        })
    }

    /// Dead and hot pixels, drawn together so that none is both.
    fn defects(&self, pixels: usize) -> Result<Vec<Defect>> {
        let (dead, hot) = (self.detector.dead_pixels, self.detector.hot_pixels);
        let bad = dead.saturating_add(hot);
        if bad > pixels {
            let wanted = format!("at most the {pixels} pixels of an image");
            return Err(Error::range("dead_pixels + hot_pixels", bad, wanted));
        }
        // The first places of a shuffle that stops there.
        let mut defects = vec![Defect::None; pixels];
        let mut order: Vec<usize> = if bad > 0 { (0..pixels).collect() } else { vec![] };
        let mut random = stream(self.seed, Purpose::Defects, 0);
        for i in 0..bad {
            order.swap(i, random.random_range(i..pixels));
            defects[order[i]] = if i < dead { Defect::Dead } else { Defect::Hot };
        }
        Ok(defects)
    }

    fn gain(&self, defects: &[Defect]) -> Result<Vec<f64>> {
        if self.detector.gain_pattern == 0.0 && self.detector.dead_pixels == 0 {
            return Ok(vec![]);
        }
        let factors = pattern(self.detector.gain_pattern, defects.len(), self.seed, Purpose::GainPattern)?;
        Ok(factors.iter().zip(defects).map(|(g, d)| if *d == Defect::Dead { 0.0 } else { *g }).collect())
    }

    fn dark(&self, defects: &[Defect]) -> Result<Vec<f64>> {
        let detector = &self.detector;
        let hot_current = if detector.hot_pixels > 0 { detector.hot_current } else { 0.0 };
        if detector.dark_current == 0.0 && hot_current == 0.0 {
            return Ok(vec![]);
        }
        let factors = pattern(detector.dark_pattern, defects.len(), self.seed, Purpose::DarkPattern)?;
        let hot = |defect: &Defect| if *defect == Defect::Hot { hot_current } else { 0.0 };
        Ok(factors.iter().zip(defects).map(|(f, d)| detector.dark_current * f + hot(d)).collect())
    }
}

/// Applies a filter that exists.
fn filter(filter: &Option<RealFilter>, image: &mut [f64], scratch: &mut Option<RealFilterScratch>) {
    if let (Some(filter), Some(scratch)) = (filter, scratch) {
        filter.apply(image, scratch);
    }
}

/// Factors of mean 1 and standard deviation `spread`, none of them negative.
fn pattern(spread: f64, pixels: usize, seed: u64, purpose: Purpose) -> Result<Vec<f64>> {
    if spread == 0.0 {
        return Ok(vec![1.0; pixels]);
    }
    let (variance, mut random) = (spread * spread, stream(seed, purpose, 0));
    (0..pixels).map(|_| gamma(1.0 / variance, variance, &mut random)).collect()
}

impl Recorder {
    /// The description.
    pub fn instrument(&self) -> &Instrument {
        &self.instrument
    }

    /// Size of images and pixels.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Whether a pixel of a recorded image depends on several pixels of the ideal one.
    pub(super) fn mixes_pixels(&self) -> bool {
        self.spline.is_some() || self.before_noise.is_some() || self.after_noise.is_some()
    }

    /// Displacements `[row, column, 2]` of the beam in image number `image`, angstrom, see [`super::Scan::displacements`].
    pub fn displacements(&self, image: u64) -> Array3<f64> {
        self.instrument.scan.displacements(&self.plane, self.instrument.seed, image)
    }

    /// Relative gain `[row, column]` of the pixels, 0 of dead ones.
    pub fn gain(&self) -> Array2<f64> {
        self.array(&self.gain, 1.0)
    }

    /// Mean dark electrons `[row, column]` of the pixels in one exposure.
    pub fn dark(&self) -> Array2<f64> {
        self.array(&self.dark, 0.0)
    }

    /// Defects `[row, column]`.
    pub fn defects(&self) -> Array2<Defect> {
        self.array(&self.defects, Defect::None)
    }

    fn array<T: Copy>(&self, values: &[T], absent: T) -> Array2<T> {
        let columns = self.plane.columns;
        Array2::from_shape_fn((self.plane.rows, columns), |(r, c)| {
            values.get(r * columns + c).copied().unwrap_or(absent)
        })
    }

    /// Scratch for one worker.
    pub fn scratch(&self) -> RecorderScratch {
        // All filters have the same size, and with it the same scratch.
        let filter = self.spline.as_ref().or(self.before_noise.as_ref()).or(self.after_noise.as_ref());
        RecorderScratch { copy: vec![], filter: filter.map(RealFilter::scratch) }
    }

    /// Turns the ideal `image` (row by row) into what is recorded as image number `number` of the seed. It depends on
    /// nothing else.
    ///
    /// # Errors
    /// `NonFinite` with row and column of a bad pixel, `Shape`, `Range` for a number of electrons beyond what can be drawn.
    pub fn record(&self, number: u64, image: &mut [f64], scratch: &mut RecorderScratch) -> Result<()> {
        if image.len() != self.plane.pixels() {
            let wanted = format!("{} x {} pixels as planned", self.plane.rows, self.plane.columns);
            return Err(Error::shape("image", &[image.len()], wanted));
        }
        if let Some(i) = image.iter().position(|v| !v.is_finite()) {
            let at = format!("image {number}, row {}, column {}", i / self.plane.columns, i % self.plane.columns);
            return Err(Error::NonFinite { what: "image".into(), value: image[i], at });
        }
        let RecorderScratch { copy, filter: scratch } = scratch;
        if self.spline.is_some() {
            copy.clear();
            copy.extend_from_slice(image);
            filter(&self.spline, copy, scratch);
            resample(copy, &self.displacements(number), &self.plane, self.instrument.edge, image);
        }
        filter(&self.before_noise, image, scratch);
        self.expose(number, image)?;
        filter(&self.after_noise, image, scratch);
        self.read_out(number, image)
    }

    /// From signals to electrons that the detector registers.
    fn expose(&self, number: u64, image: &mut [f64]) -> Result<()> {
        let detector = &self.instrument.detector;
        let Some(electrons) = self.instrument.electrons(self.plane.pixel_x) else {
            image.iter_mut().for_each(|v| *v = detector.mean_signal(*v));
            return Ok(());
        };
        let mut random = stream(self.instrument.seed, Purpose::Shot, number);
        image.iter_mut().try_for_each(|v| {
            *v = detector.expose(electrons * *v, &mut random)?;
            Ok(())
        })
    }

    /// What the pixels add, and the number that is stored.
    fn read_out(&self, number: u64, image: &mut [f64]) -> Result<()> {
        let (seed, detector) = (self.instrument.seed, &self.instrument.detector);
        image.iter_mut().zip(&self.gain).for_each(|(v, gain)| *v *= gain);
        let mut random = stream(seed, Purpose::Dark, number);
        for (v, dark) in image.iter_mut().zip(&self.dark) {
            *v += poisson(*dark, &mut random)?;
        }
        if detector.read_noise > 0.0 {
            let mut random = stream(seed, Purpose::Read, number);
            image.iter_mut().for_each(|v| *v += detector.read_noise * random.sample::<f64, _>(StandardNormal));
        }
        image.iter_mut().for_each(|v| *v = detector.digitize(*v));
        Ok(())
    }
}
