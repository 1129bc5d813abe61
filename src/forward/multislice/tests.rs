//! The engine against the formula, written down plainly with another library's transforms; gradients against finite
//! differences.

use super::*;
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::wave::ComplexPlane;
use crate::simd::{Real, SimdPath};
use ndarray::{Array2, Axis};
use num_complex::{Complex, Complex64};
use rustfft::FftPlanner;
use std::f64::consts::{PI, TAU};

const WAVELENGTH: f64 = 0.0251;
const LIMITS: [BandLimit; 3] = [BandLimit::Circular, BandLimit::Square, BandLimit::None];

fn paths() -> Vec<SimdPath> {
    let paths = [SimdPath::Portable, SimdPath::Avx2, SimdPath::Avx512];
    paths.into_iter().filter(|path| path.checked().is_ok()).collect()
}

fn transform(values: &mut Array2<Complex64>, inverse: bool) {
    for axis in [Axis(0), Axis(1)] {
        let n = values.len_of(axis);
        let mut planner = FftPlanner::new();
        let plan = if inverse { planner.plan_fft_inverse(n) } else { planner.plan_fft_forward(n) };
        for mut lane in values.lanes_mut(axis) {
            let mut line = lane.to_vec();
            plan.process(&mut line);
            lane.iter_mut().zip(line).for_each(|(to, from)| *to = if inverse { from / n as f64 } else { from });
        }
    }
}

/// exp(-i pi lambda dz k^2) exp(-2 pi i dz k . tan theta) A(k)
fn plain_flight(psi: &mut Array2<Complex64>, plane: &Plane, limit: BandLimit, mistilt: (f64, f64), dz: f64) {
    transform(psi, false);
    let (mask, kx, ky) = (limit.mask(plane), plane.frequencies_x(), plane.frequencies_y());
    for ((i, j), v) in psi.indexed_iter_mut() {
        let along = kx[j] * (mistilt.0 * 1e-3).tan() + ky[i] * (mistilt.1 * 1e-3).tan();
        let phase = -PI * WAVELENGTH * dz * (kx[j] * kx[j] + ky[i] * ky[i]) - TAU * dz * along;
        *v *= Complex64::from_polar(mask[[i, j]], phase);
    }
    transform(psi, true);
}

struct Case {
    plane: Plane,
    window: (usize, usize),
    corner: (i64, i64),
    thicknesses: Vec<f64>,
    mistilt: (f64, f64),
    limit: BandLimit,
}

impl Case {
    fn new(limit: BandLimit, whole: bool) -> Self {
        let plane = Plane::new(40, 48, 0.16, 0.13).unwrap();
        let (window, corner) = if whole { ((40, 48), (0, 0)) } else { ((22, 30), (-7, 30)) };
        Self { plane, window, corner, thicknesses: vec![2.0, 3.0, 2.0, 1.5], mistilt: (7.0, -4.0), limit }
    }

    fn plan<T: Real>(&self, path: SimdPath) -> Multislice<T> {
        let options =
            MultisliceOptions { band_limit: self.limit, mistilt_mrad: self.mistilt, window: Some(self.window) };
        Multislice::new(path, &self.plane, WAVELENGTH, &self.thicknesses, &options).unwrap()
    }

    fn transmission(&self, k: usize, row: usize, column: usize) -> Complex64 {
        let (x, y) = (TAU * column as f64 / 48.0, TAU * row as f64 / 40.0);
        let phase = 0.4 * (x + k as f64).sin() + 0.3 * (2.0 * y - k as f64).cos();
        Complex64::from_polar(1.0 - 0.1 * x.cos().powi(2), phase)
    }

    fn object<T: Real>(&self, plan: &Multislice<T>) -> Object<T> {
        let mut object = plan.object();
        for k in 0..self.thicknesses.len() {
            object.set_slice(k, |row, column| narrow(self.transmission(k, row, column)));
        }
        object
    }

    /// Band-limited, as any incident wave of a calculation is.
    fn incident(&self) -> Array2<Complex64> {
        let (rows, columns) = self.window;
        let mut psi = Array2::from_shape_fn((rows, columns), |(i, j)| {
            Complex64::new((0.3 * i as f64).cos() + 0.2, (0.5 * j as f64 - 0.2 * i as f64).sin())
        });
        let window = Plane::new(rows, columns, self.plane.pixel_y, self.plane.pixel_x).unwrap();
        plain_flight(&mut psi, &window, BandLimit::Circular, (0.0, 0.0), 0.0);
        psi
    }

    fn plain(&self, incident: &Array2<Complex64>, slices: std::ops::Range<usize>) -> Array2<Complex64> {
        let mut psi = incident.clone();
        let window = Plane::new(self.window.0, self.window.1, self.plane.pixel_y, self.plane.pixel_x).unwrap();
        for k in slices {
            for ((i, j), v) in psi.indexed_iter_mut() {
                let at = |i: usize, corner: i64, n: usize| (i as i64 + corner).rem_euclid(n as i64) as usize;
                *v *= self.transmission(k, at(i, self.corner.0, 40), at(j, self.corner.1, 48));
            }
            plain_flight(&mut psi, &window, self.limit, self.mistilt, self.thicknesses[k]);
        }
        psi
    }
}

fn narrow<T: Real>(v: Complex64) -> Complex<T> {
    Complex::new(T::of(v.re), T::of(v.im))
}

fn wide<T: Real>(v: Complex<T>) -> Complex64 {
    Complex::new(v.re.f64(), v.im.f64())
}

fn set<T: Real>(wave: &mut ComplexPlane<T>, values: &Array2<Complex64>) {
    values.indexed_iter().for_each(|((i, j), v)| wave.set(i, j, narrow(*v)));
}

fn get<T: Real>(wave: &ComplexPlane<T>, shape: (usize, usize)) -> Array2<Complex64> {
    Array2::from_shape_fn(shape, |(i, j)| wide(wave.get(i, j)))
}

fn largest_difference(a: &Array2<Complex64>, b: &Array2<Complex64>) -> f64 {
    let largest = b.iter().map(|v| v.norm()).fold(0.0, f64::max);
    a.iter().zip(b).map(|(a, b)| (a - b).norm()).fold(0.0, f64::max) / largest
}

fn waves(slices: std::ops::Range<usize>) -> Pass {
    Pass { slices, start: Form::Wave, finish: Form::Wave }
}

fn check_forward<T: Real>(path: SimdPath, case: &Case, slices: std::ops::Range<usize>, tolerance: f64) {
    let plan = case.plan::<T>(path);
    let (object, incident) = (case.object(&plan), case.incident());
    let wanted = case.plain(&incident, slices.clone());
    let mut workspace = MultisliceWorkspace::default();
    let mut wave = plan.wave();
    set(&mut wave, &incident);
    plan.propagate(&object, case.corner, &waves(slices.clone()), &mut wave, None, &mut workspace);
    let error = largest_difference(&get(&wave, case.window), &wanted);
    assert!(error < tolerance, "{path:?} {:?} {slices:?}: {error}", case.limit);

    // the same from and to coefficients
    let mut spectrum = incident.clone();
    transform(&mut spectrum, false);
    let pixels = (case.window.0 * case.window.1) as f64;
    let (rows, columns) = plan.frequencies();
    wave.clear();
    for (i, fy) in rows.iter().enumerate() {
        for (j, fx) in columns.iter().enumerate() {
            wave.set(i, j, narrow(spectrum[[*fy, *fx]] / pixels));
        }
    }
    let pass = Pass { slices, start: Form::Coefficients, finish: Form::Coefficients };
    plan.propagate(&object, case.corner, &pass, &mut wave, None, &mut workspace);
    let mut spectrum = wanted;
    transform(&mut spectrum, false);
    let pattern_wanted = spectrum.mapv(|v| Complex64::from(v.norm_sqr()));
    let mut pattern = vec![T::of(f64::NAN); case.window.0 * case.window.1];
    plan.pattern(&wave, &mut pattern);
    let pattern = Array2::from_shape_fn(case.window, |(i, j)| Complex64::from(pattern[i * case.window.1 + j].f64()));
    let error = largest_difference(&pattern, &pattern_wanted);
    assert!(error < tolerance, "{path:?} {:?}: pattern {error}", case.limit);
}

#[test]
fn waves_follow_the_formula_through_objects_and_windows() {
    for path in paths() {
        for limit in LIMITS {
            for whole in [true, false] {
                let case = Case::new(limit, whole);
                for slices in [0..4, 0..1, 1..4, 1..2] {
                    check_forward::<f64>(path, &case, slices.clone(), 1e-13);
                    check_forward::<f32>(path, &case, slices, 2e-6);
                }
            }
        }
    }
}

#[test]
fn a_mistilt_moves_the_wave_to_where_it_says() {
    // A smooth spot that flies 100 A under 10 mrad along +x moves by 1 A.
    let plane = Plane::new(64, 64, 0.25, 0.25).unwrap();
    let path = SimdPath::detect();
    let flight = Propagators::<f64>::new(path, &plane, WAVELENGTH, BandLimit::None, (10.0, 0.0), &[100.0]);
    let mut wave = ComplexPlane::new(64, 64);
    let spot = |i: usize| (-(i as f64 - 32.0).powi(2) / 72.0).exp();
    (0..64 * 64).for_each(|p| wave.set(p / 64, p % 64, Complex::new(spot(p / 64) * spot(p % 64), 0.0)));
    flight.apply(0, false, &mut wave, &mut Default::default());
    let (mut sum, mut x, mut y) = (0.0, 0.0, 0.0);
    for p in 0..64 * 64 {
        let intensity = wave.get(p / 64, p % 64).norm_sqr();
        sum += intensity;
        x += intensity * (p % 64) as f64 * 0.25;
        y += intensity * (p / 64) as f64 * 0.25;
    }
    assert!((x / sum - 9.0).abs() < 1e-3 && (y / sum - 8.0).abs() < 1e-6, "{} {}", x / sum, y / sum);
}

/// L = 1/2 sum w |psi|^2 over the exit wave, or over its coefficients; and its gradient.
fn loss(wave: &mut ComplexPlane<f64>, shape: (usize, usize), scale: f64) -> f64 {
    let mut loss = 0.0;
    for i in 0..shape.0 {
        for j in 0..shape.1 {
            let weight = scale * (1.0 + (0.9 * i as f64 - 0.4 * j as f64).sin());
            let v = wave.get(i, j);
            loss += 0.5 * weight * v.norm_sqr();
            wave.set(i, j, v * weight);
        }
    }
    loss
}

#[test]
fn gradients_agree_with_finite_differences() {
    for limit in LIMITS {
        for (whole, form) in [(true, Form::Wave), (false, Form::Coefficients), (false, Form::Wave)] {
            let case = Case::new(limit, whole);
            let plan = case.plan::<f64>(SimdPath::detect());
            let mut object = case.object(&plan);
            let mut workspace = MultisliceWorkspace::default();
            let (rows, columns) = plan.frequencies();
            let shape = if form == Form::Wave { case.window } else { (rows.len(), columns.len()) };
            let scale = if form == Form::Wave { 1.0 } else { 1e3 };
            let incident =
                Array2::from_shape_fn(shape, |(i, j)| Complex64::new((0.4 * i as f64).sin(), (j as f64).cos()));
            let pass = Pass { slices: 0..4, start: form, finish: form };
            let mut kept = plan.kept();
            let mut run = |object: &Object<f64>, incident: &Array2<Complex64>, wave: &mut ComplexPlane<f64>| {
                wave.clear();
                set(wave, incident);
                plan.propagate(object, case.corner, &pass, wave, Some(&mut kept), &mut workspace);
                loss(wave, shape, scale)
            };
            let mut wave = plan.wave();
            let differences = |of: &mut dyn FnMut(f64) -> f64| (of(1e-5) - of(-1e-5)) / 2e-5;
            let turns = [Complex64::ONE, Complex64::I];

            let mut scratch = plan.wave();
            let mut by_incident = vec![];
            for (turn, at) in [(turns[0], (3, 5)), (turns[1], (shape.0 - 1, shape.1 - 1))] {
                by_incident.push(differences(&mut |step| {
                    let mut moved = incident.clone();
                    moved[at] += turn * step;
                    run(&object, &moved, &mut scratch)
                }));
            }
            let mut by_object = vec![];
            for k in 0..4 {
                let original = |i: usize, j: usize| case.transmission(k, i, j);
                for turn in turns {
                    by_object.push(differences(&mut |step| {
                        object.set_slice(k, |i, j| {
                            original(i, j) + if (i, j) == (1, 46) { turn * step } else { Complex64::ZERO }
                        });
                        run(&object, &incident, &mut scratch)
                    }));
                }
                object.set_slice(k, original);
            }
            let size = run(&object, &incident, &mut wave);
            let mut gradient = plan.object();
            let mut workspace = MultisliceWorkspace::default();
            plan.pull_back(&object, case.corner, &pass, &kept, &mut wave, Some(&mut gradient), &mut workspace);
            let (a, b) = (wave.get(3, 5).re, wave.get(shape.0 - 1, shape.1 - 1).im);
            for (got, wanted) in [a, b].into_iter().zip(by_incident) {
                assert!((got - wanted).abs() < 1e-7 * size, "{limit:?} {form:?}: {got} for {wanted}");
            }
            for (i, wanted) in by_object.iter().enumerate() {
                let g = gradient.folded(i / 2, 1, 46);
                let got = if i % 2 == 0 { g.re } else { g.im };
                assert!((got - wanted).abs() < 1e-7 * size, "{limit:?} {form:?} slice {}: {got} for {wanted}", i / 2);
            }
        }
    }
}

#[test]
fn transmission_functions_and_their_gradients() {
    let plane = Plane::new(30, 36, 0.2, 0.15).unwrap();
    for limit in LIMITS {
        let transmission = Transmission::<f64>::new(SimdPath::detect(), &plane, 7e-3, 0.1, limit).unwrap();
        let mut workspace = transmission.workspace();
        let potential = |i: usize| 40.0 + 30.0 * (i as f64 * 0.37).sin();
        let mut values: Vec<f64> = (0..plane.pixels()).map(potential).collect();
        let mut wanted = Array2::from_shape_fn((30, 36), |(i, j)| {
            let phase = 7e-3 * potential(i * 36 + j);
            Complex64::from_polar((-0.1 * phase).exp(), phase)
        });
        plain_flight(&mut wanted, &plane, limit, (0.0, 0.0), 0.0);
        let got = get(transmission.of_potential(&values, &mut workspace), (30, 36));
        assert!(largest_difference(&got, &wanted) < 1e-13);

        let weight = |i: usize, j: usize| Complex64::new((i as f64).sin(), (j as f64 * 0.7).cos());
        let mut loss = |values: &[f64]| {
            let t = transmission.of_potential(values, &mut workspace);
            (0..30 * 36).map(|p| (weight(p / 36, p % 36).conj() * t.get(p / 36, p % 36)).re).sum::<f64>()
        };
        let at = 17 * 36 + 5;
        values[at] += 1e-3;
        let above = loss(&values);
        values[at] -= 2e-3;
        let wanted = (above - loss(&values)) / 2e-3;
        values[at] += 1e-3;
        let mut gradient = vec![0.0; plane.pixels()];
        transmission.pull_back(&values, weight, &mut gradient, &mut workspace);
        assert!((gradient[at] - wanted).abs() < 1e-8, "{limit:?}: {} for {wanted}", gradient[at]);
    }
    assert_eq!(
        Transmission::<f32>::new(SimdPath::Portable, &plane, 1e-3, -0.1, BandLimit::None).err().unwrap().code(),
        103
    );
}

#[test]
fn positions_of_probes_have_exact_gradients() {
    for limit in LIMITS {
        let case = Case::new(limit, false);
        let plan = case.plan::<f64>(SimdPath::detect());
        let pupil = plan.pupil(|kx, ky| {
            Complex64::from_polar(f64::from(u8::from(kx.hypot(ky) < 0.9)), 1.5 * kx * kx - ky * kx + 0.4 * ky)
        });
        let object = case.object(&plan);
        let pass = Pass { slices: 0..4, start: Form::Coefficients, finish: Form::Coefficients };
        let (mut kept, mut workspace, mut wave) = (plan.kept(), MultisliceWorkspace::default(), plan.wave());
        let weights: Vec<f64> = (0..plan.window().pixels()).map(|i| (i as f64 * 0.01).sin()).collect();
        let mut pattern = vec![0.0; weights.len()];
        let mut run = |x: f64, y: f64, wave: &mut ComplexPlane<f64>, kept: &mut Kept<f64>| {
            pupil.place((x, y), wave);
            plan.propagate(&object, case.corner, &pass, wave, Some(kept), &mut workspace);
            plan.pattern(wave, &mut pattern);
            pattern.iter().zip(&weights).map(|(p, w)| p * w).sum::<f64>()
        };
        let (x, y, h) = (1.7, 2.1, 1e-5);
        let by_x = (run(x + h, y, &mut wave, &mut kept) - run(x - h, y, &mut wave, &mut kept)) / (2.0 * h);
        let by_y = (run(x, y + h, &mut wave, &mut kept) - run(x, y - h, &mut wave, &mut kept)) / (2.0 * h);
        run(x, y, &mut wave, &mut kept);
        plan.pattern_pull_back(&weights, &mut wave);
        plan.pull_back(&object, case.corner, &pass, &kept, &mut wave, None, &mut MultisliceWorkspace::default());
        let (got_x, got_y) = pupil.position_gradient((x, y), &Flight::NONE, 1.0, &wave);
        assert!((got_x - by_x).abs() < 1e-8 && (got_y - by_y).abs() < 1e-8, "{limit:?} {got_x} {by_x} {got_y} {by_y}");
    }
}

#[test]
fn the_empty_object_leaves_the_whole_beam_in_the_pattern() {
    let plane = Plane::new(48, 48, 0.2, 0.2).unwrap();
    let plan = Multislice::<f32>::new(SimdPath::detect(), &plane, WAVELENGTH, &[2.0; 3], &Default::default()).unwrap();
    let mut object = plan.object();
    (0..3).for_each(|k| object.set_slice(k, |_, _| Complex::new(1.0, 0.0)));
    let pupil = plan.pupil(|kx, ky| Complex64::from(f64::from(u8::from(kx.hypot(ky) < 0.8))));
    let mut wave = plan.wave();
    pupil.place((3.3, 1.2), &mut wave);
    let pass = Pass { slices: 0..3, start: Form::Coefficients, finish: Form::Coefficients };
    plan.propagate(&object, (0, 0), &pass, &mut wave, None, &mut MultisliceWorkspace::default());
    let mut pattern = vec![0.0; 48 * 48];
    plan.pattern(&wave, &mut pattern);
    assert!((pattern.iter().sum::<f32>() - 1.0).abs() < 1e-5);
}

#[test]
fn impossible_plans_are_refused() {
    let plane = Plane::new(32, 32, 0.2, 0.2).unwrap();
    let plan = |thicknesses: &[f64], options: MultisliceOptions| {
        Multislice::<f32>::new(SimdPath::Portable, &plane, WAVELENGTH, thicknesses, &options).err().map(|e| e.code())
    };
    assert_eq!(plan(&[], MultisliceOptions::default()), Some(301));
    assert_eq!(plan(&[2.0, 0.0], MultisliceOptions::default()), Some(103));
    assert_eq!(plan(&[2.0], MultisliceOptions { window: Some((40, 32)), ..Default::default() }), Some(101));
    assert_eq!(plan(&[2.0], MultisliceOptions { mistilt_mrad: (f64::NAN, 0.0), ..Default::default() }), Some(103));
}

#[test]
fn patterns_of_windows_on_the_sampling_of_the_whole() {
    let plane = Plane::new(40, 48, 0.16, 0.13).unwrap();
    let window = Plane::new(22, 30, 0.16, 0.13).unwrap();
    for limit in LIMITS {
        let diffraction = Diffraction::<f64>::new(SimdPath::detect(), &window, &plane, limit);
        let value = |i: usize, j: usize| Complex64::new((i as f64 * 0.4).sin(), (j as f64 * 0.3 - i as f64).cos());
        let mut padded = Array2::zeros((40, 48));
        let mut exit = ComplexPlane::<f64>::new(22, 30);
        for (i, j) in (0..22).flat_map(|i| (0..30).map(move |j| (i, j))) {
            padded[[i, j]] = value(i, j);
            exit.set(i, j, value(i, j));
        }
        transform(&mut padded, false);
        let cutoff = limit.cutoffs(&plane).1;
        let kx = plane.frequencies_x();
        let (mut spectrum, mut pattern) = (diffraction.wave(), vec![f64::NAN; 40 * 48]);
        let mut scratch = Default::default();
        diffraction.spectrum(&exit, &mut spectrum, &mut scratch);
        diffraction.pattern(&spectrum, &mut pattern);
        let scale = (22.0 * 30.0) / (40.0 * 48.0);
        for ((i, j), v) in padded.indexed_iter() {
            let kept = limit == BandLimit::None || kx[j].abs() <= cutoff;
            let wanted = if kept { v.norm_sqr() * scale } else { 0.0 };
            assert!((pattern[i * 48 + j] - wanted).abs() < 1e-9, "{limit:?} {i} {j}");
        }
        // <J d, w> = <d, J^T w> for a direction d of the wave and weights w of the pattern
        let weights: Vec<f64> = (0..40 * 48).map(|i| (i as f64 * 0.37).sin()).collect();
        let loss = |pattern: &[f64]| pattern.iter().zip(&weights).map(|(p, w)| p * w).sum::<f64>();
        let mut moved = |step: f64| {
            let mut wave = exit.clone();
            for (i, j) in (0..22).flat_map(|i| (0..30).map(move |j| (i, j))) {
                let direction = Complex64::new((j as f64).sin(), (i as f64 * 0.2).cos());
                wave.set(i, j, wave.get(i, j) + direction * step);
            }
            diffraction.spectrum(&wave, &mut spectrum, &mut scratch);
            diffraction.pattern(&spectrum, &mut pattern);
            loss(&pattern)
        };
        let wanted = (moved(1e-4) - moved(-1e-4)) / 2e-4;
        moved(0.0);
        let mut gradient = ComplexPlane::new(22, 30);
        diffraction.pattern_pull_back(&weights, &mut spectrum);
        diffraction.spectrum_pull_back(&mut spectrum, &mut gradient, &mut Default::default());
        let got: f64 = (0..22 * 30)
            .map(|p| {
                let (i, j) = (p / 30, p % 30);
                let direction = Complex64::new((j as f64).sin(), (i as f64 * 0.2).cos());
                (gradient.get(i, j).conj() * direction).re
            })
            .sum();
        assert!((got / wanted - 1.0).abs() < 1e-7, "{limit:?}: {got} for {wanted}");
    }
}

#[test]
fn long_calculations_are_passed_in_parts() {
    let passes: Vec<Pass> = super::engine::passes(7, 1 << 25, Form::Coefficients, Form::Wave).collect();
    let ranges: Vec<_> = passes.iter().map(|p| p.slices.clone()).collect();
    assert_eq!(ranges, [0..2, 2..4, 4..6, 6..7]);
    assert!(passes[..3].iter().all(|p| p.finish == Form::Coefficients) && passes[3].finish == Form::Wave);
    assert_eq!(
        super::engine::passes(3, usize::MAX, Form::Coefficients, Form::Coefficients)
            .filter(|p| p.finish == Form::Coefficients)
            .count(),
        3
    );
}
