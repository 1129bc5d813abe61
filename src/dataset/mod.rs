//! Image tilt series as a sequence of immutable versions.
//!
//! A [`TiltSeries`] is a handle that any number of threads share. Readers take the present [`SeriesVersion`]
//! without a lock and keep it as long as they like; `append_tilt`, `replace_tilt` and `exclude_tilt` make the next
//! version, which shares all untouched images. What is known of new images comes as [`Frames`] and is checked
//! once, here: whoever holds a version holds finite pixels, proper rotations and positive pixel sizes.

mod doubts;
mod frames;
mod image;
mod metadata;
mod series;
mod version;

pub use frames::{Frames, Rotations, TiltAxis};
pub use image::Image;
pub use metadata::{Entry, Metadata};
pub use series::TiltSeries;
pub use version::{LengthUnit, SeriesOptions, SeriesVersion, Tilt};
