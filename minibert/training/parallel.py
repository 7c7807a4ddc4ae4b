"""One batch on several cores: data parallelism by threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import first_non_finite


class JointOutput(NamedTuple):
    """What the shares of a batch came to.

    Attributes:
        loss: float.  losses: {"mlm_loss": float}, the parts it is the sum of.
        state: of all shares, joined along the batch; None where the model passes nothing on.
    """

    loss: float
    losses: dict
    state: object


class DataParallel:
    """Forward and backward of a batch on several threads, each with its own share of the sequences.

    The first thread works on the model, every other on a replica: the same values, gradients of its own. The
    shares' gradients are added in a fixed order, so the result depends on the number of threads and not on
    which is first. (NumPy lets go of Python's lock within its loops and matrix products; each thread should
    have a BLAS of one thread.)

    The average of the shares' mean losses is minimised, as PyTorch's DistributedDataParallel does it: a share
    with fewer predicted tokens than another counts as much.

    Args:
        model: a model with a loss; forward takes arrays with the batch first, by keyword.
        num_threads: 1 or more.
    """

    def __init__(self, model, num_threads):
        self.replicas = [model] + [model.replica() for _ in range(num_threads - 1)]
        self.parameters = [list(replica.parameters().values()) for replica in self.replicas]
        self.pool = ThreadPoolExecutor(num_threads, "minibert", _ignore_overflow)
        # Work on parameters is spread over the threads; handing it to a single thread would only cost time.
        self.spread = self.pool.map if num_threads > 1 else map

    def forward(self, batch, state=None, seed=()):
        """Run every share of a batch forward.

        Args:
            batch: a NamedTuple of arrays, forward's arguments by name; the first axis is cut into shares.
            state: what the last forward passed on, or None; cut like the batch.
            seed: list of integers; share k draws its dropout masks from default_rng([*seed, k]).

        Returns:
            JointOutput, and the list of the shares' caches.

        Raises:
            FloatingPointError: the loss is not finite; the message names the first array that is not.
        """
        num_shares = min(len(self.replicas), len(batch[0]))
        shares = zip(range(num_shares), _cut(batch, num_shares), _cut(state, num_shares))
        futures = [self.pool.submit(self._forward, *share, [*seed, share[0]]) for share in shares]
        outputs, caches = zip(*(future.result() for future in futures))
        losses = {
            name: float(np.mean([getattr(output, name) for output in outputs]))
            for name, loss in outputs[0]._asdict().items()
            if name.endswith("loss") and loss is not None
        }
        state = _join([getattr(output, "state", None) for output in outputs])
        return JointOutput(losses.pop("loss"), losses, state), list(caches)

    def _forward(self, k, share, state, seed):
        given = share._asdict() if state is None else {**share._asdict(), "state": state}
        output, cache = self.replicas[k].forward(**given, rng=np.random.default_rng(seed))
        check_loss(self.replicas[k], output, cache)
        return output, cache

    def zero_grad(self):
        """Set the gradients of the model and its replicas to zero."""
        for _ in self.spread(lambda replica: replica.zero_grad(), self.replicas):
            pass  # a pool's map waits here, and raises what its threads raised

    def backward(self, caches):
        """Add the gradients of the joint loss to the model's."""
        futures = [
            self.pool.submit(self.replicas[k].backward, cache, d_loss=1 / len(caches))
            for k, cache in enumerate(caches)
        ]
        for future in futures:
            future.result()
        for _ in self.spread(_add_gradients, *self.parameters[: len(caches)]):
            pass

    def map(self, function, items):
        """Return [function(replica, item) for item in items], worked off by the threads."""

        def work(k):
            return [function(self.replicas[k], item) for item in items[k :: len(self.replicas)]]

        shares = list(self.pool.map(work, range(len(self.replicas))))
        return [shares[i % len(shares)][i // len(shares)] for i in range(len(items))]


def _cut(item, num_shares):
    """Return the shares of an array, or of a nested tuple of arrays, along the first axis."""
    if item is None:
        return [None] * num_shares
    if isinstance(item, np.ndarray):
        return np.array_split(item, num_shares)
    return [_like(item, parts) for parts in zip(*(_cut(part, num_shares) for part in item))]


def _join(shares):
    """Undo _cut."""
    if shares[0] is None:
        return None
    if isinstance(shares[0], np.ndarray):
        return np.concatenate(shares)
    return _like(shares[0], [_join(parts) for parts in zip(*shares)])


def _like(item, parts):
    """Return a tuple, NamedTuple or list of the same kind with other parts."""
    return type(item)(*parts) if hasattr(item, "_fields") else type(item)(parts)


def _add_gradients(parameter, *replicated):
    """Add the gradients of a parameter's replicas to its own."""
    for other in replicated:
        parameter.grad += other.grad


def _ignore_overflow():
    """Have NumPy print no warnings in this thread: check_loss says which array is not finite."""
    np.seterr(over="ignore", invalid="ignore")


def check_loss(model, output, cache):
    """Raise FloatingPointError, with the name of the first array that is not finite, if the loss is not."""
    if not np.isfinite(output.loss):
        raise FloatingPointError(
            f"the loss is {output.loss}: the first array that is not finite is "
            f"{first_non_finite(model, cache) or 'the output'}"
        )
