"""The opening picture of lesson 16."""

from minibert import plots


def test_the_tensor_is_on_the_way_from_the_file_to_our_parameter():
    axes = plots.folder_to_model("layer.0.query.weight", "encoder.0.query.weight")
    at = {text.get_text(): text.get_position() for text in axes.texts}
    way = [at[name] for name in ("model.safetensors", "layer.0.query.weight", "encoder.0.query.weight")]
    assert len({y for _, y in way}) == 1 and [x for x, _ in way] == sorted(x for x, _ in way)
    assert min(text.get_fontsize() for text in axes.texts if text.get_text()) >= 12
