//! The aberration function of the probe-forming lens to fifth order, in the notation C_nm, phi_nm:
//!
//! chi(alpha, phi) = 2 pi / lambda * sum_nm alpha^(n+1) / (n+1) * C_nm cos(m (phi - phi_nm)), used as exp(-i chi)
//! (paper 002, equation (9)). C10 = -defocus.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use crate::error::{Error, Result};

/// One term of chi: radial order n, azimuthal order m, and its names. Round terms (m = 0) have no angle.
struct Term {
    n: i32,
    m: u32,
    coefficient: &'static str,
    angle: Option<&'static str>,
}

const fn round(n: i32, coefficient: &'static str) -> Term {
    Term { n, m: 0, coefficient, angle: None }
}

const fn term(n: i32, m: u32, coefficient: &'static str, angle: &'static str) -> Term {
    Term { n, m, coefficient, angle: Some(angle) }
}

const COUNT: usize = 14;

const TERMS: [Term; COUNT] = [
    round(1, "C10"),
    term(1, 2, "C12", "phi12"),
    term(2, 1, "C21", "phi21"),
    term(2, 3, "C23", "phi23"),
    round(3, "C30"),
    term(3, 2, "C32", "phi32"),
    term(3, 4, "C34", "phi34"),
    term(4, 1, "C41", "phi41"),
    term(4, 3, "C43", "phi43"),
    term(4, 5, "C45", "phi45"),
    round(5, "C50"),
    term(5, 2, "C52", "phi52"),
    term(5, 4, "C54", "phi54"),
    term(5, 6, "C56", "phi56"),
];

/// Index of C10 in `TERMS`.
const C10: usize = 0;

/// Aberration coefficients C_nm (angstrom) and their angles phi_nm (rad). All zero by default: a perfect lens in focus.
///
/// Known names: C10, C12, phi12, C21, phi21, C23, phi23, C30, C32, phi32, C34, phi34, C41, phi41, C43, phi43, C45, phi45,
/// C50, C52, phi52, C54, phi54, C56, phi56. A lower-case `c` is accepted as well.
/// Serialised as a map from name to value that holds what is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize, serde::Deserialize)]
#[serde(into = "BTreeMap<String, f64>", try_from = "BTreeMap<String, f64>")]
pub struct Aberrations {
    coefficients: [f64; COUNT],
    angles: [f64; COUNT],
}

/// Where a named value is kept.
enum Slot {
    Coefficient(usize),
    Angle(usize),
}

fn slot(name: &str) -> Result<Slot> {
    let is = |known: &str| name == known || (known.starts_with('C') && name.strip_prefix('c') == Some(&known[1..]));
    TERMS
        .iter()
        .enumerate()
        .find_map(|(i, t)| {
            if is(t.coefficient) {
                return Some(Slot::Coefficient(i));
            }
            t.angle.filter(|angle| is(angle)).map(|_| Slot::Angle(i))
        })
        .ok_or_else(|| Error::UnknownOption {
            what: "aberration".into(),
            got: name.into(),
            known: Aberrations::names().collect::<Vec<_>>().join(", "),
        })
}

impl Aberrations {
    /// No aberrations but `defocus` (angstrom): C10 = -defocus, the crossover lies at +defocus along the beam.
    pub fn from_defocus(defocus: f64) -> Self {
        let mut aberrations = Self::default();
        aberrations.set_defocus(defocus);
        aberrations
    }

    /// All names that `get` and `set` know, coefficients followed by their angles.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TERMS.iter().flat_map(|t| std::iter::once(t.coefficient).chain(t.angle))
    }

    /// Value of `name`: coefficients in angstrom, angles in rad.
    ///
    /// # Errors
    /// `UnknownOption` for a name that does not exist, with the list of those that do.
    pub fn get(&self, name: &str) -> Result<f64> {
        Ok(match slot(name)? {
            Slot::Coefficient(i) => self.coefficients[i],
            Slot::Angle(i) => self.angles[i],
        })
    }

    /// Sets `name`: coefficients in angstrom, angles in rad.
    ///
    /// # Errors
    /// `UnknownOption` for a name that does not exist, with the list of those that do; `Range` for a value that is not
    /// finite.
    pub fn set(&mut self, name: &str, value: f64) -> Result<()> {
        let slot = slot(name)?;
        if !value.is_finite() {
            return Err(Error::range(name, value, "a finite number (coefficients in angstrom, angles in rad)"));
        }
        match slot {
            Slot::Coefficient(i) => self.coefficients[i] = value,
            Slot::Angle(i) => self.angles[i] = value,
        }
        Ok(())
    }

    /// Defocus in angstrom, -C10.
    pub fn defocus(&self) -> f64 {
        0.0 - self.coefficients[C10]
    }

    /// Sets C10 = -`defocus` (angstrom).
    pub fn set_defocus(&mut self, defocus: f64) {
        self.coefficients[C10] = 0.0 - defocus;
    }

    /// The same lens in focus: C10 = 0.
    pub fn in_focus(mut self) -> Self {
        self.coefficients[C10] = 0.0;
        self
    }

    /// Phase chi in rad at polar angle `alpha` (rad) and azimuth `phi` (rad) for the wavelength `lambda` (angstrom).
    pub fn phase(&self, alpha: f64, phi: f64, lambda: f64) -> f64 {
        let mut sum = 0.0;
        for ((t, &c), &angle) in TERMS.iter().zip(&self.coefficients).zip(&self.angles) {
            if c != 0.0 {
                let radial = alpha.powi(t.n + 1) / f64::from(t.n + 1);
                sum += radial * c * (f64::from(t.m) * (phi - angle)).cos();
            }
        }
        TAU / lambda * sum
    }

    /// Whether chi(-k) = chi(k): true when every aberration present has an even azimuthal order.
    /// The probe is then its own image under inversion and its transfer function is real.
    pub fn is_centrosymmetric(&self) -> bool {
        TERMS.iter().zip(&self.coefficients).all(|(t, &c)| t.m.is_multiple_of(2) || c == 0.0)
    }

    /// Refuses values that are not finite.
    pub(super) fn check(&self) -> Result<()> {
        for name in Self::names() {
            let value = self.get(name)?;
            if !value.is_finite() {
                return Err(Error::range(name, value, "a finite number (coefficients in angstrom, angles in rad)"));
            }
        }
        Ok(())
    }
}

impl From<Aberrations> for BTreeMap<String, f64> {
    fn from(aberrations: Aberrations) -> Self {
        Aberrations::names()
            .filter_map(|name| aberrations.get(name).ok().filter(|v| *v != 0.0).map(|v| (name.to_owned(), v)))
            .collect()
    }
}

impl TryFrom<BTreeMap<String, f64>> for Aberrations {
    type Error = Error;
    fn try_from(values: BTreeMap<String, f64>) -> Result<Self> {
        let mut aberrations = Self::default();
        for (name, value) in values {
            aberrations.set(&name, value)?;
        }
        Ok(aberrations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_set_and_get_and_unknown_ones_are_refused_with_the_list() {
        let mut a = Aberrations::default();
        for (i, name) in Aberrations::names().enumerate() {
            a.set(name, i as f64 + 1.0).unwrap();
        }
        for (i, name) in Aberrations::names().enumerate() {
            assert_eq!(a.get(name).unwrap(), i as f64 + 1.0);
        }
        assert_eq!(Aberrations::names().count(), 25);
        assert_eq!(a.get("c30").unwrap(), a.get("C30").unwrap());
        assert_eq!(a.defocus(), -1.0);
        for wrong in ["C99", "phi30", "hi12", "", "c", "PHI12"] {
            let error = a.set(wrong, 1.0).unwrap_err();
            assert_eq!(error.code(), 104);
            assert!(error.to_string().contains(wrong) && error.to_string().contains("phi56"), "{error}");
        }
        assert_eq!(a.set("C30", f64::NAN).unwrap_err().code(), 103);
        assert_eq!(Aberrations::from_defocus(0.0).get("C10").unwrap().to_bits(), 0);
    }

    #[test]
    fn each_term_has_its_radial_and_azimuthal_order() {
        let (lambda, alpha, phi) = (0.02, 0.021_f64, 0.8);
        for t in &TERMS {
            let mut a = Aberrations::default();
            a.set(t.coefficient, 1000.0).unwrap();
            if let Some(angle) = t.angle {
                a.set(angle, 0.3).unwrap();
            }
            let digits = t.coefficient.as_bytes();
            assert_eq!((t.n, t.m), (i32::from(digits[1] - b'0'), u32::from(digits[2] - b'0')));
            let azimuth = if t.m == 0 { 1.0 } else { (f64::from(t.m) * (phi - 0.3)).cos() };
            let order = f64::from(t.n) + 1.0;
            let wanted = TAU / lambda * alpha.powf(order) / order * 1000.0 * azimuth;
            assert!((a.phase(alpha, phi, lambda) / wanted - 1.0).abs() < 1e-12, "{}", t.coefficient);
            let inverted = a.phase(alpha, phi + std::f64::consts::PI, lambda);
            assert_eq!((inverted / wanted - 1.0).abs() < 1e-10, a.is_centrosymmetric(), "{}", t.coefficient);
        }
    }

    #[test]
    fn serialised_as_a_map_of_names() {
        let mut a = Aberrations::from_defocus(100.0);
        a.set("phi12", 0.25).unwrap();
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(text, r#"{"C10":-100.0,"phi12":0.25}"#);
        assert_eq!(serde_json::from_str::<Aberrations>(&text).unwrap(), a);
        assert!(serde_json::from_str::<Aberrations>(r#"{"C11":1.0}"#).is_err());
    }
}
