"""A tiny untrained BERT, and labelled files of the toy language, for several test files."""

import json

from minibert import BertConfig, BertForPreTraining
from minibert.text.toy import TOY
from minibert.text.toy.tasks import examples

FILES = {"classify": "tsv", "pairs": "csv", "tag": "conll", "span": "jsonl"}
TASKS = {"classify": "sentiment", "pairs": "same opinion", "tag": "entities", "span": "span"}


def write(directory, num_training=24, num_held_out=12):
    """Write a model to DIRECTORY/bert, and for each task DIRECTORY/TASK-train.* and TASK-dev.*."""
    tokenizer = TOY.tokenizer()
    config = BertConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=12, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=16, max_position_embeddings=24, initializer_range=0.2)
    BertForPreTraining(config, seed=7).save_pretrained(directory / "bert")
    tokenizer.save_pretrained(directory / "bert")
    for task, suffix in FILES.items():
        for name, number, seed in (("train", num_training, 1), ("dev", num_held_out, 2)):
            text = as_text(task, examples(TOY, TASKS[task], number, seed))
            (directory / f"{task}-{name}.{suffix}").write_text(text, encoding="utf-8")


def as_text(task, found):
    """Return examples of the toy language as a labelled file."""
    if task == "classify":
        return "text\tlabel\n" + "".join(f"{' '.join(words)}\t{label}\n" for words, label in found)
    if task == "pairs":
        rows = (f'{" ".join(a)},"{" ".join(b)}",{label}\n' for (a, b), label in found)
        return "sentence1,sentence2,label\n" + "".join(rows)
    if task == "tag":
        return "\n".join(
            "".join(f"{word} {tag}\n" for word, tag in zip(*example)) for example in found)
    rows = [
        {"question": " ".join(question), "context": " ".join(passage),
         "answer": " ".join(passage[first : last + 1]), "answer_start": len(" ".join((*passage[:first], "")))}
        for (question, passage), (first, last) in found
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)
