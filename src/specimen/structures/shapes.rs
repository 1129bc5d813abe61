//! Outer shapes of particles, each as a gauge: half the width that the shape must have for a point to lie on its surface
//! (a Wulff construction; the widths of all faces grow together).

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Normal};
use rand_pcg::Pcg64Mcg;

use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Outer shape of a particle; its width is the distance of opposite faces.
#[derive(Debug, Clone, PartialEq)]
pub enum ParticleShape {
    /// A ball; the width is its diameter.
    Ball,
    /// A box of these relative edges along x, y and z (all 1: a cube); the width is that of the longest.
    Box([f64; 3]),
    /// {111} faces.
    Octahedron,
    /// {100} faces, and {111} faces that meet in the middle of its edges; the width is that of {100}.
    Cuboctahedron,
    /// {100} and {111} faces, all edges equal; the width is that of {100}.
    TruncatedOctahedron,
    /// {110} faces.
    RhombicDodecahedron,
    /// A ball whose radius varies with the direction by this rms fraction, smoothly and at random.
    Irregular(f64),
}

/// A shape ready to measure points.
pub(super) enum Shape {
    Plain(ParticleShape),
    /// Amplitude, degree and axis of Legendre polynomials that modulate the radius, and the largest radius.
    Irregular(Vec<(f64, usize, Vec3)>, f64),
}

/// Bumps of an irregular particle; their degrees are 2, 3 and 4 in turns.
const BUMPS: usize = 9;
/// The radius stays between these parts of the mean.
const RADII: (f64, f64) = (0.5, 1.5);
const MOST_ROUGH: f64 = 0.25;

impl Shape {
    pub(super) fn new(shape: &ParticleShape, seed: u64) -> Result<Self> {
        match shape {
            ParticleShape::Box(edges) if edges.iter().any(|e| !(e.is_finite() && *e > 0.0)) => {
                Err(Error::range("extent of the box", format!("{edges:?}"), "three positive numbers (angstrom)"))
            }
            ParticleShape::Irregular(roughness) => Shape::irregular(*roughness, seed),
            _ => Ok(Shape::Plain(shape.clone())),
        }
    }

    fn irregular(roughness: f64, seed: u64) -> Result<Self> {
        if !(0.0..=MOST_ROUGH).contains(&roughness) {
            return Err(Error::range("roughness", roughness, format!("0 to {MOST_ROUGH}, a part of the radius")));
        }
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let normal = Normal::new(0.0, 1.0).map_err(|e| Error::Internal(e.to_string()))?;
        // the mean square of a Legendre polynomial of degree l over the sphere is 1 / (2 l + 1)
        let bump = |b: usize| {
            let degree = 2 + b % 3;
            let amplitude = roughness * ((2 * degree + 1) as f64 / BUMPS as f64).sqrt();
            (amplitude * normal.sample(&mut rng), degree, direction(&mut rng))
        };
        Ok(Shape::Irregular((0..BUMPS).map(bump).collect(), RADII.1))
    }

    /// Half the width of the shape with `p` on its surface.
    pub(super) fn gauge(&self, p: &Vec3) -> f64 {
        let [x, y, z] = p.map(f64::abs);
        let cube = x.max(y).max(z);
        match self {
            Shape::Irregular(bumps, _) => {
                let r = (x * x + y * y + z * z).sqrt();
                if r == 0.0 {
                    0.0
                } else {
                    r / radius(bumps, &p.map(|v| v / r))
                }
            }
            Shape::Plain(shape) => match shape {
                ParticleShape::Ball | ParticleShape::Irregular(_) => (x * x + y * y + z * z).sqrt(),
                ParticleShape::Box(edges) => {
                    let longest = edges.iter().copied().fold(0.0, f64::max);
                    [x, y, z].iter().zip(edges).map(|(v, e)| v * (longest / e)).fold(0.0, f64::max)
                }
                ParticleShape::Octahedron => (x + y + z) / 3.0_f64.sqrt(),
                ParticleShape::Cuboctahedron => cube.max((x + y + z) / 2.0),
                ParticleShape::TruncatedOctahedron => cube.max((x + y + z) / 1.5),
                ParticleShape::RhombicDodecahedron => (x + y).max(y + z).max(z + x) / 2.0_f64.sqrt(),
            },
        }
    }

    /// Farthest coordinates of points inside, along x, y and z.
    pub(super) fn reach(&self, half: f64) -> Vec3 {
        match self {
            Shape::Irregular(_, largest) => [half * largest; 3],
            Shape::Plain(ParticleShape::Octahedron) => [half * 3.0_f64.sqrt(); 3],
            Shape::Plain(ParticleShape::RhombicDodecahedron) => [half * 2.0_f64.sqrt(); 3],
            Shape::Plain(ParticleShape::Box(edges)) => {
                let longest = edges.iter().copied().fold(0.0, f64::max);
                edges.map(|e| half * e / longest)
            }
            Shape::Plain(_) => [half; 3],
        }
    }
}

/// Radius of an irregular particle in the direction of the unit vector `u`, relative to its mean.
fn radius(bumps: &[(f64, usize, Vec3)], u: &Vec3) -> f64 {
    let at = |(amplitude, degree, axis): &(f64, usize, Vec3)| {
        let t: f64 = (0..3).map(|k| u[k] * axis[k]).sum();
        let (t2, t4) = (t * t, t * t * t * t);
        amplitude
            * match degree {
                2 => 0.5 * (3.0 * t2 - 1.0),
                3 => 0.5 * t * (5.0 * t2 - 3.0),
                _ => 0.125 * (35.0 * t4 - 30.0 * t2 + 3.0),
            }
    };
    (1.0 + bumps.iter().map(at).sum::<f64>()).clamp(RADII.0, RADII.1)
}

/// A random unit vector.
fn direction(rng: &mut Pcg64Mcg) -> Vec3 {
    loop {
        let p: Vec3 = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
        let r = p.iter().map(|v| v * v).sum::<f64>().sqrt();
        if (0.01..=1.0).contains(&r) {
            return p.map(|v| v / r);
        }
    }
}
