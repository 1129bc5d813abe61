//! Particles with five-fold axes: five or twenty slightly strained face-centred tetrahedra around a line or a point.

use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Shells of an icosahedron and edges of a decahedron that are counted at most.
const MOST_SHELLS: usize = 1000;

/// Number of atoms of a Mackay icosahedron of `shells` shells around its central atom: 1, 13, 55, 147, 309, 561, ...
pub(super) fn icosahedron_count(shells: usize) -> usize {
    (10 * shells * shells * shells + 15 * shells * shells + 11 * shells) / 3 + 1
}

/// Shells of the icosahedron of `count` atoms.
pub(super) fn icosahedron_shells(count: usize) -> Result<usize> {
    let next = (0..=MOST_SHELLS).find(|&n| icosahedron_count(n) >= count).unwrap_or(MOST_SHELLS);
    match icosahedron_count(next) == count {
        true => Ok(next),
        false => {
            let wanted = format!(
                "a magic number: {} or {} ({} or {next} shells)",
                icosahedron_count(next - 1),
                icosahedron_count(next),
                next - 1
            );
            Err(Error::range("atoms of an icosahedron", count, wanted))
        }
    }
}

/// Mackay icosahedron (A. L. Mackay, Acta Cryst. 15, 916, 1962) of nearest-neighbour distance `distance` in the
/// face-centred crystal: within a shell atoms stand 1.0515 times farther apart than from shell to shell, so the latter
/// distance is shorter by the root of that and the former longer.
pub(super) fn icosahedron(shells: usize, distance: f64) -> Result<Vec<Vec3>> {
    check("shells of an icosahedron", shells, 0)?;
    let golden = 0.5 * (1.0 + 5.0_f64.sqrt());
    let to_vertex = (1.0 + golden * golden).sqrt(); // of the icosahedron of edge 2
    let vertices: Vec<Vec3> = (0..12)
        .map(|v| {
            let (one, long) = (if v & 1 == 0 { 1.0 } else { -1.0 }, if v & 2 == 0 { golden } else { -golden });
            let mut p = [0.0; 3];
            (p[(v / 4 + 1) % 3], p[(v / 4 + 2) % 3]) = (one, long);
            p
        })
        .collect();
    let touch = |a: &Vec3, b: &Vec3| (a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() - 4.0).abs() < 1e-9;
    // edge 2 and radius `to_vertex` of the unit icosahedron become the two distances, whose mean is `distance`
    let scale = distance / (2.0 * to_vertex).sqrt();
    let mut atoms = vec![[0.0; 3]];
    for shell in 1..=shells {
        let n = shell as f64;
        let mut put = |weights: [(f64, &Vec3); 3]| {
            atoms.push(std::array::from_fn(|k| scale * weights.iter().map(|(w, v)| w * v[k]).sum::<f64>()));
        };
        for (a, va) in vertices.iter().enumerate() {
            put([(n, va), (0.0, va), (0.0, va)]);
            for (b, vb) in vertices.iter().enumerate().skip(a + 1).filter(|(_, vb)| touch(va, vb)) {
                (1..shell).for_each(|i| put([(n - i as f64, va), (i as f64, vb), (0.0, va)]));
                for vc in vertices.iter().skip(b + 1).filter(|vc| touch(va, vc) && touch(vb, vc)) {
                    for i in 1..shell {
                        (1..shell - i).for_each(|j| {
                            put([(n - (i + j) as f64, va), (i as f64, vb), (j as f64, vc)]);
                        });
                    }
                }
            }
        }
    }
    Ok(atoms)
}

/// Decahedron of the edges `[p, q, r]` and nearest-neighbour distance `distance` along its five-fold axis, which is z.
///
/// p atoms run along the {100} faces perpendicular to the axis, q along it, r is the depth of the re-entrant grooves at
/// the twin planes: r = 0 is Ino's decahedron, q = 1 with r = 0 the pentagonal bipyramid, r > 0 Marks's decahedron (L. D.
/// Marks, Phil. Mag. A 49, 81, 1984). The axis is a row of p + q + 2 r - 1 atoms. Five tetrahedra of 70.5 degrees are
/// stretched to 72: rows of atoms stand 1.8 % farther apart around the axis than along it.
pub(super) fn decahedron([p, q, r]: [usize; 3], distance: f64) -> Result<Vec<Vec3>> {
    check("p of a decahedron", p, 1)?;
    check("q of a decahedron", q, 1)?;
    check("r of a decahedron", r, 0)?;
    let axis = p + q + 2 * r - 1;
    let wide = axis + 1 - q; // p + 2 r: rings beyond are cut off by {100} faces
    let row = 0.5 * 3.0_f64.sqrt() * distance; // from one row of atoms to the next, along a twin plane
    let corner = |m: usize| {
        let (sin, cos) = (90.0 + 72.0 * m as f64).to_radians().sin_cos();
        [row * cos, row * sin]
    };
    let corners: Vec<[f64; 2]> = (0..6).map(corner).collect();
    let mut atoms = Vec::new();
    let mut put_row = |x: f64, y: f64, length: usize| {
        let from = -0.5 * distance * (length - 1) as f64;
        atoms.extend((0..length).map(|j| [x, y, from + distance * j as f64]));
    };
    put_row(0.0, 0.0, axis);
    for ring in 1..axis.min(wide) {
        for pair in corners.windows(2) {
            for i in (0..ring).filter(|&i| ring - i + r < wide && i + r < wide) {
                let (near, far) = ((ring - i) as f64, i as f64);
                let [x, y] = std::array::from_fn(|k| near * pair[0][k] + far * pair[1][k]);
                put_row(x, y, axis - ring);
            }
        }
    }
    Ok(atoms)
}

fn check(what: &str, value: usize, least: usize) -> Result<()> {
    match (least..=MOST_SHELLS).contains(&value) {
        true => Ok(()),
        false => Err(Error::range(what, value, format!("{least} to {MOST_SHELLS}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::neighbours;
    use super::*;

    #[test]
    fn magic_numbers() {
        for (shells, count) in [1, 13, 55, 147, 309, 561, 923].into_iter().enumerate() {
            assert_eq!(icosahedron_count(shells), count);
            assert_eq!(icosahedron(shells, 2.77).unwrap().len(), count);
            assert_eq!(icosahedron_shells(count).unwrap(), shells);
        }
        let text = icosahedron_shells(100).unwrap_err().to_string();
        assert!(text.contains("55 or 147 (2 or 3 shells)"), "{text}");
    }

    #[test]
    fn atoms_of_an_icosahedron_touch_their_neighbours() {
        let atoms = icosahedron(4, 2.0).unwrap();
        let counts = neighbours(&atoms, 1.1 * 2.0);
        assert_eq!(counts[0], 12);
        assert_eq!(counts.iter().filter(|&&n| n == 12).count(), icosahedron_count(3), "all atoms but the surface's");
        assert_eq!(counts.iter().filter(|&&n| n == 6).count(), 12, "vertices");
        let shortest = super::super::tests::shortest(&atoms);
        assert!((shortest - 2.0 / 1.051_462_f64.sqrt()).abs() < 1e-5, "{shortest}");
    }

    #[test]
    fn decahedra() {
        // the smallest is 7 atoms; the paper's platinum particle is a regular Marks decahedron
        for (edges, count) in
            [([2, 1, 0], 7), ([2, 2, 0], 13), ([3, 1, 0], 23), ([3, 2, 0], 39), ([2, 2, 1], 75), ([9, 9, 9], 25_790)]
        {
            assert_eq!(decahedron(edges, 2.77).unwrap().len(), count, "{edges:?}");
        }
        let atoms = decahedron([3, 3, 2], 2.0).unwrap();
        assert!((super::super::tests::shortest(&atoms) - 2.0).abs() < 1e-9);
        assert_eq!(neighbours(&atoms, 1.1 * 2.0).into_iter().max(), Some(12));
        assert_eq!(decahedron([0, 1, 0], 2.0).unwrap_err().code(), 103);
    }
}
