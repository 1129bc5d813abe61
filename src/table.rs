//! Results with many columns: named columns of numbers, one row per atom, site or bin, and single named values beside them.

use crate::error::{Error, Result};

/// Most groups that a histogram tells apart.
const MAX_GROUPS: usize = 256;

/// Fewest and most bins of a histogram where nothing is said.
const AUTOMATIC_BINS: (usize, usize) = (10, 200);

/// Most bins that can be asked for.
const MAX_BINS: usize = 1_000_000;

/// Columns of doubles with names and units, and single values of the whole. Codes (flags, classes) are whole numbers; what
/// is not known is NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    rows: usize,
    columns: Vec<Quantity<Vec<f64>>>,
    values: Vec<Quantity<f64>>,
}

/// A number, or a column of them, with its name and its unit, which is empty for counts, codes and ratios.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity<T> {
    /// What it is called by.
    pub name: String,
    /// Its unit.
    pub unit: String,
    /// The number or numbers.
    pub content: T,
}

impl<T> Quantity<T> {
    fn new(name: &str, unit: &str, content: T) -> Self {
        Self { name: name.into(), unit: unit.into(), content }
    }
}

impl Table {
    /// A table of `rows` rows without columns.
    pub fn new(rows: usize) -> Self {
        Self { rows, columns: vec![], values: vec![] }
    }

    /// With one more column.
    ///
    /// # Errors
    /// `Shape` where it has not one value per row, `Inconsistent` for a name that there is already.
    pub fn with_column(mut self, name: &str, unit: &str, values: Vec<f64>) -> Result<Self> {
        if values.len() != self.rows {
            let (what, wanted) = (format!("column `{name}`"), format!("[{}], one value per row", self.rows));
            return Err(Error::Shape { what, got: vec![values.len()], wanted });
        }
        refuse_twice(&self.columns, "column", name)?;
        self.columns.push(Quantity::new(name, unit, values));
        Ok(self)
    }

    /// With one more single value.
    ///
    /// # Errors
    /// `Inconsistent` for a name that there is already.
    pub fn with_value(mut self, name: &str, unit: &str, value: f64) -> Result<Self> {
        refuse_twice(&self.values, "value", name)?;
        self.values.push(Quantity::new(name, unit, value));
        Ok(self)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns in their order.
    pub fn columns(&self) -> &[Quantity<Vec<f64>>] {
        &self.columns
    }

    /// The single values in their order.
    pub fn values(&self) -> &[Quantity<f64>] {
        &self.values
    }

    /// The column `name`, one value per row.
    ///
    /// # Errors
    /// `UnknownOption` that tells the columns there are.
    pub fn column(&self, name: &str) -> Result<&[f64]> {
        named(&self.columns, "column", name).map(|column| column.content.as_slice())
    }

    /// The single value `name`.
    ///
    /// # Errors
    /// `UnknownOption` that tells the values there are.
    pub fn value(&self, name: &str) -> Result<f64> {
        named(&self.values, "value", name).map(|value| value.content)
    }

    /// Counts the values of `column` in equal bins from the smallest to the largest; the largest falls into the last bin, and
    /// values that are not finite into none. Columns `lower`, `upper` (in the column's unit) and `count`; with `by`, also
    /// `count_c` for every value c of that column, ascending. `bins` None: the root of the number of values, within 10 and 200.
    ///
    /// # Errors
    /// `UnknownOption` for columns that do not exist, `Empty` without a finite value, `Range` for 0 or more than a million
    /// bins, `Inconsistent` where `by` has more than 256 different values.
    pub fn histogram(&self, column: &str, by: Option<&str>, bins: Option<usize>) -> Result<Table> {
        let of = named(&self.columns, "column", column)?;
        let groups = by.map(|by| self.column(by)).transpose()?;
        let finite: Vec<usize> = (0..self.rows).filter(|row| of.content[*row].is_finite()).collect();
        if finite.is_empty() {
            let why = format!("none of its {} values is finite", self.rows);
            return Err(Error::Empty { what: format!("column `{column}`"), why });
        }
        let bins = bins.unwrap_or(((finite.len() as f64).sqrt() as usize).clamp(AUTOMATIC_BINS.0, AUTOMATIC_BINS.1));
        if !(1..=MAX_BINS).contains(&bins) {
            return Err(Error::range("bins", bins, format!("1 to {MAX_BINS}")));
        }
        let values = || finite.iter().map(|row| of.content[*row]);
        let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
        // Where all values are alike, one bin of width 1 around them would do; any width does.
        let (low, width) = if high > low { (low, (high - low) / bins as f64) } else { (low - 0.5 * bins as f64, 1.0) };
        let bin = |row: usize| (((of.content[row] - low) / width) as usize).min(bins - 1);
        let count = |kept: &dyn Fn(usize) -> bool| {
            let mut counts = vec![0.0; bins];
            finite.iter().filter(|row| kept(**row)).for_each(|row| counts[bin(*row)] += 1.0);
            counts
        };
        let edge = |i: usize| low + i as f64 * width;
        let mut table = Table::new(bins)
            .with_column("lower", &of.unit, (0..bins).map(edge).collect())?
            .with_column("upper", &of.unit, (1..=bins).map(edge).collect())?
            .with_column("count", "", count(&|_| true))?;
        if let Some(groups) = groups {
            for group in distinct(by.unwrap_or_default(), groups)? {
                table = table.with_column(&format!("count_{group}"), "", count(&|row| groups[row] == group))?;
            }
        }
        Ok(table)
    }
}

/// The values that there are, ascending.
fn distinct(name: &str, values: &[f64]) -> Result<Vec<f64>> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup_by(|a, b| a == b);
    if sorted.len() > MAX_GROUPS {
        let why = format!("column `{name}` has {} different values, at most {MAX_GROUPS} can be groups", sorted.len());
        return Err(Error::Inconsistent { what: "by".into(), why });
    }
    Ok(sorted)
}

fn named<'t, T>(all: &'t [Quantity<T>], what: &str, name: &str) -> Result<&'t Quantity<T>> {
    all.iter().find(|q| q.name == name).ok_or_else(|| {
        let known = all.iter().map(|q| q.name.as_str()).collect::<Vec<_>>();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        Error::UnknownOption { what: what.into(), got: name.into(), known }
    })
}

fn refuse_twice<T>(all: &[Quantity<T>], what: &str, name: &str) -> Result<()> {
    match all.iter().any(|q| q.name == name) {
        true => Err(Error::Inconsistent { what: format!("{what} `{name}`"), why: "it is there already".into() }),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new(5)
            .with_column("intensity", "counts", vec![1.0, 2.0, 2.1, f64::NAN, 5.0])
            .and_then(|t| t.with_column("class", "", vec![1.0, 1.0, 2.0, 2.0, 2.0]))
            .and_then(|t| t.with_value("threshold", "counts", 0.5))
            .unwrap()
    }

    #[test]
    fn columns_and_values_are_found_by_name() {
        let table = table();
        assert_eq!((table.rows(), table.column("class").unwrap()[2], table.value("threshold").unwrap()), (5, 2.0, 0.5));
        let error = table.column("flag").unwrap_err();
        assert!(error.code() == 104 && error.to_string().contains("intensity, class"), "{error}");
        assert_eq!(table.value("flag").unwrap_err().code(), 104);
        assert_eq!(table.clone().with_column("class", "", vec![0.0; 5]).unwrap_err().code(), 302);
        assert_eq!(table.clone().with_column("new", "", vec![0.0; 4]).unwrap_err().code(), 101);
        assert_eq!(table.with_value("threshold", "", 0.0).unwrap_err().code(), 302);
    }

    #[test]
    fn histograms_hold_every_finite_value_once() {
        let counts = table().histogram("intensity", Some("class"), Some(4)).unwrap();
        assert_eq!(counts.column("lower").unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(counts.column("count").unwrap(), [1.0, 2.0, 0.0, 1.0]);
        assert_eq!(counts.column("count_1").unwrap(), [1.0, 1.0, 0.0, 0.0]);
        assert_eq!(counts.column("count_2").unwrap(), [0.0, 1.0, 0.0, 1.0]);
        assert_eq!(counts.columns()[0].unit, "counts");
        let alike = Table::new(3).with_column("x", "", vec![2.0; 3]).unwrap().histogram("x", None, Some(3)).unwrap();
        assert_eq!(alike.column("count").unwrap().iter().sum::<f64>(), 3.0);
        assert_eq!(table().histogram("class", None, None).unwrap().rows(), 10);
    }

    #[test]
    fn bad_histograms_are_refused() {
        assert_eq!(table().histogram("flag", None, None).unwrap_err().code(), 104);
        assert_eq!(table().histogram("class", None, Some(0)).unwrap_err().code(), 103);
        let many = Table::new(999).with_column("n", "", (0..999).map(f64::from).collect()).unwrap();
        assert_eq!(many.histogram("n", Some("n"), None).unwrap_err().code(), 302);
        let nothing = Table::new(1).with_column("n", "", vec![f64::NAN]).unwrap();
        assert_eq!(nothing.histogram("n", None, None).unwrap_err().code(), 301);
    }
}
