"""A tiny untrained BERT, and labelled files of the toy language, for several test files."""

from minibert import BertConfig, BertForPreTraining
from minibert.text.toy import TOY
from minibert.text.toy.tasks import as_file, examples

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
            text = as_file(TASKS[task], examples(TOY, TASKS[task], number, seed))
            text = text.replace("\t", ",") if suffix == "csv" else text
            (directory / f"{task}-{name}.{suffix}").write_text(text, encoding="utf-8")
