//! One state of a tomographic reconstruction: the plan for a version of the dataset, a volume, how far it has come.

use super::super::interface::{StateView, Values};
use super::evaluate::{Active, Gradients};
use super::measured::{geometry_of, Imaging, Measured};
use super::options::TomographyOptions;
use super::saved::Course;
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::forward::projection::{Projector, View};
use crate::geometry::IDENTITY;
use crate::problem::{Block, Layout};
use crate::specimen::Volume;
use ndarray::Array3;
use std::sync::Arc;

/// The blocks in their order.
pub(super) const BLOCKS: [&str; 5] = ["volume", "drift", "angles", "scale", "background"];

/// The latest consistent state; immutable.
#[derive(Clone)]
pub(super) struct State {
    pub plan: Arc<Plan>,
    pub volume: Arc<Vec<f32>>,
    pub course: Arc<Course>,
}

/// What does not change from iteration to iteration.
pub(super) struct Plan {
    pub version: Arc<SeriesVersion>,
    pub imaging: Imaging,
    /// All values of `imaging`.
    pub values: Vec<f64>,
    pub layout: Layout,
    pub generation: u64,
    /// `None` while the dataset has no image in use.
    pub measured: Option<Measured>,
    /// Sizes of volume and images.
    pub sizes: Projector,
}

impl Plan {
    pub fn new(
        context: &Context,
        version: Arc<SeriesVersion>,
        options: &TomographyOptions,
        imaging: Imaging,
        support: Option<Arc<Vec<bool>>>,
        former: Option<&Plan>,
    ) -> Result<Self> {
        let sizes = Projector::new(geometry_of(&version, options), vec![View { rotation: IDENTITY, drift: [0.0; 2] }])?;
        let measured = match Measured::new(context, version.clone(), options, &imaging, support) {
            Ok(measured) => Some(measured),
            Err(Error::NotReady { .. }) => None,
            Err(error) => return Err(error),
        };
        let layout = layout_of(&sizes, &version, options, former);
        let generation = former.map_or(1, |plan| plan.generation + u64::from(plan.layout.len() != layout.len()));
        Ok(Self { values: imaging.to_values(), version, imaging, layout, generation, measured, sizes })
    }

    pub fn measured(&self) -> Result<&Measured> {
        self.measured.as_ref().ok_or_else(|| {
            let why = "the dataset has no image in use; append tilts first".into();
            Error::NotReady { what: "the reconstruction".into(), why }
        })
    }

    pub fn free(&self, name: &str) -> bool {
        self.layout.blocks.iter().any(|b| b.name == name && !b.frozen)
    }

    pub fn active(&self) -> Active {
        Active { volume: self.free("volume"), drift: self.free("drift"), angles: self.free("angles") }
    }
}

fn layout_of(sizes: &Projector, version: &SeriesVersion, options: &TomographyOptions, former: Option<&Plan>) -> Layout {
    let (images, tilts) = (version.images().len(), version.tilts().len());
    let (lower, upper) = options.bounds();
    let unbounded = (f64::NEG_INFINITY, f64::INFINITY);
    let shapes: [(Vec<usize>, &'static str, f64, (f64, f64)); 5] = [
        (sizes.geometry().shape.to_vec(), "image", 1.0, (f64::from(lower), f64::from(upper))),
        (vec![images, 2], "A", version.pixel_size(), unbounded),
        (vec![tilts, 3], "deg", 1.0, unbounded),
        (vec![images], "1", 0.1, unbounded),
        (vec![images], "image", 1.0, unbounded),
    ];
    let mut start = 0;
    let blocks = BLOCKS.iter().zip(shapes).enumerate().map(|(i, (&name, (shape, unit, scale, (lower, upper))))| {
        let len: usize = shape.iter().product();
        let frozen = former.map_or(i > 0, |plan| plan.layout.blocks[i].frozen);
        let block = Block { name, unit, shape, start, frozen, locked: None, scale, lower, upper };
        start += len;
        block
    });
    Layout { blocks: blocks.collect() }
}

impl State {
    /// Volume and imaging at x; `None` for what x does not hold.
    pub fn at(&self, x: &[f64]) -> Result<(Option<Vec<f32>>, Option<Imaging>)> {
        let layout = &self.plan.layout;
        let wanted = layout.free_len();
        if x.len() != wanted {
            return Err(Error::StaleParameters { got: x.len(), wanted, generation: self.plan.generation });
        }
        Error::unless_finite("parameter vector x", "index", x)?;
        let values_of = |block: &Block| layout.offset(block.name).map(|at| &x[at..][..block.len()]);
        let volume = values_of(&layout.blocks[0]).map(|values| values.iter().map(|v| *v as f32).collect());
        if layout.blocks[1..].iter().all(|block| block.frozen) {
            return Ok((volume, None));
        }
        let mut values = self.plan.values.clone();
        let first = layout.blocks[1].start;
        for block in &layout.blocks[1..] {
            if let Some(free) = values_of(block) {
                values[block.start - first..][..block.len()].copy_from_slice(free);
            }
        }
        Ok((volume, Some(self.plan.imaging_of(&values))))
    }

    /// The values of x in gradients of all blocks.
    pub fn gather(&self, gradients: &Gradients) -> Vec<f64> {
        let layout = &self.plan.layout;
        let mut x = Vec::with_capacity(layout.free_len());
        let first = layout.blocks[1].start;
        for block in layout.blocks.iter().filter(|block| !block.frozen) {
            match block.start {
                0 => x.extend(gradients.volume.iter().map(|v| f64::from(*v))),
                start => x.extend(&gradients.imaging[start - first..][..block.len()]),
            }
        }
        x
    }

    pub fn images<'a>(&'a self, images: Option<&'a [usize]>, used: &'a [usize]) -> &'a [usize] {
        images.unwrap_or(used)
    }
}

impl Plan {
    pub fn imaging_of(&self, values: &[f64]) -> Imaging {
        Imaging::from_values(values, self.version.images().len(), self.version.tilts().len())
    }

    /// Images of the views that drive.
    pub fn used(&self) -> Vec<usize> {
        let Some(measured) = &self.measured else { return vec![] };
        let mut used: Vec<usize> = measured.driving.iter().flat_map(|view| measured.images[*view].clone()).collect();
        used.sort_unstable();
        used
    }
}

impl StateView for State {
    fn iteration(&self) -> usize {
        self.course.iteration
    }

    fn loss(&self) -> f64 {
        self.course.loss
    }

    fn generation(&self) -> u64 {
        self.plan.generation
    }

    fn block(&self, name: &str) -> Result<(&Block, Values<'_>)> {
        let layout = &self.plan.layout;
        let block = layout.block(name)?;
        let first = layout.blocks[1].start;
        Ok(match block.start {
            0 => (block, Values::F32(&self.volume)),
            start => (block, Values::F64(&self.plan.values[start - first..][..block.len()])),
        })
    }

    fn volume(&self) -> Result<Volume> {
        let geometry = self.plan.sizes.geometry();
        let [z, y, x] = geometry.shape;
        let values = Array3::from_shape_vec((z, y, x), self.volume.to_vec());
        Volume::new(values.map_err(|e| Error::Internal(e.to_string()))?, geometry.voxel_size)
    }
}
