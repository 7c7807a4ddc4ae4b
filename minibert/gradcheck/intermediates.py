"""The gradient at every named step of a backward pass, read and measured from outside.

A backward pass computes d_probs, d_scores, d_query …, each the derivative of the objective with respect to
the local of that name in the forward pass: probs, scores, query. `record_steps` watches one forward and one
backward pass with Python's own debugging hook (sys.settrace) and pairs the names; a `StepProbe` runs the
forward pass again and, on the first line where `scores` exists, puts scores + amount in its place. The
change of the objective is the reference for d_scores. The layers contain nothing for it, but it needs their
rule that a name never changes its meaning: a local that is given a second value is left out, and `skipped`
says why.

Used by check.py; nothing here knows about tolerances.
"""

import contextlib
import copy
import dis
import functools
import inspect
import re
import sys
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import is_layer, walk


class Step(NamedTuple):
    """One named step of a backward pass.

    Attributes:
        name:     `attention.d_scores`: the path of the layer, the name in its backward.
        gradient: its value when backward was done with it.
        order:    the moment it was completed; the steps of a pass are sorted by it.
        call:     which of the forward calls (counted over all layers) holds the local.
        local:    the name of that local, `scores`.
        line:     it is complete when this many lines of the call have been run.
        content:  the numbers of that local.
        unmasked: the gradient before some of its entries were set to zero; None if they were not.
        backward_call, backward_name, backward_line: the same of the backward pass.
    """

    name: str
    gradient: np.ndarray
    order: int
    call: int
    local: str
    line: int
    content: np.ndarray
    unmasked: np.ndarray | None
    backward_call: int
    backward_name: str
    backward_line: int


class Record(NamedTuple):
    """The steps of one backward pass, in order.

    Attributes:
        steps:   list of Step, in the order of the backward pass.
        order:   dict parameter name -> the moment its gradient was last added to.
        skipped: dict step name -> why it cannot be measured.
    """

    steps: list
    order: dict
    skipped: dict


def record_steps(layer, forward, backward, parameters, zero_grad):
    """Run both passes once and return their Record.

    Args:
        layer: the layer (or pair of functions) whose frames are watched, with all its sublayers.
        forward: function without arguments that runs its forward pass and returns (y, cache).
        backward: function of the cache that runs its backward pass.
        parameters: dict name -> object with .grad.
        zero_grad: function that empties these, called between the two passes.
    """
    watcher = _Watcher(layer, parameters)
    with _tracing(watcher.on_forward):
        _, cache = forward()
    zero_grad()
    with _tracing(watcher.on_backward):
        backward(cache)
    return watcher.record()


@contextlib.contextmanager
def _tracing(function):
    """Have Python call `function(frame, event, value)` at every function call within: the debugger's hook.

    breakpoint() does not stop within: the pass repeats one that did, and the hook serves one master.
    """
    previous, stop = sys.gettrace(), sys.breakpointhook
    sys.settrace(function)
    sys.breakpointhook = lambda *arguments, **keywords: None
    try:
        yield
    finally:
        sys.settrace(previous)
        sys.breakpointhook = stop


# --- which frames belong to which layer ---


class Frames:
    """Knows the frames of a layer's forward and backward passes, and of its sublayers', when it sees them."""

    def __init__(self, layer):
        self.is_pair = isinstance(layer, (tuple, list))
        if self.is_pair:
            self.paths = {}
            self.forward_codes, self.backward_codes = {_code(layer[0])}, {_code(layer[1])}
        else:
            layers = dict(walk(layer, is_layer))
            self.paths = {id(sublayer): path for path, sublayer in layers.items()}
            self.forward_codes = {_code(sublayer.forward) for sublayer in layers.values()}
            self.backward_codes = {_code(sublayer.backward) for sublayer in layers.values()}

    def path(self, frame, codes):
        """Return the path of the layer whose method this frame runs, "" for the whole; else None."""
        if frame.f_code not in codes:
            return None
        if self.is_pair:
            return ""
        own = frame.f_locals.get(frame.f_code.co_varnames[0]) if frame.f_code.co_argcount else None
        return self.paths.get(id(own))


def _code(function):
    """Return the code object of a function, method or partial; None if it has none (one written in C)."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(inspect.unwrap(getattr(function, "__func__", function)), "__code__", None)


# --- watching ---


class _Local:
    """An array that has a name in a frame: when it came, and whether it has stayed the same."""

    def __init__(self, array, line, moment, names_known):
        self.array = array
        self.content = array.copy()
        self.line = line
        self.moment = moment
        self.names_known = names_known
        self.rebound = False
        self.changed_late = False
        self.last_line = line
        self.unmasked = None

    def changes_to(self, array, line, moment):
        """Note that it has other numbers now; those before are kept if zeros are all that is new."""
        zeroed = array == 0 if array.shape == self.content.shape else np.False_
        is_masked = zeroed.any() and np.array_equal(np.where(zeroed, 0, self.content), array)
        self.unmasked = self.content if is_masked else None
        self.content, self.moment, self.last_line = array.copy(), moment, line


class _Call:
    """One frame of a forward or backward pass while it runs."""

    def __init__(self, path, code):
        self.path = path
        self.code = code
        self.arguments = set(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
        self.lines = 0
        self.names = set()
        self.locals = {}
        self.names_at_end = set()
        self.cache = None
        self.partner = None  # the forward call that a backward call belongs to

    def look(self, frame, moment):
        """Compare the frame's arrays with those of one line ago."""
        self.lines += 1
        current = dict(frame.f_locals)
        self.names |= set(current)
        self.names_at_end = set(current)
        for name, array in current.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fc":
                continue
            local = self.locals.get(name)
            if local is None:
                self.locals[name] = _Local(array, self.lines, moment, len(self.names))
            elif array is not local.array:
                local.array = array
                local.changes_to(array, self.lines, moment)
                local.rebound = True
            elif not np.array_equal(array, local.content, equal_nan=True):
                local.changes_to(array, self.lines, moment)
                if len(self.names) == local.names_known:  # still being made: y = x @ w, then y += b
                    local.line = self.lines
                else:
                    local.changed_late = True

    def why_not(self, name):
        """Return why the local `name` of this forward call cannot be measured, or None if it can."""
        local = self.locals[name]
        if local.rebound:
            return f"{name} is given a second value in forward"
        if local.changed_late and name in self.names_at_end:
            return f"{name} is changed in forward after other names have been given"
        if name in self.arguments and any(
            other.array is local.array for key, other in self.locals.items() if key != name
        ):
            return f"{name} has a second name in forward"
        if name in _used_on_its_own_line(self.code):
            return f"{name} is used on the line that gives it its value"
        return None


class _Watcher:
    """Trace functions that record a forward and a backward pass."""

    def __init__(self, layer, parameters):
        self.frames = Frames(layer)
        self.parameters = parameters
        self.moment = 0
        self.forward_calls = []
        self.backward_calls = []
        self.running = {}  # frame -> its _Call
        self.order = {}
        self.grads = {}

    def on_forward(self, frame, event, value):
        path = self.frames.path(frame, self.frames.forward_codes)
        if event != "call" or path is None:
            return None
        self.running[frame] = _Call(path, frame.f_code)
        self.forward_calls.append(self.running[frame])
        return self.in_forward

    def in_forward(self, frame, event, value):
        if event in ("line", "return"):
            self.moment += 1
            self.running[frame].look(frame, self.moment)
        if event == "return":
            call = self.running.pop(frame)
            call.cache = value[1] if isinstance(value, (tuple, list)) and len(value) == 2 else None
        return self.in_forward

    def on_backward(self, frame, event, value):
        path = self.frames.path(frame, self.frames.backward_codes)
        if event != "call" or path is None:
            return None
        if not self.grads:
            self.grads = {name: copy.copy(parameter.grad) for name, parameter in self.parameters.items()}
        call = _Call(path, frame.f_code)
        call.partner = self._partner(path, list(frame.f_locals.values()))
        self.running[frame] = call
        self.backward_calls.append(call)
        return self.in_backward

    def in_backward(self, frame, event, value):
        if event in ("line", "return"):
            self.moment += 1
            self.running[frame].look(frame, self.moment)
            for name, parameter in self.parameters.items():
                if not np.array_equal(parameter.grad, self.grads[name]):
                    self.grads[name] = copy.copy(parameter.grad)
                    self.order[name] = self.moment
        if event == "return":
            self.running.pop(frame)
        return self.in_backward

    def _partner(self, path, arguments):
        """Find the forward call that made the cache among `arguments`; else the last without partner."""
        taken = [call.partner for call in self.backward_calls]
        free = [call for call in self.forward_calls if call.path == path and call not in taken]
        for call in reversed(free):
            if any(call.cache is argument for argument in arguments):
                return call
        return free[-1] if free else None

    def record(self):
        steps, skipped = [], {}
        for backward in self.backward_calls:
            forward = backward.partner
            if forward is None:
                continue
            same_path = [call for call in self.forward_calls if call.path == forward.path]
            suffix = f" (call {same_path.index(forward) + 1})" if len(same_path) > 1 else ""
            for name, local in backward.locals.items():
                target = _target(name, forward.locals)
                is_argument = name in backward.arguments
                given = is_argument and (backward.path == "" or self._has_name_elsewhere(local, backward))
                checked_as_input = forward.path == "" and target in forward.arguments
                if target is None or given or checked_as_input:
                    continue
                full_name = f"{backward.path}.{name}{suffix}" if backward.path else name + suffix
                why_not = forward.why_not(target)
                if local.content.shape != forward.locals[target].content.shape:
                    why_not = f"its shape {local.content.shape} is not that of {target}"
                if why_not:
                    skipped[full_name] = why_not
                    continue
                steps.append(
                    Step(
                        name=full_name,
                        gradient=local.content,
                        order=local.moment,
                        call=self.forward_calls.index(forward),
                        local=target,
                        line=forward.locals[target].line,
                        content=forward.locals[target].content,
                        unmasked=local.unmasked,
                        backward_call=self.backward_calls.index(backward),
                        backward_name=name,
                        backward_line=local.last_line,
                    )
                )
        return Record(sorted(steps, key=_order_of), self.order, skipped)

    def _has_name_elsewhere(self, local, backward):
        """An argument d_y that is a named step of the calling backward is checked there."""
        for call in self.backward_calls:
            for name, other in call.locals.items():
                if call is backward or call.partner is None or other.array is not local.array:
                    continue
                target = _target(name, call.partner.locals)
                if target is not None and call.partner.why_not(target) is None:
                    return True
        return False


def _target(name, locals_of_forward):
    """Return the local that a gradient of this name belongs to: scores, of d_scores, dscores, grad_scores."""
    for prefix in ("d_", "grad_", "d", "g_"):
        rest = name.removeprefix(prefix)
        if name.startswith(prefix) and rest:
            plain = {other.replace("_", "").lower(): other for other in locals_of_forward if other != name}
            if rest in locals_of_forward and rest != name:
                return rest
            if rest.replace("_", "").lower() in plain:
                return plain[rest.replace("_", "").lower()]
    rest = name.removesuffix("_grad")
    return rest if rest != name and rest in locals_of_forward else None


def _order_of(step):
    return step.order


def _used_on_its_own_line(code):
    """Return the locals used on the line that assigns them (`a = f(x); b = a * a`): tracing sees lines."""
    stored_on, used = {}, set()
    for instruction in dis.get_instructions(code):
        names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
        # Python 3.13 joins two in one instruction.
        actions = re.findall("(STORE|LOAD)_FAST", instruction.opname)
        for action, name in zip(actions, names):
            if action == "STORE":
                stored_on[name] = instruction.positions.lineno
            elif stored_on.get(name) == instruction.positions.lineno:
                used.add(name)
    return used


# --- measuring ---


class StepProbe:
    """Runs a forward or a backward pass again with one of its locals changed.

    Args:
        layer: the layer (or pair of functions) that record_steps has watched.
        step: one of its steps.
    """

    def __init__(self, layer, step):
        self.frames = Frames(layer)
        self.step = step

    def run(self, forward, index, amount):
        """Return forward(), `amount` added to entry `index` of the local (`...` and an array: to all)."""

        def add(array):
            changed = array.astype(np.result_type(array.dtype, np.asarray(amount).dtype))
            changed[index] += amount
            return changed

        step = self.step
        return self._run(forward, self.frames.forward_codes, step.call, step.line, step.local, add)

    def run_backward(self, backward, gradient):
        """Return backward(), the step's gradient being `gradient` from the line on where it is complete."""
        codes, name = self.frames.backward_codes, self.step.backward_name
        call, line = self.step.backward_call, self.step.backward_line
        return self._run(backward, codes, call, line, name, lambda array: gradient.copy())

    def _run(self, do_pass, codes, call, line, name, change):
        """Return do_pass(), a local of one of its calls changed once that many lines of it have been run."""
        calls = lines = 0

        def on_call(frame, event, value):
            nonlocal calls
            if event != "call" or self.frames.path(frame, codes) is None:
                return None
            calls += 1
            return on_line if calls == call + 1 else None

        def on_line(frame, event, value):
            nonlocal lines
            lines += event == "line"
            if event != "line" or lines < line:
                return on_line
            sys.settrace(None)
            frame.f_locals[name] = change(frame.f_locals[name])  # Python hands it back to the frame
            return None

        with _tracing(on_call):
            return do_pass()
