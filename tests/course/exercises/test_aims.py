"""Every "You will be able to" of a lesson has an exercise, and every exercise serves one of them."""

import json
import pathlib
import re

import pytest

from minibert.course import exercises

NOTEBOOKS = pathlib.Path(__file__).parents[3] / "notebooks"
AIMS = {  # lesson: {how an aim begins: the exercises that ask for it}
    "00": {
        "write the shape of every gradient": "gradient_shapes",
        "go backward through a copy": "scatter_add fan_out soft_pooling",
        "derive $p - y$": "label_smoothing",
        "measure a derivative in two ways": "two_slopes",
        "check a backward of your own": "fan_out label_smoothing soft_pooling",
    },
    "01": {
        "say what a **skip-gram** model": "window_pairs noise_words",
        "derive its gradient": "cbow margin_ranking",
        "predict which rows": "touched_rows",
        "find a batch that forgets": "cbow margin_ranking",
        "say what the vectors know": "most_similar",
    },
    "02": {
        "build a co-occurrence table": "distance_counts",
        "explain why GloVe looks at *ratios*": "log_ratios what_stays",
        "say why a cell needs a weight": "one_table huber_glove",
        "write the objective's backward": "adagrad_steps one_table huber_glove",
        "read the scores of GloVe": "shifted_ppmi",
    },
    "03": {
        "say which words before": "who_can_know",
        "count an n-gram model": "interpolated_bigram",
        "go back through time by hand": "three_steps truncated_bptt",
        "derive the backward pass of a gated cell": "gru_cell coupled_gate",
    },
    "04": {
        "give any spelling a vector": "word_from_letters highway",
        "say which words two directions": "forecast_masks product_of_two",
        "read off which layer knows": "scalar_mix",
        "pool the states of a text": "attention_pooling",
        "plan the three stages": "rate_table",
    },
    "05": {
        "compute softmax(QKᵀ/√D)V by hand": "one_head split_heads",
        "say what Q, K, V": "one_head two_facts",
        "derive and check the backward pass": "row_softmax additive_attention relative_bias",
        "say where rows and probabilities go": "permuted_tokens relative_bias",
    },
    "06": {
        "send a gradient back": "scaled_residual tanh_gelu swiglu",
        "derive LayerNorm's backward": "rms_norm seen_by_ones",
        "tell LayerNorm from BatchNorm": "who_changes",
        "explain why a gradient check": "seen_by_ones",
        "tell post-norm from pre-norm": "pre_norm_block",
    },
    "07": {
        "say what attention changed": "steps_in_a_row",
        "lay out a batch": "teacher_forcing",
        "compute cross-attention": "one_key_for_all",
        "say what a fixed shift does": "shift_matrix",
        "say what label smoothing asks for": "smoothed_rows",
        "search for a translation": "ended_beams",
    },
    "08": {
        "turn BERT's block into GPT's": "next_token_loss",
        "compute exactly what right context": "right_context",
        "differentiate a pre-norm block": "rms_block",
        "choose text by greedy": "beam_search top_p",
        "go on from stored keys": "chunk_attention rope",
    },
    "09": {
        "split text into word pieces": "longest_match merge_step",
        "build `input_ids`": "span_mask weighted_mlm_loss",
        "say which tokens are predicted": "count_the_labels span_mask",
        "test a random procedure": "draws_needed",
        "name the accuracy": "not_next_share",
    },
    "10": {
        "name the shape of every array": "bert_shapes bert_parameters",
        "compute BERT's embeddings": "embedding_sum mlm_loss factorised_embedding",
        "show that padding changes nothing": "left_padded_positions masked_mean",
        "predict the loss of an untrained": "first_loss",
    },
    "11": {
        "go back by hand": "six_joints",
        "name each place where gradients": "six_joints shared_stack",
        "say which gradients are exactly zero": "zero_or_not",
        "split the gradient of the tied": "albert_tied_decoder",
        "explain why a falling loss": "planted_bug",
    },
    "12": {
        "count the labels": "baseline_losses z_loss",
        "compute a step of AdamW": "adamw_step clip_global_norm micro_batches",
        "hold a run against exact limits": "exact_limits",
        "measure a frozen encoder": "error_bars",
        "show that an attention map": "head_removal",
    },
    "13": {
        "give each layer its rate": "layer_rates",
        "say why a run fails": "first_steps",
        "train a small matrix": "lora",
        "judge a whole path of labels": "crf viterbi",
        "tell what a probe finds": "selectivity same_means",
    },
    "14": {
        "compute what it costs": "words_apart",
        "say what an order lets": "two_masks",
        "show by gradients why": "both_streams",
        "let attention know distances": "alibi t5_buckets",
        "say how far a memory reaches": "reach_of_memory",
    },
    "15": {
        "count what a training step computes": "lora_memory block_moments",
        "say what a method saves": "less_same_more",
        "teach a small model": "reverse_kl",
        "make data that ask for the order": "sentence_order",
        "replace words as ELECTRA's generator": "gumbel_draws",
        "plan a large run from small ones": "scaling_law",
    },
    "16": {
        "read a tensor": "tensor_from_bytes",
        "translate names and layouts": "our_name silent_loading",
        "say where the parameters": "parts_of_bert",
        "make and compare sentence vectors": "sentence_vector ranking_loss",
        "say what 16 or 8 bits": "tensor_from_bytes int8_rows",
    },
}


@pytest.mark.parametrize("number", exercises.lessons())
def test_every_aim_has_an_exercise_and_every_exercise_an_aim(number):
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    first = "".join(json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"])
    aims = re.findall(r"^- (.*)", first.partition("You will be able to")[2], re.MULTILINE)
    assert len(aims) == len(AIMS[number])
    assert [(aim, begins) for aim, begins in zip(aims, AIMS[number]) if not aim.startswith(begins)] == []
    served = " ".join(AIMS[number].values()).split()
    assert set(served) == {exercise.name for exercise in exercises.lessons()[number]}
    assert all(AIMS[number].values())
