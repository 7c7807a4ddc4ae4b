"""`minibert trace`: its output and its errors. (The debugger: tests/trace/test_debugging.py.)"""

import re

import numpy as np
import pytest

import minibert as mb
from minibert import cli, trace
from minibert.trace import example


@pytest.fixture
def printed_by(capsys):
    """A function that runs the command; returns what it printed."""

    def run(*arguments, code=0):
        assert cli.main(["trace", *map(str, arguments)]) == code
        return capsys.readouterr().out

    return run


def test_the_command_prints_what_it_runs(printed_by):
    text = printed_by()
    assert "tokens   [CLS] the [MASK] chased the cat [SEP] it [MASK] up a [MASK] [SEP] [PAD] [PAD]\n" in text
    assert "hidden   dog at 2, ran at 8, tree at 11\n" in text
    assert (
        "letters  B 1 batch, T 15 tokens, H 8 hidden size, A 2 heads, D 4 = H/A, F 16 feed-forward size, "
        "V 20 vocabulary, M 3\n         hidden tokens\n"
    ) in text
    assert re.search(r"loss     5\.\d{4} = MLM 4\.\d{4} \+ NSP 1\.\d{4}\n", text)
    subject = example.by_hand()
    lines = str(trace.watch(subject.model, **subject.batch)).splitlines()
    assert text.split("\n\n", 1)[1].splitlines() == lines + [""]


def test_any_checkpoint_and_any_text(printed_by, finished_run):
    second = "The bird sees the cat."
    text = printed_by(finished_run, "The small dog sees a [MASK].", second, "--only", "mlm_loss")
    assert re.search(r"tokens   \[CLS\] the .*\[MASK\] .*\[SEP\] the .*\[SEP\]\n", text)
    assert "+ NSP" in text and "mlm_loss.probs" in text
    text = printed_by(finished_run, "The small dog sees a bird.")
    assert "[MASK]" in text.splitlines()[1] and "+ NSP" not in text
    assert printed_by(finished_run).startswith(f"model    {finished_run}\n")


def test_models_that_predict_the_next_token(printed_by, capsys, tmp_path):
    def refused(*arguments):
        assert cli.main(["trace", *map(str, arguments)]) == 2
        return capsys.readouterr().err

    words = mb.ByteLevelBPETokenizer.train(["the dog chased the cat"] * 2, 280)
    pieces = mb.WordPieceTokenizer.train(["the dog chased the cat"] * 2, 60)
    for name, tokenizer, model, last in (
        ("gpt", words, mb.GPT2LMHeadModel(mb.GPT2Config(words.vocab_size, 8, 1, 2)), "blocks.0.attention"),
        ("lstm", pieces, mb.LSTMLanguageModel(mb.LSTMConfig(pieces.vocab_size, 7, 5)), "layers.0"),
    ):
        tokenizer.save_pretrained(tmp_path / name)
        model.save_pretrained(tmp_path / name)
        ids = tokenizer.ids("the dog sees the cat")
        start = getattr(tokenizer, "sep_token_id", getattr(tokenizer, "eos_token_id", None))
        text = printed_by(tmp_path / name, "the dog sees the cat")
        heading, trace_of = text.split("\n\n", 1)
        shown = [tokenizer.id_to_token[index] for index in [start, *ids][: len(ids) + (name == "gpt")]]
        assert heading.splitlines()[1] == f"tokens   {' '.join(shown)}" and "hidden   " not in heading
        assert f"M {len(ids)} predicted" in " ".join(heading.split())
        loss = float(re.search(r"loss     (\d\.\d{4}) = next token \1", heading)[1])
        assert abs(loss - np.log(tokenizer.vocab_size)) < 0.3  # weights are small, and nothing is known
        typed = re.search(r"the model's backward: (cache\.\S+) for (\S+)\.", " ".join(trace_of.split()))
        assert typed[2].startswith(last) and typed[2] == typed[1][6:].replace("[", ".").replace("]", "")
        assert "reads one text" in refused(tmp_path / name, "the dog", "the cat")
    assert "has no token that follows another" in refused(tmp_path / "gpt", "")
    mb.XLNetLMHeadModel(mb.XLNetConfig(pieces.vocab_size, 6, 1, 1)).save_pretrained(tmp_path / "lstm")
    assert "a model of type 'xlnet'" in refused(tmp_path / "lstm", "the dog")


@pytest.mark.parametrize("arguments, message", [
    (("--only", "bert.pooler.dance"), "bert.pooler.dense"),
    (("--stop-at", "x", "--values"), "leave out --values"),
    (("--stop-at", "x", "--only", "y"), "leave out --values, and --only"),
    (("--stop-at", "x", "--stop-when", "negative"), "give one of them"),
    (("--if", "x > 1"), "add --stop-at PATH"),
    (("--stop-when", "negative", "--if", "value >"), "is not a Python expression"),
    (("--stop-when", "negative", "--only", "mlm_loss", "--if", "prob.max() > 1"), "6 values are negative, "
     "but 'prob.max() > 1' raised NameError: name 'prob' is not defined (6 times) and was never true"),
    (("--stop-when", "largest", "--if", "self is model"), "reached once, but 'self is model' was never true"),
    (("--stop-when", "largest", "--only", "y"), "leave out --only"),
    (("--stop-at", "attention.d_scores", "--if", "d_scores >"), "is not a Python expression"),
    (("--stop-at", "attention.d_scores", "--if", "self.nothing"), "d_scores was reached 3 times, but "
     "'self.nothing' raised AttributeError: 'MultiHeadAttention' object has no attribute 'nothing' (3 "),
    (("--stop-at", "attention.d_scores", "--if", "d_probs"), "raised ValueError: The truth value of"),
    (("--stop-at", "attention.d_scores", "--if", "d_probs.ndim == 3"), "was never true"),
    (("--stop-at", "dropout.keep"), "dropout.keep was not reached"),
    (("--stop-when", "negative", "--only", "hidden_shape"), "'hidden_shape' is not a value"),
    (("--exhibit", "nothing"), "there is no exhibit 'nothing'"),
    (("no-such-directory",), "no-such-directory"),
])
def test_errors(failing, arguments, message):
    assert message in failing("trace", *arguments)


def test_nothing_is_not_finite(printed_by):
    text = printed_by("--stop-when", "not-finite")
    assert re.search(r"No value is not-finite: \d{3} were looked at\nBoth passes are done", text)


def test_no_value_for_which_a_condition_holds(printed_by):
    chosen = ("--stop-when", "negative", "--only", "attention.query", "--if")
    text = printed_by(*chosen, "value.min() < -100")
    assert re.search(r"\n\d+ values are negative, but 'value.min\(\) < -100' was never true\nBoth", text)
    text = printed_by(*chosen, "d_x.min() < -100")  # in the last line of the backward alone
    assert re.search(r"raised NameError: .*'d_x'.* \(\d+ times\) and was never true\nBoth passes", text)


def test_a_tensor_that_is_not_finite_is_named(printed_by, monkeypatch):
    def spoiled():
        subject = by_hand()
        subject.model.bert.encoder[0].output_norm.gamma.value[3] = np.inf
        return subject

    by_hand = example.by_hand
    monkeypatch.setattr(example, "by_hand", spoiled)
    text = printed_by(code=1)
    assert "The first tensor that is not finite: bert.encoder.0.output_norm.gamma\n" in text
