//! The table of an accuracy report, condensed: errors in bins of any column, and the confusion matrix.

use super::AtomState;
use crate::error::{Error, Result};
use crate::specimen::elements;
use crate::table::Table;

/// Most bins of a profile.
const MAX_BINS: f64 = 1e6;

/// Errors of position and of tracing against a column of [`super::Accuracy::atoms`], such as `depth`, in bins
/// `[k width, (k + 1) width)` that reach from the smallest to the largest value, empty ones between them included.
/// Columns: `lower` and `upper` (unit of the column); the numbers `true_count` of true atoms, `matched`, `missing`,
/// `extra` and `wrong_species` (matched, but with another species); of the matched ones `rmsd`, `rmsd_x`, `rmsd_y`,
/// `rmsd_z` and of the lengths of their errors the `quartile_1`, `median`, `quartile_3` and `largest` (pm), NaN in bins
/// without any. Quartiles are linear between neighbours in order. Rows whose value is not finite are left out.
///
/// # Errors
/// `UnknownOption` for columns that the table does not have, `Range` for a width that is not positive or gives more than a
/// million bins, `Empty` where no value is finite.
pub fn error_profile(atoms: &Table, column: &str, width: f64) -> Result<Table> {
    let (values, states) = (atoms.column(column)?, atoms.column("state")?);
    let unit = atoms.columns().iter().find(|c| c.name == column).map_or("", |c| c.unit.as_str());
    if !(width.is_finite() && width > 0.0) {
        return Err(Error::range("width of the bins", width, "a positive number in the unit of the column"));
    }
    let bin_of = |value: f64| (value / width).floor();
    let bins = || values.iter().filter(|v| v.is_finite()).map(|v| bin_of(*v));
    let (first, last) = (bins().fold(f64::INFINITY, f64::min), bins().fold(f64::NEG_INFINITY, f64::max));
    if first > last {
        let why = format!("none of its {} values is finite", values.len());
        return Err(Error::Empty { what: format!("column `{column}`"), why });
    }
    if last - first >= MAX_BINS {
        let wanted = format!("at least {} for a million bins", (last - first) * width / MAX_BINS);
        return Err(Error::range("width of the bins", width, wanted));
    }
    let count = (last - first) as usize + 1;
    let mut members = vec![Vec::new(); count];
    for (row, value) in values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        members[(bin_of(*value) - first) as usize].push(row);
    }
    let edge = |bin: usize| (first + bin as f64) * width;
    let is = |row: usize, state: AtomState| states[row] == f64::from(state as u8);
    let number = |states: &[AtomState]| {
        let counted = |rows: &Vec<usize>| rows.iter().filter(|row| states.iter().any(|s| is(**row, *s))).count() as f64;
        members.iter().map(counted).collect::<Vec<f64>>()
    };
    use AtomState::{Correct, Extra, Missing, WrongSpecies};
    let mut profile = Table::new(count)
        .with_column("lower", unit, (0..count).map(edge).collect())?
        .with_column("upper", unit, (1..=count).map(edge).collect())?
        .with_column("true_count", "", number(&[Correct, WrongSpecies, Missing]))?
        .with_column("matched", "", number(&[Correct, WrongSpecies]))?
        .with_column("missing", "", number(&[Missing]))?
        .with_column("extra", "", number(&[Extra]))?
        .with_column("wrong_species", "", number(&[WrongSpecies]))?;
    let found =
        |rows: &Vec<usize>| rows.iter().filter(|row| is(**row, Correct) || is(**row, WrongSpecies)).copied().collect();
    let pairs: Vec<Vec<usize>> = members.iter().map(found).collect();
    for axis in ["", "_x", "_y", "_z"] {
        let errors = atoms.column(&format!("error{axis}"))?;
        let rms = |rows: &Vec<usize>| {
            (rows.iter().map(|row| errors[*row].powi(2)).sum::<f64>() / rows.len() as f64).sqrt()
            // NaN without rows
        };
        profile = profile.with_column(&format!("rmsd{axis}"), "pm", pairs.iter().map(rms).collect())?;
    }
    let lengths = atoms.column("error")?;
    let sorted = |rows: &Vec<usize>| {
        let mut sorted: Vec<f64> = rows.iter().map(|row| lengths[*row]).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let sorted: Vec<Vec<f64>> = pairs.iter().map(sorted).collect();
    for (name, part) in [("quartile_1", 0.25), ("median", 0.5), ("quartile_3", 0.75), ("largest", 1.0)] {
        profile = profile.with_column(name, "pm", sorted.iter().map(|s| quantile(s, part)).collect())?;
    }
    Ok(profile)
}

/// Linear between neighbours in order; NaN without values.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = part * last as f64;
    let (below, above) = (sorted[at as usize], sorted[(at as usize + 1).min(last)]);
    below + (at - at.floor()) * (above - below)
}

/// The confusion matrix of [`super::Accuracy::atoms`]: a row per true species in ascending order, then one of extra atoms
/// (`true_species` NaN); a column of numbers of atoms for each found species, called by its symbol (`X`: unknown), and
/// `missing`; `rate` is the part of the row whose species was found, NaN for extra atoms.
///
/// # Errors
/// `UnknownOption` where the table has no columns `true_species` and `found_species`.
pub fn confusion(atoms: &Table) -> Result<Table> {
    let (truth, found) = (atoms.column("true_species")?, atoms.column("found_species")?);
    let species = |values: &[f64]| {
        let mut all: Vec<u8> = values.iter().filter_map(|v| elements::from_number(*v)).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    // a row's or column's own number, or none for extra and missing atoms
    let rows: Vec<Option<u8>> = species(truth).into_iter().map(Some).chain([None]).collect();
    let columns: Vec<Option<u8>> = species(found).into_iter().map(Some).chain([None]).collect();
    let pairs: Vec<_> =
        truth.iter().zip(found).map(|(t, f)| (elements::from_number(*t), elements::from_number(*f))).collect();
    let count = |row: Option<u8>, keep: &dyn Fn(Option<u8>) -> bool| {
        pairs.iter().filter(|(t, f)| *t == row && keep(*f)).count() as f64
    };
    let number = |row: &Option<u8>| row.map_or(f64::NAN, f64::from);
    let mut table = Table::new(rows.len()).with_column("true_species", "", rows.iter().map(number).collect())?;
    for column in columns {
        let name = column.and_then(elements::symbol).unwrap_or("missing");
        let counts = rows.iter().map(|row| count(*row, &|found| found == column)).collect();
        table = table.with_column(name, "", counts)?;
    }
    let rate = |row: &Option<u8>| match row {
        Some(_) => count(*row, &|found| found == *row) / count(*row, &|_| true),
        None => f64::NAN,
    };
    table.with_column("rate", "", rows.iter().map(rate).collect())
}
