"""The findings queue: what is decided becomes entries of the log, and numbers about the rules."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._rates import wilson
from guardrails_lite.audit import entry_schema, read, read_lines, verify
from guardrails_lite.audit._verdicts import DECIDED, UNDONE, VERDICTS, Verdicts, spell, unspell
from guardrails_lite.audit.index import Event
from guardrails_lite.review._door import Door
from tests.review.conftest import Serve
from tests.review.test_pages import post

TOKENS = {"ada": "a" * 16, "bob": "b" * 16}


def decide(visitor: httpx.Client, verdict: str, *, at: str = "", **form: str) -> httpx.Response:
    """Decide about the finding that the queue shows."""
    told = visitor.get(f"/queue.json?at={at}").json()["finding"]
    return post(visitor, "/queue", "/queue/decide", finding=told["word"], verdict=verdict, **form)


def test_a_verdict_is_an_entry_of_the_log(visitor: httpx.Client, root: Path) -> None:
    """Who decided what about which finding is chained and signed, and the queue goes on."""
    before = visitor.get("/queue.json").json()
    page = decide(visitor, "false positive", note="a test of ours")
    assert "Recorded" in page.text
    after = visitor.get("/queue.json").json()
    assert (before["settled"], after["settled"]) == (0, 1)
    assert after["finding"]["word"] != before["finding"]["word"]
    (entry,) = read(root, kind=DECIDED)
    assert entry.data == {
        "call": before["finding"]["call"]["id"],
        "rule": before["finding"]["rule"],
        "verdict": "false positive",
        "note": "a test of ours",
        "reviewer": "ada",
        "needs": 1,
    }
    assert verify(root).state in ("intact", "unsealed")
    assert "a test of ours" in visitor.get(f"/calls/{entry.data['call']}").text


def test_undo_is_another_entry(visitor: httpx.Client, root: Path) -> None:
    """What was decided stays in the log; it no longer counts, and the finding comes back."""
    first = visitor.get("/queue.json").json()["finding"]
    decide(visitor, "benign")
    (decided,) = read(root, kind=DECIDED)
    page = post(visitor, "/queue", "/queue/undo", decision=decided.id)
    assert first["call"]["id"][:12] in page.text
    assert visitor.get("/queue.json").json()["finding"]["word"] == first["word"]
    assert [entry.data["decision"] for entry in read(root, kind=UNDONE)] == [decided.id]
    assert post(visitor, "/queue", "/queue/undo", decision=decided.id).status_code == 404


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_is_decided_satisfies_the_published_schema(
    visitor: httpx.Client, root: Path, verdict: str
) -> None:
    """Each verdict, and taking it back."""
    decide(visitor, verdict)
    (decided,) = read(root, kind=DECIDED)
    post(visitor, "/queue", "/queue/undo", decision=decided.id)
    for kind in (DECIDED, UNDONE):
        ((_, line),) = read_lines(root, kind=kind)
        jsonschema.validate(json.loads(line), entry_schema())


def test_skipping_goes_through_the_pile_and_back(visitor: httpx.Client) -> None:
    """Next and previous are each other's inverse."""
    first, _, after = neighbours(visitor.get("/queue").text)
    second, before, _ = neighbours(visitor.get(after).text)
    assert second != first
    assert neighbours(visitor.get(before).text) == (first, "", after)


def neighbours(page: str) -> tuple[str, str, str]:
    """The finding that a page of the queue shows, and the addresses before and after it."""
    patterns = (
        r'name="finding" value="(\w+)"',
        r'data-key="k"[^>]* href="([^"]+)"',
        r'data-key="j"[^>]* href="([^"]+)"',
    )
    found = [re.search(pattern, page) for pattern in patterns]
    here, before, after = (match[1].replace("&amp;", "&") if match else "" for match in found)
    return here, before, after


def test_the_piles(visitor: httpx.Client) -> None:
    """What was escalated or left unsure can be worked through on its own, and so can a rule."""
    decide(visitor, "escalated")
    decide(visitor, "unsure")
    for pile in ("escalated", "unsure"):
        assert visitor.get(f"/queue.json?show={pile}").json()["finding"]["standing"] == pile
    only = visitor.get("/queue.json", params={"rule": "redact(secrets())"}).json()
    assert only["finding"]["rule"] == "redact(secrets())"
    assert visitor.get("/queue.json?show=disputed").json()["finding"] is None
    assert "There are no such findings" in visitor.get("/queue?show=disputed").text


def test_precision_follows_the_verdicts(visitor: httpx.Client) -> None:
    """Three right of four, and the interval is Wilson's."""
    for verdict in ("true positive", "benign", "false positive", "true positive", "unsure"):
        told = visitor.get("/queue.json", params={"rule": "redact(pii())"}).json()["finding"]
        post(visitor, "/queue", "/queue/decide", finding=told["word"], verdict=verdict)
    (rule,) = (rule for rule in visitor.get("/rules.json").json()["rules"] if rule["rule"] == "redact(pii())")
    assert (rule["right"], rule["benign"], rule["wrong"], rule["unsure"]) == (3, 1, 1, 1)
    assert rule["precision"] == 0.75
    assert (rule["precision_low"], rule["precision_high"]) == wilson(3, 4)
    assert len(rule["trend"]) == 14
    assert "75 %" in visitor.get("/rules").text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"finding": "nonsense", "verdict": "benign"}, 404),
        ({"finding": spell(("f" * 32, "redact(pii())")), "verdict": "benign"}, 404),
        ({"verdict": "perhaps"}, 409),
        ({"verdict": ""}, 409),
        ({"verdict": "benign", "note": "x" * 501}, 409),
    ],
)
def test_what_cannot_be_decided(visitor: httpx.Client, root: Path, form: dict[str, str], status: int) -> None:
    """A verdict is one of five, about a finding that is in the log, with a note of bounded length."""
    word = visitor.get("/queue.json").json()["finding"]["word"]
    assert post(visitor, "/queue", "/queue/decide", **{"finding": word, **form}).status_code == status
    assert list(read(root, kind=DECIDED)) == []


@contextmanager
def two(address: str) -> Iterator[list[httpx.Client]]:
    """Two reviewers who have come in."""
    with ExitStack() as stack:
        visitors = [
            stack.enter_context(httpx.Client(base_url=address, follow_redirects=True, timeout=60))
            for _ in TOKENS
        ]
        for visitor, token in zip(visitors, TOKENS.values(), strict=True):
            visitor.post("/enter", data={"token": token})
        yield visitors


def test_two_have_to_agree(root: Path, serve: Serve) -> None:
    """One verdict waits, unseen by the other; an equal one settles it, another one is a dispute."""
    with two(serve(root, door=Door("nobody", TOKENS), needs=2)) as (ada, bob):
        word = ada.get("/queue.json").json()["finding"]["word"]
        decide(ada, "false positive", note="seen by ada")
        assert ada.get("/queue.json").json()["finding"]["word"] != word
        told = bob.get("/queue.json").json()["finding"]
        assert (told["word"], told["standing"], told["blind"], told["decisions"]) == (
            word,
            "waiting",
            True,
            [],
        )
        call = told["call"]["id"]
        for page in ("/queue", "/activity", "/activity.csv", f"/calls/{call}", f"/calls/{call}.json"):
            shown = bob.get(page).text
            assert "seen by ada" not in shown, page
            assert "verdict false positive" not in shown, page
            assert "seen by ada" in ada.get(page).text or page == "/queue"
        assert ada.get("/queue.json").json()["settled"] == 0
        decide(bob, "false positive")
        assert ada.get("/queue.json").json()["settled"] == 1
        word = ada.get("/queue.json").json()["finding"]["word"]
        decide(ada, "benign")
        decide(bob, "true positive")
        assert ada.get("/queue.json?show=disputed").json()["finding"]["word"] == word
        assert ada.get("/queue.json").json()["settled"] == 1


def test_an_undo_that_comes_twice_takes_one_verdict_back(root: Path, serve: Serve) -> None:
    """A double click, or two windows: the verdict before stays, whichever request is first."""
    with two(serve(root, door=Door("nobody", TOKENS))) as (ada, _):
        decide(ada, "benign")
        decide(ada, "true positive")
        newest = list(read(root, kind=DECIDED))[-1]
        with ThreadPoolExecutor(4) as pool:
            again = [pool.submit(post, ada, "/queue", "/queue/undo", decision=newest.id) for _ in range(4)]
        assert {each.result().status_code for each in again} <= {200, 404}
        assert ada.get("/queue.json").json()["settled"] == 1
        assert {entry.data["decision"] for entry in read(root, kind=UNDONE)} == {newest.id}


def event(number: int, kind: str, reviewer: str, **data: Any) -> Event:
    told = {"call": "c", "rule": "r", "reviewer": reviewer, **data}
    return Event(number, f"{number}", number, kind, "c", "s", number, told)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(list(VERDICTS))), max_size=6),
    st.integers(1, 3),
)
def test_the_newest_verdict_of_each_reviewer_counts(said: list[tuple[str, str]], needs: int) -> None:
    """A finding is settled exactly when enough reviewers' newest verdicts are one and the same."""
    verdicts = Verdicts.read(
        (event(at, DECIDED, who, verdict=word) for at, (who, word) in enumerate(said)), needs=needs
    )
    newest = dict(said)
    standing = verdicts.standing(("c", "r"))
    if not newest:
        assert standing == "open"
    elif len(set(newest.values())) > 1:
        assert standing == "disputed"
    else:
        assert standing == (next(iter(newest.values())) if len(newest) >= needs else "waiting")
    assert verdicts.settled() == (standing in VERDICTS)


@pytest.mark.parametrize(
    "other", ["Ada", "ADA ", "a da", "\uff21\uff44\uff41", "a\u200bda", "\u202eada", "ada\x1b", "ad\u00ada"]
)
def test_one_person_is_one_reviewer_however_spelled(other: str) -> None:
    """X18: two have to agree, and one in two spellings is one; the second spelling takes the verdict back."""
    said = [event(1, DECIDED, "ada", verdict="benign"), event(2, DECIDED, other, verdict="benign")]
    verdicts = Verdicts.read(said, needs=2)
    assert verdicts.standing(("c", "r")) == "waiting"
    assert not verdicts.is_for("ada", ("c", "r"))
    undone = Verdicts.read([*said, event(3, UNDONE, "ada", decision="2")], needs=2)
    assert undone.standing(("c", "r")) == "open"


def test_an_undo_counts_also_where_a_clock_was_set_back_before_it() -> None:
    """Two processes wrote them, and the later one's clock was behind."""
    said = [event(1, UNDONE, "ada", decision="2"), event(2, DECIDED, "ada", verdict="benign")]
    assert Verdicts.read(said, needs=1).standing(("c", "r")) == "open"


def test_only_ones_own_verdict_is_undone() -> None:
    """An undo by somebody else, or of an older verdict, changes nothing."""
    events = [
        event(1, DECIDED, "ada", verdict="benign"),
        event(2, DECIDED, "ada", verdict="unsure"),
        event(3, UNDONE, "bob", decision="2"),
        event(4, UNDONE, "ada", decision="1"),
    ]
    assert Verdicts.read(events, needs=1).standing(("c", "r")) == "unsure"
    undone = [*events, event(5, UNDONE, "ada", decision="2")]
    assert Verdicts.read(undone, needs=1).standing(("c", "r")) == "open"


@given(st.integers(1, 500).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_wilsons_interval(case: tuple[int, int]) -> None:
    """It holds the share, stays within 0 and 1, is symmetric, and solves the equation it comes from."""
    right, of = case
    found = wilson(right, of)
    assert found is not None
    low, high = found
    assert 0 <= low <= right / of <= high <= 1
    mirrored = wilson(of - right, of)
    assert mirrored is not None
    assert math.isclose(low, 1 - mirrored[1], abs_tol=1e-12)
    for bound in (low, high):
        if 0 < bound < 1:
            error = abs(bound - right / of)
            assert math.isclose(
                error, 1.959964 * math.sqrt(bound * (1 - bound) / of), rel_tol=1e-6, abs_tol=1e-9
            )
    assert wilson(0, 0) is None


@given(
    st.text("0123456789abcdef", min_size=1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
def test_a_finding_is_one_word(call: str, rule: str) -> None:
    """Whatever a rule is called, its finding goes into an address and comes back."""
    word = spell((call, rule))
    assert unspell(word) == (call, rule)
    assert word.isascii()
    assert "/" not in word
