//! The core of a particle: the atoms that are no vertices of its alpha shape.
//!
//! The alpha shape (Edelsbrunner and Muecke, ACM Trans. Graph. 13, 43, 1994) consists of the Delaunay tetrahedra with a
//! circumradius of at most alpha; its surface, inner surfaces included, passes through the atoms that an empty ball of
//! that radius can touch. A shrink factor s chooses alpha as the function `boundary` of MATLAB does: among the n
//! circumradii from the largest down to the critical one, the smallest for which the shape is in one piece and holds all
//! atoms, it takes the one of rank ceil((1 - s) n) from below. 0 is the convex hull, 1 the tightest shape.

use super::delaunay::{Cell, Delaunay};
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Circumradii closer than this are one, angstrom: those of a perfect crystal differ by rounding only.
const EQUAL: f64 = 1e-5;

/// For each atom whether it belongs to the core.
///
/// # Errors
/// `Range` for a shrink factor outside 0 to 1.
pub(super) fn core(positions: &[Vec3], shrink: f64, go_on: &mut dyn FnMut(f64) -> Result<()>) -> Result<Vec<bool>> {
    if !(0.0..=1.0).contains(&shrink) {
        return Err(Error::range("core_shrink", shrink, "0 (convex hull) to 1 (tightest surface)"));
    }
    let mut core = vec![true; positions.len()];
    if positions.len() < 5 {
        return Ok(vec![false; positions.len()]); // fewer atoms have no inside
    }
    let mut cells = Delaunay::new(positions, go_on)?.cells();
    cells.iter_mut().for_each(|cell| cell.circumradius = (cell.circumradius / EQUAL).round() * EQUAL);
    let alpha = alpha(&cells, positions.len(), shrink);
    let inside = |t: u32| cells[t as usize].circumradius <= alpha;
    for cell in cells.iter().filter(|cell| cell.circumradius <= alpha) {
        for (i, _) in cell.neighbours.iter().enumerate().filter(|(_, n)| !n.is_some_and(inside)) {
            (0..4).filter(|&k| k != i).for_each(|k| core[cell.corners[k] as usize] = false);
        }
    }
    Ok(core)
}

/// The radius of a shrink factor.
fn alpha(cells: &[Cell], points: usize, shrink: f64) -> f64 {
    let mut order: Vec<u32> = (0..cells.len() as u32).collect();
    order.sort_by(|&a, &b| cells[a as usize].circumradius.total_cmp(&cells[b as usize].circumradius));
    let critical = critical_rank(cells, &order, points);
    let radii = &order[critical..];
    let rank = ((1.0 - shrink) * radii.len() as f64).ceil() as usize;
    radii.get(rank.max(1) - 1).map_or(f64::INFINITY, |&t| cells[t as usize].circumradius)
}

/// Rank of the smallest circumradius up to which the tetrahedra are in one piece and hold all points.
fn critical_rank(cells: &[Cell], order: &[u32], points: usize) -> usize {
    let mut parent: Vec<u32> = (0..cells.len() as u32).collect();
    let mut held = vec![false; points];
    let mut added = vec![false; cells.len()];
    let (mut missing, mut pieces) = (points, 0);
    for (rank, &t) in order.iter().enumerate() {
        let cell = &cells[t as usize];
        added[t as usize] = true;
        pieces += 1;
        for &corner in &cell.corners {
            missing -= usize::from(!std::mem::replace(&mut held[corner as usize], true));
        }
        for n in cell.neighbours.into_iter().flatten().filter(|&n| added[n as usize]) {
            let (a, b) = (root(&mut parent, t), root(&mut parent, n));
            if a != b {
                parent[a as usize] = b;
                pieces -= 1;
            }
        }
        if missing == 0 && pieces == 1 {
            return rank;
        }
    }
    0
}

fn root(parent: &mut [u32], mut of: u32) -> u32 {
    while parent[of as usize] != of {
        parent[of as usize] = parent[parent[of as usize] as usize]; // path halving
        of = parent[of as usize];
    }
    of
}
