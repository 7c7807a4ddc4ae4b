"""What the C library does with memory that was freed."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # numbers of mallopt's options, from glibc's <malloc.h>


def keep_freed_memory():
    """Tell the C library to keep the memory of one training step for the next.

    By default glibc returns the activations to the system when a step's cache is dropped, and every step pays
    to get them back, page by page. This changes the whole process, so `import minibert` does not do it: call
    it before training. Calling it again changes nothing; without glibc it does nothing.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(M_TRIM_THRESHOLD, 1 << 30)  # bytes free at the top of the heap before any is returned
            mallopt(M_MMAP_MAX, 0)  # arrays that get memory outside the heap, which is never kept
