//! The table of an accuracy report, condensed: errors in bins of any column, and the confusion matrix.

use super::AtomState;
use crate::error::{Error, Result};
use crate::specimen::elements;
use crate::table::Table;

/// Most bins of a profile.
const MAX_BINS: f64 = 1e6;

/// Whiskers of a box plot reach to the last values within this many times the distance of the quartiles (Tukey).
const WHISKER: f64 = 1.5;

/// Errors of position and of tracing against a column of [`super::Accuracy::atoms`], such as `depth`, in bins
/// `[k width, (k + 1) width)` that reach from the smallest to the largest value, empty ones between them included.
/// Columns: `lower` and `upper` (unit of the column); the numbers `true_count` of true atoms, `matched`, `missing`,
/// `extra` and `wrong_species` (matched, but with another species); of the matched ones `rmsd`, `rmsd_x`, `rmsd_y`,
/// `rmsd_z` and of the lengths of their errors the `quartile_1`, `median`, `quartile_3`, `largest`, `mean`, `smallest`,
/// `whisker_low` and `whisker_high` (pm), NaN in bins without any, and the number of `outliers` beyond the whiskers.
/// Quartiles are linear between neighbours in order; whiskers end at the last values within 1.5 times the distance of the
/// quartiles from the box (Tukey). Rows whose value is not finite are left out.
///
/// # Errors
/// `UnknownOption` for columns that the table does not have, `Range` for a width that is not positive or gives more than a
/// million bins, `Empty` where no value is finite.
pub fn error_profile(atoms: &Table, column: &str, width: f64) -> Result<Table> {
    let (bins, states) = (Bins::new(atoms, column, width)?, atoms.column("state")?);
    let number = |states_counted: &[AtomState]| {
        let is = |row: &&usize| states_counted.iter().any(|s| states[**row] == f64::from(*s as u8));
        bins.members.iter().map(|rows| rows.iter().filter(is).count() as f64).collect::<Vec<f64>>()
    };
    use AtomState::{Correct, Extra, Missing, WrongSpecies};
    let mut profile = Table::new(bins.members.len())
        .with_column("lower", &bins.unit, bins.edges(0))?
        .with_column("upper", &bins.unit, bins.edges(1))?
        .with_column("true_count", "", number(&[Correct, WrongSpecies, Missing]))?
        .with_column("matched", "", number(&[Correct, WrongSpecies]))?
        .with_column("missing", "", number(&[Missing]))?
        .with_column("extra", "", number(&[Extra]))?
        .with_column("wrong_species", "", number(&[WrongSpecies]))?;
    let found = |row: &usize| [Correct, WrongSpecies].iter().any(|s| states[*row] == f64::from(*s as u8));
    let pairs: Vec<Vec<usize>> =
        bins.members.iter().map(|rows| rows.iter().copied().filter(|row| found(row)).collect()).collect();
    for axis in ["", "_x", "_y", "_z"] {
        let errors = atoms.column(&format!("error{axis}"))?;
        let rms = |rows: &Vec<usize>| {
            (rows.iter().map(|row| errors[*row].powi(2)).sum::<f64>() / rows.len() as f64).sqrt()
            // NaN without rows
        };
        profile = profile.with_column(&format!("rmsd{axis}"), "pm", pairs.iter().map(rms).collect())?;
    }
    let lengths = atoms.column("error")?;
    let boxes: Vec<BoxPlot> =
        pairs.iter().map(|rows| BoxPlot::new(rows.iter().map(|row| lengths[*row]).collect())).collect();
    for (i, name) in BoxPlot::NAMES.iter().enumerate() {
        profile = profile.with_column(name, "pm", boxes.iter().map(|b| b.numbers[i]).collect())?;
    }
    profile.with_column("outliers", "", boxes.iter().map(|b| b.outliers as f64).collect())
}

/// Histograms of the lengths of errors within bins of any column, such as `depth`, all over the same `counted_in` equal
/// bins (`None`: automatic) from the smallest to the largest error. Columns `lower`, `upper` (pm) and `count`, and for every
/// bin of the column that holds matched atoms `count_l`, where l is its lower edge: figure 3D of nLOT is
/// `error_histogram(atoms, "depth", 4.0, None)`, columns `count_-80` and `count_-48`.
///
/// # Errors
/// Those of [`error_profile`]; `Empty` where no atom is matched, `Inconsistent` for more bins of the column than a histogram
/// tells apart ([`Table::histogram`]).
pub fn error_histogram(atoms: &Table, column: &str, width: f64, counted_in: Option<usize>) -> Result<Table> {
    let (bins, lengths) = (Bins::new(atoms, column, width)?, atoms.column("error")?);
    let (mut errors, mut edges) = (vec![], vec![]);
    for (rows, lower) in bins.members.iter().zip(bins.edges(0)) {
        for length in rows.iter().map(|row| lengths[*row]).filter(|l| l.is_finite()) {
            errors.push(length);
            edges.push(lower);
        }
    }
    let paired = Table::new(errors.len()).with_column("error", "pm", errors)?.with_column(column, &bins.unit, edges)?;
    paired.histogram("error", Some(column), counted_in)
}

/// The rows of a table in bins `[k width, (k + 1) width)` of a column.
struct Bins {
    unit: String,
    width: f64,
    /// k of the first bin.
    first: f64,
    members: Vec<Vec<usize>>,
}

impl Bins {
    fn new(table: &Table, column: &str, width: f64) -> Result<Self> {
        let values = table.column(column)?;
        let unit = table.columns().iter().find(|c| c.name == column).map_or("", |c| c.unit.as_str()).to_owned();
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
        let mut members = vec![Vec::new(); (last - first) as usize + 1];
        for (row, value) in values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            members[(bin_of(*value) - first) as usize].push(row);
        }
        Ok(Self { unit, width, first, members })
    }

    /// Lower edges of the bins, or with `shift` 1 upper ones.
    fn edges(&self, shift: usize) -> Vec<f64> {
        // + 0.0: the edge -0 is 0
        (0..self.members.len()).map(|bin| (self.first + (bin + shift) as f64) * self.width + 0.0).collect()
    }
}

/// What a box plot shows of some values.
struct BoxPlot {
    /// In the order of [`Self::NAMES`]; NaN without values.
    numbers: [f64; 8],
    outliers: usize,
}

impl BoxPlot {
    const NAMES: [&'static str; 8] =
        ["quartile_1", "median", "quartile_3", "largest", "mean", "smallest", "whisker_low", "whisker_high"];

    fn new(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let [smallest, first, median, third, largest] = [0.0, 0.25, 0.5, 0.75, 1.0].map(|part| quantile(&values, part));
        let reach = WHISKER * (third - first);
        let within: Vec<f64> = values.iter().copied().filter(|v| (first - reach..=third + reach).contains(v)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64; // NaN without values
        let (low, high) = (quantile(&within, 0.0), quantile(&within, 1.0));
        let numbers = [first, median, third, largest, mean, smallest, low, high];
        Self { numbers, outliers: values.len() - within.len() }
    }
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
