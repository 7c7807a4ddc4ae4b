"""Rewritten sentences of the toy language: what they are made of, and which are held out."""

import numpy as np
import pytest

from minibert.text.toy import TOY
from minibert.text.toy.rewriting import HELD_OUT_SHARE, ToyRewriting, are_held_out


@pytest.fixture(scope="module")
def rewriting():
    return ToyRewriting(TOY, TOY.tokenizer())


@pytest.fixture(scope="module")
def pairs(rewriting):
    """The plans, sources and targets of 3000 sentences that are not held out."""
    return rewriting.pairs(3000, np.random.default_rng(0))


def test_it_is_the_rewritten_form_of_documents(rewriting, monkeypatch):
    sentences = [sentence for document in TOY.documents(20, seed=3) for sentence in document]
    for sentence in sentences:
        plans = [plan for plan, (slots, rewritten) in enumerate(TOY.templates) if len(rewritten)]
        found = set()
        for template in plans:
            slots, rewritten = TOY.templates[template]
            if len(slots) != len(sentence.words):
                continue
            words = [
                sentence.words[place] if place >= 0 else slot
                for place, slot in zip(rewriting.places[template], rewritten)
            ]
            found.add(tuple(words))
        assert sentence.rewritten in found


def test_a_source_has_one_target(pairs):
    _, sources, targets = pairs
    target_of = {}
    for source, target in zip(sources.tolist(), targets.tolist()):
        assert target_of.setdefault(tuple(source), target) == target
    assert len(target_of) > 2000


def test_alignments_name_the_same_word(rewriting, pairs):
    plans, sources, targets = pairs
    alignments = rewriting.alignments[TOY.template[plans]]
    known = alignments >= 0
    copied = np.take_along_axis(sources, np.maximum(alignments, 0), axis=1)
    assert np.array_equal(copied[known], targets[known]) and known.mean() > 0.5
    slots, rewritten = TOY.templates[0]
    for slot, place in zip(rewritten, rewriting.alignments[0]):
        assert slot == slots[place] if place >= 0 else slots.count(slot) != 1 or rewritten.count(slot) != 1


def test_no_held_out_sentence_is_trained_on(rewriting, pairs):
    assert not are_held_out(pairs[1]).any()
    _, held_out, _ = rewriting.held_out_pairs()
    assert are_held_out(held_out).all() and len(held_out) == 2000
    trained = set(map(tuple, pairs[1].tolist()))
    assert not trained & set(map(tuple, held_out.tolist()))
    different = np.unique(np.concatenate([held_out, pairs[1]]), axis=0)
    assert abs(are_held_out(np.random.default_rng(0).integers(300, size=(20_000, 7))).mean()
               - HELD_OUT_SHARE) < 0.01 and len(different) > 3000


def test_a_batch_holds_words_and_ends(rewriting):
    batch, tokenizer = rewriting.batch(3, 7), TOY.tokenizer()
    for source, mask, target, labels in zip(*(batch[field] for field in (0, 2, 1, 3))):
        assert (source[mask == 1] >= 5).all() and not source[mask == 0].any()
        length = (labels != -100).sum()
        assert target[0] == tokenizer.cls_token_id and labels[length - 1] == tokenizer.sep_token_id
        assert np.array_equal(target[1:length], labels[: length - 1])
