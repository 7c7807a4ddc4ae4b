"""The experiments of lesson 12: what a frozen encoder knows, and what a head of attention is worth."""

import copy
from typing import NamedTuple

import numpy as np

import minibert
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.toy import LEMMAS, TOPICS, TOY, WORDS

PART = 500  # sentences that go through a model at once
TESTED = 1000  # sentences that a probe is judged on
DRAWS = 5  # of the labelled sentences
WOMEN, MEN = (words.split() for words in WORDS["kin"][2])  # daughter ... and son ...


def examples_of_phenomena(language, seed=3):
    """Return {phenomenon: a sentence in which it decides a word}; what it decides is in capitals.

    Args:
        language: a Language.  seed: of the documents that are searched.

    Example:
        >>> examples_of_phenomena(TOY)["agreement"]
        'the purse beside the blue trees JINGLES'
    """
    sentences = (sentence for document in language.documents(100, seed) for sentence in document)
    found = {}
    for sentence in sentences:
        for name in set(sentence.phenomena) - found.keys():
            decided = zip(sentence.words, sentence.phenomena)
            found[name] = " ".join(word.upper() if by == name else word for word, by in decided)
    return {name: found[name] for name in language.phenomena}


def mean_frequency(words, decided_by, phenomena):
    """Return how often the words that a phenomenon decides are hidden, on average over these words.

    Args:
        words: (M,) ids of the hidden words.  decided_by: (M,) number of the phenomenon that decides each.
        phenomena: their names.

    Returns:
        {phenomenon: mean frequency}.

    Example:
        >>> mean_frequency(np.array([7, 7, 7, 9]), np.array([0, 0, 1, 1]), ["grammar", "topic"])
        {'grammar': 3.0, 'topic': 2.0}
    """
    counts = np.bincount(words)
    return {name: float(counts[words[decided_by == tag]].mean()) for tag, name in enumerate(phenomena)}


def rank_correlation(first, second):
    """Return the correlation of the ranks of two lists of numbers (Spearman 1904), none of them equal.

    Example:
        >>> round(rank_correlation([1, 10, 100], [2, 3, 9]), 6)
        1.0
    """
    ranks = [np.argsort(np.argsort(values)) for values in (first, second)]
    return float(np.corrcoef(ranks)[0, 1])


def encode(sentences, vocab):
    """Return the ids (N, T) of sentences of equal length, each between [CLS] and [SEP].

    Args:
        sentences: N lists of words.  vocab: {token: id}.

    Example:
        >>> encode([["bees", "buzz"]], {"[CLS]": 2, "[SEP]": 3, "bees": 8, "buzz": 9}).tolist()
        [[2, 8, 9, 3]]
    """
    return np.array([[vocab[word] for word in ("[CLS]", *words, "[SEP]")] for words in sentences])


def in_parts(function, model, ids):
    """Return function(model, ids), of 500 sentences at once, so that the records fit the memory."""
    parts = (function(model, ids[start : start + PART]) for start in range(0, len(ids), PART))
    return np.concatenate(list(parts))


def scaled(x):
    """Return each column with mean 0 and variance 1. It needs no label.

    Example:
        >>> scaled(np.array([[1.0, 0.0], [3.0, 8.0]])).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
    """
    return (x - x.mean(axis=0)) / x.std(axis=0)


def probe_tasks(number=2500):
    """Return two tasks for a probe: the topic of a sentence, and whether the sentence is acceptable.

    Args:
        number: of sentences.

    Returns:
        {"topic", "acceptability"}: (list of N lists of words, (N,) labels).

    Example:
        >>> {task: sorted(set(labels.tolist())) for task, (_, labels) in probe_tasks(100).items()}
        {'topic': [0, 1, 2], 'acceptability': [0, 1]}
    """
    documents = TOY.documents(-(-700 * number // 2500), seed=11)
    sentences = [sentence for document in documents for sentence in document if sentence.topic][:number]
    topics = [TOPICS.index(sentence.topic) for sentence in sentences]
    judged, acceptable = zip(*TOY.acceptability(number, seed=5))
    return {
        "topic": ([sentence.words for sentence in sentences], np.array(topics)),
        "acceptability": (judged, np.array(acceptable).astype(int)),
    }


def learning_curve(train, x, labels, sizes):
    """Return the accuracy of a probe on the first 1,000 sentences, by the number of its labels.

    Args:
        train: train(x, labels) -> a layer whose output is (N, classes).
        x: (N, columns), what the probe sees.  labels: (N,).  sizes: numbers of labels.

    Returns:
        (sizes, 5): five draws of the labelled sentences, from those after the first 1,000.
    """
    def accuracy(size, seed):
        rng = np.random.default_rng(seed)
        chosen = TESTED + rng.choice(len(x) - TESTED, size, replace=False)
        logits, _ = train(x[chosen], labels[chosen]).forward(x[:TESTED])
        return np.mean(logits.argmax(axis=1) == labels[:TESTED])

    return np.array([[accuracy(size, seed) for seed in range(DRAWS)] for size in sizes])


class Question(NamedTuple):
    """Sentences with a [MASK] that has two possible forms, such as daughter and son."""

    ids: np.ndarray  # (N, T), with [MASK]
    place: np.ndarray  # (N,), of the [MASK]
    source: np.ndarray  # (N,), of the word that decides
    right: np.ndarray  # (N,), id of the hidden form
    other: np.ndarray  # (N,), id of the other form


def number_question(vocab, number=300):
    """Return the Question for the number of a verb, whose source is the noun, near or far.

    Args:
        vocab: {token: id}.  number: of sentences, at most.

    Example:
        >>> tokenizer = TOY.tokenizer()
        >>> asked = number_question(tokenizer.vocab, number=1)
        >>> asked.ids.shape, tokenizer.id_to_token[asked.ids[0, asked.place[0]]]
        ((1, 9), '[MASK]')
    """
    lines = [line.split() for topic_lines in LEMMAS for line in topic_lines]  # snail snails crawls crawl ...
    other_form = {line[form]: line[5 - form] for line in lines for form in (2, 3)}
    nouns = {word for line in lines for word in line[:2]}
    return _question("agreement", "agreement", other_form, nouns, vocab, number, also=WORDS["which"][2])


def gender_question(vocab, number=300):
    """Return the Question for daughter or son, whose source is the name.

    Args:
        vocab: {token: id}.  number: of sentences, at most.

    Example:
        >>> tokenizer = TOY.tokenizer()
        >>> asked = gender_question(tokenizer.vocab, number=50)
        >>> {tokenizer.id_to_token[form] for form in asked.right} <= set(WOMEN + MEN)
        True
    """
    other_form = dict(zip(WOMEN + MEN, MEN + WOMEN))
    return _question("intro", "gender", other_form, set(WORDS["name"][2]), vocab, number)


def _question(kind, decides, other_form, sources, vocab, number, also=""):
    """Hide the word of other_form that `decides`; the source is the word that is one of `sources`.

    also: words of which one has to occur, too.
    """
    rows = []
    documents = TOY.documents(600, seed=7)
    sentences = (sentence for document in documents for sentence in document if sentence.kind == kind)
    for words, phenomena, *_ in sentences:
        asked = [
            place for place, word in enumerate(words)
            if word in other_form and phenomena[place] == decides
        ]
        found = [place for place, word in enumerate(words) if word in sources]
        if asked and found and (not also or set(" ".join(also).split()) & set(words)):
            right = words[asked[0]]
            rows.append((words, asked[0] + 1, found[0] + 1, vocab[right], vocab[other_form[right]]))
    sentences, *columns = zip(*rows[:number])
    ids = encode(sentences, vocab)
    ids[np.arange(len(ids)), columns[0]] = vocab["[MASK]"]
    return Question(ids, *map(np.array, columns))


def hide_source(asked, vocab):
    """Return the Question with a second [MASK], in the place of the word that decides."""
    ids = asked.ids.copy()
    ids[np.arange(len(ids)), asked.source] = vocab["[MASK]"]
    return asked._replace(ids=ids)


class Answer(NamedTuple):
    """What a model answers to a Question."""

    which_pair: float  # the two parts of the mean loss
    which_form: float
    right: float  # how often the right form is the likelier one
    attention: np.ndarray  # (layers, N, A, T), from [MASK] to every token
    cache: NamedTuple


def ask(model, asked):
    """Return the Answer of a BertForPreTraining to a Question.

    Example:
        >>> from minibert.course.bert_backward import toy_bert
        >>> model, examples = toy_bert(seed=0)
        >>> answer = ask(model, gender_question(examples.tokenizer.vocab, number=7))
        >>> answer.attention.shape
        (2, 7, 2, 9)
    """
    rows, labels = np.arange(len(asked.ids)), np.full_like(asked.ids, IGNORE_INDEX)
    labels[rows, asked.place] = asked.right
    _, cache = model.forward(asked.ids, labels=labels)
    right, other = (cache.mlm_loss.probs[rows, form].astype(float) for form in (asked.right, asked.other))
    attention = np.stack([layer.attention.probs[rows, :, asked.place] for layer in cache.bert.encoder])
    which_pair, which_form = -np.log(right + other).mean(), -np.log(right / (right + other)).mean()
    return Answer(which_pair, which_form, np.mean(right > other), attention, cache)


def padded(batch, number):
    """Return a PairBatch with some [PAD] more in each row.

    Args:
        batch: a PairBatch with arrays (B, T).  number: of [PAD] to append.
    """
    longer = {
        name: np.pad(array, ((0, 0), (0, number)), constant_values=IGNORE_INDEX if name == "labels" else 0)
        for name, array in batch._asdict().items() if array.ndim == 2
    }
    return batch._replace(**longer)


def train(loss_of, model, optimizer_name, examples, test, num_steps=120):
    """Train a copy of a model by a loss of its own, and measure the true loss beside it.

    Args:
        loss_of: loss_of(model, batch) returns the loss that is reported, and leaves its gradient in .grad.
        model: a BertForPreTraining.
        optimizer_name: "SGD", plain gradient descent, or "AdamW".
        examples: has batch(step, batch_size).  test: a PairBatch for the true loss.

    Returns:
        the reported loss of each step; the true MLM loss on `test` after every tenth.
    """
    model = copy.deepcopy(model)
    parameters = model.parameters()
    optimizer, reported, true_losses = minibert.AdamW(parameters, lr=4e-3), [], []
    for step in range(num_steps):
        reported.append(loss_of(model, examples.batch(step, 24)))
        if optimizer_name == "AdamW":
            optimizer.step()
        else:
            for parameter in parameters.values():
                parameter.value -= 0.3 * parameter.grad
        if step % 10 == 9:
            true_losses.append(float(model.forward(*test[:4])[0].loss))
    return reported, true_losses
