//! Errors of arrays, and the worst ones of each group.

use crate::reference::Result;
use ndarray::{ArrayD, ArrayViewD, Axis};
use std::ops::Sub;

/// The groups of the last line, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    Potential,
    Probe,
    ExitWave,
    Cbed,
    Scan,
    Prism,
    Phonon,
}

impl Group {
    pub const ALL: [Self; 7] =
        [Self::Potential, Self::Probe, Self::ExitWave, Self::Cbed, Self::Scan, Self::Prism, Self::Phonon];

    pub fn name(self) -> &'static str {
        match self {
            Self::Potential => "potential",
            Self::Probe => "probe",
            Self::ExitWave => "exit_wave",
            Self::Cbed => "cbed",
            Self::Scan => "scan",
            Self::Prism => "prism",
            Self::Phonon => "phonon",
        }
    }
}

/// Absolute values of real and complex numbers.
pub trait Size: Copy + Sub<Output = Self> {
    fn size(self) -> f64;
}

impl Size for f64 {
    fn size(self) -> f64 {
        self.abs()
    }
}

impl Size for num_complex::Complex64 {
    fn size(self) -> f64 {
        self.norm()
    }
}

/// Largest absolute difference over the largest absolute value of `wanted`; infinite where anything is no number.
/// `wanted` may have further axes of length one at its end.
pub fn error<V: Size>(got: ArrayViewD<'_, V>, wanted: &ArrayD<V>) -> Result<f64> {
    let mut wanted = wanted.view();
    while wanted.ndim() > got.ndim() && wanted.shape().last() == Some(&1) {
        let last = Axis(wanted.ndim() - 1);
        wanted.index_axis_inplace(last, 0);
    }
    if got.shape() != wanted.shape() {
        return Err(format!("its shape is {:?}, computed was {:?}", wanted.shape(), got.shape()).into());
    }
    let largest = wanted.iter().fold(0.0f64, |m, v| m.max(v.size()));
    let difference = got.iter().zip(wanted).map(|(a, b)| (*a - *b).size());
    let difference = difference.fold(0.0f64, |m, d| if d.is_nan() { f64::INFINITY } else { m.max(d) });
    Ok(if difference == 0.0 { 0.0 } else { difference / largest })
}

/// What was found so far.
#[derive(Default)]
pub struct Report {
    worst: [Option<f64>; Group::ALL.len()],
    /// Whether to print a line for every array.
    talkative: bool,
}

impl Report {
    /// One that prints a line for every array.
    pub fn talkative() -> Self {
        Self { talkative: true, ..Self::default() }
    }

    /// Takes in the error of the array at `path`.
    pub fn add<V: Size>(&mut self, group: Group, path: &str, got: ArrayViewD<'_, V>, wanted: &ArrayD<V>) -> Result<()> {
        let error = error(got, wanted).map_err(|e| format!("{path}: {e}"))?;
        let worst = &mut self.worst[group as usize];
        *worst = Some(worst.map_or(error, |worst| worst.max(error)));
        self.say(group, path, &format!("{error:.2e}"));
        Ok(())
    }

    /// Tells of an array what changes no worst error.
    pub fn say(&self, group: Group, path: &str, what: &str) {
        if self.talkative {
            println!("{:<10} {path:<60} {what}", group.name());
        }
    }

    /// The worst error of a group; `NaN` where nothing was compared.
    pub fn worst(&self, group: Group) -> f64 {
        self.worst[group as usize].unwrap_or(f64::NAN)
    }

    /// `potential_err=.. probe_err=.. ..`
    pub fn line(&self) -> String {
        let of_group = |group: Group| match self.worst(group) {
            worst if worst.is_nan() => format!("{}_err=nan", group.name()),
            worst => format!("{}_err={worst:.3e}", group.name()),
        };
        Group::ALL.map(of_group).join(" ")
    }
}
