"""Objects of the library: each is freed once, by `close`, at the end of a `with` block or by the garbage collector."""

import weakref

from ._errors import fault


class Handle:
    """Base of all objects of the library.

    Objects may be closed in any order, more than once, and while calls of other threads work on them; what was made
    from them keeps what it needs. Using a closed one is AET_ERROR_STALE_HANDLE.
    """

    __slots__ = ("_pointer", "_release", "__weakref__")

    c_type = None
    _free = None

    def __init_subclass__(cls, c_type=None, free=None, **keywords):
        super().__init_subclass__(**keywords)
        if c_type is not None:
            cls.c_type = c_type
            cls._free = staticmethod(free.without_checks)

    def _take(self, pointer):
        """Becomes the owner of a pointer that the library has just handed out."""
        self._pointer = pointer
        self._release = weakref.finalize(self, self._free, pointer)
        return self

    @classmethod
    def _of(cls, pointer):
        return cls.__new__(cls)._take(pointer)

    def close(self):
        """Frees the object now; a second time does nothing."""
        self._pointer = None
        release = getattr(self, "_release", None)
        if release is not None:
            release()

    @property
    def closed(self):
        """Whether the object was freed."""
        return getattr(self, "_pointer", None) is None

    def _live(self):
        """The pointer, if the object is open."""
        pointer = getattr(self, "_pointer", None)
        if pointer is None:
            raise fault("stale_handle", f"got a closed {type(self).__name__}, wanted an open one")
        return pointer

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def __reduce_ex__(self, protocol):
        raise TypeError(f"{type(self).__name__} belongs to this process and can be neither copied nor pickled")

    def _describe(self):
        return ""

    def __repr__(self):
        return f"<aet.{type(self).__name__} {'closed' if self.closed else self._describe()}>"


def live_pointer(value, wanted, what):
    """The pointer of an open object of the C type `wanted`."""
    if not isinstance(value, Handle) or value.c_type != wanted:
        raise TypeError(f"{what}: got {type(value).__name__}, wanted an object that is an {wanted} in C")
    return value._live()
