"""Toy: a small language of English words whose best possible model is known.

On real text the best possible loss is unknown, so a loss alone cannot say how good a model is. This language
is a probability distribution that can be written down. So `limits.py` can compute the answers of the best
possible model, and a model's loss can be compared with the best one, for each phenomenon by name.

    document  = constants (topic, hero, country, item, crop) + a Markov chain over kinds of sentences
    sentence  = kind -> template -> values of its variables -> words, each drawn from its class of words

A *plan* is a template with a value for each of its variables: "{today} {which} {noun} {near} the {other}
{verb}" with topic river, lemma duck, number singular. Given the plan, the words of a sentence are
independent: the plan makes two words agree, and a pronoun fit a name. So a document is a hidden Markov model
with plans as its states.

`TOY` is the language, and `corpus()` its text; `Language` works with any `Grammar` of this form. The same
seed gives the same text on every machine.
"""

import functools
from typing import NamedTuple

import numpy as np

from minibert.text.basic_tokenizer import SPECIAL_TOKENS
from minibert.text.corpora import Corpus
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.text.toy.grammar import GRAMMAR, LEMMAS, NAMESAKES, TOPICS, WORDS, zipf

NUM_DOCUMENTS = 4000  # of `corpus()`


class Sentence(NamedTuple):
    """A sentence and what the generator knows of it; the tuples have an entry for each word.

    Attributes:
        words: the words, without the full stop.
        phenomena: the phenomenon that decides each word, a name of `Language.phenomena`.
        entities: "PER", "LOC" or "O" for each word.
        kind: of sentence.  topic: its name, or None where the sentence does not show it.
        sentiment: "positive", "negative" or None.
        sense: the topic whose meaning a homograph has, or None.
        rewritten: the same said in another way, a tuple of words.
    """

    words: tuple
    phenomena: tuple
    entities: tuple
    kind: str
    topic: str
    sentiment: str
    sense: str
    rewritten: tuple

    def __str__(self):
        return to_text(self.words)


# class -> entity; "O" for all others
ENTITIES = {"{name}": "PER", "{friend}": "PER", "{capital}": "LOC", "{country}": "LOC", "{town}": "LOC"}
PROPER = {word for name in ("name", "capital", "country") for word in WORDS[name][2]} | {*NAMESAKES.split()}


def to_text(words):
    """Return words as a sentence is printed: "Anna planted the carrots."."""
    text = " ".join(word.capitalize() if word in PROPER else word for word in words)
    return text[:1].upper() + text[1:] + ("?" if "did" in words else ".")


class Language:
    """A Grammar, compiled into arrays: P plans of at most L words, R rows of word probabilities, S states.

    A state is a kind of sentence, and how it mentions the hero. A document variable of a plan has a *code*:
    its value, or the value of what is derived from it (all that a pronoun tells is the gender), or the last
    code, "not mentioned".

    Args:
        grammar: a Grammar.

    Attributes:
        words: a list of V words.  phenomena: a list of names.
        word_probs: (R, V), the probabilities of the words in each row; a row is a class and values of its
            variables.
        rows: int (P, L), the row of each word of a plan, -1 after its end.  lengths: (P,).
        tags: int (P, L), the phenomenon that decides each word, -1 after its end.
        state: (P,).  weight: (P,), the probability of the plan's template and sentence variables, given the
            state.
        codes: {document variable: (P,)}.  members: {document variable: (codes, values)}, 1 where a code
            allows a value.
        state_probs: (S,), the probability that a sentence of a document has this state.
        next_states: (S, S), the probability that two neighbouring sentences of a document have these states.
    """

    def __init__(self, grammar):
        self.grammar = grammar
        self._compile_words()
        self._compile_chain()
        self._compile_plans()

    # --- compiling ---

    def _compile_words(self):
        grammar = self.grammar
        probs = []
        self._row_of = {}  # class -> (its variables, its rows with an axis for each variable, phenomenon)
        self.words = []
        ids = {}

        def row(words):
            entry = {}
            for word, p in zip(words, zipf(len(words))):
                if word not in ids:
                    ids[word] = len(self.words)
                    self.words.append(word)
                entry[ids[word]] = entry.get(ids[word], 0) + p
            probs.append(entry)
            return len(probs) - 1

        self.phenomena = ["grammar"]
        for name, (variables, phenomenon, words) in grammar.words.items():
            if phenomenon not in self.phenomena:
                self.phenomena.append(phenomenon)
            table = np.array(words, dtype=object)
            rows = np.array([row(entry.split()) for entry in table.ravel()]).reshape(table.shape)
            self._row_of[f"{{{name}}}"] = variables, rows, self.phenomena.index(phenomenon)
        for templates in grammar.sentences.values():
            for word in " ".join(text for pair in templates for text in pair).split():
                if not word.startswith("{") and word not in self._row_of:
                    self._row_of[word] = (), np.array(row([word])), 0
        self.word_probs = np.zeros((len(probs), len(self.words)))
        for number, entry in enumerate(probs):
            self.word_probs[number, list(entry)] = list(entry.values())

    def _compile_chain(self):
        grammar = self.grammar
        mentions = {kind: "{who}" in templates[0][0] for kind, templates in grammar.sentences.items()}
        self.states = []
        for kind in grammar.sentences:
            self.states += [(kind, "name"), (kind, "pronoun")] if mentions[kind] else [(kind, "")]
        index = {state: number for number, state in enumerate(self.states)}
        self.transitions = np.zeros((len(self.states), len(self.states)))
        for (kind, how), row in zip(self.states, self.transitions):
            weights = grammar.follows.get(kind, grammar.any)
            for following, weight in weights.items():
                p = weight / sum(weights.values())
                if not mentions[following]:
                    row[index[following, ""]] += p
                else:
                    pronoun = grammar.pronoun if how else 0  # a pronoun needs a mention before it
                    row[index[following, "pronoun"]] += p * pronoun
                    row[index[following, "name"]] += p * (1 - pronoun)
        probs = np.zeros(len(self.states))
        probs[0] = 1  # a document begins with the first kind, by name
        total = np.zeros(len(probs))  # over all places but the last
        for _ in range(grammar.document_length - 1):
            total += probs
            probs = probs @ self.transitions
        self.state_probs = (total + probs) / grammar.document_length
        self.next_states = total[:, np.newaxis] / (grammar.document_length - 1) * self.transitions

    def _compile_plans(self):
        grammar = self.grammar
        # For each state and template: (state, number of the template, slots, variables, first plan, shape).
        blocks = []
        self.templates = []  # (words and classes, the same rewritten)
        first = 0
        for number, (kind, how) in enumerate(self.states):
            for pair in grammar.sentences[kind]:
                texts = [text.replace("{who}", f"{{{how}}}").split() for text in pair]
                slots = texts[0]
                used = list(dict.fromkeys(name for slot in slots for name in self._row_of[slot][0]))
                used = [name for name in used if grammar.derived.get(name, ("",))[0] not in used]
                shape = tuple(self._num_values(name) for name in used)
                blocks.append((number, len(self.templates), slots, used, first, shape))
                self.templates.append(texts)
                first += int(np.prod(shape))
        self.blocks = blocks
        self.blocks_of_state = [[] for _ in self.states]
        for number, block in enumerate(blocks):
            self.blocks_of_state[block[0]].append(number)
        longest = max(len(block[2]) for block in blocks)
        self.rows = np.full((first, longest), -1)
        self.tags = np.full((first, longest), -1)
        self.lengths, self.state, self.template = (np.zeros(first, int) for _ in range(3))
        self.weight = np.ones(first)
        self.members = {name: self._memberships(name) for name in grammar.document}
        self.codes = {name: np.full(first, len(self.members[name]) - 1) for name in grammar.document}
        for state, template, slots, used, start, shape in blocks:
            plans = np.arange(start, start + int(np.prod(shape)))
            values = {name: axis.ravel() for name, axis in zip(used, np.indices(shape))}
            self.state[plans], self.template[plans], self.lengths[plans] = state, template, len(slots)
            self.weight[plans] /= len(self.blocks_of_state[state])
            for name, value in values.items():
                if name in grammar.document:
                    self.codes[name][plans] = value
                elif name in grammar.derived:
                    parent = grammar.derived[name][0]
                    self.codes[parent][plans] = self._num_values(parent) + value
                else:
                    self.weight[plans] *= grammar.variables[name][value]
            for place, slot in enumerate(slots):
                variables, rows, self.tags[plans, place] = self._row_of[slot]
                self.rows[plans, place] = rows[tuple(self._value(name, values) for name in variables)]

    def variables_of(self, slot):
        """Return the names of the variables on which the words of a slot depend, "{verb}" or a fixed word."""
        return self._row_of[slot][0]

    def root(self, name):
        """Return the document variable that a variable is derived from, or the variable itself."""
        return self.grammar.derived.get(name, (name,))[0]

    def _num_values(self, name):
        if name in self.grammar.derived:
            return int(self.grammar.derived[name][1].max()) + 1
        return len(self.grammar.variables[name])

    def _value(self, name, values):
        """Return the values of a variable: given, or derived from those of its document variable."""
        if name in values:
            return values[name]
        parent, table = self.grammar.derived[name]
        return table[values[parent]]

    def _memberships(self, name):
        """Return (codes, values) of a document variable: 1 where a code allows a value.

        At most one variable derives from it.
        """
        size = self._num_values(name)
        derived = [table for parent, table in self.grammar.derived.values() if parent == name]
        by_derived = [table == value for table in derived for value in range(table.max() + 1)]
        return np.vstack([np.eye(size), *by_derived, np.ones(size)]).astype(float)

    # --- generating ---

    def sample_documents(self, number, rng):
        """Return the plans (number, document_length) of documents, and the values of their variables."""
        constants = self.sample_constants(number, rng)
        states = np.zeros((number, self.grammar.document_length), int)  # the first is state 0
        for place in range(1, states.shape[1]):
            states[:, place] = _draw(self.transitions, states[:, place - 1], rng)
        plans = [self.sample_plans(states[:, place], constants, rng) for place in range(states.shape[1])]
        return np.stack(plans, axis=1), constants

    def sample_constants(self, number, rng):
        """Return {document variable: its values in `number` documents}."""
        return {name: self._draw_variable(name, number, rng) for name in self.grammar.document}

    def _draw_variable(self, name, number, rng):
        return _draw(self.grammar.variables[name][np.newaxis], np.zeros(number, int), rng)

    def sample_plans(self, states, constants, rng):
        """Return a plan (N,) for each state (N,), in documents with these constants."""
        values = dict(constants)
        for name in self.grammar.variables:
            if name not in values:
                values[name] = self._draw_variable(name, len(states), rng)
        counts = np.array([len(blocks) for blocks in self.blocks_of_state])
        firsts = np.array([blocks[0] for blocks in self.blocks_of_state])
        block_of = firsts[states] + rng.integers(counts[states])
        plans = np.zeros(len(states), int)
        for number in np.unique(block_of):
            _, _, _, used, start, shape = self.blocks[number]
            here = np.flatnonzero(block_of == number)
            index = tuple(self._value(name, values)[here] for name in used)
            plans[here] = start + (np.ravel_multi_index(index, shape) if used else 0)
        return plans

    def sample_words(self, plans, rng):
        """Return the words of plans of any shape: int (..., L), -1 after the end."""
        rows = self.rows[plans]
        return np.where(rows < 0, -1, _draw(self.word_probs, rows, rng))

    def documents(self, number, seed=0):
        """Return `number` documents: lists of Sentence, the same for the same seed on every machine."""
        rng = np.random.default_rng([seed, number])
        plans, constants = self.sample_documents(number, rng)
        words = self.sample_words(plans, rng)
        return [[self._sentence(plan, ids) for plan, ids in zip(*document)] for document in zip(plans, words)]

    def _sentence(self, plan, ids):
        classes, rewritten = self.templates[self.template[plan]]
        words = tuple(self.words[word_id] for word_id in ids[:len(classes)])
        by_class = dict(zip(classes, words))
        rewritten = tuple(by_class.get(name, name) for name in rewritten)
        return Sentence(words, *self._labels[plan], rewritten)

    @functools.cached_property
    def _labels(self):
        """For each plan, the fields of its Sentences between `words` and `rewritten`."""
        return [
            (
                tuple(self.phenomena[tag] for tag in tags[:len(self.templates[template][0])]),
                self.entities_of(plan),
                self.kind_of(plan),
                self.topic_of(plan),
                self.sentiment_of(plan),
                self.sense_of(plan),
            )
            for plan, (template, tags) in enumerate(zip(self.template, self.tags))
        ]

    # --- labels of a plan ---

    def kind_of(self, plan):
        """Return the kind of sentence."""
        return self.states[self.state[plan]][0]

    def entities_of(self, plan):
        """Return "PER", "LOC" or "O" for each word."""
        return tuple(ENTITIES.get(slot, "O") for slot in self.templates[self.template[plan]][0])

    def topic_of(self, plan):
        """Return the name of the topic, or None where the plan does not fix it."""
        topic = self.codes["topic"][plan]
        return TOPICS[topic] if topic < self._num_values("topic") else None

    def sense_of(self, plan):
        """Return the topic whose meaning the homograph has, or None where there is no homograph."""
        return self.topic_of(plan) if "{homograph}" in self.templates[self.template[plan]][0] else None

    def sentiment_of(self, plan):
        """Return "positive" or "negative" where the plan has a {quality} or a {verdict}, else None."""
        for slot in ("{quality}", "{verdict}"):
            if slot in self.templates[self.template[plan]][0]:
                positive, _ = self._row_of[slot][1]
                return "positive" if np.isin(self.rows[plan], positive).any() else "negative"
        return None

    def acceptability(self, number, seed=0):
        """Return `number` pairs (words, acceptable).

        Half of the sentences have a verb in the wrong number, or two words in the wrong order.
        """
        rng = np.random.default_rng([seed, number, 1])
        num_documents = -(-number // self.grammar.document_length)  # rounded up
        documents = self.documents(num_documents, seed)
        sentences = [sentence for document in documents for sentence in document]
        pairs = []
        for sentence in sentences[:number]:
            acceptable = bool(rng.random() < 0.5)
            if acceptable:
                pairs.append((sentence.words, True))
            else:
                agrees = [phenomenon == "agreement" for phenomenon in sentence.phenomena]
                spoiled = spoilings(sentence.words, agrees, OTHER_NUMBER)
                pairs.append((spoiled[int(rng.integers(len(spoiled)))], False))
        return pairs

    def tokenizer(self):
        """Return the WordPieceTokenizer of this language: every word is one token."""
        return WordPieceTokenizer([*SPECIAL_TOKENS, *self.words])


OTHER_NUMBER = {}  # verb -> the same in the other number: "hops" -> "hop", "hop" -> "hops"
for _line in (line.split() for topic in LEMMAS for line in topic):
    OTHER_NUMBER |= {_line[2]: _line[3], _line[3]: _line[2]}


def spoilings(words, agrees, other_number):
    """Return the sentences, equally likely, into which a sentence is spoiled.

    The first verb that must agree takes the other number. Where there is none, two neighbours are exchanged,
    but never the first word or the last.

    Args:
        words: a tuple.  agrees: for each word, whether "agreement" decides it.
        other_number: {verb: the same in the other number}.
    """
    verbs = [place for place, word in enumerate(words) if agrees[place] and word in other_number]
    if verbs:
        return [(*words[:verbs[0]], other_number[words[verbs[0]]], *words[verbs[0] + 1:])]
    return [(*words[:place], words[place + 1], words[place], *words[place + 2:])
            for place in range(1, len(words) - 2)]


def _draw(probs, rows, rng):
    """Draw from the distributions probs[rows]: `rows` of any shape → integers of that shape.

    Where a row is negative, the result has no meaning.
    """
    cumulative = np.cumsum(probs, axis=1)
    cumulative /= cumulative[:, -1:]
    ladder = (cumulative + np.arange(len(probs))[:, np.newaxis]).ravel()  # row k climbs from k to k + 1
    return np.searchsorted(ladder, rows + rng.random(np.shape(rows)), side="right") - rows * probs.shape[1]


TOY = Language(GRAMMAR)


def corpus():
    """Return 4000 documents of the toy language, 336,000 words, as a Corpus: the same on every machine."""
    return Corpus("toy", [list(map(str, document)) for document in TOY.documents(NUM_DOCUMENTS)])


@functools.cache
def fingerprint():
    """Return the fingerprint of `corpus()`, which tells a change of the language."""
    return corpus().fingerprint
