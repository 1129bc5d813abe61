//! Saving and going on: to the last bit, and no harm from files that are not what they should be.

mod common;

use aet::context::Context;
use aet::dataset::TiltSeries;
use aet::error::Error;
use aet::io::state_file;
use aet::optimize::{Stopping, Termination};
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Reconstruction, SavedState};
use common::{atoms, moved, series};
use std::path::Path;

fn new(context: &Context, series: &TiltSeries, model: LotModel, loss: LossChoice) -> Reconstruction {
    let options = LotOptions { model, loss: Some(loss), width_start: Some(0.6), ..Default::default() };
    let recon = Reconstruction::local_orbital(context, series, Some(&common::probe()), &moved(&atoms(), 0.5), &options);
    let recon = recon.unwrap();
    recon.freeze("drift", false).unwrap();
    recon
}

fn run(recon: &Reconstruction, iterations: usize) -> Termination {
    let never = Stopping { max_iterations: iterations, max_time: None, loss_tolerance: 0.0, gradient_tolerance: 0.0 };
    recon.run(&never, &mut |_| true).unwrap()
}

fn bits(recon: &Reconstruction) -> Vec<u64> {
    recon.parameters().iter().chain([&recon.loss()]).chain(&recon.r_factors()).map(|v| v.to_bits()).collect()
}

fn through_file(state: &SavedState) -> SavedState {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("zwischen stand größe.aet");
    state_file::write(&path, &state.clone().into(), &mut |_| true).unwrap();
    state_file::read(&path, &mut |_| true).unwrap().local_orbital().unwrap()
}

fn resume(context: &Context, series: &TiltSeries, state: &SavedState) -> Reconstruction {
    Reconstruction::resume(context, series, Some(&common::probe()), through_file(state)).unwrap()
}

#[test]
fn going_on_gives_the_same_bits() {
    let context = common::context(2);
    for (model, loss) in [
        (LotModel::Rigid, LossChoice::Mse),
        (LotModel::Rigid, LossChoice::Poisson),
        (LotModel::Direct, LossChoice::Mse),
        (LotModel::Direct, LossChoice::Huber),
    ] {
        let series = series(3, 2, 41, 38);
        let whole = new(&context, &series, model, loss);
        run(&whole, 8);
        let first = new(&context, &series, model, loss);
        run(&first, 4);
        let second = resume(&context, &series, &first.saved_state());
        assert_eq!(bits(&first), bits(&second), "{model:?} {loss:?}: before going on");
        run(&second, 4);
        assert_eq!(bits(&whole), bits(&second), "{model:?} {loss:?}");
        let untimed = |recon: &Reconstruction| {
            let of_history = recon.history().into_iter().map(|r| (r.iteration, r.loss.to_bits(), r.step.to_bits()));
            of_history.collect::<Vec<_>>()
        };
        assert_eq!(untimed(&whole), untimed(&second));
    }
}

#[test]
fn slices_stay_as_they_were_laid_out() {
    // Far from the start, a new plan would have other slices and margins, and so other last bits.
    let context = common::context(2);
    let series = series(3, 2, 41, 38);
    let recon = new(&context, &series, LotModel::Rigid, LossChoice::Mse);
    let far: Vec<f64> = recon.block("positions").unwrap().iter().map(|p| 1.6 * p).collect();
    recon.set_block("positions", &far).unwrap();
    let other = resume(&context, &series, &recon.saved_state());
    let x = recon.parameters();
    assert_eq!(recon.record()["slices"], other.record()["slices"]);
    let (loss, gradient) = recon.loss_and_gradient(&x).unwrap();
    assert_eq!((loss, gradient), other.loss_and_gradient(&x).unwrap());
}

#[test]
fn a_state_saved_during_a_run_is_that_of_its_iteration() {
    let context = common::context(2);
    let series = series(3, 2, 41, 38);
    let whole = new(&context, &series, LotModel::Rigid, LossChoice::Mse);
    let mut saved = None;
    let rules = Stopping { max_iterations: 8, max_time: None, loss_tolerance: 0.0, gradient_tolerance: 0.0 };
    let outcome = whole.run(&rules, &mut |progress| {
        if progress.iteration == 4 {
            saved.get_or_insert_with(|| whole.saved_state());
        }
        true
    });
    assert_eq!(outcome.unwrap(), Termination::MaxIterations);
    let second = resume(&context, &series, &saved.unwrap());
    run(&second, 4);
    assert_eq!(bits(&whole), bits(&second));
}

#[test]
fn appended_and_excluded_tilts_are_taken_up() {
    let context = common::context(2);
    let series = series(3, 2, 41, 38);
    let recon = new(&context, &series, LotModel::Direct, LossChoice::Mse);
    run(&recon, 2);
    let state = recon.saved_state();
    let (images, mut frames) = common::frames(1, 2, 41, 38);
    frames.tilt = None;
    series.append_tilt(images.view(), &frames).unwrap();
    let grown = resume(&context, &series, &state);
    assert_eq!(grown.image_count(), 6);
    run(&grown, 1);
    assert_eq!((grown.image_count(), grown.generation()), (8, recon.generation() + 1));

    series.exclude_tilt(0, true).unwrap();
    let fewer = resume(&context, &series, &grown.saved_state());
    run(&fewer, 1);
    run(&grown, 1);
    assert_eq!(bits(&fewer), bits(&grown));
}

#[test]
fn other_images_probes_and_contexts_are_refused() {
    let context = common::context(1);
    let state = new(&context, &series(3, 2, 41, 38), LotModel::Rigid, LossChoice::Mse).saved_state();
    let other = Reconstruction::resume(&context, &series(3, 2, 41, 37), Some(&common::probe()), state.clone());
    let error = other.err().unwrap();
    assert_eq!(error.code(), 302);
    assert!(error.to_string().contains("41 x 38") && error.to_string().contains("41 x 37"), "{error}");
    let without = Reconstruction::resume(&context, &series(3, 2, 41, 38), None, state);
    assert_eq!(without.err().unwrap().code(), 302);
}

fn read(path: &Path) -> Error {
    state_file::read(path, &mut |_| true).err().unwrap()
}

#[test]
fn bad_files() {
    let context = common::context(1);
    let state = new(&context, &series(2, 1, 21, 22), LotModel::Direct, LossChoice::Mse).saved_state();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    assert_eq!(read(&path).code(), 400);
    state_file::write(&path, &state.clone().into(), &mut |_| true).unwrap();
    let good = std::fs::read(&path).unwrap();
    let check = |bytes: &[u8], code: i32| {
        std::fs::write(&path, bytes).unwrap();
        let error = read(&path);
        assert_eq!(error.code(), code, "{error}");
    };
    for length in (0..good.len()).step_by(7).chain([8, 12, 24, good.len() - 1]) {
        check(&good[..length], 403);
    }
    check(b"AETSTATX", 401);
    check(b"something else that is longer than the header", 401);
    check(&[&good[..], &[0]].concat(), 401);
    let changed = |at: usize, by: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= by;
        bytes
    };
    check(&changed(0, 1), 401);
    check(&changed(8, 3), 402);
    check(&changed(12, 1), if good[12] & 1 == 1 { 401 } else { 403 });
    check(&changed(19, 0x80), 403);
    for at in (20..good.len()).step_by(5) {
        check(&changed(at, 0x10), 401);
    }
    assert_eq!(state_file::read(&path, &mut |_| false).err().unwrap().code(), 1);
    assert_eq!(state_file::write(&path, &state.into(), &mut |_| false).err().unwrap().code(), 1);
}

/// Damage that the checksum does not show: an error or a state, never a panic.
#[test]
fn undecodable_content() {
    let context = common::context(1);
    let series = series(2, 1, 21, 22);
    let recon = new(&context, &series, LotModel::Direct, LossChoice::Mse);
    run(&recon, 2);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    state_file::write(&path, &recon.saved_state().into(), &mut |_| true).unwrap();
    let good = std::fs::read(&path).unwrap();
    for at in 24..good.len().min(1200) {
        for value in [0x00, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = value;
            let checksum = crc32fast::hash(&bytes[24..]);
            bytes[20..24].copy_from_slice(&checksum.to_le_bytes());
            std::fs::write(&path, &bytes).unwrap();
            if let Ok(state) = state_file::read(&path, &mut |_| true) {
                let _ = aet::reconstruct::resume(&context, &series, Some(&common::probe()), state);
            }
        }
    }
}
