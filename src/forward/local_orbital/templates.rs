//! Depth templates: the image of an atom at depth z' is joined from the images of that atom at M fixed depths z_p,
//!
//! T(r; z' - f) = sum_p w_p(z') T(r; z_p - f), T(r; d) = |psi(d)|^2 (x) exp(-r^2 / B),
//!
//! with the weights of [`DepthInterpolation`]: the probe changes so smoothly along the beam that 5 to 10 depths stand for
//! all, where slices with linear weights need several times as many for a tenth of the accuracy. The weights depend on
//! neither focus nor aberrations, so all foci of a tilt share the M images sum_i w_p(z_i') D_i and their transforms.
//!
//! The templates T are never cut off: probes have tails (a patch of 15 pixels of 0.34 A misses 3 to 8 % of the
//! intensity at 300 kV and 25 mrad), so their convolution is done by transforms, as that of slices.

use super::placement::{Canvas, DepthLine};
use super::rigid::{Rigid, RigidInput, RigidWorkspace};
use super::{DepthMode, Placement, Slicing};
use crate::error::{Error, Result};
use crate::optics::{DepthInterpolation, DepthRange};
use crate::simd::{self, DepthTable, Real, SimdPath, MAX_TEMPLATES};

/// Largest error of the interpolation where nothing is asked for, relative and averaged over foci; images have about a fifth
/// of it.
const TOLERANCE: f64 = 2e-4;

/// The same of few depths, [`DepthMode::Knots`]: still below the error that slices of 4 A have.
const OF_KNOTS: f64 = 5e-3;

/// Time of a transform (with its products) per pixel and factor 2 of its length, relative to that of an orbital per pixel
/// of its window and image, there and back. Measured with 10,000 and 50,000 atoms.
const TRANSFORM_WORK: f64 = 0.6;

/// Plan of the templates.
pub(super) struct Templates<T> {
    depths: Vec<f64>,
    line: DepthLine,
    table: DepthTable<T>,
    error: f64,
}

impl<T: Real> Templates<T> {
    /// The templates for depths up to `half_range` (A) if the input asks for them or, in mode auto, if they take less
    /// work than `slices` slices on a grid of this shape.
    pub fn choose(
        input: &RigidInput<'_>,
        half_range: f64,
        slices: usize,
        grid: (usize, usize),
    ) -> Result<Option<Self>> {
        let hard = input.slicing == Slicing::Hard;
        let asked_for = matches!(input.mode, DepthMode::Templates | DepthMode::Knots);
        let name = format!("mode {}", input.mode.name());
        let tolerance = input.tolerance.unwrap_or(if input.mode == DepthMode::Knots { OF_KNOTS } else { TOLERANCE });
        match input.mode {
            DepthMode::Slices => return Ok(None),
            DepthMode::Auto if hard => return Ok(None),
            _ if hard => {
                let why = "templates share an atom smoothly along the beam; use linear slicing, or mode slices".into();
                return Err(Error::Unsupported { what: format!("{name} with hard slices"), why });
            }
            _ => {}
        }
        let series = input.series;
        let from_crossover = series.images.iter().map(|i| (i.defocus + input.probe.defocus()).abs());
        let range = DepthRange {
            shape: (series.rows, series.columns),
            pixel_size: series.pixel_size,
            half_range,
            from_focus: (from_crossover.fold(0.0, f64::max) - half_range).max(0.0),
            width: input.narrowest,
        };
        match DepthInterpolation::new(input.probe, &range, tolerance, MAX_TEMPLATES) {
            None if asked_for => {
                let why = format!(
                    "a depth of {:.0} A needs more than {MAX_TEMPLATES} of them for this semi-angle; use mode slices",
                    2.0 * half_range
                );
                Err(Error::Unsupported { what: name, why })
            }
            None => Ok(None),
            Some(found) => {
                let wanted = asked_for || Self::pays(input, found.depths.len(), slices, grid);
                Ok(wanted.then(|| Self::new(found)))
            }
        }
    }

    fn new(found: DepthInterpolation) -> Self {
        let line = DepthLine { first: found.first, step: found.step, knots: found.knots() };
        let table = DepthTable::new(found.depths.len(), &found.table);
        Self { depths: found.depths, line, table, error: found.error }
    }

    /// Whether `count` templates take less work than `slices`. Both are transformed there and back; an atom goes into two
    /// slices or into all templates.
    fn pays(input: &RigidInput<'_>, count: usize, slices: usize, (rows, columns): (usize, usize)) -> bool {
        let pixels = (rows * columns) as f64;
        let transform = TRANSFORM_WORK * pixels * pixels.log2();
        let windows = input.window * input.start.len() as f64;
        let work = |images: usize, of_atom: usize| 2.0 * images as f64 * transform + of_atom as f64 * windows;
        work(count, count) < work(slices, 2)
    }

    /// M
    pub fn count(&self) -> usize {
        self.depths.len()
    }

    /// z_p in A.
    pub fn depth(&self, p: usize) -> f64 {
        self.depths[p]
    }

    pub fn line(&self) -> DepthLine {
        self.line
    }

    pub fn error(&self) -> f64 {
        self.error
    }

    /// Distance of the rows of one template's image: those of all templates lie beside each other.
    pub fn pitch(&self, canvas: &Canvas) -> usize {
        self.count() * canvas.pitch
    }

    /// Index of pixel (0, 0) of the image of template `p`.
    pub fn at(&self, p: usize, canvas: &Canvas) -> usize {
        canvas.margin * self.pitch(canvas) + p * canvas.pitch + canvas.margin
    }

    /// All atoms into the images of all templates, which are zero.
    pub fn splat(&self, simd: SimdPath, canvas: &Canvas, placement: &Placement<T>, own: &mut RigidWorkspace<T>) {
        simd::splat_templates(simd, &placement.stamps, &self.table, &mut own.first, canvas.pitch);
    }

    /// The same with the changes that `placement.sums` holds.
    pub fn splat_change(&self, simd: SimdPath, canvas: &Canvas, placement: &Placement<T>, own: &mut RigidWorkspace<T>) {
        own.first.fill(T::zero());
        let (stamps, changes) = (&placement.stamps, &placement.sums);
        simd::splat_templates_weighted(simd, stamps, changes, &self.table, &mut own.first, canvas.pitch);
    }

    /// Zeroes what surrounds the images: windows reach there, images do not.
    pub fn clear_margins(&self, canvas: &Canvas, own: &mut RigidWorkspace<T>) {
        let (columns, end) = (canvas.margin..canvas.margin + canvas.columns, canvas.margin + canvas.rows);
        for (i, row) in own.first.chunks_exact_mut(canvas.pitch).enumerate() {
            if (canvas.margin..end).contains(&(i / self.count())) {
                row[..columns.start].fill(T::zero());
                row[columns.end..].fill(T::zero());
            } else {
                row.fill(T::zero());
            }
        }
    }

    /// Sums of the images of all templates at all atoms.
    pub fn gather(&self, simd: SimdPath, canvas: &Canvas, placement: &mut Placement<T>, own: &mut RigidWorkspace<T>) {
        let Placement { stamps, sums, .. } = placement;
        simd::gather_templates(simd, stamps, &self.table, &own.first, canvas.pitch, sums);
    }

    /// Spectrum of the image of template `p` into `own.spectrum`; false where it is empty.
    pub fn transform(
        &self,
        rigid: &Rigid<T>,
        p: usize,
        canvas: &Canvas,
        placement: &Placement<T>,
        own: &mut RigidWorkspace<T>,
    ) -> bool {
        let filled = rigid.rows_of_slice(&placement.rows, 0, canvas);
        let any = !filled.is_empty();
        if any {
            let image = &own.first[self.at(p, canvas)..];
            rigid.plan.forward(image, self.pitch(canvas), filled, &mut own.spectrum, &mut own.scratch);
        }
        any
    }
}
