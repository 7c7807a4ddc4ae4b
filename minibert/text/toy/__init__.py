"""Toy: a small language of English words whose best possible model is known."""

from minibert.text.toy.generator import TOY, Language, Sentence, corpus, fingerprint, to_text
from minibert.text.toy.grammar import GRAMMAR, LEMMAS, TOPICS, WORDS, Grammar
