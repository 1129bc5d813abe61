//! The instrument between a simulation and a recorded image: everything that a preparation of data has to undo.
//!
//! One description, [`Instrument`]; [`Instrument::recorder`] makes the plan for one size of images, whose
//! [`Recorder::record`] turns the image number i into what is recorded. Order of events, each left out where its option is
//! zero, so that without options nothing changes to the last bit:
//!
//! 1. the scan visits other places than the pixels say (`scan`);
//! 2. the dose makes signals numbers of electrons, blurred by mtf / noise mtf (`transfer`);
//! 3. Poisson statistics, quantum efficiency, dead time (`detector`);
//! 4. blur by the noise mtf, which shapes the noise, too;
//! 5. gain of each pixel and dead ones, dark and hot ones, read noise, gain, offset, saturation, whole numbers.
//!
//! Mistilt, source size and the spreads of the beam act before an image exists: they belong to the simulation.

mod detector;
mod record;
mod recorder;
mod scan;
#[cfg(test)]
mod tests;
mod transfer;

pub use detector::{Counting, Detector};
pub use record::{record_images, record_series};
pub use recorder::{Defect, Recorder, RecorderScratch};
pub use scan::Scan;
pub use transfer::{Transfer, TransferTerm};

use crate::error::{Error, Result};
use crate::fourier::Edge;

/// How many electrons make an image.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub enum Exposure {
    /// Any number: signals stay what they are, without statistics.
    #[default]
    Unlimited,
    /// Electrons per A^2 and image. Signals are fractions of the beam: a pixel of signal s and edge a gets a mean of
    /// dose * a^2 * s electrons.
    Dose(f64),
    /// Electrons per scan position and, for diffraction patterns, per pattern: a pixel of signal s gets a mean of n * s.
    /// 1 for images that are mean numbers of electrons already.
    Electrons(f64),
}

/// An instrument: what it does to images. The default is the perfect one.
#[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
pub struct Instrument {
    /// Seed of all random numbers.
    pub seed: u64,
    /// Distortions of the scan; not for diffraction patterns.
    pub scan: Scan,
    /// Number of electrons.
    pub exposure: Exposure,
    /// The detector.
    pub detector: Detector,
    /// What lies beyond the edges of an image, for the scan and for the blur of the detector.
    pub edge: Edge,
}

impl Instrument {
    /// Checks all options.
    ///
    /// # Errors
    /// `Range` naming the option, what was got and what was wanted; `Shape`, `Inconsistent` for tables of transfer
    /// functions.
    pub fn check(&self) -> Result<()> {
        match self.exposure {
            Exposure::Unlimited => {}
            Exposure::Dose(dose) => positive("dose_per_a2", dose, "a positive number (electrons per angstrom^2)")?,
            Exposure::Electrons(n) => positive("electrons_per_position", n, "a positive number")?,
        }
        self.scan.check()?;
        self.detector.check()
    }

    /// Electrons of a pixel of signal 1; `None` where their number has no limit.
    fn electrons(&self, pixel_size: f64) -> Option<f64> {
        match self.exposure {
            Exposure::Unlimited => None,
            Exposure::Dose(dose) => Some(dose * pixel_size * pixel_size),
            Exposure::Electrons(n) => Some(n),
        }
    }
}

fn positive(what: &str, value: f64, wanted: &str) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::range(what, value, wanted))
}

fn not_negative(what: &str, value: f64, wanted: &str) -> Result<()> {
    if value >= 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(Error::range(what, value, wanted))
}
