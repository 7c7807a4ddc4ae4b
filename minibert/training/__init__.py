"""How any model with a loss is trained: steps, runs and their checkpoints, optimizers, schedules, threads."""
