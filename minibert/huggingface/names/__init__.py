"""A table of names for each model: ours, and those that Hugging Face's checkpoints use."""
