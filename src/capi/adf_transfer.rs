//! Atoms on an annular detector
//!
//! From scattering factors to absolute intensities and to the heights of orbitals.

use super::enums::HostEnum;
use super::guard::guard;
use super::simulation_options::aet_parametrization;
use super::status::aet_status;
use crate::forward::AdfTransfer;
use crate::specimen::Parametrization;
use crate::Error;

/// What an annular detector from `inner_mrad` to `outer_mrad` sees of one atom of the element `species` (1 to 103) at
/// `energy_ev`: the cross-section sigma (A^2) into `cross_section`, and into `collected` the part of all that the atom
/// scatters that the detector catches, C of formula (7) of the LOT paper; either may be NULL. A probe of intensity p(r)
/// (1/A^2) at the atom puts the part sigma p of its electrons on the detector; the image of the atom, in fractions of the
/// beam, integrates to sigma; the orbital H exp(-rho^2 / B) that stands for it has H = sigma / (pi B). Taken from
/// exp(i sigma V) of the free atom; convergence beside the inner angle and other atoms are neglected. `parametrization` is
/// an aet_parametrization. AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_adf_transfer(
    energy_ev: f64,
    inner_mrad: f64,
    outer_mrad: f64,
    parametrization: i32,
    species: i32,
    cross_section: *mut f64,
    collected: *mut f64,
) -> aet_status {
    guard("aet_adf_transfer", |host| {
        let parametrization = match aet_parametrization::from_number(parametrization, "parametrization")? {
            aet_parametrization::Lobato => Parametrization::Lobato,
            aet_parametrization::Kirkland => Parametrization::Kirkland,
        };
        let transfer = AdfTransfer::new(energy_ev, inner_mrad, outer_mrad, parametrization)?;
        let known = host.atomic_number(species, "species")?;
        let z = known.ok_or_else(|| Error::range("species", species, "an atomic number 1 to 103"))?;
        let caught = transfer.cross_section(z)?;
        let part = caught / transfer.total_cross_section(z)?;
        for (place, value) in [(cross_section, caught), (collected, part)] {
            if let Some(place) = host.optional_out(place) {
                place.set(value);
            }
        }
        Ok(())
    })
}
