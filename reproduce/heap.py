"""The C library's heap: freed memory is kept for the next tensor instead of going back to the system.

A training step frees and takes the same tensors over and over. glibc hands those of 32 MB and more back at once, and
the system clears every page again: at batches of 512 images of 16 x 32 x 32 values that was 40 % of a step.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, up to its end; return whether the C library can (glibc)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        set_option = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(set_option(_M_MMAP_MAX, 0)) and bool(set_option(_M_TRIM_THRESHOLD, 2**31 - 1))
