"""A check that takes long says so: a progress bar, and one thread for the many small products."""

import contextlib
import time

LONG = 2.0  # seconds


@contextlib.contextmanager
def pace(run, count, expensive=1):
    """Yield a function to be called after each of `count` measurements, of which `run` is one.

    Where they will take more than two seconds, BLAS is held to one thread (small products are slower, often
    much slower, with several), and a progress bar appears where the errors go to a terminal.
    """
    start = time.perf_counter()
    run()
    if (time.perf_counter() - start) * count * expensive < LONG:
        yield lambda: None
        return
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    description = f"checking {count:,} entries (max_entries=50: 50 of each tensor)"
    with threadpool_limits(1, "blas"), tqdm(total=count, desc=description, disable=None, leave=False) as bar:
        yield bar.update
