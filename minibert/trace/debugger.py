"""pdb as a reader of arrays wants it: without NumPy's frames, and `display` works on arrays."""

import pdb
import sys

import numpy as np

# Modules that `s` steps over: NumPy's own Python code, the making of a cache, the numerical analysis of Φ,
# and other stops that still wait.
SKIPPED = ("numpy.*", "namedtuple_*", "minibert.layers.normal", "minibert.trace.stop")
VALIDATION = "check_"  # so begin the names of functions that check arguments; `s` steps over them, too


class Debugger(pdb.Pdb):
    """pdb that steps over SKIPPED and validation, displays arrays, and hands tracing back at `c`."""

    def __init__(self):
        super().__init__(skip=SKIPPED)
        self.previous, self.previous_of_frames = None, {}
        self.is_done = self.is_inside = False

    def set_trace(self, frame=None):
        """Stop in a frame; remember who was tracing it, as a gradient check does."""
        frame = frame or sys._getframe(1)
        self.previous, self.is_done = sys.gettrace(), False
        above = frame
        while above is not None:
            self.previous_of_frames[above] = above.f_trace
            above = above.f_back
        super().set_trace(frame)

    def set_continue(self):
        """Go on; without breakpoints, tracing is handed back to whom it belonged to."""
        super().set_continue()
        if not self.breaks and self.previous is not None:
            self.is_done = True
            for frame, function in self.previous_of_frames.items():
                frame.f_trace = function
            sys.settrace(self.previous)

    def trace_dispatch(self, frame, event, arg):
        """pdb's own; the function that it returns traces the frame from now on."""
        function = super().trace_dispatch(frame, event, arg)
        return self.previous_of_frames.get(frame) if self.is_done else function

    def stop_here(self, frame):
        """Whether to stop in a frame; not where arguments are checked, unless one is there already."""
        callers = [] if self.is_inside or frame is self.stopframe else [frame, frame.f_back]
        if any(above is not None and _is_validation(above) for above in callers):
            return False
        return super().stop_here(frame)

    def set_step(self):
        """Stop at the next line; remember whether arguments are being checked here."""
        here = getattr(self, "curframe", None)
        self.is_inside = here is not None and _is_validation(here)
        super().set_step()

    def _getval_except(self, *args, **kwargs):
        value = super()._getval_except(*args, **kwargs)
        return Displayed(value) if isinstance(value, np.ndarray) else value


def _is_validation(frame):
    is_ours = frame.f_globals.get("__name__", "").startswith("minibert.")
    return is_ours and frame.f_code.co_name.startswith(VALIDATION)


class Displayed:
    """An array as `display` shows it: pdb asks by != whether it has changed, and has no use for an array."""

    def __init__(self, array):
        self.array = array.copy()

    def __ne__(self, other):
        return not (
            isinstance(other, Displayed)
            and self.array.dtype == other.array.dtype
            and np.array_equal(self.array, other.array, equal_nan=self.array.dtype.kind in "fc")
        )

    def __repr__(self):
        return repr(self.array)


def set_trace():
    """Stop in the caller."""
    Debugger().set_trace(sys._getframe(1))
