"""The tokenizer's files: which are read, which counts where two disagree, and what is refused."""

import json

import pytest

from minibert.text.basic_tokenizer import SPECIAL_TOKENS
from minibert.text.tokenizer import WordPieceTokenizer

TOKENS = [*SPECIAL_TOKENS, "the", "The", "cafe", "café", "中", "##文", "<", "e", "##1", ">"]


def tokenizer_json(tokens=TOKENS, lowercase=False, added=()):
    """The contents of a tokenizer.json, as transformers 5 writes them."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    all_added = [*enumerate(SPECIAL_TOKENS), *added]
    return {
        "version": "1.0",
        "added_tokens": [{"id": index, "content": token, **flags} for index, token in all_added],
        "normalizer": {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": False,
                       "strip_accents": None, "lowercase": lowercase},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                  "max_input_chars_per_word": 100,
                  "vocab": {token: index for index, token in enumerate(tokens)}},
    }


@pytest.fixture
def load(tmp_path):
    """A function that writes files, a name and a JSON content or a text each, and reads the tokenizer."""

    def write_and_load(**files):
        for name, content in files.items():
            name = {"vocab": "vocab.txt"}.get(name, name + ".json")
            text = content if isinstance(content, str) else json.dumps(content)
            (tmp_path / name).write_text(text, encoding="utf-8", newline="\n")
        return WordPieceTokenizer.from_pretrained(tmp_path)

    return write_and_load


# --- what is read ---

def test_tokenizer_json_alone(load):
    tokenizer = load(tokenizer=tokenizer_json())
    assert tokenizer.id_to_token == TOKENS
    # It is cased, and ideographs make one word.
    assert tokenizer.tokenize("The café 中文") == ["The", "café", "中", "##文"]
    assert tokenizer.extra_special_tokens == []


def test_tokenizer_json_of_an_uncased_model_and_without_the_type_of_the_model(load):
    content = tokenizer_json(lowercase=True)
    del content["model"]["type"]
    assert load(tokenizer=content).tokenize("The café") == ["the", "cafe"]


def test_vocab_txt_comes_before_tokenizer_json(load):
    tokenizer = load(vocab="\n".join(TOKENS), tokenizer=tokenizer_json(TOKENS[::-1]))
    assert tokenizer.id_to_token == TOKENS and tokenizer.do_lower_case


def test_tokenizer_config_counts_more_than_tokenizer_json(load):
    config = {"do_lower_case": True, "strip_accents": False}
    tokenizer = load(tokenizer=tokenizer_json(), tokenizer_config=config)
    assert tokenizer.tokenize("The café 中文") == ["the", "café", "中", "##文"]


@pytest.mark.parametrize("options, tokens", [
    ({}, ["the", "cafe", "中", "[UNK]"]),
    ({"do_lower_case": False}, ["The", "café", "中", "[UNK]"]),
    ({"do_lower_case": False, "strip_accents": True}, ["The", "cafe", "中", "[UNK]"]),
    ({"strip_accents": False}, ["the", "café", "中", "[UNK]"]),
    ({"tokenize_chinese_chars": False}, ["the", "cafe", "中", "##文"]),
    ({"max_input_chars_per_word": 3}, ["the", "[UNK]", "中", "[UNK]"]),
])
def test_options_are_respected_and_kept(load, tmp_path, options, tokens):
    tokenizer = load(vocab="\n".join(TOKENS), tokenizer_config=options)
    assert tokenizer.tokenize("The café 中文") == tokens
    tokenizer.save_pretrained(tmp_path / "again")
    assert WordPieceTokenizer.from_pretrained(tmp_path / "again").tokenize("The café 中文") == tokens


def test_special_tokens_as_strings_or_objects(load):
    names = {"mask_token": {"content": "[MASK]", "lstrip": True}, "unk_token": "[UNK]", "pad_token": None}
    tokenizer = load(vocab="\n".join(TOKENS), special_tokens_map=names, tokenizer_config=names)
    assert tokenizer.vocab_size == len(TOKENS)


E1 = {"content": "<e1>", "special": True, "normalized": False, "single_word": False}


@pytest.mark.parametrize("files", [
    {"tokenizer": tokenizer_json(lowercase=True, added=[(15, "<e1>")])},
    {"vocab": "\n".join(TOKENS),
     "tokenizer_config": {"added_tokens_decoder": {"15": E1, "4": {**E1, "content": "[MASK]"}}}},
    {"vocab": "\n".join(TOKENS), "tokenizer_config": {"additional_special_tokens": ["[MASK]", "<e1>"]}},
    {"vocab": "\n".join(TOKENS), "special_tokens_map": {"additional_special_tokens": [{"content": "<e1>"}]}},
    {"vocab": "\n".join(TOKENS), "tokenizer_config": {"extra_special_tokens": ["<e1>"]}},
    {"vocab": "\n".join(TOKENS), "tokenizer_config": {"extra_special_tokens": {"entity_token": "<e1>"}}},
    {"vocab": "\n".join([*TOKENS, "<e1>"]), "tokenizer_config": {"extra_special_tokens": ["<e1>"]}},
])
def test_special_tokens_of_its_own(load, tmp_path, files):
    tokenizer = load(**files)
    assert tokenizer.vocab["<e1>"] == 15 and tokenizer.extra_special_tokens == ["<e1>"]
    assert tokenizer.tokenize("the<e1>the <E1>") == ["the", "<e1>", "the", "<", "e", "##1", ">"]
    tokenizer.save_pretrained(tmp_path / "again")
    again = WordPieceTokenizer.from_pretrained(tmp_path / "again")
    assert again.vocab == tokenizer.vocab and again.extra_special_tokens == ["<e1>"]


PLAIN = {"content": "The1", "special": False, "normalized": True, "single_word": False, "lstrip": False}


@pytest.mark.parametrize("record, tokens", [
    # In the normalised text and normalised itself, also within words: as transformers' `add_tokens` makes it.
    ({}, ["The1", "e", "The1", "[UNK]", "[UNK]", "The1"]),
    ({"single_word": True}, ["The1", "[UNK]", "[UNK]", "The1"]),
    ({"normalized": False}, ["the", "##1", "[UNK]", "[UNK]", "The1"]),  # in the text as it is
    ({"special": True}, ["The1", "e", "The1", "[UNK]", "[UNK]", "The1"]),
])
def test_added_tokens_of_transformers_5(load, tmp_path, record, tokens):
    content = tokenizer_json(lowercase=True)
    content["added_tokens"].append({**PLAIN, "id": 15, **record})
    tokenizer = load(tokenizer=content)
    text = "the1 ethe1x. The1"
    assert tokenizer.tokenize(text) == tokens and tokenizer.vocab["The1"] == 15
    tokenizer.save_pretrained(tmp_path / "again")
    again = WordPieceTokenizer.from_pretrained(tmp_path / "again")
    assert again.tokenize(text) == tokens and again.vocab == tokenizer.vocab


def test_added_tokens_of_transformers_4(load):
    tokenizer = load(vocab="\n".join(TOKENS), added_tokens={"New": 15, "the": 5, "[MASK]": 4})
    assert tokenizer.ids("new thE newer [MASK]") == [15, 5, 15, 1, 4]
    assert tokenizer.extra_special_tokens == [] and tokenizer.vocab_size == 16


@pytest.mark.parametrize("content, message", [
    ({"New": 16}, "holds 15 tokens, so the next id is 15, but the token 'New' is said to have id 16"),
    ({"New": "15"}, "added_tokens.json is not of the form"),
    (["New"], "added_tokens.json holds a JSON list"),
])
def test_unusable_added_tokens(load, content, message):
    with pytest.raises(ValueError, match=message):
        load(vocab="\n".join(TOKENS), added_tokens=content)


def test_a_token_twice_has_its_last_id_as_in_transformers(load, tmp_path):
    tokenizer = load(vocab="\n".join([*TOKENS, "the", "more"]))
    assert tokenizer.vocab_size == 17 and tokenizer.ids("the more") == [15, 16]
    assert tokenizer.decode([5, 15]) == "the the"
    tokenizer.save_pretrained(tmp_path / "again")
    assert WordPieceTokenizer.from_pretrained(tmp_path / "again").id_to_token == tokenizer.id_to_token


def test_nothing_is_left_half_written(tmp_path, monkeypatch):
    WordPieceTokenizer(TOKENS).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"vocab.txt", "tokenizer_config.json", "special_tokens_map.json"}

    def full_disk(*paths):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        WordPieceTokenizer([*TOKENS, "more"]).save_pretrained(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


# --- what is refused ---

def changed(part, **values):
    content = tokenizer_json()
    content[part] = {**content[part], **values}
    return content


@pytest.mark.parametrize("content, message", [
    (changed("model", type="Unigram"), "its model has type 'Unigram'; that of BERT has 'WordPiece'"),
    (changed("model", unk_token="<unk>"), "its model has unk_token '<unk>'"),
    (changed("model", continuing_subword_prefix=""), "continuing_subword_prefix ''"),
    (changed("normalizer", type="NFC"), "its normalizer has type 'NFC'"),
    (changed("normalizer", clean_text=False), "clean_text False"),
    (changed("pre_tokenizer", type="Whitespace"), "its pre_tokenizer has type 'Whitespace'"),
    ({**tokenizer_json(), "normalizer": None}, "it has no normalizer"),
    ({}, "it has no model"),
    ({**tokenizer_json(), "model": [1]}, "is not of the form that Hugging Face's tokenizers write"),
    ({**tokenizer_json(), "added_tokens": [1]}, "is not of the form"),
    ({**tokenizer_json(), "added_tokens": 5}, "is not of the form"),
    (changed("model", vocab=["a"]), "is not of the form"),
    (changed("model", vocab=None), "is not of the form"),
    (changed("model", vocab={"[PAD]": 0, "a": 2}), "ids of a vocabulary of 2 tokens must be 0 to 1"),
    (changed("model", vocab={"[PAD]": "0"}), "ids of a vocabulary of 1 tokens must be 0 to 0"),
    (changed("model", vocab={"[PAD]": -1}), "ids of a vocabulary of 1 tokens must be 0 to 0"),
    (changed("model", vocab={"[PAD]": 1e300}), "ids of a vocabulary of 1 tokens must be 0 to 0"),
    (changed("model", vocab={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}), r"lacks \[MASK\]"),
    (tokenizer_json([*TOKENS, "a\nb"]), r"the token with id 15 is 'a\\nb'"),
    (tokenizer_json([*TOKENS, "a\ud800"]), r"the token with id 15 is 'a\\ud800'"),
    (tokenizer_json(added=[(17, "<e1>")]),
     "holds 15 tokens, so the next id is 15, but the token '<e1>' is said"),
    (changed("normalizer", lowercase="yes"), "do_lower_case is 'yes'; it must be True or False"),
    pytest.param('{"a":' * 100_000, "nested too deeply", id="nested objects"),
    pytest.param("[" * 100_000, "nested too deeply", id="nested lists"),
    ('{"model": ', "is not JSON"),
    ("[]", "holds a JSON list"),
])
def test_unusable_tokenizer_json(load, content, message):
    with pytest.raises(ValueError, match=f"tokenizer.json:? .*({message})"):
        load(tokenizer=content)


@pytest.mark.parametrize("config, message", [
    ({"tokenizer_class": "BertJapaneseTokenizer"},
     "describes a BertJapaneseTokenizer; minibert reads a BertTokenizer"),
    ({"mask_token": "<mask>"}, "says that mask_token is '<mask>'; minibert's tokenizer knows only '.MASK.'"),
    ({"mask_token": {"content": "<mask>"}}, "says that mask_token is '<mask>'"),
    ({"mask_token": {"text": "[MASK]"}}, "is not of the form"),
    ({"added_tokens_decoder": [E1]}, "is not of the form"),
    ({"added_tokens_decoder": {"fifteen": E1}}, "is not of the form .* .TypeError.*the id 'fifteen'"),
    ({"added_tokens_decoder": {"15": "<e1>"}}, "is not of the form"),
    ({"additional_special_tokens": "<e1>"}, "is not of the form .*a str in place of a list"),
])
def test_unusable_tokenizer_config(load, config, message):
    with pytest.raises(ValueError, match=f"tokenizer_config.json {message}"):
        load(vocab="\n".join(TOKENS), tokenizer_config=config)


@pytest.mark.parametrize(
    "option", ["do_lower_case", "strip_accents", "tokenize_chinese_chars", "max_input_chars_per_word"])
@pytest.mark.parametrize("value", ["true", 0, [], 1.5])
def test_options_of_a_wrong_type(load, option, value):
    with pytest.raises(ValueError, match=f"vocab.txt: {option} is .* it must be"):
        load(vocab="\n".join(TOKENS), tokenizer_config={option: value})


def test_other_special_tokens_in_special_tokens_map(load):
    with pytest.raises(ValueError, match="special_tokens_map.json says that unk_token is '<unk>'"):
        load(vocab="\n".join(TOKENS), special_tokens_map={"unk_token": "<unk>"})


@pytest.mark.parametrize("vocab, message", [
    ("\n".join(TOKENS[:4]), r"lacks \[MASK\]"),
    ("\n".join(TOKENS[2:]), r"lacks \[PAD\], \[UNK\]"),
    ("", r"lacks \[PAD\], \[UNK\], \[CLS\], \[SEP\], \[MASK\]"),
    ("\n".join([*TOKENS, "a\rb"]), r"the token with id 15 is 'a\\rb'"),
])
def test_unusable_vocab_txt(load, vocab, message):
    with pytest.raises(ValueError, match=f"vocab.txt: .*{message}"):
        load(vocab=vocab)
