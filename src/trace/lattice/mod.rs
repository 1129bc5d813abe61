//! Tracing with the help of a lattice: a crystal whose structure is known is laid on the volume, and from each of its sites
//! the nearest maximum is climbed.
//!
//! Where the contrast varies slowly across a volume, as it does for a particle on amorphous carbon, one threshold for all
//! peaks fails; but all peaks together tell where the lattice stands, and the lattice tells where to look for each (A. Romanov
//! et al., J. Phys. Mater. 8, 015005, 2025, section 3). What comes out of it are not only atoms: sites without a maximum of
//! their own, and how far atoms lie from their sites along each axis, tell the quality of a volume whose crystal is perfect.
//!
//! The steps: the volume is flattened (smoothed, its slow part taken away), registered ([`Registration`]), and climbed from
//! every site voxel by voxel to the largest of the 26 neighbours; the maximum of the parabola there is the atom.

mod climb;
mod crystal;
mod field;
mod orientation;
mod register;
mod spectrum;

pub use climb::{LatticeSite, LatticeTrace, SiteState};
pub use crystal::Crystal;
pub use register::Registration;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::{apply, check_rotation, inverse, Mat3, Vec3};
use crate::prepare::check_alike;
use crate::prepare::planes::collected;
use crate::problem::Waiting;
use crate::specimen::{elements, Volume};
use field::Field;
use spectrum::Region;

/// How a crystal is registered and its sites are climbed; `None` means automatic. Lengths are in the unit of the voxel size,
/// angstrom.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatticeOptions {
    /// Rotation R of the crystal to start from, p = R r; `None`: all are looked at, and of those that are equal by symmetry
    /// the smallest is taken.
    pub rotation: Option<Mat3>,
    /// Largest angle to the given rotation, degrees: above 0, at most 180.
    pub rotation_within_deg: f64,
    /// Edge of the cube whose spectrum is taken, at most 320 voxels. `None`: 320 voxels, or the volume.
    pub region_edge: Option<f64>,
    /// Its middle (x, y, z) from the specimen origin. `None`: the middle of the mask, or the origin.
    pub region_centre: Option<Vec3>,
    /// Standard deviation of the smoothing, voxels.
    pub smoothing: f64,
    /// Standard deviation of the Gaussian whose average is taken away as the slowly varying part; 0: nothing is. `None`: 0.75
    /// of the crystal's longest period that scatters strongly.
    pub background: Option<f64>,
    /// Atomic number of the sites that are traced; 0: all.
    pub species: u8,
    /// A maximum farther from its site is another's. `None`: the distance of neighbouring sites.
    pub reach: Option<f64>,
    /// An atom farther from its site is displaced. `None`: a quarter of the distance of neighbouring sites.
    pub displaced: Option<f64>,
    /// Smallest height of an atom, as a part of the median height of its species.
    pub threshold: f64,
}

impl Default for LatticeOptions {
    fn default() -> Self {
        Self {
            rotation: None,
            rotation_within_deg: 10.0,
            region_edge: None,
            region_centre: None,
            smoothing: 1.0,
            background: None,
            species: 0,
            reach: None,
            displaced: None,
            threshold: 0.25,
        }
    }
}

impl LatticeOptions {
    /// Refuses values without meaning.
    pub fn check(&self) -> Result<()> {
        if let Some(rotation) = &self.rotation {
            check_rotation("rotation", rotation)?;
        }
        if !(self.rotation_within_deg > 0.0 && self.rotation_within_deg <= 180.0) {
            return Err(Error::range("rotation_within_deg", self.rotation_within_deg, "above 0, at most 180 degrees"));
        }
        if let Some(centre) = &self.region_centre {
            Error::unless_finite("region_centre", "axis", centre)?;
        }
        let positive = [("region_edge", self.region_edge), ("reach", self.reach), ("displaced", self.displaced)];
        for (what, value) in positive.into_iter().filter_map(|(what, value)| Some((what, value?))) {
            if !(value.is_finite() && value > 0.0) {
                return Err(Error::range(what, value, "a positive number (angstrom)"));
            }
        }
        if let Some(background) = self.background.filter(|b| !(b.is_finite() && *b >= 0.0)) {
            return Err(Error::range("background", background, "0 or more (angstrom)"));
        }
        if !(0.0..=10.0).contains(&self.smoothing) {
            return Err(Error::range("smoothing", self.smoothing, "0 to 10 voxels"));
        }
        if !(0.0..=1.0).contains(&self.threshold) {
            return Err(Error::range("threshold", self.threshold, "0 to 1 (part of the median height)"));
        }
        match elements::MAX_ATOMIC_NUMBER {
            most if self.species > most => {
                Err(Error::range("species", self.species, format!("an atomic number 0 (all sites) to {most}")))
            }
            _ => Ok(()),
        }
    }
}

/// Fewest voxels along an edge.
const FEWEST_VOXELS: usize = 16;

/// Sites stay this many voxels inside of the outermost ones.
const MARGIN: f64 = 3.0;

/// The sites of a crystal that are traced.
struct Lattice<'a> {
    crystal: &'a Crystal,
    /// Numbers of the atoms of the cell that are.
    traced: Vec<usize>,
    mask: Option<&'a Volume>,
    /// Distance of neighbouring sites, angstrom.
    nearest: f64,
    /// Lowest frequency that scatters strongly, 1 / angstrom.
    lowest: f64,
}

/// A site of the lattice in a volume.
#[derive(Debug, Clone, Copy)]
struct Place {
    cell: [i32; 3],
    basis: usize,
    position: Vec3,
}

/// Traces `volume` with the lattice of `crystal`: atoms, what became of every site, and how the crystal lies. Only sites in
/// `mask` count (voxels of 0.5 and more), where there is one; else all in the volume, but for its three outermost voxels.
/// The result does not depend on the number of threads.
///
/// # Errors
/// `Inconsistent` for a constant volume, a rotation that is none, a mask with other voxels; `Shape` for a mask of another
/// shape and a volume with fewer than 16 voxels along an axis; `Range` for options without meaning, a cell below two
/// voxels, a species that the crystal has not; `Empty` without Bragg peaks that fit the crystal, and where no site lies in
/// the mask or none has a maximum; `Memory`, `Cancelled`.
pub fn trace_lattice(
    context: &Context,
    volume: &Volume,
    crystal: &Crystal,
    mask: Option<&Volume>,
    options: &LatticeOptions,
    waiting: &mut Waiting<'_>,
) -> Result<LatticeTrace> {
    options.check()?;
    if let Some(mask) = mask {
        check_alike("mask", mask, volume)?;
    }
    if volume.shape().iter().any(|n| *n < FEWEST_VOXELS) {
        let wanted = format!("at least {FEWEST_VOXELS} voxels along each axis");
        return Err(Error::shape("volume", &volume.shape(), wanted));
    }
    let made = waiting.part(0.0, 0.05, |waiting| {
        collected(context, 1, "preparing a lattice", waiting, &|_| {
            Lattice::new(crystal, mask, options.species, volume.voxel_size())
        })
    })?;
    let lattice = made.into_iter().next().ok_or_else(|| Error::Internal("no lattice".into()))??;
    let background = options.background.unwrap_or(0.75 / lattice.lowest) / volume.voxel_size();
    let field =
        waiting.part(0.05, 0.3, |waiting| Field::new(context, volume, (options.smoothing, background), waiting))?;
    let centre = match (options.region_centre, mask) {
        (Some(centre), _) => centre,
        (None, Some(mask)) => waiting.part(0.3, 0.35, |waiting| middle_of(context, mask, waiting))?,
        (None, None) => [0.0; 3],
    };
    let region = Region::new(&field, &centre, options.region_edge);
    let registration = waiting
        .part(0.35, 0.8, |waiting| register::register(context, (&field, &region), &lattice, options, waiting))?;
    waiting.part(0.8, 1.0, |waiting| climb::climb(context, &field, &lattice, registration, options, waiting))
}

impl<'a> Lattice<'a> {
    fn new(crystal: &'a Crystal, mask: Option<&'a Volume>, species: u8, voxel: f64) -> Result<Self> {
        let (edge, least) = (crystal.shortest_edge(), 2.0 * voxel);
        if edge < least {
            let wanted = format!("at least two voxels, {least} angstrom");
            return Err(Error::range("shortest edge of the crystal's cell", edge, wanted));
        }
        let kinds = crystal.basis().species();
        let traced: Vec<usize> = (0..kinds.len()).filter(|i| species == 0 || kinds[*i] == species).collect();
        if traced.is_empty() {
            let mut known = kinds.to_vec();
            known.sort_unstable();
            known.dedup();
            return Err(Error::range("species", species, format!("0 (all sites) or one of the crystal's {known:?}")));
        }
        let nearest = crystal.nearest_distance(&traced);
        // half the sampling of the volume: beyond, there are no peaks
        let lowest = crystal.reflections(0.5 / voxel).lowest();
        if !lowest.is_finite() {
            let wanted = format!("one with a reflection below the Nyquist frequency {:.4} / angstrom", 0.5 / voxel);
            return Err(Error::range("crystal", "too fine for the voxels", wanted));
        }
        Ok(Self { crystal, traced, mask, nearest, lowest })
    }

    /// The point of a site in the crystal, angstrom.
    fn point(&self, place: &Place) -> Vec3 {
        let fraction = &self.crystal.fractions()[place.basis];
        self.crystal.point(&std::array::from_fn(|a| fraction[a] + f64::from(place.cell[a])))
    }

    /// All sites in the volume and the mask, ordered by cell and atom.
    fn sites(
        &self,
        context: &Context,
        field: &Field,
        (matrix, shift): (&Mat3, &Vec3),
        waiting: &mut Waiting<'_>,
    ) -> Result<Vec<Place>> {
        let back = inverse(matrix).ok_or_else(|| Error::Internal("singular registration".into()))?;
        let (mut low, mut high) = ([f64::INFINITY; 3], [f64::NEG_INFINITY; 3]);
        for corner in 0..8 {
            let index = std::array::from_fn(|a| ((corner >> a & 1) * (field.shape[a] - 1)) as f64);
            let p = field.position(index);
            let u = self.crystal.fraction(&apply(&back, &std::array::from_fn(|a| p[a] - shift[a])));
            low = std::array::from_fn(|a| low[a].min(u[a]));
            high = std::array::from_fn(|a| high[a].max(u[a]));
        }
        let first = low.map(|u| u.floor() as i32 - 1);
        let count = std::array::from_fn::<usize, 3, _>(|a| (high[a].ceil() as i32 + 1 - first[a]).max(1) as usize);
        let found = collected(context, count[0], "laying out a lattice", waiting, &|i| {
            let mut of_layer = Vec::new();
            for (j, k) in (0..count[1] * count[2]).map(|n| (n / count[2], n % count[2])) {
                let cell = [first[0] + i as i32, first[1] + j as i32, first[2] + k as i32];
                for basis in &self.traced {
                    let mut place = Place { cell, basis: *basis, position: [0.0; 3] };
                    let turned = apply(matrix, &self.point(&place));
                    place.position = std::array::from_fn(|a| turned[a] + shift[a]);
                    if field.holds(&place.position, MARGIN) && self.covers(&place.position) {
                        of_layer.push(place);
                    }
                }
            }
            of_layer
        })?;
        let sites: Vec<Place> = found.into_iter().flatten().collect();
        match sites.is_empty() {
            false => Ok(sites),
            true => Err(Error::Empty {
                what: "lattice".into(),
                why: "none of its sites lies in the volume and mask".into(),
            }),
        }
    }

    fn covers(&self, position: &Vec3) -> bool {
        self.mask.is_none_or(|mask| mask.nearest(position) >= 0.5)
    }
}

/// Centre of gravity of a mask.
fn middle_of(context: &Context, mask: &Volume, waiting: &mut Waiting<'_>) -> Result<Vec3> {
    let [nz, ny, nx] = mask.shape();
    let values = mask.as_slice();
    let sums = collected(context, nz, "looking at the mask", waiting, &|z| {
        let mut sums = [0.0; 4];
        for (y, row) in values[z * ny * nx..][..ny * nx].chunks_exact(nx).enumerate() {
            for (x, v) in row.iter().enumerate() {
                let v = f64::from(*v);
                for (sum, by) in sums.iter_mut().zip([1.0, z as f64, y as f64, x as f64]) {
                    *sum += v * by;
                }
            }
        }
        sums
    })?;
    let total = sums.iter().fold([0.0; 4], |t, s| std::array::from_fn(|i| t[i] + s[i]));
    if total[0].is_nan() || total[0] <= 0.0 {
        return Err(Error::Empty { what: "mask".into(), why: "the sum of its voxels is not positive".into() });
    }
    Ok(mask.position([1, 2, 3].map(|a| total[a] / total[0])))
}

#[cfg(test)]
mod tests;
