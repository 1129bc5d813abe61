//! How accurate found atoms are, as the papers tell it: error of position against the average depth and z, histograms of
//! errors by depth, and where there are several models, how the error grows with their number of atoms.
//!
//! `cargo run --release --example accuracy -- --out OUT FOLDER FOUND.xyz [FOLDER FOUND.xyz ...] [--interval 4] [--limit 10]
//! [--cutoff 0.9]`
//!
//! Each FOLDER is a dataset with its true atoms, FOUND.xyz what a reconstruction made of it, as `lot --out` writes it. For
//! the k-th pair OUT gets `depth_k`, `z_k` (tables and box plots) and `errors_k` (a table of histograms), k from 1; of two and
//! more pairs, `trend` (table and picture). Prints a `key=value` line for each pair and one for the trend.

#[path = "trace/plots.rs"]
mod plots;

use aet::analyze::{accuracy, error_histogram, error_profile, rmsd_trend, AccuracyOptions};
use aet::analyze::{DEPTH_INTERVAL, PRECISION_LIMIT_PM};
use aet::context::{Context, ContextOptions};
use aet::io::dataset_folder::{self, Which};
use aet::io::{structure, table};
use aet::problem::Waiting;
use aet::specimen::CompareOptions;
use aet::table::Table;
use plots::canvas::{picture, Fallible};
use plotters::prelude::*;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

struct Arguments {
    out: PathBuf,
    /// Thickness of the slabs of depth, angstrom.
    interval: f64,
    /// Error up to which a model is well reconstructed, pm.
    limit: f64,
    /// Atoms farther apart than this are no pair, angstrom.
    cutoff: f64,
    /// Folders with true atoms and files of found ones.
    pairs: Vec<(PathBuf, PathBuf)>,
}

fn parse() -> Fallible<Arguments> {
    let mut arguments = pico_args::Arguments::from_env();
    let out = arguments.value_from_str("--out")?;
    let interval = arguments.opt_value_from_str("--interval")?.unwrap_or(DEPTH_INTERVAL);
    let limit = arguments.opt_value_from_str("--limit")?.unwrap_or(PRECISION_LIMIT_PM);
    let cutoff = arguments.opt_value_from_str("--cutoff")?.unwrap_or(CompareOptions::default().cutoff);
    let rest: Vec<OsString> = arguments.finish();
    if rest.is_empty() || rest.len() % 2 == 1 {
        return Err(format!("got {} paths, wanted pairs: FOLDER FOUND.xyz ...", rest.len()).into());
    }
    let pairs = rest.chunks(2).map(|pair| (PathBuf::from(&pair[0]), PathBuf::from(&pair[1]))).collect();
    Ok(Arguments { out, interval, limit, cutoff, pairs })
}

/// Tables and pictures of one model; its number of true atoms and its RMSD.
fn tell(context: &Context, arguments: &Arguments, number: usize) -> Fallible<(f64, f64)> {
    let (folder, file) = &arguments.pairs[number - 1];
    let truth = dataset_folder::read_atoms(folder, Which::Truth, None)?;
    let axis = dataset_folder::read(folder, None, &mut |_| true)?.version().depth_axis()?;
    let options = AccuracyOptions {
        compare: CompareOptions { cutoff: arguments.cutoff, ..Default::default() },
        depth_axis: Some(axis),
        ..Default::default()
    };
    let cancel = context.cancel_token();
    let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
    let report = accuracy(context, &structure::read(file, None)?, &truth, &options, waiting)?;
    let c = &report.comparison;
    let [x, y, z] = c.rmsd_axis_pm;
    println!(
        "found={} atoms={} matched={} missing={} extra={} rmsd_pm={:.4} rmsd_x_pm={x:.4} rmsd_y_pm={y:.4} rmsd_z_pm={z:.4}",
        file.display(),
        c.true_count,
        c.matched,
        c.missing,
        c.extra,
        c.rmsd_pm
    );
    for (column, quantity) in [("depth", "average depth, Å"), ("z", "z, Å")] {
        let profile = error_profile(&report.atoms, column, arguments.interval)?;
        let path = |ending: &str| arguments.out.join(format!("{column}_{number}.{ending}"));
        table::write(&profile, &path("csv"))?;
        plots::draw_profile(&path("png"), &profile, quantity)?;
    }
    let histogram = error_histogram(&report.atoms, "depth", arguments.interval, None)?;
    table::write(&histogram, &arguments.out.join(format!("errors_{number}.csv")))?;
    let all = report.atoms.histogram("error", None, None)?;
    plots::draw_histogram(
        &arguments.out.join(format!("errors_{number}.png")),
        &all,
        "error of position, pm",
        &[],
        &[],
    )?;
    Ok((c.true_count as f64, c.rmsd_pm))
}

/// The RMSD of models against their number of atoms, with the free line and the one through the origin.
fn draw_trend(path: &Path, trend: &Table) -> Fallible<()> {
    let (atoms, rmsd) = (trend.column("atoms")?, trend.column("rmsd")?);
    let thousands = |n: f64| n / 1e3;
    let largest = 1.1 * atoms.iter().copied().fold(0.0, f64::max);
    let highest = 1.3 * rmsd.iter().copied().fold(0.0, f64::max);
    let free = (trend.value("intercept")?, trend.value("slope")?);
    let lines = [(free, plots::BARS), ((0.0, trend.value("slope_origin")?), plots::MISSING)];
    picture(path, (820, 480), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..thousands(largest), 0.0..highest)?;
        let mut mesh = chart.configure_mesh();
        mesh.max_light_lines(0).x_desc("thousand atoms").y_desc("RMSD, pm");
        mesh.label_style(("sans-serif", 15)).axis_desc_style(("sans-serif", 16)).draw()?;
        for ((intercept, slope), colour) in lines {
            let ends = [(0.0, intercept), (thousands(largest), intercept + slope * largest / 1e6)];
            chart
                .draw_series([PathElement::new(ends, colour.stroke_width(2))])?
                .label(format!("{intercept:.2} pm + {slope:.3} pm per million atoms"))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
        }
        let points = atoms.iter().zip(rmsd).map(|(n, r)| Circle::new((thousands(*n), *r), 4, BLACK.filled()));
        chart.draw_series(points)?;
        let mut labels = chart.configure_series_labels();
        labels.position(SeriesLabelPosition::UpperLeft).label_font(("sans-serif", 16));
        Ok(labels.background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?)
    })
}

fn main() -> Fallible<()> {
    let arguments = parse()?;
    std::fs::create_dir_all(&arguments.out)?;
    let context = Context::new(&ContextOptions::default())?;
    let told: Vec<(f64, f64)> =
        (1..=arguments.pairs.len()).map(|number| tell(&context, &arguments, number)).collect::<Fallible<_>>()?;
    if told.len() > 1 {
        let (atoms, rmsd): (Vec<f64>, Vec<f64>) = told.into_iter().unzip();
        let trend = rmsd_trend(&atoms, &rmsd, arguments.limit)?;
        table::write(&trend, &arguments.out.join("trend.csv"))?;
        draw_trend(&arguments.out.join("trend.png"), &trend)?;
        println!(
            "{}",
            trend.values().iter().map(|v| format!("{}={:.6}", v.name, v.content)).collect::<Vec<_>>().join(" ")
        );
    }
    Ok(())
}
