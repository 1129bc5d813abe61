//! Integrated centre of mass (iCOM, iDPC).
//!
//! For a thin specimen of phase phi(r) the centre of mass of the pattern is the gradient of phi / (2 pi), blurred by the
//! intensity of the probe: p_com = (1 / 2 pi) grad(phi * |psi_0|^2), in 1/angstrom. The image I whose gradient fits a
//! measured field C best, min sum |grad I - C|^2 on the periodic scan, is in Fourier space
//!
//! I(q) = (q . C(q)) / (2 pi i |q|^2), I(0) = 0,
//!
//! and 2 pi I is the phase. At its own Nyquist frequency a component has no derivative on the grid and takes no part.

use crate::error::{Error, Result};
use crate::grid::Plane;
use crate::optics::fft::inverse_2d;
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use num_complex::Complex64;
use std::f64::consts::TAU;

/// The image `[row, column]` of a field of centres of mass `[x or y, row, column]` (1/angstrom), measured on a periodic
/// scan with `steps` = (between rows, between columns), angstrom. The image has the unit of the field times angstrom and
/// mean 0.
///
/// # Errors
/// `Shape` unless there are two components on 1 to 65536 rows and columns, `Range` for steps that are not positive,
/// `NonFinite` with the place of a bad value.
pub fn integrate_center_of_mass(field: ArrayView3<'_, f64>, steps: (f64, f64)) -> Result<Array2<f64>> {
    let (2, rows, columns) = field.dim() else {
        return Err(Error::shape("centres of mass", field.shape(), "[2 (x, y), rows, columns]"));
    };
    if let Some(((component, row, column), value)) = field.indexed_iter().find(|(_, v)| !v.is_finite()) {
        let at = format!("component {component}, row {row}, column {column}");
        return Err(Error::NonFinite { what: "centres of mass".into(), value: *value, at });
    }
    let scan = scan_of(rows, columns, steps)?;
    let mut spectrum = Array2::zeros((rows, columns));
    for (component, values) in field.axis_iter(Axis(0)).enumerate() {
        let filter = factors(&scan, component);
        spectrum.zip_mut_with(&(forward(values) * filter), |sum: &mut Complex64, part| *sum += part);
    }
    Ok(inverse(spectrum))
}

/// The adjoint of [`integrate_center_of_mass`]: from the derivative of a loss with respect to the image to that with
/// respect to the field.
///
/// # Errors
/// `Shape` and `Range` as there.
pub fn integrate_center_of_mass_adjoint(by_image: ArrayView2<'_, f64>, steps: (f64, f64)) -> Result<Array3<f64>> {
    let (rows, columns) = by_image.dim();
    let scan = scan_of(rows, columns, steps)?;
    let spectrum = forward(by_image);
    let mut by_field = Array3::zeros((2, rows, columns));
    for (component, mut place) in by_field.axis_iter_mut(Axis(0)).enumerate() {
        let filter = factors(&scan, component).mapv_into(|factor| factor.conj());
        place.assign(&inverse(&spectrum * &filter));
    }
    Ok(by_field)
}

/// The points of a scan as a plane.
fn scan_of(rows: usize, columns: usize, steps: (f64, f64)) -> Result<Plane> {
    for (name, step) in [("scan step between rows", steps.0), ("scan step between columns", steps.1)] {
        if !(step.is_finite() && step > 0.0) {
            return Err(Error::range(name, step, "a positive number (angstrom)"));
        }
    }
    Plane::new(rows, columns, steps.0, steps.1)
}

/// q_x / (2 pi i |q|^2), or the same of q_y, for component 0 or 1.
fn factors(scan: &Plane, component: usize) -> Array2<Complex64> {
    let (y, x) = (scan.frequencies_y(), scan.frequencies_x());
    let is_nyquist = |i: usize, n: usize| 2 * i == n;
    Array2::from_shape_fn((scan.rows, scan.columns), |(row, column)| {
        let square = y[row] * y[row] + x[column] * x[column];
        let along = match component {
            0 if !is_nyquist(column, scan.columns) => x[column],
            1 if !is_nyquist(row, scan.rows) => y[row],
            _ => 0.0,
        };
        Complex64::new(0.0, if square > 0.0 { -along / (TAU * square) } else { 0.0 })
    })
}

/// Forward transform of a real image: the inverse one of its complex conjugate, conjugated.
fn forward(image: ArrayView2<'_, f64>) -> Array2<Complex64> {
    let mut spectrum = image.mapv(|v| Complex64::new(v, 0.0));
    inverse_2d(&mut spectrum);
    spectrum.mapv_into(|v| v.conj())
}

/// Real part of the inverse transform, with the factor 1/N.
fn inverse(mut spectrum: Array2<Complex64>) -> Array2<f64> {
    inverse_2d(&mut spectrum);
    let scale = 1.0 / spectrum.len() as f64;
    spectrum.mapv(|v| v.re * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    fn noise(i: usize) -> f64 {
        (i as f64 * 12.9898 + 1.0).sin() * 43758.5453 % 1.0
    }

    #[test]
    fn the_gradient_of_an_image_gives_it_back() {
        // waves below the Nyquist frequency, over pixels that are not square
        let ((rows, columns), (dy, dx)) = ((24, 25), (0.3, 0.2));
        let (height, width) = (rows as f64 * dy, columns as f64 * dx);
        let waves = [(1.0, 2.0, 0.3), (-3.0, 0.0, 1.1), (5.0, -7.0, 2.0), (0.0, 4.0, 0.7)];
        let phase = |row: usize, column: usize, (a, b, shift): (f64, f64, f64)| {
            TAU * (a * row as f64 / rows as f64 + b * column as f64 / columns as f64) + shift
        };
        let image =
            Array2::from_shape_fn((rows, columns), |(r, c)| waves.iter().map(|w| phase(r, c, *w).cos()).sum::<f64>());
        let field = Array3::from_shape_fn((2, rows, columns), |(component, r, c)| {
            let slope = |w: &(f64, f64, f64)| TAU * if component == 0 { w.1 / width } else { w.0 / height };
            waves.iter().map(|w| -slope(w) * phase(r, c, *w).sin()).sum()
        });
        let got = integrate_center_of_mass(field.view(), (dy, dx)).unwrap();
        assert!(got.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(got.sum().abs() < 1e-10);
    }

    #[test]
    fn fields_without_sources_leave_nothing() {
        // (d/dy, -d/dx) of anything is no gradient
        let field = Array3::from_shape_fn((2, 20, 20), |(component, r, c)| {
            let slope = (TAU * (r + 2 * c) as f64 / 20.0).cos();
            if component == 0 {
                slope
            } else {
                -2.0 * slope
            }
        });
        assert!(integrate_center_of_mass(field.view(), (1.0, 1.0)).unwrap().iter().all(|v| v.abs() < 1e-14));
    }

    #[test]
    fn adjoint() {
        for (rows, columns) in [(12, 10), (9, 7), (1, 8), (6, 1), (1, 1)] {
            let n = rows * columns;
            let x: Vec<f64> = (0..2 * n).map(noise).collect();
            let y: Vec<f64> = (0..n).map(|i| noise(i + 500)).collect();
            let field = Array3::from_shape_vec((2, rows, columns), x.clone()).unwrap();
            let by_image = Array2::from_shape_vec((rows, columns), y.clone()).unwrap();
            let image = integrate_center_of_mass(field.view(), (0.4, 0.3)).unwrap();
            let by_field = integrate_center_of_mass_adjoint(by_image.view(), (0.4, 0.3)).unwrap();
            let flat = |values: ndarray::ArrayViewD<'_, f64>| values.iter().copied().collect::<Vec<_>>();
            let report = check::adjoint(&x, &flat(by_field.view().into_dyn()), &flat(image.view().into_dyn()), &y);
            assert!(report.error < 1e-12, "{rows} {columns} {report:?}");
        }
    }

    #[test]
    fn bad_fields_are_refused() {
        let code = |shape: (usize, usize, usize), step: f64, value: f64| {
            let mut field = Array3::zeros(shape);
            field.iter_mut().last().into_iter().for_each(|v| *v = value);
            integrate_center_of_mass(field.view(), (step, 1.0)).unwrap_err()
        };
        assert_eq!(code((3, 4, 4), 1.0, 0.0).code(), 101);
        assert_eq!(code((2, 0, 4), 1.0, 0.0).code(), 101);
        assert_eq!(code((2, 4, 4), 0.0, 0.0).code(), 103);
        assert!(code((2, 4, 4), 1.0, f64::NAN).to_string().contains("component 1, row 3, column 3"));
        assert_eq!(integrate_center_of_mass_adjoint(Array2::zeros((0, 0)).view(), (1.0, 1.0)).unwrap_err().code(), 101);
    }
}
