//! A prior on the pixels of fitted probes: what they add to the probes of the optics changes little from pixel to pixel.
//!
//! The term is 1/2 w sum (d_i - d_j)^2 over neighbouring pixels i, j of a slice along u and v, and the same pixel of neighbouring
//! slices, d = p - p_optics. w is the option `probe_smoothness` times the mean curvature of the loss by a pixel of the probes, as
//! the scale of the block tells it: at 1 a difference between neighbours costs what the images make a pixel cost.

use super::plan::Plan;
use crate::forward::local_orbital::Blocks;

impl Plan {
    /// The term at `parameters`; its derivatives are added to `gradient` where there is one.
    pub fn probe_roughness(&self, parameters: &[f64], gradient: Option<&mut [f64]>) -> f64 {
        let block = &self.layout.blocks[Blocks::PROBE];
        if self.smoothness == 0.0 || block.frozen || block.is_empty() {
            return 0.0;
        }
        let weight = self.smoothness / (block.scale * block.scale);
        let change: Vec<f64> =
            parameters[block.range()].iter().zip(self.start_probes.iter()).map(|(p, start)| p - start).collect();
        let [_, slices, side, _] = block.shape[..] else { return 0.0 };
        let mut slopes = gradient.map(|gradient| &mut gradient[block.range()]);
        let mut sum = 0.0;
        // distance in memory to the next pixel along each axis, and how many there are along it
        for (stride, count) in [(1, side), (side, side), (side * side, slices)] {
            for i in (0..change.len()).filter(|i| i / stride % count + 1 < count) {
                let difference = change[i + stride] - change[i];
                sum += difference * difference;
                if let Some(slopes) = &mut slopes {
                    slopes[i + stride] += weight * difference;
                    slopes[i] -= weight * difference;
                }
            }
        }
        0.5 * weight * sum
    }
}
