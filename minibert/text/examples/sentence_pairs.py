"""BERT's pretraining examples: sentence pairs for next sentence prediction, with masked tokens.

    Corpus  -> TokenizedCorpus: one flat array of ids  -> SentencePairs: batches of (B, T) arrays

Once an epoch, a loop over the sentences cuts the corpus into pairs of spans. A batch is then gathered from
the flat array and masked without any loop over tokens. All random numbers depend on (seed, epoch) or
(seed, step) alone, so the batch of a step is the same whenever it is made, and a run that is resumed needs to
know only its step.

Source: Devlin et al. 2018, "BERT", section 3.1 and appendix A.1-A.2, and its reference code
`create_pretraining_data.py`; new masks in each epoch: Liu et al. 2019, "RoBERTa", section 4.1.
"""

from typing import NamedTuple

import numpy as np

from minibert.text.examples.masking import AS_BERT, mask_tokens, word_start_table
from minibert.text.tokenizer import longest_first

# Generators are made from [seed, PURPOSE, number], so that no two purposes draw the same random numbers.
PAIRS, ORDER, MASKS, HELD_OUT_MASKS = range(4)


TEMPLATES = {2: "[CLS] A [SEP]", 3: "[CLS] A [SEP] B [SEP]"}


class PairBatch(NamedTuple):
    """The arguments of `BertForPreTraining.forward`: int64 arrays, T the length of the longest example."""

    input_ids: np.ndarray            # (B, T): [CLS] A [SEP] B [SEP], then [PAD]; some tokens masked
    token_type_ids: np.ndarray       # (B, T): 0 for [CLS] A [SEP], 1 for B [SEP], 0 for [PAD]
    attention_mask: np.ndarray       # (B, T): 1 for a token, 0 for [PAD]
    labels: np.ndarray               # (B, T): the original id of a predicted token, IGNORE_INDEX elsewhere
    next_sentence_label: np.ndarray | None  # (B,): 0 where B is next to A in the text, 1 where it is not


class SentencePairs:
    """BERT's examples from a tokenized corpus: the batch of any training step, and batches for evaluation.

    Args:
        tokenized: a TokenizedCorpus.
        tokenizer: the tokenizer that made it.
        seq_length: the most tokens in an example, special tokens included.
        seed: an int, 0 or more; the same seed gives the same examples in the same order.
        mlm_probability: the fraction of the tokens that is predicted.
        whole_word: mask whole words.
        max_predictions_per_seq: the most tokens predicted in an example; None for no bound.
        short_seq_prob: the fraction of documents that are cut into shorter examples, of a random length.
        next_sentence_probability: the probability that B is next to A, where the document has a B to offer.

    Attributes:
        examples_per_epoch: the number of examples in epoch 0.

    Raises:
        ValueError: there are fewer than two documents, `seq_length` is under 5, or `seed` is negative.
    """

    least_documents, num_special = 2, 3  # [CLS] A [SEP] B [SEP]; see SingleTexts
    hiding = AS_BERT

    def __init__(self, tokenized, tokenizer, seq_length=128, seed=0, mlm_probability=0.15, whole_word=False,
                 max_predictions_per_seq=None, short_seq_prob=0.1, next_sentence_probability=0.5):
        num_documents = len(tokenized.document_starts) - 1
        if num_documents < self.least_documents:
            raise ValueError(f"sentence pairs need two documents or more, got {num_documents}; give more "
                             "text, with a blank line between documents")
        if seq_length < 2 * self.num_special - 1:
            raise ValueError(f"seq_length {seq_length} has no room for {TEMPLATES[self.num_special]}; give "
                             f"{2 * self.num_special - 1} or more")
        if seed < 0:
            raise ValueError(f"seed {seed} is negative; give 0 or more")
        self.tokenized = tokenized
        self.tokenizer = tokenizer
        self.seq_length = seq_length
        self.seed = seed
        self.mlm_probability = mlm_probability
        self.whole_word = whole_word
        self.max_predictions_per_seq = max_predictions_per_seq
        self.short_seq_prob = short_seq_prob
        self.next_sentence_probability = next_sentence_probability
        self.examples_per_epoch = len(self.epoch_pairs(0))
        self._word_starts = word_start_table(tokenizer)
        self._cached_epoch = None    # (epoch, batch_size) of the batches below
        self._cached_batches = None  # (number of batches, batch_size, 5)

    # --- sentence pairs ---

    def epoch_pairs(self, epoch):
        """Return the examples of an epoch, as spans of `tokenized.ids`: int64 (N, 5), in text order.

        A row is (a_start, a_end, b_start, b_end, next_sentence_label). Its example is
        [CLS] ids[a_start:a_end] [SEP] ids[b_start:b_end] [SEP]. N differs a little from epoch to epoch.
        """
        rng = np.random.default_rng([self.seed, PAIRS, epoch])
        sentence_starts = self.tokenized.sentence_starts.tolist()  # lists: they are read item by item
        document_starts = self.tokenized.document_starts.tolist()
        pairs = []
        for document in range(len(document_starts) - 1):
            pairs += self._document_pairs(document, document_starts, sentence_starts, rng)
        return np.array(pairs, np.int64)

    def _document_pairs(self, document, document_starts, sentence_starts, rng):
        """Return the pairs of one document: a list of (a_start, a_end, b_start, b_end, next_sentence_label).

        Sentences are collected until they fill an example. This chunk is split at a random sentence into A
        and B. Half of the time B is replaced by text of another document, and its sentences go back, to be
        part of the next chunk. A chunk of a single sentence has no B, and always gets it from another
        document: that is why more than half of the pairs are "not next".
        """
        limit = self.seq_length - 3  # without [CLS], [SEP], [SEP]
        target = limit
        if rng.random() < self.short_seq_prob:
            target = int(rng.integers(2, limit + 1))
        pairs = []
        first = document_starts[document]  # the chunk is the sentences from `first` to before `end`
        last = document_starts[document + 1]
        while first < last:
            end = fill(first, last, target, sentence_starts)
            has_b = end - first >= 2
            middle = int(rng.integers(first + 1, end)) if has_b else end  # the sentence that B starts with
            a_start, a_end = sentence_starts[first], sentence_starts[middle]
            if has_b and rng.random() < self.next_sentence_probability:
                b_start, b_end = a_end, sentence_starts[end]
                next_sentence_label = 0
                first = end
            else:
                b_start, b_end = self._random_span(
                    document, target - (a_end - a_start), document_starts, sentence_starts, rng)
                next_sentence_label = 1
                first = middle
            pairs.append((*fit(a_start, a_end, b_start, b_end, limit), next_sentence_label))
        return pairs

    def _random_span(self, document, target, document_starts, sentence_starts, rng):
        """Return (start, end) in another document: about `target` tokens from a random sentence on."""
        other = int(rng.integers(len(document_starts) - 2))  # one of all documents but one
        if other >= document:
            other += 1
        first = int(rng.integers(document_starts[other], document_starts[other + 1]))
        end = fill(first, document_starts[other + 1], target, sentence_starts)
        return sentence_starts[first], sentence_starts[end]

    def majority_baseline(self):
        """Return the accuracy in epoch 0 of always answering with the more frequent next_sentence_label."""
        not_next = float(self.epoch_pairs(0)[:, 4].mean())
        return max(not_next, 1 - not_next)

    # --- batches ---

    def batch(self, step, batch_size):
        """Return the PairBatch of a training step (0, 1, 2, ...), the same at every call.

        Each epoch has as many batches as epoch 0 can fill. If another epoch has more examples, some are left
        out; if it has fewer, some come twice. So the epoch follows from the step without counting through
        earlier epochs.
        """
        num_batches = max(1, self.examples_per_epoch // batch_size)
        epoch, index = divmod(step, num_batches)
        if self._cached_epoch != (epoch, batch_size):
            self._cached_batches = self._epoch_batches(epoch, num_batches, batch_size)
            self._cached_epoch = (epoch, batch_size)
        return self._make_batch(self._cached_batches[index], np.random.default_rng([self.seed, MASKS, step]))

    def _epoch_batches(self, epoch, num_batches, batch_size):
        """Return the pairs of an epoch in the order of training: int64 (num_batches, batch_size, 5).

        They are shuffled. To waste less on padding, runs of 16 batches are then sorted by length before they
        are cut into batches, and the batches are shuffled.
        """
        rng = np.random.default_rng([self.seed, ORDER, epoch])
        pairs = rng.permutation(self.epoch_pairs(epoch))
        pairs = np.resize(pairs, (num_batches * batch_size, 5))  # repeats the first if there are too few
        run = np.arange(len(pairs)) // (16 * batch_size)
        by_length = np.lexsort((_lengths(pairs), run))  # the last key, `run`, counts first
        return rng.permutation(pairs[by_length].reshape(num_batches, batch_size, 5))

    def held_out(self, batch_size, max_examples=None):
        """Return a list of streams of one PairBatch each, for evaluation, the same at every call.

        The last batch may be smaller. With `max_examples`, that many examples are chosen at random (the same
        ones at every call).
        """
        rng = np.random.default_rng([self.seed, ORDER, 0])
        pairs = rng.permutation(self.epoch_pairs(0))[:max_examples]
        pairs = pairs[np.argsort(_lengths(pairs), kind="stable")]  # similar lengths together: less padding
        streams = []
        for start in range(0, len(pairs), batch_size):
            mask_rng = np.random.default_rng([self.seed, HELD_OUT_MASKS, start])
            streams.append([self._make_batch(pairs[start:start + batch_size], mask_rng)])
        return streams

    def _make_batch(self, pairs, rng):
        """Return the PairBatch of pairs (B, 5): gathered from the flat array of ids, and masked."""
        a_start, a_end, b_start, b_end, next_sentence_label = pairs.T[:, :, None]  # (B, 1) each
        sep_a = 1 + a_end - a_start             # (B, 1), the place of the first [SEP]: after [CLS] and A
        has_b = self.num_special == 3
        sep_b = sep_a + has_b * (1 + b_end - b_start)  # (B, 1), the place of the second, if there is one
        place = np.arange(sep_b.max() + 1)      # (T,)
        in_a = (place > 0) & (place < sep_a)    # (B, T)
        in_b = (place > sep_a) & (place < sep_b)
        index = np.where(in_a, a_start + place - 1, np.where(in_b, b_start + place - sep_a - 1, 0))

        ids = self.tokenized.ids[index].astype(np.int64)  # (B, T), wrong where there are special tokens
        ids[:, 0] = self.tokenizer.cls_token_id
        ids[(place == sep_a) | (place == sep_b)] = self.tokenizer.sep_token_id
        ids[place > sep_b] = self.tokenizer.pad_token_id
        input_ids, labels = mask_tokens(
            ids, candidates=in_a | in_b, rng=rng, vocab_size=self.tokenizer.vocab_size,
            mask_token_id=self.tokenizer.mask_token_id, lengths=sep_b[:, 0] + 1,
            mlm_probability=self.mlm_probability, max_predictions_per_seq=self.max_predictions_per_seq,
            word_starts=self._word_starts[ids] if self.whole_word else None, hiding=self.hiding)
        return PairBatch(
            input_ids=input_ids,
            token_type_ids=((place > sep_a) & (place <= sep_b)).astype(np.int64),
            attention_mask=(place <= sep_b).astype(np.int64),
            labels=labels,
            next_sentence_label=next_sentence_label[:, 0] if has_b else None)


def _lengths(pairs):
    """Return the number of tokens in A and B of each pair (N, 5): (N,)."""
    return pairs[:, 1] - pairs[:, 0] + pairs[:, 3] - pairs[:, 2]


def fill(first, last, target, sentence_starts):
    """Return the first `end` for which sentences `first` to `end` - 1 have `target` tokens, else `last`."""
    end = first + 1
    while end < last and sentence_starts[end] - sentence_starts[first] < target:
        end += 1
    return end


def fit(a_start, a_end, b_start, b_end, limit):
    """Shorten the longer span until both have `limit` tokens at most: A loses its front and B its back.

    So the place where B follows A, or does not, is never cut off. (The reference cuts at a random end of
    either.)
    """
    length_a, length_b = longest_first(a_end - a_start, b_end - b_start, limit)
    return a_end - length_a, a_end, b_start, b_start + length_b
