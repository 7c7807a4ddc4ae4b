"""Progress that is shown where somebody listens: a closed pipe or terminal never ends a run."""

LOST = (OSError, ValueError, AttributeError)  # a broken pipe; a closed file; None, where there is no stream


def safely(say):
    """Return the function `say`, but a line that cannot be printed is left out."""

    def say_safely(line=""):
        try:
            say(line)
        except LOST:
            pass

    return say_safely


class SafeStream:
    """A text stream, or None, that leaves out what it cannot write."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        """Write a text, if it can be."""
        try:
            self.stream.write(text)
        except LOST:
            pass

    def flush(self):
        """Write what is buffered, if it can be."""
        try:
            self.stream.flush()
        except LOST:
            pass

    def isatty(self):
        """Whether it is a terminal."""
        try:
            return self.stream.isatty()
        except LOST:
            return False

    def __getattr__(self, name):
        return getattr(self.stream, name)
