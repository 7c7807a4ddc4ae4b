"""GPT-2 as a model to train from left to right; see causal_lm.py for how it is judged.

Of a text it reads byte-level tokens, as in 2019; of the toy language words.
"""

import dataclasses

from minibert.models.gpt import GPT2Config, GPT2LMHeadModel
from minibert.objectives.causal_lm import CausalLM, CausalLMRecipe
from minibert.objectives.next_tokens import ByteLevelTokens, ToyTokens
from minibert.text.examples import shifted_inside
from minibert.text.examples.ends import ends_of

PRESETS = {  # the changes that the presets of `minibert pretrain` make in a GPTRecipe
    "tiny": {"optimizer": "muon"},  # measured in notebooks/guides/training.md
    "mini": {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 8000},
    "small": {
        "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 16000,
        "seq_length": 128, "learning_rate": 1e-3,
    },
}
TOY_RECIPE = {  # measured in notebooks/guides/training.md
    "hidden_size": 64, "num_attention_heads": 8, "seq_length": 24, "batch_size": 64, "optimizer": "muon",
    "learning_rate": 8e-3, "muon_learning_rate": 0.02, "initializer_range": 0.1,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class GPTRecipe(CausalLMRecipe):
    """How a GPT-2 is trained. Text is cut into windows that know nothing of each other.

    Attributes (beside those of CausalLMRecipe):
        num_attention_heads: A.
    """

    num_hidden_layers: int = 2
    num_attention_heads: int = 2
    seq_length: int = 64
    batch_size: int = 16
    initializer_range: float = 0.02

    presets, toy_recipe = PRESETS, TOY_RECIPE

    def __post_init__(self):
        super().__post_init__()
        if self.cased or self.strip_accents or self.alphabet:
            raise ValueError(
                "--cased, --strip-accents and --alphabet are of word pieces; GPT-2 reads bytes, and keeps "
                "capitals and accents: leave them out"
            )


class GPTObjective(CausalLM):
    """A GPT-2; see CausalLM."""

    name, Recipe, carries_state = "gpt", GPTRecipe, False
    kinds = ByteLevelTokens, ToyTokens
    arguments = staticmethod(shifted_inside)

    def make_model(self):
        """Return a new model. It reads one token more than a window predicts."""
        recipe, tokenizer, ends = self.recipe, self.tokenizer, ends_of(self.tokenizer)
        config = GPT2Config(
            vocab_size=tokenizer.vocab_size,
            hidden_size=recipe.hidden_size,
            num_hidden_layers=recipe.num_hidden_layers,
            num_attention_heads=recipe.num_attention_heads,
            hidden_dropout_prob=recipe.dropout,
            embedding_dropout_prob=recipe.dropout,
            attention_probs_dropout_prob=recipe.dropout,
            max_position_embeddings=recipe.seq_length + 1,
            initializer_range=recipe.initializer_range,
            bos_token_id=ends.start,
            eos_token_id=ends.end,
            pad_token_id=ends.pad,
        )
        return GPT2LMHeadModel(config, seed=recipe.seed)
