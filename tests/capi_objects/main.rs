//! The objects of the C interface, used as a host uses them: through the exported functions.

mod atoms;
mod context;
mod dataset;
mod folder;
mod probe;
mod specimens;
mod support;
