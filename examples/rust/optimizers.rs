//! How fast the optimisers are: passes over all images and seconds until the positions are within 5 % of the distance
//! from the truth at which they end up.
//!
//! ```text
//! cargo run --release --example optimizers [-- --threads N] [--only NAME,NAME] [--problem NAME,NAME] [--atoms N]
//!   [--batch FRACTION] [--iterations N] [--set KNOB=VALUE,KNOB=VALUE]
//! ```
//! The problems: `np1` and `np1-truth` are the measured amorphous particle of the data folder AET_DATA_DIR (skipped
//! where it is missing) from its published atoms and from truth + 0.3 A; `ball` and `ball-noise` are self-made: 2,000
//! atoms in a ball, 24 tilts x 3 foci, rigid, without noise and with that of counts (240 at the centre of an atom before
//! the probe blurs it), from truth + 0.3 A and a width of 0.5 instead of 0.35 A^2. The distance to reach is 1.05 times the
//! one that L-BFGS has at its end, the same for all methods, and 1 pm where that is the larger.

#[path = "ball.rs"]
mod ball;

use aet::context::{Context, ContextOptions};
use aet::dataset::TiltSeries;
use aet::io::dataset_folder::{self, Which};
use aet::optics::Probe;
use aet::optimize::{BatchOptions, Optimizer, RunOptions, Stopping};
use aet::reconstruct::{LotModel, LotOptions, Reconstruction};
use aet::specimen::{compare, Atoms, CompareOptions};
use aet::Result;
use ball::{moved, Ball};
use std::path::PathBuf;

struct Problem {
    name: &'static str,
    series: TiltSeries,
    probe: Option<Probe>,
    start: Atoms,
    truth: Atoms,
    options: LotOptions,
}

struct Arguments {
    threads: Option<usize>,
    only: Vec<String>,
    problems: Vec<String>,
    atoms: usize,
    batch: Option<f64>,
    iterations: usize,
    set: Vec<(String, f64)>,
}

fn parse() -> std::result::Result<Arguments, Box<dyn std::error::Error>> {
    let mut cli = pico_args::Arguments::from_env();
    let list = |text: Option<String>| -> Vec<String> {
        text.map(|t| t.split(',').map(str::to_string).collect()).unwrap_or_default()
    };
    let knob = |text: &String| -> std::result::Result<(String, f64), Box<dyn std::error::Error>> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form KNOB=VALUE"))?;
        Ok((name.into(), value.parse()?))
    };
    let arguments = Arguments {
        threads: cli.opt_value_from_str("--threads")?,
        only: list(cli.opt_value_from_str("--only")?),
        problems: list(cli.opt_value_from_str("--problem")?),
        atoms: cli.opt_value_from_str("--atoms")?.unwrap_or(2000),
        batch: cli.opt_value_from_str("--batch")?,
        iterations: cli.opt_value_from_str("--iterations")?.unwrap_or(150),
        set: list(cli.opt_value_from_str("--set")?).iter().map(knob).collect::<std::result::Result<_, _>>()?,
    };
    let rest = cli.finish();
    if !rest.is_empty() {
        return Err(format!("unknown arguments {rest:?}").into());
    }
    Ok(arguments)
}

fn ball(context: &Context, atoms: usize, name: &'static str) -> Result<Problem> {
    let seed = (name == "ball-noise").then_some(11);
    let Ball { series, probe, truth } = Ball::new(context, atoms, 240.0, seed)?;
    let start = moved(&truth, 0.3)?;
    let options = LotOptions { width_start: Some(0.5), ..Default::default() };
    Ok(Problem { name, series, probe: Some(probe), start, truth, options })
}

fn particle(name: &'static str) -> Result<Option<Problem>> {
    let folder = std::env::var_os("AET_DATA_DIR").map_or_else(|| "../shared/data".into(), PathBuf::from);
    let (folder, variant) = (folder.join("np1_asi208"), Some("1p6e5"));
    if !folder.is_dir() {
        println!("{name}: skipped, there is no {}", folder.display());
        return Ok(None);
    }
    let series = dataset_folder::read(&folder, variant, &mut |_| true)?;
    let truth = dataset_folder::read_atoms(&folder, Which::Truth, variant)?;
    let start = match name {
        "np1" => dataset_folder::read_atoms(&folder, Which::Published, variant)?,
        _ => moved(&truth, 0.3)?,
    };
    let options = LotOptions { model: LotModel::Direct, ..Default::default() };
    Ok(Some(Problem { name, series, probe: None, start, truth, options }))
}

/// What a run of one method gave.
struct Course {
    /// Passes over all images, seconds and distance in pm after every iteration.
    points: Vec<[f64; 3]>,
    loss: f64,
}

impl Course {
    fn end(&self) -> f64 {
        self.points.last().map_or(f64::NAN, |p| p[2])
    }

    fn first_within(&self, distance: f64) -> Option<&[f64; 3]> {
        let last_outside = self.points.iter().rposition(|p| p[2] > distance);
        self.points.get(last_outside.map_or(0, |i| i + 1))
    }
}

/// Runs of one method after the other: a list of (method, most iterations).
fn course(context: &Context, problem: &Problem, methods: &[(Optimizer, usize)], with: &Arguments) -> Result<Course> {
    let recon = Reconstruction::local_orbital(
        context,
        &problem.series,
        problem.probe.as_ref(),
        &problem.start,
        &problem.options,
    )?;
    with.set.iter().try_for_each(|(name, value)| recon.set_param(name, *value))?;
    let mut snapshots = Vec::new();
    for (method, iterations) in methods {
        let rules =
            Stopping { max_iterations: *iterations, max_time: None, loss_tolerance: 1e-7, gradient_tolerance: 1e-9 };
        let batch = BatchOptions { fraction: with.batch, ..Default::default() };
        let options = RunOptions { stopping: rules, optimizer: Some(*method), batch };
        let mut done = recon.history().len();
        recon.run(&options, &mut |progress| {
            if progress.iteration > done {
                done = progress.iteration;
                snapshots.push(recon.snapshot());
            }
            true
        })?;
    }
    let history = recon.history();
    let points = history.iter().zip(&snapshots).map(|(record, snapshot)| {
        let compared = compare(&snapshot.atoms()?, &problem.truth, &CompareOptions::default())?;
        Ok([record.evaluations, record.seconds, compared.rmsd_pm])
    });
    let points = points.collect::<Result<_>>()?;
    let loss = recon.loss_and_gradient(&recon.parameters())?.0;
    Ok(Course { points, loss })
}

fn table(context: &Context, problem: &Problem, arguments: &Arguments) -> Result<()> {
    let all = |method| (method, arguments.iterations);
    let recipes: [(&str, Vec<(Optimizer, usize)>); 7] = [
        ("lbfgs", vec![all(Optimizer::Lbfgs)]),
        ("gradient_descent", vec![all(Optimizer::GradientDescent)]),
        ("conjugate_gradient", vec![all(Optimizer::ConjugateGradient)]),
        ("adam", vec![all(Optimizer::Adam)]),
        ("adam5+lbfgs", vec![(Optimizer::Adam, 5), all(Optimizer::Lbfgs)]),
        ("adam+lbfgs", vec![all(Optimizer::Adam), all(Optimizer::Lbfgs)]),
        ("levenberg_marquardt", vec![all(Optimizer::LevenbergMarquardt)]),
    ];
    println!("{}", problem.name);
    let reference = course(context, problem, &recipes[0].1, arguments)?;
    let (goal, near) = (1.05 * reference.end(), 1.0);
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>14} {:>9} {:>9} {:>9}   (goal {goal:.3} pm)",
        "method", "end pm", "passes", "seconds", "end loss", "to goal", "seconds", "to 1 pm"
    );
    for (name, methods) in recipes {
        if !arguments.only.is_empty() && !arguments.only.iter().any(|n| n == name) {
            continue;
        }
        let course = course(context, problem, &methods, arguments)?;
        let end = course.points.last().copied().unwrap_or([f64::NAN; 3]);
        let (passes, seconds) = match course.first_within(goal) {
            Some(p) => (format!("{:.1}", p[0]), format!("{:.2}", p[1])),
            None => ("never".into(), "-".into()),
        };
        let to_near = course.first_within(near).map_or("never".into(), |p| format!("{:.1}", p[0]));
        println!(
            "{name:<20} {:>9.3} {:>9.1} {:>9.2} {:>14.8e} {passes:>9} {seconds:>9} {to_near:>9}",
            end[2], end[0], end[1], course.loss
        );
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments = parse()?;
    let context = Context::new(&ContextOptions { threads: arguments.threads, simd: None })?;
    println!("{} threads, path {}", context.threads(), context.simd().name());
    for name in ["np1", "np1-truth", "ball", "ball-noise"] {
        if !arguments.problems.is_empty() && !arguments.problems.iter().any(|n| n == name) {
            continue;
        }
        let problem = match name {
            "np1" | "np1-truth" => particle(name)?,
            _ => Some(ball(&context, arguments.atoms, name)?),
        };
        if let Some(problem) = problem {
            table(&context, &problem, &arguments)?;
        }
    }
    Ok(())
}
