"""The experiments of lesson 08: one mask more, pre-norm and post-norm, text judged by the true language."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

import minibert
from minibert.generation import generate
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.gpt import GPT2Config, GPT2LMHeadModel, OpenAIGPTConfig, OpenAIGPTLMHeadModel
from minibert.text.examples import shifted_inside
from minibert.text.toy import TOY
from minibert.text.toy.limits import Limits, losses_and_hits
from minibert.text.toy.next_tokens import ToyNextTokens
from minibert.text.toy.sentences import Sentences
from minibert.training.schedules import linear_schedule

SEEDS = range(5)
NUM_HEADS, LONGEST = 4, 24
SAMPLER = {"hidden_size": 48, "num_hidden_layers": 2, "num_steps": 400, "batch_size": 32, "rate": 6e-3}

# name: model, size of the initial weights in units of 1/√H, steps of warm-up
NORMS = {
    "pre-norm": (GPT2LMHeadModel, 1.0, 0),
    "pre-norm, smaller weights": (GPT2LMHeadModel, 0.55, 0),
    "post-norm": (OpenAIGPTLMHeadModel, 1.0, 0),
    "post-norm, warm-up": (OpenAIGPTLMHeadModel, 1.0, 20),
    "post-norm, smaller weights": (OpenAIGPTLMHeadModel, 0.55, 0),
}
DEPTHS = (2, 6, 12)
NORM_SIZE, NORM_STEPS, NORM_BATCH, NORM_RATE = 32, 60, 16, 4e-3

# how text is chosen: the arguments of minibert.generate
CHOICES = {
    "temperature": [{"temperature": value} for value in (0.4, 0.6, 0.8, 1.0, 1.3)],
    "top-k": [{"top_k": value} for value in (1, 3, 10, 30, 100)],
    "top-p": [{"top_p": value} for value in (0.3, 0.6, 0.8, 0.9, 0.97)],
}
NUM_SAMPLES = 400


def held_out_pairs(number):
    """Return `number` held-out Pairs of the toy language."""
    return ToyNextTokens(TOY, TOY.tokenizer()).pairs.held_out_pairs(number)


# --- one mask ---


def sight(model, input_ids):
    """Return how much the forecast at each token depends on each input: (T, T), 0 where it cannot see.

    Row t is the norm of d loss / d embedding for the loss of the one forecast that token t makes.

    Args:
        model: a GPT2LMHeadModel or OpenAIGPTLMHeadModel; its gradients stay as they are.
        input_ids: (1, T + 1).

    Example:
        >>> model = GPT2LMHeadModel(GPT2Config(9, 8, num_attention_heads=2))
        >>> np.triu(sight(model, np.array([[3, 1, 4, 1]])), 1).any()
        np.False_
    """
    replica, num_tokens = model.replica(), input_ids.shape[1]
    rows = []
    for place in range(num_tokens - 1):
        labels = np.full_like(input_ids, IGNORE_INDEX)
        labels[0, place + 1] = input_ids[0, place + 1]
        _, cache = replica.forward(input_ids, labels=labels)
        d_embeddings = replica.backward(cache)                      # (1, T + 1, H)
        rows.append(np.sqrt((d_embeddings[0] * d_embeddings[0]).sum(axis=-1)))
    return np.array(rows)[:, :-1]


def passes_the_gradient_check(exhibit):
    """Return whether every gradient of a small GPT-2 is right, with this exhibit of the museum planted."""
    from minibert.gradcheck import check_directions, museum

    config = GPT2Config(9, 8, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=6)
    model = museum.plant(GPT2LMHeadModel(config, dtype=np.float64), exhibit)
    input_ids = np.array([[3, 1, 4, 1, 5]])
    return check_directions(model, input_ids, labels=input_ids).ok


# --- what right context is worth ---


class Context(NamedTuple):
    """Mean losses in nats of the best model that sees the left side, and of the best that sees both."""

    left: float
    both: float
    number: int  # of words


def right_context(number=512):
    """Return {phenomenon, and "all words": Context}, exact for the words of `number` held-out pairs."""
    limits, pairs = Limits(TOY, TOY.tokenizer()), held_out_pairs(number)
    is_word = pairs.tags >= 0                                       # (N, T)
    left, _ = limits.next_token(pairs)                              # (N, T)
    both, columns = np.zeros(left.shape), np.arange(left.shape[1])
    for column in np.flatnonzero(is_word.any(axis=0)):
        asked = is_word & (columns == column)
        probs, _ = limits.given(pairs, ~asked)                      # (M, V)
        both[asked], _ = losses_and_hits(probs, pairs.clean_ids[asked])
    found = {"all words": is_word}
    found |= {name: pairs.tags == tag for tag, name in enumerate(TOY.phenomena)}
    return {
        name: Context(float(left[chosen].mean()), float(both[chosen].mean()), int(chosen.sum()))
        for name, chosen in found.items() if chosen.any()
    }


# --- training ---


def make(model_class, seed, *, hidden_size, num_hidden_layers, size=0.5):
    """Return a fresh GPT or GPT-2 for the toy language; weights begin with deviation size / √H."""
    tokenizer = TOY.tokenizer()
    config_class = GPT2Config if model_class is GPT2LMHeadModel else OpenAIGPTConfig
    config = config_class(
        tokenizer.vocab_size, hidden_size=hidden_size, num_hidden_layers=num_hidden_layers,
        num_attention_heads=NUM_HEADS, hidden_dropout_prob=0.0, embedding_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, max_position_embeddings=LONGEST,
        initializer_range=size / math.sqrt(hidden_size), bos_token_id=tokenizer.cls_token_id,
        eos_token_id=tokenizer.sep_token_id, pad_token_id=tokenizer.pad_token_id)
    return model_class(config, seed=seed)


def train(model, seed, *, num_steps, batch_size, rate, warmup=0, stop=None):
    """Train a model on toy's pairs, as far as step `stop`; the rate rises for `warmup` steps, then falls."""
    examples = ToyNextTokens(TOY, TOY.tokenizer(), seed=seed)
    optimizer = minibert.AdamW(model.parameters(), weight_decay=0)
    for step in range(num_steps if stop is None else stop):
        optimizer.lr = linear_schedule(step, num_steps, warmup, rate)
        batch = shifted_inside(examples.batch(step, batch_size))
        _, cache = model.forward(**batch._asdict())
        model.zero_grad()
        model.backward(cache)
        optimizer.step()
    return model


def held_out_loss(model, number=256):
    """Return the loss in nats per token on toy's held-out pairs."""
    pairs = held_out_pairs(number)
    labels = np.where(pairs.batch.attention_mask == 1, pairs.clean_ids, IGNORE_INDEX)
    return float(model.forward(pairs.clean_ids, labels=labels)[0].loss)


def unigram_loss(number=256):
    """Return the loss of frequencies alone, learned from 8,192 other pairs, on the same held-out tokens."""
    tokens, _ = ToyNextTokens(TOY, TOY.tokenizer()).rows(8192, np.random.default_rng(0))
    counts = np.bincount(tokens[:, 1:].ravel(), minlength=TOY.tokenizer().vocab_size)
    labels = held_out_pairs(number).clean_ids[:, 1:]
    return float(-np.log(counts[labels] / counts.sum()).mean())


# --- pre-norm and post-norm ---


def gradient_norms(model, seed=0):
    """Return the norm of the gradient of each block's weights on one batch, (L,), lowest first."""
    batch = shifted_inside(ToyNextTokens(TOY, TOY.tokenizer(), seed=seed).batch(0, 32))
    _, cache = model.forward(**batch._asdict())
    model.zero_grad()
    model.backward(cache)
    return np.array([
        math.sqrt(sum(np.vdot(parameter.grad, parameter.grad) for parameter in block.parameters().values()))
        for block in model.blocks
    ])


def norms_at_the_start(depth, seeds=SEEDS):
    """Return {"pre-norm", "pre-norm, not scaled", "post-norm": (seeds, depth)} of fresh models."""
    found = {"pre-norm": [], "pre-norm, not scaled": [], "post-norm": []}
    for seed in seeds:
        given = {"hidden_size": NORM_SIZE, "num_hidden_layers": depth, "size": 1.0}
        found["pre-norm"].append(gradient_norms(make(GPT2LMHeadModel, seed, **given)))
        unscaled = make(GPT2LMHeadModel, seed, **given)
        for block in unscaled.blocks:
            for projection in (block.attention.output, block.feed_forward.output):
                projection.weight.value *= math.sqrt(2 * depth)
        found["pre-norm, not scaled"].append(gradient_norms(unscaled))
        found["post-norm"].append(gradient_norms(make(OpenAIGPTLMHeadModel, seed, **given)))
    return {name: np.array(values) for name, values in found.items()}


class NormRun(NamedTuple):
    """A model after a short training: one point of the picture."""

    loss: float  # held-out, nats per token
    norms: np.ndarray  # (L,), of each block's gradient


def norm_run(name, depth, seed, stop=None):
    """Return the NormRun of one of NORMS, with `depth` blocks; with `stop`, after so many of its steps."""
    model_class, size, warmup = NORMS[name]
    model = make(model_class, seed, hidden_size=NORM_SIZE, num_hidden_layers=depth, size=size)
    train(model, seed, num_steps=NORM_STEPS, batch_size=NORM_BATCH, rate=NORM_RATE, warmup=warmup, stop=stop)
    return NormRun(held_out_loss(model), gradient_norms(model))


# --- the true language as a model ---


@dataclasses.dataclass(frozen=True)
class TrueConfig:
    """What minibert.generate asks of a configuration."""

    vocab_size: int
    pad_token_id: int


class TrueOutput(NamedTuple):
    logits: np.ndarray  # (B, 1, V), log-probabilities of the token after the last
    state: tuple  # P(plan and words so far), (B, P), and how many words, (B,)


class TrueLanguage:
    """The toy language itself, called like a GPT: no model foresees the next word of a sentence better.

    It speaks the first sentences of toy's pairs, [CLS] words [SEP]. As in `Limits`, the words are
    independent, given the plan of the sentence; the state is what the words so far say of the plan.

    Attributes:
        sentences: Sentences, that judge a finished one.
    """

    generates = "continuation"

    def __init__(self, language=TOY):
        tokenizer = language.tokenizer()
        self.config = TrueConfig(tokenizer.vocab_size, tokenizer.pad_token_id)
        self.sentences = first_sentences(language)
        self.emission = Limits(language, tokenizer).emission                    # (R + 1, V)
        self.rows = np.hstack([language.rows, np.full((len(language.rows), 1), -1)])    # (P, L + 1)

    def forward(self, input_ids, state=None):
        """input_ids (B, T), [CLS] first where there is no state → TrueOutput, None."""
        if state is None:
            state = np.tile(self.sentences.of_plans, (len(input_ids), 1)), np.zeros(len(input_ids), int)
            input_ids = input_ids[:, 1:]
        of_plans, places = state
        for tokens in input_ids.T:
            rows = self.rows[:, np.minimum(places, self.rows.shape[1] - 1)].T   # (B, P)
            of_plans = of_plans * self.emission[rows, tokens[:, np.newaxis]]
            places = places + 1
        probs = np.zeros((len(of_plans), self.config.vocab_size))
        for place in np.unique(places):
            here = places == place
            rows = self.rows[:, min(place, self.rows.shape[1] - 1)]
            distinct, inverse = np.unique(rows, return_inverse=True)
            of_rows = of_plans[here] @ (inverse[:, np.newaxis] == np.arange(len(distinct)))
            probs[here] = of_rows @ self.emission[distinct]
        with np.errstate(divide="ignore", invalid="ignore"):
            logits = np.log(probs / probs.sum(axis=1, keepdims=True))           # (B, V)
        logits = np.where(np.isnan(logits), 0.0, logits)            # behind what the language never says
        return TrueOutput(logits[:, np.newaxis], (of_plans, places)), None


def first_sentences(language=TOY):
    """Return the Sentences that are the first of a pair: every place of a document but the last."""
    sentences = Sentences(language)
    first = language.next_states.sum(axis=1) / language.state_probs             # (states,)
    sentences.of_plans = sentences.of_plans * first[language.state]
    return sentences


# --- text, and how it is judged ---


def texts(model, number=1, **choice):
    """Return `number` first sentences of a model, lists of words; `choice` as in minibert.generate."""
    tokenizer = TOY.tokenizer()
    prompts = np.full((number, 1), tokenizer.cls_token_id)
    ids = generate(model, prompts, max_new_tokens=9, eos_token_id=tokenizer.sep_token_id, **choice)
    found = []
    for row in ids[:, 1:].tolist():
        end = row.index(tokenizer.sep_token_id) if tokenizer.sep_token_id in row else len(row)
        found.append([tokenizer.id_to_token[token] for token in row[:end]])
    return found


def greedy_after_each_word(truth, num_beams=64):
    """Return {first word: (-log p of the greedy sentence, that of the best beam)}, in the true language.

    Beams find no sentence that is likelier than the likeliest: where they beat greedy, greedy is not it.
    """
    tokenizer = TOY.tokenizer()
    first = np.exp(truth.forward(np.array([[tokenizer.cls_token_id]]))[0].logits[0, 0])     # (V,)
    prompts = np.stack([np.full((first > 0).sum(), tokenizer.cls_token_id), np.flatnonzero(first)], axis=1)
    scores = []
    for beams in (1, num_beams):
        ids = generate(truth, prompts, max_new_tokens=8, num_beams=beams, eos_token_id=tokenizer.sep_token_id)
        said = [[tokenizer.id_to_token[token] for token in row] for row in ids[:, 1:-1].tolist()]
        scores.append(-truth.sentences.log_prob(said))
    words = [tokenizer.id_to_token[token] for token in prompts[:, 1].tolist()]
    return {word: (float(greedy), float(best)) for word, greedy, best in zip(words, *scores)}


class Judged(NamedTuple):
    """Samples, judged by the true language."""

    grammatical: float  # share of probability above 0
    distinct: float  # number of different ones / number
    surprise: float  # mean -log p of the grammatical ones, nats


def judge(said, sentences):
    """Return the Judged of sentences, lists of words."""
    log_probs = sentences.log_prob(said)
    possible = np.isfinite(log_probs)
    surprise = float(-log_probs[possible].mean()) if possible.any() else math.nan
    return Judged(float(possible.mean()), len(set(map(tuple, said))) / len(said), surprise)


def sampler(seed, stop=None):
    """Return the small GPT-2 of one seed; with `stop`, after so many of its steps."""
    given = dict(SAMPLER)
    sizes = {name: given.pop(name) for name in ("hidden_size", "num_hidden_layers")}
    return train(make(GPT2LMHeadModel, seed, **sizes), seed, warmup=30, stop=stop, **given)


def judged_choices(model, sentences, seed, choices=CHOICES, number=NUM_SAMPLES):
    """Return {"temperature", "top-k", "top-p": [Judged]}, one for each of `choices`."""
    return {
        name: [
            judge(texts(model, number, do_sample=True, seed=seed, **choice), sentences) for choice in values
        ]
        for name, values in choices.items()
    }


class Prefill(NamedTuple):
    """Several tokens at once behind a state: with the causal mask, and without it ("there is no future")."""

    loss: float  # of the forecasts within the chunk, nats
    unmasked_loss: float
    changed: float  # share of texts that go on differently without the mask


def prefill(model, number=512, num_new=5):
    """Return the Prefill of a GPT2LMHeadModel on the second sentences of `number` held-out pairs.

    The first sentence is read; its keys and values are the state. Then come `num_new` words of the second at
    once, and the sentence is finished, one likeliest word after the other.
    """
    from minibert.gradcheck import museum

    ids = held_out_pairs(number).clean_ids
    start = 1 + int(np.argmax(ids[0, 1:] == TOY.tokenizer().sep_token_id))      # of the first [SEP]
    read, new, rest = np.split(ids, [start + 1, start + 1 + num_new], axis=1)
    losses, finished = [], []
    for each in (model, museum.plant(model, "unmasked-prefill")):
        output = each.forward(new, state=each.forward(read)[0].state)[0]
        probs = np.exp(output.logits[:, :-1].astype(np.float64)).reshape(number * (num_new - 1), -1)
        losses.append(losses_and_hits(probs / probs.sum(axis=1, keepdims=True), new[:, 1:].ravel())[0].mean())
        words = []
        for _ in rest.T:
            words.append(output.logits[:, -1].argmax(axis=-1))
            output = each.forward(words[-1][:, np.newaxis], state=output.state)[0]
        finished.append(np.stack(words, axis=1))
    return Prefill(*map(float, losses), float((finished[0] != finished[1]).any(axis=1).mean()))


# --- all of it, five seeds each ---


def written_and_judged(seeds=SEEDS, say=print):
    """Return ({"choices", "true", "greedy", "held_out", "prefill": results}, the model of the first seed).

    Returns:
        "choices": {"temperature" ...: (seeds, settings, 3)}; "true": (seeds, 3), the true language at
        temperature 1; "greedy": [text]; "held_out": (seeds,), losses; "prefill": (seeds, 3).
    """
    truth, models, results = TrueLanguage(), [], {"choices": {}, "greedy": [], "held_out": [], "prefill": []}
    for seed in seeds:
        models.append(sampler(seed))
        for name, judged in judged_choices(models[-1], truth.sentences, seed).items():
            results["choices"].setdefault(name, []).append([_rounded(each) for each in judged])
        results["greedy"].append(" ".join(texts(models[-1])[0]))
        results["held_out"].append(round(held_out_loss(models[-1], 1024), 4))
        results["prefill"].append(_rounded(prefill(models[-1])))
        say(f"sampler {seed}: {results['held_out'][-1]} nats; {results['greedy'][-1]}")
    said = [texts(truth, NUM_SAMPLES, do_sample=True, seed=seed) for seed in seeds]
    results["true"] = [_rounded(judge(each, truth.sentences)) for each in said]
    return results, models[0]


def norm_runs(seeds=SEEDS, say=print):
    """Return {"losses": {name of NORMS: {depth: (seeds,)}}, "norms": {name: (seeds, L)} of the deepest}."""
    results = {"losses": {}, "norms": {}}
    for name in NORMS:
        runs = {str(depth): [norm_run(name, depth, seed) for seed in seeds] for depth in DEPTHS}
        losses = {depth: _rounded(run.loss for run in found) for depth, found in runs.items()}
        results["losses"][name] = losses
        results["norms"][name] = [_rounded(run.norms) for run in runs[str(DEPTHS[-1])]]
        say(f"{name}: {losses}")
    return results


def _rounded(values):
    return [round(float(value), 4) for value in values]
