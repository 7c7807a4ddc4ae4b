"""Stepping through the library with real debuggers: pdb in the guide's sessions, VS Code's, a notebook's."""

import contextlib
import functools
import io
import json
import linecache
import os
import pathlib
import queue
import re
import shlex
import socket
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from helpers import sampled

import minibert
from minibert import cli, trace
from minibert.gradcheck import museum
from minibert.gradcheck.cases import CASES
from minibert.layers.softmax import softmax
from minibert.layers.walk import is_layer, walk
from minibert.trace import example
from minibert.trace.stop import find_places, note

ROOT = pathlib.Path(minibert.__file__).parent.parent
GUIDE = ROOT / "notebooks" / "guides" / "debugging.md"
DONE = "Both passes are done: loss 5.2924 = MLM 4.0687 + NSP 1.2237"


def environment(**changes):
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHONBREAKPOINT", "COV_", "PYDEVD"))
    }
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
        **changes,
    }


def script(name):
    """The Python block of the guide that begins with its name."""
    [found] = re.findall(rf"```python\n(# {name}\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return found


@functools.lru_cache(maxsize=None)
def debug(arguments, commands):
    """Run `minibert ARGUMENTS`, or a script of the guide, with these commands typed into the debugger.

    In this process, which has imported everything; test_a_session_in_a_process_of_its_own has one of its own.

    Returns: as debug_call.
    """

    def run():
        if arguments.endswith(".py"):
            exec(compile(script(arguments), arguments, "exec"), {"__name__": "__main__"})
        else:
            assert cli.main(arguments.split()) == 0

    return debug_call(run, commands)


def debug_call(run, commands):
    """Call a function with these commands typed into the debugger.

    Returns:
        what was printed before the first prompt, and a list with what each command printed.
    """
    printed, tracing = io.StringIO(), sys.gettrace()
    with (
        pytest.MonkeyPatch.context() as changes,
        contextlib.redirect_stdout(printed),
        warnings.catch_warnings(action="ignore"),
    ):
        changes.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in commands)))
        changes.setattr(sys, "breakpointhook", sys.__breakpointhook__)  # pytest has its own
        changes.delenv("PYTHONBREAKPOINT", raising=False)
        try:
            run()
        finally:
            sys.settrace(tracing)
    return answered(printed.getvalue(), commands)


def answered(printed, commands):
    """What was printed before the first prompt, and a list with what each command printed."""
    before, *answers = printed.split("(Pdb) ")
    assert len(answers) == len(commands), printed
    return before, [answer.strip("\n") for answer in answers]


def arrow(answer):
    """The source line that pdb shows after a step, without its comment."""
    [line] = [line for line in answer.splitlines() if line.startswith("-> ")]
    return re.sub(r"\s+#.*", "", line.removeprefix("-> "))


@pytest.fixture(scope="module")
def seen():
    subject = example.by_hand()
    return trace.watch(subject.model, **subject.batch)


def locals_of(seen, path, method="backward"):
    [found] = [call.locals for call in trace.calls(getattr(seen, method)) if call.path == path]
    return found


# --- the sessions of the guide: what is typed, and what it must show ----------------------------------------

SESSIONS = {
    "why √D": [
        (
            "trace --stop-at encoder.0.attention.masked_scores",
            (
                "query_heads.shape[-1]",
                "(query_heads @ key_heads.swapaxes(-1, -2)).std().round(3)",
                "scores.std().round(3)",
                "softmax(scores)[0, 0].max(axis=-1).round(2)",
                "softmax(2 * scores)[0, 0].max(axis=-1).round(2)",
                "big = np.random.default_rng(0).standard_normal((2, 1000, 64))",
                "(big[0] * big[1]).sum(axis=-1).std().round(2)",
                "c",
            ),
        )
    ],
    "where [PAD] goes": [
        (
            "trace --stop-at encoder.0.attention.probs",
            (
                "mask[0, 0, 0]",
                "masked_scores[0, 0, 0, -3:]",
                "n",
                "probs[0, 0, 0, -3:].round(3)",
                "probs[..., -2:].max()",
                "probs[0, 0, -1].round(2)",
                "c",
            ),
        ),
        (
            "trace --stop-at encoder.0.attention.d_query_heads",
            ("abs(d_scores[..., -2:]).max()", "abs(d_output[0]).sum(axis=-1).round(2)", "c"),
        ),
    ],
    "one masked token": [
        (
            "trace --stop-at d_last_hidden_state",
            (
                "cache.predicted",
                "cache.mlm_loss.labels",
                "(cache.mlm_loss.probs[0] / 3).round(3)",
                "d_prediction_logits[0].round(3)",
                "n",
                "abs(d_last_hidden_state[0]).sum(axis=-1).round(2)",
                "tbreak self.bert.embeddings.backward",
                "c",
                "n",
                "n",
                "abs(d_embeddings[0]).sum(axis=-1).round(2)",
                "cache.token.ids[0, 2]",
                "d_embeddings[0, 2].round(2)",
                "c",
            ),
        )
    ],
    "the tied decoder": [
        (
            "trace --stop-at mlm_head.decoder.weight.grad",
            (
                "(abs(d_weight).sum(axis=-1) > 0).all()",
                "u",
                "u",
                "self.bert.embeddings.token.weight is self.mlm_head.decoder.weight",
                "tbreak self.bert.embeddings.token.backward",
                "c",
                "before = self.weight.grad.copy()",
                "n",
                "n",
                "share = self.weight.grad - before",
                "ids[0]",
                "np.flatnonzero(abs(share).sum(axis=-1))",
                "abs(share[4] - d_y[ids == 4].sum(axis=0)).max() < 1e-12",
                "c",
            ),
        )
    ],
    "a bug": [
        (
            "trace --exhibit transposed-key --stop-at attention.d_key_heads",
            (
                "abs(d_scores.sum(axis=-1)).max() < 1e-12",
                "n",
                "abs(d_key_heads.sum(axis=-2)).max().round(3)",
                "right = (d_scores.swapaxes(-1, -2) @ query_heads) * scale",
                "right.shape == d_key_heads.shape",
                "abs(right.sum(axis=-2)).max() < 1e-12",
                "d_key_heads[0, 0, :2].round(3)",
                "right[0, 0, :2].round(3)",
                "c",
            ),
        )
    ],
    "Word2Vec's update": [
        (
            "word2vec_update.py",
            (
                "cache.probs.round(2)",
                "n",
                "d_scores.round(2)",
                "n",
                "n",
                "d_hidden.round(2)",
                "r",
                "cache.rows",
                "abs(self.vectors.grad).sum(axis=1).round(2)",
                "abs(self.vectors.grad[4] - d_output[1] - d_output[2]).max() < 1e-12",
                "u",
                "u",
                "n",
                "n",
                "abs(self.context.vectors.grad).sum(axis=1).round(2)",
                "c",
            ),
        )
    ],
    "AdamW and a NaN": [
        (
            "nan_hunt.py",
            (
                "name",
                "np.flatnonzero(np.isnan(update).any(axis=1))",
                "abs(grad).sum(axis=1).round(2)",
                "first[13, 0], second[13, 0], self.eps",
                "c",
            ),
        )
    ],
    "GPT and the future": [
        (
            "gpt_future.py",
            (
                "cache.mask.astype(int)",
                "n",
                "abs(d_scores[0, 0]).round(3)",
                "np.triu(d_scores, 1).any()",
                "abs(d_output[0]).sum(axis=-1).round(2)",
                "c",
            ),
        )
    ],
    "an LSTM through time": [
        (
            "lstm_time.py",
            (
                "gates[:, 1, 0].mean(axis=1).round(2)",
                "abs(d_cells).sum(axis=(1, 2)).round(2)",
                "abs(d_hiddens).sum(axis=(1, 2)).round(2)",
                "abs(d_sums).sum(axis=(1, 2)).round(2)",
                "c",
            ),
        )
    ],
}


def play(name, number=0):
    """The answers of a session: {command: answer}, of a command typed twice the last."""
    arguments, commands = SESSIONS[name][number]
    _, answers = debug(arguments, commands)
    assert arguments.endswith(".py") or answers[-1] == DONE
    return dict(zip(commands, answers))


def test_why_the_scores_are_divided_by_the_root_of_the_head_size(seen):
    answers = play("why √D")
    found = locals_of(seen, "bert.encoder.0.attention", "forward")
    products = found["query_heads"] @ found["key_heads"].swapaxes(-1, -2)
    assert answers["query_heads.shape[-1]"] == "4"
    total = "(query_heads @ key_heads.swapaxes(-1, -2)).std().round(3)"
    assert answers[total] == repr(products.std().round(3))
    assert float(products.std() / found["scores"].std()) == pytest.approx(2)  # √4
    assert answers["scores.std().round(3)"] == repr(found["scores"].std().round(3))
    divided, plain = (softmax(scores)[0, 0].max(axis=-1) for scores in (found["scores"], products))
    assert answers["softmax(scores)[0, 0].max(axis=-1).round(2)"] == repr(divided.round(2))
    assert answers["softmax(2 * scores)[0, 0].max(axis=-1).round(2)"] == repr(plain.round(2))
    assert (plain > divided).all()
    spread = answers["(big[0] * big[1]).sum(axis=-1).std().round(2)"]
    assert spread == "np.float64(8.09)"  # √64, but for chance


def test_where_padding_goes(seen):
    answers = play("where [PAD] goes")
    assert answers["mask[0, 0, 0]"] == repr(np.arange(15) < 13)
    assert answers["masked_scores[0, 0, 0, -3:]"].count("-1.79769313e+308") == 2
    assert arrow(answers["n"]) == "dropped_probs, dropout_cache = self.dropout.forward(probs, rng)"
    probs = seen.cache.bert.encoder[0].attention.probs
    assert answers["probs[0, 0, 0, -3:].round(3)"] == repr(probs[0, 0, 0, -3:].round(3))
    assert answers["probs[..., -2:].max()"] == "np.float64(0.0)"
    assert answers["probs[0, 0, -1].round(2)"] == repr(probs[0, 0, -1].round(2))
    assert probs[0, 0, -1].sum() == pytest.approx(1)
    answers = play("where [PAD] goes", 1)
    assert answers["abs(d_scores[..., -2:]).max()"] == "np.float64(0.0)"
    d_output = locals_of(seen, "bert.encoder.0.attention")["d_output"]
    norms = abs(d_output[0]).sum(axis=-1)
    assert answers["abs(d_output[0]).sum(axis=-1).round(2)"] == repr(norms.round(2))
    assert (norms[13:] == 0).all() and (norms[:13] > 0).all()


def test_one_masked_token_back_to_its_embedding(seen):
    answers = play("one masked token")
    assert answers["cache.predicted"] == repr(np.array([2, 8, 11]))
    assert answers["cache.mlm_loss.labels"] == repr(np.array([6, 10, 13]))
    probs = seen.cache.mlm_loss.probs[0]
    assert answers["(cache.mlm_loss.probs[0] / 3).round(3)"] == repr((probs / 3).round(3))
    assert answers["d_prediction_logits[0].round(3)"] == repr(((probs - np.eye(20)[6]) / 3).round(3))
    where = locals_of(seen, "")["d_last_hidden_state"]
    norms = abs(where[0]).sum(axis=-1)
    assert answers["abs(d_last_hidden_state[0]).sum(axis=-1).round(2)"] == repr(norms.round(2))
    assert np.flatnonzero(where.any(axis=-1)).tolist() == [2, 8, 11]  # the loss sees three tokens …
    assert arrow(answers["n"]) == "self.token.backward(d_embeddings, cache.token)"
    d_embeddings = locals_of(seen, "bert.embeddings")["d_embeddings"]
    norms = abs(d_embeddings[0]).sum(axis=-1)
    assert answers["abs(d_embeddings[0]).sum(axis=-1).round(2)"] == repr(norms.round(2))
    reached = np.flatnonzero(d_embeddings.any(axis=-1))
    assert reached.tolist() == list(range(13))  # … and attention brings it to all but [PAD]
    assert answers["cache.token.ids[0, 2]"] == "np.int64(4)"  # the row of [MASK]
    assert answers["d_embeddings[0, 2].round(2)"] == repr(d_embeddings[0, 2].round(2))


def test_the_two_shares_of_the_tied_decoder(seen):
    answers = play("the tied decoder")
    every_row = answers["(abs(d_weight).sum(axis=-1) > 0).all()"]
    assert every_row == "np.True_"  # by its probability
    assert arrow(answers["u"]).startswith("d_asked = self.mlm_head.backward(")
    assert answers["self.bert.embeddings.token.weight is self.mlm_head.decoder.weight"] == "True"
    [shares] = [
        call.shares["weight"] for call in trace.calls(seen.backward) if call.path == "bert.embeddings.token"
    ]
    rows = np.flatnonzero(abs(shares).sum(axis=-1) > 1e-12)
    assert answers["np.flatnonzero(abs(share).sum(axis=-1))"] == repr(rows)
    assert answers["ids[0]"] == repr(seen.cache.bert.embeddings.token.ids[0])
    assert answers["abs(share[4] - d_y[ids == 4].sum(axis=0)).max() < 1e-12"] == "np.True_"


def test_a_bug_found_by_stepping(seen):
    answers = play("a bug")
    assert answers["abs(d_scores.sum(axis=-1)).max() < 1e-12"] == "np.True_"  # right up to here
    assert answers["abs(d_key_heads.sum(axis=-2)).max().round(3)"] != "np.float64(0.0)"  # wrong from here on
    assert answers["right.shape == d_key_heads.shape"] == "True"
    assert answers["abs(right.sum(axis=-2)).max() < 1e-12"] == "np.True_"
    ours = locals_of(seen, "bert.encoder.2.attention")["d_key_heads"]
    assert answers["right[0, 0, :2].round(3)"] == repr(ours[0, 0, :2].round(3))
    assert answers["d_key_heads[0, 0, :2].round(3)"] != answers["right[0, 0, :2].round(3)"]


def test_word2vecs_update():
    answers = play("Word2Vec's update")
    assert arrow(answers["u"]) == "d_hidden = self.output.backward(d_loss, cache.output)[0]"
    probs = np.array(re.findall(r"[\d.]+", answers["cache.probs.round(2)"]), float)
    d_scores = np.array(re.findall(r"-?[\d.]+", answers["d_scores.round(2)"]), float)
    np.testing.assert_allclose(d_scores, probs - [1, 0, 0, 0], atol=0.011)  # the target, then the noise
    touched = re.findall(r"[\d.]+", answers["abs(self.vectors.grad).sum(axis=1).round(2)"])
    assert [float(entry) > 0 for entry in touched] == [False, False, True, False, True, True]
    assert answers["abs(self.vectors.grad[4] - d_output[1] - d_output[2]).max() < 1e-12"] == "np.True_"
    touched = re.findall(r"[\d.]+", answers["abs(self.context.vectors.grad).sum(axis=1).round(2)"])
    assert [float(entry) > 0 for entry in touched] == [False, True, False, False, False, False]
    before, after = map(float, re.findall(r"\d\.\d+", answers["c"]))
    assert after < before


def test_a_nan_is_followed_to_adamw(seen):
    answers = play("AdamW and a NaN")
    assert answers["name"] == "'bert.embeddings.position.weight'"
    rows = np.flatnonzero(~seen.model.bert.embeddings.position.weight.grad.any(axis=1))
    assert rows.tolist() == [13, 14, 15, 16]  # two of [PAD], two beyond the text: their gradient is 0
    assert answers["np.flatnonzero(np.isnan(update).any(axis=1))"] == repr(rows)
    assert answers["first[13, 0], second[13, 0], self.eps"] == "(np.float64(0.0), np.float64(0.0), 0)"
    assert answers["c"] == "step 2: loss nan\nstep 3: loss nan"  # a step after the cause


def test_no_gradient_comes_from_the_future():
    answers = play("GPT and the future")
    commands = SESSIONS["GPT and the future"][0][1]
    mask, d_scores, d_output = (
        np.array(re.findall(r"[\d.]+", answers[commands[place]]), float) for place in (0, 2, 4)
    )
    assert (mask.reshape(6, 6) == np.tri(6)).all() and answers["np.triu(d_scores, 1).any()"] == "np.False_"
    assert not np.triu(d_scores.reshape(6, 6), 1).any() and not d_scores.reshape(6, 6)[-1].any()
    assert d_output[-1] == 0 < d_output[:-1].min()  # the last token foresees nothing that is asked for


def test_an_lstms_gradient_through_time():
    answers = play("an LSTM through time")
    cells, hiddens, sums = (
        np.array(re.findall(r"[\d.]+", answers[f"abs({name}).sum(axis=(1, 2)).round(2)"]), float)
        for name in ("d_cells", "d_hiddens", "d_sums")
    )
    assert len(cells) == len(hiddens) == 7 and (np.diff(cells) > 0).all() and (np.diff(sums) > 0).all()


def transcript(name):
    """A session as the guide shows it: the outputs of steps as their source lines."""
    lines = []
    for arguments, commands in SESSIONS[name]:
        lines.append(f"$ {'python' if arguments.endswith('.py') else 'minibert'} {arguments}")
        before, answers = debug(arguments, commands)
        lines.append(f"-> {arrow(before)}")
        for line, answer in zip(commands, answers):
            shown = [
                re.sub(r"  +#.*", "", row)
                for row in answer.splitlines()
                if not row.startswith(("> ", "Breakpoint", "Deleted breakpoint", "--Return--"))
            ]
            lines += [f"(Pdb) {line}", *shown]
    return "\n".join(lines)


@pytest.mark.skipif(not GUIDE.exists(), reason="the guide is not there")
@pytest.mark.parametrize("name", SESSIONS)
def test_the_guide_shows_what_the_debugger_prints(name):
    blocks = re.findall(r"```pdb\n(.*?)\n```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == len(SESSIONS) and transcript(name) in blocks


# --- the debugger itself ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sampled(["AdamW and a NaN", "where [PAD] goes"], every=2))
def test_a_session_in_a_process_of_its_own(name):
    """As a reader has it; the others share this process, which prints the same and is quicker."""
    arguments, commands = SESSIONS[name][-1]
    what = ["-c", script(arguments)] if arguments.endswith(".py") else ["-m", "minibert", *arguments.split()]
    done = subprocess.run(
        [sys.executable, *what], input="".join(f"{line}\n" for line in commands), capture_output=True,
        encoding="utf-8", env=environment(), cwd=ROOT, timeout=60,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stdout + done.stderr
    own, here = answered(done.stdout, commands), debug(arguments, commands)
    place = r"(?m)^> .*\(\d+\)"  # a script of the guide has no file
    assert [re.sub(place, "", text) for text in (own[0], *own[1])] == [
        re.sub(place, "", text) for text in (here[0], *here[1])]


LESSONS = sorted(path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
BOX = re.compile(r"^> \*\*Step through it\.\*\*.*(?:\n>.*)*", re.MULTILINE)
BLOCK = re.compile(r"```(?:sh\npython -c \"|python)\n(.*?)\"?\n```", re.DOTALL)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", LESSONS)
def test_the_box_of_a_lesson_stops_and_understands_what_is_typed(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    texts = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    box = re.sub(r"^> ?", "", BOX.search(texts)[0], flags=re.MULTILINE)
    block, command = BLOCK.search(box), re.search(r"`minibert (trace [^`]+)`", box)

    def run():
        if block:
            exec(compile(block[1], name, "exec"), {"__name__": "__main__"})
        else:
            assert cli.main(shlex.split(command[1])) == 0

    typed = re.findall(r"`(n|r|p [^`]+)`", box.partition("<details>")[0])
    before, answers = debug_call(run, [*typed, "c"])
    assert "-> " in before
    assert [line for line, answer in zip(typed, answers) if "***" in answer] == []


def test_stop_in_attention_look_at_d_scores_go_up_and_on():
    lines = (ROOT / "minibert" / "layers" / "attention.py").read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, 1) if line.strip().startswith("d_query_heads = ")]
    [number] = starts
    commands = (
        f"until {number}",
        "d_scores.shape",
        "d_scores[0, 0, 0, :3].round(4)",
        "u",
        "type(self).__name__",
        "d_attention.shape",
        "c",
    )
    before, answers = debug("trace --stop-at attention.backward", commands)
    assert arrow(before).startswith("query_heads, key_heads, value_heads = cache.query_heads, ")
    found = dict(zip(commands, answers))
    assert found["d_scores.shape"] == "(1, 2, 15, 15)"
    subject = example.by_hand()
    record = trace.watch(subject.model, **subject.batch)
    d_scores = locals_of(record, "bert.encoder.2.attention")["d_scores"]
    assert found["d_scores[0, 0, 0, :3].round(4)"] == repr(d_scores[0, 0, 0, :3].round(4))
    assert "encoder_layer.py" in found["u"]
    assert arrow(found["u"]).startswith("share_of_attention = self.attention.backward(")
    assert found["type(self).__name__"] == "'EncoderLayer'" and found["d_attention.shape"] == "(1, 15, 8)"
    assert found["c"] == DONE


def test_five_frames_from_the_model_to_the_softmax():
    """The library has no frames of its own in between: not even at a stop of ours."""
    _, answers = debug("trace --stop-at softmax", ("s", "s", "w", "c"))
    frames = re.findall(r"^[> ] (\S+)\(\d+\)(\w+)\(\)$", answers[2], re.MULTILINE)
    start = frames.index(next(frame for frame in frames if frame[0].endswith("models/bert.py")))
    assert [f"{pathlib.Path(path).name} {function}" for path, function in frames[start:]] == [
        "bert.py forward",
        "bert.py forward",
        "encoder_layer.py forward",
        "attention.py forward",
        "softmax.py softmax",
    ]
    assert frames[start - 1][1] == "_stop"  # the command
    assert answers[3] == DONE


# --- how often `s` stops ------------------------------------------------------------------------------------


def stepped(name, count):
    """The frames of `count` steps by `s` from a stop: [(file, function, --Return-- or "")]."""
    _, answers = debug(f"trace --stop-at {name}", ("s",) * count + ("q",))
    found = []
    for answer in answers:
        place = re.search(r"^> (\S+)\(\d+\)(\S+)\(\)", answer, re.MULTILINE)
        if place:
            file = pathlib.Path(place[1]).as_posix()
            found.append((file, place[2], "--Return--" in answer))
    return found


def test_from_the_models_forward_to_the_softmax():
    found = stepped("model.forward", 130)
    reached = [function for _, function, _ in found].index("softmax") + 1
    assert reached <= 120
    assert f"it stops {reached} times" in " ".join(GUIDE.read_text(encoding="utf-8").split())
    assert all(f"/minibert/{part}/" in file for file, _, _ in found for part in [file.split("/")[-2]])
    assert {function for _, function, _ in found[:reached]} == {"forward", "_split_heads", "softmax"}


def test_through_gelu():
    """Not into the numerical analysis of Φ."""
    found = stepped("feed_forward.activation.forward", 30)
    end = next(number for number, (_, _, returns) in enumerate(found) if returns)
    assert end + 1 <= 25
    assert {file.rpartition("/")[2] for file, _, _ in found[: end + 1]} == {"gelu.py"}


def test_adding_to_a_gradient_is_one_step():
    _, answers = debug("trace --stop-at nsp_head.bias.grad", ("s", "q"))
    assert arrow(answers[0]) == "d_rows = d_rows_out @ self.weight.value.T"


def test_validation_is_stepped_over_but_not_out_of_reach():
    commands = ("tbreak check_inputs", "c", "n", "s", "u", "c")
    _, answers = debug("trace --stop-at bert.forward", commands)
    assert "check_inputs()" in answers[1] and "check_inputs()" in answers[2]  # n stays in it
    assert "check_inputs()" in answers[3]  # and so does s
    assert arrow(answers[4]).startswith("input_ids, token_type_ids, mask = check_inputs(")
    assert answers[-1] == DONE


def test_display_of_an_array():
    """pdb itself ends here on Python 3.11: it asks an array whether it has changed by !=."""
    commands = ("display d_scores", "n", "n", "display self.num_heads", "c")
    _, answers = debug("trace --stop-at attention.d_scores", commands)
    assert "** raised NameError" in answers[0]
    assert "display d_scores: array([[[[" in answers[1] and "display" not in answers[2]
    assert answers[3] == "display self.num_heads: 2" and answers[-1] == DONE


CHECKED = """
import numpy as np
import minibert
class Wrong(minibert.Linear):
    def forward(self, x):
        scaled, cache = super().forward(x)
        y = scaled * 2
        return y, cache
    def backward(self, d_y, cache):
        breakpoint()
        d_scaled = d_y * 1
        d_x = super().backward(d_scaled, cache)
        return d_x
layer = Wrong(4, 3, dtype=np.float64)
print(minibert.check_gradients(layer, np.linspace(-1, 1, 8).reshape(2, 4), intermediates=True))
"""


@pytest.mark.parametrize("hook", ["", "minibert.trace.debugger.set_trace"])
@pytest.mark.parametrize("typed", ["n\nc\n", "s\ns\nr\nn\nc\n"])
def test_after_a_stop_in_a_checked_backward_the_check_goes_on(tmp_path, hook, typed):
    """breakpoint() stops in the passes that are not watched, so the first wrong step is still named."""
    (tmp_path / "checked.py").write_text(CHECKED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "checked.py"], input=typed * 9, capture_output=True, encoding="utf-8", timeout=60,
        env=environment(PYTHONPATH=str(ROOT), PYTHONBREAKPOINT=hook),
        cwd=tmp_path,
    )
    assert done.stdout.count("-> d_scaled = d_y * 1") >= 2, done.stdout
    assert "First wrong in the order of the backward pass: d_scaled." in done.stdout, done.stdout


def test_the_note_of_ones_own_layer_quotes_no_base_class():
    class Double(minibert.layers.Layer):
        def forward(self, x):
            y = x * 2
            return y, None

        def backward(self, d_y, cache):
            d_x = d_y * 2
            return d_x

    [place] = find_places(Double(), "d_x")
    text = note(place, {"d_y": np.ones(3)})
    assert "A set of parameters" not in text and "The layer:" not in text and "d_y (3,)" in text


def test_no_more_than_five_frames_without_a_stop():
    frames = []

    def on_event(frame, event, value):
        if event == "call" and frame.f_code is softmax.__code__ and not frames:
            while frame.f_code is not minibert.BertForPreTraining.forward.__code__:
                frames.append(frame.f_code.co_name)
                frame = frame.f_back
            frames.append(frame.f_code.co_name)

    subject = example.by_hand()
    sys.setprofile(on_event)
    subject.model.forward(**subject.batch)
    sys.setprofile(None)
    assert frames == ["softmax", "forward", "forward", "forward", "forward"]


def note_at(name, monkeypatch):
    """The note of a stop, in this process and without a debugger."""
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject, notes = example.by_hand(), []
    with trace.stop_at(subject.model, name, say=notes.append):
        _, cache = subject.model.forward(**subject.batch)
        subject.model.backward(cache)
    [note] = notes
    return note


def test_the_note(monkeypatch):
    text = " ".join(note_at("encoder[1].attention.d_scores", monkeypatch).split())
    where = r"Stopped in the backward of bert.encoder.1.attention \(MultiHeadAttention; "
    assert re.match(where + r"minibert/layers/attention.py, line \d+\) before the line", text)
    for part in (
        "the line `d_scores = d_masked_scores if cache.mask is None else d_masked_scores * cache.mask`",
        "output = concat_heads(softmax(Q Kᵀ / √D) V)",
        "d_masked_scores (1, 2, 15, 15)",
        "scale 0.5",
        "n runs the line, then d_scores.shape",
        "cache.probs (1, 2, 15, 15) cache.bert.encoder[1].attention.probs",  # here; from the model
    ):
        assert part in text


@pytest.fixture(scope="module")
def typed_paths(seen):
    """One session: arrays of a cache by their short paths; then in the model's backward, by the long ones."""
    paths = [path for path, _ in trace.tensors(seen.cache)]
    with pytest.MonkeyPatch.context() as monkeypatch:
        note = note_at("encoder[1].attention.backward", monkeypatch)
    pairs = re.findall(r"^  (cache\.\S+)\s+\(.*\)\s+(cache\.bert\S+)$", note, re.MULTILINE)
    short, long = [f"id({path})" for path, _ in pairs], [f"id({path})" for _, path in pairs]
    commands = (*short, "u", "u", "u", *long, *(f"{path}.shape" for path in paths), "c")
    before, answers = debug("trace --stop-at encoder[1].attention.backward", commands)
    assert note.strip() in before  # the command prints the note of `stop_at`
    assert answers[-1] == DONE
    count = len(pairs)
    by_short, at_the_model = answers[:count], answers[count + 3 : -1]
    return by_short, at_the_model[:count], dict(zip(paths, at_the_model[count:], strict=True))


def test_both_paths_of_the_note_can_be_typed(typed_paths):
    """At the layer's breakpoint the short path, three frames up the long one: the same array."""
    short, long, _ = typed_paths
    assert len(short) == 10
    assert short == long and all(answer.isdigit() for answer in short)


def test_every_path_of_the_tree_can_be_typed_in_the_models_backward(typed_paths, seen):
    _, _, shown = typed_paths
    assert len(shown) > 60
    assert shown == {path: repr(array.shape) for path, array in trace.tensors(seen.cache)}


def test_quitting_is_no_error():
    _, answers = debug("trace --stop-at nsp_head.bias.grad", ("s", "q"))
    assert answers[1] == ""


def run_here(capsys, monkeypatch, chosen):
    """Run `minibert trace --stop-at attention.d_scores` in this process, with the debugger that is chosen."""
    monkeypatch.setenv("PYTHONBREAKPOINT", chosen)
    assert cli.main(["trace", "--stop-at", "attention.d_scores"]) == 0
    return capsys.readouterr().out


def test_the_debugger_is_the_readers(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import sys\n"
        "def stop():\n"
        "    frame = sys._getframe(1)\n"
        "    print('mine:', frame.f_code.co_name, 'd_probs' in frame.f_locals)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    printed = run_here(capsys, monkeypatch, "mine.stop")
    assert printed.count("mine: backward True\n") == 1 and printed.rstrip().endswith(DONE)


@pytest.mark.parametrize("chosen", sampled(["pdb.set_trace", "IPython.core.debugger.set_trace"], every=2))
def test_the_readers_debugger_skips_numpys_frames(chosen):
    """Whatever is built on Python's bdb, as ipdb is on IPython's: `s` goes from line to line of ours."""
    pytest.importorskip(chosen.partition(".")[0])
    done = subprocess.run(
        [sys.executable, "-m", "minibert", "trace", "--stop-at", "norm.mean"], input="s\ns\ns\nq\n",
        capture_output=True, encoding="utf-8", env=environment(PYTHONBREAKPOINT=chosen), timeout=60,
    )
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    lines = list(map(int, re.findall(r"^(?:\S+ )?> .*layer_norm\.py\((\d+)\)", plain, re.MULTILINE)))
    assert lines == list(range(lines[0], lines[0] + 4)) and "_methods.py" not in plain


def test_without_a_debugger_both_passes_run_to_the_end(capsys, monkeypatch):
    printed = run_here(capsys, monkeypatch, "0")
    assert "(Pdb)" not in printed and printed.rstrip().endswith(DONE)


# --- names to stop at ---------------------------------------------------------------------------------------


ATTENTION = "bert.encoder.1.attention"


@pytest.mark.parametrize("name, path, method, line", [
    ("attention.backward", "bert.encoder.0.attention", "backward", "query_heads, key_heads, value_heads ="),
    ("bert.encoder[1].attention.probs", ATTENTION, "forward", "probs = softmax(masked_scores)"),
    ("bert.encoder.1.attention.probs", ATTENTION, "forward", "probs = softmax(masked_scores)"),
    ("encoder[2].d_attended", "bert.encoder.2", "backward", "d_attended = d_output_sum + share_of_feed"),
    ("MultiHeadAttention.forward", "bert.encoder.0.attention", "forward", "if mask is not None and"),
    ("query.d_x", "bert.encoder.0.attention.query", "backward", "d_x = d_rows.reshape(x.shape)"),
    ("nsp_loss.d_logits", "nsp_loss", "backward", "d_logits = d_rows.reshape("),
    ("model.backward", "", "backward", "if cache.mlm_loss is None and cache.nsp_loss is None:"),
    ("BertForPreTraining.predicted", "", "forward", "predicted = None if labels is None else"),
    ("hidden", "bert", "forward", "hidden, layer_cache = layer.forward("),
    ("pooler.pooled", "bert.pooler", "forward", "pooled = np.tanh(dense)"),
    ("pooled", "", "forward", "states, pooled = encoded"),  # a whole path before the end of another
    ("softmax", "bert.encoder.0.attention", "forward", "probs = softmax(masked_scores)"),
    ("mlm_head.dense.backward.d_x", "mlm_head.dense", "backward", "d_x = d_rows.reshape(x.shape)"),
    ("mlm_head.decoder.bias.grad", "mlm_head.decoder", "backward", "self.bias.grad += d_bias"),
    ("mlm_head.decoder.self.bias.grad", "mlm_head.decoder", "backward", "self.bias.grad += d_bias"),
    ("attention.query.weight", "bert.encoder.0.attention.query", "forward", "rows_out = rows @ self.weight"),
    ("embeddings.token.weight.grad", "bert.embeddings.token", "backward", "add_rows(self.weight.grad, "),
    ("attention.mask", "bert.encoder.0.attention", "forward", "if mask is not None and"),  # an argument
    ("hidden_shape", "", "forward", "cache = BertForPreTrainingCache("),  # a field that is no local
    ("bert.encoder", "bert.encoder.0", "forward", "attention, attention_cache = self.attention.forward("),
])
def test_names(name, path, method, line):
    model = example.by_hand().model
    places = {place.path: place for place in find_places(model, name)}
    place = places[path]
    file = pathlib.Path(sys.modules[type(place.layer).__module__].__file__)
    source = file.read_text(encoding="utf-8").splitlines()
    assert place.method == method and source[place.line - 1].strip().startswith(line)


def stops(subject, name, **options):
    """Run both passes with a stop in wait and no debugger; return (Stops, what was said)."""
    said = []
    with trace.stop_at(subject.model, name, say=said.append, **options) as stopped:
        _, cache = subject.model.forward(**subject.batch)
        subject.model.backward(cache)
    return stopped, said


def printed_paths(seen):
    """Every path that the trace prints, and the names of all parameters and of their gradients."""
    text = str(seen).splitlines()
    lines = [line.split()[0] for line in text if re.match(r"( {2}| {4})?[a-z]\S+( {2,}|$)", line)]
    names = [f"{name}{end}" for name in seen.model.parameters() for end in ("", ".grad")]
    return list(dict.fromkeys([*lines, *names]))


@pytest.mark.exhaustive
def test_every_path_that_is_printed_can_be_stopped_at(seen, monkeypatch):
    """Each means its layer alone, and is reached; of the reached, every tenth is tried."""
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    paths = printed_paths(seen)
    assert len(paths) > 650
    for path in paths:
        for place in find_places(seen.model, path):
            assert path == place.path or path.startswith(f"{place.path}.".removeprefix("."))
    for path in paths[::40]:
        stopped, _ = stops(example.by_hand(), path)
        assert len(stopped) == 1, path


@pytest.mark.exhaustive
def test_every_path_that_is_printed_is_reached(seen, monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    assert [path for path in printed_paths(seen) if len(stops(example.by_hand(), path)[0]) != 1] == []


def test_every_parameter_has_a_line_by_the_name_of_its_gradient(monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject = example.by_hand()
    names = list(subject.model.parameters())
    assert len(names) > 50
    for name in names:
        [place] = find_places(subject.model, f"{name}.grad")
        assert place.method == "backward" and place.name == f"self.{name.rpartition('.')[2]}.grad"
        assert place.path == name.rpartition(".")[0]
    for name in names[::9]:
        assert len(stops(subject, f"{name}.grad")[0]) == 1


def test_every_line_of_every_layer_can_be_stopped_at(seen, monkeypatch):
    """Each assignment of each forward and backward: reached once, in the right frame, before it has run."""
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    lines = {}
    for call in [*trace.calls(seen.forward), *trace.calls(seen.backward)]:
        for assignment in trace.source.assignments(call.function):
            if assignment.formula != "None" and not re.search(r"encoder\.[01]", call.path):
                lines.setdefault((type(call.layer), call.method, assignment.name), call)
    assert len(lines) > 150
    for (_, method, name), call in lines.items():
        places = find_places(seen.model, f"{call.path or 'model'}.{method}.{name}")
        assert [(place.path, place.method) for place in places] == [(call.path, method)]
    subject = example.by_hand()
    for name in ("attention.scores", "mlm_head.d_dense", "norm.along_ones", "mlm_loss.d_rows", "layer_cache"):
        stopped, notes = stops(subject, name)
        assert len(stopped) == len(notes) == 1
        for _, layer in walk(subject.model, is_layer):
            assert not {"forward", "backward"} & set(vars(layer))


@pytest.mark.parametrize("name, expected", [
    ("atention.backward", "is attention.backward meant?"),
    ("attention.d_scors", "is d_scores meant?"),
    ("attention.d_scors", "backward: query_heads, key_heads, value_heads, num_past, scale, d_joined_value"),
    ("attention.query.weigth.grad", "is weight.grad meant?"),
    ("encoder[7].attention", "layers: "),
    ("nothing", "classes: BertEmbeddings, BertForPreTraining"),
    ("attention.backward.probs.shape", "no line of bert.encoder.0.attention computes 'probs.shape'"),
    ("", "no layer or line is called"),
])
def test_a_wrong_name_lists_the_right_ones(name, expected):
    with pytest.raises(ValueError, match="no l") as error:
        find_places(example.by_hand().model, name)
    assert expected in str(error.value)


@pytest.mark.parametrize("text", [
    "import sys; exec(sys.stdin.read())", "def backward(self, x): pass", "    if x:", ")", "f = lambda: 1",
])
def test_the_source_of_something_else_is_not_read(text, monkeypatch):
    """Python 3.13 keeps the text of `python -c` under the name that exec() gives to its own."""
    names = {}
    exec("def forward(self, x):\n    y = 2 * x\n    return y, None", names)
    monkeypatch.setitem(linecache.cache, "<string>", (len(text), None, [f"{text}\n"], "<string>"))
    assert not trace.source.is_known(names["forward"])
    assert trace.source.assignments(names["forward"]) == []


def test_a_layer_typed_into_python():
    """Python keeps what was typed from 3.13 on; before that, it cannot be read."""
    done = subprocess.run(
        [sys.executable, "-c", OWN_LAYER], input="n\nd_x\nc\n", capture_output=True, encoding="utf-8",
        env=environment(), timeout=60,
    )
    if sys.version_info >= (3, 13):
        assert done.returncode == 0 and "before the line `d_x = d_y * 2`" in " ".join(done.stdout.split())
        before, answers = answered(done.stdout, ("n", "d_x", "c"))
        shown = arrow(before), arrow(answers[0]), answers[1]
        assert shown == ("d_x = d_y * 2", "return d_x", "array([2., 2., 2.])")
    else:
        assert "The source of Double cannot be read: write it in a file, or in a notebook" in done.stderr


class Typed:
    """Stands for a class typed into Python: its methods come from exec, so they have no source."""

    exec("def forward(self, x):\n    y = 2 * x\n    return y, None")
    exec("def backward(self, d_y, cache):\n    d_x = 2 * d_y\n    return d_x")


@pytest.mark.parametrize("model, name, expected", [
    (minibert.Linear, "d_x", "or a Training, got the class Linear: make one"),
    ((len, len), "d_x", "stops need a layer, a model, an optimizer or a Training, got tuple"),
    (minibert.Linear(2, 2), 3, "a place is a path as text, like 'attention.d_scores', got 3"),
    (Typed(), "d_x", "The source of Typed cannot be read: write it in a file, or in a notebook's cell."),
    (Typed(), "Typed.backward", "The source of Typed cannot be read"),
])
def test_what_cannot_be_stopped_in(model, name, expected):
    with pytest.raises(ValueError, match=re.escape(expected)):
        trace.stop_at(model, name).__enter__()


def test_what_cannot_be_watched():
    with pytest.raises(ValueError, match="there is no line to watch.\nThe source of Typed cannot be read"):
        trace.stop_when(Typed(), "negative").__enter__()
    with pytest.raises(ValueError, match="only is a path as text, like 'attention.d_scores', got 3"):
        trace.stop_when(minibert.Linear(2, 2), "negative", only=3).__enter__()
    with pytest.raises(ValueError, match="an expression as text or a function of locals, got 3"):
        trace.stop_when(minibert.Linear(2, 2), "negative", when=3).__enter__()


def test_a_layer_that_runs_twice(monkeypatch):
    """Its records are numbered, and so are its paths: layer.1.d_y is in the second use."""
    found = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: found.append(sys._getframe(1).f_locals.copy()))
    layer, inputs, _ = CASES["AppliedTwice Linear"]
    for name in ("layer.0.rows_out", "layer.1.rows_out", "layer.0.d_rows", "layer.1.d_rows", "layer.d_rows"):
        with trace.stop_at(layer, name, say=str) as stopped:
            y, cache = layer.forward(*inputs)
            layer.backward(np.ones_like(y), cache)
        assert len(stopped) == 1
    (first, second), records = (found[0]["x"], found[1]["x"]), cache.layer
    np.testing.assert_array_equal(first, records[0].x)
    np.testing.assert_array_equal(second, records[1].x)
    np.testing.assert_array_equal(found[2]["x"], records[0].x)
    np.testing.assert_array_equal(found[3]["x"], records[1].x)
    np.testing.assert_array_equal(found[4]["x"], records[1].x)  # backward begins with the last
    seen = trace.watch(layer, *inputs, d_output=np.ones_like(y))
    assert "layer.1.weight.grad" in str(seen) and "layer.0.x" in str(seen.view("layer.x"))


# --- conditions, watchpoints, training steps ----------------------------------------------------------------


def test_a_condition_chooses_the_layer(monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject = example.by_hand()
    for when in ("self is model.bert.encoder[1].attention", lambda names: names["d_scores"].max() > 0.02):
        name = "attention.d_scores" if isinstance(when, str) else "attention.d_query_heads"
        stopped, said = stops(subject, name, when=when)
        assert len(stopped) == len(said) == 1
        assert stopped[0].path == ATTENTION or not isinstance(when, str)
    stopped, said = stops(subject, "attention.d_scores", when="np.isnan(d_probs).any()")
    assert stopped == [] and said == [] and stopped.arrivals == 3 and stopped.errors == {}


def test_a_condition_that_raises_is_reported_and_not_taken_for_true(monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    stopped, said = stops(example.by_hand(), "attention.d_scores", when="d_prob.max() > 0")
    assert stopped == [] and stopped.errors == {"NameError: name 'd_prob' is not defined": 3}
    [text] = said  # once
    assert text.startswith("The condition 'd_prob.max() > 0' raised NameError: name 'd_prob' is not defined")
    with pytest.raises(ValueError, match="is not a Python expression"):
        stops(example.by_hand(), "attention.d_scores", when="d_probs =")


def watched_for(subject, test, **options):
    said = []
    with trace.stop_when(subject.model, test, say=said.append, **options) as stopped:
        _, cache = subject.model.forward(**subject.batch)
        subject.model.backward(cache)
    return stopped, said


def test_the_first_value_that_is_not_finite(monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject = example.by_hand()
    assert watched_for(subject, "not-finite")[0] == []
    subject.model.bert.encoder[1].attention.query.weight.value[0, 0] = np.nan
    [place], [note] = watched_for(subject, "not-finite")
    assert (place.path, place.name) == (f"{ATTENTION}.query", "rows_out")
    note = " ".join(note.split())
    assert "after the line `rows_out = " in note and "Not finite before the pass: self.weight." in note
    subject = example.by_hand()
    for name in ("query", "key"):
        getattr(subject.model.bert.encoder[1].attention, name).weight.value[:] = 1e200
    with np.errstate(all="ignore"):
        [place], _ = watched_for(subject, "not-finite")
    assert (place.path, place.name) == (ATTENTION, "scores")


def test_a_sign_and_any_other_test(seen, monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    assert watched_for(example.by_hand(), "negative", only="attention.probs")[0] == []
    [place], _ = watched_for(example.by_hand(), "negative", only="encoder.1.attention.scores")
    assert (place.path, place.name, place.is_after) == (ATTENTION, "scores", True)
    [place], _ = watched_for(example.by_hand(), "positive", only="nsp_head.bias.grad")
    assert (place.path, place.name) == ("nsp_head", "self.bias.grad")
    [place], _ = watched_for(example.by_hand(), lambda array: array.shape == (3, 20), only="mlm_loss")
    assert (place.path, place.name) == ("mlm_loss", "rows")
    with pytest.raises(ValueError, match="there is no test 'nan': choose one of not-finite, negative"):
        watched_for(example.by_hand(), "nan")
    with pytest.raises(ValueError, match="no layer or line is called 'nothing'"):
        watched_for(example.by_hand(), "negative", only="nothing")


def test_a_watchpoint_with_a_condition(seen, monkeypatch):
    """It stops at the first value that passes the test where the condition holds, and says what was tried."""
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject = example.by_hand()
    [place], _ = watched_for(subject, "negative", when="self is model.bert.encoder[1].attention")
    assert (place.path, place.method, place.name) == (ATTENTION, "forward", "attended")
    bound = 2 * np.abs(locals_of(seen, "bert.encoder.0.attention.query", "forward")["rows_out"]).max()
    stopped, _ = watched_for(subject, "positive", when=f"value.max() > {bound}")
    step = next(step for step in trace.steps(seen.forward) if step.array.real.max() > bound)
    assert f"{stopped[0].path}.{stopped[0].name}" == step.path
    stopped, said = watched_for(subject, "negative", when="no_such_name")
    assert stopped == said[1:] == [] and 0 < stopped.tried < stopped.arrivals
    assert stopped.errors == {"NameError: name 'no_such_name' is not defined": stopped.tried}
    with pytest.raises(ValueError, match="is not a Python expression"):
        watched_for(subject, "negative", when="value >")


def test_stepping_on_from_a_watchpoint():
    """The other lines that were watched are stepped over as if nothing waited there."""
    before, answers = debug("trace --stop-when negative --only encoder.0.attention", ("s",) * 5 + ("q",))
    assert arrow(before).startswith("query_rows, query_cache = ") and "--Call--" in answers[0]
    lines = "in_features, out_features", "if x.shape[-1] != in_features:", "rows =", "rows_out ="
    for answer, line in zip(answers[1:], lines):
        assert arrow(answer).startswith(line)


class Summed(minibert.layers.Layer):
    """Lines whose next line is not the one below."""

    def __init__(self):
        self.weight = minibert.layers.Parameter(np.zeros(2))

    def forward(self, x):
        with np.errstate(all="ignore"):
            y = x * 2
        return y, None

    def backward(self, d_y, cache):
        d_x = 0 * d_y
        for _ in range(2):
            d_part = d_y
            d_x += d_part
        if d_y.size:
            d_weight = d_x
        else:
            d_weight = 0
        self.weight.grad += d_weight


@pytest.mark.parametrize("name, shown, following, is_behind_jump", [
    ("y", 'with np.errstate(all="ignore"):', "return y, None", False),
    ("d_part", "d_x += d_part", "for _ in range(2):", False),
    ("d_x", "for _ in range(2):", "d_part = d_y", True),
    ("d_weight", "self.weight.grad += d_weight", "--Return--", True),
    ("weight.grad", "self.weight.grad += d_weight", "--Return--", False),
])
def test_a_watchpoint_shows_the_line_that_runs_next(name, shown, following, is_behind_jump):
    """From Python 3.13 on, `n` shows it once more if it is at the other end of a jump."""
    is_twice = is_behind_jump and sys.version_info >= (3, 13)

    def run():
        layer = Summed()
        with trace.stop_when(layer, np.any, only=name, say=str):
            layer.forward(np.ones(2))
            layer.backward(np.ones(2), None)

    before, answers = debug_call(run, ("n",) * (1 + is_twice) + ("c",))
    assert [arrow(answer) for answer in (before, *answers[:is_twice])] == [shown] * (1 + is_twice)
    assert following in before + answers[-2]


def test_stops_within_stops(monkeypatch):
    """Each stops once, on one line, too, and an inner one that is over leaves the outer one in wait."""
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject = example.by_hand()
    with trace.stop_at(subject.model, "attention.d_scores", say=str) as outer:
        with trace.stop_when(subject.model, "negative", only="attention.d_scores", say=str) as found:
            with trace.stop_at(subject.model, "attention.d_scores", say=str) as inner:
                _, cache = subject.model.forward(**subject.batch)
            subject.model.backward(cache)
            assert (len(outer), len(found), len(inner)) == (1, 1, 0)
    layers = [layer for _, layer in walk(subject.model, is_layer)]
    assert not any({"forward", "backward"} & set(vars(layer)) for layer in layers)
    training = Steps()
    with trace.stop_at(training, "attention.d_scores", step=1, say=str) as outer:
        with pytest.raises(ValueError, match="already waits in a step of this Training"):
            trace.stop_at(training, "training.norm", step=2).__enter__()
        with trace.stop_at(training, "attention.scores", say=str) as inner:
            training.step(0)
    assert (len(outer), len(inner)) == (1, 1)


def test_the_largest_entry_of_a_pass(seen):
    path, size = seen.largest()
    sizes = {}
    for outermost in (seen.forward, seen.backward):
        for step in trace.steps(outermost):
            if step.array.size and not (abs(step.array) > 1e300).any():
                sizes[step.path] = float(abs(step.array).max())
    assert size == sizes[path] == max(sizes.values())
    assert len(find_places(seen.model, path)) == 1


class Steps:
    """As much of a Training as stop_at needs: a model, an optimizer, a step."""

    def __init__(self):
        self.subject = example.by_hand()
        self.model = self.subject.model
        self.optimizer = minibert.AdamW(self.model.parameters(), lr=0.01)

    def step(self, number):
        output, cache = self.model.forward(**self.subject.batch)
        self.model.zero_grad()
        self.model.backward(cache)
        norm = number + 0.5
        self.optimizer.step()
        return norm


@pytest.mark.parametrize("name, when, path", [
    ("attention.d_scores", None, "bert.encoder.2.attention"),
    ("training.norm", None, "training"),
    ("optimizer.update", "name == 'nsp_head.bias'", "optimizer"),
])
def test_a_stop_in_one_training_step(name, when, path, monkeypatch):
    numbers = []

    def look():
        frame = sys._getframe(1)
        while frame.f_code is not Steps.step.__code__ and frame.f_code.co_name != "step" or (
            "number" not in frame.f_locals
        ):
            frame = frame.f_back
        numbers.append(frame.f_locals["number"])

    monkeypatch.setattr(sys, "breakpointhook", look)
    training = Steps()
    with trace.stop_at(training, name, when=when, step=3, say=str) as stopped:
        results = [training.step(number) for number in range(4)]
    assert results == [0.5, 1.5, 2.5, 3.5]
    assert numbers == [2] and [place.path for place in stopped] == [path]  # the third, counted from 0
    assert "step" not in vars(training) and "_update" not in vars(training.optimizer)
    with pytest.raises(ValueError, match="step= needs a Training"):
        trace.stop_at(training.model, "d_scores", step=3).__enter__()


# --- what a layer prints ------------------------------------------------------------------------------------


def test_a_layer_prints_its_class_parameters_and_path():
    model = example.by_hand().model
    query = model.bert.encoder[1].attention.query
    assert repr(query) == "Linear(weight (8, 8), bias (8,))"
    trace.name(model)
    assert repr(query) == f"{ATTENTION}.query: Linear(weight (8, 8), bias (8,))"
    assert repr(model.bert.encoder[1].attention).startswith(f"{ATTENTION}: MultiHeadAttention(query.weight")
    assert repr(model).startswith("BertForPreTraining(bert.embeddings.token.weight (20, 8), ")
    assert repr(model).endswith("… 62 parameters in all)") and len(repr(model)) < 450
    assert set(vars(query)) == {"weight", "bias"}  # a layer holds nothing for it
    broken = minibert.Linear(2, 2)
    broken.extra = {minibert.Linear(2, 2)}
    assert "would miss" in repr(broken)  # and raises nothing


def test_a_planted_mistake_can_be_stopped_in(monkeypatch):
    """Its method calls ours by super(), which needs the class it was written in."""
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    subject = example.by_hand()
    with_super = [name for name, exhibit in museum.exhibits.items() if "and then" in exhibit.difference()]
    planted = 0
    for name in with_super:
        try:
            model = museum.plant(subject.model, name)
        except ValueError:  # no such layer in a BERT
            continue
        planted_class = museum.exhibits[name].theirs
        theirs = next(layer for _, layer in walk(model, is_layer) if type(layer) is planted_class)
        for method in ("forward", "backward"):
            notes = []
            with trace.stop_at(model, f"{type(theirs).__name__}.{method}", say=notes.append):
                _, cache = model.forward(**subject.batch)
                model.backward(cache)
            planted += len(notes)
    assert planted >= 2


# --- VS Code and JupyterLab ---------------------------------------------------------------------------------


class DebugAdapter:
    """A client of the debug adapter protocol, which VS Code and JupyterLab speak with debugpy."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.stream = self.socket.makefile("rb")
        self.messages, self.number = queue.Queue(), 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            while header := self.stream.readline():
                length = int(header.split(b":")[1])
                while self.stream.readline().strip():
                    pass
                self.messages.put(json.loads(self.stream.read(length)))
        except OSError:
            pass

    def send(self, command, **arguments):
        self.number += 1
        content = {"seq": self.number, "type": "request", "command": command, "arguments": arguments}
        body = json.dumps(content).encode()
        self.socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        return self.number

    def wait_for(self, accept):
        while True:
            message = self.messages.get(timeout=30)
            if accept(message):
                return message

    def request(self, command, **arguments):
        number = self.send(command, **arguments)
        answer = self.wait_for(lambda message: message.get("request_seq") == number)
        assert answer["success"], answer
        return answer.get("body", {})

    def event(self, name):
        return self.wait_for(lambda message: message.get("event") == name).get("body", {})


def line_of_d_query():
    """The line in attention.py that assigns d_query_heads, as (path, number)."""
    path = ROOT / "minibert" / "layers" / "attention.py"
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    [line] = [line for line in lines if line.startswith("d_query_heads = ")]
    return path, lines.index(line) + 1


TWO_RUNS = """
from minibert.cli import main
main(["trace", "--only", "mlm_loss.labels"])
main(["trace", "--stop-at", "attention.d_query_heads"])
"""


@pytest.mark.exhaustive
def test_vs_code():
    """Two runs of `minibert trace`: a breakpoint in the margin stops the first, --stop-at the second.

    debugpy is VS Code's Python debugger; one session of it is enough for both.
    """
    pytest.importorskip("debugpy")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    listen = ["-m", "debugpy", "--listen", f"127.0.0.1:{port}", "--wait-for-client"]
    process = subprocess.Popen(
        [sys.executable, "-Xfrozen_modules=off", *listen, "-c", TWO_RUNS],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        env=environment(),
    )
    try:
        for _ in range(300):
            try:
                adapter = DebugAdapter(port)
                break
            except OSError:
                threading.Event().wait(0.1)
        adapter.request("initialize", adapterID="test", pathFormat="path", linesStartAt1=True)
        attached = adapter.send("attach", justMyCode=True)
        adapter.event("initialized")
        path, line = line_of_d_query()
        adapter.request("setBreakpoints", source={"path": str(path)}, breakpoints=[{"line": line}])
        adapter.request("configurationDone")
        adapter.wait_for(lambda message: message.get("request_seq") == attached)
        for reason in ("in the margin", "--stop-at"):
            thread = adapter.event("stopped")["threadId"]
            frames = adapter.request("stackTrace", threadId=thread)["stackFrames"]
            files = [pathlib.Path(frame["source"]["path"]).name for frame in frames]
            names = [f"{file} {frame['name'].split('.')[-1]}" for file, frame in zip(files, frames)]
            backwards = ["attention.py", "encoder_layer.py", "bert.py", "bert.py"]
            assert names[:4] == [f"{name} backward" for name in backwards], reason
            assert ("record.py watch" in names) == (reason == "in the margin")
            assert frames[0]["line"] == line
            evaluate = functools.partial(adapter.request, "evaluate", context="repl")
            shape = evaluate(expression="d_scores.shape", frameId=frames[0]["id"])
            caller = evaluate(expression="type(self).__name__", frameId=frames[1]["id"])
            assert shape["result"] == "(1, 2, 15, 15)" and caller["result"] == "'EncoderLayer'"
            adapter.request("setBreakpoints", source={"path": str(path)}, breakpoints=[])
            adapter.send("continue", threadId=thread)
        adapter.event("terminated")
        adapter.send("disconnect")
        adapter.socket.close()  # then debugpy's own process ends too, which holds the pipe
        output, _ = process.communicate(timeout=30)
        first, second = output.split("model    ")[1:]
        assert "loss     5.2924" in first and DONE in second
    finally:
        process.kill()


CELL = """
from minibert import trace
from minibert.trace import example
subject = example.by_hand()
with trace.stop_at(subject.model, "attention.d_query_heads"):
    output, cache = subject.model.forward(**subject.batch)
    subject.model.backward(cache)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """One notebook for all tests; JupyterLab's debugger comes last, because it leaves debugpy loaded."""
    directory = str(tmp_path_factory.mktemp("jupyter"))
    manager_module = pytest.importorskip("jupyter_client.manager")
    pytest.importorskip("ipykernel")
    manager = manager_module.KernelManager(kernel_name="python3")
    manager.start_kernel(env=environment(JUPYTER_RUNTIME_DIR=directory, IPYTHONDIR=directory))
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def until_idle(kernel, request):
    """Yield what the kernel sends on behalf of a request, until it is done with it."""
    while True:
        message = kernel.get_iopub_msg(timeout=30)
        assert message["msg_type"] != "error", message["content"]
        yield message
        is_idle = message["content"].get("execution_state") == "idle"
        if is_idle and message["parent_header"].get("msg_id") == request:
            return


def test_a_notebook_opens_the_debugger_below_the_cell(kernel):
    """Without the visual debugger: a prompt below the cell; the frames are the cell's and ours."""
    request = kernel.execute(CELL, allow_stdin=True)
    answers = ["p d_scores.shape", "up", "p type(self).__name__", "continue"]
    for answer in answers:
        assert kernel.get_stdin_msg(timeout=30)["content"]["prompt"] == "ipdb> "
        kernel.input(answer)
    text = ""
    for message in until_idle(kernel, request):
        text += message["content"].get("text", "")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert "Stopped in the backward of bert.encoder.2.attention" in plain
    assert "(1, 2, 15, 15)" in plain and "'EncoderLayer'" in plain


OWN_LAYER = """
from minibert.layers import Layer
class Double(Layer):
    def forward(self, x):
        y = x * 2
        return y, None
    def backward(self, d_y, cache):
        d_x = d_y * 2
        return d_x
import numpy as np
from minibert import trace
layer = Double()
with trace.stop_at(layer, "d_x"):
    layer.backward(np.ones(3), None)
"""


def test_a_layer_written_in_a_notebook(kernel):
    request = kernel.execute(OWN_LAYER, allow_stdin=True)
    for answer in ("n", "p d_x", "c"):
        kernel.get_stdin_msg(timeout=30)
        kernel.input(answer)
    text = " ".join(
        "".join(message["content"].get("text", "") for message in until_idle(kernel, request)).split()
    )
    assert "before the line `d_x = d_y * 2`" in text and "array([2., 2., 2.])" in text


@pytest.mark.exhaustive
def test_jupyterlabs_visual_debugger(kernel):
    """JupyterLab's debugger is debugpy within the kernel: a breakpoint in our file stops and shows values."""
    requests = iter(range(1, 1000))

    def ask(command, **arguments):
        content = {"type": "request", "seq": next(requests), "command": command, "arguments": arguments}
        kernel.control_channel.send(kernel.session.msg("debug_request", content))
        reply = kernel.control_channel.get_msg(timeout=30)
        assert reply["content"].get("success", True), reply["content"]
        return reply["content"].get("body", {})

    ask("initialize", clientID="test", adapterID="", pathFormat="path", linesStartAt1=True)
    ask("attach", justMyCode=False)
    path, line = line_of_d_query()
    ask("setBreakpoints", source={"path": str(path)}, breakpoints=[{"line": line}], sourceModified=False)
    ask("configurationDone")
    request = kernel.execute(
        CELL.replace('with trace.stop_at(subject.model, "attention.d_query_heads"):', "if True:")
    )
    messages = until_idle(kernel, request)
    stopped = next(message for message in messages if message["content"].get("event") == "stopped")
    thread = stopped["content"]["body"]["threadId"]
    frames = ask("stackTrace", threadId=thread)["stackFrames"]
    assert frames[0]["line"] == line and pathlib.Path(frames[0]["source"]["path"]).name == "attention.py"
    assert (
        ask("evaluate", expression="d_scores.shape", frameId=frames[0]["id"], context="repl")["result"]
        == "(1, 2, 15, 15)"
    )
    ask("setBreakpoints", source={"path": str(path)}, breakpoints=[], sourceModified=False)
    ask("continue", threadId=thread)
    assert list(messages)
    ask("disconnect", restart=False, terminateDebuggee=False)
