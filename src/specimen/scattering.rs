//! Electron scattering factors of neutral atoms, Z = 1..103, and the potentials that belong to them.
//!
//! With q = |k| in 1/A (q = 2 sin(theta) / lambda), f_e in A (first Born approximation) and
//! K = h^2 / (2 pi m e) = 47.878 V A^2 (m the rest mass), the potential V(r) is K times the inverse Fourier transform
//! of f_e in three dimensions, and the projected potential K times the inverse transform in two.
//!
//! Lobato & Van Dyck, Acta Cryst. A 70 (2014) 636, with s_i = 2 pi / sqrt(b_i):
//!
//!   f_e(q)  = sum_i a_i (2 + b_i q^2) / (1 + b_i q^2)^2
//!   V_p(r)  = K sum_i 2 pi^2 a_i b_i^(-3/2) \[(2 / s_i) K0(s_i r) + r K1(s_i r)\]
//!   V(r)    = K sum_i pi^2 a_i b_i^(-3/2) \[2 / (s_i r) + 1\] exp(-s_i r)
//!
//! Kirkland, Advanced Computing in Electron Microscopy, 2nd ed. (2010), appendix C, with s_i = 2 pi sqrt(b_i):
//!
//!   f_e(q)  = sum_i a_i / (q^2 + b_i) + sum_i c_i exp(-d_i q^2)
//!   V_p(r)  = K sum_i \[2 pi a_i K0(s_i r) + (pi c_i / d_i) exp(-pi^2 r^2 / d_i)\]
//!   V(r)    = K sum_i \[(pi a_i / r) exp(-s_i r) + c_i (pi / d_i)^(3/2) exp(-pi^2 r^2 / d_i)\]
//!
//! Both are sums of the same three shapes in q, each with a closed form in space (x = 2 pi sqrt(beta) r):
//!
//! | shape | in q | projected | in space |
//! |---|---|---|---|
//! | screened | 1 / (q^2 + beta) | 2 pi K0(x) | (pi / r) exp(-x) |
//! | screened twice | 1 / (q^2 + beta)^2 | 2 pi^2 r K1(x) / sqrt(beta) | pi^2 exp(-x) / sqrt(beta) |
//! | Gaussian | exp(-d q^2) | (pi / d) exp(-pi^2 r^2 / d) | (pi / d)^(3/2) exp(-pi^2 r^2 / d) |
//!
//! because (2 + b q^2) / (1 + b q^2)^2 = beta / (q^2 + beta) + beta^2 / (q^2 + beta)^2 with beta = 1 / b.

use std::f64::consts::PI;

use super::elements::{symbol, MAX_ATOMIC_NUMBER};
use crate::error::{Error, Result};
use crate::units::{ANGSTROM_PER_METRE, ELECTRON_MASS, ELEMENTARY_CHARGE, PLANCK};

mod bessel;

use bessel::modified_bessel_k;

/// K = h^2 / (2 pi m e), V A^2: from a scattering factor (A) to a projected scattering factor (V A^3).
pub const POTENTIAL_PER_SCATTERING: f64 =
    PLANCK * PLANCK / (2.0 * PI * ELECTRON_MASS * ELEMENTARY_CHARGE) * ANGSTROM_PER_METRE * ANGSTROM_PER_METRE;

/// Published tables of scattering factors; both cover Z = 1..103.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Parametrization {
    /// Lobato & Van Dyck 2014: correct behaviour at large angles and at the nucleus.
    #[default]
    Lobato,
    /// Kirkland 2010.
    Kirkland,
}

impl Parametrization {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Lobato, Self::Kirkland];

    /// Name in records: lobato, kirkland.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lobato => "lobato",
            Self::Kirkland => "kirkland",
        }
    }

    /// The table as published: a line of names, then one line per element in the order of Z.
    fn table(self) -> &'static str {
        match self {
            Self::Lobato => include_str!("scattering/lobato.csv"),
            Self::Kirkland => include_str!("scattering/kirkland.csv"),
        }
    }

    /// The coefficients of element `z`.
    fn row<const N: usize>(self, z: u8) -> Result<[f64; N]> {
        let broken = || Error::Internal(format!("the table of {} lacks a proper row for Z = {z}", self.name()));
        let mut cells = self.table().lines().nth(usize::from(z)).ok_or_else(broken)?.split(',');
        let (number, name) = (cells.next(), cells.next());
        if number.and_then(|n| n.parse().ok()) != Some(z) || name != symbol(z) {
            return Err(broken());
        }
        let values: Vec<f64> = cells.map(str::parse).collect::<std::result::Result<_, _>>().map_err(|_| broken())?;
        values.try_into().map_err(|_| broken())
    }
}

impl std::str::FromStr for Parametrization {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name).ok_or_else(|| Error::UnknownOption {
            what: "parametrization of scattering factors".into(),
            got: name.into(),
            known: Self::ALL.map(Self::name).join(", "),
        })
    }
}

/// strength / (q^2 + beta) + strength_of_square / (q^2 + beta)^2, in A with q in 1/A.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Screened {
    beta: f64,
    strength: f64,
    strength_of_square: f64,
}

/// height exp(-decay q^2), in A with q in 1/A.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianTerm {
    /// A.
    pub height: f64,
    /// A^2.
    pub decay: f64,
}

/// Scattering factor of one element.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatteringFactor {
    parametrization: Parametrization,
    z: u8,
    screened: Vec<Screened>,
    gaussians: Vec<GaussianTerm>,
}

impl ScatteringFactor {
    /// The factor of element `z`.
    ///
    /// # Errors
    /// `Range` for 0, which stands for an unknown species, and beyond 103.
    pub fn new(parametrization: Parametrization, z: u8) -> Result<Self> {
        if !(1..=MAX_ATOMIC_NUMBER).contains(&z) {
            let wanted = format!("1 to {MAX_ATOMIC_NUMBER} (0 is an unknown species, which scatters nobody knows how)");
            return Err(Error::range("atomic number", z, wanted));
        }
        let (screened, gaussians) = match parametrization {
            Parametrization::Lobato => (lobato(&parametrization.row(z)?), Vec::new()),
            Parametrization::Kirkland => kirkland(&parametrization.row(z)?),
        };
        Ok(Self { parametrization, z, screened, gaussians })
    }

    /// Whose table this is.
    pub fn parametrization(&self) -> Parametrization {
        self.parametrization
    }

    /// Atomic number.
    pub fn atomic_number(&self) -> u8 {
        self.z
    }

    /// f_e(q), A, for q = |k| in 1/A.
    pub fn electron(&self, q: f64) -> f64 {
        let q2 = q * q;
        let screened = self.screened.iter().map(|s| {
            let pole = 1.0 / (q2 + s.beta);
            pole * (s.strength + s.strength_of_square * pole)
        });
        screened.sum::<f64>() + self.gaussians.iter().map(|g| g.height * (-g.decay * q2).exp()).sum::<f64>()
    }

    /// K f_e(q), V A^3: the Fourier transform of the projected potential.
    pub fn projected(&self, q: f64) -> f64 {
        POTENTIAL_PER_SCATTERING * self.electron(q)
    }

    /// Projected potential V_p(r), V A, at `r` > 0 angstrom from the atom's axis; infinite on the axis.
    pub fn projected_potential(&self, r: f64) -> f64 {
        let screened = self.screened.iter().map(|s| {
            let root = s.beta.sqrt();
            let (k0, k1) = modified_bessel_k(2.0 * PI * root * r);
            2.0 * PI * (s.strength * k0 + s.strength_of_square * PI * r * k1 / root)
        });
        let gaussians = self.gaussians.iter().map(|g| g.height * PI / g.decay * (-PI * PI * r * r / g.decay).exp());
        POTENTIAL_PER_SCATTERING * (screened.sum::<f64>() + gaussians.sum::<f64>())
    }

    /// Potential V(r), V, at `r` > 0 angstrom from the nucleus; infinite there.
    pub fn potential(&self, r: f64) -> f64 {
        let screened = self.screened.iter().map(|s| {
            let root = s.beta.sqrt();
            (-2.0 * PI * root * r).exp() * PI * (s.strength / r + PI * s.strength_of_square / root)
        });
        let gaussians = self.gaussians.iter().map(|g| {
            let narrow = PI / g.decay;
            g.height * narrow.powf(1.5) * (-PI * narrow * r * r).exp()
        });
        POTENTIAL_PER_SCATTERING * (screened.sum::<f64>() + gaussians.sum::<f64>())
    }

    /// rho(t), A / A^2, of f_e(q) = integral over t > 0 of rho(t) exp(-t q^2) dt + the Gaussian terms: every screened
    /// shape is a mixture of Gaussians, because 1 / (q^2 + beta)^n is the integral of t^(n-1) exp(-t (q^2 + beta)).
    pub fn mixture_density(&self, t: f64) -> f64 {
        self.screened.iter().map(|s| (s.strength + s.strength_of_square * t) * (-t * s.beta).exp()).sum()
    }

    /// The terms that are Gaussian in the table itself (none of Lobato's, three of Kirkland's).
    pub fn gaussians(&self) -> &[GaussianTerm] {
        &self.gaussians
    }

    /// Smallest beta of the screened shapes, 1/A^2: the potential falls off as exp(-2 pi sqrt(beta) r).
    pub fn slowest_decay(&self) -> f64 {
        self.screened.iter().map(|s| s.beta).fold(f64::INFINITY, f64::min)
    }
}

/// Columns a1..a5 (A), b1..b5 (A^2).
fn lobato(row: &[f64; 10]) -> Vec<Screened> {
    let (a, b) = row.split_at(5);
    let term = |(a, b): (&f64, &f64)| Screened { beta: 1.0 / b, strength: a / b, strength_of_square: a / (b * b) };
    a.iter().zip(b).map(term).collect()
}

/// Columns a1..a3 (1/A), b1..b3 (1/A^2), c1..c3 (A), d1..d3 (A^2).
fn kirkland(row: &[f64; 12]) -> (Vec<Screened>, Vec<GaussianTerm>) {
    let column = |n: usize| row[3 * n..3 * n + 3].iter().copied();
    let screened = column(0).zip(column(1)).map(|(a, b)| Screened { beta: b, strength: a, strength_of_square: 0.0 });
    let gaussians = column(2).zip(column(3)).map(|(c, d)| GaussianTerm { height: c, decay: d });
    (screened.collect(), gaussians.collect())
}

#[cfg(test)]
mod tests;
