//! Code that needs the processor's own instructions, each piece with a stub of the same interface for other machines.
//! Nothing here knows physics.
#![allow(unsafe_code)]

pub(crate) mod float_state;
