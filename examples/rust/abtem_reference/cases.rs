//! Potentials, probes and exit waves. Arrays are stored \[x\]\[y\], the library's are \[row = y\]\[column = x\]: comparisons
//! look at ours through transposed views.

use crate::compare::{Group, Report};
use crate::reference::{probe_of, Case, Node, Reference, Result};
use aet::context::Context;
use aet::forward::multislice::{Multislice, MultisliceOptions, MultisliceWorkspace};
use aet::forward::potential::{Potential, PotentialOptions, Scatterers};
use aet::grid::Plane;
use aet::optics::{BandLimit, Crop, Detector, DetectorKind, DetectorPlan};
use aet::problem::Waiting;
use aet::simd::Real;
use aet::simulate::stem::{Sampling, ScanPositions, Simulation, SimulationOptions, SliceEdges, StemPlan};
use aet::specimen::{elements, Atoms};
use ndarray::{Array2, Array3};
use num_complex::Complex64;
use std::collections::BTreeSet;

/// Compares everything that there is to compare.
pub fn walk<T: Real>(context: &Context, reference: &Reference, report: &mut Report) -> Result<()> {
    for case in reference.cases()? {
        match case.kind {
            "potentials" => potentials::<T>(context, &case, report),
            "probes" => probes::<T>(context, &case, report),
            "exit_waves" => exit_waves::<T>(context, &case, report),
            "scan" => crate::scans::scan::<T>(context, &case, report),
            kind => Err(format!("it is of kind `{kind}`, known are potentials, probes, exit_waves, scan").into()),
        }
        .map_err(|e| format!("case `{}`: {e}", case.name))?;
    }
    Ok(())
}

/// Runs `call` with nobody watching.
pub fn waiting<R>(context: &Context, call: impl FnOnce(&mut Waiting<'_>) -> aet::Result<R>) -> Result<R> {
    let token = context.cancel_token();
    Ok(call(&mut Waiting { cancel: &token, tell: &mut |_| true })?)
}

/// One atom in a periodic box, one slice: `SYMBOL_TABLE_infinite_exact_PLACE.npy`, PLACE under `atom_position_A`.
fn potentials<T: Real>(context: &Context, case: &Case<'_>, report: &mut Report) -> Result<()> {
    for (name, path) in case.named("") {
        let parts: Vec<&str> = name.split('_').collect();
        let &[symbol, table, "infinite", "exact", place] = parts.as_slice() else { continue };
        let z = elements::atomic_number(symbol).ok_or_else(|| format!("{path}: `{symbol}` is no element"))?;
        let position = case.parameters.get("atom_position_A")?.get(place)?.numbers()?;
        let &[x, y, z_position] = position.as_slice() else {
            return Err(format!("{path}: its atom has {} coordinates, wanted 3", position.len()).into());
        };
        let wanted = case.reference.real(&path)?;
        let &[columns, rows] = wanted.shape() else {
            return Err(format!("{path}: its shape is {:?}, wanted [x, y]", wanted.shape()).into());
        };
        let (width, length, height) = box_of(&case.parameters.get("box_A")?)?;
        let plane = Plane::new(rows, columns, length / rows as f64, width / columns as f64)?;
        let options = PotentialOptions { parametrization: table.parse()?, ..Default::default() };
        let edges = [0.0, height.unwrap_or(2.0 * z_position.abs() + 1.0)];
        let potential = Potential::<T>::new(context.simd(), plane, &edges, &[z], options)?;
        let atom = Scatterers { positions: vec![[x, y, z_position]], species: vec![z], ..Default::default() };
        let atom = potential.place(&atom)?;
        let got = waiting(context, |w| potential.slices(context, &atom, w))?.mapv(Real::f64);
        report.add(Group::Potential, &path, got.index_axis(ndarray::Axis(0), 0).t().into_dyn(), &wanted)?;
    }
    Ok(())
}

/// Edges of a box along x, y, z: one number for all, \[x, y\] or \[x, y, z\].
fn box_of(node: &Node<'_>) -> Result<(f64, f64, Option<f64>)> {
    if let Ok(edge) = node.number() {
        return Ok((edge, edge, Some(edge)));
    }
    match node.numbers()?[..] {
        [x, y] => Ok((x, y, None)),
        [x, y, z] => Ok((x, y, Some(z))),
        ref other => Err(format!("a box has {} edges, wanted 1, 2 or 3", other.len()).into()),
    }
}

/// Probes in the plane of the reference of their defocus; each file has its own parameters under `files`.
fn probes<T: Real>(context: &Context, case: &Case<'_>, report: &mut Report) -> Result<()> {
    let energy_ev = case.parameters.get("energy_eV")?.number()?;
    let (width, length) = case.parameters.get("extent_A")?.pair()?;
    for (_, path) in case.named("probe_") {
        let about = case.reference.about(&path).ok_or_else(|| format!("dataset.json/files has no `{path}`"))?;
        let probe = probe_of(energy_ev, &about)?;
        let wanted = case.reference.complex(&path)?;
        let &[columns, rows] = wanted.shape() else {
            return Err(format!("{path}: its shape is {:?}, wanted [x, y]", wanted.shape()).into());
        };
        let plane = Plane::new(rows, columns, length / rows as f64, width / columns as f64)?;
        // only its coefficients are used, no slice is met
        let options = MultisliceOptions { band_limit: BandLimit::None, ..Default::default() };
        let engine = Multislice::<T>::new(context.simd(), &plane, probe.wavelength(), &[1.0], &options)?;
        let mut wave = engine.wave();
        engine.pupil(probe.pupil_on(&plane)).place(about.get("position_A")?.pair()?, &mut wave);
        engine.to_wave(&mut wave, &mut MultisliceWorkspace::default());
        let got = Array2::from_shape_fn((rows, columns), |(i, j)| {
            let v = wave.get(i, j);
            Complex64::new(v.re.f64(), v.im.f64())
        });
        report.add(Group::Probe, &path, got.t().into_dyn(), &wanted)?;
    }
    Ok(())
}

/// A specimen in its cell, and the electrons.
pub struct Specimen {
    pub atoms: Atoms,
    pub energy_ev: f64,
    pub options: SimulationOptions,
}

impl Specimen {
    /// The atoms of `structure` in the cell of `parameters` (`extent_A`, `height_A`, `gpts`, `parametrization`).
    pub fn new(reference: &Reference, structure: &str, parameters: &Node<'_>, slices: SliceEdges) -> Result<Self> {
        let ((width, length), height) = (parameters.get("extent_A")?.pair()?, parameters.get("height_A")?.number()?);
        let (columns, rows) = parameters.get("gpts")?.points()?;
        let parametrization = parameters.find("parametrization").map_or(Ok("lobato"), |p| p.text())?.parse()?;
        Ok(Self {
            atoms: reference.atoms(structure)?.with_cell([width, length, height])?,
            energy_ev: parameters.get("energy_eV")?.number()?,
            options: SimulationOptions {
                sampling: Sampling::Points { rows, columns },
                slices,
                potential: PotentialOptions { parametrization, ..Default::default() },
                ..Default::default()
            },
        })
    }

    pub fn simulate<T: Real>(&self, context: &Context) -> Result<Simulation<T>> {
        waiting(context, |w| Simulation::new(context, &self.atoms, self.energy_ev, &self.options, w))
    }
}

/// Detectors on the patterns of a simulation.
pub fn on_patterns<T: Real>(simulation: &Simulation<T>, detectors: &[Detector]) -> Result<DetectorPlan> {
    let (plane, limit) = (simulation.pattern_plane(), simulation.options().band_limit);
    Ok(DetectorPlan::new(detectors, plane, simulation.wavelength(), limit)?)
}

/// A camera that sees whole patterns, zero angle at n / 2.
pub fn camera() -> Result<Detector> {
    Ok(Detector::new(DetectorKind::Pixelated { crop: Crop::Whole, binning: 1 })?)
}

/// Slices, exit waves of a probe and of a plane wave, and patterns: one file of each for every slicing.
fn exit_waves<T: Real>(context: &Context, case: &Case<'_>, report: &mut Report) -> Result<()> {
    let reference = case.reference;
    let structure = case.node.get("structure")?.text()?;
    let files = ["exit_probe_exact_", "exit_plane_exact_", "cbed_exact_", "potential_exact_"].map(|p| case.named(p));
    let slicings: BTreeSet<&String> = files.iter().flatten().map(|(slicing, _)| slicing).collect();
    for slicing in slicings {
        let edges = case.parameters.get(&format!("slice_edges_{slicing}"))?.numbers()?;
        let specimen = Specimen::new(reference, structure, &case.parameters, SliceEdges::Edges(edges))?;
        let simulation = specimen.simulate::<T>(context)?;
        let [probe_file, plane_file, pattern_file, potential_file] =
            files.each_ref().map(|files| files.iter().find(|(s, _)| s == slicing).map(|(_, path)| path.as_str()));
        if let Some(path) = potential_file {
            let (slices, plane) = (simulation.slices(), simulation.plane());
            let mut got = Array3::zeros((slices, plane.rows, plane.columns));
            for (k, mut slice) in got.outer_iter_mut().enumerate() {
                slice.assign(&simulation.potential(k)?.mapv(Real::f64));
            }
            report.add(
                Group::Potential,
                path,
                got.permuted_axes([0, 2, 1]).view().into_dyn(),
                &reference.real(path)?,
            )?;
        }
        if let Some(path) = plane_file {
            let incident = Array2::from_elem((simulation.plane().rows, simulation.plane().columns), Complex64::ONE);
            let got = simulation.exit_wave(incident.view(), simulation.slices(), &context.cancel_token())?;
            report.add(Group::ExitWave, path, got.t().into_dyn(), &reference.complex(path)?)?;
        }
        if probe_file.is_none() && pattern_file.is_none() {
            continue;
        }
        let probe = probe_of(specimen.energy_ev, &case.parameters)?;
        let position = case.parameters.get("probe_position_A")?.pair()?;
        if let Some(path) = probe_file {
            let (got, _) =
                simulation.probe_exit_wave(&probe, position, simulation.slices(), &context.cancel_token())?;
            report.add(Group::ExitWave, path, got.t().into_dyn(), &reference.complex(path)?)?;
        }
        if let Some(path) = pattern_file {
            let (plan, camera) = (StemPlan::new(&simulation, &probe)?, on_patterns(&simulation, &[camera()?])?);
            let at = ScanPositions::new(vec![position])?;
            let got = waiting(context, |w| plan.scan(context, &at, &camera, w))?;
            let got = Array2::from_shape_vec((simulation.plane().rows, simulation.plane().columns), got)?;
            report.add(Group::Cbed, path, got.t().into_dyn(), &reference.real(path)?)?;
        }
    }
    Ok(())
}
