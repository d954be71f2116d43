"""Samples: drawn at random, drawn again by anybody, and recorded."""

from __future__ import annotations

import json
import re
import shlex
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from guardrails_lite import AuditLog, ConfigError
from guardrails_lite.audit import Sample, read, sample, verify
from guardrails_lite.audit.index import Filter, Index
from guardrails_lite.cli import main
from tests.audit.calls import intent, record

MODELS = ("m-1", "m-1", "m-1", "m-2")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Forty calls, ten of them of a second model, and one that is not over."""
    directory = tmp_path / "log"
    with AuditLog(directory) as log:
        for number in range(40):
            log(record(number, model=MODELS[number % 4]))
        log.intent(intent(90))
    return directory


def draw(root: Path, **how: Any) -> Sample:
    """A sample of the calls of the log."""
    asked = how.pop("asked", Filter())
    with Index(root) as index, AuditLog(root) as log:
        index.update()
        return sample(log, index.calls(asked), **{"seed": "s", "by": "ada", **how})


def ids(drawn: Sample) -> list[str]:
    """The calls that were drawn, in order."""
    return [call.id for call in drawn.drawn]


def test_the_same_seed_draws_the_same(root: Path) -> None:
    """And another one others; the calls may come in any order."""
    first = draw(root, size=8)

    assert ids(draw(root, size=8)) == ids(first)
    assert ids(draw(root, size=8, seed="t")) != ids(first)
    with Index(root) as index, AuditLog(root) as log:
        oldest = sample(log, index.calls(order="oldest"), seed="s", by="ada", size=8)
    assert ids(oldest) == ids(first)
    assert len(set(ids(first))) == 8


def test_a_stranger_can_draw_it_from_what_the_entry_says(root: Path) -> None:
    """With nothing but the ids, SHA-256, and the entry."""
    drawn = draw(root, size=5)
    (entry,) = read(root, kind="review.sampled")
    known = sorted(each.id for each in read(root) if each.type == "call.completed")

    ranked = sorted(known, key=lambda each: sha256(f"{entry.data['seed']}\n{each}".encode()).digest())
    assert entry.data["drawn"] == ranked[:5] == ids(drawn)
    assert entry.data["population"] == sha256("".join(f"{each}\n" for each in known).encode()).hexdigest()
    assert (entry.id, entry.data["calls"], entry.data["by"]) == (drawn.entry, 40, "ada")
    assert verify(root).state == "intact"


def test_a_larger_sample_holds_the_smaller(root: Path) -> None:
    """Who finds too little draws on, and nothing that was looked at is lost."""
    assert ids(draw(root, size=20))[:5] == ids(draw(root, size=5))


def test_each_stratum_is_drawn_from(root: Path) -> None:
    """A size is of each, all of a smaller one; a share is rounded up."""
    by_size = draw(root, size=20, strata=("model",))
    by_share = draw(root, share=0.11, strata=("model", "outcome"))

    assert [(each.values, each.calls, each.drawn) for each in by_size.strata] == [
        (("m-1",), 30, 20),
        (("m-2",), 10, 10),
    ]
    assert [each.drawn for each in by_share.strata] == [4, 2]
    assert [call.model for call in by_share.drawn] == ["m-1"] * 4 + ["m-2"] * 2


def test_only_what_is_asked_for_is_drawn_from(root: Path) -> None:
    """A filter narrows; where nothing is left nothing is recorded."""
    assert draw(root, size=99, asked=Filter(model="m-2")).calls == 10
    with pytest.raises(LookupError, match="no finished call"):
        draw(root, size=1, asked=Filter(outcome="unfinished"))
    assert len(list(read(root, kind="review.sampled"))) == 1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "either size= or share="),
        ({"size": 1, "share": 0.5}, "either size= or share="),
        ({"size": 0}, "1 or more"),
        ({"size": True}, "1 or more"),
        ({"share": 0.0}, "above 0 and at most 1"),
        ({"share": float("nan")}, "above 0 and at most 1"),
        ({"size": 1, "seed": ""}, "printable"),
        ({"size": 1, "seed": "a\nb"}, "printable"),
        ({"size": 1, "by": ""}, "needs by="),
        ({"size": 1, "strata": "mood"}, "no stratum 'mood'"),
    ],
)
def test_wrong_arguments_are_told(root: Path, wrong: dict[str, Any], message: str) -> None:
    """Each says what is expected, and nothing is recorded."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        draw(root, **wrong)
    assert list(read(root, kind="review.sampled")) == []


def test_a_sample_has_an_end(root: Path) -> None:
    """An entry that names more calls than anybody looks at is refused."""
    with Index(root) as index, AuditLog(root) as log:
        index.update()
        call = next(index.calls(Filter(model="m-2")))
        with pytest.raises(ConfigError, match="10000 at most"):
            sample(log, [call] * 10_001, seed="s", by="ada", share=1)


def test_on_the_command_line(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What it prints draws the same again, also when there are more calls."""
    asked = ["log", "sample", str(root), "--size", "3", "--stratum", "model", "--by", "ada", "--json"]
    assert main(asked) == 0
    first = json.loads(capsys.readouterr().out)
    with AuditLog(root) as log:
        for number in range(40, 60):
            log(record(number, started=time.time() + 3600))
    assert main([*asked, "--seed", first["seed"], "--until", first["until"]]) == 0
    second = json.loads(capsys.readouterr().out)

    for name in ("seed", "until", "calls", "population", "strata", "drawn"):
        assert second[name] == first[name], name
    assert len(first["drawn"]) == 6
    assert main([*asked[:-1], "--seed", "ada's"]) == 0
    again = capsys.readouterr().out.partition("to repeat the draw: ")[2].partition(", with")[0]
    assert shlex.split(again)[:2] == ["--seed", "ada's"]
    assert main([*asked, "--model", "none"]) == 1
    with pytest.raises(SystemExit, match="2"):
        main([*asked[:4], "0", *asked[5:]])
    entries = [entry.data["chosen"] for entry in read(root, kind="review.sampled")]
    assert [set(each) for each in entries] == [{"until"}] * 3
