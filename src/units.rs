//! Physical constants (CODATA 2014, the values of the simulation references) and unit conversions.

/// Planck constant, J s.
pub const PLANCK: f64 = 6.626070040e-34;
/// Electron mass, kg.
pub const ELECTRON_MASS: f64 = 9.10938356e-31;
/// Elementary charge, C.
pub const ELEMENTARY_CHARGE: f64 = 1.6021766208e-19;
/// Speed of light, m / s.
pub const SPEED_OF_LIGHT: f64 = 299_792_458.0;
/// Angstrom per metre.
pub const ANGSTROM_PER_METRE: f64 = 1e10;
/// Picometre per angstrom.
pub const PM_PER_ANGSTROM: f64 = 100.0;
