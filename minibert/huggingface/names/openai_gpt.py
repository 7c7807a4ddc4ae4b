"""GPT's names, ours and Hugging Face's: those of GPT-2, but for the embeddings and the last LayerNorm."""

from minibert.huggingface.names import gpt2

MODEL_TYPE = "openai-gpt"
MODELS = {"OpenAIGPTLMHeadModel": ("",)}
BODY, BODY_CLASS, BODY_PARTS = "transformer.", "OpenAIGPTModel", ("tokens_embed.", "positions_embed.", "h.")

NAMES = (
    ("embeddings.token.weight", "transformer.tokens_embed.weight", False, "VH"),
    ("embeddings.position.weight", "transformer.positions_embed.weight", False, "PH"),
    *gpt2.of_blocks((*gpt2.ATTENTION, *gpt2.NORMS, *gpt2.FEED_FORWARD)),
)
OPTIONAL_PARTS, RENAMED, OLD_NAMES, UNTIED = {}, {}, (), ()
TIED_COPIES = (("lm_head.weight", "transformer.tokens_embed.weight"),)
IGNORED = gpt2.IGNORED

CONFIG_DEFAULTS = {
    "vocab_size": 40478, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "max_position_embeddings": 512,
}
CONFIG = {**gpt2.CONFIG, "hidden_act": "afn"}
VALUES = {"hidden_act": {"gelu": "gelu_new", "swish": "silu"}}  # this class calls the tanh form "gelu"
WRITTEN, SUPPORTED = {}, {"tie_word_embeddings": True}
SIZES = gpt2.SIZES
