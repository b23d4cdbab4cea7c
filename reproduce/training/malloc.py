"""The C library's heap: freed memory is kept for the next tensor instead of going back to the system.

A training step frees and takes the same tensors over and over. glibc hands those of 32 MB and more back at once, and
the system clears every page again: at batches of 512 images of 16 x 32 x 32 values that was 40 % of a step. The price
is memory: small tensors lie where large ones might, and the heap of such a run grew to 1.6 times its size.
"""

import ctypes
import os
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_kept = False
_CHOSEN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_")  # a user who has set one of these is obeyed


def keep_freed_memory() -> bool:
    """Let this process keep what its main thread frees; return whether it does (glibc, and no other wish)."""
    global _kept
    library = _glibc()
    if library is None or any(name in os.environ for name in _CHOSEN):
        return False
    _kept = bool(library.mallopt(_M_MMAP_MAX, 0)) and bool(library.mallopt(_M_TRIM_THRESHOLD, -1))
    return _kept


def describe_heap() -> str:
    """Return whether this process keeps freed memory: ``kept``, ``default``, or what the environment sets."""
    if any(name in os.environ for name in _CHOSEN):
        return " ".join(f"{name}={os.environ[name]}" for name in _CHOSEN if name in os.environ)
    return "kept" if _kept else "default"


def return_freed_memory() -> None:
    """Give what has been freed so far back to the system, so that what comes can be measured."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        library.mallopt, library.malloc_trim  # noqa: B018  (musl has neither)
    except (OSError, AttributeError):
        return None
    return library
