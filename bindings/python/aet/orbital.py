"""The shape of local orbitals."""

import numpy as np

from ._arrays import numeric
from ._handles import Handle
from ._library import lib
from ._structs import number_of


class Orbital(Handle, c_type="aet_orbital", free=lib.aet_orbital_free):
    """The immutable shape f of local orbitals H f(rho / sqrt(B)): Gaussian terms, f(q) = sum_t w_t exp(-q^2 / s_t).

        recon = aet.LocalOrbital(series, probe, start=atoms, orbital=aet.Orbital.slater())

    Without one, orbitals are the Gaussian exp(-q^2).
    """

    @classmethod
    def gaussians(cls, weights, widths):
        """From the weights w and widths s (in units of B) of 1 to 12 terms.

        Single weights may be negative. AET_ERROR_SHAPE, AET_ERROR_EMPTY without terms, AET_ERROR_RANGE where the
        integral is not positive.
        """
        return cls._of(lib.aet_orbital_create_gaussians(weights, widths))

    @classmethod
    def slater(cls, tolerance=0.0):
        """The projection of the Slater function exp(-r / a), B = 8 a^2, in the fewest Gaussian terms that follow it
        within `tolerance` of its largest value (1e-5 to 0.1; 0: 1e-3, with 6 terms). AET_ERROR_RANGE."""
        return cls._of(lib.aet_orbital_create_slater(tolerance))

    @classmethod
    def table(cls, radii, values, kind="projected", tolerance=0.0):
        """From `values` at `radii`, in the fewest Gaussian terms that follow them within `tolerance` of the largest
        value (1e-5 to 0.1; 0: 1e-3).

        `radii`, in units of sqrt(B), begin at 0; the last value is at most a hundredth of the largest. `kind` is
        "projected" for f itself or "spatial" for the function in space, whose integral along the beam is f.
        AET_ERROR_SHAPE, AET_ERROR_NON_FINITE, AET_ERROR_RANGE, AET_ERROR_EMPTY where all values are 0,
        AET_ERROR_UNKNOWN_OPTION (`kind`), AET_ERROR_UNSUPPORTED where 12 terms do not reach the tolerance.
        """
        number = number_of("aet_radial_table", kind, "kind")
        return cls._of(lib.aet_orbital_create_table(radii, values, number, tolerance))

    @property
    def term_count(self):
        """Number of Gaussian terms."""
        return lib.aet_orbital_term_count(self)

    @property
    def expansion_error(self):
        """Largest difference from the function that was expanded, relative to its largest value; 0 for given terms."""
        return lib.aet_orbital_expansion_error(self)

    @property
    def terms(self):
        """Weight w and width s (in units of B) of each term, n x 2."""
        out = np.zeros((self.term_count, 2))
        lib.aet_orbital_copy_terms(self, out)
        return out

    def evaluate(self, radii, width):
        """The orbital of the width B = `width` (A^2) at n `radii` (A): n x 3, f(rho / sqrt(B)), its derivative with
        respect to rho (1 / A) and that with respect to B (1 / A^2).

        AET_ERROR_RANGE for a negative radius or a width that is not positive.
        """
        radii = numeric(radii, "radii")
        out = np.zeros((radii.size, 3))
        lib.aet_orbital_evaluate(self, radii, width, out)
        return out

    def _describe(self):
        return f"{self.term_count} terms"
