//! Bytes that a simulation needs, told before it is made: sums over the arrays whose size grows with the pixels.

use super::gradient::PARTS;
use super::{Simulation, SimulationOptions, WindowSize};
use crate::error::Result;
use crate::forward::multislice::{Object, Propagators};
use crate::forward::potential::Placement;
use crate::geometry::Vec3;
use crate::grid::Plane;
use crate::optics::BandLimit;
use crate::simd::wave::{ComplexPlane, SweepScratch};
use crate::simd::Real;

/// Bytes of a simulation and of work with it, results not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// What it holds: transmission functions and propagators.
    pub held: usize,
    /// More while it is made.
    pub making: usize,
    /// More during a scan on all workers.
    pub scanning: usize,
    /// More during a pull-back to the atoms or the potential.
    pub pulling_back: usize,
}

impl MemoryEstimate {
    /// For making it and scanning.
    pub fn of_scans(&self) -> usize {
        self.held.saturating_add(self.making.max(self.scanning))
    }

    /// For all of that and gradients.
    pub fn of_gradients(&self) -> usize {
        self.of_scans().max(self.held.saturating_add(self.pulling_back))
    }
}

/// What the number of bytes depends on.
struct Sizes<'a> {
    options: &'a SimulationOptions,
    plane: Plane,
    window: Plane,
    /// Of patterns.
    patterns: Plane,
    slices: usize,
    /// Different thicknesses of slices.
    thicknesses: usize,
    /// Pixels of a potential that is kept because no atoms tell it.
    given: usize,
    /// Bytes of the scattering matrix of PRISM, and of a worker with it.
    prism: Option<(usize, usize)>,
}

impl Sizes<'_> {
    /// All sums. Factors of channels and tables of one dimension are left out: they are small beside an object.
    fn estimate<T: Real>(&self, threads: usize) -> MemoryEstimate {
        let Sizes { plane, window, slices, .. } = self;
        let (limit, number) = (self.options.band_limit, size_of::<T>());
        let wave = |plane: &Plane| ComplexPlane::<T>::bytes(plane.rows, plane.columns);
        let object = Object::<T>::bytes(plane, (window.rows, window.columns), *slices, limit != BandLimit::Circular);
        let values = slices * plane.pixels() * number;
        // a potential, its half spectrum, the wave behind it
        let slice = 2 * plane.pixels() * number + self.placing_values() * number + wave(plane);
        let spectrum = if self.patterns == *window { 0 } else { wave(&self.patterns) };
        let scan = wave(window)
            + spectrum
            + self.patterns.pixels() * number
            + SweepScratch::<T>::bytes(self.patterns.rows.max(self.patterns.columns));
        let back = scan + slices * wave(window) + self.patterns.pixels() * number;
        MemoryEstimate {
            held: (object + self.thicknesses * Propagators::<T>::bytes(window, limit) + self.given * number)
                .saturating_add(self.prism.map_or(0, |(matrix, _)| matrix)),
            making: threads * slice.max(self.prism.map_or(0, |_| 2 * wave(plane))),
            scanning: threads * self.prism.map_or(scan, |(_, worker)| worker),
            pulling_back: PARTS * object + values + threads * back.max(slice),
        }
    }

    /// Numbers in the scratch of a worker that places atoms.
    fn placing_values(&self) -> usize {
        match self.options.potential.placement {
            // products of phase matrices over a quarter of the frequencies, four of each
            Placement::Exact => self.plane.pixels(),
            // an image on the finer grid, 1.5 times as many points along each axis, its spectrum and its transform
            Placement::Gridding { .. } => 3 * (9 * self.plane.pixels()).div_ceil(4),
        }
    }
}

impl SimulationOptions {
    /// Bytes of a simulation of a `cell` (angstrom) for electrons of `energy_ev` on a context of `threads`.
    ///
    /// # Errors
    /// `Range`, `Shape` for an impossible sampling or slices.
    pub fn memory_estimate<T: Real>(&self, cell: Vec3, energy_ev: f64, threads: usize) -> Result<MemoryEstimate> {
        self.check_prism()?;
        let (plane, edges) = (self.plane(cell)?, self.slices.edges(cell[2])?);
        let (rows, columns) = match self.window {
            WindowSize::Whole => (plane.rows, plane.columns),
            WindowSize::Pixels { rows, columns } => (rows.min(plane.rows), columns.min(plane.columns)),
        };
        let window = Plane::new(rows, columns, plane.pixel_y, plane.pixel_x)?;
        let mut different: Vec<f64> = edges.windows(2).map(|e| e[1] - e[0]).collect();
        different.sort_by(f64::total_cmp);
        different.dedup();
        let (slices, thicknesses) = (edges.len() - 1, different.len());
        let prism = self.prism.map(|prism| prism.bytes::<T>(self, &plane, energy_ev)).transpose()?;
        let patterns = self.patterns.plane(&plane, &window);
        let sizes = Sizes { options: self, plane, window, patterns, slices, thicknesses, given: 0, prism };
        Ok(sizes.estimate::<T>(threads))
    }
}

impl<T: Real> Simulation<T> {
    /// Bytes of this simulation, and of work with it on `threads`.
    pub fn memory_estimate(&self, threads: usize) -> MemoryEstimate {
        let sizes = Sizes {
            options: self.options(),
            plane: *self.plane(),
            window: *self.engine.window(),
            patterns: self.options.patterns.plane(self.plane(), self.engine.window()),
            slices: self.slices(),
            thicknesses: self.engine.distances(),
            given: self.given.iter().map(Vec::len).sum(),
            prism: self.prism.as_ref().map(|waves| {
                let bytes = [waves.plan.matrix_bytes(), waves.plan.worker_bytes(usize::MAX)];
                let [matrix, worker] = bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
                (matrix, worker)
            }),
        };
        sizes.estimate::<T>(threads)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sampling, SliceEdges};
    use super::*;
    use crate::context::{Context, ContextOptions};
    use crate::problem::Waiting;
    use crate::specimen::Atoms;

    #[test]
    fn the_estimate_before_is_that_after() {
        let context = Context::new(&ContextOptions { threads: Some(2), simd: None }).unwrap();
        let atoms = Atoms::new(vec![[1.0, 2.0, 3.0]]).unwrap().with_species(vec![79]).unwrap();
        let atoms = atoms.with_cell([6.4, 3.2, 4.0]).unwrap();
        let (token, tell) = (context.cancel_token(), &mut |_| true);
        for (window, band_limit) in [
            (WindowSize::Whole, BandLimit::Square),
            (WindowSize::Pixels { rows: 16, columns: 20 }, BandLimit::Circular),
        ] {
            let options = SimulationOptions {
                sampling: Sampling::Points { rows: 32, columns: 64 },
                slices: SliceEdges::Edges(vec![0.0, 1.0, 2.0, 4.0]),
                window,
                band_limit,
                ..Default::default()
            };
            let before = options.memory_estimate::<f32>([6.4, 3.2, 4.0], 2e5, 2).unwrap();
            let waiting = &mut Waiting { cancel: &token, tell };
            let made = Simulation::<f32>::new(&context, &atoms, 2e5, &options, waiting).unwrap();
            assert_eq!(made.memory_estimate(2), before);
            assert!(before.held >= 3 * 32 * 64 * 8 && before.pulling_back > PARTS * before.held / 2);
            assert!(before.of_gradients() > before.of_scans() && before.of_scans() > before.held);
            assert!(options.memory_estimate::<f64>([6.4, 3.2, 4.0], 2e5, 2).unwrap().held > 3 * before.held / 2);
        }
        let faulty = SimulationOptions { slices: SliceEdges::Thickness(-1.0), ..Default::default() };
        assert_eq!(faulty.memory_estimate::<f32>([4.0; 3], 2e5, 1).unwrap_err().code(), 103);
    }
}
