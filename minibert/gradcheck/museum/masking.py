"""Mistakes in the choice of the masked tokens."""

import numpy as np

from minibert.gradcheck.museum.exhibit import Exhibit, Finding
from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.text.examples.masking import hide_tokens, mask_tokens


def nested_mask_tokens(input_ids, candidates, rng, vocab_size, mask_token_id, **options):
    """80 % [MASK], 10 % a random token, 10 % unchanged became 80, 2 and 18: a new draw for the second
    question.

    How it looked. `if random() < 0.8: ... elif random() < 0.1: ...`. The second question is reached in one
    case of five, and 10 % of 20 % are 2 %. Right is one draw, compared with 0.8 and with 0.9 (or 0.5 in the
    second question).
    How it hides. There is no gradient in it, and the model trains; only the task is not the paper's.
    The cost. Of the chosen tokens that still show a word, 90 % show the right one, and not half of them:
    the model learns that a word that it can see is right.
    """
    masked_ids, labels = mask_tokens(input_ids, candidates, rng, vocab_size, mask_token_id, **options)
    chosen = labels != IGNORE_INDEX
    first, second = rng.random((2, np.count_nonzero(chosen)))
    random_ids = rng.integers(vocab_size, size=len(first))
    visible = np.where(second < 0.1, random_ids, input_ids[chosen])
    masked_ids[chosen] = np.where(first < 0.8, mask_token_id, visible)
    return masked_ids, labels


def drawn_with_replacement(input_ids, candidates, rng, vocab_size, mask_token_id, mlm_probability=0.15):
    """The places to be masked are drawn one after the other, and one may be drawn twice.

    How it looked. `np.random.choice(places, number)` puts back what it has drawn, unless it is told not to;
    so does drawing from a categorical distribution.
    How it hides. There is no gradient in it, and at 15 % about one draw in fourteen meets a place that was
    drawn before: the loss looks as ever.
    The cost. Of 15 % of the tokens, 14 % are masked; of 40 %, 33 %. Where something is done for each draw, it
    is done twice: in ELECTRA's code such a place had two samples, whose ids were averaged to a token that
    nobody had drawn.
    """
    chosen = np.zeros_like(candidates)
    for row, is_candidate in enumerate(candidates):
        places = np.flatnonzero(is_candidate)
        chosen[row, rng.choice(places, round(mlm_probability * len(places)))] = True
    return hide_tokens(input_ids, chosen, rng, vocab_size, mask_token_id)


def share_of_random_tokens(mask):
    """20,000 tokens, all of them chosen, and so large a vocabulary that a random token is another one."""
    input_ids = np.full((100, 200), 5)
    masked_ids, _ = mask(input_ids, input_ids == 5, np.random.default_rng(0), 10**6, 4, mlm_probability=1.0)
    share = float(np.mean(~np.isin(masked_ids, (4, 5))))
    return Finding("share of the chosen tokens that become a random token", 0.1, share, tolerance=0.01)


def share_of_chosen_tokens(mask):
    """100 rows of 200 tokens, all of which may be chosen."""
    input_ids = np.full((100, 200), 5)
    _, labels = mask(input_ids, input_ids == 5, np.random.default_rng(0), 9, 4, mlm_probability=0.4)
    share = float(np.mean(labels != IGNORE_INDEX))
    return Finding("share of the tokens that are chosen at a rate of 0.4", 0.4, share)


EXHIBITS = [
    Exhibit("nested-probabilities", mask_tokens, nested_mask_tokens, None, None, "", share_of_random_tokens,
            seen=["https://github.com/huggingface/transformers/issues/32329"]),
    Exhibit("drawn-with-replacement", mask_tokens, drawn_with_replacement, None, None, "",
            share_of_chosen_tokens,
            seen=["https://github.com/facebookresearch/fairseq/pull/752",
                  "https://github.com/google-research/electra/issues/41"]),
]
