"""For the notebooks: the exercises, the source that they show, and the numbers behind their figures."""

from minibert.course.sources import source
