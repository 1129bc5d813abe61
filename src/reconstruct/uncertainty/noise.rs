//! Weights of the pixels in F = J^T W J and M = J^T W S W J.

use super::NoiseModel;
use crate::dataset::Image;
use crate::error::{Error, Result};
use crate::forward::Loss;
use crate::problem::Waiting;
use crate::reconstruct::plan::Plan;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

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
            let (weights, range) = weigh(plan, model, *image, calculated, correction);
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
    number: usize,
    calculated: &[f64],
    correction: f64,
) -> (PixelWeights, (f64, f64)) {
    let (image, loss) = (&plan.version.images()[number], plan.compared_by(number));
    // Where the fit falls below a thousandth of the mean intensity, the variance of counts does not follow it.
    let floor = match loss {
        Loss::Poisson { floor } => floor,
        _ => 1e-3 * calculated.iter().map(|c| c.abs()).sum::<f64>() / calculated.len().max(1) as f64,
    };
    let common = match model {
        NoiseModel::Variance => image.noise_variance,
        NoiseModel::Counts => None,
        _ => Some(correction * residual_variance(image, calculated)),
    };
    let per_unit = image.counts_per_unit.unwrap_or(1.0);
    let variance = |value: f64| common.unwrap_or(value.max(floor) / per_unit);
    let of_all = match (loss, common) {
        (Loss::Mse | Loss::Gaussian { .. }, Some(variance)) => {
            let weight = loss.weight(0.0, 0.0);
            Some((weight, weight * variance * weight))
        }
        (Loss::Huber { threshold }, _) if model == NoiseModel::Residual => {
            let (inside, pull) = huber_residuals(threshold, image, calculated);
            Some((inside, correction * pull))
        }
        (Loss::Huber { threshold }, Some(variance)) => Some(huber_moments(threshold, variance)),
        _ => None,
    };
    if let (Some((fisher, noise)), None) = (of_all, &image.mask) {
        return (PixelWeights::Uniform { fisher, noise }, (noise / fisher, noise / fisher));
    }
    let (mut fisher, mut noise) = (vec![0.0_f32; calculated.len()], vec![0.0_f32; calculated.len()]);
    let mut range = (f64::INFINITY, f64::NEG_INFINITY);
    for (i, value) in calculated.iter().enumerate().filter(|(i, _)| image.uses(*i)) {
        let (w, wsw) = of_all.unwrap_or_else(|| match loss {
            Loss::Huber { threshold } => huber_moments(threshold, variance(*value)),
            _ => {
                let weight = loss.weight(*value, f64::from(image.pixels[i]));
                (weight, weight * variance(*value) * weight)
            }
        });
        (fisher[i], noise[i]) = (w as f32, wsw as f32);
        range = (range.0.min(wsw / w), range.1.max(wsw / w));
    }
    (PixelWeights::Each { fisher, noise }, range)
}

/// Mean square of the residuals of an image.
fn residual_variance(image: &Image, calculated: &[f64]) -> f64 {
    let differences = calculated.iter().zip(&*image.pixels).enumerate().filter(|(i, _)| image.uses(*i));
    let sum: f64 = differences.map(|(_, (c, o))| (c - f64::from(*o)).powi(2)).sum();
    sum / image.used_pixels().max(1) as f64
}

/// E psi' and E psi^2 of the slope psi of the Huber loss with the threshold t under Gaussian noise of this variance: what W and
/// W S W are for a loss that is not the likelihood of its noise (Huber, Ann. Math. Stat. 35, 73 (1964)).
fn huber_moments(threshold: f64, variance: f64) -> (f64, f64) {
    let c = threshold / variance.sqrt();
    let inside = libm::erf(c * FRAC_1_SQRT_2);
    let core = inside - c * (2.0 / PI).sqrt() * (-0.5 * c * c).exp();
    (inside, variance * core + threshold * threshold * (1.0 - inside))
}

/// The same as the residuals of an image tell them, whatever their distribution: the part of them within the threshold, and the
/// mean square of all, each no farther than it. Never 0, so that an image of nothing but wrong pixels has weight, too.
fn huber_residuals(threshold: f64, image: &Image, calculated: &[f64]) -> (f64, f64) {
    let used = calculated.iter().zip(&*image.pixels).enumerate().filter(|(i, _)| image.uses(*i));
    let (mut inside, mut pull) = (0usize, 0.0);
    for (_, (c, o)) in used {
        let far = (c - f64::from(*o)).abs();
        inside += usize::from(far <= threshold);
        pull += far.min(threshold).powi(2);
    }
    let n = image.used_pixels().max(1) as f64;
    (inside.max(1) as f64 / n, pull / n)
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

#[cfg(test)]
mod tests {
    use super::huber_moments;

    #[test]
    fn moments_of_the_huber_loss_are_integrals_over_the_noise() {
        for (threshold, variance) in [(1.345, 1.0), (0.2, 4.0), (30.0, 4.0)] {
            let sigma = f64::sqrt(variance);
            let (mut inside, mut pull) = (0.0, 0.0);
            let step = 1e-4;
            for x in (-100_000..100_000).map(|i| step * (f64::from(i) + 0.5)) {
                let density = step * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                let far = (sigma * x).abs();
                inside += if far <= threshold { density } else { 0.0 };
                pull += density * far.min(threshold).powi(2);
            }
            let (w, wsw) = huber_moments(threshold, variance);
            assert!((w - inside).abs() < 1e-4 && (wsw - pull).abs() < 1e-4 * variance, "{threshold} {variance}");
        }
        // 95 % as efficient as least squares
        let (w, wsw) = huber_moments(1.345, 1.0);
        assert!((w * w / wsw - 0.95).abs() < 1e-3);
    }
}
