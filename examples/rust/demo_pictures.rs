//! Pictures of the demo's results: measured, calculated and difference images, and the histogram of position errors.
//!
//! `cargo run --release --example demo_pictures -- FOLDER`, FOLDER being what `examples/c/demo.c` wrote.

use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::fs;
use std::path::Path;

type Fallible<T> = Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;

/// Pixels of the picture per pixel of an image.
const ZOOM: u32 = 3;
const GAP: u32 = 34;

struct Images {
    count: usize,
    rows: usize,
    columns: usize,
    measured: Vec<f64>,
    calculated: Vec<f64>,
    defocus: Vec<f64>,
}

fn doubles(path: &Path, wanted: usize) -> Fallible<Vec<f64>> {
    let bytes = fs::read(path)?;
    if bytes.len() != 8 * wanted {
        return Err(format!("{}: {} bytes, wanted {}", path.display(), bytes.len(), 8 * wanted).into());
    }
    let mut word = [0; 8];
    Ok(bytes
        .chunks_exact(8)
        .map(|c| {
            word.copy_from_slice(c);
            f64::from_le_bytes(word)
        })
        .collect())
}

fn read_images(folder: &Path, summary: &serde_json::Value) -> Fallible<Images> {
    let shape: Vec<usize> = serde_json::from_value(summary["shape"].clone())?;
    let &[count, rows, columns] = shape.as_slice() else { return Err("summary.json: shape has not 3 numbers".into()) };
    let read = |name| doubles(&folder.join(name), count * rows * columns);
    let defocus: Vec<Option<f64>> = serde_json::from_value(summary["defocus_A"].clone())?;
    Ok(Images {
        count,
        rows,
        columns,
        measured: read("measured.f64")?,
        calculated: read("calculated.f64")?,
        defocus: defocus.into_iter().map(|d| d.unwrap_or(f64::NAN)).collect(),
    })
}

/// From blue over white to red for -1..1, or from black to white for 0..1.
fn colour(value: f64, signed: bool) -> RGBColor {
    let byte = |v: f64| (255.0 * v.clamp(0.0, 1.0)) as u8;
    if !signed {
        let v = byte(value);
        return RGBColor(v, v, v);
    }
    let rest = byte(1.0 - value.abs());
    if value > 0.0 {
        RGBColor(255, rest, rest)
    } else {
        RGBColor(rest, rest, 255)
    }
}

fn draw_image(area: &Area<'_>, values: &[f64], columns: usize, scale: (f64, f64), signed: bool) -> Fallible<()> {
    for (i, v) in values.iter().enumerate() {
        let (x, y) = ((i % columns) as i32 * ZOOM as i32, (i / columns) as i32 * ZOOM as i32);
        let shade = colour((v - scale.0) / (scale.1 - scale.0), signed);
        area.draw(&Rectangle::new([(x, y), (x + ZOOM as i32, y + ZOOM as i32)], shade.filled()))?;
    }
    Ok(())
}

/// One row per focus: measured, calculated, difference in units of the noise.
fn draw_images(images: &Images, path: &Path) -> Fallible<()> {
    let (width, height) = (images.columns as u32 * ZOOM, images.rows as u32 * ZOOM);
    let size = (3 * width + 4 * 12, images.count as u32 * (height + GAP) + 12);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    let largest = images.measured.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    for k in 0..images.count {
        let pixels = images.rows * images.columns;
        let range = k * pixels..(k + 1) * pixels;
        let (measured, calculated) = (&images.measured[range.clone()], &images.calculated[range]);
        // Counts: the noise of a pixel is the square root of its mean.
        let difference: Vec<f64> = measured.iter().zip(calculated).map(|(m, c)| (m - c) / c.max(1.0).sqrt()).collect();
        let y = k as u32 * (height + GAP);
        let titles = ["measured", "calculated", "difference (blue -5, white 0, red +5 sigma)"];
        for (column, title) in titles.iter().enumerate() {
            let x = 12 + column as u32 * (width + 12);
            let caption = match column {
                2 => (*title).to_owned(),
                _ => format!("{title}, focus {:.0} Å", images.defocus[k]),
            };
            root.draw(&Text::new(caption, (x as i32, y as i32 + 10), ("sans-serif", 17).into_font()))?;
            let area = root.clone().shrink((x, y + GAP), (width, height));
            match column {
                0 => draw_image(&area, measured, images.columns, (0.0, largest), false)?,
                1 => draw_image(&area, calculated, images.columns, (0.0, largest), false)?,
                _ => draw_image(&area, &difference, images.columns, (0.0, 5.0), true)?,
            }
        }
    }
    root.present()?;
    Ok(())
}

/// Lengths of the errors in pm.
fn read_errors(path: &Path) -> Fallible<Vec<f64>> {
    let mut errors = Vec::new();
    for line in fs::read_to_string(path)?.lines() {
        let values: Vec<f64> = line.split(',').filter_map(|v| v.trim().parse().ok()).collect();
        if let &[x, y, z] = values.as_slice() {
            errors.push(100.0 * (x * x + y * y + z * z).sqrt());
        }
    }
    Ok(errors)
}

fn draw_histogram(errors: &[f64], rmsd: f64, path: &Path) -> Fallible<()> {
    const BINS: usize = 30;
    let largest = errors.iter().copied().fold(0.1, f64::max);
    let bin = (1.05 * largest / BINS as f64).max(1e-3);
    let mut counts = [0usize; BINS];
    errors.iter().for_each(|e| counts[((e / bin) as usize).min(BINS - 1)] += 1);
    let highest = counts.iter().copied().max().unwrap_or(1).max(1);
    let root = BitMapBackend::new(path, (760, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("Distance of {} atoms from the truth: RMSD {rmsd:.2} pm", errors.len());
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..bin * BINS as f64, 0.0..1.08 * highest as f64)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .max_light_lines(0)
        .y_label_formatter(&|n| format!("{n:.0}"))
        .x_desc("distance, pm")
        .y_desc("atoms")
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 16))
        .draw()?;
    chart.draw_series(counts.iter().enumerate().map(|(i, n)| {
        let x = i as f64 * bin;
        Rectangle::new([(x + 0.06 * bin, 0.0), (x + 0.94 * bin, *n as f64)], RGBColor(60, 110, 180).filled())
    }))?;
    root.present()?;
    Ok(())
}

fn main() -> Fallible<()> {
    let folder = std::env::args().nth(1).ok_or("usage: demo_pictures FOLDER")?;
    let folder = Path::new(&folder);
    // An embedded font: fresh machines have none.
    let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
    let summary: serde_json::Value = serde_json::from_str(&fs::read_to_string(folder.join("summary.json"))?)?;
    draw_images(&read_images(folder, &summary)?, &folder.join("images.png"))?;
    let rmsd = summary["rmsd_pm"].as_f64().unwrap_or(f64::NAN);
    draw_histogram(&read_errors(&folder.join("errors.csv"))?, rmsd, &folder.join("errors.png"))?;
    println!("wrote {} and {}", folder.join("images.png").display(), folder.join("errors.png").display());
    Ok(())
}
