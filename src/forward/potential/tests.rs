//! Every way to compute a slice against the plain sum of formula (1), and every derivative against differences.

use super::*;
use crate::check;
use crate::context::ContextOptions;
use crate::geometry::Vec3;
use std::f64::consts::{PI, TAU};

const LENGTHS: Vec3 = [9.0, 7.0, 8.0];
const EDGES: [f64; 5] = [0.0, 1.5, 4.0, 5.0, 8.0];

fn plane(rows: usize, columns: usize) -> Plane {
    Plane::new(rows, columns, LENGTHS[1] / rows as f64, LENGTHS[0] / columns as f64).unwrap()
}

/// A number in 0..1 that looks random.
fn noise(i: usize) -> f64 {
    let x = (i as f64 * 12.9898 + 4.1414).sin() * 43758.5453;
    x - x.floor()
}

/// Atoms everywhere, some across the periodic faces, with their own B and occupancy.
fn scatterers() -> Scatterers {
    let count = 14;
    let position = |i: usize| [14.0 * noise(3 * i) - 2.0, 9.0 * noise(3 * i + 1) - 1.0, 7.99 * noise(3 * i + 2)];
    Scatterers {
        positions: (0..count).map(position).collect(),
        species: (0..count).map(|i| [79, 8, 38][i % 3]).collect(),
        debye_waller_b: Some((0..count).map(|i| 1.5 * noise(100 + i)).collect()),
        occupancy: Some((0..count).map(|i| 0.3 + 0.7 * noise(200 + i)).collect()),
    }
}

fn plan<T: Real>(plane: Plane, placement: Placement, projection: Projection) -> Potential<T> {
    let options = PotentialOptions { parametrization: Parametrization::Kirkland, placement, projection };
    Potential::new(SimdPath::detect(), plane, &EDGES, &[8, 79, 38, 8], options).unwrap()
}

fn slice<T: Real>(plan: &Potential<T>, scatterers: &Scatterers, index: usize) -> Vec<f64> {
    let mut out = vec![T::of(f64::NAN); plan.plane().pixels()];
    plan.slice(&plan.place(scatterers).unwrap(), index, &mut plan.workspace(), &mut out);
    out.into_iter().map(T::f64).collect()
}

/// Formula (1) as it stands, pixel by pixel.
fn plain_sum(plane: &Plane, scatterers: &Scatterers, from: f64, to: f64) -> Vec<f64> {
    let (kx, ky) = (plane.frequencies_x(), plane.frequencies_y());
    let area = plane.extent().0 * plane.extent().1;
    let mut spectrum = Vec::new();
    for (qy, qx) in ky.iter().flat_map(|qy| kx.iter().map(move |qx| (*qy, *qx))) {
        let mut sum = Complex::new(0.0, 0.0);
        for (j, p) in scatterers.positions.iter().enumerate().filter(|(_, p)| (from..to).contains(&p[2])) {
            let factor = ScatteringFactor::new(Parametrization::Kirkland, scatterers.species[j]).unwrap();
            let thermal = (-0.25 * scatterers.debye_waller_b.as_ref().unwrap()[j] * (qx * qx + qy * qy)).exp();
            let weight = scatterers.occupancy.as_ref().unwrap()[j] * thermal * factor.projected(qx.hypot(qy));
            sum += Complex::from_polar(weight / area, -TAU * (qx * p[0] + qy * p[1]));
        }
        spectrum.push((qx, qy, sum));
    }
    let value = |i: usize| {
        let (y, x) = ((i / plane.columns) as f64 * plane.pixel_y, (i % plane.columns) as f64 * plane.pixel_x);
        spectrum.iter().map(|(qx, qy, v)| (v * Complex::from_polar(1.0, TAU * (qx * x + qy * y))).re).sum()
    };
    (0..plane.pixels()).map(value).collect()
}

/// Largest difference relative to the largest value.
fn distance(got: &[f64], wanted: &[f64]) -> f64 {
    let largest = wanted.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    got.iter().zip(wanted).map(|(g, w)| (g - w).abs()).fold(0.0, f64::max) / largest
}

#[test]
fn placements_agree_with_the_plain_sum_for_all_parities() {
    for (rows, columns) in [(20, 24), (21, 24), (20, 25), (27, 23)] {
        let plane = plane(rows, columns);
        let wanted = plain_sum(&plane, &scatterers(), EDGES[1], EDGES[2]);
        let exact = slice(&plan::<f64>(plane, Placement::Exact, Projection::Infinite), &scatterers(), 1);
        assert!(distance(&exact, &wanted) < 1e-13, "{rows} x {columns}: {}", distance(&exact, &wanted));
        for error in [1e-4, 1e-6, 1e-9, 1e-11] {
            let gridding = plan::<f64>(plane, Placement::Gridding { error }, Projection::Infinite);
            let got = slice(&gridding, &scatterers(), 1);
            assert!(distance(&got, &wanted) < error, "{rows} x {columns} {error}: {}", distance(&got, &wanted));
        }
        for placement in [Placement::Exact, PotentialOptions::GRIDDING] {
            let got = slice(&plan::<f32>(plane, placement, Projection::Infinite), &scatterers(), 1);
            assert!(distance(&got, &wanted) < 3e-6, "{rows} x {columns} {placement:?}: {}", distance(&got, &wanted));
        }
    }
}

#[test]
fn all_finite_slices_together_are_the_infinite_projection() {
    let plane = plane(24, 30);
    let infinite = plan::<f64>(plane, Placement::Exact, Projection::Infinite);
    let total = |plan: &Potential<f64>| {
        let mut sum = vec![0.0; plane.pixels()];
        for i in 0..plan.slice_count() {
            sum.iter_mut().zip(slice(plan, &scatterers(), i)).for_each(|(s, v)| *s += v);
        }
        sum
    };
    let wanted = total(&infinite);
    for error in [1e-3, 1e-6] {
        let finite = plan::<f64>(plane, Placement::Exact, Projection::Finite { error });
        assert!(distance(&total(&finite), &wanted) < 1e-9, "{}", distance(&total(&finite), &wanted));
        let both = plan::<f64>(plane, Placement::Gridding { error: 1e-9 }, Projection::Finite { error });
        let (got, wanted) = (slice(&both, &scatterers(), 2), slice(&finite, &scatterers(), 2));
        assert!(distance(&got, &wanted) < 1e-8, "{}", distance(&got, &wanted));
    }
}

/// The share of one atom in a slice, for single frequencies, against a fine quadrature over the mixture of Gaussians.
#[test]
fn shares_of_finite_slices_are_right() {
    let plane = plane(48, 60);
    let edges = [0.0, 3.0, 5.0, 8.0];
    for (parametrization, z) in
        [(Parametrization::Lobato, 79), (Parametrization::Lobato, 2), (Parametrization::Kirkland, 55)]
    {
        let factor = ScatteringFactor::new(parametrization, z).unwrap();
        for error in [1e-3, 1e-5, 1e-7] {
            let channels = channel::finite::<f64>(&plane, std::slice::from_ref(&factor), error);
            for (position, b) in [(2.0, 0.0), (4.0, 0.4), (4.8, 0.0), (2.95, 0.9), (6.5, 0.2)] {
                let atoms = Scatterers {
                    positions: vec![[0.0, 0.0, position]],
                    species: vec![z],
                    debye_waller_b: Some(vec![b]),
                    occupancy: None,
                };
                let atoms = PlacedAtoms::new(&atoms, &[z], &edges).unwrap();
                for (ix, iy) in [(0, 0), (2, 1), (9, 5), (30, 24)] {
                    let q2 = (ix as f64 / LENGTHS[0]).powi(2) + (iy as f64 / LENGTHS[1]).powi(2);
                    let mut got = 0.0;
                    for channel in channels.iter().filter(|c| ix < c.filter.extent().0 && iy < c.filter.extent().1) {
                        let mut entries = Vec::new();
                        channel.entries(&atoms, &edges, 1, &mut entries);
                        got += entries.iter().map(|e| e.weight * channel.filter.at(ix, iy)).sum::<f64>();
                    }
                    let wanted = plain_share(&factor, q2, edges[1] - position, edges[2] - position, b);
                    let off = (got - wanted).abs() / factor.projected(0.0);
                    assert!(off < error, "{z} {error} at {position}, {ix} {iy}: {got} {wanted}, {off:e}");
                }
            }
        }
    }
}

/// Formula (3) integrated over t; what is narrower than exp(-16) A^2 lies wholly on one side of each edge.
fn plain_share(factor: &ScatteringFactor, q2: f64, a: f64, b: f64, debye_waller_b: f64) -> f64 {
    let share = |t: f64| {
        let deviation = (t / (2.0 * PI * PI) + debye_waller_b / (8.0 * PI * PI)).sqrt();
        let below = |z: f64| 0.5 * libm::erfc(-z / deviation / 2f64.sqrt());
        below(b) - below(a)
    };
    const STEP: f64 = 0.01;
    let node = |u: f64| STEP * u.exp() * factor.mixture_density(u.exp()) * (-u.exp() * q2).exp() * share(u.exp());
    let mixed: f64 = (-2500..900).map(|i| node(i as f64 * STEP)).sum();
    let gaussians = factor.gaussians().iter().map(|g| g.height * (-g.decay * q2).exp() * share(g.decay));
    crate::specimen::scattering::POTENTIAL_PER_SCATTERING * (mixed + gaussians.sum::<f64>())
}

fn ways() -> Vec<(Placement, Projection)> {
    let placements = [Placement::Exact, Placement::Gridding { error: 1e-10 }];
    let projections = [Projection::Infinite, PotentialOptions::FINITE];
    placements.iter().flat_map(|a| projections.iter().map(|b| (*a, *b))).collect()
}

/// x, y, z, B, occupancy of every atom in one vector.
fn flat(s: &Scatterers) -> Vec<f64> {
    let (b, o) = (s.debye_waller_b.as_ref().unwrap(), s.occupancy.as_ref().unwrap());
    s.positions.iter().zip(b.iter().zip(o)).flat_map(|(p, (b, o))| [p[0], p[1], p[2], *b, *o]).collect()
}

fn of_flat(x: &[f64]) -> Scatterers {
    Scatterers {
        positions: x.chunks(5).map(|v| [v[0], v[1], v[2]]).collect(),
        species: scatterers().species,
        debye_waller_b: Some(x.chunks(5).map(|v| v[3]).collect()),
        occupancy: Some(x.chunks(5).map(|v| v[4]).collect()),
    }
}

#[test]
fn gradients_agree_with_differences() {
    for (rows, columns) in [(20, 24), (21, 25)] {
        let plane = plane(rows, columns);
        let target: Vec<f64> = (0..plane.pixels()).map(|i| 40.0 * noise(i)).collect();
        for (placement, projection) in ways() {
            let plan = plan::<f64>(plane, placement, projection);
            // a loss of order 2 and more, so that dL/dV is no constant
            let mut loss = |x: &[f64]| {
                let atoms = plan.place(&of_flat(x))?;
                let mut out = vec![0.0; plane.pixels()];
                plan.slice(&atoms, 1, &mut plan.workspace(), &mut out);
                let rest: Vec<f64> = out.iter().zip(&target).map(|(v, t)| v - t).collect();
                let mut gradient = AtomGradient::zeros(atoms.len());
                plan.pull_back(&atoms, 1, &rest, &mut plan.workspace(), &mut gradient);
                Ok((0.5 * rest.iter().map(|r| r * r).sum::<f64>(), gradient.into_flat()))
            };
            let x = flat(&scatterers());
            let finite = projection != Projection::Infinite;
            let which: Vec<usize> = (0..x.len()).filter(|i| finite || i % 5 != 2).collect();
            for component in 0..5 {
                let which: Vec<usize> = which.iter().copied().filter(|i| i % 5 == component).collect();
                if which.is_empty() {
                    continue;
                }
                let report = check::gradient(&mut loss, &x, &which, &|_| 1e-3).unwrap();
                assert!(report.worst < 1e-6, "{placement:?} {projection:?} {component}: {report:?}");
            }
        }
    }
}

/// The occupancies enter linearly: <A o, y> = <o, A* y>.
#[test]
fn the_gradient_by_occupancy_is_the_adjoint() {
    fn error<T: Real>(placement: Placement, projection: Projection) -> f64 {
        let plane = plane(20, 24);
        let plan = plan::<T>(plane, placement, projection);
        let atoms = plan.place(&scatterers()).unwrap();
        let y: Vec<f64> = (0..plane.pixels()).map(|i| noise(i + 7) - 0.5).collect();
        let slope: Vec<T> = y.iter().map(|v| T::of(*v)).collect();
        let mut gradient = AtomGradient::zeros(atoms.len());
        plan.pull_back(&atoms, 1, &slope, &mut plan.workspace(), &mut gradient);
        let adjoint: Vec<f64> = (0..atoms.len()).map(|i| gradient.occupancy(i)).collect();
        let x = scatterers().occupancy.unwrap();
        check::adjoint(&x, &adjoint, &slice(&plan, &scatterers(), 1), &y).error
    }
    for (placement, projection) in ways() {
        let (double, single) = (error::<f64>(placement, projection), error::<f32>(placement, projection));
        assert!(double < 1e-12, "{placement:?} {projection:?}: {double}");
        assert!(single < 1e-5, "{placement:?} {projection:?}: {single}");
    }
}

#[test]
fn what_a_workspace_held_does_not_matter() {
    for (placement, projection) in ways() {
        let plan = plan::<f64>(plane(20, 24), placement, projection);
        let atoms = plan.place(&scatterers()).unwrap();
        let run = |workspace: &mut PotentialWorkspace<f64>| {
            let (mut out, mut gradient) = (vec![f64::NAN; plan.plane().pixels()], AtomGradient::zeros(atoms.len()));
            plan.slice(&atoms, 2, workspace, &mut out);
            plan.pull_back(&atoms, 2, &out, workspace, &mut gradient);
            (out, gradient)
        };
        let mut workspace = plan.workspace();
        let first = run(&mut workspace);
        let nan = Complex::new(f64::NAN, f64::NAN);
        workspace.spectrum.fill(nan);
        workspace.exact.fill(f64::NAN);
        workspace.gridding.fill(f64::NAN);
        assert!(first == run(&mut workspace), "{placement:?} {projection:?}");
        assert!(first.0.iter().all(|v| v.is_finite()));
    }
}

#[test]
fn all_slices_at_once_are_the_slices_whatever_the_threads() {
    for (placement, projection) in ways() {
        let plan = plan::<f32>(plane(20, 24), placement, projection);
        let atoms = plan.place(&scatterers()).unwrap();
        let run = |threads: usize| {
            let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
            let cancel = context.cancel_token();
            let mut waiting = Waiting { cancel: &cancel, tell: &mut |_| true };
            let slices = plan.slices(&context, &atoms, &mut waiting).unwrap();
            let gradient = plan.pull_back_all(&context, &atoms, slices.view(), &mut waiting).unwrap();
            (slices, gradient)
        };
        let one = run(1);
        assert!(one == run(2) && one == run(3));
        let single: Vec<f64> = one.0.index_axis(ndarray::Axis(0), 3).iter().map(|v| v.f64()).collect();
        assert_eq!(single, slice(&plan, &scatterers(), 3));
        let wrong = one.0.view().slice_move(ndarray::s![1.., .., ..]);
        let context = Context::new(&ContextOptions { threads: Some(1), simd: None }).unwrap();
        let cancel = context.cancel_token();
        let error = plan.pull_back_all(&context, &atoms, wrong, &mut Waiting { cancel: &cancel, tell: &mut |_| true });
        assert_eq!(error.unwrap_err().code(), 101);
        let error = plan.slices(&context, &atoms, &mut Waiting { cancel: &cancel, tell: &mut |_| false });
        assert_eq!(error.unwrap_err().code(), 1);
    }
}

#[test]
fn an_empty_cell_has_no_potential() {
    for (placement, projection) in ways() {
        let plan = plan::<f64>(plane(20, 24), placement, projection);
        assert!(slice(&plan, &Scatterers::default(), 0).iter().all(|v| *v == 0.0));
    }
}

#[test]
fn impossible_plans_are_refused() {
    let refused = |edges: &[f64], species: &[u8], options: PotentialOptions| match Potential::<f32>::new(
        SimdPath::Portable,
        plane(20, 24),
        edges,
        species,
        options,
    ) {
        Ok(_) => panic!("accepted"),
        Err(error) => (error.code(), error.to_string()),
    };
    let options = PotentialOptions::default();
    let (code, text) = refused(&[0.0, 1.0, 1.0], &[79], options);
    assert!(code == 103 && text.contains("thickness of slice 1"), "{text}");
    assert_eq!(refused(&[0.0], &[79], options).0, 301);
    assert_eq!(refused(&[0.5, 1.0], &[79], options).0, 103);
    assert_eq!(refused(&[0.0, f64::NAN], &[79], options).0, 300);
    assert_eq!(refused(&EDGES, &[], options).0, 301);
    assert_eq!(refused(&EDGES, &[79, 0], options).0, 103);
    for error in [0.0, 0.1, f64::NAN] {
        assert_eq!(
            refused(&EDGES, &[79], PotentialOptions { placement: Placement::Gridding { error }, ..options }).0,
            103
        );
        assert_eq!(
            refused(&EDGES, &[79], PotentialOptions { projection: Projection::Finite { error }, ..options }).0,
            103
        );
    }
}

#[test]
fn impossible_atoms_are_named() {
    let plan = plan::<f32>(plane(20, 24), Placement::Exact, Projection::Infinite);
    let refused = |change: &dyn Fn(&mut Scatterers)| {
        let mut atoms = scatterers();
        change(&mut atoms);
        let error = plan.place(&atoms).unwrap_err();
        (error.code(), error.to_string())
    };
    for (z, got) in [(8.0, "8"), (-0.25, "-0.25")] {
        let (code, text) = refused(&|s| s.positions[5][2] = z);
        assert!(code == 103 && text.contains("z of atom 5") && text.contains(got), "{text}");
    }
    let (code, text) = refused(&|s| s.species[3] = 0);
    assert!(code == 103 && text.contains("species of atom 3"), "{text}");
    let (code, text) = refused(&|s| s.positions[2][0] = f64::NAN);
    assert!(code == 300 && text.contains("atom 2"), "{text}");
    assert_eq!(refused(&|s| s.debye_waller_b.as_mut().unwrap()[1] = -0.1).0, 103);
    assert_eq!(refused(&|s| s.debye_waller_b.as_mut().unwrap()[1] = f64::INFINITY).0, 300);
    assert_eq!(refused(&|s| s.occupancy.as_mut().unwrap().truncate(3)).0, 101);
    assert_eq!(refused(&|s| s.species.truncate(3)).0, 101);
}

#[test]
fn atoms_on_an_edge_belong_to_the_slice_above() {
    let plan = plan::<f64>(plane(20, 24), Placement::Exact, Projection::Infinite);
    for (z, index) in [(0.0, 0), (1.5, 1), (1.5 - 5e-13, 1), (1.5 - 1e-9, 0), (-5e-13, 0), (7.999, 3)] {
        let atom = Scatterers { positions: vec![[1.0, 2.0, z]], species: vec![79], ..Default::default() };
        for i in 0..plan.slice_count() {
            let any = slice(&plan, &atom, i).iter().any(|v| *v != 0.0);
            assert_eq!(any, i == index, "{z} in slice {i}");
        }
    }
}
