"""One line per check, a count at the end, and an exit status for whoever runs the script."""

import sys

import aet

COUNTS = {"passed": 0, "failed": 0}


def check(name, passed, seen=None):
    """Prints and counts a check; `seen` is shown where it failed."""
    print(f"ok    {name}" if passed else f"FAIL  {name}: {seen}", flush=True)
    COUNTS["passed" if passed else "failed"] += 1


def raised(call):
    """What the call raised, or None."""
    try:
        call()
    except BaseException as exception:
        return exception
    return None


def check_fault(call, name, kind, *words):
    """`call()` raises an AetError of this kind ("shape") whose message has all of `words`."""
    wanted = "AET_CANCELLED" if kind == "cancelled" else "AET_ERROR_" + kind.upper()
    seen = raised(call)
    good = isinstance(seen, aet.AetError) and seen.name == wanted and all(str(word) in seen.message for word in words)
    text = f"{seen.name}: {seen.message}" if isinstance(seen, aet.AetError) else repr(seen)
    check(f"{name} -> {text}" if good else name, good, f"{text}; wanted {wanted} with {', '.join(map(str, words))}")


def check_raises(call, name, kind, text=""):
    """`call()` raises an exception of this class whose text has `text`."""
    seen = raised(call)
    check(name, type(seen) is kind and text in str(seen), repr(seen))


def run(*checks):
    """Runs the checks one after the other; an exception of one is a failure, not the end."""
    for function in checks:
        print(f"-- {function.__name__.replace('_', ' ')}")
        try:
            function()
        except Exception as exception:
            check(f"{function.__name__} runs to its end", False, repr(exception))


def finish():
    """Prints the counts and ends with status 1 where a check failed."""
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed")
    sys.exit(0 if COUNTS["failed"] == 0 else 1)
