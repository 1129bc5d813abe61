use super::*;
use std::f64::consts::PI;

fn distance(p: &Vec3, q: &Vec3) -> f64 {
    (0..3).map(|k| (p[k] - q[k]).powi(2)).sum::<f64>().sqrt()
}

/// Neighbours of each point within a distance.
pub(super) fn neighbours(points: &[Vec3], within: f64) -> Vec<usize> {
    points.iter().map(|p| points.iter().filter(|q| distance(p, q) <= within).count() - 1).collect()
}

/// The shortest distance of two points.
pub(super) fn shortest(points: &[Vec3]) -> f64 {
    let of = |i: usize| points[..i].iter().map(move |q| distance(&points[i], q));
    (0..points.len()).flat_map(of).fold(f64::INFINITY, f64::min)
}

fn made(options: &StructureOptions) -> Atoms {
    generate(options, &mut |_| true).unwrap()
}

fn refused(options: &StructureOptions, code: i32, word: &str) {
    let error = generate(options, &mut |_| true).unwrap_err();
    assert!(error.code() == code && error.to_string().contains(word), "{} {error}", error.code());
}

fn cut(structure: Structure, width: f64) -> StructureOptions {
    StructureOptions { species: [26, 78, 8], lattice_a: 4.0, width, ..StructureOptions::new(structure) }
}

fn count(atoms: &Atoms, species: u8) -> usize {
    atoms.species().iter().filter(|s| **s == species).count()
}

#[test]
fn coordination_and_density_of_lattices() {
    let root = f64::sqrt;
    // structure, neighbours of the central atom, their distance in units of a, atoms per a^3
    for (structure, coordination, nearest, density) in [
        (Structure::SimpleCubic, 6, 1.0, 1.0),
        (Structure::FaceCentredCubic, 12, root(0.5), 4.0),
        (Structure::BodyCentredCubic, 8, root(0.75), 2.0),
        (Structure::HexagonalClosePacked, 12, 1.0, root(2.0)),
        (Structure::Diamond, 4, root(3.0) / 4.0, 8.0),
        (Structure::RockSalt, 6, 0.5, 8.0),
        (Structure::CaesiumChloride, 8, root(0.75), 2.0),
        (Structure::ZincBlende, 4, root(3.0) / 4.0, 8.0),
        (Structure::L10, 12, root(0.5), 4.0),
        (Structure::L12, 12, root(0.5), 4.0),
    ] {
        let atoms = made(&cut(structure, 32.0));
        let points = atoms.positions();
        assert_eq!(points[0], [0.0; 3], "{structure:?}: the innermost comes first");
        assert_eq!(neighbours(&points[..200], 4.0 * nearest + 1e-6)[0], coordination, "{structure:?}");
        assert!((shortest(&points[..250]) - 4.0 * nearest).abs() < 1e-9, "{structure:?}");
        let wanted = density / 64.0 * PI / 6.0 * 32.0_f64.powi(3);
        assert!((points.len() as f64 / wanted - 1.0).abs() < 0.05, "{structure:?} {} {wanted}", points.len());
    }
}

#[test]
fn formulas() {
    for (structure, formula) in [
        (Structure::RockSalt, [4, 4, 0]),
        (Structure::CaesiumChloride, [1, 1, 0]),
        (Structure::ZincBlende, [4, 4, 0]),
        (Structure::L10, [2, 2, 0]),
        (Structure::L12, [3, 1, 0]),
        (Structure::Spinel, [8, 16, 32]),
        (Structure::Perovskite, [1, 1, 3]),
    ] {
        let lattice = lattice(&cut(structure, 20.0)).unwrap();
        assert_eq!(lattice.formula(), formula, "{structure:?}");
        let atoms = made(&StructureOptions { stoichiometric: true, ..cut(structure, 21.0) });
        let counts = [26, 78, 8].map(|species| count(&atoms, species));
        let units = counts[0] / (formula[0] / formula.iter().filter(|n| **n > 0).min().unwrap());
        assert!(units > 20);
        for (count, wanted) in counts.iter().zip(formula) {
            assert_eq!(count * formula[0], wanted * counts[0], "{structure:?} {counts:?}");
        }
        // a cube of 3 x 3 x 3 cells whose faces pass between the atoms holds exactly 27 cells
        let shape = ParticleShape::Box([1.0; 3]);
        let block = StructureOptions { shape, lattice_origin: [0.47; 3], ..cut(structure, 12.0) };
        assert_eq!(made(&block).len(), 27 * formula.iter().sum::<usize>());
    }
}

#[test]
fn ions_of_a_spinel() {
    // ideal oxygen positions: tetrahedra and octahedra are regular
    let atoms = made(&StructureOptions { anion_parameter: 0.25, lattice_a: 8.0, ..cut(Structure::Spinel, 30.0) });
    let points = atoms.positions();
    let anions: Vec<Vec3> = (0..points.len()).filter(|&i| atoms.species()[i] == 8).map(|i| points[i]).collect();
    let around = |species: u8, within: f64| {
        let inner = |i: &usize| atoms.species()[*i] == species && distance(&points[*i], &[0.0; 3]) < 8.0;
        let near = |i: usize| anions.iter().filter(|q| distance(&points[i], q) < within + 1e-6).count();
        (0..points.len()).filter(inner).map(near).collect::<Vec<_>>()
    };
    assert!(around(26, 8.0 * 3.0_f64.sqrt() / 8.0).iter().all(|n| *n == 4));
    assert!(around(78, 2.0).iter().all(|n| *n == 6));
    assert!((shortest(points) - 8.0 * 3.0_f64.sqrt() / 8.0).abs() < 1e-9);
}

#[test]
fn shapes_have_their_faces() {
    // closed shells around an atom of the face-centred lattice: magic numbers of the shapes
    for (shape, width, atoms) in [
        (ParticleShape::Cuboctahedron, 4.0, 13),
        (ParticleShape::Cuboctahedron, 8.0, 55),
        (ParticleShape::Cuboctahedron, 12.0, 147),
        (ParticleShape::Octahedron, 8.0 / 3.0_f64.sqrt(), 19),
        (ParticleShape::Octahedron, 16.0 / 3.0_f64.sqrt(), 85),
        (ParticleShape::Box([1.0; 3]), 8.0, 63),
        (ParticleShape::Box([4.0, 8.0, 4.0]), 8.0, 23),
        (ParticleShape::Box([4.0, 8.0, 4.0]), 0.0, 23),
    ] {
        let options = StructureOptions { shape: shape.clone(), ..cut(Structure::FaceCentredCubic, width) };
        assert_eq!(made(&options).len(), atoms, "{shape:?} {width}");
    }
    for shape in [ParticleShape::TruncatedOctahedron, ParticleShape::RhombicDodecahedron, ParticleShape::Irregular(0.1)]
    {
        let shape = Shape::new(&shape, 3).unwrap();
        for p in [[1.0, 2.0, 3.0], [-4.0, 0.5, 0.1], [0.0, 0.0, 2.0]] {
            let (gauge, reach) = (shape.gauge(&p), shape.reach(shape.gauge(&p)));
            assert!((shape.gauge(&p.map(|v| 2.0 * v)) - 2.0 * gauge).abs() < 1e-12);
            assert!((0..3).all(|k| p[k].abs() <= reach[k] + 1e-12));
        }
    }
}

#[test]
fn counts_are_met_exactly() {
    for shape in [
        ParticleShape::Ball,
        ParticleShape::Octahedron,
        ParticleShape::Irregular(0.2),
        ParticleShape::Box([1.0, 2.0, 3.0]),
    ] {
        let options = StructureOptions { count: 777, shape, ..cut(Structure::FaceCentredCubic, 0.0) };
        assert_eq!(made(&options).len(), 777);
    }
    let options = StructureOptions { species_counts: [100, 90, 0], ..cut(Structure::RockSalt, 0.0) };
    assert_eq!([26, 78].map(|species| count(&made(&options), species)), [100, 90]);
}

#[test]
fn disorder_is_what_was_asked_for_and_seeded() {
    let perfect = StructureOptions { seed: 4, ..cut(Structure::FaceCentredCubic, 40.0) };
    let still = made(&perfect);
    let moved = made(&StructureOptions { displacement: 0.1, ..perfect.clone() });
    let square: f64 = still.positions().iter().zip(moved.positions()).map(|(p, q)| distance(p, q).powi(2)).sum();
    let rms = (square / (3 * still.len()) as f64).sqrt();
    assert!((rms - 0.1).abs() < 0.003, "{rms}");
    let changed =
        StructureOptions { vacancies: 0.1, substitution: 0.25, substitute: 79, displacement: 0.1, ..perfect.clone() };
    let atoms = made(&changed);
    let left = still.len() - (0.1 * still.len() as f64).round() as usize;
    assert_eq!(atoms.len(), left);
    assert!((count(&atoms, 79) as f64 / left as f64 - 0.25).abs() < 0.02);
    assert!(moved.positions().contains(&atoms.positions()[5]), "vacancies do not change displacements");
    assert_eq!(atoms, made(&changed));
    assert_ne!(atoms, made(&StructureOptions { seed: 5, ..changed }));
}

#[test]
fn rotated_and_moved() {
    let still = cut(Structure::FaceCentredCubic, 20.0);
    let turned = StructureOptions { angles_deg: [0.0, 0.0, 90.0], center: [1.0, 2.0, 3.0], ..still.clone() };
    let (still, turned) = (made(&still), made(&turned));
    let rotation = AngleOrder::Zyx.rotation(&[0.0, 0.0, 90.0]);
    for (p, q) in still.positions().iter().zip(turned.positions()) {
        let r = apply(&rotation, p);
        assert!(distance(&[r[0] + 1.0, r[1] + 2.0, r[2] + 3.0], q) < 1e-12);
    }
}

#[test]
fn two_of_count_width_and_density() {
    let silicon =
        StructureOptions { species: [14, 0, 0], minimum_distance: 2.2, ..StructureOptions::new(Structure::Amorphous) };
    let by_width = made(&StructureOptions { width: 30.0, density: 2.33, ..silicon.clone() });
    assert_eq!(by_width.len(), (0.602_214_076 * 2.33 / 28.085 * PI / 6.0 * 27_000.0).round() as usize);
    let by_count = StructureOptions { count: 700, density: 2.33, ..silicon.clone() };
    let farthest = made(&by_count).positions().iter().map(|p| distance(p, &[0.0; 3])).fold(0.0, f64::max);
    assert!((2.0 * farthest - 29.8).abs() < 0.3, "{farthest}");
    let shape = ParticleShape::Box([10.0, 20.0, 30.0]);
    assert_eq!(made(&StructureOptions { shape, count: 300, ..silicon.clone() }).len(), 300);
    refused(&StructureOptions { count: 700, width: 30.0, density: 2.33, ..silicon.clone() }, 302, "set one to 0");
    refused(&StructureOptions { count: 700, ..silicon.clone() }, 200, "two of count, width and density");
    refused(&StructureOptions { width: 30.0, density: 9.0, ..silicon.clone() }, 302, "at most");
    refused(&StructureOptions { width: 30.0, density: 9.0, species: [0; 3], ..silicon.clone() }, 103, "species[0]");
    let shape = ParticleShape::Octahedron;
    refused(&StructureOptions { shape, width: 30.0, count: 10, ..silicon }, 107, "balls or boxes");
}

#[test]
fn carbon_films() {
    let shape = ParticleShape::Box([30.0, 40.0, 20.0]);
    let film = made(&StructureOptions { shape, ..StructureOptions::new(Structure::Film) });
    assert_eq!((film.len(), count(&film, 6)), (2407, 2407));
    let region = Region::Film { extent: [30.0, 40.0, 20.0] };
    let points = film.positions();
    for (i, p) in points.iter().enumerate() {
        for q in &points[..i] {
            assert!(distance(&region.difference(p, q), &[0.0; 3]) >= 1.35);
        }
    }
    let support = Some(Support { side: SupportSide::Exit, thickness: 10.0, extent: [30.0, 30.0] });
    let both = made(&StructureOptions { support, ..cut(Structure::FaceCentredCubic, 20.0) });
    let lowest = |wanted: bool| {
        let heights =
            both.positions().iter().zip(both.species()).filter(|(_, s)| (**s == 6) == wanted).map(|(p, _)| p[2]);
        heights.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), z| (a.min(z), b.max(z)))
    };
    let (particle, film) = (lowest(false), lowest(true));
    assert!(film.0 >= particle.1 + SUPPORT_GAP && film.1 - film.0 <= 10.0);
    let support = Some(Support { side: SupportSide::Entrance, thickness: 10.0, extent: [30.0, 30.0] });
    let before = made(&StructureOptions { support, ..cut(Structure::FaceCentredCubic, 20.0) });
    let carbon = before.positions().iter().zip(before.species()).filter(|(_, s)| **s == 6);
    assert!(carbon.map(|(p, _)| p[2]).fold(f64::NEG_INFINITY, f64::max) <= particle.0 - SUPPORT_GAP);
}

#[test]
fn core_and_shell() {
    let atoms = made(&StructureOptions::preset("cuau").unwrap());
    let radius = |p: &Vec3| distance(p, &[0.0; 3]);
    assert_eq!(atoms.len(), 1602);
    let core = count(&atoms, 29);
    assert_eq!((core, count(&atoms, 79)), (576, 1026), "as in the paper");
    let mean = |species: u8| {
        let of: Vec<f64> = (0..atoms.len())
            .filter(|&i| atoms.species()[i] == species)
            .map(|i| radius(&atoms.positions()[i]))
            .collect();
        of.iter().sum::<f64>() / of.len() as f64
    };
    assert!(mean(29) < mean(79) - 3.0);
    // a perfect cube of 5 x 5 x 5: the surface is what shows, for every shrink factor but the convex hull's
    let cube =
        StructureOptions { shape: ParticleShape::Box([1.0; 3]), core_species: 29, ..cut(Structure::SimpleCubic, 17.0) };
    assert_eq!(count(&made(&cube), 29), 27);
    assert_eq!(count(&made(&StructureOptions { core_shrink: 1.0, ..cube.clone() }), 29), 27);
    refused(&StructureOptions { core_shrink: 1.5, ..cube }, 103, "core_shrink");
}

#[test]
fn presets_of_the_papers() {
    assert_eq!(made(&StructureOptions::preset("m0").unwrap()).len(), 25_790);
    let oxide = made(&StructureOptions::preset("bao").unwrap());
    assert_eq!([56, 8].map(|species| count(&oxide, species)), [486, 501]);
    let small = made(&StructureOptions { count: 2000, ..StructureOptions::preset("m1").unwrap() });
    assert_eq!(small.len(), 2000);
    let diameter = 2.0 * small.positions().iter().map(|p| distance(p, &[0.0; 3])).fold(0.0, f64::max);
    assert!((diameter - 90.0 * (2000.0_f64 / 25_000.0).cbrt()).abs() < 0.5, "{diameter}");
    for name in PRESETS {
        StructureOptions::preset(name).unwrap();
    }
    let text = StructureOptions::preset("m9").unwrap_err().to_string();
    assert!(text.contains("m0, m1") && text.contains("bao"), "{text}");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let gold = cut(Structure::FaceCentredCubic, 20.0);
    refused(&StructureOptions { lattice_a: 0.0, ..gold.clone() }, 200, "lattice_a");
    refused(&StructureOptions { width: 0.0, ..gold.clone() }, 200, "width");
    refused(&StructureOptions { count: 10, ..gold.clone() }, 200, "not more than one");
    refused(&StructureOptions { width: -1.0, ..gold.clone() }, 103, "width");
    refused(&StructureOptions { width: f64::NAN, ..gold.clone() }, 103, "width");
    refused(&StructureOptions { width: 1e7, ..gold.clone() }, 103, "at most");
    refused(&StructureOptions { displacement: -0.1, ..gold.clone() }, 103, "displacement");
    refused(&StructureOptions { vacancies: 1.0, ..gold.clone() }, 103, "vacancies");
    refused(&StructureOptions { substitution: 0.5, ..gold.clone() }, 200, "substitute");
    refused(&StructureOptions { angles_deg: [0.0, f64::INFINITY, 0.0], ..gold.clone() }, 300, "angles_deg");
    refused(&StructureOptions { shape: ParticleShape::Irregular(0.9), ..gold.clone() }, 103, "roughness");
    refused(&StructureOptions { shape: ParticleShape::Box([1.0, 0.0, 1.0]), ..gold.clone() }, 103, "extent");
    refused(&StructureOptions { species_counts: [1, 1, 0], width: 0.0, ..gold.clone() }, 103, "species_counts[1]");
    refused(&StructureOptions { species: [26, 0, 0], ..cut(Structure::RockSalt, 20.0) }, 200, "species[1]");
    refused(&StructureOptions::new(Structure::Film), 200, "extent");
    refused(&StructureOptions { lattice_a: 4.0, ..StructureOptions::new(Structure::Icosahedron) }, 200, "shells");
    refused(
        &StructureOptions { lattice_a: 4.0, ..StructureOptions::new(Structure::Decahedron) },
        103,
        "p of a decahedron",
    );
    let mut calls = 0;
    let amorphous = StructureOptions { count: 500, ..StructureOptions::preset("m1").unwrap() };
    let stopped = generate(&amorphous, &mut |_| {
        calls += 1;
        calls < 4
    });
    assert_eq!((stopped.unwrap_err().code(), calls), (1, 4));
}
