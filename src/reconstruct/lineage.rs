//! How parameters of earlier generations became those of the present one, so that a host's optimiser can carry over
//! what it remembers of each.

use super::plan::Plan;
use super::reconstruction::Reconstruction;
use crate::error::{Error, Result};
use crate::problem::Layout;
use std::sync::Arc;

/// Blocks of one earlier generation: the length of each and whether it was part of x.
#[derive(Clone)]
struct Ancestor {
    generation: u64,
    blocks: Vec<(usize, bool)>,
}

/// The earlier generations of a plan, oldest first; those before a saved state was loaded are not known.
#[derive(Clone, Default)]
pub(super) struct Lineage(Arc<Vec<Ancestor>>);

impl Ancestor {
    fn of(generation: u64, layout: &Layout) -> Self {
        Self { generation, blocks: layout.blocks.iter().map(|b| (b.len(), !b.frozen)).collect() }
    }
}

impl Plan {
    /// Makes this plan a successor of `former`.
    pub fn follow(&mut self, former: &Plan) {
        self.lineage = former.lineage.clone();
        if self.generation > former.generation {
            let mut ancestors = former.lineage.0.to_vec();
            ancestors.push(Ancestor::of(former.generation, &former.layout));
            self.lineage = Lineage(Arc::new(ancestors));
        }
    }
}

impl Reconstruction {
    /// For every value of the present x its number in the x of `generation`, `None` where it was no part of that x.
    /// Blocks only ever grow at their end (images that were appended), so a value keeps its place within its block.
    pub fn index_map(&self, generation: u64) -> Result<Vec<Option<usize>>> {
        let snapshot = self.snapshot();
        let plan = &snapshot.state.plan;
        let present = Ancestor::of(plan.generation, &plan.layout);
        let known = || plan.lineage.0.iter().chain(std::iter::once(&present));
        let Some(old) = known().find(|a| a.generation == generation) else {
            let first = known().next().map_or(plan.generation, |a| a.generation);
            let wanted = format!("{first} to {} (the present one)", plan.generation);
            return Err(Error::range("generation", generation, wanted));
        };
        let (mut map, mut start) = (Vec::with_capacity(plan.layout.free_len()), 0);
        for (&(now, free), &(before, was_free)) in present.blocks.iter().zip(&old.blocks) {
            let kept = if was_free { now.min(before) } else { 0 };
            if free {
                map.extend((0..now).map(|i| (i < kept).then_some(start + i)));
            }
            start += if was_free { before } else { 0 };
        }
        Ok(map)
    }
}
