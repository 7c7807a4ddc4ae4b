"""BERT with each head beside transformers: files in both directions, pipelines; needs the extra reference."""

import os
import re
import warnings

import heads_reference
import numpy as np
import pytest
from helpers import scrambled
from make_reference import tensors
from test_stored import assert_gradients_equal

import minibert
from minibert.huggingface import CheckpointWarning
from minibert.layers.softmax import softmax

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)

NAMES = {0: "negative", 1: "neutral", 2: "positive"}
TEXTS = ["The old dog sees the river.", "a bright song", "the happy teacher reads the small book."]


def new_model(model_class, folder, **changes):
    """A model of ours on the encoder of a finished run, its weights large enough to tell texts apart."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)
        model = model_class.from_pretrained(folder, **changes)
    return scrambled(model)


def saved(model, tokenizer_folder, folder):
    model.save_pretrained(folder)
    minibert.WordPieceTokenizer.from_pretrained(tokenizer_folder).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("case", heads_reference.CASES)
def test_from_transformers_here_and_back(case, tmp_path, capfd):
    """No weight is missing or left over, nothing is said, and the answers are the same."""
    theirs = heads_reference.torch_model(case)
    theirs.save_pretrained(tmp_path / "theirs")
    model_class, _ = heads_reference.CASES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = getattr(minibert, model_class).from_pretrained(tmp_path / "theirs")
    assert ours.config.id2label == theirs.config.id2label and ours.config.label2id == theirs.config.label2id
    ours.save_pretrained(tmp_path / "ours")
    capfd.readouterr()
    back, info = getattr(transformers, model_class).from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    printed = capfd.readouterr().err
    assert not any(info.values()), info
    assert not re.search("REPORT|MISSING|UNEXPECTED|newly initialized|not used|warning", printed), printed
    assert back.config.id2label == theirs.config.id2label and back.config.label2id == theirs.config.label2id
    assert back.config.num_labels == len(theirs.config.id2label)
    assert back.config.problem_type == heads_reference.CASES[case][1].get("problem_type")
    before, after = theirs.state_dict(), back.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    batch = heads_reference.batch_of(case, seed=3)
    output, cache = ours.forward(**batch)
    expected = back(**tensors(batch))
    assert abs(output.loss - expected.loss.item()) <= 1e-10
    expected.loss.backward()
    ours.backward(cache)
    assert_gradients_equal(ours, {name: item.grad.numpy() for name, item in back.named_parameters()})


def test_a_new_head_on_a_run_of_ours(finished_run, tmp_path):
    """transformers takes the same tensors from a pretraining run, and lacks the same."""
    for name in ("SequenceClassification", "TokenClassification", "QuestionAnswering", "MultipleChoice"):
        changes = {} if name in ("QuestionAnswering", "MultipleChoice") else {"num_labels": 3}
        _, info = getattr(minibert, f"BertFor{name}").from_pretrained(
            finished_run, output_loading_info=True, **changes)
        _, theirs = getattr(transformers, f"BertFor{name}").from_pretrained(
            finished_run, output_loading_info=True, **changes)
        assert sorted(info.missing_keys) == sorted(theirs["missing_keys"])


@pytest.mark.parametrize("is_pair", [False, True])
def test_the_pipeline_that_classifies_texts_gives_our_answers(is_pair, finished_run, tmp_path):
    model = new_model(minibert.BertForSequenceClassification, finished_run, id2label=NAMES)
    folder = saved(model, finished_run, tmp_path / "model")
    classify = transformers.pipeline("text-classification", model=str(folder), top_k=None)
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(folder)
    for text in TEXTS:
        encoding = tokenizer.encode(text, "the song" if is_pair else None)
        batch = [array[np.newaxis] for array in encoding]
        probs = softmax(model.forward(*batch)[0].logits)[0]
        [answers] = classify([{"text": text, "text_pair": "the song"} if is_pair else text])
        scores = {answer["label"]: answer["score"] for answer in answers}
        assert scores == pytest.approx({NAMES[k]: probs[k] for k in range(3)}, rel=1e-4, abs=1e-6)


def test_the_pipeline_that_labels_tokens_gives_our_answers(finished_run, tmp_path):
    names = {0: "O", 1: "B-ANIMAL", 2: "I-ANIMAL"}
    model = new_model(minibert.BertForTokenClassification, finished_run, id2label=names)
    folder = saved(model, finished_run, tmp_path / "model")
    tag = transformers.pipeline("token-classification", model=str(folder), ignore_labels=[])
    tokenizer = minibert.WordPieceTokenizer.from_pretrained(folder)
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        logits = model.forward(encoding.input_ids[np.newaxis])[0].logits
        probs = softmax(logits)[0, 1:-1]  # without [CLS] and [SEP]
        answers = tag(text)
        assert [answer["entity"] for answer in answers] == [names[k] for k in probs.argmax(axis=1)]
        found = [answer["score"] for answer in answers]
        assert found == pytest.approx(probs.max(axis=1), rel=1e-4)


def test_our_answers_from_a_folder_of_transformers(finished_run, tmp_path):
    """A classifier that transformers made and saved, read by us and by its pipeline; and a regression."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(finished_run)
    for names, function in ((NAMES, softmax), ({0: "stars"}, lambda logits: logits)):
        theirs = transformers.BertForSequenceClassification.from_pretrained(
            finished_run, id2label=names, label2id={name: number for number, name in names.items()})
        with torch.no_grad():
            theirs.classifier.weight.normal_(0.0, 3.0, generator=torch.Generator().manual_seed(1))
        theirs.save_pretrained(tmp_path)
        tokenizer.save_pretrained(tmp_path)
        ours = minibert.BertForSequenceClassification.from_pretrained(tmp_path)
        our_tokenizer = minibert.WordPieceTokenizer.from_pretrained(tmp_path)
        apply = "none" if len(names) == 1 else "softmax"
        classify = transformers.pipeline(
            "text-classification", model=str(tmp_path), top_k=None, function_to_apply=apply)
        for text in TEXTS:
            scores = function(ours.forward(our_tokenizer.encode(text).input_ids[np.newaxis])[0].logits)[0]
            answers = {answer["label"]: answer["score"] for answer in classify([text])[0]}
            assert answers == pytest.approx({names[k]: scores[k] for k in names}, rel=1e-4, abs=1e-6)
