"""Optimizers, schedules, the training loop, checkpoints."""
