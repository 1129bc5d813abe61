//! Sums of vectors over many items in a fixed binary tree.
//!
//! Leaf i joins leaf i ^ 1, their sum joins its neighbour, and so on: the order of additions depends on the number
//! of leaves alone, never on which thread finished first. Partial sums are added as soon as both sides exist, so
//! about (threads + log2 leaves) vectors live at once.

use std::collections::HashMap;
use std::sync::Mutex;

/// Vectors kept for reuse.
pub struct BufferPool<T = f64> {
    free: Mutex<Vec<Vec<T>>>,
}

impl<T> Default for BufferPool<T> {
    fn default() -> Self {
        Self { free: Mutex::default() }
    }
}

impl<T: Copy + Default> BufferPool<T> {
    /// A vector of `len` zeros, in the smallest memory at hand that holds it.
    pub fn take(&self, len: usize) -> Vec<T> {
        let mut free = self.free.lock().unwrap_or_else(|p| p.into_inner());
        let fitting = free.iter().enumerate().filter(|(_, buffer)| buffer.capacity() >= len);
        let best = fitting.min_by_key(|(_, buffer)| buffer.capacity()).map(|(i, _)| i);
        let mut buffer = best.map(|i| free.swap_remove(i)).unwrap_or_default();
        drop(free);
        buffer.clear();
        buffer.resize(len, T::default());
        buffer
    }

    /// Keeps `buffer` for a later [`Self::take`].
    pub fn give(&self, buffer: Vec<T>) {
        if buffer.capacity() > 0 {
            self.free.lock().unwrap_or_else(|p| p.into_inner()).push(buffer);
        }
    }
}

/// One sum under way.
pub struct TreeSum<'a> {
    leaves: usize,
    pool: &'a BufferPool,
    /// Partial sums that wait for their neighbour, by (level, index).
    waiting: Mutex<HashMap<(u32, usize), Vec<f64>>>,
}

impl<'a> TreeSum<'a> {
    /// A sum of `leaves` vectors of equal length; buffers go back to `pool`.
    pub fn new(leaves: usize, pool: &'a BufferPool) -> Self {
        Self { leaves, pool, waiting: Mutex::default() }
    }

    /// Delivers the vector of one leaf, from any thread; each leaf once.
    pub fn deliver(&self, leaf: usize, vector: Vec<f64>) {
        let (mut level, mut index, mut sum, mut width) = (0, leaf, vector, self.leaves);
        while width > 1 {
            let neighbour = index ^ 1;
            if neighbour < width {
                let mut waiting = self.waiting.lock().unwrap_or_else(|p| p.into_inner());
                let Some(other) = waiting.remove(&(level, neighbour)) else {
                    waiting.insert((level, index), sum);
                    return;
                };
                drop(waiting);
                // Addition commutes bit for bit, so the side that came last may be the accumulator.
                sum.iter_mut().zip(&other).for_each(|(s, o)| *s += o);
                self.pool.give(other);
            }
            (level, index, width) = (level + 1, index / 2, width.div_ceil(2));
        }
        self.waiting.lock().unwrap_or_else(|p| p.into_inner()).insert((u32::MAX, 0), sum);
    }

    /// The sum, once every leaf was delivered.
    pub fn finish(self) -> Option<Vec<f64>> {
        self.waiting.into_inner().unwrap_or_else(|p| p.into_inner()).remove(&(u32::MAX, 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_delivery_does_not_matter() {
        let pool = BufferPool::default();
        for leaves in 1..20 {
            let value = |i: usize| (i as f64 + 0.1).powi(7).sin() * 1e3;
            let sum_of = |order: Vec<usize>| {
                let tree = TreeSum::new(leaves, &pool);
                order.into_iter().for_each(|i| tree.deliver(i, vec![value(i), 1.0]));
                tree.finish().unwrap()
            };
            let forward = sum_of((0..leaves).collect());
            let backward = sum_of((0..leaves).rev().collect());
            let mixed = sum_of(
                (0..leaves)
                    .map(|i| (i * 7 + 3) % leaves)
                    .collect::<std::collections::BTreeSet<_>>()
                    .into_iter()
                    .chain((0..leaves).filter(|i| !(0..leaves).any(|j| (j * 7 + 3) % leaves == *i)))
                    .collect(),
            );
            assert_eq!(forward, backward);
            assert_eq!(forward, mixed);
            assert_eq!(forward[1], leaves as f64);
        }
    }

    #[test]
    fn incomplete_sums_have_no_result() {
        let pool = BufferPool::default();
        let tree = TreeSum::new(3, &pool);
        tree.deliver(0, vec![1.0]);
        tree.deliver(2, vec![1.0]);
        assert!(tree.finish().is_none());
    }
}
