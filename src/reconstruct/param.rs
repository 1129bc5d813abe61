//! Research knobs.

use crate::error::{Error, Result};
use crate::optimize::LbfgsOptions;

/// Research knobs by name: one table for reading, writing and listing.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    read: fn(&LbfgsOptions) -> f64,
    write: fn(&mut LbfgsOptions, f64),
    lower: f64,
    upper: f64,
}

impl Param {
    /// All knobs.
    pub const ALL: [Param; 4] = [
        Param {
            name: "lbfgs.memory",
            help: "pairs that L-BFGS remembers",
            read: |o| o.memory as f64,
            write: |o, v| o.memory = v as usize,
            lower: 1.0,
            upper: 1000.0,
        },
        Param {
            name: "line_search.decrease",
            help: "sufficient decrease c of the Armijo rule",
            read: |o| o.decrease,
            write: |o, v| o.decrease = v,
            lower: 0.0,
            upper: 0.5,
        },
        Param {
            name: "line_search.curvature",
            help: "slope, relative to the start, at which a step is long enough",
            read: |o| o.curvature,
            write: |o, v| o.curvature = v,
            lower: 0.0,
            upper: 1.0,
        },
        Param {
            name: "line_search.evaluations",
            help: "evaluations of one line search at most",
            read: |o| o.line_search_evaluations as f64,
            write: |o, v| o.line_search_evaluations = v as usize,
            lower: 1.0,
            upper: 1000.0,
        },
    ];

    /// The knob of that name.
    pub(super) fn find(name: &str) -> Result<&'static Param> {
        static ALL: [Param; 4] = Param::ALL;
        ALL.iter().find(|p| p.name == name).ok_or_else(|| Error::UnknownOption {
            what: "parameter".into(),
            got: name.into(),
            known: Param::ALL.map(|p| p.name).join(", "),
        })
    }
    /// Its value.
    pub(super) fn get(&self, options: &LbfgsOptions) -> f64 {
        (self.read)(options)
    }

    /// Changes it.
    pub(super) fn set(&self, options: &mut LbfgsOptions, value: f64) -> Result<()> {
        if !(self.lower..=self.upper).contains(&value) {
            return Err(Error::range(self.name, value, format!("{} to {}", self.lower, self.upper)));
        }
        (self.write)(options, value);
        Ok(())
    }
}
