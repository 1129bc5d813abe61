//! Batched 2-D transforms of real images on rustfft. A plan is immutable and shared; scratch belongs to the caller.
//! The half spectrum stays transposed (kx major) between forward and inverse, so that the columns are contiguous.

mod filter;
mod real2;

pub use filter::{Edge, RealFilter, RealFilterScratch};
pub use real2::{RealTransform2, RealTransformScratch};
