//! Shapes of local orbitals: the radial functions f of D = H f(rho / sqrt(B)), formula (2) of the LOT paper, which "can
//! take the form of a 3D Gaussian function, Slater function, numerical atomic orbital, or other local functions".
//!
//! All are sums of Gaussian terms, f(q) = sum_t w_t exp(-q^2 / s_t): every term is separable, so that an atom costs as
//! much per term as a Gaussian orbital, and the derivatives are exact. Slater functions and tables are expanded in such
//! terms (as quantum chemistry's STO-nG does), the fewest that reach a tolerance; the error that is left is known.

use crate::error::{Error, Result};
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

/// Most terms of an orbital.
pub const MAX_TERMS: usize = 12;

/// Error of expansions unless told otherwise, relative to the largest value.
const TOLERANCE: f64 = 1e-3;

/// Tolerances that expansions can be asked for.
const TOLERANCES: std::ops::RangeInclusive<f64> = 1e-5..=0.1;

/// Widths s of terms, relative to B.
const WIDTHS: std::ops::RangeInclusive<f64> = 1e-6..=1e4;

/// Points on which expansions are fitted; their error is taken on [`FINER`] times as many.
const POINTS: usize = 384;
const FINER: usize = 4;

/// Weight of the terms' own squares in the fit: without it large terms of opposite signs cancel, in single precision too.
const RIDGE: f64 = 1e-5;

/// One Gaussian term, w exp(-q^2 / s).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct OrbitalTerm {
    /// w
    pub weight: f64,
    /// s, in units of B
    pub width: f64,
}

/// What a table of radii and values describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RadialTable {
    /// f(q), as images show it.
    Projected,
    /// The function in space, F(r); f(q) is its integral along the beam.
    Spatial,
}

/// The shape f of local orbitals: a sum of Gaussian terms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Orbital {
    terms: Vec<OrbitalTerm>,
    error: f64,
}

impl Default for Orbital {
    /// f(q) = exp(-q^2), formula (2).
    fn default() -> Self {
        Self { terms: vec![OrbitalTerm { weight: 1.0, width: 1.0 }], error: 0.0 }
    }
}

impl Orbital {
    /// Of one to [`MAX_TERMS`] terms; single weights may be negative, the integral must be positive.
    pub fn gaussians(terms: &[OrbitalTerm]) -> Result<Self> {
        if terms.is_empty() {
            return Err(Error::Empty { what: "terms of the orbital".into(), why: "at least one is needed".into() });
        }
        if terms.len() > MAX_TERMS {
            return Err(Error::range("number of terms of the orbital", terms.len(), format!("at most {MAX_TERMS}")));
        }
        for (i, term) in terms.iter().enumerate() {
            if !term.weight.is_finite() {
                return Err(Error::range(format!("weight of term {i}"), term.weight, "a finite number"));
            }
            if !WIDTHS.contains(&term.width) {
                let wanted = format!("{:e} to {:e} (units of B)", WIDTHS.start(), WIDTHS.end());
                return Err(Error::range(format!("width of term {i}"), term.width, wanted));
            }
        }
        let orbital = Self { terms: terms.to_vec(), error: 0.0 };
        match orbital.integral() > 0.0 {
            true => Ok(orbital),
            false => Err(Error::range("integral of the orbital", orbital.integral(), "a positive number")),
        }
    }

    /// The projected Slater function of 1s, exp(-r / a) in space with B = 8 a^2, so that B is the mean square radius in
    /// the image as it is for the Gaussian: f(q) = x K1(x), x = sqrt(8) q, f(0) = 1.
    pub fn slater(tolerance: Option<f64>) -> Result<Self> {
        Self::expanded("Slater function", &|q| x_k1(8f64.sqrt() * q), SLATER_END, tolerance)
    }

    /// From values at `radii` (in units of sqrt(B)), which begin at 0 and increase; the last value must be near 0.
    pub fn tabulated(radii: &[f64], values: &[f64], kind: RadialTable, tolerance: Option<f64>) -> Result<Self> {
        let table = Table::new(radii, values)?;
        match kind {
            RadialTable::Projected => Self::expanded("table", &|q| table.at(q), table.end(), tolerance),
            RadialTable::Spatial => Self::expanded("table", &|q| table.projected(q), table.end(), tolerance),
        }
    }

    /// The terms.
    pub fn terms(&self) -> &[OrbitalTerm] {
        &self.terms
    }

    /// Largest difference from the function that was expanded, relative to its largest value; 0 for given terms.
    pub fn expansion_error(&self) -> f64 {
        self.error
    }

    /// f, its derivative per A and that per A^2 of B, at `radius` (A) for a width B (A^2).
    pub fn at(&self, radius: f64, width: f64) -> [f64; 3] {
        let q2 = radius * radius / width;
        self.terms.iter().fold([0.0; 3], |[f, by_radius, by_width], term| {
            let g = term.weight * (-q2 / term.width).exp();
            let slope = g / (term.width * width);
            [f + g, by_radius - 2.0 * radius * slope, by_width + q2 * slope]
        })
    }

    /// Largest s.
    pub(crate) fn widest(&self) -> f64 {
        self.terms.iter().map(|t| t.width).fold(0.0, f64::max)
    }

    /// Smallest s.
    pub(crate) fn narrowest(&self) -> f64 {
        self.terms.iter().map(|t| t.width).fold(f64::INFINITY, f64::min)
    }

    /// Integral of f over the plane, in units of pi B.
    fn integral(&self) -> f64 {
        self.terms.iter().map(|t| t.weight * t.width).sum()
    }

    /// The fewest terms that follow `function` within the tolerance from 0 to `end`, and are 0 beyond.
    fn expanded(what: &str, function: &dyn Fn(f64) -> f64, end: f64, tolerance: Option<f64>) -> Result<Self> {
        let tolerance = tolerance.unwrap_or(TOLERANCE);
        if !TOLERANCES.contains(&tolerance) {
            let wanted = format!("{:e} to {:e}, or 0 for automatic", TOLERANCES.start(), TOLERANCES.end());
            return Err(Error::range("tolerance of the orbital", tolerance, wanted));
        }
        let beyond = 1.25 * end;
        let sampled = |count: usize| -> Vec<(f64, f64)> {
            let radius = |i: usize| beyond * i as f64 / (count - 1) as f64;
            (0..count).map(radius).map(|q| (q, if q > end { 0.0 } else { function(q) })).collect()
        };
        let (coarse, fine) = (sampled(POINTS), sampled(FINER * POINTS));
        let largest = fine.iter().fold(0.0f64, |m, (_, f)| m.max(f.abs()));
        let mut best: Option<Self> = None;
        for count in 1..=MAX_TERMS {
            let mut found = Expansion::new(&coarse, largest, count).best();
            let error = |(q, f): &(f64, f64)| (found.at(*q, 1.0)[0] - f).abs();
            found.error = fine.iter().map(error).fold(0.0, f64::max) / largest;
            if best.as_ref().is_none_or(|b| found.error < b.error) {
                best = Some(found);
            }
            if let Some(orbital) = best.as_ref().filter(|b| b.error <= tolerance) {
                return Self::gaussians(&orbital.terms).map(|terms| Self { error: orbital.error, ..terms });
            }
        }
        Err(Error::Unsupported {
            what: format!("an orbital from this {what}"),
            why: format!(
                "{MAX_TERMS} Gaussian terms follow it within {:.1e} of its largest value, wanted {tolerance:.1e}: \
                 smooth it, or allow a larger tolerance",
                best.map_or(f64::NAN, |b| b.error)
            ),
        })
    }
}

/// Where x K1(x) of [`Orbital::slater`] has fallen below 1e-5.
const SLATER_END: f64 = 5.0;

/// x K1(x), with K1(x) = integral of exp(-x cosh t) cosh t over t from 0: the trapezoidal rule converges exponentially.
fn x_k1(x: f64) -> f64 {
    const STEP: f64 = 0.05;
    if x < 1e-8 {
        return 1.0;
    }
    let term = |i: i32| {
        let c = (STEP * f64::from(i)).cosh();
        (-x * c).exp() * c * if i == 0 { 0.5 } else { 1.0 }
    };
    // Beyond, x cosh t exceeds 745 and the terms are 0.
    let end = ((745.0 / x).max(1.0).acosh() / STEP).ceil() as i32;
    x * STEP * (0..=end).map(term).sum::<f64>()
}

/// A function of the radius, cubic Hermite pieces between the given points.
struct Table<'a> {
    radii: &'a [f64],
    values: &'a [f64],
    slopes: Vec<f64>,
}

impl<'a> Table<'a> {
    fn new(radii: &'a [f64], values: &'a [f64]) -> Result<Self> {
        if radii.len() != values.len() {
            return Err(Error::shape("values", &[values.len()], format!("[{}], as radii", radii.len())));
        }
        if radii.len() < 4 {
            return Err(Error::shape("radii", &[radii.len()], "at least [4]"));
        }
        for (name, list) in [("radii", radii), ("values", values)] {
            Error::unless_finite(name, "index", list)?;
        }
        if radii[0] != 0.0 {
            return Err(Error::range("first radius of the table", radii[0], "0"));
        }
        if let Some(i) = radii.windows(2).position(|pair| pair[0] >= pair[1]) {
            let wanted = format!("more than the radius before it ({})", radii[i]);
            return Err(Error::range(format!("radius {} of the table (counted from 0)", i + 1), radii[i + 1], wanted));
        }
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let last = values[values.len() - 1];
        if largest == 0.0 {
            return Err(Error::Empty { what: "values of the table".into(), why: "every one is 0".into() });
        }
        if last.abs() > 1e-2 * largest {
            let wanted = format!("at most a hundredth of the largest ({largest}): a local orbital falls to 0");
            return Err(Error::range("last value of the table", last, wanted));
        }
        let n = radii.len();
        let chord = |i: usize| (values[i + 1] - values[i]) / (radii[i + 1] - radii[i]);
        let slope = |i: usize| match i {
            0 => 0.0, // even in the radius
            i if i + 1 == n => chord(n - 2),
            i => {
                let (before, after) = (radii[i] - radii[i - 1], radii[i + 1] - radii[i]);
                (chord(i - 1) * after + chord(i) * before) / (before + after)
            }
        };
        let slopes = (0..n).map(slope).collect();
        Ok(Self { radii, values, slopes })
    }

    fn end(&self) -> f64 {
        self.radii[self.radii.len() - 1]
    }

    fn at(&self, radius: f64) -> f64 {
        if radius >= self.end() {
            return 0.0;
        }
        let i = self.radii.partition_point(|r| *r <= radius).max(1) - 1;
        let step = self.radii[i + 1] - self.radii[i];
        let t = (radius - self.radii[i]) / step;
        let u = 1.0 - t;
        u * u * (1.0 + 2.0 * t) * self.values[i]
            + t * t * (3.0 - 2.0 * t) * self.values[i + 1]
            + t * u * step * (u * self.slopes[i] - t * self.slopes[i + 1])
    }

    /// The integral along the beam at a distance from the axis.
    fn projected(&self, distance: f64) -> f64 {
        const STEPS: usize = 1024;
        let length = (self.end() * self.end() - distance * distance).max(0.0).sqrt();
        let step = length / STEPS as f64;
        let value = |i: usize| self.at(distance.hypot(step * i as f64)) * if i == 0 { 0.5 } else { 1.0 };
        2.0 * step * (0..STEPS).map(value).sum::<f64>()
    }
}

/// Least squares of a given number of terms: the weights are linear, and solved for at every set of ln s (variable
/// projection), which go down by Levenberg-Marquardt.
struct Expansion<'a> {
    samples: &'a [(f64, f64)],
    scale: f64,
    logarithms: DVector<f64>,
    bounds: (f64, f64),
}

impl<'a> Expansion<'a> {
    const ITERATIONS: usize = 60;

    fn new(samples: &'a [(f64, f64)], scale: f64, count: usize) -> Self {
        // From a few points to a third of the range.
        let (step, end) = (samples[1].0, samples[samples.len() - 1].0);
        let (low, high) = (2.0 * (2.0 * step).ln(), 2.0 * (end / 3.0).ln());
        let place = |i: usize| low + (high - low) * (i + 1) as f64 / (count + 1) as f64;
        let logarithms = DVector::from_iterator(count, (0..count).map(place));
        Self { samples, scale, logarithms, bounds: (2.0 * (0.25 * step).ln(), 2.0 * end.ln()) }
    }

    /// Weights at `logarithms`, and what is left of the samples.
    fn solved(&self, logarithms: &DVector<f64>) -> (DVector<f64>, DVector<f64>) {
        let (n, count) = (self.samples.len(), logarithms.len());
        let ridge = RIDGE * (n as f64).sqrt();
        let matrix = DMatrix::from_fn(n + count, count, |i, t| match self.samples.get(i) {
            Some((q, _)) => (-q * q / logarithms[t].exp()).exp(),
            None => f64::from(u8::from(i - n == t)) * ridge,
        });
        let values = DVector::from_fn(n + count, |i, _| self.samples.get(i).map_or(0.0, |s| s.1 / self.scale));
        let factor = matrix.clone().qr();
        let weights =
            factor.r().solve_upper_triangular(&factor.q().tr_mul(&values)).unwrap_or_else(|| DVector::zeros(count));
        let left = &matrix * &weights - values;
        (weights, left)
    }

    fn best(mut self) -> Orbital {
        let (mut weights, mut left) = self.solved(&self.logarithms);
        let mut damping = 1e-2;
        for _ in 0..Self::ITERATIONS {
            let (slopes, before) = (self.slopes(&left), left.norm_squared());
            let Some(found) = self.step(&slopes, &left, &mut damping) else { break };
            (self.logarithms, weights, left) = found;
            if before - left.norm_squared() < 1e-6 * before {
                break;
            }
        }
        let terms = weights.iter().zip(&self.logarithms);
        let terms = terms.map(|(w, s)| OrbitalTerm { weight: w * self.scale, width: s.exp() }).collect();
        Orbital { terms, error: f64::NAN }
    }

    /// Derivatives of what is left by the logarithms.
    fn slopes(&self, left: &DVector<f64>) -> DMatrix<f64> {
        const STEP: f64 = 1e-5;
        let columns: Vec<DVector<f64>> = (0..self.logarithms.len())
            .map(|t| {
                let mut moved = self.logarithms.clone();
                moved[t] += STEP;
                (self.solved(&moved).1 - left) / STEP
            })
            .collect();
        DMatrix::from_columns(&columns)
    }

    /// The next logarithms with their weights and what they leave, where that is less.
    fn step(
        &self,
        slopes: &DMatrix<f64>,
        left: &DVector<f64>,
        damping: &mut f64,
    ) -> Option<(DVector<f64>, DVector<f64>, DVector<f64>)> {
        let (curvature, gradient) = (slopes.tr_mul(slopes), slopes.tr_mul(left));
        for _ in 0..12 {
            let mut damped = curvature.clone();
            for t in 0..damped.nrows() {
                damped[(t, t)] += *damping * (curvature[(t, t)] + 1e-14 * left.norm_squared());
            }
            if let Some(step) = damped.cholesky().map(|factor| factor.solve(&gradient)) {
                let (low, high) = self.bounds;
                let next = self.logarithms.zip_map(&step, |s, d| (s - d.clamp(-1.0, 1.0)).clamp(low, high));
                let (weights, rest) = self.solved(&next);
                if rest.norm_squared() < left.norm_squared() {
                    *damping = (*damping / 5.0).max(1e-9);
                    return Some((next, weights, rest));
                }
            }
            *damping *= 4.0;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of x K1(x) from the tables of Abramowitz and Stegun (9.8: K1(0.1), K1(1), K1(5)).
    #[test]
    fn the_bessel_function_is_that_of_the_tables() {
        let known = [(0.1, 0.985_384_48), (1.0, 0.601_907_23), (5.0, 5.0 * 0.004_044_613_4)];
        known.iter().for_each(|(x, y)| assert!((x_k1(*x) - y).abs() < 1e-7, "{x} {}", x_k1(*x)));
        assert_eq!(x_k1(0.0), 1.0);
    }

    #[test]
    fn slater_functions_are_followed_within_the_tolerance() {
        let mut counts = Vec::new();
        for tolerance in [1e-2, 1e-3, 2e-4] {
            let orbital = Orbital::slater(Some(tolerance)).unwrap();
            let error = (0..5000).map(|i| f64::from(i) * 1e-3).map(|q| {
                let exact = x_k1(8f64.sqrt() * q);
                (orbital.at(q * 1.3, 1.69)[0] - exact).abs()
            });
            let worst = error.fold(0.0, f64::max);
            assert!(worst < 1.05 * tolerance && orbital.expansion_error() < tolerance, "{tolerance} {worst}");
            counts.push(orbital.terms().len());
        }
        assert!(counts.is_sorted() && counts[1] <= 7, "{counts:?}");
        // B is the mean square radius: sum w s^2 / sum w s = 1.
        let orbital = Orbital::slater(Some(1e-4)).unwrap();
        let second: f64 = orbital.terms().iter().map(|t| t.weight * t.width * t.width).sum();
        assert!((second / orbital.integral() - 1.0).abs() < 5e-3, "{}", second / orbital.integral());
    }

    #[test]
    fn derivatives_are_those_of_the_values() {
        let slater = Orbital::slater(None).unwrap();
        let two = Orbital::gaussians(&[term(1.5, 0.4), term(-0.3, 2.0)]).unwrap();
        for orbital in [Orbital::default(), slater, two] {
            for (radius, width) in [(0.05, 0.5), (0.4, 0.5), (1.3, 0.8), (2.0, 0.3)] {
                let [_, by_radius, by_width] = orbital.at(radius, width);
                let h = 1e-5;
                let f = |dr: f64, dw: f64| orbital.at(radius + dr, width + dw)[0];
                let (r, w) = ((f(h, 0.0) - f(-h, 0.0)) / (2.0 * h), (f(0.0, h) - f(0.0, -h)) / (2.0 * h));
                assert!((r - by_radius).abs() < 1e-8, "{radius} {width}: {r} {by_radius}");
                assert!((w - by_width).abs() < 1e-8, "{radius} {width}: {w} {by_width}");
            }
        }
    }

    fn term(weight: f64, width: f64) -> OrbitalTerm {
        OrbitalTerm { weight, width }
    }

    #[test]
    fn a_table_of_a_gaussian_is_that_gaussian() {
        let radii: Vec<f64> = (0..120).map(|i| 0.03 * f64::from(i)).collect();
        let values: Vec<f64> = radii.iter().map(|r| 3.0 * (-r * r / 0.7).exp()).collect();
        let plane = Orbital::tabulated(&radii, &values, RadialTable::Projected, None).unwrap();
        assert_eq!(plane.terms().len(), 1);
        assert!((plane.terms()[0].width - 0.7).abs() < 1e-3 && (plane.terms()[0].weight - 3.0).abs() < 1e-2);
        // In space the projection multiplies it by sqrt(pi s).
        let space = Orbital::tabulated(&radii, &values, RadialTable::Spatial, None).unwrap();
        let ratio = space.at(0.0, 1.0)[0] / plane.at(0.0, 1.0)[0];
        assert!((ratio / (std::f64::consts::PI * 0.7).sqrt() - 1.0).abs() < 2e-3, "{ratio}");
    }

    #[test]
    fn tables_of_other_functions() {
        let radii: Vec<f64> = (0..300).map(|i| 0.02 * f64::from(i)).collect();
        let check = |f: &dyn Fn(f64) -> f64, tolerance: f64| {
            let values: Vec<f64> = radii.iter().map(|r| f(*r)).collect();
            let orbital = Orbital::tabulated(&radii, &values, RadialTable::Projected, Some(tolerance)).unwrap();
            let scale = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let errors = radii.iter().zip(&values).map(|(r, v)| (orbital.at(*r, 1.0)[0] - v).abs());
            assert!(errors.fold(0.0, f64::max) < 1.05 * tolerance * scale);
        };
        check(&|r| (1.0 + r * r).powi(-3), 1e-3);
        check(&|r| (1.0 - 0.4 * r) * (-1.5 * r).exp(), 5e-3);
        check(&|r| 1.0 / (1.0 + ((r - 1.0) / 0.2).exp()), 2e-2);
        // The Slater function in space is the projected one of `slater`, times 2 a.
        let values: Vec<f64> = radii.iter().map(|r| (-8f64.sqrt() * r).exp()).collect();
        let space = Orbital::tabulated(&radii, &values, RadialTable::Spatial, None).unwrap();
        for q in [0.0, 0.1, 0.3, 1.0, 2.0] {
            let wanted = 2.0 / 8f64.sqrt() * x_k1(8f64.sqrt() * q);
            assert!((space.at(q, 1.0)[0] - wanted).abs() < 2e-3, "{q} {wanted}");
        }
    }

    #[test]
    fn bad_input_is_named() {
        let fails = |result: Result<Orbital>, text: &str| {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(text), "{message}");
        };
        fails(Orbital::gaussians(&[]), "at least one");
        fails(Orbital::gaussians(&[term(1.0, 1.0); MAX_TERMS + 1]), "at most 12");
        fails(Orbital::gaussians(&[term(1.0, 1.0), term(f64::NAN, 1.0)]), "weight of term 1");
        fails(Orbital::gaussians(&[term(1.0, 0.0)]), "width of term 0");
        fails(Orbital::gaussians(&[term(1.0, 1.0), term(-1.0, 2.0)]), "integral");
        fails(Orbital::slater(Some(1e-9)), "tolerance");
        fails(Orbital::slater(Some(f64::NAN)), "tolerance");
        let table = |radii: &[f64], values: &[f64]| Orbital::tabulated(radii, values, RadialTable::Projected, None);
        let radii = [0.0, 1.0, 2.0, 3.0];
        fails(table(&radii, &[1.0, 0.5, 0.0]), "values has shape [3]");
        fails(table(&radii[..3], &[1.0, 0.5, 0.0]), "at least [4]");
        fails(table(&radii, &[1.0, f64::NAN, 0.0, 0.0]), "index 1");
        fails(table(&[0.5, 1.0, 2.0, 3.0], &[1.0, 0.5, 0.1, 0.0]), "first radius");
        fails(table(&[0.0, 1.0, 1.0, 3.0], &[1.0, 0.5, 0.1, 0.0]), "radius 2");
        fails(table(&radii, &[1.0, 0.5, 0.3, 0.2]), "last value");
        fails(table(&radii, &[0.0; 4]), "every one is 0");
        // A ring of zero width cannot be followed by a dozen Gaussian terms.
        let radii: Vec<f64> = (0..200).map(|i| 0.02 * f64::from(i)).collect();
        let ring: Vec<f64> = radii.iter().map(|r| f64::from(u8::from((1.0..1.05).contains(r)))).collect();
        fails(table(&radii, &ring), "12 Gaussian terms");
    }
}
