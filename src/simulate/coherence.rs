//! Partial coherence: the source has a size, the beam an energy spread, the aperture an edge.
//!
//! Incoherent sums over the emission of the gun. The source size is a blur of a scanned image, since neighbouring points
//! of the source illuminate shifted probes; spreads of defocus and semi-angle are ensembles of probes with weights, to be
//! summed in intensity. Nodes and weights are those of Gauss-Hermite quadrature: no random numbers, and exact for signals
//! that are polynomials of degree 2 n - 1 in the spread quantity.

use crate::electron;
use crate::error::{Error, Result};
use crate::fourier::{Edge, RealFilter};
use crate::grid::Plane;
use crate::optics::ProbeOptions;
use crate::simd::SimdPath;
use crate::units::{ELECTRON_MASS, ELEMENTARY_CHARGE, SPEED_OF_LIGHT};
use nalgebra::{DMatrix, SymmetricEigen};
use std::f64::consts::PI;

/// Most nodes of one spread.
const MAX_NODES: usize = 64;
/// Rest energy of the electron, eV.
const REST_ENERGY: f64 = ELECTRON_MASS * SPEED_OF_LIGHT * SPEED_OF_LIGHT / ELEMENTARY_CHARGE;

/// Spread of the illumination about a probe. Zeros mean a single probe.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Spread {
    /// Standard deviation of the defocus, angstrom (see [`chromatic_defocus_spread`]).
    pub defocus: f64,
    /// Number of defoci, 1 to 64; not used where the spread is 0.
    pub defocus_nodes: usize,
    /// Standard deviation of the convergence semi-angle, mrad.
    pub semiangle_mrad: f64,
    /// Number of semi-angles, 1 to 64; not used where the spread is 0.
    pub semiangle_nodes: usize,
}

impl Default for Spread {
    fn default() -> Self {
        Self { defocus: 0.0, defocus_nodes: 7, semiangle_mrad: 0.0, semiangle_nodes: 5 }
    }
}

impl Spread {
    /// Probes and weights, which sum to 1, that together make the illumination about `probe`, defocus by defocus.
    ///
    /// # Errors
    /// `Range` for a spread that is negative or no number, for a number of nodes outside its range, and where a node of the
    /// semi-angle is not positive; the errors of [`ProbeOptions::build`].
    pub fn ensemble(&self, probe: &ProbeOptions) -> Result<Vec<(ProbeOptions, f64)>> {
        let foci = nodes("defocus spread", self.defocus, self.defocus_nodes)?;
        let angles = nodes("semi-angle spread", self.semiangle_mrad, self.semiangle_nodes)?;
        let defocus = probe.aberrations.defocus();
        let mut ensemble = Vec::with_capacity(foci.len() * angles.len());
        for (shift, defocus_weight) in &foci {
            for (change, angle_weight) in &angles {
                let mut member = probe.clone();
                if self.defocus > 0.0 {
                    member = member.defocus(defocus + shift);
                }
                member.semiangle_mrad += change;
                if member.semiangle_mrad <= 0.0 {
                    let wanted = format!("a spread that leaves all nodes about {} mrad positive", probe.semiangle_mrad);
                    return Err(Error::range("semi-angle spread", self.semiangle_mrad, wanted));
                }
                member.clone().build()?;
                ensemble.push((member, defocus_weight * angle_weight));
            }
        }
        Ok(ensemble)
    }
}

/// Standard deviation of the defocus (angstrom) that an energy spread (standard deviation, eV) makes through the chromatic
/// aberration `cc` (angstrom), relativistically (Kirkland, Advanced Computing in Electron Microscopy, section 3.3):
///
/// delta = cc (dE / E) (1 + E / m c^2) / (1 + E / 2 m c^2).
///
/// # Errors
/// `Range` for an aberration or spread that is negative or no number, and for an energy that is not positive.
pub fn chromatic_defocus_spread(cc: f64, energy_spread_ev: f64, energy_ev: f64) -> Result<f64> {
    for (what, value) in [("cc", cc), ("energy_spread_ev", energy_spread_ev)] {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(Error::range(what, value, "0 or a positive number"));
        }
    }
    electron::wavelength(energy_ev)?;
    let relative = energy_ev / REST_ENERGY;
    Ok(cc * energy_spread_ev / energy_ev * (1.0 + relative) / (1.0 + relative / 2.0))
}

/// Deviations and weights of a normal distribution of standard deviation `sigma`.
fn nodes(what: &str, sigma: f64, count: usize) -> Result<Vec<(f64, f64)>> {
    if !(sigma >= 0.0 && sigma.is_finite()) {
        return Err(Error::range(what, sigma, "0 or a positive number"));
    }
    if sigma == 0.0 {
        return Ok(vec![(0.0, 1.0)]);
    }
    Ok(normal_quadrature(count)?.into_iter().map(|(x, w)| (sigma * x, w)).collect())
}

/// Nodes, rising, and weights of the quadrature of `n` nodes with the standard normal distribution as weight: the mean
/// of every polynomial of degree up to 2 n - 1 is exact. Eigenvalues of the Jacobi matrix of the Hermite polynomials He_k
/// (Golub, Welsch, Math. Comp. 23 (1969) 221), whose off-diagonal elements are sqrt(k); made symmetric about 0.
///
/// # Errors
/// `Range` for a number of nodes outside 1 to 64.
pub fn normal_quadrature(n: usize) -> Result<Vec<(f64, f64)>> {
    if !(1..=MAX_NODES).contains(&n) {
        return Err(Error::range("number of nodes", n, format!("1 to {MAX_NODES}")));
    }
    let jacobi = DMatrix::from_fn(n, n, |i, j| if i.abs_diff(j) == 1 { (i.max(j) as f64).sqrt() } else { 0.0 });
    let eigen = SymmetricEigen::new(jacobi);
    let mut pairs: Vec<(f64, f64)> =
        (0..n).map(|i| (eigen.eigenvalues[i], eigen.eigenvectors[(0, i)].powi(2))).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let symmetric = |i: usize| {
        let ((x, w), (mirrored, other)) = (pairs[i], pairs[n - 1 - i]);
        ((x - mirrored) / 2.0, (w + other) / 2.0)
    };
    Ok((0..n).map(symmetric).collect())
}

/// A plan that blurs scanned images by the image of the source: the spectrum times exp(-2 pi^2 sigma^2 k^2). Symmetric,
/// so that it is its own adjoint. Apply with [`RealFilter::apply`].
///
/// # Errors
/// `Range` for a standard deviation `sigma` (angstrom) that is negative or no number.
pub fn source_blur(path: SimdPath, plane: &Plane, sigma: f64, edge: Edge) -> Result<RealFilter> {
    if !(sigma >= 0.0 && sigma.is_finite()) {
        return Err(Error::range("source_size", sigma, "0 or a positive number (angstrom)"));
    }
    Ok(RealFilter::new(path, (plane.rows, plane.columns), edge, |ky, kx| {
        let k2 = (ky / plane.pixel_y).powi(2) + (kx / plane.pixel_x).powi(2);
        (-2.0 * PI * PI * sigma * sigma * k2).exp()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polynomials_are_exact_up_to_degree_2n_minus_1() {
        for n in [1, 2, 3, 7, 12, 64] {
            let rule = normal_quadrature(n).unwrap();
            let mut moment = 1.0; // <x^(2 k)> = (2 k - 1)!!
            for k in 0..n.min(8) {
                let of = |power: i32| rule.iter().map(|(x, w)| w * x.powi(power)).sum::<f64>();
                assert!((of(2 * k as i32) / moment - 1.0).abs() < 1e-11, "{n} {k}");
                assert!(of(2 * k as i32 + 1).abs() < 1e-10 * moment);
                moment *= (2 * k + 1) as f64;
            }
            assert!(rule.windows(2).all(|w| w[0].0 < w[1].0));
            assert!((0..n).all(|i| rule[i].0 == -rule[n - 1 - i].0));
        }
        // Abramowitz and Stegun, table 25.10, n = 3: x = sqrt(3), w = 1 / 6.
        let three = normal_quadrature(3).unwrap();
        assert!((three[2].0 - 3.0_f64.sqrt()).abs() < 1e-14 && (three[2].1 - 1.0 / 6.0).abs() < 1e-14);
        assert_eq!(normal_quadrature(0).unwrap_err().code(), 103);
        assert_eq!(normal_quadrature(65).unwrap_err().code(), 103);
    }

    #[test]
    fn the_ensemble_is_centred_and_complete() {
        let probe = ProbeOptions::new(300e3, 20.0).defocus(30.0);
        let spread = Spread { defocus: 25.0, semiangle_mrad: 0.5, ..Default::default() };
        let ensemble = spread.ensemble(&probe).unwrap();
        assert_eq!(ensemble.len(), 35);
        let mean = |f: &dyn Fn(&ProbeOptions) -> f64| ensemble.iter().map(|(p, w)| w * f(p)).sum::<f64>();
        assert!((mean(&|_| 1.0) - 1.0).abs() < 1e-13);
        assert!((mean(&|p| p.aberrations.defocus()) - 30.0).abs() < 1e-10);
        assert!((mean(&|p| (p.aberrations.defocus() - 30.0).powi(2)) - 625.0).abs() < 1e-9);
        assert!((mean(&|p| (p.semiangle_mrad - 20.0).powi(2)) - 0.25).abs() < 1e-12);
        assert_eq!(Spread::default().ensemble(&probe).unwrap(), [(probe.clone(), 1.0)]);
    }

    #[test]
    fn the_defocus_spread_is_the_envelope_of_linear_imaging() {
        // <exp(i pi lambda f k^2)> over defoci f = exp(-(pi lambda delta k^2)^2 / 2).
        let (lambda, delta, k) = (0.0197, 40.0, 0.7_f64);
        let rate = PI * lambda * k * k;
        let rule = normal_quadrature(9).unwrap();
        let mean: f64 = rule.iter().map(|(x, w)| w * (rate * delta * x).cos()).sum();
        assert!((mean - (-(rate * delta).powi(2) / 2.0).exp()).abs() < 1e-6, "{mean}");
        // Cc = 1.2 mm, 0.3 eV at 300 keV.
        assert!((chromatic_defocus_spread(1.2e7, 0.3, 300e3).unwrap() - 14.723).abs() < 2e-3);
        assert_eq!(chromatic_defocus_spread(1.2e7, 0.3, 0.0).unwrap_err().code(), 103);
        assert_eq!(chromatic_defocus_spread(-1.0, 0.3, 1e5).unwrap_err().code(), 103);
    }

    #[test]
    fn the_source_blurs_waves_by_the_gaussian_and_keeps_nothing_else() {
        let plane = Plane::new(20, 30, 0.3, 0.2).unwrap();
        let wave = |r: usize, c: usize| (2.0 * PI * (3.0 * c as f64 / 30.0 + 2.0 * r as f64 / 20.0)).cos();
        let mut image: Vec<f64> = (0..600).map(|i| 1.0 + wave(i / 30, i % 30)).collect();
        let blur = source_blur(SimdPath::Portable, &plane, 0.35, Edge::Periodic).unwrap();
        blur.apply(&mut image, &mut blur.scratch());
        let k2 = (3.0 / 6.0_f64).powi(2) + (2.0 / 6.0_f64).powi(2);
        let factor = (-2.0 * PI * PI * 0.35 * 0.35 * k2).exp();
        for (i, v) in image.iter().enumerate() {
            assert!((v - 1.0 - factor * wave(i / 30, i % 30)).abs() < 1e-12);
        }
    }

    #[test]
    fn bad_input() {
        let probe = ProbeOptions::new(300e3, 2.0);
        for bad in [-1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Spread { defocus: bad, ..Default::default() }.ensemble(&probe).unwrap_err().code(), 103);
            assert_eq!(Spread { semiangle_mrad: bad, ..Default::default() }.ensemble(&probe).unwrap_err().code(), 103);
            let plane = Plane::new(4, 4, 1.0, 1.0).unwrap();
            assert_eq!(source_blur(SimdPath::Portable, &plane, bad, Edge::Mirror).err().unwrap().code(), 103);
        }
        let wide = Spread { semiangle_mrad: 1.5, ..Default::default() }.ensemble(&probe).unwrap_err();
        assert!(wide.to_string().contains("2 mrad"), "{wide}");
        let many = Spread { defocus: 1.0, defocus_nodes: 65, ..Default::default() };
        assert_eq!(many.ensemble(&probe).unwrap_err().code(), 103);
    }
}
