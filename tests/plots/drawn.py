"""What a picture shows, as the tests read it."""


def line(axes, label):
    """Return the x and the y of the line of that label, as two lists."""
    [found] = [line for line in axes.get_lines() if line.get_label() == label]
    return [list(map(float, values)) for values in (found.get_xdata(), found.get_ydata())]


def texts(labels):
    """Return the strings of tick labels."""
    return [label.get_text() for label in labels]


def legend(axes):
    """Return the strings of the legend."""
    return texts(axes.get_legend().get_texts())
