//! What is packed for an amorphous particle or film: two of count, size and density give the third.

use super::region::Region;
use super::{missing, weights, Packing, ParticleShape, StructureOptions};
use crate::error::{Error, Result};
use crate::geometry::Vec3;

/// Atomic number of support films, unless told otherwise.
pub(super) const CARBON: u8 = 6;
/// Density of amorphous carbon films, g / cm^3.
const CARBON_DENSITY: f64 = 2.0;
/// Shortest bond of amorphous carbon, angstrom.
const CARBON_DISTANCE: f64 = 1.35;

pub(super) fn film_species(o: &StructureOptions) -> u8 {
    if o.species[0] == 0 {
        CARBON
    } else {
        o.species[0]
    }
}

/// A film of the edges of its box.
pub(super) fn film(o: &StructureOptions) -> Result<Packing> {
    let ParticleShape::Box(extent) = o.shape else {
        return Err(missing("extent", "two periods and a thickness"));
    };
    let or = |value: f64, automatic: f64| if value > 0.0 { value } else { automatic };
    let density = if o.count > 0 { o.density } else { or(o.density, CARBON_DENSITY) };
    let minimum_distance = or(o.minimum_distance, CARBON_DISTANCE);
    let region = Region::Film { extent };
    region.check(minimum_distance)?;
    let volume = extent.iter().product();
    let count = counted(o.count, density, film_species(o), volume)?;
    Ok(packing(o, region, count, minimum_distance))
}

/// A ball or a box.
pub(super) fn particle(o: &StructureOptions) -> Result<Packing> {
    if o.minimum_distance == 0.0 {
        return Err(missing("minimum_distance", "the smallest distance of two atoms (angstrom)"));
    }
    // volume and region of a particle of width 1
    let (unit, region): (f64, &dyn Fn(f64) -> Region) = match &o.shape {
        ParticleShape::Ball => (std::f64::consts::PI / 6.0, &|width| Region::Ball { diameter: width }),
        ParticleShape::Box(edges) => {
            let relative = relative(edges)?;
            (relative.iter().product(), &move |width| Region::Box { extent: relative.map(|e| e * width) })
        }
        other => {
            let why = format!("amorphous particles are balls or boxes, not {other:?}");
            return Err(Error::Unsupported { what: "shape".into(), why });
        }
    };
    let mut width = o.width;
    if let (true, ParticleShape::Box(edges)) = (width == 0.0 && (o.count == 0 || o.density == 0.0), &o.shape) {
        width = edges.iter().copied().fold(0.0, f64::max);
    }
    match (o.count, width > 0.0, o.density > 0.0) {
        (0, true, true) | (1.., true, false) => {
            let count = counted(o.count, o.density, o.species[0], unit * width.powi(3))?;
            Ok(packing(o, region(width), count, o.minimum_distance))
        }
        (count @ 1.., false, true) => {
            let volume = count as f64 / weights::number_density(o.density, o.species[0])?;
            Ok(packing(o, region((volume / unit).cbrt()), count, o.minimum_distance))
        }
        (1.., true, true) => {
            let why = format!(
                "count {}, width {width} and density {} are given, but two of them say all; set one to 0",
                o.count, o.density
            );
            Err(Error::Inconsistent { what: "amorphous particle".into(), why })
        }
        _ => Err(missing("count", "two of count, width and density")),
    }
}

fn relative(edges: &Vec3) -> Result<Vec3> {
    match edges.iter().all(|e| e.is_finite() && *e > 0.0) {
        true => {
            let longest = edges.iter().copied().fold(0.0, f64::max);
            Ok(edges.map(|e| e / longest))
        }
        false => Err(Error::range("extent of the box", format!("{edges:?}"), "three positive numbers (angstrom)")),
    }
}

/// The count given, or that of a density in a volume.
fn counted(count: usize, density: f64, species: u8, volume: f64) -> Result<usize> {
    match (count, density > 0.0) {
        (0, true) => {
            let count = (weights::number_density(density, species)? * volume).round();
            let most = super::lattices::MOST_ATOMS;
            if count < 1.0 || count > most {
                let got = format!("{count:.3e} ({})", weights::described(density, species));
                return Err(Error::range("atoms of the packing", got, format!("1 to {most:.0e}")));
            }
            Ok(count as usize)
        }
        (count, false) if count > 0 => Ok(count),
        (0, false) => Err(missing("count", "a count or a density")),
        _ => Err(Error::Inconsistent {
            what: "film".into(),
            why: format!("count {count} and density {density} are both given; set one to 0"),
        }),
    }
}

fn packing(o: &StructureOptions, region: Region, count: usize, minimum_distance: f64) -> Packing {
    let maximum_distance = (o.maximum_distance > 0.0).then_some(o.maximum_distance);
    Packing { count, region, minimum_distance, maximum_distance, seed: o.seed }
}
