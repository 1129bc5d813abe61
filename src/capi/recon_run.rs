//! Running a reconstruction, its results

use super::aet_atoms;
use super::guard::{guard, guard_value};
use super::progress::aet_progress_fn;
use super::recon::aet_recon;
use super::recon_options::{aet_optimizer, aet_run_options};
use super::status::aet_status;
use super::table::aet_table;
use super::view::{aet_view, OutView};
use crate::optimize::{RunOptions, Termination};
use crate::reconstruct::Record;
use crate::{Error, Result};
use ndarray::{Array1, ArrayD, IxDyn};
use std::ffi::{c_char, c_void};

impl From<Termination> for aet_status {
    fn from(termination: Termination) -> Self {
        match termination {
            Termination::LossTolerance | Termination::GradientTolerance | Termination::Stalled => {
                aet_status::AET_CONVERGED
            }
            Termination::MaxIterations => aet_status::AET_MAX_ITERATIONS,
            Termination::TimeLimit => aet_status::AET_TIME_LIMIT,
            Termination::Cancelled => aet_status::AET_CANCELLED,
        }
    }
}

/// Makes one iteration: takes up a new version of the dataset, if there is one, and lowers the loss by one step of the
/// optimiser of the latest aet_recon_run (before the first: automatic). `progress` may be NULL.
///
/// AET_OK while more can be done, AET_CONVERGED, AET_MAX_ITERATIONS (the schedule of Adam has ended), AET_CANCELLED (the
/// best state is kept); AET_ERROR_NOT_READY (no images), AET_ERROR_INCONSISTENT (more free parameters than used pixels,
/// and no term of the host), AET_ERROR_NON_FINITE; AET_ERROR_BUSY while another call changes the reconstruction.
/// Callbacks come on the calling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_step(
    recon: *mut aet_recon,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_recon_step", |host| {
        let recon = host.object_exclusive(recon, "recon")?;
        let outcome = recon.step(&mut host.progress(progress, user))?;
        Ok(outcome.map_or(aet_status::AET_OK, aet_status::from))
    })
}

/// Iterates until a rule of `options` (NULL: defaults) ends it: AET_CONVERGED, AET_MAX_ITERATIONS, AET_TIME_LIMIT or
/// AET_CANCELLED. In every case the best state is kept, and another run goes on from there. Versions of the dataset that
/// appear meanwhile are taken up at the next iteration. `progress` may be NULL; it ends the run by returning non-zero,
/// and so does aet_context_request_cancel, within a second.
///
/// A run goes on with what its optimiser remembers, also after aet_recon_load; with Adam, the best state is the end of
/// the pass with the lowest mean loss. To fit some blocks first, or with one optimiser before another, call
/// aet_recon_freeze and aet_recon_run in turn.
///
/// AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION (options), AET_ERROR_NOT_READY (no images),
/// AET_ERROR_INCONSISTENT (more free parameters than used pixels, and no term of the host), AET_ERROR_NON_FINITE;
/// AET_ERROR_BUSY while another call changes the reconstruction. Callbacks come on the calling thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_run(
    recon: *mut aet_recon,
    options: *const aet_run_options,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_recon_run", |host| {
        let recon = host.object_exclusive(recon, "recon")?;
        let options = RunOptions::try_from(host.options(options)?)?;
        Ok(aet_status::from(recon.run(&options, &mut host.progress(progress, user))?))
    })
}

/// A column of the history: its name, and its value in a record.
type HistoryColumn = (&'static str, fn(&Record) -> f64);

/// Columns of the history.
const HISTORY: [HistoryColumn; 11] = [
    ("iteration", |r| r.iteration as f64),
    ("loss", |r| r.loss),
    ("r_factor", |r| r.r_factor),
    ("gradient_norm", |r| r.gradient_norm),
    ("step", |r| r.step),
    ("seconds", |r| r.seconds),
    ("evaluations", |r| r.evaluations),
    ("generation", |r| r.generation as f64),
    ("dataset_version", |r| r.dataset_version as f64),
    ("optimizer", |r| r.optimizer.map_or(f64::NAN, |method| f64::from(aet_optimizer::from(method) as i32))),
    ("r_free", |r| r.r_free),
];

/// Number of iterations in the history, those before a save included; 0 for NULL or a stale handle. Any thread; while a
/// run works it grows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_history_count(recon: *const aet_recon) -> i64 {
    guard_value(0, |host| Ok(host.object(recon, "recon")?.history().len() as i64))
}

/// Copies the first values of one column of the history into `out` [count], count at most aet_recon_history_count:
///
/// - iteration: number of the iteration, from 1
/// - loss: after the iteration; of Adam, the mean over the pass, each batch at the parameters of its moment
/// - r_factor: mean over the images of sum |measured - calculated| / sum |measured|, formula (11) of the LOT paper
/// - gradient_norm: root mean square of the gradient in parameters / scale
/// - step: root mean square of the step in parameters / scale
/// - seconds: spent in iterations so far
/// - evaluations: of all images so far; a batch counts as its part of the images, a Gauss-Newton product as one
/// - generation: of the parameters
/// - dataset_version: of the dataset
/// - optimizer: the aet_optimizer of the iteration, NaN for methods with steps of their own
/// - r_free: mean R factor over the images that are held out, NaN where none is
///
/// AET_ERROR_UNKNOWN_OPTION for another name, AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_copy_history(
    recon: *const aet_recon,
    name: *const c_char,
    out: *const aet_view,
) -> aet_status {
    guard("aet_recon_copy_history", |host| {
        let mut history = host.object(recon, "recon")?.history();
        let mut out = host.out_view(out, "out")?;
        let name = host.text(name, "name")?;
        let column = HISTORY.iter().find(|(known, _)| *known == name).ok_or_else(|| Error::UnknownOption {
            what: "column of the history".into(),
            got: name,
            known: HISTORY.map(|(known, _)| known).join(", "),
        })?;
        // A run on another thread may have made it longer since the host asked for the count.
        if let [count] = *out.shape() {
            history.truncate(count);
        }
        out.write(&history.iter().map(column.1).collect::<Array1<f64>>())
    })
}

/// Copies the R factor of every image in the latest state, sum |measured - calculated| / sum |measured| (formula (11) of
/// the LOT paper), into `out` [images]; NaN where the image is excluded or was not evaluated yet. AET_ERROR_SHAPE. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_copy_r_factors(recon: *const aet_recon, out: *const aet_view) -> aet_status {
    guard("aet_recon_copy_r_factors", |host| {
        let r_factors = host.object(recon, "recon")?.r_factors();
        host.out_view(out, "out")?.write(&Array1::from(r_factors))
    })
}

/// The R factors as a table, a row per image of the latest state: `image`, `tilt`, `section` (indices from 0), `defocus`,
/// recorded plus refined (angstrom), and `r_factor` as aet_recon_copy_r_factors has it. Values: `r_factor`, the mean, and
/// `largest` of those that are known; NaN where none is. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_r_factor_table(recon: *const aet_recon, table: *mut *mut aet_table) -> aet_status {
    guard("aet_recon_r_factor_table", |host| {
        let place = host.new_handle(table, "table")?;
        place.set(host.object(recon, "recon")?.r_factor_table()?);
        Ok(())
    })
}

/// The record of the reconstruction as JSON (UTF-8): options used, versions, instruction-set path, reason of the end,
/// totals. `*needed` is set to the bytes with the closing NUL; `buffer` NULL only asks for them. AET_ERROR_RANGE where
/// `capacity` is less. Any thread; while a run works it changes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_record(
    recon: *const aet_recon,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> aet_status {
    guard("aet_recon_record", |host| {
        let recon = host.object(recon, "recon")?;
        let place = host.out_text(buffer, capacity, needed)?;
        let text = serde_json::to_string_pretty(&recon.record()).map_err(|e| Error::Internal(e.to_string()))?;
        place.set(&text)
    })
}

/// The atoms of the latest state, with height and width of each, as a new handle. AET_ERROR_UNSUPPORTED for a
/// reconstruction of a volume. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_get_atoms(recon: *const aet_recon, atoms: *mut *mut aet_atoms) -> aet_status {
    guard("aet_recon_get_atoms", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        place.set(host.object(recon, "recon")?.atoms()?);
        Ok(())
    })
}

/// The geometry of every image, excluded ones too, in the latest state: `rotations` [images,3,3], p' = R p; `drift`
/// [images,2], (u along x', v along y') in A; `defocus` [images], recorded plus refined, in A. Any of them may be NULL.
/// AET_ERROR_SHAPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_recon_get_geometry(
    recon: *const aet_recon,
    rotations: *const aet_view,
    drift: *const aet_view,
    defocus: *const aet_view,
) -> aet_status {
    guard("aet_recon_get_geometry", |host| {
        let geometry = host.object(recon, "recon")?.geometry();
        let n = geometry.defocus.len();
        let matrices = shaped(&[n, 3, 3], geometry.rotations.into_iter().flatten().flatten().collect())?;
        let shifts = shaped(&[n, 2], geometry.drift.into_iter().flatten().collect())?;
        let foci = shaped(&[n], geometry.defocus)?;
        let mut rotations = wanted(host.optional_out_view(rotations, "rotations")?, &matrices)?;
        let mut drift = wanted(host.optional_out_view(drift, "drift")?, &shifts)?;
        let mut defocus = wanted(host.optional_out_view(defocus, "defocus")?, &foci)?;
        rotations.as_mut().map_or(Ok(()), |out| out.write(&matrices))?;
        drift.as_mut().map_or(Ok(()), |out| out.write(&shifts))?;
        defocus.as_mut().map_or(Ok(()), |out| out.write(&foci))
    })
}

fn shaped(shape: &[usize], values: Vec<f64>) -> Result<ArrayD<f64>> {
    ArrayD::from_shape_vec(IxDyn(shape), values).map_err(|e| Error::Internal(e.to_string()))
}

/// A view that can take an array: all are checked before the first is written.
fn wanted<'c>(view: Option<OutView<'c>>, array: &ArrayD<f64>) -> Result<Option<OutView<'c>>> {
    if let Some(view) = &view {
        view.expect_shape(array.shape())?;
        view.expect_holds::<f64>()?;
    }
    Ok(view)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::fixture::{common, free, message, view, Scene};
    use super::super::options::CStruct;
    use super::super::*;
    use super::*;
    use crate::specimen::Atoms;
    use std::ffi::{CStr, CString};
    use std::ptr;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    fn column(scene: &Scene, name: &CStr) -> Vec<f64> {
        // SAFETY: a handle, a string and a view of a local.
        unsafe {
            let count = aet_recon_history_count(scene.recon) as usize;
            let mut values = vec![0.0; count];
            let out = view(&mut values, &[count]);
            assert_eq!(aet_recon_copy_history(scene.recon, name.as_ptr(), &out) as i32, 0, "{}", message());
            values
        }
    }

    fn record(scene: &Scene) -> String {
        let mut needed = 0;
        // SAFETY: a handle and locals of the sizes told.
        unsafe {
            assert_eq!(aet_recon_record(scene.recon, ptr::null_mut(), 0, &raw mut needed) as i32, 0);
            let mut buffer = vec![0_u8; needed];
            let data = buffer.as_mut_ptr().cast();
            assert_eq!(aet_recon_record(scene.recon, data, needed, &raw mut needed) as i32, 0);
            assert_eq!(aet_recon_record(scene.recon, data, 10, &raw mut needed) as i32, 103);
            CStr::from_bytes_with_nul(&buffer).unwrap().to_str().unwrap().to_string()
        }
    }

    #[test]
    fn outcomes() {
        let scene = Scene::small(aet_lot_model::Direct);
        let none = ptr::null_mut();
        // SAFETY: handles, and options that live here.
        unsafe {
            assert_eq!(aet_recon_step(scene.recon, None, none), aet_status::AET_OK, "{}", message());
            let hurry = aet_run_options { max_seconds: 1e-9, ..aet_run_options::defaults() };
            assert_eq!(aet_recon_run(scene.recon, &hurry, None, none), aet_status::AET_TIME_LIMIT);
            assert_eq!(scene.run(1, &mut |_| 0), aet_status::AET_MAX_ITERATIONS);
            let easy = aet_run_options { loss_tolerance: 1e-4, ..aet_run_options::defaults() };
            assert_eq!(aet_recon_run(scene.recon, &easy, None, none), aet_status::AET_CONVERGED);
            let bad = aet_run_options { max_seconds: -1.0, ..easy };
            assert_eq!(aet_recon_run(scene.recon, &bad, None, none), aet_status::AET_ERROR_RANGE);
            assert_eq!(aet_recon_run(ptr::null_mut(), &easy, None, none), aet_status::AET_ERROR_NULL);
        }
        let record = record(&scene);
        assert!(record.contains("\"termination\": \"loss_tolerance\""), "{record}");
    }

    #[test]
    fn history_and_results() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let mut told = Vec::new();
        let status = scene.run(5, &mut |progress| {
            if progress.phase == aet_phase::Optimizing as i32 {
                told.push((progress.iteration, progress.loss));
            }
            0
        });
        assert_eq!(status, aet_status::AET_MAX_ITERATIONS, "{}", message());
        let losses = column(&scene, c"loss");
        assert_eq!(column(&scene, c"iteration"), [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{losses:?}");
        told.dedup();
        assert_eq!(told, (1..=5).zip(losses.iter().copied()).collect::<Vec<_>>());
        for (name, _) in HISTORY {
            let column = column(&scene, &CString::new(name).unwrap());
            // No image is held out.
            assert!(column.iter().all(|v| v.is_finite() == (name != "r_free")), "{name}");
        }
        let (mut r_factors, mut rotations, mut foci) = ([0.0; 6], [0.0; 54], [0.0; 6]);
        let mut atoms = ptr::null_mut();
        // SAFETY: handles, strings, views of locals.
        unsafe {
            let out = view(&mut r_factors, &[6]);
            assert_eq!(aet_recon_copy_history(scene.recon, c"colour".as_ptr(), &out) as i32, 104);
            assert!(message().contains("iteration, loss, r_factor"), "{}", message());
            assert_eq!(aet_recon_copy_history(scene.recon, c"loss".as_ptr(), &out) as i32, 101, "5 values for 6");
            assert_eq!(aet_recon_copy_r_factors(scene.recon, &out) as i32, 0, "{}", message());
            assert!(r_factors.iter().all(|r| *r > 0.0 && *r < 1.0), "{r_factors:?}");

            let (of_rotations, of_foci) = (view(&mut rotations, &[6, 3, 3]), view(&mut foci, &[6]));
            let geometry =
                |of_foci: &aet_view| aet_recon_get_geometry(scene.recon, &of_rotations, ptr::null(), of_foci);
            assert_eq!(geometry(&aet_view { ndim: 2, ..of_foci }) as i32, 101);
            assert_eq!(rotations[8], 0.0, "nothing was written");
            assert_eq!(geometry(&of_foci) as i32, 0, "{}", message());
            assert_eq!(foci, [-8.0, 0.0, -8.0, 0.0, -8.0, 0.0]);
            let of_dataset = scene.series.version().images()[5].rotation;
            let worst = (0..9).map(|i| (rotations[45 + i] - of_dataset[i / 3][i % 3]).abs()).fold(0.0, f64::max);
            assert!(worst < 1e-12, "{worst}");

            assert_eq!(aet_recon_get_atoms(scene.recon, &raw mut atoms) as i32, 0);
        }
        free(atoms);
        assert!(record(&scene).contains("\"simd\""));
    }

    #[test]
    fn callbacks_may_ask_but_not_change() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let folder = tempfile::tempdir().unwrap();
        let path = CString::new(folder.path().join("checkpoint").to_str().unwrap()).unwrap();
        let x = scene.parameters();
        let mut called = 0;
        let status = scene.run(3, &mut |_| {
            called += 1;
            let (recon, n) = (scene.recon, x.len() as i64);
            let (mut loss, mut value, mut atoms, mut snapshot) = (0.0, 0.0, ptr::null_mut(), ptr::null_mut());
            // SAFETY: handles, strings and locals of the sizes told.
            unsafe {
                assert_eq!(aet_recon_run(recon, ptr::null(), None, ptr::null_mut()), aet_status::AET_ERROR_BUSY);
                assert_eq!(aet_recon_set_parameters(recon, n, x.as_ptr()), aet_status::AET_ERROR_BUSY);
                assert_eq!(aet_recon_freeze(recon, c"widths".as_ptr(), 1), aet_status::AET_ERROR_BUSY);
                assert!(message().contains("busy"), "{}", message());
                let null = ptr::null_mut();
                let evaluated =
                    aet_recon_loss_and_gradient(recon, n, x.as_ptr(), [1_i64].as_ptr(), 1, &raw mut loss, null, null);
                assert_eq!((evaluated as i32, loss > 0.0), (0, true), "{}", message());
                assert_eq!(aet_recon_get_atoms(recon, &raw mut atoms) as i32, 0);
                assert_eq!(aet_recon_snapshot(recon, &raw mut snapshot) as i32, 0);
                assert_eq!(aet_recon_get_param(recon, c"lbfgs.memory".as_ptr(), &raw mut value) as i32, 0);
                assert_eq!(aet_recon_save(recon, path.as_ptr()) as i32, 0, "{}", message());
                assert_eq!(aet_recon_history_count(recon), aet_snapshot_iteration(snapshot));
            }
            free(atoms);
            free(snapshot);
            0
        });
        assert_eq!((status, called >= 3), (aet_status::AET_MAX_ITERATIONS, true), "{}", message());
    }

    #[test]
    fn cancelling_from_the_callback_keeps_the_best_state() {
        let scene = Scene::small(aet_lot_model::Direct);
        let status = scene.run(100, &mut |progress| i32::from(progress.iteration == 2));
        assert_eq!(status, aet_status::AET_CANCELLED);
        let losses = column(&scene, c"loss");
        assert_eq!(losses.len(), 2);
        assert!(record(&scene).contains("\"termination\": \"cancelled\""));
        assert_eq!(scene.loss(&scene.parameters()), losses[1]);
        assert_eq!(scene.run(1, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "it goes on");
        assert_eq!(column(&scene, c"iteration"), [1.0, 2.0, 3.0]);
    }

    /// A problem of which one evaluation lasts.
    fn large() -> Scene {
        let positions = (0..6000).map(|i| std::array::from_fn(|a| 160.0 * (common::noise(3 * i + a) - 0.5))).collect();
        let mut scene = Scene::inputs(common::series(8, 2, 400, 400), Atoms::new(positions).unwrap());
        let options = aet_lot_options { precision: 1, width_start: 0.6, ..aet_lot_options::defaults() };
        assert_eq!(scene.create(&options), aet_status::AET_OK, "{}", message());
        scene
    }

    #[test]
    fn cancelling_from_another_thread_takes_less_than_a_second() {
        let scene = large();
        let x = scene.parameters();
        for evaluating in [false, true] {
            let returned = AtomicBool::new(false);
            let took = std::thread::scope(|scope| {
                // A request between two evaluations would meet none of them: it is repeated.
                let canceller = scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(300));
                    let asked = Instant::now();
                    while !returned.load(Ordering::Relaxed) {
                        scene.inner.request_cancel();
                        std::thread::sleep(Duration::from_millis(50));
                    }
                    asked
                });
                let mut status = aet_status::AET_OK;
                while evaluating && status == aet_status::AET_OK {
                    let (mut loss, n, mut gradient) = (0.0, x.len() as i64, vec![0.0; x.len()]);
                    let (to_loss, to_gradient) = (&raw mut loss, gradient.as_mut_ptr());
                    let (data, none) = (x.as_ptr(), ptr::null_mut());
                    // SAFETY: a handle and locals of the sizes told.
                    status = unsafe {
                        aet_recon_loss_and_gradient(scene.recon, n, data, ptr::null(), 0, to_loss, to_gradient, none)
                    };
                }
                if !evaluating {
                    status = scene.run(i32::MAX, &mut |_| 0);
                }
                assert_eq!(status, aet_status::AET_CANCELLED, "{}", message());
                let end = Instant::now();
                returned.store(true, Ordering::Relaxed);
                end.saturating_duration_since(canceller.join().unwrap())
            });
            assert!(took < Duration::from_secs(1), "{took:?}, evaluating: {evaluating}");
        }
    }

    #[test]
    fn evaluations_and_snapshots_go_on_during_a_run() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let (x, done) = (scene.parameters(), AtomicBool::new(false));
        let first = scene.loss(&x);
        std::thread::scope(|scope| {
            let asking = scope.spawn(|| {
                let mut latest = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(scene.loss(&x), first);
                    let (mut snapshot, mut atoms) = (ptr::null_mut(), ptr::null_mut());
                    // SAFETY: handles and locals.
                    unsafe {
                        assert_eq!(aet_recon_snapshot(scene.recon(), &raw mut snapshot) as i32, 0);
                        assert!(aet_snapshot_iteration(snapshot) >= latest);
                        latest = aet_snapshot_iteration(snapshot);
                        assert_eq!(aet_snapshot_get_atoms(snapshot, &raw mut atoms) as i32, 0);
                    }
                    free(atoms);
                    free(snapshot);
                }
            });
            assert_eq!(scene.run(30, &mut |_| 0), aet_status::AET_MAX_ITERATIONS, "{}", message());
            done.store(true, Ordering::Relaxed);
            asking.join().unwrap();
        });
    }

    #[test]
    fn a_tilt_appended_during_a_run_is_taken_up() {
        let scene = Scene::small(aet_lot_model::Rigid);
        let (images, mut frames) = common::frames(1, 2, 41, 38);
        frames.tilt = None;
        let mut waiting = true;
        let status = scene.run(6, &mut |progress| {
            if progress.iteration == 3 && std::mem::take(&mut waiting) {
                std::thread::scope(|scope| {
                    scope.spawn(|| scene.series.append_tilt(images.view(), &frames).unwrap());
                });
            }
            0
        });
        assert_eq!(status, aet_status::AET_MAX_ITERATIONS, "{}", message());
        assert_eq!(column(&scene, c"dataset_version"), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(column(&scene, c"generation"), [1.0, 1.0, 1.0, 2.0, 2.0, 2.0]);
        assert_eq!(scene.parameters().len(), 58, "two more backgrounds");
    }
}
