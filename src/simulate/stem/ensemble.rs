//! Means over what differs from electron to electron: where the atoms stand (frozen phonons), and the illumination.

use super::{ScanPositions, Simulation, StemPlan};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::optics::{DetectorPlan, ProbeOptions};
use crate::problem::Waiting;
use crate::simd::Real;
use crate::simulate::coherence::Spread;
use crate::simulate::phonons::{displaced_atoms, FrozenPhonons};
use crate::simulate::MeanAccumulator;

/// What signals are means over.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Ensemble {
    /// Configurations of displaced atoms; none: the atoms as the simulation has them.
    pub phonons: Option<FrozenPhonons>,
    /// Spread of defocus and semi-angle.
    pub spread: Spread,
}

/// Means over an ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanSignals {
    /// `[position][signal]`.
    pub mean: Vec<f64>,
    /// Standard errors of the means over the configurations, alike; none for fewer than two of them.
    pub standard_error: Option<Vec<f64>>,
}

impl<T: Real> Simulation<T> {
    /// Signals `[position][signal]` of `detectors`, the mean over the spread of an illumination about `probe`.
    ///
    /// # Errors
    /// As [`Spread::ensemble`], [`StemPlan::new`] and [`StemPlan::scan`].
    pub fn scan_spread(
        &self,
        context: &Context,
        probe: &ProbeOptions,
        spread: &Spread,
        positions: &ScanPositions,
        detectors: &DetectorPlan,
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let ensemble = spread.ensemble(probe)?;
        for (member, _) in &ensemble {
            self.check_probe(&member.clone().build()?)?; // before the first one is scanned
        }
        let (members, mut sum) = (ensemble.len() as f64, vec![0.0; positions.as_slice().len() * detectors.len()]);
        for (number, (probe, weight)) in ensemble.into_iter().enumerate() {
            let plan = StemPlan::new(self, &probe.build()?)?;
            let part = |number: usize| number as f64 / members;
            let signals = waiting
                .part(part(number), part(number + 1), |waiting| plan.scan(context, positions, detectors, waiting))?;
            sum.iter_mut().zip(&signals).for_each(|(sum, signal)| *sum += weight * signal);
        }
        Ok(sum)
    }

    /// Signals of `detectors`, the mean over `ensemble`: a simulation of its own for every configuration of its atoms,
    /// displaced by their Debye-Waller factors, and a scan of it for every member of the spread about `probe`.
    /// Configuration i is the same however many there are.
    ///
    /// # Errors
    /// `NotReady` for frozen phonons of atoms without Debye-Waller factors; `Unsupported` for those of a simulation that
    /// was made of a potential; `Range` for no configuration; as [`Self::new`] and [`Self::scan_spread`].
    pub fn scan_ensemble(
        &self,
        context: &Context,
        probe: &ProbeOptions,
        positions: &ScanPositions,
        detectors: &DetectorPlan,
        ensemble: &Ensemble,
        waiting: &mut Waiting<'_>,
    ) -> Result<MeanSignals> {
        let Some(phonons) = ensemble.phonons else {
            let mean = self.scan_spread(context, probe, &ensemble.spread, positions, detectors, waiting)?;
            return Ok(MeanSignals { mean, standard_error: None });
        };
        phonons.check()?;
        let Some(specimen) = &self.specimen else {
            let why = "the object was given as a potential, whose atoms are not known".into();
            return Err(Error::Unsupported { what: "frozen phonons".into(), why });
        };
        let mut mean = MeanAccumulator::new(positions.as_slice().len() * detectors.len());
        let part = |number: usize| number as f64 / phonons.configurations as f64;
        for number in 0..phonons.configurations {
            let signals = waiting.part(part(number), part(number + 1), |waiting| {
                let atoms = displaced_atoms(&specimen.atoms, phonons.seed, number as u64)?;
                let displaced = waiting.part(0.0, DISPLACING, |waiting| {
                    Self::new(context, &atoms, self.energy_ev, &self.options, waiting)
                })?;
                waiting.part(DISPLACING, 1.0, |waiting| {
                    displaced.scan_spread(context, probe, &ensemble.spread, positions, detectors, waiting)
                })
            })?;
            mean.deliver(number as u64, signals)?;
        }
        let standard_error = if phonons.configurations > 1 { Some(mean.standard_error()?) } else { None };
        Ok(MeanSignals { mean: mean.mean()?.to_vec(), standard_error })
    }
}

/// Part of the waiting for a configuration that goes into its potential.
const DISPLACING: f64 = 0.2;
