//! Where the centres of randomly packed atoms may lie.

use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::cells::norm_squared;
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Where the centres of randomly packed atoms may lie, about the origin; lengths in angstrom.
#[derive(Debug, Clone, PartialEq)]
pub enum Region {
    /// A ball.
    Ball {
        /// Its diameter.
        diameter: f64,
    },
    /// A box with free surfaces all around.
    Box {
        /// Edges along x, y and z.
        extent: Vec3,
    },
    /// A film across the beam, free above and below, periodic along x and y: it fits a simulation cell of that width
    /// without a seam.
    Film {
        /// Periods along x and y, thickness along z.
        extent: Vec3,
    },
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Region::Ball { diameter } => write!(f, "a ball of {diameter} angstrom"),
            Region::Box { extent: [x, y, z] } => write!(f, "a box of {x} x {y} x {z} angstrom"),
            Region::Film { extent: [x, y, z] } => write!(f, "a film of {x} x {y} angstrom, {z} thick"),
        }
    }
}

impl Region {
    /// The smallest box around the region, centred on the origin.
    pub(super) fn bounds(&self) -> Vec3 {
        match *self {
            Region::Ball { diameter } => [diameter; 3],
            Region::Box { extent } | Region::Film { extent } => extent,
        }
    }

    /// Axes along which the region repeats.
    pub(super) fn periodic(&self) -> [bool; 3] {
        match self {
            Region::Film { .. } => [true, true, false],
            _ => [false; 3],
        }
    }

    /// Volume that atoms of this diameter take: they reach half of it beyond every free surface.
    pub(super) fn volume(&self, atom: f64) -> f64 {
        match *self {
            Region::Ball { diameter } => std::f64::consts::PI / 6.0 * (diameter + atom).powi(3),
            Region::Box { extent: [x, y, z] } => (x + atom) * (y + atom) * (z + atom),
            Region::Film { extent: [x, y, z] } => x * y * (z + atom),
        }
    }

    /// Lengths that are positive, and periods of at least two atoms.
    pub(super) fn check(&self, minimum_distance: f64) -> Result<()> {
        for (axis, length) in ["x", "y", "z"].iter().zip(self.bounds()) {
            let what = match self {
                Region::Ball { .. } => "diameter".to_string(),
                _ => format!("extent along {axis}"),
            };
            if !(length.is_finite() && length > 0.0) {
                return Err(Error::range(what, length, "a positive number (angstrom)"));
            }
        }
        let shortest = 2.0 * minimum_distance;
        match self {
            Region::Film { extent: [x, y, _] } if x.min(*y) < shortest => {
                let wanted = format!("at least {shortest} angstrom, twice the minimum distance");
                Err(Error::range("period of the film", x.min(*y), wanted))
            }
            _ => Ok(()),
        }
    }

    /// The way from `p` to `q`, the shortest one where the region repeats.
    pub(super) fn difference(&self, p: &Vec3, q: &Vec3) -> Vec3 {
        let mut d: Vec3 = std::array::from_fn(|k| q[k] - p[k]);
        if let Region::Film { extent } = self {
            for k in 0..2 {
                d[k] -= extent[k] * (d[k] / extent[k]).round();
            }
        }
        d
    }

    /// A uniformly random point.
    pub(super) fn random_point(&self, rng: &mut Pcg64Mcg) -> Vec3 {
        let half = self.bounds().map(|width| 0.5 * width);
        loop {
            let p: Vec3 = std::array::from_fn(|k| rng.random_range(-half[k]..half[k]));
            match self {
                Region::Ball { .. } if norm_squared(&p) > half[0] * half[0] => {}
                _ => return p,
            }
        }
    }

    /// Brings a point that was pushed out back to the surface, or around the edge where the region repeats.
    pub(super) fn confine(&self, p: &mut Vec3) {
        match *self {
            Region::Ball { diameter } => {
                let (r, radius) = (norm_squared(p).sqrt(), 0.5 * diameter);
                if r > radius {
                    p.iter_mut().for_each(|v| *v *= radius / r);
                }
            }
            Region::Box { extent } => (0..3).for_each(|k| p[k] = p[k].clamp(-0.5 * extent[k], 0.5 * extent[k])),
            Region::Film { extent } => {
                (0..2).for_each(|k| p[k] -= extent[k] * (p[k] / extent[k]).round());
                p[2] = p[2].clamp(-0.5 * extent[2], 0.5 * extent[2]);
            }
        }
    }
}
