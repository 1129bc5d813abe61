//! What is stored of a tomographic reconstruction.

use super::super::state::{Fingerprint, Record};
use super::method::MethodMemory;
use super::options::TomographyOptions;
use crate::optimize::{StoppingState, Termination};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Everything needed to go on to the last bit, beside the images.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedTomography {
    pub(super) library: String,
    pub(super) simd: String,
    pub(super) options: TomographyOptions,
    pub(super) generation: u64,
    pub(super) fingerprint: Fingerprint,
    pub(super) support: Option<Vec<bool>>,
    pub(super) volume: Vec<f32>,
    /// Values of the other blocks, one after the other.
    pub(super) imaging: Vec<f64>,
    pub(super) frozen: Vec<bool>,
    pub(super) progress: Course,
}

/// How far a reconstruction has come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Course {
    /// Of the method; `None` before its first iteration.
    pub memory: Option<Arc<MethodMemory>>,
    /// The volume that iterations go on from, where the one handed out is another (the best one).
    pub working: Option<Arc<Vec<f32>>>,
    pub stopping: StoppingState,
    pub iteration: usize,
    pub evaluations: f64,
    pub seconds: f64,
    pub history: Vec<Record>,
    /// Of every image, in the state the latest iteration started from; of the state itself once a run has ended.
    pub r_factors: Vec<f64>,
    pub loss: f64,
    pub r2: f64,
    /// Value of the regularisation, once a run has ended.
    pub penalty: f64,
    /// Shells of the transform, where the method knows them: radius, error of the points imposed, of those held back.
    pub shells: Vec<[f64; 3]>,
    /// R factor of the views that are held out: the lowest so far, and iterations since.
    pub held_out: Option<(f64, usize)>,
    pub termination: Option<Termination>,
}

impl Default for Course {
    fn default() -> Self {
        Self {
            memory: None,
            working: None,
            stopping: StoppingState::default(),
            iteration: 0,
            evaluations: 0.0,
            seconds: 0.0,
            history: vec![],
            r_factors: vec![],
            loss: f64::NAN,
            r2: f64::NAN,
            penalty: f64::NAN,
            shells: vec![],
            held_out: None,
            termination: None,
        }
    }
}
