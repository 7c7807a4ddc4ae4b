"""What the notebooks import: the exercises, the source that they show, and the figures of the lessons."""

from minibert.course.sources import source
