//! Sweeps against plain transforms of another library, for every path, precision and kind of length.

use super::*;
use num_complex::Complex;
use rustfft::FftPlanner;

fn paths() -> Vec<SimdPath> {
    let paths = [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512];
    paths.into_iter().filter(|path| path.checked().is_ok()).collect()
}

fn value(row: usize, column: usize) -> Complex<f64> {
    Complex::new((row as f64 * 1.3 + column as f64 * 0.7).sin(), (row as f64 * 0.4 - column as f64 * 1.1).cos())
}

fn plane_of<T: Real>(rows: usize, columns: usize, of: impl Fn(usize, usize) -> Complex<f64>) -> ComplexPlane<T> {
    let mut plane = ComplexPlane::new(rows, columns);
    for row in 0..rows {
        for column in 0..columns {
            let v = of(row, column);
            plane.set(row, column, Complex::new(T::of(v.re), T::of(v.im)));
        }
    }
    plane
}

/// Line `index` in direction `lines`.
fn line_of<T: Real>(plane: &ComplexPlane<T>, lines: Lines, index: usize, length: usize) -> Vec<Complex<f64>> {
    let get = |i| match lines {
        Lines::Rows => plane.get(index, i),
        Lines::Columns => plane.get(i, index),
    };
    (0..length).map(get).map(|v| Complex::new(v.re.f64(), v.im.f64())).collect()
}

fn forward(mut line: Vec<Complex<f64>>) -> Vec<Complex<f64>> {
    FftPlanner::new().plan_fft_forward(line.len()).process(&mut line);
    line
}

fn run<'a, T: Real>(
    path: SimdPath,
    lines: Lines,
    plan: &'a LinePlan<T>,
    wave: &mut ComplexPlane<T>,
    steps: &mut [Step<'a, T>],
) {
    let count = if lines == Lines::Rows { wave.rows() } else { wave.columns() };
    let sweep_of = Sweep { plan, lines, count, load: None, store: None };
    sweep(path, &sweep_of, wave, steps, &mut SweepScratch::default());
}

fn assert_close(got: &[Complex<f64>], wanted: &[Complex<f64>], tolerance: f64, what: &str) {
    let largest = wanted.iter().map(|v| v.norm()).fold(1e-300, f64::max);
    for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert!((g - w).norm() <= tolerance * largest, "{what}, place {i}: {g} for {w}");
    }
}

fn check<T: Real>(path: SimdPath, lines: Lines, length: usize, count: usize, tolerance: f64) {
    let (rows, columns) = if lines == Lines::Rows { (count, length) } else { (length, count) };
    let what = format!("{} {} {lines:?} of {length} points", path.name(), T::NAME);
    let plan = plan_lines::<T>(path, length);
    let original = plane_of::<T>(rows, columns, value);
    let mut wave = original.clone();
    run(path, lines, &plan, &mut wave, &mut [Step::Forward]);
    for index in 0..count {
        let wanted = forward(line_of(&original, lines, index, length));
        let wanted: Vec<_> = plan.frequency_at().iter().map(|f| wanted[*f]).collect();
        assert_close(&line_of(&wave, lines, index, length), &wanted, tolerance, &what);
    }
    let scale = vec![Complex::new(T::of(1.0 / length as f64), T::of(0.0)); length];
    run(path, lines, &plan, &mut wave, &mut [Step::Backward, Step::Weigh(&scale, false)]);
    for index in 0..count {
        let wanted = line_of(&original, lines, index, length);
        assert_close(&line_of(&wave, lines, index, length), &wanted, tolerance, &what);
    }
    let factor: Vec<Complex<T>> =
        (0..length).map(|i| Complex::new(T::of((i as f64).cos()), T::of((i as f64 * 0.3).sin()))).collect();
    for conjugate in [false, true] {
        let mut joined = original.clone();
        run(path, lines, &plan, &mut joined, &mut [Step::Convolve(&factor, conjugate)]);
        let mut each = original.clone();
        let factors = plane_of(length, count, |place, _| Complex::new(factor[place].re.f64(), factor[place].im.f64()));
        run(path, lines, &plan, &mut each, &mut [Step::ConvolveEach(&factors, conjugate)]);
        let used: Vec<_> = factor.iter().map(|f| if conjugate { f.conj() } else { *f }).collect();
        let mut apart = original.clone();
        run(path, lines, &plan, &mut apart, &mut [Step::Forward, Step::Weigh(&used, false), Step::Backward]);
        for index in 0..count {
            let wanted = line_of(&apart, lines, index, length);
            assert_close(&line_of(&joined, lines, index, length), &wanted, tolerance, &what);
            assert_close(&line_of(&each, lines, index, length), &wanted, tolerance, &what);
        }
    }
}

#[test]
fn transforms_agree_with_plain_ones_for_all_lengths_and_paths() {
    for path in paths() {
        for length in [1, 2, 3, 4, 5, 7, 8, 12, 16, 22, 35, 37, 60, 64, 75, 90, 128, 254, 256, 512] {
            for (lines, count) in [(Lines::Rows, 3), (Lines::Columns, 17)] {
                check::<f64>(path, lines, length, count, 1e-13);
                check::<f32>(path, lines, length, count, 3e-6);
            }
        }
    }
}

#[test]
fn rows_can_live_as_some_of_their_places() {
    for path in paths() {
        let (rows, length) = (19, 48);
        let places: Vec<usize> = (0..length).filter(|p| p % 3 != 1).collect();
        let original = plane_of::<f32>(rows, length, value);
        let plan = plan_lines::<f32>(path, length);
        let mut wave = original.clone();
        let mut scratch = SweepScratch::default();
        let store = Sweep { plan: &plan, lines: Lines::Rows, count: rows, load: None, store: Some(&places) };
        sweep(path, &store, &mut wave, &mut [], &mut scratch);
        for row in 0..rows {
            for (i, place) in places.iter().enumerate() {
                assert_eq!(wave.get(row, i), original.get(row, *place));
            }
        }
        let load = Sweep { store: None, load: Some(&places), ..store };
        sweep(path, &load, &mut wave, &mut [], &mut scratch);
        for row in 0..rows {
            for column in 0..length {
                let wanted = if column % 3 == 1 { Complex::new(0.0, 0.0) } else { original.get(row, column) };
                assert_eq!(wave.get(row, column), wanted);
            }
        }
    }
}

#[test]
fn windows_multiply_keep_and_correlate() {
    let (rows, columns) = (21, 12);
    for path in paths() {
        let plan = plan_lines::<f64>(path, columns);
        let object = plane_of::<f64>(30, 60, |r, c| value(c, r + 5));
        let points: Vec<u32> = (0..columns).map(|i| ((i + 25) % 30) as u32).collect();
        let window = Window::new(&object, &points, 7, rows);
        let original = plane_of::<f64>(rows, columns, value);
        let mut wave = original.clone();
        let mut kept = ComplexPlane::new(columns, rows);
        let mut gradient = ComplexPlane::new(30, 60);
        let steps = &mut [Step::Keep(&mut kept), Step::Transmit(window, false)];
        run(path, Lines::Rows, &plan, &mut wave, steps);
        let transmitted = wave.clone();
        run(path, Lines::Rows, &plan, &mut wave, &mut [Step::Correlate(&kept, window, &mut gradient)]);
        for row in 0..rows {
            for (column, point) in points.iter().enumerate() {
                let t = object.get(*point as usize, 7 + row);
                assert_eq!(kept.get(column, row), original.get(row, column));
                assert!((transmitted.get(row, column) - original.get(row, column) * t).norm() < 1e-14);
                let wanted = original.get(row, column).conj() * transmitted.get(row, column);
                assert!((gradient.get(*point as usize, 7 + row) - wanted).norm() < 1e-14);
            }
        }
        run(path, Lines::Rows, &plan, &mut wave, &mut [Step::Transmit(window, true)]);
        let back = original.get(4, 3) * object.get(points[3] as usize, 11).norm_sqr();
        assert!((wave.get(4, 3) - back).norm() < 1e-13);
    }
}
