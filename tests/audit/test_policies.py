"""What the log tells of policies: under which a call was decided, and what that one said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from guardrails_lite import (
    AuditLog,
    Budget,
    Cache,
    Guard,
    Retry,
    block,
    redact,
    target,
    tool,
    validator,
    warn,
)
from guardrails_lite._policy import _stretched, digest_of, is_bound
from guardrails_lite._validators import Finding
from guardrails_lite.audit import Clock, Disk, bundle, check_bundle, diff_policy, expire, read, verify
from guardrails_lite.audit._alike import Alike
from guardrails_lite.audit._format import Entry, parse
from guardrails_lite.audit._scan import lines
from guardrails_lite.cli import main
from guardrails_lite.reliability import PRICES_DATE, Price
from guardrails_lite.testing import LoopbackServer, ScriptedModel, completion
from tests.audit.calls import intent, record
from tests.engine.conftest import word

DAY = 86_400 * 10**9


def listed(words: list[str]) -> Any:
    """A validator with words of a customer's."""

    @validator(name="listed", params={"words": words}, private={"words": words})
    def find(text: str) -> Iterator[Finding]:
        for each in words:
            if each in text:
                yield Finding("contains a listed word")

    return find


def guard_of(
    log: AuditLog | None = None, *, words: tuple[str, ...] = ("falcon",), **settings: Any
) -> Guard[Any]:
    """A guard with one rule around a list of words."""
    return Guard(name="support", input=[block(listed(list(words)))], log=log, **settings)


LIKE = guard_of().config["input"][0]


def loaded(root: Path) -> list[Entry]:
    """What the log tells of policies."""
    return list(read(root, kind="policy.loaded"))


def by_segment(root: Path) -> Iterator[list[Entry]]:
    """The entries of each segment, in order."""
    for path in sorted((root / "streams").glob("*/*.jsonl")):
        yield [parse(line) for line in lines(path)]


def unexplained(root: Path) -> list[str]:
    """The calls before which their segment does not say what their digest means."""
    missing = []
    for entries in by_segment(root):
        known: set[object] = set()
        for entry in entries:
            if entry.type == "policy.loaded":
                known.add(entry.data["digest"])
            elif entry.type.startswith("call.") and entry.data["digest"] not in known:
                missing.append(entry.id)
    return missing


def test_the_first_call_of_a_policy_is_preceded_by_what_it_says(tmp_path: Path) -> None:
    """Once, before the intent of its first call, whole, and bound to the digest that calls name."""
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        first, second = guard_of(log), guard_of(log, budget=Budget(deadline_s=3))
        for guard in (first, first, second, first, second):
            guard.run(lambda messages: "fine", "hi")
        first.check("falcon")

    types = [entry.type for entry in read(tmp_path / "log", kind=None) if "." in entry.type]
    assert types[types.index("log.opened") + 1 :][:3] == ["policy.loaded", "call.intent", "call.completed"]
    told = loaded(tmp_path / "log")
    assert [entry.id for entry in told] == [first.digest, second.digest]
    for guard, entry in zip((first, second), told, strict=True):
        assert entry.data["config"] == guard.config
        assert entry.data["digest"] == guard.digest
        assert is_bound(entry.data, entry.id)
    assert told[1].data["config"]["budget"]["deadline_s"] == 3
    assert unexplained(tmp_path / "log") == []
    assert verify(tmp_path / "log").ok


def test_a_cached_answer_is_told_under_which_terms_it_was_given(tmp_path: Path) -> None:
    """How old an answer may be is the policy's: the log says it, and other terms are another policy."""
    asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with (
        AuditLog(tmp_path / "log", heartbeat_s=None) as log,
        LoopbackServer(then="fine") as server,
        OpenAI(base_url=server.base_url, api_key="k") as plain,
    ):
        guard = guard_of(log, cache=Cache(ttl_s=60))
        client = guard.wrap(plain)
        for _ in range(2):
            client.chat.completions.create(**asked)
        assert len(server.requests) == 1
    _, cached = read(tmp_path / "log")
    (told,) = loaded(tmp_path / "log")
    assert cached.data["digest"] == told.id
    assert told.data["config"]["cache"] == {"entries": 1000, "ttl_s": 60}
    assert guard_of(cache=Cache(ttl_s=60)).digest == guard.digest
    assert len({guard_of(cache=each).digest for each in (None, Cache(), Cache(ttl_s=60))}) == 3


def test_what_is_told_covers_every_setting(tmp_path: Path) -> None:
    """Rules with theirs, the schema, tools with effects, retry, fallbacks, the budget, what is captured."""

    def refund(order: str) -> str:
        """Give money back."""
        return order

    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard = Guard(
            input=[redact(word("ada"), on_error="open", timeout_s=2, roles=["user"], share=0.5)],
            output=[warn(word("hm"), mode="monitor")],
            schema={"type": "object", "required": ["a"], "properties": {"a": {"enum": ["x", "y"]}}},
            tools=[tool(refund, effects="write", approve="deny", max_calls=2)],
            retry=Retry(attempts=2, reasks=1, on={"timeout", "connection"}),
            fallback=[target(model="small", temperature=0.5, user="ada"), target('{"a": "x"}')],
            budget=Budget(tokens=100),
            log=log,
        )
        guard.check("hi")

    (entry,) = loaded(tmp_path / "log")
    config = entry.data["config"]
    assert config["input"] == [
        {
            "verb": "redact",
            "validator": "word",
            "params": {"text": "ada"},
            "version": "",
            "kind": "plain",
            "window": None,
            "roles": ["user"],
            "on_error": "open",
            "timeout_s": 2,
            "mode": "enforce",
            "share": 0.5,
        }
    ]
    assert config["output"][0]["mode"] == "monitor"
    assert config["schema"]["json_schema"]["properties"] == {"a": {"enum": 2}}
    (told,) = config["tools"]
    assert (told["name"], told["effects"], told["approve"], told["max_calls"]) == (
        "refund",
        "write",
        "deny",
        2,
    )
    assert told["arguments"]["json_schema"]["properties"] == {"order": {"type": "string"}}
    assert (config["retry"]["attempts"], config["retry"]["on"]) == (2, ["connection", "timeout"])
    small, answer = config["fallback"]
    assert small["overrides"] == {"model": "small", "temperature": 0.5, "user": "3 characters"}
    assert answer["answer"] == "10 characters"
    assert config["budget"]["tokens"] == 100
    assert entry.data["capture"] == "metadata"


@pytest.mark.parametrize(("model", "given"), [("gpt-5-mini", {}), ("ours", {"ours": Price(3, 9, 1)})])
def test_a_cost_can_be_told_from_the_log_alone(tmp_path: Path, model: str, given: dict[str, Price]) -> None:
    """By the prices that were given, else by those built in, which are told with their day and source."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 400}}
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard = Guard(budget=Budget(prices=given), log=log)
        told = completion("Hi.", model=model, usage={**usage, "total_tokens": 1010})
        guard.run(ScriptedModel([told]), [{"role": "user", "content": "hi"}], model=model)

    (call,) = read(tmp_path / "log")
    (policy,) = loaded(tmp_path / "log")
    config = policy.data["config"]
    (attempt,) = call.data["attempts"]
    table = config["price_table"]
    names = ("input_usd", "cached_usd", "output_usd")
    price = config["budget"]["prices"].get(model) or dict(
        zip(names, table["input_cached_output_usd"][model], strict=True)
    )
    assert (table["date"], table["source"]) == (PRICES_DATE, "built in, from memory")
    assert attempt["cost_usd"] == pytest.approx(
        (600 * price["input_usd"] + 400 * price["cached_usd"] + 10 * price["output_usd"]) / 1e6
    )


def test_each_segment_explains_its_own_calls(tmp_path: Path) -> None:
    """So what retention leaves over is as well explained as what it took."""
    now = [10**18]
    clock = Clock(wall_ns=lambda: now[0], mono_ns=lambda: now[0])
    root = tmp_path / "log"
    with AuditLog(root, heartbeat_s=None, clock=clock, segment_bytes=4096, checkpoint_every=1) as log:
        guards = [guard_of(log, words=(f"word {number}",)) for number in range(3)]
        for number in range(60):
            now[0] += DAY // 10
            guards[number % 3].check("hi")
        assert len(list(by_segment(root))) > 5
        gone = expire(log, keep_days=3, by="retention job")
        guards[0].check("hi")

    assert gone
    assert unexplained(root) == []
    assert verify(root).ok


def test_each_stream_explains_its_own_calls(tmp_path: Path) -> None:
    """A process that is started, and one that is forked, tells anew what it decides by."""
    root = tmp_path / "log"
    log = AuditLog(root, heartbeat_s=None)
    guard = guard_of(log)
    guard.check("hi")
    child = os.fork()
    if not child:
        try:
            guard.check("hi")
            log.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    log.close()
    with AuditLog(root, heartbeat_s=None) as again:
        guard_of(again).check("hi")

    assert [entry.id for entry in loaded(root)] == [guard.digest] * 3
    assert unexplained(root) == []
    assert verify(root).ok


def test_a_spilled_call_is_explained_where_it_went(tmp_path: Path) -> None:
    """The other log is read without the first one."""
    full = False

    def write(fd: int, data: bytes) -> int:
        if full:
            raise OSError(28, "injected")
        return os.write(fd, data)

    log = AuditLog(
        tmp_path / "log",
        on_failure="spill",
        spill=tmp_path / "spill",
        heartbeat_s=None,
        disk=Disk(write=write),
    )
    guard = guard_of(log)
    guard.check("hi")
    full = True
    guard.check("hi")
    full = False
    log.close()

    assert unexplained(tmp_path / "spill") == []
    assert [entry.id for entry in loaded(tmp_path / "spill")] == [guard.digest]


def test_a_configuration_that_is_not_its_digests_is_found(tmp_path: Path) -> None:
    """By both verifiers, though whoever wrote it had the log's own key."""
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard = guard_of(log)
        guard.check("hi")
        (entry,) = loaded(tmp_path / "log")
        told = {**entry.data, "config": {**entry.data["config"], "mode": "monitor"}}
        log.append("policy.loaded", guard.digest, told)
        bundle(log, tmp_path / "evidence.zip", by="ada", reason="test")

    report = verify(tmp_path / "log")
    assert report.state == "tampered"
    assert "its policy does not match its digest" in str(report)
    checked = check_bundle(tmp_path / "evidence.zip")
    assert checked["state"] == "tampered"
    assert any(
        "its policy does not match its digest" in problem["message"] for problem in checked["problems"]
    )


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"digest": 3, "config": {}, "rest": ""},
        {"digest": "0" * 32, "config": {"a": float("nan")}, "rest": "0" * 32},
        {"digest": "0" * 32, "config": json.loads("[" * 900 + "]" * 900), "rest": "0" * 32},
    ],
)
def test_what_has_another_shape_is_not_bound(told: dict[str, Any]) -> None:
    """And breaks nothing."""
    assert not is_bound(told, "0" * 32)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(7, id="a number"),
        pytest.param({"input": 7, "output": {"x": [None]}}, id="no lists"),
        pytest.param({"input": [{"validator": 3}], "output": [3]}, id="no rules"),
        pytest.param({"input": [{}], "output": [LIKE]}, id="no settings"),
    ],
)
def test_a_policy_of_another_shape_breaks_no_reader(
    tmp_path: Path, config: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has the log's key can bind anything to a digest."""
    digest = digest_of(config, "")
    told = {"digest": digest, "config": config, "rest": "", "withheld": {"/output/0/params/words": []}}
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        log.append("policy.loaded", digest, told)
        log(record(1, digest=digest))
        assert diff_policy(log, guard_of(), reader="ada", reason="T-1").undecided
    where = str(tmp_path / "log")
    assert main(["log", "rules", where, "--policies"]) == 0
    assert main(["log", "show", where, f"policy:{digest}"]) == 0
    assert digest[:12] in capsys.readouterr().out


def test_what_tells_of_another_policy_is_not_taken_for_this_one(tmp_path: Path) -> None:
    """A record that is bound to its own digest, under the name of another, is what it says in no reader."""
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        guard_of(log).check("hi")
        (entry,) = loaded(tmp_path / "log")
        log.append("policy.loaded", "0" * 32, entry.data)
        assert Alike(log, guard_of(log)).rules(entry.id)
        assert not Alike(log, guard_of(log)).rules("0" * 32)
    assert verify(tmp_path / "log").state == "tampered"


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"words": ["albatross"] * 200_000}, id="long"),
        pytest.param(json.loads('{"inner":' * 300 + "1" + "}" * 300), id="deep"),
    ],
)
def test_a_policy_that_cannot_be_read_back_is_not_told(tmp_path: Path, params: dict[str, Any]) -> None:
    """Whatever a guard is made of, what the log says of it verifies."""

    @validator(name="odd", params=params)
    def odd(text: str) -> Iterator[Finding]:
        """Nothing."""
        yield from ()

    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        Guard(input=[block(odd)], log=log).check("hi")
    assert loaded(tmp_path / "log") == []
    assert verify(tmp_path / "log").ok


def test_a_log_that_tells_of_no_policy_is_read_and_verified_as_before(tmp_path: Path) -> None:
    """As older versions wrote them, and records that no guard of this process made."""
    with AuditLog(tmp_path / "log", heartbeat_s=None) as log:
        log.intent(intent(1))
        log(record(1))
        assert loaded(tmp_path / "log") == []
        bundle(log, tmp_path / "evidence.zip", by="ada", reason="test")

    assert verify(tmp_path / "log").ok
    assert check_bundle(tmp_path / "evidence.zip")["state"] == "intact"


def test_a_withheld_text_has_one_name_in_one_log(tmp_path: Path) -> None:
    """So a reviewer sees whether it changed; in another log it is called something else."""
    names: dict[str, list[str]] = {}
    for name in ("one", "other"):
        with AuditLog(tmp_path / name, heartbeat_s=None) as log:
            for settings in ({}, {"budget": Budget(tokens=9)}, {"words": ("eagle",)}):
                guard_of(log, **settings).check("hi")
        told = loaded(tmp_path / name)
        assert {tuple(entry.data["withheld"]) for entry in told} == {("/input/0/params/words",)}
        assert {entry.data["config"]["input"][0]["params"]["words"] for entry in told} == {1}
        names[name] = [entry.data["withheld"]["/input/0/params/words"] for entry in told]

    first, same, changed = names["one"]
    assert first == same != changed
    assert set(names["one"]).isdisjoint(names["other"])


SCRIPT = """
from guardrails_lite import Guard, Retry, block, target, tool
from guardrails_lite_validators import keywords, pii
def look(x: str) -> str:
    "Look."
    return x
class Judge:
    def __call__(self, messages): ...
guard = Guard(
    input=[block(keywords(["b", "a"])), block(pii(mask=lambda kind, text: "x"))],
    tools=[look],
    retry=Retry(on={"timeout", "connection", "rate limited"}),
    fallback=[target(Judge()), target(Judge().__call__)],
)
print(guard.digest)
"""


def test_a_digest_is_the_same_in_every_process() -> None:
    """Neither addresses of objects nor the order of sets are in it."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(digests) == 1


def test_a_digest_is_another_as_soon_as_a_withheld_text_is(tmp_path: Path) -> None:
    """Though the configuration reads the same."""
    falcon, eagle = guard_of(), guard_of(words=("eagle",))
    assert falcon.config == eagle.config
    assert falcon.digest != eagle.digest
    assert guard_of().digest == falcon.digest
    assert Guard(fallback=[target("one")]).digest != Guard(fallback=[target("two")]).digest


def test_an_equal_guard_costs_no_second_stretching() -> None:
    """A program may make its guard anew for each request."""
    first = guard_of(words=("condor",)).digest
    before = _stretched.cache_info()
    assert guard_of(words=("condor",)).digest == first
    after = _stretched.cache_info()
    assert (after.misses, after.hits) == (before.misses, before.hits + 1)


def test_a_configuration_that_is_changed_changes_no_guard() -> None:
    """It is given as a copy."""
    guard = guard_of()
    guard.config["mode"] = "monitor"
    assert guard.config["mode"] == "enforce"
