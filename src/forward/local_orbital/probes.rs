//! Tables of probe transfer functions: one stack over the slices for every defocus in use.
//!
//! The stack of defocus f holds OTF(z_k - f), the transform of |psi(z_k - f)|^2 normalised to sum 1 over pixels, formulas
//! (8)-(10) of the LOT paper. Tables depend on numbers only, so a cache by those numbers changes no result.

use super::rigid::Rigid;
use super::LocalOrbital;
use crate::context::Context;
use crate::error::Result;
use crate::simd::{Real, Transfer};
use std::sync::{Arc, Mutex, OnceLock};

/// Transfer functions of all slices for one defocus.
pub(super) struct ProbeStack<T> {
    pub slices: Vec<Transfer<T>>,
    /// Derivatives with respect to the distance from the crossover, if asked for.
    pub derivatives: Option<Vec<Transfer<T>>>,
}

/// Defocus (its bits) and whether derivatives are needed.
type Key = (u64, bool);

/// Stacks of the latest point.
pub(super) type StackCache<T> = Mutex<Vec<(Key, Arc<ProbeStack<T>>)>>;

/// The stack of every image of the series at one point.
pub struct ProbeTables<T> {
    by_image: Vec<Arc<ProbeStack<T>>>,
}

impl<T> Default for ProbeTables<T> {
    fn default() -> Self {
        Self { by_image: Vec::new() }
    }
}

impl<T> ProbeTables<T> {
    pub(super) fn of_image(&self, image: usize) -> &ProbeStack<T> {
        &self.by_image[image]
    }
}

impl<T: Real> Rigid<T> {
    /// Tables for `parameters`, new ones computed on the workers.
    pub(super) fn tables(
        &self,
        model: &LocalOrbital<T>,
        parameters: &[f64],
        derivatives: bool,
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<ProbeTables<T>> {
        let keys: Vec<Key> = model
            .series
            .images
            .iter()
            .map(|image| {
                let correction = parameters[model.blocks.defocus.start + image.section];
                ((self.probe_defocus + image.defocus + correction).to_bits(), derivatives)
            })
            .collect();
        let mut known = self.cache.lock().unwrap_or_else(|p| p.into_inner()).clone();
        let mut missing: Vec<Key> = keys.iter().filter(|k| !known.iter().any(|(c, _)| c == *k)).copied().collect();
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            known.extend(self.compute(&missing, context, waiting)?);
            known.retain(|(key, _)| keys.contains(key));
            *self.cache.lock().unwrap_or_else(|p| p.into_inner()) = known.clone();
        }
        let find = |key: &Key| known.iter().find(|(k, _)| k == key).map(|(_, stack)| stack.clone());
        Ok(ProbeTables { by_image: keys.iter().filter_map(find).collect() })
    }

    fn compute(
        &self,
        keys: &[Key],
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<Vec<(Key, Arc<ProbeStack<T>>)>> {
        type Slice<T> = (Transfer<T>, Option<Transfer<T>>);
        let items = keys.len() * self.slices;
        let computed: Vec<OnceLock<Slice<T>>> = (0..items).map(|_| OnceLock::new()).collect();
        context.for_each(items, &mut |done| waiting(done as f64 / items as f64), &|item| {
            let (bits, derivative) = keys[item / self.slices];
            let (defocus, depth) = (f64::from_bits(bits), self.centre(item % self.slices));
            let convert = |values: ndarray::Array2<rustfft::num_complex::Complex<f64>>| {
                Transfer::new(values.as_standard_layout().as_slice().unwrap_or_default(), self.real)
            };
            let slice = if derivative {
                let (value, slope) = self.transfer.otf_with_derivative(defocus, depth);
                (convert(value), Some(convert(slope)))
            } else {
                (convert(self.transfer.otf(defocus, depth)), None)
            };
            let _ = computed[item].set(slice);
            Ok(())
        })?;
        let mut slices = computed.into_iter().filter_map(OnceLock::into_inner);
        let stacks = keys.iter().map(|key| {
            let (values, slopes): (Vec<_>, Vec<_>) = slices.by_ref().take(self.slices).unzip();
            let derivatives = slopes.into_iter().collect::<Option<Vec<_>>>();
            (*key, Arc::new(ProbeStack { slices: values, derivatives }))
        });
        Ok(stacks.collect())
    }

    /// Bytes of the tables for `foci` different values of defocus.
    pub fn table_bytes(&self, foci: usize) -> usize {
        let value = size_of::<T>() * if self.real { 1 } else { 2 };
        foci * self.slices * self.plan.spectrum_len() * value
    }
}
