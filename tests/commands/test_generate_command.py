"""`minibert generate`: what it prints, as it arrives and on a terminal, and what it refuses."""

import io

import numpy as np
import pytest

import minibert as mb
from minibert import cli
from minibert.commands.generate import Flow

TEXTS = ["the old dog sees the garden. the dog is old.", "语言 is language, λόγος too."] * 3


@pytest.fixture(scope="module")
def gpt(tmp_path_factory):
    """A folder with a random GPT-2 and a byte-level tokenizer."""
    directory = tmp_path_factory.mktemp("gpt")
    tokenizer = mb.ByteLevelBPETokenizer.train(TEXTS, 300)
    tokenizer.save_pretrained(directory)
    config = mb.GPT2Config(
        tokenizer.vocab_size, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=30, initializer_range=0.5, eos_token_id=tokenizer.eos_token_id,
    )
    mb.GPT2LMHeadModel(config, seed=1).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def first_gpt(tmp_path_factory):
    """A folder with a random GPT of 2018 and its tokenizer."""
    directory = tmp_path_factory.mktemp("first_gpt")
    tokenizer = mb.OpenAIGPTTokenizer.train(TEXTS, 60)
    tokenizer.save_pretrained(directory)
    config = mb.OpenAIGPTConfig(
        tokenizer.vocab_size, 8, 1, 2, max_position_embeddings=30, initializer_range=0.5)
    mb.OpenAIGPTLMHeadModel(config, seed=1).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def lstm(tmp_path_factory):
    """A folder with a random LSTM and a WordPiece tokenizer."""
    directory = tmp_path_factory.mktemp("lstm")
    tokenizer = mb.WordPieceTokenizer.train(TEXTS, 60)
    tokenizer.save_pretrained(directory)
    config = mb.LSTMConfig(tokenizer.vocab_size, embedding_size=8, hidden_size=8)
    mb.LSTMLanguageModel(config).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    """A folder with a random Transformer."""
    directory = tmp_path_factory.mktemp("transformer")
    tokenizer = mb.ByteLevelBPETokenizer.train(TEXTS, 300)
    tokenizer.save_pretrained(directory)
    ends = dict.fromkeys(("bos_token_id", "eos_token_id"), tokenizer.eos_token_id)
    config = mb.TransformerConfig(tokenizer.vocab_size, 8, 1, 2, 7, initializer_range=1.0, **ends)
    mb.Transformer(config, seed=2).save_pretrained(directory)
    return directory


def run(capsys, *arguments):
    capsys.readouterr()
    code = cli.main(["generate", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_text_goes_on_as_generate_does(gpt, capsys):
    tokenizer, model = (
        kind.from_pretrained(gpt) for kind in (mb.ByteLevelBPETokenizer, mb.GPT2LMHeadModel)
    )
    prompt = np.array([[tokenizer.eos_token_id, *tokenizer.ids("the old")]])
    for options, given in (
        (["--greedy"], {}), (["--beams", "3"], {"num_beams": 3}),
        (["--seed", "5", "--top-k", "9"], {"do_sample": True, "seed": 5, "top_k": 9}),
    ):
        ids = mb.generate(model, prompt, max_new_tokens=6, eos_token_id=tokenizer.eos_token_id, **given)
        kept = [index for index in ids[0].tolist() if index != tokenizer.eos_token_id]
        expected = tokenizer.decode(kept).rstrip("\ufffd")
        code, out, err = run(capsys, gpt, "the old", "--tokens", "6", *options)
        assert (code, out, err) == (0, expected + "\n", "")
        assert out.startswith("the old")


def test_the_seed_decides(gpt, capsys):
    texts = [run(capsys, gpt, "dog", "--seed", seed)[1] for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_an_lstm_without_a_prompt(lstm, capsys):
    code, out, _ = run(capsys, lstm, "", "--tokens", "5")
    assert code == 0 and out.endswith("\n")


@pytest.mark.parametrize("absent", ["tokenizer.json", "merges.txt"])
def test_gpt_reads_its_own_tokens(first_gpt, tmp_path, capsys, absent):
    for path in first_gpt.iterdir():
        if path.name != absent:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    tokenizer, model = (
        kind.from_pretrained(tmp_path) for kind in (mb.OpenAIGPTTokenizer, mb.OpenAIGPTLMHeadModel)
    )
    ids = mb.generate(model, np.array([tokenizer.ids("The OLD")]), max_new_tokens=6)
    expected = tokenizer.decode(ids[0])
    assert expected.startswith("the old")
    assert run(capsys, tmp_path, "The OLD", "--tokens", "6", "--greedy") == (0, expected + "\n", "")
    assert "the prompt is empty, and no token begins a text" in run(capsys, tmp_path, "")[2]


def test_a_transformer_translates(transformer, capsys):
    tokenizer, model = (
        kind.from_pretrained(transformer) for kind in (mb.ByteLevelBPETokenizer, mb.Transformer)
    )
    source, end = tokenizer.ids("the old dog"), tokenizer.eos_token_id
    for options, given in (
        ([], {"max_new_tokens": len(source) + 50}), (["--tokens", "4", "--beams", "3"], {"num_beams": 3}),
        (["--tokens", "4", "--seed", "3", "--top-k", "9"], {"do_sample": True, "seed": 3, "top_k": 9}),
    ):
        ids = mb.generate(
            model, np.array([source]), eos_token_id=end, **{"max_new_tokens": 4, **given})[0].tolist()
        expected = tokenizer.decode([index for index in ids if index != end]).rstrip("\ufffd")
        assert run(capsys, transformer, "the old dog", *options) == (0, expected + "\n", "")
        assert expected
    assert "the text to translate is empty: give some words" in run(capsys, transformer, "")[2]


def test_room_for_new_tokens(gpt, capsys):
    code, _, err = run(capsys, gpt, "the", "--tokens", "40")
    assert code == 0 and err == "note: the model reads 30 tokens, the prompt has 2: 29 new ones at most\n"
    assert run(capsys, gpt, "the")[2] == ""  # nothing was asked for
    code, out, err = run(capsys, gpt, "语" * 40)
    assert (code, out) == (2, "")
    assert "tokens is more than the model reads, max_position_embeddings 30" in err


def test_what_it_refuses(gpt, tmp_path, capsys):
    config = mb.BertConfig(11, hidden_size=4, num_hidden_layers=1, intermediate_size=3)
    mb.BertForPreTraining(config).save_pretrained(tmp_path)
    nameless, xlnet = tmp_path / "nameless", tmp_path / "xlnet"
    mb.XLNetLMHeadModel(mb.XLNetConfig(11, 6, 1, 1)).save_pretrained(xlnet)
    mb.BertForPreTraining(config).save_pretrained(nameless)
    (nameless / "config.json").write_text("{}", "utf-8")
    for arguments, message in (
        ((tmp_path, "a"), "holds BertForPreTraining, which this command cannot use: it needs a model that"),
        ((xlnet, "a"), "holds XLNetLMHeadModel, which this command cannot use"),
        ((nameless, "a"), "holds a model without a name, which this command cannot use"),
        ((tmp_path / "nothing", "a"), "holds no model"),
        ((gpt, "a", "--greedy", "--top-p", "0.5"), "are for tokens that are drawn"),
        ((gpt, "a", "--top-p", "1.5"), "top_p must be above 0 and at most 1"),
    ):
        code, out, err = run(capsys, *arguments)
        assert code == 2 and message in err and out == ""


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_on_a_terminal_end_between_words(monkeypatch):
    monkeypatch.setenv("COLUMNS", "12")
    terminal = Terminal()
    flow = Flow(terminal)
    for bit in ("the ol", "d dog se", "es a gar", "den.\nand", " anextremelylongword ", "语言语言语言语"):
        flow.add(bit)
    assert terminal.getvalue().startswith("the old dog\nsees")
    flow.end()
    assert terminal.getvalue() == (
        "the old dog\nsees a\ngarden.\nand\nanextremelyl\nongword\n语言语言语言\n语\n"
    )


def test_elsewhere_nothing_waits():
    stream = io.StringIO()
    flow = Flow(stream)
    flow.add("the ol")
    assert stream.getvalue() == "the ol"
