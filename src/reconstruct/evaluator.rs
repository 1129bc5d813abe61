//! Loss and gradient over any subset of images: the tilts are independent items of work, their gradients the leaves
//! of a fixed binary tree.

use crate::context::{BufferPool, Context, TreeSum};
use crate::dataset::Image;
use crate::error::{Error, Result};
use crate::forward::{self, Loss};
use crate::problem::{Evaluation, ForwardModel, Point, Problem, Waiting, Want};
use crate::simd::Real;
use rand::{Rng, SeedableRng};
use std::sync::{Arc, Mutex};

/// A forward model with measured images and a loss.
pub struct Evaluator<T: Real, M: ForwardModel<T>> {
    context: Context,
    model: M,
    observed: Vec<Arc<Image>>,
    /// Images that take part by default.
    used: Vec<usize>,
    /// Of each image.
    losses: Vec<Loss>,
    workspaces: Mutex<Vec<Scratch<T, M::Workspace>>>,
    buffers: BufferPool,
}

struct Scratch<T, W> {
    model: W,
    images: Vec<T>,
    /// Changes of the images; empty until a second-order request.
    changes: Vec<T>,
}

/// The images of a request that belong to one tilt, with their places in the request.
struct TiltWork {
    tilt: usize,
    images: Vec<usize>,
    places: Vec<usize>,
}

/// What is done with the calculated images of one tilt: its number in the request, the point, the scratch.
type TiltItem<'a, T, M> = dyn Fn(
        usize,
        &Point<'_, <M as ForwardModel<T>>::Shared>,
        &mut Scratch<T, <M as ForwardModel<T>>::Workspace>,
    ) -> Result<()>
    + Sync
    + 'a;

/// Loss (sum over pixels) and R factor of one image.
#[derive(Clone, Copy, Default)]
struct ImageResult {
    loss: f64,
    r_factor: f64,
}

impl<T: Real, M: ForwardModel<T>> Evaluator<T, M> {
    /// Joins a model with the images of a series, each with its loss; excluded images take no part unless named.
    pub fn new(context: Context, model: M, observed: Vec<Arc<Image>>, losses: Vec<Loss>) -> Self {
        debug_assert_eq!(observed.len(), losses.len());
        let used = (0..observed.len()).filter(|i| !observed[*i].excluded).collect();
        Self { context, model, observed, used, losses, workspaces: Mutex::default(), buffers: BufferPool::default() }
    }

    /// The forward model.
    pub fn model(&self) -> &M {
        &self.model
    }

    /// Used pixels of an image.
    fn pixel_count(&self, image: usize) -> usize {
        self.observed[image].used_pixels()
    }

    /// Groups the images of a request by tilt, in the order of tilts.
    fn group(&self, images: &[usize]) -> Result<Vec<TiltWork>> {
        if images.is_empty() {
            let why = "it has no images to evaluate; append tilts to the dataset, or include some again".into();
            return Err(Error::NotReady { what: "the reconstruction".into(), why });
        }
        let mut tilts = std::collections::BTreeMap::<usize, TiltWork>::new();
        for (place, &image) in images.iter().enumerate() {
            let Some(observed) = self.observed.get(image) else {
                return Err(Error::range(
                    "image number",
                    image,
                    format!("0 to {}", self.observed.len().saturating_sub(1)),
                ));
            };
            let tilt = observed.tilt;
            let work = tilts.entry(tilt).or_insert_with(|| TiltWork { tilt, images: vec![], places: vec![] });
            if work.images.contains(&image) {
                return Err(Error::Inconsistent {
                    what: "image list".into(),
                    why: format!("image {image} (0-based) is named twice"),
                });
            }
            work.images.push(image);
            work.places.push(place);
        }
        Ok(tilts.into_values().collect())
    }

    fn with_scratch<R>(&self, pixels: usize, run: impl FnOnce(&mut Scratch<T, M::Workspace>) -> R) -> R {
        let pooled = self.workspaces.lock().unwrap_or_else(|p| p.into_inner()).pop();
        let mut scratch = pooled.unwrap_or_else(|| Scratch {
            model: self.model.workspace(),
            images: Vec::new(),
            changes: Vec::new(),
        });
        scratch.images.resize(pixels, T::zero());
        let result = run(&mut scratch);
        self.workspaces.lock().unwrap_or_else(|p| p.into_inner()).push(scratch);
        result
    }

    /// Prepares the point and runs `item` for every tilt of the request. `item` gets the calculated images of its
    /// tilt in the scratch.
    fn walk(
        &self,
        parameters: &[f64],
        active: &[bool],
        work: &[TiltWork],
        waiting: &mut Waiting<'_>,
        item: &TiltItem<'_, T, M>,
    ) -> Result<()> {
        let cancel = waiting.cancel;
        let shared = self.model.prepare(parameters, active, &self.context, &mut |_| waiting.at(0.0, "planning"))?;
        let point = Point { parameters, active, shared: &shared, cancel };
        let count = work.len();
        self.context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "an evaluation"), &|i| {
            let tilt = &work[i];
            cancel.check("an evaluation")?;
            self.with_scratch(tilt.images.len() * self.model.pixels(), |scratch| {
                self.model.predict(&point, tilt.tilt, &tilt.images, &mut scratch.images, &mut scratch.model)?;
                item(i, &point, scratch)
            })
        })
    }

    /// Sum of the gradients of all tilts, each made from the residual images that `residual` leaves in the scratch.
    fn sum_gradients(
        &self,
        parameters: &[f64],
        active: &[bool],
        work: &[TiltWork],
        waiting: &mut Waiting<'_>,
        residual: &TiltItem<'_, T, M>,
    ) -> Result<Vec<f64>> {
        let tree = TreeSum::new(work.len(), &self.buffers);
        self.walk(parameters, active, work, waiting, &|i, point, scratch| {
            residual(i, point, scratch)?;
            let mut gradient = self.buffers.take(parameters.len());
            let tilt = &work[i];
            let Scratch { model, images, .. } = scratch;
            self.model.pull_back(point, tilt.tilt, &tilt.images, images, &mut gradient, model)?;
            tree.deliver(i, gradient);
            Ok(())
        })?;
        tree.finish().ok_or_else(|| Error::Internal("a tilt delivered no gradient".into()))
    }

    /// The change of the images of one tilt along `direction`, beside the calculated ones in the scratch.
    fn change(
        &self,
        work: &TiltWork,
        point: &Point<'_, M::Shared>,
        direction: &[f64],
        scratch: &mut Scratch<T, M::Workspace>,
    ) -> Result<()> {
        let Scratch { model, images, changes } = scratch;
        changes.resize(images.len(), T::zero());
        self.model.push_forward(point, work.tilt, &work.images, direction, changes, model)
    }

    /// Multiplies `values`, which belong to the images of one tilt, by `of` the weight of each pixel in the
    /// Gauss-Newton matrix at the `calculated` images, 0 where masked.
    fn weigh(&self, images: &[usize], calculated: &[T], values: &mut [T], of: impl Fn(f64) -> f64) {
        let pixels = self.model.pixels();
        let each = images.iter().zip(calculated.chunks_exact(pixels)).zip(values.chunks_exact_mut(pixels));
        for ((&image, calculated), values) in each {
            let (observed, loss) = (&self.observed[image], self.losses[image]);
            for (i, (value, calculated)) in values.iter_mut().zip(calculated).enumerate() {
                let weight = || of(loss.weight(calculated.f64(), f64::from(observed.pixels[i])));
                *value *= T::of(if observed.uses(i) { weight() } else { 0.0 });
            }
        }
    }

    /// 1 / n over the used pixels of a request.
    fn per_pixel(&self, images: &[usize]) -> f64 {
        1.0 / images.iter().map(|image| self.pixel_count(*image)).sum::<usize>() as f64
    }

    /// Losses of the calculated images of one tilt; they become residuals.
    fn compare(&self, work: &TiltWork, want: Want, images: &mut [T]) -> Vec<ImageResult> {
        let each = work.images.iter().zip(images.chunks_exact_mut(self.model.pixels()));
        each.map(|(&image, calculated)| {
            let observed = &self.observed[image];
            let r_factor = if want.r_factors {
                forward::r_factor(&observed.pixels, observed.mask.as_deref(), calculated)
            } else {
                f64::NAN
            };
            let loss = self.losses[image].evaluate(&observed.pixels, observed.mask.as_deref(), calculated);
            ImageResult { loss, r_factor }
        })
        .collect()
    }
}

impl<T: Real, M: ForwardModel<T>> Problem for Evaluator<T, M> {
    fn images(&self) -> &[usize] {
        &self.used
    }

    fn evaluate(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        want: Want,
        waiting: &mut Waiting<'_>,
    ) -> Result<Evaluation> {
        let work = self.group(images)?;
        let results: Vec<Mutex<Vec<ImageResult>>> = work.iter().map(|_| Mutex::default()).collect();
        let compare = |i: usize, images: &mut [T]| {
            *results[i].lock().unwrap_or_else(|p| p.into_inner()) = self.compare(&work[i], want, images);
        };
        let mut gradient = if want.gradient {
            self.sum_gradients(parameters, active, &work, waiting, &|i, _, scratch| {
                compare(i, &mut scratch.images);
                Ok(())
            })?
        } else {
            self.walk(parameters, active, &work, waiting, &|i, _, scratch| {
                compare(i, &mut scratch.images);
                Ok(())
            })?;
            Vec::new()
        };
        let mut evaluation = Evaluation::default();
        evaluation.image_losses.resize(images.len(), 0.0);
        evaluation.r_factors.resize(images.len(), 0.0);
        for (work, results) in work.iter().zip(results) {
            let results = results.into_inner().unwrap_or_else(|p| p.into_inner());
            for (place, result) in work.places.iter().zip(results) {
                evaluation.image_losses[*place] = result.loss;
                evaluation.r_factors[*place] = result.r_factor;
            }
        }
        // The loss is the mean over all used pixels: images in the order of the request, whatever the threads did.
        let mut pixels = 0;
        for (loss, image) in evaluation.image_losses.iter_mut().zip(images) {
            let count = self.pixel_count(*image);
            evaluation.loss += *loss;
            *loss /= count as f64;
            pixels += count;
        }
        let mean = 1.0 / pixels as f64;
        evaluation.loss *= mean;
        gradient.iter_mut().for_each(|g| *g *= mean);
        evaluation.gradient = gradient;
        check_finite(&evaluation, images)?;
        Ok(evaluation)
    }

    fn predict(&self, parameters: &[f64], images: &[usize], out: &mut [f64], waiting: &mut Waiting<'_>) -> Result<()> {
        let work = self.group(images)?;
        let outputs: Vec<Mutex<&mut [f64]>> = out.chunks_exact_mut(self.model.pixels()).map(Mutex::new).collect();
        self.walk(parameters, &[false; MAX_BLOCKS], &work, waiting, &|i, _, scratch| {
            copy_images(&work[i], &scratch.images, &outputs, self.model.pixels());
            Ok(())
        })
    }

    fn push_forward(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        direction: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let work = self.group(images)?;
        let pixels = self.model.pixels();
        let mut out = vec![0.0; images.len() * pixels];
        let outputs: Vec<Mutex<&mut [f64]>> = out.chunks_exact_mut(pixels).map(Mutex::new).collect();
        self.walk(parameters, active, &work, waiting, &|i, point, scratch| {
            self.change(&work[i], point, direction, scratch)?;
            copy_images(&work[i], &scratch.changes, &outputs, pixels);
            Ok(())
        })?;
        drop(outputs);
        Ok(out)
    }

    fn gauss_newton_product(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        direction: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let work = self.group(images)?;
        let mut product = self.sum_gradients(parameters, active, &work, waiting, &|i, point, scratch| {
            self.change(&work[i], point, direction, scratch)?;
            let Scratch { images, changes, .. } = scratch;
            self.weigh(&work[i].images, images, changes, |weight| weight);
            std::mem::swap(images, changes);
            Ok(())
        })?;
        let mean = self.per_pixel(images);
        product.iter_mut().for_each(|p| *p *= mean);
        Error::unless_finite("the Gauss-Newton product", "parameter", &product)?;
        Ok(product)
    }

    fn gauss_newton_diagonal(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        probes: usize,
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let work = self.group(images)?;
        let mut diagonal = vec![0.0; parameters.len()];
        for probe in 0..probes {
            let part = self.sum_gradients(parameters, active, &work, waiting, &|i, _, scratch| {
                let Scratch { images: calculated, changes: signs, .. } = scratch;
                signs.resize(calculated.len(), T::zero());
                for (image, signs) in work[i].images.iter().zip(signs.chunks_exact_mut(self.model.pixels())) {
                    random_signs(probe, *image, signs);
                }
                self.weigh(&work[i].images, calculated, signs, f64::sqrt);
                std::mem::swap(calculated, signs);
                Ok(())
            })?;
            diagonal.iter_mut().zip(&part).for_each(|(d, p)| *d += p * p);
            self.buffers.give(part);
        }
        let mean = self.per_pixel(images) / probes.max(1) as f64;
        diagonal.iter_mut().for_each(|d| *d *= mean);
        Error::unless_finite("the Gauss-Newton diagonal", "parameter", &diagonal)?;
        Ok(diagonal)
    }

    fn pull_back(
        &self,
        parameters: &[f64],
        active: &[bool],
        images: &[usize],
        residuals: &[f64],
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<f64>> {
        let work = self.group(images)?;
        let pixels = self.model.pixels();
        self.sum_gradients(parameters, active, &work, waiting, &|i, _, scratch| {
            for (place, image) in work[i].places.iter().zip(scratch.images.chunks_exact_mut(pixels)) {
                let residual = &residuals[place * pixels..][..pixels];
                image.iter_mut().zip(residual).for_each(|(v, r)| *v = T::of(*r));
            }
            Ok(())
        })
    }

    fn pixels(&self) -> usize {
        self.model.pixels()
    }

    fn buffers(&self) -> &BufferPool {
        &self.buffers
    }

    fn memory_estimate(&self) -> u64 {
        let mut per_tilt = vec![0usize; self.model.tilt_count()];
        self.observed.iter().for_each(|image| per_tilt[image.tilt] += 1);
        let images = per_tilt.into_iter().max().unwrap_or(0);
        let each = self.model.workspace_bytes(images) + images * self.model.pixels() * size_of::<T>();
        (self.context.threads() * each + self.model.shared_bytes()) as u64
    }
}

/// A problem whose images are compared by losses that may still change: that of Huber waits for the residuals at the start.
pub(super) trait Compared: Problem {
    /// Compares each image by another loss from now on.
    fn compare_by(&mut self, losses: Vec<Loss>);
}

impl<T: Real, M: ForwardModel<T>> Compared for Evaluator<T, M> {
    fn compare_by(&mut self, losses: Vec<Loss>) {
        self.losses = losses;
    }
}

/// Copies the images of one tilt to their places in the request.
fn copy_images<T: Real>(work: &TiltWork, images: &[T], outputs: &[Mutex<&mut [f64]>], pixels: usize) {
    for (place, image) in work.places.iter().zip(images.chunks_exact(pixels)) {
        let mut out = outputs[*place].lock().unwrap_or_else(|p| p.into_inner());
        out.iter_mut().zip(image).for_each(|(o, v)| *o = v.f64());
    }
}

/// Signs of one image in one probe: they depend on these two numbers alone, whatever the threads do.
fn random_signs<T: Real>(probe: usize, image: usize, signs: &mut [T]) {
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(0x5eed ^ ((probe as u64) << 32) ^ image as u64);
    for signs in signs.chunks_mut(32) {
        let mut bits = random.next_u32();
        for sign in signs {
            *sign = if bits & 1 == 1 { T::one() } else { T::zero() - T::one() };
            bits >>= 1;
        }
    }
}

/// Blocks that any model has at most.
const MAX_BLOCKS: usize = 16;

fn check_finite(evaluation: &Evaluation, images: &[usize]) -> Result<()> {
    if let Some((at, value)) = evaluation.image_losses.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        let at = format!("image {} (parameters out of range?)", images[at]);
        return Err(Error::NonFinite { what: "the loss".into(), value: *value, at });
    }
    Error::unless_finite("the gradient", "parameter", &evaluation.gradient)
}
