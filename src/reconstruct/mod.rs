//! Reconstructions: a forward model, measured images and an optimiser behind one object. The same evaluation serves
//! the library's own `step` and `run` and the optimisers of hosts.

mod evaluator;

pub use evaluator::Evaluator;
