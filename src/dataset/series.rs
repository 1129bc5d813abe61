//! The handle that threads share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use ndarray::ArrayView3;

use super::frames::Frames;
use super::image::Image;
use super::version::{SeriesOptions, SeriesVersion};
use crate::error::{Error, Result};

/// A tilt series: a handle to a growing sequence of immutable versions. Clones are the same series.
///
/// All methods take `&self` and may be called from any thread. Reading never waits; writers wait for each other only.
/// A failing change leaves the present version as it is.
#[derive(Debug, Clone)]
pub struct TiltSeries {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    version: ArcSwap<SeriesVersion>,
    writer: Mutex<()>,
}

impl TiltSeries {
    /// A series of images `[n, rows, columns]` with what is known of them.
    ///
    /// # Errors
    /// `Range` for a pixel size, energy or semi-angle that is not positive; `Shape` where columns or images disagree;
    /// `NonFinite` with image, row and column of a bad pixel; `Inconsistent` for improper rotations and for images of
    /// one tilt whose rotations differ; `Empty` without orientation, or for a mask without a used pixel.
    pub fn new(options: SeriesOptions, images: ArrayView3<'_, f32>, frames: &Frames) -> Result<Self> {
        let (n, rows, columns) = images.dim();
        let wanted = (options.rows.unwrap_or(rows), options.columns.unwrap_or(columns));
        if (rows, columns) != wanted {
            let wanted = format!("[n, {}, {}] as the options say", wanted.0, wanted.1);
            return Err(Error::shape("images", &[n, rows, columns], wanted));
        }
        let mut version = SeriesVersion::empty(options, rows, columns)?;
        let labels = match &frames.tilt {
            Some(labels) => labels.clone(),
            None => (0..).take(n).collect(),
        };
        version.add(images, frames, &labels)?;
        Ok(Self::from_version(version))
    }

    /// A series without images, of images of given shape, to be filled by `append_tilt`.
    ///
    /// # Errors
    /// `Range` as for `new`, and where `rows` or `columns` are not given.
    pub fn empty(options: SeriesOptions) -> Result<Self> {
        let (rows, columns) = (options.rows.unwrap_or(0), options.columns.unwrap_or(0));
        Ok(Self::from_version(SeriesVersion::empty(options, rows, columns)?))
    }

    /// A new series that differs from `version` only in the pixels of its images, `[n, rows, columns]`, and in the
    /// (noise variance, electrons per image unit) that `statistics` gives each of them.
    ///
    /// # Errors
    /// `Shape` for other images than those of `version`, `NonFinite` with image, row and column of a bad pixel.
    pub fn with_other_pixels(
        version: &SeriesVersion,
        images: ArrayView3<'_, f32>,
        statistics: impl Fn(&Image) -> (Option<f64>, Option<f64>),
    ) -> Result<Self> {
        Ok(Self::from_version(version.with_other_pixels(images, statistics)?))
    }

    /// A series of its own that begins with the present version, whose images both share.
    pub fn fork(&self) -> Self {
        Self::from_version((*self.version()).clone())
    }

    fn from_version(version: SeriesVersion) -> Self {
        TiltSeries { shared: Arc::new(Shared { version: ArcSwap::from_pointee(version), writer: Mutex::new(()) }) }
    }

    /// The present version; lock-free.
    pub fn version(&self) -> Arc<SeriesVersion> {
        self.shared.version.load_full()
    }

    /// Doubts that came up while the data were taken in, of the present version.
    pub fn warnings(&self) -> Vec<String> {
        self.version().warnings().to_vec()
    }

    /// Adds the images `[m, rows, columns]` of one tilt; its index. Labels in `frames.tilt`, where given, must be equal.
    ///
    /// # Errors
    /// As for `new`, and `Empty` without images.
    pub fn append_tilt(&self, images: ArrayView3<'_, f32>, frames: &Frames) -> Result<usize> {
        let _writer = self.write();
        let (next, tilt) = self.version().with_tilt(images, frames)?;
        self.shared.version.store(Arc::new(next));
        Ok(tilt)
    }

    /// Replaces the images of one tilt by as many others; exclusion and sections stay unless `frames` sets them.
    ///
    /// # Errors
    /// As for `new`, `Range` for a tilt that does not exist, `Shape` for another number of images.
    pub fn replace_tilt(&self, tilt: usize, images: ArrayView3<'_, f32>, frames: &Frames) -> Result<()> {
        let _writer = self.write();
        let next = self.version().with_tilt_replaced(tilt, images, frames)?;
        self.shared.version.store(Arc::new(next));
        Ok(())
    }

    /// Excludes the images of one tilt from use (they keep their indices), or takes them back in.
    ///
    /// # Errors
    /// `Range` for a tilt that does not exist.
    pub fn exclude_tilt(&self, tilt: usize, excluded: bool) -> Result<()> {
        let _writer = self.write();
        let next = self.version().with_tilt_excluded(tilt, excluded)?;
        self.shared.version.store(Arc::new(next));
        Ok(())
    }

    /// Sets the pixels of all images beside `keep` (per image, row by row) to 0 and, where `leave_out`, takes them out of
    /// use. `false`, and nothing changed, where `of` is no longer the present version.
    ///
    /// # Errors
    /// `Shape` for masks of another number or size, `Empty` for one that leaves no pixel in use.
    pub fn mask_pixels(&self, of: &SeriesVersion, keep: &[Vec<bool>], leave_out: bool) -> Result<bool> {
        let next = of.with_pixels_masked(keep, leave_out)?;
        let _writer = self.write();
        let present = self.version().number() == of.number();
        if present {
            self.shared.version.store(Arc::new(next));
        }
        Ok(present)
    }

    /// Sets one key of the metadata.
    ///
    /// # Errors
    /// `Empty` for an empty key.
    pub fn set_metadata(&self, key: &str, value: &str, unit: &str) -> Result<()> {
        if key.is_empty() {
            return Err(Error::Empty { what: "metadata key".into(), why: "a key has at least one character".into() });
        }
        let _writer = self.write();
        let next = self.version().with_metadata(key, value, unit);
        self.shared.version.store(Arc::new(next));
        Ok(())
    }

    /// The lock guards no data: a writer that panicked left the last complete version in place.
    fn write(&self) -> MutexGuard<'_, ()> {
        self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LengthUnit, Rotations, TiltAxis};
    use super::*;
    use crate::geometry::{self, AngleOrder, IDENTITY};
    use ndarray::{Array3, ShapeBuilder};

    fn options() -> SeriesOptions {
        SeriesOptions { pixel_size: 0.4, ..Default::default() }
    }

    fn ramp(n: usize) -> Array3<f32> {
        Array3::from_shape_fn((n, 3, 4), |(i, r, c)| (100 * i + 10 * r + c) as f32)
    }

    fn tilted(degrees: &[f64]) -> Frames {
        let rotations = Rotations::SingleAxis { axis: TiltAxis::Y, degrees: degrees.to_vec() };
        Frames::new(degrees.len()).with_rotations(rotations)
    }

    fn series(degrees: &[f64]) -> TiltSeries {
        TiltSeries::new(options(), ramp(degrees.len()).view(), &tilted(degrees)).unwrap()
    }

    #[test]
    fn defaults_of_a_created_series() {
        let v = series(&[0.0, 30.0, 60.0]).version();
        assert_eq!((v.number(), v.rows(), v.columns(), v.pixel_size()), (1, 3, 4, 0.4));
        assert_eq!((v.tilts().len(), v.section_count(), v.length_unit()), (3, 1, LengthUnit::Angstrom));
        assert_eq!(v.images()[2].pixels[7], 213.0);
        assert_eq!((v.images()[2].tilt, v.images()[2].section, v.images()[2].defocus), (2, 0, 0.0));
        assert!(v.counts_per_unit_all().is_none() && v.warnings().is_empty());
        assert_eq!(v.used_images(), [0, 1, 2]);
    }

    #[test]
    fn the_depth_axis_gives_mean_depths_of_the_images_in_use() {
        let series = series(&[-60.0, 0.0, 60.0, 90.0]);
        series.exclude_tilt(3, true).unwrap();
        let axis = series.version().depth_axis().unwrap();
        let p = [1.0, 2.0, 3.0];
        let version = series.version();
        let depths = version.images()[..3].iter().map(|i| geometry::apply(&i.rotation, &p)[2]);
        let along = axis.iter().zip(p).map(|(a, p)| a * p).sum::<f64>();
        assert!((along - depths.sum::<f64>() / 3.0).abs() < 1e-12);
        // angles alike on both sides of 0: z times the mean cosine
        assert!(axis[0].abs() < 1e-15 && axis[1] == 0.0 && (axis[2] - 2.0 / 3.0).abs() < 1e-12, "{axis:?}");
        let empty = TiltSeries::empty(SeriesOptions { rows: Some(3), columns: Some(4), ..options() }).unwrap();
        assert_eq!(empty.version().depth_axis().unwrap_err().code(), 301);
    }

    #[test]
    fn elements_are_those_that_the_metadata_name() {
        let series = series(&[0.0]);
        assert!(series.version().elements().is_empty());
        for (named, wanted) in [
            ("[\"Au\", \"Cu\", \"Au\"]", &[29, 79][..]),
            (" Si ", &[14]),
            ("[\"Xx\", \"C\"]", &[6]),
            ("[]", &[]),
            ("", &[]),
            ("[6, 79]", &[]),
        ] {
            series.set_metadata("elements", named, "json").unwrap();
            assert_eq!(series.version().elements(), wanted, "{named}");
        }
    }

    #[test]
    fn points_are_seen_up_to_the_centres_of_the_outermost_pixels() {
        let mut frames = tilted(&[0.0, 90.0]);
        frames.drift = Some(vec![[0.0, 0.0], [0.4, 0.0]]);
        let v = TiltSeries::new(options(), ramp(2).view(), &frames).unwrap().version();
        // 4 columns: x from -0.8 to 0.4; 3 rows: y from -0.4 to 0.4; the beam along z
        for (point, wanted) in [
            ([0.0; 3], true),
            ([-0.79, 0.39, 50.0], true),
            ([-0.81, 0.0, 0.0], false),
            ([0.41, 0.0, 0.0], false),
            ([0.0, -0.41, 0.0], false),
            ([f64::NAN, 0.0, 0.0], false),
        ] {
            assert_eq!(v.sees(0, &point), wanted, "{point:?}");
        }
        // turned about y: -z falls on x', shifted by a pixel
        assert!(v.sees(1, &[50.0, 0.0, 1.19]) && v.sees(1, &[50.0, 0.0, 0.01]));
        assert!(!v.sees(1, &[50.0, 0.0, 1.21]) && !v.sees(1, &[50.0, 0.0, -0.01]) && !v.sees(2, &[0.0; 3]));
    }

    #[test]
    fn memory_order_does_not_matter() {
        let mut images = Array3::zeros((2, 3, 4).f());
        images.assign(&ramp(2));
        let a = TiltSeries::new(options(), images.view(), &tilted(&[0.0, 30.0])).unwrap().version();
        assert_eq!(a.images()[..], series(&[0.0, 30.0]).version().images()[..]);
    }

    #[test]
    fn labels_are_compacted_in_rising_order() {
        let mut frames = tilted(&[30.0, 30.0, -10.0, -10.0]);
        frames.tilt = Some(vec![7, 7, -2, -2]);
        frames.section = Some(vec![5, 3, 3, 5]);
        let v = TiltSeries::new(options(), ramp(4).view(), &frames).unwrap().version();
        let column = |f: fn(&super::super::Image) -> usize| v.images().iter().map(|i| f(i)).collect::<Vec<_>>();
        assert_eq!(column(|i| i.tilt), [1, 1, 0, 0]);
        assert_eq!(column(|i| i.section), [1, 0, 0, 1]);
        assert_eq!((v.tilts()[0].images.as_slice(), v.section_count()), (&[2, 3][..], 2));
        frames.section = None;
        let v = TiltSeries::new(options(), ramp(4).view(), &frames).unwrap().version();
        assert_eq!(v.images().iter().map(|i| i.section).collect::<Vec<_>>(), [0, 1, 0, 1]);
    }

    #[test]
    fn versions_share_untouched_images() {
        let s = series(&[0.0, 30.0]);
        let first = s.version();
        let tilt = s.append_tilt(ramp(3).view(), &tilted(&[50.0, 50.0, 50.0])).unwrap();
        assert_eq!(tilt, 2);
        s.exclude_tilt(0, true).unwrap();
        let v = s.version();
        assert_eq!((first.number(), first.images().len(), v.number(), v.images().len()), (1, 2, 3, 5));
        assert!(Arc::ptr_eq(&first.images()[1], &v.images()[1]));
        assert!(v.images()[0].excluded && !first.images()[0].excluded);
        assert!(Arc::ptr_eq(&first.images()[0].pixels, &v.images()[0].pixels));
        assert_eq!((v.section_count(), v.used_images().len()), (3, 4));
        let mut other = ramp(1);
        other += 1.0;
        s.replace_tilt(0, other.view(), &tilted(&[5.0])).unwrap();
        let replaced = s.version();
        assert_eq!((replaced.number(), replaced.images()[0].pixels[0], replaced.images()[0].excluded), (4, 1.0, true));
        s.exclude_tilt(0, false).unwrap();
        assert_eq!(s.version().used_images().len(), 5);
    }

    #[test]
    fn failing_changes_leave_the_version() {
        let s = series(&[0.0, 30.0]);
        let two = || tilted(&[50.0, 50.0]);
        assert_eq!(s.replace_tilt(0, ramp(2).view(), &two()).unwrap_err().code(), 101);
        assert_eq!(s.replace_tilt(9, ramp(1).view(), &tilted(&[1.0])).unwrap_err().code(), 103);
        assert_eq!(s.exclude_tilt(2, true).unwrap_err().code(), 103);
        assert_eq!(s.append_tilt(ramp(2).view(), &tilted(&[50.0, 51.0])).unwrap_err().code(), 302);
        assert_eq!(s.append_tilt(ramp(2).view(), &tilted(&[50.0])).unwrap_err().code(), 101);
        assert_eq!(s.append_tilt(ramp(0).view(), &tilted(&[])).unwrap_err().code(), 301);
        let mut frames = two();
        frames.tilt = Some(vec![1, 2]);
        assert_eq!(s.append_tilt(ramp(2).view(), &frames).unwrap_err().code(), 302);
        assert_eq!((s.version().number(), s.version().images().len()), (1, 2));
    }

    #[test]
    fn bad_pixels_are_named_unless_masked() {
        let mut images = ramp(2);
        images[[1, 2, 3]] = f32::NAN;
        let error = TiltSeries::new(options(), images.view(), &tilted(&[0.0, 30.0])).unwrap_err();
        assert_eq!(error.code(), 300);
        assert!(error.to_string().contains("image 1, row 2, column 3"), "{error}");
        let mut frames = tilted(&[0.0, 30.0]);
        let mut mask = Array3::ones((2, 3, 4));
        mask[[1, 2, 3]] = 0;
        frames.mask = Some(mask);
        let v = TiltSeries::new(options(), images.view(), &frames).unwrap().version();
        let image = &v.images()[1];
        assert_eq!((image.pixels[11], image.uses(11), image.uses(10), image.used_pixels()), (0.0, false, true, 11));
        assert!(v.images()[0].mask.is_none());
        frames.mask = Some(Array3::zeros((2, 3, 4)));
        assert_eq!(TiltSeries::new(options(), images.view(), &frames).unwrap_err().code(), 301);
        frames.mask = Some(Array3::zeros((2, 4, 3)));
        assert_eq!(TiltSeries::new(options(), images.view(), &frames).unwrap_err().code(), 101);
    }

    #[test]
    fn bad_values_are_refused() {
        let make = |options: SeriesOptions, frames: &Frames| {
            TiltSeries::new(options, ramp(2).view(), frames).map(|_| ()).unwrap_err().code()
        };
        let good = || tilted(&[0.0, 30.0]);
        for pixel_size in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(make(SeriesOptions { pixel_size, ..Default::default() }, &good()), 103);
        }
        assert_eq!(make(SeriesOptions { energy_ev: Some(-3e5), ..options() }, &good()), 103);
        assert_eq!(make(SeriesOptions { rows: Some(4), ..options() }, &good()), 101);
        assert_eq!(make(options(), &Frames::new(2)), 301);
        let mut bent = IDENTITY;
        bent[0][1] = 0.01;
        assert_eq!(make(options(), &Frames::new(2).with_rotations(Rotations::Matrices(vec![IDENTITY, bent]))), 302);
        assert_eq!(make(options(), &Frames::new(2).with_rotations(Rotations::Matrices(vec![IDENTITY; 3]))), 101);
        let degrees = vec![[0.0; 3], [0.0, f64::NAN, 0.0]];
        let angles = Rotations::Angles { order: AngleOrder::Zyx, degrees };
        assert_eq!(make(options(), &Frames::new(2).with_rotations(angles)), 300);
        for variance in [-1.0, 0.0, f64::INFINITY] {
            assert_eq!(make(options(), &Frames { noise_variance: Some(vec![1.0, variance]), ..good() }), 103);
            assert_eq!(make(options(), &Frames { counts_per_unit: Some(vec![1.0, variance]), ..good() }), 103);
        }
        assert_eq!(make(options(), &Frames { defocus: Some(vec![1.0, f64::NAN]), ..good() }), 300);
        assert_eq!(make(options(), &Frames { drift: Some(vec![[0.0; 2], [f64::NAN, 0.0]]), ..good() }), 300);
        assert_eq!(make(options(), &Frames { defocus: Some(vec![1.0]), ..good() }), 101);
        assert_eq!(TiltSeries::empty(options()).unwrap_err().code(), 103);
    }

    #[test]
    fn an_empty_series_can_be_filled() {
        let s = TiltSeries::empty(SeriesOptions { rows: Some(3), columns: Some(4), ..options() }).unwrap();
        assert!(s.version().images().is_empty() && s.version().counts_per_unit_all().is_none());
        let mut frames = tilted(&[10.0]);
        frames.counts_per_unit = Some(vec![1.0]);
        assert_eq!(s.append_tilt(ramp(1).view(), &frames).unwrap(), 0);
        assert_eq!(s.version().counts_per_unit_all(), Some(vec![1.0]));
    }

    #[test]
    fn radians_warn_and_metadata_travel() {
        let s = series(&[-1.0, 0.0, 1.0]);
        assert!(s.warnings()[0].contains("radians"));
        s.set_metadata("sample", "Größe 5", "nm").unwrap();
        assert_eq!(s.set_metadata("", "x", "").unwrap_err().code(), 301);
        s.exclude_tilt(0, true).unwrap();
        let v = s.version();
        assert_eq!(v.metadata().get("sample").map(|e| (e.value.as_str(), e.unit.as_str())), Some(("Größe 5", "nm")));
        assert_eq!((v.number(), v.warnings().len()), (3, 1));
    }

    #[test]
    fn threads_append_while_others_read() {
        let s = series(&[0.0]);
        std::thread::scope(|scope| {
            for t in 0..4 {
                let s = s.clone();
                scope.spawn(move || {
                    for k in 0..25 {
                        s.append_tilt(ramp(1).view(), &tilted(&[f64::from(t * 25 + k)])).unwrap();
                        let v = s.version();
                        assert_eq!(v.images().len(), v.tilts().len());
                        assert_eq!(v.number(), v.images().len() as u64);
                    }
                });
            }
        });
        assert_eq!((s.version().images().len(), s.version().number()), (101, 101));
    }
}
