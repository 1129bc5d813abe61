//! What a reconstruction knows at one moment, and what is stored of it.

use super::options::LotOptions;
use super::plan::Plan;
use crate::error::Result;
use crate::optics::ProbeOptions;
use crate::optimize::{Iterate, Lbfgs, LbfgsOptions, StoppingState, Termination};
use crate::specimen::Atoms;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The latest consistent state; immutable.
#[derive(Clone)]
pub struct State {
    pub(super) plan: Arc<Plan>,
    pub(super) parameters: Arc<Vec<f64>>,
    /// Iterations so far.
    pub iteration: usize,
    /// Loss at the parameters; NaN before the first evaluation.
    pub loss: f64,
    /// R factor of every image; NaN where excluded or not evaluated yet.
    pub r_factors: Arc<Vec<f64>>,
}

/// A state handed out while the reconstruction goes on.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) state: Arc<State>,
}

impl Snapshot {
    /// Iterations at the moment it was taken.
    pub fn iteration(&self) -> usize {
        self.state.iteration
    }

    /// Loss at that moment, NaN before the first evaluation.
    pub fn loss(&self) -> f64 {
        self.state.loss
    }

    /// Generation at that moment.
    pub fn generation(&self) -> u64 {
        self.state.plan.generation
    }

    /// The atoms at that moment.
    pub fn atoms(&self) -> Result<Atoms> {
        self.state.plan.atoms(&self.state.parameters)
    }
}

/// One line of the history.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Iterations so far.
    pub iteration: usize,
    /// Loss after the iteration.
    pub loss: f64,
    /// Mean R factor over the images.
    pub r_factor: f64,
    /// Root mean square of the scaled gradient.
    pub gradient_norm: f64,
    /// Root mean square of the step in scaled parameters.
    pub step: f64,
    /// Seconds of stepping so far.
    pub seconds: f64,
    /// Evaluations of all images so far.
    pub evaluations: f64,
    /// Generation of the parameters.
    pub generation: u64,
    /// Version of the dataset.
    pub dataset_version: u64,
}

/// What the driver remembers between iterations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub lbfgs: Lbfgs,
    pub lbfgs_options: LbfgsOptions,
    pub stopping: StoppingState,
    pub at: Option<Iterate>,
    pub iteration: usize,
    pub evaluations: f64,
    pub seconds: f64,
    pub termination: Option<Termination>,
    pub history: Vec<Record>,
    pub r_factors: Vec<f64>,
}

/// Everything needed to go on to the last bit, beside the images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedState {
    pub(super) library: String,
    pub(super) simd: String,
    pub(super) options: LotOptions,
    pub(super) probe: Option<ProbeOptions>,
    pub(super) species: Vec<u8>,
    pub(super) generation: u64,
    pub(super) parameters: Vec<f64>,
    pub(super) frozen: Vec<bool>,
    pub(super) scales: Vec<f64>,
    pub(super) started: bool,
    pub(super) poisson_floor: f64,
    pub(super) fingerprint: Fingerprint,
    pub(super) memory: Memory,
}

/// Tells whether images are those a state was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub rows: usize,
    pub columns: usize,
    pub pixel_size: f64,
    /// Checksum of the pixels of every image.
    pub images: Vec<u32>,
    pub dataset_version: u64,
}
