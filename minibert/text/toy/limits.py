"""The best possible model of the toy language: the exact probabilities of the masked tokens.

A model sees corrupted tokens y and predicts the original x_i of a selected one. The best answer is the
posterior under the process that made y, text and corruption. With the plans p₁, p₂ of the sentences as hidden
states

    P(y | p)    = Π_j Σ_w e(w | p, j) C(y_j | w)       C: corruption of a word, selected or not
    P(p₁, p₂)   = ½ next(p₁, p₂) + ½ not_next(p₁, p₂)  the label is not known either
    P(p₁ | y)   ∝ P(y₁ | p₁) Σ_p₂ P(p₁, p₂) P(y₂ | p₂)            forward-backward over the two sentences
    P(x_i | y)  ∝ Σ_p P(p | y) / P(y_i | p) · e(x_i | p, i) S(y_i | x_i)     S: corruption of a selected word

    C(y | w) = (1 - m) [y = w] + m S(y | w),   S(y | w) = 0.8 [y = MASK] + 0.1 [y = w] + 0.1 / V,   m = 0.15

since words are independent, given the plan. (Who conditions on the clean text instead gets a bound that is
too low: no model sees clean text.) Nothing is approximated; tests compare with the enumeration of all texts
of a tiny language.

`given` asks another question: some words of a clean row are visible, and nothing is known of the others. That
is the limit of every order of prediction: left to right, right to left, permutations, several words at once.

Source: Rabiner 1989, "A Tutorial on Hidden Markov Models", section III (forward-backward); the corruption is
BERT's, Devlin et al. 2018, appendix A.1.
"""

from typing import NamedTuple

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples import PairBatch
from minibert.text.examples.masking import AS_BERT
from minibert.text.toy.pairs import NUM_SPECIAL, SAME_TOPIC


class Scores(NamedTuple):
    """The losses and hits of a model, or of the best one, on M masked tokens and N pairs."""

    token_losses: np.ndarray  # (M,), nats
    token_right: np.ndarray  # (M,) bool: the most probable token is the right one
    pair_losses: np.ndarray  # (N,), nats
    pair_right: np.ndarray  # (N,) bool


class Together(NamedTuple):
    """What the hidden words of N rows cost the best model; the mean difference is their total correlation."""

    joint: np.ndarray  # (N,), nats: -log P(all hidden words | visible)
    independent: np.ndarray  # (N,), nats: -Σ log P(one hidden word | visible)


class Limits:
    """Exact inference in a language, for pairs of which half are neighbours in a document.

    All that links a sentence to its neighbour is its state and the codes of its document variables: its
    *key*. So the two sentences exchange messages between K keys, not P plans.

    Args:
        language: a Language.
        tokenizer: language.tokenizer(); random tokens are drawn from all of its vocabulary.
        mlm_probability: the probability that a token is selected.
        hiding: what is seen in its place, a Hiding.
    """

    def __init__(self, language, tokenizer, mlm_probability=0.15, hiding=AS_BERT):
        self.language, self.vocab_size, self.mlm_probability = language, tokenizer.vocab_size, mlm_probability
        self.hiding = hiding
        words = slice(NUM_SPECIAL, NUM_SPECIAL + len(language.words))
        self.emission = np.zeros((len(language.word_probs) + 1, self.vocab_size))  # (R + 1, V), e(w | row)
        self.emission[:-1, words] = language.word_probs
        self.sep = tokenizer.sep_token_id
        self.emission[-1, self.sep] = 1  # row -1: after the end of a sentence
        self.is_mask = np.arange(self.vocab_size) == tokenizer.mask_token_id
        self.seen = self._corrupt(self.emission)  # (R + 1, V), Σ_w e(w | row) C(y | w)
        anything = np.ones((len(self.emission), 1))
        self.shown = np.hstack([self.emission, anything])  # (R + 1, V + 1); the id V is a word nobody shows
        self._compile_keys()

    def word_ids(self, words):
        """Return the token ids of words, int of any shape, numbers of `language.words`; -1 becomes [SEP]."""
        return np.where(words < 0, self.sep, words + NUM_SPECIAL)

    def _corrupt(self, probs):
        """Return Σ_w p(w) C(y | w) for distributions p in the last axis."""
        masked, random, _ = self.hiding
        kept = 1 - (masked + random) * self.mlm_probability
        # (V,), for any word
        anything = self.mlm_probability * (masked * self.is_mask + random / self.vocab_size)
        return kept * probs + anything * probs.sum(axis=-1, keepdims=True)

    def _compile_keys(self):
        """Find the keys, and P(k₁, k₂ | next), P(k₁, k₂ | not next): (K, K) each."""
        language = self.language
        document = language.grammar.document
        columns = [language.state, *(language.codes[name] for name in document)]
        of_plans = np.stack(columns)  # (1 + document variables, P)
        keys, self.key = np.unique(of_plans, axis=1, return_inverse=True)
        states, codes = keys[0], dict(zip(document, keys[1:]))
        follows = language.next_states[np.ix_(states, states)]
        apart = np.outer(language.next_states.sum(axis=1)[states], language.next_states.sum(axis=0)[states])
        for name in document:
            together, alone = self._code_probs(name)
            independent = np.outer(alone, alone)
            if name == "topic":
                independent = SAME_TOPIC * together + (1 - SAME_TOPIC) * independent
            pair = np.ix_(codes[name], codes[name])
            follows, apart = follows * together[pair], apart * independent[pair]
        self.follows, self.apart = follows, apart
        # (K,), Σ_p P(p | key): below 1, because the templates of a state may differ in their codes
        self.share = np.bincount(self.key, language.weight)
        order = np.argsort(self.key, kind="stable")  # plans by key: their sums are sums of neighbours
        self.plans_of_length = {length: order[language.lengths[order] == length]
                                for length in np.unique(language.lengths)}

    def _code_probs(self, name):
        """Return the probabilities that a value fits two codes (codes, codes), and one code (codes,)."""
        members, probs = self.language.members[name], self.language.grammar.variables[name]
        return (members * probs) @ members.T, members @ probs

    # --- masked tokens, and whether B follows A ---

    def posteriors(self, batch, rows_at_once=512):
        """Return P(x_i | y) of each masked token and P(label = 1 | y) of each pair.

        Args:
            batch: a PairBatch of N pairs with M masked tokens.
            rows_at_once: pairs in memory at a time.

        Returns:
            (M, V), in the order of the labels, and (N,).
        """
        parts = [self._posteriors(some) for _, some in _slices(batch, rows_at_once)]
        token_probs, not_next = zip(*parts)
        return np.concatenate(token_probs), np.concatenate(not_next)

    def _posteriors(self, batch):
        is_masked = batch.labels != IGNORE_INDEX
        number = np.cumsum(is_masked).reshape(is_masked.shape) - 1  # of each masked token
        token_probs = np.zeros((int(is_masked.sum()), self.vocab_size))
        by_length, evidence = self._plan_posteriors(batch, batch.input_ids, self.seen)
        for plans, here, columns, posterior in by_length:
            for place, rows in enumerate(self.language.rows[plans, :columns.shape[1]].T):
                masked = is_masked[here, columns[:, place]]
                which = here[masked], columns[masked, place]
                token_probs[number[which]] = self._answer(posterior[masked], rows, batch.input_ids[which])
        return token_probs, evidence[1] / (evidence[0] + evidence[1])

    def _plan_posteriors(self, batch, tokens, table):
        """Return what the tokens tell of the plans, by forward-backward over the two sentences.

        Args:
            batch: a PairBatch, for where its sentences are.
            tokens: (n, T), what is seen there.
            table: (R + 1, tokens), P(what is seen | row).

        Returns:
            a list of (plans, rows of the batch, columns of the words, P(p, y) (n, P)), an entry for each
            sentence and length; and P(y, label) for label 0 and label 1, (n,) each.
        """
        sides = [self._likelihoods(*side, table) for side in _sides(batch, tokens)]
        of_keys = [self._by_key(side) for side in sides]  # P(y₁ | k₁) and P(y₂ | k₂), (n, K) each
        # Σ_k₂ P(k₁, k₂, label) P(y₂ | k₂), for label 0 and label 1
        from_b = of_keys[1] @ self.follows.T / 2, of_keys[1] @ self.apart.T / 2
        evidence = [(of_keys[0] * message).sum(axis=1) for message in from_b]
        messages = from_b[0] + from_b[1], of_keys[0] @ (self.follows + self.apart) / 2
        return [(plans, here, columns, likelihood * message[np.ix_(here, self.key[plans])])
                for side, message in zip(sides, messages)
                for plans, here, columns, likelihood in side], evidence

    def _likelihoods(self, starts, lengths, tokens, table):
        """Return a list of (plans, rows of the batch, columns of the words, P(y | p) P(p | key) (n, P)).

        There is one entry for each length of a sentence.
        """
        parts = []
        for length, plans in self.plans_of_length.items():
            here = np.flatnonzero(lengths == length)
            columns = starts[here, np.newaxis] + np.arange(length)
            likelihood = np.tile(self.language.weight[plans], (len(here), 1))
            for place, rows in enumerate(self.language.rows[plans, :length].T):
                distinct, inverse = np.unique(rows, return_inverse=True)
                likelihood *= table[np.ix_(distinct, tokens[here, columns[:, place]])].T[:, inverse]
            parts.append((plans, here, columns, likelihood))
        return parts

    def _by_key(self, parts):
        """Return the likelihoods, added over the plans of a key: (n, K)."""
        total = np.zeros((sum(len(here) for _, here, _, _ in parts), len(self.follows)))
        for plans, here, _, likelihood in parts:
            keys, first = np.unique(self.key[plans], return_index=True)
            total[np.ix_(here, keys)] = np.add.reduceat(likelihood, first, axis=1)
        return total

    def _answer(self, posterior, rows, tokens):
        """Return P(x_i | y) of masked tokens at one place: (m, V).

        Args:
            posterior: (m, P), of the plans.
            rows: (P,), the plans' rows of `emission` at this place.
            tokens: (m,), the tokens that the model sees there.
        """
        distinct, inverse = np.unique(rows, return_inverse=True)
        of_rows = posterior @ (inverse[:, np.newaxis] == np.arange(len(distinct)))  # (m, distinct rows)
        # The token itself is known to be selected: its C is divided out, and S put in its place.
        # (Without random tokens it is 0 for a plan that cannot say the token, and so is of_rows.)
        seen = self.seen[np.ix_(distinct, tokens)].T  # (m, distinct rows)
        np.divide(of_rows, seen, out=of_rows, where=seen > 0)
        is_same = tokens[:, np.newaxis] == np.arange(self.vocab_size)  # (m, V)
        masked, random, kept = self.hiding
        survives = masked * self.is_mask[tokens][:, np.newaxis] + kept * is_same
        probs = (of_rows @ self.emission[distinct]) * (survives + random / self.vocab_size)
        return probs / probs.sum(axis=1, keepdims=True)

    def scores(self, batch):
        """Return the Scores of the best possible model on a PairBatch."""
        token_probs, not_next = self.posteriors(batch)
        pair_probs = np.stack([1 - not_next, not_next], axis=1)
        token_losses, token_right = losses_and_hits(token_probs, batch.labels[batch.labels != IGNORE_INDEX])
        pair_losses, pair_right = losses_and_hits(pair_probs, batch[-1])
        return Scores(token_losses, token_right, pair_losses, pair_right)

    # --- any set of visible words ---

    def given(self, pairs, visible, asked=None, rows_at_once=512):
        """Return P(x_i | visible words) of each hidden word, and log P(visible words) of each row.

        The words are clean. The lengths of both sentences are known; whether B follows A is not. Differences
        of the second value are the log-probabilities of words given others, in any order.

        Args:
            pairs: Pairs.
            visible: bool (N, T); special tokens are always visible.
            asked: bool (N, T), the hidden words to answer; None asks for all.

        Returns:
            (M, V), in the order of the M words asked for, and (N,) in nats.
        """
        hidden = (pairs.tags >= 0) & ~visible
        asked = hidden if asked is None else hidden & asked
        parts = [self._given(batch, pairs.clean_ids[rows], hidden[rows], asked[rows])
                 for rows, batch in _slices(pairs.batch, rows_at_once)]
        token_probs, evidence = zip(*parts)
        return np.concatenate(token_probs), np.concatenate(evidence)

    def _given(self, batch, clean_ids, hidden, asked):
        number = np.cumsum(asked).reshape(asked.shape) - 1  # of each word asked for
        token_probs = np.zeros((int(asked.sum()), self.vocab_size))
        tokens = np.where(hidden, self.vocab_size, clean_ids)
        by_length, evidence = self._plan_posteriors(batch, tokens, self.shown)
        for plans, here, columns, posterior in by_length:
            for place, rows in enumerate(self.language.rows[plans, :columns.shape[1]].T):
                wanted = asked[here, columns[:, place]]
                distinct, inverse = np.unique(rows, return_inverse=True)
                of_rows = posterior[wanted] @ (inverse[:, np.newaxis] == np.arange(len(distinct)))
                probs = of_rows @ self.emission[distinct]                       # (m, V)
                probs /= probs.sum(axis=1, keepdims=True)
                token_probs[number[here[wanted], columns[wanted, place]]] = probs
        return token_probs, np.log(evidence[0] + evidence[1])

    def together(self, pairs, hidden):
        """Return the Together of the hidden words, bool (N, T): guessed with each other, and one by one."""
        token_probs, of_visible = self.given(pairs, ~hidden)
        losses, _ = losses_and_hits(token_probs, pairs.clean_ids[hidden])
        _, of_all = self.given(pairs, np.ones_like(hidden))
        independent = np.bincount(np.nonzero(hidden)[0], losses, len(hidden))
        return Together(of_visible - of_all, independent)

    def left_and_right(self, pairs, places):
        """Return {name: P(x_i | ...), (N, V)} of the word at places (N,) of each row, for four models.

        left, right: see the words on one side.
        product: joins both by the product rule, left · right / prior, as if they were independent given x_i.
        both: sees all other words.

        Raises:
            ValueError: there is no word at a place.
        """
        wordless = np.flatnonzero(pairs.tags[np.arange(len(places)), places] < 0)
        if len(wordless):
            row = wordless[0]
            raise ValueError(f"row {row} has no word at place {places[row]}: give places of words, "
                             "between [CLS] and the last [SEP]")
        columns, place = np.arange(pairs.clean_ids.shape[1]), places[:, np.newaxis]
        views = {"prior": place < 0, "left": columns < place, "right": columns > place,
                 "both": columns != place}
        found = {name: self.given(pairs, visible, columns == place)[0] for name, visible in views.items()}
        prior = found.pop("prior")
        product = np.divide(found["left"] * found["right"], prior, out=np.zeros_like(prior), where=prior > 0)
        return {**found, "product": product / product.sum(axis=1, keepdims=True)}

    # --- the next token ---

    def next_token(self, pairs, rows_at_once=256):
        """Return the losses and hits of the best left-to-right model: -log P(x_t | x_1, ..., x_{t-1}).

        It predicts every token after [CLS], both [SEP] included, of the unmasked Pairs.

        Returns:
            losses (N, T) in nats, and whether the most probable token is x_t, bool (N, T). Where there is no
            token to predict, they are 0 and False.
        """
        losses, right = np.zeros(pairs.clean_ids.shape), np.zeros(pairs.clean_ids.shape, bool)
        for rows, batch in _slices(pairs.batch, rows_at_once):
            sides = _sides(batch, pairs.clean_ids[rows])
            self._read_both(sides, self.follows + self.apart, self.language.rows, losses[rows], right[rows])
        return losses, right

    def previous_token(self, pairs, rows_at_once=256):
        """Return the losses and hits of the best right-to-left model: -log P(x_t | x_{t+1}, ..., x_T).

        It predicts every token before the last [SEP], [CLS] included; it is the best left-to-right model of
        the mirrored language. Returns as next_token. The losses of a row add up to the same number in both
        directions, -log P(row); how a single token fares differs.
        """
        lengths = pairs.batch.attention_mask.sum(axis=1, keepdims=True)         # (N, 1)
        place = np.arange(pairs.clean_ids.shape[1])
        mirror = np.where(place < lengths, lengths - 1 - place, place)          # (N, T)
        tokens = np.take_along_axis(pairs.clean_ids, mirror, axis=1)
        tokens[np.arange(len(tokens)), lengths[:, 0] - 1] = self.sep            # [CLS] ends a mirrored row
        losses, right = np.zeros(tokens.shape), np.zeros(tokens.shape, bool)
        for rows, batch in _slices(pairs.batch, rows_at_once):
            (_, length_a, _), (_, length_b, _) = _sides(batch, tokens[rows])
            sides = (np.ones_like(length_b), length_b, tokens[rows]), (length_b + 2, length_a, tokens[rows])
            joint = (self.follows + self.apart).T
            self._read_both(sides, joint, self._mirrored_rows(), losses[rows], right[rows])
        return np.take_along_axis(losses, mirror, axis=1), np.take_along_axis(right, mirror, axis=1)

    def _mirrored_rows(self):
        """Return the plans' rows of `emission`, (P, L), from the last word to the first."""
        rows, lengths = self.language.rows, self.language.lengths[:, np.newaxis]
        place = np.arange(rows.shape[1])
        return np.where(place < lengths, np.take_along_axis(rows, np.maximum(lengths - 1 - place, 0), 1), -1)

    def _read_both(self, sides, joint, slots, losses, right):
        """Predict both sentences of rows, one after the other: fill in losses and right, (n, T) each.

        Args:
            sides: of the sentence that is read first, and of the other.
            joint: (K, K), P(key of the first, key of the other).  slots: as in `read`.
        """
        of_first = joint @ self.share  # (K,), P(key of the first | a template that fits)
        given_first = joint / of_first[:, np.newaxis]
        is_key = self.key[:, np.newaxis] == np.arange(len(self.share))  # (P, K)
        of_plans = np.tile(self.language.weight * of_first[self.key], (len(losses), 1))  # (n, P)
        for side in sides:
            self.read(of_plans, side, losses, right, slots)
            of_plans = (of_plans @ is_key @ given_first)[:, self.key] * self.language.weight  # of the other

    def read(self, of_plans, side, losses, right, slots=None):
        """Predict a sentence word by word: fill in losses and right (n, T), and update of_plans (n, P).

        Args:
            of_plans: the probability of a plan and of the words that were read.
            side: (first column, number of words, (n,) each; tokens, (n, T)); [SEP] follows the words.
            slots: (P, L), the rows of `emission` in the order of reading, -1 after the end; None: left to
                right.
        """
        starts, lengths, tokens = side
        slots = self.language.rows if slots is None else slots
        longest = slots.shape[1]
        for place in range(lengths.max() + 1):
            here = np.flatnonzero(place <= lengths)
            truth = tokens[here, starts[here] + place]
            here_slots = slots[:, place] if place < longest else np.full(len(self.key), -1)
            distinct, inverse = np.unique(here_slots, return_inverse=True)
            is_row = inverse[:, np.newaxis] == np.arange(len(distinct))
            probs = of_plans[here] @ is_row @ self.emission[distinct]  # (n, V)
            probs /= probs.sum(axis=1, keepdims=True)
            here_losses, here_right = losses_and_hits(probs, truth)
            losses[here, starts[here] + place] = here_losses
            right[here, starts[here] + place] = here_right
            of_plans[here] *= self.emission[np.ix_(distinct, truth)].T[:, inverse]

    # --- models that look at less ---

    def baselines(self, pairs):
        """Return {name: P(x_i | ...) of each masked token, (M, V)} of three models that look at less.

        unigram: at nothing.
        bigram: at the token to the left, as the model sees it.
        topic: at the true topic of the sentence's document.
        """
        rows, columns = np.nonzero(pairs.batch.labels != IGNORE_INDEX)
        by_topic = self._plans_by_topic()  # (topics, P)
        of_plans = self.language.grammar.variables["topic"] @ by_topic  # (P,)
        topics = np.stack([self._word_counts(of_these) for of_these in by_topic])  # (topics, V)
        in_b = pairs.batch.token_type_ids[rows, columns]
        is_start = pairs.tags[rows, columns - 1] < 0
        answers = {
            "unigram": np.tile(self._word_counts(of_plans), (len(rows), 1)),
            "bigram": self._after(of_plans, pairs.batch.input_ids[rows, columns - 1], is_start),
            "topic": topics[pairs.topics[rows, in_b]],
        }
        return {name: counts / counts.sum(axis=1, keepdims=True) for name, counts in answers.items()}

    def _plans_by_topic(self):
        """Return the expected number of times that a sentence has a plan, given the topic: (topics, P)."""
        language = self.language
        states = language.next_states.sum(axis=1) + language.next_states.sum(axis=0)
        of_plans = language.weight * states[language.state] / 2  # (P,), without the document variables
        for name in language.grammar.document:
            if name != "topic":
                of_plans = of_plans * self._code_probs(name)[1][language.codes[name]]
        return of_plans * language.members["topic"][language.codes["topic"]].T

    def _after(self, of_plans, tokens, is_start):
        """Return the expected number of each word after a token that the model sees: (M, V) for tokens (M,).

        Where `is_start` (M,) holds, the token is [CLS] or [SEP], and the word the first of its sentence.
        """
        joint = self._neighbour_counts(of_plans)  # (V, V), of the left word and the word; a start is [SEP]
        first = joint[self.sep].copy()
        joint[self.sep] = 0  # a start is never masked
        shown = self._corrupt(joint.T).T  # Σ_left P(left, w) C(y_left | left)
        return np.where(is_start[:, np.newaxis], first, shown[tokens])

    def _word_counts(self, of_plans):
        """Return the expected number of each word in a sentence, (V,), for probabilities of plans (P,)."""
        counts = np.zeros(len(self.emission))
        np.add.at(counts, self.language.rows, np.where(self.language.rows < 0, 0, of_plans[:, np.newaxis]))
        return counts @ self.emission

    def _neighbour_counts(self, of_plans):
        """Return the expected number of each pair of neighbours, (V, V); [SEP] is before the first word."""
        rows = np.hstack([np.full((len(of_plans), 1), -1), self.language.rows])
        counts = np.zeros((len(self.emission), len(self.emission)))
        np.add.at(counts, (rows[:, :-1], rows[:, 1:]), np.where(rows[:, 1:] < 0, 0, of_plans[:, np.newaxis]))
        return self.emission.T @ counts @ self.emission


def _slices(batch, rows_at_once):
    """Yield (slice, these rows of a PairBatch), `rows_at_once` rows at a time."""
    for start in range(0, len(batch.input_ids), rows_at_once):
        rows = slice(start, start + rows_at_once)
        yield rows, PairBatch(*(array[rows] for array in batch))


def _sides(batch, tokens):
    """Return (first column, number of words, tokens) of sentence A and of sentence B."""
    length_b = batch.token_type_ids.sum(axis=1) - 1
    length_a = batch.attention_mask.sum(axis=1) - 3 - length_b
    return (np.ones_like(length_a), length_a, tokens), (length_a + 2, length_b, tokens)


def losses_and_hits(probs, labels):
    """Return -log P(label) and whether the label is the most probable, (M,) each, for probs (M, V)."""
    return -np.log(probs[np.arange(len(labels)), labels]), probs.argmax(axis=1) == labels
