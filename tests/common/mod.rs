//! Small self-made problems shared by the tests.
#![allow(dead_code)]

use aet::context::{Context, ContextOptions};
use aet::dataset::{Frames, Rotations, SeriesOptions, TiltSeries};
use aet::geometry::{self, Mat3, Vec3};
use aet::optics::{Probe, ProbeOptions};
use aet::reconstruct::{LotOptions, Reconstruction};
use aet::simd::SimdPath;
use aet::specimen::Atoms;
use ndarray::Array3;

pub const PIXEL: f64 = 0.4;

pub fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

pub fn context_on(simd: SimdPath) -> Context {
    Context::new(&ContextOptions { threads: Some(2), simd: Some(simd) }).unwrap()
}

pub fn probe() -> Probe {
    ProbeOptions::new(300e3, 25.0).build().unwrap()
}

/// A number in 0..1 that looks random.
pub fn noise(i: usize) -> f64 {
    let x = (i as f64 * 12.9898 + 4.1414).sin() * 43758.5453;
    x - x.floor()
}

/// Twelve atoms of two species within 4 A of the origin.
pub fn atoms() -> Atoms {
    let positions: Vec<Vec3> = (0..12).map(|i| std::array::from_fn(|a| 7.0 * (noise(3 * i + a) - 0.5))).collect();
    let species = (0..12).map(|i| if i % 3 == 0 { 14 } else { 79 }).collect();
    Atoms::new(positions).unwrap().with_species(species).unwrap()
}

pub fn moved(atoms: &Atoms, by: f64) -> Atoms {
    let positions = atoms.positions().iter().enumerate();
    let positions = positions.map(|(i, p)| std::array::from_fn(|a| p[a] + by * (2.0 * noise(77 + 3 * i + a) - 1.0)));
    Atoms::new(positions.collect()).unwrap().with_species(atoms.species().to_vec()).unwrap()
}

/// Rotations of a plan with all three angles in use.
pub fn rotations(tilts: usize) -> Vec<Mat3> {
    (0..tilts)
        .map(|t| geometry::AngleOrder::Zyx.rotation(&[3.0 * t as f64, -2.0, -50.0 + 100.0 * t as f64 / tilts as f64]))
        .collect()
}

/// A series of `tilts` x `sections` images of plain Gaussians with some structure of their own, so that residuals
/// are not small; foci -8, 0, 8 A, ... in order of sections.
pub fn series(tilts: usize, sections: usize, rows: usize, columns: usize) -> TiltSeries {
    let (images, frames) = frames(tilts, sections, rows, columns);
    let options =
        SeriesOptions { pixel_size: PIXEL, energy_ev: Some(300e3), semiangle_mrad: Some(25.0), ..Default::default() };
    TiltSeries::new(options, images.view(), &frames).unwrap()
}

pub fn frames(tilts: usize, sections: usize, rows: usize, columns: usize) -> (Array3<f32>, Frames) {
    let n = tilts * sections;
    let of_tilt = rotations(tilts);
    let matrices: Vec<Mat3> = (0..n).map(|i| of_tilt[i / sections]).collect();
    let atoms = atoms();
    let images = Array3::from_shape_fn((n, rows, columns), |(i, r, c)| {
        let y = (r as f64 - (rows / 2) as f64) * PIXEL;
        let x = (c as f64 - (columns / 2) as f64) * PIXEL;
        let sum: f64 = atoms
            .positions()
            .iter()
            .map(|p| geometry::apply(&matrices[i], p))
            .map(|p| (-((x - p[0]).powi(2) + (y - p[1]).powi(2)) / 0.7).exp())
            .sum();
        (5.0 * sum + 1.0 + 0.5 * noise(i * rows * columns + r * columns + c)) as f32
    });
    let mut frames = Frames::new(n).with_rotations(Rotations::Matrices(matrices));
    frames.tilt = Some((0..n).map(|i| (i / sections) as i64).collect());
    frames.section = Some((0..n).map(|i| (i % sections) as i64).collect());
    frames.defocus = Some((0..n).map(|i| 8.0 * ((i % sections) as f64 - (sections / 2) as f64)).collect());
    (images, frames)
}

/// A change of a value of a block that images feel as they feel an angstrom or a degree.
pub fn unit(block: &str) -> f64 {
    match block {
        "astigmatism" => 5.0,
        "coma" => 200.0,
        "spherical" => 5e3,
        "blur" => 0.05,
        "broadening" | "attenuation" => 0.005,
        "probe" => 1e-3,
        _ => 1.0,
    }
}

/// A reconstruction with every block freed that the model allows, moved away from special values.
pub fn free_reconstruction(context: &Context, options: &LotOptions) -> Reconstruction {
    let series = series(3, 2, 41, 38);
    let recon =
        Reconstruction::local_orbital(context, &series, Some(&probe()), &moved(&atoms(), 0.3), options).unwrap();
    for block in recon.layout().blocks {
        if block.locked.is_none() {
            recon.freeze(block.name, false).unwrap();
        }
        let jitter = match block.name {
            "drift" | "depth_offset" | "defocus" | "angles" => 0.4,
            "scale" | "heights" | "background" | "widths" => 0.05,
            "positions" => 0.0,
            name => 0.5 * unit(name),
        };
        let values: Vec<f64> =
            recon.block(block.name).unwrap().iter().enumerate().map(|(i, v)| v + jitter * (noise(i) - 0.5)).collect();
        let values: Vec<f64> = values.into_iter().map(|v| v.max(block.lower)).collect();
        recon.set_block(block.name, &values).unwrap();
    }
    recon
}
