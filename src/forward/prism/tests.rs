//! PRISM against multislice, against its own formula written down plainly, and in vacuum.

use super::*;
use crate::context::{Context, ContextOptions};
use crate::error::Result;
use crate::forward::multislice::{Form, Multislice, MultisliceOptions, MultisliceWorkspace, Object, Pass};
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::problem::Waiting;
use crate::simd::{Real, SimdPath};
use num_complex::{Complex, Complex64};
use std::f64::consts::{PI, TAU};
use std::sync::Mutex;

const WAVELENGTH: f64 = 0.0251;
const SLICES: usize = 3;
const LIMITS: [BandLimit; 3] = [BandLimit::Circular, BandLimit::Square, BandLimit::None];

fn plane() -> Plane {
    Plane::new(40, 48, 0.2, 0.18).unwrap()
}

fn engine<T: Real>(limit: BandLimit) -> Multislice<T> {
    let options = MultisliceOptions { band_limit: limit, mistilt_mrad: (3.0, -2.0), window: None };
    Multislice::new(SimdPath::detect(), &plane(), WAVELENGTH, &[2.0, 3.0, 2.0], &options).unwrap()
}

fn transmission(slice: usize, row: usize, column: usize) -> Complex64 {
    let (x, y) = (TAU * column as f64 / 48.0, TAU * row as f64 / 40.0);
    Complex64::from_polar(1.0 - 0.1 * x.cos().powi(2), 0.6 * (2.0 * x + slice as f64).sin() + 0.4 * (3.0 * y).cos())
}

fn object<T: Real>(engine: &Multislice<T>, of: impl Fn(usize, usize, usize) -> Complex64) -> Object<T> {
    let mut object = engine.object();
    for k in 0..SLICES {
        object.set_slice(k, |row, column| {
            let value = of(k, row, column);
            Complex::new(T::of(value.re), T::of(value.im))
        });
    }
    object
}

/// A soft disk of radius 0.8 /A with defocus and coma.
fn pupil(defocus: f64) -> impl Fn(f64, f64) -> Complex64 + Copy {
    move |kx: f64, ky: f64| {
        let k = kx.hypot(ky);
        let chi = -PI * WAVELENGTH * defocus * k * k + 0.4 * k * k * kx;
        Complex64::from_polar(((0.8 - k) / 0.1 + 0.5).clamp(0.0, 1.0), -chi)
    }
}

/// Some within the object, some whose windows reach over its edges, one of another period.
fn positions() -> Vec<(f64, f64)> {
    let raster = (0..30).map(|i| (0.31 * (i % 6) as f64 + 3.0, 0.37 * (i / 6) as f64 + 2.9));
    raster.chain([(0.0, 0.0), (8.6, 7.93), (0.05, 4.1), (-1.3, 12.2), (4.32, 4.0)]).collect()
}

fn context(threads: usize) -> Context {
    Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap()
}

fn waiting<V>(context: &Context, run: impl FnOnce(&mut Waiting<'_>) -> V) -> V {
    run(&mut Waiting { cancel: &context.cancel_token(), tell: &mut |_| true })
}

fn options(fy: usize, fx: usize, downsampling: bool) -> PrismOptions {
    PrismOptions { interpolation: (fy, fx), downsampling }
}

struct Case<T: Real> {
    engine: Multislice<T>,
    object: Object<T>,
    plan: PrismPlan<T>,
}

impl<T: Real> Case<T> {
    fn new(limit: BandLimit, options: &PrismOptions, vacuum: bool) -> Self {
        let engine = engine(limit);
        let object = object(&engine, |k, i, j| if vacuum { Complex64::ONE } else { transmission(k, i, j) });
        let plan = PrismPlan::new(&engine, options, pupil(0.0)).unwrap();
        Self { engine, object, plan }
    }

    fn matrix(&self, context: &Context) -> ScatteringMatrix<T> {
        let mut matrix = self.plan.matrix().unwrap();
        waiting(context, |w| self.plan.scatter(context, &self.engine, &self.object, &mut matrix, w)).unwrap();
        matrix
    }

    fn patterns(&self, threads: usize, defocus: f64, positions: &[(f64, f64)]) -> Vec<Vec<T>> {
        let context = context(threads);
        let matrix = self.matrix(&context);
        let probe = self.plan.probe(pupil(defocus)).unwrap();
        self.reduce(&context, &matrix, &probe, positions).unwrap()
    }

    fn reduce(
        &self,
        context: &Context,
        matrix: &ScatteringMatrix<T>,
        probe: &PrismProbe,
        positions: &[(f64, f64)],
    ) -> Result<Vec<Vec<T>>> {
        let patterns = Mutex::new(vec![vec![]; positions.len()]);
        let take = |number: usize, pattern: &[T]| {
            let mut patterns = patterns.lock().unwrap();
            assert!(patterns[number].is_empty(), "position {number} twice");
            patterns[number] = pattern.to_vec();
            Ok(())
        };
        waiting(context, |w| self.plan.patterns(context, matrix, probe, positions, &take, w))?;
        Ok(patterns.into_inner().unwrap())
    }

    /// The same by the engine, one probe after the other.
    fn multislice(&self, defocus: f64, positions: &[(f64, f64)]) -> Vec<Vec<T>> {
        let (pupil, mut wave) = (self.engine.pupil(pupil(defocus)), self.engine.wave());
        let pass = Pass { slices: 0..SLICES, start: Form::Coefficients, finish: Form::Coefficients };
        let mut workspace = MultisliceWorkspace::default();
        let one = |position: &(f64, f64)| {
            pupil.place(*position, &mut wave);
            self.engine.propagate(&self.object, (0, 0), &pass, &mut wave, None, &mut workspace);
            let mut pattern = vec![T::of(0.0); plane().pixels()];
            self.engine.pattern(&wave, &mut pattern);
            pattern
        };
        positions.iter().map(one).collect()
    }
}

fn largest_difference<T: Real>(got: &[Vec<T>], wanted: &[Vec<T>]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let largest = wanted.iter().flatten().fold(0.0, |largest: f64, v| largest.max(v.f64()));
    let pairs = got.iter().zip(wanted).flat_map(|(a, b)| {
        assert_eq!(a.len(), b.len());
        a.iter().zip(b)
    });
    pairs
        .map(|(a, b)| (a.f64() - b.f64()).abs())
        .fold(0.0, |worst: f64, e| if e > worst || e.is_nan() { e } else { worst })
        / largest
}

fn check_against_multislice<T: Real>(tolerance: f64) {
    for limit in LIMITS {
        let case = Case::<T>::new(limit, &options(1, 1, false), false);
        for defocus in [0.0, 60.0] {
            let (got, wanted) = (case.patterns(2, defocus, &positions()), case.multislice(defocus, &positions()));
            let error = largest_difference(&got, &wanted);
            assert!(error < tolerance, "{limit:?}, defocus {defocus}: {error}");
        }
    }
}

#[test]
fn all_plane_waves_give_multislice() {
    check_against_multislice::<f64>(1e-13);
    check_against_multislice::<f32>(5e-6);
}

/// sum over b of c_b S_b(r) in the window around each position, and its pattern, term by term.
fn plain(case: &Case<f64>, defocus: f64, positions: &[(f64, f64)]) -> Vec<Vec<f64>> {
    let (plan, object_plane) = (&case.plan, plane());
    let (rows, columns) = (plan.window().rows, plan.window().columns);
    let mut workspace = MultisliceWorkspace::default();
    let pass = Pass { slices: 0..SLICES, start: Form::Wave, finish: Form::Wave };
    let (mut exits, mut norm) = (vec![], 0.0);
    for my in -40i64..40 {
        for mx in -48i64..48 {
            let (fy, fx) = (object_plane.rows / rows, object_plane.columns / columns);
            let ky = my as f64 * fy as f64 / object_plane.extent().0;
            let kx = mx as f64 * fx as f64 / object_plane.extent().1;
            let coefficient = pupil(defocus)(kx, ky);
            if coefficient == Complex64::ZERO {
                continue;
            }
            norm += coefficient.norm_sqr();
            let mut wave = case.engine.wave();
            for p in 0..object_plane.pixels() {
                let (i, j) = (p / object_plane.columns, p % object_plane.columns);
                let turns = kx * j as f64 * object_plane.pixel_x + ky * i as f64 * object_plane.pixel_y;
                wave.set(i, j, Complex64::cis(TAU * turns));
            }
            case.engine.propagate(&case.object, (0, 0), &pass, &mut wave, None, &mut workspace);
            exits.push((kx, ky, coefficient, wave));
        }
    }
    assert_eq!(exits.len(), plan.waves());
    let scale = 1.0 / (norm.sqrt() * (rows * columns) as f64);
    let cis = |n: usize| -> Vec<Complex64> { (0..n).map(|i| Complex64::cis(-TAU * i as f64 / n as f64)).collect() };
    let (turn_y, turn_x) = (cis(rows), cis(columns));
    let one = |(x, y): &(f64, f64)| {
        let corner = |x: f64, pixel: f64, n: usize| (x / pixel - (n / 2) as f64).round() as i64;
        let (top, left) = (corner(*y, object_plane.pixel_y, rows), corner(*x, object_plane.pixel_x, columns));
        let mut psi = vec![Complex64::ZERO; rows * columns];
        for (kx, ky, coefficient, wave) in &exits {
            let c = coefficient * scale * Complex64::cis(-TAU * (kx * x + ky * y));
            for (p, psi) in psi.iter_mut().enumerate() {
                let row = (top + (p / columns) as i64).rem_euclid(object_plane.rows as i64);
                let column = (left + (p % columns) as i64).rem_euclid(object_plane.columns as i64);
                *psi += c * wave.get(row as usize, column as usize);
            }
        }
        let half: Vec<Complex64> = (0..rows * columns)
            .map(|p| (0..columns).map(|j| psi[p / columns * columns + j] * turn_x[j * (p % columns) % columns]).sum())
            .collect();
        let whole = (0..rows * columns).map(|p| {
            let sum: Complex64 =
                (0..rows).map(|i| half[i * columns + p % columns] * turn_y[i * (p / columns) % rows]).sum();
            sum.norm_sqr()
        });
        whole.collect()
    };
    positions.iter().map(one).collect()
}

#[test]
fn interpolation_follows_the_formula_in_windows_across_the_edges() {
    for (fy, fx) in [(2, 4), (5, 1), (1, 3), (2, 2)] {
        let case = Case::<f64>::new(BandLimit::Circular, &options(fy, fx, false), false);
        let (got, wanted) = (case.patterns(2, 25.0, &positions()), plain(&case, 25.0, &positions()));
        let error = largest_difference(&got, &wanted);
        assert!(error < 1e-12, "{fy} x {fx}: {error}");
    }
}

#[test]
fn vacuum_leaves_the_aperture_whatever_the_interpolation() {
    for (fy, fx, downsampling) in [(1, 1, false), (2, 4, false), (4, 2, true), (1, 1, true)] {
        let case = Case::<f64>::new(BandLimit::Circular, &options(fy, fx, downsampling), true);
        let window = case.plan.window();
        assert_eq!(window.extent().0, plane().extent().0 / fy as f64);
        for pattern in case.patterns(2, 90.0, &positions()) {
            assert!((pattern.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{fy} x {fx}: {}", pattern.iter().sum::<f64>());
            let (ky, kx) = (window.frequencies_y(), window.frequencies_x());
            let intensity = |p: usize| pupil(0.0)(kx[p % window.columns], ky[p / window.columns]).norm_sqr();
            let whole: f64 = (0..window.pixels()).map(intensity).sum();
            for (p, value) in pattern.iter().enumerate() {
                assert!((value - intensity(p) / whole).abs() < 1e-13, "{fy} x {fx}, pixel {p}");
            }
        }
    }
}

#[test]
fn coarser_pixels_change_nothing_within_the_band_limit() {
    for limit in [BandLimit::Circular, BandLimit::Square] {
        let fine = Case::<f64>::new(limit, &options(1, 1, false), false);
        let coarse = Case::<f64>::new(limit, &options(1, 1, true), false);
        let (n, m) = (*fine.plan.window(), *coarse.plan.window());
        assert!(m.rows < n.rows && m.columns < n.columns && m.extent() == n.extent(), "{m:?}");
        assert!(coarse.plan.matrix_bytes() < fine.plan.matrix_bytes());
        let (fine, coarse) = (fine.patterns(1, 30.0, &positions()), coarse.patterns(1, 30.0, &positions()));
        let signed = |i: usize, n: usize| if 2 * i < n { i as i64 } else { i as i64 - n as i64 };
        for (fine, coarse) in fine.iter().zip(&coarse) {
            let kept: f64 = coarse.iter().sum();
            assert!((kept - fine.iter().sum::<f64>()).abs() < 1e-12);
            for (p, value) in coarse.iter().enumerate() {
                let (row, column) = (signed(p / m.columns, m.rows), signed(p % m.columns, m.columns));
                let (row, column) = (row.rem_euclid(n.rows as i64), column.rem_euclid(n.columns as i64));
                assert!((value - fine[row as usize * n.columns + column as usize]).abs() < 1e-13);
            }
        }
    }
    let case = Case::<f32>::new(BandLimit::None, &options(2, 2, true), false);
    assert_eq!(case.plan.plane(), &plane());
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let case = Case::<f32>::new(BandLimit::Circular, &options(2, 2, true), false);
    let wanted = case.patterns(1, 10.0, &positions());
    for threads in [2, 3] {
        assert_eq!(case.patterns(threads, 10.0, &positions()), wanted);
    }
    // nor does what else is asked for
    let one = positions()[7];
    assert_eq!(case.patterns(1, 10.0, &[one]), wanted[7..8]);
}

#[test]
fn impossible_plans_are_refused() {
    let engine = engine::<f32>(BandLimit::Circular);
    let error = |fy, fx, radius: f64| {
        let disk = move |kx: f64, ky: f64| Complex64::from(f64::from(u8::from(kx.hypot(ky) < radius)));
        let error = PrismPlan::new(&engine, &options(fy, fx, false), disk).err().unwrap();
        (error.code(), error.to_string())
    };
    let (code, text) = error(3, 1, 0.8);
    assert!(code == 103 && text.contains("along y is 3") && text.contains("1, 2, 4, 5, 8, 10, 20, 40"), "{text}");
    let (code, text) = error(1, 0, 0.8);
    assert!(code == 103 && text.contains("along x is 0"), "{text}");
    let (code, text) = error(2, 2, 1.9);
    assert!(code == 103 && text.contains("mrad, wanted below 41.8") && text.contains("smaller pixels"), "{text}");
    assert_eq!(error(1, 1, 0.0).0, 301);
    let nan = |_: f64, _: f64| Complex64::new(0.0, f64::NAN);
    assert_eq!(PrismPlan::new(&engine, &options(1, 1, false), nan).err().unwrap().code(), 300);
    // an aperture as wide as the grid is cut by it even without a band limit
    let unlimited = self::engine::<f64>(BandLimit::None);
    let wide = |_: f64, _: f64| Complex64::ONE;
    assert_eq!(PrismPlan::new(&unlimited, &options(4, 4, false), wide).err().unwrap().code(), 103);
    let window = MultisliceOptions { window: Some((20, 24)), ..Default::default() };
    let windowed = Multislice::<f32>::new(SimdPath::Portable, &plane(), WAVELENGTH, &[2.0; 3], &window).unwrap();
    assert_eq!(PrismPlan::new(&windowed, &options(1, 1, false), pupil(0.0)).err().unwrap().code(), 101);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let context = context(2);
    let (case, other) = (
        Case::<f32>::new(BandLimit::Circular, &options(2, 2, false), false),
        Case::<f32>::new(BandLimit::Circular, &options(4, 4, false), false),
    );
    let (mut matrix, probe) = (case.matrix(&context), case.plan.probe(pupil(0.0)).unwrap());
    let wider = |kx: f64, ky: f64| pupil(0.0)(0.7 * kx, 0.7 * ky);
    assert_eq!(case.plan.probe(wider).unwrap_err().code(), 302);
    assert_eq!(case.plan.probe(|_, _| Complex64::ZERO).unwrap_err().code(), 301);
    assert!(case.plan.probe(|kx, ky| pupil(0.0)(2.0 * kx, 2.0 * ky)).is_ok());

    let code = |outcome: Result<Vec<Vec<f32>>>| outcome.unwrap_err().code();
    assert_eq!(code(case.reduce(&context, &matrix, &probe, &[])), 301);
    assert_eq!(code(case.reduce(&context, &matrix, &probe, &[(1.0, 2.0), (f64::NAN, 0.0)])), 300);
    assert_eq!(code(case.reduce(&context, &matrix, &other.plan.probe(pupil(0.0)).unwrap(), &[(0.0, 0.0)])), 101);
    assert_eq!(code(other.reduce(&context, &matrix, &probe, &[(0.0, 0.0)])), 101);

    let small = Plane::new(20, 24, 0.2, 0.2).unwrap();
    let engine = Multislice::new(SimdPath::Portable, &small, WAVELENGTH, &[2.0], &Default::default()).unwrap();
    let wrong = waiting(&context, |w| case.plan.scatter(&context, &engine, &engine.object(), &mut matrix, w));
    assert_eq!(wrong.unwrap_err().code(), 101);
    let fewer = Multislice::new(SimdPath::Portable, &plane(), WAVELENGTH, &[2.0], &Default::default()).unwrap();
    let wrong = waiting(&context, |w| case.plan.scatter(&context, &case.engine, &fewer.object(), &mut matrix, w));
    assert_eq!(wrong.unwrap_err().code(), 101);
}

#[test]
fn calls_are_cancelled_and_report_what_the_caller_refuses() {
    let context = context(2);
    let case = Case::<f32>::new(BandLimit::Circular, &options(2, 2, false), false);
    let (mut matrix, probe) = (case.matrix(&context), case.plan.probe(pupil(0.0)).unwrap());
    let token = context.cancel_token();
    let mut no = |_: f64| false;
    let outcome = case.plan.scatter(
        &context,
        &case.engine,
        &case.object,
        &mut matrix,
        &mut Waiting { cancel: &token, tell: &mut no },
    );
    assert_eq!(outcome.unwrap_err().code(), 1);
    let take = |_: usize, _: &[f32]| Ok(());
    let mut stop = Waiting { cancel: &token, tell: &mut no };
    assert_eq!(case.plan.patterns(&context, &matrix, &probe, &positions(), &take, &mut stop).unwrap_err().code(), 1);
    let full = |_: usize, _: &[f32]| Err(crate::Error::Internal("full".into()));
    let outcome = waiting(&context, |w| case.plan.patterns(&context, &matrix, &probe, &positions(), &full, w));
    assert_eq!(outcome.unwrap_err().code(), 900);
    assert!(case.plan.worker_bytes(positions().len()) > 0);
}
