"""The tokenizer: WordPiece, encoding, files, and learning a vocabulary."""

import json
import warnings
from collections import Counter

import numpy as np
import pytest

from minibert.text.basic_tokenizer import SPECIAL_TOKENS
from minibert.text.merging import CONTINUATION, merge_pairs
from minibert.text.tokenizer import WordPieceTokenizer, _alphabet, longest_first

TOKENS = [*SPECIAL_TOKENS, "the", "cat", "un", "##aff", "##able", "##a", "##ble", "a", "sat", "x", "##x", ".",
          ",", "[", "]", "mask", "中", "文", "statement"]


@pytest.fixture
def tokenizer():
    return WordPieceTokenizer(TOKENS)


# --- WordPiece ---

@pytest.mark.parametrize("text, tokens", [
    ("unaffable", ["un", "##aff", "##able"]),           # the longest piece: "##able", not "##a", "##ble"
    ("The cat sat.", ["the", "cat", "sat", "."]),
    ("The [MASK] statement", ["the", "[MASK]", "statement"]),
    ("cats", ["[UNK]"]),                                # one part without a piece: the word is unknown
    ("x" * 100, ["x"] + ["##x"] * 99),
    ("x" * 101, ["[UNK]"]),
    ("中文", ["中", "文"]),
    ("the \ud800 cat\udfff", ["the", "[UNK]", "[UNK]"]),  # lone surrogates
])
def test_tokenize(tokenizer, text, tokens):
    assert tokenizer.tokenize(text) == tokens
    assert tokenizer.tokenize(text) == tokens  # and again, from the cache
    assert [tokenizer.id_to_token[index] for index in tokenizer.ids(text)] == tokens


def test_the_cache_is_bounded(tokenizer, monkeypatch):
    monkeypatch.setattr("minibert.text.remembered.MAX_WORDS", 3)
    for word in ["the", "cat", "sat", "un", "a", "x"]:
        assert tokenizer.tokenize(word) == [word]
    assert len(tokenizer._ids_of_word) <= 3


# --- encoding ---

def test_encode_a_pair(tokenizer):
    encoding = tokenizer.encode("the cat", "sat .")
    assert [tokenizer.id_to_token[index] for index in encoding.input_ids] == [
        "[CLS]", "the", "cat", "[SEP]", "sat", ".", "[SEP]"]
    assert encoding.token_type_ids.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert encoding.attention_mask.tolist() == [1] * 7
    assert {array.dtype for array in encoding} == {np.dtype(np.int64)}


def test_an_empty_pair_is_a_pair(tokenizer):
    assert tokenizer.encode("the", "").token_type_ids.tolist() == [0, 0, 0, 1]
    assert tokenizer.encode("the").token_type_ids.tolist() == [0, 0, 0]


@pytest.mark.parametrize("lengths", [(0, 9), (3, 9), (9, 3), (5, 6), (6, 5), (5, 5), (9, 0)])
def test_longest_first_takes_from_the_longer_one(lengths):
    """Compared with a loop. Where both are equally long it does not matter which one is taken from."""
    length_a, length_b = lengths
    for limit in reversed(range(12)):
        while length_a + length_b > limit:
            if length_a > length_b:
                length_a -= 1
            else:
                length_b -= 1
        result = longest_first(*lengths, limit)
        assert sum(result) == length_a + length_b, limit
        assert sorted(result) == sorted((length_a, length_b)), limit
        assert result[0] <= lengths[0] and result[1] <= lengths[1], limit


def test_encode_truncates_the_longer_text(tokenizer):
    encoding = tokenizer.encode("x x x x x x", "the cat", max_length=8)
    assert tokenizer.decode(encoding.input_ids) == "x x x the cat"
    assert len(tokenizer.encode("x x x x x x", max_length=4).input_ids) == 4
    assert len(tokenizer.encode("x", max_length=4).input_ids) == 3


def test_encode_batch_pads(tokenizer):
    batch = tokenizer.encode_batch(["the cat sat .", ("the", "cat")], max_length=5)
    single = tokenizer.encode("the", "cat", max_length=5)
    assert [array.shape for array in batch] == [(2, 5)] * 3
    assert batch.input_ids[1].tolist() == single.input_ids.tolist()
    batch = tokenizer.encode_batch(["the", "the cat sat"])
    assert batch.input_ids[0].tolist()[3:] == [tokenizer.pad_token_id] * 2
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert {array.dtype for array in batch} == {np.dtype(np.int64)}


@pytest.mark.parametrize("texts", [[], "the cat"])
def test_encode_batch_refuses_what_is_no_list_of_texts(tokenizer, texts):
    with pytest.raises(ValueError, match="list of one text or more"):
        tokenizer.encode_batch(texts)


@pytest.mark.parametrize("text", [None, b"the", 5, ["the"], ("the", "cat", "sat")])
def test_a_text_that_is_no_string(tokenizer, text):
    for method in (tokenizer.tokenize, tokenizer.encode, lambda text: tokenizer.encode("the", text or 0)):
        with pytest.raises(ValueError, match="a text must be a string, got the"):
            method(text)
    with pytest.raises(ValueError, match="a text must be a string, got the"):
        tokenizer.encode_batch(["the", text])


def test_max_length_without_room(tokenizer):
    with pytest.raises(ValueError, match="max_length 2 leaves no room for the 3 special tokens"):
        tokenizer.encode("the", "cat", max_length=2)


def test_decode(tokenizer):
    encoding = tokenizer.encode_batch(
        ["Unaffable cat, the [MASK] zzz.", "the cat sat unaffable, x x x x x x x ."])
    assert tokenizer.decode(encoding.input_ids[0]) == "unaffable cat, the [MASK] [UNK]."
    assert tokenizer.decode([]) == ""
    with pytest.raises(ValueError, match=f"id {len(TOKENS)} is outside the vocabulary"):
        tokenizer.decode([len(TOKENS)])
    with pytest.raises(ValueError, match="id -1 is outside"):
        tokenizer.decode(np.array([-1]))


# --- vocabularies and files ---

def test_vocabulary_as_a_dict():
    vocab = {token: index for index, token in enumerate(TOKENS)}
    tokenizer = WordPieceTokenizer(dict(reversed(vocab.items())))
    assert tokenizer.id_to_token == TOKENS and tokenizer.vocab == vocab
    with pytest.raises(ValueError, match="must be 0 to 23, each once"):
        WordPieceTokenizer({**vocab, "the": 999})


def test_special_token_ids(tokenizer):
    assert [tokenizer.pad_token_id, tokenizer.unk_token_id, tokenizer.cls_token_id, tokenizer.sep_token_id,
            tokenizer.mask_token_id] == [tokenizer.vocab[token] for token in SPECIAL_TOKENS]


def test_unusable_vocabularies():
    with pytest.raises(ValueError, match=r"'cat' twice, in lines 7 and 25"):
        WordPieceTokenizer([*TOKENS, "cat"])
    with pytest.raises(ValueError, match=r"lacks \[MASK\]"):
        WordPieceTokenizer([token for token in TOKENS if token != "[MASK]"])
    with pytest.raises(ValueError, match=r"lacks \[PAD\], \[UNK\]"):
        WordPieceTokenizer([])
    with pytest.raises(ValueError, match="lacks <e1>"):
        WordPieceTokenizer(TOKENS, extra_special_tokens=["<e1>"])
    for arguments in [{"vocab": "[PAD]"}, {"vocab": TOKENS, "extra_special_tokens": "the"}]:
        with pytest.raises(ValueError, match="are lists of tokens, got one string"):
            WordPieceTokenizer(**arguments)
    for token in [5, None, "a\nb", "\udfff"]:
        message = "the token with id 24 is .* a token must be a string that makes a line"
        with pytest.raises(ValueError, match=message):
            WordPieceTokenizer([*TOKENS, token])


def test_save_and_load(tmp_path):
    tokenizer = WordPieceTokenizer(
        [*TOKENS, "\u2028", "É"], do_lower_case=False, tokenize_chinese_chars=False)
    folder = tmp_path / "new" / "folder"
    tokenizer.save_pretrained(folder, model_max_length=128)
    again = WordPieceTokenizer.from_pretrained(folder)
    assert again.vocab == tokenizer.vocab
    assert again.tokenize("É the 中文") == tokenizer.tokenize("É the 中文") == ["É", "the", "[UNK]"]
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["tokenizer_class"] == "BertTokenizer" and config["model_max_length"] == 128
    assert config["do_lower_case"] is False and config["mask_token"] == "[MASK]"
    special = json.loads((folder / "special_tokens_map.json").read_text(encoding="utf-8"))
    assert sorted(special.values()) == sorted(SPECIAL_TOKENS)


def test_vocabulary_with_windows_line_ends_and_no_config(tmp_path):
    (tmp_path / "vocab.txt").write_bytes("\r\n".join(TOKENS).encode("utf-8"))
    tokenizer = WordPieceTokenizer.from_pretrained(tmp_path)
    assert tokenizer.id_to_token == TOKENS and tokenizer.do_lower_case


def test_errors_of_files(tmp_path):
    with pytest.raises(ValueError, match="missing is not a directory"):
        WordPieceTokenizer.from_pretrained(tmp_path / "missing")
    with pytest.raises(ValueError, match="holds no vocab.txt"):
        WordPieceTokenizer.from_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_bytes(b"[PAD]\n\xff\n")
    with pytest.raises(ValueError, match=r"vocab.txt is not UTF-8 \(byte offset 6\)"):
        WordPieceTokenizer.from_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("\n".join(TOKENS), encoding="utf-8")
    for content, message in [("{", "is not JSON"), ("[]", "holds a JSON list")]:
        (tmp_path / "tokenizer_config.json").write_text(content, encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            WordPieceTokenizer.from_pretrained(tmp_path)


# --- learning a vocabulary ---

# The example of Sennrich et al. 2016.
SENNRICH = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3


def test_train_by_hand():
    alphabet = ["d", "e", "i", "l", "n", "o", "r", "s", "t", "w",
                "##d", "##e", "##i", "##o", "##r", "##s", "##t", "##w"]
    # "##e ##s" and "##s ##t" occur 9 times each, "l ##o" and "##o ##w" 7 times: the first by code points is
    # taken
    merges = ["##es", "##est", "##ow", "low"]
    tokenizer = WordPieceTokenizer.train(SENNRICH, vocab_size=5 + len(alphabet) + len(merges))
    assert tokenizer.id_to_token == [*SPECIAL_TOKENS, *alphabet, *merges]
    assert tokenizer.tokenize("Lowest!") == ["low", "##est", "[UNK]"]


def _merge(pieces, left, right):
    """Return the pieces of a word with each `left`, `right` made one, from the left."""
    result = []
    for piece in pieces:
        if result[-1:] == [left] and piece == right:
            result[-1] = left + right.removeprefix(CONTINUATION)
        else:
            result.append(piece)
    return result


def _merge_pairs_plainly(counts, num_merges, min_frequency):
    """What merge_pairs does, by counting all pairs anew for each merge."""
    words = {word: [word[0], *(CONTINUATION + character for character in word[1:])] for word in counts}
    merged_pieces = []
    while len(merged_pieces) < num_merges:
        pair_counts = Counter()
        for word, pieces in words.items():
            for pair in zip(pieces, pieces[1:]):
                pair_counts[pair] += counts[word]
        pair = min(pair_counts, key=lambda pair: (-pair_counts[pair], pair), default=None)
        if pair is None or pair_counts[pair] < min_frequency:
            break
        merged = pair[0] + pair[1].removeprefix(CONTINUATION)
        if merged not in merged_pieces:
            merged_pieces.append(merged)
        words = {word: _merge(pieces, *pair) for word, pieces in words.items()}
    return merged_pieces


@pytest.mark.parametrize("seed", range(5))
def test_quick_merging_is_the_plain_one(seed):
    rng = np.random.default_rng(seed)
    counts = Counter()
    for _ in range(300):  # words of few letters: repeated letters, and pieces that two different pairs make
        counts["".join(rng.choice(list("aab"), size=rng.integers(1, 9)))] += int(rng.integers(1, 5))
    merged = merge_pairs(counts, _alphabet(counts, 1), 200, min_frequency=2)
    assert merged == _merge_pairs_plainly(counts, 200, min_frequency=2)
    assert len(merged) > 50


def test_train_is_deterministic_and_keeps_to_its_size():
    rng = np.random.default_rng(0)
    sentences = [" ".join("".join(rng.choice(list("etaoin"), size=4)) for _ in range(8)) for _ in range(100)]
    tokenizer = WordPieceTokenizer.train(iter(sentences), vocab_size=100)
    assert tokenizer.vocab_size == 100
    assert tokenizer.id_to_token == WordPieceTokenizer.train(sentences[::-1], vocab_size=100).id_to_token
    assert tokenizer.id_to_token[:5] == SPECIAL_TOKENS
    assert all(tokenizer.unk_token_id not in tokenizer.ids(sentence) for sentence in sentences)


def test_train_leaves_out_what_is_rare():
    with pytest.warns(UserWarning, match="60.0% of the words"):
        tokenizer = WordPieceTokenizer.train(["aab aab", "qx \ud800 \ud800 [MASK] [MASK]"], vocab_size=1000)
    assert tokenizer.id_to_token == [*SPECIAL_TOKENS, "a", "b", "##a", "##b", "##ab", "aab"]
    assert tokenizer.tokenize("q aab") == ["[UNK]", "aab"]


def test_train_bounds_the_alphabet():
    ideographs = "".join(chr(0x4E00 + index) * (1 + (index < 1000)) for index in range(1200))
    with pytest.warns(UserWarning, match="9.1% of the words"):
        tokenizer = WordPieceTokenizer.train([ideographs], vocab_size=2000, min_frequency=1)
    assert tokenizer.vocab_size == 5 + 1000
    assert tokenizer.tokenize(chr(0x4E00) + chr(0x4E00 + 1100)) == [chr(0x4E00), "[UNK]"]


CHINESE = ["".join(chr(0x4E00 + number) for number in range(3000)) * 2]


def test_the_alphabet_is_as_large_as_asked_for():
    with pytest.warns(UserWarning, match="66.7% of the words .* become .UNK.: .*larger limit_alphabet"):
        assert WordPieceTokenizer.train(CHINESE, vocab_size=8000).vocab_size == 1005
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for limit in (3000, 5000):
            assert WordPieceTokenizer.train(CHINESE, 8000, limit_alphabet=limit).vocab_size == 3005
        assert WordPieceTokenizer.train(CHINESE, 8000, limit_alphabet=None).vocab_size == 3004  # 99.95 %
        rare = [*CHINESE * 10, chr(0x8000) * 2]  # makes up less than 0.05 % of the text
        assert chr(0x8000) not in WordPieceTokenizer.train(rare, 8000, limit_alphabet=None).vocab
    with pytest.warns(UserWarning, match="become .UNK."):
        assert WordPieceTokenizer.train(CHINESE, 2000, limit_alphabet=None).vocab_size == 2000  # no more room
    for limit in (0, -1, 1.5, "all"):
        with pytest.raises(ValueError, match="limit_alphabet is .*; it must be a whole number, 1 or more"):
            WordPieceTokenizer.train(CHINESE, 8000, limit_alphabet=limit)


def test_train_keeps_accents_if_asked():
    tokens = ["ma", "má", "mà", "mả", "mã", "mạ"]
    tokenizer = WordPieceTokenizer.train(tokens * 2, 100, strip_accents=False)
    assert tokenizer.tokenize(" ".join(tokens).upper()) == tokens
    assert set(WordPieceTokenizer.train(tokens * 2, 100).tokenize(" ".join(tokens))) == {"ma"}


def test_train_cased():
    assert "É" in WordPieceTokenizer.train(["É É"], 10, do_lower_case=False).vocab
    assert "e" in WordPieceTokenizer.train(["É É"], 10).vocab


def test_errors_of_train():
    message = "vocab_size 10 is too small: .* alphabet of 18 pieces; give at least 23"
    with pytest.raises(ValueError, match=message):
        WordPieceTokenizer.train(SENNRICH, vocab_size=10)
    for sentences in [[], ["", " "], ["ab"]]:
        with pytest.raises(ValueError, match="no vocabulary can be learned .* give more text"):
            WordPieceTokenizer.train(sentences, vocab_size=100)
    with pytest.raises(ValueError, match=r"a sentence must be a string, got the list \['a', 'b'\]"):
        WordPieceTokenizer.train([["a", "b"]], vocab_size=100)
    with pytest.raises(ValueError, match="put it into a list"):
        WordPieceTokenizer.train("one string", vocab_size=100)
