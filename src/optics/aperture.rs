//! The aperture A(k) of the condenser system (paper 002, equation (9)).

use crate::error::{Error, Result};

/// Edge of the round probe-forming aperture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aperture {
    /// Falls from 1 to 0 over one frequency step of the grid (default), which makes the area of the sampled disk, and
    /// thus the probe, smooth in the semi-angle. The width therefore depends on the extent of the grid.
    #[default]
    Soft,
    /// 1 up to and including the semi-angle, 0 beyond.
    Hard,
}

impl Aperture {
    /// Amplitude in 0..=1 at polar angle `alpha` and azimuth `phi` for the semi-angle `alpha_max`; angles in rad.
    ///
    /// Soft: clip((alpha_max - alpha) / d + 1/2, 0, 1), d = sqrt((cos phi step_x)^2 + (sin phi step_y)^2), and 1 at
    /// alpha = 0; `steps` = (step_x, step_y) = lambda / extent, the angle between neighbouring frequencies of the grid.
    pub fn amplitude(self, alpha: f64, phi: f64, alpha_max: f64, steps: (f64, f64)) -> f64 {
        match self {
            Aperture::Hard => f64::from(u8::from(alpha <= alpha_max)),
            Aperture::Soft if alpha == 0.0 => 1.0,
            Aperture::Soft => {
                let (sin, cos) = phi.sin_cos();
                let width = (cos * steps.0).hypot(sin * steps.1);
                ((alpha_max - alpha) / width + 0.5).clamp(0.0, 1.0)
            }
        }
    }

    /// How far the aperture can be open beyond the semi-angle on a grid whose coarser angle step is `step` (rad).
    pub(super) fn overhang(self, step: f64) -> f64 {
        match self {
            Aperture::Soft => 0.5 * step,
            Aperture::Hard => 0.0,
        }
    }
}

impl std::str::FromStr for Aperture {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self> {
        match s {
            "soft" => Ok(Aperture::Soft),
            "hard" => Ok(Aperture::Hard),
            _ => Err(Error::UnknownOption { what: "aperture".into(), got: s.into(), known: "soft, hard".into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_edge_is_half_open_at_the_semiangle_and_one_step_wide() {
        let at = |alpha, phi| Aperture::Soft.amplitude(alpha, phi, 0.02, (0.001, 0.002));
        assert_eq!(at(0.02, 0.3), 0.5);
        assert_eq!((at(0.0194, 0.0), at(0.0206, 0.0)), (1.0, 0.0));
        assert!((at(0.01975, 0.0) - 0.75).abs() < 1e-12);
        assert!((at(0.0195, std::f64::consts::FRAC_PI_2) - 0.75).abs() < 1e-12);
        assert_eq!(Aperture::Soft.amplitude(0.0, 0.0, 1e-9, (0.001, 0.001)), 1.0);
    }

    #[test]
    fn hard_edge_includes_the_semiangle() {
        let at = |alpha| Aperture::Hard.amplitude(alpha, 0.0, 0.02, (0.001, 0.001));
        assert_eq!((at(0.02), at(0.020000001)), (1.0, 0.0));
    }

    #[test]
    fn parses_its_names() {
        assert_eq!("hard".parse::<Aperture>().unwrap(), Aperture::Hard);
        assert_eq!("round".parse::<Aperture>().unwrap_err().code(), 104);
    }
}
