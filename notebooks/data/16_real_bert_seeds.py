"""Do for five seeds what lesson 16 says of random models: a minute on one core.

    python notebooks/data/16_real_bert_seeds.py    # writes 16_real_bert_seeds.json beside it

On another machine the last bits differ, and after 300 steps more than those.
"""

import tempfile

import numpy as np
from threadpoolctl import threadpool_limits

import minibert
from minibert.course import real_bert
from minibert.course.bert_backward import flat_gradient
from minibert.course.experiments import store
from minibert.gradcheck import museum
from minibert.text.toy import TOY
from minibert.text.toy.pairs import ToyExamples
from minibert.trace import example

TRIALS = {"transpose": {"change": real_bert.transpose_square_back},
          "exchange": {"change": real_bert.exchange_query_and_key},
          "heads": {"num_attention_heads": 4}, "gelu_new": {"hidden_act": "gelu_new"}}


def silent_changes(seed):
    """Return the largest change of a logit of section 2's model by each mistake, and two losses."""
    subject, rng = example.by_hand(seed), np.random.default_rng(seed + 16)
    for parameter in subject.model.parameters().values():
        if parameter.value.ndim == 1:
            parameter.value += 0.3 * rng.standard_normal(parameter.value.shape)
    with tempfile.TemporaryDirectory() as folder:
        subject.model.astype(np.float32).save_pretrained(folder)
        right = real_bert.load(folder)
        output, _ = right.forward(**subject.batch)
        found = {}
        for name, trial in TRIALS.items():
            changed = real_bert.load(folder, **trial).forward(**subject.batch)[0].prediction_logits
            found[name] = np.abs(changed - output.prediction_logits).max()
    mixed, _ = museum.plant(right, "mixed-heads").forward(**subject.batch)
    return {**found, "loss": output.loss, "loss, mixed heads": mixed.loss}


def from_scratch(seed, num_steps=400):
    """Train a right BERT and one with mixed heads; return the mean MLM loss of the last 50 steps of each."""
    tokenizer, found = TOY.tokenizer(), {}
    examples = ToyExamples(TOY, tokenizer, seed)
    config = minibert.BertConfig(tokenizer.vocab_size, 48, 2, 4, 96, max_position_embeddings=64)
    right = minibert.BertForPreTraining(config, seed)
    for name, model in (("right", right), ("mixed heads", museum.plant(right, "mixed-heads"))):
        optimizer, losses = minibert.AdamW(model.parameters(), lr=2e-3), []
        for step in range(num_steps):
            losses.append(flat_gradient(model, examples.batch(step, 16)._asdict())[0])
            optimizer.step()
        found[f"trained, {name}"] = [np.mean(losses[:5]), np.mean(losses[-50:])]
    return found


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):
        store(__file__, lambda seed: {**silent_changes(seed), **from_scratch(seed)})
