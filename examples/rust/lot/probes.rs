//! Pictures of probes along the beam: x against depth, before and after a fit.

use crate::canvas::{picture, Area, Fallible};
use aet::dataset::SeriesVersion;
use aet::reconstruct::Reconstruction;
use plotters::prelude::*;
use std::path::Path;

/// The probe of one section: squares of pixels at some depths.
pub struct Probe {
    depths: Vec<f64>,
    side: usize,
    pixels: Vec<f64>,
}

/// Shown to this distance from the beam, A.
const REACH: f64 = 3.5;
const PANEL_WIDTH: i32 = 220;
const PANEL_HEIGHT: i32 = 300;

/// The probes of all sections at the latest state, of an image of each.
pub fn of_sections(recon: &Reconstruction, version: &SeriesVersion) -> aet::Result<Vec<Probe>> {
    let images = (0..version.section_count()).filter_map(|s| version.images().iter().position(|i| i.section == s));
    let probe = |image| recon.probe_images(image).map(|(depths, side, pixels)| Probe { depths, side, pixels });
    images.map(probe).collect()
}

/// Draws the plane y = 0 of the probes of each section (from left to right) before the fit (above) and after it: depth downwards
/// with the beam, the root of the intensity from black to the brightest of the section.
pub fn draw(path: &Path, before: &[Probe], after: &[Probe], pixel_size: f64) -> Fallible<()> {
    let size = (PANEL_WIDTH * before.len() as i32, 2 * PANEL_HEIGHT);
    picture(path, (size.0 as u32, size.1 as u32), |root| {
        for (panel, section) in root.split_evenly((1, before.len())).iter().zip(0..) {
            let pair = [&before[section], &after[section]];
            let brightest = pair.iter().flat_map(|p| &p.pixels).copied().fold(0.0, f64::max);
            for ((half, probe), when) in panel.split_evenly((2, 1)).iter().zip(pair).zip(["before", "after"]) {
                draw_plane(half, probe, pixel_size, brightest, &format!("section {section}, {when}"))?;
            }
        }
        Ok(())
    })
}

fn draw_plane(area: &Area<'_>, probe: &Probe, pixel_size: f64, brightest: f64, title: &str) -> Fallible<()> {
    let edges = edges(&probe.depths);
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else { return Ok(()) };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 15))
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(44)
        .build_cartesian_2d(-REACH..REACH, *last..*first)?;
    chart.configure_mesh().disable_mesh().x_desc("x / Å").y_desc("depth / Å").x_labels(5).draw()?;
    let middle = (probe.side / 2) as f64;
    for (ends, square) in edges.windows(2).zip(probe.pixels.chunks_exact(probe.side * probe.side)) {
        let row = &square[probe.side / 2 * probe.side..][..probe.side];
        let cells = row.iter().enumerate().map(|(i, value)| ((i as f64 - middle) * pixel_size, value));
        chart.draw_series(cells.filter(|(x, _)| x.abs() + 0.5 * pixel_size <= REACH).map(|(x, value)| {
            let grey = (255.0 * (value / brightest).max(0.0).sqrt()) as u8;
            let half = 0.5 * pixel_size;
            Rectangle::new([(x - half, ends[0]), (x + half, ends[1])], RGBColor(grey, grey, grey).filled())
        }))?;
    }
    Ok(())
}

/// Where each depth gives way to the next, halfway between them; a single one is shown 1 A deep.
fn edges(depths: &[f64]) -> Vec<f64> {
    let steps: Vec<f64> = depths.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let (first, last) = (steps.first().unwrap_or(&1.0), steps.last().unwrap_or(&1.0));
    let before = depths.first().map(|depth| depth - 0.5 * first);
    let between = depths.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
    before.into_iter().chain(between).chain(depths.last().map(|depth| depth + 0.5 * last)).collect()
}
