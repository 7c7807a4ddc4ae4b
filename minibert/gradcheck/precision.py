"""Is anything in a pass computed in single precision? Locals and attributes are looked at, line by line."""

import sys

import numpy as np

from minibert.gradcheck.intermediates import Frames

SMALL = (np.float16, np.float32, np.complex64)


def find_single_precision(layer, run):
    """Run `run()` and return the first name in single precision ("`out` in forward"), or ""."""
    frames = Frames(layer)
    found = []

    def look(frame, event, value):
        for name, item in frame.f_locals.items():
            if not found and _is_single(item):
                found.append(f"`{name}` in {frame.f_code.co_name}")
        owner = frame.f_locals.get("self")
        for name, item in vars(owner).items() if hasattr(owner, "__dict__") else ():
            if not found and _is_single(item):
                found.append(f"`self.{name}` in {frame.f_code.co_name}")
        return look

    def on_call(frame, event, value):
        own = frames.forward_codes | frames.backward_codes
        return look if event == "call" and frame.f_code in own and not found else None

    previous = sys.gettrace()
    sys.settrace(on_call)
    try:
        run()
    finally:
        sys.settrace(previous)
    return found[0] if found else ""


def _is_single(item):
    return isinstance(item, (np.ndarray, np.generic)) and item.dtype.type in SMALL and item.size > 0
