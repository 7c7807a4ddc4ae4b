"""One batch on several cores: data parallelism by threads."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from minibert.layers.walk import first_non_finite


class JointOutput(NamedTuple):
    """What the shares of a batch came to.

    Attributes:
        loss: float, the sum of its parts.  losses: {"mlm_loss": float}, the parts.
        counts: {"mlm": how many tokens it is the mean of}.
        state: of all shares, joined along the batch; None where the model passes nothing on.
    """

    loss: float
    losses: dict
    counts: dict
    state: object


class Shares(NamedTuple):
    """What backward needs of the shares.

    Attributes:
        shares: a cache each.  weights: {part: share of the total count} each.
    """

    shares: list
    weights: list


class DataParallel:
    """Forward and backward of a batch on several threads, each with its own share of the sequences.

    The first thread works on the model, every other on a replica: the same values, gradients of its own. The
    shares' gradients are added in a fixed order, so the result depends on the number of threads and not on
    which is first. (NumPy lets go of Python's lock within its loops and matrix products; each thread should
    have a BLAS of one thread.)

    The gradient is that of the whole batch. Each part of the loss is a mean over what is predicted, so a
    share's part is weighed by its count:

        loss = Σ_part Σ_k w_k,part · loss_k,part        w_k,part = count_k,part / Σ_j count_j,part

    The plain mean of the shares' losses, which PyTorch's DistributedDataParallel minimises, is another number
    where one share predicts more tokens than another.

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

    def forward(self, batch, state=None, seed=None):
        """Run every share of a batch forward.

        Args:
            batch: a NamedTuple of arrays, forward's arguments by name; the first axis is cut into shares.
            state: what the last forward passed on, or None; cut like the batch.
            seed: list of integers; share k draws its dropout masks from default_rng([*seed, k]). None means
                no dropout.

        Returns:
            JointOutput, Shares.

        Raises:
            FloatingPointError: the loss is not finite; the message names the first array that is not.
        """
        num_shares = min(len(self.replicas), len(batch[0]))
        shares = zip(range(num_shares), _cut(batch, num_shares), _cut(state, num_shares))
        futures = [self.pool.submit(self._forward, *share, seed) for share in shares]
        outputs, caches = zip(*(future.result() for future in futures))
        parts = outputs[0].counts
        counts = {part: sum(output.counts[part] for output in outputs) for part in parts}
        weights = [_by_count(output, counts) for output in outputs]
        losses = {}
        for part in parts:
            share_losses = [float(getattr(output, f"{part}_loss")) for output in outputs]
            losses[f"{part}_loss"] = sum(w[part] * loss for w, loss in zip(weights, share_losses))
        state = _join([getattr(output, "state", None) for output in outputs])
        return JointOutput(sum(losses.values()), losses, counts, state), Shares(list(caches), weights)

    def accumulate(self, batch, num_parts, counts, seed=None):
        """Run a batch forward and backward in parts, one after the other; memory holds one part's record.

        Each part's gradient is added at once, weighed as a share's. So the counts of the whole batch must be
        known beforehand.

        Args:
            batch, seed: as in forward; part k has the seed [*seed, k].
            num_parts: each of whole sequences.
            counts: {"mlm": how many tokens the whole batch predicts}.

        Returns:
            JointOutput of the whole batch. The gradients are added to the model's.
        """
        losses = {f"{name}_loss": 0.0 for name in counts}
        for k, part in enumerate(_cut(batch, min(num_parts, len(batch[0])))):
            part_losses = self._losses_of(part, counts, None if seed is None else [*seed, k])
            losses = {name: loss + part_losses[name] for name, loss in losses.items()}
        return JointOutput(sum(losses.values()), losses, counts, None)

    def _losses_of(self, part, counts, seed):
        """Add a part's gradients; return its share of each loss. With the call ends the part's record."""
        output, cache = self.forward(part, seed=seed)
        weights = _by_count(output, counts)
        self.backward(cache, weights)
        return {f"{name}_loss": weight * output.losses[f"{name}_loss"] for name, weight in weights.items()}

    def _forward(self, k, share, state, seed):
        given = share._asdict() if state is None else {**share._asdict(), "state": state}
        rng = None if seed is None else np.random.default_rng([*seed, k])
        output, cache = self.replicas[k].forward(**given, rng=rng)
        check_loss(self.replicas[k], output, cache)
        return output, cache

    def zero_grad(self):
        """Set the gradients of the model and its replicas to zero."""
        for _ in self.spread(_zero_gradients, self.parameters):
            pass  # a pool's map waits here, and raises what its threads raised

    def backward(self, cache, d_loss=None):
        """Add the gradients of the joint loss to the model's, each part's times d_loss[part] if given."""
        weights = cache.weights
        if d_loss is not None:
            weights = [{part: w * d_loss[part] for part, w in share.items()} for share in weights]
        shares = zip(self.replicas, cache.shares, weights)
        futures = [self.pool.submit(replica.backward, *share) for replica, *share in shares]
        for future in futures:
            future.result()
        for _ in self.spread(_move_gradients, *self.parameters[: len(futures)]):
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


def _by_count(output, counts):
    """Return {part of the loss: how much this output's weighs among all, of which counts are predicted}."""
    return {part: count / max(counts[part], 1) for part, count in output.counts.items()}


def _zero_gradients(parameters):
    """Set the gradients of some parameters to zero; a model's zero_grad first searches the model for them."""
    for parameter in parameters:
        parameter.zero_grad()


def _move_gradients(parameter, *replicated):
    """Add the gradients of a parameter's replicas to its own, and set them to zero."""
    for other in replicated:
        parameter.grad += other.grad
        other.zero_grad()


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
