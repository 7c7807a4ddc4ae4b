"""The command `minibert embed`: sentences as vectors, and how alike they are."""

import pathlib
import warnings

import numpy as np

NUM_SHOWN = 5     # numbers of each vector that are printed
MAX_SHOWN = 50    # characters of each sentence


def add(commands):
    """Add `embed` to the subparsers of the command line."""
    command = commands.add_parser(
        "embed",
        help="sentences as vectors, and how alike they are",
        description="Compute a vector of length 1 for each sentence, the mean of the encoder's states of its tokens, and show "
        "how alike the sentences are: the cosine of the angle between their vectors. Made for BERT checkpoints that were "
        "trained as sentence encoders, such as all-MiniLM-L6-v2; any other BERT will do for a comparison.",
        epilog='example: minibert embed all-MiniLM-L6-v2 "A man eats." "Someone has a meal." "What is a gradient?"',
    )
    command.set_defaults(run=_embed)
    command.add_argument("model", metavar="DIR", help="directory of a model or of a run")
    command.add_argument("sentences", metavar="SENTENCE", nargs="+", help="one text or more")
    command.add_argument("--output", metavar="FILE.npy", help="write the vectors to this file, (sentences, H) float32")


def sentence_vectors(model, encoding):
    """The mean of each sentence's token states, scaled to length 1 (Reimers & Gurevych 2019, "Sentence-BERT", section 3).

        mean = Σ_t mask_t · state_t / Σ_t mask_t          vector = mean / |mean|

    Args:
        model: a BertModel.
        encoding: an Encoding of a batch, (B, T) each; [CLS] and [SEP] count as tokens, padding does not.

    Returns:
        vectors (B, H), so that vectors @ vectors.T are the cosines.
    """
    output, _ = model.forward(encoding.input_ids, encoding.token_type_ids, encoding.attention_mask)
    states = output.last_hidden_state                                       # (B, T, H)
    mask = encoding.attention_mask[:, :, np.newaxis].astype(states.dtype)   # (B, T, 1)
    mean = (states * mask).sum(axis=1) / mask.sum(axis=1)                   # (B, H)
    length = np.sqrt((mean * mean).sum(axis=1, keepdims=True))              # (B, 1)
    return mean / np.maximum(length, 1e-12)


def _embed(options):
    if options.output and not options.output.endswith(".npy"):
        raise ValueError(f"--output {options.output}: give a file whose name ends in .npy (np.load reads it)")
    model, tokenizer, max_length = load_encoder(options.model)
    rows = []
    for number, sentence in enumerate(options.sentences, start=1):  # one by one: what a pass remembers grows with the batch
        num_tokens = len(tokenizer.encode(sentence).input_ids)
        if num_tokens > max_length:
            print(f"sentence {number} has {num_tokens:,} tokens; the model reads the first {max_length}")
        rows.append(sentence_vectors(model, tokenizer.encode_batch([sentence], max_length)))
    vectors = np.concatenate(rows)                                          # (sentences, H)
    if options.output:
        np.save(options.output, vectors)
    _print_vectors(options.sentences, vectors)
    print()
    _print_similarity(vectors @ vectors.T)


def load_encoder(directory):
    """Return (BertModel, WordPieceTokenizer, longest sequence) of a sentence encoder, or of any other BERT checkpoint.

    Raises:
        ValueError: the checkpoint is broken, or is a sentence encoder that takes something else than the mean of the states.
    """
    from minibert.files import read_json
    from minibert.huggingface import CheckpointWarning
    from minibert.models.bert import BertModel
    from minibert.text.tokenizer import WordPieceTokenizer
    from minibert.training.checkpoint import find_model

    folder = pathlib.Path(find_model(directory))
    _check_pooling(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CheckpointWarning)  # of heads and the pooler, none of which is used here
        model = BertModel.from_pretrained(folder)
    tokenizer = WordPieceTokenizer.from_pretrained(folder)
    if tokenizer.vocab_size > model.config.vocab_size:
        raise ValueError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens, but the model only {model.config.vocab_size}"
        )
    max_length = model.config.max_position_embeddings
    if (folder / "sentence_bert_config.json").is_file():
        stated = read_json(folder / "sentence_bert_config.json").get("max_seq_length")
        if isinstance(stated, int) and stated >= 2:
            max_length = min(max_length, stated)
    return model, tokenizer, max_length


def _check_pooling(folder):
    """Refuse a sentence encoder whose own files (modules.json, 1_Pooling/config.json) ask for more than the mean."""
    from minibert.files import CheckpointError, read_json

    pooling = folder / "1_Pooling" / "config.json"
    if pooling.is_file():
        modes = [name for name, is_on in read_json(pooling).items() if name.startswith("pooling_mode_") and is_on is True]
        if modes and modes != ["pooling_mode_mean_tokens"]:
            raise CheckpointError(f"{pooling} asks for {', '.join(modes)}; minibert embed takes the mean of the tokens")
    known = ("Transformer", "Pooling", "Normalize")
    extra = sorted(path.name for path in folder.glob("[0-9]_*") if path.name[2:] not in known)
    if extra:
        raise CheckpointError(f"{folder} goes on after the mean, in {', '.join(extra)}; minibert embed stops there")


def _print_vectors(sentences, vectors):
    num_shown = min(NUM_SHOWN, vectors.shape[1])
    texts = [" ".join(sentence.split()) for sentence in sentences]
    shown = [text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..." for text in texts]
    width = max(map(len, shown))
    print(f"{'':<4}{'sentence':<{width}}  the first {num_shown} of {vectors.shape[1]} numbers, all of length 1")
    for number, (text, vector) in enumerate(zip(shown, vectors), start=1):
        print(f"{number:<4}{text:<{width}}" + "".join(f"{value:>9.4f}" for value in vector[:num_shown]))


def _print_similarity(similarity):
    print("similarity (cosine: 1 for the same direction, 0 for nothing in common)")
    print("    " + "".join(f"{number:>8}" for number in range(1, len(similarity) + 1)))
    for number, row in enumerate(similarity, start=1):
        print(f"{number:<4}" + "".join(f"{value:>8.3f}" for value in row))
