//! Explaining away: atoms that no maximum tells.
//!
//! Gaussians of all atoms are fitted to the volume together and subtracted; what is left is smoothed and searched for
//! maxima. The strongest of each neighbourhood becomes an atom, all are fitted again, and so on until nothing is left
//! that looks like an atom. A weak atom in the tail of a strong one, and two atoms nearer than the resolution, whose sum
//! has a single maximum, are found that way.
//!
//! The joint fit goes atom by atom (Gauss-Seidel): each together with those that overlap it strongly, the others as they
//! stand. Atoms of cells of a grid in eight colours, between which no fit reaches, are fitted at the same time, so that the
//! result does not depend on who was done first.

use super::gaussian::{self, Freedom, Gaussian, Samples};
use super::peaks::voxel_maxima;
use super::tracing::Flag;
use crate::context::{log, Context};
use crate::error::Result;
use crate::geometry::Vec3;
use crate::prepare::planes::planes;
use crate::prepare::{smooth_in_place, Smoothing};
use crate::problem::Waiting;
use crate::specimen::{Neighbours, Volume};
use crate::statistics::median;
use ndarray::ArrayView3;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// An atom of the joint fit; lengths in voxels along z, y, x.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub atom: Gaussian,
    pub errors: Vec3,
    pub round: usize,
    pub flag: Flag,
    pub residual: f64,
    pub iterations: usize,
}

impl Site {
    pub fn new(atom: Gaussian, round: usize) -> Self {
        let (errors, residual) = ([f64::NAN; 3], f64::NAN);
        Self { atom, errors, round, flag: Flag::Accepted, residual, iterations: 0 }
    }
}

pub(super) struct Explainer<'a> {
    pub context: &'a Context,
    pub volume: &'a Volume,
    pub anisotropic: bool,
    /// Standard deviation of the smoothing of what is left, voxels.
    pub smoothing: f64,
    /// Least height in what is left, smoothed.
    pub threshold: f64,
    /// Least distance of two atoms, voxels.
    pub distance: f64,
    pub rounds: usize,
    /// Whether an atom may be at a fractional index (z, y, x).
    pub allowed: &'a (dyn Fn(&Vec3) -> bool + Sync),
}

/// Widths B of single atoms lie between these parts of their median: a pair must not be taken for one wide atom.
const WIDTHS: (f64, f64) = (0.5, 1.4);
/// Atoms nearer than this many sqrt(B) are fitted together, at most so many at a time.
const LINK: f64 = 2.0;
const MOST_LINKED: usize = 6;
/// Radius of the fitted ball in sqrt(B), and its limits in voxels.
const RADIUS: f64 = 1.5;
const RADII: (f64, f64) = (2.0, 8.0);
const SWEEPS: usize = 12;
/// The joint fit rests when no centre moves by more, voxels.
const STILL: f64 = 1e-3;
/// A fit that moves a centre further, in voxels, is not believed.
const FURTHEST: f64 = 2.0;

/// What the fits share: lengths from the median width.
struct Scale {
    widths: (f64, f64),
    radius: f64,
    link: f64,
    /// Beyond this distance an atom does not touch the fit of another.
    reach: f64,
    start: f64,
}

impl Scale {
    fn of(sites: &[Site]) -> Self {
        let median = median(&sites.iter().map(|s| s.atom.widths[0]).collect::<Vec<_>>());
        let limits = (WIDTHS.0 * median, WIDTHS.1 * median);
        let radius = (RADIUS * median.sqrt()).clamp(RADII.0, RADII.1);
        let link = LINK * median.sqrt();
        let tail = Gaussian { centre: [0.0; 3], height: 1.0, widths: [limits.1; 3] }.reach();
        Self { widths: limits, radius, link, reach: radius + link + tail, start: median }
    }
}

impl Explainer<'_> {
    /// The atoms of `sites` after the joint fit, in their order, then those found in what is left, dropped ones included.
    pub fn run(&self, mut sites: Vec<Site>, mut background: f64, waiting: &mut Waiting<'_>) -> Result<Vec<Site>> {
        let scale = Scale::of(&sites);
        let first = sites.len();
        let mut dropped: Vec<Site> = Vec::new();
        for round in 0..=self.rounds {
            let share = |k: usize| (round as f64 + 0.5 * k as f64) / (self.rounds + 1) as f64;
            waiting.part(share(0), share(1), |w| self.settle(&mut sites, &scale, &mut background, w))?;
            let gone = self.prune(&mut sites, first)?;
            dropped.extend(&gone);
            let mut new = Vec::new();
            if round < self.rounds {
                let found = waiting.part(share(1), share(2), |w| self.search(&sites, background, w))?;
                new = self.chosen(found, &sites, &dropped, &scale)?;
                log::info(format!("round {}: {} atoms, {} more in what is left", round + 1, sites.len(), new.len()));
            }
            if new.is_empty() {
                if !gone.is_empty() {
                    waiting.part(share(1), 1.0, |w| self.settle(&mut sites, &scale, &mut background, w))?;
                }
                break;
            }
            sites.extend(new.iter().map(|(place, height)| {
                let by = 2.0 * self.smoothing * self.smoothing;
                let height = height * ((scale.start + by) / scale.start).powf(1.5);
                Site::new(Gaussian { centre: *place, height, widths: [scale.start; 3] }, round + 1)
            }));
        }
        sites.extend(dropped);
        Ok(sites)
    }

    /// Sweeps of the joint fit until it rests.
    fn settle(
        &self,
        sites: &mut Vec<Site>,
        scale: &Scale,
        background: &mut f64,
        waiting: &mut Waiting<'_>,
    ) -> Result<()> {
        for sweep in 0..SWEEPS {
            let share = |k: usize| (sweep + k) as f64 / SWEEPS as f64;
            let before: Vec<Vec3> = sites.iter().map(|s| s.atom.centre).collect();
            let left = waiting.part(share(0), share(1), |w| self.sweep(sites, scale, *background, w))?;
            *background += left;
            let squares = sites.iter().zip(&before).map(|(s, b)| square_distance(&s.atom.centre, b));
            if squares.fold(0.0, f64::max) < STILL * STILL {
                break;
            }
        }
        Ok(())
    }

    /// Fits every atom once; the mean of what is left in the fitted balls.
    fn sweep(&self, sites: &mut Vec<Site>, scale: &Scale, background: f64, waiting: &mut Waiting<'_>) -> Result<f64> {
        const PHASE: &str = "fitting atoms together";
        let centres: Vec<Vec3> = sites.iter().map(|s| s.atom.centre).collect();
        let near = Neighbours::new(&centres)?;
        let edge = scale.reach + 2.0 * scale.link + 2.0 * FURTHEST;
        let mut cells: [BTreeMap<[i64; 3], Vec<usize>>; 8] = Default::default();
        for (i, centre) in centres.iter().enumerate() {
            let cell = centre.map(|v| (v / edge).floor() as i64);
            let colour = cell.iter().fold(0, |c, v| 2 * c + v.rem_euclid(2) as usize);
            cells[colour].entry(cell).or_default().push(i);
        }
        let state: Vec<Mutex<Site>> = sites.iter().copied().map(Mutex::new).collect();
        let left: Vec<Mutex<(f64, usize)>> = sites.iter().map(|_| Mutex::default()).collect();
        let cancel = waiting.cancel;
        let (total, mut finished) = (sites.len() as f64, 0);
        for of_colour in cells {
            let of_colour: Vec<Vec<usize>> = of_colour.into_values().collect();
            let count: usize = of_colour.iter().map(Vec::len).sum();
            let mut tell = |done: usize| {
                let part = done as f64 / of_colour.len() as f64;
                waiting.at((finished as f64 + part * count as f64) / total, PHASE)
            };
            self.context.for_each(of_colour.len(), &mut tell, &|item| {
                for i in &of_colour[item] {
                    cancel.check(PHASE)?;
                    let rest = self.update(*i, &state, &near, &centres, scale, background);
                    *left[*i].lock().unwrap_or_else(|p| p.into_inner()) = rest;
                }
                Ok(())
            })?;
            finished += count;
        }
        *sites = state.into_iter().map(|s| s.into_inner().unwrap_or_else(|p| p.into_inner())).collect();
        let (mut sum, mut count) = (0.0, 0);
        for of_atom in left {
            let (s, n) = of_atom.into_inner().unwrap_or_else(|p| p.into_inner());
            (sum, count) = (sum + s, count + n);
        }
        Ok(if count > 0 { sum / count as f64 } else { 0.0 })
    }

    /// Fits one atom and those that overlap it; the sum of what is left in its ball, and the number of voxels.
    fn update(
        &self,
        i: usize,
        state: &[Mutex<Site>],
        near: &Neighbours,
        centres: &[Vec3],
        scale: &Scale,
        background: f64,
    ) -> (f64, usize) {
        let read = |j: usize| *state[j].lock().unwrap_or_else(|p| p.into_inner());
        let mut others = near.within(&centres[i], scale.reach);
        others.retain(|j| *j != i);
        let square = |j: usize| square_distance(&centres[i], &centres[j]);
        others.sort_by(|a, b| square(*a).total_cmp(&square(*b)).then(a.cmp(b)));
        let linked = others.iter().take_while(|j| square(**j) < scale.link * scale.link).take(MOST_LINKED).count();
        let (linked, fixed) = others.split_at(linked);
        let free: Vec<usize> = std::iter::once(i).chain(linked.iter().copied()).collect();
        let start: Vec<Gaussian> = free.iter().map(|j| read(*j).atom).collect();
        let fixed: Vec<Gaussian> = fixed.iter().map(|j| read(*j).atom).collect();
        let samples = self.samples(&start, &fixed, scale.radius, background);
        let freedom = Freedom { anisotropic: self.anisotropic, widths: scale.widths, background: false };
        let fitted = gaussian::fit(&samples, &start, 0.0, freedom);
        let moved = |(k, to): (usize, &Gaussian)| square_distance(&start[k].centre, &to.centre);
        let furthest = fitted.atoms.iter().enumerate().map(moved).fold(0.0, f64::max);
        if furthest <= FURTHEST * FURTHEST {
            for (k, j) in free.iter().enumerate() {
                let mut site = state[*j].lock().unwrap_or_else(|p| p.into_inner());
                (site.atom, site.errors, site.residual) = (fitted.atoms[k], fitted.errors[k], fitted.residual);
                site.iterations += if k == 0 { fitted.iterations } else { 0 };
            }
        }
        let atoms: Vec<Gaussian> = free.iter().map(|j| read(*j).atom).collect();
        let own = |p: &Vec3| square_distance(p, &atoms[0].centre) <= scale.radius * scale.radius;
        let rest = |(p, v): (&Vec3, &f64)| own(p).then(|| v - atoms.iter().map(|a| a.at(p)).sum::<f64>());
        samples.places.iter().zip(&samples.values).filter_map(rest).fold((0.0, 0), |(s, n), v| (s + v, n + 1))
    }

    /// Voxels within `radius` of any of `atoms`, less background and `others`.
    fn samples(&self, atoms: &[Gaussian], others: &[Gaussian], radius: f64, background: f64) -> Samples {
        let shape = self.volume.shape();
        let values = self.volume.values();
        let mut samples = Samples::default();
        let range = |axis: usize| {
            let low = atoms.iter().map(|a| a.centre[axis]).fold(f64::INFINITY, f64::min) - radius;
            let high = atoms.iter().map(|a| a.centre[axis]).fold(f64::NEG_INFINITY, f64::max) + radius;
            (low.ceil().max(0.0) as usize)..((high.floor() + 1.0).max(0.0) as usize).min(shape[axis])
        };
        for (z, y) in range(0).flat_map(|z| range(1).map(move |y| (z, y))) {
            for x in range(2) {
                let place = [z as f64, y as f64, x as f64];
                if atoms.iter().any(|a| square_distance(&place, &a.centre) <= radius * radius) {
                    let explained = background + others.iter().map(|a| a.at(&place)).sum::<f64>();
                    samples.values.push(f64::from(values[[z, y, x]]) - explained);
                    samples.places.push(place);
                }
            }
        }
        samples
    }

    /// Takes out those found in what is left that the joint fit does not bear out: too weak, outside, or too close to a
    /// stronger one.
    fn prune(&self, sites: &mut Vec<Site>, first: usize) -> Result<Vec<Site>> {
        let centres: Vec<Vec3> = sites.iter().map(|s| s.atom.centre).collect();
        let near = Neighbours::new(&centres)?;
        let flags: Vec<Flag> = (0..sites.len())
            .map(|i| {
                let site = &sites[i];
                let rank = |j: usize| (j >= first, -sites[j].atom.height, j);
                let crowded =
                    || near.within(&centres[i], self.distance).into_iter().any(|j| j != i && rank(j) < rank(i));
                match () {
                    () if i < first => Flag::Accepted,
                    () if site.atom.smoothed_height(self.smoothing) < self.threshold => Flag::NotConverged,
                    () if !(self.allowed)(&site.atom.centre) => Flag::OutOfSupport,
                    () if crowded() => Flag::TooClose,
                    () => Flag::Accepted,
                }
            })
            .collect();
        let mut gone = Vec::new();
        let mut i = 0;
        sites.retain(|site| {
            let flag = flags[i];
            i += 1;
            if flag != Flag::Accepted {
                gone.push(Site { flag, ..*site });
            }
            flag == Flag::Accepted
        });
        Ok(gone)
    }

    /// Maxima of the volume less the model, smoothed: places and heights in the order of the voxels.
    fn search(&self, sites: &[Site], background: f64, waiting: &mut Waiting<'_>) -> Result<Vec<(Vec3, f64)>> {
        let shape = self.volume.shape();
        let [nz, ny, nx] = shape;
        let mut of_plane: Vec<Vec<usize>> = vec![Vec::new(); nz];
        for (i, site) in sites.iter().enumerate() {
            let (centre, reach) = (site.atom.centre[0], site.atom.reach());
            let planes =
                ((centre - reach).ceil().max(0.0) as usize)..((centre + reach).floor() + 1.0).max(0.0) as usize;
            planes.take_while(|z| *z < nz).for_each(|z| of_plane[z].push(i));
        }
        let values = self.volume.as_slice();
        let mut left = waiting.part(0.0, 0.4, |w| {
            planes(self.context, shape, "subtracting atoms", w, &|z, plane: &mut [f32]| {
                let source = &values[z * ny * nx..][..ny * nx];
                plane.iter_mut().zip(source).for_each(|(p, v)| *p = v - background as f32);
                of_plane[z].iter().for_each(|i| subtract(&sites[*i].atom, z, plane, [ny, nx]));
            })
        })?;
        let by = Smoothing::Gaussian(self.smoothing);
        waiting.part(0.4, 0.8, |w| smooth_in_place(self.context, &mut left, shape, by, w))?;
        let Ok(view) = ArrayView3::from_shape((nz, ny, nx), &left) else { return Ok(vec![]) };
        waiting.part(0.8, 1.0, |w| {
            voxel_maxima(self.context, view, self.threshold, w, &|voxel| {
                let parabola = super::peaks::Parabola::around(&view, voxel);
                let offset = parabola.offset();
                (std::array::from_fn(|a| voxel[a] as f64 + offset[a]), parabola.height(&offset))
            })
        })
    }

    /// Of the maxima in what is left those that may be atoms; of those that would share a fit, the strongest.
    fn chosen(
        &self,
        mut found: Vec<(Vec3, f64)>,
        sites: &[Site],
        dropped: &[Site],
        scale: &Scale,
    ) -> Result<Vec<(Vec3, f64)>> {
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        let near = Neighbours::new(&sites.iter().map(|s| s.atom.centre).collect::<Vec<_>>())?;
        let refused: Vec<Vec3> = dropped.iter().map(|s| s.atom.centre).collect();
        let refused = if refused.is_empty() { None } else { Some(Neighbours::new(&refused)?) };
        found.retain(|(place, _)| {
            near.within(place, self.distance).is_empty()
                && refused.as_ref().is_none_or(|r| r.within(place, self.distance).is_empty())
                && (self.allowed)(place)
        });
        if found.is_empty() {
            return Ok(found);
        }
        let apart = (2.0 * scale.link).max(self.distance);
        let around = Neighbours::new(&found.iter().map(|f| f.0).collect::<Vec<_>>())?;
        let mut gone = vec![false; found.len()];
        for (i, (place, _)) in found.iter().enumerate() {
            if !gone[i] {
                around.within(place, apart).into_iter().filter(|j| *j > i).for_each(|j| gone[j] = true);
            }
        }
        Ok(found.into_iter().zip(gone).filter(|(_, gone)| !gone).map(|(place, _)| place).collect())
    }
}

/// Takes an atom out of plane `z`.
fn subtract(atom: &Gaussian, z: usize, plane: &mut [f32], [ny, nx]: [usize; 2]) {
    let reach = atom.reach();
    let range = |axis: usize, n: usize| {
        let (low, high) = (atom.centre[axis] - reach, atom.centre[axis] + reach);
        (low.ceil().max(0.0) as usize)..((high.floor() + 1.0).max(0.0) as usize).min(n)
    };
    for y in range(1, ny) {
        for x in range(2, nx) {
            plane[y * nx + x] -= atom.at(&[z as f64, y as f64, x as f64]) as f32;
        }
    }
}

fn square_distance(a: &Vec3, b: &Vec3) -> f64 {
    (0..3).map(|k| (a[k] - b[k]).powi(2)).sum()
}
