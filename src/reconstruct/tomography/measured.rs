//! The images of a dataset as tomography sees them: views, their data and weights.

use super::engines::{check_voxels, fourier_projector, to_frame, to_image};
use super::fourier_resire::FourierProjector;
use super::options::{Background, TomographyMethod, TomographyOptions, ViewSubset};
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::forward::projection::{ProjectionGeometry, Projector, View};
use crate::geometry::{AngleOrder, Mat3};
use crate::problem::Waiting;
use crate::specimen::Volume;
use ndarray::Array3;
use rand::seq::SliceRandom;
use rand::SeedableRng;
use std::sync::{Arc, Mutex};

/// Euler order of the angles that can be refined.
pub(super) const ANGLE_ORDER: AngleOrder = AngleOrder::Zyx;

/// What is known of every image beside its pixels: image i shows scale_i A V + background_i.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Imaging {
    /// Of every tilt, degrees.
    pub angles: Vec<[f64; 3]>,
    /// (u, v) of every image, in the length unit.
    pub drift: Vec<[f64; 2]>,
    pub scale: Vec<f64>,
    pub background: Vec<f64>,
}

impl Imaging {
    /// As recorded, with the background that `options` take off.
    pub fn recorded(version: &SeriesVersion, background: Background) -> Self {
        let images = version.images();
        let first =
            |t: &crate::dataset::Tilt| t.images.first().map_or([0.0; 3], |i| ANGLE_ORDER.angles(&images[*i].rotation));
        let lowest = |pixels: &[f32], uses: &dyn Fn(usize) -> bool| match background {
            Background::Automatic => f64::from(lowest_squares(pixels, uses, version.columns())),
            Background::None => 0.0,
        };
        Self {
            angles: version.tilts().iter().map(first).collect(),
            drift: images.iter().map(|image| image.drift).collect(),
            scale: vec![1.0; images.len()],
            background: images.iter().map(|image| lowest(&image.pixels, &|i| image.uses(i))).collect(),
        }
    }

    /// Of images that are A V themselves.
    pub fn plain(images: usize) -> Self {
        Self { angles: vec![], drift: vec![], scale: vec![1.0; images], background: vec![0.0; images] }
    }

    /// Rotation of a tilt.
    pub fn rotation(&self, tilt: usize) -> Mat3 {
        ANGLE_ORDER.rotation(&self.angles[tilt])
    }

    /// One view for all images of a tilt that share their drift, and which they are.
    pub fn views(&self, version: &SeriesVersion, images: &[usize]) -> (Vec<View>, Vec<Vec<usize>>) {
        let (mut views, mut shared): (Vec<View>, Vec<Vec<usize>>) = (vec![], vec![]);
        for &image in images {
            let tilt = version.images()[image].tilt;
            let same = |of: &Vec<usize>| version.images()[of[0]].tilt == tilt && self.drift[of[0]] == self.drift[image];
            match shared.iter().position(same) {
                Some(at) => shared[at].push(image),
                None => {
                    views.push(View { rotation: self.rotation(tilt), drift: self.drift[image] });
                    shared.push(vec![image]);
                }
            }
        }
        (views, shared)
    }
}

/// Views of one version of a dataset, and the volume that they show.
pub(super) struct Measured {
    pub context: Context,
    pub version: Arc<SeriesVersion>,
    pub projector: Arc<Projector>,
    /// Takes its place for the driving views where the method projects through Fourier space.
    pub fourier: Option<Arc<FourierProjector>>,
    /// Images of each view.
    pub images: Vec<Vec<usize>>,
    /// Frames of all views: the best estimate of A V, pixel by pixel, from the images of the view.
    pub data: Vec<f32>,
    /// Weights of these values, 0 where a pixel does not count.
    pub weights: Vec<f32>,
    /// What the images of each view add to its misfit, whatever the volume is.
    pub apart: Vec<Apart>,
    /// Views whose residuals make the steps.
    pub driving: Vec<usize>,
    /// Views that are only looked at.
    pub held_out: Vec<usize>,
    /// Smallest and largest value of a voxel.
    pub bounds: (f32, f32),
    /// False where a voxel must be 0.
    pub support: Option<Arc<Vec<bool>>>,
}

/// How the images of a view differ from their mean.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Apart {
    /// Used pixels of all its images.
    pixels: usize,
    /// Sum over pixels and images of w (pixel - c - s mean)^2: what is left where A V is the mean.
    squares: f64,
}

/// Values of the frames of all views, their weights, and what the images add to the misfits.
pub(super) type Combined = (Vec<f32>, Vec<f32>, Vec<Apart>);

/// Sizes of the volume and of the images of a series.
pub(super) fn geometry_of(version: &SeriesVersion, options: &TomographyOptions) -> ProjectionGeometry {
    let edge = version.rows().max(version.columns());
    ProjectionGeometry {
        shape: options.shape.unwrap_or([edge; 3]),
        voxel_size: options.voxel_size.unwrap_or(version.pixel_size()),
        rows: version.rows(),
        columns: version.columns(),
        pixel_size: version.pixel_size(),
    }
}

impl Measured {
    /// Views of `version` with what is known of its images.
    pub fn new(
        context: &Context,
        version: Arc<SeriesVersion>,
        options: &TomographyOptions,
        imaging: &Imaging,
        support: Option<Arc<Vec<bool>>>,
    ) -> Result<Self> {
        if let Some(weights) = options.image_weights.as_ref().filter(|w| w.len() != version.images().len()) {
            let wanted = format!("one per image, {}", version.images().len());
            return Err(Error::shape("image_weights", &[weights.len()], wanted));
        }
        let used = images_in_use(&version, options);
        if used.is_empty() {
            let why = "it has no image in use; append tilts first".into();
            return Err(Error::NotReady { what: "the dataset".into(), why });
        }
        let (views, images) = imaging.views(&version, &used);
        let projector = Arc::new(Projector::new(geometry_of(&version, options), views)?);
        let mut measured = Self {
            context: context.clone(),
            version,
            projector,
            fourier: None,
            images,
            data: vec![],
            weights: vec![],
            apart: vec![],
            driving: vec![],
            held_out: vec![],
            bounds: options.bounds(),
            support,
        };
        measured.choose_held_out(options)?;
        let recorded = |image: usize| &measured.version.images()[image].pixels[..];
        let combined = measured.combined(imaging, options.image_weights.as_deref(), &recorded)?;
        (measured.data, measured.weights, measured.apart) = combined;
        measured.check_content()?;
        if options.method.is_fourier() {
            check_voxels(measured.projector.geometry())?;
        }
        if options.method == TomographyMethod::ResireFourier {
            measured.fourier = Some(Arc::new(fourier_projector(&measured, options)?));
        }
        Ok(measured)
    }

    /// Frames of all views from `pixels_of` their images, and the weights of their values: with scale s, background c and
    /// weight w of every image, sum w s (pixel - c) / sum w s^2, which is what A V fits best, and sum w s^2.
    pub fn combined<'p>(
        &self,
        imaging: &Imaging,
        image_weights: Option<&[f64]>,
        pixels_of: &dyn Fn(usize) -> &'p [f32],
    ) -> Result<Combined> {
        let shape = self.projector.frame();
        let columns = self.version.columns();
        let (mut data, mut weights) =
            (zeros(self.images.len() * shape.len())?, zeros(self.images.len() * shape.len())?);
        // Of w s d, w s^2 and w d^2, where d = pixel - c.
        let mut sums = vec![[0.0; 3]; self.version.rows() * columns];
        let mut apart = vec![Apart::default(); self.images.len()];
        let frames = data.chunks_exact_mut(shape.len()).zip(weights.chunks_exact_mut(shape.len()));
        for (((data, weights), images), apart) in frames.zip(&self.images).zip(&mut apart) {
            sums.fill([0.0; 3]);
            for &image in images {
                let of = &self.version.images()[image];
                let (scale, background) = (imaging.scale[image], imaging.background[image]);
                let weight = image_weights.map_or(1.0, |weights| weights[image]);
                for (i, value) in pixels_of(image).iter().enumerate().filter(|(i, _)| of.uses(*i)) {
                    let value = f64::from(*value) - background;
                    let parts = [weight * scale * value, weight * scale * scale, weight * value * value];
                    sums[i].iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
                    apart.pixels += 1;
                }
            }
            for (i, [sum, weight, square]) in sums.iter().enumerate().filter(|(_, [_, weight, _])| *weight > 0.0) {
                let at = (i / columns + 1) * shape.columns + i % columns + 1;
                (data[at], weights[at]) = ((sum / weight) as f32, *weight as f32);
                if images.len() > 1 {
                    apart.squares += (square - sum * sum / weight).max(0.0);
                }
            }
        }
        Ok((data, weights, apart))
    }

    /// The same pixels of other images, which are A V themselves.
    pub fn of_pixels(&self, pixels: &[Vec<f32>], options: &TomographyOptions) -> Result<Self> {
        let (data, weights, apart) = self.combined(&Imaging::plain(pixels.len()), None, &|image| &pixels[image])?;
        Ok(Self {
            context: self.context.clone(),
            version: self.version.clone(),
            projector: self.projector.clone(),
            fourier: self.fourier.clone(),
            images: self.images.clone(),
            data,
            weights,
            apart,
            driving: self.driving.clone(),
            held_out: self.held_out.clone(),
            bounds: options.bounds(),
            support: self.support.clone(),
        })
    }

    /// Splits the views into those that drive and those that are held out, by their tilts.
    fn choose_held_out(&mut self, options: &TomographyOptions) -> Result<()> {
        let views = self.images.len();
        let mut order: Vec<usize> = (0..views).collect();
        let count = (options.held_out * views as f64).round() as usize;
        if options.held_out > 0.0 && (count == 0 || count == views) {
            let wanted = format!("a part that makes 1 to {} of the {views} views", views - 1);
            return Err(Error::range("held_out", options.held_out, wanted));
        }
        order.shuffle(&mut rand_pcg::Pcg64Mcg::seed_from_u64(options.seed));
        self.held_out = order[..count].to_vec();
        self.driving = order[count..].to_vec();
        self.held_out.sort_unstable();
        self.driving.sort_unstable();
        Ok(())
    }

    /// Refuses views without content: their R factor has no meaning, and a series with them is damaged.
    fn check_content(&self) -> Result<()> {
        let len = self.projector.frame().len();
        for (view, images) in self.images.iter().enumerate() {
            let range = view * len..(view + 1) * len;
            let used = || self.data[range.clone()].iter().zip(&self.weights[range.clone()]).filter(|(_, w)| **w > 0.0);
            let first = used().next().map_or(0.0, |(v, _)| *v);
            if used().all(|(v, _)| *v == first) {
                let why = format!("all its pixels in use are {first}; exclude its tilt, or append it again");
                return Err(Error::Empty { what: format!("image {}", images[0]), why });
            }
        }
        Ok(())
    }

    /// The volume of `values`.
    pub fn volume(&self, values: Vec<f32>) -> Result<Volume> {
        let geometry = self.projector.geometry();
        let [z, y, x] = geometry.shape;
        let values = Array3::from_shape_vec((z, y, x), values).map_err(|e| Error::Internal(e.to_string()))?;
        Volume::new(values, geometry.voxel_size)
    }

    /// How far a view is off, from its frame of b - A V.
    pub fn misfit(&self, view: usize, residual: &[f32]) -> Misfit {
        let mut misfit = Misfit::of(self.apart[view]);
        for (difference, at) in residual.iter().zip(view * residual.len()..) {
            if self.weights[at] > 0.0 {
                misfit.add(f64::from(self.data[at]), f64::from(*difference), f64::from(self.weights[at]));
            }
        }
        misfit
    }

    /// Number of voxels of a plane.
    pub fn plane(&self) -> usize {
        let [_, ny, nx] = self.projector.geometry().shape;
        ny * nx
    }

    /// Values of the frame of a view.
    pub fn frame_len(&self) -> usize {
        self.projector.frame().len()
    }

    /// Runs `work` on all planes of a volume, on the workers, and sums what it returns in the order of planes. It is short
    /// beside any projection and cannot be cancelled.
    pub fn over_planes(
        &self,
        volume: &mut [f32],
        waiting: &mut Waiting<'_>,
        work: &(dyn Fn(usize, &mut [f32]) -> f64 + Sync),
    ) -> Result<f64> {
        let cells: Vec<Mutex<(&mut [f32], f64)>> =
            volume.chunks_exact_mut(self.plane()).map(|plane| Mutex::new((plane, 0.0))).collect();
        let mut tell = |_| {
            (waiting.tell)(1.0);
            Ok(())
        };
        self.context.for_each(cells.len(), &mut tell, &|z| {
            let mut cell = cells[z].lock().unwrap_or_else(|p| p.into_inner());
            cell.1 = work(z, cell.0);
            Ok(())
        })?;
        Ok(cells.iter().map(|cell| cell.lock().unwrap_or_else(|p| p.into_inner()).1).sum())
    }

    /// Whether projections of `views` go through Fourier space.
    fn through_fourier(&self, views: &[usize]) -> Option<&FourierProjector> {
        self.fourier.as_deref().filter(|_| views == self.driving)
    }

    /// A for some `views`, as [`Projector::project`].
    pub fn project(
        &self,
        views: &[usize],
        volume: &[f32],
        frames: &mut [f32],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        let Some(fourier) = self.through_fourier(views) else {
            return self.projector.project(&self.context, views, volume, frames, waiting, finish);
        };
        let (pixels, columns) = (self.version.rows() * self.version.columns(), self.version.columns());
        let mut images = zeros(views.len() * pixels)?;
        fourier.project_all(&self.context, volume, &mut images, waiting)?;
        let cells: Vec<Mutex<&mut [f32]>> = frames.chunks_exact_mut(self.frame_len()).map(Mutex::new).collect();
        self.context.for_each(views.len(), &mut |_| waiting.at(1.0, "projecting"), &|place| {
            let mut frame = cells[place].lock().unwrap_or_else(|p| p.into_inner());
            to_frame(&images[place * pixels..][..pixels], columns, &mut frame);
            finish(place, &mut frame);
            Ok(())
        })
    }

    /// A* for some `views`, as [`Projector::back_project`].
    pub fn back_project(
        &self,
        views: &[usize],
        frames: &[f32],
        volume: &mut [f32],
        waiting: &mut Waiting<'_>,
        finish: &(dyn Fn(usize, &mut [f32]) + Sync),
    ) -> Result<()> {
        let Some(fourier) = self.through_fourier(views) else {
            return self.projector.back_project(&self.context, views, frames, volume, waiting, finish);
        };
        let (pixels, columns) = (self.version.rows() * self.version.columns(), self.version.columns());
        let mut images = zeros(views.len() * pixels)?;
        for (image, frame) in images.chunks_exact_mut(pixels).zip(frames.chunks_exact(self.frame_len())) {
            to_image(frame, columns, image);
        }
        fourier.back_project_all(&self.context, &images, volume, waiting)?;
        self.over_planes(volume, waiting, &|z, plane| {
            finish(z, plane);
            0.0
        })?;
        Ok(())
    }

    /// Holds a plane to bounds and support.
    pub fn constrain(&self, z: usize, plane: &mut [f32]) {
        let (lower, upper) = self.bounds;
        plane.iter_mut().for_each(|v| *v = v.clamp(lower, upper));
        if let Some(support) = &self.support {
            let of_plane = &support[z * plane.len()..][..plane.len()];
            plane.iter_mut().zip(of_plane).filter(|(_, inside)| !**inside).for_each(|(v, _)| *v = 0.0);
        }
    }

    /// Sets `residual` to factor (data - A volume) for some `views`, and returns how far each is off. `factor` is called
    /// with the place of a pixel in the frames of all views.
    pub fn residual(
        &self,
        views: &[usize],
        volume: &[f32],
        factor: &(dyn Fn(usize) -> f32 + Sync),
        residual: &mut [f32],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<Misfit>> {
        let len = self.projector.frame().len();
        let misfits: Vec<Mutex<Misfit>> = views.iter().map(|_| Mutex::default()).collect();
        self.project(views, volume, residual, waiting, &|place, frame| {
            let range = views[place] * len..(views[place] + 1) * len;
            let mut misfit = Misfit::of(self.apart[views[place]]);
            for (value, at) in frame.iter_mut().zip(range) {
                let (data, weight) = (self.data[at], self.weights[at]);
                if weight == 0.0 {
                    *value = 0.0;
                    continue;
                }
                let difference = data - *value;
                misfit.add(f64::from(data), f64::from(difference), f64::from(weight));
                *value = difference * factor(at);
            }
            *misfits[place].lock().unwrap_or_else(|p| p.into_inner()) = misfit;
        })?;
        Ok(misfits.iter().map(|m| *m.lock().unwrap_or_else(|p| p.into_inner())).collect())
    }
}

/// How far a view is from its calculated image.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Misfit {
    /// Pixels in use of all its images.
    pixels: usize,
    /// Sum over its images of weight difference^2.
    weighted_squares: f64,
    squares: f64,
    absolutes: f64,
    data_squares: f64,
    data_absolutes: f64,
}

impl Misfit {
    /// Before any pixel of the view's mean image.
    fn of(apart: Apart) -> Self {
        Self { pixels: apart.pixels, weighted_squares: apart.squares, ..Self::default() }
    }

    fn add(&mut self, data: f64, difference: f64, weight: f64) {
        self.weighted_squares += weight * difference * difference;
        self.squares += difference * difference;
        self.absolutes += difference.abs();
        self.data_squares += data * data;
        self.data_absolutes += data.abs();
    }

    /// R1 = sum |b - A V| / sum |b|.
    pub fn r1(&self) -> f64 {
        self.absolutes / self.data_absolutes
    }

    /// R2 = ||b - A V|| / ||b||.
    pub fn r2(&self) -> f64 {
        (self.squares / self.data_squares).sqrt()
    }

    /// Mean R1 of some views, NaN of none.
    pub fn mean_r1(views: &[Self]) -> f64 {
        views.iter().map(Self::r1).sum::<f64>() / views.len() as f64
    }

    /// ||b - A V|| / ||b|| over some views together.
    pub fn relative(views: &[Self]) -> f64 {
        let sum = |of: fn(&Self) -> f64| views.iter().map(of).sum::<f64>();
        let total = sum(|m| m.data_squares);
        if total > 0.0 {
            (sum(|m| m.squares) / total).sqrt()
        } else {
            0.0
        }
    }

    /// Mean of weight difference^2 / 2 over the pixels of the images of some views: the loss.
    pub fn loss(views: &[Self]) -> f64 {
        let pixels: usize = views.iter().map(|m| m.pixels).sum();
        0.5 * views.iter().map(|m| m.weighted_squares).sum::<f64>() / pixels as f64
    }
}

/// Images that take part, tilt by tilt: those of weight 0 do not, though their tilts count in halves.
fn images_in_use(version: &SeriesVersion, options: &TomographyOptions) -> Vec<usize> {
    let used = |i: &usize| !version.images()[*i].excluded;
    let tilts = version.tilts().iter().map(|t| t.images.iter().copied().filter(used).collect::<Vec<_>>());
    let tilts = tilts.filter(|images| !images.is_empty()).enumerate();
    let chosen = tilts.filter(|(i, _)| match options.subset {
        ViewSubset::All => true,
        ViewSubset::Even => i % 2 == 0,
        ViewSubset::Odd => i % 2 == 1,
    });
    let weight = |image: &usize| options.image_weights.as_ref().and_then(|w| w.get(*image)).is_none_or(|w| *w > 0.0);
    chosen.flat_map(|(_, images)| images).filter(weight).collect()
}

/// The 5 % quantile of the means over squares of pixels that all count; 0 where there is no such square.
fn lowest_squares(pixels: &[f32], uses: &dyn Fn(usize) -> bool, columns: usize) -> f32 {
    const EDGE: usize = 8;
    let rows = pixels.len() / columns;
    let mut means = Vec::new();
    for top in (0..(rows + 1).saturating_sub(EDGE)).step_by(EDGE) {
        for left in (0..(columns + 1).saturating_sub(EDGE)).step_by(EDGE) {
            let square = || (0..EDGE * EDGE).map(|k| (top + k / EDGE) * columns + left + k % EDGE);
            if square().all(uses) {
                means.push(square().map(|i| pixels[i]).sum::<f32>() / (EDGE * EDGE) as f32);
            }
        }
    }
    means.sort_by(f32::total_cmp);
    means.get(means.len() / 20).copied().unwrap_or(0.0)
}

/// Zeros, or an error where there is no memory for them.
pub(super) fn zeros(len: usize) -> Result<Vec<f32>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::Memory {
        what: "a volume or its images".into(),
        needed: 4 * len as u64,
        available: 0,
    })?;
    values.resize(len, 0.0);
    Ok(values)
}
