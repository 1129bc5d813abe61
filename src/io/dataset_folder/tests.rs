use std::path::{Path, PathBuf};

use ndarray::Array3;
use serde_json::{json, Value};

use super::*;
use crate::dataset::{Frames, LengthUnit, Rotations, SeriesOptions, SeriesVersion, TiltAxis, TiltSeries};
use crate::io::npy;
use crate::specimen::Atoms;

fn keep(_: f64) -> bool {
    true
}

/// A series that has everything: two tilts of two foci, masks, drifts, counts, metadata.
fn rich() -> TiltSeries {
    let mut frames = Frames::new(4).with_rotations(Rotations::SingleAxis {
        axis: TiltAxis::Y,
        degrees: vec![12.3456789, 12.3456789, -61.0, -61.0],
    });
    frames.tilt = Some(vec![0, 0, 1, 1]);
    frames.defocus = Some(vec![-30.0, 30.0, -30.0, 30.1]);
    frames.drift = Some(vec![[0.1, 0.2], [0.0, 0.0], [1.0 / 3.0, -0.5], [0.0, 1e-9]]);
    frames.noise_variance = Some(vec![0.1, f64::NAN, 0.3, 0.4]);
    frames.counts_per_unit = Some(vec![7.0, 1.0, 1.0, 2.5]);
    let mut mask = Array3::ones((4, 5, 6));
    mask[[2, 4, 5]] = 0;
    frames.mask = Some(mask);
    let mut options =
        SeriesOptions { pixel_size: 0.195, energy_ev: Some(3e5), semiangle_mrad: Some(25.0), ..Default::default() };
    options.metadata.set("name", "größe", "");
    options.metadata.set("dose", "0.1", "e/A^2");
    options.metadata.set("elements", "[\"Si\",\"Au\"]", "json");
    let images = Array3::from_shape_fn((4, 5, 6), |(i, r, c)| ((i * 30 + r * 6 + c) as f32).sin());
    let series = TiltSeries::new(options, images.view(), &frames).unwrap();
    series.exclude_tilt(1, true).unwrap();
    series
}

fn same(a: &SeriesVersion, b: &SeriesVersion) {
    assert_eq!(a.images(), b.images());
    assert_eq!(a.tilts(), b.tilts());
    assert_eq!((a.rows(), a.columns(), a.pixel_size()), (b.rows(), b.columns(), b.pixel_size()));
    assert_eq!((a.energy_ev(), a.semiangle_mrad()), (b.energy_ev(), b.semiangle_mrad()));
    assert_eq!((a.length_unit(), a.section_count()), (b.length_unit(), b.section_count()));
}

/// A small folder written here, whose `dataset.json` is then edited.
fn edited(root: &Path, edit: impl FnOnce(&mut Value)) -> PathBuf {
    let folder = root.join("small set");
    write(&rich(), None, &folder, &mut keep).unwrap();
    let path = folder.join("dataset.json");
    let mut header: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    edit(&mut header);
    std::fs::write(&path, header.to_string()).unwrap();
    folder
}

fn error(folder: &Path, variant: Option<&str>) -> (i32, String) {
    let error = read(folder, variant, &mut keep).unwrap_err();
    (error.code(), error.to_string())
}

fn entry<'a>(version: &'a SeriesVersion, key: &str) -> (&'a str, &'a str) {
    version.metadata().get(key).map_or(("", ""), |e| (e.value.as_str(), e.unit.as_str()))
}

#[test]
fn everything_comes_back_bit_by_bit() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("Größe mit Leerzeichen");
    let truth = Atoms::new(vec![[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]]).and_then(|a| a.with_species(vec![14, 79])).unwrap();
    let series = rich();
    let mut fractions = vec![];
    let mut monitor = |f| {
        fractions.push(f);
        true
    };
    write(&series, Some(&truth), &folder, &mut monitor).unwrap();
    assert!(fractions.is_sorted() && fractions.last() == Some(&1.0));
    let again = read(&folder, None, &mut keep).unwrap().version();
    same(&series.version(), &again);
    assert_eq!(entry(&again, "name"), ("größe", ""));
    assert_eq!(entry(&again, "dose"), ("0.1", "e/A^2"));
    assert_eq!(entry(&again, "elements"), ("[\"Si\",\"Au\"]", "json"));
    assert_eq!(read_atoms(&folder, Which::Truth, None).unwrap(), truth);
    assert_eq!(read_atoms(&folder, Which::Published, None).unwrap_err().code(), 301);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn a_dataset_is_replaced_and_nothing_else_is() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("set");
    write(&rich(), None, &folder, &mut keep).unwrap();
    assert_eq!(write(&rich(), None, &folder, &mut |f| f < 0.5).unwrap_err().code(), 1);
    same(&rich().version(), &read(&folder, None, &mut keep).unwrap().version());
    let other = rich();
    other.exclude_tilt(1, false).unwrap();
    write(&other, None, &folder, &mut keep).unwrap();
    same(&other.version(), &read(&folder, None, &mut keep).unwrap().version());
    assert!(!folder.join("excluded.npy").exists());
    std::fs::write(folder.join("my notes.txt"), "keep me").unwrap();
    let refused = write(&other, None, &folder, &mut keep).unwrap_err();
    assert!(refused.code() == 302 && refused.to_string().contains("my notes.txt"), "{refused}");
    let plain = root.path().join("plain");
    std::fs::create_dir(&plain).unwrap();
    std::fs::write(plain.join("thesis.tex"), "keep me").unwrap();
    assert_eq!(write(&other, None, &plain, &mut keep).unwrap_err().code(), 302);
    assert_eq!(write(&other, None, &plain.join("thesis.tex"), &mut keep).unwrap_err().code(), 400);
    assert_eq!(write(&other, None, &root.path().join("no/such"), &mut keep).unwrap_err().code(), 400);
    assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 2);
    let empty = SeriesOptions { rows: Some(2), columns: Some(2), pixel_size: 1.0, ..Default::default() };
    let empty = TiltSeries::empty(empty).unwrap();
    assert_eq!(write(&empty, None, &root.path().join("empty"), &mut keep).unwrap_err().code(), 301);
}

#[test]
fn unknown_keys_travel() {
    let root = tempfile::tempdir().unwrap();
    let folder = edited(root.path(), |h| {
        h["operator"] = json!("Zoë");
        h["lens"] = json!({"c3_mm": 0.1, "value": [1, 2.5e-7, null]});
        h["metadata"]["odd"] = json!([true]);
    });
    let first = read(&folder, None, &mut keep).unwrap();
    let copy = root.path().join("copy");
    write(&first, None, &copy, &mut keep).unwrap();
    let second = read(&copy, None, &mut keep).unwrap().version();
    for key in ["operator", "lens", "odd", "dose", "name"] {
        assert_eq!(entry(&first.version(), key), entry(&second, key));
    }
    assert_eq!(entry(&second, "lens"), ("{\"c3_mm\":0.1,\"value\":[1,2.5e-7,null]}", "json"));
}

#[test]
fn variants_and_counts() {
    let root = tempfile::tempdir().unwrap();
    let folder = edited(root.path(), |h| {
        h["files"]["counts_per_unit"] = Value::Null;
        h["variants"] =
            json!({"low": {"projections": "low.npy", "dose_per_a2": 1.6e4}, "plain": {"projections": null}});
    });
    npy::write(&folder.join("low.npy"), &[4, 5, 6], (0u16..120).map(|v| v % 7), &mut keep).unwrap();
    let low = read(&folder, Some("low"), &mut keep).unwrap().version();
    assert_eq!((low.images()[0].pixels[8], low.counts_per_unit_all()), (1.0, Some(vec![1.0; 4])));
    assert_eq!(entry(&low, "dose_per_a2"), ("16000", "e/A^2"));
    assert_eq!(entry(&low, "variant"), ("low", ""));
    assert!(read(&folder, Some("plain"), &mut keep).unwrap().version().counts_per_unit_all().is_none());
    assert!(read(&folder, None, &mut keep).unwrap().version().metadata().get("variant").is_none());
    let (code, message) = error(&folder, Some("high"));
    assert!(code == 104 && message.contains("low, plain"), "{message}");
}

#[test]
fn angles_instead_of_matrices() {
    let root = tempfile::tempdir().unwrap();
    let reference = rich().version();
    let folder = edited(root.path(), |h| {
        h["files"]["rotations"] = Value::Null;
        h["angle_order"] = json!("zyx: some words");
    });
    let again = read(&folder, None, &mut keep).unwrap().version();
    for (a, b) in again.images().iter().zip(reference.images()) {
        let pairs = a.rotation.as_flattened().iter().zip(b.rotation.as_flattened());
        assert!(pairs.map(|(p, q)| (p - q).abs()).fold(0.0, f64::max) < 1e-15);
    }
    let folder = edited(root.path(), |h| {
        h["files"]["rotations"] = Value::Null;
        h["tilt_axis"] = json!("y");
    });
    npy::write(&folder.join("angles_deg.npy"), &[4, 1], [12.3456789, 12.3456789, -61.0, -61.0], &mut keep).unwrap();
    assert_eq!(read(&folder, None, &mut keep).unwrap().version().images(), reference.images());
    npy::write(&folder.join("angles_deg.npy"), &[4], [0.2, 0.2, -1.0, -1.0], &mut keep).unwrap();
    assert_eq!(read(&folder, None, &mut keep).unwrap().warnings().len(), 1);
    npy::write(&folder.join("angles_deg.npy"), &[4, 2], [0.0; 8], &mut keep).unwrap();
    assert_eq!(error(&folder, None).0, 101);
}

#[test]
fn pixels_as_the_unit() {
    let root = tempfile::tempdir().unwrap();
    let folder = edited(root.path(), |h| {
        h["length_unit"] = json!("px");
        h["pixel_size_A"] = Value::Null;
    });
    let version = read(&folder, None, &mut keep).unwrap().version();
    assert_eq!((version.length_unit(), version.pixel_size()), (LengthUnit::Pixel, 1.0));
}

#[test]
fn headers_that_are_wrong() {
    let root = tempfile::tempdir().unwrap();
    let check = |code: i32, part: &str, edit: &dyn Fn(&mut Value)| {
        let (got, message) = error(&edited(root.path(), edit), None);
        assert!(got == code && message.contains(part), "{got}: {message}");
    };
    check(401, "schema", &|h| h["schema"] = Value::Null);
    check(401, "aet-4dstem-series/1", &|h| h["schema"] = json!("aet-4dstem-series/1"));
    check(402, "version 2", &|h| h["schema"] = json!("aet-tilt-series/2"));
    check(302, "says 5", &|h| h["images"] = json!(5));
    check(401, "pixel_size_A", &|h| h["pixel_size_A"] = Value::Null);
    check(103, "pixel_size", &|h| h["pixel_size_A"] = json!(0));
    check(401, "length_unit", &|h| h["length_unit"] = json!("nm"));
    check(107, "entrance_face", &|h| h["defocus_reference"] = json!("entrance_face"));
    check(401, "key `files`", &|h| h["files"] = json!("none"));
    check(401, "no key `files`", &|h| h["files"] = Value::Null);
    check(401, "key `energy_ev`", &|h| h["energy_ev"] = json!("300 kV"));
    check(401, "projections", &|h| h["files"]["projections"] = Value::Null);
    check(400, "gone.npy", &|h| h["files"]["defocus_A"] = json!("gone.npy"));
    check(401, "inside the folder", &|h| h["files"]["defocus_A"] = json!("../other/defocus.npy"));
    check(101, "rotations.npy", &|h| h["files"]["tilt"] = json!("rotations.npy"));
}

#[test]
fn folders_cut_short() {
    let root = tempfile::tempdir().unwrap();
    assert_eq!(error(&root.path().join("none"), None).0, 400);
    let folder = edited(root.path(), |_| {});
    for name in ["projections.npy", "rotations.npy", "tilt.npy"] {
        let path = folder.join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let (code, message) = error(&folder, None);
        assert!(code == 403 && message.contains(name), "{message}");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error(&folder, None).0, 400);
        std::fs::write(&path, whole).unwrap();
    }
    let header = folder.join("dataset.json");
    let whole = std::fs::read(&header).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 3] {
        std::fs::write(&header, &whole[..length]).unwrap();
        assert_eq!(error(&folder, None).0, 401);
    }
    std::fs::write(&header, &whole).unwrap();
    assert_eq!(read(&folder, None, &mut |_| false).unwrap_err().code(), 1);
}
