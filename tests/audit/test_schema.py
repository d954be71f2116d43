"""The published JSON Schema: what a real log holds, and all of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from guardrails_lite import AuditLog, Budget, Guard, GuardrailsError, Retry, block, bound, reask, redact, warn
from guardrails_lite.audit import (
    Clock,
    Disk,
    bundle,
    close_off,
    entry_schema,
    entry_types,
    erase,
    expire,
    hold,
    lift,
    release,
    restrict,
    reveal,
    sample,
)
from guardrails_lite.audit._verdicts import DECIDED, UNDONE
from guardrails_lite.audit.alerts import Watch, command, read_rules
from guardrails_lite.audit.export import take
from guardrails_lite.audit.index import Filter, Index
from tests.audit.calls import intent, record
from tests.engine.conftest import word

DAY = 86_400 * 10**9


def completion(text: str | None = "fine", **message: Any) -> dict[str, Any]:
    finish = message.pop("finish", "stop")
    said = {"role": "assistant", "content": text, **message}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "c", "choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": usage}


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


def get_weather(city: str) -> str:
    """The weather."""
    return city


def many_endings(root: Path) -> None:
    """Real calls that end in as many ways as a scripted model can bring about."""
    replies: dict[str, Any] = {
        "passed": completion(),
        "redacted": completion("ada"),
        "re-asked": [completion("again"), completion()],
        "refused": completion(None, refusal="I cannot."),
        "filtered": completion("x", finish="content_filter"),
        "truncated": completion("x", finish="length"),
        "html": "<html>502</html>",
        "denied": completion(None, tool_calls=[call("launch", "{}")], finish="tool_calls"),
        "tool": completion(None, tool_calls=[call("get_weather", '{"city": "Rome",}')], finish="tool_calls"),
        "raises": ConnectionError("no route"),
        "cancelled": KeyboardInterrupt(),
    }
    log = AuditLog(root, capture="sealed", segment_bytes=4096, checkpoint_every=4)
    guard = Guard(
        name="desk",
        input=[redact(word("ada")), block(word("bad")), warn(word("hm"))],
        output=[redact(word("ada")), reask(word("again"))],
        tools=[get_weather],
        retry=Retry(attempts=2, reasks=1, wait=0),
        log=log,
    )
    for name, reply in replies.items():
        waiting = list(reply) if isinstance(reply, list) else [reply, reply, reply]

        def model(messages: Any, waiting: list[Any] = waiting, **params: Any) -> Any:
            one = waiting.pop(0)
            if isinstance(one, BaseException):
                raise one
            return one

        with bound(user="u-1", app=name), contextlib.suppress(GuardrailsError, KeyboardInterrupt):
            guard.run(model, [{"role": "user", "content": f"ada {name}"}], model="m-1")
    for said in ("bad", "hm", "fine"):
        guard.check(said)
    with contextlib.suppress(GuardrailsError):
        shape = {"type": "object", "required": ["x"]}
        typed = Guard(schema=shape, retry=Retry(attempts=1, reasks=0), log=log)
        typed.run(lambda messages: "{}", [{"role": "user", "content": "hi"}])
    with contextlib.suppress(GuardrailsError):
        short = Guard(budget=Budget(tokens=1), log=log)
        short.run(lambda messages: "fine", [{"role": "user", "content": "hi " * 50}])
    list(guard.stream(lambda messages, **params: iter(["fi", "ne"]), [{"role": "user", "content": "hi"}]))
    log.append("call.completed", "f" * 32, {**record(9).to_dict(), "model": object(), "id": "f" * 32})
    log.close()


def everything_else(root: Path) -> None:
    """All that is not a call: people, heads, crashes, gaps, retention, evidence."""
    times = iter(range(10**18, 10**19, 10**8))
    full = {"now": False}

    def write(fd: int, data: bytes) -> int:
        if full["now"]:
            raise OSError(28, "injected")
        return os.write(fd, data)

    def broken(head: str) -> None:
        raise ConnectionError

    clock = Clock(wall_ns=lambda: next(times), mono_ns=lambda: next(times))
    log = AuditLog(
        root,
        capture="redacted",
        on_failure="open",
        segment_bytes=4096,
        heartbeat_s=1e-9,
        disk=Disk(write=write),
        clock=clock,
        witness=broken,
        witness_s=0,
    )
    for number in range(12):
        log(record(number, texts=(("input", "user", "hi"),), who={"user": "u-1"}))
    log.seal()
    log.tick()
    full["now"] = True
    log(record(20))
    full["now"] = False
    log(record(21))
    reveal(log, f"{1:032x}", reader="officer", reason="T-1")
    release(log, hold(log, "u-1", owner="counsel", reason="case"), owner="counsel", reason="closed")
    placed = restrict(log, "u-1", request="r-1", basis="GDPR 18", owner="officer")
    lift(log, placed, owner="officer", reason="settled")
    erase(log, "u-1", request="r-2", basis="GDPR 17", owner="officer")
    take(log, root.with_suffix(".csv"), "csv", by="auditor", reason="audit", filter=Filter(outcome="passed"))
    log.head()
    log.close()
    program = (
        "import os, signal\n"
        "from guardrails_lite.audit import AuditLog\n"
        "from tests.audit.calls import intent\n"
        f"log = AuditLog({str(root)!r})\n"
        "log.intent(intent(90))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=False, cwd=Path(__file__).parents[2])
    with AuditLog(root) as again:
        close_off(again)
        again.intent(intent(91))
        with Index(root) as index:
            index.update()
            sample(again, index.calls(), seed="s", by="ada", size=1)
            sample(again, index.calls(), seed="s", by="ada", share=0.5, strata=("rule",))
        bundle(again, root.with_suffix(".zip"), by="auditor", reason="audit")
    later = AuditLog(root, clock=Clock(wall_ns=lambda: 2 * 10**18))
    assert expire(later, keep_days=1, by="job")
    later.close()
    with Watch(root, read_rules(), receivers=[command("true")], since=0) as watch:
        assert watch.look().raised


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Every line of two logs in which everything happened; taken before retention removed any."""
    place = tmp_path_factory.mktemp("schema")
    many_endings(place / "calls")
    everything_else(place / "else")
    found = [line for path in sorted(place.rglob("*.jsonl")) for line in path.read_bytes().splitlines()]
    with zipfile.ZipFile(place / "else.zip") as archive:
        for name in archive.namelist():
            if name.endswith(".jsonl"):
                found += archive.read(name).splitlines()
    return found


def test_the_schema_is_a_schema() -> None:
    """JSON Schema 2020-12, with references that lead somewhere."""
    jsonschema.Draft202012Validator.check_schema(entry_schema())
    for name in entry_types():
        jsonschema.Draft202012Validator.check_schema(entry_schema(name))


def test_real_entries_satisfy_it(lines: list[bytes]) -> None:
    """Every line of a log in which everything happened, as a whole and by the schema of its type."""
    whole = jsonschema.Draft202012Validator(entry_schema())
    parts = {name: jsonschema.Draft202012Validator(entry_schema(name)) for name in entry_types()}
    for line in lines:
        entry = json.loads(line)
        whole.validate(entry)
        parts[entry["t"]].validate(entry["d"])


def test_every_type_happens(lines: list[bytes]) -> None:
    """So that the test above is about all of them; what a desk writes is held to it where desks are tried."""
    assert {json.loads(line)["t"] for line in lines} == set(entry_types()) - {DECIDED, UNDONE}


def test_many_endings_happen(lines: list[bytes]) -> None:
    """The records are of calls that ended differently."""
    entries = [json.loads(line) for line in lines]
    outcomes = {entry["d"]["outcome"] for entry in entries if entry["t"] == "call.completed"}
    assert outcomes >= {
        "passed",
        "re-asked",
        "refused",
        "filtered",
        "truncated",
        "blocked",
        "transport failed",
        "cancelled",
        "schema failed",
        "budget stopped",
        "tool denied",
    }


def test_it_names_every_member(lines: list[bytes]) -> None:
    """A member that is written is documented; this fails when a record gains one that is not."""
    schema = entry_schema()
    for line in lines:
        entry = json.loads(line)
        unknown = sorted(_unknown(entry["d"], schema["$defs"][entry["t"]], schema["$defs"]))
        assert unknown == [], entry["t"]


def _unknown(value: Any, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    if "anyOf" in schema:
        schema = schema["anyOf"][0]
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    if isinstance(value, dict) and "properties" in schema:
        for name, held in value.items():
            if name not in schema["properties"]:
                yield name
            else:
                yield from _unknown(held, schema["properties"][name], defs)
    elif isinstance(value, list) and "items" in schema:
        for held in value:
            yield from _unknown(held, schema["items"], defs)


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"extra": 1},
        {"p": "x"},
        {"d": []},
        {"d": {"lost": "many", "why": "x", "policy": "open"}},
        {"d": {"lost": 1, "policy": "open"}},
    ],
)
def test_what_is_no_entry_does_not(change: dict[str, Any]) -> None:
    """A wrong envelope or payload is refused."""
    envelope = {"v": 1, "s": "s", "n": 0, "p": "0" * 64, "t": "gap", "id": "0" * 32, "ts": 1, "mono": 1}
    entry = {**envelope, "d": {"lost": 1, "why": "OSError", "policy": "open"}}
    validator = jsonschema.Draft202012Validator(entry_schema())
    assert validator.is_valid(entry)
    assert not validator.is_valid({**entry, **change})
