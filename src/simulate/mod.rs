//! Simulated data: a forward model on a finer grid than any fit uses, then sampling and noise; thermal motion, partial
//! coherence, and the instrument that records what was simulated.

pub mod coherence;
pub mod instrument;
pub mod phonons;
mod random;
mod statistics;
pub mod stem;
pub mod tilt_series;

pub use phonons::{FrozenPhonons, ThermalMotion};
pub(crate) use random::scattered;
pub use statistics::MeanAccumulator;

use crate::context::Context;
use crate::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use crate::error::{Error, Result};
use crate::forward::local_orbital::{
    DepthMode, ImageGeometry, Interaction, LocalOrbital, LocalOrbitalOptions, Orbital, SeriesGeometry, Sharing, Slicing,
};
use crate::geometry::{AngleOrder, Mat3};
use crate::grid;
use crate::optics::Probe;
use crate::problem::{ForwardModel, Point};
use crate::specimen::Atoms;
use std::sync::Mutex;

/// A tilt and focus series to be simulated with local orbitals.
#[derive(Debug, Clone)]
pub struct SeriesPlan {
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// Pixel size in A.
    pub pixel_size: f64,
    /// Rotation of every tilt, p' = R p.
    pub rotations: Vec<Mat3>,
    /// Defocus of every section in A.
    pub foci: Vec<f64>,
    /// Shape of the orbitals.
    pub orbital: Orbital,
    /// Width B of all orbitals in A^2.
    pub width: f64,
    /// Counts at the centre of one orbital before the probe blurs it.
    pub height: f64,
    /// Counts of every pixel beside those of the atoms.
    pub background: f64,
    /// Points per pixel and axis of the grid on which images are made.
    pub oversampling: usize,
    /// Thickness of the slices in A: thinner than those of a fit.
    pub slice_thickness: f64,
    /// Seed of the Poisson noise; `None`: no noise.
    pub seed: Option<u64>,
}

/// Images of `atoms` through `probe` (`None`: direct), image number = tilt * foci + focus, in counts.
pub fn local_orbital_series(
    context: &Context,
    atoms: &Atoms,
    probe: Option<&Probe>,
    plan: &SeriesPlan,
) -> Result<TiltSeries> {
    if plan.rotations.is_empty() || plan.foci.is_empty() || plan.oversampling == 0 {
        return Err(Error::Empty {
            what: "plan of the series".into(),
            why: "rotations, foci and oversampling must not be empty".into(),
        });
    }
    let sections = plan.foci.len();
    let geometry = SeriesGeometry {
        rows: plan.rows * plan.oversampling,
        columns: plan.columns * plan.oversampling,
        pixel_size: plan.pixel_size / plan.oversampling as f64,
        images: (0..plan.rotations.len() * sections)
            .map(|i| ImageGeometry { tilt: i / sections, section: i % sections, defocus: plan.foci[i % sections] })
            .collect(),
        tilts: plan.rotations.len(),
        sections,
        angle_order: AngleOrder::Zyx,
    };
    let interaction = probe.map_or(Interaction::Direct, |probe| Interaction::Rigid {
        probe: Box::new(probe.clone()),
        slice_thickness: plan.slice_thickness,
        slicing: Slicing::Linear,
        mode: DepthMode::Slices,
        tolerance: None,
        pixels: None,
    });
    let common = Sharing::Common.groups(atoms.species());
    let options = LocalOrbitalOptions {
        interaction,
        height_groups: common.clone(),
        width_groups: common,
        orbital: plan.orbital.clone(),
        cutoff: None,
        width_max: plan.width,
        narrowest: plan.width,
    };
    let model = LocalOrbital::<f64>::new(geometry, atoms.positions(), &plan.rotations, &options, context.simd())?;
    let parameters = parameters(&model, atoms, plan);
    let images = Mutex::new(ndarray::Array3::zeros((model.series().images.len(), plan.rows, plan.columns)));
    let cancel = context.cancel_token();
    let active = vec![false; model.layout().blocks.len()];
    let shared = model.prepare(&parameters, &active, context, &mut |_| cancel.check("planning"))?;
    let point = Point { parameters: &parameters, active: &active, shared: &shared, cancel: &cancel };
    context.for_each(plan.rotations.len(), &mut |_| cancel.check("a simulation"), &|tilt| {
        let numbers: Vec<usize> = (tilt * sections..(tilt + 1) * sections).collect();
        let mut fine = vec![0.0; sections * model.pixels()];
        model.predict(&point, tilt, &numbers, &mut fine, &mut model.workspace())?;
        for (image, fine) in numbers.iter().zip(fine.chunks_exact(model.pixels())) {
            let sampled = sample(fine, plan, *image)?;
            images.lock().unwrap_or_else(|p| p.into_inner()).index_axis_mut(ndarray::Axis(0), *image).assign(&sampled);
        }
        Ok(())
    })?;
    let images = images.into_inner().unwrap_or_else(|p| p.into_inner());
    TiltSeries::new(series_options(probe, plan), images.view(), &frames(plan))
}

fn parameters(model: &LocalOrbital<f64>, atoms: &Atoms, plan: &SeriesPlan) -> Vec<f64> {
    let blocks = model.blocks();
    let mut parameters = vec![0.0; blocks.len_without_probes()];
    for (value, p) in parameters[blocks.positions.clone()].iter_mut().zip(atoms.positions().iter().flatten()) {
        *value = *p;
    }
    parameters[blocks.heights.clone()].fill(plan.height);
    parameters[blocks.widths.clone()].fill(plan.width);
    parameters[blocks.scale.clone()].fill(1.0);
    parameters[blocks.background.clone()].fill(plan.background);
    for (angles, rotation) in parameters[blocks.angles.clone()].chunks_exact_mut(3).zip(&plan.rotations) {
        angles.copy_from_slice(&AngleOrder::Zyx.angles(rotation));
    }
    parameters
}

/// Every `oversampling`-th point, the origin among them, with Poisson noise.
fn sample(fine: &[f64], plan: &SeriesPlan, image: usize) -> Result<ndarray::Array2<f32>> {
    // The seeds are those of the first simulations, so that series made before stay what they are.
    let mut random =
        plan.seed.map(|seed| rand_pcg::Pcg64Mcg::new((u128::from(seed) << 64) | ((image as u128) << 1) | 1));
    let step = plan.oversampling;
    // The origin of the fine grid falls on that of the coarse one: a shift for odd sizes.
    let shift = |n: usize| grid::origin(n * step) - grid::origin(n) * step;
    let (row_shift, column_shift) = (shift(plan.rows), shift(plan.columns));
    let mut sampled = ndarray::Array2::zeros((plan.rows, plan.columns));
    for ((r, c), value) in sampled.indexed_iter_mut() {
        let mean = fine[(r * step + row_shift) * plan.columns * step + c * step + column_shift];
        *value = match &mut random {
            None => mean as f32,
            Some(random) => random::poisson(mean, random)? as f32,
        };
    }
    Ok(sampled)
}

fn series_options(probe: Option<&Probe>, plan: &SeriesPlan) -> SeriesOptions {
    SeriesOptions {
        pixel_size: plan.pixel_size,
        energy_ev: probe.map(Probe::energy_ev),
        semiangle_mrad: probe.map(Probe::semiangle_mrad),
        ..Default::default()
    }
}

fn frames(plan: &SeriesPlan) -> Frames {
    let sections = plan.foci.len();
    let n = plan.rotations.len() * sections;
    let mut frames =
        Frames::new(n).with_rotations(Rotations::Matrices((0..n).map(|i| plan.rotations[i / sections]).collect()));
    frames.tilt = Some((0..n).map(|i| (i / sections) as i64).collect());
    frames.section = Some((0..n).map(|i| (i % sections) as i64).collect());
    frames.defocus = Some((0..n).map(|i| plan.foci[i % sections]).collect());
    frames.counts_per_unit = plan.seed.map(|_| vec![1.0; n]);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::ContextOptions;
    use crate::geometry::rotation_about;

    fn plan(rows: usize, oversampling: usize, seed: Option<u64>) -> SeriesPlan {
        SeriesPlan {
            orbital: Orbital::default(),
            rows,
            columns: rows + 1,
            pixel_size: 0.4,
            rotations: [-30.0, 0.0, 30.0].map(|t| rotation_about(0, t)).to_vec(),
            foci: vec![-5.0, 5.0],
            width: 0.5,
            height: 50.0,
            background: 2.0,
            oversampling,
            slice_thickness: 2.0,
            seed,
        }
    }

    fn simulate(threads: usize, with_probe: bool, plan: &SeriesPlan) -> TiltSeries {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
        let probe = crate::optics::ProbeOptions::new(300e3, 20.0).build().unwrap();
        let atoms = Atoms::new(vec![[0.0, 0.0, 0.0], [2.0, 1.0, 1.5]]).unwrap();
        local_orbital_series(&context, &atoms, with_probe.then_some(&probe), plan).unwrap()
    }

    #[test]
    fn the_origin_falls_on_its_pixel_for_all_sizes_and_samplings() {
        for rows in [24, 25] {
            for oversampling in [1, 2, 3] {
                let series = simulate(1, false, &plan(rows, oversampling, None));
                let version = series.version();
                let image = &version.images()[2]; // no tilt
                let at = (rows / 2) * (rows + 1) + rows.div_ceil(2);
                assert!((image.pixels[at] - 52.0).abs() < 1e-2, "{rows} {oversampling} {}", image.pixels[at]);
            }
        }
    }

    #[test]
    fn noise_has_a_seed_and_does_not_depend_on_threads() {
        let pixels = |threads, seed| {
            let series = simulate(threads, true, &plan(24, 2, Some(seed)));
            series.version().images().iter().flat_map(|i| i.pixels.to_vec()).collect::<Vec<f32>>()
        };
        let one = pixels(1, 7);
        assert_eq!(one, pixels(3, 7));
        assert_ne!(one, pixels(1, 8));
        assert!(one.iter().all(|v| v.fract() == 0.0 && *v >= 0.0));
    }
}
