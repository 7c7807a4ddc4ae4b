"""GPT-2's names, ours and Hugging Face's."""

MODEL_TYPE = "gpt2"
MODELS = {"GPT2LMHeadModel": ("",)}
BODY, BODY_CLASS, BODY_PARTS = "transformer.", "GPT2Model", ("wte.", "wpe.", "h.", "ln_f.")

# As in bert.py. Nothing is transposed: their Conv1D holds its weight as (in, out), as our Linear does. A
# square one looks the same either way, so that only the numbers tell.
QUERY_KEY_VALUE = ("attention.query.{}", "attention.key.{}", "attention.value.{}")  # side by side in theirs
ATTENTION = (
    (tuple(name.format("weight") for name in QUERY_KEY_VALUE), "attn.c_attn.weight", "HH"),
    (tuple(name.format("bias") for name in QUERY_KEY_VALUE), "attn.c_attn.bias", "H"),
    ("attention.output.weight", "attn.c_proj.weight", "HH"),
    ("attention.output.bias", "attn.c_proj.bias", "H"),
)
FEED_FORWARD = (
    ("feed_forward.intermediate.weight", "mlp.c_fc.weight", "HF"),
    ("feed_forward.intermediate.bias", "mlp.c_fc.bias", "F"),
    ("feed_forward.output.weight", "mlp.c_proj.weight", "FH"),
    ("feed_forward.output.bias", "mlp.c_proj.bias", "H"),
)
NORMS = (
    ("attention_norm.gamma", "ln_1.weight", "H"),
    ("attention_norm.beta", "ln_1.bias", "H"),
    ("output_norm.gamma", "ln_2.weight", "H"),
    ("output_norm.beta", "ln_2.bias", "H"),
)


def of_blocks(rows):
    """Return rows of a block as rows of each block, blocks.{} of ours and transformer.h.{} of theirs."""
    for ours, theirs, letters in rows:
        several = (ours,) if isinstance(ours, str) else ours
        yield tuple(f"blocks.{{}}.{one}" for one in several), f"transformer.h.{{}}.{theirs}", False, letters


NAMES = (
    ("embeddings.token.weight", "transformer.wte.weight", False, "VH"),
    ("embeddings.position.weight", "transformer.wpe.weight", False, "PH"),
    *of_blocks((*NORMS, *ATTENTION, *FEED_FORWARD)),
    ("final_norm.gamma", "transformer.ln_f.weight", False, "H"),
    ("final_norm.beta", "transformer.ln_f.bias", False, "H"),
)
OPTIONAL_PARTS, RENAMED, OLD_NAMES, UNTIED = {}, {}, (), ()
TIED_COPIES = (("lm_head.weight", "transformer.wte.weight"),)
IGNORED = ("transformer.h.*.attn.bias", "transformer.h.*.attn.masked_bias")  # buffers of older versions

# Hugging Face's values where config.json does not say: the sizes of the smallest GPT-2.
CONFIG_DEFAULTS = {
    "vocab_size": 50257, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "max_position_embeddings": 1024, "bos_token_id": 50256, "eos_token_id": 50256,
}
CONFIG = {
    "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
    "intermediate_size": "n_inner", "max_position_embeddings": "n_positions",
    "hidden_act": "activation_function", "hidden_dropout_prob": "resid_pdrop",
    "embedding_dropout_prob": "embd_pdrop", "attention_probs_dropout_prob": "attn_pdrop",
    "layer_norm_eps": "layer_norm_epsilon",
}
VALUES, WRITTEN = {}, {}
SUPPORTED = {
    "scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False,
    "tie_word_embeddings": True,
}
SIZES = {"V": "vocab_size", "P": "max_position_embeddings", "H": "hidden_size", "F": "intermediate_size"}
