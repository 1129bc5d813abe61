//! Transforms of real images (batched, on rustfft) and of real volumes (on all threads). A plan is immutable and shared; scratch belongs to the caller.
//! The half spectrum of an image stays transposed (kx major) between forward and inverse, so that the columns are
//! contiguous; that of a volume stands slab by slab, one for every ky.

mod filter;
mod kernel;
mod real2;
mod real3;
mod shells;

pub use filter::{Edge, RealFilter, RealFilterScratch};
pub use kernel::{Kernel, MOST_TAPS};
pub use real2::{RealTransform2, RealTransformScratch};
pub use real3::{RealScratch3, RealTransform3, Slab};
pub(crate) use shells::spectrum_of;
pub use shells::Shells;
