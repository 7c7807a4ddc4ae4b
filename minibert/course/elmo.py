"""The experiments of lesson 04 with ELMo: characters, two directions, and what each layer knows.

The text is TARGET, a small part of the toy language: homographs, subjects with their verbs, and verdicts with
"and" or "but". The other half of the lesson is in ulmfit.py.
"""

import functools
import re
from collections import Counter
from typing import NamedTuple

import numpy as np

import minibert
from minibert.layers import Linear, ReLU
from minibert.layers.cross_entropy import IGNORE_INDEX, CrossEntropy
from minibert.models.elmo import ELMo, ELMoConfig, ScalarMix
from minibert.text.characters import BORDER, character_ids
from minibert.text.toy import LEMMAS, TOPICS, tasks
from minibert.text.toy.generator import Language
from minibert.text.toy.grammar import FOLLOWS, GRAMMAR, HOMOGRAPHS, SENTENCES, WORDS
from minibert.text.toy.limits import Limits, losses_and_hits
from minibert.text.toy.next_tokens import ToyWords
from minibert.training.optimizers import clip_gradients
from minibert.training.probes import fit_probe, probe_layers
from minibert.training.schedules import linear_schedule

SEEDS = range(5)
KINDS = ("agreement", "sense", "verdict")  # of the sentences of TARGET
LENGTH = 7  # words of a sentence
ELMO_STEPS, ELMO_BATCH, ELMO_RATE = 1400, 32, 1.2e-2
NUM_PROBED = 2000  # sentences that a probe is fitted on, and as many others that it is judged on
INVENTED = ("wug blick dax fep toma gorp zib lorn mulk nave prit quell rint shum tove vask wint yarl brod "
            "clim").split()

AND_BUT = ("and", "but")


def part(kinds):
    """Return the Language of some kinds of sentences, each as frequent beside the others as in TOY."""
    sentences = {kind: SENTENCES[kind] for kind in kinds}
    slots = set(re.findall(r"{(\w+)}", str(sentences)))
    slots |= {"name", "pronoun"} if "who" in slots else set()
    follows = {
        kind: {after: weight for after, weight in weights.items() if after in kinds}
        for kind, weights in FOLLOWS.items() if kind in kinds
    }
    return Language(GRAMMAR._replace(
        words={name: WORDS[name] for name in WORDS if name in slots}, sentences=sentences, follows=follows,
        any={kind: weight for kind, weight in GRAMMAR.any.items() if kind in kinds}))


TARGET = part(KINDS)


@functools.cache
def tokenizer():
    """Return the tokenizer of TARGET."""
    return TARGET.tokenizer()


@functools.cache
def held_out_pairs(number=512):
    """Return held-out Pairs of TARGET: [CLS] A [SEP] B [SEP], 17 tokens each."""
    return ToyWords(TARGET, tokenizer(), num_held_out=number).held_out_pairs()


# --- ELMo: training ---


def fresh_elmo(seed, dtype=np.float32):
    """Return an untrained ELMo for TARGET: two layers in each direction, H = 48, P = 24."""
    config = ELMoConfig(
        tokenizer().vocab_size, character_size=8, filters=((1, 8), (2, 16), (3, 32)), hidden_size=48,
        projection_size=24, hidden_dropout_prob=0.0, max_characters=12)
    return ELMo(config, seed=seed, dtype=dtype)


def train_elmo(seed, num_steps=ELMO_STEPS):
    """Train an ELMo for the first num_steps of ELMO_STEPS; return it and its losses (S,)."""
    model, losses = fresh_elmo(seed), []
    examples = ToyWords(TARGET, tokenizer(), seed, max_characters=model.config.max_characters)
    optimizer = minibert.AdamW(model.parameters(), weight_decay=0)
    for step in range(num_steps):
        output, cache = model.forward(**examples.batch(step, ELMO_BATCH)._asdict())
        losses.append(float(output.loss))
        model.zero_grad()
        model.backward(cache)
        clip_gradients(model.parameters(), 1.0)
        optimizer.lr = linear_schedule(step, ELMO_STEPS, ELMO_STEPS // 20, ELMO_RATE)
        optimizer.step()
    return model, np.array(losses)


def held_out_loss(model, number=512):
    """Return the mean loss in nats over the held-out words of both directions, and the best possible one."""
    examples = ToyWords(TARGET, tokenizer(), num_held_out=number, max_characters=model.config.max_characters)
    [[batch]] = examples.held_out(number)
    pairs = examples.held_out_pairs()
    asked = pairs.clean_ids.shape[1] - 1
    best = Limits(TARGET, tokenizer()).next_token(pairs)[0].sum() / (len(pairs.clean_ids) * asked)
    return float(model.forward(**batch._asdict())[0].loss), float(best)


# --- characters ---


def windows_that_win(model, word, width=3):
    """Return [(window, how many filters of this width have their maximum there)], the most frequent first."""
    ids = character_ids([[word]], model.config.max_characters)[0]                   # (1, C)
    _, cache = model.characters.forward(ids)
    widths = [convolution.width for convolution in model.characters.convolutions]
    best = cache.convolutions[widths.index(width)].best_rows[:, 0]                  # (F,), of the only word
    shown = f"<{word}>".ljust(model.config.max_characters, "·")
    return Counter(shown[place:place + width] for place in best.tolist()).most_common()


def word_vectors(model, words):
    """Return the vectors of words (N, P): of their characters, whatever the sentence."""
    vectors, _ = model.characters.forward(character_ids([words], model.config.max_characters)[0])
    return vectors


def wug_test(model):
    """Return how often a probe that knows TARGET's nouns finds the number of invented ones (Berko 1958)."""
    nouns = [line.split()[:2] for topic in LEMMAS for line in topic]
    nouns += zip(*(words.split() for words in WORDS["other"][2]))                   # tree, trees
    invented = [(word, f"{word}s") for word in INVENTED]
    (known, labels), (asked, answers) = (
        (word_vectors(model, [form for both in pairs for form in both]), np.tile([0, 1], len(pairs)))
        for pairs in (nouns, invented)
    )
    return fit_probe(known, labels, 2).accuracy(asked, answers)


# --- two directions ---


def sight(model, words):
    """Return {"ahead", "back": (T, T)}: how much the forecast *of* each word depends on each input.

    Row t is the norm of d loss / d vector of every word, for the one forecast of word t. The words include
    the borders; `ahead` does not forecast the first, and `back` not the last: zeros.
    """
    replica, vocab = model.replica(), tokenizer().vocab
    ids = np.array([vocab[word] for word in words])
    characters = character_ids([words], model.config.max_characters)
    found = {"ahead": np.zeros((len(words), len(words))), "back": np.zeros((len(words), len(words)))}
    for direction, (name, shift) in enumerate((("ahead", -1), ("back", 1))):
        for place in range(len(words)):
            if 0 <= place + shift < len(words):
                labels = np.full((1, len(words), 2), IGNORE_INDEX)
                labels[0, place + shift, direction] = ids[place]
                _, cache = replica.forward(characters, labels=labels)
                found[name][place] = np.linalg.norm(replica.backward(cache)[0], axis=1)
    return found


class Contrast(NamedTuple):
    """"and" or "but" in held-out verdicts: nats of the two words, and what a reader makes of both states."""

    left: float
    right: float
    product: float
    linear: float  # accuracy of a linear reader of the state before and the state after
    hidden: float  # of one with a hidden layer


def verdicts(number, seed):
    """Return `number` sentences with "and" or "but", lists of words between borders, and which (N,)."""
    sentences = [
        sentence for document in TARGET.documents(number, seed) for sentence in document
        if sentence.kind == "verdict"
    ][:number]
    return ([[BORDER, *sentence.words, BORDER] for sentence in sentences],
            np.array([AND_BUT.index(sentence.words[5]) for sentence in sentences]))


def exact_contrast(number=2000):
    """Return {name: mean loss in nats} on "and" and "but" of the best models that see left, right and both.

    `product` joins left and right by the product rule; see Limits.left_and_right.
    """
    pairs = held_out_pairs(number)
    asked = pairs.tags == TARGET.phenomena.index("contrast")
    some = asked[:, :LENGTH + 1].any(axis=1)                    # in the first sentence
    pairs = pairs._replace(
        clean_ids=pairs.clean_ids[some], tags=pairs.tags[some],
        batch=type(pairs.batch)(*(array[some] for array in pairs.batch)))
    places = asked[some].argmax(axis=1)
    words = pairs.clean_ids[np.arange(len(places)), places]
    answers = Limits(TARGET, tokenizer()).left_and_right(pairs, places)
    return {name: float(losses_and_hits(probs, words)[0].mean()) for name, probs in answers.items()}


def contrast(model, number=2000):
    """Return the Contrast of a trained ELMo."""
    place, vocab = 6, tokenizer().vocab                                             # [SEP] and five words
    two = [vocab[word] for word in AND_BUT]
    log_probs, states = [], []
    sentences, answers = verdicts(2 * number, seed=9)
    output, _ = model.forward(character_ids(sentences, model.config.max_characters))
    top, size = output.layers[-1], model.config.projection_size
    before, after = top[:, place - 1, :size], top[:, place + 1, size:]              # (2N, P) each
    for state in (before, after):
        logits = model.decoder.forward(state)[0][:, two].astype(np.float64)         # (2N, 2)
        log_probs.append(logits - np.logaddexp(*logits.T)[:, np.newaxis])
        states.append(state)
    product = log_probs[0] + log_probs[1]                       # the prior is ½ for both words
    log_probs.append(product - np.logaddexp(*product.T)[:, np.newaxis])
    rows = np.arange(number, 2 * number)
    losses = [float(-each[rows, answers[rows]].mean()) for each in log_probs]
    joined = np.hstack(states)                                                      # (2N, 2P)
    probe = fit_probe(joined[:number], answers[:number], 2)
    hidden = _hidden_reader(joined[:number], answers[:number], joined[number:], answers[number:])
    return Contrast(*losses, probe.accuracy(joined[number:], answers[number:]), hidden)


def _hidden_reader(x, labels, held_out_x, held_out_labels, size=32, num_steps=300):
    """Return the held-out accuracy of two linear layers with a ReLU between them."""
    rng = np.random.default_rng(0)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    given = {"rng": rng, "dtype": np.float32}
    below = Linear(x.shape[1], size, initializer_range=x.shape[1]**-0.5, **given)
    above, relu, loss = Linear(size, 2, initializer_range=size**-0.5, **given), ReLU(), CrossEntropy()
    parameters = {f"{name}.{key}": each for name, layer in (("below", below), ("above", above))
                  for key, each in layer.parameters().items()}
    optimizer = minibert.AdamW(parameters, lr=1e-2, weight_decay=0.01)

    def run(rows):
        hidden_sum, below_cache = below.forward(((rows - mean) / scale).astype(np.float32))
        hidden, relu_cache = relu.forward(hidden_sum)
        logits, above_cache = above.forward(hidden)
        return logits, (below_cache, relu_cache, above_cache)

    for _ in range(num_steps):
        logits, (below_cache, relu_cache, above_cache) = run(x)
        _, loss_cache = loss.forward(logits, labels)
        for parameter in parameters.values():
            parameter.zero_grad()
        d_logits, _ = loss.backward(1.0, loss_cache)
        d_hidden = above.backward(d_logits, above_cache)
        below.backward(relu.backward(d_hidden, relu_cache), below_cache)
        optimizer.step()
    return float((run(held_out_x)[0].argmax(axis=1) == held_out_labels).mean())


# --- which layer knows what ---


class Asked(NamedTuple):
    """N sentences of seven words, a place in each, and what a probe is to tell of the word there."""

    sentences: list
    places: np.ndarray  # (N,)
    labels: np.ndarray  # (N,)


def homographs(number, seed):
    """Return the Asked of homographs: the topic whose meaning the word has."""
    found = tasks.examples(TARGET, "sense", number, seed)
    words = set(" ".join(HOMOGRAPHS).split())
    places = [next(place for place, word in enumerate(each.words) if word in words) for each in found]
    return Asked([each.words for each in found], np.array(places),
                 np.array([TOPICS.index(each.label) for each in found]))


def told(word, number, seed):
    """Return the Asked of one homograph, of `number` drawn sentences those that tell its meaning."""
    drawn = zip(*homographs(number, seed))
    sentences, places, labels = zip(*(
        (words, place, label) for words, place, label in drawn
        if words[place] == word and words[0] != "nobody"))
    return Asked(list(sentences), np.array(places), np.array(labels))


def subjects(number, seed):
    """Return the Asked of the preposition after a subject: whether the subject is plural."""
    nouns = {line.split()[form]: form for topic in LEMMAS for line in topic for form in (0, 1)}
    prepositions = set(WORDS["near"][2].split())
    found = [
        (sentence.words, place, nouns[sentence.words[place - 1]])
        for document in TARGET.documents(number, seed) for sentence in document
        for place, word in enumerate(sentence.words)
        if word in prepositions and sentence.words[place - 1] in nouns
    ][:number]
    sentences, places, labels = zip(*found)
    return Asked(list(sentences), np.array(places), np.array(labels))


def spellings(number, seed, last=False):
    """Return the Asked of nouns: whether it is plural. `last`: of the last lemma of each topic, or others."""
    nouns = {line.split()[form]: form for topic in LEMMAS
             for line in (topic[-1:] if last else topic[:-1]) for form in (0, 1)}
    found = [
        (sentence.words, place, nouns[word])
        for document in TARGET.documents(number, seed) for sentence in document
        for place, word in enumerate(sentence.words) if word in nouns
    ][:number]
    sentences, places, labels = zip(*found)
    return Asked(list(sentences), np.array(places), np.array(labels))


QUESTIONS = {  # name: (how the Asked for fitting is made, how that for judging, labels)
    "sense": (homographs, homographs, 3),
    "number, of the noun": (spellings, functools.partial(spellings, last=True), 2),
    "number, one word later": (subjects, subjects, 2),
}


def sense_bounds():
    """Return (best accuracy that sees the homograph alone, best that sees its sentence), exact."""
    likeliest = {}  # {homograph: P(it, its likeliest topic)}
    for topic, pair in zip(GRAMMAR.variables["topic"], HOMOGRAPHS):
        for word in pair.split():
            likeliest[word] = max(likeliest.get(word, 0), topic / 2)
    return float(sum(likeliest.values())), tasks.accuracies(TARGET, "sense").limit


def features(model, asked):
    """Return the layers' states of the words asked for: (L + 1, N, 2P)."""
    parts = []
    for start in range(0, len(asked.sentences), 500):
        of_sentences = model.of_sentences(asked.sentences[start:start + 500])
        parts += [layers[:, place] for layers, place in zip(of_sentences, asked.places[start:start + 500])]
    return np.stack(parts, axis=1)


def probed(model, number=NUM_PROBED):
    """Return {question: {"both", "ahead", "back": accuracies of probes on each layer, "mix": weights}}."""
    found, size = {}, model.config.projection_size
    for name, (to_fit, to_judge, num_labels) in QUESTIONS.items():
        fitted, judged = to_fit(number, 1), to_judge(number, 2)
        states, others = features(model, fitted), features(model, judged)
        halves = {"both": slice(None), "ahead": slice(size), "back": slice(size, None)}
        found[name] = {
            half: probe_layers(
                states[:, :, columns], fitted.labels, others[:, :, columns], judged.labels, num_labels)
            for half, columns in halves.items()
        }
        found[name]["mix"] = mixed(states, fitted.labels, num_labels)
    return found


def mixed(states, labels, num_labels, num_steps=150):
    """Return the weights (L + 1,), after softmax, of a ScalarMix that is trained below a linear layer.

    Args:
        states: (L + 1, N, 2P); each column is scaled to variance 1.  labels: (N,).
    """
    scaled = (states - states.mean(axis=1, keepdims=True)) / (states.std(axis=1, keepdims=True) + 1e-6)
    layers = scaled[:, :, np.newaxis].astype(np.float32)                            # (L + 1, N, 1, 2P)
    mix, loss = ScalarMix(len(layers)), CrossEntropy()
    linear = Linear(layers.shape[-1], num_labels, rng=np.random.default_rng(0), initializer_range=0.01)
    parameters = {**{f"mix.{name}": each for name, each in mix.parameters().items()},
                  **{f"linear.{name}": each for name, each in linear.parameters().items()}}
    optimizer = minibert.AdamW(parameters, lr=3e-2, weight_decay=0.0)
    for _ in range(num_steps):
        y, mix_cache = mix.forward(layers)
        logits, linear_cache = linear.forward(y[:, 0])
        _, loss_cache = loss.forward(logits, labels)
        for parameter in parameters.values():
            parameter.zero_grad()
        d_y = linear.backward(loss.backward(1.0, loss_cache)[0], linear_cache)
        mix.backward(d_y[:, np.newaxis], mix_cache)
        optimizer.step()
    return mix.forward(layers)[1].probs.tolist()


def elmo_run(seed, num_steps=ELMO_STEPS):
    """Train an ELMo and return it with everything that the lesson shows of it, as lists and numbers."""
    model, losses = train_elmo(seed, num_steps)
    loss, best = held_out_loss(model)
    return model, {
        "losses": _rounded(losses[::5]), "held_out": round(loss, 4), "best": round(best, 4),
        "wug": wug_test(model), "contrast": _rounded(contrast(model)),
        "probes": {name: {half: _rounded(values) for half, values in of_halves.items()}
                   for name, of_halves in probed(model).items()},
        "new": {name: _rounded(of_halves["both"]) for name, of_halves in probed(fresh_elmo(seed)).items()},
    }


def _rounded(values):
    return [round(float(value), 4) for value in values]
