"""The package's tables are those of the header, and everything it exports is documented and listed.

python3 tests/hosts/python/declarations.py
"""

import ctypes
import inspect
import pathlib
import re
import subprocess
import sys

import aet
from aet import _declarations, _structs
from aet._library import lib
from checks import check, finish, run

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADER = (ROOT / "include" / "aet.h").read_text(encoding="utf-8")


def tables_are_those_of_the_header():
    generator = ROOT / "bindings" / "python" / "generate.py"
    result = subprocess.run([sys.executable, generator, "--check"], capture_output=True, text=True)
    check("the generator writes the committed declarations", result.returncode == 0, result.stderr)
    enumerators = dict(re.findall(r"^  AET_(\w+) = (\d+),$", HEADER, re.M))
    found = sum(len(values) for values in _declarations.ENUMS.values())
    check(f"all {len(enumerators)} enumerators are there", found == len(enumerators), found)
    check(
        "and have their values",
        all(str(value) in enumerators.values() for values in _declarations.ENUMS.values() for value in values.values()),
    )
    check("functions", len(_declarations.FUNCTIONS) > 70, len(_declarations.FUNCTIONS))


def structures_have_the_sizes_of_the_library():
    for name, structure in _structs.STRUCTURES.items():
        ours, theirs = ctypes.sizeof(structure), lib.aet_struct_size(name)
        check(f"{name}: {ours} bytes", ours == theirs, theirs)


def enumerated_options_are_known():
    """Every member that the header calls a value of an enumeration takes its names."""
    for name, members in _structs.MEMBERS.items():
        for member, (declared, doc) in members.items():
            if re.match(r"An? aet_", doc) and declared == "int32_t":
                check(f"{name}.{member}", _structs.enumeration_of(name, member) is not None, doc)


def everything_is_documented():
    def documented(name, thing):
        check(f"{name} is documented", bool(inspect.getdoc(thing)))

    for name in aet.__all__:
        thing = getattr(aet, name)
        documented(name, thing)
        if inspect.isclass(thing) and not issubclass(thing, tuple):
            for member, value in vars(thing).items():
                if not member.startswith("_") and member not in ("c_type", "series", "probe"):
                    documented(f"{name}.{member}", value)


def signatures_list_the_options():
    for function, option in [
        (aet.LocalOrbital.__init__, "width_sharing"),
        (aet.TiltSeries.__init__, "tilt_axis"),
        (aet.Probe.__init__, "c12"),
        (aet.Reconstruction.run, "loss_tolerance"),
    ]:
        listed = option in inspect.signature(function).parameters and option in function.__doc__
        check(f"{function.__qualname__} lists {option}", listed, inspect.signature(function))


run(
    tables_are_those_of_the_header,
    structures_have_the_sizes_of_the_library,
    enumerated_options_are_known,
    everything_is_documented,
    signatures_list_the_options,
)
finish()
