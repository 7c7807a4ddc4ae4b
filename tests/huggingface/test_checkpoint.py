"""Our weights <-> the ecosystem's checkpoint directories."""

import json
import math
import warnings

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from helpers import assert_same, memory_below, safetensors_bytes, values

import minibert
from minibert import files, huggingface
from minibert.huggingface import CheckpointError, CheckpointWarning, checkpoint
from minibert.training.checkpoint import find_model

CONFIG = minibert.BertConfig(
    vocab_size=11,
    hidden_size=6,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=10,
    max_position_embeddings=5,
    type_vocab_size=2,
)
MODELS = [minibert.BertForPreTraining, minibert.BertModel]

# The tensors of `BertForPreTraining(config).state_dict()` in the transformers library, without the decoder's
# tied copies; written down from its source, with the shapes for CONFIG.
ENCODER_TENSORS = {
    "embeddings.word_embeddings.weight": (11, 6),
    "embeddings.position_embeddings.weight": (5, 6),
    "embeddings.token_type_embeddings.weight": (2, 6),
    "embeddings.LayerNorm.weight": (6,),
    "embeddings.LayerNorm.bias": (6,),
    "pooler.dense.weight": (6, 6),
    "pooler.dense.bias": (6,),
}
LAYER_TENSORS = {
    "attention.self.query.weight": (6, 6),
    "attention.self.query.bias": (6,),
    "attention.self.key.weight": (6, 6),
    "attention.self.key.bias": (6,),
    "attention.self.value.weight": (6, 6),
    "attention.self.value.bias": (6,),
    "attention.output.dense.weight": (6, 6),
    "attention.output.dense.bias": (6,),
    "attention.output.LayerNorm.weight": (6,),
    "attention.output.LayerNorm.bias": (6,),
    "intermediate.dense.weight": (10, 6),
    "intermediate.dense.bias": (10,),
    "output.dense.weight": (6, 10),
    "output.dense.bias": (6,),
    "output.LayerNorm.weight": (6,),
    "output.LayerNorm.bias": (6,),
}
HEAD_TENSORS = {
    "cls.predictions.bias": (11,),
    "cls.predictions.transform.dense.weight": (6, 6),
    "cls.predictions.transform.dense.bias": (6,),
    "cls.predictions.transform.LayerNorm.weight": (6,),
    "cls.predictions.transform.LayerNorm.bias": (6,),
    "cls.seq_relationship.weight": (2, 6),
    "cls.seq_relationship.bias": (2,),
}


def expected_shapes(model_class):
    encoder = ENCODER_TENSORS | {
        f"encoder.layer.{k}.{name}": shape for k in range(2) for name, shape in LAYER_TENSORS.items()
    }
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


def change_config(directory, **changes):
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    (directory / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")


def from_pretrained_in_silence(model_class, directory):
    """Load a model; a CheckpointWarning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        return model_class.from_pretrained(directory)


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
        is_vector_or_table = (
            "LayerNorm" in their_name or "embeddings" in their_name or their_name.endswith("bias")
        )
        assert transposed == (not is_vector_or_table), our_name


def test_some_tensors_by_hand():
    model = make_model(minibert.BertForPreTraining)
    arrays = huggingface.state_dict(model)
    layer = model.bert.encoder[1]
    assert np.array_equal(
        arrays["bert.encoder.layer.1.attention.self.key.weight"], layer.attention.key.weight.value.T
    )
    assert np.array_equal(
        arrays["bert.encoder.layer.1.attention.output.LayerNorm.bias"], layer.attention_norm.beta.value
    )
    assert np.array_equal(
        arrays["bert.encoder.layer.1.output.LayerNorm.weight"], layer.output_norm.gamma.value
    )
    assert np.array_equal(
        arrays["bert.encoder.layer.1.output.dense.weight"], layer.feed_forward.output.weight.value.T
    )
    assert np.array_equal(
        arrays["bert.embeddings.token_type_embeddings.weight"], model.bert.embeddings.segment.weight.value
    )
    assert np.array_equal(arrays["cls.predictions.bias"], model.mlm_head.decoder.bias.value)
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
    assert loaded.mlm_head.decoder.weight is loaded.bert.embeddings.token.weight


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
        lambda array: array[::-1],
    ],
    ids=["fortran", "strided", "reversed"],
)
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


@pytest.mark.parametrize("model_class", MODELS)
def test_foreign_keys_and_position_ids_are_passed_over_in_silence(model_class, tmp_path):
    model = make_model(model_class)
    model.save_pretrained(tmp_path)
    change_config(
        tmp_path, transformers_version="4.40.0", classifier_dropout=None, use_cache=True, is_decoder=False
    )
    prefix = "bert." if model_class is minibert.BertForPreTraining else ""
    positions = {f"{prefix}embeddings.position_ids": np.arange(5)[np.newaxis]}
    safetensors.numpy.save_file(huggingface.state_dict(model) | positions, tmp_path / "model.safetensors")
    assert_same(values(from_pretrained_in_silence(model_class, tmp_path)), values(model))


def test_the_names_of_the_first_checkpoints(tmp_path):
    """bert-base-uncased calls LayerNorm's parameters gamma and beta to this day."""
    model = make_model(minibert.BertForPreTraining)
    model.save_pretrained(tmp_path)
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in huggingface.state_dict(model).items()
    }
    assert "bert.embeddings.LayerNorm.gamma" in old
    safetensors.numpy.save_file(old, tmp_path / "model.safetensors")
    loaded = minibert.BertForPreTraining.from_pretrained(tmp_path)
    assert all(
        np.array_equal(p.value, model.parameters()[name].value) for name, p in loaded.parameters().items()
    )


@pytest.mark.parametrize("broken", ["model.safetensors", "config.json"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch, broken):
    make_model(minibert.BertForPreTraining).save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fsync(handle, original=files.os.fsync):
        if (tmp_path / f".{broken}.minibert").exists():
            raise OSError(28, "No space left on device")
        original(handle)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        minibert.BertForPreTraining(CONFIG, seed=4).save_pretrained(tmp_path)
    assert (tmp_path / broken).read_bytes() == before[broken]


def test_complex_numbers_are_not_saved(tmp_path):
    with pytest.raises(ValueError, match=r"complex128.*save model.astype\(np.float32\)"):
        make_model(minibert.BertModel, np.complex128).save_pretrained(tmp_path / "model")
    assert not (tmp_path / "model").exists()


# --- checkpoints of other models ---


def save_tensors(directory, arrays, config=CONFIG):
    """Write a checkpoint of any tensors."""
    minibert.BertModel(config).save_pretrained(directory)
    safetensors.numpy.save_file(arrays, directory / "model.safetensors")


def test_an_encoder_with_new_heads(tmp_path):
    encoder = make_model(minibert.BertModel)
    encoder.save_pretrained(tmp_path)
    with pytest.warns(CheckpointWarning) as caught:
        loaded = minibert.BertForPreTraining.from_pretrained(tmp_path)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert str(caught[0].message) == (
        f"{tmp_path / 'model.safetensors'}: newly initialised, because the checkpoint has none, and to be "
        "trained before use: mlm_head, nsp_head"
    )
    assert_same(values(loaded.bert), values(encoder))
    fresh = minibert.BertForPreTraining(CONFIG, seed=0)
    assert np.array_equal(loaded.mlm_head.dense.weight.value, fresh.mlm_head.dense.weight.value)
    assert np.array_equal(loaded.nsp_head.weight.value, fresh.nsp_head.weight.value)


def test_the_encoder_of_a_model_with_heads(tmp_path):
    model = make_model(minibert.BertForPreTraining)
    model.save_pretrained(tmp_path)
    with pytest.warns(
        CheckpointWarning, match=r"not used, because the model has no place for it: cls\..* and 3 more$"
    ):
        encoder = minibert.BertModel.from_pretrained(tmp_path)
    assert_same(values(encoder), values(model.bert))


@pytest.mark.parametrize("prefix", ["bert.", ""])
def test_a_classifier(prefix, tmp_path):
    encoder = make_model(minibert.BertModel)
    arrays = {prefix + name: array for name, array in huggingface.state_dict(encoder).items()}
    arrays["classifier.weight"], arrays["classifier.bias"] = (
        np.ones((3, 6), np.float32),
        np.ones(3, np.float32),
    )
    save_tensors(tmp_path, arrays)
    with pytest.warns(
        CheckpointWarning, match="mlm_head, nsp_head; not used, .*: classifier.bias, classifier.weight$"
    ):
        assert_same(values(minibert.BertForPreTraining.from_pretrained(tmp_path).bert), values(encoder))
    loaded, info = minibert.BertModel.from_pretrained(tmp_path, output_loading_info=True)
    assert_same(values(loaded), values(encoder))
    assert (info.missing_keys, sorted(info.unexpected_keys)) == ([], ["classifier.bias", "classifier.weight"])


def test_a_masked_language_model_has_no_pooler(tmp_path):
    model = make_model(minibert.BertForPreTraining)
    arrays = {
        name: array
        for name, array in huggingface.state_dict(model).items()
        if "pooler" not in name and "seq_relationship" not in name
    }
    save_tensors(tmp_path, arrays)
    with pytest.warns(CheckpointWarning, match="newly initialised, .*: pooler, nsp_head$"):
        loaded = minibert.BertForPreTraining.from_pretrained(tmp_path)
    assert np.array_equal(loaded.mlm_head.dense.weight.value, model.mlm_head.dense.weight.value)
    _, info = minibert.BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert info.missing_keys == [
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "cls.seq_relationship.weight",
        "cls.seq_relationship.bias",
    ]
    _, info = minibert.BertModel.from_pretrained(tmp_path, output_loading_info=True)
    assert (
        info.missing_keys == ["pooler.dense.weight", "pooler.dense.bias"] and len(info.unexpected_keys) == 5
    )


@pytest.mark.parametrize(
    "name",
    [
        "cls.predictions.bias",
        "cls.seq_relationship.weight",
        "bert.pooler.dense.weight",
        "bert.embeddings.LayerNorm.bias",
        "bert.encoder.layer.1.output.dense.weight",
    ],
)
def test_a_part_that_is_there_in_part_is_an_error(name, tmp_path):
    arrays = huggingface.state_dict(make_model(minibert.BertForPreTraining))
    del arrays[name]
    save_tensors(tmp_path, arrays)
    with pytest.raises(
        CheckpointError, match=f"has no tensor '{name}': it is not a BertForPreTraining checkpoint"
    ):
        minibert.BertForPreTraining.from_pretrained(tmp_path)


def test_weights_of_another_kind_of_model_are_told_by_their_names(tmp_path):
    save_tensors(tmp_path, {"transformer.wte.weight": np.zeros((11, 6), np.float32)})
    message = "not a BertModel checkpoint, .* it holds transformer.wte.weight$"
    with pytest.raises(CheckpointError, match=message):
        minibert.BertModel.from_pretrained(tmp_path)


TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}


def test_stored_copies_of_the_tied_decoder(tmp_path):
    model = make_model(minibert.BertForPreTraining)
    arrays = huggingface.state_dict(model)
    save_tensors(tmp_path, arrays | {copy: arrays[original] for copy, original in TIED.items()})
    assert_same(values(from_pretrained_in_silence(minibert.BertForPreTraining, tmp_path)), values(model))


def test_copies_of_the_tied_decoder_without_the_originals(tmp_path):
    model = make_model(minibert.BertForPreTraining)
    arrays = huggingface.state_dict(model)
    for copy, original in TIED.items():
        arrays[copy] = arrays.pop(original)
    save_tensors(tmp_path, arrays)
    assert_same(values(from_pretrained_in_silence(minibert.BertForPreTraining, tmp_path)), values(model))
    encoder, _ = minibert.BertModel.from_pretrained(tmp_path, output_loading_info=True)
    assert_same(values(encoder), values(model.bert))


@pytest.mark.parametrize("copy", TIED)
def test_a_decoder_that_is_not_tied_is_refused(copy, tmp_path):
    model = make_model(minibert.BertForPreTraining)
    arrays = huggingface.state_dict(model)
    save_tensors(tmp_path, arrays | {copy: arrays[TIED[copy]] + 1})
    with pytest.raises(CheckpointError, match=f"'{copy}' differs from '{TIED[copy]}'"):
        minibert.BertForPreTraining.from_pretrained(tmp_path)
    encoder, _ = minibert.BertModel.from_pretrained(tmp_path, output_loading_info=True)
    assert_same(values(encoder), values(model.bert))


def test_one_tensor_under_two_names(tmp_path):
    arrays = huggingface.state_dict(make_model(minibert.BertModel))
    save_tensors(tmp_path, arrays | {"embeddings.LayerNorm.gamma": arrays["embeddings.LayerNorm.weight"]})
    with pytest.raises(
        CheckpointError, match="'embeddings.LayerNorm.gamma' and 'embeddings.LayerNorm.weight'"
    ):
        minibert.BertModel.from_pretrained(tmp_path)


# --- number types ---


def bits_of(array, dtype):
    """The bytes of a float32 array as F64, F32, F16 or BF16; bfloat16 by cutting off the lower half."""
    if dtype == "BF16":
        return (array.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
    return array.astype({"F64": "<f8", "F32": "<f4", "F16": "<f2"}[dtype]).tobytes()


@pytest.mark.parametrize(
    "dtypes, expected",
    [
        (["F16"], np.float32),
        (["BF16"], np.float32),
        (["F32"], np.float32),
        (["F64"], np.float64),
        (["F16", "F32"], np.float32),
        (["BF16", "F64"], np.float64),
    ],
)
def test_every_number_type(dtypes, expected, tmp_path):
    model = make_model(minibert.BertForPreTraining)
    entries = {}
    for k, (name, array) in enumerate(huggingface.state_dict(model).items()):
        dtype = dtypes[k % len(dtypes)]
        entries[name] = (dtype, array.shape, bits_of(array, dtype))
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(entries))
    loaded = from_pretrained_in_silence(minibert.BertForPreTraining, tmp_path)
    for name, parameter in loaded.parameters().items():
        assert parameter.value.dtype == parameter.grad.dtype == expected
        stored = entries[huggingface.tensor_names(model)[name][0]][0]
        precision = {"F64": 0, "F32": 0, "F16": 2**-10, "BF16": 2**-7}[stored]
        assert np.allclose(
            parameter.value, model.parameters()[name].value, rtol=precision, atol=1e-7 if precision else 0
        )
    for dtype in (np.float32, np.float64, np.complex128):
        loaded = minibert.BertForPreTraining.from_pretrained(tmp_path, dtype=dtype)
        assert {parameter.value.dtype for parameter in loaded.parameters().values()} == {np.dtype(dtype)}


@pytest.mark.parametrize("dtype", [np.int32, bool])
def test_a_model_of_whole_numbers(dtype, tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match="dtype must be a type of floating-point numbers such as np.float32, got"
    ):
        minibert.BertModel.from_pretrained(tmp_path, dtype=dtype)


@pytest.mark.parametrize("dtype, name", [("I8", "int8"), ("BOOL", "bool"), ("F8_E4M3", "F8_E4M3")])
def test_weights_that_are_not_floats(dtype, name, tmp_path):
    model = make_model(minibert.BertModel)
    entries = {
        key: ("F32", array.shape, array.tobytes()) for key, array in huggingface.state_dict(model).items()
    }
    entries["pooler.dense.weight"] = (dtype, (6, 6), bytes(36))
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(safetensors_bytes(entries))
    with pytest.raises(
        CheckpointError, match=f"tensor 'pooler.dense.weight' in .*model.safetensors holds {name}, not floats"
    ):
        minibert.BertModel.from_pretrained(tmp_path)


# --- several files ---


@pytest.fixture
def sharded(tmp_path):
    """A checkpoint in three files, and its model."""
    model = make_model(minibert.BertForPreTraining)
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    arrays = huggingface.state_dict(model)
    weight_map = {name: f"model-{k % 3 + 1:05d}-of-00003.safetensors" for k, name in enumerate(arrays)}
    for file in set(weight_map.values()):
        safetensors.numpy.save_file(
            {name: arrays[name] for name in arrays if weight_map[name] == file}, tmp_path / file
        )
    write_index(tmp_path, weight_map)
    return tmp_path, model, weight_map


def write_index(directory, weight_map):
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def test_a_checkpoint_in_several_files(sharded):
    directory, model, _ = sharded
    assert_same(values(from_pretrained_in_silence(minibert.BertForPreTraining, directory)), values(model))
    other = minibert.BertForPreTraining(CONFIG, seed=9)
    other.save_pretrained(directory)  # a single file takes precedence, as in transformers
    assert_same(values(minibert.BertForPreTraining.from_pretrained(directory)), values(other))


@pytest.mark.parametrize(
    "file", ["../model-1.safetensors", "/etc/passwd", "a/b", r"..\x", "C:x", "..", ".", "", "x" * 5000]
)
def test_an_index_that_leads_elsewhere(file, sharded):
    directory, _, weight_map = sharded
    write_index(directory, {**weight_map, "cls.predictions.bias": file})
    with pytest.raises(
        CheckpointError, match="index.json names the file .*: the files of a checkpoint lie in its own folder"
    ):
        minibert.BertForPreTraining.from_pretrained(directory)


def test_an_index_that_does_not_fit(sharded):
    directory, _, weight_map = sharded
    file = weight_map["cls.predictions.bias"]
    other = next(name for name in weight_map.values() if name != file)
    write_index(directory, {**weight_map, "cls.predictions.bias": other})
    with pytest.raises(
        CheckpointError, match=f"{other} has no tensor 'cls.predictions.bias', though model.safetensors.index"
    ):
        minibert.BertForPreTraining.from_pretrained(directory)
    for broken in ({"weight_map": 3}, {"weight_map": {"x": 3}}, {}):
        (directory / "model.safetensors.index.json").write_text(json.dumps(broken), encoding="utf-8")
        with pytest.raises(CheckpointError, match="index.json must hold an object 'weight_map'"):
            minibert.BertForPreTraining.from_pretrained(directory)
    write_index(directory, weight_map)
    (directory / file).unlink()
    with pytest.raises(CheckpointError, match=f"{file} does not exist: the checkpoint is incomplete"):
        minibert.BertForPreTraining.from_pretrained(directory)


# --- what config.json says ---


@pytest.mark.parametrize("pad_token_id", [3, 0, -1, None])
def test_pad_token_id_comes_back(pad_token_id, tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    change_config(tmp_path, pad_token_id=pad_token_id)
    minibert.BertModel.from_pretrained(tmp_path).save_pretrained(tmp_path / "again")
    config = json.loads((tmp_path / "again" / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == pad_token_id


@pytest.mark.parametrize("changes, message", [
    ({"pad_token_id": 11}, "pad_token_id must be None or an id below vocab_size 11, got 11"),
    ({"pad_token_id": "[PAD]"}, "pad_token_id must be None or an id"),
    ({"tie_word_embeddings": 1}, "tie_word_embeddings must be True or False, got 1"),
])
def test_settings_that_are_wrong(changes, message, tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    change_config(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=message):
        minibert.BertModel.from_pretrained(tmp_path)


def test_a_decoder_of_its_own(tmp_path):
    config = minibert.BertConfig(11, 6, 1, 3, 10, tie_word_embeddings=False)
    model = minibert.BertForPreTraining(config, seed=4)
    names = model.parameters().keys() - minibert.BertForPreTraining(CONFIG).parameters().keys()
    assert names == {"mlm_head.decoder.weight"}
    model.save_pretrained(tmp_path)
    stored = safetensors.numpy.load_file(tmp_path / "model.safetensors")
    assert stored["cls.predictions.decoder.weight"].shape == (11, 6)
    assert "cls.predictions.decoder.bias" in stored
    again = minibert.BertForPreTraining.from_pretrained(tmp_path)
    assert_same(values(again), values(model))
    with pytest.warns(CheckpointWarning, match="decoder"):
        encoder = minibert.BertModel.from_pretrained(tmp_path)
    assert_same(values(encoder), values(model.bert))
    change_config(tmp_path, tie_word_embeddings=True)
    with pytest.raises(CheckpointError, match="differs from .*set tie_word_embeddings to false there"):
        minibert.BertForPreTraining.from_pretrained(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks(encoding, tmp_path):
    model = make_model(minibert.BertModel)
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    assert minibert.BertModel.from_pretrained(tmp_path).config == model.config


def test_a_config_without_vocab_size_means_that_of_bert(tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["vocab_size"]
    path.write_text(json.dumps(config), encoding="utf-8")
    assert checkpoint.read_config(minibert.BertModel, tmp_path).vocab_size == 30522


# --- folders of other programs ---


@pytest.mark.parametrize("files, message", [
    (["training_args.bin", "optimizer.pt"], "holds optimizer.pt, training_args.bin, as .* but no weights$"),
    (["training_args.bin", "checkpoint-500/config.json"], "models in its folders: give .*point-500$"),
    (["tf_model.h5"], r"holds tf_model.h5, of TensorFlow; transformers 4 .*from_tf=True\)"),
    (["flax_model.msgpack"], r"of Flax; .*from_flax=True\)"),
    (["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"], "of TensorFlow 1.*transformers-cli"),
    (["last.ckpt"], "holds last.ckpt, a checkpoint of TensorFlow or a pickle of PyTorch Lightning"),
    (["model.onnx"], "made from a model, and leads to no weights"),
    (["onnx/model.onnx"], r"holds onnx, a program \(ONNX\)"),
    (["openvino_model.bin", "openvino_model.xml"], "of OpenVINO"),
    (["model.fp16.safetensors"], "under another name: if this is the model, copy it to model.safetensors"),
    (["model-00001-of-00002.safetensors"], "without model.safetensors.index.json"),
    (["adapter_model.safetensors"], r"an adapter \(LoRA\)"),
    (["pytorch_model.bin", "training_args.bin"], r"as a pickle \(pytorch_model.bin\), and"),
    (["weights.pt", "scaler.pt"], r"as a pickle \(weights.pt\), and.*for file in \['weights.pt'\]"),
])
def test_what_is_there_instead(files, message, tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(b"{}")
    with pytest.raises(CheckpointError, match=message):
        minibert.BertModel.from_pretrained(tmp_path)


@pytest.mark.parametrize("beside", [None, "training_args.bin", "pytorch_model.bin", "onnx"])
def test_weights_without_a_configuration(beside, tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    if beside:
        (tmp_path / beside).write_bytes(b"{}")
    for find in (find_model, minibert.BertModel.from_pretrained):
        with pytest.raises(CheckpointError, match="it holds model.safetensors but no config.json, which"):
            find(tmp_path)


def test_links_that_lead_nowhere(tmp_path):
    """Such as a folder of Hugging Face's cache that was copied without the blobs."""
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(tmp_path / "blobs" / name)
    with pytest.raises(CheckpointError, match="holds config.json, model.safetensors, links that lead"):
        find_model(tmp_path)


def test_the_folder_that_bert_was_published_in(tmp_path):
    for name in ("bert_config.json", "vocab.txt", "bert_model.ckpt.index"):
        (tmp_path / name).write_bytes(b"{}")
    for find in (find_model, minibert.BertModel.from_pretrained):
        with pytest.raises(CheckpointError, match="it holds bert_model.ckpt.index, of TensorFlow 1"):
            find(tmp_path)
    (tmp_path / "bert_model.ckpt.index").unlink()
    with pytest.raises(CheckpointError, match="it holds bert_config.json: copy it to config.json"):
        find_model(tmp_path)
    with pytest.raises(CheckpointError, match="vocab.txt is a file: give the folder that holds it"):
        find_model(tmp_path / "vocab.txt")


# --- pickles ---


@pytest.mark.parametrize("file", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "weights.pt"])
def test_pickles_are_refused_with_the_way_to_convert_them(file, tmp_path):
    """That the line works is tested in tests/reference/test_pytorch.py."""
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / file).write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    with pytest.raises(CheckpointError) as refusal:
        minibert.BertModel.from_pretrained(tmp_path)
    message = str(refusal.value)
    assert f"as a pickle ({file}), and to read a pickle is to run whatever program it contains" in message
    assert (
        'python -c "import glob, torch, safetensors.torch as s; ' in message
        and "weights_only=True" in message
    )
    assert "'model.safetensors', {'format': 'pt'})\"" in message


# --- broken and hostile configurations: a message at once, and little memory ---


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"vocab_size": -11}, "vocab_size must be a positive integer, got -11"),
        ({"hidden_size": 0}, "hidden_size must be a positive integer, got 0"),
        ({"hidden_size": 6.0}, "hidden_size must be a positive integer, got 6.0"),
        (
            {"vocab_size": 10**12},
            r"'embeddings.word_embeddings.weight' .* \(11, 6\), but by config.json it must be \(10{12}, 6\)",
        ),
        ({"hidden_size": 3 * 2**70}, r"shape \(11, 6\), but by config.json it must be"),
        ({"num_hidden_layers": 10**15}, "has no tensor 'encoder.layer.2.attention.self.query.weight'"),
        ({"hidden_act": "mish"}, "hidden_act 'mish' is not supported: choose one of"),
        ({"hidden_act": ["gelu"]}, "hidden_act must be a name, got"),
        (
            {"position_embedding_type": "relative_key_query"},
            "position_embedding_type 'relative_key_query' is not supported, only",
        ),
        ({"is_decoder": True}, "is_decoder True is not supported"),
        ({"add_cross_attention": True}, "add_cross_attention True is not supported"),
        ({"model_type": "distilbert"}, "describes a model of type 'distilbert'"),
        ({"model_type": ["bert"] * 10_000}, "describes a model of type .*; [A-Za-z]* reads 'bert'"),
        ({"hidden_dropout_prob": -0.1}, "hidden_dropout_prob must be at least 0"),
        ({"hidden_dropout_prob": "0.1"}, "hidden_dropout_prob must be a number, got '0.1'"),
        ({"attention_probs_dropout_prob": None}, "attention_probs_dropout_prob must be a number, got None"),
        ({"layer_norm_eps": math.inf}, "layer_norm_eps must be a number, got inf"),
        ({"layer_norm_eps": math.nan}, "layer_norm_eps must be a number, got nan"),
        ({"layer_norm_eps": 0}, "layer_norm_eps must be above 0"),
        ({"type_vocab_size": True}, "type_vocab_size must be a positive integer, got True"),
    ],
)
def test_hostile_configurations(changes, message, tmp_path):
    make_model(minibert.BertModel).save_pretrained(tmp_path)
    change_config(tmp_path, **changes)
    with memory_below(2_000_000), pytest.raises(CheckpointError, match=message) as refusal:
        minibert.BertModel.from_pretrained(tmp_path)
    assert len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is not valid JSON"),
        (b"[" * 200_000, "is not valid JSON: .*recursion"),
        (b"null", "must hold a JSON object"),
        (b" " * (5 << 20), "is not valid JSON: 5,242,880 bytes, and at most 4,194,304 are read"),
        (b'{"vocab_size": 1' + b"0" * 5000 + b"}", "is not valid JSON"),
    ],
    ids=["empty", "nested", "null", "long", "digits"],
)
def test_configurations_that_are_no_object(content, message, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        minibert.BertModel.from_pretrained(tmp_path)


def test_what_a_configuration_leaves_out_is_what_transformers_assumes(tmp_path):
    """BERT-base, not our own defaults: with 2 heads instead of 12 it would load and be wrong."""
    (tmp_path / "config.json").write_text(
        '{"vocab_size": 100, "position_embedding_type": null}', encoding="utf-8"
    )
    assert checkpoint.read_config(minibert.BertModel, tmp_path) == minibert.BertConfig(
        vocab_size=100,
        hidden_size=768,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=3072,
        max_position_embeddings=512,
        type_vocab_size=2,
        hidden_act="gelu",
        layer_norm_eps=1e-12,
    )


def test_a_name_from_the_hub_is_no_folder():
    with pytest.raises(
        CheckpointError, match="bert-base-uncased is not a checkpoint directory .minibert downloads nothing"
    ):
        minibert.BertModel.from_pretrained("bert-base-uncased")
