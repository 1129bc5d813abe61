//! Tracing with a lattice

use super::atoms::aet_atoms;
use super::enums::host_enum;
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::table::aet_table;
use super::volume::aet_volume;
use super::volume_filter::watched;
use crate::geometry::Mat3;
use crate::specimen::Atoms;
use crate::trace::{trace_lattice, Crystal, LatticeOptions, SiteState};
use crate::Result;
use std::ffi::c_void;

/// What became of a site of a lattice.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_site_state {
    /// It has an atom.
    Found = 0,
    /// It has an atom, farther from it than `displaced`.
    Displaced = 1,
    /// Missing: the maximum above it belongs to a site that is nearer to it.
    Merged = 2,
    /// Missing: its maximum is below `threshold`.
    Weak = 3,
    /// Missing: there is no maximum within `reach`.
    Lost = 4,
}

host_enum!(aet_site_state:
    Found = "AET_SITE_STATE_FOUND",
    Displaced = "AET_SITE_STATE_DISPLACED",
    Merged = "AET_SITE_STATE_MERGED",
    Weak = "AET_SITE_STATE_WEAK",
    Lost = "AET_SITE_STATE_LOST",
);

// Tables hold the numbers of the library's own enumeration.
const _: () = assert!(
    aet_site_state::Found as i32 == SiteState::Found as i32
        && aet_site_state::Displaced as i32 == SiteState::Displaced as i32
        && aet_site_state::Merged as i32 == SiteState::Merged as i32
        && aet_site_state::Weak as i32 == SiteState::Weak as i32
        && aet_site_state::Lost as i32 == SiteState::Lost as i32
);

/// Options of aet_volume_trace_lattice. Fill with aet_lattice_options_init; 0 means automatic where nothing else is said.
/// Lengths are in the unit of the voxel size, angstrom.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_lattice_options {
    /// sizeof(aet_lattice_options).
    pub struct_size: usize,
    /// Lattice vectors a, b, c of the crystal, one after the other, right-handed; all 0: the edges of its atoms' cell.
    pub vectors: [f64; 9],
    /// Rotation R of the crystal to start from, row by row, p = R r; all 0: all rotations are looked at, and of those that
    /// symmetry makes equal the smallest is taken.
    pub rotation: [f64; 9],
    /// Largest angle to the given rotation, at most 180 degrees; 0: 10.
    pub rotation_within_deg: f64,
    /// Middle (x, y, z), from the specimen origin, of the cube whose spectrum is taken; all 0: that of the mask, or the
    /// origin.
    pub region_centre: [f64; 3],
    /// Edge of that cube, at most 320 voxels; 0: 320 voxels, or the volume.
    pub region_edge: f64,
    /// Standard deviation of the smoothing, voxels, at most 10; default 1; 0: none.
    pub smoothing: f64,
    /// Standard deviation of the Gaussian whose average is taken away as the slowly varying part; 0: 0.75 of the longest
    /// period of the crystal that scatters strongly.
    pub background: f64,
    /// A maximum farther from its site is another's; 0: the distance of neighbouring sites.
    pub reach: f64,
    /// An atom farther from its site is displaced; 0: a quarter of the distance of neighbouring sites.
    pub displaced: f64,
    /// Smallest height of an atom as a part of the median height of its species, at most 1; 0: 0.25.
    pub threshold: f64,
    /// Atomic number of the sites that are traced; 0: all.
    pub species: i32,
    /// 1: no slowly varying part is taken away.
    pub keep_background: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; two i32 stand after the 8-byte members.
unsafe impl CStruct for aet_lattice_options {
    const NAME: &'static str = "aet_lattice_options";

    fn defaults() -> Self {
        aet_lattice_options {
            struct_size: size_of::<Self>(),
            vectors: [0.0; 9],
            rotation: [0.0; 9],
            rotation_within_deg: 0.0,
            region_centre: [0.0; 3],
            region_edge: 0.0,
            smoothing: 1.0,
            background: 0.0,
            reach: 0.0,
            displaced: 0.0,
            threshold: 0.0,
            species: 0,
            keep_background: 0,
        }
    }
}

impl aet_lattice_options {
    fn checked(&self, host: &Host) -> Result<LatticeOptions> {
        let default = LatticeOptions::default();
        let centre = self.region_centre;
        Ok(LatticeOptions {
            rotation: matrix(&self.rotation),
            rotation_within_deg: chosen(self.rotation_within_deg).unwrap_or(default.rotation_within_deg),
            region_edge: chosen(self.region_edge),
            region_centre: (centre != [0.0; 3]).then_some(centre),
            smoothing: self.smoothing,
            background: match host.flag(self.keep_background, "keep_background")? {
                true => Some(0.0),
                false => chosen(self.background),
            },
            species: host.atomic_number(self.species, "species")?.unwrap_or(0),
            reach: chosen(self.reach),
            displaced: chosen(self.displaced),
            threshold: chosen(self.threshold).unwrap_or(default.threshold),
        })
    }

    fn crystal(&self, atoms: &Atoms) -> Result<Crystal> {
        match matrix(&self.vectors) {
            Some(vectors) => Crystal::new(vectors, atoms.clone()),
            None => Crystal::from_atoms(atoms),
        }
    }
}

/// Three rows; `None` where all is 0.
fn matrix(rows: &[f64; 9]) -> Option<Mat3> {
    let [a, b, c, d, e, f, g, h, i] = *rows;
    (*rows != [0.0; 9]).then_some([[a, b, c], [d, e, f], [g, h, i]])
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_lattice_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_lattice_options_init(options: *mut aet_lattice_options, struct_size: usize) -> aet_status {
    guard("aet_lattice_options_init", |host| host.init(options, struct_size))
}

/// Traces a volume with the help of a lattice, where the contrast varies too much for one threshold. `crystal` holds the
/// atoms of one cell, at most 2048, with an orthogonal cell or with `vectors` in the options. It is registered to the
/// volume, p = F r + t for a point r of the crystal: F by least squares from the Bragg peaks of the flattened volume's
/// spectrum, t from their phases, and both by Newton's method on the sum of the flattened volume over the sites, weighted by
/// atomic number. From every site of the lattice the nearest maximum is then climbed voxel by voxel; the maximum of the
/// parabola there is the atom. A maximum that several sites lead to belongs to the one nearest to it. Only sites in `mask`
/// (voxels of 0.5 and more) count, where it is not NULL; else all but for the three outermost voxels.
///
/// `atoms`, where not NULL, takes the atoms of found and displaced sites, in their order, with species and heights (those of
/// the flattened volume). `sites`, where not NULL, takes a table, one row per site: `cell_a`, `cell_b`, `cell_c`, `basis`
/// (index of the atom in `crystal`), `species`, `site_x`, `site_y`, `site_z` (A), `state` (an aet_site_state), the maximum
/// `x`, `y`, `z` (A), `dx`, `dy`, `dz`, `displacement` (A) from site to maximum, `height`, all NaN for lost sites, and
/// `atom`, the index of the atom, NaN for missing ones. Its values: `sites`, `found`, `displaced`, `merged`, `weak`, `lost`,
/// `found_fraction` (found and displaced sites), `mean_dx`, `mean_dy`, `mean_dz` (means of |dx|, |dy|, |dz| over the atoms,
/// A), `mean_displacement` (A); of F = R (1 + strain) `rotation_xx` to `rotation_zz` and, in the frame of the crystal,
/// `strain_xx`, `strain_yy`, `strain_zz`, `strain_yz`, `strain_xz`, `strain_xy`; the shortest t, `shift_x`, `shift_y`,
/// `shift_z` (A); `bragg_peaks` that lie on reflections, their rms distance `bragg_error` (1/A), and `phase_agreement`, at
/// most 1. `options` and `progress` may be NULL. The result does not depend on the number of threads.
///
/// AET_ERROR_NOT_READY for a crystal without a cell, AET_ERROR_EMPTY without Bragg peaks that fit the crystal, and where no
/// site lies in the mask or none has a maximum, AET_ERROR_INCONSISTENT for a constant volume, a rotation that is none, atoms
/// of the crystal that coincide, a mask with other voxels, AET_ERROR_SHAPE for a mask of another shape and a volume of fewer
/// than 16 voxels along an axis, AET_ERROR_RANGE for a cell below two voxels, a species that the crystal has not, and
/// options without meaning, AET_ERROR_NON_FINITE, AET_ERROR_MEMORY; AET_CANCELLED. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_volume_trace_lattice(
    volume: *const aet_volume,
    crystal: *const aet_atoms,
    mask: *const aet_volume,
    options: *const aet_lattice_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
    sites: *mut *mut aet_table,
) -> aet_status {
    guard("aet_volume_trace_lattice", |host| {
        let (atoms_place, sites_place) = (host.optional_new_handle(atoms), host.optional_new_handle(sites));
        let held = host.object(volume, "volume")?;
        let crystal = host.input(crystal, "crystal")?;
        let mask = host.optional_input(mask, "mask")?.map(|mask| &mask.volume);
        let options = host.options(options)?;
        let (crystal, options) = (options.crystal(crystal)?, options.checked(host)?);
        let found = watched(host, &held.context, (progress, user), |waiting| {
            trace_lattice(&held.context, &held.volume, &crystal, mask, &options, waiting)
        })?;
        let table = found.table()?;
        if let Some(place) = atoms_place {
            place.set(found.atoms);
        }
        if let Some(place) = sites_place {
            place.set(table);
        }
        Ok(())
    })
}
