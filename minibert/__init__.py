"""minibert: how pretrained language models work, in NumPy, with every gradient written by hand and proved."""

from minibert import huggingface
from minibert.gradcheck import GradientCheckError, check_directions, check_gradients
from minibert.layers import Linear
from minibert.models.bert import BertConfig, BertForPreTraining, BertModel
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training.optimizers import AdamW
from minibert.word_vectors.glove import GloVe
from minibert.word_vectors.vectors import WordVectors
from minibert.word_vectors.word2vec import Word2Vec

__version__ = "0.1.0"


def _keep_freed_memory():
    """Ask the C library (glibc only) to keep the memory of one step for the next one.

    By default it returns the activations to the system when a step's cache is dropped, and every step pays for getting
    them again, page by page. Harmless where it does not apply.
    """
    import ctypes
    import sys

    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD: bytes free at the top of the heap before any is returned
            mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: bytes of an array that has memory of its own


_keep_freed_memory()
