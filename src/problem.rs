//! The contracts: what a forward model offers, what a problem offers to optimisers and hosts, how progress is told.

use crate::context::{BufferPool, CancelToken, Context};
use crate::error::{Error, Result};

/// What a long call is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Phase {
    /// Reading files.
    Reading = 0,
    /// Preparing tables and start values.
    Planning = 1,
    /// One evaluation that a host asked for.
    Evaluating = 2,
    /// Optimising.
    Optimizing = 3,
    /// Writing files.
    Saving = 4,
    /// Waves travel through a specimen.
    Simulating = 5,
}

/// State of a long call as observers see it; numbers not known yet are NaN or 0.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Iterations finished.
    pub iteration: usize,
    /// Iterations at most, 0 where that has no meaning.
    pub max_iterations: usize,
    /// Evaluations of all images so far; a subset counts as its fraction.
    pub evaluations: f64,
    /// Part of the phase that is done, 0..1.
    pub fraction: f64,
    /// Loss of the latest accepted state.
    pub loss: f64,
    /// Norm of its gradient in scaled parameters.
    pub gradient_norm: f64,
    /// Mean R factor over the images, formula (11).
    pub r_factor: f64,
    /// Seconds since the call began.
    pub seconds: f64,
}

impl Progress {
    /// Progress of a phase without iterations.
    pub fn of_phase(phase: Phase, fraction: f64, seconds: f64) -> Self {
        let nan = f64::NAN;
        Self {
            phase,
            iteration: 0,
            max_iterations: 0,
            evaluations: 0.0,
            fraction,
            loss: nan,
            gradient_norm: nan,
            r_factor: nan,
            seconds,
        }
    }
}

/// Receives progress on the calling thread; `false` ends the call with [`Error::Cancelled`], the best state kept.
pub type Observer<'a> = dyn FnMut(&Progress) -> bool + 'a;

/// A named part of the parameters.
#[derive(Debug, Clone)]
pub struct Block {
    /// Name, in the field's words.
    pub name: &'static str,
    /// Unit: A, A^2, deg, or the image's.
    pub unit: &'static str,
    /// Logical shape, last index fastest.
    pub shape: Vec<usize>,
    /// Place of the first value in the vector of all parameters.
    pub start: usize,
    /// Frozen blocks are not part of the free vector x.
    pub frozen: bool,
    /// Why the block can never be freed in this model, if so.
    pub locked: Option<&'static str>,
    /// Typical change of one value: optimisers work on value / scale.
    pub scale: f64,
    /// Smallest value allowed.
    pub lower: f64,
    /// Largest value allowed.
    pub upper: f64,
}

impl Block {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// True for a block without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its values in the vector of all parameters.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len()
    }
}

/// All blocks in their order. The free vector x joins the blocks that are not frozen.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The blocks.
    pub blocks: Vec<Block>,
}

impl Layout {
    /// Number of all values, frozen ones included.
    pub fn len(&self) -> usize {
        self.blocks.iter().map(Block::len).sum()
    }

    /// True for a layout without values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn free(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter().filter(|b| !b.frozen)
    }

    /// Number of free values: the length of x.
    pub fn free_len(&self) -> usize {
        self.free().map(Block::len).sum()
    }

    /// Place of a block in x, `None` while it is frozen.
    pub fn offset(&self, name: &str) -> Option<usize> {
        let mut offset = 0;
        for block in self.free() {
            if block.name == name {
                return Some(offset);
            }
            offset += block.len();
        }
        None
    }

    /// The block of that name.
    pub fn block(&self, name: &str) -> Result<&Block> {
        self.index(name).map(|i| &self.blocks[i])
    }

    /// The number of the block of that name.
    pub fn index(&self, name: &str) -> Result<usize> {
        self.blocks.iter().position(|b| b.name == name).ok_or_else(|| Error::UnknownOption {
            what: "parameter block".into(),
            got: name.into(),
            known: self.blocks.iter().map(|b| b.name).collect::<Vec<_>>().join(", "),
        })
    }

    /// The free values out of `all`.
    pub fn gather(&self, all: &[f64]) -> Vec<f64> {
        let mut x = Vec::with_capacity(self.free_len());
        self.free().for_each(|b| x.extend_from_slice(&all[b.range()]));
        x
    }

    /// As [`Self::gather`] within `all` itself, which keeps only the free values.
    pub fn gather_in_place(&self, all: &mut Vec<f64>) {
        let mut end = 0;
        for block in self.free() {
            all.copy_within(block.range(), end);
            end += block.len();
        }
        all.truncate(end);
    }

    /// Puts the free values `x` into `all`.
    pub fn scatter(&self, x: &[f64], all: &mut [f64]) {
        let mut rest = x;
        for block in self.free() {
            let (values, tail) = rest.split_at(block.len());
            all[block.range()].copy_from_slice(values);
            rest = tail;
        }
    }

    /// One value per free parameter made from its block: scales, bounds.
    pub fn per_parameter(&self, of: impl Fn(&Block) -> f64) -> Vec<f64> {
        self.free().flat_map(|b| std::iter::repeat_n(of(b), b.len())).collect()
    }
}

/// A forward model: images as a function of parameters, tilt by tilt, with the exact adjoint of its derivative.
///
/// `parameters` is the vector of all values (frozen ones too) in the order of the model's layout. Images of one tilt
/// are computed together, since they share work. `T` is the precision of images.
pub trait ForwardModel<T>: Send + Sync {
    /// Scratch of one worker.
    type Workspace: Send;
    /// What all tilts share for one parameter vector (probe tables).
    type Shared: Send + Sync;

    /// Number of tilts.
    fn tilt_count(&self) -> usize;
    /// Rows times columns of an image.
    fn pixels(&self) -> usize;
    /// A new workspace; its content is garbage between calls.
    fn workspace(&self) -> Self::Workspace;
    /// Bytes that one workspace holds when `images_per_tilt` images are computed together.
    fn workspace_bytes(&self, images_per_tilt: usize) -> usize;
    /// Bytes of what the tilts share.
    fn shared_bytes(&self) -> usize;
    /// Prepares what the tilts share; runs its own items on the context.
    fn prepare(
        &self,
        parameters: &[f64],
        active: &[bool],
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<Self::Shared>;
    /// Writes the images `images` (numbers in the series, all of tilt `tilt`) one after the other into `out`.
    fn predict(
        &self,
        at: &Point<'_, Self::Shared>,
        tilt: usize,
        images: &[usize],
        out: &mut [T],
        workspace: &mut Self::Workspace,
    ) -> Result<()>;
    /// Writes J direction, the change of the images per unit of `direction` (all values, 0 in blocks that are not
    /// active), into `out`, laid out as by `predict`. Follows a `predict` with the same point, tilt, images and
    /// workspace, whose intermediate results it uses and leaves in place for `pull_back`.
    fn push_forward(
        &self,
        at: &Point<'_, Self::Shared>,
        tilt: usize,
        images: &[usize],
        direction: &[f64],
        out: &mut [T],
        workspace: &mut Self::Workspace,
    ) -> Result<()>;
    /// Adds J^T residual to `gradient` (all values; only active blocks need be exact). Follows a `predict` with the same
    /// point, tilt, images and workspace, whose intermediate results it uses. `residual` is destroyed.
    fn pull_back(
        &self,
        at: &Point<'_, Self::Shared>,
        tilt: usize,
        images: &[usize],
        residual: &mut [T],
        gradient: &mut [f64],
        workspace: &mut Self::Workspace,
    ) -> Result<()>;
}

/// A parameter vector with what was prepared for it.
pub struct Point<'a, S> {
    /// All values.
    pub parameters: &'a [f64],
    /// Which blocks need a gradient, by number.
    pub active: &'a [bool],
    /// Prepared by [`ForwardModel::prepare`].
    pub shared: &'a S,
    /// To be looked at between pieces of work of about 0.1 s.
    pub cancel: &'a CancelToken<'a>,
}

/// What an evaluation should return beside the loss.
#[derive(Debug, Clone, Copy, Default)]
pub struct Want {
    /// The gradient.
    pub gradient: bool,
    /// The R factor of every image.
    pub r_factors: bool,
}

/// Result of an evaluation.
#[derive(Debug, Clone, Default)]
pub struct Evaluation {
    /// Loss over the images evaluated.
    pub loss: f64,
    /// Gradient with respect to all values (0 in frozen blocks), if wanted.
    pub gradient: Vec<f64>,
    /// Loss of each image by itself, in the order of the request.
    pub image_losses: Vec<f64>,
    /// R factor of each image, if wanted.
    pub r_factors: Vec<f64>,
}

/// A descent problem with fixed data: loss and gradient as a function of all values, over any subset of images.
/// All methods are re-entrant; none keeps a reference to its arguments.
pub trait Problem: Send + Sync {
    /// Images that take part when a request names none.
    fn images(&self) -> &[usize];
    /// Loss and what else is wanted over `images` (numbers in the series).
    fn evaluate(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        want: Want,
        waiting: &mut Waiting<'_>,
    ) -> Result<Evaluation>;
    /// The calculated images, one after the other.
    fn predict(&self, parameters: &[f64], images: &[usize], out: &mut [f64], waiting: &mut Waiting<'_>) -> Result<()>;
    /// J direction: the change of the images per unit of `direction` (all values, 0 in blocks that are not active),
    /// one image after the other.
    fn push_forward(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        direction: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>>;
    /// J^T W J direction / n over n used pixels, with the weights W of [`crate::forward::Loss::weight`]: the
    /// Gauss-Newton (Fisher) approximation of the second derivatives of the loss that `evaluate` returns, symmetric and
    /// positive semi-definite. `direction` is 0 in blocks that are not active; only active blocks of the result are
    /// exact.
    fn gauss_newton_product(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        direction: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>>;
    /// An estimate of the diagonal of that matrix, for preconditioners: the mean of `probes` squares
    /// (J^T sqrt(W) e)^2 / n with random signs e of a fixed seed (Hutchinson). It is unbiased; each value has the
    /// relative standard error sqrt(2 / probes).
    fn gauss_newton_diagonal(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        probes: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>>;
    /// J^T residuals with respect to all values of the active blocks.
    fn pull_back(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        residuals: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>>;
    /// Rows times columns of an image.
    fn pixels(&self) -> usize;
    /// Vectors of the size of parameters and images that evaluations take and give back, so that those after the first
    /// get no large memory from the system.
    fn buffers(&self) -> &BufferPool;
    /// Bytes that an evaluation needs on this context.
    fn memory_estimate(&self) -> u64;
}

/// How the calling thread spends its waiting: cancellation, and a function that is told the fraction done.
pub struct Waiting<'a> {
    /// Shared with the workers.
    pub cancel: &'a CancelToken<'a>,
    /// Called several times per second with the fraction of the evaluation done; `false` cancels.
    pub tell: &'a mut dyn FnMut(f64) -> bool,
}

impl Waiting<'_> {
    /// Tells `fraction`; an error if the end was asked for.
    pub fn at(&mut self, fraction: f64, phase: &'static str) -> Result<()> {
        if !(self.tell)(fraction) {
            self.cancel.cancel();
        }
        self.cancel.check(phase)
    }

    /// Waits for a part of the whole: its fractions 0 to 1 are told as `from` to `to`.
    pub fn part<R>(&mut self, from: f64, to: f64, work: impl FnOnce(&mut Waiting<'_>) -> R) -> R {
        let Self { cancel, tell } = self;
        let mut tell = |fraction: f64| tell(from + (to - from) * fraction);
        work(&mut Waiting { cancel, tell: &mut tell })
    }
}
