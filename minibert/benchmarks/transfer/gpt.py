"""GPT, fine-tuned without a head: it writes the label as its next token.

A label is a token that the toy language never writes, so its row of the token embeddings, which are the
output's weights, too, is the row of a new linear layer on the last state (Radford et al. 2018, section 3.2).
The forecast at a word of a tagged sentence is its tag.

    [CLS] the old wore man his hat [SEP]        the label at [SEP]
    [CLS] surely tom keeps goats [SEP]          a tag at surely, tom, keeps and goats
"""

import numpy as np

from minibert.layers.cross_entropy import IGNORE_INDEX
from minibert.models.gpt import GPT2LMHeadModel
from minibert.objectives.classification import Classification, scores_of
from minibert.objectives.fine_tuning import FineTuning
from minibert.objectives.tagging import Tagging
from minibert.text.basic_tokenizer import MASK, PAD, SPECIAL_TOKENS, UNK
from minibert.text.examples.labelled import LabelledExamples, TagBatch, TextBatch, padded
from minibert.text.examples.streams import NextBatch
from minibert.training.optimizers import AdamW

ANSWERS = np.array([SPECIAL_TOKENS.index(token) for token in (PAD, UNK, MASK)])  # of labels 0, 1 and 2


class AnsweredRows(LabelledExamples):
    """LabelledExamples for a GPT: the labels are tokens that it is to forecast."""

    def of(self, rows, length=0):
        """Return the NextBatch of some rows; labels[:, t + 1] is the forecast asked for at token t."""
        length = 1 + max(length, *(len(row.input_ids) for row in rows))
        input_ids = padded([row.input_ids for row in rows], length, self.pad_token_id)      # (B, T + 1)
        asked = [forecasts(row) for row in rows]
        return NextBatch(input_ids, padded(asked, length, IGNORE_INDEX))


def forecasts(row):
    """Return the labels of a Row, one place later than the token that forecasts them."""
    if isinstance(row.target, list):
        return [IGNORE_INDEX, *(ANSWERS[tag] if tag >= 0 else IGNORE_INDEX for tag in row.target)]
    return [IGNORE_INDEX] * len(row.input_ids) + [ANSWERS[row.target]]


def answer_scores(output, batch, num_labels):
    """Return the Scores of the task's labels alone, in the order of their tokens."""
    answers, asked = ANSWERS[:num_labels], batch.labels[batch.labels != IGNORE_INDEX]       # (M,)
    return scores_of(output.logits[:, answers], np.searchsorted(answers, asked))


class TextAnswers(Classification):
    """Texts and pairs for a GPT."""

    model_class = GPT2LMHeadModel

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the AnsweredRows of Rows."""
        return AnsweredRows(rows, TextBatch, tokenizer.pad_token_id, seed)


class TagAnswers(Tagging):
    """Tagged words for a GPT."""

    model_class = GPT2LMHeadModel

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the AnsweredRows of Rows."""
        return AnsweredRows(rows, TagBatch, tokenizer.pad_token_id, seed)


class GPTFineTuning(FineTuning):
    """FineTuning of a whole GPT-2 with the same recipe; at most three labels."""

    name = "gpt-fine-tuning"

    @staticmethod
    def make_task(name, columns):
        """Return the task of a name."""
        return TagAnswers() if name == "tag" else TextAnswers(name == "pairs", columns)

    def _labels(self, recipe):
        return sorted(self.task.count(self.training))

    def make_model(self):
        """Return the pretrained model."""
        return GPT2LMHeadModel.from_pretrained(self.start, np.float32)

    def make_optimizer(self, model):
        """Return AdamW for all parameters."""
        recipe = self.recipe
        return AdamW(model.parameters(), recipe.learning_rate, betas=(0.9, recipe.beta2),
                     weight_decay=recipe.weight_decay)

    def num_tokens(self, batch):
        """Return the number of tokens in a batch, padding included."""
        return batch.input_ids.size

    def score(self, model, batch, state=None):
        """Return the Scores of a model's forecasts among the labels, and None: nothing is passed on."""
        output, _ = model.forward(**batch._asdict())
        return answer_scores(output, batch, len(self.labels)), None
