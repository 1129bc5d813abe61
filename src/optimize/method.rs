//! The choice of a method, its settings and its state.

use super::*;
use serde::{Deserialize, Serialize};

/// A method by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    /// Limited-memory BFGS with bounds.
    #[default]
    Lbfgs,
    /// Gradient descent with backtracking.
    GradientDescent,
    /// Adam over mini-batches.
    Adam,
    /// Nonlinear conjugate gradients.
    ConjugateGradient,
    /// Damped Gauss-Newton steps.
    LevenbergMarquardt,
}

impl Optimizer {
    /// All methods with their names.
    pub const ALL: [(&'static str, Optimizer); 5] = [
        ("lbfgs", Optimizer::Lbfgs),
        ("gradient_descent", Optimizer::GradientDescent),
        ("adam", Optimizer::Adam),
        ("conjugate_gradient", Optimizer::ConjugateGradient),
        ("levenberg_marquardt", Optimizer::LevenbergMarquardt),
    ];

    /// The method of that name.
    pub fn named(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, method)| *method).ok_or_else(|| {
            Error::UnknownOption {
                what: "optimizer".into(),
                got: name.into(),
                known: Self::ALL.map(|(known, _)| known).join(", "),
            }
        })
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }

    /// Whether its steps see a batch of the data at a time: its losses are means over a pass.
    pub fn is_stochastic(self) -> bool {
        self == Optimizer::Adam
    }
}

/// How a run works and when it ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunOptions {
    /// When it ends.
    pub stopping: Stopping,
    /// The method; `None`: L-BFGS.
    pub optimizer: Option<Optimizer>,
    /// Mini-batches of Adam.
    pub batch: BatchOptions,
}

impl RunOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        self.stopping.check()?;
        self.batch.check()
    }
}

impl From<&Stopping> for RunOptions {
    fn from(stopping: &Stopping) -> Self {
        Self { stopping: stopping.clone(), ..Self::default() }
    }
}

impl From<&RunOptions> for RunOptions {
    fn from(options: &RunOptions) -> Self {
        options.clone()
    }
}

/// Settings of all methods.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Of L-BFGS.
    pub lbfgs: LbfgsOptions,
    /// Of gradient descent.
    pub gradient_descent: GradientDescentOptions,
    /// Of Adam.
    pub adam: AdamOptions,
    /// Of conjugate gradients.
    pub conjugate_gradient: ConjugateGradientOptions,
    /// Of Levenberg-Marquardt.
    pub levenberg_marquardt: LevenbergMarquardtOptions,
}

/// A method with what it remembers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum OptimizerState {
    /// L-BFGS and its pairs.
    Lbfgs(Lbfgs),
    /// Gradient descent and its last step.
    GradientDescent(GradientDescent),
    /// Adam and its moments.
    Adam(Adam),
    /// Conjugate gradients and the former direction.
    ConjugateGradient(ConjugateGradient),
    /// Levenberg-Marquardt and its damping.
    LevenbergMarquardt(LevenbergMarquardt),
}

impl Default for OptimizerState {
    fn default() -> Self {
        Self::new(Optimizer::default())
    }
}

impl OptimizerState {
    /// The method without memories.
    pub fn new(method: Optimizer) -> Self {
        match method {
            Optimizer::Lbfgs => Self::Lbfgs(Lbfgs::default()),
            Optimizer::GradientDescent => Self::GradientDescent(GradientDescent::default()),
            Optimizer::Adam => Self::Adam(Adam::default()),
            Optimizer::ConjugateGradient => Self::ConjugateGradient(ConjugateGradient::default()),
            Optimizer::LevenbergMarquardt => Self::LevenbergMarquardt(LevenbergMarquardt::default()),
        }
    }

    /// Which method it is.
    pub fn method(&self) -> Optimizer {
        match self {
            Self::Lbfgs(_) => Optimizer::Lbfgs,
            Self::GradientDescent(_) => Optimizer::GradientDescent,
            Self::Adam(_) => Optimizer::Adam,
            Self::ConjugateGradient(_) => Optimizer::ConjugateGradient,
            Self::LevenbergMarquardt(_) => Optimizer::LevenbergMarquardt,
        }
    }

    /// Forgets: the problem or its variables changed.
    pub fn forget(&mut self) {
        *self = Self::new(self.method());
    }

    /// Whether what it remembers is of a problem with `len` variables.
    pub fn fits(&self, len: usize) -> bool {
        match self {
            Self::Lbfgs(state) => state.fits(len),
            Self::Adam(state) => state.fits(len),
            Self::ConjugateGradient(state) => state.fits(len),
            Self::GradientDescent(_) | Self::LevenbergMarquardt(_) => true,
        }
    }

    /// One iteration from `at`, which becomes the new point; on error it is unchanged. All methods but Adam need loss
    /// and gradient at `at`.
    pub fn step(
        &mut self,
        settings: &Settings,
        objective: &mut dyn Objective,
        space: &Space,
        at: &mut Iterate,
    ) -> Result<Step> {
        match self {
            Self::Lbfgs(state) => state.step(&settings.lbfgs, objective, space, at),
            Self::GradientDescent(state) => state.step(&settings.gradient_descent, objective, space, at),
            Self::Adam(state) => state.step(&settings.adam, objective, space, at),
            Self::ConjugateGradient(state) => state.step(&settings.conjugate_gradient, objective, space, at),
            Self::LevenbergMarquardt(state) => state.step(&settings.levenberg_marquardt, objective, space, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways() {
        for (name, method) in Optimizer::ALL {
            assert_eq!(Optimizer::named(name).unwrap(), method);
            assert_eq!((method.name(), OptimizerState::new(method).method()), (name, method));
        }
        let error = Optimizer::named("newton").unwrap_err();
        assert!(error.code() == 104 && error.to_string().contains("levenberg_marquardt"), "{error}");
    }
}
