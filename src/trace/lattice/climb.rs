//! From every site to the maximum above it, and what that says about the site.

use super::field::Field;
use super::register::Registration;
use super::{Lattice, LatticeOptions, Place};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Vec3;
use crate::prepare::planes::collected;
use crate::problem::Waiting;
use crate::specimen::Atoms;
use crate::statistics::median;
use crate::table::Table;
use crate::trace::peaks::Parabola;

/// Sites climbed by one item of work.
const SITES_PER_ITEM: usize = 512;

/// What became of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum SiteState {
    /// It has an atom.
    Found = 0,
    /// It has an atom, farther away than [`LatticeOptions::displaced`].
    Displaced = 1,
    /// Missing: the maximum above it belongs to another site, which is nearer to it.
    Merged = 2,
    /// Missing: its maximum is too low.
    Weak = 3,
    /// Missing: there is no maximum within reach.
    Lost = 4,
}

impl SiteState {
    /// Whether the site has an atom.
    pub fn has_atom(self) -> bool {
        matches!(self, SiteState::Found | SiteState::Displaced)
    }
}

/// A site of the lattice and what was found there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatticeSite {
    /// Cell of the crystal, counted along a, b and c.
    pub cell: [i32; 3],
    /// Number of the atom in the crystal's list.
    pub basis: usize,
    /// Its atomic number.
    pub species: u8,
    /// Where the lattice has it, angstrom.
    pub site: Vec3,
    /// What became of it.
    pub state: SiteState,
    /// The maximum above it, also where it is another's or too low; NaN for sites that are lost.
    pub position: Vec3,
    /// Value of the flattened volume there; NaN for sites that are lost.
    pub height: f64,
    /// Number of the atom, where there is one.
    pub atom: Option<usize>,
}

impl LatticeSite {
    /// From the site to the maximum, angstrom.
    pub fn displacement(&self) -> Vec3 {
        std::array::from_fn(|a| self.position[a] - self.site[a])
    }
}

/// Atoms found from the sites of a lattice.
#[derive(Debug, Clone, PartialEq)]
pub struct LatticeTrace {
    /// The atoms of the sites that have one, in the order of the sites, with species and heights (flattened volume).
    pub atoms: Atoms,
    /// All sites.
    pub sites: Vec<LatticeSite>,
    /// How the crystal lies.
    pub registration: Registration,
}

impl LatticeTrace {
    /// Number of sites of one state.
    pub fn count(&self, state: SiteState) -> usize {
        self.sites.iter().filter(|s| s.state == state).count()
    }

    /// Part of the sites that have an atom.
    pub fn found_fraction(&self) -> f64 {
        self.atoms.len() as f64 / self.sites.len() as f64
    }

    /// Mean |displacement| of the atoms along x, y and z, and mean length of it, angstrom.
    pub fn mean_displacement(&self) -> (Vec3, f64) {
        let moved: Vec<Vec3> = self.sites.iter().filter(|s| s.state.has_atom()).map(|s| s.displacement()).collect();
        let mean = |of: &dyn Fn(&Vec3) -> f64| moved.iter().map(of).sum::<f64>() / moved.len() as f64;
        (std::array::from_fn(|a| mean(&|d| d[a].abs())), mean(&|d| d.iter().map(|v| v * v).sum::<f64>().sqrt()))
    }
}

impl LatticeTrace {
    /// The sites as a table.
    ///
    /// Columns, one row per site: `cell_a`, `cell_b`, `cell_c` (whole numbers), `basis` (index of the atom in the crystal's
    /// list), `species`, `site_x`, `site_y`, `site_z` (A), `state` ([`SiteState`]), `x`, `y`, `z` (A), `dx`, `dy`, `dz` and
    /// `displacement` (A), `height`, `atom` (number of the atom, NaN for missing ones).
    ///
    /// Values: `sites`, `found`, `displaced`, `merged`, `weak`, `lost` (numbers of sites), `found_fraction` (found and
    /// displaced ones), `mean_dx`, `mean_dy`, `mean_dz` (means of |dx|, |dy|, |dz| of the atoms, A), `mean_displacement` (A);
    /// `rotation_xx` to `rotation_zz` (row, column), `strain_xx`, `strain_yy`, `strain_zz`, `strain_yz`, `strain_xz`,
    /// `strain_xy`, `shift_x`, `shift_y`, `shift_z` (A), `bragg_peaks`, `bragg_error` (1/A), `phase_agreement`, as
    /// [`Registration`] has them.
    ///
    /// # Errors
    /// `Internal`.
    pub fn table(&self) -> Result<Table> {
        let column = |of: &dyn Fn(&LatticeSite) -> f64| self.sites.iter().map(of).collect::<Vec<f64>>();
        let mut table = Table::new(self.sites.len());
        for (a, name) in ["cell_a", "cell_b", "cell_c"].into_iter().enumerate() {
            table = table.with_column(name, "", column(&|s| f64::from(s.cell[a])))?;
        }
        table = table.with_column("basis", "index", column(&|s| s.basis as f64))?;
        table = table.with_column("species", "", column(&|s| f64::from(s.species)))?;
        for (a, axis) in AXES.into_iter().enumerate() {
            table = table.with_column(&format!("site_{axis}"), "A", column(&|s| s.site[a]))?;
        }
        table = table.with_column("state", "", column(&|s| f64::from(s.state as i32)))?;
        for (a, axis) in AXES.into_iter().enumerate() {
            table = table.with_column(axis, "A", column(&|s| s.position[a]))?;
        }
        for (a, axis) in AXES.into_iter().enumerate() {
            table = table.with_column(&format!("d{axis}"), "A", column(&|s| s.displacement()[a]))?;
        }
        table = table.with_column("displacement", "A", column(&|s| distance(&s.position, &s.site)))?;
        table = table.with_column("height", "", column(&|s| s.height))?;
        table = table.with_column("atom", "index", column(&|s| s.atom.map_or(f64::NAN, |i| i as f64)))?;
        self.registration.told(self.told(table)?)
    }

    /// Counts and means.
    fn told(&self, mut table: Table) -> Result<Table> {
        let states = [
            ("found", SiteState::Found),
            ("displaced", SiteState::Displaced),
            ("merged", SiteState::Merged),
            ("weak", SiteState::Weak),
            ("lost", SiteState::Lost),
        ];
        table = table.with_value("sites", "", self.sites.len() as f64)?;
        for (name, state) in states {
            table = table.with_value(name, "", self.count(state) as f64)?;
        }
        let (mean, all) = self.mean_displacement();
        table = table.with_value("found_fraction", "", self.found_fraction())?;
        for (a, axis) in AXES.into_iter().enumerate() {
            table = table.with_value(&format!("mean_d{axis}"), "A", mean[a])?;
        }
        table.with_value("mean_displacement", "A", all)
    }
}

impl Registration {
    /// The numbers of the registration as values of a table.
    fn told(&self, mut table: Table) -> Result<Table> {
        for (i, j) in (0..9).map(|n| (n / 3, n % 3)) {
            table = table.with_value(&format!("rotation_{}{}", AXES[i], AXES[j]), "", self.rotation[i][j])?;
        }
        for (i, j) in [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)] {
            table = table.with_value(&format!("strain_{}{}", AXES[i], AXES[j]), "", self.strain[i][j])?;
        }
        for (a, axis) in AXES.into_iter().enumerate() {
            table = table.with_value(&format!("shift_{axis}"), "A", self.shift[a])?;
        }
        table
            .with_value("bragg_peaks", "", self.bragg_peaks as f64)?
            .with_value("bragg_error", "1/A", self.bragg_error)?
            .with_value("phase_agreement", "", self.phase_agreement)
    }
}

const AXES: [&str; 3] = ["x", "y", "z"];

/// A maximum: its voxel, position and height.
#[derive(Debug, Clone, Copy)]
struct Summit {
    voxel: usize,
    position: Vec3,
    height: f64,
    /// From the site to it, angstrom.
    distance: f64,
}

pub(super) fn climb(
    context: &Context,
    field: &Field,
    lattice: &Lattice<'_>,
    registration: Registration,
    options: &LatticeOptions,
    waiting: &mut Waiting<'_>,
) -> Result<LatticeTrace> {
    let places = waiting.part(0.0, 0.3, |waiting| {
        lattice.sites(context, field, (&registration.matrix, &registration.shift), waiting)
    })?;
    let reach = options.reach.unwrap_or(lattice.nearest);
    let items = places.len().div_ceil(SITES_PER_ITEM);
    let summits = waiting.part(0.3, 1.0, |waiting| {
        collected(context, items, "climbing from lattice sites", waiting, &|item| {
            let of_item = places.iter().skip(item * SITES_PER_ITEM).take(SITES_PER_ITEM);
            of_item.map(|place| summit(field, &place.position, reach)).collect::<Vec<_>>()
        })
    })?;
    let summits: Vec<Option<Summit>> = summits.into_iter().flatten().collect();
    let species: Vec<u8> = places.iter().map(|p| lattice.crystal.basis().species()[p.basis]).collect();
    let states = states(&summits, &species, options, lattice.nearest);
    assembled(&places, &species, &summits, &states, registration)
}

/// The maximum above a position, by steps to the largest of the 26 neighbours; `None` where the climb ends farther than
/// `reach` from its start, or at a face of the volume. Of equal values the last in memory counts as larger, so that plateaus
/// have one summit.
fn summit(field: &Field, start: &Vec3, reach: f64) -> Option<Summit> {
    let key = |voxel: [usize; 3]| (field.values[field.place(voxel)], field.place(voxel));
    let mut here = field.index(start).map(|i| i.round() as usize);
    loop {
        if (0..3).any(|a| here[a] == 0 || here[a] + 1 >= field.shape[a]) {
            return None;
        }
        let neighbours = (0..27).map(|n| [here[0] + n / 9 - 1, here[1] + n / 3 % 3 - 1, here[2] + n % 3 - 1]);
        let up = neighbours.max_by(|a, b| {
            let (a, b) = (key(*a), key(*b));
            a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))
        })?;
        if up == here {
            break;
        }
        here = up;
        // a voxel's corner is nearer than its middle
        if distance(&field.position(here.map(|i| i as f64)), start) > reach + 2.0 * field.voxel {
            return None;
        }
    }
    let around = |d: [i32; 3]| {
        let at = std::array::from_fn(|a| (here[a] as i32 + d[a]) as usize);
        f64::from(field.values[field.place(at)])
    };
    let parabola = Parabola::of(around);
    let offset = parabola.offset();
    let (position, height) =
        (field.position(std::array::from_fn(|a| here[a] as f64 + offset[a])), parabola.height(&offset));
    let away = distance(&position, start);
    (away <= reach).then_some(Summit { voxel: field.place(here), position, height, distance: away })
}

fn distance(a: &Vec3, b: &Vec3) -> f64 {
    (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
}

/// Whose maximum is whose, and which count.
fn states(summits: &[Option<Summit>], species: &[u8], options: &LatticeOptions, nearest: f64) -> Vec<SiteState> {
    // a maximum belongs to the site nearest to it
    let mut order: Vec<(usize, &Summit)> =
        summits.iter().enumerate().filter_map(|(i, s)| Some((i, s.as_ref()?))).collect();
    order.sort_by(|(i, a), (j, b)| a.voxel.cmp(&b.voxel).then(a.distance.total_cmp(&b.distance)).then(i.cmp(j)));
    let mut states = vec![SiteState::Lost; summits.len()];
    let mut last = None;
    for (i, summit) in &order {
        states[*i] = if last == Some(summit.voxel) { SiteState::Merged } else { SiteState::Found };
        last = Some(summit.voxel);
    }
    let mut kinds = species.to_vec();
    kinds.sort_unstable();
    kinds.dedup();
    let limit = options.displaced.unwrap_or(0.25 * nearest);
    for kind in kinds {
        let owned = |i: &usize| species[*i] == kind && states[*i] == SiteState::Found;
        let heights: Vec<f64> = (0..states.len()).filter(owned).filter_map(|i| summits[i].map(|s| s.height)).collect();
        let least = options.threshold * median(&heights).max(0.0); // 0 without heights
        for i in 0..states.len() {
            let Some(summit) = summits[i].filter(|_| species[i] == kind && states[i] == SiteState::Found) else {
                continue;
            };
            if summit.height <= least {
                states[i] = SiteState::Weak;
            } else if summit.distance > limit {
                states[i] = SiteState::Displaced;
            }
        }
    }
    states
}

fn assembled(
    places: &[Place],
    species: &[u8],
    summits: &[Option<Summit>],
    states: &[SiteState],
    registration: Registration,
) -> Result<LatticeTrace> {
    let mut atoms = 0;
    let mut site = |i: usize| {
        let (position, height) = summits[i].map_or(([f64::NAN; 3], f64::NAN), |s| (s.position, s.height));
        let atom = states[i].has_atom().then(|| {
            atoms += 1;
            atoms - 1
        });
        let Place { cell, basis, position: site } = places[i];
        LatticeSite { cell, basis, species: species[i], site, state: states[i], position, height, atom }
    };
    let sites: Vec<LatticeSite> = (0..places.len()).map(&mut site).collect();
    let found: Vec<&LatticeSite> = sites.iter().filter(|s| s.state.has_atom()).collect();
    if found.is_empty() {
        let why = format!("none of {} sites has a maximum within reach and above the threshold", sites.len());
        return Err(Error::Empty { what: "atoms of the lattice".into(), why });
    }
    let atoms = Atoms::new(found.iter().map(|s| s.position).collect())?
        .with_species(found.iter().map(|s| s.species).collect())?
        .with_heights(found.iter().map(|s| s.height).collect())?;
    Ok(LatticeTrace { atoms, sites, registration })
}
