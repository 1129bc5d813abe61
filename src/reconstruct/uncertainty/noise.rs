//! Weights of the pixels in F = J^T W J and M = J^T W S W J.

use super::NoiseModel;
use crate::error::{Error, Result};
use crate::forward::Loss;
use crate::problem::Waiting;
use crate::reconstruct::plan::Plan;

/// W and W S W of the pixels of one image.
pub(super) enum PixelWeights {
    /// The same for all pixels, none masked.
    Uniform { fisher: f64, noise: f64 },
    /// For each pixel, 0 where masked; single precision, for there are as many as data.
    Each { fisher: Vec<f32>, noise: Vec<f32> },
}

/// Weights of all images that are used.
pub(super) struct Weights {
    /// Numbers of the images.
    pub images: Vec<usize>,
    /// In the same order.
    pub pixels: Vec<PixelWeights>,
    /// W S, where it is the same for all pixels: M is then this times F.
    pub proportion: Option<f64>,
}

impl PixelWeights {
    /// Multiplies the pixels of an image by W or by W S W.
    pub fn apply(&self, image: &mut [f64], with_noise: bool) {
        match self {
            PixelWeights::Uniform { fisher, noise } => {
                let weight = if with_noise { noise } else { fisher };
                image.iter_mut().for_each(|v| *v *= weight);
            }
            PixelWeights::Each { fisher, noise } => {
                let weights = if with_noise { noise } else { fisher };
                image.iter_mut().zip(weights).for_each(|(v, w)| *v *= f64::from(*w));
            }
        }
    }
}

/// The noise model in use and the weights of all used images at `parameters`.
pub(super) fn weights(
    wanted: NoiseModel,
    plan: &Plan,
    parameters: &[f64],
    waiting: &mut Waiting<'_>,
) -> Result<(NoiseModel, Weights)> {
    let images = plan.problem.images().to_vec();
    if images.is_empty() {
        let why = "it has no images; append tilts to the dataset, or include some again".into();
        return Err(Error::NotReady { what: "the reconstruction".into(), why });
    }
    let model = noise_model(wanted, plan, &images)?;
    let loss = plan.compared_by();
    // Residuals lose a degree of freedom to every parameter that was fitted.
    let used = plan.used_pixels;
    let freedom = used.saturating_sub(plan.layout.free_len());
    if model == NoiseModel::Residual && freedom == 0 {
        let why = format!("{used} pixels leave no residuals for {} free parameters", plan.layout.free_len());
        return Err(Error::Inconsistent { what: "noise model residual".into(), why });
    }
    let correction = used as f64 / freedom.max(1) as f64;
    let pixels = plan.problem.pixels();
    let mut of_image: Vec<Option<PixelWeights>> = images.iter().map(|_| None).collect();
    let mut proportions = (f64::INFINITY, f64::NEG_INFINITY);
    for places in plan.tilts_at_once(&images)? {
        let part: Vec<usize> = places.iter().map(|place| images[*place]).collect();
        let mut calculated = plan.problem.buffers().take(part.len() * pixels);
        plan.problem.predict(parameters, &part, &mut calculated, waiting)?;
        for ((place, image), calculated) in places.iter().zip(&part).zip(calculated.chunks_exact(pixels)) {
            let (weights, range) = weigh(plan, model, loss, *image, calculated, correction);
            proportions = (proportions.0.min(range.0), proportions.1.max(range.1));
            of_image[*place] = Some(weights);
        }
        plan.problem.buffers().give(calculated);
    }
    let proportion = (proportions.1 - proportions.0 <= 1e-9 * proportions.1).then_some(proportions.0);
    let pixels = of_image.into_iter().flatten().collect();
    Ok((model, Weights { images, pixels, proportion }))
}

/// Weights of one image, and the range of W S over its pixels.
fn weigh(
    plan: &Plan,
    model: NoiseModel,
    loss: Loss,
    number: usize,
    calculated: &[f64],
    correction: f64,
) -> (PixelWeights, (f64, f64)) {
    let image = &plan.version.images()[number];
    // Where the fit falls below a thousandth of the mean intensity, the variance of counts does not follow it.
    let floor = match loss {
        Loss::Poisson { floor } => floor,
        Loss::Mse => 1e-3 * calculated.iter().map(|c| c.abs()).sum::<f64>() / calculated.len().max(1) as f64,
    };
    let residual = || {
        let differences = calculated.iter().zip(&*image.pixels).enumerate().filter(|(i, _)| image.uses(*i));
        let sum: f64 = differences.map(|(_, (c, o))| (c - f64::from(*o)).powi(2)).sum();
        correction * sum / image.used_pixels().max(1) as f64
    };
    let common = match model {
        NoiseModel::Variance => image.noise_variance,
        NoiseModel::Counts => None,
        _ => Some(residual()),
    };
    if let (Some(variance), Loss::Mse, None) = (common, loss, &image.mask) {
        return (PixelWeights::Uniform { fisher: 1.0, noise: variance }, (variance, variance));
    }
    let per_unit = image.counts_per_unit.unwrap_or(1.0);
    let (mut fisher, mut noise) = (vec![0.0_f32; calculated.len()], vec![0.0_f32; calculated.len()]);
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for (i, value) in calculated.iter().enumerate().filter(|(i, _)| image.uses(*i)) {
        let weight = loss.weight(*value);
        let variance = common.unwrap_or(value.max(floor) / per_unit);
        (fisher[i], noise[i]) = (weight as f32, (weight * variance * weight) as f32);
        range = (range.0.min(weight * variance), range.1.max(weight * variance));
    }
    (PixelWeights::Each { fisher, noise }, range)
}

/// The model to use; an error where the series lacks what it needs.
fn noise_model(wanted: NoiseModel, plan: &Plan, images: &[usize]) -> Result<NoiseModel> {
    let all = plan.version.images();
    let lacking = |what: &str, has: &dyn Fn(usize) -> bool| match images.iter().find(|i| !has(**i)) {
        None => Ok(()),
        Some(image) => Err(Error::NotReady {
            what: "the noise model".into(),
            why: format!("image {image} has no {what}; give it with the images, or use another model"),
        }),
    };
    let variance = || lacking("noise_variance", &|i| all[i].noise_variance.is_some());
    let counts = || lacking("counts_per_unit", &|i| all[i].counts_per_unit.is_some());
    match wanted {
        NoiseModel::Variance => variance().map(|()| wanted),
        NoiseModel::Counts => counts().map(|()| wanted),
        NoiseModel::Residual => Ok(wanted),
        NoiseModel::Automatic if variance().is_ok() => Ok(NoiseModel::Variance),
        NoiseModel::Automatic if counts().is_ok() => Ok(NoiseModel::Counts),
        NoiseModel::Automatic => Ok(NoiseModel::Residual),
    }
}
