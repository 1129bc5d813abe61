//! How the work on a tilt is divided.

use crate::error::{Error, Result};
use crate::pipeline::journal::Journal;
use crate::simulate::tilt_series::MultisliceSeries;
use std::ops::Range;

/// Values of a part: groups of scan positions are as large as this allows, at least one position.
const VALUES_PER_PART: usize = 1 << 22;
/// Most positions of a part: seconds to minutes of work that a kill may lose.
const POSITIONS_PER_PART: usize = 256;

/// How a tilt is divided: records of the journal in the order configuration, focus, group of positions.
pub(super) struct Parts {
    positions: usize,
    signals: usize,
    foci: usize,
    configurations: usize,
    per_group: usize,
    /// Groups of positions.
    pub groups: usize,
}

impl Parts {
    /// The division of every tilt of `series`.
    pub fn new(series: &MultisliceSeries, signals: usize) -> Self {
        let positions = series.positions();
        let per_group = (VALUES_PER_PART / signals.max(1)).clamp(1, POSITIONS_PER_PART).min(positions);
        Self {
            positions,
            signals,
            foci: series.foci.len(),
            configurations: series.configurations(),
            per_group,
            groups: positions.div_ceil(per_group),
        }
    }

    /// Positions of a group.
    pub fn range(&self, group: usize) -> Range<usize> {
        group * self.per_group..((group + 1) * self.per_group).min(self.positions)
    }

    /// Number of a record of the journal.
    pub fn record(&self, configuration: usize, focus: usize, group: usize) -> usize {
        (configuration * self.foci + focus) * self.groups + group
    }

    /// Values of every record.
    pub fn lengths(&self) -> Vec<usize> {
        let one = (0..self.groups).map(|group| self.range(group).len() * self.signals);
        std::iter::repeat_n(one.collect::<Vec<_>>(), self.configurations * self.foci).flatten().collect()
    }

    /// Mean over the configurations at one focus: \[position of the groups\]\[signal\].
    pub fn mean(&self, focus: usize, groups: Range<usize>, journal: &mut Journal) -> Result<Vec<f64>> {
        let mut mean = Vec::new();
        let weight = 1.0 / self.configurations as f64;
        for group in groups {
            let first = mean.len();
            mean.resize(first + self.range(group).len() * self.signals, 0.0);
            for configuration in 0..self.configurations {
                let record = self.record(configuration, focus, group);
                let values = journal.read(record)?;
                let values = values.ok_or_else(|| Error::Internal(format!("record {record} went missing")))?;
                mean[first..].iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        Ok(mean)
    }
}
