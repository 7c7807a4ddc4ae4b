"""The made-up model's case."""
