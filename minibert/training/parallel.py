"""One batch on several cores: data parallelism by threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minibert.layers.walk import first_non_finite


class DataParallel:
    """Forward and backward of a batch on several threads, each with its own share of the sequences.

    The first thread works on the model, every other on a replica: the same values, gradients of its own. The shares'
    gradients are added in a fixed order, so the result depends on the number of threads and not on which is first.
    (NumPy lets go of Python's lock within its loops and matrix products; each thread should have a BLAS of one thread.)

    The average of the shares' mean losses is minimised, as PyTorch's DistributedDataParallel does it: a share with fewer
    predicted tokens than another counts as much.

    Args:
        model: a BertForPreTraining.
        num_threads: 1 or more.
    """

    def __init__(self, model, num_threads):
        self.replicas = [model] + [model.replica() for _ in range(num_threads - 1)]
        self.parameters = [list(replica.parameters().values()) for replica in self.replicas]
        self.pool = ThreadPoolExecutor(num_threads, "minibert", _ignore_overflow)  # its threads end when nothing refers to it
        self.spread = self.pool.map if num_threads > 1 else map  # for work on parameters; handing it to one thread would cost and bring nothing

    def forward_backward(self, batch, seed):
        """Set the model's gradients to those of the batch's loss.

        Args:
            batch: a NamedTuple of arrays, forward's arguments in order; the first axis is cut into shares.
            seed: list of integers; thread k draws its dropout masks from default_rng([*seed, k]).

        Returns:
            (loss, mlm_loss, nsp_loss), floats.

        Raises:
            FloatingPointError: the loss is not finite; the message names the first array that is not.
        """
        num_shares = min(len(self.replicas), len(batch[0]))
        futures = [self.pool.submit(self._share, k, num_shares, batch, seed) for k in range(num_shares)]
        losses = [future.result() for future in futures]
        list(self.spread(_add_gradients, *self.parameters[:num_shares]))  # list waits, and raises what a thread raised
        return tuple(float(loss) for loss in np.mean(losses, axis=0))

    def _share(self, k, num_shares, batch, seed):
        replica = self.replicas[k]
        share = [np.array_split(array, num_shares)[k] for array in batch]
        replica.zero_grad()
        output, cache = replica.forward(*share, rng=np.random.default_rng([*seed, k]))
        check_loss(replica, output, cache)
        replica.backward(cache, d_loss=1 / num_shares)
        return output.loss, output.mlm_loss, output.nsp_loss

    def map(self, function, items):
        """Return [function(replica, item) for item in items], worked off by the threads."""
        def work(k):
            return [function(self.replicas[k], item) for item in items[k :: len(self.replicas)]]

        shares = list(self.pool.map(work, range(len(self.replicas))))
        return [shares[i % len(shares)][i // len(shares)] for i in range(len(items))]


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
        raise FloatingPointError(f"the loss is {output.loss}: the first array that is not finite is "
                                 f"{first_non_finite(model, cache) or 'prediction_logits'}")
