"""Objectives: the only place that joins a model, its examples and a training recipe."""
