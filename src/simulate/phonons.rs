//! Frozen phonons: atoms stand still while one electron passes, each time somewhere else (Loane, Xu, Silcox, Acta Cryst.
//! A47 (1991) 267). Signals are averaged over configurations of independent normal displacements (Einstein model).

use super::random::{stream, Purpose};
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::specimen::{Atoms, Property};
use rand::RngExt;
use rand_distr::StandardNormal;
use std::f64::consts::PI;

/// Largest rms displacement per axis that is accepted, angstrom: beyond, a crystal has long melted.
const MAX_RMS: f64 = 2.0;

/// More configurations than anybody waits for, few enough that sizes do not overflow.
const MOST_CONFIGURATIONS: usize = 65536;

/// Thermal motion as frozen phonons: signals are means over configurations of displaced atoms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct FrozenPhonons {
    /// Number of configurations, at least 1.
    pub configurations: usize,
    /// Seed of the displacements.
    pub seed: u64,
}

impl FrozenPhonons {
    /// Checks the number of configurations.
    ///
    /// # Errors
    /// `Range` for none, or too many.
    pub fn check(&self) -> Result<()> {
        match self.configurations {
            1..=MOST_CONFIGURATIONS => Ok(()),
            other => Err(Error::range("configurations", other, format!("1 to {MOST_CONFIGURATIONS}"))),
        }
    }
}

/// `atoms` as they stand in configuration `number` of `seed`, displaced by their Debye-Waller factors, and without these,
/// for which the displacements stand. Those that would leave a cell through its entrance or exit face stay on it.
///
/// # Errors
/// `NotReady` for atoms without Debye-Waller factors; as [`ThermalMotion::from_debye_waller_b`].
pub fn displaced_atoms(atoms: &Atoms, seed: u64, number: u64) -> Result<Atoms> {
    let Some(b) = atoms.debye_waller_b() else {
        let why = "thermal displacements need the Debye-Waller factor of every atom (column debye_waller_b)";
        return Err(Error::NotReady { what: "specimen".into(), why: why.into() });
    };
    let mut positions = ThermalMotion::from_debye_waller_b(b, seed)?.displaced(atoms.positions(), number)?;
    if let Some([_, _, height]) = atoms.cell() {
        positions.iter_mut().for_each(|p| p[2] = p[2].clamp(0.0, height * (1.0 - 1e-12)));
    }
    atoms.clone().without_property(Property::DebyeWallerB).moved_to(positions)
}

/// Thermal displacements of atoms. Configuration i of a seed is the same however many are made, on every machine.
#[derive(Debug, Clone, PartialEq)]
pub struct ThermalMotion {
    rms: Vec<Vec3>,
    seed: u64,
}

impl ThermalMotion {
    /// Root mean square displacements `[atom]` of (x, y, z) in angstrom.
    ///
    /// # Errors
    /// `Range`, naming the atom, for a displacement that is negative, above 2 A or no number.
    pub fn new(rms: Vec<Vec3>, seed: u64) -> Result<Self> {
        for (atom, values) in rms.iter().enumerate() {
            if let Some(bad) = values.iter().find(|v| !(0.0..=MAX_RMS).contains(*v)) {
                let wanted = format!("0 to {MAX_RMS} angstrom per axis");
                return Err(Error::range(format!("rms displacement of atom {atom}"), bad, wanted));
            }
        }
        Ok(Self { rms, seed })
    }

    /// The same rms displacement along each axis, `[atom]`, angstrom.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn isotropic(rms: &[f64], seed: u64) -> Result<Self> {
        Self::new(rms.iter().map(|rms| [*rms; 3]).collect(), seed)
    }

    /// From the Debye-Waller factors B `[atom]` of crystallography, A^2: B = 8 pi^2 `<u^2>` with `<u^2>` along one axis, so
    /// that the rms displacement per axis is sqrt(B / (8 pi^2)).
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn from_debye_waller_b(debye_waller_b: &[f64], seed: u64) -> Result<Self> {
        if let Some(atom) = debye_waller_b.iter().position(|b| b.is_nan() || *b < 0.0) {
            let wanted = "0 or a positive number (angstrom^2)";
            return Err(Error::range(format!("debye_waller_b of atom {atom}"), debye_waller_b[atom], wanted));
        }
        let rms: Vec<f64> = debye_waller_b.iter().map(|b| (b / (8.0 * PI * PI)).sqrt()).collect();
        Self::isotropic(&rms, seed)
    }

    /// From rms displacements per axis of elements, angstrom: `of(atomic number)` for each of `species`.
    ///
    /// # Errors
    /// As for [`Self::new`], and `Empty` naming an element of which nothing is known.
    pub fn by_element(species: &[u8], of: impl Fn(u8) -> Option<f64>, seed: u64) -> Result<Self> {
        let rms = species.iter().map(|z| {
            of(*z).ok_or_else(|| Error::Empty {
                what: format!("rms displacement of element {z}"),
                why: "every element of the specimen needs one, which may be 0".into(),
            })
        });
        Self::isotropic(&rms.collect::<Result<Vec<f64>>>()?, seed)
    }

    /// The same motion across the beam only: displacements along z are 0, those along x and y stay what they are. Keeps
    /// every atom in its slice.
    pub fn in_plane(mut self) -> Self {
        self.rms.iter_mut().for_each(|rms| rms[2] = 0.0);
        self
    }

    /// Number of atoms.
    pub fn len(&self) -> usize {
        self.rms.len()
    }

    /// True without atoms.
    pub fn is_empty(&self) -> bool {
        self.rms.is_empty()
    }

    /// Displacements `[atom]` of one configuration, angstrom.
    pub fn displacements(&self, configuration: u64) -> impl Iterator<Item = Vec3> + '_ {
        let mut random = stream(self.seed, Purpose::Phonons, configuration);
        self.rms.iter().map(move |rms| {
            let unit: Vec3 = std::array::from_fn(|_| random.sample(StandardNormal));
            std::array::from_fn(|axis| rms[axis] * unit[axis])
        })
    }

    /// `positions` `[atom]`, angstrom, moved as in one configuration. Atoms of a periodic cell may leave it.
    ///
    /// # Errors
    /// `Shape` for another number of atoms.
    pub fn displaced(&self, positions: &[Vec3], configuration: u64) -> Result<Vec<Vec3>> {
        if positions.len() != self.rms.len() {
            let wanted = format!("[{}, 3], as many as there are displacements", self.rms.len());
            return Err(Error::shape("positions", &[positions.len(), 3], wanted));
        }
        let moved = positions.iter().zip(self.displacements(configuration));
        Ok(moved.map(|(p, d)| std::array::from_fn(|axis| p[axis] + d[axis])).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displacements_have_the_variance_of_the_debye_waller_factor() {
        let atoms = 20_000;
        let motion = ThermalMotion::from_debye_waller_b(&vec![0.6; atoms], 4).unwrap();
        let wanted = 0.6 / (8.0 * PI * PI);
        // The variance of 20000 numbers is known to 1 %, the mean to sqrt(variance / 20000), the kurtosis 3 to 0.035.
        for axis in 0..3 {
            let moments = |power: i32| motion.displacements(7).map(|d| d[axis].powi(power)).sum::<f64>() / atoms as f64;
            assert!(moments(1).abs() < 4.0 * (wanted / atoms as f64).sqrt());
            assert!((moments(2) / wanted - 1.0).abs() < 0.04, "{} {wanted}", moments(2));
            assert!((moments(4) / moments(2).powi(2) - 3.0).abs() < 0.15);
        }
        let cross = motion.displacements(7).map(|d| d[0] * d[1]).sum::<f64>() / atoms as f64;
        assert!(cross.abs() < 4.0 * wanted / (atoms as f64).sqrt());
    }

    #[test]
    fn the_mean_phase_factor_is_the_debye_waller_factor() {
        // <exp(2 pi i q u)> = exp(-B s^2), s = q / 2.
        let (b, q) = (1.1_f64, 1.4);
        let motion = ThermalMotion::from_debye_waller_b(&[b], 11).unwrap();
        let n = 40_000;
        let mean =
            (0..n).map(|i| motion.displacements(i).map(|d| (2.0 * PI * q * d[0]).cos()).sum::<f64>()).sum::<f64>();
        let wanted = (-b * (q / 2.0).powi(2)).exp();
        assert!((mean / n as f64 - wanted).abs() < 4.0 * 0.7 / (n as f64).sqrt(), "{} {wanted}", mean / n as f64);
    }

    #[test]
    fn configurations_are_independent_and_repeatable() {
        let motion = ThermalMotion::new(vec![[0.1, 0.2, 0.3]; 50], 1).unwrap();
        let of = |m: &ThermalMotion, i| m.displacements(i).collect::<Vec<_>>();
        assert_eq!(of(&motion, 3), of(&motion, 3));
        assert_ne!(of(&motion, 3), of(&motion, 4));
        assert_ne!(of(&motion, 3), of(&ThermalMotion { seed: 2, ..motion.clone() }, 3));
        let flat = motion.clone().in_plane();
        for (a, b) in of(&motion, 3).iter().zip(of(&flat, 3)) {
            assert_eq!(([a[0], a[1]], 0.0), ([b[0], b[1]], b[2]));
        }
        // Pinned: the same bits on every machine, for ever.
        let first = of(&motion, 0)[0];
        assert_eq!(first.map(f64::to_bits), PINNED, "{:#x?}", first.map(f64::to_bits));
    }

    const PINNED: [u64; 3] = [0x3fa5d3cf5ae29fed, 0xbfc0babf0e11856b, 0x3fd33a34e3218356];

    #[test]
    fn elements_and_bad_input() {
        let of = |z: u8| (z == 14).then_some(0.08);
        let motion = ThermalMotion::by_element(&[14, 14], of, 1).unwrap();
        assert_eq!((motion.len(), motion.is_empty(), motion.rms[1]), (2, false, [0.08; 3]));
        let error = ThermalMotion::by_element(&[14, 79], of, 1).unwrap_err();
        assert!(error.code() == 301 && error.to_string().contains("79"), "{error}");
        for bad in [-0.1, 2.5, f64::NAN, f64::INFINITY] {
            let error = ThermalMotion::isotropic(&[0.1, bad], 1).unwrap_err();
            assert!(error.code() == 103 && error.to_string().contains("atom 1"), "{error}");
            assert_eq!(ThermalMotion::from_debye_waller_b(&[bad * 1e3], 1).unwrap_err().code(), 103);
        }
        assert_eq!(motion.displaced(&[[0.0; 3]; 3], 0).unwrap_err().code(), 101);
        let still = ThermalMotion::isotropic(&[0.0], 1).unwrap();
        assert_eq!(still.displaced(&[[1.0, 2.0, 3.0]], 5).unwrap(), [[1.0, 2.0, 3.0]]);
    }
}
