//! Stand-ins: handles of objects whose files are not here yet
use super::handle::Handle;
use crate::context::Context;
use crate::dataset::TiltSeries;
use crate::optics::Probe;
use crate::specimen::Atoms;

/// A context.
pub struct aet_context {
    _opaque: [u8; 0],
}

impl Handle for aet_context {
    const NAME: &'static str = "aet_context";
    const IMMUTABLE: bool = true;
    type Object = Context;
}

/// A dataset.
pub struct aet_dataset {
    _opaque: [u8; 0],
}

pub(super) struct Dataset {
    pub(super) context: Context,
    pub(super) series: TiltSeries,
}

impl Handle for aet_dataset {
    const NAME: &'static str = "aet_dataset";
    const IMMUTABLE: bool = true;
    type Object = Dataset;
}

/// A list of atoms.
pub struct aet_atoms {
    _opaque: [u8; 0],
}

impl Handle for aet_atoms {
    const NAME: &'static str = "aet_atoms";
    const IMMUTABLE: bool = true;
    type Object = Atoms;
}

/// A probe.
pub struct aet_probe {
    _opaque: [u8; 0],
}

impl Handle for aet_probe {
    const NAME: &'static str = "aet_probe";
    const IMMUTABLE: bool = true;
    type Object = Probe;
}
