//! Scans: signals of all detectors, whole patterns, PRISM and frozen phonons.

use crate::cases::{camera, on_patterns, waiting, Specimen};
use crate::compare::{error, Group, Report};
use crate::reference::{probe_of, Case, Node, Result};
use aet::context::Context;
use aet::forward::prism::{PrismOptions, PrismPlan};
use aet::grid::Plane;
use aet::optics::{Crop, Detector, DetectorKind, DetectorPlan, Probe};
use aet::simd::Real;
use aet::simulate::stem::{ScanPositions, Simulation, SliceEdges, StemPlan};
use aet::simulate::MeanAccumulator;
use ndarray::{Array, ArrayD, Axis, IxDyn};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A raster of positions: (x, y) of the first, one past the last, and numbers along (x, y).
struct Raster {
    points: (usize, usize),
    positions: ScanPositions,
}

impl Raster {
    fn new(case: &Case<'_>) -> Result<Self> {
        let scan = case.parameters.get("scan")?;
        let (start, end, points) = (scan.get("start")?.pair()?, scan.get("end")?.pair()?, scan.get("gpts")?.points()?);
        let raster = Self { points, positions: ScanPositions::raster(start, end, (points.1, points.0))? };
        raster.check_positions(case)?;
        Ok(raster)
    }

    /// The positions in scan_positions.npy `[ix, iy, (x, y)]`, in single precision, must be those of start and end.
    fn check_positions(&self, case: &Case<'_>) -> Result<()> {
        let path = format!("{}/scan_positions.npy", case.folder);
        if !case.reference.arrays(case.folder).contains(&path) {
            return Ok(());
        }
        let stored = case.reference.real(&path)?;
        let (nx, ny) = self.points;
        if stored.shape() != [nx, ny, 2] {
            return Err(format!("{path}: its shape is {:?}, wanted {:?}", stored.shape(), [nx, ny, 2]).into());
        }
        for (i, (x, y)) in self.positions.as_slice().iter().enumerate() {
            let (ix, iy) = (i % nx, i / nx);
            let (there_x, there_y) = (stored[[ix, iy, 0]], stored[[ix, iy, 1]]);
            if (x - there_x).hypot(y - there_y) > 1e-6 * (x.hypot(*y) + 1.0) {
                let why = "start and end of the scan (end not included) give";
                return Err(format!("{path}: position [{ix}, {iy}] is ({there_x}, {there_y}), {why} ({x}, {y})").into());
            }
        }
        Ok(())
    }

    /// Position \[ix, iy\].
    fn at(&self, ix: usize, iy: usize) -> Result<ScanPositions> {
        let place = (ix < self.points.0).then(|| self.positions.as_slice().get(iy * self.points.0 + ix)).flatten();
        let (nx, ny) = self.points;
        let place = place.ok_or_else(|| format!("there is no position [{ix}, {iy}] in a scan of {nx} x {ny}"))?;
        Ok(ScanPositions::new(vec![*place])?)
    }
}

/// What an array of a scan holds.
enum Content {
    /// The signal of a detector at all positions, and the order of the axes of ours, \[iy, ix, signal ..\], in the file.
    Signal(Detector, Vec<usize>),
    /// The whole pattern \[kx, ky\] at position \[ix, iy\].
    Pattern(usize, usize),
}

/// An array to compare with.
struct Wanted {
    path: String,
    content: Content,
    values: ArrayD<f64>,
}

impl Wanted {
    /// What the array `name` holds, by its name; `None` for names that mean nothing here.
    fn new(case: &Case<'_>, name: &str, path: String) -> Result<Option<Self>> {
        let values = case.reference.real(&path)?;
        let parameters = &case.parameters;
        let number = |of: &Node<'_>, key: &str| of.get(key)?.number();
        let annular = parameters.find("annular_mrad").and_then(|all| all.find(name));
        let (kind, axes) = if let Some(angles) = annular {
            let (inner_mrad, outer) = angles.pair()?;
            (DetectorKind::Annular { inner_mrad, outer_mrad: Some(outer) }, vec![1, 0])
        } else if name.starts_with("flexible") {
            let of = parameters.get("flexible")?;
            let (inner_mrad, outer_mrad) = (number(&of, "inner")?, number(&of, "outer")?);
            let step_mrad = number(&of, "step_mrad")?;
            (DetectorKind::FlexibleAnnular { inner_mrad, outer_mrad, step_mrad }, vec![1, 0, 2])
        } else if name.starts_with("segmented") {
            let of = parameters.get("segmented")?;
            let kind = DetectorKind::Segmented {
                inner_mrad: number(&of, "inner")?,
                outer_mrad: number(&of, "outer")?,
                radial_bins: of.get("nbins_radial")?.count()?,
                azimuthal_bins: of.get("nbins_azimuthal")?.count()?,
                rotation_deg: of.find("rotation").map_or(Ok(0.0), |r| r.number())?.to_degrees(),
            };
            (kind, vec![1, 0, 2, 3])
        } else if name == "com" {
            (DetectorKind::CenterOfMass { outer_mrad: None, normalized: true }, vec![2, 1, 0])
        } else if name == "4dstem" {
            let &[_, _, columns, rows] = values.shape() else {
                return Err(format!("{path}: its shape is {:?}, wanted [x, y, kx, ky]", values.shape()).into());
            };
            let crop = Crop::Pixels { rows, columns };
            (DetectorKind::Pixelated { crop, binning: 1 }, vec![1, 0, 3, 2])
        } else if let Some((ix, iy)) = position_of(name) {
            return Ok(Some(Self { path, content: Content::Pattern(ix, iy), values }));
        } else {
            return Ok(None);
        };
        Ok(Some(Self { path, content: Content::Signal(Detector::new(kind)?.named(name), axes), values }))
    }
}

/// Signals of all positions, one after the other, and what they are.
type Signals = Result<(Vec<f64>, DetectorPlan)>;

/// (ix, iy) of `pattern_IX_IY` or `pattern_full_IX_IY`.
fn position_of(name: &str) -> Option<(usize, usize)> {
    let rest = name.strip_prefix("pattern_")?;
    let (ix, iy) = rest.strip_prefix("full_").unwrap_or(rest).split_once('_')?;
    Some((ix.parse().ok()?, iy.parse().ok()?))
}

/// The arrays of `files` = (name, path) that mean something; the others are told of.
fn wanted(case: &Case<'_>, group: Group, files: Vec<(String, String)>, report: &Report) -> Result<Vec<Wanted>> {
    let mut all = vec![];
    for (name, path) in files {
        match Wanted::new(case, &name, path.clone())? {
            Some(wanted) => all.push(wanted),
            None => report.say(group, &path, "passed over: its name tells no detector of this case"),
        }
    }
    Ok(all)
}

/// Signals of detectors at positions, by one method or another.
type Measure<'a> = dyn Fn(&ScanPositions, &[Detector]) -> Signals + 'a;

/// Multislice as a [`Measure`].
fn multislice<'a, T: Real>(
    context: &'a Context,
    simulation: &'a Simulation<T>,
    probe: &Probe,
) -> Result<impl Fn(&ScanPositions, &[Detector]) -> Signals + 'a> {
    let plan = StemPlan::new(simulation, probe)?;
    Ok(move |positions: &ScanPositions, detectors: &[Detector]| {
        let detectors = on_patterns(simulation, detectors)?;
        Ok((waiting(context, |w| plan.scan(context, positions, &detectors, w))?, detectors))
    })
}

/// Signals \[iy, ix, signal ..\] of each detector at all positions.
fn images(raster: &Raster, detectors: &[Detector], measure: &Measure<'_>) -> Result<Vec<ArrayD<f64>>> {
    if detectors.is_empty() {
        return Ok(vec![]);
    }
    let (signals, plan) = measure(&raster.positions, detectors)?;
    let (nx, ny) = raster.points;
    let image = |signal: &aet::optics::detector::Signal| -> Result<ArrayD<f64>> {
        let shape: Vec<usize> = [ny, nx].into_iter().chain(signal.shape.iter().copied()).collect();
        let values = signals.chunks_exact(plan.len()).flat_map(|s| s[signal.range()].iter().copied()).collect();
        Ok(Array::from_shape_vec(IxDyn(&shape), values)?)
    };
    plan.layout().iter().map(image).collect()
}

/// Compares all arrays in `wanted` with what `measure` finds.
fn compare(group: Group, raster: &Raster, wanted: &[Wanted], measure: &Measure<'_>, report: &mut Report) -> Result<()> {
    let detectors: Vec<Detector> = wanted.iter().filter_map(|w| detector(w).cloned()).collect();
    let mut images = images(raster, &detectors, measure)?.into_iter();
    for Wanted { path, content, values } in wanted {
        let got = match content {
            Content::Signal(_, axes) => {
                let image = images.next().ok_or("a detector gave no signal")?;
                image.permuted_axes(IxDyn(axes))
            }
            Content::Pattern(ix, iy) => {
                let at = raster.at(*ix, *iy).map_err(|e| format!("{path}: {e}"))?;
                let (pattern, plan) = measure(&at, &[camera()?])?;
                Array::from_shape_vec(IxDyn(&plan.layout()[0].shape), pattern)?.reversed_axes()
            }
        };
        report.add(group, path, got.view(), values)?;
    }
    Ok(())
}

fn detector(wanted: &Wanted) -> Option<&Detector> {
    match &wanted.content {
        Content::Signal(detector, _) => Some(detector),
        Content::Pattern(..) => None,
    }
}

/// All that is known of one scan.
pub fn scan<T: Real>(context: &Context, case: &Case<'_>, report: &mut Report) -> Result<()> {
    let cell_of = case.node.find("cell_of").map_or(Ok(case.name), |c| c.text())?;
    let cell = case.reference.root().get(cell_of)?;
    let thickness = case.parameters.get("slice_thickness_A")?.number()?;
    let structure = case.node.get("structure")?.text()?;
    let mut specimen = Specimen::new(case.reference, structure, &cell, SliceEdges::Thickness(thickness))?;
    if let Some(energy) = case.parameters.find("energy_eV") {
        specimen.energy_ev = energy.number()?;
    }
    let (raster, probe) = (Raster::new(case)?, probe_of(specimen.energy_ev, &case.parameters)?);
    let simulation = specimen.simulate::<T>(context)?;

    let files = wanted(case, Group::Scan, case.named("multislice_"), report)?;
    compare(Group::Scan, &raster, &files, &multislice(context, &simulation, &probe)?, report)?;
    prism(context, case, &simulation, &probe, &raster, report)?;
    phonons::<T>(context, case, &specimen, &probe, &raster, report)
}

/// PRISM as a [`Measure`]: all plane waves travel at once, windows are 1 / `f` of the object.
fn prismatic<'a, T: Real>(
    context: &'a Context,
    simulation: &Simulation<T>,
    probe: &Probe,
    f: usize,
) -> Result<impl Fn(&ScanPositions, &[Detector]) -> Signals + 'a + use<'a, T>> {
    let (engine, plane) = (simulation.engine(), simulation.plane());
    let window = Plane::new(plane.rows / f, plane.columns / f, plane.pixel_y, plane.pixel_x)?;
    let options = PrismOptions { interpolation: (f, f), downsampling: false };
    let plan = PrismPlan::new(engine, &options, probe.pupil_on(&window))?;
    let (mut matrix, probe) = (plan.matrix()?, plan.probe(probe.pupil_on(&window))?);
    waiting(context, |w| plan.scatter(context, engine, simulation.object(), &mut matrix, w))?;
    let (wavelength, limit) = (simulation.wavelength(), simulation.options().band_limit);
    Ok(move |positions: &ScanPositions, detectors: &[Detector]| {
        let detectors = DetectorPlan::new(detectors, &window, wavelength, limit)?;
        let mut signals = vec![0.0; positions.as_slice().len() * detectors.len()];
        let places: Vec<Mutex<&mut [f64]>> = signals.chunks_mut(detectors.len()).map(Mutex::new).collect();
        let take = |i: usize, pattern: &[T]| {
            let mut place = places[i].lock().unwrap_or_else(PoisonError::into_inner);
            detectors.signals(pattern, &mut place)
        };
        waiting(context, |w| plan.patterns(context, &matrix, &probe, positions.as_slice(), &take, w))?;
        drop(places);
        Ok((signals, detectors))
    })
}

/// PRISM: `prism_fF_NAME.npy` with interpolation factor F.
fn prism<T: Real>(
    context: &Context,
    case: &Case<'_>,
    simulation: &Simulation<T>,
    probe: &Probe,
    raster: &Raster,
    report: &mut Report,
) -> Result<()> {
    let mut by_factor = BTreeMap::<usize, Vec<(String, String)>>::new();
    for (rest, path) in case.named("prism_f") {
        let factor = rest.split_once('_').and_then(|(f, name)| Some((f.parse().ok().filter(|f| *f > 0)?, name)));
        let (f, name) = factor.ok_or_else(|| format!("{path}: its name has no interpolation factor"))?;
        by_factor.entry(f).or_default().push((name.to_string(), path));
    }
    for (f, files) in by_factor {
        let files = wanted(case, Group::Prism, files, report)?;
        if files.is_empty() {
            continue;
        }
        let measure = prismatic(context, simulation, probe, f)?;
        compare(Group::Prism, raster, &files, &measure, report)?;
        if f == 1 {
            compare_with_multislice(case, files, raster, &measure, report)?;
        }
    }
    Ok(())
}

/// PRISM that leaves nothing out is multislice: tells how far it is from the reference's multislice, which shows whether
/// the reference's PRISM is as exact.
fn compare_with_multislice(
    case: &Case<'_>,
    files: Vec<Wanted>,
    raster: &Raster,
    measure: &Measure<'_>,
    report: &Report,
) -> Result<()> {
    let exact = case.named("multislice_");
    let mut twins = vec![];
    for prism in files {
        let twin = exact.iter().find(|(name, _)| same_content(name, &prism));
        if let Some((_, path)) = twin {
            let values = case.reference.real(path)?;
            report.say(
                Group::Prism,
                path,
                &format!("is {:.2e} from {}", error(prism.values.view(), &values)?, prism.path),
            );
            twins.push(Wanted { path: path.clone(), values, content: prism.content });
        }
    }
    let mut aside = Report::default();
    compare(Group::Prism, raster, &twins, measure, &mut aside)?;
    let worst = aside.worst(Group::Prism);
    report.say(Group::Prism, case.name, &format!("PRISM is {worst:.2e} from multislice_* (not part of prism_err)"));
    Ok(())
}

/// Whether a multislice file of this name holds what the PRISM file does.
fn same_content(name: &str, prism: &Wanted) -> bool {
    match &prism.content {
        Content::Signal(detector, _) => detector.name() == name,
        Content::Pattern(ix, iy) => position_of(name) == Some((*ix, *iy)),
    }
}

/// Frozen phonons: images of every configuration of `phonon_configurations`, and their means, beside its file.
fn phonons<T: Real>(
    context: &Context,
    case: &Case<'_>,
    still: &Specimen,
    probe: &Probe,
    raster: &Raster,
    report: &mut Report,
) -> Result<()> {
    let Some(configurations) = case.node.find("phonon_configurations") else { return Ok(()) };
    let configurations = configurations.list()?.iter().map(Node::text).collect::<Result<Vec<_>>>()?;
    let Some(folder) = configurations.first().map(|path| path.rsplit_once('/').map_or(".", |(folder, _)| folder))
    else {
        return Ok(());
    };
    let ending = |ending: &str| -> Vec<(String, String)> {
        let name = |path: &str| Some(path.rsplit('/').next()?.strip_suffix(ending)?.to_string());
        case.reference.arrays(folder).into_iter().filter_map(|path| Some((name(&path)?, path))).collect()
    };
    let each = wanted(case, Group::Phonon, ending("_per_config.npy"), report)?;
    let means = wanted(case, Group::Phonon, ending("_mean.npy"), report)?;
    let all: Vec<&Wanted> = each.iter().chain(&means).collect();
    let detectors: Vec<Detector> = all.iter().filter_map(|w| detector(w).cloned()).collect();
    if detectors.len() < all.len() {
        return Err(format!("{folder}: patterns of frozen phonons are not known").into());
    }
    if all.is_empty() {
        return Ok(());
    }
    let mut found: Vec<Vec<ArrayD<f64>>> = vec![];
    for path in configurations {
        let atoms = case.reference.atoms(path)?.with_cell(still.atoms.require_cell()?)?;
        let moved = Specimen { atoms, energy_ev: still.energy_ev, options: still.options.clone() };
        let simulation = moved.simulate::<T>(context)?;
        found.push(images(raster, &detectors, &multislice(context, &simulation, probe)?)?);
    }
    for (i, Wanted { path, content, values }) in all.into_iter().enumerate() {
        let Content::Signal(_, axes) = content else { continue };
        let of_configurations: Vec<_> =
            found.iter().map(|images| images[i].view().permuted_axes(IxDyn(axes))).collect();
        let got = match i < each.len() {
            true => ndarray::stack(Axis(0), &of_configurations)?,
            false => mean(&of_configurations)?,
        };
        report.add(Group::Phonon, path, got.view(), values)?;
    }
    Ok(())
}

fn mean(images: &[ndarray::ArrayViewD<'_, f64>]) -> Result<ArrayD<f64>> {
    let mut sum = MeanAccumulator::new(images[0].len());
    for (image, number) in images.iter().zip(0..) {
        sum.deliver(number, image.iter().copied().collect())?;
    }
    Ok(Array::from_shape_vec(images[0].raw_dim(), sum.mean()?.to_vec())?)
}
