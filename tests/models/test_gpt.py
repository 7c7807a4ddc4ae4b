"""GPT and GPT-2: what a position may see, a step with state, and what is said when they are used wrongly."""

import json
import math

import numpy as np
import pytest
from helpers import ATTENTION_MASK, INPUT_IDS, A, B, D, H, T, V, scrambled

import minibert as mb
from minibert import files, huggingface
from minibert.huggingface import CheckpointError, CheckpointWarning, checkpoint

SIZES = {
    "vocab_size": V, "hidden_size": H, "num_hidden_layers": 2, "num_attention_heads": A,
    "max_position_embeddings": 9,
}
MODELS = {
    "gpt": (mb.OpenAIGPTLMHeadModel, mb.OpenAIGPTConfig(**SIZES)),
    "gpt2": (mb.GPT2LMHeadModel, mb.GPT2Config(**SIZES, intermediate_size=7)),
}
LEFT_IDS, LEFT_MASK = INPUT_IDS[:, ::-1], ATTENTION_MASK[:, ::-1]
both = pytest.mark.parametrize("name", MODELS)


def make(name, dtype=np.float64):
    model_class, config = MODELS[name]
    return scrambled(model_class(config, dtype=dtype))


def logits_of(model, input_ids, **options):
    return model.forward(input_ids, **options)[0].logits


@both
@pytest.mark.parametrize("mask", [None, LEFT_MASK], ids=["no padding", "padding"])
def test_no_position_sees_a_later_one(name, mask):
    """The derivative of a logit with respect to the embedding of every later token is exactly 0."""
    model = make(name)
    labels = np.full((B, T), -100)
    labels[:, 3] = 5  # predicted at position 2
    _, cache = model.forward(LEFT_IDS, mask, labels)
    d_embeddings = model.backward(cache)
    assert not d_embeddings[:, 3:].any() and d_embeddings[[0, 3], 2].all()
    later = LEFT_IDS.copy()
    later[:, 3:] = (later[:, 3:] + 1) % V
    before, after = (logits_of(model, ids, attention_mask=mask) for ids in (LEFT_IDS, later))
    assert np.array_equal(before[:, :3], after[:, :3]) and not np.allclose(before[:, 3], after[:, 3])


@both
@pytest.mark.parametrize("mask", [None, LEFT_MASK, ATTENTION_MASK], ids=["no padding", "left", "right"])
def test_a_step_with_state_is_the_full_pass(name, mask):
    model = make(name)
    whole = model.forward(LEFT_IDS, mask)[0]
    is_token = np.ones((B, T), bool) if mask is None else mask == 1
    for cuts in ((2,), (1, 2, 3, 4)):
        state, found, start = None, [], 0
        for end in (*cuts, T):
            masked = None if mask is None else mask[:, :end]
            output, _ = model.forward(LEFT_IDS[:, start:end], masked, state=state)
            state, start = output.state, end
            found.append(output.logits)
        error = np.abs(np.concatenate(found, axis=1) - whole.logits)[is_token].max()
        assert error <= 1e-12, cuts
    assert [array.shape for pair in whole.state for array in pair] == [(B, A, T, D)] * 4


@both
def test_padding_changes_nothing(name):
    model = make(name)
    padded = logits_of(model, LEFT_IDS, attention_mask=LEFT_MASK)
    for row in range(B):
        tokens = LEFT_MASK[row] == 1
        alone = logits_of(model, LEFT_IDS[row : row + 1, tokens])
        np.testing.assert_allclose(padded[row, tokens], alone[0], rtol=0, atol=1e-12)
    on_the_right = logits_of(model, INPUT_IDS, attention_mask=ATTENTION_MASK)
    alone = logits_of(model, INPUT_IDS[1:2, :3])
    np.testing.assert_allclose(on_the_right[1, :3], alone[0], rtol=0, atol=1e-12)


@both
def test_labels_are_the_input_ids_shifted_inside(name):
    model = make(name)
    labels = np.where(LEFT_MASK == 1, LEFT_IDS, -100)
    output, _ = model.forward(LEFT_IDS, LEFT_MASK, labels)
    logits = logits_of(model, LEFT_IDS, attention_mask=LEFT_MASK)
    rows, columns = np.nonzero(labels[:, 1:] != -100)
    chosen = logits[rows, columns]
    log_probs = chosen - np.log(np.exp(chosen).sum(axis=1, keepdims=True))
    answers = labels[rows, columns + 1]
    np.testing.assert_allclose(output.loss, -log_probs[np.arange(len(rows)), answers].mean(), rtol=1e-13)
    np.testing.assert_allclose(output.logits, chosen, rtol=0, atol=1e-12)
    assert output.counts == {"next": len(rows)} and output.next_loss == output.loss


def test_gpt2_begins_with_smaller_projections_into_the_sum():
    config = mb.GPT2Config(V, hidden_size=60, num_hidden_layers=8, num_attention_heads=3)
    assert config.intermediate_size == 240
    block = mb.GPT2LMHeadModel(config).blocks[7]
    for projection in (block.attention.output, block.feed_forward.output):
        ratio = projection.weight.value.std() / block.attention.query.weight.value.std()
        assert abs(ratio * math.sqrt(2 * 8) - 1) < 0.1


@both
def test_the_output_is_the_token_table(name):
    model = make(name)
    assert model.output.weight is model.embeddings.token.weight
    assert "output.weight" not in model.parameters()


# --- checkpoints ---


@both
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_checkpoint_comes_back(name, dtype, tmp_path):
    model = make(name, dtype)
    model.save_pretrained(tmp_path)
    back = type(model).from_pretrained(tmp_path)
    assert back.config == model.config
    assert back.parameters().keys() == model.parameters().keys()
    for key, parameter in model.parameters().items():
        assert np.array_equal(back.parameters()[key].value, parameter.value), key
        assert back.parameters()[key].value.dtype == dtype


@both
def test_names_in_the_file(name):
    """Read from transformers 5.24: Conv1D weights are (in, out); query, key and value lie side by side."""
    model = make(name)
    arrays = huggingface.state_dict(model)
    block, prefix = model.blocks[1], "transformer.h.1."
    assert len(arrays) == len(model.parameters()) - 8  # three become one, four times
    three = (block.attention.query, block.attention.key, block.attention.value)
    weights = np.concatenate([part.weight.value for part in three], axis=1)
    assert np.array_equal(arrays[f"{prefix}attn.c_attn.weight"], weights)
    biases = np.concatenate([part.bias.value for part in three])
    assert np.array_equal(arrays[f"{prefix}attn.c_attn.bias"], biases)
    assert np.array_equal(arrays[f"{prefix}attn.c_proj.weight"], block.attention.output.weight.value)
    assert np.array_equal(arrays[f"{prefix}mlp.c_fc.weight"], block.feed_forward.intermediate.weight.value)
    assert np.array_equal(arrays[f"{prefix}ln_2.weight"], block.output_norm.gamma.value)
    table = "transformer.wte.weight" if name == "gpt2" else "transformer.tokens_embed.weight"
    assert np.array_equal(arrays[table], model.embeddings.token.weight.value)


def test_the_exact_gelu_has_no_name_in_gpt(tmp_path):
    """In transformers' GPT "gelu" is the tanh form."""
    make("gpt").save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert (content["afn"], content["n_embd"], content["model_type"]) == ("gelu", H, "openai-gpt")
    with pytest.raises(ValueError, match="hidden_act 'gelu' is not one of GPT's"):
        mb.OpenAIGPTConfig(V, hidden_act="gelu")
    with pytest.raises(ValueError, match="intermediate_size 7 is not 4 times hidden_size 128"):
        mb.OpenAIGPTConfig(V, intermediate_size=7)


# As transformers' GPT2LMHeadModel has them; {} is a layer.
TENSORS_OF_GPT2 = {
    "wte.weight": (50257, 768), "wpe.weight": (1024, 768), "ln_f.weight": (768,), "ln_f.bias": (768,),
    **{f"h.{{}}.{name}.{kind}": (768,) for name in ("ln_1", "ln_2") for kind in ("weight", "bias")},
    "h.{}.attn.c_attn.weight": (768, 2304), "h.{}.attn.c_attn.bias": (2304,),
    "h.{}.attn.c_proj.weight": (768, 768), "h.{}.attn.c_proj.bias": (768,),
    "h.{}.mlp.c_fc.weight": (768, 3072), "h.{}.mlp.c_fc.bias": (3072,),
    "h.{}.mlp.c_proj.weight": (3072, 768), "h.{}.mlp.c_proj.bias": (768,),
    "h.{}.attn.bias": (1, 1, 1024, 1024), "h.{}.attn.masked_bias": (),
}


def test_a_file_with_the_names_and_shapes_of_the_published_gpt2(tmp_path):
    """Without prefix, with the buffers of older versions; the numbers are a hole in the file."""
    header, start = {}, 0
    for name, shape in TENSORS_OF_GPT2.items():
        for layer in range(12 if "{}" in name else 1):
            end = start + 4 * math.prod(shape)
            header[name.format(layer)] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
            start = end
    text = json.dumps(header).encode()
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + start)
    config = {"model_type": "gpt2", "n_ctx": 1024, "n_positions": 1024, "activation_function": "gelu_new"}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")

    table = checkpoint.table_of(mb.GPT2LMHeadModel)
    sizes = checkpoint.read_config(mb.GPT2LMHeadModel, tmp_path)
    path, tensors = checkpoint.checkpoint_tensors(table, tmp_path)
    found, info = checkpoint._match(table, mb.GPT2LMHeadModel, path, tensors, sizes)
    assert not any(info) and sizes.eos_token_id == 50256 and sizes.intermediate_size == 3072
    matched = {tensor.name: math.prod(tensor.shape) for tensor, _, _ in found.values()}
    assert sum(matched.values()) == 124_439_808


def test_files_that_are_another_model(tmp_path):
    make("gpt2").save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="describes a model of type 'gpt2'; OpenAIGPTLMHeadModel reads"):
        mb.OpenAIGPTLMHeadModel.from_pretrained(tmp_path)
    path = tmp_path / "config.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"scale_attn_by_inverse_layer_idx": True}), encoding="utf-8")
    with pytest.raises(CheckpointError, match="scale_attn_by_inverse_layer_idx True is not supported"):
        mb.GPT2LMHeadModel.from_pretrained(tmp_path)


def test_a_second_copy_of_the_table(tmp_path, recwarn):
    """Older files hold lm_head.weight, too; it must be the same."""
    model = make("gpt2")
    model.save_pretrained(tmp_path)
    arrays = huggingface.state_dict(model)
    for factor, is_right in ((1, True), (2, False)):
        copied = arrays | {"lm_head.weight": factor * model.output.weight.value}
        files.write_tensors(tmp_path / "model.safetensors", copied, {"format": "pt"})
        if is_right:
            mb.GPT2LMHeadModel.from_pretrained(tmp_path)
        else:
            with pytest.raises(CheckpointError, match="an output with weights of its own is not supported"):
                mb.GPT2LMHeadModel.from_pretrained(tmp_path)
    assert not [warning for warning in recwarn if warning.category is CheckpointWarning]


# --- wrong input ---


@both
@pytest.mark.parametrize("changes, message", [
    ({"input_ids": np.ones((B, T))}, "input_ids must be integers"),
    ({"input_ids": np.ones((1, 10), int)}, "of 10 tokens is longer than max_position_embeddings 9"),
    ({"attention_mask": np.ones((B, T + 1))}, "a column for each of 0 tokens in state and 5 in input_ids"),
    ({"attention_mask": np.full((B, T), 2)}, "must hold 1 for tokens and 0 for padding"),
    ({"labels": np.zeros((B, 3), int)}, "labels has shape"),
    ({"state": ()}, "state must hold .keys, values. for each of 2 layers"),
])
def test_wrong_input(name, changes, message):
    with pytest.raises(ValueError, match=message):
        make(name).forward(**{"input_ids": INPUT_IDS} | changes)


@both
def test_what_backward_needs(name):
    model = make(name)
    _, cache = model.forward(INPUT_IDS)
    with pytest.raises(ValueError, match="no loss to go back from: give forward labels"):
        model.backward(cache)


def test_a_state_of_other_sequences():
    model = make("gpt2")
    state = model.forward(INPUT_IDS[:2])[0].state
    with pytest.raises(ValueError, match=r"arrays of shape \(4, 2, tokens, 3\), as output.state"):
        model.forward(INPUT_IDS, state=state)
