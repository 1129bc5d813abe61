//! The local-orbital model: against its plain twin, gradients of every block, adjoints, threads, paths, dirty scratch.

mod common;

use aet::check;
use aet::forward::local_orbital::reference::Reference;
use aet::forward::local_orbital::{DepthMode, Interaction, Orbital, Sharing, Slicing};
use aet::geometry::{self, AngleOrder, Vec3};
use aet::problem::Want;
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Precision, Reconstruct, Reconstruction};
use aet::simd::SimdPath;
use common::{atoms, free_reconstruction, noise, series};

const BLOCKS: [&str; 16] = [
    "positions",
    "heights",
    "widths",
    "drift",
    "depth_offset",
    "defocus",
    "angles",
    "scale",
    "background",
    "astigmatism",
    "coma",
    "spherical",
    "blur",
    "broadening",
    "attenuation",
    "probe",
];

type Model = (LotModel, Slicing, DepthMode);

const DIRECT: Model = (LotModel::Direct, Slicing::Linear, DepthMode::Auto);
const LINEAR: Model = (LotModel::Rigid, Slicing::Linear, DepthMode::Slices);
const HARD: Model = (LotModel::Rigid, Slicing::Hard, DepthMode::Slices);
const TEMPLATES: Model = (LotModel::Rigid, Slicing::Linear, DepthMode::Templates);
const ADAPTIVE: Model = (LotModel::Adaptive, Slicing::Linear, DepthMode::Slices);
const KNOTS: Model = (LotModel::Adaptive, Slicing::Linear, DepthMode::Knots);

fn options((model, slicing, mode): Model, loss: LossChoice, precision: Precision) -> LotOptions {
    let height_sharing = Some(Sharing::Atom);
    LotOptions {
        model,
        slicing,
        mode,
        loss: Some(loss),
        precision,
        height_sharing,
        width_start: Some(0.6),
        probe_side: Some(7),
        ..Default::default()
    }
}

/// Worst relative error of each block's gradient against central differences.
fn gradient_errors(recon: &Reconstruction, step: f64) -> Vec<(&'static str, f64)> {
    let x = recon.parameters();
    let layout = recon.layout();
    BLOCKS
        .iter()
        .filter_map(|name| {
            let offset = layout.offset(name)?;
            let block = layout.block(name).unwrap();
            // pixels are many: a few hundred of them
            let which: Vec<usize> = (0..block.len()).step_by(1 + block.len() / 60).map(|i| offset + i).collect();
            let step = step * common::unit(name);
            let mut loss = |x: &[f64]| recon.loss_and_gradient(x);
            let report = check::gradient(&mut loss, &x, &which, &|_| step).unwrap();
            Some((*name, report.worst))
        })
        .collect()
}

#[test]
fn every_block_has_the_exact_gradient_in_double_precision() {
    let context = common::context(2);
    for model in [DIRECT, LINEAR, HARD, TEMPLATES, ADAPTIVE, KNOTS] {
        for loss in [LossChoice::Mse, LossChoice::Poisson] {
            let recon = free_reconstruction(&context, &options(model, loss, Precision::Double));
            let errors = gradient_errors(&recon, 2e-4);
            let wanted = match model {
                DIRECT => 7,
                HARD => 14,
                ADAPTIVE | KNOTS => 9,
                _ => 15,
            };
            assert_eq!(errors.len(), wanted, "{model:?}");
            for (name, error) in errors {
                println!("{model:?} {loss:?} {name}: {error:.1e}");
                // Hard slices: an atom's image depends on its depth through the slice it is in, which differences
                // of positions and angles would only see at an edge.
                assert!(error < 1e-6, "{model:?} {loss:?} {name}: {error:.3e}");
            }
        }
    }
}

#[test]
fn single_precision_gradients_are_near_those_of_double() {
    let context = common::context(2);
    for model in [DIRECT, LINEAR, TEMPLATES, ADAPTIVE] {
        for loss in [LossChoice::Mse, LossChoice::Poisson] {
            let [single, double] = [Precision::Single, Precision::Double]
                .map(|p| LotOptions { cutoff: Some(3.4), ..options(model, loss, p) }) // equal windows, equal grids
                .map(|options| free_reconstruction(&context, &options));
            let x = double.parameters();
            let (f, g) = single.loss_and_gradient(&x).unwrap();
            let (f64_, g64) = double.loss_and_gradient(&x).unwrap();
            assert!((f / f64_ - 1.0).abs() < 1e-4, "{model:?} {loss:?} {f} {f64_}");
            let layout = double.layout();
            for name in BLOCKS {
                let Some(offset) = layout.offset(name) else { continue };
                let range = offset..offset + layout.block(name).unwrap().len();
                let largest = g64[range.clone()].iter().fold(0.0f64, |m, g| m.max(g.abs()));
                let worst = range.map(|i| (g[i] - g64[i]).abs()).fold(0.0, f64::max);
                println!("{model:?} {loss:?} {name}: {:.1e}", worst / largest);
                assert!(worst < 1e-3 * largest, "{model:?} {loss:?} {name}: {:.3e}", worst / largest);
            }
        }
    }
}

#[test]
fn fast_model_equals_its_plain_twin() {
    let context = common::context(2);
    for model in [DIRECT, LINEAR, HARD] {
        for (sharing, orbital) in [
            (Sharing::Atom, Orbital::default()),
            (Sharing::Species, Orbital::slater(None).unwrap()),
            (Sharing::Common, Orbital::default()),
        ] {
            let mut options = LotOptions { orbital, ..options(model, LossChoice::Mse, Precision::Double) };
            (options.height_sharing, options.width_sharing) = (Some(sharing), Some(sharing));
            let series = series(2, 2, 41, 38);
            let probe = common::probe();
            let recon = Reconstruction::local_orbital(&context, &series, Some(&probe), &atoms(), &options).unwrap();
            let images = recon.predict(&recon.parameters(), None).unwrap();
            let twin = twin_images(&recon, &series.version(), &probe, &options, sharing);
            let largest = twin.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            let worst = images.iter().zip(&twin).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            println!("{model:?} {sharing:?}: {:.1e}", worst / largest);
            // The rigid twin cuts the probes' tails at the image border, the fast one wraps them on a larger grid.
            let tolerance = if model == DIRECT { 1e-12 } else { 2e-3 };
            assert!(worst < tolerance * largest, "{model:?} {sharing:?}: {:.3e}", worst / largest);
        }
    }
}

fn twin_images(
    recon: &Reconstruction,
    version: &aet::dataset::SeriesVersion,
    probe: &aet::optics::Probe,
    options: &LotOptions,
    sharing: Sharing,
) -> Vec<f64> {
    use aet::forward::local_orbital::{Blocks, ImageGeometry, SeriesGeometry};
    let geometry = SeriesGeometry {
        rows: version.rows(),
        columns: version.columns(),
        pixel_size: version.pixel_size(),
        images: version
            .images()
            .iter()
            .map(|i| ImageGeometry { tilt: i.tilt, section: i.section, defocus: i.defocus })
            .collect(),
        tilts: version.tilts().len(),
        sections: version.section_count(),
        angle_order: aet::geometry::AngleOrder::Zyx,
    };
    let groups = sharing.groups(atoms().species());
    let interaction = match options.model {
        LotModel::Direct => Interaction::Direct,
        _ => Interaction::Rigid {
            probe: Box::new(probe.clone()),
            slice_thickness: options.slice_thickness,
            slicing: options.slicing,
            mode: options.mode,
            tolerance: options.depth_error,
            pixels: None,
        },
    };
    let parameters: Vec<f64> = recon.layout().blocks.iter().flat_map(|b| recon.block(b.name).unwrap()).collect();
    let blocks = Blocks::new(&geometry, &groups, &groups);
    let slices = recon.record()["slices"].as_u64().unwrap() as usize;
    let twin = Reference {
        series: &geometry,
        blocks: &blocks,
        height_groups: &groups,
        width_groups: &groups,
        orbital: &options.orbital,
        interaction: &interaction,
        slices,
    };
    (0..geometry.images.len()).flat_map(|i| twin.image(&parameters, i).unwrap().into_iter()).collect()
}

#[test]
fn images_are_linear_in_the_heights_and_pull_back_is_the_adjoint() {
    let context = common::context(2);
    for (precision, tolerance) in [(Precision::Double, 1e-12), (Precision::Single, 1e-5)] {
        for model in [DIRECT, LINEAR, HARD, TEMPLATES] {
            let recon = free_reconstruction(&context, &options(model, LossChoice::Mse, precision));
            let background = recon.layout().block("background").unwrap().len();
            recon.set_block("background", &vec![0.0; background]).unwrap();
            let x = recon.parameters();
            let at = recon.layout().offset("heights").unwrap();
            let n = recon.layout().block("heights").unwrap().len();
            let heights: Vec<f64> = x[at..at + n].to_vec();
            let images = recon.predict(&x, None).unwrap();
            let residual: Vec<f64> = (0..images.len()).map(|i| noise(i) - 0.5).collect();
            let gradient = recon.pull_back(&x, None, &residual).unwrap();
            let report = check::adjoint(&heights, &gradient[at..at + n], &images, &residual);
            println!("{precision:?} {model:?} {:.1e} factor {}", report.error, report.factor);
            assert!(report.error < tolerance, "{precision:?} {model:?}: {report:?}");
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    for (model, precision) in [(LINEAR, Precision::Single), (LINEAR, Precision::Double), (TEMPLATES, Precision::Single)]
    {
        let options = options(model, LossChoice::Mse, precision);
        let of_threads = |threads: usize| {
            let context = common::context(threads);
            let recon = free_reconstruction(&context, &options);
            let x = recon.parameters();
            let first = recon.loss_and_gradient(&x).unwrap();
            let again = recon.loss_and_gradient(&x).unwrap(); // dirty workspaces
            assert_eq!(first, again);
            let rules = aet::optimize::Stopping { max_iterations: 5, ..Default::default() };
            recon.run(&rules, &mut |_| true).unwrap();
            (first, recon.parameters(), recon.loss().to_bits())
        };
        let one = of_threads(1);
        assert!(one == of_threads(2) && one == of_threads(3));
    }
}

#[test]
fn all_instruction_sets_agree() {
    for model in [LINEAR, TEMPLATES] {
        let of_path = |path: SimdPath| {
            let options = options(model, LossChoice::Mse, Precision::Double);
            let recon = free_reconstruction(&common::context_on(path), &options);
            let x = recon.parameters();
            recon.loss_and_gradient(&x).unwrap()
        };
        let (loss, gradient) = of_path(SimdPath::Portable);
        let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
        for path in [SimdPath::Avx2, SimdPath::Avx512] {
            if path.checked().is_err() {
                println!("skipped: this processor lacks {}", path.name());
                continue;
            }
            let (f, g) = of_path(path);
            assert!((f / loss - 1.0).abs() < 1e-12);
            assert!(g.iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-11 * largest), "{model:?} {path:?}");
        }
    }
}

#[test]
fn subsets_add_up_and_tell_each_image() {
    let context = common::context(2);
    let recon = free_reconstruction(&context, &options(TEMPLATES, LossChoice::Mse, Precision::Double));
    let x = recon.parameters();
    let want = Want { gradient: true, r_factors: true };
    let all = recon.evaluate(&x, None, want).unwrap();
    let odd = recon.evaluate(&x, Some(&[5, 1, 3]), want).unwrap();
    let even = recon.evaluate(&x, Some(&[0, 2, 4]), want).unwrap();
    assert!((all.loss - 0.5 * (odd.loss + even.loss)).abs() < 1e-12 * all.loss);
    for i in 0..x.len() {
        assert!((all.gradient[i] - 0.5 * (odd.gradient[i] + even.gradient[i])).abs() < 1e-10);
    }
    assert!((odd.image_losses[0] - all.image_losses[5]).abs() < 1e-13 && odd.r_factors[1] == all.r_factors[1]);
    assert_eq!(recon.evaluate(&x, Some(&[6]), want).unwrap_err().code(), 103);
    assert_eq!(recon.evaluate(&x, Some(&[1, 1]), want).unwrap_err().code(), 302);
    assert_eq!(recon.evaluate(&x[1..], None, want).unwrap_err().code(), 108);
}

#[test]
fn r_factors_come_with_their_images() {
    let context = common::context(2);
    let recon = free_reconstruction(&context, &options(TEMPLATES, LossChoice::Mse, Precision::Double));
    let before = recon.r_factor_table().unwrap();
    assert!(before.rows() == 6 && before.value("r_factor").unwrap().is_nan());
    recon.step(&mut |_| true).unwrap();
    let table = recon.r_factor_table().unwrap();
    let (r, version) = (recon.r_factors(), recon.version());
    assert_eq!(table.column("r_factor").unwrap(), r);
    for (i, image) in version.images().iter().enumerate() {
        let at = |name| table.column(name).unwrap()[i];
        assert_eq!((at("image"), at("tilt"), at("section")), (i as f64, image.tilt as f64, image.section as f64));
        assert_eq!(at("defocus"), recon.geometry().defocus[i]);
    }
    assert!((table.value("r_factor").unwrap() - r.iter().sum::<f64>() / 6.0).abs() < 1e-15);
    assert_eq!(table.value("largest").unwrap(), r.iter().copied().fold(0.0, f64::max));
}

#[test]
fn drift_shifts_images_of_both_models_alike() {
    // A whole pixel of drift along x' and y' moves the image by one pixel.
    let context = common::context(2);
    for model in [DIRECT, LINEAR, TEMPLATES] {
        let series = series(1, 1, 40, 40);
        let options = options(model, LossChoice::Mse, Precision::Double);
        let recon =
            Reconstruction::local_orbital(&context, &series, Some(&common::probe()), &atoms(), &options).unwrap();
        let x = recon.parameters();
        let still = recon.predict(&x, None).unwrap();
        recon.set_block("drift", &[common::PIXEL, -common::PIXEL]).unwrap();
        let moved = recon.predict(&x, None).unwrap();
        let largest = still.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for r in 5..35 {
            for c in 5..35 {
                let difference = moved[r * 40 + c] - still[(r + 1) * 40 + c - 1];
                assert!(difference.abs() < 1e-9 * largest, "{model:?} {r} {c} {difference}");
            }
        }
    }
}

/// Blocks whose values change, all at once.
type Blocks = [(&'static str, Vec<f64>)];

#[test]
fn images_do_not_tell_common_turns_and_shifts() {
    let context = common::context(2);
    for model in [DIRECT, LINEAR, TEMPLATES] {
        let recon = free_reconstruction(&context, &options(model, LossChoice::Mse, Precision::Double));
        let of = |name: &str| recon.block(name).unwrap();
        let vectors = |name: &str| -> Vec<Vec3> { of(name).chunks_exact(3).map(|v| [v[0], v[1], v[2]]).collect() };
        let (atoms, angles) = (vectors("positions"), vectors("angles"));
        let rotations: Vec<_> = angles.iter().map(|a| AngleOrder::Zyx.rotation(a)).collect();
        let before = recon.loss_and_gradient(&recon.parameters()).unwrap().0;
        let changed = |blocks: &Blocks| {
            let old: Vec<_> = blocks.iter().map(|(name, _)| (*name, of(name))).collect();
            blocks.iter().for_each(|(name, values)| recon.set_block(name, values).unwrap());
            let loss = recon.loss_and_gradient(&recon.parameters()).unwrap().0;
            old.iter().for_each(|(name, values)| recon.set_block(name, values).unwrap());
            ((loss - before) / before).abs()
        };
        // atoms one way, tilts the other
        let turn = AngleOrder::Zyx.rotation(&[2.0, -1.5, 3.0]);
        let back = geometry::transpose(&turn);
        let turned: Vec<f64> = atoms.iter().flat_map(|p| geometry::apply(&turn, p)).collect();
        let tilts = rotations.iter().flat_map(|r| AngleOrder::Zyx.angles(&geometry::multiply(r, &back))).collect();
        let turns = [("positions", turned), ("angles", tilts)];
        // atoms one way, drifts and depth offsets the other
        let by = [0.2, -0.3, 0.25];
        let shifted: Vec<f64> = atoms.iter().flat_map(|p| std::array::from_fn::<_, 3, _>(|a| p[a] + by[a])).collect();
        let seen: Vec<Vec3> = rotations.iter().map(|r| geometry::apply(r, &by)).collect();
        let (mut drift, mut depth) = (of("drift"), of("depth_offset"));
        let sections = drift.len() / 2 / seen.len();
        drift.iter_mut().enumerate().for_each(|(i, v)| *v -= seen[i / 2 / sections][i % 2]);
        depth.iter_mut().zip(&seen).for_each(|(v, seen)| *v -= seen[2]);
        let mut shifts = vec![("positions", shifted), ("drift", drift)];
        if model != DIRECT {
            shifts.push(("depth_offset", depth));
        }
        let (turns_apart, alone) = (changed(&turns), changed(&turns[..1]));
        let (shifts_apart, shift_alone) = (changed(&shifts), changed(&shifts[..1]));
        println!("{model:?}: {turns_apart:.1e} of {alone:.1e}, {shifts_apart:.1e} of {shift_alone:.1e}");
        // grids and depths are laid out anew for other positions
        assert!(turns_apart < 1e-4 * alone && shifts_apart < 1e-4 * shift_alone);
    }
}
