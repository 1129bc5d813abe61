//! A self-made problem shared by examples: a ball of silicon atoms in 24 tilts x 3 foci through a probe, simulated on a
//! finer grid and with thinner slices than a fit uses.

use aet::context::Context;
use aet::dataset::TiltSeries;
use aet::forward::local_orbital::Orbital;
use aet::geometry::rotation_about;
use aet::optics::{Probe, ProbeOptions};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{random_packing, Atoms};
use aet::{Error, Result};
use rand::SeedableRng;
use rand_distr::{Distribution, Normal};

/// The series with what made it.
pub struct Ball {
    pub series: TiltSeries,
    pub probe: Probe,
    pub truth: Atoms,
}

impl Ball {
    /// `height`: counts at the centre of an atom before the probe blurs it; without a seed there is no noise.
    pub fn new(context: &Context, atoms: usize, height: f64, seed: Option<u64>) -> Result<Self> {
        let diameter = 38.9 * (atoms as f64 / 2000.0).cbrt();
        let truth = Atoms::new(random_packing(atoms, diameter, 2.21, 20)?)?.with_species(vec![14; atoms])?;
        let size = (diameter / 0.34 * 1.26) as usize / 2 * 2;
        let plan = SeriesPlan {
            orbital: Orbital::default(),
            rows: size,
            columns: size,
            pixel_size: 0.34,
            rotations: (0..24).map(|t| rotation_about(0, -69.0 + 6.0 * f64::from(t))).collect(),
            foci: vec![-9.7, 0.0, 9.7],
            width: 0.35,
            height,
            background: 1.0,
            oversampling: 2,
            slice_thickness: 2.0,
            seed,
        };
        let probe = ProbeOptions::new(300e3, 25.0).build()?;
        let series = local_orbital_series(context, &truth, Some(&probe), &plan)?;
        Ok(Self { series, probe, truth })
    }
}

/// Positions `by` A (rms per axis) away.
pub fn moved(atoms: &Atoms, by: f64) -> Result<Atoms> {
    let normal = Normal::new(0.0, by).map_err(|e| Error::Internal(e.to_string()))?;
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(5);
    let positions = atoms.positions().iter().map(|p| p.map(|v| v + normal.sample(&mut random))).collect();
    Atoms::new(positions)?.with_species(atoms.species().to_vec())
}
