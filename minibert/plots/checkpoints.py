"""Checkpoints: the files of a folder, and what becomes of them in a model."""

from minibert.plots.style import BLUE, GREEN, GREY, ORANGE, new_figure


def folder_to_model(name, ours, figure=None):
    """Draw the way from the three files of a checkpoint into a model, and what can go wrong on it.

    Args:
        name: of one tensor in the file, at most two lines.  ours: the parameter that it becomes.
        figure: where to draw; None makes one.

    Returns:
        the Axes.

    Example:
        >>> axes = folder_to_model("layer.0.query.weight", "encoder.0.query.weight")
        >>> [text.get_text() for text in axes.texts][:3]
        ['vocab.txt', 'config.json', 'model.safetensors']
    """
    axes = (figure or new_figure(10, 4)).subplots()
    middle = {"ha": "center", "va": "center"}
    files = (("vocab.txt", GREEN), ("config.json", GREY), ("model.safetensors", BLUE))
    parts = (("a tokenizer", GREEN), ("sizes: H, A, L, …", GREY), (name, BLUE))
    for column, boxes in ((1.2, files), (4.7, parts)):
        for y, (text, color) in zip((3, 2, 0.6), boxes):
            _box(axes, column, y, text, color)
    _box(axes, 8.7, 3, "numbers for words", GREEN)
    _box(axes, 8.7, 2, "empty layers", GREY)
    _box(axes, 8.7, 0.6, ours, BLUE)
    for y, first, second, color in (
        (3, "a word a line", "", GREEN), (2, "text", "", GREY), (0.6, "bytes", "the same numbers?", BLUE),
    ):
        for start, end, label in ((2.4, 3.2, first), (6.2, 7.1, second)):
            look = {"arrowstyle": "->", "color": color, "linewidth": 2.5}
            axes.annotate("", (end, y), (start, y), arrowprops=look)
            axes.text((start + end) / 2, y + 0.42, label, fontsize=12, **middle)
    axes.text(6.65, -0.35, "another name, another layout", fontsize=13, color=ORANGE, **middle)
    axes.set(xlim=(0, 10.2), ylim=(-0.7, 3.5))
    axes.set_axis_off()
    return axes


def _box(axes, x, y, text, color):
    box = {"boxstyle": "round,pad=0.4", "facecolor": "white", "edgecolor": color, "linewidth": 2}
    axes.text(x, y, text, ha="center", va="center", fontsize=13, bbox=box)
