//! Every decision of a search about an orbital, in the order in which they were taken.

use crate::dataset::LengthUnit;
use crate::error::Result;
use crate::geometry::Vec3;
use crate::table::Table;

/// What was decided, with its code in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Too low: dropped.
    Weak = 1,
    /// Outside of every image or of the support: dropped.
    Outside = 2,
    /// Far from all others: dropped.
    Lonely = 3,
    /// Taken up by a higher one nearby.
    Merged = 4,
    /// So high that it became two.
    Split = 5,
    /// A peak of the residual volume became an orbital.
    Added = 6,
    /// Another species than before.
    Reclassified = 7,
}

/// One decision about one orbital.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decision {
    pub kind: Kind,
    /// Number of the orbital in the fit of the cycle; of an added one in the next fit.
    pub orbital: usize,
    pub place: Vec3,
    pub height: f64,
    /// The orbital that took it up, of the fit; or the other half, of the next fit.
    pub partner: Option<usize>,
    /// What decided, in parts of its limit; NaN where that is no number.
    pub ratio: f64,
}

/// The decisions so far.
#[derive(Debug, Default)]
pub(super) struct Journal {
    /// Row of the table of cycles that decisions belong to, from 1.
    pub cycle: usize,
    entries: Vec<(usize, Decision)>,
}

impl Journal {
    pub fn note(&mut self, decision: Decision) {
        self.entries.push((self.cycle, decision));
    }

    /// A row per decision, with positions in the unit of the series.
    pub fn table(&self, unit: LengthUnit) -> Result<Table> {
        let length_unit = match unit {
            LengthUnit::Angstrom => "A",
            LengthUnit::Pixel => "px",
        };
        let column = |of: &dyn Fn(&Decision) -> f64| self.entries.iter().map(|(_, decision)| of(decision)).collect();
        Table::new(self.entries.len())
            .with_column("cycle", "", self.entries.iter().map(|(cycle, _)| *cycle as f64).collect())?
            .with_column("kind", "", column(&|d| f64::from(d.kind as i32)))?
            .with_column("orbital", "", column(&|d| d.orbital as f64))?
            .with_column("x", length_unit, column(&|d| d.place[0]))?
            .with_column("y", length_unit, column(&|d| d.place[1]))?
            .with_column("z", length_unit, column(&|d| d.place[2]))?
            .with_column("height", "", column(&|d| d.height))?
            .with_column("partner", "", column(&|d| d.partner.map_or(f64::NAN, |partner| partner as f64)))?
            .with_column("ratio", "", column(&|d| d.ratio))
    }
}
