//! Plots of tables: the histogram of intensities in the colours of the species, and errors against depth or distance to the
//! surface, as in figure 3 of nLOT (Mao, Cui, Yu) and figures 3 to 8 of J. Lee et al., "Multislice Electron Tomography using
//! 4D-STEM".

use aet::table::Table;
use plotters::prelude::*;
use std::path::Path;

#[path = "canvas.rs"]
pub mod canvas;

use canvas::{picture, Fallible};

/// Colours of species or classes, in ascending order of their numbers; they differ for the colour-blind, too.
pub const COLOURS: [RGBColor; 5] = [
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 215),
    RGBColor(0, 180, 120),
    RGBColor(204, 121, 167),
    RGBColor(240, 228, 66),
];
const NO_ATOM: RGBColor = RGBColor(150, 150, 150);
pub const MISSING: RGBColor = RGBColor(255, 60, 60);
pub const BARS: RGBColor = RGBColor(60, 110, 180);

/// That of the species in their order, and grey for class 0, which is no atom.
fn class_colour(column: &str) -> RGBColor {
    match column.trim_start_matches("count_").parse::<usize>() {
        Ok(class) if class > 0 => COLOURS[(class - 1) % COLOURS.len()],
        _ => NO_ATOM,
    }
}

/// Draws a histogram of `Table::histogram`: where it has counts per class (`count_c`), one colour for each, on top of each
/// other; `boundaries` are drawn as lines, `names` are those of the classes 0, 1, ..., of which not
/// all need to be there.
pub fn draw_histogram(
    path: &Path,
    histogram: &Table,
    quantity: &str,
    names: &[&str],
    boundaries: &[f64],
) -> Fallible<()> {
    let (lower, upper) = (histogram.column("lower")?, histogram.column("upper")?);
    let classes: Vec<_> = histogram.columns().iter().filter(|c| c.name.starts_with("count_")).collect();
    let total = histogram.column("count")?;
    let highest = total.iter().copied().fold(1.0, f64::max);
    let stacks: Vec<(String, RGBColor, &[f64])> = match classes.is_empty() {
        true => vec![(String::new(), BARS, total)],
        false => {
            let name = |column: &str| {
                let class = column.replace("count_", "");
                let known = class.parse::<usize>().ok().and_then(|class| names.get(class));
                known.map_or(format!("class {class}"), |name| (*name).to_owned())
            };
            classes.iter().map(|c| (name(&c.name), class_colour(&c.name), c.content.as_slice())).collect()
        }
    };
    let (low, high) = (lower[0], upper[upper.len() - 1]);
    picture(path, (820, 480), |root| {
        let mut chart = ChartBuilder::on(root)
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(56)
            .build_cartesian_2d(low..high, 0.0..1.1 * highest)?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh()
            .max_light_lines(0)
            .y_label_formatter(&|n| format!("{n:.0}"))
            .x_desc(quantity)
            .y_desc("atoms");
        mesh.label_style(("sans-serif", 15)).axis_desc_style(("sans-serif", 16)).draw()?;
        let mut base = vec![0.0; total.len()];
        for (name, colour, counts) in &stacks {
            let bars: Vec<_> =
                (0..counts.len()).map(|i| [(lower[i], base[i]), (upper[i], base[i] + counts[i])]).collect();
            base.iter_mut().zip(*counts).for_each(|(b, n)| *b += n);
            let sum = counts.iter().sum::<f64>();
            let series = chart.draw_series(bars.into_iter().map(|bar| Rectangle::new(bar, colour.filled())))?;
            if !name.is_empty() {
                let colour = *colour;
                series
                    .label(format!("{name}, {sum:.0}"))
                    .legend(move |(x, y)| Rectangle::new([(x, y - 6), (x + 14, y + 6)], colour.filled()));
            }
        }
        for boundary in boundaries {
            let ends = [(*boundary, 0.0), (*boundary, 1.1 * highest)];
            chart.draw_series([PathElement::new(ends, BLACK.stroke_width(2))])?;
        }
        if stacks.iter().any(|(name, _, _)| !name.is_empty()) {
            let mut labels = chart.configure_series_labels();
            labels.position(SeriesLabelPosition::UpperRight).label_font(("sans-serif", 16));
            labels.background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
        }
        Ok(())
    })
}

/// Draws a profile of `aet::analyze::error_profile`: per bin a box plot (quartiles, median, whiskers without outliers), and the
/// RMSD as a line; below it the numbers of true atoms, and of missing and extra ones.
pub fn draw_profile(path: &Path, profile: &Table, quantity: &str) -> Fallible<()> {
    let column = |name: &str| profile.column(name).map(<[f64]>::to_vec);
    let (lower, upper) = (column("lower")?, column("upper")?);
    let bins = lower.len();
    let (low, high) = (lower[0], upper[bins - 1]);
    let (first, median, third, rmsd) =
        (column("quartile_1")?, column("median")?, column("quartile_3")?, column("rmsd")?);
    let whiskers = [(&first, column("whisker_low")?), (&third, column("whisker_high")?)];
    let (truth, missing, extra) = (column("true_count")?, column("missing")?, column("extra")?);
    let finite = |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let most = finite(&whiskers[1].1).max(finite(&rmsd)).max(1e-3);
    picture(path, (820, 660), |root| {
        let (above, below) = root.split_vertically(380);
        let mut chart = ChartBuilder::on(&above)
            .margin(14)
            .x_label_area_size(30)
            .y_label_area_size(64)
            .build_cartesian_2d(low..high, 0.0..1.3 * most)?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh().max_light_lines(0).y_desc("error of position, pm");
        mesh.label_style(("sans-serif", 15)).axis_desc_style(("sans-serif", 16)).draw()?;
        let inside = |i: usize, part: f64| lower[i] + part * (upper[i] - lower[i]);
        for i in (0..bins).filter(|i| median[*i].is_finite()) {
            let corners = [(inside(i, 0.2), first[i]), (inside(i, 0.8), third[i])];
            chart.draw_series([Rectangle::new(corners, BARS.mix(0.35).filled())])?;
            let line = [(inside(i, 0.2), median[i]), (inside(i, 0.8), median[i])];
            chart.draw_series([PathElement::new(line, BARS.stroke_width(3))])?;
            for (edge, end) in &whiskers {
                let (middle, cap) = (inside(i, 0.5), [(inside(i, 0.35), end[i]), (inside(i, 0.65), end[i])]);
                let lines = [vec![(middle, edge[i]), (middle, end[i])], cap.to_vec()];
                chart.draw_series(lines.map(|line| PathElement::new(line, BARS.stroke_width(1))))?;
            }
        }
        let points: Vec<_> = (0..bins).filter(|i| rmsd[*i].is_finite()).map(|i| (inside(i, 0.5), rmsd[i])).collect();
        chart.draw_series([PathElement::new(points.clone(), BLACK.stroke_width(2))])?;
        chart
            .draw_series(points.iter().map(|p| Circle::new(*p, 4, BLACK.filled())))?
            .label("RMSD; box plots without outliers")
            .legend(|(x, y)| Circle::new((x + 8, y), 4, BLACK.filled()));
        labels(&mut chart)?;

        let tallest = truth.iter().zip(&extra).map(|(t, e)| t + e).fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&below)
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(low..high, 0.0..1.15 * tallest)?;
        let mut mesh = chart.configure_mesh();
        mesh.disable_x_mesh()
            .max_light_lines(0)
            .y_label_formatter(&|n| format!("{n:.0}"))
            .x_desc(quantity)
            .y_desc("atoms");
        mesh.label_style(("sans-serif", 15)).axis_desc_style(("sans-serif", 16)).draw()?;
        let stacks =
            [("found", BARS.mix(0.35).to_rgba()), ("missing", MISSING.to_rgba()), ("extra", COLOURS[0].to_rgba())];
        for (kind, (name, colour)) in stacks.into_iter().enumerate() {
            let bar = |i: usize| {
                let edges = [0.0, truth[i] - missing[i], truth[i], truth[i] + extra[i]];
                Rectangle::new([(inside(i, 0.1), edges[kind]), (inside(i, 0.9), edges[kind + 1])], colour.filled())
            };
            chart
                .draw_series((0..bins).map(bar))?
                .label(name)
                .legend(move |(x, y)| Rectangle::new([(x, y - 6), (x + 14, y + 6)], colour.filled()));
        }
        labels(&mut chart)
    })
}

type Chart<'a, 'b> = ChartContext<
    'a,
    BitMapBackend<'b>,
    Cartesian2d<plotters::coord::types::RangedCoordf64, plotters::coord::types::RangedCoordf64>,
>;

fn labels<'a, 'b: 'a>(chart: &mut Chart<'a, 'b>) -> Fallible<()> {
    let mut labels = chart.configure_series_labels();
    labels.position(SeriesLabelPosition::UpperRight).label_font(("sans-serif", 16));
    Ok(labels.background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?)
}
