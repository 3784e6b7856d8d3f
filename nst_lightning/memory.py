"""Memory kept by the process instead of given back and fetched again at every step."""

import contextlib
import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_MMAP_MAX = -4
_LARGE = 2**25  # bytes; glibc takes no higher threshold
_keeps = False  # whether `keep_memory` was called: a guest leaves its caller's allocator alone


def keep_memory() -> bool:
    """Tell glibc to keep what is freed for the next allocation.

    By default every activation of more than some megabytes is mapped from the system, faulted in
    page by page, and unmapped as soon as it is freed: on a CPU about a sixth of an evaluation's
    processor time goes into page faults. With this, the peak stays reserved until the process ends.

    Returns:
        Whether it could be done: only with glibc, that is on most Linux systems.
    """
    global _keeps
    _keeps = True
    return _mallopt({_M_MMAP_MAX: 0, _M_TRIM_THRESHOLD: 2**31 - 1})


def give_back_large() -> bool:
    """Tell glibc, if it was told to keep memory, to give back blocks of 32 MB and more when freed.

    Where memory is short, what is kept for the next allocation, and the gaps between, would be
    several times what is in use. Blocks of the size of a tile's activations are still kept.

    Returns:
        See `keep_memory`.
    """
    return _keeps and _mallopt(
        {_M_MMAP_MAX: 2**16, _M_MMAP_THRESHOLD: _LARGE, _M_TRIM_THRESHOLD: _LARGE}
    )


def give_back_now() -> None:
    """Give back what glibc keeps for the next allocation, where there is one."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def _mallopt(options: dict[int, int]) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return all(mallopt(option, value) for option, value in options.items())
