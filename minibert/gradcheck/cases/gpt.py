"""GPT and GPT-2, part by part and as wholes."""

import numpy as np

from minibert.gradcheck.cases.common import (
    CAUSAL,
    INPUT_IDS,
    PADDING,
    A,
    B,
    Case,
    F,
    H,
    T,
    V,
    generator,
    random,
    scrambled,
)
from minibert.models.gpt import (
    GPT2Block,
    GPT2Config,
    GPT2LMHeadModel,
    GPTEmbeddings,
    OpenAIGPTConfig,
    OpenAIGPTLMHeadModel,
)

X = random(B, T, H)
IDS = INPUT_IDS[:, ::-1]  # padding on the left
ON_THE_LEFT = PADDING[:, ::-1]
LABELS = np.where(ON_THE_LEFT == 1, IDS, -100)
LABELS[2] = -100  # a sequence with nothing to predict
# Keys and values of 7 tokens before, for each layer; the first of them is padding in two sequences.
PAST = tuple(
    tuple(random(B, A, 7, H // A, seed=seed) for seed in seeds) for seeds in ((2, 3), (4, 5))
)
OLD_AND_NEW = np.ones((B, 7 + T), int)
OLD_AND_NEW[:2, 0] = 0
SIZES = {
    "vocab_size": V, "hidden_size": H, "num_attention_heads": A, "max_position_embeddings": 13,
    "hidden_dropout_prob": 0.3, "embedding_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3,
}


def config(**changes):
    """Return the GPT2Config of the cases, with changes."""
    return GPT2Config(**({"intermediate_size": F} | SIZES | changes))


def block():
    return scrambled(GPT2Block(config(), generator()))


def embeddings():
    return scrambled(GPTEmbeddings(config(), generator()))


def gpt():
    return scrambled(OpenAIGPTLMHeadModel(OpenAIGPTConfig(**SIZES)))


def gpt2(num_hidden_layers=1):
    return scrambled(GPT2LMHeadModel(config(num_hidden_layers=num_hidden_layers)))


BATCH = {"attention_mask": ON_THE_LEFT, "labels": LABELS}

CASES = {
    "GPTEmbeddings": lambda: Case(embeddings(), [INPUT_IDS, np.arange(T)], {"rng": generator()}),
    "GPTEmbeddings positions": lambda: Case(
        embeddings(), [INPUT_IDS, INPUT_IDS[::-1]], {"rng": generator()}
    ),
    "GPT2Block": lambda: Case(block(), [X], {"mask": CAUSAL, "rng": generator()}),
    "GPT2LMHeadModel": lambda: Case(gpt2(), [IDS], BATCH | {"rng": generator()}),
    "GPT2LMHeadModel state": lambda: Case(
        gpt2(num_hidden_layers=2), [IDS], {"attention_mask": OLD_AND_NEW, "labels": LABELS, "state": PAST}
    ),
    "GPT2LMHeadModel no padding": lambda: Case(gpt2(), [IDS], {"labels": IDS}),
    "OpenAIGPTLMHeadModel": lambda: Case(gpt(), [IDS], BATCH | {"rng": generator()}),
}
