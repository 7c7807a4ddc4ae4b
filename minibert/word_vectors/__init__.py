"""Word2Vec and GloVe, each in a plain form to read and a fast form to train, and the trained vectors."""
