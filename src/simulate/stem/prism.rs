//! Scans by PRISM: the plane waves of the aperture go through the object once; probes are put together of what arrived.

use super::options::Prism;
use super::{Simulation, SimulationOptions, WindowSize};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::forward::multislice::{Multislice, Object};
use crate::forward::prism::{PrismPlan, PrismProbe, ScatteringMatrix};
use crate::grid::Plane;
use crate::optics::{Probe, ProbeOptions};
use crate::problem::Waiting;
use crate::simd::Real;
use num_complex::Complex64;

/// The plane waves of an aperture behind an object.
pub(super) struct PlaneWaves<T: Real> {
    pub(super) plan: PrismPlan<T>,
    pub(super) matrix: ScatteringMatrix<T>,
    prism: Prism,
}

/// The aperture for which plane waves are computed.
fn aperture(prism: &Prism, energy_ev: f64) -> Result<Probe> {
    ProbeOptions::new(energy_ev, prism.semiangle_mrad).build()
}

impl Prism {
    /// Refuses a probe that is wider than the aperture whose plane waves are computed.
    pub(in crate::simulate) fn check_semiangle(&self, semiangle_mrad: f64) -> Result<()> {
        if semiangle_mrad <= self.semiangle_mrad {
            return Ok(());
        }
        let wanted = format!("at most {} mrad, the semi-angle of the plane waves of PRISM", self.semiangle_mrad);
        Err(Error::range("semiangle_mrad", semiangle_mrad, wanted))
    }

    /// Bytes of the scattering matrix, and of a worker that reduces it; see [`crate::forward::prism::PrismOptions::bytes`].
    pub(super) fn bytes<T: Real>(
        &self,
        options: &SimulationOptions,
        plane: &Plane,
        energy_ev: f64,
    ) -> Result<(usize, usize)> {
        let pupil = aperture(self, energy_ev)?.pupil_on(&self.options.window(plane)?);
        // as many positions as make the largest groups
        let (matrix, worker) = self.options.bytes::<T>(options.band_limit, plane, usize::MAX, pupil)?;
        let number = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok((number(matrix), number(worker)))
    }
}

impl SimulationOptions {
    /// Refuses what PRISM cannot do, before anything long is done.
    pub(in crate::simulate) fn check_prism(&self) -> Result<()> {
        let Some(prism) = &self.prism else { return Ok(()) };
        let unsupported = |what: &str, why: &str| Err(Error::Unsupported { what: what.into(), why: why.into() });
        if self.window != WindowSize::Whole {
            return unsupported("PRISM in a window", "its plane waves travel through the whole object");
        }
        if self.patterns != super::PatternSampling::Window {
            return unsupported("padded patterns of PRISM", "they have the sampling of its windows");
        }
        if !(prism.semiangle_mrad.is_finite() && prism.semiangle_mrad > 0.0) {
            let wanted = "the largest semi-angle of the probes to come (mrad)";
            return Err(Error::range("semi-angle of PRISM", prism.semiangle_mrad, wanted));
        }
        Ok(())
    }
}

impl<T: Real> PlaneWaves<T> {
    /// Takes the plane waves of `prism` through `object`.
    pub(super) fn new(
        context: &Context,
        prism: &Prism,
        energy_ev: f64,
        engine: &Multislice<T>,
        object: &Object<T>,
        waiting: &mut Waiting<'_>,
    ) -> Result<Self> {
        let pupil = aperture(prism, energy_ev)?.pupil_on(&prism.options.window(engine.object_plane())?);
        let plan = PrismPlan::new(engine, &prism.options, pupil)?;
        let mut matrix = plan.matrix()?;
        plan.scatter(context, engine, object, &mut matrix, waiting)?;
        Ok(Self { plan, matrix, prism: *prism })
    }

    /// Refuses probes that need more plane waves.
    pub(super) fn check(&self, probe: &Probe) -> Result<()> {
        self.prism.check_semiangle(probe.semiangle_mrad())
    }

    /// A probe on the plane waves.
    pub(super) fn probe(&self, probe: &Probe) -> Result<PrismProbe> {
        let pupil = probe.pupil_on(self.plan.window());
        self.plan.probe(|kx, ky| -> Complex64 { pupil(kx, ky) })
    }
}

impl<T: Real> Simulation<T> {
    /// What a simulation by PRISM cannot do.
    pub(super) fn without_prism(&self, what: &str) -> Result<()> {
        if self.prism.is_none() {
            return Ok(());
        }
        let why = "probes are put together of plane waves here; ask a simulation without PRISM".into();
        Err(Error::Unsupported { what: what.into(), why })
    }
}
