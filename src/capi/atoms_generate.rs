//! Generated atoms
//!
//! Amorphous particles and films, crystals cut to a shape, twinned and core-shell particles, and those of the papers.

use super::atoms::aet_atoms;
use super::dataset_folder::throttled;
use super::enums::{host_enum, HostEnum};
use super::frames::aet_angle_order;
use super::guard::{guard, Host};
use super::options::CStruct;
use super::progress::aet_progress_fn;
use super::status::aet_status;
use crate::problem::Phase;
use crate::specimen::structures::{generate, ParticleShape, Structure, StructureOptions, Support, SupportSide};
use crate::Result;
use std::ffi::{c_char, c_void};

/// Kinds of generated structures. Where there are several elements, `species` has them in the order of the formula.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_structure {
    /// Random dense packing: a ball, or a box with free surfaces.
    Amorphous = 0,
    /// Random dense packing, periodic along x and y: a support film, of carbon unless told otherwise.
    Film = 1,
    /// One atom per lattice point.
    SimpleCubic = 2,
    /// Cu, Au, Pt.
    FaceCentredCubic = 3,
    /// Fe, W.
    BodyCentredCubic = 4,
    /// Co, Ti; c is sqrt(8 / 3) a unless given.
    HexagonalClosePacked = 5,
    /// Si, C.
    Diamond = 6,
    /// AB: NaCl, BaO.
    RockSalt = 7,
    /// AB: CsCl, alloys of the type B2.
    CaesiumChloride = 8,
    /// AB: ZnS, GaAs.
    ZincBlende = 9,
    /// AB in layers along z: FePt of the type L1_0; c is a unless given.
    L10 = 10,
    /// A3B: Cu3Au, alloys of the type L1_2.
    L12 = 11,
    /// AB2X4: MgAl2O4; Co3O4 with A = B.
    Spinel = 12,
    /// ABX3: SrTiO3.
    Perovskite = 13,
    /// Five face-centred tetrahedra around an axis along z: Ino's and Marks's decahedra.
    Decahedron = 14,
    /// Mackay's icosahedron: twenty face-centred tetrahedra around a point.
    Icosahedron = 15,
}

/// `structures!(Amorphous = "AET_..." ...)`: the list of values, and their meaning, which has the same names.
macro_rules! structures {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        host_enum!(aet_structure: $($variant = $name),+);

        impl From<aet_structure> for Structure {
            fn from(structure: aet_structure) -> Self {
                match structure {
                    $(aet_structure::$variant => Structure::$variant),+
                }
            }
        }

        impl From<Structure> for aet_structure {
            fn from(structure: Structure) -> Self {
                match structure {
                    $(Structure::$variant => aet_structure::$variant),+
                }
            }
        }
    };
}

structures!(
    Amorphous = "AET_STRUCTURE_AMORPHOUS",
    Film = "AET_STRUCTURE_FILM",
    SimpleCubic = "AET_STRUCTURE_SIMPLE_CUBIC",
    FaceCentredCubic = "AET_STRUCTURE_FACE_CENTRED_CUBIC",
    BodyCentredCubic = "AET_STRUCTURE_BODY_CENTRED_CUBIC",
    HexagonalClosePacked = "AET_STRUCTURE_HEXAGONAL_CLOSE_PACKED",
    Diamond = "AET_STRUCTURE_DIAMOND",
    RockSalt = "AET_STRUCTURE_ROCK_SALT",
    CaesiumChloride = "AET_STRUCTURE_CAESIUM_CHLORIDE",
    ZincBlende = "AET_STRUCTURE_ZINC_BLENDE",
    L10 = "AET_STRUCTURE_L10",
    L12 = "AET_STRUCTURE_L12",
    Spinel = "AET_STRUCTURE_SPINEL",
    Perovskite = "AET_STRUCTURE_PEROVSKITE",
    Decahedron = "AET_STRUCTURE_DECAHEDRON",
    Icosahedron = "AET_STRUCTURE_ICOSAHEDRON",
);

/// Outer shapes of particles. The width of a shape is the distance of opposite faces, of a ball the diameter.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_particle_shape {
    /// A ball.
    Ball = 0,
    /// A box of the edges `extent`; its width is the longest.
    Box = 1,
    /// {111} faces.
    Octahedron = 2,
    /// {100} faces, and {111} faces that meet in the middle of its edges; the width is that of {100}.
    Cuboctahedron = 3,
    /// {100} and {111} faces, all edges equal; the width is that of {100}.
    TruncatedOctahedron = 4,
    /// {110} faces.
    RhombicDodecahedron = 5,
    /// A ball whose radius varies smoothly and at random with the direction, by the rms fraction `roughness`.
    Irregular = 6,
}

host_enum!(aet_particle_shape:
    Ball = "AET_PARTICLE_SHAPE_BALL",
    Box = "AET_PARTICLE_SHAPE_BOX",
    Octahedron = "AET_PARTICLE_SHAPE_OCTAHEDRON",
    Cuboctahedron = "AET_PARTICLE_SHAPE_CUBOCTAHEDRON",
    TruncatedOctahedron = "AET_PARTICLE_SHAPE_TRUNCATED_OCTAHEDRON",
    RhombicDodecahedron = "AET_PARTICLE_SHAPE_RHOMBIC_DODECAHEDRON",
    Irregular = "AET_PARTICLE_SHAPE_IRREGULAR",
);

/// Where the support film of a particle lies.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_support {
    /// There is none.
    None = 0,
    /// Behind the particle as the beam sees it: larger z.
    Exit = 1,
    /// Before it: smaller z.
    Entrance = 2,
}

host_enum!(aet_support:
    None = "AET_SUPPORT_NONE",
    Exit = "AET_SUPPORT_EXIT",
    Entrance = "AET_SUPPORT_ENTRANCE",
);

/// What aet_atoms_generate makes. Fill with aet_structure_options_init or aet_structure_options_preset; 0 means automatic
/// or none in all members. Lengths in angstrom.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_structure_options {
    /// sizeof(aet_structure_options).
    pub struct_size: usize,
    /// An aet_structure.
    pub structure: i32,
    /// An aet_particle_shape of a crystal; amorphous particles are balls or boxes.
    pub shape: i32,
    /// Edges of a box along x, y and z, also of a film: periods along x and y, and thickness. With a width or a count
    /// only their ratios matter; all 0: a cube.
    pub extent: [f64; 3],
    /// Width of the shape.
    pub width: f64,
    /// Atoms in all. A crystal takes the innermost as the shape grows, an icosahedron has magic numbers. Crystals need one
    /// of width, count and species_counts, amorphous particles two of width, count and density.
    pub count: i64,
    /// Atoms of each element of a crystal.
    pub species_counts: [i64; 3],
    /// Atomic numbers, 1 to 103, in the order of the formula; film: 6.
    pub species: [i32; 3],
    /// 1: trims a crystal to complete formula units, so that ions are neutral.
    pub stoichiometric: i32,
    /// Density of amorphous structures, g / cm^3 of the first element; film: 2.0.
    pub density: f64,
    /// No two atoms of an amorphous structure are nearer; film: 1.35.
    pub minimum_distance: f64,
    /// The nearest neighbour of every atom of an amorphous structure is within this distance; 0: however far.
    pub maximum_distance: f64,
    /// Lattice constant a; of twinned particles that of the face-centred crystal.
    pub lattice_a: f64,
    /// Lattice constant c.
    pub lattice_c: f64,
    /// Coordinate u of the anions of a spinel, origin at the centre of inversion; 0: 0.2631 (Co3O4).
    pub anion_parameter: f64,
    /// The point of the cell, in fractions of its edges, at the centre of a crystalline particle.
    pub lattice_origin: [f64; 3],
    /// Variation of the radius of an irregular shape, rms, up to 0.25 of it; 0: 0.08.
    pub roughness: f64,
    /// Icosahedron: shells around the central atom, first entry. Decahedron: p atoms along the {100} faces across the
    /// axis, q along it, re-entrant grooves of depth r.
    pub shells: [i32; 3],
    /// An aet_angle_order.
    pub angle_order: i32,
    /// Rotation of the particle about its centre, degrees.
    pub angles_deg: [f64; 3],
    /// Where the centre of the particle comes to lie.
    pub center: [f64; 3],
    /// Gaussian random displacement of every atom, rms per axis.
    pub displacement: f64,
    /// Part of the atoms that are missing, at random, below 1.
    pub vacancies: f64,
    /// Part of the atoms that are replaced, at random, by `substitute`, below 1.
    pub substitution: f64,
    /// Atomic number of the foreign atoms.
    pub substitute: i32,
    /// Atomic number of the core of a core-shell particle; 0: no core.
    pub core_species: i32,
    /// The core is what lies inside the alpha shape of this shrink factor, up to 1 (tightest); 0: 0.9.
    pub core_shrink: f64,
    /// Periods of the support film along x and y.
    pub support_extent: [f64; 2],
    /// Thickness of the support film, of carbon of 2.0 g / cm^3.
    pub support_thickness: f64,
    /// An aet_support: the film lies 2 angstrom from the outermost atom.
    pub support: i32,
    /// Zero.
    pub reserved: i32,
    /// Seed of everything random.
    pub seed: u64,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, only numbers and arrays of them; i32 members stand in groups of
// two and four.
unsafe impl CStruct for aet_structure_options {
    const NAME: &'static str = "aet_structure_options";

    fn reserved(&self) -> i32 {
        self.reserved
    }

    fn defaults() -> Self {
        aet_structure_options {
            core_shrink: 0.0,
            ..aet_structure_options::from(&StructureOptions::new(Structure::Amorphous))
        }
    }
}

impl From<&StructureOptions> for aet_structure_options {
    fn from(o: &StructureOptions) -> Self {
        let (shape, extent, roughness) = match o.shape {
            ParticleShape::Ball => (aet_particle_shape::Ball, [0.0; 3], 0.0),
            ParticleShape::Box(extent) => (aet_particle_shape::Box, extent, 0.0),
            ParticleShape::Octahedron => (aet_particle_shape::Octahedron, [0.0; 3], 0.0),
            ParticleShape::Cuboctahedron => (aet_particle_shape::Cuboctahedron, [0.0; 3], 0.0),
            ParticleShape::TruncatedOctahedron => (aet_particle_shape::TruncatedOctahedron, [0.0; 3], 0.0),
            ParticleShape::RhombicDodecahedron => (aet_particle_shape::RhombicDodecahedron, [0.0; 3], 0.0),
            ParticleShape::Irregular(roughness) => (aet_particle_shape::Irregular, [0.0; 3], roughness),
        };
        let (support, thickness, support_extent) = match o.support {
            None => (aet_support::None, 0.0, [0.0; 2]),
            Some(Support { side: SupportSide::Exit, thickness, extent }) => (aet_support::Exit, thickness, extent),
            Some(Support { side: SupportSide::Entrance, thickness, extent }) => {
                (aet_support::Entrance, thickness, extent)
            }
        };
        aet_structure_options {
            struct_size: size_of::<Self>(),
            structure: aet_structure::from(o.structure).number(),
            shape: shape.number(),
            extent,
            width: o.width,
            count: o.count as i64,
            species_counts: o.species_counts.map(|n| n as i64),
            species: o.species.map(i32::from),
            stoichiometric: i32::from(o.stoichiometric),
            density: o.density,
            minimum_distance: o.minimum_distance,
            maximum_distance: o.maximum_distance,
            lattice_a: o.lattice_a,
            lattice_c: o.lattice_c,
            anion_parameter: o.anion_parameter,
            lattice_origin: o.lattice_origin,
            roughness,
            shells: o.shells.map(|n| i32::try_from(n).unwrap_or(i32::MAX)),
            angle_order: 0,
            angles_deg: o.angles_deg,
            center: o.center,
            displacement: o.displacement,
            vacancies: o.vacancies,
            substitution: o.substitution,
            substitute: o.substitute.into(),
            core_species: o.core_species.into(),
            core_shrink: o.core_shrink,
            support_extent,
            support_thickness: thickness,
            support: support.number(),
            reserved: 0,
            seed: o.seed,
        }
    }
}

impl aet_structure_options {
    fn checked(&self, host: &Host) -> Result<StructureOptions> {
        let counts = |values: [i64; 3], argument| -> Result<[usize; 3]> {
            let [a, b, c] = values;
            Ok([host.count(a, argument)?, host.count(b, argument)?, host.count(c, argument)?])
        };
        let number = |z: i32, argument| host.atomic_number(z, argument).map(|z| z.unwrap_or(0));
        let [a, b, c] = self.species;
        let automatic = StructureOptions::new(aet_structure::from_number(self.structure, "structure")?.into());
        Ok(StructureOptions {
            species: [number(a, "species")?, number(b, "species")?, number(c, "species")?],
            shape: self.particle_shape()?,
            width: self.width,
            count: host.count(self.count, "count")?,
            species_counts: counts(self.species_counts, "species_counts")?,
            stoichiometric: host.flag(self.stoichiometric, "stoichiometric")?,
            density: self.density,
            minimum_distance: self.minimum_distance,
            maximum_distance: self.maximum_distance,
            lattice_a: self.lattice_a,
            lattice_c: self.lattice_c,
            anion_parameter: self.anion_parameter,
            lattice_origin: self.lattice_origin,
            shells: counts(self.shells.map(i64::from), "shells")?,
            displacement: self.displacement,
            vacancies: self.vacancies,
            substitution: self.substitution,
            substitute: number(self.substitute, "substitute")?,
            core_species: number(self.core_species, "core_species")?,
            core_shrink: if self.core_shrink == 0.0 { automatic.core_shrink } else { self.core_shrink },
            angles_deg: self.angles_deg,
            angle_order: aet_angle_order::from_number(self.angle_order, "angle_order")?.into(),
            center: self.center,
            support: self.support_film()?,
            seed: self.seed,
            ..automatic
        })
    }

    fn particle_shape(&self) -> Result<ParticleShape> {
        let structure = aet_structure::from_number(self.structure, "structure")?;
        let shape = aet_particle_shape::from_number(self.shape, "shape")?;
        Ok(match if structure == aet_structure::Film { aet_particle_shape::Box } else { shape } {
            aet_particle_shape::Ball => ParticleShape::Ball,
            // the edges of a cube, where its width or count says how long they are
            aet_particle_shape::Box if self.extent == [0.0; 3] && structure != aet_structure::Film => {
                ParticleShape::Box([1.0; 3])
            }
            aet_particle_shape::Box => ParticleShape::Box(self.extent),
            aet_particle_shape::Octahedron => ParticleShape::Octahedron,
            aet_particle_shape::Cuboctahedron => ParticleShape::Cuboctahedron,
            aet_particle_shape::TruncatedOctahedron => ParticleShape::TruncatedOctahedron,
            aet_particle_shape::RhombicDodecahedron => ParticleShape::RhombicDodecahedron,
            aet_particle_shape::Irregular if self.roughness == 0.0 => ParticleShape::Irregular(0.08),
            aet_particle_shape::Irregular => ParticleShape::Irregular(self.roughness),
        })
    }

    fn support_film(&self) -> Result<Option<Support>> {
        let side = match aet_support::from_number(self.support, "support")? {
            aet_support::None => return Ok(None),
            aet_support::Exit => SupportSide::Exit,
            aet_support::Entrance => SupportSide::Entrance,
        };
        Ok(Some(Support { side, thickness: self.support_thickness, extent: self.support_extent }))
    }
}

/// Sets all members to their defaults; `struct_size` is sizeof(aet_structure_options). AET_ERROR_NULL,
/// AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_structure_options_init(
    options: *mut aet_structure_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_structure_options_init", |host| host.init(options, struct_size))
}

/// Sets all members to those of a particle of the papers: "m0" (a decahedron of 25,790 platinum atoms), "m1" to "m8"
/// (amorphous silicon, 25,000 to 1,000,000 atoms; with another count a particle of the same density), "cuau" (core and
/// shell) or "bao"; `struct_size` is sizeof(aet_structure_options). AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE,
/// AET_ERROR_UNKNOWN_OPTION. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_structure_options_preset(
    options: *mut aet_structure_options,
    struct_size: usize,
    name: *const c_char,
) -> aet_status {
    guard("aet_structure_options_preset", |host| {
        let preset = StructureOptions::preset(&host.text(name, "name")?)?;
        host.init_with(options, struct_size, aet_structure_options::from(&preset))
    })
}

/// Generates atoms, species set, about `center`. The particle is packed, cut or built; its atoms are displaced, core and
/// shell told apart, foreign atoms and vacancies drawn; then it is rotated, moved and put on its support. The same options
/// give the same atoms. Amorphous structures and cores report to `progress`, which may be NULL.
///
/// AET_ERROR_NULL for `options`; AET_ERROR_NOT_READY where a member is not set that the structure needs;
/// AET_ERROR_INCONSISTENT where the atoms of an amorphous structure would fill more than 55 % of its space (the message
/// has the largest possible number), or where width, count and density are all given; AET_ERROR_RANGE;
/// AET_ERROR_NON_FINITE; AET_ERROR_UNKNOWN_OPTION; AET_ERROR_UNSUPPORTED for an amorphous particle that is neither ball
/// nor box; AET_ERROR_EMPTY for a width that holds no atom; AET_CANCELLED. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_atoms_generate(
    options: *const aet_structure_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    atoms: *mut *mut aet_atoms,
) -> aet_status {
    guard("aet_atoms_generate", |host| {
        let place = host.new_handle(atoms, "atoms")?;
        let options = host.required_options(options, "options")?.checked(host)?;
        place.set(generate(&options, &mut throttled(Phase::Planning, host.progress(progress, user)))?);
        Ok(())
    })
}
