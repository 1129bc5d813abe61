//! Classification of atoms
//!
//! Which species traced atoms are, and which of them are none.

use super::atoms::aet_atoms;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::options::{chosen, CStruct};
use super::progress::aet_progress_fn;
use super::status::aet_status;
use super::table::aet_table;
use super::volume::aet_volume;
use super::volume_filter::watched;
use crate::classify::{classify_atoms, classify_heights, ClassifyMethod, ClassifyOptions, Region};
use crate::{Error, Result};
use std::ffi::c_void;

/// How species are told apart.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_classify_method {
    /// A mixture of Gaussians of the intensities, by expectation-maximisation.
    Gaussian = 0,
    /// The classes of intensities of least squares; probabilities by classes of equal weight and width.
    KMeans = 1,
    /// Unbiased profiles: from the classes of the mixture, each atom moves to the class whose mean profile, the values
    /// at all points of the region, is nearest to its own, until nothing changes. The profile of non-atoms is flat.
    ProfileGlobal = 2,
    /// From the classes of AET_CLASSIFY_METHOD_PROFILE_GLOBAL, the same with the mean profiles of the atoms within
    /// `radius`.
    ProfileLocal = 3,
    /// A mixture of Gaussians of the logarithms, since what a species shows scatters by a part of itself, with an imagined value
    /// of each species where it is `expected`: a species of which there are no atoms keeps its place, and few atoms suffice.
    /// Without a volume, atoms with widths of their own are told by height times width, which is what they scatter. Has no class
    /// of non-atoms.
    Expected = 4,
}

host_enum!(aet_classify_method:
    Gaussian = "AET_CLASSIFY_METHOD_GAUSSIAN",
    KMeans = "AET_CLASSIFY_METHOD_K_MEANS",
    ProfileGlobal = "AET_CLASSIFY_METHOD_PROFILE_GLOBAL",
    ProfileLocal = "AET_CLASSIFY_METHOD_PROFILE_LOCAL",
    Expected = "AET_CLASSIFY_METHOD_EXPECTED",
);

/// The points about an atom at which the volume is read, one voxel apart, the central one at the atom.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_region {
    /// A cube of `region_size` points along each edge, an odd number up to 21.
    Box = 0,
    /// The cube of an odd number of points whose edge is nearest to `region_size` angstrom.
    BoxLength = 1,
    /// All points within `region_size` angstrom.
    Sphere = 2,
}

host_enum!(aet_region:
    Box = "AET_REGION_BOX",
    BoxLength = "AET_REGION_BOX_LENGTH",
    Sphere = "AET_REGION_SPHERE",
);

/// Options of aet_atoms_classify. Fill with aet_classify_options_init. Lengths are in the unit of the voxel size
/// (angstrom).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_classify_options {
    /// sizeof(aet_classify_options).
    pub struct_size: usize,
    /// Standard deviation of the Gaussian by which the volume is smoothed first; default 0: none. A published chain
    /// takes 0.3 angstrom.
    pub smoothing: f64,
    /// Size of the region, as aet_region says; 0: automatic, a cube of 5 voxels, as published.
    pub region_size: f64,
    /// Radius of AET_CLASSIFY_METHOD_PROFILE_LOCAL; 0: 10, as published.
    pub radius: f64,
    /// Of the random starts of the mixture; any number.
    pub seed: i64,
    /// Atomic numbers in ascending order of the intensity that is expected, all different; zeros behind the last.
    pub species: [i32; 8],
    /// 1: there is a class below all species, of what was traced but is no atom; its members are removed.
    pub non_atoms: i32,
    /// An aet_classify_method.
    pub method: i32,
    /// An aet_region.
    pub region: i32,
    /// 1: the smoothed volume is 0 where it is not above its Otsu threshold.
    pub otsu_mask: i32,
    /// How strongly each of the species scatters, for AET_CLASSIFY_METHOD_EXPECTED: ascending, in any unit, zeros behind the last,
    /// such as the cross-sections of aet_adf_transfer; all zeros: Z^1.6.
    pub expected: [f64; 8],
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers; twelve i32 stand between 8-byte members.
unsafe impl CStruct for aet_classify_options {
    const NAME: &'static str = "aet_classify_options";

    fn defaults() -> Self {
        aet_classify_options {
            struct_size: size_of::<Self>(),
            smoothing: 0.0,
            region_size: 0.0,
            radius: 0.0,
            seed: 0,
            species: [0; 8],
            non_atoms: 0,
            method: aet_classify_method::Gaussian as i32,
            region: aet_region::Box as i32,
            otsu_mask: 0,
            expected: [0.0; 8],
        }
    }
}

impl aet_classify_options {
    fn checked(&self, host: &Host) -> Result<ClassifyOptions> {
        Ok(ClassifyOptions {
            species: self.species(host)?,
            non_atoms: host.flag(self.non_atoms, "non_atoms")?,
            method: match aet_classify_method::from_number(self.method, "method")? {
                aet_classify_method::Gaussian => ClassifyMethod::Gaussian,
                aet_classify_method::KMeans => ClassifyMethod::KMeans,
                aet_classify_method::ProfileGlobal => ClassifyMethod::ProfileGlobal,
                aet_classify_method::ProfileLocal => ClassifyMethod::ProfileLocal,
                aet_classify_method::Expected => ClassifyMethod::Expected,
            },
            smoothing: self.smoothing,
            otsu_mask: host.flag(self.otsu_mask, "otsu_mask")?,
            region: self.region()?,
            radius: chosen(self.radius),
            seed: self.seed as u64,
            expected: {
                let given = self.expected.iter().rposition(|strength| *strength != 0.0).map_or(0, |last| last + 1);
                self.expected.iter().take(given).copied().collect()
            },
        })
    }

    /// Up to the first zero, behind which nothing may stand.
    fn species(&self, host: &Host) -> Result<Vec<u8>> {
        let numbers = self.species.iter().map(|z| host.atomic_number(*z, "species"));
        let numbers = numbers.collect::<Result<Vec<_>>>()?;
        let known: Vec<u8> = numbers.iter().map_while(|z| *z).collect();
        match numbers.iter().flatten().count() > known.len() {
            false => Ok(known),
            true => {
                let why =
                    format!("{:?} has a zero between its atomic numbers, wanted zeros behind the last", self.species);
                Err(Error::Inconsistent { what: "species".into(), why })
            }
        }
    }

    fn region(&self) -> Result<Region> {
        let size = self.region_size;
        let region = aet_region::from_number(self.region, "region")?;
        Ok(match region {
            _ if size == 0.0 => Region::default(),
            // A size that is no whole number is one that no box has.
            aet_region::Box if (1.0..1e6).contains(&size) && size.fract() == 0.0 => Region::Box(size as usize),
            aet_region::Box => return Err(Error::range("region_size", size, "an odd number of voxels, 1 to 21")),
            aet_region::BoxLength => Region::BoxLength(size),
            aet_region::Sphere => Region::Sphere(size),
        })
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_classify_options). `species` must be filled in.
/// AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_classify_options_init(
    options: *mut aet_classify_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_classify_options_init", |host| host.init(options, struct_size))
}

/// Gives atoms their species by the intensities about them: the sum of `volume`, smoothed and masked as the options
/// say, over the region at each sub-voxel position, by trilinear interpolation; where a part of the region lies beyond
/// the faces, the sum over the rest, in proportion. With `volume` NULL by the heights of the atoms, and then without
/// smoothing, mask, region and profiles. The result depends on the options and the seed, not on the number of threads.
///
/// `*classified`: the atoms that are none of the non-atoms, in their order, with species and its probability; all other
/// columns stay. `*table`: one row per atom of the input, with the columns `intensity`; `inside`, the part of the
/// region in the volume; `class`, 0 for non-atoms and from 1 on the species in their order; `species`, 0 for non-atoms;
/// `probability` of the class; `probability_1`, `probability_2`, ... of each species and, with non-atoms,
/// `probability_0`. Its histogram of `intensity` by `class` is the picture of the classification. `*classes`: one row
/// per class, with `class`, `species`, `count`, and of its intensities `mean`, `sigma` and `fraction` (the weight in
/// the mixture, else the part of the atoms); its values are `iterations`, `converged` (1 or 0), `log_likelihood` and
/// `bic` of mixtures, `otsu_threshold` where there is a mask, and `background`, the level of the flat profile of
/// non-atoms. Each of the three places may be NULL: not wanted. `options` are required, because species have no
/// default; `progress` may be NULL.
///
/// AET_ERROR_EMPTY without species and where all are non-atoms; AET_ERROR_INCONSISTENT for one species without
/// non-atoms, which leaves nothing to tell apart, for `expected` strengths that do not ascend, are not as many as species or belong
/// to another method, for a species that stands there twice, for more classes than distinct
/// intensities, for atoms outside of the volume and for a constant volume; AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION;
/// AET_ERROR_NOT_READY for atoms without heights and AET_ERROR_UNSUPPORTED for profiles and masks where there is no
/// volume; AET_ERROR_MEMORY; AET_CANCELLED, then without results. Any thread; `progress` is called on it, not without a
/// volume.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_classify(
    atoms: *const aet_atoms,
    volume: *const aet_volume,
    options: *const aet_classify_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    classified: *mut *mut aet_atoms,
    table: *mut *mut aet_table,
    classes: *mut *mut aet_table,
) -> aet_status {
    guard("aet_atoms_classify", |host| {
        let (classified, table, classes) =
            (host.optional_new_handle(classified), host.optional_new_handle(table), host.optional_new_handle(classes));
        let atoms = host.object(atoms, "atoms")?;
        let volume = host.optional_input(volume, "volume")?;
        let options = host.required_options(options, "options")?.checked(host)?;
        let found = match volume {
            None => classify_heights(atoms, &options)?,
            Some(held) => watched(host, &held.context, (progress, user), |waiting| {
                classify_atoms(&held.context, &held.volume, atoms, &options, waiting)
            })?,
        };
        if let Some(place) = classified {
            place.set(found.atoms);
        }
        if let Some(place) = table {
            place.set(found.table);
        }
        if let Some(place) = classes {
            place.set(found.classes);
        }
        Ok(())
    })
}
