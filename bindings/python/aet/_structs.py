"""Structures, enumerations and function types of the C interface as ctypes, made from the declarations."""

import ctypes
import re

from ._declarations import CALLBACKS, ENUMS, STRUCTS
from ._errors import fault, unknown_option

SCALARS = {
    "uint8_t": ctypes.c_uint8,
    "uint16_t": ctypes.c_uint16,
    "int16_t": ctypes.c_int16,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "float": ctypes.c_float,
    "double": ctypes.c_double,
    "char": ctypes.c_char,
}
SCALARS.update({name: ctypes.c_int32 for name in ENUMS})

# Members that the library and this package fill, not the user.
OWN_MEMBERS = ("struct_size", "reserved")

# "An aet_lot_model." documents a number that is a value of that enumeration.
ENUMERATED = re.compile(r"An? (aet_\w+)\b")


def field_type(declared):
    """ctypes type of a member: `double`, `int64_t[8]`, or a pointer to anything, functions too."""
    base, extent = re.fullmatch(r"(.*?)(?:\[(\d+)\])?", declared).groups()
    if base.endswith("*") or base in CALLBACKS:
        return ctypes.c_void_p
    return SCALARS[base] * int(extent) if extent else SCALARS[base]


def structure(name):
    fields = [(member, field_type(declared)) for member, declared, _ in STRUCTS[name]]
    return type(name, (ctypes.Structure,), {"_fields_": fields, "__doc__": f"{name} of the C interface."})


#: ctypes class of every structure by its C name.
STRUCTURES = {name: structure(name) for name in STRUCTS}



def counted(members):
    """Names of the members that count the elements behind a pointer: `n_image_weights` those of `image_weights`."""
    return {"n_" + member for member, declared, _ in members if declared.endswith("*")}


#: Members that a user may set or read, by structure: {member: (C type, documentation)}. A count is set with its array.
MEMBERS = {
    name: {
        member: (declared, doc)
        for member, declared, doc in members
        if member not in OWN_MEMBERS and member not in counted(members)
    }
    for name, members in STRUCTS.items()
}


def callback_type(name):
    returns, arguments = CALLBACKS[name]
    kinds = [
        (
            ctypes.c_char_p
            if declared == "const char *"
            else ctypes.c_void_p if declared.endswith("*") else SCALARS[declared]
        )
        for _, declared in arguments
    ]
    return ctypes.CFUNCTYPE(SCALARS.get(returns), *kinds)


#: ctypes function type of every callback.
CALLBACK_TYPES = {name: callback_type(name) for name in CALLBACKS}


def empty_structure(name):
    """A structure for the library to fill."""
    result = STRUCTURES[name]()
    result.struct_size = ctypes.sizeof(result)
    return result


# ---- enumerations ----


def enumeration_of(structure_name, member):
    """Name of the enumeration a member takes its values from, or None."""
    declared, doc = MEMBERS[structure_name][member]
    found = ENUMERATED.match(doc) if declared == "int32_t" else None
    return found.group(1) if found and found.group(1) in ENUMS else None


def number_of(enumeration, value, what):
    """Number of "rigid" in "aet_lot_model"; numbers pass through for the library to judge."""
    if not isinstance(value, str):
        return whole(value, what, ctypes.c_int32)
    if value not in ENUMS[enumeration]:
        raise unknown_option(f"{what} = {value}", map(repr, ENUMS[enumeration]))
    return ENUMS[enumeration][value]


def name_of(enumeration, number):
    """Name of a number, "unknown" where this version of the package has none."""
    return next((name for name, value in ENUMS[enumeration].items() if value == number), "unknown")


# ---- numbers ----


def whole(value, what, c_type):
    """`value` as an int that `c_type` holds: ctypes itself would cut off what does not fit."""
    try:
        number = int(value)
        exact = number == value
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact or isinstance(value, (str, bytes)):
        raise fault("range", f"{what}: got {value!r}, wanted a whole number")
    if c_type(number).value != number:
        raise fault("range", f"{what}: got {number}, which a C integer of {8 * ctypes.sizeof(c_type)} bits cannot hold")
    return number


def real(value, what):
    """`value` as a float; text is none."""
    try:
        if not isinstance(value, (str, bytes)):
            return float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise fault("dtype", f"{what}: got {value!r}, wanted a real number")
