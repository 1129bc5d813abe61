//! Volumes filled plane by plane on the workers.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use std::sync::Mutex;

/// `[nz, ny, nx]` values, each plane filled by `fill(plane, values)` on a worker; the values come as defaults.
///
/// # Errors
/// `Memory` where there is none, `Cancelled`; `phase` stands in its text.
pub(crate) fn planes<T: Clone + Default + Send>(
    context: &Context,
    [nz, ny, nx]: [usize; 3],
    phase: &'static str,
    waiting: &mut Waiting<'_>,
    fill: &(dyn Fn(usize, &mut [T]) + Sync),
) -> Result<Vec<T>> {
    let mut out = reserved(nz * ny * nx, phase)?;
    out.resize(nz * ny * nx, T::default());
    fill_planes(context, &mut out, ny * nx, phase, waiting, fill)?;
    Ok(out)
}

/// Hands `values` to the workers in planes of `size` values.
pub(crate) fn fill_planes<T: Send>(
    context: &Context,
    values: &mut [T],
    size: usize,
    phase: &'static str,
    waiting: &mut Waiting<'_>,
    fill: &(dyn Fn(usize, &mut [T]) + Sync),
) -> Result<()> {
    let items: Vec<Mutex<&mut [T]>> = values.chunks_exact_mut(size).map(Mutex::new).collect();
    let (count, cancel) = (items.len(), waiting.cancel);
    context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, phase), &|plane| {
        cancel.check(phase)?;
        fill(plane, &mut items[plane].lock().unwrap_or_else(|p| p.into_inner()));
        Ok(())
    })
}

/// One result per item of 0..`count`, in their order.
pub(crate) fn collected<R: Send>(
    context: &Context,
    count: usize,
    phase: &'static str,
    waiting: &mut Waiting<'_>,
    task: &(dyn Fn(usize) -> R + Sync),
) -> Result<Vec<R>> {
    let mut results: Vec<Option<R>> = (0..count).map(|_| None).collect();
    fill_planes(context, &mut results, 1, phase, waiting, &|item, place| place[0] = Some(task(item)))?;
    Ok(results.into_iter().flatten().collect())
}

/// An empty vector with room for `len` values.
pub(crate) fn reserved<T>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut values = Vec::new();
    values.try_reserve_exact(len).map_err(|_| Error::Memory {
        what: what.into(),
        needed: (len * size_of::<T>()) as u64,
        available: 0,
    })?;
    Ok(values)
}
