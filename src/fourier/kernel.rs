//! Interpolation between the points of a spectrum by a separable kernel of a few points, and the exact factor by which
//! the interpolation weakens an object away from its origin.
//!
//! With F(j) = sum over x of f(x) exp(-2 pi i j x / n), the sum over j of phi(s - j) F(j) is the spectrum at s of
//! f(x) Phi(x / n), Phi the transform of phi, plus what phi passes of the repetitions of f at distances n. So f is
//! divided by Phi before the transform (gridding correction), and n is chosen larger than the extent of f (oversampling).

use std::f64::consts::PI;

/// Points along one axis of the widest kernel.
pub const MOST_TAPS: usize = 8;

/// Entries of the table of a kernel between two points; interpolated linearly between them it is exact to 1e-6.
const TABLE: usize = 1024;

/// An even kernel on `taps` points along each axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Kernel {
    taps: usize,
    shape: Shape,
    /// phi(i / `TABLE`) from 0 to half the kernel, and one more.
    table: Vec<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// 1 - |t|
    Triangle,
    /// exp(beta (sqrt(1 - (2 t / taps)^2) - 1))
    Semicircle { beta: f64 },
}

impl Kernel {
    /// Linear interpolation between two points.
    pub fn linear() -> Self {
        Self::tabulated(2, Shape::Triangle)
    }

    /// The "exponential of semicircle" on `taps` (4, 6 or 8) points for an `oversampling` (transform over extent) of at
    /// least 1.25, after Barnett, Magland and af Klinteberg, SIAM J. Sci. Comput. 41, C479 (2019). With an oversampling
    /// of 2 its errors at the edge of the object are 4e-3, 3e-5 and 4e-7.
    pub fn semicircle(taps: usize, oversampling: f64) -> Self {
        let taps = (taps.clamp(4, MOST_TAPS) / 2) * 2;
        let beta = 0.976 * PI * taps as f64 * (1.0 - 0.5 / oversampling.max(1.25));
        Self::tabulated(taps, Shape::Semicircle { beta })
    }

    fn tabulated(taps: usize, shape: Shape) -> Self {
        let mut kernel = Self { taps, shape, table: Vec::new() };
        kernel.table = (0..=taps / 2 * TABLE + 1).map(|i| kernel.value(i as f64 / TABLE as f64) as f32).collect();
        kernel
    }

    /// Points along one axis.
    pub fn taps(&self) -> usize {
        self.taps
    }

    fn value(&self, t: f64) -> f64 {
        match self.shape {
            Shape::Triangle => (1.0 - t.abs()).max(0.0),
            Shape::Semicircle { beta } => {
                let u = 2.0 * t / self.taps as f64;
                (beta * ((1.0 - u * u).max(0.0).sqrt() - 1.0)).exp()
            }
        }
    }

    /// Weights of the points first, first + 1, ... around `at`; returns `first`.
    #[inline]
    pub fn weights(&self, at: f64, weights: &mut [f32; MOST_TAPS]) -> i32 {
        let first = at.floor() - (self.taps / 2 - 1) as f64;
        let edge = (self.taps / 2) as f64;
        for (i, weight) in weights.iter_mut().take(self.taps).enumerate() {
            let distance = (at - first - i as f64).abs();
            // a point half a kernel away on either side counts on neither, so that mirror images have equal weights
            *weight = if distance < edge { self.at(distance) } else { 0.0 };
        }
        first as i32
    }

    #[inline]
    fn at(&self, distance: f64) -> f32 {
        let place = distance * TABLE as f64;
        let entry = place as usize;
        let (below, above) = (self.table[entry], self.table[entry + 1]);
        below + (place - entry as f64) as f32 * (above - below)
    }

    /// Phi(x), the integral over t of phi(t) cos(2 pi t x); |x| <= 1/2 in units of the size of the transform.
    pub fn transform(&self, x: f64) -> f64 {
        match self.shape {
            Shape::Triangle => {
                let u = PI * x;
                if u.abs() < 1e-8 {
                    1.0
                } else {
                    (u.sin() / u).powi(2)
                }
            }
            Shape::Semicircle { .. } => {
                // t = taps / 2 sin(a) makes the integrand smooth at its ends: the midpoint rule converges exponentially
                let (nodes, half) = (256, 0.5 * self.taps as f64);
                let step = PI / nodes as f64;
                let term = |i: usize| {
                    let a = -0.5 * PI + (i as f64 + 0.5) * step;
                    let t = half * a.sin();
                    self.value(t) * (2.0 * PI * t * x).cos() * half * a.cos()
                };
                (0..nodes).map(term).sum::<f64>() * step
            }
        }
    }

    /// 1 / Phi at every place of an axis of `n` points around its origin n // 2, for a transform of `size` points.
    pub fn correction(&self, n: usize, size: usize) -> Vec<f32> {
        let place = |i: usize| (i as f64 - (n / 2) as f64) / size as f64;
        (0..n).map(|i| (1.0 / self.transform(place(i))) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_complex::Complex64;

    /// Worst error of the interpolated spectrum of a point at `x`, relative to the point.
    fn error(kernel: &Kernel, size: usize, x: f64) -> f64 {
        let point = |s: f64| Complex64::from_polar(1.0, -2.0 * PI * s * x / size as f64);
        let interpolated = |s: f64| -> Complex64 {
            let mut weights = [0.0; MOST_TAPS];
            let first = kernel.weights(s, &mut weights);
            let terms = weights.iter().take(kernel.taps()).enumerate();
            terms.map(|(i, w)| point(f64::from(first) + i as f64) * f64::from(*w)).sum()
        };
        let factor = kernel.transform(x / size as f64);
        (0..50)
            .map(|i| 3.0 + 0.02 * f64::from(i))
            .map(|s| (interpolated(s) / factor - point(s)).norm())
            .fold(0.0, f64::max)
    }

    #[test]
    fn kernels_reach_their_accuracy() {
        // at the edge of an object that fills half of the transform
        for (kernel, allowed) in
            [(Kernel::semicircle(4, 2.0), 5e-3), (Kernel::semicircle(6, 2.0), 5e-5), (Kernel::semicircle(8, 2.0), 5e-6)]
        {
            let error = error(&kernel, 64, 16.0);
            assert!(error < allowed, "{} points: {error:e}", kernel.taps());
        }
        let linear = Kernel::linear();
        assert!(error(&linear, 64, 16.0) < 0.3 && error(&linear, 64, 4.0) < 0.02);
    }

    #[test]
    fn linear_weights_meet_points_exactly() {
        let mut weights = [0.0; MOST_TAPS];
        assert_eq!((Kernel::linear().weights(-3.0, &mut weights), weights[0], weights[1]), (-3, 1.0, 0.0));
        assert_eq!((Kernel::linear().weights(2.25, &mut weights), weights[0], weights[1]), (2, 0.75, 0.25));
        assert_eq!(Kernel::linear().correction(5, 10)[2], 1.0);
    }
}
