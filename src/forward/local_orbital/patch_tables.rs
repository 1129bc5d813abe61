//! Tables of patches: where many atoms share a width, their patches differ by depth and by the place between pixels only.
//!
//! Between slices patches are linear in depth, as the model is. Across a pixel they are made at steps of at most a fifth
//! of the orbital's standard deviation, and joined by cubics through four steps along either axis: an error below 1e-3
//! of a derivative's largest value.

use super::patches::{kept_half, AtomPatches, PatchWorkspace};
use crate::context::Context;
use crate::error::Result;
use crate::problem::Waiting;
use crate::simd::{patches, SimdPath};
use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

/// Bytes of all tables at most; beyond, patches are made one by one.
const MOST_BYTES: usize = 256 << 20;

/// Tables are made where they take at most this part of the patches that they stand for.
const WORTH: f64 = 0.5;

/// Steps per standard deviation of the narrowest term.
const FINENESS: f64 = 5.0;

/// Planes that are kept, H, x', y', B: z' is the difference of H between slices.
const PLANES: [usize; 4] = [0, 1, 2, 4];

/// Tables by width (its bits) and number of the probe.
pub(super) struct PatchTables {
    tables: BTreeMap<Key, PatchTable>,
}

type Key = (u64, usize);

/// Patches of atoms of one width in images of one probe.
pub(super) struct PatchTable {
    /// Steps per pixel.
    steps: usize,
    /// Planes per patch: H, x', y' and perhaps B.
    functions: usize,
    /// Slices that share an atom.
    ends: usize,
    /// Distance of slices in A.
    thickness: f64,
    /// Between slices, or at hard ones.
    bins: Vec<Bin>,
}

/// Patches at the one or two slices of a bin.
struct Bin {
    /// Half edge that is kept.
    half: usize,
    /// \[slice\]\[place along y\]\[place along x\]\[function\]\[edge\]\[edge\], planes padded.
    values: Vec<f32>,
}

impl PatchTables {
    /// Tables for atoms of these widths; `None` where they are not worth it for this number of
    /// patches, or take too much memory.
    pub fn new(
        patches: &AtomPatches,
        widths: &[f64],
        evaluations: usize,
        context: &Context,
        waiting: &mut Waiting<'_>,
    ) -> Result<Option<Self>> {
        let Some(depths) = patches.slice_depths() else { return Ok(None) };
        let keys: Vec<Key> =
            widths.iter().flat_map(|w| (0..patches.probes()).map(|probe| (w.to_bits(), probe))).collect();
        let phases = |key: &Key| (patches.steps(f64::from_bits(key.0), FINENESS) + 3).pow(2);
        let made: usize = keys.iter().map(|key| depths.len() * phases(key)).sum();
        if made as f64 > WORTH * evaluations as f64 {
            return Ok(None);
        }
        let workspaces: Mutex<Vec<PatchWorkspace>> = Mutex::default();
        let taken =
            || workspaces.lock().unwrap_or_else(|p| p.into_inner()).pop().unwrap_or_else(|| patches.workspace());
        let give = |workspace| workspaces.lock().unwrap_or_else(|p| p.into_inner()).push(workspace);
        let (items, ends) = (keys.len() * depths.len(), patches.slices_per_atom());
        let item = |at: usize| (keys[at / depths.len()], depths[at % depths.len()]);
        let cancel = waiting.cancel;
        let mut quiet = |_: usize| cancel.check("an error estimate");

        let halves: Vec<OnceLock<usize>> = (0..items).map(|_| OnceLock::new()).collect();
        context.for_each(items, &mut quiet, &|at| {
            let (key, depth) = item(at);
            let mut workspace = taken();
            // Half a pixel off the middle either way is the farthest.
            let half = [0.5, -0.5].map(|u| {
                let planes = patches.plain(u, u, key, depth, &mut workspace);
                kept_half(planes, patches.size())
            });
            give(workspace);
            let _ = halves[at].set(half[0].max(half[1]));
            Ok(())
        })?;
        let halves: Vec<usize> = halves.into_iter().filter_map(OnceLock::into_inner).collect();
        let table = |(key, halves): (&Key, &[usize])| PatchTable {
            steps: patches.steps(f64::from_bits(key.0), FINENESS),
            functions: patches.functions() - 1,
            ends,
            thickness: patches.thickness(),
            bins: halves.windows(ends.min(halves.len())).map(Bin::of).collect(),
        };
        let mut tables: Vec<PatchTable> = keys.iter().zip(halves.chunks_exact(depths.len())).map(table).collect();
        let lengths = tables.iter().flat_map(|table| table.bins.iter().map(|bin| table.values_in(bin)));
        if lengths.sum::<usize>() * size_of::<f32>() > MOST_BYTES {
            return Ok(None);
        }
        let bins: Vec<(usize, usize)> =
            tables.iter().enumerate().flat_map(|(t, table)| (0..table.bins.len()).map(move |bin| (t, bin))).collect();
        let values: Vec<OnceLock<Vec<f32>>> = bins.iter().map(|_| OnceLock::new()).collect();
        context.for_each(bins.len(), &mut quiet, &|at| {
            let ((table, bin), mut workspace) = (bins[at], taken());
            let made = tables[table].values(patches, keys[table], bin, &depths, &mut workspace);
            let _ = values[at].set(made);
            give(workspace);
            Ok(())
        })?;
        for ((table, bin), values) in bins.into_iter().zip(values) {
            tables[table].bins[bin].values = values.into_inner().unwrap_or_default();
        }
        Ok(Some(Self { tables: keys.into_iter().zip(tables).collect() }))
    }

    pub fn of(&self, width: f64, probe: usize) -> Option<&PatchTable> {
        self.tables.get(&(width.to_bits(), probe))
    }
}

impl Bin {
    /// Without values yet, for what its slices need.
    fn of(halves: &[usize]) -> Self {
        Self { half: halves.iter().copied().max().unwrap_or(0), values: Vec::new() }
    }

    fn edge(&self) -> usize {
        2 * self.half + 1
    }

    /// Values from plane to plane.
    fn plane(&self) -> usize {
        (self.edge() * self.edge()).next_multiple_of(patches::PLANE_LANES)
    }
}

impl PatchTable {
    /// Places of an atom along one axis: a step beyond half a pixel on either side.
    fn places(&self) -> usize {
        self.steps + 3
    }

    /// Values of one slice of a bin.
    fn values_in_slice(&self, bin: &Bin) -> usize {
        self.places().pow(2) * self.functions * bin.plane()
    }

    fn values_in(&self, bin: &Bin) -> usize {
        self.ends * self.values_in_slice(bin)
    }

    /// The patches of one bin.
    fn values(
        &self,
        patches: &AtomPatches,
        key: Key,
        number: usize,
        depths: &[f64],
        workspace: &mut PatchWorkspace,
    ) -> Vec<f32> {
        let (bin, places, size) = (&self.bins[number], self.places(), patches.size());
        let place = |i: usize| (i as f64 - 1.0) / self.steps as f64 - 0.5;
        let (mut values, first, edge) = (vec![0.0; self.values_in(bin)], size / 2 - bin.half, bin.edge());
        for (slice, depth) in values.chunks_exact_mut(self.values_in_slice(bin)).zip(&depths[number..]) {
            for (at, patch) in slice.chunks_exact_mut(self.functions * bin.plane()).enumerate() {
                let planes = patches.plain(place(at / places), place(at % places), key, *depth, workspace);
                for (plane, from) in patch.chunks_exact_mut(bin.plane()).zip(PLANES) {
                    let from = &planes[from * size * size..];
                    for (row, values) in plane.chunks_exact_mut(edge).take(edge).enumerate() {
                        let from = &from[(first + row) * size + first..][..edge];
                        values.iter_mut().zip(from).for_each(|(v, f)| *v = *f as f32);
                    }
                }
            }
        }
        values
    }

    /// The planes H, x', y', z' and perhaps B of an atom `offset` (rows, columns) from the middle pixel, `second` of the
    /// way from slice `bin` to the next; values from plane to plane, and half the edge of a plane.
    pub fn join(
        &self,
        simd: SimdPath,
        offset: (f64, f64),
        (bin, second, slope): (usize, f64, bool),
        to: &mut Vec<f32>,
    ) -> (usize, usize) {
        let bin = &self.bins[bin.min(self.bins.len() - 1)];
        let (plane, of_y, of_x) = (bin.plane(), Steps::of(offset.0, self.steps), Steps::of(offset.1, self.steps));
        to.resize((self.functions + 1) * plane, 0.0);
        let nothing: (f32, &[f32]) = (0.0, &[]);
        let join = |function: usize, weights: [f64; 2], to: &mut [f32]| {
            let mut parts = [nothing; 32];
            for (i, part) in parts[..16 * self.ends].iter_mut().enumerate() {
                let (slice, y, x) = (i / 16, i / 4 % 4, i % 4);
                let place = (slice * self.places() + of_y.first + y) * self.places() + of_x.first + x;
                let weight = weights[slice] * of_y.weights[y] * of_x.weights[x];
                *part = (weight as f32, &bin.values[(place * self.functions + function) * plane..][..plane]);
            }
            patches::join(simd, &parts[..16 * self.ends], to);
        };
        for (function, at) in PLANES.into_iter().enumerate().take(self.functions) {
            join(function, [1.0 - second, second], &mut to[at * plane..][..plane]);
        }
        let along = &mut to[3 * plane..4 * plane];
        match slope {
            true => join(0, [-1.0 / self.thickness, 1.0 / self.thickness], along),
            false => along.fill(0.0),
        }
        (plane, bin.half)
    }
}

/// Four places and the weights of the cubic through them.
struct Steps {
    first: usize,
    weights: [f64; 4],
}

impl Steps {
    /// For an offset of at most half a pixel.
    fn of(offset: f64, steps: usize) -> Self {
        let place = (offset + 0.5) * steps as f64;
        let first = (place.max(0.0) as usize).min(steps - 1);
        let t = place - first as f64;
        let (a, b, c) = (t + 1.0, t - 1.0, t - 2.0);
        Self { first, weights: [-t * b * c / 6.0, a * b * c / 2.0, -a * t * c / 2.0, a * t * b / 6.0] }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parameters::OPTICS;
    use super::super::patches::{AtomPatch, AtomValues, ImagePose};
    use super::super::probes::ImageOptics;
    use super::super::{DepthMode, ImageGeometry, Interaction, Orbital, OrbitalTerm, SeriesGeometry, Slicing};
    use super::*;
    use crate::context::ContextOptions;
    use crate::geometry::AngleOrder;
    use crate::optics::ProbeOptions;

    fn patches(slicing: Slicing, orbital: &Orbital, with_widths: bool) -> AtomPatches {
        let image = |number: usize| ImageGeometry { tilt: 0, section: number, defocus: 30.0 * number as f64 };
        let series = SeriesGeometry {
            rows: 48,
            columns: 60,
            pixel_size: 0.35,
            images: vec![image(0), image(1)],
            tilts: 1,
            sections: 2,
            angle_order: AngleOrder::Zyx,
        };
        let interaction = Interaction::Rigid {
            probe: Box::new(ProbeOptions::new(300e3, 25.0).build().unwrap()),
            slice_thickness: 4.0,
            slicing,
            mode: DepthMode::Auto,
            tolerance: None,
            pixels: None,
        };
        let focus = |defocus: f64| {
            let mut numbers = [0.0; OPTICS];
            numbers[0] = defocus;
            ImageOptics { numbers, pixels: None }
        };
        let optics = vec![focus(0.0), focus(30.0)];
        AtomPatches::new(series, (&interaction, optics), orbital, (0.6, 10.0), with_widths, SimdPath::detect()).unwrap()
    }

    fn tabled(patches: AtomPatches, widths: &[f64], evaluations: usize, threads: usize) -> AtomPatches {
        let context = Context::new(&ContextOptions { threads: Some(threads), simd: None }).unwrap();
        let cancel = context.cancel_token();
        let waiting = &mut Waiting { cancel: &cancel, tell: &mut |_| true };
        patches.with_tables(widths, evaluations, &context, waiting).unwrap()
    }

    /// Largest difference of patches from tables and of patches made one by one, relative to each derivative's largest
    /// value.
    fn worst<const L: usize>(slicing: Slicing, orbital: &Orbital, own: &[usize]) -> f64 {
        let plain = patches(slicing, orbital, own.contains(&4));
        let quick = tabled(patches(slicing, orbital, own.contains(&4)), &[0.4, 0.6], 1_000_000, 2);
        assert!(quick.has_tables());
        let (mut of_plain, mut of_quick) = (plain.workspace(), quick.workspace());
        let (mut a, mut b) = (AtomPatch::<L>::default(), AtomPatch::<L>::default());
        let mut worst = 0.0f64;
        for i in 0..40 {
            let at = |k: usize| ((i * 3 + k) as f64 * 12.9898).sin();
            // Inside the image: beside it the two may keep so different edges that one of them misses it.
            let atom = AtomValues { position: [0, 1, 2].map(|k| 5.5 * at(k)), height: 1.7, width: [0.4, 0.6][i % 2] };
            let rotation = AngleOrder::Zyx.rotation(&[0.0, 3.0, 20.0]);
            let pose = ImagePose { rotation, shift: [0.3, -0.2, 0.0], scale: 1.2, probe: i / 2 % 2 };
            assert!(plain.derivatives(&pose, &atom, own, &mut a, &mut of_plain));
            assert!(quick.derivatives(&pose, &atom, own, &mut b, &mut of_quick));
            for q in 0..own.len() {
                let largest = a.pixels.iter().map(|p| p[q].abs()).fold(0.0, f64::max);
                for (at, value) in a.pixels.iter().enumerate() {
                    let (row, column) = (a.corner.0 + (at / a.side) as i64, a.corner.1 + (at % a.side) as i64);
                    let (r, c) = ((row - b.corner.0) as usize, (column - b.corner.1) as usize);
                    if r < b.side && c < b.side {
                        worst = worst.max((value[q] - b.pixels[r * b.side + c][q]).abs() / largest);
                    }
                }
            }
        }
        worst
    }

    #[test]
    fn tables_hold_the_patches_that_are_made_one_by_one() {
        let two =
            Orbital::gaussians(&[OrbitalTerm { weight: 0.8, width: 0.7 }, OrbitalTerm { weight: 0.2, width: 2.0 }]);
        for orbital in [Orbital::default(), two.unwrap()] {
            for slicing in [Slicing::Linear, Slicing::Hard] {
                let all = worst::<8>(slicing, &orbital, &[0, 1, 2, 3, 4]);
                let some = worst::<4>(slicing, &orbital, &[0, 1, 2, 3]);
                println!("{slicing:?}: {all:.1e} {some:.1e}");
                assert!(all < 1e-3 && some < 1e-3);
            }
        }
    }

    #[test]
    fn tables_are_made_where_they_pay() {
        let of = |widths: &[f64], evaluations| {
            tabled(patches(Slicing::Linear, &Orbital::default(), false), widths, evaluations, 1).has_tables()
        };
        assert!(!of(&[0.5], 100) && of(&[0.5], 100_000));
        let many: Vec<f64> = (0..200).map(|i| 0.4 + 1e-3 * f64::from(i)).collect();
        assert!(!of(&many, 100_000));
    }
}
