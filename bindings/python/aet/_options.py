"""Keyword arguments as option structures: the library fills in its defaults, keywords replace them.

Which options there are, what they take and what they mean comes from the declarations, so that a new member of a
structure of the C interface is a keyword here without further work.
"""

import ctypes
import functools
import inspect
import re

import numpy as np

from ._arrays import input_view, output_view, vector
from ._declarations import ENUMS, HANDLES
from ._errors import fault, unknown_option
from ._handles import live_pointer
from ._library import text_argument
from ._structs import MEMBERS, SCALARS, STRUCTURES, enumeration_of, number_of, real, whole

# "double[3]"
ARRAY = re.compile(r"(\w+)\[(\d+)\]")


def structure_name(init):
    """The structure that an `_init` function of the library fills."""
    return init.arguments[0][1].rstrip(" *")


class Options:
    """A structure of options with some of its members set; keeps the arrays and objects that it points to."""

    def __init__(self, init, keywords):
        self.name = structure_name(init)
        self.structure = STRUCTURES[self.name]()
        self.kept = []
        init(self.structure, ctypes.sizeof(self.structure))
        for member, value in keywords.items():
            self.set(member, value)

    def set(self, member, value):
        """None leaves the default."""
        if member not in MEMBERS[self.name]:
            raise unknown_option(member, MEMBERS[self.name])
        if value is not None:
            setattr(self.structure, member, self.converted(member, value))

    def converted(self, member, value):
        declared = MEMBERS[self.name][member][0]
        enumeration = enumeration_of(self.name, member)
        if enumeration is not None:
            return number_of(enumeration, value, member)
        if declared == "const aet_const_view *":
            view = input_view(value, member)
            self.kept.append(view)
            return ctypes.addressof(view)
        if declared == "const aet_view *":
            view = output_view(value, member)
            self.kept.append(view)
            return ctypes.addressof(view)
        if declared == "const double *":
            values = vector(value, member)
            if not values.size:
                raise fault("empty", f"{member}: got none, wanted numbers, or None for the default")
            self.kept.append(values)
            setattr(self.structure, "n_" + member, values.size)
            return values.ctypes.data
        if declared == "const char *":
            text = text_argument(value, member)
            self.kept.append(text)
            return ctypes.cast(text, ctypes.c_void_p).value
        base = declared.replace("const ", "").rstrip(" *")
        if base in HANDLES:
            pointer = live_pointer(value, base, member)
            self.kept.append(value)
            return pointer
        if isinstance(value, Options) and declared == f"const {value.name} *":
            self.kept.append(value)
            return ctypes.addressof(value.structure)
        array = ARRAY.fullmatch(declared)
        if array is not None:
            return self.array(member, value, array.group(1), int(array.group(2)))
        if declared in ("double", "float"):
            return real(value, member)
        if declared in SCALARS:
            return whole(value, member, SCALARS[declared])
        raise fault("unsupported", f"{member}: this package cannot set a member of type {declared}")

    def array(self, member, value, element, extent):
        """Up to `extent` numbers, zeros behind them; one number stands for the first."""
        values = np.ravel(value).tolist()
        if len(values) > extent:
            raise fault("shape", f"{member}: got {len(values)} numbers, wanted at most {extent}")
        convert = real if element in ("double", "float") else lambda v, what: whole(v, what, SCALARS[element])
        return (SCALARS[element] * extent)(*(convert(v, member) for v in values))


def split(keywords, *inits):
    """`keywords` shared out among several structures; one that belongs to none is an error that lists all."""
    names = [MEMBERS[structure_name(init)] for init in inits]
    for keyword in keywords:
        if not any(keyword in members for members in names):
            raise unknown_option(keyword, [member for members in names for member in members])
    return [{key: value for key, value in keywords.items() if key in members} for members in names]


def takes_options(*inits):
    """Decorates a function with `**options` for these structures: its signature and documentation list them."""
    members = [(structure_name(init), member) for init in inits for member in MEMBERS[structure_name(init)]]

    def decorate(function):
        signature = inspect.signature(function)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        taken = {parameter.name for parameter in own}
        new = [(structure, member) for structure, member in members if member not in taken]
        listed = [inspect.Parameter(member, inspect.Parameter.KEYWORD_ONLY, default=None) for _, member in new]
        function.__signature__ = signature.replace(parameters=own + listed)
        function.__doc__ = "\n".join(
            [inspect.cleandoc(function.__doc__ or ""), "", "Options, None where left to the library:"]
            + [described(structure, member) for structure, member in new]
        )
        return function

    return decorate


def described(structure, member):
    """One line of documentation; an enumeration by its names."""
    enumeration = enumeration_of(structure, member)
    doc = MEMBERS[structure][member][1].replace("NULL", "None")
    if enumeration is not None:
        rest = doc.partition(enumeration)[2].strip(" .:")
        doc = " | ".join(repr(name) for name in ENUMS[enumeration]) + (f": {rest}" if rest else "")
    return f"    {member}: {doc}"


@functools.lru_cache(maxsize=None)
def result_members(structure):
    return tuple(MEMBERS[structure])


def result_values(structure_name_, structure):
    """Members of a structure that the library filled, in order: enumerations by name, arrays as tuples."""
    return [member_value(structure_name_, structure, member) for member in result_members(structure_name_)]


def member_value(structure, filled, member):
    value = getattr(filled, member)
    enumeration = enumeration_of(structure, member)
    if enumeration is not None:
        return next((name for name, number in ENUMS[enumeration].items() if number == value), "unknown")
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return tuple(value) if isinstance(value, ctypes.Array) else value
