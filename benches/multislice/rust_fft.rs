//! The bare pair of transforms as one has it from rustfft: rows, blocked transpose, rows, blocked transpose.

use num_complex::Complex32;
use rustfft::{Fft, FftPlanner};
use std::sync::Arc;

/// Edge of a block: its rows are whole cache lines on both sides.
const BLOCK: usize = 16;

pub struct Pair {
    n: usize,
    plans: [Arc<dyn Fft<f32>>; 2],
    wave: Vec<Complex32>,
    transposed: Vec<Complex32>,
    scratch: Vec<Complex32>,
}

impl Pair {
    pub fn new(n: usize) -> Self {
        let mut planner = FftPlanner::new();
        let plans = [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        let scratch = plans.iter().map(|plan| plan.get_inplace_scratch_len()).max().unwrap_or(0);
        let zeros = |count: usize| vec![Complex32::default(); count];
        Self { n, plans, wave: zeros(n * n), transposed: zeros(n * n), scratch: zeros(scratch) }
    }

    pub fn run(&mut self) {
        for plan in &self.plans {
            plan.process_with_scratch(&mut self.wave, &mut self.scratch);
            transpose(&self.wave, &mut self.transposed, self.n);
            plan.process_with_scratch(&mut self.transposed, &mut self.scratch);
            transpose(&self.transposed, &mut self.wave, self.n);
        }
    }
}

fn transpose(from: &[Complex32], to: &mut [Complex32], n: usize) {
    for top in (0..n).step_by(BLOCK) {
        for left in (0..n).step_by(BLOCK) {
            let rows = top..(top + BLOCK).min(n);
            for column in left..(left + BLOCK).min(n) {
                let line = &mut to[column * n + rows.start..column * n + rows.end];
                line.iter_mut()
                    .zip(from[rows.start * n + column..].iter().step_by(n))
                    .for_each(|(to, from)| *to = *from);
            }
        }
    }
}
