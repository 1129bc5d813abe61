//! How the error of position grows with the number of atoms, as in figure 6 of LOT and figure 5 of nLOT (Mao, Cui, Yu).

use crate::error::{Error, Result};
use crate::table::Table;

/// Error up to which nLOT calls a model well reconstructed, pm.
pub const PRECISION_LIMIT_PM: f64 = 10.0;

/// Atoms whose growth of the error is a slope's unit.
const MILLION: f64 = 1e6;

/// Straight lines through the RMSD (pm) of models of `atoms` atoms, by least squares of equal weights: `slope_origin` N
/// and `intercept + slope` N. Figure 5 of nLOT has the second one: 10 pm at 75,000 and 370,000 atoms with slopes of 105 and
/// 23 pm per million atoms are lines that begin at 2.1 and 1.5 pm, the error of a thin specimen.
///
/// The table has the points, `atoms` and `rmsd`, in their order, and what the lines have there, `line` and `line_origin`.
/// Values: `slope` and `slope_origin` (pm per million atoms), `intercept` (pm), their standard errors from the residuals,
/// `slope_error`, `slope_origin_error` and `intercept_error` (NaN where as many points as parameters leave none), the root
/// mean squares `residual` and `residual_origin` (pm), and the numbers of atoms at which the lines reach `limit` pm,
/// `atoms_at_limit` and `atoms_at_limit_origin`: 0 where a line begins above it, infinite where it never gets there.
///
/// # Errors
/// `Shape` for lists of different lengths, `NonFinite`, `Range` for numbers of atoms and RMSDs below 0 and a limit that is
/// not positive, `Empty` for fewer than two points, `Inconsistent` where all models have the same number of atoms.
pub fn rmsd_trend(atoms: &[f64], rmsd: &[f64], limit: f64) -> Result<Table> {
    check(atoms, rmsd, limit)?;
    let n = atoms.len() as f64;
    let (origin, affine) = (Line::through_origin(atoms, rmsd), Line::affine(atoms, rmsd));
    Table::new(atoms.len())
        .with_column("atoms", "", atoms.to_vec())?
        .with_column("rmsd", "pm", rmsd.to_vec())?
        .with_column("line", "pm", atoms.iter().map(|a| affine.at(*a)).collect())?
        .with_column("line_origin", "pm", atoms.iter().map(|a| origin.at(*a)).collect())?
        .with_value("slope", "pm per million atoms", MILLION * affine.slope)?
        .with_value("slope_error", "pm per million atoms", MILLION * affine.slope_error)?
        .with_value("intercept", "pm", affine.intercept)?
        .with_value("intercept_error", "pm", affine.intercept_error)?
        .with_value("residual", "pm", (affine.squares / n).sqrt())?
        .with_value("atoms_at_limit", "", affine.reaches(limit))?
        .with_value("slope_origin", "pm per million atoms", MILLION * origin.slope)?
        .with_value("slope_origin_error", "pm per million atoms", MILLION * origin.slope_error)?
        .with_value("residual_origin", "pm", (origin.squares / n).sqrt())?
        .with_value("atoms_at_limit_origin", "", origin.reaches(limit))?
        .with_value("limit", "pm", limit)
}

fn check(atoms: &[f64], rmsd: &[f64], limit: f64) -> Result<()> {
    if atoms.len() != rmsd.len() {
        return Err(Error::shape("rmsd", &[rmsd.len()], format!("[{}], one per number of atoms", atoms.len())));
    }
    for (what, values) in [("number of atoms", atoms), ("rmsd (pm)", rmsd)] {
        Error::unless_finite(what, "model", values)?;
        if let Some(at) = values.iter().position(|v| *v < 0.0) {
            return Err(Error::range(format!("{what} of model {at}"), values[at], "0 or a positive number"));
        }
    }
    if !(limit.is_finite() && limit > 0.0) {
        return Err(Error::range("limit", limit, "a positive number (pm)"));
    }
    if atoms.len() < 2 {
        let why = format!("a line needs two models at least, got {}", atoms.len());
        return Err(Error::Empty { what: "trend of the RMSD".into(), why });
    }
    if atoms.iter().all(|a| *a == atoms[0]) {
        let why = format!("all models have {} atoms; a slope needs different numbers", atoms[0]);
        return Err(Error::Inconsistent { what: "trend of the RMSD".into(), why });
    }
    Ok(())
}

/// A line of least squares with the standard errors that its residuals tell.
struct Line {
    slope: f64,
    intercept: f64,
    slope_error: f64,
    intercept_error: f64,
    /// Sum of the squares of the residuals.
    squares: f64,
}

impl Line {
    fn through_origin(x: &[f64], y: &[f64]) -> Self {
        let (xx, xy) = x.iter().zip(y).fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + x * x, xy + x * y));
        let mut line = Self { slope: xy / xx, intercept: 0.0, slope_error: 0.0, intercept_error: 0.0, squares: 0.0 };
        line.squares = line.left(x, y);
        line.slope_error = (line.squares / (x.len() as f64 - 1.0) / xx).sqrt();
        line
    }

    fn affine(x: &[f64], y: &[f64]) -> Self {
        let n = x.len() as f64;
        let (mean_x, mean_y) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
        let xx: f64 = x.iter().map(|x| (x - mean_x).powi(2)).sum();
        let xy: f64 = x.iter().zip(y).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let slope = xy / xx;
        let mut line =
            Self { slope, intercept: mean_y - slope * mean_x, slope_error: 0.0, intercept_error: 0.0, squares: 0.0 };
        line.squares = line.left(x, y);
        let variance = if x.len() > 2 { line.squares / (n - 2.0) } else { f64::NAN };
        line.slope_error = (variance / xx).sqrt();
        line.intercept_error = (variance * (1.0 / n + mean_x * mean_x / xx)).sqrt();
        line
    }

    fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }

    fn left(&self, x: &[f64], y: &[f64]) -> f64 {
        x.iter().zip(y).map(|(x, y)| (y - self.at(*x)).powi(2)).sum()
    }

    /// Where the line reaches `limit` coming from below.
    fn reaches(&self, limit: f64) -> f64 {
        match limit - self.intercept {
            room if room <= 0.0 => 0.0,
            _ if self.slope <= 0.0 => f64::INFINITY,
            room => room / self.slope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(table: &Table, name: &str) -> f64 {
        table.value(name).unwrap()
    }

    #[test]
    fn points_on_a_line_are_on_it() {
        let atoms = [25e3, 50e3, 1e5, 2e5, 1e6];
        let rmsd = atoms.map(|n| 2.1 + 105e-6 * n);
        let trend = rmsd_trend(&atoms, &rmsd, PRECISION_LIMIT_PM).unwrap();
        assert!((value(&trend, "slope") - 105.0).abs() < 1e-9 && (value(&trend, "intercept") - 2.1).abs() < 1e-9);
        assert!((value(&trend, "atoms_at_limit") - 7.9 / 105e-6).abs() < 1e-3);
        assert!(value(&trend, "residual") < 1e-9 && value(&trend, "slope_error") < 1e-6);
        assert!(value(&trend, "slope_origin") > 105.0 && value(&trend, "residual_origin") > 0.1);
        let through = rmsd_trend(&atoms, &atoms.map(|n| 23e-6 * n), 10.0).unwrap();
        assert!((value(&through, "slope_origin") - 23.0).abs() < 1e-9);
        assert!((value(&through, "atoms_at_limit_origin") - 10.0 / 23e-6).abs() < 1e-3);
        assert_eq!(through.column("line_origin").unwrap().len(), 5);
    }

    #[test]
    fn errors_of_slope_and_intercept_are_those_of_the_textbook() {
        // y = x + (1, -1, -1, 1) has slope 1 and intercept 0; s^2 = 4 / 2, sum (x - mean)^2 = 5.
        let trend = rmsd_trend(&[1e6, 2e6, 3e6, 4e6], &[2.0, 1.0, 2.0, 5.0], 10.0).unwrap();
        assert!((value(&trend, "slope") - 1.0).abs() < 1e-12 && value(&trend, "intercept").abs() < 1e-12);
        assert!((value(&trend, "slope_error") - (2.0f64 / 5.0).sqrt()).abs() < 1e-12);
        assert!((value(&trend, "intercept_error") - (2.0f64 * (0.25 + 6.25 / 5.0)).sqrt()).abs() < 1e-12);
        assert!((value(&trend, "residual") - 1.0).abs() < 1e-12);
        let two = rmsd_trend(&[1.0, 2.0], &[1.0, 3.0], 10.0).unwrap();
        assert!(value(&two, "slope_error").is_nan() && value(&two, "slope_origin_error").is_finite());
    }

    #[test]
    fn limits_that_are_never_reached_or_always_exceeded() {
        let flat = rmsd_trend(&[1.0, 2.0], &[3.0, 3.0], 10.0).unwrap();
        assert_eq!(value(&flat, "atoms_at_limit"), f64::INFINITY);
        assert_eq!(value(&rmsd_trend(&[1.0, 2.0], &[12.0, 13.0], 10.0).unwrap(), "atoms_at_limit"), 0.0);
    }

    #[test]
    fn bad_input_is_refused() {
        let code = |atoms: &[f64], rmsd: &[f64], limit| rmsd_trend(atoms, rmsd, limit).unwrap_err().code();
        assert_eq!(code(&[1.0, 2.0], &[1.0], 10.0), 101);
        assert_eq!(code(&[1.0, f64::NAN], &[1.0, 2.0], 10.0), 300);
        assert_eq!(code(&[1.0, -2.0], &[1.0, 2.0], 10.0), 103);
        assert_eq!(code(&[1.0, 2.0], &[1.0, 2.0], 0.0), 103);
        assert_eq!(code(&[1.0], &[1.0], 10.0), 301);
        assert_eq!(code(&[5.0, 5.0], &[1.0, 2.0], 10.0), 302);
    }
}
