//! Masks of volumes: where the specimen is. A mask is a volume of 0 and 1, with values between them in a soft edge.
//!
//! The chain that published tomography of nanoparticles uses: smooth, a part of Otsu's threshold, grow, drop islands,
//! shrink again. Any step can be left out, so the same call grows or shrinks a mask (threshold 0.5, no smoothing).

use super::components::{fill_holes, keep_islands, Connectivity};
use super::distance::{check_radius, dilated, eroded, squared_distances};
use super::planes::{collected, planes};
use super::smooth::{smooth_values, Smoothing};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use crate::specimen::Volume;
use ndarray::{Array3, ArrayView3};
use std::sync::Mutex;

/// Grey levels of the histogram.
const LEVELS: usize = 256;

/// Steps of [`mask`], in their order. Lengths are in voxels. The default is the published chain.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskOptions {
    /// Before anything else.
    pub smoothing: Smoothing,
    /// Voxels above this value are in the mask; `None`: by [`otsu_threshold`] and `factor`.
    pub threshold: Option<f64>,
    /// The threshold lies at this part of the way from the smallest value to Otsu's threshold.
    pub factor: f64,
    /// Radius of the ball by which the mask grows, for good.
    pub dilation: f64,
    /// Radius of the ball by which the mask grows once more, to join parts before islands are looked for.
    pub closing: f64,
    /// Connected parts of fewer voxels are dropped.
    pub minimum_island: usize,
    /// Only the largest connected part is kept.
    pub largest_only: bool,
    /// Which voxels are connected.
    pub connectivity: Connectivity,
    /// Fill what is enclosed on all sides.
    pub fill_holes: bool,
    /// Radius of the ball by which the mask shrinks at the end.
    pub erosion: f64,
    /// Width of the edge in which values fall from 1 to 0, outside of the mask: (1 + cos(pi d / width)) / 2 at distance d.
    pub soft_edge: f64,
}

impl Default for MaskOptions {
    fn default() -> Self {
        Self {
            smoothing: Smoothing::Box(9),
            threshold: None,
            factor: 0.9,
            dilation: 3.0,
            closing: 11.0,
            minimum_island: 50_000,
            largest_only: false,
            connectivity: Connectivity::Corners,
            fill_holes: false,
            erosion: 15.0,
            soft_edge: 0.0,
        }
    }
}

impl MaskOptions {
    /// No step but the threshold: a start for chains of one's own.
    pub fn plain(threshold: f64) -> Self {
        Self {
            smoothing: Smoothing::None,
            threshold: Some(threshold),
            dilation: 0.0,
            closing: 0.0,
            minimum_island: 0,
            erosion: 0.0,
            ..Self::default()
        }
    }

    fn check(&self) -> Result<()> {
        self.smoothing.check()?;
        if let Some(threshold) = self.threshold.filter(|t| !t.is_finite()) {
            return Err(Error::range("threshold", threshold, "a number"));
        }
        if !(self.factor.is_finite() && self.factor > 0.0) {
            return Err(Error::range("factor", self.factor, "a positive number"));
        }
        let radii = [self.dilation, self.closing, self.erosion, self.soft_edge];
        radii
            .iter()
            .zip(["dilation", "closing", "erosion", "soft_edge"])
            .try_for_each(|(r, what)| check_radius(what, *r))
    }
}

/// The mask of `volume`: its shape and voxel size, 1 where the specimen is, 0 where not, values between in a soft edge.
///
/// # Errors
/// `Range` for options without meaning, `Inconsistent` for a constant volume, which has no threshold, `Empty` where a
/// step leaves nothing of the mask, `Cancelled`.
pub fn mask(context: &Context, volume: &Volume, options: &MaskOptions, waiting: &mut Waiting<'_>) -> Result<Volume> {
    options.check()?;
    let shape = volume.shape();
    let mut inside = waiting.part(0.0, 0.3, |waiting| thresholded(context, volume, options, waiting))?;
    unless_empty(&inside, "no voxel lies above the threshold")?;
    inside = waiting.part(0.3, 0.5, |waiting| dilated(context, shape, inside, options.dilation, waiting))?;
    inside = waiting.part(0.5, 0.65, |waiting| dilated(context, shape, inside, options.closing, waiting))?;
    inside = waiting.part(0.65, 0.75, |waiting| connected(context, shape, inside, options, waiting))?;
    inside = waiting.part(0.75, 0.9, |waiting| eroded(context, shape, inside, options.erosion, waiting))?;
    unless_empty(&inside, &format!("an erosion by {} voxels leaves nothing", options.erosion))?;
    let values = waiting.part(0.9, 1.0, |waiting| edged(context, shape, &inside, options.soft_edge, waiting))?;
    let values = Array3::from_shape_vec(shape, values).map_err(|e| Error::Internal(e.to_string()))?;
    Volume::new(values, volume.voxel_size())
}

/// Otsu's threshold of a volume: of 256 classes of values between the smallest and the largest, the border that gives two
/// groups of sizes w0, w1 and means m0, m1 the largest w0 w1 (m0 - m1)^2 (N. Otsu 1979); the mean of the borders where
/// several are as good.
///
/// # Errors
/// `Inconsistent` for a constant volume, `Cancelled`.
pub fn otsu_threshold(context: &Context, volume: &Volume, waiting: &mut Waiting<'_>) -> Result<f64> {
    let histogram = Histogram::of(context, volume.values(), waiting)?;
    Ok(histogram.otsu())
}

/// `volume` times `mask`, voxel by voxel.
///
/// # Errors
/// `Shape` for volumes of several shapes, `Inconsistent` for several voxel sizes, `NonFinite` where a product is too large
/// for single precision, `Cancelled`.
pub fn multiply(context: &Context, volume: &Volume, mask: &Volume, waiting: &mut Waiting<'_>) -> Result<Volume> {
    check_alike("mask", mask, volume)?;
    let shape = volume.shape();
    let size = shape[1] * shape[2];
    let (values, factors) = (volume.as_slice(), mask.as_slice());
    let product = planes(context, shape, "multiplying", waiting, &|z, plane: &mut [f32]| {
        let pairs = values[z * size..][..size].iter().zip(&factors[z * size..][..size]);
        plane.iter_mut().zip(pairs).for_each(|(p, (v, f))| *p = v * f);
    })?;
    let values = Array3::from_shape_vec(shape, product).map_err(|e| Error::Internal(e.to_string()))?;
    Volume::new(values, volume.voxel_size())
}

/// Voxel sizes may differ by this part.
const SIZE_TOLERANCE: f64 = 1e-6;

/// Refuses a volume of another shape or voxel size than `like`.
pub(crate) fn check_alike(what: &str, volume: &Volume, like: &Volume) -> Result<()> {
    if volume.shape() != like.shape() {
        return Err(Error::shape(what, &volume.shape(), format!("{:?} as the volume has it", like.shape())));
    }
    let (got, wanted) = (volume.voxel_size(), like.voxel_size());
    if (got - wanted).abs() > SIZE_TOLERANCE * wanted {
        let why = format!("its voxels are {got} wide, those of the volume {wanted}");
        return Err(Error::Inconsistent { what: what.into(), why });
    }
    Ok(())
}

fn unless_empty(inside: &[bool], why: &str) -> Result<()> {
    match inside.iter().any(|v| *v) {
        true => Ok(()),
        false => Err(Error::Empty { what: "mask".into(), why: why.into() }),
    }
}

fn thresholded(
    context: &Context,
    volume: &Volume,
    options: &MaskOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<bool>> {
    let smoothed =
        waiting.part(0.0, 0.7, |waiting| smooth_values(context, volume.values(), options.smoothing, waiting))?;
    let threshold = match options.threshold {
        Some(threshold) => threshold,
        None => {
            let histogram = waiting.part(0.7, 0.9, |waiting| Histogram::of(context, smoothed.view(), waiting))?;
            histogram.lowest + options.factor * (histogram.otsu() - histogram.lowest)
        }
    };
    let shape = volume.shape();
    let size = shape[1] * shape[2];
    let values = smoothed.as_slice().unwrap_or_default(); // made in C order
    waiting.part(0.9, 1.0, |waiting| {
        planes(context, shape, "thresholding", waiting, &|z, plane: &mut [bool]| {
            let values = &values[z * size..][..size];
            plane.iter_mut().zip(values).for_each(|(inside, v)| *inside = f64::from(*v) > threshold);
        })
    })
}

/// Islands and holes, by one worker.
fn connected(
    context: &Context,
    shape: [usize; 3],
    inside: Vec<bool>,
    options: &MaskOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<bool>> {
    let (cancel, connectivity) = (waiting.cancel, options.connectivity);
    let voxels = Mutex::new(inside);
    context.for_each(1, &mut |done| waiting.at(done as f64, "labelling islands"), &|_| {
        let mut voxels = voxels.lock().unwrap_or_else(|p| p.into_inner());
        if options.minimum_island > 1 || options.largest_only {
            let which = (options.minimum_island, options.largest_only);
            let islands = keep_islands(shape, &mut voxels, connectivity, which, cancel)?;
            let (found, largest) = (islands.found, islands.largest);
            unless_empty(
                &voxels,
                &format!(
                    "none of its {found} connected parts has the minimum_island of {} voxels, the largest has {largest}",
                    options.minimum_island
                ),
            )?;
        }
        if options.fill_holes {
            fill_holes(shape, &mut voxels, connectivity, cancel)?;
        }
        Ok(())
    })?;
    Ok(voxels.into_inner().unwrap_or_else(|p| p.into_inner()))
}

/// 1 inside, falling to 0 over `width` voxels outside.
fn edged(
    context: &Context,
    shape: [usize; 3],
    inside: &[bool],
    width: f64,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<f32>> {
    let size = shape[1] * shape[2];
    if width == 0.0 {
        return planes(context, shape, "writing the mask", waiting, &|z, plane: &mut [f32]| {
            plane.iter_mut().zip(&inside[z * size..]).for_each(|(v, inside)| *v = f32::from(u8::from(*inside)));
        });
    }
    let distances = waiting.part(0.0, 0.8, |waiting| squared_distances(context, shape, inside, true, waiting))?;
    waiting.part(0.8, 1.0, |waiting| {
        planes(context, shape, "writing the mask", waiting, &|z, plane: &mut [f32]| {
            for (v, squared) in plane.iter_mut().zip(&distances[z * size..]) {
                *v = raised_cosine(f64::from(*squared).sqrt() / width) as f32;
            }
        })
    })
}

/// 1 up to 0, 0 from 1 on, half a cosine between.
pub(super) fn raised_cosine(t: f64) -> f64 {
    match t {
        t if t <= 0.0 => 1.0,
        t if t >= 1.0 => 0.0,
        t => 0.5 + 0.5 * (std::f64::consts::PI * t).cos(),
    }
}

/// How many voxels lie in each class of values.
struct Histogram {
    lowest: f64,
    /// Width of a class.
    step: f64,
    counts: [u64; LEVELS],
}

impl Histogram {
    fn of(context: &Context, values: ArrayView3<'_, f32>, waiting: &mut Waiting<'_>) -> Result<Self> {
        const PHASE: &str = "looking for the threshold";
        let plane = |z: usize| values.index_axis(ndarray::Axis(0), z).to_slice().unwrap_or_default(); // C order
        let nz = values.dim().0;
        let ranges = waiting.part(0.0, 0.5, |waiting| {
            collected(context, nz, PHASE, waiting, &|z| {
                let start = (f32::INFINITY, f32::NEG_INFINITY);
                plane(z).iter().fold(start, |(low, high), v| (low.min(*v), high.max(*v)))
            })
        })?;
        let lowest = ranges.iter().fold(f32::INFINITY, |low, r| low.min(r.0));
        let highest = ranges.iter().fold(f32::NEG_INFINITY, |high, r| high.max(r.1));
        let (lowest, highest) = (f64::from(lowest), f64::from(highest));
        if lowest == highest {
            let why = format!("all voxels are {lowest}: no threshold parts specimen from vacuum");
            return Err(Error::Inconsistent { what: "volume".into(), why });
        }
        let step = (highest - lowest) / LEVELS as f64;
        let counted = waiting.part(0.5, 1.0, |waiting| {
            collected(context, nz, PHASE, waiting, &|z| {
                let mut counts = [0u64; LEVELS];
                for v in plane(z) {
                    counts[(((f64::from(*v) - lowest) / step) as usize).min(LEVELS - 1)] += 1;
                }
                counts
            })
        })?;
        let mut counts = [0; LEVELS];
        counted.iter().for_each(|of| counts.iter_mut().zip(of).for_each(|(sum, n)| *sum += n));
        Ok(Self { lowest, step, counts })
    }

    fn otsu(&self) -> f64 {
        let total: f64 = self.counts.iter().map(|n| *n as f64).sum();
        let moment: f64 = self.counts.iter().enumerate().map(|(i, n)| i as f64 * *n as f64).sum();
        let (mut below, mut below_moment) = (0.0, 0.0);
        let (mut best, mut borders) = (0.0, (0.0, 0.0)); // sum and number of the best borders
        for (i, n) in self.counts[..LEVELS - 1].iter().enumerate() {
            below += *n as f64;
            below_moment += i as f64 * *n as f64;
            let above = total - below;
            let difference = below_moment / below - (moment - below_moment) / above;
            let spread = below * above * difference * difference;
            if spread > best {
                (best, borders) = (spread, (0.0, 0.0));
            }
            if spread == best {
                borders = (borders.0 + (i + 1) as f64, borders.1 + 1.0);
            }
        }
        self.lowest + self.step * borders.0 / borders.1
    }
}

#[cfg(test)]
mod tests {
    use super::super::support::{support, Support};
    use super::*;
    use crate::context::ContextOptions;

    fn with<R>(threads: usize, run: impl FnOnce(&Context, &mut Waiting<'_>) -> R) -> R {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
        let cancel = context.cancel_token();
        run(&context, &mut Waiting { cancel: &cancel, tell: &mut |_| true })
    }

    fn masked(volume: &Volume, options: &MaskOptions) -> Result<Volume> {
        with(2, |context, waiting| mask(context, volume, options, waiting))
    }

    fn otsu(volume: &Volume) -> Result<f64> {
        with(2, |context, waiting| otsu_threshold(context, volume, waiting))
    }

    fn volume(shape: [usize; 3], value: impl Fn(usize, usize, usize) -> f64) -> Volume {
        Volume::new(Array3::from_shape_fn(shape, |(z, y, x)| value(z, y, x) as f32), 0.5).unwrap()
    }

    fn hash(i: usize) -> f64 {
        ((i as f64 * 12.9898 + 78.233).sin() * 43758.5453).rem_euclid(1.0)
    }

    /// A noisy ball of radius 9 on noise, a small one of radius 2 and a hole of radius 2 in the large one.
    fn particle() -> Volume {
        let square = |p: [f64; 3]| p.iter().map(|v| v * v).sum::<f64>();
        volume([32, 34, 36], |z, y, x| {
            let p = [z as f64 - 16.0, y as f64 - 17.0, x as f64 - 18.0];
            let hole = square(p) <= 4.0;
            let ball = square(p) <= 81.0 || square([p[0] - 11.0, p[1] - 12.0, p[2] - 13.0]) <= 4.0;
            f64::from(u8::from(ball && !hole)) + 0.2 * hash((z * 34 + y) * 36 + x)
        })
    }

    fn count(mask: &Volume) -> usize {
        mask.as_slice().iter().filter(|v| **v > 0.5).count()
    }

    /// The border of highest spread between groups, straight from the definition.
    fn plain_otsu(values: &[f32]) -> f64 {
        let low = f64::from(values.iter().copied().fold(f32::INFINITY, f32::min));
        let high = f64::from(values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let step = (high - low) / 256.0;
        let class = |v: f32| (((f64::from(v) - low) / step) as usize).min(255) as f64;
        let spread = |border: f64| {
            let (a, b): (Vec<f64>, Vec<f64>) = values.iter().map(|v| class(*v)).partition(|c| *c < border);
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            if a.is_empty() || b.is_empty() {
                0.0
            } else {
                (a.len() * b.len()) as f64 * (mean(&a) - mean(&b)).powi(2)
            }
        };
        let spreads: Vec<f64> = (1..256).map(|border| spread(f64::from(border))).collect();
        let best = spreads.iter().copied().fold(0.0, f64::max);
        let best: Vec<f64> =
            (1..256).filter(|b| (spreads[*b as usize - 1] - best).abs() < 1e-9 * best).map(f64::from).collect();
        low + step * best.iter().sum::<f64>() / best.len() as f64
    }

    #[test]
    fn the_threshold_is_otsus() {
        let particle = particle();
        assert!((otsu(&particle).unwrap() - plain_otsu(particle.as_slice())).abs() < 1e-6);
        let ramp = volume([8, 8, 16], |_, _, x| x as f64 * x as f64);
        assert!((otsu(&ramp).unwrap() - plain_otsu(ramp.as_slice())).abs() < 1e-6 * 225.0);
        // Two values: every border between them is as good, the mean is the middle.
        let two = volume([3, 3, 3], |z, _, _| if z == 1 { 5.0 } else { 1.0 });
        assert!((otsu(&two).unwrap() - 3.0).abs() < 1e-6);
        let flat = otsu(&volume([3, 3, 3], |_, _, _| 7.0)).unwrap_err();
        assert!(flat.code() == 302 && flat.to_string().contains("all voxels are 7"), "{flat}");
    }

    #[test]
    fn the_chain_finds_the_particle() {
        let particle = particle();
        let options = MaskOptions {
            smoothing: Smoothing::None,
            dilation: 0.0,
            closing: 0.0,
            minimum_island: 0,
            erosion: 0.0,
            ..Default::default()
        };
        let ball = (4.0 / 3.0 * std::f64::consts::PI * 729.0) as usize; // 3054 voxels
        let raw = count(&masked(&particle, &options).unwrap());
        assert!(raw.abs_diff(ball) < 80, "{raw}");
        let islands = MaskOptions { minimum_island: 500, ..options.clone() };
        let large = count(&masked(&particle, &islands).unwrap());
        assert_eq!(raw - large, 33); // the ball of radius 2
        let filled = MaskOptions { fill_holes: true, ..islands.clone() };
        assert_eq!(count(&masked(&particle, &filled).unwrap()), large + 33);
        let largest = MaskOptions { largest_only: true, ..options.clone() };
        assert_eq!(count(&masked(&particle, &largest).unwrap()), large);
        // Closing fills the hole, too, and gives the rest back nearly as it was.
        let closed = MaskOptions { closing: 3.0, erosion: 3.0, ..islands.clone() };
        assert!(count(&masked(&particle, &closed).unwrap()).abs_diff(large + 33) < 60);
        let published = masked(&particle, &MaskOptions { minimum_island: 3000, ..Default::default() }).unwrap();
        assert!(count(&published) > large && published.voxel_size() == 0.5);
    }

    #[test]
    fn soft_edges_fall_like_a_cosine() {
        let ball =
            with(2, |context, waiting| support(context, [21, 21, 21], 0.5, &Support::sphere(2.5), waiting)).unwrap();
        let options = MaskOptions { soft_edge: 4.0, ..MaskOptions::plain(0.5) };
        let soft = masked(&ball, &options).unwrap();
        for (x, wanted) in [(15, 1.0), (16, 0.853_553), (17, 0.5), (18, 0.146_447), (19, 0.0), (20, 0.0)] {
            assert!((soft.values()[[10, 10, x]] - wanted).abs() < 1e-5, "{x}");
        }
    }

    #[test]
    fn threads_do_not_matter() {
        let (particle, options) =
            (particle(), MaskOptions { minimum_island: 100, soft_edge: 2.0, ..Default::default() });
        let run = |threads| with(threads, |context, waiting| mask(context, &particle, &options, waiting)).unwrap();
        assert!(run(1) == run(2) && run(1) == run(3));
    }

    #[test]
    fn products_want_equal_grids() {
        let run = |a: &Volume, b: &Volume| with(2, |context, waiting| multiply(context, a, b, waiting));
        let (a, b) = (volume([2, 3, 4], |z, y, x| (z + y + x) as f64), volume([2, 3, 4], |z, _, _| z as f64));
        assert_eq!(run(&a, &b).unwrap(), volume([2, 3, 4], |z, y, x| ((z + y + x) * z) as f64));
        assert_eq!(run(&a, &volume([2, 4, 3], |_, _, _| 1.0)).unwrap_err().code(), 101);
        let other = Volume::new(b.values().to_owned(), 0.6).unwrap();
        assert_eq!(run(&a, &other).unwrap_err().code(), 302);
        let large = volume([2, 3, 4], |_, _, _| 3e38);
        assert_eq!(run(&large, &large).unwrap_err().code(), 300);
    }

    #[test]
    fn bad_options_and_empty_masks_are_named() {
        let particle = particle();
        let fail = |options: MaskOptions| masked(&particle, &options).unwrap_err();
        for options in [
            MaskOptions { factor: f64::NAN, ..Default::default() },
            MaskOptions { factor: 0.0, ..Default::default() },
            MaskOptions { threshold: Some(f64::INFINITY), ..Default::default() },
            MaskOptions { dilation: -1.0, ..Default::default() },
            MaskOptions { erosion: f64::NAN, ..Default::default() },
            MaskOptions { smoothing: Smoothing::Box(4), ..Default::default() },
        ] {
            assert_eq!(fail(options).code(), 103);
        }
        assert!(fail(MaskOptions::plain(9.0)).to_string().contains("no voxel lies above"));
        // The default is made for volumes of a few hundred voxels an edge, and says so.
        let small = fail(MaskOptions { minimum_island: 50_000, closing: 0.0, ..Default::default() });
        assert!(small.code() == 301 && small.to_string().contains("minimum_island of 50000"), "{small}");
        let eroded = fail(MaskOptions { erosion: 12.0, ..MaskOptions::plain(0.5) });
        assert!(eroded.to_string().contains("erosion by 12"), "{eroded}");
    }

    #[test]
    fn cancelling_ends_the_chain() {
        let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
        let cancel = context.cancel_token();
        let mut waiting = Waiting { cancel: &cancel, tell: &mut |done| done < 0.4 };
        assert_eq!(mask(&context, &particle(), &MaskOptions::default(), &mut waiting).unwrap_err().code(), 1);
    }
}
