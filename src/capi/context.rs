//! Context
//!
//! Worker threads and settings that all objects made with it share.

use super::enums::{host_enum, HostEnum};
use super::guard::{guard, guard_value};
use super::handle::Handle;
use super::options::CStruct;
use super::status::aet_status;
use crate::context::{Context, ContextOptions};
use crate::simd::SimdPath;
use crate::{Error, Result};

/// Instruction-set path of the numerical kernels. Results are equal to the last bit for one path.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_simd {
    /// The best that the processor has.
    Automatic = 0,
    /// No assumption about the processor: the same results everywhere.
    Portable = 1,
    /// x86-64 with AVX2 and FMA.
    Avx2 = 2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512 = 3,
}

host_enum!(aet_simd:
    Automatic = "AET_SIMD_AUTOMATIC",
    Portable = "AET_SIMD_PORTABLE",
    Avx2 = "AET_SIMD_AVX2",
    Avx512 = "AET_SIMD_AVX512",
);

impl aet_simd {
    fn path(self) -> Option<SimdPath> {
        match self {
            aet_simd::Automatic => None,
            aet_simd::Portable => Some(SimdPath::Portable),
            aet_simd::Avx2 => Some(SimdPath::Avx2),
            aet_simd::Avx512 => Some(SimdPath::Avx512),
        }
    }
}

impl From<SimdPath> for aet_simd {
    fn from(path: SimdPath) -> Self {
        match path {
            SimdPath::Portable => aet_simd::Portable,
            SimdPath::Avx2 => aet_simd::Avx2,
            SimdPath::Avx512 => aet_simd::Avx512,
        }
    }
}

/// Worker threads and settings shared by the objects made with it. Those keep what they need of it: it may be freed
/// before them. Create a new one after a fork.
pub struct aet_context {
    _opaque: [u8; 0],
}

impl Handle for aet_context {
    const NAME: &'static str = "aet_context";
    // The pool and the counter of cancel requests stay sound whatever happens to a call.
    const IMMUTABLE: bool = true;
    type Object = Context;
}

/// How a context is made.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_context_options {
    /// sizeof(aet_context_options).
    pub struct_size: usize,
    /// Worker threads, 1 to 4096; 0: the environment variable AET_NUM_THREADS, else all cores.
    pub threads: i32,
    /// An aet_simd.
    pub simd: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, two i32, no padding.
unsafe impl CStruct for aet_context_options {
    const NAME: &'static str = "aet_context_options";

    fn defaults() -> Self {
        aet_context_options { struct_size: size_of::<Self>(), threads: 0, simd: aet_simd::Automatic as i32 }
    }
}

impl aet_context_options {
    fn checked(&self) -> Result<ContextOptions> {
        let threads = usize::try_from(self.threads)
            .map_err(|_| Error::range("threads", self.threads, "1 to 4096, or 0 for automatic"))?;
        let simd = aet_simd::from_number(self.simd, "simd")?.path();
        Ok(ContextOptions { threads: (threads > 0).then_some(threads), simd })
    }
}

/// Sets `struct_size` and all defaults. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_context_options_init(options: *mut aet_context_options, struct_size: usize) -> aet_status {
    guard("aet_context_options_init", |host| host.init(options, struct_size))
}

/// Creates a context and starts its worker threads, which sleep while there is no work. `options` may be NULL:
/// defaults. AET_ERROR_RANGE for a number of threads outside 0 to 4096, AET_ERROR_UNKNOWN_OPTION for an unknown
/// aet_simd, AET_ERROR_UNSUPPORTED for one that this processor lacks. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_context_create(
    options: *const aet_context_options,
    context: *mut *mut aet_context,
) -> aet_status {
    guard("aet_context_create", |host| {
        let place = host.new_handle(context, "context")?;
        let options = host.options(options)?.checked()?;
        place.set(Context::new(&options)?);
        Ok(())
    })
}

/// Frees a context; its threads end with the last object that was made with it. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_context_free(context: *mut aet_context) {
    guard_value((), |host| host.free(context))
}

/// Number of worker threads; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_context_threads(context: *const aet_context) -> i32 {
    guard_value(0, |host| Ok(host.object(context, "context")?.threads() as i32))
}

/// The aet_simd in use, never AET_SIMD_AUTOMATIC; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_context_simd(context: *const aet_context) -> i32 {
    guard_value(0, |host| Ok(aet_simd::from(host.object(context, "context")?.simd()) as i32))
}

/// Ends the long calls in progress on this context's objects with AET_CANCELLED, within a second; nothing happens if
/// there is none. Any thread, also a signal handler.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_context_request_cancel(context: *const aet_context) {
    guard_value((), |host| {
        host.object(context, "context")?.request_cancel();
        Ok(())
    })
}
