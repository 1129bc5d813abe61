//! Pictures of traced atoms: a slice of the volume with true, false and missing atoms, the histogram of intensities in the
//! colours of the species, and errors against depth or distance to the surface. They follow figures 3 to 8 of J. Lee et
//! al., "Multislice Electron Tomography using 4D-STEM".

use aet::specimen::elements::symbol;
use aet::specimen::{Atoms, Comparison, Volume};
use aet::table::Table;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::path::Path;

type Fallible<T> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

/// Colours of species or classes, in ascending order of their numbers; they differ for the colour-blind, too.
const COLOURS: [RGBColor; 5] = [
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 215),
    RGBColor(0, 180, 120),
    RGBColor(204, 121, 167),
    RGBColor(240, 228, 66),
];
const NO_ATOM: RGBColor = RGBColor(150, 150, 150);
const MISSING: RGBColor = RGBColor(255, 60, 60);
const BARS: RGBColor = RGBColor(60, 110, 180);
const MARGIN: i32 = 12;
const LEGEND_ROW: i32 = 24;
/// Longest edge of the picture of a slice, pixels.
const SLICE: f64 = 840.0;

/// Lets `draw` fill a picture of `size` pixels, and puts it to `path` when it is complete.
fn picture(path: &Path, size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Fallible<()>) -> Fallible<()> {
    // An embedded font: fresh machines have none.
    let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    let name = path.file_name().ok_or("a picture needs the name of a file")?.to_string_lossy();
    let unfinished = path.with_file_name(format!(".unfinished-{name}"));
    let drawn = (|| {
        let area = BitMapBackend::new(&unfinished, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area)?;
        area.present()?;
        Ok(std::fs::rename(&unfinished, path)?)
    })();
    if drawn.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    drawn
}

fn colour_of(species: &[u8], z: u8) -> RGBColor {
    COLOURS[species.iter().position(|known| *known == z).unwrap_or(0) % COLOURS.len()]
}

/// That of the species in their order, and grey for class 0, which is no atom.
fn class_colour(column: &str) -> RGBColor {
    match column.trim_start_matches("count_").parse::<usize>() {
        Ok(class) if class > 0 => COLOURS[(class - 1) % COLOURS.len()],
        _ => NO_ATOM,
    }
}

fn all_species(lists: &[&Atoms]) -> Vec<u8> {
    let mut all: Vec<u8> = lists.iter().flat_map(|atoms| atoms.species().iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Draws the mean of `volume` over the slice |z| < `thickness` / 2 (angstrom), x to the right and y downwards, with the
/// atoms in it: circles for found ones in the colour of their species; with a `truth`, which `comparison` compares `found`
/// with, triangles where the species is wrong or no atom is there, and rings for missing ones.
pub fn draw_slice(
    path: &Path,
    volume: &Volume,
    found: &Atoms,
    truth: Option<&Atoms>,
    comparison: Option<&Comparison>,
    thickness: f64,
) -> Fallible<()> {
    let [_, ny, nx] = volume.shape();
    let zoom = (SLICE / ny.max(nx) as f64).floor().max(1.0);
    let (width, height) = ((nx as f64 * zoom) as i32, (ny as f64 * zoom) as i32);
    let species = all_species(&[Some(found), truth].into_iter().flatten().collect::<Vec<_>>());
    let marks = marks(found, truth.zip(comparison), thickness, &species);
    let legend = legend_of(&species, truth.is_some());
    let tall = height + 3 * MARGIN + LEGEND_ROW * (1 + legend.len().div_ceil(3) as i32);
    let wide = (width + 2 * MARGIN).max(420);
    picture(path, (wide as u32, tall as u32), |root| {
        let shown = root.clone().shrink((MARGIN as u32, MARGIN as u32), (width as u32, height as u32));
        draw_voxels(&shown, volume, thickness, zoom)?;
        for (position, mark) in &marks {
            let pixel =
                |k: usize, n: usize| ((position[k] / volume.voxel_size() + (n / 2) as f64 + 0.5) * zoom).round() as i32;
            draw_mark(&shown, (pixel(0, nx), pixel(1, ny)), mark, (zoom * 0.8).clamp(4.0, 7.0) as i32)?;
        }
        draw_scale(&shown, width, height, volume.voxel_size() / zoom)?;
        let below = height + 2 * MARGIN;
        let title = format!("slice of {thickness} Å, {} atoms in it", marks.len());
        root.draw(&Text::new(title, (MARGIN, below), ("sans-serif", 17).into_font()))?;
        for (i, (name, mark)) in legend.iter().enumerate() {
            let (x, y) = (MARGIN + i as i32 % 3 * 136, below + LEGEND_ROW * (1 + i as i32 / 3));
            draw_mark(root, (x + 8, y + 8), mark, 6)?;
            root.draw(&Text::new(name.clone(), (x + 22, y), ("sans-serif", 16).into_font()))?;
        }
        Ok(())
    })
}

/// How an atom is shown.
#[derive(Clone, Copy)]
enum Mark {
    Circle(RGBColor),
    Triangle(RGBColor),
    Ring,
}

type Place = [f64; 3];

/// Atoms in the slice, in the frame of the found ones.
fn marks(found: &Atoms, truth: Option<(&Atoms, &Comparison)>, thickness: f64, species: &[u8]) -> Vec<(Place, Mark)> {
    let mark = |i: usize| {
        let z = found.species()[i];
        let colour = colour_of(species, z);
        match truth {
            None => Mark::Circle(colour),
            Some((truth, comparison)) => match comparison.partners[i] {
                Some(t) if truth.species()[t] == z => Mark::Circle(colour),
                _ => Mark::Triangle(colour),
            },
        }
    };
    let mut all: Vec<_> = found.positions().iter().enumerate().map(|(i, p)| (*p, mark(i))).collect();
    if let Some((truth, comparison)) = truth {
        let mut is_missing = vec![true; truth.len()];
        comparison.partners.iter().flatten().for_each(|t| is_missing[*t] = false);
        let here = |p: &Place| std::array::from_fn(|k| p[k] - comparison.shift[k]);
        let missing = truth.positions().iter().zip(is_missing).filter(|(_, missing)| *missing);
        all.extend(missing.map(|(p, _)| (here(p), Mark::Ring)));
    }
    all.retain(|(p, _)| p[2].abs() <= 0.5 * thickness);
    all
}

fn legend_of(species: &[u8], compared: bool) -> Vec<(String, Mark)> {
    let named = |kind: &str, z: u8| format!("{kind}{}", symbol(z).filter(|_| z > 0).unwrap_or("atom"));
    let mark = |z: u8| colour_of(species, z);
    let kind = if compared { "true " } else { "" };
    let mut legend: Vec<_> = species.iter().map(|z| (named(kind, *z), Mark::Circle(mark(*z)))).collect();
    if compared {
        legend.extend(species.iter().map(|z| (named("false ", *z), Mark::Triangle(mark(*z)))));
        legend.push(("missing atom".into(), Mark::Ring));
    }
    legend
}

fn draw_mark(area: &Area<'_>, at: (i32, i32), mark: &Mark, size: i32) -> Fallible<()> {
    match mark {
        Mark::Circle(colour) => area.draw(&Circle::new(at, size, colour.stroke_width(2)))?,
        Mark::Triangle(colour) => {
            let corners = [(0, -size - 1), (size + 1, size), (-size - 1, size), (0, -size - 1)];
            let path: Vec<_> = corners.iter().map(|(x, y)| (at.0 + x, at.1 + y)).collect();
            area.draw(&PathElement::new(path, colour.stroke_width(2)))?;
        }
        Mark::Ring => {
            area.draw(&Circle::new(at, size + 2, MISSING.stroke_width(2)))?;
            area.draw(&Circle::new(at, 2, MISSING.filled()))?;
        }
    }
    Ok(())
}

/// The slice from black (0 or the least value) to white (the 99.8 % quantile).
fn draw_voxels(area: &Area<'_>, volume: &Volume, thickness: f64, zoom: f64) -> Fallible<()> {
    let [nz, ny, nx] = volume.shape();
    let half = (0.5 * thickness / volume.voxel_size()).max(0.5);
    let planes: Vec<usize> = (0..nz).filter(|z| (*z as f64 - (nz / 2) as f64).abs() <= half).collect();
    let values = volume.values();
    let mean =
        |y: usize, x: usize| planes.iter().map(|z| f64::from(values[[*z, y, x]])).sum::<f64>() / planes.len() as f64;
    let pixels: Vec<f64> = (0..ny * nx).map(|i| mean(i / nx, i % nx)).collect();
    let mut sorted = pixels.clone();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[0].max(0.0), sorted[(sorted.len() - 1) * 998 / 1000]);
    for (i, v) in pixels.iter().enumerate() {
        let shade = (255.0 * ((v - low) / (high - low).max(f64::MIN_POSITIVE)).clamp(0.0, 1.0)) as u8;
        let edge = |k: usize| (k as f64 * zoom) as i32;
        let corners = [(edge(i % nx), edge(i / nx)), (edge(i % nx + 1), edge(i / nx + 1))];
        area.draw(&Rectangle::new(corners, RGBColor(shade, shade, shade).filled()))?;
    }
    Ok(())
}

/// A bar of a round length, about a quarter of the width at most.
fn draw_scale(area: &Area<'_>, width: i32, height: i32, angstrom_per_pixel: f64) -> Fallible<()> {
    let most = 0.3 * f64::from(width) * angstrom_per_pixel;
    let decade = 10f64.powf(most.log10().floor());
    let length = [5.0, 2.0, 1.0].into_iter().map(|m| m * decade).find(|l| *l <= most).unwrap_or(decade);
    let (x, y) = (14, height - 16);
    let end = x + (length / angstrom_per_pixel).round() as i32;
    area.draw(&Rectangle::new([(x - 6, y - 24), (end.max(x + 54) + 6, y + 10)], BLACK.mix(0.6).filled()))?;
    area.draw(&Rectangle::new([(x, y), (end, y + 4)], WHITE.filled()))?;
    let font = ("sans-serif", 16).into_font().color(&WHITE);
    area.draw(&Text::new(format!("{length} Å"), (x, y - 20), font))?;
    Ok(())
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

/// Draws a profile of `aet::analyze::error_profile`: per bin a box from the first to the third quartile with the median, and
/// the RMSD as a line; below it the numbers of true atoms, and of missing and extra ones.
pub fn draw_profile(path: &Path, profile: &Table, quantity: &str) -> Fallible<()> {
    let column = |name: &str| profile.column(name).map(<[f64]>::to_vec);
    let (lower, upper) = (column("lower")?, column("upper")?);
    let bins = lower.len();
    let (low, high) = (lower[0], upper[bins - 1]);
    let (first, median, third, rmsd) =
        (column("quartile_1")?, column("median")?, column("quartile_3")?, column("rmsd")?);
    let (truth, missing, extra) = (column("true_count")?, column("missing")?, column("extra")?);
    let finite = |values: &[f64]| values.iter().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
    let most = finite(&third).max(finite(&rmsd)).max(1e-3);
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
        }
        let points: Vec<_> = (0..bins).filter(|i| rmsd[*i].is_finite()).map(|i| (inside(i, 0.5), rmsd[i])).collect();
        chart.draw_series([PathElement::new(points.clone(), BLACK.stroke_width(2))])?;
        chart
            .draw_series(points.iter().map(|p| Circle::new(*p, 4, BLACK.filled())))?
            .label("RMSD; boxes: quartiles and median")
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
