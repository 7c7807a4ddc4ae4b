"""Of BERT."""

EQUIVALENT = {}
