"""Atomic electron tomography: from tilt series of electron-microscope images to the 3D coordinates of every atom.

    import aet
    series = aet.TiltSeries(images, angles_deg=angles, pixel_size=0.34)     # images[image, row, column]
    probe = aet.Probe(energy_ev=300e3, semiangle_mrad=25)
    recon = aet.LocalOrbital(series, probe, start=atoms, model="rigid")
    recon.run(max_iterations=60, progress=lambda p: print(p.iteration, p.loss))
    recon.atoms.positions                                                   # n x 3, A

Lengths are in angstrom unless a name says otherwise (`_ev`, `_mrad`, `_deg`, `_pm`). Strided arrays of any memory order
are passed without copies; indices of images, tilts and sections count from 0. Failures are `AetError`.

The shared library is looked for at the environment variable AET_LIBRARY, then in `target/release` of the source tree,
then where the system looks for libraries.
"""

from ._callbacks import Progress, set_log
from ._errors import AetError
from ._library import lib as _lib
from .atoms import Atoms, Comparison
from .context import Context, default_context
from .instrument import instrument_truth, record_patterns
from .detector import AdfTransfer, Detector, adf_transfer, integrate_center_of_mass
from .orbital import Orbital
from .probe import Probe
from .reconstruction import Block, ErrorEstimate, Geometry, LocalOrbital, Reconstruction, Snapshot, Tomography
from .series import Metadata, TiltSeries
from .simulated_series import estimate_series_memory, simulate_series
from .simulation import Simulation
from .table import Table, rmsd_trend
from .volume import FoundAtoms, ShellCorrelation, Volume, find_atoms, find_atoms_recorded

__all__ = [
    "AdfTransfer",
    "AetError",
    "Atoms",
    "Block",
    "Comparison",
    "Context",
    "Detector",
    "ErrorEstimate",
    "FoundAtoms",
    "Geometry",
    "LocalOrbital",
    "Metadata",
    "Orbital",
    "Probe",
    "Progress",
    "Reconstruction",
    "ShellCorrelation",
    "Simulation",
    "Snapshot",
    "Table",
    "TiltSeries",
    "Tomography",
    "Volume",
    "adf_transfer",
    "default_context",
    "estimate_series_memory",
    "find_atoms",
    "find_atoms_recorded",
    "instrument_truth",
    "record_patterns",
    "integrate_center_of_mass",
    "rmsd_trend",
    "set_log",
    "simulate_series",
    "version_info",
]

#: Version of the loaded library.
__version__ = _lib.aet_version_string()


def version_info():
    """Version of the loaded library as (major, minor, patch)."""
    number = _lib.aet_version_number()
    return number // 10000, number // 100 % 100, number % 100
