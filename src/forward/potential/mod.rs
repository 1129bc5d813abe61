//! From atoms to slices of projected potential, V A, and back: every slice beside its exact derivative.
//!
//! Frame: an orthogonal cell [0, Lx) x [0, Ly) x [0, Lz), periodic in x and y; pixel (row iy, column ix) of a [`Plane`]
//! lies at (ix pixel_x, iy pixel_y); the beam enters at z = 0. Slices are told by their edges.
//!
//! With r_j the position of atom j across the beam, o_j its occupancy, B_j = 8 pi^2 <u^2> its Debye-Waller factor
//! (A^2) and f the projected scattering factor K f_e (V A^3) of its species, a slice of the infinite projection is
//!
//!   V = Re IFFT\[ nx ny / (Lx Ly) sum_j o_j f(k) exp(-B_j k^2 / 4) exp(-2 pi i k r_j) \]                    (1)
//!
//! summed over the atoms of the slice; the Nyquist frequency counts as negative, as fftfreq has it. In general a slice
//! is a sum of channels c, each one filter F_c(k) times a structure factor of weighted atoms:
//!
//!   V = Re IFFT\[ nx ny / (Lx Ly) sum_c F_c(k) sum_j w_cj exp(-B_j k^2 / 4) exp(-2 pi i k r_j) \]           (2)
//!
//! [`Projection`] says what the channels are: the species for (1), Gaussians of increasing width along the beam for
//! potentials of finite depth (`channel.rs`). [`Placement`] says how the structure factors are computed: as a product
//! of matrices (`exact.rs`) or by a non-uniform transform (`gridding.rs`). The Debye-Waller factor is a Gaussian and thus
//! a product over the axes, so both take one of its own for every atom without further transforms.
//!
//! Absorption belongs to the transmission, exp(i sigma V (1 + i kappa)), not to the potential.

use ndarray::{Array3, ArrayView3};
use num_complex::Complex;
use std::sync::Mutex;

use crate::context::{BufferPool, Context, TreeSum};
use crate::error::{Error, Result};
use crate::fourier::{RealTransform2, RealTransformScratch};
use crate::grid::Plane;
use crate::problem::Waiting;
use crate::simd::{Real, SimdPath};
use crate::specimen::{Parametrization, ScatteringFactor};

mod atoms;
mod channel;
mod exact;
mod gridding;

pub use atoms::{AtomGradient, PlacedAtoms, Scatterers};

use channel::{Channel, Entry};
use exact::Exact;
use gridding::Gridding;

/// How atoms are brought onto the pixels.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Placement {
    /// Every atom by its own phase factors, as products of matrices: the reference. Time grows as atoms times pixels.
    Exact,
    /// Spread as narrow Gaussians on a finer grid, whose transform is known and divided out: time grows as the pixels
    /// plus the atoms. Twice differentiable in every position.
    Gridding {
        /// Largest relative error, 1e-11 to 1e-2 (1e-6, which single precision does not go below).
        error: f64,
    },
}

/// What of an atom a slice gets.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Projection {
    /// Everything goes to the slice that holds the nucleus. The derivative along z is 0.
    Infinite,
    /// What lies between the faces of the slice; the first and the last slice reach to infinity, so that all slices
    /// together are the infinite projection, whatever the error. Costs some 16 to 41 times the infinite projection, its adjoint up to 65
    /// times.
    Finite {
        /// Largest error of the share of any slice, relative to f(0), 1e-7 to 1e-2 (1e-6). Where a face passes a nucleus
        /// at rest within a fifth of a pixel, the core, sharper than a pixel, is cut smoothly: up to 1e-4.
        error: f64,
    },
}

/// How potentials are computed.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct PotentialOptions {
    /// Table of scattering factors (Lobato).
    pub parametrization: Parametrization,
    /// How atoms are brought onto the pixels (exact).
    pub placement: Placement,
    /// What of an atom a slice gets (infinite).
    pub projection: Projection,
}

impl Default for PotentialOptions {
    fn default() -> Self {
        Self { parametrization: Parametrization::Lobato, placement: Placement::Exact, projection: Projection::Infinite }
    }
}

impl PotentialOptions {
    /// Placement by gridding with the default error.
    pub const GRIDDING: Placement = Placement::Gridding { error: 1e-6 };
    /// Finite projection with the default error.
    pub const FINITE: Projection = Projection::Finite { error: 1e-6 };

    fn check(&self) -> Result<()> {
        let within = |what: &str, error: f64, least: f64| {
            if (least..=1e-2).contains(&error) {
                return Ok(());
            }
            Err(Error::range(what, error, format!("{least:e} to 1e-2")))
        };
        if let Placement::Gridding { error } = self.placement {
            within("relative error of gridding", error, 1e-11)?;
        }
        if let Projection::Finite { error } = self.projection {
            within("relative error of finite slices", error, 1e-7)?;
        }
        Ok(())
    }
}

/// Where the structure factors of a [`Potential`] come from.
enum Placing<T: Real> {
    Exact(Exact),
    Gridding(Gridding<T>),
}

/// Plan of the slices of one cell for one set of species. Immutable, shared by all workers and by all positions.
pub struct Potential<T: Real> {
    options: PotentialOptions,
    plane: Plane,
    edges: Vec<f64>,
    species: Vec<u8>,
    channels: Vec<Channel<T>>,
    placing: Placing<T>,
    transform: RealTransform2<T>,
}

/// Scratch of a [`Potential`], one per worker: garbage before and after each call.
pub struct PotentialWorkspace<T: Real> {
    entries: Vec<Entry>,
    spectrum: Vec<Complex<T>>,
    transform: RealTransformScratch<T>,
    exact: exact::Workspace<T>,
    gridding: gridding::Workspace<T>,
}

impl<T: Real> Potential<T> {
    /// A plan for `species` (atomic numbers, repeated ones count once) on `plane`, with slices between `edges`
    /// \[0, z1, .., Lz\], angstrom.
    ///
    /// # Errors
    /// `Range` for an unknown species, edges that do not begin at 0 or do not rise, errors out of their range; `Empty`
    /// without species or without a slice.
    pub fn new(simd: SimdPath, plane: Plane, edges: &[f64], species: &[u8], options: PotentialOptions) -> Result<Self> {
        options.check()?;
        check_edges(edges)?;
        let mut known = species.to_vec();
        known.sort_unstable();
        known.dedup();
        if known.is_empty() {
            let why = "a potential needs at least one";
            return Err(Error::Empty { what: "list of species".into(), why: why.into() });
        }
        let factors: Vec<ScatteringFactor> =
            known.iter().map(|z| ScatteringFactor::new(options.parametrization, *z)).collect::<Result<_>>()?;
        let channels = match options.projection {
            Projection::Infinite => channel::infinite(&plane, &factors),
            Projection::Finite { error } => channel::finite(&plane, &factors, error),
        };
        let placing = match options.placement {
            Placement::Exact => Placing::Exact(Exact::new(&plane)),
            Placement::Gridding { error } => Placing::Gridding(Gridding::new(simd, &plane, error)),
        };
        let transform = RealTransform2::new(simd, plane.rows, plane.columns);
        Ok(Self { options, plane, edges: edges.to_vec(), species: known, channels, placing, transform })
    }

    /// How this plan computes.
    pub fn options(&self) -> &PotentialOptions {
        &self.options
    }

    /// Pixels of a slice.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Edges of the slices, \[0, z1, .., Lz\], angstrom.
    pub fn edges(&self) -> &[f64] {
        &self.edges
    }

    /// Number of slices.
    pub fn slice_count(&self) -> usize {
        self.edges.len() - 1
    }

    /// Takes atoms in: checks them and sorts them along the beam.
    ///
    /// # Errors
    /// `Shape` for columns of different lengths; `Range` for an atom outside the cell along z (x and y are periodic),
    /// a species this plan was not made for, a negative Debye-Waller factor; `NonFinite` for values that are no numbers.
    pub fn place(&self, scatterers: &Scatterers) -> Result<PlacedAtoms> {
        PlacedAtoms::new(scatterers, &self.species, &self.edges)
    }

    /// Scratch for one worker.
    pub fn workspace(&self) -> PotentialWorkspace<T> {
        let zero = Complex::new(T::zero(), T::zero());
        PotentialWorkspace {
            entries: Vec::new(),
            spectrum: vec![zero; self.transform.spectrum_len()],
            transform: self.transform.scratch(),
            exact: match &self.placing {
                Placing::Exact(exact) => exact.workspace(),
                Placing::Gridding(_) => exact::Workspace::empty(),
            },
            gridding: match &self.placing {
                Placing::Exact(_) => gridding::Workspace::default(),
                Placing::Gridding(gridding) => gridding.workspace(),
            },
        }
    }

    /// Writes slice `index` of the potential, V A, into `out` \[row, column\].
    ///
    /// # Panics
    /// Where `index` is no slice or `out` has not `plane().pixels()` values: plans are called by code, not by users.
    pub fn slice(&self, atoms: &PlacedAtoms, index: usize, workspace: &mut PotentialWorkspace<T>, out: &mut [T]) {
        assert_eq!(out.len(), self.plane.pixels(), "pixels of a slice");
        workspace.spectrum.fill(Complex::new(T::zero(), T::zero()));
        for channel in &self.channels {
            channel.entries(atoms, &self.edges, index, &mut workspace.entries);
            if workspace.entries.is_empty() {
                continue;
            }
            let (entries, spectrum) = (&workspace.entries, &mut workspace.spectrum);
            match &self.placing {
                Placing::Exact(exact) => exact.add(atoms, entries, &channel.filter, &mut workspace.exact, spectrum),
                Placing::Gridding(gridding) => {
                    gridding.add(atoms, entries, &channel.filter, &mut workspace.gridding, spectrum)
                }
            }
        }
        let (columns, rows) = (self.plane.columns, 0..self.plane.rows);
        let scale = T::of(1.0 / (self.plane.pixel_x * self.plane.pixel_y));
        self.transform.inverse(&mut workspace.spectrum, scale, out, columns, rows, &mut workspace.transform);
    }

    /// The adjoint of the derivative of [`Self::slice`]: given `slope` = dL/dV \[row, column\] of slice `index`, adds
    /// dL/d(position, Debye-Waller factor, occupancy) of every atom that reaches into it. The infinite projection does
    /// not depend on z, short of jumping from slice to slice: its derivative along z is 0.
    ///
    /// # Panics
    /// As [`Self::slice`], and where `gradient` was made for another number of atoms.
    pub fn pull_back(
        &self,
        atoms: &PlacedAtoms,
        index: usize,
        slope: &[T],
        workspace: &mut PotentialWorkspace<T>,
        gradient: &mut AtomGradient,
    ) {
        assert_eq!(slope.len(), self.plane.pixels(), "pixels of a slice");
        let (columns, rows) = (self.plane.columns, 0..self.plane.rows);
        self.transform.forward(slope, columns, rows, &mut workspace.spectrum, &mut workspace.transform);
        self.weigh_for_adjoint(&mut workspace.spectrum);
        for channel in &self.channels {
            channel.entries(atoms, &self.edges, index, &mut workspace.entries);
            if workspace.entries.is_empty() {
                continue;
            }
            let (entries, spectrum) = (&workspace.entries, &workspace.spectrum);
            match &self.placing {
                Placing::Exact(exact) => {
                    exact.pull_back(atoms, entries, &channel.filter, spectrum, &mut workspace.exact, gradient)
                }
                Placing::Gridding(gridding) => {
                    gridding.pull_back(atoms, entries, &channel.filter, spectrum, &mut workspace.gridding, gradient)
                }
            }
        }
    }

    /// From the transform of dL/dV to the derivatives of L by the real and the imaginary parts of the half spectrum of
    /// V before its scaled inverse transform: frequencies that stand for their mirror images, too, count twice.
    fn weigh_for_adjoint(&self, spectrum: &mut [Complex<T>]) {
        let scale = 1.0 / (self.plane.pixel_x * self.plane.pixel_y * self.plane.pixels() as f64);
        let own_mirror = |kx: usize| kx == 0 || 2 * kx == self.plane.columns;
        for (kx, column) in spectrum.chunks_exact_mut(self.plane.rows).enumerate() {
            let weight = T::of(if own_mirror(kx) { scale } else { 2.0 * scale });
            column.iter_mut().for_each(|v| *v = *v * weight);
        }
    }

    /// All slices \[slice, row, column\], V A, in parallel.
    ///
    /// # Errors
    /// `Cancelled`.
    pub fn slices(&self, context: &Context, atoms: &PlacedAtoms, waiting: &mut Waiting<'_>) -> Result<Array3<T>> {
        let count = self.slice_count();
        let mut all = Array3::from_elem((count, self.plane.rows, self.plane.columns), T::zero());
        let pixels = self.plane.pixels();
        let slices: Vec<Mutex<&mut [T]>> =
            all.as_slice_mut().unwrap_or_default().chunks_exact_mut(pixels).map(Mutex::new).collect();
        let pool = Mutex::new(Vec::new());
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "computing the potential");
        context.for_each(count, &mut tell, &|index| {
            cancel.check("computing the potential")?;
            let mut slice = slices[index].lock().unwrap_or_else(|p| p.into_inner());
            self.with_workspace(&pool, |workspace| self.slice(atoms, index, workspace, &mut slice));
            Ok(())
        })?;
        drop(slices);
        Ok(all)
    }

    /// [`Self::pull_back`] of all slices, `slopes` \[slice, row, column\], in parallel; the sum is taken in a fixed tree
    /// over the slices.
    ///
    /// # Errors
    /// `Shape` for slopes of another shape, `Cancelled`.
    pub fn pull_back_all(
        &self,
        context: &Context,
        atoms: &PlacedAtoms,
        slopes: ArrayView3<'_, T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<AtomGradient> {
        let (count, wanted) = (self.slice_count(), [self.slice_count(), self.plane.rows, self.plane.columns]);
        let slopes = slopes.as_standard_layout();
        let Some(values) = slopes.as_slice().filter(|_| slopes.shape() == wanted) else {
            return Err(Error::shape("derivatives by the potential", slopes.shape(), format!("{wanted:?}")));
        };
        let (pool, buffers) = (Mutex::new(Vec::new()), BufferPool::default());
        let sum = TreeSum::new(count, &buffers);
        let cancel = waiting.cancel;
        let mut tell = |done: usize| waiting.at(done as f64 / count as f64, "differentiating the potential");
        context.for_each(count, &mut tell, &|index| {
            cancel.check("differentiating the potential")?;
            let mut gradient = AtomGradient::from_flat(buffers.take(AtomGradient::VALUES * atoms.len()));
            let slope = &values[index * self.plane.pixels()..][..self.plane.pixels()];
            self.with_workspace(&pool, |workspace| self.pull_back(atoms, index, slope, workspace, &mut gradient));
            sum.deliver(index, gradient.into_flat());
            Ok(())
        })?;
        sum.finish().map(AtomGradient::from_flat).ok_or_else(|| Error::Internal("a slice was left out".into()))
    }

    fn with_workspace(&self, pool: &Mutex<Vec<PotentialWorkspace<T>>>, work: impl FnOnce(&mut PotentialWorkspace<T>)) {
        let kept = pool.lock().unwrap_or_else(|p| p.into_inner()).pop();
        let mut workspace = kept.unwrap_or_else(|| self.workspace());
        work(&mut workspace);
        pool.lock().unwrap_or_else(|p| p.into_inner()).push(workspace);
    }
}

fn check_edges(edges: &[f64]) -> Result<()> {
    if edges.len() < 2 {
        let why = format!("{} edges bound no slice, wanted [0, .., thickness of the cell]", edges.len());
        return Err(Error::Empty { what: "edges of the slices".into(), why });
    }
    Error::unless_finite("edges of the slices", "edge", edges)?;
    if edges[0] != 0.0 {
        return Err(Error::range("first edge of the slices", edges[0], "0, the entrance face of the cell"));
    }
    match edges.windows(2).position(|w| w[1] <= w[0]) {
        None => Ok(()),
        Some(i) => {
            let wanted = format!("a positive number (angstrom); its edges are {} and {}", edges[i], edges[i + 1]);
            Err(Error::range(format!("thickness of slice {i}"), edges[i + 1] - edges[i], wanted))
        }
    }
}

#[cfg(test)]
mod tests;
