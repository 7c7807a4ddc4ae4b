"""The toy language: what it says, its labels, and that the exact inference equals the enumeration of all texts."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from minibert.models.bert import BertConfig, BertForPreTraining
from minibert.objectives.masked_lm import score_pairs
from minibert.text import toy
from minibert.text.corpora import load_corpus
from minibert.text.examples import Batch
from minibert.text.toy import generator, grammar
from minibert.text.toy.limits import Limits, losses_and_hits
from minibert.text.toy.pairs import NUM_SPECIAL, SAME_TOPIC, ToyExamples, split
from minibert.training.optimizers import AdamW

TINY = toy.Grammar(
    variables={"topic": np.array([0.7, 0.3]), "hero": np.array([0.5, 0.2, 0.3]), "mood": np.array([0.6, 0.4])},
    document=("topic", "hero"),
    derived={"gender": ("hero", np.array([0, 1, 1]))},
    words={
        "name": (("hero",), "name", ["ann", "tom", "bob"]),
        "pronoun": (("gender",), "pronoun", ["she", "he"]),
        "does": (("topic", "mood"), "topic", [["digs sings", "sulks"], ["swims", "sulks dives"]]),
        "how": ((), "choice", "well again"),
    },
    sentences={
        "first": [("{who} {does}", "{does} {who}"), ("{who} {does} {how}", "{how} {who} {does}")],
        "then": [("then {who} {does}", "{who} {does} then")],
        "end": [("all is {how}", "{how} is all"), ("{how} {how}", "{how} {how}")],
    },
    follows={"end": {"then": 1}},
    any={"then": 2, "end": 1, "first": 1},
    pronoun=0.6,
    document_length=4,
)  # fmt: skip


# --- enumeration, straight from the grammar: no arrays, no plans, no keys ---


def sentence_probs(grammar, kind, how, topic, hero):
    """Return {words: P(words | kind, how the hero is mentioned, document)}."""
    probs = defaultdict(float)
    templates = grammar.sentences[kind]
    for (template, _), (mood, p_mood) in itertools.product(templates, enumerate(grammar.variables["mood"])):
        values = {"topic": topic, "hero": hero, "gender": grammar.derived["gender"][1][hero], "mood": mood}
        choices = []
        for word in template.replace("{who}", f"{{{how}}}").split():
            if not word.startswith("{"):
                choices.append([(word, 1.0)])
                continue
            variables, _, table = grammar.words[word.strip("{}")]
            for name in variables:
                table = table[values[name]]
            options = table.split()
            total = sum(1 / (rank + 1) for rank in range(len(options)))
            choices.append([(option, 1 / (rank + 1) / total) for rank, option in enumerate(options)])
        for combination in itertools.product(*choices):
            words = tuple(word for word, _ in combination)
            probs[words] += p_mood / len(templates) * np.prod([p for _, p in combination])
    return probs


def chains(grammar):
    """Return {states of a whole document: probability}; a state is (kind, how the hero is mentioned)."""
    found = {(("first", "name"),): 1.0}
    for _ in range(grammar.document_length - 1):
        longer = defaultdict(float)
        for states, p in found.items():
            kind, how = states[-1]
            weights = grammar.follows.get(kind, grammar.any)
            for following, weight in weights.items():
                share = p * weight / sum(weights.values())
                if following == "end":
                    longer[*states, (following, "")] += share
                elif how:
                    longer[*states, (following, "pronoun")] += share * grammar.pronoun
                    longer[*states, (following, "name")] += share * (1 - grammar.pronoun)
                else:
                    longer[*states, (following, "name")] += share
        found = longer
    return found


def pair_probs(grammar):
    """Return {(words of A, words of B, label): probability} of the pretraining examples."""
    neighbours = defaultdict(float)
    for states, p in chains(grammar).items():
        for here, there in itertools.pairwise(states):
            neighbours[here, there] += p / (grammar.document_length - 1)
    first, second = defaultdict(float), defaultdict(float)
    for (here, there), p in neighbours.items():
        first[here] += p
        second[there] += p
    documents = [(topic, hero, p * q) for (topic, p), (hero, q) in itertools.product(
        enumerate(grammar.variables["topic"]), enumerate(grammar.variables["hero"]))]  # fmt: skip
    texts = {(state, topic, hero): sentence_probs(grammar, *state, topic, hero) for state in {*first, *second} for topic, hero, _ in documents}
    probs = defaultdict(float)

    def add(state_a, document_a, state_b, document_b, label, p):
        if p:
            for a, b in itertools.product(texts[state_a, *document_a].items(), texts[state_b, *document_b].items()):
                probs[a[0], b[0], label] += p * a[1] * b[1]

    for topic, hero, p in documents:
        for (here, there), q in neighbours.items():
            add(here, (topic, hero), there, (topic, hero), 0, p * q / 2)
        for other_topic, other_hero, r in documents:
            same = SAME_TOPIC * (topic == other_topic) * grammar.variables["hero"][other_hero] + (1 - SAME_TOPIC) * r
            for here, there in itertools.product(first, second):
                add(here, (topic, hero), there, (other_topic, other_hero), 1, p * same * first[here] * second[there] / 2)
    return probs


@pytest.fixture(scope="module")
def tiny():
    """(language, tokenizer, {(ids of A, ids of B, label): probability})."""
    language = toy.Language(TINY)
    tokenizer = language.tokenizer()
    probs = {(tuple(tokenizer.vocab[w] for w in a), tuple(tokenizer.vocab[w] for w in b), label): p
             for (a, b, label), p in pair_probs(TINY).items()}  # fmt: skip
    return language, tokenizer, probs


def test_the_enumeration_is_of_everything(tiny):
    _, _, probs = tiny
    assert len(probs) > 500
    assert sum(probs.values()) == pytest.approx(1, abs=1e-12)


def test_posteriors_equal_enumeration(tiny):
    language, tokenizer, probs = tiny
    pairs = ToyExamples(language, tokenizer, seed=3, mlm_probability=0.4).pairs(25, np.random.default_rng(0))
    vocab_size, is_mask = tokenizer.vocab_size, tokenizer.mask_token_id
    token_probs, not_next = Limits(language, tokenizer, 0.4).posteriors(pairs.batch)
    corrupted = (pairs.batch.input_ids != pairs.clean_ids) & (pairs.batch.input_ids != is_mask)
    assert corrupted.any()  # random tokens occur too

    def selected(seen, word):
        return 0.8 * (seen == is_mask) + 0.1 * (seen == word) + 0.1 / vocab_size

    def unknown(seen, word):
        return 0.6 * (seen == word) + 0.4 * selected(seen, word)

    row = 0
    for number, (input_ids, labels) in enumerate(zip(pairs.batch.input_ids, pairs.batch.labels)):
        seps = np.flatnonzero(pairs.clean_ids[number] == tokenizer.sep_token_id)
        spans = range(1, seps[0]), range(seps[0] + 1, seps[1])
        places = [*spans[0], *spans[1]]
        fitting = [((*a, *b), label, p) for (a, b, label), p in probs.items() if len(a) == len(spans[0]) and len(b) == len(spans[1])]
        likelihoods = [[unknown(input_ids[place], word) for place, word in zip(places, text)] for text, _, _ in fitting]
        joint = np.array([p * np.prod(likelihood) for (_, _, p), likelihood in zip(fitting, likelihoods)])
        expected = sum(joint[k] for k, (_, label, _) in enumerate(fitting) if label == 1) / joint.sum()
        assert not_next[number] == pytest.approx(expected, abs=1e-12)
        for index, place in enumerate(places):
            if labels[place] < 0:
                continue
            of_word = np.zeros(vocab_size)
            for k, (text, _, _) in enumerate(fitting):
                of_word[text[index]] += joint[k] / likelihoods[k][index] * selected(input_ids[place], text[index])
            np.testing.assert_allclose(token_probs[row], of_word / of_word.sum(), rtol=0, atol=1e-12)
            row += 1
    assert row == len(token_probs) > 40


def test_next_token_equals_enumeration(tiny):
    language, tokenizer, probs = tiny
    pairs = ToyExamples(language, tokenizer).pairs(40, np.random.default_rng(1))
    losses, right = Limits(language, tokenizer).next_token(pairs)
    texts = defaultdict(float)  # with [SEP] after each sentence
    for (a, b, _), p in probs.items():
        texts[(*a, tokenizer.sep_token_id, *b, tokenizer.sep_token_id)] += p
    for ids, length, row, hits in zip(pairs.clean_ids, pairs.batch.attention_mask.sum(axis=1), losses, right):
        assert (row[length:] == 0).all() and row[0] == 0
        for place in range(1, length):
            following = Counter()
            for text, p in texts.items():
                if text[: place - 1] == tuple(ids[1:place]):
                    following[text[place - 1]] += p
            assert row[place] == pytest.approx(-np.log(following[ids[place]] / following.total()), abs=1e-12)
            if hits[place]:
                assert following[ids[place]] >= max(following.values()) - 1e-12


def test_baselines_equal_enumeration(tiny):
    language, tokenizer, probs = tiny
    pairs = ToyExamples(language, tokenizer).pairs(300, np.random.default_rng(2))
    answers = Limits(language, tokenizer).baselines(pairs)
    words, neighbours = np.zeros(tokenizer.vocab_size), defaultdict(lambda: np.zeros(tokenizer.vocab_size))
    for (a, b, _), p in probs.items():
        for text in (a, b):
            for left, word in itertools.pairwise((tokenizer.sep_token_id, *text)):
                words[word] += p
                neighbours[left][word] += p
    np.testing.assert_allclose(answers["unigram"][0], words / words.sum(), atol=1e-12)
    for row, (k, place) in enumerate(zip(*np.nonzero(pairs.batch.labels >= 0))):
        seen, clean = pairs.batch.input_ids[k, place - 1], pairs.clean_ids[k, place - 1]
        if seen == tokenizer.mask_token_id:  # whatever stood there: all words but the first of a sentence
            expected = sum(neighbours[left] for left in neighbours if left != tokenizer.sep_token_id)
        elif clean < NUM_SPECIAL:
            expected = neighbours[tokenizer.sep_token_id]
        else:
            continue
        np.testing.assert_allclose(answers["bigram"][row], expected / expected.sum(), atol=1e-12)
    assert (np.abs(answers["topic"].sum(axis=1) - 1) < 1e-12).all() and len(np.unique(answers["topic"], axis=0)) == 2


def test_samples_have_the_probabilities_of_the_enumeration(tiny):
    language, tokenizer, probs = tiny
    number = 200_000
    pairs = ToyExamples(language, tokenizer).pairs(number, np.random.default_rng(4))
    counts = Counter()
    for ids, length, label in zip(pairs.clean_ids, pairs.batch.attention_mask.sum(axis=1), pairs.batch.next_sentence_label):
        text = ids[1 : length - 1].tolist()
        middle = text.index(tokenizer.sep_token_id)
        counts[tuple(text[:middle]), tuple(text[middle + 1 :]), int(label)] += 1
    assert set(counts) <= set(probs)
    chi_square = sum((counts[key] - number * p) ** 2 / (number * p) for key, p in probs.items())
    assert abs(chi_square - len(probs)) < 5 * np.sqrt(2 * len(probs))


def test_neighbours_in_documents_are_distributed_like_next_pairs(tiny):
    language, tokenizer, probs = tiny
    expected = {(a, b): 2 * p for (a, b, label), p in probs.items() if label == 0}
    counts, number = Counter(), 20_000
    for document in language.documents(number, seed=5):
        texts = [tuple(tokenizer.vocab[word] for word in sentence.words) for sentence in document]
        counts.update(itertools.pairwise(texts))
    assert set(counts) <= set(expected)
    likely = {pair: p for pair, p in expected.items() if p > 0.002}
    for pair, p in likely.items():
        error = np.sqrt(3 * p / counts.total())  # the three pairs of a document may be alike
        assert counts[pair] / counts.total() == pytest.approx(p, abs=4 * error)
    assert len(likely) > 40


def test_no_model_beats_the_limit(tiny):
    """Ten models come close to it: what they stay above it is more than the sampling error of the difference."""
    language, tokenizer, _ = tiny
    pairs = ToyExamples(language, tokenizer).held_out(1500)
    best = Limits(language, tokenizer).scores(pairs.batch)
    batches = split(pairs.batch, 500)
    above = []
    for seed in range(10):
        model = BertForPreTraining(BertConfig(
            vocab_size=tokenizer.vocab_size, hidden_size=24, num_hidden_layers=1, num_attention_heads=2, intermediate_size=48,
            max_position_embeddings=16, initializer_range=0.1), seed=seed)  # fmt: skip
        optimizer = AdamW(model.parameters(), lr=5e-3)
        data = ToyExamples(language, tokenizer, seed)
        for step in range(200):
            model.zero_grad()
            _, cache = model.forward(*data.batch(step, 64))
            model.backward(cache)
            optimizer.step()
        token_losses, _, pair_losses, _ = (np.concatenate(parts) for parts in zip(*(score_pairs(model, batch) for batch in batches)))
        for losses, limits in ((token_losses, best.token_losses), (pair_losses, best.pair_losses)):
            difference = losses - limits
            error = difference.std() / np.sqrt(len(difference))
            assert difference.mean() > -3 * error
        above.append(token_losses.mean() / best.token_losses.mean() - 1)
    assert max(above) < 0.6  # they have learnt: this test could fail


# --- the language ---


@pytest.fixture(scope="module")
def documents():
    return toy.TOY.documents(300, seed=0)


def test_size_of_the_language(documents):
    sentences = [sentence for document in documents for sentence in document]
    assert 150 <= len(toy.TOY.words) <= 400
    assert {len(document) for document in documents} == {12}
    assert all(4 <= len(sentence.words) <= 12 for sentence in sentences)
    counts = np.array(sorted(Counter(word for sentence in sentences for word in sentence.words).values(), reverse=True))
    assert len(counts) >= 0.95 * len(set(toy.TOY.words))
    slope = np.polyfit(np.log(np.arange(10, 200)), np.log(counts[10:200]), 1)[0]
    assert -1.5 < slope < -0.5  # Zipf's law has -1


def test_every_machine_makes_the_same_text():
    assert load_corpus(["toy"]).fingerprint == "1c9aaca93987"


def test_another_seed_gives_other_documents():
    assert toy.TOY.documents(2, seed=1) == toy.TOY.documents(2, seed=1) != toy.TOY.documents(2, seed=2)


def test_one_word_is_one_token(documents):
    tokenizer = toy.TOY.tokenizer()
    for sentence in documents[0]:
        assert tokenizer.tokenize(" ".join(sentence.words)) == list(sentence.words)
        assert tokenizer.tokenize(" ".join(sentence.rewritten)) == list(sentence.rewritten)


def test_verbs_agree_with_the_subject_and_not_with_its_neighbour(documents):
    lemmas = [line.split() for topic in toy.LEMMAS for line in topic]
    verb_of = {line[0]: line[2] for line in lemmas} | {line[1]: line[3] for line in lemmas}
    plurals = {line[1] for line in lemmas}
    seen = 0
    for sentence in (sentence for document in documents for sentence in document if sentence.kind == "agreement"):
        nouns = [word for word in sentence.words if word in verb_of]
        others = [word for word in sentence.words if word in ("tree", "stone", "basket", "trees", "stones", "baskets")]
        assert len(nouns) == 1
        assert [other.endswith("s") for other in others] in ([], [nouns[0] not in plurals])  # always the other number
        verbs = [word for word in sentence.words if word in generator._OTHER_NUMBER]
        if verbs:
            assert verbs == [verb_of[nouns[0]]] and others
            seen += 1
    assert seen > 100


def test_pronouns_fit_the_name_before(documents):
    women, seen = set(grammar.WOMEN.split()), 0
    for document in documents:
        for first, second in itertools.pairwise(document):
            names = [word for word, tag in zip(first.words, first.phenomena) if tag == "name"]
            for word, tag in zip(second.words, second.phenomena):
                if names and tag == "pronoun":
                    assert (names[0] in women) == (word in ("she", "her"))
                    seen += 1
    assert seen > 300


def test_scripts_go_forward_and_answers_repeat_the_item(documents):
    items, answers, steps = set(grammar.ITEMS.split()), 0, 0
    for document in documents:
        for first, second in itertools.pairwise(document):
            if first.kind == "question":
                assert second.kind == "answer" and items & set(first.words) == items & set(second.words) != set()
                answers += 1
            if first.kind.startswith("step") and second.kind.startswith("step"):
                assert int(second.kind[-1]) == int(first.kind[-1]) + 1
                steps += 1
    assert answers > 100 and steps > 300


def test_a_homograph_means_what_the_topic_says(documents):
    said = defaultdict(set)
    for sentence in (sentence for document in documents for sentence in document if sentence.kind == "sense"):
        words = [word for word, tag in zip(sentence.words, sentence.phenomena) if tag == "sense"]
        said[words[0], sentence.topic].add(words[1])
    assert said["bank", "river"] == {"muddy", "grassy"} and said["bank", "money"] == {"closed", "wealthy"}
    assert len(said) == 6


def test_labels(documents):
    for sentence in (sentence for document in documents for sentence in document):
        assert len(sentence.words) == len(sentence.phenomena) == len(sentence.entities)
        for word, entity in zip(sentence.words, sentence.entities):
            names, places = f"{grammar.WOMEN} {grammar.MEN}".split(), f"{grammar.CAPITALS} {grammar.COUNTRIES}".split()
            assert entity == ("PER" if word in names else "LOC" if word in places else "O")
        if "wonderful" in sentence.words:
            assert sentence.sentiment == "positive"
        if "awful" in sentence.words:
            assert sentence.sentiment == "negative"
        assert (sentence.sentiment is None) == (sentence.kind != "opinion")


def test_acceptability():
    said = {sentence.words for document in toy.TOY.documents(300, seed=0) for sentence in document}
    pairs = toy.TOY.acceptability(400, seed=7)
    assert 150 < sum(acceptable for _, acceptable in pairs) < 250
    assert not any(words in said for words, acceptable in pairs if not acceptable)


# --- the examples ---


def test_selection_and_corruption():
    language = toy.TOY
    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out(4000)
    words = pairs.tags >= 0
    selected = pairs.batch.labels >= 0
    assert not selected[~words].any()
    assert (pairs.batch.labels[selected] == pairs.clean_ids[selected]).all()
    assert (pairs.batch.input_ids[~selected] == pairs.clean_ids[~selected]).all()
    assert selected[words].mean() == pytest.approx(0.15, abs=0.003)
    assert (pairs.batch.input_ids[selected] == tokenizer.mask_token_id).mean() == pytest.approx(0.8, abs=0.015)
    assert (pairs.batch.input_ids[selected] == pairs.clean_ids[selected]).mean() == pytest.approx(0.1, abs=0.01)
    counts = selected.sum(axis=1)
    assert counts.min() == 0 and counts.var() == pytest.approx(words.sum(axis=1).mean() * 0.15 * 0.85, rel=0.1)  # a coin for each token
    same_topic = (pairs.topics[:, 0] == pairs.topics[:, 1])[pairs.batch.next_sentence_label == 1].mean()
    by_chance = (language.grammar.variables["topic"] ** 2).sum()
    assert same_topic == pytest.approx(SAME_TOPIC + (1 - SAME_TOPIC) * by_chance, abs=0.03)


def test_the_batch_of_a_step_is_always_the_same():
    language = toy.TOY
    tokenizer = language.tokenizer()
    one, other = ToyExamples(language, tokenizer, seed=1), ToyExamples(language, tokenizer, seed=1)
    later = one.batch(70, 8)
    one.batch(3, 8)
    for a, b in zip(one.batch(70, 8), other.batch(70, 8)):
        assert np.array_equal(a, b)
    assert all(np.array_equal(a, b) for a, b in zip(later, other.batch(70, 8)))
    assert not np.array_equal(one.batch(71, 8).input_ids, later.input_ids)
    assert not np.array_equal(ToyExamples(language, tokenizer, seed=2).batch(70, 8).input_ids, later.input_ids)


def test_the_limit_of_the_toy_language_is_below_every_baseline():
    language = toy.TOY
    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out(300)
    limits = Limits(language, tokenizer)
    labels = pairs.batch.labels[pairs.batch.labels >= 0]
    best = limits.scores(pairs.batch).token_losses.mean()
    losses = {name: losses_and_hits(probs, labels)[0].mean() for name, probs in limits.baselines(pairs).items()}
    assert best + 1 < losses["bigram"] < losses["unigram"] and losses["topic"] < losses["unigram"]


def test_clean_context_is_no_bound():
    """Who conditions on the true words around a mask says less than a model can reach: the mistake this module avoids."""
    language = toy.TOY
    tokenizer = language.tokenizer()
    pairs = ToyExamples(language, tokenizer).held_out(1500)
    limits = Limits(language, tokenizer)
    exact = limits.scores(pairs.batch).token_losses
    one_at_a_time, labels = [], np.full_like(pairs.batch.labels, -100)
    for column in range(pairs.clean_ids.shape[1]):
        here = pairs.batch.labels[:, column] >= 0
        ids, only = pairs.clean_ids[here].copy(), labels[here].copy()
        ids[:, column], only[:, column] = tokenizer.mask_token_id, pairs.batch.labels[here, column]
        batch = Batch(ids, *(array[here] for array in pairs.batch[1:3]), only, pairs.batch.next_sentence_label[here])
        one_at_a_time.append(limits.scores(batch).token_losses if here.any() else [])
    clean = np.concatenate(one_at_a_time)
    order = np.argsort(np.nonzero(pairs.batch.labels >= 0)[1], kind="stable")  # column by column, as `clean` is
    hidden = (pairs.batch.input_ids[pairs.batch.labels >= 0] == tokenizer.mask_token_id)[order]
    assert 0.03 < 1 - clean[hidden].mean() / exact[order][hidden].mean() < 0.5
