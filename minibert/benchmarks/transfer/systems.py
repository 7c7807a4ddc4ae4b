"""The systems of the comparison, all with the same interface.

    name       as --systems has it
    settings   six of them, the best of which is chosen on other examples; (None,) where there is no choice
    kinds      of tasks that it can learn
    model      of Pretrained, that it begins with; None: no model
    accuracy(work, setting)    learns from work.train, and returns its accuracy on work.test

Who reads frozen vectors (Features) puts a linear layer on them, at its exact optimum; the six settings are
its weight decay. Who is fine-tuned has six pairs of a learning rate and a number of epochs, or, for ULMFiT,
of a learning rate and a way to unfreeze.
"""

import collections
import functools
import itertools
import pathlib
from typing import NamedTuple

import numpy as np

from minibert.benchmarks.transfer.examples import answers_of, numbered, read
from minibert.benchmarks.transfer.gpt import GPTFineTuning
from minibert.benchmarks.transfer.pretrained import VECTORS, Pretrained, silent, trained
from minibert.models.bert import BertForPreTraining, hidden_states
from minibert.models.elmo import ELMo
from minibert.objectives.bag_of_words import BagOfWords
from minibert.objectives.classification import parts
from minibert.objectives.fine_tuning import FineTuning, FineTuningRecipe
from minibert.objectives.ulmfit import LanguageModelRecipe, TargetLanguageModel, ULMFiT, ULMFiTRecipe
from minibert.objectives.xlnet_fine_tuning import XLNetFineTuning
from minibert.text.examples.labelled import LabelledExamples, TagBatch, encode_tagged
from minibert.text.labelled import LabelledText, TaggedWords
from minibert.text.tokenizer import WordPieceTokenizer
from minibert.training.probes import fit_probe
from minibert.word_vectors.vectors import WordVectors

ALL = ("classify", "pairs", "tag")
RATES, MORE_EPOCHS = (3e-4, 1e-3, 3e-3), (1, 3)
MOST_TOKENS = 25  # of a pair of sentences, and one more
TOLERANCE = 1e-5  # on the gradient of a linear layer


class Work(NamedTuple):
    """What a system learns from, and what it is judged on.

    Attributes:
        kind: "classify", "pairs" or "tag".
        train, test: paths of files.  num_labels: examples in train.
        texts: path of 1,000 examples, those of train first; their labels are not read.
        seed: of all that is random.
        pretrained: Pretrained.
    """

    kind: str
    train: str
    test: str
    num_labels: int
    texts: str
    seed: int
    pretrained: Pretrained


def num_epochs(num_labels):
    """Return the passes over n examples, in batches of 16: from 40 of 20 or fewer to 3 of 5,000."""
    return min(40, max(3, round(180 / num_labels**0.5)))


class Majority:
    """Always the label that is most frequent among the training examples."""

    name, settings, kinds, model = "majority", (None,), ALL, None

    def accuracy(self, work, setting):
        """Return the accuracy, see above."""
        counts = collections.Counter(answers_of(read(work.kind, work.train)))
        [(most, _)] = counts.most_common(1)
        return float(np.mean([label == most for label in answers_of(read(work.kind, work.test))]))


class Bag:
    """Logistic regression on which words occur; for tags, on the word and on which others are beside it."""

    name, kinds, model = "bag-of-words", ALL, None
    settings = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # of the penalty

    def accuracy(self, work, setting):
        """Return the accuracy, see above."""
        training, test = (read(work.kind, path) for path in (work.train, work.test))
        names = sorted(set(answers_of(training)))
        bag = BagOfWords(
            as_texts(training), numbered(answers_of(training), names), len(names), penalty=setting)
        return float(np.mean(bag.predict(as_texts(test)) == numbered(answers_of(test), names)))


def as_texts(examples):
    """Return LabelledTexts as they are; of TaggedWords a pair for each word: the word and its sentence."""
    if not isinstance(examples[0], TaggedWords):
        return examples
    return [LabelledText(line, word, " ".join(words), None) for line, words, _ in examples for word in words]


class Features:
    """A linear layer on vectors that do not change.

    Of a sentence it reads the mean of its words' vectors; of two sentences u and v, as Sentence-BERT does,
    u, v, |u − v| and u ∘ v (Reimers & Gurevych 2019, section 3); of a word its own vector and that mean.
    """

    settings, kinds = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0), ALL  # of the weight decay

    def __init__(self, name, model):
        self.name, self.model = name, model
        self.vectors = functools.lru_cache(maxsize=8)(self.vectors)

    def accuracy(self, work, setting):
        """Return the accuracy, see above."""
        folder = work.pretrained.path(self.model, work.seed)
        labels = [answers_of(read(work.kind, path)) for path in (work.train, work.test)]
        names = sorted(set(labels[0]))
        training, test = (
            (self.vectors(folder, work.kind, path), numbered(answers, names))
            for path, answers in zip((work.train, work.test), labels)
        )
        probe = fit_probe(*training, len(names), weight_decay=setting, tolerance=TOLERANCE)
        return probe.accuracy(*test)

    def vectors(self, folder, kind, path):
        """Return the vectors (N, F) of a file's examples."""
        examples = read(kind, path)
        if kind == "tag":
            found = self.states(folder, [example.words for example in examples])
            return np.concatenate([np.hstack([one, np.broadcast_to(one.mean(axis=0), one.shape)])
                                   for one in found])
        first = self.means(folder, [example.text.split() for example in examples])
        if kind == "classify":
            return first
        second = self.means(folder, [example.pair.split() for example in examples])
        return np.hstack([first, second, np.abs(first - second), first * second])

    def means(self, folder, sentences):
        """Return the mean (N, F) of the words' vectors in each sentence."""
        return np.stack([one.mean(axis=0) for one in self.states(folder, sentences)])


class Averages(Features):
    """Word vectors, one for each word: those of Word2Vec or GloVe."""

    def states(self, folder, sentences):
        """Return the words' vectors (T, F) in each sentence, a list of words."""
        vectors = WordVectors.load(pathlib.Path(folder) / VECTORS)
        return [np.stack([vectors[word] for word in words]) for words in sentences]


class ELMoFeatures(Features):
    """ELMo's vectors of each word in its sentence: all three layers, which the linear layer weighs."""

    def states(self, folder, sentences):
        """Return the words' vectors (T, F) in each sentence."""
        model = ELMo.from_pretrained(folder)
        return [np.hstack(list(layers))
                for some in parts(sentences, 64) for layers in model.of_sentences(some)]


class FrozenBert(Features):
    """BERT's vectors of each word in its sentence: those before, between and after its layers."""

    def states(self, folder, sentences):
        """Return the words' vectors (T, F) in each sentence."""
        bert = BertForPreTraining.from_pretrained(folder).bert
        tokenizer = WordPieceTokenizer.from_pretrained(folder)
        tagged = [TaggedWords(0, words, None) for words in sentences]
        examples = LabelledExamples(encode_tagged(tagged, tokenizer, MOST_TOKENS)[0], TagBatch)
        found, rows = [None] * len(sentences), iter(examples.by_length)
        for [batch] in examples.held_out(64):
            output, cache = bert.forward(batch.input_ids, batch.token_type_ids, batch.attention_mask)
            for states in np.concatenate(hidden_states(output, cache), axis=2):         # (T, F) of each row
                row = next(rows)
                found[row.source] = states[row.places]
        return found


class FineTuned:
    """All weights of a pretrained model learn, with a new head.

    Args:
        name: of the system.  model: of Pretrained.
        objective: FineTuning, or a class like it.
        kinds: of tasks that it can learn.
    """

    settings = tuple(itertools.product(RATES, MORE_EPOCHS))

    def __init__(self, name, model, objective=FineTuning, kinds=ALL):
        self.name, self.model, self.objective, self.kinds = name, model, objective, kinds

    def accuracy(self, work, setting):
        """Return the accuracy, see above."""
        rate, factor = setting
        recipe = FineTuningRecipe.of(
            start=work.pretrained.path(self.model, work.seed), task=work.kind, train=work.train,
            dev=work.test, seed=work.seed, learning_rate=rate, epochs=factor * num_epochs(work.num_labels))
        return trained(self.objective(recipe, say=silent)).evaluate().accuracy


class ThreeStages:
    """ULMFiT: an AWD-LSTM, then its language model on texts of the task, then the labels."""

    name, kinds, model = "ulmfit", ("classify", "pairs"), "awd-lstm"
    settings = tuple(itertools.product((3e-3, 1e-2, 3e-2), ("gradual", "all")))

    def accuracy(self, work, setting):
        """Return the accuracy, see above."""
        rate, unfreeze = setting
        recipe = ULMFiTRecipe.of(
            start=self.second_stage(work), task=work.kind, train=work.train, dev=work.test, seed=work.seed,
            learning_rate=rate, unfreeze=unfreeze, epochs=2 * num_epochs(work.num_labels))
        return trained(ULMFiT(recipe, say=silent)).evaluate().accuracy

    def second_stage(self, work):
        """Return the folder of the language model after stage 2, beside the texts that it has read."""
        folder = pathlib.Path(work.texts).with_suffix(".language-model")
        if not folder.is_dir():
            recipe = LanguageModelRecipe.before(ULMFiTRecipe.of(
                start=work.pretrained.path(self.model, work.seed), task=work.kind, train=work.texts,
                dev=work.test, seed=work.seed))
            training = trained(TargetLanguageModel(recipe, say=silent))
            training.model.save_pretrained(folder)
            training.objective.tokenizer.save_pretrained(folder)
        return str(folder)


SYSTEMS = {
    system.name: system
    for system in (
        Majority(), Bag(), Averages("word2vec", "word2vec"), Averages("glove", "glove"),
        ELMoFeatures("elmo", "elmo"), FrozenBert("bert-frozen", "bert"), ThreeStages(),
        FineTuned("gpt", "gpt", GPTFineTuning),
        FineTuned("xlnet", "xlnet", XLNetFineTuning, ("classify", "pairs")), FineTuned("bert", "bert"),
        FineTuned("bert-without-nsp", "bert-without-nsp"), FineTuned("bert-scratch", "new-bert"),
    )
}
