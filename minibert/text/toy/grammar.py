"""The toy language as data: its words, its templates, and which kind of sentence follows which."""

from typing import NamedTuple

import numpy as np

# --- the words; in a list, the first is the most frequent (Zipf's law: in proportion to 1/rank) ---

TOPICS = ["garden", "river", "money"]
WOMEN, MEN = "anna maria lucy", "tom peter david"
CAPITALS = "paris rome madrid beijing cairo lima"
COUNTRIES = "france italy spain china egypt peru"
DISHES = "cheese pasta oranges noodles dates cocoa"
ITEMS = "lamp umbrella violin teapot map clock"
NAMESAKES = "florence sydney victoria austin lincoln"  # persons, and towns

# For each topic: singular, plural, what one does, what several do, what it did, what it is like.
LEMMAS = [
    ["snail snails crawls crawl crawled slimy",
     "rabbit rabbits hops hop hopped fluffy",
     "bee bees buzzes buzz buzzed striped"],
    ["duck ducks swims swim swam feathered",
     "frog frogs croaks croak croaked green",
     "boat boats floats float floated leaky"],
    ["clerk clerks yawns yawn yawned pale",
     "robber robbers whispers whisper whispered masked",
     "purse purses jingles jingle jingled leather"],
]

# For each topic: five things that are done to the crop, in this order, and the crops.
SCRIPTS = [
    "planted watered guarded picked sold",
    "spotted followed caught weighed freed",
    "found counted polished hid lost",
]
CROPS = ["carrots beans pumpkins", "eels crabs shrimps", "pearls rubies tickets"]

# For each topic: two words that mean something else in another topic, and the adjectives of each.
HOMOGRAPHS = ["mint perch", "perch bank", "bank mint"]
SENSES = [
    ["fresh fragrant", "wooden shaky"],
    ["slippery smelly", "muddy grassy"],
    ["closed wealthy", "guarded secret"],
]

# What one thinks of an item, good and bad. A view and a verdict are of different lists, so that no word is
# said twice.
QUALITIES = ["wonderful lovely", "awful ugly"]
USES = ["useful edible", "haunted explosive"]

# [sex][rank][age]: women and men, first the royal ones, of each first the old.
PERSONS = [[["queen", "princess"], ["woman", "girl"]], [["king", "prince"], ["man", "boy"]]]


def zipf(size):
    """Return the probabilities of ranks 1, 2, ..., size: in proportion to 1/rank."""
    weights = 1 / np.arange(1, size + 1)
    return weights / weights.sum()


_LEMMAS = [[line.split() for line in topic] for topic in LEMMAS]
_SCRIPTS = [script.split() for script in SCRIPTS]
_NOUNS = [[lemma[:2] for lemma in topic] for topic in _LEMMAS]  # [topic][lemma][number]
_VERBS = [[lemma[2:4] for lemma in topic] for topic in _LEMMAS]
_PAST = [[lemma[4] for lemma in topic] for topic in _LEMMAS]  # [topic][lemma]
_TRAITS = [[lemma[5] for lemma in topic] for topic in _LEMMAS]

_OPINIONS = [list(opinions) for opinions in zip(QUALITIES, USES)]  # [feeling][order]

# Words of the phenomenon "choice" depend on no variable: nothing tells which one comes.
_CHOICES = {
    "near": "near behind beside under above inside opposite below",
    "how": "quietly happily slowly proudly bravely politely angrily twice carefully secretly lazily gladly",
    "look": ("tiny strange famous lucky blue invisible noisy ancient curious purple lonely magic crooked "
             "enormous ordinary sleepy"),
    "pets": "parrots goats turtles camels penguins hamsters lizards poodles",
    "very": "very rather quite always somewhat terribly",
    "then": "then soon next later meanwhile suddenly finally afterwards",
    "surely": "surely clearly perhaps maybe naturally luckily sadly apparently",
    "yes": "yes indeed certainly absolutely",
    "air": "romantic mysterious dramatic dangerous silent expensive",  # of persons, towns, letters and roads
    "two": "two seven forty ninety",
    "thought": "thought called",
    "friend": NAMESAKES,
    "town": NAMESAKES,
    "letter": "letter invitation",
    "road": "road bus",
}

# Class -> (its variables, the phenomenon that decides it, its words for each value of the variables).
WORDS = {
    "name": (("hero",), "name", f"{WOMEN} {MEN}".split()),
    "pronoun": (("gender",), "pronoun", ["she", "he"]),
    "his": (("gender",), "pronoun", ["her", "his"]),
    "kin": (("gender",), "gender", ["daughter niece sister aunt", "son nephew brother uncle"]),
    "capital": (("country",), "capital", CAPITALS.split()),
    "country": (("country",), "capital", COUNTRIES.split()),
    "dish": (("country",), "capital", DISHES.split()),
    "item": (("item",), "copy", ITEMS.split()),
    "thing": (("topic", "crop"), "copy", [crops.split() for crops in CROPS]),
    **{f"did{k + 1}": (("topic",), "script", [script[k] for script in _SCRIPTS]) for k in range(5)},
    "noun": (("topic", "lemma", "number"), "topic", _NOUNS),
    "which": (("number",), "agreement", ["every one", "many all"]),
    "verb": (("topic", "lemma", "number"), "agreement", _VERBS),
    "past": (("topic", "lemma"), "tense", _PAST),
    "trait": (("topic", "lemma"), "topic", _TRAITS),
    "today": ((), "tense", "today now"),
    "yesterday": ((), "tense", "yesterday earlier"),
    "person": (("sex", "rank", "age"), "royalty", PERSONS),
    "own": (("sex",), "gender", ["her", "his"]),
    "age": (("age",), "royalty", ["old wise", "young little"]),
    "metal": (("rank",), "royalty", ["golden silver", "woolen dusty"]),
    "garment": (("rank",), "royalty", ["crown robe", "hat coat"]),
    "home": (("rank",), "royalty", ["palace castle", "cottage hut"]),
    "homograph": (("topic", "pick"), "sense", [pair.split() for pair in HOMOGRAPHS]),
    "sense": (("topic", "pick"), "sense", SENSES),
    "liked": (("feeling",), "sentiment", ["loved admired praised", "hated disliked feared"]),
    "quality": (("feeling", "order"), "sentiment", _OPINIONS),
    "view": (("view", "order"), "sentiment", _OPINIONS),
    "but": (("view", "verdict"), "contrast", [["and", "but"], ["but", "and"]]),
    "verdict": (("verdict", "order"), "sentiment", [opinions[::-1] for opinions in _OPINIONS]),
    **{name: ((), "choice", words) for name, words in _CHOICES.items()},
    "cousins": ((), "namesake", "cousins teachers admirers"),
    "moustache": ((), "namesake", "moustache headache diary"),
    "bridges": ((), "namesake", "bridges churches museums"),
    "harbour": ((), "namesake", "harbour cathedral railway"),
    "other": (("other number",), "choice", ["tree stone basket", "trees stones baskets"]),
}

# Kind of sentence -> pairs of a template and the same sentence rewritten. {who} is the hero, by name or by
# pronoun.
SENTENCES = {
    "intro": [
        ("{surely} {who} is my {kin} from {capital}",
         "it is {who} who {surely} is my {kin} from {capital}"),
        ("{surely} {who} keeps {his} {pets} in {capital}",
         "{surely} in {capital} {who} keeps {his} {pets}"),
    ],
    **{f"step {k}": [
        (f"{{then}} {{who}} {{how}} {{did{k}}} the {{look}} {{thing}}",
         f"it was {{who}} who {{then}} {{how}} {{did{k}}} the {{look}} {{thing}}"),
    ] for k in range(1, 6)},
    "agreement": [
        ("{today} {which} {noun} {near} the {other} {verb}",
         "{which} {noun} {near} the {other} {verb} {today}"),
        ("{which} {trait} {noun} {near} the {other} {verb}",
         "{near} the {other} {which} {trait} {noun} {verb}"),
        ("the {noun} {near} the {look} {other} {verb}",
         "{near} the {look} {other} the {noun} {verb}"),
        ("the {noun} {near} the {other} {today} {verb}",
         "{today} {near} the {other} the {noun} {verb}"),
        ("{yesterday} {which} {noun} {near} the {other} {past}",
         "{which} {noun} {near} the {other} {past} {yesterday}"),
        ("{yesterday} {which} {trait} {noun} {how} {past} again",
         "{which} {trait} {noun} {how} {past} again {yesterday}"),
    ],
    "royal": [
        ("the {age} {person} wore {own} {metal} {garment}",
         "{own} {metal} {garment} the {age} {person} wore"),
        ("in {own} {home} the {age} {person} sneezed",
         "the {age} {person} sneezed in {own} {home}"),
    ],
    "capital": [
        ("{capital} is the {look} capital of {country}",
         "the {look} capital of {country} is {capital}"),
        ("everyone in sunny {capital} eats {look} {dish}",
         "{look} {dish} is what everyone in sunny {capital} eats"),
        ("the farmers of {country} grow {look} {dish}",
         "{look} {dish} is what the farmers of {country} grow"),
    ],
    "sense": [
        ("everyone said the {homograph} was {very} {sense}",
         "the {homograph} was {very} {sense} as everyone said"),
        ("the {homograph} was {sense} that {look} day",
         "that {look} day the {homograph} was {sense}"),
        ("nobody {how} mentioned the {look} {homograph} again",
         "the {look} {homograph} nobody {how} mentioned again"),
    ],
    "question": [
        ("did {who} {how} hide the {look} {item}",
         "the {look} {item} did {who} {how} hide it"),
    ],
    "answer": [
        ("{yes} {who} {how} hid that same {item}",
         "{yes} that same {item} {who} {how} hid"),
    ],
    "pause": [
        ("{who} {how} looked at {his} {look} shoes",
         "at {his} {look} shoes {who} {how} looked"),
    ],
    "opinion": [
        ("{surely} {who} {how} {liked} the {quality} {item}",
         "the {quality} {item} {who} {surely} {how} {liked} it"),
    ],
    "verdict": [
        ("{who} {thought} the {item} {view} {but} {verdict}",
         "{view} {but} {verdict} {who} {thought} the {item}"),
    ],
    "namesake": [
        ("{friend} has {two} {cousins} and a {moustache}",
         "{two} {cousins} and a {moustache} has {friend}"),
        ("{town} has {two} {bridges} and a {harbour}",
         "{two} {bridges} and a {harbour} has {town}"),
        ("the {letter} to {friend} was {very} {air}",
         "{very} {air} was the {letter} to {friend}"),
        ("the {road} to {town} was {very} {air}",
         "{very} {air} was the {road} to {town}"),
        ("{friend} is {very} {air} in the morning",
         "in the morning {friend} is {very} {air}"),
        ("{town} is {very} {air} in the morning",
         "in the morning {town} is {very} {air}"),
    ],
}

# The kinds of sentences that follow a kind, by weight; ANY is for the kinds that FOLLOWS does not name.
ANY = {
    "step 1": 8, "agreement": 9, "royal": 1.5, "capital": 2, "sense": 4.5, "question": 3, "opinion": 2,
    "verdict": 3, "namesake": 2, "intro": 0.5,
}
OTHER = {kind: weight for kind, weight in ANY.items() if kind != "step 1"}
FOLLOWS = {
    # in 3 of 4 cases the next step
    **{f"step {k}": {f"step {k + 1}": 3 * sum(OTHER.values()), **OTHER} for k in range(1, 5)},
    "step 5": OTHER,
    "question": {"answer": 2, "pause": 1},
    "pause": {"answer": 1},
}
PRONOUN = 0.5  # how often {who} is a pronoun where the sentence before has mentioned the hero


class Grammar(NamedTuple):
    """The data of a language.

    Attributes:
        variables: {name: probabilities of its values}.
        document: the names of the variables that keep their value throughout a document.
        derived: {name: (the document variable that it follows from, its value for each of that one's)}.
        words: {class: (names of its variables, phenomenon, words)}: nested lists, an axis for each variable,
            of strings.
        sentences: {kind: [(template, rewritten), ...]}; the first kind begins a document.
        follows: {kind: {kind: weight}}, the kinds that may follow a kind.
        any: {kind: weight}, the same for a kind that is not in `follows`.
        pronoun: how often {who} is a pronoun after a sentence that mentions the hero.
        document_length: sentences in a document.
    """

    variables: dict
    document: tuple
    derived: dict
    words: dict
    sentences: dict
    follows: dict
    any: dict
    pronoun: float
    document_length: int


GRAMMAR = Grammar(
    variables={
        "topic": zipf(3) / 2 + 1 / 6,
        "hero": zipf(6) / 2 + 1 / 12,
        "country": zipf(6),
        "item": zipf(6),
        "crop": zipf(3),
        "lemma": zipf(3),
        "number": np.array([0.5, 0.5]),
        "other number": np.array([0.5, 0.5]),
        "sex": np.array([0.5, 0.5]),
        "rank": np.array([0.5, 0.5]),
        "age": np.array([0.5, 0.5]),
        "pick": np.array([0.5, 0.5]),
        "feeling": np.array([0.6, 0.4]),
        "view": np.array([0.5, 0.5]),
        "verdict": np.array([0.5, 0.5]),
        "order": np.array([0.5, 0.5]),
    },
    document=("topic", "hero", "country", "item", "crop"),
    derived={"gender": ("hero", np.array([0, 0, 0, 1, 1, 1]))},
    words=WORDS,
    sentences=SENTENCES,
    follows=FOLLOWS,
    any=ANY,
    pronoun=PRONOUN,
    document_length=12,
)
