"""The exception, and faults that are found on this side of the boundary under the same codes."""

from ._declarations import ENUMS

STATUS = ENUMS["aet_status"]


class AetError(Exception):
    """Failure of a call of the library.

    `code` is the number of the status, `name` its name in the C interface ("AET_ERROR_SHAPE"), `message` says what
    was got and what was wanted. Test codes or names, not texts.
    """

    def __init__(self, code, name, message):
        super().__init__(code, name, message)
        self.code = code
        self.name = name
        self.message = message

    def __str__(self):
        return f"{self.message} [{self.name} {self.code}]"


def fault(kind, message):
    """An AetError of the `kind` "shape" for AET_ERROR_SHAPE."""
    return AetError(STATUS["error_" + kind], "AET_ERROR_" + kind.upper(), message)


def unknown_option(got, wanted):
    return fault("unknown_option", f"got {got!r}, wanted one of {', '.join(sorted(wanted))}")
