//! How accurate a traced model is: each atom beside its true one, and where in the particle the errors are.
//!
//! Tracing error and total classification rate are those of J. Lee, M. Lee, Y. Park, C. Ophus and Y. Yang, "Multislice
//! Electron Tomography using 4D-STEM", II F; errors against the average depth those of nLOT (Mao, Cui, Yu), figures 2, 3.

mod profile;

pub use profile::{confusion, error_histogram, error_profile};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::problem::Waiting;
use crate::specimen::{compare, Atoms, CompareOptions, Comparison, Surface};
use crate::table::Table;
use crate::units::PM_PER_ANGSTROM;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Mutex;

/// Thickness of the slabs of depth in the papers' figures, angstrom.
pub const DEPTH_INTERVAL: f64 = 4.0;

/// How accuracy is told.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AccuracyOptions {
    /// How atoms are matched.
    pub compare: CompareOptions,
    /// The depth of an atom at p is a . p with this a: that of
    /// [`SeriesVersion::depth_axis`](crate::dataset::SeriesVersion::depth_axis) gives the average depth
    /// d = 1 / M sum_j z_j. `None`: z.
    pub depth_axis: Option<Vec3>,
    /// Radius of the ball that tells the particle's surface, angstrom. `None`: twice the median distance of nearest
    /// neighbours among the true atoms.
    pub probe_radius: Option<f64>,
}

impl AccuracyOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        if let Some(axis) = self.depth_axis {
            if axis.iter().any(|v| !v.is_finite()) || axis == [0.0; 3] {
                return Err(Error::range("depth_axis", format!("{axis:?}"), "three finite numbers, not all 0"));
            }
        }
        if let Some(radius) = self.probe_radius.filter(|r| !(r.is_finite() && *r > 0.0)) {
            return Err(Error::range("probe_radius", radius, "a positive number (angstrom)"));
        }
        Ok(())
    }
}

/// What became of an atom; the numbers stand in the column `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum AtomState {
    /// Found, with its species.
    Correct = 0,
    /// Found, with another species.
    WrongSpecies = 1,
    /// Found where there is none.
    Extra = 2,
    /// Not found.
    Missing = 3,
}

/// A traced model beside the true one.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// Counts, RMSD, pairs.
    pub comparison: Comparison,
    /// The found atoms in their order, then the missing ones in theirs, with the columns
    /// `x`, `y`, `z` (angstrom, in the frame of the found atoms: missing ones are moved by -shift),
    /// `state` ([`AtomState`]),
    /// `found_species`, `true_species` (NaN where there is none),
    /// `true_index` (index; NaN for extra atoms),
    /// `error_x`, `error_y`, `error_z`, `error` (pm, found + shift - true and its length; NaN without a pair),
    /// `depth` and `surface_distance` (angstrom, those of the true atom; for extra atoms of the found one + shift, then
    /// negative outside the particle),
    /// and the figures of the comparison as values.
    pub atoms: Table,
}

impl Accuracy {
    /// True species by found species, see [`confusion`].
    pub fn confusion(&self) -> Result<Table> {
        confusion(&self.atoms)
    }

    /// Errors in slabs of this thickness (angstrom; the papers' is [`DEPTH_INTERVAL`]) along the depth, see [`error_profile`].
    pub fn by_depth(&self, thickness: f64) -> Result<Table> {
        error_profile(&self.atoms, "depth", thickness)
    }

    /// Errors in shells of this thickness (angstrom) below the surface, see [`error_profile`].
    pub fn by_surface(&self, thickness: f64) -> Result<Table> {
        error_profile(&self.atoms, "surface_distance", thickness)
    }
}

/// Atoms whose distances to the surface are one piece of work.
const BLOCK: usize = 256;

/// Compares `found` with `truth` atom by atom. Distances to the surface are those to the alpha shape of the true atoms
/// ([`Surface`]), 0 for atoms on it; the cell of the atoms plays no part.
///
/// # Errors
/// `Range` for options without meaning, `Cancelled`.
pub fn accuracy(
    context: &Context,
    found: &Atoms,
    truth: &Atoms,
    options: &AccuracyOptions,
    waiting: &mut Waiting<'_>,
) -> Result<Accuracy> {
    options.check()?;
    let comparison = compare(found, truth, &options.compare)?;
    let rows = Rows::new(found, truth, &comparison);
    let depths = waiting.part(0.0, 0.5, |waiting| surface(context, truth, options.probe_radius, waiting))?;
    let distances = waiting.part(0.5, 1.0, |waiting| rows.distances(context, &depths, waiting))?;
    let axis = options.depth_axis.unwrap_or([0.0, 0.0, 1.0]);
    let depth = |p: &Vec3| axis[0] * p[0] + axis[1] * p[1] + axis[2] * p[2];
    let atoms = rows.table(&comparison)?;
    let atoms = atoms.with_column("depth", "A", rows.places.iter().map(depth).collect())?;
    let atoms = with_figures(atoms.with_column("surface_distance", "A", distances)?, &comparison)?;
    Ok(Accuracy { comparison, atoms })
}

/// The surface of the true atoms, made on a worker.
fn surface(context: &Context, truth: &Atoms, probe: Option<f64>, waiting: &mut Waiting<'_>) -> Result<Surface> {
    const PHASE: &str = "finding the surface of the particle";
    let (done, made) = (AtomicU64::new(0), Mutex::new(None));
    let cancel = waiting.cancel;
    let mut tell = |_| waiting.at(f64::from_bits(done.load(Ordering::Relaxed)), PHASE);
    context.for_each(1, &mut tell, &|_| {
        let mut go_on = |part: f64| {
            done.store(part.to_bits(), Ordering::Relaxed);
            cancel.check(PHASE)
        };
        let surface = Surface::new(truth.positions(), probe, &mut go_on)?;
        *made.lock().unwrap_or_else(|p| p.into_inner()) = Some(surface);
        Ok(())
    })?;
    let made = made.into_inner().unwrap_or_else(|p| p.into_inner());
    made.ok_or_else(|| Error::Internal("no surface was made".into()))
}

/// Position and species of a found atom; `None` in the rows of missing ones.
type FoundAtom = Option<(Vec3, u8)>;
/// Index, position and species of a true atom; `None` in the rows of extra ones.
type TrueAtom = Option<(usize, Vec3, u8)>;

/// The rows of the table: the found atoms, then the missing ones.
struct Rows {
    found: Vec<FoundAtom>,
    truth: Vec<TrueAtom>,
    /// In the frame of the true atoms: that of the true atom, or of the found one where there is none.
    places: Vec<Vec3>,
}

impl Rows {
    fn new(found: &Atoms, truth: &Atoms, comparison: &Comparison) -> Self {
        let true_atom = |t: usize| (t, truth.positions()[t], truth.species()[t]);
        let mut is_missing = vec![true; truth.len()];
        comparison.partners.iter().flatten().for_each(|t| is_missing[*t] = false);
        let missing = (0..truth.len()).filter(|t| is_missing[*t]);
        let here = |i: usize| Some((found.positions()[i], found.species()[i]));
        let mut rows: Vec<_> = (0..found.len()).map(|i| (here(i), comparison.partners[i].map(true_atom))).collect();
        rows.extend(missing.map(|t| (None, Some(true_atom(t)))));
        let place = |row: &(FoundAtom, TrueAtom)| match *row {
            (_, Some((_, truth, _))) => truth,
            (Some((found, _)), None) => std::array::from_fn(|k| found[k] + comparison.shift[k]),
            (None, None) => [f64::NAN; 3],
        };
        let places = rows.iter().map(place).collect();
        let (found, truth) = rows.into_iter().unzip();
        Self { found, truth, places }
    }

    fn state(&self, row: usize) -> AtomState {
        match (self.found[row], self.truth[row]) {
            (Some((_, found)), Some((_, _, truth))) if found == truth => AtomState::Correct,
            (Some(_), Some(_)) => AtomState::WrongSpecies,
            (Some(_), None) => AtomState::Extra,
            (None, _) => AtomState::Missing,
        }
    }

    /// Distances to the surface; only extra atoms can be outside.
    fn distances(&self, context: &Context, surface: &Surface, waiting: &mut Waiting<'_>) -> Result<Vec<f64>> {
        let blocks = self.places.len().div_ceil(BLOCK);
        let parts: Vec<Mutex<Vec<f64>>> = (0..blocks).map(|_| Mutex::default()).collect();
        let mut tell = |done: usize| waiting.at(done as f64 / blocks as f64, "measuring distances to the surface");
        context.for_each(blocks, &mut tell, &|block| {
            let distance = |row: usize| {
                let place = &self.places[row];
                let outside = self.truth[row].is_none() && !surface.holds(place);
                surface.distance(place) * if outside { -1.0 } else { 1.0 }
            };
            let rows = block * BLOCK..((block + 1) * BLOCK).min(self.places.len());
            *parts[block].lock().unwrap_or_else(|p| p.into_inner()) = rows.map(distance).collect();
            Ok(())
        })?;
        Ok(parts.into_iter().flat_map(|part| part.into_inner().unwrap_or_else(|p| p.into_inner())).collect())
    }

    /// All columns that need no surface.
    fn table(&self, comparison: &Comparison) -> Result<Table> {
        let column = |value: &dyn Fn(usize) -> f64| (0..self.places.len()).map(value).collect::<Vec<f64>>();
        let place = |row: usize, k: usize| match self.found[row] {
            Some((found, _)) => found[k],
            None => self.places[row][k] - comparison.shift[k],
        };
        let error = |row: usize| comparison.errors.get(row).copied().flatten();
        let along = |row: usize, k: usize| error(row).map_or(f64::NAN, |e| e[k] * PM_PER_ANGSTROM);
        let length = |row: usize| (0..3).map(|k| along(row, k).powi(2)).sum::<f64>().sqrt();
        Table::new(self.places.len())
            .with_column("x", "A", column(&|row| place(row, 0)))?
            .with_column("y", "A", column(&|row| place(row, 1)))?
            .with_column("z", "A", column(&|row| place(row, 2)))?
            .with_column("state", "", column(&|row| f64::from(self.state(row) as u8)))?
            .with_column("found_species", "", column(&|row| self.found[row].map_or(f64::NAN, |(_, z)| f64::from(z))))?
            .with_column("true_species", "", column(&|row| self.truth[row].map_or(f64::NAN, |(_, _, z)| f64::from(z))))?
            .with_column("true_index", "index", column(&|row| self.truth[row].map_or(f64::NAN, |(t, _, _)| t as f64)))?
            .with_column("error_x", "pm", column(&|row| along(row, 0)))?
            .with_column("error_y", "pm", column(&|row| along(row, 1)))?
            .with_column("error_z", "pm", column(&|row| along(row, 2)))?
            .with_column("error", "pm", column(&length))
    }
}

/// The figures of the comparison as values.
fn with_figures(table: Table, c: &Comparison) -> Result<Table> {
    table
        .with_value("true_count", "", c.true_count as f64)?
        .with_value("matched", "", c.matched as f64)?
        .with_value("missing", "", c.missing as f64)?
        .with_value("extra", "", c.extra as f64)?
        .with_value("tracing_error", "", c.tracing_error)?
        .with_value("species_correct", "", c.species_correct)?
        .with_value("rmsd", "pm", c.rmsd_pm)?
        .with_value("rmsd_x", "pm", c.rmsd_axis_pm[0])?
        .with_value("rmsd_y", "pm", c.rmsd_axis_pm[1])?
        .with_value("rmsd_z", "pm", c.rmsd_axis_pm[2])?
        .with_value("shift_x", "A", c.shift[0])?
        .with_value("shift_y", "A", c.shift[1])?
        .with_value("shift_z", "A", c.shift[2])
}

#[cfg(test)]
mod tests;
