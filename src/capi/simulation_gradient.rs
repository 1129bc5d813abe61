//! Gradients of scans

use super::detector::aet_detector;
use super::elements::Number;
use super::guard::{guard, Host};
use super::options::CStruct;
use super::probe::aet_probe;
use super::progress::aet_progress_fn;
use super::simulation::{aet_simulation, with_engine};
use super::simulation_scan::Scan;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view, OutView};
use crate::forward::potential::AtomGradient;
use crate::problem::Phase;
use crate::simd::Real;
use crate::simulate::stem::{Simulation, StemGradient, StemPlan, Wanted};
use crate::{Error, Result};
use ndarray::{Array1, Array2};
use std::ffi::c_void;
use std::ptr;

/// The gradient that goes into aet_simulation_pull_back, and places for those that come out, f32 or f64; NULL: not wanted.
/// Fill with aet_scan_gradients_init.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_scan_gradients {
    /// sizeof(aet_scan_gradients).
    pub struct_size: usize,
    /// dL/dsignal of every position and signal `[n,count]`, of any real type, as aet_simulation_scan gives them; required.
    pub by_signal: *const aet_const_view,
    /// Place for dL/d(x, y) of every position `[n,2]`, 1/angstrom.
    pub positions: *const aet_view,
    /// Place for dL/dV of every slice and pixel `[slices,rows,columns]`, 1/(V A).
    pub potential: *const aet_view,
    /// Place for dL/d(x, y, z) of every atom `[atoms,3]`, 1/angstrom; z is 0 with AET_PROJECTION_INFINITE.
    pub atom_positions: *const aet_view,
    /// Place for dL/dB of every atom `[atoms]`, B its Debye-Waller factor, 1/angstrom^2.
    pub debye_waller_b: *const aet_view,
    /// Place for dL/d(occupancy) of every atom `[atoms]`.
    pub occupancy: *const aet_view,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, else only raw pointers.
unsafe impl CStruct for aet_scan_gradients {
    const NAME: &'static str = "aet_scan_gradients";

    fn defaults() -> Self {
        aet_scan_gradients {
            struct_size: size_of::<Self>(),
            by_signal: ptr::null(),
            positions: ptr::null(),
            potential: ptr::null(),
            atom_positions: ptr::null(),
            debye_waller_b: ptr::null(),
            occupancy: ptr::null(),
        }
    }
}

/// Sets `struct_size` and all members to NULL. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_scan_gradients_init(gradients: *mut aet_scan_gradients, struct_size: usize) -> aet_status {
    guard("aet_scan_gradients_init", |host| host.init(gradients, struct_size))
}

/// The adjoint of aet_simulation_scan: from dL/dsignals of any loss L to its gradients with respect to the scan positions,
/// the potential and the atoms, as the members of `gradients` wish. The waves are computed again, there and back, which
/// costs two to three scans. Probe, positions and detectors are those of the scan. `progress` may be NULL.
///
/// AET_ERROR_UNSUPPORTED for gradients of atoms where the simulation was made of a potential, AET_ERROR_EMPTY where no
/// gradient is wanted, AET_ERROR_NON_FINITE for `by_signal`, and the errors of aet_simulation_scan; AET_CANCELLED, then all
/// places are untouched. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_pull_back(
    simulation: *const aet_simulation,
    probe: *const aet_probe,
    positions: *const aet_const_view,
    detectors: *const *const aet_detector,
    n_detectors: i64,
    gradients: *const aet_scan_gradients,
    progress: aet_progress_fn,
    user: *mut c_void,
) -> aet_status {
    guard("aet_simulation_pull_back", |host| {
        let scan = host.scan(simulation, probe, positions, (detectors, n_detectors))?;
        let Scan { held, probe, positions, detectors } = &scan;
        let raw = host.required_options(gradients, "gradients")?;
        let mut places = Places::of(host, &raw)?;
        with_engine!(held, simulation => {
            let (plan, detectors) = (StemPlan::new(simulation, probe)?, simulation.detectors(detectors)?);
            let (count, signals) = (positions.as_slice().len(), detectors.len());
            let by_signal = host.view(raw.by_signal, "by_signal")?.read::<f64, 2>([Some(count), Some(signals)])?;
            if let Some(((i, k), value)) = by_signal.indexed_iter().find(|(_, v)| !v.is_finite()) {
                let (value, at) = (*value, format!("position {i}, signal {k}"));
                return Err(Error::NonFinite { what: "by_signal".into(), value, at });
            }
            places.expect(simulation, count)?;
            let given = |i: usize, _: &[f64], by: &mut [f64]| {
                by.iter_mut().zip(by_signal.row(i)).for_each(|(to, from)| *to = *from);
                Ok(())
            };
            let wanted = places.wanted();
            places.write(host.watched(&held.context, Phase::Simulating, (progress, user), |waiting| {
                plan.pull_back(&held.context, positions, &detectors, &given, wanted, waiting)
            })?)
        })
    })
}

/// Where gradients go.
struct Places<'c> {
    positions: Option<OutView<'c>>,
    potential: Option<OutView<'c>>,
    atom_positions: Option<OutView<'c>>,
    debye_waller_b: Option<OutView<'c>>,
    occupancy: Option<OutView<'c>>,
}

impl<'c> Places<'c> {
    fn of(host: &'c Host, raw: &aet_scan_gradients) -> Result<Self> {
        let place = |view: *const aet_view, name: &'static str| -> Result<Option<OutView<'c>>> {
            let view = host.optional_out_view(view, name)?;
            view.as_ref().map_or(Ok(()), |view| view.expect_fractions())?;
            Ok(view)
        };
        let places = Places {
            positions: place(raw.positions, "positions of gradients")?,
            potential: place(raw.potential, "potential of gradients")?,
            atom_positions: place(raw.atom_positions, "atom_positions of gradients")?,
            debye_waller_b: place(raw.debye_waller_b, "debye_waller_b of gradients")?,
            occupancy: place(raw.occupancy, "occupancy of gradients")?,
        };
        if places.wanted() == Wanted::default() {
            let why = "wanted a place for at least one gradient";
            return Err(Error::Empty { what: "aet_scan_gradients".into(), why: why.into() });
        }
        Ok(places)
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            positions: self.positions.is_some(),
            potential: self.potential.is_some(),
            atoms: self.atom_positions.is_some() || self.debye_waller_b.is_some() || self.occupancy.is_some(),
        }
    }

    /// Checks all shapes before the work begins.
    fn expect<T: Real>(&self, simulation: &Simulation<T>, count: usize) -> Result<()> {
        let (plane, atoms) = (simulation.plane(), simulation.atom_count().unwrap_or(0));
        if self.wanted().atoms && simulation.atom_count().is_none() {
            return Err(simulation.no_atoms());
        }
        let check = |view: &Option<OutView<'_>>, shape: &[usize]| match view {
            Some(view) => view.expect_shape(shape),
            None => Ok(()),
        };
        check(&self.positions, &[count, 2])?;
        check(&self.potential, &[simulation.slices(), plane.rows, plane.columns])?;
        check(&self.atom_positions, &[atoms, 3])?;
        check(&self.debye_waller_b, &[atoms])?;
        check(&self.occupancy, &[atoms])
    }

    fn write<T: Real + Number>(&mut self, gradient: StemGradient<T>) -> Result<()> {
        if let Some(view) = &mut self.positions {
            let flat: Vec<f64> = gradient.positions.iter().flat_map(|(x, y)| [*x, *y]).collect();
            let array = Array2::from_shape_vec((gradient.positions.len(), 2), flat);
            view.write(&array.map_err(|error| Error::Internal(format!("gradient of positions: {error}")))?)?;
        }
        if let (Some(view), Some(values)) = (&mut self.potential, &gradient.potential) {
            view.write(values)?;
        }
        let Some(atoms) = gradient.atoms else { return Ok(()) };
        let column = |of: &dyn Fn(&AtomGradient, usize) -> f64| Array1::from_shape_fn(atoms.len(), |i| of(&atoms, i));
        if let Some(view) = &mut self.atom_positions {
            let components: Vec<f64> = (0..atoms.len()).flat_map(|i| atoms.position(i)).collect();
            let array = Array2::from_shape_vec((atoms.len(), 3), components);
            view.write(&array.map_err(|error| Error::Internal(format!("gradient of atoms: {error}")))?)?;
        }
        if let Some(view) = &mut self.debye_waller_b {
            view.write(&column(&AtomGradient::debye_waller_b))?;
        }
        if let Some(view) = &mut self.occupancy {
            view.write(&column(&AtomGradient::occupancy))?;
        }
        Ok(())
    }
}
