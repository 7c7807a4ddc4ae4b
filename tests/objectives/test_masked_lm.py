"""BERT's objective: what is evaluated, beside which baselines, and that a run learns more than they know."""

import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from runs import begin, training_of

from minibert.objectives import masked_lm
from minibert.objectives.masked_lm import MaskedLMRecipe
from minibert.objectives.word2vec_start import word2vec_rows
from minibert.text.corpora import load_corpus, split_held_out
from minibert.text.examples import PairBatch
from minibert.text.tokenizer import BasicTokenizer
from minibert.word_vectors.word2vec import Word2Vec


@pytest.fixture(scope="module")
def run(tiny_recipe):
    return training_of(tiny_recipe(threads=2))


def test_evaluation_is_the_plain_mean_over_all_held_out_examples(run, monkeypatch):
    for parameter in run.model.parameters().values():  # so that not all predictions are alike
        parameter.value += np.random.default_rng(0).normal(0, 0.3, parameter.value.shape).astype(np.float32)
    # Batches of different sizes: the mean over examples is not the mean of the batches' means.
    parts = (slice(0, 1), slice(1, 3), slice(3, None))
    pieces = [
        PairBatch(*(array[part] for array in batch)) for [batch] in run.objective.held_out for part in parts
    ]
    pieces = [piece for piece in pieces if len(piece.input_ids)]
    monkeypatch.setattr(run.objective, "held_out", [pieces[:2], pieces[2:]])
    assert len({len(batch.input_ids) for batch in pieces}) > 1
    mlm_losses, mlm_right, nsp_losses, nsp_right = [], [], [], []
    model = run.model.astype(np.float64)
    for batch in pieces:
        output, _ = model.forward(batch.input_ids, batch.token_type_ids, batch.attention_mask)
        for row, column in np.argwhere(batch.labels != -100):
            logits, label = output.prediction_logits[row, column], batch.labels[row, column]
            mlm_losses.append(np.log(np.exp(logits).sum()) - logits[label])
            mlm_right.append(logits.argmax() == label)
        for logits, label in zip(output.seq_relationship_logits, batch.next_sentence_label):
            nsp_losses.append(np.log(np.exp(logits).sum()) - logits[label])
            nsp_right.append(logits.argmax() == label)
    evaluation = run.evaluate()
    assert 0 < evaluation.nsp_accuracy < 1
    expected = [np.mean(mlm_losses), np.mean(mlm_right), np.mean(nsp_losses), np.mean(nsp_right)]
    np.testing.assert_allclose(evaluation[:4], expected, rtol=1e-5)
    assert evaluation.phenomena == {}


def test_baselines_by_hand():
    ignored = -100
    batches = [
        PairBatch(None, None, None, np.array([[ignored, 0, 0], [2, ignored, ignored]]), np.array([1, 1])),
        PairBatch(None, None, None, np.array([[1, ignored]]), np.array([0])),
    ]
    pairs = SimpleNamespace(
        unigram=np.log([1 / 2, 1 / 4, 1 / 8, 1 / 8]), held_out=[batches], pieces_per_word=1.5
    )
    baselines = masked_lm.baselines(pairs)
    assert baselines.unigram_loss == pytest.approx((1 + 1 + 3 + 2) / 4 * math.log(2), rel=1e-12)
    assert baselines.majority_accuracy == pytest.approx(2 / 3)
    assert baselines.pieces_per_word == 1.5
    pairs.held_out = [[PairBatch(None, None, None, np.array([[0]]), np.array([0]))]]
    assert masked_lm.baselines(pairs).majority_accuracy == 1.0


def test_baselines_of_a_run_are_counted_in_its_text(run, corpus):
    objective, tokenizer = run.objective, run.objective.tokenizer
    training, held_out = split_held_out(load_corpus([str(corpus)]))
    counts = Counter(token for sentence in training.sentences for token in tokenizer.tokenize(sentence))
    total = counts.total() + tokenizer.vocab_size
    losses = [
        -math.log((counts[tokenizer.id_to_token[label]] + 1) / total)
        for [batch] in objective.held_out
        for label in batch.labels.ravel()
        if label != -100
    ]
    assert objective.baselines.unigram_loss == pytest.approx(sum(losses) / len(losses), rel=1e-9)
    num_words = sum(len(BasicTokenizer().words(sentence)) for sentence in held_out.sentences)
    num_pieces = sum(len(tokenizer.tokenize(sentence)) for sentence in held_out.sentences)
    assert objective.baselines.pieces_per_word == pytest.approx(num_pieces / num_words)


@pytest.mark.exhaustive
def test_training_learns_more_than_the_baseline(tiny_recipe, tmp_path):
    evaluation, training = begin(
        tmp_path / "run",
        tiny_recipe(num_steps=150, hidden_size=24, batch_size=16, learning_rate=1e-2, dropout=0.0),
    )
    assert evaluation.mlm_loss < training.objective.baselines.unigram_loss - 0.2


def test_the_files_that_are_saved_are_named(run, tmp_path):
    run.objective.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(run.objective.files)


def test_the_unigram_model_lies_beside_the_model(finished_run, run, tmp_path):
    assert np.array_equal(masked_lm.load_unigram(finished_run), run.objective.pairs.unigram)
    assert masked_lm.load_unigram(tmp_path) is None


# --- what is read first ---


def test_the_first_steps_read_twice_as_many_sequences_half_as_long(tiny_recipe):
    recipe = tiny_recipe(num_steps=10, short_first=0.5)
    objective, plain = training_of(recipe).objective, training_of(tiny_recipe(num_steps=10)).objective
    assert objective.description().endswith("(50% of them with twice as many, half as long)")
    for step in range(10):
        batch, without = objective.batch(step), plain.batch(step)
        if step < 5:
            assert len(batch.labels) == 2 * recipe.batch_size
            assert recipe.seq_length // 2 - 3 < batch.labels.shape[1] <= recipe.seq_length // 2
        else:
            assert np.array_equal(batch.input_ids, without.input_ids)


def test_short_sequences_keep_room_for_a_pair(tiny_recipe):
    objective = training_of(tiny_recipe(num_steps=2, short_first=0.5, seq_length=8)).objective
    assert objective.batch(0).labels.shape[1] == 5


def test_a_model_that_goes_on_and_the_toy_language_have_no_short_steps(finished_run):
    assert MaskedLMRecipe.of().short_first == 0.5
    assert MaskedLMRecipe.of(recipe="fast", start=str(finished_run)).short_first == 0
    assert MaskedLMRecipe.of(["toy"]).short_first == 0
    with pytest.raises(ValueError, match="the toy language's pairs are short: short_first is 0.5; make it 0"):
        training_of(MaskedLMRecipe.of(["toy"], short_first=0.5, num_steps=2))


# --- what the weights start from, and what steps them ---


def test_the_token_embeddings_start_from_word2vec_by_name_not_by_place(tiny_recipe):
    started = training_of(tiny_recipe(embedding_start="word2vec", initializer_range=0.07))
    table, random = (
        each.model.bert.embeddings.token.weight.value for each in (started, training_of(tiny_recipe()))
    )
    rows, vectors = started.objective.word2vec_rows
    np.testing.assert_allclose(table[rows], 0.07 * vectors, rtol=1e-6)
    np.testing.assert_allclose(table[rows].mean(axis=0), 0, atol=1e-6)
    assert table[rows].std() == pytest.approx(0.07, rel=1e-6)
    tokenizer, sentences = started.objective.tokenizer, list(started.objective.pairs.sentences())
    learned = Word2Vec(sentences, vector_size=12, min_count=1, window=5, epochs=5, seed=0)
    before = learned.vectors - learned.vectors.mean(axis=0)
    for token in ("the", ".", "dog"):
        cosine = table[tokenizer.vocab[token]] @ before[learned.index[token]]
        assert cosine == pytest.approx(
            np.linalg.norm(table[tokenizer.vocab[token]]) * np.linalg.norm(before[learned.index[token]])
        )
    special = [tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id]
    assert not set(special) & set(rows)
    np.testing.assert_allclose(table[special], 7 / 5 * random[special], rtol=1e-6)


def test_word2vec_reads_the_training_text_alone(run):
    tokenized = run.objective.pairs.examples.tokenized
    sentences = list(run.objective.pairs.sentences())
    ids = [run.objective.tokenizer.vocab[piece] for sentence in sentences for piece in sentence]
    assert ids == tokenized.ids.tolist() and len(sentences) == len(tokenized.sentence_starts) - 1


def test_a_text_whose_sentences_are_single_tokens_starts_at_random():
    tokenizer = SimpleNamespace(vocab={"a": 0, "b": 1})
    rows, vectors = word2vec_rows(tokenizer, [["a"], ["b"]], size=6, seed=0)
    assert rows == [] and vectors.shape == (0, 6)


def test_muon_steps_the_hidden_matrices_and_adamw_the_rest(tiny_recipe):
    adamw, muon = training_of(tiny_recipe(optimizer="muon")).optimizer.optimizers
    assert all(parameter.value.ndim == 2 for parameter in muon.parameters.values())
    assert {name.split(".")[0] for name in muon.parameters} == {"bert", "mlm_head"}
    assert len(muon.parameters) == 2 * 6 + 2  # a pooler and a head beside two layers
    matrices = [name for name, parameter in adamw.parameters.items() if parameter.value.ndim == 2]
    assert matrices == [
        "bert.embeddings.token.weight", "bert.embeddings.position.weight", "bert.embeddings.segment.weight",
        "nsp_head.weight",
    ]


@pytest.mark.parametrize("changes", [{"optimizer": "sgd"}, {"embedding_start": "glove"}])
def test_an_optimizer_or_a_start_that_there_is_not(tiny_recipe, changes):
    [(name, value)] = changes.items()
    with pytest.raises(ValueError, match=f"there is no {name} '{value}': choose "):
        training_of(tiny_recipe(**changes))
