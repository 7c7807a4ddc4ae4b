"""The experiments of lesson 15: is pretraining cheaper with ELECTRA, a teacher, old text, larger batches?

All of them are about the toy language, where a new text is always at hand and the least possible loss is
known. Most are *short runs*: a BERT of two layers fills masks for 640 steps of 32 pairs, and nothing is asked
about the second sentence. So they differ in the one thing that an experiment is about.
"""

import dataclasses
import functools
import pathlib
import time

import numpy as np

import minibert
from minibert.course.elmo import Asked, homographs
from minibert.course.fine_tuning import texts
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.bert import hidden_states
from minibert.models.distillation import SOFT_WEIGHT, by_sequence
from minibert.models.electra import sample
from minibert.objectives.distillation import DistillationObjective
from minibert.objectives.electra import ElectraObjective
from minibert.objectives.masked_lm import MaskedLM, MaskedLMRecipe, score_pairs
from minibert.text.examples import MaskedBatch, PairBatch
from minibert.text.examples.masking import hide_tokens
from minibert.text.toy import LEMMAS, TOY, WORDS
from minibert.text.toy.generator import OTHER_NUMBER
from minibert.text.toy.limits import Limits
from minibert.text.toy.pairs import ToyExamples, split
from minibert.training.optimizers import clip_gradients
from minibert.training.probes import fit_probe
from minibert.training.schedules import linear_schedule
from minibert.training.step import Training

STEPS, BATCH, RATE, MASKED = 640, 32, 4e-3, 0.15  # of a short run
HELD_OUT = 2048  # pairs that it is judged on
LAYERS, HIDDEN = 2, 64  # of the toy recipe
LEAST = 1e-30  # probability, so that its logarithm exists


def silent(line):
    """Say nothing."""


@functools.cache
def toy():
    """Return the MaskedLM of the toy language: its tokenizer, its held-out pairs, its limits."""
    return MaskedLM(MaskedLMRecipe.of(["toy"], recipe="bert", num_steps=STEPS), say=silent)


def new_bert(seed, num_layers=LAYERS):
    """Return a new BertForPreTraining of the toy recipe's sizes, which begins as the unigram model."""
    config = dataclasses.replace(toy().make_model().config, num_hidden_layers=num_layers)
    model = minibert.BertForPreTraining(config, seed=seed)
    model.mlm_head.decoder.bias.value[:] = toy().pairs.unigram
    return model


def new_albert(seed, embedding_size=32, num_layers=LAYERS):
    """Return a new AlbertForPreTraining of the sizes of new_bert; token vectors have embedding_size."""
    given = new_bert(seed, num_layers).config
    shared = {
        field.name: getattr(given, field.name) for field in dataclasses.fields(given)
        if field.name not in ("hidden_act", "classifier_dropout")
    }
    config = minibert.AlbertConfig(**shared, embedding_size=embedding_size, classifier_dropout=0.0)
    model = minibert.AlbertForPreTraining(config, seed=seed)
    model.predictions.mlm_head.decoder.bias.value[:] = toy().pairs.unigram
    return model


def num_parameters(model):
    """Return how many numbers a model has to learn."""
    return sum(parameter.value.size for parameter in model.parameters().values())


# --- a short run, and how it is judged ---


class Text:
    """A text of the toy language that is read several times: sentence pairs, each time in another order.

    Args:
        seed: of the text, its order and its masks. A shorter text is the beginning of a longer one.
        epochs: how often a short run of `num_steps` reads it.
        mlm_probability: the share of the words that is masked.
        is_masked_anew: in each epoch; otherwise the masks of the first one are kept.
        num_steps, batch_size: of the run.

    Raises:
        ValueError: the steps of a run are no whole number of epochs.
    """

    def __init__(
        self, seed, epochs=1, mlm_probability=MASKED, is_masked_anew=True, num_steps=STEPS, batch_size=BATCH,
    ):
        if num_steps % epochs:
            raise ValueError(f"{num_steps} steps are no {epochs} epochs of whole batches")
        self.seed, self.mlm_probability, self.is_masked_anew = seed, mlm_probability, is_masked_anew
        self.batch_size, self.steps_an_epoch = batch_size, num_steps // epochs
        examples = ToyExamples(TOY, TOY.tokenizer(), seed)
        pairs = examples.pairs(num_steps * batch_size, np.random.default_rng([seed, 15]))
        number = self.steps_an_epoch * batch_size
        self.clean_ids, self.is_word = pairs.clean_ids[:number], pairs.tags[:number] >= 0
        self.batches = PairBatch(*(array[:number] for array in pairs.batch))
        self._epoch = None, None  # its number, its PairBatch

    def epoch(self, number):
        """Return the whole text as one PairBatch, masked and in the order of an epoch."""
        rng = np.random.default_rng([self.seed, 16, number if self.is_masked_anew else 0])
        tokenizer = TOY.tokenizer()
        chosen = self.is_word & (rng.random(self.is_word.shape) < self.mlm_probability)
        input_ids, labels = hide_tokens(
            self.clean_ids, chosen, rng, tokenizer.vocab_size, tokenizer.mask_token_id)
        order = np.random.default_rng([self.seed, 17, number]).permutation(len(labels))
        whole = self.batches._replace(input_ids=input_ids, labels=labels)
        return PairBatch(*(array[order] for array in whole))

    def batch(self, step):
        """Return the PairBatch of a step."""
        number, place = divmod(step, self.steps_an_epoch)
        if self._epoch[0] != number:
            self._epoch = number, self.epoch(number)
        rows = slice(place * self.batch_size, (place + 1) * self.batch_size)
        found = PairBatch(*(array[rows] for array in self._epoch[1]))
        longest = int(found.attention_mask.sum(axis=1).max())
        return PairBatch(*(array[:, :longest] for array in found[:4]), found.next_sentence_label)


def words_only(batch):
    """Return the arguments of forward that ask about the masked words of a PairBatch, and nothing else."""
    return MaskedBatch(*batch[:4])._asdict()


def train(model, arguments_of, num_steps=STEPS, rate=RATE, d_loss=1.0):
    """Train a model by AdamW; the rate rises in a tenth of the steps, then falls. Return processor seconds.

    Args:
        arguments_of: arguments_of(step) returns the arguments of forward, a dict.
        d_loss: of backward.
    """
    optimizer = minibert.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98))
    started = time.process_time()
    for step in range(num_steps):
        _, cache = model.forward(**arguments_of(step))
        model.zero_grad()
        model.backward(cache, d_loss)
        clip_gradients(optimizer.parameters, 1.0)
        optimizer.lr = linear_schedule(step, num_steps, num_steps // 10, rate)
        optimizer.step()
    return time.process_time() - started


def judged(model):
    """Return how a model fills the masks of 2,048 held-out pairs.

    Returns:
        {"loss": nats, "above": the loss less the least possible one, "accuracy": of its guesses}
    """
    batch, limit = _held_out()
    scores = [score_pairs(model, MaskedBatch(*some[:4])) for some in split(batch, 128)]
    loss, accuracy = (np.concatenate(values).mean() for values in list(zip(*scores))[:2])
    return {"loss": loss, "above": loss - limit, "accuracy": accuracy}


@functools.cache
def _held_out():
    batch = ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(HELD_OUT).batch
    return batch, _limits().scores(batch).token_losses.mean()


def short_run(model, text, rate=RATE):
    """Train a model to fill the masks of a Text, and return what `judged` says, and processor seconds."""
    seconds = train(model, lambda step: words_only(text.batch(step)), rate=rate)
    return {**judged(model), "seconds": seconds}


# --- ELECTRA at 0.6 of the tokens ---

N, OF_RECIPE = 900, 64  # steps and their pairs, of the BERT that ELECTRA is compared with
SHARE = 0.6  # of them that ELECTRA has
WIDE = {"generator_heads": 8, "mlm_probability": 0.4}  # a generator as wide as BERT, and BERT's masks
ELECTRA_RATE, ELECTRA_RATES = 4e-3, (2e-3, 4e-3, 8e-3)
NUM_PROBED, LABELS, DRAWS = 5000, (100, 1000, 5000), 5
OTHERS = set(" ".join(WORDS["other"][2]).split())
NUMBER_OF = {line.split()[form]: form for topic in LEMMAS for line in topic for form in (0, 1)}


def agreements(number, seed):
    """Return the Asked of verbs: 1 where it is in the number of its subject, 0 where in the other one.

    Half of the sentences have a wrong verb. Between subject and verb is a noun of either number.

    Example:
        >>> for words, place, label in zip(*agreements(3, seed=0)):
        ...     print(" ".join(words), "|", words[place], label)
        the clerk near the strange tree yawns | yawns 1
        the robbers above the trees today whisper | whisper 1
        one leather purse under the baskets jingle | jingle 0
    """
    rng, rows = np.random.default_rng([seed, 15]), []
    for words, phenomena in _of_agreement(seed):
        place = next((k for k, word in enumerate(words) if word in OTHER_NUMBER), None)
        if place is None or phenomena[place] != "agreement":
            continue  # a sentence of yesterday
        label = int(rng.integers(2))
        verb = words[place] if label else OTHER_NUMBER[words[place]]
        rows.append(((*words[:place], verb, *words[place + 1 :]), place, label))
        if len(rows) == number:
            return _asked(rows)


def numbers(number, seed):
    """Return the Asked of the noun between subject and verb: 1 where the subject is plural.

    The numbers of the two nouns are independent.
    """
    rows = []
    for words, _ in _of_agreement(seed):
        place = next((k for k, word in enumerate(words) if word in OTHERS), None)
        if place is not None:
            rows.append((words, place, next(NUMBER_OF[word] for word in words if word in NUMBER_OF)))
            if len(rows) == number:
                return _asked(rows)


def _of_agreement(seed):
    """Yield (words, phenomena) of sentences of the kind "agreement", without end."""
    part = 0
    while True:
        for document in TOY.documents(200, 1000 * (seed + 1) + part):
            for sentence in document:
                if sentence.kind == "agreement":
                    yield sentence.words, sentence.phenomena
        part += 1


def _asked(rows):
    sentences, places, labels = zip(*rows)
    return Asked(list(sentences), np.array(places), np.array(labels))


QUESTIONS = {"sense": (homographs, 3), "agreement": (agreements, 2), "number": (numbers, 2)}


@functools.cache
def _sets(question, number):
    """Return two Asked of a question, to fit a probe and to judge it."""
    ask, _ = QUESTIONS[question]
    return ask(number, 1), ask(number, 2)


def states_of(body, asked):
    """Return the states of the words asked for after each layer of a model's body: (L + 1, N, H)."""
    examples, parts = texts(asked.sentences, asked.labels), []
    for start in range(0, len(asked.places), 500):
        rows = slice(start, start + 500)
        output, cache = body.forward(
            examples.input_ids[rows], attention_mask=examples.attention_mask[rows])
        places = asked.places[rows] + 1  # after [CLS]
        which = np.arange(len(places)), places
        parts.append(np.stack([states[which] for states in hidden_states(output, cache)]))
    return np.concatenate(parts, axis=1)


def probed(body, number=NUM_PROBED, sizes=LABELS):
    """Return the accuracies of linear probes on frozen states, on sentences that have not fitted them.

    Returns:
        {question: {number of labels: [accuracy after each layer]}}, means over at most five sets of labels.
    """
    found = {}
    for question, (_, num_labels) in QUESTIONS.items():
        to_fit, to_judge = _sets(question, number)
        states, others = states_of(body, to_fit), states_of(body, to_judge)

        def accuracy(layer, start, size):
            rows = slice(start, start + size)
            probe = fit_probe(states[layer, rows], to_fit.labels[rows], num_labels, weight_decay=1e-2)
            return probe.accuracy(others[layer], to_judge.labels)

        found[question] = {
            str(size): [
                np.mean([accuracy(k, size * draw, size) for draw in range(min(DRAWS, number // size))])
                for k in range(len(states))
            ]
            for size in sizes
        }
    return found


def trained(objective_class, seed, num_steps, **changes):
    """Return the Training of an objective after its steps, and {"tokens": of the text, "seconds": of it}."""
    recipe = objective_class.Recipe.of(
        ["toy"], seed=seed, num_steps=num_steps, batch_size=OF_RECIPE, **{"recipe": "bert", **changes})
    training = Training(objective_class(recipe, say=silent))
    started, tokens = time.process_time(), 0
    for step in range(num_steps):
        tokens += training.step(step)["tokens"]
    return training, {"tokens": tokens, "seconds": time.process_time() - started}


def of_bert(seed, share=1.0, num_steps=N, **changes):
    """Return tokens, processor seconds, MLM loss and probes of a BERT after a share of N steps."""
    training, found = trained(MaskedLM, seed, round(share * num_steps), **changes)
    return {**found, "loss": training.evaluate().mlm_loss, "probes": probed(training.model.bert)}


def of_electra(seed, share=SHARE, num_steps=N, rate=ELECTRA_RATE, **changes):
    """Return the same of an ELECTRA: its generator's loss, and probes of its discriminator.

    Also "replaced", the share of the tokens that are, and "found", the share of these that it tells.
    """
    training, found = trained(
        ElectraObjective, seed, round(share * num_steps), learning_rate=rate, **changes)
    judged_so = training.evaluate()
    return {
        **found, "loss": judged_so.mlm_loss, "replaced": judged_so.replaced, "found": judged_so.found,
        "probes": probed(training.model.discriminator.electra),
    }


# --- a student of two layers from a teacher of four ---

TEACHER_LAYERS, STUDENT_STEPS, STUDENT_RATE, STUDENT_RATES = 4, 450, 4e-3, (1e-3, 2e-3, 4e-3)


def teacher_folder(folder, seed):
    """Return the folder of a BERT of four layers after N steps; it is trained if it is not there."""
    path = pathlib.Path(folder) / f"teacher-{seed}"
    if not (path / "model.safetensors").is_file():
        training, _ = trained(MaskedLM, seed, N, num_hidden_layers=TEACHER_LAYERS)
        path.mkdir(parents=True, exist_ok=True)
        training.objective.tokenizer.save_pretrained(path)
        training.model.save_pretrained(path)
    return path


def teacher_of(folder, seed):
    """Return the BertForPreTraining of teacher_folder."""
    return minibert.BertForPreTraining.from_pretrained(teacher_folder(folder, seed))


class LabelsOnly(DistillationObjective):
    """The same start, text and masks as in distillation, but the teacher does not answer."""

    def batch(self, step):
        """Return the MaskedBatch of a training step."""
        return MaskedBatch(*MaskedLM.batch(self, step)[:4])


def student(folder, seed, objective_class=DistillationObjective, rate=STUDENT_RATE, num_steps=STUDENT_STEPS):
    """Return how a student is judged that `minibert distill` makes from the teacher in teacher_folder.

    Args:
        objective_class: LabelsOnly leaves the teacher's answers out; its layers are the start all the same.
    """
    recipe = DistillationObjective.Recipe.of(
        ["toy"], start=str(teacher_folder(folder, seed)), seed=seed, num_steps=num_steps,
        batch_size=OF_RECIPE, learning_rate=rate, **as_the_teacher())
    training = Training(objective_class(recipe, say=silent))
    started = time.process_time()
    for step in range(num_steps):
        training.step(step)
    return {"seconds": time.process_time() - started, **points(training.model)}


def as_the_teacher():
    """Return the masks of the toy recipe, which the teacher learns from."""
    recipe = toy().recipe
    return {"mlm_probability": recipe.mlm_probability, "settle": recipe.settle}


def from_scratch(seed, num_layers=LAYERS, num_steps=STUDENT_STEPS):
    """Return how a BERT of so many layers is judged after so many steps of the toy recipe."""
    training, found = trained(MaskedLM, seed, num_steps, num_hidden_layers=num_layers)
    return {"seconds": found["seconds"], **points(training.model)}


def points(model):
    """Return loss, loss above the limit and accuracy of a model on 8,192 pairs, also for each phenomenon."""
    scores = [score_pairs(model, MaskedBatch(*batch[:4])) for [batch] in toy().held_out]
    return _points(*map(np.concatenate, list(zip(*scores))[:2]))


def _points(losses, right):
    of_phenomena = toy().of_phenomena(losses, right)
    return {
        "loss": losses.mean(), "above": losses.mean() - toy().limits.mlm_loss, "accuracy": right.mean(),
        "phenomena": {name: accuracy for name, (_, accuracy) in of_phenomena.items()},
    }


def unigram_points():
    """Return what the unigram model reaches, who always guesses the most frequent word, as `points` does."""
    labels = np.concatenate([batch.labels[batch.labels != IGNORE_INDEX] for [batch] in toy().held_out])
    return _points(-toy().pairs.unigram[labels], labels == toy().pairs.unigram.argmax())


# --- hard labels, soft targets, the exact posterior ---


@functools.cache
def _limits(mlm_probability=MASKED):
    return Limits(TOY, TOY.tokenizer(), mlm_probability)


def hard(batch):
    """Return the arguments of Distillation.forward without a teacher."""
    return words_only(batch)


def exact(batch):
    """Return the arguments with the exact posterior of the language as the teacher."""
    probs, _ = _limits().posteriors(batch)                                      # (M, V)
    answers = np.log(np.maximum(probs, LEAST)).astype(np.float32)
    return {**words_only(batch), "teacher_logits": by_sequence(answers, batch.labels)}


def soft(teacher):
    """Return a function that adds the answers of a teacher, a BertForPreTraining, to the arguments."""
    def answered(batch):
        asked = words_only(batch)
        output, _ = teacher.forward(**asked)
        return {**asked, "teacher_logits": by_sequence(output.prediction_logits, batch.labels)}

    return answered


def redrawn(seed):
    """Return a function that draws the labels anew, from the exact posterior: hard labels, never the same."""
    rng = np.random.default_rng([seed, 18])

    def drawn(batch):
        probs, _ = _limits().posteriors(batch)                                  # (M, V)
        labels = batch.labels.copy()
        labels[labels != IGNORE_INDEX] = sample(np.log(np.maximum(probs, LEAST)), rng)
        return words_only(batch._replace(labels=labels))

    return drawn


def taught(answers_of, seed, epochs, temperature=1.0, num_steps=STEPS):
    """Return what `judged` says of a student after a short run with one kind of answers, and nothing else.

    All students of a seed have the same start and read the same text, with the same masks in each epoch.

    Args:
        answers_of: hard, exact, soft(teacher) or redrawn(seed).
    """
    model = minibert.Distillation(new_bert(seed), temperature)
    text = Text(seed, epochs, is_masked_anew=False, num_steps=num_steps)
    has_teacher = "teacher_logits" in answers_of(text.batch(0))
    d_loss = {"mlm": 0.0, "soft": 1 / SOFT_WEIGHT} if has_teacher else {"mlm": 1.0}
    seconds = train(model, lambda step: answers_of(text.batch(step)), num_steps, d_loss=d_loss)
    return {**judged(model), "seconds": seconds}


def gradient_noise(seed, num_steps=STEPS // 2, num_batches=40):
    """Return how much the gradients of hard labels and of the exact posterior vary from batch to batch.

    Both are of the same model, after half of a short run, and of the same batches.

    Returns:
        {"hard", "exact": Σ of the variances of all entries, "cosine": of the two mean gradients,
        "difference": length of their difference over the length that chance would give it}
    """
    model = minibert.Distillation(new_bert(seed), temperature=1.0)
    text = Text(seed)
    train(model, lambda step: hard(text.batch(step)), num_steps, d_loss={"mlm": 1.0})
    others, kinds = ToyExamples(TOY, TOY.tokenizer(), seed=900 + seed), {"hard": [], "exact": []}
    for step in range(num_batches):
        batch = others.batch(step, BATCH)
        for name, answers_of, d_loss in (
            ("hard", hard, {"mlm": 1.0}), ("exact", exact, {"mlm": 0.0, "soft": 1 / SOFT_WEIGHT}),
        ):
            _, cache = model.forward(**answers_of(batch))
            model.zero_grad()
            model.backward(cache, d_loss)
            kinds[name].append(np.concatenate([p.grad.ravel() for p in model.parameters().values()]))
    both = {name: np.array(gradients, float) for name, gradients in kinds.items()}  # (batches, parameters)
    means = {name: gradients.mean(axis=0) for name, gradients in both.items()}
    differences = both["hard"] - both["exact"]
    by_chance = np.sqrt(differences.var(axis=0, ddof=1).sum() / num_batches)
    lengths = np.linalg.norm(means["hard"]) * np.linalg.norm(means["exact"])
    return {
        **{name: gradients.var(axis=0, ddof=1).sum() for name, gradients in both.items()},
        "cosine": means["hard"] @ means["exact"] / lengths,
        "difference": np.linalg.norm(differences.mean(axis=0)) / by_chance,
    }


# --- tokens to a given loss, by the size of a batch ---

RATES_OF_SIZE = {  # by the size of a batch
    8: (1e-3, 2e-3), 32: (2e-3, 4e-3), 128: (4e-3, 8e-3), 512: (4e-3, 8e-3),
}
# They double from size to size. On seed 9, twice these rates need fewer steps at 8, 32 and 128.
RATE_OF_SIZE = {8: 1e-3, 32: 2e-3, 128: 4e-3, 512: 8e-3}
TARGETS, WARMUP, MOST_PAIRS = (2.5, 2.0), 30, 100_000
TRACKED = 512  # held-out pairs


def to_targets(seed, batch_size, rate, targets=TARGETS, most_pairs=MOST_PAIRS):
    """Train with a constant rate until all targets are reached, and return how far it was to each.

    Args:
        most_pairs: after which it is given up.

    Returns:
        {target: {"steps": number, "tokens": number} or None where it was not reached}
    """
    examples, model = ToyExamples(TOY, TOY.tokenizer(), seed), new_bert(seed)
    optimizer = minibert.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98))
    tracked = words_only(_tracked())
    found, step, tokens, next_look, before = {}, 0, 0, 10, None
    while len(found) < len(targets) and step * batch_size < most_pairs:
        batch = examples.batch(step, batch_size)
        _, cache = model.forward(**words_only(batch))
        model.zero_grad()
        model.backward(cache)
        clip_gradients(optimizer.parameters, 1.0)
        optimizer.lr = rate * min(1, (step + 1) / WARMUP)
        optimizer.step()
        step, tokens = step + 1, tokens + int(batch.attention_mask.sum())
        if step >= next_look:
            now = float(model.forward(**tracked)[0].loss), step, tokens
            for target in targets:
                if now[0] <= target and str(target) not in found:
                    found[str(target)] = _between(before or now, now, target)
            next_look, before = max(step + 1, round(step * 1.04)), now
    return {str(target): found.get(str(target)) for target in targets}


def _between(before, now, target):
    """Return steps and tokens at a loss between two looks, (loss, steps, tokens) each."""
    steps, tokens = (
        float(np.interp(target, (now[0], before[0]), (now[k], before[k]))) for k in (1, 2))
    return {"steps": steps, "tokens": tokens}


@functools.cache
def _tracked():
    return ToyExamples(TOY, TOY.tokenizer()).held_out_pairs(TRACKED).batch


def critical_batch(steps, tokens):
    """Fit (steps / least steps − 1) (tokens / least tokens − 1) = 1 (McCandlish et al. 2018, section 2.3).

    Args:
        steps, tokens: to the same loss, for each size of batch.

    Returns:
        least steps, least tokens; their quotient is the critical batch size, in tokens.

    Example:
        >>> batch = np.array([1.0, 10, 100])
        >>> least_steps, least_tokens = critical_batch(5 * (1 + 20 / batch), 100 * (1 + batch / 20))
        >>> round(least_steps, 3), round(least_tokens, 3)
        (5.0, 100.0)
    """
    steps, tokens = np.asarray(steps, float), np.asarray(tokens, float)
    # steps = least (1 + critical / batch) is a line in 1/batch; weighed so that relative errors count
    inverse = steps / tokens
    rows = np.stack([1 / steps, inverse / steps], axis=1)
    (least_steps, least_tokens), *_ = np.linalg.lstsq(rows, np.ones(len(steps)), rcond=None)
    return float(least_steps), float(least_tokens)


# --- times, side by side ---


def side_by_side(first, second, rounds=40):
    """Return the median ratio of two functions' processor times, called in turn, and both medians in ms."""
    found = []
    for _ in range(rounds):
        times = []
        for call in (first, second):
            started = time.process_time()
            call()
            times.append(time.process_time() - started)
        found.append(times)
    found = np.array(found[rounds // 8 :])
    first_ms, second_ms = 1000 * np.median(found, axis=0)
    return {"ratio": np.median(found[:, 0] / found[:, 1]), "first": first_ms, "second": second_ms}


def forward_times(sizes=None, seed=0):
    """Compare the encoders of a teacher and of a student, B 32, T 64: see side_by_side.

    Args:
        sizes: fields of BertConfig that differ from the toy recipe's.
    """
    config = dataclasses.replace(
        toy().make_model().config, **{"max_position_embeddings": 64, **(sizes or {})})
    ids = np.random.default_rng(seed).integers(5, config.vocab_size, (32, 64))
    bodies = [
        minibert.BertModel(dataclasses.replace(config, num_hidden_layers=number))
        for number in (TEACHER_LAYERS, LAYERS)
    ]
    return side_by_side(*(functools.partial(body.forward, ids) for body in bodies))


def step_times(seed=0, num_layers=LAYERS):
    """Compare a step of BERT with one of ALBERT, of the same sizes: times as side_by_side, and parameters."""
    text, models = Text(seed), (new_bert(seed, num_layers), new_albert(seed, num_layers=num_layers))

    def step_of(model):
        optimizer = minibert.AdamW(model.parameters(), lr=1e-6)
        arguments = words_only(text.batch(0))

        def step():
            _, cache = model.forward(**arguments)
            model.zero_grad()
            model.backward(cache)
            optimizer.step()

        return step

    return {
        **side_by_side(*map(step_of, models)),
        "parameters": [num_parameters(model) for model in models],
    }
