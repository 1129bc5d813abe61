//! Vector code. Algorithms are written once over fixed-length lanes which the compiler turns into vector
//! instructions; each is compiled for every instruction-set path and chosen at run time by [`SimdPath`].
//! Results are equal to the last bit for one path, on any number of threads.
//! `unsafe` lives here (and in `capi`) only: each block states why it is sound.
#![allow(unsafe_code)]

pub(crate) mod float_state;
mod lanes;
pub mod matrix;
mod orbital;
pub mod patches;
mod projection;
mod spectrum;
pub mod wave;

pub use lanes::Real;
pub use orbital::{gather, splat, splat_weighted, OrbitalStamp, OrbitalSums, MAX_HALF_WIDTH};
pub use orbital::{gather_templates, splat_templates, splat_templates_weighted, DepthTable, MAX_TEMPLATES};
pub use projection::{gather_line, gather_row, row_slopes, splat_line, splat_row, FrameShape, Line, VoxelRow, SLICES};

pub use spectrum::{add_adjoint_product, add_product, Transfer};

use crate::error::{Error, Result};

/// Instruction-set path of the vector kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum SimdPath {
    /// No assumption about the processor.
    Portable,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ, VL.
    Avx512,
}

impl SimdPath {
    /// The best path of this processor.
    pub fn detect() -> Self {
        [SimdPath::Avx512, SimdPath::Avx2].into_iter().find(|p| p.is_available()).unwrap_or(SimdPath::Portable)
    }

    /// `self` if this processor can run it, else an error that names what it lacks.
    pub fn checked(self) -> Result<Self> {
        if self.is_available() {
            return Ok(self);
        }
        Err(Error::Unsupported {
            what: format!("instruction-set path {}", self.name()),
            why: format!("this processor lacks it; the best path here is {}", Self::detect().name()),
        })
    }

    /// Name as it stands in records: portable, avx2, avx512.
    pub fn name(self) -> &'static str {
        match self {
            SimdPath::Portable => "portable",
            SimdPath::Avx2 => "avx2",
            SimdPath::Avx512 => "avx512",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
        match self {
            SimdPath::Portable => true,
            SimdPath::Avx2 => avx2,
            SimdPath::Avx512 => {
                avx2 && std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512vl")
            }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn is_available(self) -> bool {
        self == SimdPath::Portable
    }
}
