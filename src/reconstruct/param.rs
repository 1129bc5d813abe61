//! Research knobs.

use super::state::Knobs;
use crate::error::{Error, Result};

/// Research knobs by name: one table for reading, writing and listing.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Whether the optimiser starts afresh when it is set.
    pub(super) resets: bool,
    read: fn(&Knobs) -> f64,
    write: fn(&mut Knobs, f64),
    lower: f64,
    upper: f64,
}

/// A number of the settings: its name, help, place and limits.
macro_rules! number {
    ($name:literal, $help:literal, $($place:ident).+, $lower:expr, $upper:expr) => {
        Param {
            name: $name,
            help: $help,
            resets: false,
            read: |k| k.settings.$($place).+,
            write: |k, v| k.settings.$($place).+ = v,
            lower: $lower,
            upper: $upper,
        }
    };
}

/// As `number`, for whole numbers.
macro_rules! count {
    ($name:literal, $help:literal, $($place:ident).+, $upper:expr) => {
        Param {
            name: $name,
            help: $help,
            resets: false,
            read: |k| k.settings.$($place).+ as f64,
            write: |k, v| k.settings.$($place).+ = v as usize,
            lower: 1.0,
            upper: $upper,
        }
    };
}

/// Factor on the steps of a block.
macro_rules! step_factor {
    ($name:literal, $block:literal) => {
        Param {
            name: $name,
            help: concat!("factor on the steps of the block ", $block, ", for all methods"),
            resets: true,
            read: |k| k.step_factors.get($block).copied().unwrap_or(1.0),
            write: |k, v| {
                k.step_factors.insert($block.to_string(), v);
            },
            lower: 1e-6,
            upper: 1e6,
        }
    };
}

/// Below any positive number that makes sense.
const TINY: f64 = 1e-300;

static ALL: [Param; 30] = Param::ALL;

impl Param {
    /// All knobs.
    #[rustfmt::skip]
    pub const ALL: [Param; 30] = [
        count!("lbfgs.memory", "pairs that L-BFGS remembers", lbfgs.memory, 1000.0),
        number!("line_search.decrease", "sufficient decrease c of the Armijo rule of L-BFGS", lbfgs.decrease, 0.0, 0.5),
        number!("line_search.curvature", "slope, relative to the start, at which a step of L-BFGS is long enough", lbfgs.curvature, 0.0, 1.0),
        count!("line_search.evaluations", "evaluations of one line search of L-BFGS at most", lbfgs.line_search_evaluations, 1000.0),
        number!("gradient_descent.c", "sufficient decrease c of the Armijo rule", gradient_descent.decrease, 0.0, 0.5),
        number!("gradient_descent.rho", "factor on a step that was too long", gradient_descent.shrink, 1e-6, 0.999),
        number!("gradient_descent.grow", "factor on the last accepted step with which the next search begins", gradient_descent.grow, 1.0, 1e6),
        number!("gradient_descent.first_step", "first step in parameters / scale", gradient_descent.first_step, 1e-12, 1e12),
        count!("gradient_descent.evaluations", "evaluations of one search at most", gradient_descent.evaluations, 1000.0),
        number!("adam.step", "first step of the positions in A; the other blocks follow from it", adam.first_step, TINY, 1e6),
        count!("adam.passes", "passes over the images in which the steps fall along a cosine", adam.passes, 1e6),
        number!("adam.last", "last step as part of the first", adam.last, 0.0, 1.0),
        number!("adam.beta1", "memory of the gradient", adam.beta1, 0.0, 0.9999),
        number!("adam.beta2", "memory of its square", adam.beta2, 0.0, 0.999_999),
        number!("adam.epsilon", "scaled gradient, relative to the square root of the loss, that counts as none", adam.epsilon, TINY, 1.0),
        number!("conjugate_gradient.decrease", "sufficient decrease c of the Armijo rule", conjugate_gradient.decrease, 0.0, 0.5),
        number!("conjugate_gradient.curvature", "slope, relative to the start, at which a line search ends", conjugate_gradient.curvature, 1e-6, 0.999),
        count!("conjugate_gradient.evaluations", "evaluations of one line search at most", conjugate_gradient.evaluations, 1000.0),
        number!("levenberg_marquardt.damping", "damping at the start; scaled curvatures are about 1", levenberg_marquardt.damping, 1e-12, 1e12),
        count!("levenberg_marquardt.products", "Gauss-Newton products of one step at most", levenberg_marquardt.products, 1e6),
        number!("levenberg_marquardt.accuracy", "residual at which the first inner system counts as solved", levenberg_marquardt.accuracy, 1e-6, 0.999),
        step_factor!("step.positions", "positions"),
        step_factor!("step.heights", "heights"),
        step_factor!("step.widths", "widths"),
        step_factor!("step.drift", "drift"),
        step_factor!("step.depth_offset", "depth_offset"),
        step_factor!("step.defocus", "defocus"),
        step_factor!("step.angles", "angles"),
        step_factor!("step.scale", "scale"),
        step_factor!("step.background", "background"),
    ];

    /// The knob of that name.
    pub(super) fn find(name: &str) -> Result<&'static Param> {
        ALL.iter().find(|p| p.name == name).ok_or_else(|| Error::UnknownOption {
            what: "parameter".into(),
            got: name.into(),
            known: Param::ALL.map(|p| p.name).join(", "),
        })
    }

    /// Its value.
    pub(super) fn get(&self, knobs: &Knobs) -> f64 {
        (self.read)(knobs)
    }

    /// Changes it.
    pub(super) fn set(&self, knobs: &mut Knobs, value: f64) -> Result<()> {
        if !(self.lower..=self.upper).contains(&value) {
            let lower = if self.lower == TINY { "above 0".into() } else { self.lower.to_string() };
            return Err(Error::range(self.name, value, format!("{lower} to {}", self.upper)));
        }
        (self.write)(knobs, value);
        Ok(())
    }
}
