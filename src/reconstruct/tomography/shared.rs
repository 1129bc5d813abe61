//! The shared interface of reconstructions, for volumes.

use super::super::interface::{Reconstruct, Saved, StateView};
use super::super::state::{Fingerprint, Record};
use super::super::Geometry;
use super::memory::memory_of;
use super::saved::SavedTomography;
use super::Tomography;
use crate::context::Context;
use crate::dataset::SeriesVersion;
use crate::error::{Error, Result};
use crate::optimize::{RunOptions, Stopping, Termination};
use crate::problem::{Evaluation, Layout, Observer, Want};
use std::sync::Arc;

impl Reconstruct for Tomography {
    fn method(&self) -> &'static str {
        self.options.method.name()
    }

    fn context(&self) -> &Context {
        &self.context
    }

    fn generation(&self) -> u64 {
        self.latest.load().plan.generation
    }

    fn layout(&self) -> Layout {
        self.latest.load().plan.layout.clone()
    }

    fn parameters(&self) -> Vec<f64> {
        let state = self.latest.load();
        let free = state.plan.layout.blocks.iter().filter(|block| !block.frozen);
        free.flat_map(|b| state.block(b.name).map_or(vec![], |(_, values)| values.to_vec())).collect()
    }

    fn set_parameters(&self, x: &[f64]) -> Result<()> {
        let driver = self.drive()?;
        let state = self.latest.load_full();
        let (volume, imaging) = state.at(x)?;
        let plan = match imaging {
            Some(imaging) => Arc::new(self.plan_with(&state.plan, state.plan.version.clone(), imaging)?),
            None => state.plan.clone(),
        };
        self.replace(driver, plan, volume.map_or_else(|| state.volume.clone(), Arc::new));
        Ok(())
    }

    fn set_block(&self, name: &str, values: &[f64]) -> Result<()> {
        let driver = self.drive()?;
        let state = self.latest.load_full();
        let block = state.plan.layout.block(name)?;
        if values.len() != block.len() {
            return Err(Error::shape(format!("block {name}"), &[values.len()], format!("{:?}", block.shape)));
        }
        Error::unless_finite(name, "index", values)?;
        if let Some(value) = values.iter().find(|v| !(block.lower..=block.upper).contains(*v)) {
            let wanted = format!("{} to {} {}", block.lower, block.upper, block.unit);
            return Err(Error::range(format!("block {name}"), value, wanted));
        }
        let first = state.plan.layout.blocks[1].start;
        if block.start < first {
            let volume = Arc::new(values.iter().map(|v| *v as f32).collect());
            self.replace(driver, state.plan.clone(), volume);
            return Ok(());
        }
        let mut all = state.plan.values.clone();
        all[block.start - first..][..values.len()].copy_from_slice(values);
        let imaging = state.plan.imaging_of(&all);
        let plan = self.plan_with(&state.plan, state.plan.version.clone(), imaging)?;
        self.replace(driver, Arc::new(plan), state.volume.clone());
        Ok(())
    }

    fn freeze(&self, name: &str, frozen: bool) -> Result<()> {
        let driver = self.drive()?;
        let state = self.latest.load_full();
        let at = state.plan.layout.index(name)?;
        if state.plan.layout.blocks[at].frozen == frozen {
            return Ok(());
        }
        let imaging = state.plan.imaging.clone();
        let mut plan = self.plan_with(&state.plan, state.plan.version.clone(), imaging)?;
        plan.layout.blocks[at].frozen = frozen;
        plan.generation += 1;
        self.replace(driver, Arc::new(plan), state.volume.clone());
        Ok(())
    }

    fn snapshot(&self) -> Box<dyn StateView> {
        Box::new((*self.latest.load_full()).clone())
    }

    fn version(&self) -> Arc<SeriesVersion> {
        self.latest.load().plan.version.clone()
    }

    fn image_shape(&self) -> (usize, usize) {
        let state = self.latest.load();
        (state.plan.version.rows(), state.plan.version.columns())
    }

    fn image_count(&self) -> usize {
        self.latest.load().plan.version.images().len()
    }

    fn used_images(&self) -> Vec<usize> {
        self.latest.load().plan.used()
    }

    fn memory_estimate(&self) -> u64 {
        memory_of(&self.context, &self.latest.load().plan.version, &self.options).unwrap_or(0)
    }

    fn evaluate(&self, x: &[f64], images: Option<&[usize]>, want: Want) -> Result<Evaluation> {
        self.with_model(x, |state, model, waiting| {
            let used = state.plan.used();
            let images = state.images(images, &used);
            let (mut evaluation, gradients) = model.evaluate(images, want, state.plan.active(), waiting)?;
            if want.gradient {
                evaluation.gradient = state.gather(&gradients);
            }
            Ok(evaluation)
        })
    }

    fn predict_each(
        &self,
        x: &[f64],
        images: &[usize],
        take: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        self.with_model(x, |_, model, waiting| model.predict_each(images, waiting, take))
    }

    fn pull_back(&self, x: &[f64], images: Option<&[usize]>, residuals: &[f64]) -> Result<Vec<f64>> {
        self.with_model(x, |state, model, waiting| {
            let used = state.plan.used();
            let images = state.images(images, &used);
            let wanted = images.len() * model.version.rows() * model.version.columns();
            if residuals.len() != wanted {
                return Err(Error::shape("residuals", &[residuals.len()], format!("{wanted} values")));
            }
            Error::unless_finite("residuals", "index", residuals)?;
            Ok(state.gather(&model.pull_back(images, residuals, state.plan.active(), waiting)?))
        })
    }

    fn step(&self, observer: &mut Observer<'_>) -> Result<Option<Termination>> {
        let rules = Stopping { max_iterations: 1, loss_tolerance: 0.0, ..Stopping::default() };
        self.watched(observer, 0, |driver, watch| {
            let outcome = self.iterate(driver, &rules, watch)?;
            driver.course.termination = outcome;
            Ok(outcome)
        })
    }

    fn run(&self, options: &RunOptions, observer: &mut Observer<'_>) -> Result<Termination> {
        options.check()?;
        if let Some(optimizer) = options.optimizer {
            return Err(Error::Unsupported {
                what: format!("the optimiser {}", optimizer.name()),
                why: format!("the method {} makes its own steps; leave it automatic", self.method()),
            });
        }
        let stopping = &options.stopping;
        self.watched(observer, stopping.max_iterations, |driver, watch| {
            driver.course.termination = None;
            driver.course.stopping.forget();
            let mut outcome = Termination::MaxIterations;
            for _ in 0..stopping.max_iterations {
                match self.iterate(driver, stopping, watch) {
                    Ok(None) => {}
                    Ok(Some(reason)) => {
                        outcome = reason;
                        break;
                    }
                    Err(Error::Cancelled { .. }) => {
                        outcome = Termination::Cancelled;
                        break;
                    }
                    Err(error) => return Err(error),
                }
                if stopping.max_time.is_some_and(|limit| watch.began.elapsed() >= limit) {
                    outcome = Termination::TimeLimit;
                    break;
                }
            }
            driver.course.termination = Some(outcome);
            self.finish(driver, watch)?;
            Ok(outcome)
        })
    }

    fn history(&self) -> Vec<Record> {
        self.latest.load().course.history.clone()
    }

    fn r_factors(&self) -> Vec<f64> {
        let state = self.latest.load();
        let mut r_factors = state.course.r_factors.clone();
        r_factors.resize(state.plan.version.images().len(), f64::NAN);
        r_factors
    }

    fn record(&self) -> serde_json::Value {
        let state = self.latest.load();
        let (plan, course) = (&state.plan, &state.course);
        let used: Vec<f64> = course.r_factors.iter().copied().filter(|r| r.is_finite()).collect();
        let last = course.history.last();
        serde_json::json!({
            "library": env!("CARGO_PKG_VERSION"),
            "simd": self.context.simd().name(),
            "threads": self.context.threads(),
            "method": self.method(),
            "options": self.options,
            "shape": plan.sizes.geometry().shape,
            "voxel_size": plan.sizes.geometry().voxel_size,
            "support": self.support.is_some(),
            "images": plan.version.images().len(),
            "held_out": plan.measured.as_ref().map(|m| m.held_out.iter().flat_map(|v| m.images[*v].clone()).collect::<Vec<_>>()),
            "dataset_version": plan.version.number(),
            "generation": plan.generation,
            "frozen": plan.layout.blocks.iter().filter(|b| b.frozen).map(|b| b.name).collect::<Vec<_>>(),
            "iterations": course.iteration,
            "loss": course.loss,
            "r1": used.iter().sum::<f64>() / used.len() as f64,
            "r2": course.r2,
            "r_free": last.map(|r| r.r_free),
            "penalty": course.penalty,
            "shells": course.shells,
            "r_factors": course.r_factors,
            "seconds": last.map(|r| r.seconds),
            "termination": course.termination,
        })
    }

    fn geometry(&self) -> Geometry {
        let state = self.latest.load();
        let (images, imaging) = (state.plan.version.images(), &state.plan.imaging);
        Geometry {
            rotations: images.iter().map(|image| imaging.rotation(image.tilt)).collect(),
            drift: imaging.drift.clone(),
            defocus: images.iter().map(|image| image.defocus).collect(),
        }
    }

    fn saved_state(&self) -> Saved {
        let state = self.latest.load();
        let version = &state.plan.version;
        Saved::Tomography(Box::new(SavedTomography {
            library: env!("CARGO_PKG_VERSION").into(),
            simd: self.context.simd().name().into(),
            options: self.options.clone(),
            generation: state.plan.generation,
            fingerprint: Fingerprint::of(version, version.images().len()),
            support: self.support.as_ref().map(|support| support.to_vec()),
            volume: state.volume.to_vec(),
            imaging: state.plan.values.clone(),
            frozen: state.plan.layout.blocks.iter().map(|block| block.frozen).collect(),
            progress: (*state.course).clone(),
        }))
    }
}
