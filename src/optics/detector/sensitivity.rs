//! Measured efficiency of a detector as a function of the scattering angle.

use crate::error::{Error, Result};
use crate::grid::origin;
use ndarray::ArrayView2;

/// Efficiencies (0 or more) on a centred array `[row = ky, column = kx]` with an angle step of its own, zero angle at
/// n / 2; bilinear between its points and 0 outside.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Sensitivity {
    values: Vec<f64>,
    rows: usize,
    columns: usize,
    steps_mrad: (f64, f64),
}

impl Sensitivity {
    /// A map of `values` with `steps_mrad` between neighbouring (rows, columns).
    ///
    /// # Errors
    /// `Empty` without values above 0, `NonFinite`, `Range` for negative values and steps that are not positive.
    pub fn new(values: ArrayView2<'_, f64>, steps_mrad: (f64, f64)) -> Result<Self> {
        for (name, step) in
            [("sensitivity step between rows", steps_mrad.0), ("sensitivity step between columns", steps_mrad.1)]
        {
            if !(step.is_finite() && step > 0.0) {
                return Err(Error::range(name, step, "a positive number (mrad)"));
            }
        }
        for ((row, column), value) in values.indexed_iter() {
            let at = || format!("row {row}, column {column}");
            if !value.is_finite() {
                return Err(Error::NonFinite { what: "sensitivity".into(), value: *value, at: at() });
            }
            if *value < 0.0 {
                return Err(Error::range(format!("sensitivity at {} (counted from 0)", at()), value, "0 or more"));
            }
        }
        if values.iter().all(|v| *v == 0.0) {
            let why = format!("shape {:?} holds no value above 0", values.shape());
            return Err(Error::Empty { what: "sensitivity".into(), why });
        }
        let (rows, columns) = values.dim();
        Ok(Self { values: values.iter().copied().collect(), rows, columns, steps_mrad })
    }

    /// Efficiency at the angle (`y`, `x`), mrad.
    pub fn at(&self, y: f64, x: f64) -> f64 {
        let place = |angle: f64, step: f64, n: usize| {
            let position = angle / step + origin(n) as f64;
            (position.floor(), position - position.floor())
        };
        let (row, down) = place(y, self.steps_mrad.0, self.rows);
        let (column, right) = place(x, self.steps_mrad.1, self.columns);
        let upper = (1.0 - right) * self.value(row, column) + right * self.value(row, column + 1.0);
        let lower = (1.0 - right) * self.value(row + 1.0, column) + right * self.value(row + 1.0, column + 1.0);
        (1.0 - down) * upper + down * lower
    }

    /// The value at a whole-numbered place, 0 outside.
    fn value(&self, row: f64, column: f64) -> f64 {
        let inside = row >= 0.0 && row < self.rows as f64 && column >= 0.0 && column < self.columns as f64;
        if inside {
            self.values[row as usize * self.columns + column as usize]
        } else {
            0.0
        }
    }

    /// Angles (y, x) of the points above 0, mrad.
    pub(super) fn sensitive_angles(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let angle = |i: usize, n: usize, step: f64| (i as f64 - origin(n) as f64) * step;
        let points = self.values.iter().enumerate().filter(|(_, value)| **value > 0.0);
        points.map(move |(i, _)| {
            let (row, column) = (i / self.columns, i % self.columns);
            (angle(row, self.rows, self.steps_mrad.0), angle(column, self.columns, self.steps_mrad.1))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::arr2;

    #[test]
    fn bilinear_within_and_zero_outside() {
        let map = Sensitivity::new(arr2(&[[0.0, 1.0, 0.5], [0.25, 0.5, 1.0]]).view(), (2.0, 4.0)).unwrap();
        assert_eq!(map.at(0.0, 0.0), 0.5); // row 1, column 1
        assert_eq!(map.at(-2.0, 4.0), 0.5);
        assert_eq!(map.at(-1.0, 2.0), 0.75);
        assert_eq!(map.at(1.0, -4.0), 0.125); // half a step beyond the last row
        assert_eq!((map.at(2.0, 0.0), map.at(0.0, -8.0), map.at(1e300, -1e300)), (0.0, 0.0, 0.0));
        assert_eq!(map.sensitive_angles().count(), 5);
        assert_eq!(map.sensitive_angles().next(), Some((-2.0, 0.0)));
    }

    #[test]
    fn bad_maps_are_refused() {
        let code = |value: f64, steps| Sensitivity::new(arr2(&[[1.0, value]]).view(), steps).unwrap_err();
        assert_eq!(code(1.0, (0.0, 1.0)).code(), 103);
        assert!(code(f64::NAN, (1.0, 1.0)).to_string().contains("row 0, column 1"));
        assert!(code(-0.5, (1.0, 1.0)).to_string().contains("column 1 (counted from 0) is -0.5, wanted 0 or more"));
        let empty = Sensitivity::new(arr2(&[[0.0, 0.0]]).view(), (1.0, 1.0)).unwrap_err();
        assert_eq!(empty.code(), 301);
    }
}
