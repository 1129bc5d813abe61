//! Counts in vacuum, as simulated images have them: nothing but sharp atoms and hardly any background. Fits with the default
//! loss have to find the atoms from the default start, whose atoms are too wide.

mod common;

use aet::context::Context;
use aet::dataset::TiltSeries;
use aet::forward::local_orbital::Orbital;
use aet::geometry::{rotation_about, Vec3};
use aet::optimize::Stopping;
use aet::problem::Want;
use aet::reconstruct::{LossChoice, LotModel, LotOptions, Reconstruction};
use aet::simulate::{local_orbital_series, SeriesPlan};
use aet::specimen::{compare, Atoms, CompareOptions};
use common::{moved, noise, probe};

const TILTS: usize = 12;

/// A cube of 27 atoms, 2.6 A apart and 0.3 A out of place.
fn truth() -> Atoms {
    let position = |i: usize| -> Vec3 {
        let at = [i % 3, i / 3 % 3, i / 9];
        std::array::from_fn(|a| 2.6 * (at[a] as f64 - 1.0) + 0.6 * (noise(3 * i + a) - 0.5))
    };
    Atoms::new((0..27).map(position).collect()).unwrap().with_species(vec![14; 27]).unwrap()
}

fn true_width(model: LotModel) -> f64 {
    if model == LotModel::Direct {
        0.2
    } else {
        0.1
    }
}

/// Counts of sharp atoms on `background` counts, on a grid twice as fine as the images.
fn series(context: &Context, model: LotModel, height: f64, background: f64) -> TiltSeries {
    let angle = |t: usize| -72.0 + 144.0 * t as f64 / (TILTS - 1) as f64;
    let plan = SeriesPlan {
        rows: 30,
        columns: 30,
        pixel_size: 0.5,
        rotations: (0..TILTS).map(|t| rotation_about(1, angle(t))).collect(),
        foci: vec![0.0],
        orbital: Orbital::default(),
        width: true_width(model),
        height,
        background,
        oversampling: 2,
        slice_thickness: 2.0,
        seed: Some(5),
    };
    local_orbital_series(context, &truth(), (model == LotModel::Rigid).then_some(&probe()), &plan).unwrap()
}

/// A fit that starts from `atoms`.
fn fit(
    context: &Context,
    series: &TiltSeries,
    model: LotModel,
    loss: Option<LossChoice>,
    atoms: &Atoms,
    width: f64,
) -> Reconstruction {
    let options = LotOptions { model, loss, width_start: Some(width), ..Default::default() };
    let probe = (model == LotModel::Rigid).then(probe);
    Reconstruction::local_orbital(context, series, probe.as_ref(), atoms, &options).unwrap()
}

fn loss(recon: &Reconstruction) -> f64 {
    recon.loss_and_gradient(&recon.parameters()).unwrap().0
}

fn run(recon: &Reconstruction) -> (usize, f64) {
    recon.run(&Stopping { max_iterations: 300, ..Default::default() }, &mut |_| true).unwrap();
    let found = compare(&recon.atoms().unwrap(), &truth(), &CompareOptions::default()).unwrap();
    (found.matched, found.rmsd_pm)
}

#[test]
fn too_wide_atoms_in_vacuum_find_their_places() {
    let context = common::context(2);
    for model in [LotModel::Direct, LotModel::Rigid] {
        for (height, background) in [(1000.0, 5.0), (1000.0, 0.5), (200.0, 0.2)] {
            let series = series(&context, model, height, background);
            let near = fit(&context, &series, model, None, &truth(), true_width(model));
            let (_, best) = run(&near);
            for width in [0.5, 1.0] {
                let far = fit(&context, &series, model, None, &moved(&truth(), 0.5), width);
                let counts = fit(&context, &series, model, Some(LossChoice::Poisson), &moved(&truth(), 0.5), width);
                assert_eq!(loss(&far), loss(&counts)); // the default
                let (matched, rmsd) = run(&far);
                println!(
                    "{model:?} {height} {background} {width}: {matched} at {rmsd:.3} pm, from the truth {best:.3}"
                );
                // The same minimum as from the truth.
                assert!(matched == 27 && rmsd < 1.05 * best, "{model:?} {height} {background} {width}: {rmsd}");
                let scale = near.loss().abs();
                assert!((far.loss() - near.loss()).abs() < 1e-4 * scale, "{} {}", far.loss(), near.loss());
            }
        }
    }
}

#[test]
fn the_start_has_the_intensities_of_least_loss() {
    let context = common::context(2);
    let series = series(&context, LotModel::Direct, 1000.0, 0.5);
    for choice in [LossChoice::Poisson, LossChoice::Mse] {
        let recon = fit(&context, &series, LotModel::Direct, Some(choice), &moved(&truth(), 0.5), 0.8);
        let x = recon.parameters();
        let gradient = recon.evaluate(&x, None, Want { gradient: true, r_factors: false }).unwrap().gradient;
        let (layout, heights) = (recon.layout(), recon.block("heights").unwrap());
        let of = |name: &str| {
            let offset = layout.offset(name).unwrap();
            &gradient[offset..offset + layout.block(name).unwrap().len()]
        };
        // Backgrounds by themselves and all heights together: what moves them by a part of their scale changes nothing.
        let scale = layout.block("background").unwrap().scale;
        let steepest = of("background").iter().fold(0.0_f64, |m, g| m.max((g * scale).abs()));
        let together: f64 = of("heights").iter().zip(&heights).map(|(g, h)| g * h).sum();
        let images: f64 = series.version().images().iter().map(|i| i.pixels.iter().sum::<f32>() as f64).sum();
        let typical = match choice {
            LossChoice::Poisson => images / (TILTS * 900) as f64,
            _ => loss(&recon),
        };
        println!("{choice:?}: {:.1e} {:.1e}", steepest / typical.sqrt(), together / typical);
        assert!(steepest < 1e-2 * typical.sqrt() && together.abs() < 1e-2 * typical);
        let predicted = recon.predict(&x, None).unwrap();
        let darkest = predicted.iter().copied().fold(f64::INFINITY, f64::min);
        assert_eq!(darkest > 0.0, choice == LossChoice::Poisson, "{choice:?}: {darkest}");
    }
}
