"""Pretrain a BERT on a corpus: from text to a finished checkpoint, with a log, a held-out evaluation and resumption."""

import dataclasses
import json
import os
import pathlib
import platform
import signal
import sys
import threading
import time
from typing import NamedTuple

import numpy as np

import minibert
from minibert.files import CheckpointError, read_json, write_atomically, write_json
from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.text.corpora import TOY, load_corpus, split_held_out
from minibert.text.examples import PretrainingExamples, TokenizedCorpus, unigram_log_probs
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training import checkpoint
from minibert.training.optimizer import AdamW, clip_gradients, linear_schedule
from minibert.training.parallel import DataParallel, check_loss

PRESETS = {
    "tiny": {},
    "mini": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 8000,
             "seq_length": 128, "learning_rate": 1e-3},
    "small": {"hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "initializer_range": 0.02, "vocab_size": 16000,
              "seq_length": 128, "learning_rate": 5e-4},
}  # fmt: skip
TOY_RECIPE = {
    "hidden_size": 64, "num_attention_heads": 8, "seq_length": 24, "batch_size": 128, "learning_rate": 4e-3, "initializer_range": 0.1,
    "mlm_probability": 0.4, "next_sentence_probability": 0.8, "settle": 0.3,
}  # fmt: skip
NUM_TOY_PAIRS = 8192  # held out: enough for a sampling error of the loss below 1 %
PICTURE_SECONDS = 0.6  # that plots.phenomena needs, at each evaluation
NUM_EVALUATIONS = 10  # in the course of a run, and as many checkpoints
TRIAL_STEPS = 24  # steps that are timed to turn --minutes into a number of steps


class RunError(ValueError):
    """A run that cannot be started or resumed; the message says why and what to do."""


@dataclasses.dataclass
class Recipe:
    """Everything that a run depends on, recorded in run.json: the same recipe gives the same weights, to the last bit.

    The defaults are those that learn most in five minutes on two cores. They differ from BERT's where a short run
    wants it: 30 % of the tokens are predicted, which gives more gradient a step (Wettig et al. 2023, "Should You Mask
    15%?"); no dropout, since no text is seen often enough to be learnt by heart (Geiping & Goldstein 2023, "Cramming");
    β₂ 0.98 (Liu et al. 2019, "RoBERTa"); heads of 32 columns; and initial weights of 0.05.

    Attributes:
        corpus: names or paths.  preset: where the sizes come from.  seed: of weights, data order, masks and dropout.
        num_steps: optimizer steps.  threads: shares that a batch is cut into.
        vocab_size: word pieces at most.  hidden_size, num_hidden_layers, num_attention_heads: of the model; the
            feed-forward size is 4 hidden_size.
        seq_length: tokens.  batch_size: sequences.  learning_rate: its peak.  warmup: share of the steps that it rises.
        beta2, weight_decay, max_gradient_norm: of AdamW and clipping.  dropout: all probabilities.
        initializer_range: standard deviation of the initial weights.
        mlm_probability: share of the tokens to be predicted in training (evaluation: 0.15).  whole_word: mask whole words.
        next_sentence_probability: share of the pairs whose B follows A, where there is a B (evaluation: 0.5).
        settle: share of the steps, the last ones, that train on what evaluation asks for (15 %, half of the pairs). On the
            toy language more masks and more true pairs teach faster; the last steps then learn how often each occurs.
    """

    corpus: list
    preset: str = "tiny"
    seed: int = 0
    num_steps: int = 0
    threads: int = 1
    vocab_size: int = 4000
    hidden_size: int = 128
    num_hidden_layers: int = 2
    num_attention_heads: int = 4
    seq_length: int = 64
    batch_size: int = 32
    learning_rate: float = 3e-3
    warmup: float = 0.1
    beta2: float = 0.98
    weight_decay: float = 0.01
    max_gradient_norm: float = 1.0
    dropout: float = 0.0
    initializer_range: float = 0.05
    mlm_probability: float = 0.3
    whole_word: bool = False
    next_sentence_probability: float = 0.5
    settle: float = 0.0
    fingerprint: str = ""
    versions: dict = dataclasses.field(default_factory=dict)

class Evaluation(NamedTuple):
    """How a model does on held-out text.

    Attributes:
        mlm_loss: nats per masked word piece.  mlm_accuracy: share of them guessed right.
        nsp_loss: nats per pair.  nsp_accuracy: share of the pairs told right.
        phenomena: {name: [loss, accuracy] of the tokens that it decides}; empty for text of which nobody knows that.
    """

    mlm_loss: float
    mlm_accuracy: float
    nsp_loss: float
    nsp_accuracy: float
    phenomena: dict = {}


class Baselines(NamedTuple):
    """What needs no model, on the same held-out examples.

    Attributes:
        unigram_loss: nats per masked piece of always answering with the training text's frequencies.
        majority_accuracy: share of the more frequent pair label.
        pieces_per_word: of the held-out text: nats per piece times this are nats per word.
    """

    unigram_loss: float
    majority_accuracy: float
    pieces_per_word: float


class Pretraining:
    """One run: its data, model and optimizer, and the loop over steps.

    Args:
        recipe: a Recipe; a num_steps of 0 is set by `plan`.
        tokenizer: of a checkpoint; None learns one from the corpus.
        say: function that takes a line of progress.
    """

    def __init__(self, recipe, tokenizer=None, say=print):
        self.recipe, self.say = recipe, say
        self.limits = None  # the Evaluation of the best possible model, where it is known
        self.tags, self.phenomena = None, ()  # which phenomenon decides each masked token
        if recipe.corpus == [TOY]:
            self._prepare_toy()
        else:
            self._prepare_text(tokenizer)
        self.build()

    def _prepare_text(self, tokenizer):
        recipe, say = self.recipe, self.say
        corpus = load_corpus(recipe.corpus)
        training, held_out = split_held_out(corpus)
        say(f"corpus      {corpus.name}: {corpus.num_words:,} words, {len(corpus.documents):,} documents, "
            f"fingerprint {corpus.fingerprint}")
        self._check_fingerprint(corpus.fingerprint)
        sentences = (sentence for document in training.documents for sentence in document)
        self.tokenizer = tokenizer or WordPieceTokenizer.train(sentences, recipe.vocab_size)
        training_tokens = TokenizedCorpus(training, self.tokenizer)
        held_out_tokens = TokenizedCorpus(held_out, self.tokenizer)
        say(f"training    {len(training_tokens.ids):,} word pieces of {self.tokenizer.vocab_size:,}; "
            f"held out {len(held_out_tokens.ids):,}, with no sentence in common")
        common = {"seq_length": recipe.seq_length, "seed": recipe.seed, "whole_word": recipe.whole_word}
        self.data = PretrainingExamples(
            training_tokens, self.tokenizer, mlm_probability=recipe.mlm_probability,
            next_sentence_probability=recipe.next_sentence_probability, **common,
        )  # fmt: skip
        self.settled_data = PretrainingExamples(training_tokens, self.tokenizer, **common) if recipe.settle else None
        held_out_data = PretrainingExamples(held_out_tokens, self.tokenizer, recipe.seq_length)
        self.held_out = held_out_data.held_out_batches(batch_size=16)  # few at a time: little memory
        self.unigram = unigram_log_probs(training_tokens, self.tokenizer.vocab_size)
        self.baselines = self._baselines(len(held_out_tokens.ids) / held_out_tokens.num_words)

    def _prepare_toy(self):
        """Text without end, and the best possible answers: see minibert/text/toy/generator.py and toy_limits.py."""
        from minibert.text import toy
        from minibert.text.toy import limits as toy_limits
        from minibert.text.toy import pairs as toy_examples

        recipe, language = self.recipe, toy.TOY
        self._check_fingerprint(load_corpus([TOY]).fingerprint)
        self.tokenizer = language.tokenizer()
        self.data = toy_examples.ToyExamples(
            language, self.tokenizer, recipe.seed, recipe.mlm_probability, recipe.next_sentence_probability
        )
        self.settled_data = toy_examples.ToyExamples(language, self.tokenizer, recipe.seed)
        pairs = toy_examples.ToyExamples(language, self.tokenizer).held_out(NUM_TOY_PAIRS)
        if pairs.clean_ids.shape[1] > recipe.seq_length:
            raise RunError(f"a pair of toy sentences has up to {pairs.clean_ids.shape[1]} tokens: --seq-length "
                           f"{recipe.seq_length} is too short for them")
        limits = toy_limits.Limits(language, self.tokenizer)
        self.held_out = toy_examples.split(pairs.batch, batch_size=128)
        self.tags, self.phenomena = pairs.tags[pairs.batch.labels >= 0], language.phenomena
        self.limits = self.summary(limits.scores(pairs.batch))
        probs = limits.baselines(pairs)["unigram"][0]
        self.unigram = np.log((1 - 1e-4) * probs + 1e-4 / len(probs))  # special tokens are never predicted
        self.baselines = self._baselines(1.0)
        self.say(f"corpus      toy: {len(language.words)} words, new pairs in every step; {NUM_TOY_PAIRS:,} pairs held out, "
                 f"where no model can do better than MLM loss {self.limits.mlm_loss:.3f}, NSP accuracy {self.limits.nsp_accuracy:.3f}")

    def _check_fingerprint(self, fingerprint):
        if self.recipe.fingerprint not in ("", fingerprint):
            raise RunError(f"the corpus has changed since this run began (fingerprint {fingerprint}, then "
                           f"{self.recipe.fingerprint}); a resumed run needs the same text: start a new one")
        self.recipe.fingerprint = fingerprint

    def _baselines(self, pieces_per_word):
        masked = np.concatenate([batch.labels[batch.labels >= 0] for batch in self.held_out])
        not_next = np.concatenate([batch.next_sentence_label for batch in self.held_out]).mean()
        return Baselines(float(-self.unigram[masked].mean()), float(max(not_next, 1 - not_next)), pieces_per_word)

    def build(self):
        """Make the model and the optimizer anew from the recipe.

        The decoder's bias starts at the log frequency of each word piece: the first prediction is then the unigram
        model's, and no step is spent on learning which words are frequent.
        """
        recipe = self.recipe
        config = BertConfig(
            vocab_size=self.tokenizer.vocab_size, hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers, num_attention_heads=recipe.num_attention_heads,
            intermediate_size=4 * recipe.hidden_size, hidden_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout, max_position_embeddings=recipe.seq_length,
            initializer_range=recipe.initializer_range,
        )  # fmt: skip
        self.model = BertForPreTraining(config, seed=recipe.seed)
        self.model.mlm_head.decoder_bias.value[:] = self.unigram
        self.optimizer = AdamW(self.model.parameters(), betas=(0.9, recipe.beta2), weight_decay=recipe.weight_decay)
        self.workers = DataParallel(self.model, recipe.threads)

    def plan(self, seconds):
        """Set recipe.num_steps to what fits into `seconds`, from the times of a few trial steps; then start afresh.

        This is the only place where a clock decides anything.
        """
        self.say(f"planning    timing {TRIAL_STEPS} steps")
        started = time.perf_counter()
        self.evaluate()
        evaluation_seconds = time.perf_counter() - started + (PICTURE_SECONDS if self.limits else 0)
        times = []
        for step in range(TRIAL_STEPS):
            started = time.perf_counter()
            try:
                self.step(step)
            except FloatingPointError as error:
                raise FloatingPointError(f"trial step {step + 1}: {error}; use a lower --learning-rate") from None
            times.append(time.perf_counter() - started)
        step_seconds = float(np.median(times[TRIAL_STEPS // 4 :]))
        self.recipe.num_steps = max(20, int((seconds - NUM_EVALUATIONS * evaluation_seconds) / step_seconds))
        self.build()

    def step(self, step):
        """Do the training step of that number; return its line of the log."""
        recipe = self.recipe
        settled = recipe.num_steps > 0 and step >= (1 - recipe.settle) * recipe.num_steps
        batch = (self.settled_data if settled else self.data).batch(step, recipe.batch_size)
        loss, mlm_loss, nsp_loss = self.workers.forward_backward(batch, seed=[recipe.seed, step])
        norm = clip_gradients(self.optimizer.parameters, recipe.max_gradient_norm)
        if not np.isfinite(norm):
            self.check_finite()
            bad = [name for name, p in self.optimizer.parameters.items() if not np.isfinite(p.grad).all()]
            # Backward goes from the last parameter to the first, and so does what is not finite.
            raise FloatingPointError(f"the gradient of {(bad or ['all parameters together'])[-1]} is not finite")
        num_warmup_steps = max(1, round(recipe.warmup * recipe.num_steps))
        self.optimizer.lr = linear_schedule(step, max(recipe.num_steps, step + 1), num_warmup_steps, recipe.learning_rate)
        self.optimizer.step(self.workers.spread)
        return {"step": step + 1, "tokens": int(batch.attention_mask.sum()), "loss": loss, "mlm_loss": mlm_loss, "nsp_loss": nsp_loss,
                "learning_rate": self.optimizer.lr, "gradient_norm": norm}  # fmt: skip

    def check_finite(self):
        """Raise FloatingPointError if a parameter is infinite or not a number: such a model is not worth a checkpoint."""
        for name, parameter in self.optimizer.parameters.items():
            if not np.isfinite(parameter.value).all():
                raise FloatingPointError(f"the values of {name} are not finite")

    def evaluate(self):
        """Return the Evaluation of the model as it is, on all held-out examples, without dropout."""
        return self.summary(np.concatenate(parts) for parts in zip(*self.workers.map(evaluate_batch, self.held_out)))

    def summary(self, scores):
        """Return the Evaluation of Scores on all held-out examples."""
        token_losses, token_right, pair_losses, pair_right = scores
        phenomena = {}
        for tag, name in enumerate(self.phenomena):
            here = self.tags == tag
            phenomena[name] = [float(token_losses[here].mean()), float(token_right[here].mean())]
        means = (float(values.mean()) for values in (token_losses, token_right, pair_losses, pair_right))
        return Evaluation(*means, phenomena)


def evaluate_batch(model, batch):
    """Return the Scores of a model on a batch: losses and hits of the masked tokens, losses and hits of the pairs."""
    output, cache = model.forward(*batch)
    check_loss(model, output, cache)
    answers = (output.prediction_logits, batch.labels[batch.labels >= 0]), (output.seq_relationship_logits, batch.next_sentence_label)
    return [score for logits, labels in answers for score in _losses_and_hits(logits, labels)]


def _losses_and_hits(logits, labels):
    shifted = logits - logits.max(axis=-1, keepdims=True)
    of_labels = shifted[np.arange(len(labels)), labels]
    return np.log(np.exp(shifted).sum(axis=-1, dtype=np.float64)) - of_labels, shifted.argmax(axis=-1) == labels


def pretrain(output, recipe=None, minutes=None, resume=False, say=print):
    """Train a BERT and leave it in the directory `output`; or go on with the run that is there.

    Args:
        output: directory; see minibert.training.checkpoint for what it holds afterwards.
        recipe: a Recipe; with resume it is the run's own.
        minutes: the time that the whole call may take, if recipe.num_steps is 0.
        resume: go on from the newest checkpoint in `output`.
        say: function that takes a line of progress.

    Returns:
        the last Evaluation, and the Pretraining, with its baselines and limits.

    Raises:
        RunError: `output` holds a run already, or none where one is to be resumed, or cannot be written.
        FloatingPointError: the loss became infinite or not a number; the last checkpoint is kept.
        KeyboardInterrupt: Ctrl-C; a checkpoint was written first. (A second Ctrl-C stops at once, without.)
    """
    from threadpoolctl import threadpool_limits

    started = time.perf_counter()
    output = pathlib.Path(output)
    newest = None
    if resume:
        recipe, newest = _recipe_to_resume(output, say)
    else:
        _check_new(output)
        recipe.versions = _versions()
    # The cores are ours to share out: see DataParallel. What overflows is reported by name, so NumPy need not warn.
    with threadpool_limits(1, "blas"), np.errstate(over="ignore", invalid="ignore"):
        run = Pretraining(recipe, None if newest is None else WordPieceTokenizer.from_pretrained(newest), say)
        if newest is None:
            if recipe.num_steps == 0:
                # A little is kept back: for the checkpoints, and for a machine that is busier later on.
                run.plan(0.93 * (60 * minutes - (time.perf_counter() - started)))
            _begin(run, output)
        first_step = checkpoint.checkpoints(output)[-1][0]
        if newest is not None:
            _restore(run, newest)
            _cut_log(output / "log.jsonl", first_step)
            say(f"resuming    after step {first_step:,}")
        num_parameters = sum(parameter.value.size for parameter in run.optimizer.parameters.values())
        say(f"model       {num_parameters:,} parameters; {recipe.num_steps:,} steps of {recipe.batch_size} sequences of up to "
            f"{recipe.seq_length} tokens, threads: {recipe.threads}")
        try:
            evaluation = _loop(run, output, first_step)
            checkpoint.save_model(output, run.model, run.tokenizer, run.unigram)
            from minibert import plots

            plots.save(plots.loss_curves, output / "loss.png", read_log(output / "log.jsonl"), run.limits and run.limits._asdict())
        except OSError as error:  # a full disk, as a rule
            raise RunError(f"cannot write to {output}: {error}. The last checkpoint is "
                           f"{checkpoint.checkpoints(output)[-1][1]}: make room, then go on with --resume") from None
    return evaluation, run


def _check_new(output):
    """Raise RunError if `output` holds a run or a model, or cannot be written; leave it as it was."""
    if (output / "run.json").is_file() and (output / "config.json").is_file():
        raise RunError(f"{output} holds a finished run: choose another --output")
    if (output / "run.json").is_file():
        raise RunError(f"{output} holds a run already: add --resume to go on with it, or choose another --output")
    if (output / "config.json").is_file() or (output / "model.safetensors").is_file():
        raise RunError(f"{output} holds a model already: choose another --output")
    if any(step > 0 for step, _ in checkpoint.checkpoints(output)):
        raise RunError(f"{output} holds checkpoints of a run without its run.json: choose another --output")
    if output.is_file():
        raise RunError(f"{output} is a file: choose another --output, for a directory")
    existed = output.exists()
    try:
        output.mkdir(parents=True, exist_ok=True)
        (output / ".writable").touch()
        (output / ".writable").unlink()
    except OSError as error:
        raise RunError(f"cannot write to the output directory {output} ({error.strerror}): choose another --output") from None
    if not existed:
        output.rmdir()


def _versions():
    return {"minibert": minibert.__version__, "numpy": np.__version__, "python": platform.python_version()}


def _recipe_to_resume(output, say):
    """Return the Recipe and the newest checkpoint of the run in `output`."""
    found = checkpoint.checkpoints(output)
    if not (output / "run.json").is_file() or not (output / "log.jsonl").is_file() or not found:
        raise RunError(f"{output} holds no run to resume: expected run.json, log.jsonl and a checkpoint folder; "
                       "start one without --resume")
    try:
        recipe = Recipe(**read_json(output / "run.json"))
    except TypeError as error:
        raise RunError(f"{output / 'run.json'} was written by another version of minibert: {error}") from None
    if recipe.versions != _versions():
        say(f"note        this run began with {recipe.versions}, now {_versions()}: the last bits may differ")
    return recipe, found[-1][1]


def _begin(run, output):
    """Write the recipe, the log's first line and the checkpoint of step 0."""
    output.mkdir(parents=True, exist_ok=True)
    first_line = {"step": 0, "held_out": run.evaluate()._asdict(), "baselines": run.baselines._asdict()}
    if run.limits:
        first_line["limits"] = run.limits._asdict()
    (output / "log.jsonl").write_text(json.dumps(first_line) + "\n", encoding="utf-8", newline="\n")
    checkpoint.save_checkpoint(output, 0, run.model, run.tokenizer, run.optimizer, run.unigram)
    write_json(output / "run.json", dataclasses.asdict(run.recipe))


def _restore(run, newest):
    """Give model and optimizer the state that they had when the checkpoint was written."""
    restored = BertForPreTraining.from_pretrained(newest)
    for name, expected in dataclasses.asdict(run.model.config).items():
        found = getattr(restored.config, name)
        if found != expected:
            raise CheckpointError(
                f"{newest / 'config.json'} does not fit run.json: {name} is {found!r}, and {expected!r} by the recipe")
    restored_parameters = restored.parameters()
    for name, parameter in run.optimizer.parameters.items():
        np.copyto(parameter.value, restored_parameters[name].value)  # in place: the replicas share these arrays
    checkpoint.load_optimizer(newest, run.optimizer)


def _loop(run, output, first_step):
    """Do the steps from `first_step` on, with log, evaluations, checkpoints and a progress bar; return the last Evaluation."""
    from tqdm import tqdm

    num_steps = run.recipe.num_steps
    interval = max(1, num_steps // NUM_EVALUATIONS)
    evaluation, num_tokens = None, 0
    mininterval = 0.5 if sys.stderr.isatty() else 20  # seconds; a log file needs few lines
    with (
        tqdm(total=num_steps, initial=first_step, unit="step", mininterval=mininterval, dynamic_ncols=True) as bar,
        open(output / "log.jsonl", "a", buffering=1, encoding="utf-8", newline="\n") as log,  # written line by line
        _Interrupt() as interrupt,
    ):
        for step in range(first_step, num_steps):
            done = step + 1
            due = done % interval == 0 or done == num_steps  # time for an evaluation and a checkpoint
            try:
                line = run.step(step)
                stop = interrupt.requested  # read once: it may be set at any moment
                if due or stop:
                    run.check_finite()
                if due:
                    evaluation = run.evaluate()
            except FloatingPointError as error:
                raise FloatingPointError(
                    f"step {done}: {error}. The last good checkpoint is {checkpoint.checkpoints(output)[-1][1]}; "
                    "start a new run with a lower --learning-rate"
                ) from None
            log.write(json.dumps(line) + "\n")
            num_tokens += line["tokens"]
            tokens_per_second = num_tokens / max(bar.format_dict["elapsed"], 1e-9)
            bar.set_postfix_str(f"loss {line['loss']:.3f}, {tokens_per_second:,.0f} tokens/s", refresh=False)
            bar.update()
            if due:
                log.write(json.dumps({"step": done, "held_out": evaluation._asdict()}) + "\n")
                bar.write(f"step {done:>6}: {describe(evaluation, run.baselines, run.limits)}")
                _draw_phenomena(run, output)
            if due or stop:
                os.fsync(log.fileno())
                checkpoint.save_checkpoint(output, done, run.model, run.tokenizer, run.optimizer, run.unigram)
            if stop and done < num_steps:
                raise KeyboardInterrupt(f"stopped after step {done} of {num_steps}")
    return evaluation or run.evaluate()


def _draw_phenomena(run, output):
    """Draw the run on the toy language so far: each phenomenon beside its limit."""
    if run.limits:
        from minibert import plots

        plots.save(plots.phenomena, output / "phenomena.png", read_log(output / "log.jsonl"), size=(12, 6.5))


def describe(evaluation, baselines, limits=None):
    """Return an evaluation beside its baselines, or beside the limits where they are known, in a line."""
    if limits is None:
        return (
            f"held-out MLM loss {evaluation.mlm_loss:.3f} (unigram {baselines.unigram_loss:.3f}), "
            f"NSP accuracy {evaluation.nsp_accuracy:.3f} (majority {baselines.majority_accuracy:.3f})"
        )
    gaps = {name: limits.phenomena[name][1] - accuracy for name, (_, accuracy) in evaluation.phenomena.items()}
    widest = sorted(gaps, key=gaps.get, reverse=True)[:3]
    return (
        f"held-out MLM loss {evaluation.mlm_loss:.3f} (best possible {limits.mlm_loss:.3f}), "
        f"NSP accuracy {evaluation.nsp_accuracy:.3f} ({limits.nsp_accuracy:.3f}); points missing: " + ", ".join(f"{name} {100 * gaps[name]:.0f}" for name in widest)
    )


class _Interrupt:
    """While it is entered, Ctrl-C does not stop the program but sets `requested`: the step at hand is finished first."""

    def __enter__(self):
        self.requested = False
        self.in_main_thread = threading.current_thread() is threading.main_thread()
        if self.in_main_thread:  # Python allows signal handlers nowhere else
            self.previous = signal.signal(signal.SIGINT, self._request)
        return self

    def _request(self, signal_number, frame):
        self.requested = True
        signal.signal(signal.SIGINT, self.previous)  # a second Ctrl-C stops at once

    def __exit__(self, *exception):
        if self.in_main_thread:
            signal.signal(signal.SIGINT, self.previous)


def read_log(path):
    """Return the lines of a log.jsonl as dictionaries; a last line that was cut off by a kill is left out."""
    lines = []
    for text in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


def _cut_log(path, last_step):
    """Remove what a killed run logged after its last checkpoint: these steps are done again."""
    kept = [line for line in read_log(path) if line["step"] <= last_step]
    write_atomically(path, "".join(json.dumps(line) + "\n" for line in kept).encode("utf-8"))
