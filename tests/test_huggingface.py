"""Our weights <-> the ecosystem's checkpoint directories."""

import json

import numpy as np
import pytest
import safetensors
import safetensors.numpy

import minibert
from minibert import huggingface
from minibert.huggingface import CheckpointError

CONFIG = minibert.BertConfig(
    vocab_size=11, hidden_size=6, num_hidden_layers=2, num_attention_heads=3, intermediate_size=10,
    max_position_embeddings=5, type_vocab_size=2,
)  # fmt: skip
MODELS = [minibert.BertForPreTraining, minibert.BertModel]

# What `BertForPreTraining(config).state_dict()` of the transformers library holds for one layer, the decoder's tied
# copies left out; written down from its source, with the shapes for CONFIG.
ENCODER_TENSORS = {
    "embeddings.word_embeddings.weight": (11, 6),
    "embeddings.position_embeddings.weight": (5, 6),
    "embeddings.token_type_embeddings.weight": (2, 6),
    "embeddings.LayerNorm.weight": (6,), "embeddings.LayerNorm.bias": (6,),
    "pooler.dense.weight": (6, 6), "pooler.dense.bias": (6,),
}  # fmt: skip
LAYER_TENSORS = {
    "attention.self.query.weight": (6, 6), "attention.self.query.bias": (6,),
    "attention.self.key.weight": (6, 6), "attention.self.key.bias": (6,),
    "attention.self.value.weight": (6, 6), "attention.self.value.bias": (6,),
    "attention.output.dense.weight": (6, 6), "attention.output.dense.bias": (6,),
    "attention.output.LayerNorm.weight": (6,), "attention.output.LayerNorm.bias": (6,),
    "intermediate.dense.weight": (10, 6), "intermediate.dense.bias": (10,),
    "output.dense.weight": (6, 10), "output.dense.bias": (6,),
    "output.LayerNorm.weight": (6,), "output.LayerNorm.bias": (6,),
}  # fmt: skip
HEAD_TENSORS = {
    "cls.predictions.bias": (11,),
    "cls.predictions.transform.dense.weight": (6, 6), "cls.predictions.transform.dense.bias": (6,),
    "cls.predictions.transform.LayerNorm.weight": (6,), "cls.predictions.transform.LayerNorm.bias": (6,),
    "cls.seq_relationship.weight": (2, 6), "cls.seq_relationship.bias": (2,),
}  # fmt: skip


def expected_shapes(model_class):
    encoder = ENCODER_TENSORS | {f"encoder.layer.{k}.{name}": shape for k in range(2) for name, shape in LAYER_TENSORS.items()}
    if model_class is minibert.BertModel:
        return encoder
    return {f"bert.{name}": shape for name, shape in encoder.items()} | HEAD_TENSORS


def make_model(model_class, dtype=np.float32):
    """A model whose parameters are all different, and whose gradients are too."""
    model = model_class(CONFIG, seed=3, dtype=dtype)
    for k, p in enumerate(model.parameters().values()):
        rng = np.random.default_rng(k)
        p.value[...] = rng.standard_normal(p.value.shape)
        p.grad[...] = rng.standard_normal(p.value.shape)
    return model


@pytest.mark.parametrize("model_class", MODELS)
def test_every_parameter_has_one_name_and_every_name_one_parameter(model_class):
    model = make_model(model_class)
    names = huggingface.tensor_names(model)
    assert names.keys() == model.parameters().keys()
    assert len({theirs for theirs, _ in names.values()}) == len(names)
    shapes = {name: array.shape for name, array in huggingface.state_dict(model).items()}
    assert shapes == expected_shapes(model_class)


@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize("grads", [False, True])
def test_state_dict_holds_values_or_gradients_transposed_where_dense(model_class, grads):
    model = make_model(model_class)
    arrays = huggingface.state_dict(model, grads=grads)
    for our_name, (their_name, transposed) in huggingface.tensor_names(model).items():
        parameter = model.parameters()[our_name]
        ours = parameter.grad if grads else parameter.value
        assert np.array_equal(arrays[their_name], ours.T if transposed else ours), our_name
        is_vector_or_table = "LayerNorm" in their_name or "embeddings" in their_name or their_name.endswith("bias")
        assert transposed == (not is_vector_or_table), our_name


def test_some_tensors_by_hand():
    model = make_model(minibert.BertForPreTraining)
    arrays = huggingface.state_dict(model)
    layer = model.bert.encoder[1]
    assert np.array_equal(arrays["bert.encoder.layer.1.attention.self.key.weight"], layer.attention.key.weight.value.T)
    assert np.array_equal(arrays["bert.encoder.layer.1.attention.output.LayerNorm.bias"], layer.attention_norm.beta.value)
    assert np.array_equal(arrays["bert.encoder.layer.1.output.LayerNorm.weight"], layer.output_norm.gamma.value)
    assert np.array_equal(arrays["bert.encoder.layer.1.output.dense.weight"], layer.feed_forward.output.weight.value.T)
    assert np.array_equal(arrays["bert.embeddings.token_type_embeddings.weight"], model.bert.embeddings.segment.weight.value)
    assert np.array_equal(arrays["cls.predictions.bias"], model.mlm_head.decoder_bias.value)
    assert np.array_equal(arrays["cls.seq_relationship.weight"], model.nsp_head.weight.value.T)


# --- files ---

@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_save_and_load_give_the_same_bits(model_class, dtype, tmp_path):
    model = make_model(model_class, dtype)
    model.save_pretrained(tmp_path)
    loaded = model_class.from_pretrained(tmp_path)
    assert loaded.config == CONFIG
    for name, p in loaded.parameters().items():
        assert p.value.dtype == dtype and np.array_equal(p.value, model.parameters()[name].value), name
        assert p.value.flags.c_contiguous and p.value.flags.writeable
        assert p.grad.dtype == dtype and p.grad.shape == p.value.shape and not p.grad.any()
    ids = np.array([[1, 2, 3, 1]])
    for ours, theirs in zip(model.forward(ids)[0], loaded.forward(ids)[0]):
        assert ours is theirs is None or np.array_equal(ours, theirs)


def test_loading_in_another_dtype(tmp_path):
    model = make_model(minibert.BertForPreTraining)
    model.save_pretrained(tmp_path)
    loaded = minibert.BertForPreTraining.from_pretrained(tmp_path, dtype=np.float64)
    for name, p in loaded.parameters().items():
        assert p.value.dtype == np.float64 and np.array_equal(p.value, model.parameters()[name].value)


def test_the_decoder_stays_tied(tmp_path):
    make_model(minibert.BertForPreTraining).save_pretrained(tmp_path)
    loaded = minibert.BertForPreTraining.from_pretrained(tmp_path)
    assert loaded.mlm_head.decoder_weight is loaded.bert.embeddings.token.weight


@pytest.mark.parametrize("view", [
    np.asfortranarray, lambda array: np.repeat(array, 2, axis=-1)[..., ::2], lambda array: array[::-1],
], ids=["fortran", "strided", "reversed"])  # fmt: skip
def test_values_that_are_not_contiguous_are_saved_as_they_read(view, tmp_path):
    """safetensors writes memory as it lies there, whatever the strides say."""
    model = make_model(minibert.BertForPreTraining)
    for p in model.parameters().values():
        p.value = view(p.value)
    model.save_pretrained(tmp_path)
    loaded = minibert.BertForPreTraining.from_pretrained(tmp_path)
    for name, p in loaded.parameters().items():
        assert np.array_equal(p.value, model.parameters()[name].value), name


def test_what_the_ecosystem_expects_in_the_files(tmp_path):
    make_model(minibert.BertForPreTraining).save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert config["architectures"] == ["BertForPreTraining"] and config["model_type"] == "bert"
    assert config["hidden_size"] == 6 and config["hidden_act"] == "gelu" and config["layer_norm_eps"] == 1e-12
    with safetensors.safe_open(tmp_path / "model.safetensors", framework="np") as file:
        assert file.metadata() == {"format": "pt"}  # without it, transformers refuses the file
        assert set(file.keys()) == expected_shapes(minibert.BertForPreTraining).keys()


def test_foreign_keys_and_tensors_are_passed_over(tmp_path):
    model = make_model(minibert.BertForPreTraining)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config |= {"transformers_version": "4.40.0", "classifier_dropout": None, "use_cache": True}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = huggingface.state_dict(model) | {"bert.embeddings.position_ids": np.arange(5)[np.newaxis]}
    safetensors.numpy.save_file(tensors, tmp_path / "model.safetensors")
    minibert.BertForPreTraining.from_pretrained(tmp_path)


def test_the_names_of_the_first_checkpoints(tmp_path):
    """bert-base-uncased calls LayerNorm's parameters gamma and beta to this day."""
    model = make_model(minibert.BertForPreTraining)
    model.save_pretrained(tmp_path)
    old = {name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
           for name, array in huggingface.state_dict(model).items()}
    assert "bert.embeddings.LayerNorm.gamma" in old
    safetensors.numpy.save_file(old, tmp_path / "model.safetensors")
    loaded = minibert.BertForPreTraining.from_pretrained(tmp_path)
    assert all(np.array_equal(p.value, model.parameters()[name].value) for name, p in loaded.parameters().items())


def test_a_checkpoint_of_the_other_model(tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="no tensor 'bert.embeddings.word_embeddings.weight': it is no BertForPreTraining"):
        minibert.BertForPreTraining.from_pretrained(tmp_path)


@pytest.mark.parametrize("broken", ["model.safetensors", "config.json"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, broken):
    make_model(minibert.BertForPreTraining).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fsync(handle, original=huggingface.os.fsync):
        if (tmp_path / f"{broken}.tmp").exists():
            raise OSError(28, "No space left on device")
        original(handle)

    monkeypatch.setattr(huggingface.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        minibert.BertForPreTraining(CONFIG, seed=4).save_pretrained(tmp_path)
    assert (tmp_path / broken).read_bytes() == before[broken]


# Truncated and damaged files: tests/test_cli.py, through the command that reads them.


def test_the_encoder_of_a_model_with_heads_can_be_read_alone(tmp_path):
    config = minibert.BertConfig(vocab_size=11, hidden_size=6, num_hidden_layers=2, num_attention_heads=3, intermediate_size=7)
    model = minibert.BertForPreTraining(config, seed=3)
    model.save_pretrained(tmp_path)
    encoder = minibert.BertModel.from_pretrained(tmp_path).parameters()
    for name, parameter in model.bert.parameters().items():
        assert np.array_equal(encoder[name].value, parameter.value)
