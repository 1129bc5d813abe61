//! Description of a simulation: sampling, slices, windows.

use crate::error::{Error, Result};
use crate::forward::potential::PotentialOptions;
use crate::forward::prism::PrismOptions;
use crate::geometry::Vec3;
use crate::grid::{fast_size, Plane};
use crate::optics::{BandLimit, Probe};

/// Most pixels along an axis.
const MOST_PIXELS: f64 = 65536.0;

/// How finely the cell is sampled across the beam.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Sampling {
    /// Pixels of at most this size (angstrom): as many as transform fast.
    Pixel(f64),
    /// This many pixels.
    Points {
        /// Along y.
        rows: usize,
        /// Along x.
        columns: usize,
    },
}

/// Where the specimen is cut.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum SliceEdges {
    /// ceil(height / thickness) equal slices, thickness in angstrom.
    Thickness(f64),
    /// Edges from 0 to the height of the cell, angstrom.
    Edges(Vec<f64>),
}

impl SliceEdges {
    /// The edges \[0, .., height\], angstrom.
    ///
    /// # Errors
    /// `Range` for a thickness that is no positive number or makes more than a million slices; `Inconsistent` for edges
    /// that do not end at the height of the cell. (That they rise is checked with the potential.)
    pub fn edges(&self, height: f64) -> Result<Vec<f64>> {
        match self {
            SliceEdges::Thickness(thickness) => {
                let count = (height / thickness).ceil();
                if !(*thickness > 0.0 && (1.0..=1e6).contains(&count)) {
                    let wanted = format!("a positive number (angstrom), at least {:e}", height / 1e6);
                    return Err(Error::range("slice thickness", thickness, wanted));
                }
                Ok((0..=count as usize).map(|i| height * i as f64 / count).collect())
            }
            SliceEdges::Edges(edges) => {
                let last = edges.last().copied().unwrap_or(f64::NAN);
                if (last - height).abs() <= 1e-9 * height {
                    return Ok(edges.clone());
                }
                let why = format!("they end at {last} angstrom, the cell at {height}");
                Err(Error::Inconsistent { what: "edges of slices".into(), why })
            }
        }
    }
}

/// How much of the object a wave sees.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum WindowSize {
    /// All of it, periodic.
    Whole,
    /// This many pixels around the probe.
    Pixels {
        /// Along y.
        rows: usize,
        /// Along x.
        columns: usize,
    },
}

impl WindowSize {
    /// A window for `probe` through a cell of `height` (angstrom) whose crossover lies up to `focus` (angstrom) from the
    /// middle of it. Its half width is the geometric spread of the probe at the faces, twelve times its resolution
    /// lambda / alpha for the rings around it, and what scatters to the largest angle of the band limit within half of
    /// the cell. Truncation then changes annular signals by about a thousandth; [`super::Simulation::window_error`] measures it.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub fn for_probe(plane: &Plane, probe: &Probe, height: f64, focus: f64) -> Result<Self> {
        let alpha = probe.semiangle_mrad() * 1e-3;
        let largest = BandLimit::Circular.largest_angle_mrad(plane, probe.wavelength()) * 1e-3;
        let half = alpha * (0.5 * height + focus) + 12.0 * probe.wavelength() / alpha + 0.5 * largest * height;
        let points = |pixel: f64, all: usize| fast_size((2.0 * half / pixel).ceil() as usize).min(all);
        let (rows, columns) = (points(plane.pixel_y, plane.rows), points(plane.pixel_x, plane.columns));
        if rows == plane.rows && columns == plane.columns {
            return Ok(WindowSize::Whole);
        }
        Ok(WindowSize::Pixels { rows, columns })
    }

    pub(in crate::simulate) fn pixels(self, plane: &Plane) -> Result<Option<(usize, usize)>> {
        match self {
            WindowSize::Whole => Ok(None),
            WindowSize::Pixels { rows, columns } if rows > plane.rows || columns > plane.columns => {
                let wanted = format!("at most the cell's [{}, {}] pixels", plane.rows, plane.columns);
                Err(Error::shape("window", &[rows, columns], wanted))
            }
            WindowSize::Pixels { rows, columns } => Ok(Some((rows, columns))),
        }
    }
}

/// How finely diffraction patterns of windows are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum PatternSampling {
    /// As the window: patterns are as large as it.
    #[default]
    Window,
    /// Twice as finely, at most as the whole object: zeros around the exit wave. The borders of detectors then follow
    /// their circles better, and are those of the whole object where that is not larger. Costs some two slices.
    Padded,
}

impl PatternSampling {
    /// Sampling of the patterns of waves on `window` of `plane`.
    pub fn plane(self, plane: &Plane, window: &Plane) -> Plane {
        match self {
            PatternSampling::Window => *window,
            PatternSampling::Padded => Plane {
                rows: plane.rows.min(2 * window.rows),
                columns: plane.columns.min(2 * window.columns),
                ..*plane
            },
        }
    }
}

/// Scans by PRISM: the plane waves of the aperture travel through the object once, when the simulation is made, and
/// probes are put together of what arrived.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Prism {
    /// Largest semi-angle of the probes to come, mrad.
    pub semiangle_mrad: f64,
    /// What is left out.
    pub options: PrismOptions,
}

/// How a specimen is simulated.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct SimulationOptions {
    /// Sampling across the beam (0.1 angstrom).
    pub sampling: Sampling,
    /// Slices along the beam (2 angstrom).
    pub slices: SliceEdges,
    /// Scattering factors, placement and projection.
    pub potential: PotentialOptions,
    /// Imaginary part of the potential in units of the real one, 0 to 1 (0).
    pub absorption: f64,
    /// Band limit (circular).
    pub band_limit: BandLimit,
    /// Mistilt (theta_x, theta_y), mrad (0).
    pub mistilt_mrad: (f64, f64),
    /// How much each wave sees (whole).
    pub window: WindowSize,
    /// Sampling of the patterns of windows (that of the window).
    pub patterns: PatternSampling,
    /// Refuse scan positions outside of the cell (no: the cell is periodic).
    pub within_cell: bool,
    /// Scans by PRISM, which needs the whole window (no: each probe travels on its own).
    pub prism: Option<Prism>,
}

impl Default for SimulationOptions {
    fn default() -> Self {
        Self {
            sampling: Sampling::Pixel(0.1),
            slices: SliceEdges::Thickness(2.0),
            potential: PotentialOptions::default(),
            absorption: 0.0,
            band_limit: BandLimit::default(),
            mistilt_mrad: (0.0, 0.0),
            window: WindowSize::Whole,
            patterns: PatternSampling::Window,
            within_cell: false,
            prism: None,
        }
    }
}

impl SimulationOptions {
    /// Pixels of a cell.
    ///
    /// # Errors
    /// `Range`, `Shape` for an impossible sampling.
    pub fn plane(&self, cell: Vec3) -> Result<Plane> {
        let (rows, columns) = match self.sampling {
            Sampling::Points { rows, columns } => (rows, columns),
            Sampling::Pixel(pixel) => {
                if !(pixel.is_finite() && pixel > 0.0) {
                    return Err(Error::range("pixel size", pixel, "a positive number (angstrom)"));
                }
                let longest = cell[0].max(cell[1]);
                if longest / pixel > MOST_PIXELS {
                    let wanted =
                        format!("at least {:.6} angstrom: {MOST_PIXELS} pixels per axis", longest / MOST_PIXELS);
                    return Err(Error::range("pixel size", pixel, wanted));
                }
                let points = |length: f64| fast_size((length / pixel - 1e-9).ceil() as usize);
                (points(cell[1]), points(cell[0]))
            }
        };
        let size = |length: f64, n: usize| length / n.max(1) as f64;
        Plane::new(rows, columns, size(cell[1], rows), size(cell[0], columns))
    }
}
