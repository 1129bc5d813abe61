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
    /// Twofold astigmatism of every section, added to the probe's: C12 cos(2 phi12), C12 sin(2 phi12), A.
    pub astigmatism: Range<usize>,
    /// Axial coma: C21 cos(phi21), C21 sin(phi21), A.
    pub coma: Range<usize>,
    /// Spherical aberration C30, A.
    pub spherical: Range<usize>,
    /// Variance added to that of the source, A^2.
    pub blur: Range<usize>,
    /// Growth of that variance along the beam, from the specimen origin, A^2 per A.
    pub broadening: Range<usize>,
    /// Loss of intensity along the beam, from the specimen origin: exp(-attenuation z'), 1/A.
    pub attenuation: Range<usize>,
    /// Pixels of the adaptive model's probes [groups, slices, rows, columns]; empty in the other models.
    pub probe: Range<usize>,
}

/// Numbers of the optics that a section has: defocus and what follows from [`Blocks::astigmatism`] on.
pub const OPTICS: usize = 9;

/// Which images share the pixels of their probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeSharing {
    /// All images of a section: the probe is that of the microscope.
    Section,
    /// None: each image has its own.
    Image,
}

/// Shape of the block of probe pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProbeShape {
    /// Sections or images.
    pub groups: usize,
    /// Slices, or depths of templates.
    pub slices: usize,
    /// Rows and columns of a probe: an odd number.
    pub side: usize,
}

impl ProbeShape {
    /// Pixels of one slice.
    pub fn pixels(&self) -> usize {
        self.side * self.side
    }

    /// All values.
    pub fn len(&self) -> usize {
        self.groups * self.slices * self.pixels()
    }

    /// Without pixels: the model is not adaptive.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
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
    /// Astigmatism.
    pub const ASTIGMATISM: usize = 9;
    /// Coma.
    pub const COMA: usize = 10;
    /// Spherical aberration.
    pub const SPHERICAL: usize = 11;
    /// Blur.
    pub const BLUR: usize = 12;
    /// Broadening.
    pub const BROADENING: usize = 13;
    /// Attenuation.
    pub const ATTENUATION: usize = 14;
    /// Pixels of probes.
    pub const PROBE: usize = 15;

    /// The block of each number of the optics.
    pub const OF_OPTICS: [usize; OPTICS] = [
        Self::DEFOCUS,
        Self::ASTIGMATISM,
        Self::ASTIGMATISM,
        Self::COMA,
        Self::COMA,
        Self::SPHERICAL,
        Self::BLUR,
        Self::BROADENING,
        Self::ATTENUATION,
    ];

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
            astigmatism: next(2 * series.sections),
            coma: next(2 * series.sections),
            spherical: next(series.sections),
            blur: next(series.sections),
            broadening: next(series.sections),
            attenuation: next(series.sections),
            probe: next(0),
        }
    }

    /// The same with probes of this shape.
    #[must_use]
    pub fn with_probes(mut self, shape: &ProbeShape) -> Self {
        self.probe.end = self.probe.start + shape.len();
        self
    }

    /// Number of values without the pixels of probes, which come last: it follows from series and atoms alone.
    pub fn len_without_probes(&self) -> usize {
        self.probe.start
    }

    /// The blocks that are not of atoms, without the pixels of probes: of images, tilts and sections.
    pub fn beside_atoms(&self) -> [&Range<usize>; 12] {
        [
            &self.drift,
            &self.depth_offset,
            &self.defocus,
            &self.angles,
            &self.scale,
            &self.background,
            &self.astigmatism,
            &self.coma,
            &self.spherical,
            &self.blur,
            &self.broadening,
            &self.attenuation,
        ]
    }

    /// Places of the numbers of the optics of a section.
    pub fn optics_of(&self, section: usize) -> [usize; OPTICS] {
        [
            self.defocus.start + section,
            self.astigmatism.start + 2 * section,
            self.astigmatism.start + 2 * section + 1,
            self.coma.start + 2 * section,
            self.coma.start + 2 * section + 1,
            self.spherical.start + section,
            self.blur.start + section,
            self.broadening.start + section,
            self.attenuation.start + section,
        ]
    }

    /// The layout with units, bounds and what is frozen at the start. `slicing`: `None` for the direct model.
    pub(super) fn layout(&self, series: &SeriesGeometry, slicing: Option<Slicing>, probes: &ProbeShape) -> Layout {
        const ADAPTIVE: &str =
            "the adaptive model has pixels of probes in place of optics; free block probe, or use model rigid";
        const NO_PIXELS: &str = "only the adaptive model has pixels of probes; use model adaptive";
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
            block("astigmatism", "A", &self.astigmatism, 2, true, -free),
            block("coma", "A", &self.coma, 2, true, -free),
            block("spherical", "A", &self.spherical, 1, true, -free),
            block("blur", "A^2", &self.blur, 1, true, -free),
            block("broadening", "A", &self.broadening, 1, true, -free),
            block("attenuation", "1/A", &self.attenuation, 1, true, -free),
            block("probe", "1", &self.probe, 1, probes.is_empty(), 0.0),
        ];
        blocks[Self::DEPTH_OFFSET].locked = depth_locked;
        let optics_locked = match slicing {
            None => Some(DIRECT),
            Some(_) => (!probes.is_empty()).then_some(ADAPTIVE),
        };
        Self::OF_OPTICS.iter().for_each(|at| blocks[*at].locked = optics_locked);
        let pixels = &mut blocks[Self::PROBE];
        pixels.shape = vec![probes.groups, probes.slices, probes.side, probes.side];
        pixels.locked = probes.is_empty().then_some(NO_PIXELS);
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
