//! Simulations
//!
//! Multislice simulations of what a microscope sees of atoms. The frame is the orthogonal cell of the atoms,
//! [0, Lx) x [0, Ly) x [0, Lz): periodic across the beam, pixel (row, column) at y = row Ly / rows and
//! x = column Lx / columns; the beam enters at z = 0 towards +z, and the defocus of a probe refers to that face.

use super::atoms::aet_atoms;
use super::context::aet_context;
use super::dataset_folder::monitor;
use super::elements::Number;
use super::guard::{guard, guard_value, Host};
use super::handle::Handle;
use super::lot::aet_precision;
use super::progress::aet_progress_fn;
use super::simulation_options::aet_simulation_options;
use super::status::aet_status;
use super::view::{aet_const_view, aet_view, InView};
use crate::context::{CancelToken, Context};
use crate::grid::Plane;
use crate::problem::{Phase, Waiting};
use crate::simd::Real;
use crate::simulate::stem::{MemoryEstimate, Simulation};
use crate::{Error, Result};
use ndarray::Array2;
use num_complex::Complex64;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

/// One configuration of atoms, or a potential, ready to be seen by electrons of one energy. Immutable.
pub struct aet_simulation {
    _opaque: [u8; 0],
}

/// A simulation of either precision with the threads that work on it.
pub struct HeldSimulation {
    pub(super) context: Context,
    pub(super) engine: Engine,
}

/// A simulation of either precision.
pub(super) enum Engine {
    Single(Simulation<f32>),
    Double(Simulation<f64>),
}

impl Handle for aet_simulation {
    const NAME: &'static str = "aet_simulation";
    const IMMUTABLE: bool = true;
    type Object = HeldSimulation;
}

/// Evaluates an expression with the simulation of a handle in the precision that it has.
macro_rules! with_engine {
    ($held:expr, $simulation:ident => $body:expr) => {
        match &$held.engine {
            $crate::capi::simulation::Engine::Single($simulation) => $body,
            $crate::capi::simulation::Engine::Double($simulation) => $body,
        }
    };
}
pub(super) use with_engine;

impl Host {
    /// The simulation of a `const` call in this process.
    pub(super) fn simulation(&self, simulation: *const aet_simulation) -> Result<&HeldSimulation> {
        let held = self.object(simulation, "simulation")?;
        held.context.check_process()?;
        Ok(held)
    }

    /// Does `work` while the host watches, and may end it.
    pub(super) fn watched<R>(
        &self,
        context: &Context,
        phase: Phase,
        (progress, user): (aet_progress_fn, *mut c_void),
        work: impl FnOnce(&mut Waiting<'_>) -> Result<R>,
    ) -> Result<R> {
        let token = context.cancel_token();
        let tell = &mut monitor(phase, self.progress(progress, user), &token);
        work(&mut Waiting { cancel: &token, tell })
    }
}

/// Runs `work` on a worker: the calling thread waits, and lets requests to cancel through.
pub(super) fn on_worker<R: Send>(context: &Context, work: impl Fn(&CancelToken<'_>) -> Result<R> + Sync) -> Result<R> {
    let (token, place) = (context.cancel_token(), Mutex::new(None));
    context.for_each(1, &mut |_| token.check("simulating"), &|_| {
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(work(&token)?);
        Ok(())
    })?;
    let result = place.into_inner().unwrap_or_else(PoisonError::into_inner);
    result.ok_or_else(|| Error::Internal("the work was not done".into()))
}

/// Computes the potential of `atoms` and its transmission functions, T = IFFT[A FFT[exp((i - absorption) sigma V)]] of
/// each slice with the band limit A. The atoms need a cell and known species; their Debye-Waller factors and
/// occupancies count. `options` must not be NULL; `progress` may be. The potential of a slice is the projection of its
/// atoms, V A, from tables of scattering factors; see aet_simulation_options. aet_atoms_close_pairs finds atoms that
/// are given twice.
///
/// AET_ERROR_NOT_READY for atoms without a cell; AET_ERROR_RANGE with the atom that lies outside of [0, Lz) (across the
/// beam they may lie anywhere) or has no species, and for options outside their range; AET_ERROR_SHAPE for a window larger
/// than the cell; AET_ERROR_UNSUPPORTED for PRISM in a window or with padded patterns; AET_ERROR_MEMORY for a scattering
/// matrix that the system does not grant; AET_ERROR_UNKNOWN_OPTION, AET_ERROR_INCONSISTENT for edges of slices that do not
/// end at the height of the cell; AET_CANCELLED, then without a simulation. Any thread; `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_create(
    context: *const aet_context,
    atoms: *const aet_atoms,
    options: *const aet_simulation_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    simulation: *mut *mut aet_simulation,
) -> aet_status {
    guard("aet_simulation_create", |host| {
        let place = host.new_handle(simulation, "simulation")?;
        let context = host.input(context, "context")?;
        context.check_process()?;
        let atoms = host.input(atoms, "atoms")?;
        let options = host.required_options(options, "options")?;
        let (checked, energy, precision) = (options.checked(host)?, options.energy_ev, options.precision()?);
        let engine = host.watched(context, Phase::Planning, (progress, user), |waiting| {
            Ok(match precision {
                aet_precision::Single => Engine::Single(Simulation::new(context, atoms, energy, &checked, waiting)?),
                aet_precision::Double => Engine::Double(Simulation::new(context, atoms, energy, &checked, waiting)?),
            })
        })?;
        place.set(HeldSimulation { context: Context::clone(context), engine });
        Ok(())
    })
}

/// A simulation of a potential of the host's own: `potential` `[slices,rows,columns]` of any real type, projected slice
/// by slice, V A, over a cell of `cell_x` x `cell_y` angstrom. The slices are `slice_thickness` thick (0: 2 angstrom) or
/// lie between the `slice_edges` of the options; those about the sampling, the atoms and their placement must be 0.
/// Gradients with respect to atoms are AET_ERROR_UNSUPPORTED then. `progress` may be NULL.
///
/// AET_ERROR_NON_FINITE with the place of a bad value, AET_ERROR_SHAPE, AET_ERROR_EMPTY without slices,
/// AET_ERROR_RANGE, AET_ERROR_UNKNOWN_OPTION for the options; AET_CANCELLED, then without a simulation. Any thread;
/// `progress` is called on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_create_from_potential(
    context: *const aet_context,
    potential: *const aet_const_view,
    cell_x: f64,
    cell_y: f64,
    options: *const aet_simulation_options,
    progress: aet_progress_fn,
    user: *mut c_void,
    simulation: *mut *mut aet_simulation,
) -> aet_status {
    guard("aet_simulation_create_from_potential", |host| {
        let place = host.new_handle(simulation, "simulation")?;
        let context = host.input(context, "context")?;
        context.check_process()?;
        let potential = host.view(potential, "potential")?;
        let options = host.required_options(options, "options")?;
        let (cell, precision) = ((cell_x, cell_y), options.precision()?);
        let engine = host.watched(context, Phase::Planning, (progress, user), |waiting| {
            Ok(match precision {
                aet_precision::Single => {
                    Engine::Single(of_potential(host, context, &potential, cell, &options, waiting)?)
                }
                aet_precision::Double => {
                    Engine::Double(of_potential(host, context, &potential, cell, &options, waiting)?)
                }
            })
        })?;
        place.set(HeldSimulation { context: Context::clone(context), engine });
        Ok(())
    })
}

/// A simulation of `potential` over a cell of (x, y) angstrom.
fn of_potential<T: Real + Number>(
    host: &Host,
    context: &Context,
    potential: &InView<'_>,
    (x, y): (f64, f64),
    options: &aet_simulation_options,
    waiting: &mut Waiting<'_>,
) -> Result<Simulation<T>> {
    let potential = potential.read::<T, 3>([None; 3])?;
    let (count, rows, columns) = potential.dim();
    let (checked, edges) = options.checked_for_potential(host, count)?;
    for (name, length) in [("cell_x", x), ("cell_y", y)] {
        if !(length.is_finite() && length > 0.0) {
            return Err(Error::range(name, length, "a positive number (angstrom)"));
        }
    }
    let size = |length: f64, n: usize| length / n.max(1) as f64;
    let plane = Plane::new(rows, columns, size(y, rows), size(x, columns))?;
    let slices: Vec<Vec<T>> = potential.outer_iter().map(|slice| slice.iter().copied().collect()).collect();
    let energy = options.energy_ev;
    Simulation::from_potential(context, slices, &plane, &edges, energy, &checked, waiting)
}

/// Frees a simulation. NULL is left alone. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_free(simulation: *mut aet_simulation) {
    guard_value((), |host| host.free(simulation))
}

/// Number of slices; 0 for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_slice_count(simulation: *const aet_simulation) -> i64 {
    guard_value(0, |host| Ok(with_engine!(host.object(simulation, "simulation")?, s => s.slices()) as i64))
}

/// Number of atoms; 0 where the simulation was made of a potential, and for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_atom_count(simulation: *const aet_simulation) -> i64 {
    guard_value(0, |host| {
        let atoms = with_engine!(host.object(simulation, "simulation")?, s => s.atom_count());
        Ok(atoms.unwrap_or(0) as i64)
    })
}

/// Wavelength of the electrons, angstrom; NaN for NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_wavelength(simulation: *const aet_simulation) -> f64 {
    guard_value(f64::NAN, |host| Ok(with_engine!(host.object(simulation, "simulation")?, s => s.wavelength())))
}

/// Pixels of the cell along y and x. AET_ERROR_NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_shape(
    simulation: *const aet_simulation,
    rows: *mut i64,
    columns: *mut i64,
) -> aet_status {
    guard("aet_simulation_shape", |host| {
        let plane = with_engine!(host.object(simulation, "simulation")?, s => s.plane());
        set_shape(host, plane, rows, columns)
    })
}

/// Pixels along y and x of the window through which waves travel: those of the cell where no window was chosen.
/// AET_ERROR_NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_window_shape(
    simulation: *const aet_simulation,
    rows: *mut i64,
    columns: *mut i64,
) -> aet_status {
    guard("aet_simulation_window_shape", |host| {
        let plane = with_engine!(host.object(simulation, "simulation")?, s => s.window());
        set_shape(host, plane, rows, columns)
    })
}

/// Pixels along y and x of diffraction patterns: those of the window, or of the larger plane that
/// AET_PATTERN_SAMPLING_PADDED samples them on. AET_ERROR_NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_pattern_shape(
    simulation: *const aet_simulation,
    rows: *mut i64,
    columns: *mut i64,
) -> aet_status {
    guard("aet_simulation_pattern_shape", |host| {
        let plane = with_engine!(host.object(simulation, "simulation")?, s => s.pattern_plane());
        set_shape(host, plane, rows, columns)
    })
}

fn set_shape(host: &Host, plane: &Plane, rows: *mut i64, columns: *mut i64) -> Result<()> {
    let (rows, columns) = (host.out(rows, "rows")?, host.out(columns, "columns")?);
    rows.set(plane.rows as i64);
    columns.set(plane.columns as i64);
    Ok(())
}

/// Size of a pixel along y and x, angstrom. Diffraction patterns have steps of wavelength / (pixel size x pixels of the
/// pattern) rad; with `prism_downsampling`, whose pixels are coarser, of wavelength x interpolation / length of the cell.
/// AET_ERROR_NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_pixel_size(
    simulation: *const aet_simulation,
    y: *mut f64,
    x: *mut f64,
) -> aet_status {
    guard("aet_simulation_pixel_size", |host| {
        let plane = with_engine!(host.object(simulation, "simulation")?, s => s.plane());
        let (y, x) = (host.out(y, "y")?, host.out(x, "x")?);
        y.set(plane.pixel_y);
        x.set(plane.pixel_x);
        Ok(())
    })
}

/// The potential of slice `slice` into `out` `[rows,columns]`, f32 or f64, V A. AET_ERROR_RANGE for a slice that there is
/// not, AET_ERROR_SHAPE, AET_ERROR_DTYPE. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_potential(
    simulation: *const aet_simulation,
    slice: i64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_simulation_potential", |host| {
        let held = host.simulation(simulation)?;
        let mut out = host.out_view(out, "out")?;
        out.expect_fractions()?;
        with_engine!(held, simulation => {
            let (plane, slice) = (simulation.plane(), host.index(slice, simulation.slices(), "slice")?);
            out.expect_shape(&[plane.rows, plane.columns])?;
            out.write(&on_worker(&held.context, |_| simulation.potential(slice))?)
        })
    })
}

/// The wave behind the first `slices` slices (0: all) of an `incident` one `[rows,columns]`, real or complex; NULL: the
/// plane wave 1. `out` `[rows,columns]` is complex. psi <- IFFT[P FFT[T psi]] for each slice, with the propagator
/// P = A exp(-i pi wavelength dz k^2) over its thickness. AET_ERROR_UNSUPPORTED where waves travel through windows,
/// AET_ERROR_NON_FINITE for the incident wave, AET_ERROR_RANGE, AET_ERROR_SHAPE, AET_ERROR_DTYPE; AET_CANCELLED on
/// request. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_exit_wave(
    simulation: *const aet_simulation,
    incident: *const aet_const_view,
    slices: i64,
    out: *const aet_view,
) -> aet_status {
    guard("aet_simulation_exit_wave", |host| {
        let held = host.simulation(simulation)?;
        let incident = host.optional_view(incident, "incident")?;
        let mut out = host.out_view(out, "out")?;
        out.expect_holds::<Complex64>()?;
        with_engine!(held, simulation => {
            let (plane, slices) = (simulation.plane(), slices_of(host, slices, simulation.slices())?);
            out.expect_shape(&[plane.rows, plane.columns])?;
            let incident = match incident {
                Some(view) => view.read::<Complex64, 2>([Some(plane.rows), Some(plane.columns)])?,
                None => Array2::from_elem((plane.rows, plane.columns), Complex64::new(1.0, 0.0)),
            };
            out.write(&on_worker(&held.context, |cancel| simulation.exit_wave(incident.view(), slices, cancel))?)
        })
    })
}

/// A number of slices; 0 is all.
pub(super) fn slices_of(host: &Host, slices: i64, all: usize) -> Result<usize> {
    match host.count(slices, "slices")? {
        0 => Ok(all),
        n if n <= all => Ok(n),
        n => Err(Error::range("slices", n, format!("0 (all) to {all}"))),
    }
}

/// Bytes that the simulation and a scan with all threads of its context need, results not included, into `bytes`; with
/// pull-backs, too, into `with_gradients`. Either may be NULL. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_memory_estimate(
    simulation: *const aet_simulation,
    bytes: *mut u64,
    with_gradients: *mut u64,
) -> aet_status {
    guard("aet_simulation_memory_estimate", |host| {
        let held = host.object(simulation, "simulation")?;
        let estimate = with_engine!(held, s => s.memory_estimate(held.context.threads()));
        set_bytes(host, estimate, bytes, with_gradients);
        Ok(())
    })
}

/// As aet_simulation_memory_estimate before the simulation is created: what aet_simulation_create with these arguments and
/// a scan will need. AET_ERROR_NOT_READY for atoms without a cell, AET_ERROR_RANGE, AET_ERROR_SHAPE,
/// AET_ERROR_UNKNOWN_OPTION. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_estimate_memory(
    context: *const aet_context,
    atoms: *const aet_atoms,
    options: *const aet_simulation_options,
    bytes: *mut u64,
    with_gradients: *mut u64,
) -> aet_status {
    guard("aet_simulation_estimate_memory", |host| {
        let threads = host.input(context, "context")?.threads();
        let cell = host.input(atoms, "atoms")?.require_cell()?;
        let options = host.required_options(options, "options")?;
        let checked = options.checked(host)?;
        let estimate = match options.precision()? {
            aet_precision::Single => checked.memory_estimate::<f32>(cell, options.energy_ev, threads)?,
            aet_precision::Double => checked.memory_estimate::<f64>(cell, options.energy_ev, threads)?,
        };
        set_bytes(host, estimate, bytes, with_gradients);
        Ok(())
    })
}

fn set_bytes(host: &Host, estimate: MemoryEstimate, bytes: *mut u64, with_gradients: *mut u64) {
    for (place, value) in [(bytes, estimate.of_scans()), (with_gradients, estimate.of_gradients())] {
        if let Some(place) = host.optional_out(place) {
            place.set(value as u64);
        }
    }
}
