"""Mistakes of cheaper pretraining: of distillation, ELECTRA, recomputation, and batches in parts."""

import math

import numpy as np

from minibert.gradcheck.museum.exhibit import Exhibit, Finding, changed
from minibert.layers import RecomputedEncoderLayer
from minibert.layers.softmax import softmax
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.models.distillation import SoftTargets
from minibert.models.electra import sample
from minibert.objectives.distillation import DistillationObjective
from minibert.text.examples import MaskedBatch, PairBatch
from minibert.training.parallel import DataParallel


@changed("backward", ours="rng = copy.deepcopy(cache.rng)", theirs="rng = np.random.default_rng(0)")
class OtherMasks(RecomputedEncoderLayer):
    """A layer is computed again for its backward pass, and dropout draws other masks than the first time.

    How it looked. The state of the generator was not kept from the first pass to the second, to save time;
    the models of the time had no dropout, so nobody noticed. Then one had.
    How it hides. Without dropout the gradients are right to the last bit, and with it they still point
    downhill: they are those of another sample of the same layer.
    The cost. The loss of one sub-network goes back through another. The published run ended 0.3 nats
    higher with recomputation than without, where both should be equal.
    """


@changed("forward", ours="divisor = max(len(logits), 1)", theirs="divisor = logits.size")
class DividedByWords(SoftTargets):
    """The divergence from the teacher is divided by the number of rows and by that of the words.

    How it looked. PyTorch's KLDivLoss with its default reduction, "mean", takes the mean over all numbers of
    the array. The divergence of a row is a sum over the words.
    How it hides. The gradient is the right one of this loss, so no gradient check says anything; its size
    is a question of the weight, which everybody tunes.
    The cost. With 4,000 words the teacher counts 4,000 times less than it was told to.
    """


def noise_on_probabilities(logits, rng):
    """Gumbel noise is added to the probabilities, where it belongs to their logarithms.

    How it looked. To draw without replacement by a probability each, the code took the largest of
    probability + Gumbel noise; the library calls its argument "logits", and probabilities fit as well.
    How it hides. Something is drawn, more often what is likely, and the run goes on.
    The cost. A probability is 1 at most, the noise spreads over several units. So all is almost alike: what
    has the probability 0 is drawn, too.
    """
    return (softmax(logits.real) + rng.gumbel(size=logits.shape)).argmax(axis=-1)


@changed(
    "forward",
    ours="weights = [_by_count(output, counts) for output in outputs]",
    theirs="weights = [{part: 1 / num_shares for part in output.counts} for output in outputs]",
)
class MeanOfMeans(DataParallel):
    """A batch is cut into parts, and the mean of the parts' losses is taken for the loss of the batch.

    How it looked. Each part's loss is a mean over its own tokens, and the losses are averaged over the
    parts: in gradient accumulation, and between machines.
    How it hides. Where all parts have as many tokens, it is right. The loss falls either way.
    The cost. A token in a part with few of them counts more than one in a part with many, so the run learns
    something else than with the large batch that it stands for.
    """


class AveragedAgain(DataParallel):
    """The gradient of the whole batch is divided by the number of parts, and so has been divided twice.

    How it looked. The loss of each part was divided by the tokens of all parts. Then the gradients of the
    machines were averaged, as a library for several machines does by itself, and not added up.
    How it hides. The reported loss is right, because it takes another way. The gradient points where it
    should, and Adam divides each gradient by its own size: with the same number of parts in every step the
    weights are the right ones, but for eps.
    The cost. Clipping sees a norm that is too small by the factor, and clips less. Where the last step of an
    epoch has fewer parts, it counts for more. Without Adam the rate is lower on more machines.
    """

    def backward(self, cache, d_loss=None):
        super().backward(cache, d_loss)
        for parameter in self.parameters[0]:
            parameter.grad /= len(cache.shares)


@changed(
    "answers",
    ours="encoded, _ = self.teacher.bert.forward(*masked[:3])",
    theirs="encoded, _ = self.teacher.bert.forward(*masked[:3], rng=np.random.default_rng())",
)
class TeacherWithDropout(DistillationObjective):
    """The teacher answers with dropout, as if it were trained.

    How it looked. No gradient goes to the teacher and no optimizer has it, so it seemed to be out of the
    training; but nobody had told it, and the model of a framework is in training mode until it is told.
    How it hides. The teacher does not change, as a test would confirm. Its answers are those of a thinned
    teacher, good ones still, and the student learns from them.
    The cost. The same text has other answers at every step: the student learns their mean, which is not what
    the teacher says when it is used, and learns it from noise.
    """


# --- what is known by hand ---


def divergence(layer_class):
    """Two words: the teacher gives 0.9 and 0.1, the student a half to each."""
    loss, _ = layer_class(1.0).forward(np.zeros((1, 2)), teacher_logits=np.log([[0.9, 0.1]]))
    by_hand = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    return Finding("divergence of a student who guesses from its teacher's 0.9 and 0.1", by_hand, float(loss))


def share_of_the_likely(draw):
    """Of 20,000 draws from 0.9 and 0.1."""
    drawn = draw(np.tile(np.log([0.9, 0.1]), (20_000, 1)), np.random.default_rng(0))
    share = np.mean(drawn == 0)
    return Finding("share of draws of a word with the probability 0.9", 0.9, share, tolerance=0.01)


def in_two_parts(parallel):
    """Two sequences, of which one predicts a token, the other three.

    Returns:
        the model after backward of both in one batch: its loss, its gradients; and the same after two parts.
    """
    config = BertConfig(11, 6, 1, num_attention_heads=2, intermediate_size=7, initializer_range=1.0)
    model = BertForPreTraining(config, dtype=np.float64)
    ids = np.array([[2, 7, 4, 3], [2, 9, 8, 5]])
    labels = np.array([[-100, 5, -100, -100], [-100, 6, 1, 4]])
    batch = PairBatch(ids, np.zeros_like(ids), np.ones_like(ids), labels, None)
    whole, cache = model.forward(**batch._asdict())
    model.backward(cache)
    gradients = np.concatenate([p.grad.ravel() for p in model.parameters().values()])
    workers = parallel(model, 2)
    output, shares = workers.forward(batch)
    workers.zero_grad()
    workers.backward(shares)
    workers.pool.shutdown()
    added = np.concatenate([p.grad.ravel() for p in model.parameters().values()])
    return (float(whole.loss), gradients), (output.loss, added)


def loss_of_two_parts(parallel):
    (whole, _), (loss, _) = in_two_parts(parallel)
    return Finding("loss of a batch in two parts", whole, loss)


def gradient_of_two_parts(parallel):
    (_, whole), (_, gradient) = in_two_parts(parallel)
    norms = (float(np.linalg.norm(each)) for each in (whole, gradient))
    return Finding("norm of the gradient of a batch in two parts", *norms)


def noise_in_the_answers(objective_class):
    """The same text twice."""
    objective = objective_class.__new__(objective_class)  # a teacher is all that it needs here
    config = BertConfig(11, 6, 1, num_attention_heads=2, intermediate_size=7, initializer_range=1.0)
    objective.teacher = BertForPreTraining(config, dtype=np.float64)
    ids = np.array([[2, 7, 4, 3]])
    masked = MaskedBatch(ids, np.zeros_like(ids), np.ones_like(ids), np.array([[-100, 5, -100, -100]]))
    first, second = (objective.answers(masked)[0] for _ in range(2))
    return Finding(
        "how far two answers of a teacher to one text are apart", 0.0, float(np.abs(first - second).max()))


EXHIBITS = [
    Exhibit(
        "other-masks", RecomputedEncoderLayer, OtherMasks, "RecomputedEncoderLayer", "output_norm.gamma",
        "not recognised",
        seen=["https://github.com/allenai/OLMo-core/pull/828"],
    ),
    Exhibit("divided-by-words", SoftTargets, DividedByWords, "SoftTargets", None, "", divergence,
            seen=["https://github.com/haitongli/knowledge-distillation-pytorch/issues/2"]),
    Exhibit("noise-on-probabilities", sample, noise_on_probabilities, None, None, "", share_of_the_likely,
            seen=["https://github.com/dmlc/gluon-nlp/issues/1324 (positions to mask, not words)"]),
    Exhibit("mean-of-means", DataParallel, MeanOfMeans, None, None, "", loss_of_two_parts,
            seen=["https://github.com/huggingface/transformers/issues/24725"]),
    Exhibit("averaged-again", DataParallel, AveragedAgain, None, None, "", gradient_of_two_parts,
            seen=["https://github.com/meta-pytorch/torchtune/pull/2172",
                  "https://github.com/verl-project/verl-SpeCo/pull/29"]),
    Exhibit("teacher-with-dropout", DistillationObjective, TeacherWithDropout, None, None, "",
            noise_in_the_answers, seen=["https://github.com/yxuansu/TaCL/issues/11"]),
]
