//! A slice of the volume with true, false and missing atoms, as in figures 3 to 8 of J. Lee et al., "Multislice Electron
//! Tomography using 4D-STEM".

use crate::plots::canvas::{picture, Area, Fallible};
use crate::plots::{COLOURS, MISSING};
use aet::specimen::elements::symbol;
use aet::specimen::{Atoms, Comparison, Volume};
use plotters::prelude::*;
use std::path::Path;

const MARGIN: i32 = 12;
const LEGEND_ROW: i32 = 24;
/// Longest edge of the picture of a slice, pixels.
const SLICE: f64 = 840.0;

fn colour_of(species: &[u8], z: u8) -> RGBColor {
    COLOURS[species.iter().position(|known| *known == z).unwrap_or(0) % COLOURS.len()]
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
