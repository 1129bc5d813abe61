use super::*;
use crate::check;
use num_complex::Complex64;

fn noise(len: usize, seed: usize) -> Vec<f64> {
    (0..len).map(|i| ((i as f64 * 12.9898 + 78.233 * seed as f64).sin() * 43758.5453).fract()).collect()
}

fn unit(degrees: f64) -> [f64; 2] {
    let (b, a) = degrees.to_radians().sin_cos();
    [a, b]
}

/// Lines of every kind: on the axes and diagonals, backward, of neighbouring and equal slopes.
fn some_lines() -> Vec<[f64; 2]> {
    [0.0, 90.0, 45.0, -45.0, 12.0, 13.5, 77.0, -63.0, 180.0, 200.0, -90.0, 150.0].map(unit).to_vec()
}

fn plan(size: [usize; 2], directions: &[[f64; 2]]) -> PseudoPolar<f64> {
    let period = grid::fast_size(size[0] + size[1]);
    PseudoPolar::new(SimdPath::Portable, size, period, directions, &cells(directions))
}

/// `[point][slice]`
fn forward(plan: &PseudoPolar<f64>, slices: &[f64], count: usize, scratch: &mut Scratch<f64>) -> Vec<Complex64> {
    let mut values = vec![Complex64::default(); plan.points().len() * count];
    let mut visit = |p: usize, v: &mut [Complex64]| values[p * count..][..count].copy_from_slice(v);
    plan.walk(slices, count, scratch, &mut visit, None);
    values
}

fn adjoint(plan: &PseudoPolar<f64>, values: &[Complex64], count: usize, scratch: &mut Scratch<f64>) -> Vec<f64> {
    let (nothing, mut back) = (vec![0.0; count * plan.slice()], vec![0.0; count * plan.slice()]);
    let mut visit = |p: usize, v: &mut [Complex64]| v.copy_from_slice(&values[p * count..][..count]);
    plan.walk(&nothing, count, scratch, &mut visit, Some(&mut back));
    back
}

fn poison(scratch: &mut Scratch<f64>) {
    let nan = Complex::new(f64::NAN, f64::NAN);
    scratch.spectra.fill(f64::NAN);
    scratch.product.fill(f64::NAN);
    [&mut scratch.lines, &mut scratch.fft, &mut scratch.row].into_iter().for_each(|values| values.fill(nan));
}

#[test]
fn points_are_those_of_the_direct_sum() {
    let directions = some_lines();
    for (size, count) in [([8, 8], 2), ([7, 9], 3), ([10, 5], 1)] {
        let plan = plan(size, &directions);
        let slices = noise(count * plan.slice(), 1);
        let mut scratch = plan.scratch(count + 1);
        poison(&mut scratch);
        let values = forward(&plan, &slices, count, &mut scratch);
        for (i, point) in plan.points().iter().enumerate() {
            let d = directions[point.line];
            assert!(point.k.abs() <= 0.5 + 1e-9 && point.area >= 0.0);
            let (square, period) = (point.k * d[0].abs().max(d[1].abs()), plan.period as f64);
            assert!((square.abs() - point.square as f64 / period).abs() < 1e-12, "on its square");
            for slice in 0..count {
                let mut sum = Complex64::default();
                for (place, v) in slices[slice * plan.slice()..][..plan.slice()].iter().enumerate() {
                    let b = (place / size[1]) as f64 - (size[0] / 2) as f64;
                    let a = (place % size[1]) as f64 - (size[1] / 2) as f64;
                    sum += Complex64::from_polar(*v, -2.0 * PI * point.k * (d[0] * a + d[1] * b));
                }
                assert!((sum - values[i * count + slice]).norm() < 1e-11, "{size:?} {point:?}");
            }
        }
    }
}

#[test]
fn the_adjoint_is_exact() {
    let directions = some_lines();
    for (size, count) in [([8, 8], 2), ([7, 9], 3), ([12, 5], 1)] {
        let plan = plan(size, &directions);
        let x = noise(count * plan.slice(), 2);
        let n = plan.points().len() * count;
        let y: Vec<Complex64> = noise(n, 3).into_iter().zip(noise(n, 4)).map(|(a, b)| Complex::new(a, b)).collect();
        let mut scratch = plan.scratch(count);
        let applied = forward(&plan, &x, count, &mut scratch);
        poison(&mut scratch);
        let back = adjoint(&plan, &y, count, &mut scratch);
        let flat = |v: &[Complex64]| v.iter().flat_map(|v| [v.re, v.im]).collect::<Vec<_>>();
        let report = check::adjoint(&x, &back, &flat(&applied), &flat(&y));
        assert!(report.error < 1e-13, "{size:?} {report:?}");
    }
}

#[test]
fn a_full_grid_of_lines_and_its_weighted_adjoint_return_the_slice() {
    let n = 24;
    for count in [4 * n, 4 * n + 3] {
        let directions: Vec<_> = (0..count)
            .map(|i| angle_of(PERIOD * i as f64 / count as f64 - 2.0))
            .map(|a| unit(a.to_degrees()))
            .collect();
        let plan = plan([n, n + 1], &directions);
        // Nothing beyond Nyquist's circle, nothing at the edge.
        let at = |b: f64, a: f64| {
            (-(a * a + b * b) / 9.0).exp() - 0.7 * (-((a - 4.0).powi(2) + (b + 3.0).powi(2)) / 6.0).exp()
        };
        let origin = |n: usize| grid::origin(n) as f64;
        let places = (0..n * (n + 1)).map(|i| (i / (n + 1), i % (n + 1)));
        let slice: Vec<f64> = places.map(|(b, a)| at(b as f64 - origin(n), a as f64 - origin(n + 1))).collect();
        let mut scratch = plan.scratch(1);
        let mut values = forward(&plan, &slice, 1, &mut scratch);
        values.iter_mut().zip(plan.points()).for_each(|(v, p)| *v *= p.area);
        let back = adjoint(&plan, &values, 1, &mut scratch);
        let worst = back.iter().zip(&slice).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst < 0.01, "{count} lines: {worst}");
    }
}

#[test]
fn cells_are_half_way_to_the_neighbours_and_leave_a_wedge_empty() {
    let near = |cells: &[f64], wanted: &[f64]| {
        assert!(cells.iter().zip(wanted).all(|(c, w)| (c - w).abs() < 1e-9), "{cells:?} {wanted:?}")
    };
    let equal: Vec<_> = (0..16).map(|i| unit(angle_of(0.25 * i as f64 - 1.75).to_degrees())).collect();
    near(&cells(&equal), &[0.25; 16]);
    // -0.5, 0, 0.5 of a period of 4: the wedge beyond takes no more than a neighbour would.
    let wedge: Vec<_> = [-0.5, 0.0, 0.5].map(|p| unit(angle_of(p).to_degrees())).to_vec();
    near(&cells(&wedge), &[0.75, 0.5, 0.75]);
    // The same line from both sides, and twice: they share what one would have.
    let shared: Vec<_> = [-0.5, 0.0, 0.0, 0.5].map(|p| unit(angle_of(p).to_degrees())).to_vec();
    near(&cells(&shared), &[0.75, 0.25, 0.25, 0.75]);
    let mut backward = wedge.clone();
    backward.push([-wedge[1][0], -wedge[1][1]]);
    near(&cells(&backward), &[0.75, 0.25, 0.75, 0.25]);
    near(&cells(&[unit(33.0)]), &[4.0]);
    near(&cells(&[unit(-45.0), unit(135.0)]), &[2.0, 2.0]);
}

#[test]
fn pseudo_angles_return() {
    for degrees in [-89.0, -60.0, -45.0, -10.0, 0.0, 44.0, 45.0, 46.0, 90.0] {
        let pseudo = pseudo_angle(unit(degrees));
        let folded = if pseudo > 2.0 { pseudo - PERIOD } else { pseudo };
        assert!((angle_of(folded).to_degrees() - degrees).abs() < 1e-9, "{degrees} {pseudo}");
    }
}
