//! Volumes and atoms from images alone, on data made here.

mod common;

use aet::context::Context;
use aet::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, TiltSeries};
use aet::geometry::{self, rotation_about, Mat3, Vec3};
use aet::io::dataset_folder::{self, Which};
use aet::optics::ProbeOptions;
use aet::optimize::Termination;
use aet::problem::Progress;
use aet::reconstruct::{
    find_atoms, reconstruct_volume, Background, FindOptions, LotModel, LotOptions, Tomogram, TomographyMethod,
    TomographyOptions,
};
use aet::specimen::{compare, random_packing, Atoms, CompareOptions, Volume};
use aet::Error;
use common::context;
use ndarray::{s, Array3, Axis};

const PIXEL: f64 = 0.5;
const WIDTH: f64 = 0.5;

/// Images of Gaussian atoms exp(-r^2 / B), `drift` of image i by (0.3 i mod 1, -0.2 i mod 1), and `background`.
fn images(atoms: &[Vec3], rotations: &[Mat3], n: usize, drift: bool, background: f64) -> (Array3<f32>, Vec<[f64; 2]>) {
    let drifts: Vec<[f64; 2]> = (0..rotations.len())
        .map(|i| if drift { [(0.3 * i as f64) % 1.0, -((0.2 * i as f64) % 1.0)] } else { [0.0; 2] })
        .collect();
    let mut images = Array3::from_elem((rotations.len(), n, n), background as f32);
    for (i, rotation) in rotations.iter().enumerate() {
        for atom in atoms {
            let p = geometry::apply(rotation, atom);
            let at = |axis: usize| (n / 2) as f64 + (p[axis] + drifts[i][axis]) / PIXEL;
            let (column, row) = (at(0), at(1));
            for r in (row as usize).saturating_sub(5)..(row as usize + 6).min(n) {
                for c in (column as usize).saturating_sub(5)..(column as usize + 6).min(n) {
                    let squared = (r as f64 - row).powi(2) + (c as f64 - column).powi(2);
                    images[[i, r, c]] += (10.0 * (-squared * PIXEL * PIXEL / WIDTH).exp()) as f32;
                }
            }
        }
    }
    (images, drifts)
}

fn tilts(axis: usize, count: usize) -> Vec<Mat3> {
    (0..count).map(|i| rotation_about(axis, -75.0 + 150.0 * i as f64 / (count - 1) as f64)).collect()
}

fn series_of(images: &Array3<f32>, frames: &Frames, unit: LengthUnit) -> TiltSeries {
    let mut options = SeriesOptions { pixel_size: PIXEL, length_unit: unit, ..Default::default() };
    options.metadata.set("elements", "[\"Au\"]", "json");
    TiltSeries::new(options, images.view(), frames).unwrap()
}

fn frames(rotations: &[Mat3], drifts: Vec<[f64; 2]>) -> Frames {
    let mut frames = Frames::new(rotations.len()).with_rotations(Rotations::Matrices(rotations.to_vec()));
    frames.drift = Some(drifts);
    frames
}

fn sirt() -> TomographyOptions {
    TomographyOptions { method: TomographyMethod::Sirt, ..Default::default() }
}

fn volume_of(context: &Context, series: &TiltSeries, options: &TomographyOptions) -> Tomogram {
    reconstruct_volume(context, series, options, (None, None), &mut |_| true).unwrap()
}

/// Value of the voxel nearest to a point.
fn value_at(volume: &Volume, p: &Vec3) -> f32 {
    let shape = volume.shape();
    let index: [usize; 3] =
        std::array::from_fn(|a| ((p[2 - a] / volume.voxel_size()).round() + (shape[a] / 2) as f64) as usize);
    volume.values()[index]
}

#[test]
fn atoms_appear_where_they_are_for_tilts_about_x_and_y() {
    // A chiral triple on voxels; a wrong axis or sign moves at least one.
    let atoms = [[4.0, 0.5, 1.0], [-1.0, 5.0, 2.0], [0.5, -2.0, 6.0]];
    for axis in [0, 1] {
        let rotations = tilts(axis, 25);
        let (images, drifts) = images(&atoms, &rotations, 40, true, 3.0);
        let series = series_of(&images, &frames(&rotations, drifts), LengthUnit::Angstrom);
        let tomogram = volume_of(&context(2), &series, &sirt());
        let (volume, highest) = (&tomogram.volume, tomogram.volume.as_slice().iter().copied().fold(0.0, f32::max));
        assert_eq!((volume.shape(), volume.voxel_size(), tomogram.residuals.len()), ([40; 3], PIXEL, 25));
        for atom in &atoms {
            let here = value_at(volume, atom);
            assert!(here > 0.6 * highest, "axis {axis}, atom {atom:?}: {here} of {highest}");
            // The mirrored place is empty: a tilt of the wrong sign would have filled it.
            assert!(value_at(volume, &[atom[0], atom[1], -atom[2]]) < 0.2 * highest);
        }
        assert!(volume.as_slice().iter().all(|v| *v >= 0.0));
        assert!(tomogram.residuals[24] < 0.2 && (tomogram.residuals[0] - 1.0).abs() < 1e-9, "{:?}", tomogram.residuals);
    }
}

#[test]
fn acceleration_pays_and_the_volume_keeps_the_sum_of_the_images() {
    let atoms = random_packing(40, 9.0, 2.3, 5).unwrap();
    let rotations = tilts(1, 20);
    let (images, drifts) = images(&atoms, &rotations, 36, false, 0.0);
    let series = series_of(&images, &frames(&rotations, drifts), LengthUnit::Angstrom);
    let context = context(2);
    let plain = volume_of(&context, &series, &TomographyOptions { accelerated: false, iterations: Some(25), ..sirt() });
    let fast = volume_of(&context, &series, &sirt());
    assert!(plain.residuals.windows(2).all(|r| r[1] <= r[0]), "{:?}", plain.residuals);
    assert!(fast.residuals[24] < 0.5 * plain.residuals[24], "{} {}", fast.residuals[24], plain.residuals[24]);
    let total: f64 = images.iter().map(|v| f64::from(*v)).sum::<f64>() / 20.0;
    let sum: f64 = fast.volume.as_slice().iter().map(|v| f64::from(*v)).sum();
    assert!((sum / total - 1.0).abs() < 0.02, "{sum} {total}");
}

#[test]
fn threads_do_not_change_a_bit() {
    let atoms = random_packing(60, 10.0, 2.3, 6).unwrap();
    let rotations = tilts(0, 12);
    let (images, drifts) = images(&atoms, &rotations, 36, true, 1.0);
    let series = series_of(&images, &frames(&rotations, drifts), LengthUnit::Angstrom);
    let options = FindOptions { max_cycles: 2, fit_iterations: 10, ..Default::default() };
    let run = |threads| {
        let context = context(threads);
        let tomogram = volume_of(&context, &series, &TomographyOptions { iterations: Some(5), ..sirt() });
        let found = find_atoms(&context, &series, None, &options, &mut |_| true).unwrap();
        (tomogram.volume, tomogram.residuals, found.atoms)
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
}

#[test]
fn masked_pixels_and_excluded_tilts_take_no_part() {
    let atoms = random_packing(30, 8.0, 2.3, 7).unwrap();
    let rotations = tilts(1, 12);
    let (good, drifts) = images(&atoms, &rotations, 32, false, 0.0);
    let known = frames(&rotations, drifts);
    let mut mask = Array3::ones((12, 32, 32));
    mask.slice_mut(s![3, 10..14, ..]).fill(0);
    let context = context(2);
    let mut results = Vec::new();
    for spoil in [0.0, 1e4] {
        let mut images = good.clone();
        images.slice_mut(s![3, 10..14, ..]).fill(spoil);
        images.index_axis_mut(Axis(0), 7).fill(spoil);
        let series = series_of(&images, &Frames { mask: Some(mask.clone()), ..known.clone() }, LengthUnit::Angstrom);
        series.exclude_tilt(7, true).unwrap();
        results.push(volume_of(&context, &series, &TomographyOptions { iterations: Some(8), ..sirt() }));
    }
    assert_eq!(results[0].volume, results[1].volume);
    assert_eq!(results[0].residuals, results[1].residuals);
}

#[test]
fn foci_of_a_tilt_are_averaged() {
    let atoms = random_packing(30, 8.0, 2.3, 8).unwrap();
    let rotations = tilts(1, 10);
    let (single, drifts) = images(&atoms, &rotations, 32, false, 0.0);
    let double = Array3::from_shape_fn((20, 32, 32), |(i, r, c)| single[[i / 2, r, c]] * [0.5, 1.5][i % 2]);
    let twice: Vec<Mat3> = (0..20).map(|i| rotations[i / 2]).collect();
    let mut known = frames(&twice, vec![[0.0; 2]; 20]);
    known.tilt = Some((0..20).map(|i| i / 2).collect());
    let context = context(2);
    let options = TomographyOptions { iterations: Some(4), background: Background::None, ..sirt() };
    let one = volume_of(&context, &series_of(&single, &frames(&rotations, drifts), LengthUnit::Angstrom), &options);
    let two = volume_of(&context, &series_of(&double, &known, LengthUnit::Angstrom), &options);
    let worst = one.volume.as_slice().iter().zip(two.volume.as_slice()).map(|(a, b)| (a - b).abs());
    assert!(worst.fold(0.0, f32::max) < 1e-5);
}

#[test]
fn two_thousand_atoms_are_found_without_a_model() {
    let truth = random_packing(2000, 38.9, 2.21, 3).unwrap();
    let rotations = tilts(0, 24);
    let (images, drifts) = images(&truth, &rotations, 96, true, 2.0);
    let series = series_of(&images, &frames(&rotations, drifts), LengthUnit::Angstrom);
    let found = find_atoms(&context(2), &series, None, &FindOptions::default(), &mut |_| true).unwrap();
    let c = compare(&found.atoms, &Atoms::new(truth).unwrap(), &CompareOptions::default()).unwrap();
    println!("{} peaks, {} cycles, {:?}: {} pm", found.traced.len(), found.cycles.rows(), found.termination, c.rmsd_pm);
    assert_eq!((c.matched, c.missing, c.extra), (2000, 0, 0));
    assert!(c.rmsd_pm < 5.0 && found.termination == Termination::Stalled, "{} pm", c.rmsd_pm);
    assert!(found.atoms.species().iter().all(|z| *z == 79));
}

/// Images of another simulator (multislice): `AET_DATA_DIR`, or ../shared/data beside the repository.
#[test]
fn multislice_images_give_all_atoms() {
    let beside = || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = std::env::var_os("AET_DATA_DIR").map_or_else(beside, std::path::PathBuf::from);
    let folder = folder.join("nlot_si_multislice");
    if !folder.join("dataset.json").is_file() {
        eprintln!("skipped: no data set nlot_si_multislice (set AET_DATA_DIR)");
        return;
    }
    let series = dataset_folder::read(&folder, None, &mut |_| true).unwrap();
    let truth = dataset_folder::read_atoms(&folder, Which::Truth, None).unwrap();
    let probe = ProbeOptions::new(300e3, 25.0).build().unwrap();
    let options = FindOptions::default();
    let found = find_atoms(&context(2), &series, Some(&probe), &options, &mut |_| true).unwrap();
    let c = compare(&found.atoms, &truth, &CompareOptions::default()).unwrap();
    assert_eq!((c.matched, c.missing, c.extra, c.species_correct), (500, 0, 0, 1.0));
    assert!(c.rmsd_pm < 6.0, "{} pm", c.rmsd_pm);
}

#[test]
fn stopping_keeps_what_is_done() {
    let atoms = random_packing(30, 8.0, 2.3, 9).unwrap();
    let rotations = tilts(1, 10);
    let (images, drifts) = images(&atoms, &rotations, 32, false, 0.0);
    let series = series_of(&images, &frames(&rotations, drifts), LengthUnit::Angstrom);
    let context = context(2);
    let mut observer = |p: &Progress| p.iteration < 3;
    let tomogram = reconstruct_volume(&context, &series, &sirt(), (None, None), &mut observer).unwrap();
    assert_eq!((tomogram.termination, tomogram.residuals.len()), (Termination::Cancelled, 3));
    let short = volume_of(&context, &series, &TomographyOptions { iterations: Some(3), ..sirt() });
    assert_eq!(short.volume, tomogram.volume);
}

#[test]
fn bad_input_is_refused() {
    let rotations = tilts(1, 3);
    let (images, drifts) = images(&[[0.0; 3]], &rotations, 20, false, 0.0);
    let known = frames(&rotations, drifts);
    let series = series_of(&images, &known, LengthUnit::Angstrom);
    let context = context(1);
    let error = |series: &TiltSeries, options: &TomographyOptions| {
        reconstruct_volume(&context, series, options, (None, None), &mut |_| true).unwrap_err()
    };
    let code = |options: TomographyOptions| error(&series, &options).code();
    assert_eq!(code(TomographyOptions { iterations: Some(0), ..sirt() }), 103);
    assert_eq!(code(TomographyOptions { voxel_size: Some(0.6), ..sirt() }), 103);
    assert_eq!(code(TomographyOptions { shape: Some([0, 4, 4]), ..sirt() }), 103);
    assert_eq!(code(TomographyOptions { shape: Some([4, 4, usize::MAX]), ..sirt() }), 103);
    assert_eq!(code(TomographyOptions { memory_limit: Some(1000), ..sirt() }), 500);
    let empty = SeriesOptions { rows: Some(8), columns: Some(8), pixel_size: 1.0, ..Default::default() };
    let empty = TiltSeries::empty(empty).unwrap();
    let error = error(&empty, &sirt());
    assert!(matches!(error, Error::NotReady { .. }), "{error}");

    let find = |series: &TiltSeries, options: FindOptions| {
        find_atoms(&context, series, None, &options, &mut |_| true).unwrap_err()
    };
    assert_eq!(find(&series, FindOptions { weak: Some(1.0), ..Default::default() }).code(), 103);
    assert_eq!(find(&series, FindOptions { minimum_distance: Some(-1.0), ..Default::default() }).code(), 103);
    assert_eq!(find(&series, FindOptions { max_cycles: 0, ..Default::default() }).code(), 103);
    assert_eq!(find(&series, FindOptions { species: vec![104], ..Default::default() }).code(), 103);
    let fit = LotOptions { model: LotModel::Direct, width_start: Some(-1.0), ..Default::default() };
    assert_eq!(find(&series, FindOptions { fit, ..Default::default() }).code(), 103);
    let in_pixels = series_of(&images, &known, LengthUnit::Pixel);
    let error = find(&in_pixels, FindOptions::default());
    assert!(error.code() == 200 && error.to_string().contains("minimum_distance"), "{error}");
    let dark = series_of(&Array3::zeros(images.dim()), &known, LengthUnit::Angstrom);
    assert_eq!(find(&dark, FindOptions::default()).code(), 301);
}
