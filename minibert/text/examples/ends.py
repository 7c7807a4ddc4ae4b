"""The tokens that begin and end a text, of any tokenizer."""

from typing import NamedTuple


class Ends(NamedTuple):
    """The ids that begin and end a text, and fill a batch."""

    start: int
    end: int
    pad: int


def ends_of(tokenizer):
    """Return the Ends of a tokenizer: [CLS], [SEP] and [PAD]; "<|endoftext|>" for all of a byte-level one."""
    if hasattr(tokenizer, "cls_token_id"):
        return Ends(tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
    return Ends(*[tokenizer.eos_token_id] * 3)
