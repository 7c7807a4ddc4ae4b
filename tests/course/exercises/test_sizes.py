"""All sizes in the data of an exercise differ, so that no answer with a wrong axis or count fits by chance.

AXES names the axes of each argument, as the lesson's text does. A letter has one length in all arguments, and
two letters never have the same. Lengths 0 and 1 are edges and may occur twice.
"""

import re

import numpy as np
import pytest
from course.exercises.solutions import FOLDER as SOLUTIONS

from minibert.course import exercises
from minibert.course.exercises.kinds import Function, Gradients
from minibert.course.exercises.variants import own

# "B T H": the axes of an array. "=L": an integer that is a size. "[K]": the length of a list. "": no size.
AXES = {
    "scatter_add": ("B T", "B T H", "=V"),
    "log_ratios": ("V D", "V D", "V", "V", "", ""),
    "fan_out": ("B T H", "H H"),
    "label_smoothing": ("N C", "N", ""),
    "soft_pooling": ("B T H", "H"),
    "window_pairs": ("[T]", "=W"),
    "cbow": ("V D", "V D", "C", "", "K"),
    "margin_ranking": ("V D", "V D", "", "", "K", ""),
    "most_similar": ("V D", "[P]", "[N]", "=K"),
    "noise_words": ("V", "K"),
    "distance_counts": ("T", "=V", "=W"),
    "adagrad_steps": ("D", "S D", ""),
    "shifted_ppmi": ("V C", "=K"),
    "one_table": ("V D", "V", "K", "K", "K", ""),
    "huber_glove": ("V D", "V D", "V", "V", "K", "K", "K", "", ""),
    "interpolated_bigram": ("[N]", "=V", ""),
    "three_steps": ("B T D", "B H", "D H", "H H", "H C"),
    "truncated_bptt": ("B T D", "B T H", "D H", "H H", "=W"),
    "gru_cell": ("B D", "B H", "D G", "H G"),
    "coupled_gate": ("B T D", "D H", "D H"),
    "word_from_letters": ("N C", "V D", "W D F"),
    "highway": ("B T H", "H H", "H H", "H H"),
    "forecast_masks": ("[B]", "=T"),
    "product_of_two": ("L W R",),
    "scalar_mix": ("J B T H", "J", "G"),
    "attention_pooling": ("B T H", "H", "B T"),
    "rate_table": ("=E", "=N", "=G", ""),
    "row_softmax": ("B Q K",),
    "one_head": ("Q D", "K D", "K W", "Q K"),
    "split_heads": ("B T H", "=A"),
    "two_facts": ("=T",),
    "additive_attention": ("B Q E", "B K H", "E U", "H U", "U"),
    "relative_bias": ("B A T D", "B A T D", "B A T D", "A P", "=R"),
    "scaled_residual": ("B T H", "H"),
    "tanh_gelu": ("B T H",),
    "rms_norm": ("B T H", "H", ""),
    "swiglu": ("B T H", "H F", "H F", "F H"),
    "pre_norm_block": ("B T H",),
    "teacher_forcing": ("[B]", "[B]", "", "", ""),
    "one_key_for_all": ("B A T D", "B S D", "B S E", "B S"),
    "shift_matrix": ("=H", "", ""),
    "smoothed_rows": ("N V", "N", "", ""),
    "ended_beams": ("V", "V V", "", "=L", "=K", ""),
    "words_apart": ("P Q",),
    "two_masks": ("[T]", "=N", "=S"),
    "both_streams": ("", "", "T H"),
    "alibi": ("B A T D", "B A K D", "B A K E", "A"),
    "t5_buckets": ("=T", "=K", "=N", "=M"),
    "block_moments": ("P Q R", "=S", "K"),
    "reverse_kl": ("B T V", "B T", "B T V", ""),
    "sentence_order": ("[D]", "=M", "K J"),
    "gumbel_draws": ("V", "N V", ""),
    "scaling_law": ("S", "S", "M"),
    "next_token_loss": ("B T V", "B T", "B T"),
    "right_context": ("P Q R",),
    "rms_block": ("B T H", "H", "H F", "F H"),
    "rope": ("B A T D", "T", ""),
    "beam_search": ("V", "V V", "=L", "=K"),
    "top_p": ("V", ""),
    "chunk_attention": ("N D", "N D", "N E", "P D", "P E"),
    "longest_match": ("[T]", "[V]"),
    "merge_step": ("[N]",),
    "not_next_share": ("[N]", "=S", ""),
    "span_mask": ("T", "T", "[S]", "=M", "T", ""),
    "weighted_mlm_loss": ("B T V", "B T", "V"),
    "embedding_sum": ("B T", "B T", "V H", "P H", "G H"),
    "mlm_loss": ("B T H", "B T", "H H", "H", "V H", "V"),
    "bert_parameters": ("=V", "=H", "=F", "=L", "=P"),
    "left_padded_positions": ("B T",),
    "factorised_embedding": ("B T", "V E", "E H"),
    "masked_mean": ("B T H", "B T"),
    "six_joints": ("B T", "B T", "M", "M", "B", "V H", "P H", "G H", "H D", "H D", "H G"),
    "planted_bug": ("B T H", "H H", "H"),
    "albert_tied_decoder": ("B T", "M", "V E", "E H", "H E"),
    "shared_stack": ("B T H", "H H", "H", "=L"),
    "adamw_step": ("P Q", "P Q", "P Q", "P Q", "", "", "", "", "", ""),
    "clip_global_norm": ("[K]", ""),
    "exact_limits": ("N V", "N V"),
    "error_bars": ("S", "R"),
    "head_removal": ("A T T", "A T D", "P H", "", "", "=K"),
    "micro_batches": ("[K]", "H V"),
    "z_loss": ("B T V", "B T", ""),
    "int8_rows": ("P Q",),
    "layer_rates": ("[P]", "=L", "", ""),
    "lora": ("B T H", "H R", "R F", "H F", ""),
    "crf": ("B T K", "K K", "B T", "B T"),
    "viterbi": ("T K", "K K"),
    "selectivity": ("N H", "N", "N", "V", "N", ""),
    "same_means": ("N H", "N"),
    "sentence_vector": ("B T H", "B T"),
    "ranking_loss": ("B H", "B H", ""),
}
NO_SIZES = {"draws_needed", "two_slopes", "our_name", "tensor_from_bytes"}  # numbers, strings, bytes

# sizes that no axis has: {letter: length}
COUNTED = {
    "relative_bias": lambda *inputs, max_distance: {"R": max_distance},
    "pre_norm_block": lambda x: {"A": 2, "D": 3, "F": 7},  # as the notebook makes the block
    "split_heads": lambda x, num_heads: {"D": x.shape[2] // num_heads},
    "teacher_forcing": lambda sources, targets, *ids: {
        "S": max(map(len, sources)), "T": max(map(len, targets)) + 1},
    "one_key_for_all": lambda query, key, value, source_mask: {"words of 1": source_mask[1].sum()},
    "smoothed_rows": lambda logits, labels, epsilon, pad: {"M": (labels != pad).sum()},
    "alibi": lambda query, key, value, slopes: {"K - T": key.shape[2] - query.shape[2]},
    "block_moments": lambda moments, size, levels: {"blocks": -(-moments.size // size)},
    "reverse_kl": lambda student, mask, **constants: {"N": mask.sum()},
    "weighted_mlm_loss": lambda logits, labels, token_weights: {"M": (labels != -100).sum()},
    "z_loss": lambda logits, labels, z_weight: {"M": (labels != -100).sum()},
    "mlm_loss": lambda states, labels, *head: {"M": (labels != -100).sum()},
    "masked_mean": lambda x, mask: {f"tokens of {b}": row.sum() for b, row in enumerate(mask[1:])},
    "sentence_vector": lambda x, mask: {f"tokens of {b}": row.sum() for b, row in enumerate(mask[1:])},
    "clip_global_norm": lambda gradients, max_norm: {
        f"axis {axis} of {k}": length
        for k, grad in enumerate(gradients)
        for axis, length in enumerate(grad.shape)
    },
    "micro_batches": lambda batches, weight: {
        f"rows of {k}": len(labels) for k, (_, labels) in enumerate(batches.parts)
    },
}
CHECKED = {
    exercise.name: exercise
    for lesson in exercises.lessons().values()
    for exercise in lesson
    if isinstance(exercise, (Function, Gradients)) and exercise.name not in NO_SIZES
}


def data(exercise):
    """Every (arguments, constants) that an answer is given."""
    if isinstance(exercise, Function):
        return [(arguments, {}) for arguments, _ in exercise.cases]
    return [exercise.arguments(), *((edge[0], edge[1]) for edge in exercise.edges)]


def lengths(argument, axes):
    """Pairs (letter, length) of one argument."""
    if argument is None or not axes:
        return []
    if axes.startswith("="):
        return [(axes[1:], argument)]
    if axes.startswith("["):
        return [(axes[1:-1], len(getattr(argument, "parts", argument)))]
    return list(zip(axes.split(), np.shape(argument)))


@pytest.mark.parametrize("name", CHECKED)
def test_all_sizes_of_an_exercise_differ(name):
    """Everybody's, and those of one student."""
    for arguments, constants in [*data(CHECKED[name]), *data(own(CHECKED[name], "kim"))]:
        values = [*arguments, *constants.values()]
        pairs = [pair for value, axes in zip(values, AXES[name]) for pair in lengths(value, axes)]
        pairs += COUNTED.get(name, lambda *inputs, **constants: {})(*arguments, **constants).items()
        sizes = dict(pairs)
        assert all(sizes[letter] == length for letter, length in pairs), f"{name}: wrong letters: {pairs}"
        large = [length for length in sizes.values() if length > 1]
        assert len(set(large)) == len(large), f"{name}: sizes that are equal, in {sizes}"


def test_every_exercise_with_data_names_its_axes():
    assert set(AXES) == set(CHECKED)


@pytest.mark.parametrize("name", ["00_gradients", "10_bert_forward"])
def test_the_sizes_that_a_text_states_differ(name):
    """ "B = 3, T = 7" in the exercises that ask for shapes."""
    text = (SOLUTIONS.parent / f"{name}.ipynb").read_text(encoding="utf-8").partition("## Exercises")[2]
    stated = [re.findall(r"\b[A-Z] = (\d+)", line) for line in re.findall(r"B = \d+.*", text)]
    assert max(map(len, stated)) >= 5
    assert all(len(set(sizes)) == len(sizes) for sizes in stated)
