//! Modified Bessel functions of the second kind. They serve tables and tests; no kernel calls them.

/// K0(x) and K1(x) for x > 0: K_n(x) = integral over t > 0 of exp(-x cosh t) cosh(n t) dt.
///
/// The integrand falls doubly exponentially and is analytic up to |Im t| = pi / 2, so the trapezoidal rule of step h
/// errs by about exp(-pi^2 / h); for large x it is a narrow exp(-x t^2 / 2), with error exp(-2 pi^2 / (x h^2)).
pub(super) fn modified_bessel_k(x: f64) -> (f64, f64) {
    let step = (0.6 / x.sqrt()).min(0.2);
    // exp(-x cosh t) < 1e-304 beyond x cosh t = 700
    let last = (1400.0 / x).max(2.0).ln().max(4.0);
    let (mut k0, mut k1) = (0.5 * (-x).exp(), 0.5 * (-x).exp());
    let mut t = step;
    while t < last {
        let weight = (-x * t.cosh()).exp();
        k0 += weight;
        k1 += weight * t.cosh();
        t += step;
    }
    (step * k0, step * k1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // Abramowitz & Stegun, tables 9.8 and 9.11
        for (x, k0, k1) in [
            (0.1, 2.427069024702017, 9.853844780870606),
            (1.0, 0.42102443824070834, 0.6019072301972346),
            (2.0, 0.11389387274953344, 0.13986588181652243),
            (10.0, 1.778006231616765e-5, 1.8648773453825585e-5),
        ] {
            let (got0, got1) = modified_bessel_k(x);
            assert!((got0 / k0 - 1.0).abs() < 1e-14, "K0({x}) = {got0}");
            assert!((got1 / k1 - 1.0).abs() < 1e-14, "K1({x}) = {got1}");
        }
    }

    #[test]
    fn small_and_large_arguments() {
        let (k0, k1) = modified_bessel_k(1e-6);
        assert!((k0 - (-(0.5e-6f64).ln() - 0.577_215_664_901_532_9)).abs() < 1e-10);
        assert!((k1 * 1e-6 - 1.0).abs() < 1e-10);
        let (k0, k1) = modified_bessel_k(600.0);
        let leading = (std::f64::consts::PI / 1200.0).sqrt() * (-600.0f64).exp();
        assert!(
            (k0 / leading - (1.0 - 1.0 / 4800.0)).abs() < 1e-6 && (k1 / leading - (1.0 + 3.0 / 4800.0)).abs() < 1e-6
        );
        assert_eq!(modified_bessel_k(1e4), (0.0, 0.0));
    }
}
