//! Options of simulations

use super::atoms::aet_atoms;
use super::enums::{host_enum, HostEnum};
use super::guard::{guard, Host};
use super::lot::aet_precision;
use super::options::{chosen, CStruct};
use super::probe::aet_probe;
use super::status::aet_status;
use super::view::aet_const_view;
use crate::forward::potential::{Placement, PotentialOptions, Projection};
use crate::forward::prism::PrismOptions;
use crate::optics::BandLimit;
use crate::simulate::stem::{PatternSampling, Prism, Sampling, SimulationOptions, SliceEdges, WindowSize};
use crate::specimen::Parametrization;
use crate::{Error, Result};
use std::ptr;

/// Table of electron scattering factors.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_parametrization {
    /// Lobato and Van Dyck 2014.
    Lobato = 0,
    /// Kirkland 2010.
    Kirkland = 1,
}

host_enum!(aet_parametrization:
    Lobato = "AET_PARAMETRIZATION_LOBATO",
    Kirkland = "AET_PARAMETRIZATION_KIRKLAND",
);

/// How atoms are brought onto the pixels of a potential.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_placement {
    /// Each by its own phase factors: the reference. Time grows as atoms times pixels.
    Exact = 0,
    /// Spread as narrow Gaussians on a finer grid, with a chosen error: time grows as atoms plus pixels.
    Gridding = 1,
}

host_enum!(aet_placement:
    Exact = "AET_PLACEMENT_EXACT",
    Gridding = "AET_PLACEMENT_GRIDDING",
);

/// What of an atom a slice gets.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_projection {
    /// All of it, in the slice that holds the nucleus.
    Infinite = 0,
    /// What lies between the faces of the slice.
    Finite = 1,
}

host_enum!(aet_projection:
    Infinite = "AET_PROJECTION_INFINITE",
    Finite = "AET_PROJECTION_FINITE",
);

/// Which spatial frequencies of waves are kept. The edge is soft.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_band_limit {
    /// Those within a circle of 2/3 of the Nyquist frequency of the larger pixel.
    Circular = 0,
    /// Those up to 2/3 of the Nyquist frequency along each axis: faster.
    Square = 1,
    /// All; wide angles then hold what was aliased.
    None = 2,
}

host_enum!(aet_band_limit:
    Circular = "AET_BAND_LIMIT_CIRCULAR",
    Square = "AET_BAND_LIMIT_SQUARE",
    None = "AET_BAND_LIMIT_NONE",
);

/// How finely diffraction patterns are sampled.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum aet_pattern_sampling {
    /// As the window through which waves travel: patterns are as large as it.
    Window = 0,
    /// Twice as finely, at most as the whole cell. The borders of detectors follow their circles better, and that part of
    /// the wave which no atom changed is not cut off by the window.
    Padded = 1,
}

host_enum!(aet_pattern_sampling:
    Window = "AET_PATTERN_SAMPLING_WINDOW",
    Padded = "AET_PATTERN_SAMPLING_PADDED",
);

/// Options of a simulation. Fill with aet_simulation_options_init and set `energy_ev`; 0 means automatic where it is said.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct aet_simulation_options {
    /// sizeof(aet_simulation_options).
    pub struct_size: usize,
    /// Energy of the electrons, eV; required.
    pub energy_ev: f64,
    /// Largest size of a pixel, angstrom; 0: 0.1, or `rows` and `columns`. The cell gets as many as transform fast.
    pub pixel_size: f64,
    /// Thickness of slices, angstrom; 0: 2. The cell is cut in as few equal slices that are not thicker.
    pub slice_thickness: f64,
    /// Imaginary part of the potential in units of the real one, 0 to 1.
    pub absorption: f64,
    /// Mistilt of the specimen along x, mrad: deeper layers lie towards +x where it is negative.
    pub mistilt_x_mrad: f64,
    /// Mistilt of the specimen along y, mrad.
    pub mistilt_y_mrad: f64,
    /// Largest relative error of any spatial frequency with AET_PLACEMENT_GRIDDING, 1e-12 to 1e-2; 0: 1e-6.
    pub placement_error: f64,
    /// Largest error of the share of a slice with AET_PROJECTION_FINITE, 1e-9 to 1e-2; 0: 1e-6.
    pub projection_error: f64,
    /// PRISM: largest semi-angle of the probes to come, mrad. The plane waves of that aperture travel through the whole
    /// cell once, when the simulation is made; scans put probes together of what arrived. 0: each probe travels itself.
    pub prism_semiangle_mrad: f64,
    /// Faces of the slices `[slices+1]` along the beam, from 0 to the height of the cell, angstrom; NULL: equal slices.
    pub slice_edges: *const aet_const_view,
    /// Pixels along y; 0: from the pixel size. Give both numbers or none.
    pub rows: i64,
    /// Pixels along x.
    pub columns: i64,
    /// Pixels along y of the window around the probe through which a wave travels; 0: the whole cell. Give both or none.
    pub window_rows: i64,
    /// Pixels along x of the window.
    pub window_columns: i64,
    /// PRISM: every f-th plane wave along y and windows of 1 / f of the pixels; divides them. 0: 1, which leaves nothing
    /// out.
    pub prism_interpolation_y: i64,
    /// PRISM: the same along x.
    pub prism_interpolation_x: i64,
    /// An aet_parametrization.
    pub parametrization: i32,
    /// An aet_placement.
    pub placement: i32,
    /// An aet_projection.
    pub projection: i32,
    /// An aet_band_limit.
    pub band_limit: i32,
    /// An aet_precision of potentials and waves.
    pub precision: i32,
    /// An aet_pattern_sampling.
    pub pattern_sampling: i32,
    /// PRISM: 1 keeps plane waves on the coarsest grid that holds the band limit: about half the memory and work, and an
    /// approximation for interpolations above 1.
    pub prism_downsampling: i32,
    /// 1: scan positions outside of [0, Lx) x [0, Ly) are AET_ERROR_RANGE; 0: the cell is periodic.
    pub within_cell: i32,
}

// SAFETY: `#[repr(C)]`, begins with `struct_size: usize`, numbers and a raw pointer; eight i32 stand after the
// 8-byte members.
unsafe impl CStruct for aet_simulation_options {
    const NAME: &'static str = "aet_simulation_options";

    fn defaults() -> Self {
        aet_simulation_options {
            struct_size: size_of::<Self>(),
            energy_ev: 0.0,
            pixel_size: 0.0,
            slice_thickness: 0.0,
            absorption: 0.0,
            mistilt_x_mrad: 0.0,
            mistilt_y_mrad: 0.0,
            placement_error: 0.0,
            projection_error: 0.0,
            prism_semiangle_mrad: 0.0,
            slice_edges: ptr::null(),
            rows: 0,
            columns: 0,
            window_rows: 0,
            window_columns: 0,
            prism_interpolation_y: 0,
            prism_interpolation_x: 0,
            parametrization: aet_parametrization::Lobato as i32,
            placement: aet_placement::Exact as i32,
            projection: aet_projection::Infinite as i32,
            band_limit: aet_band_limit::Circular as i32,
            precision: aet_precision::Single as i32,
            pattern_sampling: aet_pattern_sampling::Window as i32,
            prism_downsampling: 0,
            within_cell: 0,
        }
    }
}

impl aet_simulation_options {
    /// Everything but the energy and the precision.
    pub(super) fn checked(&self, host: &Host) -> Result<SimulationOptions> {
        let band_limit = match aet_band_limit::from_number(self.band_limit, "band_limit")? {
            aet_band_limit::Circular => BandLimit::Circular,
            aet_band_limit::Square => BandLimit::Square,
            aet_band_limit::None => BandLimit::None,
        };
        let window =
            match self.pair(host, ["window_rows", "window_columns"], [self.window_rows, self.window_columns])? {
                None => WindowSize::Whole,
                Some((rows, columns)) => WindowSize::Pixels { rows, columns },
            };
        Ok(SimulationOptions {
            sampling: self.sampling(host)?,
            slices: self.slices(host)?,
            potential: self.potential()?,
            absorption: self.absorption,
            band_limit,
            mistilt_mrad: (self.mistilt_x_mrad, self.mistilt_y_mrad),
            window,
            patterns: match aet_pattern_sampling::from_number(self.pattern_sampling, "pattern_sampling")? {
                aet_pattern_sampling::Window => PatternSampling::Window,
                aet_pattern_sampling::Padded => PatternSampling::Padded,
            },
            within_cell: host.flag(self.within_cell, "within_cell")?,
            prism: self.prism(host)?,
        })
    }

    /// PRISM, where a semi-angle asks for it.
    fn prism(&self, host: &Host) -> Result<Option<Prism>> {
        let factors = [
            ("prism_interpolation_y", self.prism_interpolation_y),
            ("prism_interpolation_x", self.prism_interpolation_x),
        ];
        let [fy, fx] = factors.map(|(name, value)| host.count(value, name));
        let downsampling = host.flag(self.prism_downsampling, "prism_downsampling")?;
        let Some(semiangle_mrad) = chosen(self.prism_semiangle_mrad) else {
            if let Some((name, value)) = factors.into_iter().find(|(_, value)| *value != 0) {
                return Err(Error::range(name, value, "0 without `prism_semiangle_mrad`, which asks for PRISM"));
            }
            return Ok(None);
        };
        let interpolation = (fy?.max(1), fx?.max(1));
        Ok(Some(Prism { semiangle_mrad, options: PrismOptions { interpolation, downsampling } }))
    }

    /// In which precision.
    pub(super) fn precision(&self) -> Result<aet_precision> {
        aet_precision::from_number(self.precision, "precision")
    }

    /// Options of a simulation of a given potential of `slices` slices, and the edges of these.
    pub(super) fn checked_for_potential(&self, host: &Host, slices: usize) -> Result<(SimulationOptions, Vec<f64>)> {
        let of_atoms = [
            ("pixel_size", self.pixel_size),
            ("rows", self.rows as f64),
            ("columns", self.columns as f64),
            ("parametrization", self.parametrization.into()),
            ("placement", self.placement.into()),
            ("placement_error", self.placement_error),
            ("projection", self.projection.into()),
            ("projection_error", self.projection_error),
        ];
        if let Some((name, value)) = of_atoms.into_iter().find(|(_, value)| *value != 0.0) {
            return Err(Error::range(name, value, "0: the potential is given"));
        }
        let options = self.checked(host)?;
        let edges = match &options.slices {
            SliceEdges::Edges(edges) => edges.clone(),
            SliceEdges::Thickness(thickness) => (0..=slices).map(|i| i as f64 * thickness).collect(),
        };
        Ok((options, edges))
    }

    /// Two numbers of pixels, of which both or none are given.
    fn pair(&self, host: &Host, names: [&'static str; 2], values: [i64; 2]) -> Result<Option<(usize, usize)>> {
        let ([first, second], [rows, columns]) = (names, values);
        match (host.count(rows, first)?, host.count(columns, second)?) {
            (0, 0) => Ok(None),
            (0, _) => Err(Error::range(first, 0, format!("a positive number beside {second}"))),
            (_, 0) => Err(Error::range(second, 0, format!("a positive number beside {first}"))),
            pair => Ok(Some(pair)),
        }
    }

    fn sampling(&self, host: &Host) -> Result<Sampling> {
        match (self.pair(host, ["rows", "columns"], [self.rows, self.columns])?, chosen(self.pixel_size)) {
            (None, pixel) => Ok(Sampling::Pixel(pixel.unwrap_or(0.1))),
            (Some((rows, columns)), None) => Ok(Sampling::Points { rows, columns }),
            (Some(_), Some(pixel)) => {
                Err(Error::range("pixel_size", pixel, "0 beside `rows` and `columns`, which say the same"))
            }
        }
    }

    fn slices(&self, host: &Host) -> Result<SliceEdges> {
        match (host.optional_view(self.slice_edges, "slice_edges")?, chosen(self.slice_thickness)) {
            (None, thickness) => Ok(SliceEdges::Thickness(thickness.unwrap_or(2.0))),
            (Some(edges), None) => Ok(SliceEdges::Edges(edges.read::<f64, 1>([None])?.to_vec())),
            (Some(_), Some(thickness)) => {
                Err(Error::range("slice_thickness", thickness, "0 beside `slice_edges`, which say the same"))
            }
        }
    }

    fn potential(&self) -> Result<PotentialOptions> {
        let parametrization = match aet_parametrization::from_number(self.parametrization, "parametrization")? {
            aet_parametrization::Lobato => Parametrization::Lobato,
            aet_parametrization::Kirkland => Parametrization::Kirkland,
        };
        let useless = |name: &str, error: f64| Err(Error::range(name, error, "0: there is no such error"));
        let placement = match (aet_placement::from_number(self.placement, "placement")?, chosen(self.placement_error)) {
            (aet_placement::Exact, None) => Placement::Exact,
            (aet_placement::Exact, Some(error)) => return useless("placement_error", error),
            (aet_placement::Gridding, None) => PotentialOptions::GRIDDING,
            (aet_placement::Gridding, Some(error)) => Placement::Gridding { error },
        };
        let wanted = aet_projection::from_number(self.projection, "projection")?;
        let projection = match (wanted, chosen(self.projection_error)) {
            (aet_projection::Infinite, None) => Projection::Infinite,
            (aet_projection::Infinite, Some(error)) => return useless("projection_error", error),
            (aet_projection::Finite, None) => PotentialOptions::FINITE,
            (aet_projection::Finite, Some(error)) => Projection::Finite { error },
        };
        Ok(PotentialOptions { parametrization, placement, projection })
    }
}

/// Pixels of a window for `probe` through the `atoms`, into `rows` and `columns`: room for the geometric spread of the probe
/// at the faces of the cell, with its crossover up to `focus` angstrom from the middle of it, for its rings, and for what
/// scatters to the largest angle. They are those of the cell where nothing smaller will do, and go into `window_rows` and
/// `window_columns` as they are. aet_simulation_window_error measures what a window costs. Sampling comes from `options`,
/// which must not be NULL.
///
/// AET_ERROR_NOT_READY for atoms without a cell; AET_ERROR_RANGE for `focus`; those of aet_simulation_create for the
/// options. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_choose_window(
    atoms: *const aet_atoms,
    probe: *const aet_probe,
    focus: f64,
    options: *const aet_simulation_options,
    rows: *mut i64,
    columns: *mut i64,
) -> aet_status {
    guard("aet_simulation_choose_window", |host| {
        let cell = host.input(atoms, "atoms")?.require_cell()?;
        let probe = host.input(probe, "probe")?;
        let (rows, columns) = (host.out(rows, "rows")?, host.out(columns, "columns")?);
        if !(focus.is_finite() && focus >= 0.0) {
            return Err(Error::range("focus", focus, "0 or a positive number (angstrom)"));
        }
        let plane = host.required_options(options, "options")?.checked(host)?.plane(cell)?;
        let window = WindowSize::for_probe(&plane, probe, cell[2], focus)?;
        let (window_rows, window_columns) = match window {
            WindowSize::Whole => (plane.rows, plane.columns),
            WindowSize::Pixels { rows, columns } => (rows, columns),
        };
        rows.set(window_rows as i64);
        columns.set(window_columns as i64);
        Ok(())
    })
}

/// Sets `struct_size` and all defaults, to which the energy must be added. AET_ERROR_NULL, AET_ERROR_STRUCT_SIZE. Any
/// thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn aet_simulation_options_init(
    options: *mut aet_simulation_options,
    struct_size: usize,
) -> aet_status {
    guard("aet_simulation_options_init", |host| host.init(options, struct_size))
}
