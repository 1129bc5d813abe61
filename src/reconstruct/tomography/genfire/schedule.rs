//! Which measured frequencies are imposed at which iteration: resolution extension and suppression.
//!
//! A point of the spectrum carries the number 1 - |k| / k_N, k_N the Nyquist frequency; it is imposed while that is above
//! the stage's limit. Extension begins with low frequencies and takes more and more, suppression gives them up again from
//! the high end. Stages take equal shares of the iterations.

use super::gridding::RADIUS_UNIT;

/// Which frequencies are imposed in the course of the iterations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[repr(i32)]
pub enum Resolution {
    /// All measured ones, always.
    Off = 0,
    /// From low ones to all: the limits 0.95, 0.80, ... 0.05, -0.10.
    #[default]
    Extension = 1,
    /// From all to low ones: the limits -0.15, -0.05, ... 0.85.
    Suppression = 2,
    /// The one after the other.
    Both = 3,
}

/// Stages of a reconstruction: the largest radius imposed in each, in parts of 1 / `RADIUS_UNIT` of Nyquist.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    stages: Vec<u16>,
    iterations: usize,
}

impl Schedule {
    /// The stages of `resolution` over `iterations`; `end_with_all` adds one with all frequencies where the last one
    /// has not.
    pub fn new(resolution: Resolution, end_with_all: bool, iterations: usize) -> Self {
        let extension = (0..8).map(|i| 0.95 - 0.15 * f64::from(i));
        let suppression = (0..11).map(|i| -0.15 + 0.1 * f64::from(i));
        let limits: Vec<f64> = match resolution {
            Resolution::Off => vec![-1.0],
            Resolution::Extension => extension.collect(),
            Resolution::Suppression => suppression.collect(),
            Resolution::Both => extension.chain(suppression).collect(),
        };
        // a limit below 0 lies beyond Nyquist: with the corners of the transform, too, all are meant
        let radius = |limit: f64| if limit < 0.0 { u16::MAX } else { ((1.0 - limit) * RADIUS_UNIT) as u16 };
        let mut stages: Vec<u16> = limits.into_iter().map(radius).collect();
        if end_with_all && stages.last() != Some(&u16::MAX) {
            stages.push(u16::MAX);
        }
        Self { stages, iterations }
    }

    /// The number of the stage of an iteration, counted from 0; beyond the last one the last stage goes on.
    pub fn stage(&self, iteration: usize) -> usize {
        let count = self.stages.len();
        (((iteration + 1) * count).saturating_sub(1) / self.iterations.max(1)).min(count - 1)
    }

    /// Largest radius imposed in a stage.
    pub fn furthest(&self, stage: usize) -> u16 {
        self.stages.get(stage).copied().unwrap_or(u16::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(resolution: Resolution, all: bool, iterations: usize) -> Vec<u16> {
        let schedule = Schedule::new(resolution, all, iterations);
        (0..iterations).map(|i| schedule.furthest(schedule.stage(i))).collect()
    }

    #[test]
    fn stages_rise_and_fall_as_published() {
        assert_eq!(walk(Resolution::Off, false, 3), [u16::MAX; 3]);
        let rising = walk(Resolution::Extension, false, 100);
        assert!(rising.is_sorted());
        assert_eq!((rising[0], rising[99]), ((0.05 * RADIUS_UNIT) as u16, u16::MAX));
        assert!(rising.iter().filter(|r| **r == u16::MAX).count() >= 12);
        let falling = walk(Resolution::Suppression, false, 100);
        assert!(falling.is_sorted_by(|a, b| a >= b));
        assert_eq!((falling[0], falling[99]), (u16::MAX, (0.15 * RADIUS_UNIT) as u16));
        let both = walk(Resolution::Both, false, 190);
        assert_eq!((both[0], both[80], both[189]), (rising[0], u16::MAX, falling[99]));
        assert_eq!(walk(Resolution::Both, true, 100).last(), Some(&u16::MAX));
    }

    #[test]
    fn few_iterations_still_end_with_the_last_stage() {
        for iterations in 1..30 {
            assert_eq!(walk(Resolution::Extension, false, iterations).last(), Some(&u16::MAX), "{iterations}");
        }
    }
}
