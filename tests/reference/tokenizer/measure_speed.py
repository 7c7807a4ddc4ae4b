"""The time of WordPieceTokenizer, of transformers' BertTokenizer (Rust) and of its older Python tokenizer.

    python tests/reference/tokenizer/measure_speed.py DIR [TEXT_FILE]

DIR: holds a vocab.txt. TEXT_FILE: UTF-8; default: python-docs. Each line (sentence) of the first megabyte is
encoded by itself, on one thread, and the best of three times counts. Ours is a new one each time, with an
empty cache. Needs transformers.
"""

import os
import pathlib
import sys
import time

from minibert.text.corpora import python_docs
from minibert.text.tokenizer import WordPieceTokenizer

MEGABYTE = 1_000_000


def first_megabyte(sentences):
    size = 0
    for sentence in sentences:
        size += len(sentence.encode("utf-8"))
        if size > MEGABYTE:
            return
        yield sentence


def main(directory, text_file=None):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from transformers import BertTokenizer
    from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

    if text_file:
        sentences = pathlib.Path(text_file).read_text(encoding="utf-8").splitlines()
    else:
        sentences = python_docs().sentences
    sentences = list(first_megabyte(sentences))
    vocab = WordPieceTokenizer.from_pretrained(directory).vocab
    theirs = BertTokenizer(vocab=vocab)
    rust = theirs.backend_tokenizer
    older = BertTokenizerLegacy(str(pathlib.Path(directory) / "vocab.txt"))
    ways = {
        "WordPieceTokenizer.ids": lambda: list(map(WordPieceTokenizer(vocab).ids, sentences)),
        "WordPieceTokenizer.encode": lambda: list(map(WordPieceTokenizer(vocab).encode, sentences)),
        "Rust, encode_batch": lambda: [each.ids for each in rust.encode_batch(sentences)],
        "Rust, encode_batch_fast": lambda: [each.ids for each in rust.encode_batch_fast(sentences)],
        "BertTokenizer(sentences)": lambda: theirs(sentences, add_special_tokens=False)["input_ids"],
        "BertTokenizerLegacy": lambda: [
            older.convert_tokens_to_ids(older.tokenize(sentence)) for sentence in sentences
        ],
    }
    for name, encode in ways.items():
        times = []
        for _ in range(3):
            start = time.perf_counter()
            encode()
            times.append(time.perf_counter() - start)
        print(f"{name:30} {min(times):6.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
