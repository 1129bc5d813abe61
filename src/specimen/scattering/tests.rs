//! Closed forms against each other by quadrature, and against values computed with abTEM 1.0.11.

use super::*;
use std::path::{Path, PathBuf};

fn all() -> impl Iterator<Item = ScatteringFactor> {
    let elements = |p| (1..=MAX_ATOMIC_NUMBER).map(move |z| ScatteringFactor::new(p, z).unwrap());
    Parametrization::ALL.into_iter().flat_map(elements)
}

/// Integral over 0..infinity by the trapezoidal rule in u, at = exp(u).
fn integral(function: impl Fn(f64) -> f64) -> f64 {
    const STEP: f64 = 0.05;
    (-480..260).map(|i| (i as f64 * STEP).exp()).map(|at| STEP * at * function(at)).sum()
}

#[test]
fn the_constant_is_the_published_one() {
    assert!((POTENTIAL_PER_SCATTERING - 47.87764724).abs() < 2e-6, "{POTENTIAL_PER_SCATTERING}");
}

#[test]
fn every_element_of_both_tables_scatters() {
    for factor in all() {
        let values: Vec<f64> = (0..80).map(|i| factor.electron(0.1 * i as f64)).collect();
        assert!(values.iter().all(|f| *f > 0.0 && f.is_finite()), "{factor:?}");
        assert!(values.windows(2).all(|w| w[1] < w[0]), "falls with q: {factor:?}");
        assert!((0.3..=30.0).contains(&values[0]), "{factor:?}");
    }
}

/// f_e(0) as published, in A.
#[test]
fn known_values_at_rest() {
    for (z, lobato, kirkland) in
        [(8, 2.029, 1.990), (14, 5.836, 5.814), (29, 5.601, 5.581), (56, 18.270, 18.169), (79, 10.576, 10.553)]
    {
        for (p, wanted) in [(Parametrization::Lobato, lobato), (Parametrization::Kirkland, kirkland)] {
            let factor = ScatteringFactor::new(p, z).unwrap();
            assert!((factor.electron(0.0) - wanted).abs() < 6e-4, "{z} {p:?}");
            assert_eq!((factor.atomic_number(), factor.parametrization()), (z, p));
        }
    }
}

/// V_p(r) = 2 integral of V(sqrt(r^2 + z^2)) dz, and K f_e(q) = 2 pi integral of V_p(r) J0(2 pi q r) r dr.
#[test]
fn the_three_forms_are_transforms_of_each_other() {
    for factor in all().filter(|f| [1, 2, 8, 29, 55, 79, 103].contains(&f.atomic_number())) {
        for r in [0.03f64, 0.3, 1.1] {
            let projected = 2.0 * integral(|z| factor.potential(r.hypot(z)));
            assert!((projected / factor.projected_potential(r) - 1.0).abs() < 1e-7, "{r} {factor:?}");
        }
        for q in [0.0, 0.4, 1.3] {
            let wave = |r: f64| factor.projected_potential(r) * libm::j0(2.0 * PI * q * r) * r;
            let transformed = 2.0 * PI * integral(wave);
            assert!((transformed - factor.projected(q)).abs() < 1e-7 * factor.projected(0.0), "{q} {factor:?}");
        }
    }
}

#[test]
fn the_mixture_of_gaussians_is_the_factor() {
    for factor in all() {
        for q in [0.0, 0.7, 5.0] {
            let mixed = integral(|t| factor.mixture_density(t) * (-t * q * q).exp());
            let gaussians: f64 = factor.gaussians().iter().map(|g| g.height * (-g.decay * q * q).exp()).sum();
            let error = (mixed + gaussians - factor.electron(q)).abs();
            assert!(error < 1e-6 * factor.electron(0.0), "{q} {error} {factor:?}");
        }
        assert!(factor.slowest_decay() > 0.0 && factor.slowest_decay() < 5.0, "{factor:?}");
    }
}

#[test]
fn names_and_numbers_are_checked() {
    assert_eq!("kirkland".parse::<Parametrization>().unwrap(), Parametrization::Kirkland);
    let error = "peng".parse::<Parametrization>().unwrap_err();
    assert_eq!(error.code(), 104);
    assert!(error.to_string().contains("lobato, kirkland"), "{error}");
    for z in [0, 104, 255] {
        let error = ScatteringFactor::new(Parametrization::Lobato, z).unwrap_err();
        assert_eq!(error.code(), 103);
        assert!(error.to_string().contains("atomic number"), "{error}");
    }
}

/// A csv of numbers below a line of names, from the folder of potentials that abTEM made; `None` where it is absent.
fn golden(file: &str) -> Option<(Vec<String>, Vec<Vec<f64>>)> {
    let data = std::env::var_os("AET_DATA_DIR").map(PathBuf::from);
    let data = data.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = data.join("abtem_reference/potentials").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: no {} (set AET_DATA_DIR)", path.display());
        return None;
    };
    let mut lines = text.lines();
    let names = lines.next()?.split(',').map(String::from).collect();
    Some((names, lines.map(|l| l.split(',').map(|v| v.parse().unwrap()).collect()).collect()))
}

#[test]
fn agrees_with_abtem() {
    for p in Parametrization::ALL {
        for kind in ["fourier", "radial"] {
            let Some((names, rows)) = golden(&format!("{kind}_{}.csv", p.name())) else { return };
            for (column, name) in names.iter().enumerate().skip(1) {
                let mut parts = name.split('_');
                let (quantity, symbol) = (parts.next().unwrap(), parts.next().unwrap());
                let z = super::super::elements::atomic_number(symbol).unwrap();
                let factor = ScatteringFactor::new(p, z).unwrap();
                for row in &rows {
                    let value = match quantity {
                        "fe" => factor.electron(row[0]),
                        "fproj" => factor.projected(row[0]),
                        "Vproj" => factor.projected_potential(row[0]),
                        "V3d" => factor.potential(row[0]),
                        other => panic!("unknown column {other}"),
                    };
                    assert!((value / row[column] - 1.0).abs() < 1e-7, "{name} at {}: {value}", row[0]);
                }
            }
        }
    }
}
