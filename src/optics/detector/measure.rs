//! Detectors on many patterns: the workers take groups of them.

use super::DetectorPlan;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::problem::Waiting;
use std::sync::Mutex;

/// Pixels that a worker takes at a time: about a millisecond of work, so that taking them costs nothing.
const PIXELS_PER_GROUP: usize = 1 << 18;

/// Copies the pattern of this number (row-major) into the place given.
pub type Fetch<'a> = dyn Fn(usize, &mut [f64]) -> Result<()> + Sync + 'a;

/// Signals of `count` patterns, one pattern after the other, on the workers of `context`. Results do not depend on their
/// number.
///
/// # Errors
/// `NonFinite` with pattern and pixel, `Cancelled`, `Memory` where the signals do not fit, and what `fetch` returns.
pub fn measure(
    context: &Context,
    plan: &DetectorPlan,
    count: usize,
    fetch: &Fetch<'_>,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<f64>> {
    const PHASE: &str = "measuring patterns";
    let mut signals = zeros(count, plan.len())?;
    let group = (PIXELS_PER_GROUP / plan.pixels().max(1)).max(1);
    let places: Vec<Mutex<&mut [f64]>> = signals.chunks_mut(group * plan.len()).map(Mutex::new).collect();
    let cancel = waiting.cancel;
    let mut tell = |done: usize| waiting.at(done as f64 / places.len().max(1) as f64, PHASE);
    context.for_each(places.len(), &mut tell, &|item| {
        let mut pattern = vec![0.0; plan.pixels()];
        let mut place = places[item].lock().unwrap_or_else(|p| p.into_inner());
        for (i, signals) in place.chunks_mut(plan.len()).enumerate() {
            cancel.check(PHASE)?;
            let number = item * group + i;
            fetch(number, &mut pattern)?;
            expect_finite(&pattern, number)?;
            plan.signals(&pattern, signals)?;
        }
        Ok(())
    })?;
    drop(places);
    Ok(signals)
}

fn zeros(count: usize, each: usize) -> Result<Vec<f64>> {
    let too_much = || Error::Memory {
        what: format!("the signals of {count} patterns, {each} values each"),
        needed: (count as u64).saturating_mul(each as u64).saturating_mul(8),
        available: 0,
    };
    let length = count.checked_mul(each).ok_or_else(too_much)?;
    let mut values = Vec::new();
    values.try_reserve_exact(length).map_err(|_| too_much())?;
    values.resize(length, 0.0);
    Ok(values)
}

fn expect_finite(pattern: &[f64], number: usize) -> Result<()> {
    match pattern.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(pixel) => {
            let at = format!("pattern {number}, pixel {pixel} (row-major)");
            Err(Error::NonFinite { what: "patterns".into(), value: pattern[pixel], at })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Crop, Detector, DetectorKind, PatternGrid, PatternOrder};
    use super::*;
    use crate::context::ContextOptions;

    fn plan() -> DetectorPlan {
        let kinds = [
            DetectorKind::Annular { inner_mrad: 0.0, outer_mrad: Some(40.0) },
            DetectorKind::Pixelated { crop: Crop::Whole, binning: 3 },
            DetectorKind::CenterOfMass { outer_mrad: None, normalized: true },
        ];
        let patterns = PatternGrid::measured((100, 90), (1.0, 1.0), Some(0.02), PatternOrder::Centered).unwrap();
        DetectorPlan::on(&kinds.map(|kind| Detector::new(kind).unwrap()), &patterns).unwrap()
    }

    fn fetch(number: usize, pattern: &mut [f64]) -> Result<()> {
        pattern.iter_mut().enumerate().for_each(|(i, v)| *v = ((number * 9000 + i) as f64 * 12.9898).sin().powi(2));
        Ok(())
    }

    fn run(threads: usize, fetch: &Fetch<'_>, tell: &mut dyn FnMut(f64) -> bool) -> Result<Vec<f64>> {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None })?;
        measure(&context, &plan(), 70, fetch, &mut Waiting { cancel: &context.cancel_token(), tell })
    }

    #[test]
    fn every_pattern_once_and_the_same_bits_on_any_number_of_threads() {
        let (plan, mut pattern) = (plan(), vec![0.0; 9000]);
        let mut wanted = vec![0.0; 70 * plan.len()];
        for (number, signals) in wanted.chunks_mut(plan.len()).enumerate() {
            fetch(number, &mut pattern).unwrap();
            plan.signals(&pattern, signals).unwrap();
        }
        for threads in [1, 2, 3] {
            assert_eq!(run(threads, &fetch, &mut |_| true).unwrap(), wanted);
        }
    }

    #[test]
    fn bad_pixels_failures_and_cancelling_end_it() {
        let bad = |number: usize, pattern: &mut [f64]| {
            fetch(number, pattern)?;
            pattern[11] = if number == 41 { f64::NAN } else { 0.0 };
            Ok(())
        };
        let error = run(2, &bad, &mut |_| true).unwrap_err();
        assert!(error.code() == 300 && error.to_string().contains("pattern 41, pixel 11"), "{error}");
        assert_eq!(run(2, &fetch, &mut |_| false).unwrap_err().code(), 1);
        assert_eq!(zeros(usize::MAX, 2).unwrap_err().code(), 500);
    }
}
