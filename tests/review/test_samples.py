"""The queue narrowed to a sample: which findings, how far it is, and each rule's precision in it."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import httpx
import pytest

from guardrails_lite._rates import wilson
from guardrails_lite.audit import AuditLog, Clock, Sample, read, sample
from guardrails_lite.audit._verdicts import DECIDED
from guardrails_lite.audit.index import Index
from tests.audit.calls import call_id, record
from tests.review import story
from tests.review.conftest import Serve
from tests.review.test_pages import HOSTILE, post


def drawn_from(root: Path, **how: Any) -> Sample:
    """A sample of the log's calls."""
    time = story.Time(story.NOW_NS)
    with Index(root) as index, AuditLog(root, clock=Clock(wall_ns=time, mono_ns=time)) as log:
        index.update()
        return sample(log, index.calls(), **{"seed": "s", "by": "ada", "size": 60, **how})


@pytest.fixture
def drawn(root: Path) -> Sample:
    return drawn_from(root)


def found_in(root: Path, drawn: Sample) -> set[tuple[str, str]]:
    """The findings of the calls of a sample, by reading the log."""
    calls = {call.id for call in drawn.drawn}
    return {
        (entry.id, check["rule"])
        for entry in read(root)
        if entry.id in calls
        for check in entry.data["checks"]
        if check["result"] == "found"
    }


def test_only_the_findings_of_its_calls_are_in_the_queue(
    visitor: httpx.Client, root: Path, drawn: Sample
) -> None:
    """All of them, newest first; the progress counts them, and the calls that have none."""
    expected = found_in(root, drawn)
    rows = list(csv.DictReader(io.StringIO(visitor.get(f"/queue.csv?sample={drawn.entry}").text)))
    assert {(row["call"], row["rule"]) for row in rows} == expected
    assert [int(row["at"]) for row in rows] == sorted((int(row["at"]) for row in rows), reverse=True)
    told = visitor.get(f"/queue.json?sample={drawn.entry}").json()
    assert (told["total"], told["settled"]) == (len(expected), 0)
    held = told["sample"]
    assert (held["drawn"], held["of"], held["by"], held["seed"]) == (60, drawn.calls, "ada", "s")
    assert held["with_findings"] == len({call for call, _ in expected})
    assert [call["call"] for call in held["calls"]] == [call.id for call in drawn.drawn]


def test_the_sample_is_worked_through_to_its_end(visitor: httpx.Client, root: Path, drawn: Sample) -> None:
    """Each verdict leads to the next finding of the sample, until nothing waits; undo stays in it."""
    expected = found_in(root, drawn)
    address = f"/queue?sample={drawn.entry}"
    for at in range(len(expected)):
        told = visitor.get(address.replace("/queue", "/queue.json")).json()
        assert told["settled"] == at
        verdict = "false positive" if at % 3 == 0 else "true positive"
        answer = post(
            visitor,
            address,
            address.replace("?", "/decide?"),
            finding=told["finding"]["word"],
            verdict=verdict,
        )
        assert answer.url.params["sample"] == drawn.entry
    assert "Nothing is waiting for you here" in visitor.get(address).text
    decided = list(read(root, kind=DECIDED))
    assert {(entry.data["call"], entry.data["rule"]) for entry in decided} == expected
    undone = post(visitor, "/privacy", address.replace("?", "/undo?"), decision=decided[-1].id)
    assert undone.url.params["sample"] == drawn.entry
    assert visitor.get(address.replace("/queue", "/queue.json")).json()["settled"] == len(expected) - 1


def test_precision_in_the_sample_is_of_the_sample(visitor: httpx.Client, root: Path, drawn: Sample) -> None:
    """Verdicts on other calls count for the rule and not for the sample; the interval is Wilson's."""
    inside = sorted(call for call, rule in found_in(root, drawn) if rule == "redact(pii())")
    outside = [
        entry.id
        for entry in read(root)
        if entry.id not in {call.id for call in drawn.drawn}
        and any(
            check["rule"] == "redact(pii())" and check["result"] == "found" for check in entry.data["checks"]
        )
    ]
    with AuditLog(root) as log:
        for at, call in enumerate([*inside, *outside]):
            verdict = "false positive" if at == 0 or call in outside else "true positive"
            told = {"call": call, "rule": "redact(pii())", "verdict": verdict, "note": ""}
            log.event(DECIDED, {**told, "reviewer": "ada", "needs": 1})
    rules = visitor.get(f"/queue.json?sample={drawn.entry}").json()["sample"]["rules"]
    (rule,) = (rule for rule in rules if rule["rule"] == "redact(pii())")
    right = len(inside) - 1
    assert (rule["found"], rule["right"], rule["wrong"]) == (len(inside), right, 1)
    assert (rule["precision_low"], rule["precision_high"]) == wilson(right, len(inside))
    assert outside


def test_a_rule_narrows_the_sample_further(visitor: httpx.Client, root: Path, drawn: Sample) -> None:
    """The progress stays that of the sample, and all rules of it are offered."""
    asked = {"sample": drawn.entry, "rule": "redact(secrets())"}
    told = visitor.get("/queue.json", params=asked).json()
    assert told["finding"]["rule"] == "redact(secrets())"
    assert told["total"] == len(found_in(root, drawn))
    page = visitor.get("/queue", params=asked).text
    assert f'href="/queue?sample={drawn.entry}&amp;rule=block%28injection%28%29%29"' in page
    assert f'href="/queue?sample={drawn.entry}">all rules' in page


def test_a_sample_is_found_from_the_queue_and_the_activity(visitor: httpx.Client, drawn: Sample) -> None:
    """Its address need not be typed."""
    for page in ("/queue", "/activity"):
        assert f'href="/queue?sample={drawn.entry}"' in visitor.get(page).text


def test_what_strata_of_one_size_cannot_say_is_said(visitor: httpx.Client, root: Path) -> None:
    """Where groups were drawn with different shares, the precision is not that of all calls."""
    plain = drawn_from(root, share=0.2, size=None, strata=["outcome"])
    uneven = drawn_from(root, size=3, strata=["outcome", "model"])
    said = "says nothing about all calls"
    assert said not in visitor.get(f"/queue?sample={plain.entry}").text
    page = visitor.get(f"/queue?sample={uneven.entry}").text
    assert said in page
    assert "3 calls of each outcome and model" in page


def test_calls_that_went_with_retention_are_told(tmp_path: Path, serve: Serve) -> None:
    """A sample may name a call that the log no longer has; hostile entries are text."""
    with AuditLog(tmp_path / "log") as log:
        log(record(1))
        gone = log.event("review.sampled", {"by": HOSTILE, "seed": HOSTILE, "drawn": ["f" * 32, call_id(1)]})
        odd = log.event("review.sampled", {"drawn": 7, "strata": "x", "size": "many", "chosen": []})
    address = serve(tmp_path / "log")
    page = httpx.get(f"{address}/queue?sample={gone}", timeout=60)
    assert "no longer in the log" in page.text
    assert "<script>alert" not in page.text
    assert httpx.get(f"{address}/queue?sample={odd}", timeout=60).status_code == 200


def test_a_sample_that_is_none(visitor: httpx.Client) -> None:
    """Is said to be none, and nothing else is shown in its place."""
    answer = visitor.get("/queue?sample=" + "0" * 32)
    assert answer.status_code == 404
    assert "no sample with this id" in answer.text
