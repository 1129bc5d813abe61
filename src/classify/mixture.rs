//! Classes of numbers: k-means and mixtures of Gaussians.
//!
//! A mixture gives the density sum_k w_k N(x; m_k, s_k). Expectation-maximisation (A. Dempster, N. Laird and D. Rubin,
//! J. R. Stat. Soc. B 39 (1977) 1) raises its likelihood step by step: r_ik = w_k N(x_i; m_k, s_k) / sum_l w_l N(x_i;
//! m_l, s_l), then w_k, m_k and s_k are the share, mean and deviation of the values under the weights r_ik. No s_k
//! falls below a hundredth of the deviation of all values: a class of one value would have an infinite likelihood.
//!
//! It starts from the exact k-means and from means drawn at random as k-means++ does (each value in proportion to its
//! squared distance from the means drawn before), because k-means cuts a frequent species in two rather than find a
//! rare one. The start that has come furthest after [`SHORT`] steps is followed to the end.

use super::kmeans::{Group, Sorted};
use crate::error::{Error, Result};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

/// Most classes of one call.
pub(super) const MAX_CLASSES: usize = 32;
/// Starts of expectation-maximisation, the first of which is k-means.
const STARTS: usize = 8;
/// Steps after which the starts are compared.
const SHORT: usize = 50;
/// Steps of the start that is followed.
const MOST_STEPS: usize = 2000;
/// A step that gains less log likelihood per value is the last.
const GAIN: f64 = 1e-10;
/// Least deviation of a class, as a part of that of all values.
const LEAST_SIGMA: f64 = 0.01;

/// How classes of numbers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MixtureMethod {
    /// The partition of least squares. Probabilities are those of the mixture of which it is the limit: all classes
    /// have the same weight and the same width, the deviation within classes.
    KMeans,
    /// The mixture of Gaussians of largest likelihood, each class with its own width and weight.
    #[default]
    Gaussian,
}

/// What [`mixture`] looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MixtureOptions {
    /// Number of species, at least 1.
    pub classes: usize,
    /// How.
    pub method: MixtureMethod,
    /// One class more, below all species: what was traced but is no atom.
    pub non_atoms: bool,
    /// Of the random starts; [`MixtureMethod::KMeans`] has none.
    pub seed: u64,
}

impl Default for MixtureOptions {
    fn default() -> Self {
        Self { classes: 2, method: MixtureMethod::Gaussian, non_atoms: false, seed: 0 }
    }
}

impl MixtureOptions {
    /// Number of classes, that of the non-atoms included.
    pub fn total(&self) -> usize {
        self.classes + usize::from(self.non_atoms)
    }

    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        if (1..MAX_CLASSES).contains(&self.classes) {
            return Ok(());
        }
        Err(Error::range("classes", self.classes, format!("1 to {}", MAX_CLASSES - 1)))
    }
}

/// Classes of numbers, ascending by their means; class 0 is that of the non-atoms where it was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// Mean of each class, unit of the values.
    pub means: Vec<f64>,
    /// Standard deviation of each class.
    pub sigmas: Vec<f64>,
    /// Weight of each class; they sum to 1.
    pub fractions: Vec<f64>,
    /// The most probable class of each value.
    pub class: Vec<usize>,
    /// Probability of each class, `[value][class]`; each row sums to 1. Where classes differ in width, the wider one
    /// would win far out on both sides; beyond the value where the odds of two neighbouring classes turn they stay what
    /// they are there, so that a larger value never means a lower class.
    pub probabilities: Vec<Vec<f64>>,
    /// Natural logarithm of the likelihood of all values.
    pub log_likelihood: f64,
    /// Bayesian information criterion p ln(n) - 2 ln(likelihood) of n values and p free parameters: of several numbers
    /// of classes, the one with the smallest is best supported.
    pub bic: f64,
    /// Steps of the start that was followed; 0 for k-means.
    pub iterations: usize,
    /// No step could gain more.
    pub converged: bool,
}

/// Sorts `values` into classes. One class is no question: it has every value, with probability 1.
///
/// The result depends on nothing but the values, their order among equals excepted, and the seed.
///
/// # Errors
/// `Range` for a number of classes that cannot be, `Empty` without values, `NonFinite`, `Inconsistent` for more classes
/// than distinct values.
pub fn mixture(values: &[f64], options: &MixtureOptions) -> Result<Mixture> {
    mixture_while(values, options, &|| Ok(()))
}

/// As [`mixture`]; `go_on` is asked between the steps and ends them with its error.
pub(super) fn mixture_while(
    values: &[f64],
    options: &MixtureOptions,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Mixture> {
    options.check()?;
    if values.is_empty() {
        return Err(Error::Empty { what: "values to classify".into(), why: "at least one is needed".into() });
    }
    Error::unless_finite("values to classify", "value", values)?;
    let scale = Scale::of(values);
    let scaled: Vec<f64> = values.iter().map(|v| scale.down(*v)).collect();
    let sorted = Sorted::new(&scaled);
    if options.total() > sorted.len() {
        let non_atoms = if options.non_atoms { " and the non-atoms" } else { "" };
        return Err(Error::Inconsistent {
            what: "more classes than values".into(),
            why: format!(
                "{} species{non_atoms} want {} distinct values, {} values of {} atoms are distinct",
                options.classes,
                options.total(),
                sorted.len(),
                values.len()
            ),
        });
    }
    let found = match options.method {
        MixtureMethod::KMeans => Found::partition(&scaled, sorted.k_means(options.total())),
        MixtureMethod::Gaussian => gaussians(&scaled, &sorted, options, go_on)?,
    };
    Ok(found.finished(&scaled, &scale))
}

/// Values are brought to mean 0 and deviation 1, so that no unit is too large or too small for squares.
struct Scale {
    largest: f64,
    mean: f64,
    sigma: f64,
}

impl Scale {
    fn of(values: &[f64]) -> Self {
        let n = values.len() as f64;
        let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let mean = values.iter().map(|v| v / largest).sum::<f64>() / n;
        let variance = values.iter().map(|v| (v / largest - mean).powi(2)).sum::<f64>() / n;
        // Equal values have rounding errors for a deviation.
        let sigma = if variance > 1e-28 { variance.sqrt() } else { 1e-14 };
        Self { largest, mean, sigma }
    }

    fn down(&self, value: f64) -> f64 {
        (value / self.largest - self.mean) / self.sigma
    }

    fn up(&self, value: f64) -> f64 {
        (value * self.sigma + self.mean) * self.largest
    }

    /// Of a length.
    fn unit(&self) -> f64 {
        self.sigma * self.largest
    }
}

/// One Gaussian of a mixture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gaussian {
    pub weight: f64,
    pub mean: f64,
    pub sigma: f64,
}

/// ln(w N(x; m, s)) of one class, with all that does not depend on x calculated once.
#[derive(Clone, Copy)]
struct LogDensity {
    mean: f64,
    per_sigma: f64,
    constant: f64,
}

impl LogDensity {
    fn of(mixture: &[Gaussian]) -> Vec<Self> {
        let constant = |g: &Gaussian| g.weight.ln() - g.sigma.ln() - 0.5 * std::f64::consts::TAU.ln();
        let of = |g: &Gaussian| Self { mean: g.mean, per_sigma: 1.0 / g.sigma, constant: constant(g) };
        mixture.iter().map(of).collect()
    }

    fn at(&self, x: f64) -> f64 {
        let z = (x - self.mean) * self.per_sigma;
        self.constant - 0.5 * z * z
    }
}

/// ln(sum of exp), and the terms divided by their sum.
fn normalised(logs: &mut [f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logs.iter_mut().for_each(|l| *l = (*l - largest).exp());
    let sum: f64 = logs.iter().sum();
    logs.iter_mut().for_each(|l| *l /= sum);
    largest + sum.ln()
}

/// Log likelihood of `values` under the mixture.
fn likelihood(values: &[f64], mixture: &[Gaussian]) -> f64 {
    let densities = LogDensity::of(mixture);
    let mut logs = vec![0.0; mixture.len()];
    let mut sum = 0.0;
    for x in values {
        logs.iter_mut().zip(&densities).for_each(|(l, d)| *l = d.at(*x));
        sum += normalised(&mut logs);
    }
    sum
}

/// One step of expectation-maximisation, and the log likelihood before it. `imagined` is empty, or has one value of each class
/// of which the mean and the deviation are known: a prior by its own counts.
fn step(values: &[f64], mixture: &[Gaussian], imagined: &[Gaussian]) -> (Vec<Gaussian>, f64) {
    let mut sums = vec![[0.0; 3]; mixture.len()];
    let mut shares = vec![0.0; mixture.len()];
    let mut likelihood = 0.0;
    let densities = LogDensity::of(mixture);
    for x in values {
        shares.iter_mut().zip(&densities).for_each(|(s, d)| *s = d.at(*x));
        likelihood += normalised(&mut shares);
        for ((sum, share), g) in sums.iter_mut().zip(&shares).zip(mixture) {
            let d = x - g.mean; // about the mean before, against cancellation
            *sum = [sum[0] + share, sum[1] + share * d, sum[2] + share * d * d];
        }
    }
    for ((sum, value), (g, density)) in sums.iter_mut().zip(imagined).zip(mixture.iter().zip(&densities)) {
        let (d, square) = (value.mean - g.mean, value.sigma * value.sigma);
        *sum = [sum[0] + 1.0, sum[1] + d, sum[2] + d * d + square];
        likelihood += density.at(value.mean) - 0.5 * square / (g.sigma * g.sigma);
    }
    let total = (values.len() + imagined.len()) as f64;
    let next = sums.iter().zip(mixture).map(|(sum, g)| {
        if sum[0] < 1e-9 {
            return *g; // no value is left to it
        }
        let shift = sum[1] / sum[0];
        let sigma = (sum[2] / sum[0] - shift * shift).max(0.0).sqrt().max(LEAST_SIGMA);
        Gaussian { weight: sum[0] / total, mean: g.mean + shift, sigma }
    });
    (next.collect(), likelihood)
}

/// A mixture on the way.
pub(super) struct Run {
    mixture: Vec<Gaussian>,
    /// A value of each class that is imagined, or none.
    imagined: Vec<Gaussian>,
    likelihood: f64,
    iterations: usize,
    converged: bool,
}

impl Run {
    pub fn from(mixture: Vec<Gaussian>, imagined: Vec<Gaussian>) -> Self {
        Self { mixture, imagined, likelihood: f64::NEG_INFINITY, iterations: 0, converged: false }
    }

    /// To the end.
    pub fn follow(&mut self, values: &[f64], go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        self.go(values, MOST_STEPS, go_on)
    }

    fn go(&mut self, values: &[f64], steps: usize, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        let last = self.iterations + steps;
        while !self.converged && self.iterations < last {
            go_on()?;
            let (next, likelihood) = step(values, &self.mixture, &self.imagined);
            // A deviation at its limit may cost likelihood: that is the end, too.
            self.converged = likelihood - self.likelihood < GAIN * values.len() as f64;
            self.likelihood = likelihood;
            self.mixture = next;
            self.iterations += 1;
        }
        Ok(())
    }
}

fn gaussians(
    values: &[f64],
    sorted: &Sorted,
    options: &MixtureOptions,
    go_on: &dyn Fn() -> Result<()>,
) -> Result<Found> {
    let classes = options.total();
    let mut random = Pcg64Mcg::seed_from_u64(options.seed);
    let starts = if classes == 1 { 1 } else { STARTS };
    let mut best: Option<Run> = None;
    for start in 0..starts {
        let groups = match start {
            0 => sorted.k_means(classes),
            _ => drawn(values, classes, &mut random),
        };
        let mixture = groups.iter().map(|g| g.gaussian(values.len())).collect();
        let mut run = Run::from(mixture, vec![]);
        run.go(values, SHORT, go_on)?;
        // The random starts must be better by more than the rounding of two ways to the same end.
        if best.as_ref().is_none_or(|best| run.likelihood > best.likelihood + 1e-6 * values.len() as f64) {
            best = Some(run);
        }
    }
    let mut run = best.ok_or_else(|| Error::Internal("a mixture without a start".into()))?;
    run.follow(values, go_on)?;
    Ok(Found::of_run(run, 3 * classes - 1))
}

impl Group {
    fn gaussian(&self, values: usize) -> Gaussian {
        Gaussian { weight: self.count / values as f64, mean: self.mean, sigma: self.sigma.max(LEAST_SIGMA) }
    }
}

/// Groups about means that are drawn among the values, the later ones far from the earlier ones.
fn drawn(values: &[f64], classes: usize, random: &mut Pcg64Mcg) -> Vec<Group> {
    let mut means = vec![values[random.random_range(0..values.len())]];
    let mut distances = vec![f64::INFINITY; values.len()];
    while means.len() < classes {
        let latest = means[means.len() - 1];
        distances.iter_mut().zip(values).for_each(|(d, v)| *d = d.min((v - latest).powi(2)));
        let mut left = random.random_range(0.0..1.0) * distances.iter().sum::<f64>();
        let mut chosen = None; // the last value with a distance where rounding leaves something over
        for (d, v) in distances.iter().zip(values).filter(|(d, _)| **d > 0.0) {
            chosen = Some(*v);
            left -= d;
            if left < 0.0 {
                break;
            }
        }
        means.push(chosen.unwrap_or(latest));
    }
    let mut sums = vec![[0.0; 3]; classes];
    for v in values {
        let sum = &mut sums[nearest(&means, *v)];
        *sum = [sum[0] + 1.0, sum[1] + v, sum[2] + v * v];
    }
    let group = |[count, sum, squares]: &[f64; 3]| {
        let mean = sum / count;
        Group { mean, sigma: (squares / count - mean * mean).max(0.0).sqrt(), count: *count }
    };
    sums.iter().map(group).collect()
}

/// The number of the nearest mean, of equally near ones the first.
fn nearest(means: &[f64], value: f64) -> usize {
    let mut best = 0;
    for (k, mean) in means.iter().enumerate().skip(1) {
        if (value - mean).abs() < (value - means[best]).abs() {
            best = k;
        }
    }
    best
}

/// Classes of scaled values.
pub(super) struct Found {
    /// By which probabilities are calculated.
    mixture: Vec<Gaussian>,
    /// Widths and weights to be told where they are not those of `mixture`.
    widths: Option<Vec<Group>>,
    /// Free parameters.
    free: usize,
    iterations: usize,
    converged: bool,
}

impl Found {
    pub fn of_run(run: Run, free: usize) -> Self {
        Self { mixture: run.mixture, widths: None, free, iterations: run.iterations, converged: run.converged }
    }

    /// Of values that nobody scaled.
    pub fn told(self, values: &[f64]) -> Mixture {
        self.finished(values, &Scale { largest: 1.0, mean: 0.0, sigma: 1.0 })
    }

    fn partition(values: &[f64], groups: Vec<Group>) -> Self {
        let n = values.len() as f64;
        let within: f64 = groups.iter().map(|g| g.count * g.sigma * g.sigma).sum();
        let sigma = (within / n).sqrt().max(LEAST_SIGMA);
        let weight = 1.0 / groups.len() as f64;
        let mixture = groups.iter().map(|g| Gaussian { weight, mean: g.mean, sigma }).collect();
        Self { mixture, free: groups.len() + 1, widths: Some(groups), iterations: 0, converged: true }
    }

    fn finished(mut self, values: &[f64], scale: &Scale) -> Mixture {
        self.mixture.sort_by(|a, b| a.mean.total_cmp(&b.mean));
        let n = values.len() as f64;
        let log_likelihood = likelihood(values, &self.mixture) - n * scale.unit().ln();
        let densities = LogDensity::of(&self.mixture);
        let probabilities: Vec<Vec<f64>> =
            values.iter().map(|x| probabilities(&self.mixture, &densities, *x)).collect();
        let class = probabilities.iter().map(|p| most_probable(p)).collect();
        let told: Vec<(f64, f64)> = match &self.widths {
            Some(groups) => groups.iter().map(|g| (g.sigma, g.count / n)).collect(),
            None => self.mixture.iter().map(|g| (g.sigma, g.weight)).collect(),
        };
        Mixture {
            means: self.mixture.iter().map(|g| scale.up(g.mean)).collect(),
            sigmas: told.iter().map(|(sigma, _)| sigma * scale.unit()).collect(),
            fractions: told.iter().map(|(_, fraction)| *fraction).collect(),
            class,
            probabilities,
            log_likelihood,
            bic: self.free as f64 * n.ln() - 2.0 * log_likelihood,
            iterations: self.iterations,
            converged: self.converged,
        }
    }
}

/// Probability of each class of an ascending mixture, from the odds of neighbours.
fn probabilities(mixture: &[Gaussian], densities: &[LogDensity], x: f64) -> Vec<f64> {
    let mut log = 0.0;
    let mut logs = vec![log];
    for (pair, densities) in mixture.windows(2).zip(densities.windows(2)) {
        let at = before_turn(&pair[0], &pair[1], x);
        log += densities[1].at(at) - densities[0].at(at);
        logs.push(log);
    }
    normalised(&mut logs);
    logs
}

/// `x`, or the place where the odds of two classes turn if that lies between: ln(N_high / N_low) is a parabola in x.
fn before_turn(low: &Gaussian, high: &Gaussian, x: f64) -> f64 {
    let (a, b) = (low.sigma.powi(-2), high.sigma.powi(-2));
    if (a - b).abs() < 1e-12 * a.max(b) {
        return x;
    }
    let turn = (a * low.mean - b * high.mean) / (a - b);
    if a > b {
        x.max(turn) // the higher class is wider
    } else {
        x.min(turn)
    }
}

/// Of equally probable classes the lowest.
pub(super) fn most_probable(probabilities: &[f64]) -> usize {
    let mut best = 0;
    for (k, p) in probabilities.iter().enumerate().skip(1) {
        if *p > probabilities[best] {
            best = k;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_distr::{Distribution, Normal};

    /// `counts[k]` values of N(means[k], sigmas[k]), one class after the other.
    fn drawn_from(classes: &[(usize, f64, f64)], seed: u64) -> (Vec<f64>, Vec<usize>) {
        let mut random = Pcg64Mcg::seed_from_u64(seed);
        let mut of = |(k, (count, mean, sigma)): (usize, &(usize, f64, f64))| {
            let normal = Normal::new(*mean, *sigma).unwrap();
            (0..*count).map(|_| (normal.sample(&mut random), k)).collect::<Vec<_>>()
        };
        classes.iter().enumerate().flat_map(&mut of).unzip()
    }

    fn options(classes: usize, method: MixtureMethod, non_atoms: bool) -> MixtureOptions {
        MixtureOptions { classes, method, non_atoms, seed: 3 }
    }

    fn right(class: &[usize], truth: &[usize]) -> f64 {
        class.iter().zip(truth).filter(|(a, b)| a == b).count() as f64 / truth.len() as f64
    }

    const BOTH: [MixtureMethod; 2] = [MixtureMethod::KMeans, MixtureMethod::Gaussian];

    #[test]
    fn overlapping_species_come_back() {
        let (values, truth) = drawn_from(&[(700, 1.0, 0.15), (300, 2.0, 0.25), (500, 3.5, 0.3)], 1);
        let found = mixture(&values, &options(3, MixtureMethod::Gaussian, false)).unwrap();
        for (k, (mean, sigma, fraction)) in
            [(1.0, 0.15, 7.0 / 15.0), (2.0, 0.25, 0.2), (3.5, 0.3, 1.0 / 3.0)].iter().enumerate()
        {
            assert!((found.means[k] - mean).abs() < 0.04, "{found:?}");
            assert!((found.sigmas[k] - sigma).abs() < 0.03);
            assert!((found.fractions[k] - fraction).abs() < 0.02);
        }
        assert!(found.converged && found.iterations > 1);
        assert!(right(&found.class, &truth) > 0.985);
        // Probabilities mean what they say: the expected part of wrong classes is the part of wrong classes.
        let doubt: f64 = found.probabilities.iter().map(|p| 1.0 - p.iter().copied().fold(0.0, f64::max)).sum();
        let wrong = (1.0 - right(&found.class, &truth)) * 1500.0;
        assert!((doubt - wrong).abs() < 10.0, "{doubt} expected, {wrong} wrong");
    }

    #[test]
    fn the_best_number_of_classes_is_known() {
        let (values, _) = drawn_from(&[(300, 1.0, 0.2), (300, 2.0, 0.2)], 2);
        let bic = |classes| mixture(&values, &options(classes, MixtureMethod::Gaussian, false)).unwrap().bic;
        assert!(bic(2) < bic(1) && bic(2) < bic(3) && bic(3) < bic(4));
    }

    #[test]
    fn a_rare_species_is_found_where_k_means_halves_the_frequent_one() {
        let (values, truth) = drawn_from(&[(950, 1.0, 0.3), (50, 2.2, 0.05)], 4);
        let halved = mixture(&values, &options(2, MixtureMethod::KMeans, false)).unwrap();
        assert!(right(&halved.class, &truth) < 0.8, "{:?}", halved.means);
        let found = mixture(&values, &options(2, MixtureMethod::Gaussian, false)).unwrap();
        assert!(right(&found.class, &truth) > 0.985, "{:?} {:?}", found.means, found.sigmas);
    }

    #[test]
    fn non_atoms_are_one_class_more_at_the_bottom() {
        let (values, truth) = drawn_from(&[(60, 0.2, 0.1), (400, 2.0, 0.2), (300, 3.0, 0.25)], 5);
        for method in BOTH {
            let found = mixture(&values, &options(2, method, true)).unwrap();
            assert_eq!(found.means.len(), 3);
            assert!(right(&found.class, &truth) > 0.97);
            assert!((found.means[0] - 0.2).abs() < 0.05 && (found.fractions.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn likelihood_and_plain_posterior_are_those_of_the_formulas() {
        let (values, _) = drawn_from(&[(80, 1.0, 0.3), (50, 2.0, 0.3)], 6);
        let found = mixture(&values, &options(2, MixtureMethod::Gaussian, false)).unwrap();
        let density = |k: usize, x: f64| {
            let (m, s) = (found.means[k], found.sigmas[k]);
            found.fractions[k] * (-0.5 * ((x - m) / s).powi(2)).exp() / (s * (2.0 * std::f64::consts::PI).sqrt())
        };
        let plain: f64 = values.iter().map(|x| (density(0, *x) + density(1, *x)).ln()).sum();
        assert!((found.log_likelihood - plain).abs() < 1e-8, "{} {plain}", found.log_likelihood);
        assert!((found.bic - (5.0 * 130f64.ln() - 2.0 * plain)).abs() < 1e-8);
        for (x, p) in values.iter().zip(&found.probabilities) {
            if (found.means[0]..found.means[1]).contains(x) {
                let wanted = density(1, *x) / (density(0, *x) + density(1, *x));
                assert!((p[1] - wanted).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_larger_value_is_never_a_lower_class() {
        let (mut values, _) = drawn_from(&[(200, 1.0, 0.05), (200, 2.0, 0.5), (200, 5.0, 0.2)], 7);
        values.extend([-3.0, 0.2, 9.0]);
        for method in BOTH {
            let found = mixture(&values, &options(3, method, false)).unwrap();
            let mut pairs: Vec<(f64, usize)> = values.iter().copied().zip(found.class.iter().copied()).collect();
            pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(pairs.windows(2).all(|w| w[0].1 <= w[1].1), "{method:?}");
            assert!(found.probabilities.iter().all(|p| (p.iter().sum::<f64>() - 1.0).abs() < 1e-12));
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_bits_and_units_do_not_matter() {
        let (values, _) = drawn_from(&[(90, 1.0, 0.3), (60, 2.0, 0.3), (70, 2.8, 0.3)], 8);
        for method in BOTH {
            let found = mixture(&values, &options(3, method, false)).unwrap();
            assert_eq!(found, mixture(&values, &options(3, method, false)).unwrap());
            for unit in [1e-290, 1e-6, 1e250] {
                let scaled: Vec<f64> = values.iter().map(|v| v * unit).collect();
                let again = mixture(&scaled, &options(3, method, false)).unwrap();
                assert_eq!(found.class, again.class);
                assert!((again.means[2] / unit - found.means[2]).abs() < 1e-9, "{unit}");
                assert!(again.log_likelihood.is_finite());
            }
        }
    }

    #[test]
    fn values_without_spread_are_classes_too() {
        for method in BOTH {
            let found = mixture(&[2.0, 1.0, 2.0, 1.0, 1.0], &options(2, method, false)).unwrap();
            assert_eq!(found.class, [1, 0, 1, 0, 0]);
            assert!((found.means[0] - 1.0).abs() < 1e-12 && (found.means[1] - 2.0).abs() < 1e-12);
            assert!(found.probabilities[0][1] > 0.999_999);
            let one = mixture(&[3.0; 4], &options(1, method, false)).unwrap();
            assert!(one.class == [0; 4] && one.probabilities.iter().all(|p| p[..] == [1.0]));
            assert!((one.means[0] - 3.0).abs() < 1e-12 && one.log_likelihood.is_finite());
            assert_eq!(mixture(&[5.0], &options(1, method, false)).unwrap().fractions, [1.0]);
        }
    }

    #[test]
    fn bad_input_is_named() {
        let of = |values: &[f64], classes| mixture(values, &options(classes, MixtureMethod::Gaussian, false));
        let error = of(&[1.0, 2.0, 2.0], 3).unwrap_err();
        assert!(error.code() == 302 && error.to_string().contains("3 species want 3 distinct values, 2"), "{error}");
        assert_eq!(of(&[], 1).unwrap_err().code(), 301);
        assert_eq!(of(&[1.0, f64::NAN], 1).unwrap_err().code(), 300);
        assert_eq!(of(&[1.0], 0).unwrap_err().code(), 103);
        assert_eq!(of(&[1.0], 32).unwrap_err().code(), 103);
        let stop = || Err(Error::Cancelled { phase: "classifying" });
        assert_eq!(mixture_while(&[1.0, 2.0, 4.0], &MixtureOptions::default(), &stop).unwrap_err().code(), 1);
    }
}
