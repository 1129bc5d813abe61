//! What every reconstruction offers to hosts, whatever its method.

use super::param::Param;
use super::state::{Record, SavedState};
use super::terms::{Projection, TermFunction};
use super::tomography::SavedTomography;
use super::uncertainty::{ErrorEstimate, ErrorOptions, NoiseModel};
use super::{DefocusScan, Geometry, LotOptions, Reconstruction, Tomography};
use crate::context::Context;
use crate::dataset::{SeriesVersion, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::local_orbital::Orbital;
use crate::optics::Probe;
use crate::optimize::{RunOptions, Termination};
use crate::problem::{Block, Evaluation, Layout, Observer, Want};
use crate::specimen::{Atoms, Volume};
use crate::table::Table;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A reconstruction as hosts drive it. All methods take `&self`: those that change it answer [`Error::Busy`] while another
/// of them works, all others may be called from any thread at any time.
///
/// What a method cannot do answers [`Error::Unsupported`].
pub trait Reconstruct: Send + Sync {
    /// Name of the method, for records and errors.
    fn method(&self) -> &'static str;
    /// The context it works on.
    fn context(&self) -> &Context;

    /// Generation of the parameters: raised whenever the meaning or length of x changes.
    fn generation(&self) -> u64;
    /// The blocks with shapes, scales, bounds and what is frozen.
    fn layout(&self) -> Layout;
    /// The free parameters x of the latest state.
    fn parameters(&self) -> Vec<f64>;
    /// Sets the free parameters.
    fn set_parameters(&self, x: &[f64]) -> Result<()>;
    /// Sets one block, frozen or not.
    fn set_block(&self, name: &str, values: &[f64]) -> Result<()>;
    /// Freezes or frees a block.
    fn freeze(&self, name: &str, frozen: bool) -> Result<()>;
    /// The latest consistent state, also while a run works.
    fn snapshot(&self) -> Box<dyn StateView>;
    /// The atoms of the latest state.
    fn atoms(&self) -> Result<Atoms> {
        self.snapshot().atoms()
    }
    /// The volume of the latest state.
    fn volume(&self) -> Result<Volume> {
        self.snapshot().volume()
    }

    /// Rows and columns of every image.
    fn image_shape(&self) -> (usize, usize);
    /// Number of images in the latest state, excluded ones included.
    fn image_count(&self) -> usize;
    /// The images that take part when a request names none.
    fn used_images(&self) -> Vec<usize>;
    /// Bytes that evaluations and iterations need beside the dataset.
    fn memory_estimate(&self) -> u64;

    /// Loss, and what is wanted beside it, at `x` over `images` (`None`: all in use).
    fn evaluate(&self, x: &[f64], images: Option<&[usize]>, want: Want) -> Result<Evaluation>;
    /// Takes an evaluation back that is no longer needed: the next one reuses its memory.
    fn recycle(&self, _evaluation: Evaluation) {}
    /// Calculated images at `x`, handed over one by one with their place in the request.
    fn predict_each(
        &self,
        x: &[f64],
        images: &[usize],
        take: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()>;
    /// J^T residuals with respect to x.
    fn pull_back(&self, x: &[f64], images: Option<&[usize]>, residuals: &[f64]) -> Result<Vec<f64>>;
    /// J direction: the change of the images.
    fn push_forward(&self, _x: &[f64], _direction: &[f64], _images: Option<&[usize]>) -> Result<Vec<f64>> {
        Err(self.unsupported("push_forward"))
    }
    /// J^T W J direction.
    fn gauss_newton_product(&self, _x: &[f64], _direction: &[f64], _images: Option<&[usize]>) -> Result<Vec<f64>> {
        Err(self.unsupported("gauss_newton_product"))
    }
    /// An estimate of the diagonal of J^T W J.
    fn gauss_newton_diagonal(&self, _x: &[f64], _images: Option<&[usize]>, _probes: usize) -> Result<Vec<f64>> {
        Err(self.unsupported("gauss_newton_diagonal"))
    }
    /// Where the parameters of a former generation went.
    fn index_map(&self, _former: u64) -> Result<Vec<Option<usize>>> {
        Err(self.unsupported("index_map"))
    }

    /// One iteration.
    fn step(&self, observer: &mut Observer<'_>) -> Result<Option<Termination>>;
    /// Iterates until a rule ends it; cancelling is an outcome, the best state is kept.
    fn run(&self, options: &RunOptions, observer: &mut Observer<'_>) -> Result<Termination>;

    /// One record per iteration so far.
    fn history(&self) -> Vec<Record>;
    /// R factor of every image, NaN where excluded or not evaluated.
    fn r_factors(&self) -> Vec<f64>;
    /// The version of the dataset in the latest state.
    fn version(&self) -> Arc<SeriesVersion>;
    /// A row per image of the latest state: `image`, `tilt`, `section` (index), `defocus` as refined (A) and `r_factor`, NaN
    /// where excluded or not evaluated. Values: the mean `r_factor` and the `largest` of those that are known, NaN where none
    /// is.
    fn r_factor_table(&self) -> Result<Table> {
        r_factor_table(&self.version(), self.geometry().defocus, self.r_factors())
    }
    /// Options used, versions, instruction-set path, termination and totals, as JSON.
    fn record(&self) -> serde_json::Value;
    /// The geometry of every image in the latest state.
    fn geometry(&self) -> Geometry;
    /// Standard errors of the atoms.
    fn estimate_errors(&self, _options: &ErrorOptions, _observer: &mut Observer<'_>) -> Result<ErrorEstimate> {
        Err(self.unsupported("estimate_errors"))
    }
    /// Standard errors of the values of a block.
    fn block_errors(
        &self,
        _name: &str,
        _rows: Option<&[usize]>,
        _noise: NoiseModel,
        _observer: &mut Observer<'_>,
    ) -> Result<Vec<f64>> {
        Err(self.unsupported("block_errors"))
    }
    /// The shape of the atoms.
    fn fit_orbital(&self, _widths: Option<&[f64]>, _observer: &mut Observer<'_>) -> Result<Orbital> {
        Err(self.unsupported("fit_orbital"))
    }
    /// Another model that goes on from this one.
    fn continued(&self, _options: &LotOptions) -> Result<Reconstruction> {
        Err(self.unsupported("continue_lot"))
    }
    /// Looks for the defocus of every section.
    fn scan_defocus(&self, _scan: &DefocusScan, _observer: &mut Observer<'_>) -> Result<Table> {
        Err(self.unsupported("scan_defocus"))
    }
    /// How probes spread along the beam.
    fn probe_table(&self) -> Result<Table> {
        Err(self.unsupported("probe_table"))
    }
    /// Depths, edge and pixels of the probes of an image.
    fn probe_images(&self, _image: usize) -> Result<(Vec<f64>, usize, Vec<f64>)> {
        Err(self.unsupported("probe_images"))
    }

    /// Adds a term of the host to the loss.
    fn add_term(&self, _block: &str, _weight: f64, _term: Arc<TermFunction>) -> Result<()> {
        Err(self.unsupported("add_term"))
    }
    /// Sets the projection of the host.
    fn set_projection(&self, _projection: Option<Arc<Projection>>) -> Result<()> {
        Err(self.unsupported("set_projection"))
    }
    /// Removes terms and projection.
    fn clear_terms(&self) -> Result<()> {
        Err(self.unsupported("clear_terms"))
    }

    /// Value of a research knob.
    fn param(&self, name: &str) -> Result<f64> {
        Param::find(name)?;
        Err(self.unsupported(name))
    }
    /// Sets a research knob.
    fn set_param(&self, name: &str, _value: f64) -> Result<()> {
        Param::find(name)?;
        Err(self.unsupported(name))
    }
    /// All that is needed to go on to the last bit, beside dataset and probe.
    fn saved_state(&self) -> Saved;

    /// The error of a method that cannot do `what`.
    fn unsupported(&self, what: &str) -> Error {
        Error::Unsupported { what: what.into(), why: format!("the method {} has no such thing", self.method()) }
    }
}

/// [`Reconstruct::r_factor_table`] from its columns. A run on another thread may have taken up images since the first of them
/// was asked for.
fn r_factor_table(version: &SeriesVersion, mut defocus: Vec<f64>, mut r_factors: Vec<f64>) -> Result<Table> {
    let images = version.images();
    defocus.resize(images.len(), f64::NAN);
    r_factors.resize(images.len(), f64::NAN);
    let known: Vec<f64> = r_factors.iter().copied().filter(|r| r.is_finite()).collect();
    let column = |of: &dyn Fn(usize) -> usize| (0..images.len()).map(|i| of(i) as f64).collect::<Vec<f64>>();
    Table::new(images.len())
        .with_column("image", "index", column(&|i| i))?
        .with_column("tilt", "index", column(&|i| images[i].tilt))?
        .with_column("section", "index", column(&|i| images[i].section))?
        .with_column("defocus", version.length_unit().symbol(), defocus)?
        .with_column("r_factor", "", r_factors)?
        .with_value("r_factor", "", known.iter().sum::<f64>() / known.len() as f64)?
        .with_value("largest", "", known.iter().copied().fold(f64::NAN, f64::max))
}

/// A stopped reconstruction, as files hold it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Saved {
    /// Of atoms.
    LocalOrbital(Box<SavedState>),
    /// Of a volume.
    Tomography(Box<SavedTomography>),
}

impl From<SavedState> for Saved {
    fn from(saved: SavedState) -> Self {
        Saved::LocalOrbital(Box::new(saved))
    }
}

impl Saved {
    /// The state of a local-orbital reconstruction.
    ///
    /// # Errors
    /// `Inconsistent` where it is of another kind.
    pub fn local_orbital(self) -> Result<SavedState> {
        match self {
            Saved::LocalOrbital(saved) => Ok(*saved),
            Saved::Tomography(_) => {
                let why = "got that of a volume, wanted that of a local-orbital reconstruction".into();
                Err(Error::Inconsistent { what: "state".into(), why })
            }
        }
    }
}

/// Goes on from a saved state with the same images and the probe it was made with.
///
/// # Errors
/// `Inconsistent` for another series or probe, and for a damaged state.
pub fn resume(
    context: &Context,
    series: &TiltSeries,
    probe: Option<&Probe>,
    saved: Saved,
) -> Result<Box<dyn Reconstruct>> {
    match saved {
        Saved::LocalOrbital(saved) => Ok(Box::new(Reconstruction::resume(context, series, probe, *saved)?)),
        Saved::Tomography(_) if probe.is_some() => {
            let why = "got one, wanted none: the state is that of a volume".into();
            Err(Error::Inconsistent { what: "probe".into(), why })
        }
        Saved::Tomography(saved) => Ok(Box::new(Tomography::resume(context, series, *saved)?)),
    }
}

/// Values of a block: large ones are kept in single precision.
#[derive(Debug, Clone, Copy)]
pub enum Values<'a> {
    /// Double.
    F64(&'a [f64]),
    /// Single.
    F32(&'a [f32]),
}

impl Values<'_> {
    /// A copy in double precision.
    pub fn to_vec(self) -> Vec<f64> {
        match self {
            Values::F64(values) => values.to_vec(),
            Values::F32(values) => values.iter().map(|v| f64::from(*v)).collect(),
        }
    }
}

/// A state handed out while the reconstruction goes on.
pub trait StateView: Send + Sync {
    /// Iterations at the moment it was taken.
    fn iteration(&self) -> usize;
    /// Loss at that moment, NaN where it is not known.
    fn loss(&self) -> f64;
    /// Generation at that moment.
    fn generation(&self) -> u64;
    /// A block with its values at that moment.
    fn block(&self, name: &str) -> Result<(&Block, Values<'_>)>;
    /// The atoms at that moment.
    fn atoms(&self) -> Result<Atoms> {
        Err(Error::Unsupported { what: "atoms".into(), why: "this method reconstructs a volume".into() })
    }
    /// The volume at that moment.
    fn volume(&self) -> Result<Volume> {
        Err(Error::Unsupported { what: "volume".into(), why: "this method reconstructs atoms".into() })
    }
}

impl StateView for super::Snapshot {
    fn iteration(&self) -> usize {
        self.iteration()
    }
    fn loss(&self) -> f64 {
        self.loss()
    }
    fn generation(&self) -> u64 {
        self.generation()
    }
    fn block(&self, name: &str) -> Result<(&Block, Values<'_>)> {
        self.block(name).map(|(block, values)| (block, Values::F64(values)))
    }
    fn atoms(&self) -> Result<Atoms> {
        self.atoms()
    }
}

/// Local orbitals: the methods of [`Reconstruction`] itself.
impl Reconstruct for Reconstruction {
    fn method(&self) -> &'static str {
        "local_orbital"
    }
    fn context(&self) -> &Context {
        self.context()
    }
    fn generation(&self) -> u64 {
        self.generation()
    }
    fn layout(&self) -> Layout {
        self.layout()
    }
    fn parameters(&self) -> Vec<f64> {
        self.parameters()
    }
    fn set_parameters(&self, x: &[f64]) -> Result<()> {
        self.set_parameters(x)
    }
    fn set_block(&self, name: &str, values: &[f64]) -> Result<()> {
        self.set_block(name, values)
    }
    fn freeze(&self, name: &str, frozen: bool) -> Result<()> {
        self.freeze(name, frozen)
    }
    fn snapshot(&self) -> Box<dyn StateView> {
        Box::new(self.snapshot())
    }
    fn image_shape(&self) -> (usize, usize) {
        self.image_shape()
    }
    fn image_count(&self) -> usize {
        self.image_count()
    }
    fn used_images(&self) -> Vec<usize> {
        self.used_images()
    }
    fn memory_estimate(&self) -> u64 {
        self.memory_estimate()
    }
    fn evaluate(&self, x: &[f64], images: Option<&[usize]>, want: Want) -> Result<Evaluation> {
        self.evaluate(x, images, want)
    }
    fn recycle(&self, evaluation: Evaluation) {
        self.recycle(evaluation);
    }
    fn predict_each(
        &self,
        x: &[f64],
        images: &[usize],
        take: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        self.predict_each(x, images, take)
    }
    fn pull_back(&self, x: &[f64], images: Option<&[usize]>, residuals: &[f64]) -> Result<Vec<f64>> {
        self.pull_back(x, images, residuals)
    }
    fn push_forward(&self, x: &[f64], direction: &[f64], images: Option<&[usize]>) -> Result<Vec<f64>> {
        self.push_forward(x, direction, images)
    }
    fn gauss_newton_product(&self, x: &[f64], direction: &[f64], images: Option<&[usize]>) -> Result<Vec<f64>> {
        self.gauss_newton_product(x, direction, images)
    }
    fn gauss_newton_diagonal(&self, x: &[f64], images: Option<&[usize]>, probes: usize) -> Result<Vec<f64>> {
        self.gauss_newton_diagonal(x, images, probes)
    }
    fn index_map(&self, former: u64) -> Result<Vec<Option<usize>>> {
        self.index_map(former)
    }
    fn step(&self, observer: &mut Observer<'_>) -> Result<Option<Termination>> {
        self.step(observer)
    }
    fn run(&self, options: &RunOptions, observer: &mut Observer<'_>) -> Result<Termination> {
        self.run(options, observer)
    }
    fn history(&self) -> Vec<Record> {
        self.history()
    }
    fn r_factors(&self) -> Vec<f64> {
        self.r_factors()
    }
    fn version(&self) -> Arc<SeriesVersion> {
        self.snapshot().version()
    }
    fn record(&self) -> serde_json::Value {
        self.record()
    }
    fn geometry(&self) -> Geometry {
        self.geometry()
    }
    fn estimate_errors(&self, options: &ErrorOptions, observer: &mut Observer<'_>) -> Result<ErrorEstimate> {
        self.estimate_errors(options, observer)
    }
    fn block_errors(
        &self,
        name: &str,
        rows: Option<&[usize]>,
        noise: NoiseModel,
        observer: &mut Observer<'_>,
    ) -> Result<Vec<f64>> {
        self.block_errors(name, rows, noise, observer)
    }
    fn fit_orbital(&self, widths: Option<&[f64]>, observer: &mut Observer<'_>) -> Result<Orbital> {
        self.fit_orbital(widths, observer)
    }
    fn continued(&self, options: &LotOptions) -> Result<Reconstruction> {
        self.continued(options)
    }
    fn scan_defocus(&self, scan: &DefocusScan, observer: &mut Observer<'_>) -> Result<Table> {
        self.scan_defocus(scan, observer)
    }
    fn probe_table(&self) -> Result<Table> {
        self.probe_table()
    }
    fn probe_images(&self, image: usize) -> Result<(Vec<f64>, usize, Vec<f64>)> {
        self.probe_images(image)
    }
    fn add_term(&self, block: &str, weight: f64, term: Arc<TermFunction>) -> Result<()> {
        self.add_term(block, weight, term)
    }
    fn set_projection(&self, projection: Option<Arc<Projection>>) -> Result<()> {
        self.set_projection(projection)
    }
    fn clear_terms(&self) -> Result<()> {
        self.clear_terms()
    }
    fn param(&self, name: &str) -> Result<f64> {
        self.param(name)
    }
    fn set_param(&self, name: &str, value: f64) -> Result<()> {
        self.set_param(name, value)
    }
    fn saved_state(&self) -> Saved {
        self.saved_state().into()
    }
}
