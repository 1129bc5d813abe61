//! What all methods of tomography have in common: one iteration at a time on a volume.

use super::art::Sequential;
use super::cgls::Cgls;
use super::engines::{EstMethod, GenfireMethod};
use super::measured::{Measured, Misfit};
use super::options::{TomographyMethod, TomographyOptions};
use super::simultaneous::Simultaneous;
use super::weighted::BackProjection;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use serde::{Deserialize, Serialize};

/// What one iteration did.
#[derive(Debug, Clone, Default)]
pub(super) struct Stepped {
    /// Of the views that drive it, in the state from which the step was made; empty where they were not projected.
    pub driving: Vec<Misfit>,
    /// The method's own figure of that state, where views were not projected: errK of GENFIRE, the R factor of EST's lines.
    pub error: Option<f64>,
    /// Root mean square of the change of the voxels.
    pub length: f64,
    /// Nothing is left to do.
    pub finished: bool,
}

/// A method with what it remembers between iterations.
pub(super) trait Method: Send {
    /// One iteration: `volume` becomes the next one. After an error it is the former one still.
    fn step(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<Stepped>;

    /// Puts the volume that the method gives back in the place of the latest one; more iterations go on from there.
    fn finish(&mut self, _measured: &Measured, _volume: &mut Vec<f32>, _waiting: &mut Waiting<'_>) -> Result<()> {
        Ok(())
    }

    /// Shells of the transform: radius relative to Nyquist, error of the points imposed and of those held back.
    fn shells(&self) -> Vec<[f64; 3]> {
        vec![]
    }

    /// All that another object of the same making needs to go on.
    fn memory(&self) -> MethodMemory {
        MethodMemory::default()
    }

    /// Goes on from there.
    fn recall(&mut self, _memory: &MethodMemory) -> Result<()> {
        Ok(())
    }
}

/// What a method remembers, as plain numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct MethodMemory {
    pub numbers: Vec<f64>,
    pub arrays: Vec<Vec<f32>>,
}

impl MethodMemory {
    /// Its numbers and arrays, if they are as many and as long as wanted.
    pub fn taken<const N: usize, const M: usize>(&self, lengths: [usize; M]) -> Result<([f64; N], [Vec<f32>; M])> {
        let damaged = || {
            let why =
                format!("{} numbers and {} arrays, wanted {N} and {lengths:?}", self.numbers.len(), self.arrays.len());
            Error::Inconsistent { what: "state file: the memory of the method".into(), why }
        };
        let numbers: [f64; N] = self.numbers.clone().try_into().map_err(|_| damaged())?;
        let arrays: [Vec<f32>; M] = self.arrays.clone().try_into().map_err(|_| damaged())?;
        if arrays.iter().zip(lengths).any(|(array, length)| array.len() != length) {
            return Err(damaged());
        }
        Ok((numbers, arrays))
    }
}

/// The method of `options`, ready for its first iteration.
pub(super) fn method_of(
    measured: &Measured,
    options: &TomographyOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Box<dyn Method>> {
    Ok(match options.method {
        TomographyMethod::Resire | TomographyMethod::ResireFourier => {
            Box::new(Simultaneous::resire(measured, options, waiting)?)
        }
        TomographyMethod::Sirt => Box::new(Simultaneous::sirt(measured, options, waiting)?),
        TomographyMethod::Sart => Box::new(Sequential::sart(measured, options, waiting)?),
        TomographyMethod::Art => Box::new(Sequential::art(measured, options, waiting)?),
        TomographyMethod::Cgls => Box::new(Cgls::new(measured)?),
        TomographyMethod::Fbp => Box::new(BackProjection::filtered(options)),
        TomographyMethod::Wbp => Box::new(BackProjection::weighted(options)),
        TomographyMethod::Genfire => Box::new(GenfireMethod::new(measured, options, waiting)?),
        TomographyMethod::Est => Box::new(EstMethod::new(measured, options, waiting)?),
    })
}

/// Volumes and frames of floats that a method holds at most beside the volume itself, its data and weights.
pub(super) fn buffers_of(method: TomographyMethod) -> (u64, u64) {
    match method {
        // The memory of a method is kept beside it, so that it can be saved at any time.
        TomographyMethod::Resire | TomographyMethod::ResireFourier => (4, 1),
        TomographyMethod::Sirt => (5, 2),
        TomographyMethod::Sart => (1, 2),
        TomographyMethod::Art => (1, 2),
        TomographyMethod::Cgls => (3, 3),
        TomographyMethod::Fbp | TomographyMethod::Wbp => (1, 1),
        TomographyMethod::Genfire => (2, 0),
        TomographyMethod::Est => (7, 0),
    }
}
