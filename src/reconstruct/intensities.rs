//! Intensities at the start: the factor a of all heights and the background b_j of each image that have the least loss,
//! I_j = a M_j + b_j, where M_j is the calculated image of the start atoms.
//!
//! They have to be those of the loss that is fitted. Least squares pays for misfits where images are bright: for start
//! atoms that are too wide, it takes as much from all backgrounds as their skirts add, and vacuum becomes negative. mse
//! does not mind. To counts a negative intensity is impossible, and a fit that starts there widens and scatters the
//! atoms to fill the vacuum before it looks at the spots.
//!
//! mse and Poisson are convex in I, and I is linear in (a, b): there is one minimum. Fisher scoring finds it, with the weights
//! of [`Loss::weight`]; for mse its first step is the answer. Up to a part that does not depend on I, both losses are also
//! linear in the measured values, so that pixels of nearly the same M may be pooled, and the images are calculated once.
//! That does not hold for the other losses: Anscombe's, which is nearly that of Poisson, starts where that does, and Huber's,
//! whose threshold is not known yet, from least squares.

use crate::dataset::Image;
use crate::forward::Loss;

/// Classes of the calculated intensity, per image. Their edges are equally spaced in sqrt(M - min M): those of vacuum,
/// where counts tell small intensities apart, are narrow.
const CLASSES: usize = 512;

/// Steps and halvings of a step at most; about ten steps are taken.
const STEPS: usize = 50;
const HALVINGS: i32 = 40;

/// Part of itself by which the loss must fall for another step.
const TOLERANCE: f64 = 1e-9;

/// Used pixels of an image whose calculated intensities are nearly the same.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Class {
    /// Number of pixels.
    pixels: f64,
    /// Mean calculated intensity M.
    calculated: f64,
    /// Mean measured intensity.
    observed: f64,
}

/// The classes of one image that hold any pixels.
pub(super) fn classes(observed: &Image, calculated: &[f64]) -> Vec<Class> {
    let used = || calculated.iter().enumerate().filter(|(i, _)| observed.uses(*i));
    let (low, high) = used().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (_, c)| (l.min(*c), h.max(*c)));
    let per_class = if high > low { 1.0 / (high - low) } else { 0.0 };
    let mut classes = vec![Class::default(); CLASSES];
    for (i, calculated) in used() {
        let at = (CLASSES as f64 * ((calculated - low) * per_class).sqrt()) as usize;
        let class = &mut classes[at.min(CLASSES - 1)];
        class.pixels += 1.0;
        class.calculated += calculated;
        class.observed += f64::from(observed.pixels[i]);
    }
    classes.retain(|class| class.pixels > 0.0);
    for class in &mut classes {
        class.calculated /= class.pixels;
        class.observed /= class.pixels;
    }
    classes
}

/// Factor of the heights and backgrounds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Intensities {
    pub factor: f64,
    pub backgrounds: Vec<f64>,
}

impl Intensities {
    /// Those of the least loss over all images; `None` where the calculated images are flat.
    pub fn of_least_loss(loss: Loss, images: &[Vec<Class>]) -> Option<Self> {
        let mean = |classes: &Vec<Class>| {
            let (sum, n) = classes.iter().fold((0.0, 0.0), |(s, n), c| (s + c.pixels * c.observed, n + c.pixels));
            sum / f64::max(n, 1.0)
        };
        // Flat images of the measured brightness are never negative.
        let mut at = Self { factor: 0.0, backgrounds: images.iter().map(mean).collect() };
        let mut lowest = at.loss(loss, images);
        for _ in 0..STEPS {
            let step = at.step(loss, images).filter(Self::is_finite)?;
            let shortened = (0..HALVINGS).map(|halvings| at.moved(&step, 0.5_f64.powi(halvings)));
            let mut tried = shortened.map(|next| (next.loss(loss, images), next));
            let Some((found, next)) = tried.find(|(found, _)| *found <= lowest) else { break };
            let fall = lowest - found;
            (at, lowest) = (next, found);
            if fall <= TOLERANCE * lowest.abs() {
                break;
            }
        }
        Some(at).filter(Self::is_finite)
    }

    fn is_finite(&self) -> bool {
        self.factor.is_finite() && self.backgrounds.iter().all(|b| b.is_finite())
    }

    fn moved(&self, step: &Self, length: f64) -> Self {
        let backgrounds = self.backgrounds.iter().zip(&step.backgrounds).map(|(b, s)| b + length * s).collect();
        Self { factor: self.factor + length * step.factor, backgrounds }
    }

    fn loss(&self, loss: Loss, images: &[Vec<Class>]) -> f64 {
        let each = images.iter().zip(&self.backgrounds).flat_map(|(classes, b)| classes.iter().map(move |c| (c, b)));
        each.map(|(c, b)| c.pixels * loss.at(self.factor * c.calculated + b, c.observed).0).sum()
    }

    /// The step of Fisher scoring, -(J^T W J)^-1 J^T dL/dI. The matrix is an arrow, whose point is the factor: each
    /// background is eliminated by itself.
    fn step(&self, loss: Loss, images: &[Vec<Class>]) -> Option<Self> {
        let (mut slope, mut curvature) = (0.0, 0.0);
        let mut of_images = Vec::with_capacity(images.len());
        for (classes, b) in images.iter().zip(&self.backgrounds) {
            if classes.is_empty() {
                of_images.push((0.0, 0.0, 1.0)); // all pixels are masked: its background stays
                continue;
            }
            // gradient and matrix: of the background, of both, of the factor
            let (mut g_b, mut g_a, mut m_bb, mut m_ab, mut m_aa) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for class in classes {
                let intensity = self.factor * class.calculated + b;
                let g = class.pixels * loss.at(intensity, class.observed).1;
                let w = class.pixels * loss.weight(intensity, class.observed);
                let wm = w * class.calculated;
                (g_b, g_a) = (g_b + g, g_a + g * class.calculated);
                (m_bb, m_ab, m_aa) = (m_bb + w, m_ab + wm, m_aa + wm * class.calculated);
            }
            slope += g_a - m_ab * g_b / m_bb;
            curvature += m_aa - m_ab * m_ab / m_bb;
            of_images.push((g_b, m_ab, m_bb));
        }
        let factor = -slope / curvature;
        let backgrounds = of_images.iter().map(|(g_b, m_ab, m_bb)| -(g_b + m_ab * factor) / m_bb).collect();
        (curvature > 0.0).then_some(Self { factor, backgrounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry;
    use std::sync::Arc;

    fn image(pixels: &[f32], mask: Option<&[bool]>) -> Image {
        Image {
            pixels: Arc::from(pixels),
            rotation: geometry::rotation_about(1, 0.0),
            tilt: 0,
            section: 0,
            defocus: 0.0,
            drift: [0.0; 2],
            mask: mask.map(Arc::from),
            noise_variance: None,
            counts_per_unit: Some(1.0),
            excluded: false,
        }
    }

    /// Measured and calculated values of an image.
    type Pair = (Vec<f64>, Vec<f64>);

    /// Two measured images of a few bright pixels in vacuum, and the calculated ones, whose spots are too wide.
    fn scene() -> (Vec<Vec<Class>>, Vec<Pair>) {
        let spot = |i: usize, width: f64| 40.0 * (-((i as f64 - 30.0) / width).powi(2)).exp();
        let pairs: Vec<Pair> = [0.4, 1.1]
            .map(|b: f64| {
                let observed = (0..60).map(|i| (spot(i, 2.0) + b + (i % 3) as f64 - 1.0).max(0.0).round());
                (observed.collect(), (0..60).map(|i| spot(i, 9.0)).collect())
            })
            .to_vec();
        let of =
            |(o, c): &(Vec<f64>, Vec<f64>)| classes(&image(&o.iter().map(|v| *v as f32).collect::<Vec<_>>(), None), c);
        (pairs.iter().map(of).collect(), pairs)
    }

    #[test]
    fn mse_has_the_least_squares() {
        let (images, pairs) = scene();
        let found = Intensities::of_least_loss(Loss::Mse, &images).unwrap();
        let (mut covariance, mut variance) = (0.0, 0.0);
        for (o, c) in &pairs {
            let n = o.len() as f64;
            let (o_mean, c_mean) = (o.iter().sum::<f64>() / n, c.iter().sum::<f64>() / n);
            covariance += o.iter().zip(c).map(|(o, c)| (o - o_mean) * (c - c_mean)).sum::<f64>();
            variance += c.iter().map(|c| (c - c_mean).powi(2)).sum::<f64>();
        }
        // Classes are not pixels.
        assert!((found.factor * variance / covariance - 1.0).abs() < 1e-3, "{found:?}");
        assert!(found.backgrounds.iter().all(|b| *b < -0.1), "this scene is of negative backgrounds: {found:?}");
    }

    #[test]
    fn counts_get_the_minimum_of_their_own_loss_and_no_negative_vacuum() {
        let (images, _) = scene();
        let loss = Loss::Poisson { floor: 5e-3 };
        let found = Intensities::of_least_loss(loss, &images).unwrap();
        let lowest = found.loss(loss, &images);
        for (factor, first, second) in [(1e-3, 0.0, 0.0), (0.0, 1e-2, 0.0), (0.0, 0.0, 1e-2), (1e-3, -1e-2, 1e-2)] {
            for sign in [-1.0, 1.0] {
                let step = Intensities { factor, backgrounds: vec![first, second] };
                assert!(found.moved(&step, sign).loss(loss, &images) >= lowest, "{step:?}");
            }
        }
        let darkest = |(classes, b): (&Vec<Class>, &f64)| {
            classes.iter().map(|c| found.factor * c.calculated + b).fold(f64::INFINITY, f64::min)
        };
        assert!(images.iter().zip(&found.backgrounds).map(darkest).all(|i| i > 0.0), "{found:?}");
    }

    #[test]
    fn flat_images_and_empty_ones_have_no_factor() {
        let flat = classes(&image(&[1.0, 2.0, 3.0], None), &[7.0; 3]);
        assert_eq!(flat.len(), 1);
        for loss in [Loss::Mse, Loss::Poisson { floor: 0.1 }] {
            assert_eq!(Intensities::of_least_loss(loss, std::slice::from_ref(&flat)), None);
            assert_eq!(Intensities::of_least_loss(loss, &[]), None);
        }
    }

    #[test]
    fn masked_pixels_are_in_no_class() {
        let classes = classes(&image(&[1.0, 2.0, 30.0], Some(&[true, true, false])), &[1.0, 2.0, 1e9]);
        let pixels: f64 = classes.iter().map(|c| c.pixels).sum();
        assert!(pixels == 2.0 && classes.iter().all(|c| c.observed == c.calculated));
        for loss in [Loss::Mse, Loss::Poisson { floor: 0.1 }] {
            let found = Intensities::of_least_loss(loss, &[classes.clone(), vec![]]).unwrap();
            assert!((found.factor - 1.0).abs() < 1e-6 && found.backgrounds[1] == 0.0, "{found:?}");
        }
    }
}
