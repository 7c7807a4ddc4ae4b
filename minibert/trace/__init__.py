"""Walk through one forward and one backward pass by name: print it, look at it in a notebook, stop within it.

from minibert import trace
seen = trace.watch(model, input_ids, labels=labels)   # runs both passes; print(seen) shows them
with trace.stop_at(model, "attention.backward"):      # opens the debugger on that line of our code
    output, cache = model.forward(input_ids, labels=labels)
    model.backward(cache)
"""

from minibert.layers.walk import first_non_finite, tensors
from minibert.trace.calls import Call, Step, calls, steps
from minibert.trace.record import Trace, watch
from minibert.trace.stop import name, stop_at, stop_when
from minibert.trace.view import tree
