//! The channels of formula (2): which filter, and with which weight an atom takes part in a slice.
//!
//! Infinite projection: one channel per species, F = f, and an atom takes part in the slice that holds it.
//!
//! Finite projection. A scattering factor is a mixture of Gaussians, f(q) = K integral of rho(t) exp(-t q^2) dt, and a
//! Gaussian is a product over the three axes: along the beam it is a normal distribution of variance t / (2 pi^2), to
//! which the thermal motion adds B / (8 pi^2). The share of an atom at z_j in the slice from a to b is therefore
//!
//!   w = occupancy (Phi((b - z_j) / s) - Phi((a - z_j) / s)),   s^2 = t / (2 pi^2) + B_j / (8 pi^2)            (3)
//!
//! with Phi the normal distribution function. With t = exp(u) the trapezoidal rule in u, of step h, has an error of
//! about exp(-pi^2 / h); its nodes are the channels and serve all species and both tables at once. What the nodes leave
//! of f (cores sharper than a pixel, and the rule's own error) makes one more channel per species, as narrow along the
//! beam as the nodes that would follow: all slices together are the infinite projection.

use std::f64::consts::PI;

use super::PlacedAtoms;
use crate::grid::Plane;
use crate::simd::Real;
use crate::specimen::scattering::POTENTIAL_PER_SCATTERING;
use crate::specimen::ScatteringFactor;

/// Variance per axis of an atom's motion, A^2, per Debye-Waller factor: <u^2> = B / (8 pi^2).
pub(super) const VARIANCE_PER_B: f64 = 1.0 / (8.0 * PI * PI);
/// Variance of exp(-t q^2) in space, A^2, per t.
const VARIANCE_PER_DECAY: f64 = 1.0 / (2.0 * PI * PI);
/// Standard deviations after which nothing (4e-11) of an atom is left.
const REACH: f64 = 6.5;
/// t of the narrowest node in units of 1 / q_max^2: narrower ones are points on the pixels.
const NARROWEST: f64 = 0.01;

/// F_c(k) on the quarter of the frequencies with kx >= 0 and ky >= 0: index \[kx\]\[ky\]. Filters depend on |k| alone.
pub(super) enum Filter<T> {
    /// Value by value.
    Table { rows: usize, values: Vec<T> },
    /// A product; frequencies beyond the ends of the factors count nothing.
    Separable { x: Vec<T>, y: Vec<T> },
}

impl<T: Real> Filter<T> {
    fn table(plane: &Plane, value: impl Fn(f64) -> f64) -> Self {
        let (x, y) = quarter(plane);
        let values = x.iter().flat_map(|kx| y.iter().map(|ky| T::of(value(kx.hypot(*ky)))));
        Self::Table { rows: y.len(), values: values.collect() }
    }

    /// exp(-decay k^2) as far as it exceeds `least`.
    fn gaussian(plane: &Plane, decay: f64, least: f64) -> Self {
        let factor = |k: Vec<f64>| {
            let values = k.into_iter().map(|k| (-decay * k * k).exp());
            values.take_while(|v| *v > least).map(T::of).collect()
        };
        let (x, y) = quarter(plane);
        Self::Separable { x: factor(x), y: factor(y) }
    }

    /// Number of frequencies along (x, y) that count, from 0 on.
    pub fn extent(&self) -> (usize, usize) {
        match self {
            Self::Table { rows, values } => (values.len() / rows, *rows),
            Self::Separable { x, y } => (x.len(), y.len()),
        }
    }

    /// The value at frequency (`kx`, `ky`), counted in steps from 0.
    #[inline(always)]
    pub fn at(&self, kx: usize, ky: usize) -> T {
        match self {
            Self::Table { rows, values } => values[kx * rows + ky],
            Self::Separable { x, y } => x[kx] * y[ky],
        }
    }
}

/// The frequencies from 0 to Nyquist along (x, y), 1/A.
fn quarter(plane: &Plane) -> (Vec<f64>, Vec<f64>) {
    let (ly, lx) = plane.extent();
    let axis = |n: usize, length: f64| (0..=n / 2).map(|i| i as f64 / length).collect();
    (axis(plane.columns, lx), axis(plane.rows, ly))
}

/// One channel.
pub(super) struct Channel<T> {
    pub filter: Filter<T>,
    /// Factor of each species, by its place in the plan's list.
    strengths: Vec<f64>,
    /// Variance along the beam of an atom at rest, A^2; `None` where all of an atom belongs to the slice that holds it.
    depth_variance: Option<f64>,
}

/// An atom that takes part in a channel of a slice.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Its number in [`PlacedAtoms`].
    pub atom: usize,
    /// Its weight w_cj at full occupancy.
    pub weight: f64,
    /// Derivative of the weight by z_j.
    pub by_z: f64,
    /// Derivative of the weight by B_j.
    pub by_b: f64,
}

impl<T: Real> Channel<T> {
    /// The atoms that take part in slice `index`.
    pub fn entries(&self, atoms: &PlacedAtoms, edges: &[f64], index: usize, entries: &mut Vec<Entry>) {
        entries.clear();
        let Some(variance) = self.depth_variance else {
            let inside = atoms.between(edges[index], edges[index + 1]);
            let whole = inside.map(|atom| (atom, self.strengths[atoms.atoms[atom].slot]));
            let whole = whole.filter(|(_, strength)| *strength != 0.0);
            entries.extend(whole.map(|(atom, weight)| Entry { atom, weight, by_z: 0.0, by_b: 0.0 }));
            return;
        };
        let from = if index == 0 { f64::NEG_INFINITY } else { edges[index] };
        let to = if index + 2 == edges.len() { f64::INFINITY } else { edges[index + 1] };
        let reach = REACH * (variance + atoms.largest_b * VARIANCE_PER_B).sqrt();
        for number in atoms.between(from - reach, to + reach) {
            let atom = &atoms.atoms[number];
            let (strength, variance) = (self.strengths[atom.slot], variance + atom.debye_waller_b * VARIANCE_PER_B);
            let (a, b) = (from - atom.position[2], to - atom.position[2]);
            let reach = REACH * variance.sqrt();
            if strength != 0.0 && a < reach && b > -reach {
                let (lower, upper) = (Normal::below(a, variance), Normal::below(b, variance));
                entries.push(Entry {
                    atom: number,
                    weight: strength * (upper.share - lower.share),
                    by_z: -strength * (upper.density - lower.density),
                    by_b: strength * VARIANCE_PER_B * (upper.by_variance - lower.by_variance),
                });
            }
        }
    }
}

/// The normal distribution below one point, and its derivatives.
#[derive(Clone, Copy)]
struct Normal {
    share: f64,
    density: f64,
    by_variance: f64,
}

impl Normal {
    fn below(at: f64, variance: f64) -> Self {
        if at.is_infinite() {
            return Self { share: if at > 0.0 { 1.0 } else { 0.0 }, density: 0.0, by_variance: 0.0 };
        }
        let density = (-at * at / (2.0 * variance)).exp() / (2.0 * PI * variance).sqrt();
        let share = 0.5 * libm::erfc(-at / (2.0 * variance).sqrt());
        Self { share, density, by_variance: -at * density / (2.0 * variance) }
    }
}

/// The channels of the infinite projection.
pub(super) fn infinite<T: Real>(plane: &Plane, factors: &[ScatteringFactor]) -> Vec<Channel<T>> {
    let channel = |(slot, factor): (usize, &ScatteringFactor)| Channel {
        filter: Filter::table(plane, |q| factor.projected(q)),
        strengths: one_of(factors.len(), slot, 1.0),
        depth_variance: None,
    };
    factors.iter().enumerate().map(channel).collect()
}

fn one_of(count: usize, slot: usize, value: f64) -> Vec<f64> {
    (0..count).map(|i| if i == slot { value } else { 0.0 }).collect()
}

/// A Gaussian of the mixture: strengths exp(-decay q^2), V A^3 for each species.
struct Node {
    decay: f64,
    strengths: Vec<f64>,
}

/// The channels of finite slices whose shares err by less than `error` f(0).
pub(super) fn finite<T: Real>(plane: &Plane, factors: &[ScatteringFactor], error: f64) -> Vec<Channel<T>> {
    let (x, y) = quarter(plane);
    let largest = x[x.len() - 1].hypot(y[y.len() - 1]).max(1.0 / (plane.extent().0 * plane.extent().1).sqrt());
    let narrowest = NARROWEST / (largest * largest);
    let (nodes, step) = nodes(factors, narrowest, error);
    let mut channels: Vec<Channel<T>> = nodes
        .iter()
        .map(|node| Channel {
            filter: Filter::gaussian(plane, node.decay, 1e-4 * error),
            strengths: node.strengths.clone(),
            depth_variance: Some(node.decay * VARIANCE_PER_DECAY),
        })
        .collect();
    for (slot, factor) in factors.iter().enumerate() {
        let mixed = |q: f64| nodes.iter().map(|n| n.strengths[slot] * (-n.decay * q * q).exp()).sum::<f64>();
        channels.push(Channel {
            filter: Filter::table(plane, |q| factor.projected(q) - mixed(q)),
            strengths: one_of(factors.len(), slot, 1.0),
            // the mean of the nodes that would follow: sum t^2 / sum t
            depth_variance: Some(narrowest / (step.exp() + 1.0) * VARIANCE_PER_DECAY),
        });
    }
    channels
}

/// Nodes from `narrowest` on as far as any species needs them, and their step in ln t.
fn nodes(factors: &[ScatteringFactor], narrowest: f64, error: f64) -> (Vec<Node>, f64) {
    let digits = -error.ln();
    // exp(-pi^2 / h) < error / 8000: the rule's prefactor is about 200, and terms of one table cancel by up to 60
    let step = PI * PI / (digits + 9.0);
    let slowest = factors.iter().map(ScatteringFactor::slowest_decay).fold(f64::INFINITY, f64::min);
    let widest = (digits + 9.0) / slowest;
    let count = ((widest / narrowest).ln() / step).ceil().max(1.0) as usize;
    let rule = (0..count).map(|m| {
        let decay = narrowest * (m as f64 * step).exp();
        let strength = |f: &ScatteringFactor| POTENTIAL_PER_SCATTERING * step * decay * f.mixture_density(decay);
        Node { decay, strengths: factors.iter().map(strength).collect() }
    });
    let needed = |node: &Node| {
        let share = |(strength, factor): (&f64, &ScatteringFactor)| strength.abs() / factor.projected(0.0);
        node.strengths.iter().zip(factors).map(share).fold(0.0, f64::max) > 1e-3 * error
    };
    let mut nodes: Vec<Node> = rule.filter(needed).collect();
    for (slot, factor) in factors.iter().enumerate() {
        nodes.extend(factor.gaussians().iter().map(|g| Node {
            decay: g.decay,
            strengths: one_of(factors.len(), slot, POTENTIAL_PER_SCATTERING * g.height),
        }));
    }
    (nodes, step)
}
