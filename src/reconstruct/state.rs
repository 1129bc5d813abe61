//! What a reconstruction knows at one moment, and what is stored of it.

use super::options::LotOptions;
use super::plan::Plan;
use crate::dataset::{Image, SeriesVersion};
use crate::error::{Error, Result};
use crate::optics::ProbeOptions;
use crate::optimize::{Iterate, Optimizer, OptimizerState, Settings, StoppingState, Termination};
use crate::problem::Block;
use crate::specimen::Atoms;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
    /// What the driver remembered at that moment.
    pub(super) memory: Arc<Memory>,
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

    /// A block with its values at that moment.
    pub fn block(&self, name: &str) -> Result<(&Block, &[f64])> {
        let block = self.state.plan.layout.block(name)?;
        Ok((block, &self.state.parameters[block.range()]))
    }

    /// The version of the dataset that was in use.
    pub fn version(&self) -> Arc<SeriesVersion> {
        self.state.plan.version.clone()
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
    /// Optimiser of the iteration; `None` for methods with steps of their own.
    pub optimizer: Option<Optimizer>,
    /// Loss after the iteration; of Adam, the mean over the pass, each batch at the parameters of its moment.
    pub loss: f64,
    /// Mean R factor over the images; of Adam, each image's as it was met in the pass.
    pub r_factor: f64,
    /// Mean R factor over the images that are held out; NaN where none is.
    pub r_free: f64,
    /// Root mean square of the scaled gradient that belongs to the loss.
    pub gradient_norm: f64,
    /// Root mean square of the step in scaled parameters.
    pub step: f64,
    /// Seconds of stepping so far.
    pub seconds: f64,
    /// Evaluations of all images so far; a batch counts as its part of the images, a Gauss-Newton product as one.
    pub evaluations: f64,
    /// Generation of the parameters.
    pub generation: u64,
    /// Version of the dataset.
    pub dataset_version: u64,
}

/// What hosts can set by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Knobs {
    pub settings: Settings,
    /// Factors on the steps of blocks, by the block's name; 1 where none is set.
    pub step_factors: BTreeMap<String, f64>,
}

/// What the driver remembers between iterations.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub optimizer: OptimizerState,
    pub knobs: Knobs,
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
    /// Parameters that slices and margins were laid out for: with others the last bits would differ.
    pub(super) laid_out_for: Vec<f64>,
    pub(super) frozen: Vec<bool>,
    pub(super) scales: Vec<f64>,
    pub(super) started: bool,
    pub(super) loss_scale: f64,
    pub(super) fingerprint: Fingerprint,
    pub(super) memory: Memory,
}

/// Tells whether images are those a state was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub rows: usize,
    pub columns: usize,
    pub pixel_size: f64,
    /// Checksum of every image: its pixels and what is recorded with them.
    pub images: Vec<u32>,
    /// Which images were excluded; a difference is like a new version of the dataset.
    pub excluded: Vec<bool>,
}

impl Fingerprint {
    /// Of the first `count` images of a version.
    pub fn of(version: &SeriesVersion, count: usize) -> Self {
        let images = || version.images().iter().take(count);
        Fingerprint {
            rows: version.rows(),
            columns: version.columns(),
            pixel_size: version.pixel_size(),
            images: images().map(|image| checksum(image)).collect(),
            excluded: images().map(|image| image.excluded).collect(),
        }
    }

    /// Whether a state made with these images goes on with those.
    pub fn same_images(&self, other: &Self) -> bool {
        (self.rows, self.columns, &self.images) == (other.rows, other.columns, &other.images)
            && self.pixel_size.to_bits() == other.pixel_size.to_bits()
    }

    /// The error for a version whose images are others.
    pub fn difference(&self, version: &SeriesVersion) -> Error {
        Error::Inconsistent {
            what: "state file".into(),
            why: format!(
                "it was made with {} images of {} x {} pixels of {}; the dataset has {}, of {} x {} of {}, or other \
                 values in them",
                self.images.len(),
                self.rows,
                self.columns,
                self.pixel_size,
                version.images().len(),
                version.rows(),
                version.columns(),
                version.pixel_size()
            ),
        }
    }
}

/// Checksum of all that an evaluation takes from an image.
fn checksum(image: &Image) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    image.pixels.iter().for_each(|v| hasher.update(&v.to_le_bytes()));
    if let Some(mask) = &image.mask {
        mask.iter().for_each(|used| hasher.update(&[u8::from(*used)]));
    }
    [image.tilt as u64, image.section as u64].iter().for_each(|i| hasher.update(&i.to_le_bytes()));
    let numbers = [image.defocus, image.counts_per_unit.unwrap_or(f64::NAN)];
    numbers.iter().for_each(|v| hasher.update(&v.to_le_bytes()));
    hasher.finalize()
}
