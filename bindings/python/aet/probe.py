"""The electron probe."""

import numpy as np

from ._handles import Handle
from ._library import lib
from ._options import Options, takes_options


class Probe(Handle, c_type="aet_probe", free=lib.aet_probe_free):
    """An immutable convergent-beam probe.

    A positive `defocus` puts the crossover at +defocus along the beam (C10 = -defocus). Lengths and aberrations are in
    angstrom, azimuths of aberrations in rad.
    """

    @takes_options(lib.aet_probe_options_init)
    def __init__(self, energy_ev, semiangle_mrad, **options):
        """AET_ERROR_RANGE for an energy or angle that is not positive."""
        options.update(energy_ev=energy_ev, semiangle_mrad=semiangle_mrad)
        self._take(lib.aet_probe_create(Options(lib.aet_probe_options_init, options)))

    @property
    def wavelength(self):
        """Relativistic wavelength, angstrom."""
        return lib.aet_probe_wavelength(self)

    @property
    def energy_ev(self):
        """Energy of the beam, eV."""
        return lib.aet_probe_energy_ev(self)

    @property
    def semiangle_mrad(self):
        """Convergence semi-angle, mrad."""
        return lib.aet_probe_semiangle_mrad(self)

    @property
    def defocus(self):
        """Height of the crossover along the beam, angstrom."""
        return lib.aet_probe_defocus(self)

    @property
    def depth_of_field(self):
        """2 lambda / alpha^2, angstrom: on the axis the intensity is 0 at this distance from the crossover."""
        return lib.aet_probe_depth_of_field(self)

    def wave(self, shape, pixel_size, depth=0.0, position=(0.0, 0.0)):
        """Complex wave, an array of `shape` (rows, columns), in the plane `depth` (A) along the beam.

        The probe stands at `position` (x, y) (A) from the pixel (rows // 2, columns // 2). The squares of its Fourier
        transform sum to 1. AET_ERROR_RANGE where the aperture reaches beyond the Nyquist frequency.
        """
        out = np.zeros(shape, np.complex128)
        x, y = position
        lib.aet_probe_wave(self, pixel_size, depth, x, y, out)
        return out

    def intensity(self, shape, pixel_size, depth=0.0):
        """Intensity, an array of `shape` (rows, columns), with the source size applied. It sums to 1."""
        out = np.zeros(shape)
        lib.aet_probe_intensity(self, pixel_size, depth, out)
        return out

    def _describe(self):
        return f"energy_ev={self.energy_ev:g} semiangle_mrad={self.semiangle_mrad:g} defocus={self.defocus:g}"
