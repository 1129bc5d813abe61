//! Local-orbital tomography (LOT, dLOT, nLOT): images of atoms as local orbitals seen through depth-dependent probes.
//!
//! Papers: Mao, Cui, Yu, "Accurate atomic positions via local-orbital tomography with depth-dependent interactions"
//! (formulas (1)-(5)) and "3D reconstruction of a million atoms by multiple-section local-orbital tomography".
//!
//! With p_i' = R_j p_i + (u_j, v_j, w_j) (3) the orbital of atom i is D_i = H_i f(rho / sqrt(B_i)), with
//! f(q) = exp(-q^2) in (2) and other shapes in [`Orbital`], a slice is O_jk = sum of the D_i of its atoms (1), and the
//! image is I_j = s_j sum_k p_jk (x) O_jk + b_j (4).
//!
//! * direct: p = delta, one slice, no transform ([`direct`](self));
//! * rigid: p_jk = |psi(z_k - f_j)|^2 of the optics. Slices have linear weights (an atom is shared by the two
//!   neighbouring slice centres, which gives an exact derivative along the beam) or are hard, as in the papers; or an atom
//!   is shared by the templates of a few depths with weights that make the image nearly exact ([`templates`](self)).
//! * adaptive: rigid with pixels of probes that are fitted, too ([`adaptive`](self)).
//!
//! One tilt is one item of work: its slices are splatted and transformed once for all of its foci.

mod adaptive;
mod direct;
mod orbital;
mod parameters;
mod patch_tables;
mod patches;
mod placement;
mod probes;
pub mod reference;
mod rigid;
mod templates;

pub use adaptive::{resample_probes, ProbePixels};
pub use orbital::{Orbital, OrbitalTerm, RadialTable, MAX_TERMS};
pub use parameters::{Blocks, ProbeShape, ProbeSharing, Sharing, OPTICS};
pub use patches::{AtomPatch, AtomPatches, AtomValues, ImagePose, PatchWorkspace};
pub use probes::{probe_images, ImageOptics, ProbeChange, ProbeTables};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::geometry::{AngleOrder, Vec3};
use crate::optics::Probe;
use crate::problem::{ForwardModel, Layout, Point};
use crate::simd::{Real, SimdPath};
use placement::Placement;
use rigid::{Rigid, RigidInput, RigidWorkspace};

/// How neighbouring slices share an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slicing {
    /// Linear weights between the two neighbouring slice centres.
    Linear,
    /// Whole atoms belong to the nearest slice centre; no derivative along the beam.
    Hard,
}

/// How the rigid model follows the probe along the beam.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DepthMode {
    /// Slices of a given thickness, as in the papers.
    Slices,
    /// Every atom is shared by the probes of a few depths: all depths within an error of 1e-4, fewer transforms.
    Templates,
    /// As templates, with fewer depths and a larger error, 5e-3 where none is asked for.
    Knots,
    /// Templates where they take less work than slices; slices where these are asked to be hard.
    Auto,
}

impl DepthMode {
    /// Name as it stands in records.
    pub fn name(self) -> &'static str {
        match self {
            DepthMode::Slices => "slices",
            DepthMode::Templates => "templates",
            DepthMode::Knots => "knots",
            DepthMode::Auto => "auto",
        }
    }
}

/// One image of the series as the model sees it.
#[derive(Debug, Clone)]
pub struct ImageGeometry {
    /// Number of its tilt.
    pub tilt: usize,
    /// Number of its section (focus).
    pub section: usize,
    /// Recorded defocus in A.
    pub defocus: f64,
}

/// The series without its pixels.
#[derive(Debug, Clone)]
pub struct SeriesGeometry {
    /// Rows of an image.
    pub rows: usize,
    /// Columns of an image.
    pub columns: usize,
    /// Pixel size in A.
    pub pixel_size: f64,
    /// All images, excluded ones too.
    pub images: Vec<ImageGeometry>,
    /// Number of tilts.
    pub tilts: usize,
    /// Number of sections.
    pub sections: usize,
    /// Order of the three Euler angles that are refined.
    pub angle_order: AngleOrder,
}

impl SeriesGeometry {
    /// Largest distance (A) of a crossover of `probe` from the specimen origin.
    fn farthest_crossover(&self, probe: &Probe) -> f64 {
        self.images.iter().map(|i| i.defocus.abs()).fold(0.0, f64::max) + probe.defocus().abs()
    }
}

/// How atoms appear in images.
#[derive(Debug, Clone)]
pub enum Interaction {
    /// p = delta.
    Direct,
    /// p from the optics.
    Rigid {
        /// The probe; its own defocus is added to that of the images.
        probe: Box<Probe>,
        /// Thickness of slices in A.
        slice_thickness: f64,
        /// Weights of slices.
        slicing: Slicing,
        /// Slices or templates.
        mode: DepthMode,
        /// Largest error of templates, relative to the image of an atom in focus; `None`: as the mode has it.
        tolerance: Option<f64>,
        /// Pixels of probes to be fitted: the adaptive model.
        pixels: Option<ProbePixels>,
    },
}

/// Description of a local-orbital model.
#[derive(Debug, Clone)]
pub struct LocalOrbitalOptions {
    /// Direct or rigid.
    pub interaction: Interaction,
    /// The group (0, 1, ...) of every atom whose height is one common number; by itself: its own number.
    pub height_groups: Vec<u32>,
    /// The same for widths.
    pub width_groups: Vec<u32>,
    /// Shape f of the orbitals.
    pub orbital: Orbital,
    /// Window half width in units of sqrt(B) (of a term: of its sqrt(s B)); `None`: where the orbital is negligible in
    /// the precision used.
    pub cutoff: Option<f64>,
    /// Largest width in A^2 that windows are laid out for.
    pub width_max: f64,
    /// Width in A^2 for which templates are made: their error is smaller for wider orbitals and grows to about three
    /// times for points.
    pub narrowest: f64,
}

/// The model, planned for one series and one number of atoms. Immutable.
pub struct LocalOrbital<T: Real> {
    series: SeriesGeometry,
    blocks: Blocks,
    height_groups: Vec<u32>,
    width_groups: Vec<u32>,
    orbital: Orbital,
    cutoff: f64,
    simd: SimdPath,
    rigid: Option<Rigid<T>>,
}

/// Scratch of one worker.
pub struct Workspace<T: Real> {
    placement: Placement<T>,
    /// Padded image of the direct model.
    image: Vec<T>,
    /// I before scale and background, for the derivative of the scale.
    unscaled: Vec<T>,
    rigid: Option<RigidWorkspace<T>>,
}

impl<T: Real> LocalOrbital<T> {
    /// Plans the model for `start` positions (they fix the depth range and the margins of the transforms: atoms may
    /// move by a few angstrom beyond them).
    pub fn new(
        series: SeriesGeometry,
        start: &[Vec3],
        rotations: &[crate::geometry::Mat3],
        options: &LocalOrbitalOptions,
        simd: SimdPath,
    ) -> Result<Self> {
        let cutoff = options.cutoff.unwrap_or(T::CUTOFF);
        let orbital = &options.orbital;
        let largest = cutoff * (options.width_max * orbital.widest()).sqrt() / series.pixel_size;
        if largest > crate::simd::MAX_HALF_WIDTH as f64 {
            let limit = (crate::simd::MAX_HALF_WIDTH as f64 * series.pixel_size / cutoff).powi(2) / orbital.widest();
            return Err(Error::range(
                "width_max",
                options.width_max,
                format!("at most {limit:.3} A^2 at this pixel size and cutoff"),
            ));
        }
        let rigid = match &options.interaction {
            Interaction::Direct => None,
            Interaction::Rigid { probe, slice_thickness, slicing, mode, tolerance, pixels } => {
                Some(Rigid::new(&RigidInput {
                    series: &series,
                    start,
                    rotations,
                    probe,
                    thickness: *slice_thickness,
                    slicing: *slicing,
                    mode: *mode,
                    tolerance: *tolerance,
                    pixels: *pixels,
                    half_width: largest,
                    window: orbital
                        .terms()
                        .iter()
                        .map(|t| {
                            (2.0 * cutoff * (options.narrowest * t.width).sqrt() / series.pixel_size + 1.0).powi(2)
                        })
                        .sum(),
                    narrowest: options.narrowest * orbital.narrowest(),
                    simd,
                })?)
            }
        };
        let probes = rigid.as_ref().and_then(|r| r.adaptive.as_ref()).map_or(ProbeShape::default(), |a| *a.shape());
        let blocks = Blocks::new(&series, &options.height_groups, &options.width_groups).with_probes(&probes);
        Ok(Self {
            series,
            blocks,
            height_groups: options.height_groups.clone(),
            width_groups: options.width_groups.clone(),
            orbital: orbital.clone(),
            cutoff,
            simd,
            rigid,
        })
    }

    /// Places of the blocks in the vector of all values.
    pub fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The layout: all blocks in order, with what can never be freed in this model.
    pub fn layout(&self) -> Layout {
        self.blocks.layout(&self.series, self.rigid.as_ref().map(|r| r.slicing), &self.probe_shape())
    }

    /// How the rigid model follows the probe along the beam; `None` for direct.
    pub fn depth_mode(&self) -> Option<DepthMode> {
        self.rigid.as_ref().map(|r| r.mode)
    }

    /// Largest error of the templates relative to the image of an atom in focus (root mean square over pixels and foci).
    pub fn template_error(&self) -> Option<f64> {
        self.rigid.as_ref()?.templates.as_ref().map(|t| t.error())
    }

    /// Slices, or depths of templates, along the beam (1 for direct).
    pub fn slice_count(&self) -> usize {
        self.rigid.as_ref().map_or(1, |r| r.slices)
    }

    /// The series without pixels.
    pub fn series(&self) -> &SeriesGeometry {
        &self.series
    }

    /// Rotation of tilt `tilt` from the angles in `parameters`.
    pub fn rotation(&self, parameters: &[f64], tilt: usize) -> crate::geometry::Mat3 {
        self.series.angle_order.rotation(&self.blocks.angles_of(parameters, tilt))
    }
}

impl<T: Real> ForwardModel<T> for LocalOrbital<T> {
    type Workspace = Workspace<T>;
    type Shared = ProbeTables<T>;

    fn tilt_count(&self) -> usize {
        self.series.tilts
    }

    fn pixels(&self) -> usize {
        self.series.rows * self.series.columns
    }

    fn workspace(&self) -> Workspace<T> {
        Workspace {
            placement: Placement::default(),
            image: Vec::new(),
            unscaled: Vec::new(),
            rigid: self.rigid.as_ref().map(Rigid::workspace),
        }
    }

    fn workspace_bytes(&self, images_per_tilt: usize) -> usize {
        let atoms = self.height_groups.len() * Placement::<T>::bytes_per_atom(self.orbital.terms().len());
        let images = (images_per_tilt + 2) * self.pixels() * size_of::<T>();
        atoms + images + self.rigid.as_ref().map_or(0, |r| r.workspace_bytes(images_per_tilt))
    }

    fn shared_bytes(&self) -> usize {
        let foci: std::collections::BTreeSet<u64> = self.series.images.iter().map(|i| i.defocus.to_bits()).collect();
        self.rigid.as_ref().map_or(0, |r| r.table_bytes(foci.len()))
    }

    fn prepare(
        &self,
        parameters: &[f64],
        active: &[bool],
        context: &Context,
        waiting: &mut dyn FnMut(f64) -> Result<()>,
    ) -> Result<ProbeTables<T>> {
        match &self.rigid {
            None => Ok(ProbeTables::default()),
            Some(rigid) => rigid.tables(self, parameters, active, context, waiting),
        }
    }

    fn predict(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        out: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        match &self.rigid {
            None => self.predict_direct(at, tilt, images, out, workspace)?,
            Some(rigid) => rigid.predict(self, at, tilt, images, out, workspace)?,
        }
        workspace.unscaled.clear();
        workspace.unscaled.extend_from_slice(out);
        for (image, values) in images.iter().zip(out.chunks_exact_mut(self.pixels())) {
            let scale = T::of(at.parameters[self.blocks.scale.start + image]);
            let background = T::of(at.parameters[self.blocks.background.start + image]);
            values.iter_mut().for_each(|v| *v = *v * scale + background);
        }
        Ok(())
    }

    fn push_forward(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        direction: &[f64],
        out: &mut [T],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        match &self.rigid {
            None => self.push_forward_direct(at, tilt, images, direction, out, workspace)?,
            Some(rigid) => rigid.push_forward(self, at, tilt, images, direction, out, workspace)?,
        }
        let pixels = self.pixels();
        for ((image, change), unscaled) in
            images.iter().zip(out.chunks_exact_mut(pixels)).zip(workspace.unscaled.chunks_exact(pixels))
        {
            let scale = T::of(at.parameters[self.blocks.scale.start + image]);
            let scale_change = T::of(direction[self.blocks.scale.start + image]);
            let background_change = T::of(direction[self.blocks.background.start + image]);
            let values = change.iter_mut().zip(unscaled);
            values.for_each(|(c, u)| *c = *c * scale + *u * scale_change + background_change);
        }
        Ok(())
    }

    fn pull_back(
        &self,
        at: &Point<'_, ProbeTables<T>>,
        tilt: usize,
        images: &[usize],
        residual: &mut [T],
        gradient: &mut [f64],
        workspace: &mut Workspace<T>,
    ) -> Result<()> {
        let pixels = self.pixels();
        for ((image, residual), unscaled) in
            images.iter().zip(residual.chunks_exact_mut(pixels)).zip(workspace.unscaled.chunks_exact(pixels))
        {
            if at.active[Blocks::BACKGROUND] {
                gradient[self.blocks.background.start + image] += sum(residual.iter().map(|r| r.f64()));
            }
            if at.active[Blocks::SCALE] {
                let products = residual.iter().zip(unscaled).map(|(r, u)| r.f64() * u.f64());
                gradient[self.blocks.scale.start + image] += sum(products);
            }
            let scale = T::of(at.parameters[self.blocks.scale.start + image]);
            residual.iter_mut().for_each(|r| *r *= scale);
        }
        match &self.rigid {
            None => self.pull_back_direct(at, tilt, images, residual, gradient, workspace),
            Some(rigid) => rigid.pull_back(self, at, tilt, images, residual, gradient, workspace),
        }
    }
}

/// Sum as eight partial ones: a fixed order whose additions need not wait for each other.
fn sum(values: impl Iterator<Item = f64>) -> f64 {
    let mut parts = [0.0; 8];
    values.enumerate().for_each(|(i, value)| parts[i % 8] += value);
    parts.iter().sum()
}
