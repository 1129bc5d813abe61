//! Multislice simulation of a specimen: exit waves, diffraction patterns and scans, with every gradient.
//!
//! [`SimulationOptions`] (description) -> [`Simulation`] (one configuration of atoms as an object of transmission
//! functions, immutable) -> exit waves, scans with any detectors, and the gradients of any loss of their signals with
//! respect to the potential, the atoms and the scan positions.
//!
//! Frame: the cell of the atoms, [0, Lx) x [0, Ly) x [0, Lz), periodic across the beam; pixel (row iy, column ix) lies at
//! (ix Lx / columns, iy Ly / rows); the beam enters at z = 0 and the defocus refers to that face.

mod ensemble;
mod gradient;
mod memory;
mod options;
mod prism;
mod scan;
mod truncation;

pub use ensemble::{Ensemble, MeanSignals};
pub use gradient::{StemGradient, Wanted};
pub use memory::MemoryEstimate;
pub use options::{PatternSampling, Prism, Sampling, SimulationOptions, SliceEdges, WindowSize};
pub use scan::{ScanPositions, StemPlan};
pub use truncation::Truncation;

#[cfg(test)]
mod tests;

use self::prism::PlaneWaves;
use crate::context::{log, CancelToken, Context};
use crate::electron;
use crate::error::{Error, Result};
use crate::forward::multislice::{
    Diffraction, Form, Multislice, MultisliceOptions, MultisliceWorkspace, Object, Transmission,
};
use crate::forward::potential::{PlacedAtoms, Potential, Scatterers};
use crate::geometry::Vec3;
use crate::grid::Plane;
use crate::optics::{BandLimit, Detector, DetectorPlan, Probe};
use crate::problem::Waiting;
use crate::simd::wave::ComplexPlane;
use crate::simd::Real;
use crate::specimen::{close_pairs, Atoms};
use ndarray::{Array2, ArrayView2};
use num_complex::{Complex, Complex64};
use std::sync::Mutex;

/// What the calling thread is waiting for.
const PLANNING: &str = "planning a simulation";

/// One configuration of atoms, ready to be seen by electrons of one energy. Immutable, shared by all workers.
pub struct Simulation<T: Real> {
    options: SimulationOptions,
    energy_ev: f64,
    wavelength: f64,
    /// Without it the object was given as potential.
    specimen: Option<Specimen<T>>,
    /// Slices of the potential where no atoms tell them, \[slice\]\[pixel\].
    given: Vec<Vec<T>>,
    transmission: Transmission<T>,
    engine: Multislice<T>,
    object: Object<T>,
    /// For patterns of windows that are sampled more finely.
    diffraction: Option<Diffraction<T>>,
    /// For scans by PRISM.
    prism: Option<PlaneWaves<T>>,
}

/// Atoms, and the plan of their potential.
struct Specimen<T: Real> {
    atoms: Atoms,
    placed: PlacedAtoms,
    potential: Potential<T>,
}

/// Detectors on `patterns` of waves that kept to the band limit of `object`.
pub(in crate::simulate) fn detectors_on(
    detectors: &[Detector],
    object: &Plane,
    patterns: &Plane,
    wavelength: f64,
    limit: BandLimit,
) -> Result<DetectorPlan> {
    if (patterns.pixel_y, patterns.pixel_x) == (object.pixel_y, object.pixel_x) {
        return DetectorPlan::new(detectors, patterns, wavelength, limit);
    }
    // a coarser grid that holds all within the limit, to which it has nothing to add; errors are those of the object
    DetectorPlan::new(detectors, object, wavelength, limit)?;
    DetectorPlan::new(detectors, patterns, wavelength, BandLimit::None)
}

/// The scatterers of a list of atoms.
pub fn scatterers(atoms: &Atoms) -> Scatterers {
    Scatterers {
        positions: atoms.positions().to_vec(),
        species: atoms.species().to_vec(),
        debye_waller_b: atoms.debye_waller_b().map(<[f64]>::to_vec),
        occupancy: atoms.occupancies().map(<[f64]>::to_vec),
    }
}

/// The same.
const TRAVELLING: &str = "taking a wave through the slices";

/// Part of the waiting for a simulation by PRISM that goes into its object.
const FILLING: f64 = 0.1;

/// Atoms nearer than this (angstrom) are atoms given twice: real ones are never nearer than 0.7.
const TOO_NEAR: f64 = 0.3;

/// Says in the log which atoms lie on top of each other.
fn warn_of_close_pairs(atoms: &Atoms, cell: Vec3) -> Result<()> {
    let near = TOO_NEAR.min(0.5 * cell[0]).min(0.5 * cell[1]);
    let pairs = close_pairs(atoms, near, [true, true, false])?;
    if let Some(pair) = pairs.first() {
        log::warning(format_args!(
            "{} pairs of atoms are nearer than {near} angstrom; the first are atoms {} and {} (counted from 0), {:.3} \
             angstrom apart",
            pairs.len(),
            pair.first,
            pair.second,
            pair.distance
        ));
    }
    Ok(())
}

impl<T: Real> Simulation<T> {
    /// Computes the potential of `atoms` (which must have a cell) and its transmission functions for electrons of
    /// `energy_ev`.
    ///
    /// # Errors
    /// `NotReady` for atoms without a cell; `Range` for an impossible energy, sampling, slice or option, an atom of
    /// unknown species or outside the cell along the beam; `Shape` for a window larger than the cell; `Cancelled`.
    pub fn new(
        context: &Context,
        atoms: &Atoms,
        energy_ev: f64,
        options: &SimulationOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        let cell = atoms.require_cell()?;
        options.check_prism()?;
        let (plane, edges) = (options.plane(cell)?, options.slices.edges(cell[2])?);
        let potential = Potential::new(context.simd(), plane, &edges, atoms.species(), options.potential)?;
        let placed = potential.place(&scatterers(atoms))?;
        warn_of_close_pairs(atoms, cell)?;
        let mut simulation = Self::empty(context, &plane, &edges, energy_ev, options)?;
        simulation.specimen = Some(Specimen { atoms: atoms.clone(), placed, potential });
        simulation.complete(context, waiting)?;
        Ok(simulation)
    }

    /// From slices of potential `[slices]` of `[rows, columns]` values (V A), for hosts with potentials of their own.
    ///
    /// # Errors
    /// `Shape` for slices that are not as many as the edges tell, or not as large as the plane; `NonFinite` for a value
    /// that is no number; else as [`Self::new`].
    pub fn from_potential(
        context: &Context,
        slices: Vec<Vec<T>>,
        plane: &Plane,
        edges: &[f64],
        energy_ev: f64,
        options: &SimulationOptions,
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        options.check_prism()?;
        if slices.len() + 1 != edges.len() {
            let wanted = format!("{} slices, one fewer than edges", edges.len().saturating_sub(1));
            return Err(Error::shape("potential", &[slices.len()], wanted));
        }
        if let Some(slice) = slices.iter().find(|s| s.len() != plane.pixels()) {
            return Err(Error::shape("slice of the potential", &[slice.len()], format!("{} pixels", plane.pixels())));
        }
        for (k, slice) in slices.iter().enumerate() {
            if let Some(i) = slice.iter().position(|v| !v.f64().is_finite()) {
                let at = format!("slice {k}, row {}, column {}", i / plane.columns, i % plane.columns);
                return Err(Error::NonFinite { what: "potential".into(), value: slice[i].f64(), at });
            }
        }
        let mut simulation = Self::empty(context, plane, edges, energy_ev, options)?;
        simulation.given = slices;
        simulation.complete(context, waiting)?;
        Ok(simulation)
    }

    fn empty(
        context: &Context,
        plane: &Plane,
        edges: &[f64],
        energy_ev: f64,
        options: &SimulationOptions,
    ) -> Result<Self> {
        let (wavelength, sigma) = (electron::wavelength(energy_ev)?, electron::interaction_constant(energy_ev)?);
        let thicknesses: Vec<f64> = edges.windows(2).map(|e| e[1] - e[0]).collect();
        let propagation = MultisliceOptions {
            band_limit: options.band_limit,
            mistilt_mrad: options.mistilt_mrad,
            window: options.window.pixels(plane)?,
        };
        let engine = Multislice::new(context.simd(), plane, wavelength, &thicknesses, &propagation)?;
        let transmission = Transmission::new(context.simd(), plane, sigma, options.absorption, options.band_limit)?;
        let object = engine.object();
        let (window, patterns) = (engine.window(), options.patterns.plane(plane, engine.window()));
        let diffraction =
            (patterns != *window).then(|| Diffraction::new(context.simd(), window, &patterns, options.band_limit));
        let options = options.clone();
        Ok(Self {
            options,
            energy_ev,
            wavelength,
            specimen: None,
            given: vec![],
            transmission,
            engine,
            object,
            diffraction,
            prism: None,
        })
    }

    /// The object, and what plane waves become in it.
    fn complete(&mut self, context: &Context, waiting: &mut Waiting<'_>) -> Result<()> {
        let Some(prism) = self.options.prism else { return self.fill(context, waiting) };
        // plane waves take the longer by far
        waiting.part(0.0, FILLING, |waiting| self.fill(context, waiting))?;
        let (energy, engine, object) = (self.energy_ev, &self.engine, &self.object);
        let waves =
            waiting.part(FILLING, 1.0, |waiting| PlaneWaves::new(context, &prism, energy, engine, object, waiting))?;
        self.prism = Some(waves);
        Ok(())
    }

    /// Potential and transmission function of each slice, on the workers.
    fn fill(&mut self, context: &Context, waiting: &mut Waiting<'_>) -> Result<()> {
        let (count, pixels) = (self.engine.slices(), self.engine.object_plane().pixels());
        let (transmission, specimen, given) = (&self.transmission, &self.specimen, &self.given);
        let of_atoms = || specimen.as_ref().map(|s| (s.potential.workspace(), vec![T::of(0.0); pixels]));
        let slices: Vec<_> = self.object.slices_mut().map(Mutex::new).collect();
        let pool = Mutex::new(Vec::new());
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, PLANNING);
        context.for_each(count, &mut tell, &|k| {
            cancel.check(PLANNING)?;
            let taken = pool.lock().unwrap_or_else(|p| p.into_inner()).pop();
            let (mut placing, mut of_waves) = taken.unwrap_or_else(|| (of_atoms(), transmission.workspace()));
            let values = match (specimen, &mut placing) {
                (Some(Specimen { placed, potential, .. }), Some((workspace, values))) => {
                    potential.slice(placed, k, workspace, values);
                    &*values
                }
                _ => &given[k],
            };
            let t = transmission.of_potential(values, &mut of_waves);
            slices[k].lock().unwrap_or_else(|p| p.into_inner()).set(|row, column| t.get(row, column));
            pool.lock().unwrap_or_else(|p| p.into_inner()).push((placing, of_waves));
            Ok(())
        })
    }

    /// How it was described.
    pub fn options(&self) -> &SimulationOptions {
        &self.options
    }

    /// Energy of the electrons, eV.
    pub fn energy_ev(&self) -> f64 {
        self.energy_ev
    }

    /// Wavelength, angstrom.
    pub fn wavelength(&self) -> f64 {
        self.wavelength
    }

    /// Pixels of the whole object.
    pub fn plane(&self) -> &Plane {
        self.engine.object_plane()
    }

    /// Pixels of the window through which waves travel; by PRISM, in which probes are put together.
    pub fn window(&self) -> &Plane {
        self.prism.as_ref().map_or(self.engine.window(), |waves| waves.plan.window())
    }

    /// Number of atoms; none where the object was given as potential.
    pub fn atom_count(&self) -> Option<usize> {
        self.specimen.as_ref().map(|specimen| specimen.atoms.len())
    }

    /// What gradients with respect to atoms are without them.
    pub(crate) fn no_atoms(&self) -> Error {
        let why = "the object was given as a potential; ask for the gradient with respect to it";
        Error::Unsupported { what: "the gradient with respect to atoms".into(), why: why.into() }
    }

    /// Sampling of diffraction patterns: that of the window, or a finer one.
    pub fn pattern_plane(&self) -> &Plane {
        self.diffraction.as_ref().map_or(self.window(), Diffraction::plane)
    }

    /// Detectors on the patterns of this simulation.
    ///
    /// # Errors
    /// As [`DetectorPlan::new`]: `Range` for angles beyond the band limit, with the largest one and the pixel that would be
    /// needed.
    pub fn detectors(&self, detectors: &[Detector]) -> Result<DetectorPlan> {
        detectors_on(detectors, self.plane(), self.pattern_plane(), self.wavelength, self.options.band_limit)
    }

    /// Number of slices.
    pub fn slices(&self) -> usize {
        self.engine.slices()
    }

    /// The engine, for programs that drive waves themselves.
    pub fn engine(&self) -> &Multislice<T> {
        &self.engine
    }

    /// The transmission functions.
    pub fn object(&self) -> &Object<T> {
        &self.object
    }

    /// Potential of a slice `[rows, columns]`, V A.
    ///
    /// # Errors
    /// `Range` for a slice that there is not.
    pub fn potential(&self, slice: usize) -> Result<Array2<T>> {
        if slice >= self.slices() {
            return Err(Error::range("slice", slice, format!("0 to {}", self.slices() - 1)));
        }
        let values = self.potential_values(slice);
        let shape = (self.plane().rows, self.plane().columns);
        Array2::from_shape_vec(shape, values).map_err(|e| Error::Internal(format!("slice of the potential: {e}")))
    }

    fn potential_values(&self, slice: usize) -> Vec<T> {
        match &self.specimen {
            Some(Specimen { placed, potential, .. }) => {
                let mut values = vec![T::of(0.0); self.plane().pixels()];
                potential.slice(placed, slice, &mut potential.workspace(), &mut values);
                values
            }
            None => self.given[slice].clone(),
        }
    }

    /// The exit wave `[rows, columns]` of the whole object behind the first `slices` slices, of an incident wave of that
    /// shape at the entrance face. A plane wave is 1 everywhere.
    ///
    /// # Errors
    /// `Shape` for a wave of another shape, `NonFinite` for a value that is no number, `Range` for more slices than there
    /// are, `Unsupported` where the object is seen through windows; `Cancelled`.
    pub fn exit_wave(
        &self,
        incident: ArrayView2<'_, Complex64>,
        slices: usize,
        cancel: &CancelToken<'_>,
    ) -> Result<Array2<Complex64>> {
        let plane = self.whole("exit waves of given incident waves")?;
        if incident.dim() != (plane.rows, plane.columns) {
            let wanted = format!("[{}, {}]", plane.rows, plane.columns);
            return Err(Error::shape("incident wave", incident.shape(), wanted));
        }
        if let Some(((row, column), v)) = incident.indexed_iter().find(|(_, v)| !v.is_finite()) {
            let (value, at) = (if v.re.is_finite() { v.im } else { v.re }, format!("row {row}, column {column}"));
            return Err(Error::NonFinite { what: "incident wave".into(), value, at });
        }
        self.check_slices(slices)?;
        let mut wave = self.engine.wave();
        incident.indexed_iter().for_each(|((i, j), v)| wave.set(i, j, Complex::new(T::of(v.re), T::of(v.im))));
        self.travel(slices, Form::Wave, (0, 0), &mut wave, cancel)?;
        Ok(to_array(&wave, plane))
    }

    /// The exit wave of `probe` at (x, y) (angstrom in the cell) behind the first `slices` slices: `[rows, columns]` of
    /// the window, whose first pixel is pixel (row, column) of the object, returned with it.
    ///
    /// # Errors
    /// `Range` for more slices than there are or an aperture that reaches beyond the band limit; `Inconsistent` for a
    /// probe of another energy; as [`ScanPositions::new`] for the position; `Unsupported` by PRISM; `Cancelled`.
    pub fn probe_exit_wave(
        &self,
        probe: &Probe,
        position: (f64, f64),
        slices: usize,
        cancel: &CancelToken<'_>,
    ) -> Result<(Array2<Complex64>, (i64, i64))> {
        self.check_slices(slices)?;
        self.without_prism("the exit wave of a probe")?;
        ScanPositions::new(vec![position])?;
        let plan = StemPlan::new(self, probe)?;
        let (corner, local) = self.place(position);
        let mut wave = self.engine.wave();
        plan.pupil.place(local, &mut wave);
        self.travel(slices, Form::Coefficients, corner, &mut wave, cancel)?;
        Ok((to_array(&wave, self.window()), corner))
    }

    /// Takes a wave through the first `slices` slices.
    fn travel(
        &self,
        slices: usize,
        start: Form,
        corner: (i64, i64),
        wave: &mut ComplexPlane<T>,
        cancel: &CancelToken<'_>,
    ) -> Result<()> {
        let workspace = &mut MultisliceWorkspace::default();
        for pass in self.engine.passes(slices, start, Form::Wave) {
            cancel.check(TRAVELLING)?;
            self.engine.propagate(&self.object, corner, &pass, wave, None, workspace);
        }
        Ok(())
    }

    fn check_slices(&self, slices: usize) -> Result<()> {
        if (1..=self.slices()).contains(&slices) {
            return Ok(());
        }
        Err(Error::range("number of slices", slices, format!("1 to {}", self.slices())))
    }

    fn whole(&self, what: &str) -> Result<&Plane> {
        let (plane, window) = (self.plane(), self.engine.window());
        if plane == window {
            return Ok(plane);
        }
        let why = format!("waves travel through windows of {} x {} pixels here", window.rows, window.columns);
        Err(Error::Unsupported { what: what.into(), why })
    }

    /// First pixel (row, column) of the window of a probe at (x, y), and its place in the window, angstrom.
    fn place(&self, (x, y): (f64, f64)) -> ((i64, i64), (f64, f64)) {
        let (plane, window) = (self.plane(), self.engine.window());
        let first = |at: f64, pixel: f64, window: usize, all: usize| match window == all {
            true => 0,
            false => (at / pixel).round() as i64 - (window / 2) as i64,
        };
        let row = first(y, plane.pixel_y, window.rows, plane.rows);
        let column = first(x, plane.pixel_x, window.columns, plane.columns);
        ((row, column), (x - column as f64 * plane.pixel_x, y - row as f64 * plane.pixel_y))
    }
}

fn to_array<T: Real>(wave: &ComplexPlane<T>, plane: &Plane) -> Array2<Complex64> {
    Array2::from_shape_fn((plane.rows, plane.columns), |(i, j)| {
        let v = wave.get(i, j);
        Complex64::new(v.re.f64(), v.im.f64())
    })
}
