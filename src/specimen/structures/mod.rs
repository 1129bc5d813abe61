//! Generated specimens: amorphous particles and films, crystals cut to a shape, multiply twinned particles, core-shell
//! particles, and the particles of the papers by name.
//!
//! [`StructureOptions`] say what is wanted, [`generate`] makes it. The same options give the same atoms: to the last bit on
//! every machine, where no Gaussian displacements or rotations are asked for, which need the machine's own logarithm and
//! sine.
//!
//! ```
//! use aet::specimen::structures::{generate, ParticleShape, Structure, StructureOptions};
//! let options = StructureOptions {
//!     species: [79, 0, 0],
//!     lattice_a: 4.078,
//!     shape: ParticleShape::TruncatedOctahedron,
//!     width: 20.0,
//!     ..StructureOptions::new(Structure::FaceCentredCubic)
//! };
//! let gold = generate(&options, &mut |_| true)?;
//! assert_eq!(gold.len(), 201);
//! # Ok::<(), aet::Error>(())
//! ```

mod amorphous;
mod cells;
mod core_shell;
mod delaunay;
mod disorder;
mod lattices;
mod packing;
mod presets;
mod region;
mod shapes;
mod twins;
mod weights;

#[cfg(test)]
mod tests;

pub(super) use delaunay::Delaunay;
pub use packing::{pack, random_packing, Packing};
pub use presets::PRESETS;
pub use region::Region;
pub use shapes::ParticleShape;

use super::Atoms;
use crate::error::{Error, Result};
use crate::geometry::{apply, AngleOrder, Vec3};
use disorder::stream;
use lattices::{stoichiometric, Lattice, Site, Wanted};
use shapes::Shape;

/// Kinds of structure. Where there are several elements, their order in `species` is that of the formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Structure {
    /// Random dense packing: a ball, or a box with free surfaces.
    Amorphous,
    /// Random dense packing, periodic along x and y: a support film, of carbon unless told otherwise.
    Film,
    /// One atom per lattice point.
    SimpleCubic,
    /// Cu, Au, Pt, ...
    FaceCentredCubic,
    /// Fe, W, ...
    BodyCentredCubic,
    /// Co, Ti, ...; c is sqrt(8 / 3) a unless told otherwise.
    HexagonalClosePacked,
    /// Si, C, ...
    Diamond,
    /// AB: NaCl, BaO.
    RockSalt,
    /// AB: CsCl, ordered body-centred alloys (B2).
    CaesiumChloride,
    /// AB: ZnS, GaAs.
    ZincBlende,
    /// AB in layers along z: FePt. c is a unless told otherwise.
    L10,
    /// A3B: Cu3Au.
    L12,
    /// AB2X4: MgAl2O4; Co3O4 with A = B.
    Spinel,
    /// ABX3: SrTiO3.
    Perovskite,
    /// Five face-centred tetrahedra around an axis along z: Ino's and Marks's decahedra.
    Decahedron,
    /// Mackay's icosahedron: twenty face-centred tetrahedra around a point.
    Icosahedron,
}

/// On which side of the particle its support film lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupportSide {
    /// Behind the particle as the beam sees it: larger z.
    Exit,
    /// Before it: smaller z.
    Entrance,
}

/// A film of amorphous carbon (2.0 g / cm^3) under a structure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Support {
    /// Where it lies.
    pub side: SupportSide,
    /// Thickness along z, angstrom.
    pub thickness: f64,
    /// Periods along x and y, angstrom.
    pub extent: [f64; 2],
}

/// What to generate. Lengths in angstrom; in numbers, 0 means automatic or none.
#[derive(Debug, Clone, PartialEq)]
pub struct StructureOptions {
    /// What kind of structure.
    pub structure: Structure,
    /// Atomic numbers in the order of the formula.
    pub species: [u8; 3],
    /// Outer shape of amorphous particles (ball, box) and crystals.
    pub shape: ParticleShape,
    /// Width of the shape: the distance of opposite faces, or the diameter. Of a box: that of the longest edge; 0 with no
    /// count: its edges are taken as lengths.
    pub width: f64,
    /// Atoms in all. A crystal takes the innermost; an icosahedron has magic numbers.
    pub count: usize,
    /// Atoms of each element of a crystal, instead of `count`.
    pub species_counts: [usize; 3],
    /// Whether to trim a crystal of given width or count to complete formula units, so that ions are neutral.
    pub stoichiometric: bool,
    /// Density of amorphous structures, g / cm^3 of the first element. Film: 2.0.
    pub density: f64,
    /// No two atoms of an amorphous structure are nearer. Film: 1.35.
    pub minimum_distance: f64,
    /// Every atom of an amorphous structure has a neighbour within this distance; 0: not demanded.
    pub maximum_distance: f64,
    /// Lattice constant a; of twinned particles that of the face-centred crystal.
    pub lattice_a: f64,
    /// Lattice constant c.
    pub lattice_c: f64,
    /// Coordinate u of the anions of a spinel, origin at the centre of inversion; 0: 0.2631, that of Co3O4.
    pub anion_parameter: f64,
    /// The point of the cell, in fractions of its edges, at the centre of a crystalline particle.
    pub lattice_origin: Vec3,
    /// Icosahedron: shells around the central atom, first entry. Decahedron: p, q and r.
    pub shells: [usize; 3],
    /// Gaussian random displacement of every atom, rms per axis.
    pub displacement: f64,
    /// Part of the atoms that are missing, at random.
    pub vacancies: f64,
    /// Part of the atoms that are replaced, at random, by `substitute`.
    pub substitution: f64,
    /// Atomic number of the foreign atoms.
    pub substitute: u8,
    /// Atomic number of the core of a core-shell particle; 0: no core.
    pub core_species: u8,
    /// The core is what lies inside the alpha shape of this shrink factor: 0 convex hull, 1 tightest.
    pub core_shrink: f64,
    /// Rotation of the particle about its centre, degrees.
    pub angles_deg: Vec3,
    /// Order of the rotation's angles.
    pub angle_order: AngleOrder,
    /// Where the centre of the particle comes to lie.
    pub center: Vec3,
    /// A film beneath.
    pub support: Option<Support>,
    /// Seed of everything random.
    pub seed: u64,
}

/// Streams of random numbers, one for each use of the seed.
mod streams {
    pub const SHAPE: u64 = 1;
    pub const DISPLACEMENT: u64 = 2;
    pub const VACANCIES: u64 = 3;
    pub const SUBSTITUTION: u64 = 4;
    pub const SUPPORT: u64 = 5;
}

/// Between a particle and its support film, angstrom: about a bond to carbon.
const SUPPORT_GAP: f64 = 2.0;

impl StructureOptions {
    /// Defaults of a kind of structure; most kinds need some more.
    pub fn new(structure: Structure) -> Self {
        StructureOptions {
            structure,
            species: [0; 3],
            shape: ParticleShape::Ball,
            width: 0.0,
            count: 0,
            species_counts: [0; 3],
            stoichiometric: false,
            density: 0.0,
            minimum_distance: 0.0,
            maximum_distance: 0.0,
            lattice_a: 0.0,
            lattice_c: 0.0,
            anion_parameter: 0.0,
            lattice_origin: [0.0; 3],
            shells: [0; 3],
            displacement: 0.0,
            vacancies: 0.0,
            substitution: 0.0,
            substitute: 0,
            core_species: 0,
            core_shrink: 0.9,
            angles_deg: [0.0; 3],
            angle_order: AngleOrder::Zyx,
            center: [0.0; 3],
            support: None,
            seed: 0,
        }
    }
}

/// Makes the atoms, species set, centred on `center`. `go_on` is told the part that is done, on the calling thread, and
/// answers whether to go on.
///
/// The particle is packed, cut or built; then its atoms are displaced, the core is told from the shell, foreign atoms and
/// vacancies are drawn; then it is rotated, moved and put on its support.
///
/// # Errors
/// `NotReady` where something is missing that the structure needs (lattice constant, size, distance), `Inconsistent` for
/// contradictions and densities that are too high (with the largest possible), `Range`, `Unsupported` for an amorphous
/// shape other than ball and box, `Cancelled`.
pub fn generate(options: &StructureOptions, go_on: &mut dyn FnMut(f64) -> bool) -> Result<Atoms> {
    check(options)?;
    let mut report = |done| match go_on(done) {
        true => Ok(()),
        false => Err(Error::Cancelled { phase: "generating a structure" }),
    };
    report(0.0)?;
    let (mut positions, mut species) = built(options, &mut report)?;
    disorder::displace(&mut positions, options.displacement, stream(options.seed, streams::DISPLACEMENT))?;
    if options.core_species > 0 {
        let core = core_shell::core(&positions, options.core_shrink, &mut report)?;
        for (species, _) in species.iter_mut().zip(core).filter(|(_, core)| *core) {
            *species = options.core_species;
        }
    }
    let count = positions.len();
    let rng = stream(options.seed, streams::SUBSTITUTION);
    for i in disorder::sample(count, options.substitution, "substitution", rng)? {
        species[i] = options.substitute;
    }
    let rng = stream(options.seed, streams::VACANCIES);
    let mut gone = disorder::sample(count, options.vacancies, "vacancies", rng)?.into_iter().peekable();
    let stays: Vec<bool> = (0..count).map(|i| gone.next_if_eq(&i).is_none()).collect();
    let rotation = options.angle_order.rotation(&options.angles_deg);
    let placed = |p: &Vec3| -> Vec3 {
        let turned = if options.angles_deg == [0.0; 3] { *p } else { apply(&rotation, p) };
        std::array::from_fn(|k| turned[k] + options.center[k])
    };
    let kept = |i: &usize| stays[*i];
    let mut atoms: Vec<Vec3> = (0..count).filter(kept).map(|i| placed(&positions[i])).collect();
    let mut species: Vec<u8> = (0..count).filter(kept).map(|i| species[i]).collect();
    if let Some(support) = &options.support {
        let film = support_film(options, support, &atoms, &mut report)?;
        species.resize(species.len() + film.len(), amorphous::CARBON);
        atoms.extend(film);
    }
    Atoms::new(atoms)?.with_species(species)
}

/// What can be wrong whatever the structure is.
fn check(options: &StructureOptions) -> Result<()> {
    let lengths = [
        ("width", options.width),
        ("density", options.density),
        ("minimum_distance", options.minimum_distance),
        ("maximum_distance", options.maximum_distance),
        ("lattice_a", options.lattice_a),
        ("lattice_c", options.lattice_c),
        ("anion_parameter", options.anion_parameter),
    ];
    if let Some((what, value)) = lengths.into_iter().find(|(_, v)| !(v.is_finite() && *v >= 0.0)) {
        return Err(Error::range(what, value, "a positive number, or 0 for automatic"));
    }
    for (what, values) in
        [("lattice_origin", options.lattice_origin), ("angles_deg", options.angles_deg), ("center", options.center)]
    {
        Error::unless_finite(what, "axis", &values)?;
    }
    let foreign = [("substitute", options.substitute, options.substitution > 0.0)];
    match foreign.into_iter().find(|(_, species, needed)| *needed && *species == 0) {
        Some((what, ..)) => Err(missing(what, "the atomic number of the atoms that replace others")),
        None => Ok(()),
    }
}

/// An option that the structure cannot do without.
fn missing(option: &str, why: &str) -> Error {
    Error::NotReady { what: "structure".into(), why: format!("`{option}` is not set: {why} is needed") }
}

/// Positions about the origin, and species.
fn built(o: &StructureOptions, report: &mut dyn FnMut(f64) -> Result<()>) -> Result<(Vec<Vec3>, Vec<u8>)> {
    let all = |positions: Vec<Vec3>| {
        let species = vec![o.species[0]; positions.len()];
        (positions, species)
    };
    match o.structure {
        Structure::Amorphous => Ok(all(pack(&amorphous::particle(o)?, report)?)),
        Structure::Film => {
            let packing = amorphous::film(o)?;
            let positions = pack(&packing, report)?;
            let species = vec![amorphous::film_species(o); positions.len()];
            Ok((positions, species))
        }
        Structure::Decahedron => Ok(all(twins::decahedron(o.shells, neighbour_distance(o)?)?)),
        Structure::Icosahedron => {
            let shells = match (o.shells[0], o.count) {
                (0, 0) => return Err(missing("shells", "the number of shells, or a magic number as count,")),
                (0, count) => twins::icosahedron_shells(count)?,
                (shells, _) => shells,
            };
            Ok(all(twins::icosahedron(shells, neighbour_distance(o)?)?))
        }
        _ => {
            let sites = crystal(o)?;
            Ok(sites.into_iter().map(|(p, kind)| (p, o.species[kind])).unzip())
        }
    }
}

/// In the face-centred crystal of the given lattice constant.
fn neighbour_distance(o: &StructureOptions) -> Result<f64> {
    Ok(lattice_constant(o)? / 2.0_f64.sqrt())
}

fn lattice_constant(o: &StructureOptions) -> Result<f64> {
    match o.lattice_a > 0.0 {
        true => Ok(o.lattice_a),
        false => Err(missing("lattice_a", "the lattice constant (angstrom)")),
    }
}

fn lattice(o: &StructureOptions) -> Result<Lattice> {
    let a = lattice_constant(o)?;
    let or = |value: f64, automatic: f64| if value > 0.0 { value } else { automatic };
    let lattice = match o.structure {
        Structure::SimpleCubic => Lattice::simple_cubic(a),
        Structure::BodyCentredCubic => Lattice::body_centred_cubic(a, 0),
        Structure::HexagonalClosePacked => {
            Lattice::hexagonal_close_packed(a, or(o.lattice_c, (8.0_f64 / 3.0).sqrt() * a))
        }
        Structure::Diamond => Lattice::diamond(a, 0),
        Structure::RockSalt => Lattice::rock_salt(a),
        Structure::CaesiumChloride => Lattice::body_centred_cubic(a, 1),
        Structure::ZincBlende => Lattice::diamond(a, 1),
        Structure::L10 => Lattice::l1_0(a, or(o.lattice_c, a)),
        Structure::L12 => Lattice::l1_2(a),
        Structure::Spinel => Lattice::spinel(a, or(o.anion_parameter, 0.2631)),
        Structure::Perovskite => Lattice::perovskite(a),
        _ => Lattice::face_centred_cubic(a),
    };
    let formula = lattice.formula();
    match (0..3).find(|&kind| formula[kind] > 0 && o.species[kind] == 0 && formula[1] > 0) {
        Some(kind) => Err(missing(&format!("species[{kind}]"), "an atomic number for each element of the formula")),
        None => Ok(lattice),
    }
}

/// The sites of a crystalline particle.
fn crystal(o: &StructureOptions) -> Result<Vec<Site>> {
    let lattice = lattice(o)?;
    let shape = Shape::new(&o.shape, stream_seed(o))?;
    let each = o.species_counts.iter().any(|n| *n > 0);
    let width = match o.shape {
        ParticleShape::Box(edges) if o.width == 0.0 && o.count == 0 && !each => edges.into_iter().fold(0.0, f64::max),
        _ => o.width,
    };
    if [width > 0.0, o.count > 0, each].into_iter().filter(|given| *given).count() != 1 {
        return Err(missing("width", "one of width, count and species_counts, and not more than one,"));
    }
    let sites = if width > 0.0 {
        lattice.inside(&shape, width, &o.lattice_origin)?
    } else {
        let wanted = if each { Wanted::Each(o.species_counts) } else { Wanted::Total(o.count) };
        let formula = lattice.formula();
        if let Some(kind) = (0..3).find(|&kind| each && o.species_counts[kind] > 0 && formula[kind] == 0) {
            let what = format!("species_counts[{kind}]");
            return Err(Error::range(what, o.species_counts[kind], "0: this structure has fewer elements"));
        }
        if wanted.total() as f64 > lattices::MOST_ATOMS {
            let wanted_at_most = format!("at most {:.0e}", lattices::MOST_ATOMS);
            return Err(Error::range("atoms of the particle", wanted.total(), wanted_at_most));
        }
        lattice.innermost(&shape, wanted, &o.lattice_origin)?
    };
    let sites = if o.stoichiometric { stoichiometric(&sites, lattice.formula()) } else { sites };
    match sites.is_empty() {
        true => Err(Error::Empty { what: "particle".into(), why: format!("a width of {width} holds no atoms") }),
        false => Ok(sites),
    }
}

fn stream_seed(o: &StructureOptions) -> u64 {
    o.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(streams::SHAPE)
}

/// The atoms of a film that lies a bond away from the outermost atom of the particle.
fn support_film(
    o: &StructureOptions,
    support: &Support,
    particle: &[Vec3],
    report: &mut dyn FnMut(f64) -> Result<()>,
) -> Result<Vec<Vec3>> {
    let [x, y] = support.extent;
    let film = StructureOptions {
        shape: ParticleShape::Box([x, y, support.thickness]),
        seed: o.seed.wrapping_mul(31).wrapping_add(streams::SUPPORT),
        ..StructureOptions::new(Structure::Film)
    };
    let away = SUPPORT_GAP + 0.5 * support.thickness;
    let heights = particle.iter().map(|p| p[2]);
    let z = match support.side {
        SupportSide::Exit => heights.fold(f64::NEG_INFINITY, f64::max) + away,
        SupportSide::Entrance => heights.fold(f64::INFINITY, f64::min) - away,
    };
    let placed = |p: Vec3| [p[0] + o.center[0], p[1] + o.center[1], p[2] + z];
    Ok(pack(&amorphous::film(&film)?, report)?.into_iter().map(placed).collect())
}
