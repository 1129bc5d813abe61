//! Description of a simulation: sampling, slices, windows.

use crate::error::{Error, Result};
use crate::forward::potential::PotentialOptions;
use crate::geometry::Vec3;
use crate::grid::{fast_size, Plane};
use crate::optics::BandLimit;

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
    pub(super) fn pixels(
        self,
        plane: &Plane,
        _height: f64,
        _wavelength: f64,
        _options: &SimulationOptions,
    ) -> Result<Option<(usize, usize)>> {
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
