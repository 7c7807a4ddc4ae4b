"""The experiments of lesson 14: two hidden words that must agree."""

import numpy as np
import pytest

from minibert.course import xlnet
from minibert.models.xlnet import XLNetConfig, XLNetLMHeadModel
from minibert.text.toy import TOY
from minibert.text.toy.limits import Limits


@pytest.fixture(scope="module")
def tokenizer():
    return TOY.tokenizer()


@pytest.fixture(scope="module")
def rows():
    return xlnet.capitals_and_countries(400)


def test_the_two_words_are_the_capital_and_its_country_and_nothing_else_tells_it(rows, tokenizer):
    pairs, hidden = rows
    assert len(hidden) > 5 and (hidden.sum(axis=1) == 2).all()
    words = [tokenizer.id_to_token[index] for index in pairs.clean_ids[hidden]]
    of = dict(zip(xlnet.CAPITALS.split(), xlnet.COUNTRIES.split()))
    assert [of[capital] for capital in words[::2]] == words[1::2]
    places = np.nonzero(hidden)[1].reshape(-1, 2)
    assert (places[:, 1] - places[:, 0] == 6).all()  # paris is the ... capital of france
    together = Limits(TOY, tokenizer).together(pairs, hidden)
    np.testing.assert_allclose(together.independent, 2 * together.joint, atol=1e-9)  # each tells all


class Posterior:
    """The best possible model, called as an XLNet: its logits are the exact log-probabilities."""

    def __init__(self, pairs, tokenizer):
        self.pairs, self.limits, self.sees_other = pairs, Limits(TOY, tokenizer), []

    def forward(self, **batch):
        mapping, may_not = batch["target_mapping"], batch["perm_mask"]
        row, _, place = np.nonzero(mapping)
        other = place.reshape(-1, 2)[:, ::-1].ravel()
        self.sees_other.append((~may_not[row, place, other]).reshape(-1, 2)[0].tolist())
        pairs = self.pairs._replace(
            batch=type(self.pairs.batch)(*(array[row] for array in self.pairs.batch)),
            clean_ids=self.pairs.clean_ids[row], tags=self.pairs.tags[row])
        visible = np.zeros(pairs.clean_ids.shape, bool)
        visible[:, 1:] = ~may_not[row, place, :-1]
        asked = np.arange(visible.shape[1]) == place[:, np.newaxis] + 1
        probs, _ = self.limits.given(pairs, visible, asked)
        assert (batch["labels"] == batch["input_ids"][row, place].reshape(-1, 2)).all()
        return type("Output", (), {"logits": np.log(np.maximum(probs, 1e-300))}), None


def test_the_best_model_goes_all_the_way_in_both_orders_and_none_without_order(rows, tokenizer):
    pairs, hidden = rows
    together = Limits(TOY, tokenizer).together(pairs, hidden)
    best = Posterior(pairs, tokenizer)
    losses = xlnet.of_two_words(best, pairs, hidden, (*xlnet.ORDERS, (1, 1)))
    assert best.sees_other == [[False, True], [True, False], [False, False]]
    assert losses.shape == (len(hidden), 3)
    np.testing.assert_allclose(losses[:, 0], together.joint, atol=1e-9)
    np.testing.assert_allclose(losses[:, 1], together.joint, atol=1e-9)
    np.testing.assert_allclose(losses[:, 2], together.independent, atol=1e-9)
    shares = [xlnet.share_of_the_way(losses[:, column], together) for column in range(3)]
    assert shares == pytest.approx([1, 1, 0])


def test_an_xlnet_is_asked_in_parts(rows, tokenizer, monkeypatch):
    pairs, hidden = rows
    model = XLNetLMHeadModel(XLNetConfig(tokenizer.vocab_size, hidden_size=4, num_hidden_layers=1))
    whole = xlnet.of_two_words(model, pairs, hidden)
    monkeypatch.setattr(xlnet, "ROWS_AT_ONCE", 3)
    np.testing.assert_allclose(xlnet.of_two_words(model, pairs, hidden), whole, rtol=1e-5)
