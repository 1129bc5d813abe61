//! New lists of atoms from old ones: turned, shifted, cut, repeated, joined. All columns go along.

use super::atoms::AXES;
use super::{Atoms, Property};
use crate::error::{Error, Result};
use crate::geometry::{apply, check_rotation, Mat3, Vec3};

/// Most atoms that [`Atoms::repeated`] makes: their indices still fit 32 bits.
const MAX_ATOMS: usize = i32::MAX as usize;

/// How large the cell of [`Atoms::placed_in_cell`] is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CellSize {
    /// Edges (Lx, Ly, Lz), angstrom.
    Extent(Vec3),
    /// Vacuum on both sides of the atoms along x, y and z, angstrom.
    Vacuum(Vec3),
}

/// What the middle of the cell of [`Atoms::placed_in_cell`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CellCentre {
    /// The origin of the specimen frame, about which tilt series turn: rotated copies of a specimen share one cell.
    #[default]
    Origin,
    /// The middle between the outermost atoms: the smallest cell.
    Atoms,
}

impl Atoms {
    /// The atoms at R p. Standard errors turn as those of independent coordinates, s'_i^2 = sum_j R_ij^2 s_j^2. The
    /// cell does not turn with its content: the result has none.
    ///
    /// # Errors
    /// `NonFinite` or `Inconsistent` unless `rotation` is a proper rotation.
    pub fn rotated(&self, rotation: &Mat3) -> Result<Self> {
        check_rotation("rotation", rotation)?;
        let turned = self.moved(self.positions().iter().map(|p| apply(rotation, p)).collect())?.without_cell();
        let Some(errors) = self.standard_errors() else { return Ok(turned) };
        let squares = rotation.map(|row| row.map(|r| r * r));
        // 0 x infinity: an axis that does not enter does not count, however uncertain it is
        let error = |e: &Vec3, i: usize| {
            let parts = squares[i].iter().zip(e).filter(|(r, _)| **r > 0.0);
            parts.map(|(r, e)| r * e * e).sum::<f64>().sqrt()
        };
        turned.with_standard_errors(errors.iter().map(|e| std::array::from_fn(|i| error(e, i))).collect())
    }

    /// The atoms at p + `shift` (angstrom); the cell stays where it is.
    ///
    /// # Errors
    /// `NonFinite` for a shift, or a sum, that is not finite.
    pub fn shifted(&self, shift: &Vec3) -> Result<Self> {
        Error::unless_finite("shift", "axis", shift)?;
        self.moved(self.positions().iter().map(|p| std::array::from_fn(|i| p[i] + shift[i])).collect())
    }

    /// Atoms shifted from the specimen frame into a cell of their own, `centre` to the middle of it. With
    /// [`CellCentre::Origin`] the origin falls on L / 2, which is pixel n//2 of a plane with an even number n of
    /// pixels; vacuum is then counted from the atom farthest from the origin along each axis.
    ///
    /// # Errors
    /// `Range` for edges or vacuum that are not positive, `Inconsistent` where atoms would lie outside of the cell.
    pub fn placed_in_cell(&self, size: CellSize, centre: CellCentre) -> Result<Self> {
        let (low, high) = self.bounds();
        let middle: Vec3 = match centre {
            CellCentre::Origin => [0.0; 3],
            CellCentre::Atoms => std::array::from_fn(|i| 0.5 * (low[i] + high[i])),
        };
        let cell = match size {
            CellSize::Extent(extent) => extent,
            CellSize::Vacuum(vacuum) => {
                for (axis, width) in AXES.iter().zip(vacuum) {
                    if !(width.is_finite() && width > 0.0) {
                        return Err(Error::range(
                            format!("vacuum along {axis}"),
                            width,
                            "a positive number (angstrom)",
                        ));
                    }
                }
                std::array::from_fn(|i| 2.0 * ((middle[i] - low[i]).max(high[i] - middle[i]) + vacuum[i]))
            }
        };
        let placed = self.clone().with_cell(cell)?.shifted(&std::array::from_fn(|i| 0.5 * cell[i] - middle[i]))?;
        placed.check_in_cell()?;
        Ok(placed)
    }

    /// The atoms folded into the periodic cell along the axes that `periodic` names, 0 <= p < L.
    ///
    /// # Errors
    /// `NotReady` without a cell.
    pub fn wrapped(&self, periodic: [bool; 3]) -> Result<Self> {
        let cell = self.require_cell()?;
        self.moved(self.positions().iter().map(|p| wrap(p, &cell, periodic)).collect())
    }

    /// The atoms with `from` <= p < `to` (angstrom) along `axis` (0: x, 1: y, 2: z), in place and in their cell.
    ///
    /// # Errors
    /// `Range` for an axis beyond 2 or limits that are no interval, `Empty` where no atom lies between them.
    pub fn slab(&self, axis: usize, from: f64, to: f64) -> Result<Self> {
        let Some(name) = AXES.get(axis) else {
            return Err(Error::range("axis", axis, "0 (x), 1 (y) or 2 (z)"));
        };
        if !from.is_finite() {
            return Err(Error::range("beginning of the slab", from, "a finite number (angstrom)"));
        }
        if !(to.is_finite() && to > from) {
            return Err(Error::range("end of the slab", to, format!("a number above its beginning, {from} angstrom")));
        }
        let inside: Vec<usize> = (0..self.len()).filter(|i| (from..to).contains(&self.positions()[*i][axis])).collect();
        if inside.is_empty() {
            let (low, high) = self.bounds();
            return Err(Error::Empty {
                what: format!("slab {from} <= {name} < {to} angstrom"),
                why: format!("the atoms have {name} from {} to {}", low[axis], high[axis]),
            });
        }
        Ok(self.picked(&inside))
    }

    /// The atoms of `indices`, in their order; the cell stays.
    ///
    /// # Errors
    /// `Empty` without indices, `Range` for one that is no atom.
    pub fn subset(&self, indices: &[usize]) -> Result<Self> {
        if indices.is_empty() {
            return Err(Error::Empty { what: "subset of atoms".into(), why: "at least one index is needed".into() });
        }
        if let Some((i, index)) = indices.iter().enumerate().find(|(_, index)| **index >= self.len()) {
            return Err(Error::range(format!("index {i} of the subset"), index, format!("below {}", self.len())));
        }
        Ok(self.picked(indices))
    }

    /// `counts` (along x, y, z) copies of the cell side by side, in one cell that holds them all: all atoms of the
    /// first cell, then those of its neighbours along x, y, and z, x running fastest.
    ///
    /// # Errors
    /// `NotReady` without a cell, `Range` for a count of 0 or more than 2^31 - 1 atoms.
    pub fn repeated(&self, counts: [usize; 3]) -> Result<Self> {
        let cell = self.require_cell()?;
        if let Some(axis) = counts.iter().position(|n| *n == 0) {
            return Err(Error::range(format!("repeats along {}", AXES[axis]), 0, "a number from 1"));
        }
        let total = counts.iter().try_fold(self.len(), |total, n| total.checked_mul(*n)).filter(|n| *n <= MAX_ATOMS);
        let Some(total) = total else {
            let [x, y, z] = counts;
            let wanted = format!("at most {MAX_ATOMS} atoms in all");
            return Err(Error::range("repeats", format!("{x} x {y} x {z} of {} atoms", self.len()), wanted));
        };
        let indices: Vec<usize> = (0..total).map(|i| i % self.len()).collect();
        let offset = |copy: usize| {
            let place = [copy % counts[0], copy / counts[0] % counts[1], copy / counts[0] / counts[1]];
            move |i: usize| place[i] as f64 * cell[i]
        };
        let position = |i: usize| {
            let (p, offset) = (self.positions()[i % self.len()], offset(i / self.len()));
            std::array::from_fn(|axis| p[axis] + offset(axis))
        };
        let positions = (0..total).map(position).collect();
        self.picked(&indices).moved(positions)?.with_cell(std::array::from_fn(|i| counts[i] as f64 * cell[i]))
    }

    /// These atoms and then those of `other`, in the cell that either has. Where only one list has occupancies, the
    /// atoms of the other have 1; probabilities and standard errors are NaN there.
    ///
    /// # Errors
    /// `Inconsistent` for two different cells, and where only one list has heights, widths or Debye-Waller factors:
    /// there is no number that says "not known".
    pub fn merged(&self, other: &Atoms) -> Result<Self> {
        let both = |a: &[Vec3], b: &[Vec3]| [a, b].concat();
        let mut joined = Atoms::new(both(self.positions(), other.positions()))?
            .with_species([self.species(), other.species()].concat())?;
        for property in Property::ALL {
            joined = match (self.property(property), other.property(property)) {
                (None, None) => joined,
                (mine, theirs) => {
                    let (mine, theirs) = (self.or_absent(property, mine)?, other.or_absent(property, theirs)?);
                    joined.with_property(property, [mine, theirs].concat())?
                }
            };
        }
        if self.standard_errors().is_some() || other.standard_errors().is_some() {
            let errors = |a: &Atoms| a.standard_errors().map_or_else(|| vec![[f64::NAN; 3]; a.len()], <[Vec3]>::to_vec);
            joined = joined.with_standard_errors(both(&errors(self), &errors(other)))?;
        }
        match (self.cell(), other.cell()) {
            (Some(a), Some(b)) if a != b => Err(Error::Inconsistent {
                what: "cells of the merged atoms".into(),
                why: format!("{a:?} and {b:?} angstrom differ"),
            }),
            (Some(cell), _) | (None, Some(cell)) => joined.with_cell(cell),
            (None, None) => Ok(joined),
        }
    }

    /// The values of a property, or those that stand for its absence.
    fn or_absent(&self, property: Property, values: Option<&[f64]>) -> Result<Vec<f64>> {
        match (values, property) {
            (Some(values), _) => Ok(values.to_vec()),
            (None, Property::Occupancy) => Ok(vec![1.0; self.len()]),
            (None, Property::Probability) => Ok(vec![f64::NAN; self.len()]),
            (None, Property::Height | Property::Width | Property::DebyeWallerB) => Err(Error::Inconsistent {
                what: format!("{} of the merged atoms", property.name()),
                why: format!(
                    "only one of the two lists has it, the list of {} atoms has not; set it first",
                    self.len()
                ),
            }),
        }
    }

    /// Lowest and highest coordinates along x, y and z, angstrom.
    pub fn bounds(&self) -> (Vec3, Vec3) {
        let extreme = |start: f64, pick: fn(f64, f64) -> f64| -> Vec3 {
            self.positions().iter().fold([start; 3], |b, p| std::array::from_fn(|i| pick(b[i], p[i])))
        };
        (extreme(f64::INFINITY, f64::min), extreme(f64::NEG_INFINITY, f64::max))
    }
}

/// `p` folded into 0 <= p < L along the periodic axes.
pub(super) fn wrap(p: &Vec3, cell: &Vec3, periodic: [bool; 3]) -> Vec3 {
    std::array::from_fn(|i| {
        if !periodic[i] {
            return p[i];
        }
        let folded = p[i].rem_euclid(cell[i]);
        // a tiny negative number rounds to L itself
        if folded < cell[i] {
            folded
        } else {
            0.0
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{rotation_about, AngleOrder, IDENTITY};

    fn full() -> Atoms {
        Atoms::new(vec![[1.0, 2.0, 3.0], [-4.0, 5.0, 6.0], [7.0, -8.0, 9.0]])
            .and_then(|a| a.with_species(vec![14, 0, 79]))
            .and_then(|a| a.with_heights(vec![1.0, 2.0, 3.0]))
            .and_then(|a| a.with_widths(vec![0.1, 0.2, 0.3]))
            .and_then(|a| a.with_occupancies(vec![1.0, 0.5, 0.25]))
            .and_then(|a| a.with_probabilities(vec![0.9, 0.8, 0.7]))
            .and_then(|a| a.with_debye_waller(vec![0.4, 0.5, 0.6]))
            .and_then(|a| a.with_standard_errors(vec![[0.01, 0.02, 0.03]; 3]))
            .unwrap()
    }

    fn close(a: &Atoms, b: &Atoms) -> bool {
        a.positions().as_flattened().iter().zip(b.positions().as_flattened()).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn rotation_moves_positions_and_errors_and_keeps_the_rest() {
        let atoms = full().with_cell([20.0; 3]).unwrap();
        let turned = atoms.rotated(&rotation_about(2, 90.0)).unwrap();
        assert!((turned.positions()[0][0] + 2.0).abs() < 1e-15 && (turned.positions()[0][1] - 1.0).abs() < 1e-15);
        let errors = turned.standard_errors().unwrap()[1];
        assert!((errors[0] - 0.02).abs() < 1e-15 && (errors[1] - 0.01).abs() < 1e-15);
        assert_eq!((turned.cell(), turned.debye_waller_b()), (None, atoms.debye_waller_b()));
        let r = AngleOrder::Zyx.rotation(&[10.0, 20.0, 30.0]);
        let back = atoms.rotated(&r).unwrap().rotated(&crate::geometry::transpose(&r)).unwrap();
        assert!(close(&back, &atoms));
        let endless = full().with_standard_errors(vec![[f64::INFINITY, 0.5, f64::NAN]; 3]).unwrap();
        let errors = endless.rotated(&IDENTITY).unwrap().standard_errors().unwrap()[0];
        assert!(errors[0] == f64::INFINITY && errors[1] == 0.5 && errors[2].is_nan());
        let mut mirror = IDENTITY;
        mirror[0][0] = -1.0;
        assert_eq!(atoms.rotated(&mirror).unwrap_err().code(), 302);
    }

    #[test]
    fn placing_puts_the_centre_in_the_middle() {
        let placed = full().placed_in_cell(CellSize::Extent([20.0, 24.0, 30.0]), CellCentre::Origin).unwrap();
        assert_eq!((placed.cell(), placed.positions()[0]), (Some([20.0, 24.0, 30.0]), [11.0, 14.0, 18.0]));
        let placed = full().placed_in_cell(CellSize::Vacuum([1.0, 2.0, 3.0]), CellCentre::Atoms).unwrap();
        assert_eq!((placed.cell(), placed.bounds().0), (Some([13.0, 17.0, 12.0]), [1.0, 2.0, 3.0]));
        let placed = full().placed_in_cell(CellSize::Vacuum([1.0, 2.0, 3.0]), CellCentre::Origin).unwrap();
        assert_eq!((placed.cell(), placed.positions()[0]), (Some([16.0, 20.0, 24.0]), [9.0, 12.0, 15.0]));
        let tight = full().placed_in_cell(CellSize::Extent([20.0, 24.0, 10.0]), CellCentre::Origin).unwrap_err();
        assert!(tight.to_string().contains("z of atom 1 is 11") && tight.to_string().contains("1 others"), "{tight}");
        for bad in [CellSize::Extent([1.0, 0.0, 1.0]), CellSize::Vacuum([1.0, -1.0, 1.0]), CellSize::Vacuum([0.0; 3])] {
            assert_eq!(full().placed_in_cell(bad, CellCentre::Atoms).unwrap_err().code(), 103, "{bad:?}");
        }
    }

    #[test]
    fn wrapping_never_leaves_the_cell() {
        let edge = 7.3;
        let positions = vec![[-1e-17, edge, -edge], [1e9, -1e9, 3.0 * edge], [edge - 1e-17, -0.0, 1e-300]];
        let atoms = Atoms::new(positions).unwrap().with_cell([edge; 3]).unwrap();
        atoms.wrapped([true; 3]).unwrap().check_in_cell().unwrap();
        assert_eq!(atoms.wrapped([false; 3]).unwrap(), atoms);
        assert_eq!(full().wrapped([true; 3]).unwrap_err().code(), 200);
    }

    #[test]
    fn slabs_and_subsets_keep_all_columns() {
        let slab = full().slab(2, 3.0, 9.0).unwrap();
        assert_eq!(slab, full().subset(&[0, 1]).unwrap());
        assert_eq!((slab.species(), slab.widths().unwrap()), (&[14, 0][..], &[0.1, 0.2][..]));
        assert_eq!(full().subset(&[2, 0, 1]).unwrap().subset(&[1, 2, 0]).unwrap(), full());
        let none = full().slab(0, 8.0, 9.0).unwrap_err();
        assert!(none.code() == 301 && none.to_string().contains("x from -4 to 7"), "{none}");
        assert_eq!(full().slab(3, 0.0, 1.0).unwrap_err().code(), 103);
        assert_eq!(full().slab(0, 1.0, 1.0).unwrap_err().code(), 103);
        assert_eq!(full().slab(0, f64::NAN, 1.0).unwrap_err().code(), 103);
        assert_eq!(full().slab(0, 0.0, f64::INFINITY).unwrap_err().code(), 103);
        assert_eq!(full().subset(&[]).unwrap_err().code(), 301);
        assert_eq!(full().subset(&[0, 3]).unwrap_err().code(), 103);
    }

    #[test]
    fn repeats_fill_the_larger_cell() {
        let unit = Atoms::new(vec![[0.0; 3], [1.0, 1.5, 2.0]])
            .and_then(|a| a.with_species(vec![11, 17]))
            .and_then(|a| a.with_debye_waller(vec![0.1, 0.2]))
            .and_then(|a| a.with_cell([2.0, 3.0, 4.0]))
            .unwrap();
        let crystal = unit.repeated([2, 1, 3]).unwrap();
        assert_eq!((crystal.len(), crystal.cell()), (12, Some([4.0, 3.0, 12.0])));
        crystal.check_in_cell().unwrap();
        assert_eq!(crystal.positions()[3], [3.0, 1.5, 2.0]);
        assert_eq!(crystal.positions()[11], [3.0, 1.5, 10.0]);
        assert_eq!(crystal.debye_waller_b().unwrap()[10..], [0.1, 0.2]);
        assert_eq!(unit.repeated([1; 3]).unwrap(), unit);
        assert_eq!(unit.repeated([1, 0, 1]).unwrap_err().code(), 103);
        assert_eq!(unit.repeated([usize::MAX, 2, 1]).unwrap_err().code(), 103);
        assert_eq!(unit.repeated([1 << 12, 1 << 12, 1 << 12]).unwrap_err().code(), 103);
        assert_eq!(full().repeated([1; 3]).unwrap_err().code(), 200);
    }

    #[test]
    fn merging_says_what_it_cannot_know() {
        let twice = full().merged(&full()).unwrap();
        assert_eq!((twice.len(), twice.subset(&[3, 4, 5]).unwrap()), (6, full()));
        let plain = Atoms::new(vec![[0.0; 3]]).unwrap();
        let error = full().merged(&plain).unwrap_err();
        assert!(error.to_string().contains("height") && error.to_string().contains("list of 1 atoms"), "{error}");
        let partial = plain.clone().with_occupancies(vec![0.5]).unwrap().with_cell([9.0; 3]).unwrap();
        let joined = plain.merged(&partial).unwrap();
        assert_eq!((joined.occupancies().unwrap(), joined.cell()), (&[1.0, 0.5][..], Some([9.0; 3])));
        let other = plain.with_cell([8.0; 3]).unwrap();
        assert_eq!(partial.merged(&other).unwrap_err().code(), 302);
    }
}
