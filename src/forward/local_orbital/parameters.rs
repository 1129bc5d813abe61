//! Blocks of the local-orbital model and their places in the vector of all values.

use super::{SeriesGeometry, Slicing};
use crate::geometry::Vec3;
use crate::problem::{Block, Layout};
use std::ops::Range;

/// Which atoms share one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// One number per atom.
    Atom,
    /// One number per species.
    Species,
    /// One number for all.
    Common,
}

impl Sharing {
    /// The group of every atom: groups are numbered 0, 1, ... in the order of atomic numbers.
    pub fn groups(self, species: &[u8]) -> Vec<u32> {
        match self {
            Sharing::Atom => (0..species.len() as u32).collect(),
            Sharing::Common => vec![0; species.len()],
            Sharing::Species => {
                let kinds: std::collections::BTreeSet<u8> = species.iter().copied().collect();
                species.iter().map(|s| kinds.range(..s).count() as u32).collect()
            }
        }
    }
}

/// Places of the blocks.
#[derive(Debug, Clone)]
pub struct Blocks {
    /// x, y, z of every atom, A.
    pub positions: Range<usize>,
    /// H of every group.
    pub heights: Range<usize>,
    /// B of every group, A^2.
    pub widths: Range<usize>,
    /// u along x', v along y' of every image, A.
    pub drift: Range<usize>,
    /// w of every tilt, A.
    pub depth_offset: Range<usize>,
    /// Added to the recorded defocus of every section, A.
    pub defocus: Range<usize>,
    /// phi, theta, psi of every tilt, degrees.
    pub angles: Range<usize>,
    /// Intensity scale of every image.
    pub scale: Range<usize>,
    /// Background of every image, in its unit.
    pub background: Range<usize>,
}

/// Numbers of blocks in the layout.
impl Blocks {
    /// Positions.
    pub const POSITIONS: usize = 0;
    /// Heights.
    pub const HEIGHTS: usize = 1;
    /// Widths.
    pub const WIDTHS: usize = 2;
    /// Drift.
    pub const DRIFT: usize = 3;
    /// Depth offset.
    pub const DEPTH_OFFSET: usize = 4;
    /// Defocus.
    pub const DEFOCUS: usize = 5;
    /// Angles.
    pub const ANGLES: usize = 6;
    /// Scale.
    pub const SCALE: usize = 7;
    /// Background.
    pub const BACKGROUND: usize = 8;

    /// Places for a series and groups of atoms.
    pub fn new(series: &SeriesGeometry, height_groups: &[u32], width_groups: &[u32]) -> Self {
        let groups = |g: &[u32]| g.iter().max().map_or(0, |m| *m as usize + 1);
        let mut end = 0;
        let mut next = |len: usize| {
            end += len;
            end - len..end
        };
        let (images, tilts) = (series.images.len(), series.tilts);
        Self {
            positions: next(3 * height_groups.len()),
            heights: next(groups(height_groups)),
            widths: next(groups(width_groups)),
            drift: next(2 * images),
            depth_offset: next(tilts),
            defocus: next(series.sections),
            angles: next(3 * tilts),
            scale: next(images),
            background: next(images),
        }
    }

    /// The layout with units, bounds and what is frozen at the start. `slicing`: `None` for the direct model.
    pub(super) fn layout(&self, series: &SeriesGeometry, slicing: Option<Slicing>) -> Layout {
        const DIRECT: &str = "the direct model does not depend on depth; use model rigid";
        const HARD: &str = "hard slices have no derivative along the beam; use linear slicing";
        let depth_locked = match slicing {
            None => Some(DIRECT),
            Some(Slicing::Hard) => Some(HARD),
            Some(Slicing::Linear) => None,
        };
        let free = f64::INFINITY;
        let block = |name, unit, range: &Range<usize>, columns: usize, frozen, lower| {
            let rows = range.len() / columns;
            let shape = if columns == 1 { vec![rows] } else { vec![rows, columns] };
            Block { name, unit, shape, start: range.start, frozen, locked: None, scale: 1.0, lower, upper: free }
        };
        let mut blocks = vec![
            block("positions", "A", &self.positions, 3, false, -free),
            block("heights", "image", &self.heights, 1, false, 0.0),
            block("widths", "A^2", &self.widths, 1, false, 0.0),
            block("drift", "A", &self.drift, 2, true, -free),
            block("depth_offset", "A", &self.depth_offset, 1, true, -free),
            block("defocus", "A", &self.defocus, 1, true, -free),
            block("angles", "deg", &self.angles, 3, true, -free),
            block("scale", "1", &self.scale, 1, true, 0.0),
            block("background", "image", &self.background, 1, false, -free),
        ];
        blocks[Self::DEPTH_OFFSET].locked = depth_locked;
        blocks[Self::DEFOCUS].locked = slicing.is_none().then_some(DIRECT);
        debug_assert_eq!(series.images.len(), self.scale.len());
        Layout { blocks }
    }

    /// Position of an atom.
    pub fn position_of(&self, parameters: &[f64], atom: usize) -> Vec3 {
        let at = self.positions.start + 3 * atom;
        [parameters[at], parameters[at + 1], parameters[at + 2]]
    }

    /// phi, theta, psi of a tilt.
    pub fn angles_of(&self, parameters: &[f64], tilt: usize) -> Vec3 {
        let at = self.angles.start + 3 * tilt;
        [parameters[at], parameters[at + 1], parameters[at + 2]]
    }

    /// u, v of an image.
    pub fn drift_of(&self, parameters: &[f64], image: usize) -> [f64; 2] {
        let at = self.drift.start + 2 * image;
        [parameters[at], parameters[at + 1]]
    }
}
