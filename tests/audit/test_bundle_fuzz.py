"""Evidence bundles damaged at random: the stand-alone verifier ends, and calls no changed content intact."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from guardrails_lite.audit import AuditLog, _standalone, bundle
from tests.audit.calls import intent, record

Members = list[tuple[str, bytes]]
HOSTILE: Final[list[Any]] = [None, True, -1, 2**70, 1e308, "", "\ud800", "\x1b[2J\n", "9" * 5000, [], {}]
"""Values that no bundle has where it has another."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A bundle of a closed stream of several segments and of one that runs."""
    place = tmp_path_factory.mktemp("fuzz")
    options: dict[str, Any] = {"checkpoint_every": 4, "heartbeat_s": None}
    with AuditLog(place / "log", segment_bytes=4096, **options) as log:
        for number in range(4):
            log.intent(intent(number))
            log(record(number))
    with AuditLog(place / "log", **options) as log:
        log(record(9))
        return bundle(log, place / "evidence.zip", by="auditor", reason="case 12").path.read_bytes()


def unzipped(raw: bytes) -> Members:
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def zipped(members: Members) -> bytes:
    held = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(held, "w") as archive:
        warnings.simplefilter("ignore", UserWarning)  # of two members of one name
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, compresslevel=1)
    return held.getvalue()


def damaged(raw: bytes, dice: random.Random) -> bytes:
    """Bytes of *raw* flipped, cut off, cut out, repeated or put in."""
    data, at = bytearray(raw), dice.randrange(len(raw))
    upto = min(len(raw), at + dice.choice([1, 4, 64, 5000]))
    match dice.randrange(5):
        case 0:
            for _ in range(dice.choice([1, 1, 1, 3])):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
        case 1:
            del data[at:]
        case 2:
            del data[at:upto]
        case 3:
            data[at:at] = data[at:upto]
        case _:
            data[at:at] = dice.randbytes(dice.choice([1, 30]))
    return bytes(data)


def flip_the_zip(raw: bytes, dice: random.Random) -> bytes:
    """The zip file itself, its own structure included."""
    return damaged(raw, dice)


def change_a_member(raw: bytes, dice: random.Random) -> bytes:
    """The content of one member, with the zip file's sums to match."""
    members = unzipped(raw)
    at = dice.randrange(len(members))
    name, data = members[at]
    members[at] = (name, damaged(data, dice))
    return zipped(members)


def change_the_members(raw: bytes, dice: random.Random) -> bytes:
    """Members removed, repeated, renamed, exchanged, emptied, added, or in another order."""
    members = unzipped(raw)
    first, second = dice.sample(range(len(members)), 2)
    match dice.randrange(7):
        case 0:
            del members[first]
        case 1:
            members.append((members[first][0], members[dice.choice([first, second])][1]))
        case 2:
            members[first] = (dice.choice(["x", "../x", "/x", "streams/x/1.jsonl"]), members[first][1])
        case 3:
            (a, one), (b, other) = members[first], members[second]
            members[first], members[second] = (a, other), (b, one)
        case 4:
            members[first] = (members[first][0], b"")
        case 5:
            stream = members[first][0].rpartition("/")[0]
            members.append((f"{stream}/{dice.choice(['000009.jsonl', 'x', '__pycache__/x'])}", b"{}\n"))
        case _:
            dice.shuffle(members)
    return zipped(members)


def change_a_value(raw: bytes, dice: random.Random) -> bytes:
    """A value anywhere in the manifest, log.json or a line of the registry or of a stream."""
    members = unzipped(raw)
    at = dice.choice([n for n, (name, _) in enumerate(members) if name.endswith((".json", ".jsonl"))])
    if dice.random() < 0.5:
        at = [name for name, _ in members].index("manifest.json")
    name, data = members[at]
    lines = data.split(b"\n") if name.endswith(".jsonl") else [data]
    line = dice.randrange(len(lines) - 1) if len(lines) > 1 else 0
    held = json.loads(lines[line])
    places = list(containers(held))
    inside, key = dice.choice(places)
    if dice.random() < 0.2:
        del inside[key]
    else:
        inside[key] = dice.choice(HOSTILE)
    lines[line] = json.dumps(held).encode()
    members[at] = (name, b"\n".join(lines))
    return zipped(members)


def containers(value: Any) -> Any:
    """Each place in *value* where another value could be."""
    for key, each in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(each, dict | list):
            yield from containers(each)


@pytest.mark.parametrize(
    "change", [flip_the_zip, change_a_member, change_the_members, change_a_value], ids=lambda c: c.__name__
)
def test_no_changed_content_is_intact(
    whole: bytes, tmp_path: Path, change: Callable[[bytes, random.Random], bytes]
) -> None:
    """Whatever is done: a documented state, a text that no terminal obeys, and the truth about the content.

    What is intact in a changed zip file has the same members and bytes: its dates, sizes, attributes and the
    order in it are not what is evidence.
    """
    original = sorted(unzipped(whole))
    states = dict.fromkeys(_standalone.EXIT_CODES, 0)
    for seed in range(80):
        place = tmp_path / f"{seed}.zip"
        place.write_bytes(change(whole, random.Random(seed)))
        report = _standalone.check(str(place))
        states[report["state"]] += 1
        assert json.loads(json.dumps(report)) == report, seed
        assert all(line.isascii() and line.isprintable() for line in _standalone.as_text(report).split("\n"))
        if report["state"] == "intact":
            assert report["problems"] == [], seed
            assert sorted(unzipped(place.read_bytes())) == original, seed
        else:
            assert report["problems"], seed
        place.unlink()
    assert states["intact"] < 40


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[]", b"\xff", b"NaN", b"[" * 100_000, b'{"format":"glog-bundle/1"}']
)
@pytest.mark.parametrize("name", ["manifest.json", "log.json", "registry.jsonl", "verify.key"])
def test_what_is_no_json_is_no_evidence(whole: bytes, tmp_path: Path, name: str, text: bytes) -> None:
    """In any place where the verifier reads a value."""
    place = tmp_path / "evidence.zip"
    place.write_bytes(zipped([(n, text if n == name else data) for n, data in unzipped(whole)]))
    assert _standalone.check(str(place))["state"] in ("tampered", "truncated", "unreadable")


@pytest.mark.parametrize("name", ["manifest.json", "registry.jsonl", "streams/"])
def test_a_bomb_fills_no_memory(whole: bytes, tmp_path: Path, name: str) -> None:
    """A member that unpacks to more than any can be is given up there."""
    place = tmp_path / "evidence.zip"
    bomb = b" " * (200 << 20)
    members = [(each, bomb if each.startswith(name) else data) for each, data in unzipped(whole)]
    place.write_bytes(zipped(members))
    tracemalloc.start()
    try:
        report = _standalone.check(str(place))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report["state"] in ("tampered", "unreadable")
    assert peak < 150 << 20
