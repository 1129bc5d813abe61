//! Checks of properties that every forward model and problem must have, for tests and for users' own code.
//! Each returns what it measured; the caller says what is good enough.

use crate::error::Result;

/// Central differences against a gradient.
#[derive(Debug, Clone)]
pub struct GradientReport {
    /// Largest difference over the values checked, relative to the largest of their derivatives.
    pub worst: f64,
    /// Parameter at which it was found.
    pub at: usize,
    /// Derivative there: from the gradient, and from differences.
    pub derivative: (f64, f64),
}

/// A function of x that gives its value and gradient.
pub type LossAndGradient<'a> = dyn FnMut(&[f64]) -> Result<(f64, Vec<f64>)> + 'a;

/// Compares the gradient of `loss` at `x` with central differences of `step(i)` for the parameters `which`.
/// Two step sizes (h and h / 2) are combined, which removes the error of second order.
pub fn gradient(
    loss: &mut LossAndGradient<'_>,
    x: &[f64],
    which: &[usize],
    step: &dyn Fn(usize) -> f64,
) -> Result<GradientReport> {
    let (_, gradient) = loss(x)?;
    let mut report = GradientReport { worst: 0.0, at: 0, derivative: (0.0, 0.0) };
    let largest = which.iter().map(|i| gradient[*i].abs()).fold(f64::MIN_POSITIVE, f64::max);
    let mut moved = x.to_vec();
    for &i in which {
        let mut central = |h: f64| -> Result<f64> {
            moved[i] = x[i] + h;
            let up = loss(&moved)?.0;
            moved[i] = x[i] - h;
            let down = loss(&moved)?.0;
            moved[i] = x[i];
            Ok((up - down) / (2.0 * h))
        };
        let h = step(i);
        let difference = (4.0 * central(0.5 * h)? - central(h)?) / 3.0;
        let error = (difference - gradient[i]).abs() / largest;
        if error > report.worst {
            report = GradientReport { worst: error, at: i, derivative: (gradient[i], difference) };
        }
    }
    Ok(report)
}

/// <A x, y> against <x, A* y>.
#[derive(Debug, Clone)]
pub struct AdjointReport {
    /// |<A x, y> - <x, A* y>| relative to |A x| |y|.
    pub error: f64,
    /// <A x, y> / <x, A* y>: the factor by which an adjoint is off, when it is off by a factor.
    pub factor: f64,
}

/// Compares both sides of the adjoint identity, given A x and A* y.
pub fn adjoint(x: &[f64], adjoint_y: &[f64], applied_x: &[f64], y: &[f64]) -> AdjointReport {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (forward, backward) = (dot(applied_x, y), dot(x, adjoint_y));
    let size = (dot(applied_x, applied_x) * dot(y, y)).sqrt().max(f64::MIN_POSITIVE);
    AdjointReport { error: (forward - backward).abs() / size, factor: forward / backward }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_gradient_is_found_and_named() {
        let mut right = |x: &[f64]| Ok((x[0].sin() * x[1], vec![x[0].cos() * x[1], x[0].sin()]));
        assert!(gradient(&mut right, &[0.3, 2.0], &[0, 1], &|_| 1e-3).unwrap().worst < 1e-10);
        let mut wrong = |x: &[f64]| Ok((x[0].sin() * x[1], vec![x[0].cos() * x[1], 2.0 * x[0].sin()]));
        let report = gradient(&mut wrong, &[0.3, 2.0], &[0, 1], &|_| 1e-3).unwrap();
        assert!(report.at == 1 && report.worst > 0.1);
    }

    #[test]
    fn a_wrong_factor_is_shown() {
        let report = adjoint(&[1.0, 2.0], &[3.0, 1.5], &[2.0], &[5.0]);
        assert!((report.factor - 10.0 / 6.0).abs() < 1e-12 && report.error > 0.1);
    }
}
