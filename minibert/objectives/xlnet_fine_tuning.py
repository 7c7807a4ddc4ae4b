"""Fine-tuning of an XLNet: a text has a label, or a pair of texts (Yang et al. 2019, section 3).

All tokens see each other, as in BERT, and there are no query rows. The classifier reads the state of [CLS],
which is the last token. Padding is on the left, as in transformers: its classifier reads the last column,
whatever that holds.
"""

from minibert.models.xlnet import XLNetForSequenceClassification
from minibert.objectives.classification import Classification
from minibert.objectives.fine_tuning import FineTuning, check_columns, length_without_limit
from minibert.text.examples.labelled import LeftPadded, TextBatch, with_cls_last


class XLNetClassification(Classification):
    """The task of a text, or a pair of texts, as XLNet reads them: A [SEP] B [SEP] [CLS]."""

    model_class = XLNetForSequenceClassification

    @staticmethod
    def encode(examples, tokenizer, max_length, label_ids=None, is_training=False):
        """Return the Rows of the examples, and a note about long ones, "" if there are none."""
        rows, note = Classification.encode(examples, tokenizer, max_length, label_ids)
        return with_cls_last(rows), note

    @staticmethod
    def batches(rows, tokenizer, seed=0):
        """Return the LeftPadded of Rows."""
        return LeftPadded(rows, TextBatch, tokenizer.pad_token_id, seed)


class XLNetFineTuning(FineTuning):
    """The objective of a labelled task for an XLNet; see FineTuning."""

    name = "xlnet-fine-tuning"

    @staticmethod
    def make_task(name, columns=None):
        """Return the task of a name; ValueError if an XLNet does not learn it."""
        if name not in ("classify", "pairs"):
            raise ValueError(f"an XLNet learns --task classify or pairs, not {name}")
        check_columns(name, columns)
        return XLNetClassification(name == "pairs", columns)

    def _checked_length(self, recipe):
        return length_without_limit(recipe, self.task)

    def frozen_layers(self, model):
        """Return the layers of a model that are frozen, if any are; all layers read the same waves."""
        body = model.transformer
        return [body.embeddings, body.wave_dropout, *body.layers[: self.num_frozen - 1]]

    def part(self, model):
        """Return the model: states of frozen layers are not kept."""
        return model

    def save(self, directory):
        """Write the vocabulary."""
        self.tokenizer.save_pretrained(directory, self.max_length)
