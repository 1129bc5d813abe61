//! Reconstructions: a forward model, measured images and an optimiser behind one object. The same evaluation serves
//! the library's own `step` and `run` and the optimisers of hosts.
//!
//! A [`Reconstruction`] holds its latest consistent [`State`] (plan, parameters, iteration) behind one lock-free
//! pointer: evaluations and snapshots read it from any thread at any time. The driver, which alone changes it, is
//! locked by one call at a time.

mod driver;
mod evaluator;
mod find;
mod intensities;
mod interface;
mod lineage;
mod optics;
mod options;
mod param;
mod plan;
mod reconstruction;
mod second_order;
mod shape;
mod smoothness;
mod start;
mod state;
mod terms;
mod tomography;
mod uncertainty;

pub use evaluator::Evaluator;
pub use find::{find_atoms, FindOptions, FirstGuess, Found};
pub use interface::{resume, Reconstruct, Saved, StateView, Values};
pub use optics::DefocusScan;
pub use options::{LossChoice, LotModel, LotOptions, Precision};
pub use param::Param;
pub use reconstruction::{Geometry, Reconstruction};
pub use shape::SHAPE_WIDTHS;
pub use state::{Record, SavedState, Snapshot, State};
pub use terms::{Projection, TermFunction};
pub use tomography::{equal_slope_angles, reconstruct_volume, tomography_memory_estimate};
pub use tomography::{Background, FourierOptions, Gridding, Iterate, RampWindow, Regularization, Resolution};
pub use tomography::{SavedTomography, Tomogram, Tomography, TomographyMethod, TomographyOptions, ViewSubset};
pub use uncertainty::{ErrorEstimate, ErrorMethod, ErrorOptions, NoiseModel};
