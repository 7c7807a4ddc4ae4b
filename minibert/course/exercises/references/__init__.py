"""The right answers by which an exercise makes data of its own for each student; a file for each lesson.

REFERENCES of a file is {name of the exercise: Reference}. No backward is here: the gradient check needs none.
variants.py says what a Reference holds.
"""
