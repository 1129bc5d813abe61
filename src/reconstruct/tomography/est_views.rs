//! Views of one tilt axis as EST takes them: the direction of each view within the slices, and its rows.

use super::est::EstOptions;
use super::views::PlainViews;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::Mat3;
use crate::grid;
use crate::problem::Waiting;
use ndarray::{ArrayView2, Axis};
use num_complex::Complex64;
use std::f64::consts::PI;
use std::sync::Mutex;

/// The axis that all views are turned about: the one that slices are stacked along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TiltAxis {
    X,
    Y,
}

/// The geometry of the views in use.
pub(super) struct Lines {
    pub axis: TiltAxis,
    /// Numbers of the views in use.
    pub views: Vec<usize>,
    /// x' (axis y) or y' (axis x) of each within the slices: (x or y, z).
    pub directions: Vec<[f64; 2]>,
    /// Pixels of a slice along (z, x or y).
    pub size: [usize; 2],
    /// Slices of the volume.
    pub slices: usize,
    /// Pixels of a row of a view across the tilt axis.
    pub row: usize,
    /// Period of the transforms.
    pub period: usize,
}

impl Lines {
    /// The geometry of `views`.
    ///
    /// # Errors
    /// See [`super::est::Est::new`].
    pub fn new(views: &PlainViews, options: &EstOptions) -> Result<Self> {
        check(views, options)?;
        let (axis, directions) = directions(&views.rotations)?;
        let in_use: Vec<usize> = (0..views.rotations.len()).filter(|v| views.weights[*v] > 0.0).collect();
        let [nz, ny, nx] = views.shape;
        let (slices, edge, row) = match axis {
            TiltAxis::Y => (ny, nx, views.columns),
            TiltAxis::X => (nx, ny, views.rows),
        };
        let wanted = (options.oversampling * nz.max(edge).max(row) as f64).ceil() as usize;
        Ok(Self {
            axis,
            directions: in_use.iter().map(|v| directions[*v]).collect(),
            views: in_use,
            size: [nz, edge],
            slices,
            row,
            // From the sum of both edges on, no line of a slice wraps around.
            period: grid::fast_size(wanted.max(nz + edge)),
        })
    }

    /// (along the tilt axis, across it) of a shift (u, v).
    pub fn shift(&self, [u, v]: [f64; 2]) -> (f64, f64) {
        match self.axis {
            TiltAxis::Y => (v, u),
            TiltAxis::X => (u, v),
        }
    }

    /// Rows of all views in use, `[view][slice][place across]`: image rows (tilt axis y) or columns (x), shifted along the
    /// tilt axis by band-limited interpolation. Beyond its edges an image is 0.
    pub fn rows(&self, context: &Context, views: &PlainViews, waiting: &mut Waiting<'_>) -> Result<Vec<f32>> {
        let mut out = vec![0.0f32; self.views.len() * self.slices * self.row];
        let items: Vec<Mutex<&mut [f32]>> = out.chunks_exact_mut(self.slices * self.row).map(Mutex::new).collect();
        let (count, cancel) = (items.len(), waiting.cancel);
        context.for_each(count, &mut |done| waiting.at(done as f64 / count as f64, "EST"), &|item| {
            cancel.check("EST")?;
            let view = self.views[item];
            let pixels = views.rows * views.columns;
            let image = ArrayView2::from_shape((views.rows, views.columns), &views.images[view * pixels..][..pixels]);
            let image = image.map_err(|e| Error::Internal(e.to_string()))?;
            let image = if self.axis == TiltAxis::Y { image } else { image.reversed_axes() };
            // p' = R p + shift: the slice at y lies in the row at y + shift.
            let first = grid::origin(image.nrows()) as f64 - grid::origin(self.slices) as f64;
            let first = first + self.shift(views.shifts[view]).0;
            let mut rows = items[item].lock().unwrap_or_else(|p| p.into_inner());
            for (slice, out) in rows.chunks_exact_mut(self.row).enumerate() {
                for (row, line) in image.axis_iter(Axis(0)).enumerate() {
                    let weight = sinc(row as f64 - first - slice as f64);
                    if weight != 0.0 {
                        out.iter_mut().zip(line).for_each(|(o, v)| *o += weight * v);
                    }
                }
            }
            Ok(())
        })?;
        drop(items);
        Ok(out)
    }
}

/// `[square][row]`: sum_j p_j exp(-2 pi i square k (j - n // 2 - shift)) of all rows p of `n`, a direct sum in double
/// precision.
pub(super) fn transform(rows: &[f32], n: usize, squares: usize, k: f64, shift: f64) -> Vec<Complex64> {
    let width = rows.len() / n;
    let mut out = vec![Complex64::default(); squares * width];
    let mut column = vec![0.0f64; width];
    for j in 0..n {
        column.iter_mut().enumerate().for_each(|(row, v)| *v = f64::from(rows[row * n + j]));
        let turn = Complex64::from_polar(1.0, -2.0 * PI * k * (j as f64 - grid::origin(n) as f64 - shift));
        let mut phase = Complex64::new(1.0, 0.0);
        for out in out.chunks_exact_mut(width) {
            out.iter_mut().zip(&column).for_each(|(o, v)| *o += phase.scale(*v));
            phase *= turn;
        }
    }
    out
}

/// sin(pi x) / (pi x), exactly 0 and 1 at whole numbers.
fn sinc(x: f64) -> f32 {
    if (x - x.round()).abs() < 1e-9 {
        return if x.round() == 0.0 { 1.0 } else { 0.0 };
    }
    ((PI * x).sin() / (PI * x)) as f32
}

/// Largest element of a rotation that must be 0, radians.
const STRAY: f64 = 1e-6;

/// The tilt axis, and the direction of each view.
fn directions(rotations: &[Mat3]) -> Result<(TiltAxis, Vec<[f64; 2]>)> {
    // What a rotation about axis `a` has besides its own 1 there.
    let stray = |r: &Mat3, a: usize| {
        let off = (0..3).filter(|i| *i != a).flat_map(|i| [r[a][i].abs(), r[i][a].abs()]);
        off.fold((r[a][a] - 1.0).abs(), f64::max)
    };
    let worst = |a: usize| {
        let all = rotations.iter().map(|r| stray(r, a)).enumerate();
        all.fold((0, 0.0), |worst, (i, s)| if s > worst.1 { (i, s) } else { worst })
    };
    let (x, y) = (worst(0), worst(1));
    let (axis, name, (view, stray)) = if y.1 <= x.1 { (TiltAxis::Y, "y", y) } else { (TiltAxis::X, "x", x) };
    if stray > STRAY {
        let why = format!(
            "view {view} is {stray:.3e} rad off a rotation about {name}, wanted at most {STRAY:e}: EST takes one tilt axis, \
             x or y; RESIRE and GENFIRE take any rotations"
        );
        return Err(Error::Unsupported { what: "EST of these views".into(), why });
    }
    let of = |r: &Mat3| match axis {
        TiltAxis::Y => [r[0][0], r[0][2]],
        TiltAxis::X => [r[1][1], r[1][2]],
    };
    Ok((axis, rotations.iter().map(of).collect()))
}

/// Refuses options and geometries without meaning.
fn check(views: &PlainViews, options: &EstOptions) -> Result<()> {
    options.check()?;
    views.check_geometry()?;
    if !views.weights.iter().any(|w| *w > 0.0) {
        return Err(Error::Empty { what: "views".into(), why: "EST needs at least one of weight above 0".into() });
    }
    Ok(())
}
