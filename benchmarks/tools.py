"""What the check of tool calls catches, and what it costs."""

from __future__ import annotations

import copy
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from guardrails_lite._engine._integrity import judge
from guardrails_lite._messages import ToolCall
from guardrails_lite._messages._reading import read_reply
from guardrails_lite._tools import Offered, Toolbox, ToolCallAssembler, feedback_messages
from guardrails_lite.testing import completion, tool_call

Row = tuple[str, float, str, float | None, bool]

MUTANTS = 12_000
CHUNKS = 7_000

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
        "cents": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        "gift": {"type": "boolean"},
        "ship": {"enum": ["air", "sea", "road"]},
        "to": {
            "type": "object",
            "properties": {
                "street": {"type": "string"},
                "city": {"type": "string"},
                "zip": {"type": "string"},
            },
            "required": ["street", "city"],
        },
        "lines": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "sku": {"type": "string"},
                    "count": {"type": "integer", "minimum": 1},
                    "price": {"type": "number", "minimum": 0},
                },
                "required": ["sku", "count"],
            },
        },
    },
    "required": ["order", "cents", "to", "lines"],
}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": ORDER}} for name in ("buy", "quote", "hold")
]


def rows() -> list[Row]:
    """Count what passes and what is refused; time the check, the stream and the gate."""
    offered = Toolbox.of([]).offered({"tools": TOOLS})
    refused, wrong = _mutants(offered)
    right = 100 * (1 - wrong / MUTANTS)
    call = ToolCall("call_1", "buy", json.dumps(_order(random.Random(7), lines=8)))
    assert offered.check((call,), ())[0].ok
    reply = read_reply(completion(tool_calls=[tool_call("buy", call.arguments)]))
    early, late = _stream()
    first, fifth = _reasks(offered)
    check = _us(lambda: offered.check((call,), ()))
    offer = _us(lambda: Toolbox.of([]).offered({"tools": TOOLS}))
    whole = _us(lambda: judge(reply, wants_tools=True))
    return [
        ("mutants of tool calls given the right verdict", right, "%", 99.9, right >= 99.9),
        ("valid tool calls refused, of 3,000", refused, "", 0, refused == 0),
        (f"check of a call with {len(call.arguments)} bytes of nested arguments", check, "µs", None, True),
        ("reading what a request with 3 tools offers", offer, "µs", None, True),
        ("is the reply whole?", whole, "µs", None, True),
        (f"tool-call delta {CHUNKS} of a stream", late, "µs", 50, late <= 50),
        ("… against delta 100", late / early, "x", 3, late / early <= 3),
        ("feedback after five refusals, against the first", fifth / first, "x", 1.3, fifth / first <= 1.3),
    ]


def _order(chance: random.Random, *, lines: int | None = None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "order": f"AB-{chance.randrange(10_000):04}",
        "cents": chance.randrange(1, 1_000_000),
        "to": {"street": f"Main {chance.randrange(99)}", "city": chance.choice(["Oslo", "Lima", "Łódź"])},
        "lines": [
            {
                "sku": f"sku-{chance.randrange(999)}",
                "count": chance.randrange(1, 9),
                "price": chance.randrange(99) / 4,
            }
            for _ in range(lines or chance.randrange(1, 4))
        ],
    }
    if chance.random() < 0.5:
        made |= {"gift": chance.random() < 0.5, "ship": chance.choice(["air", "sea", "road"])}
    return made


def _mutants(offered: Offered) -> tuple[int, int]:
    """How many valid calls are refused, and how many mutants get a wrong verdict."""
    chance = random.Random(20_261_125)
    refused = sum(
        not offered.check((ToolCall("a", "buy", json.dumps(_order(chance))),), ())[0].ok for _ in range(3_000)
    )
    wrong = sum(not _is_right(offered, chance, kind) for kind in _kinds(MUTANTS))
    return refused, wrong


def _kinds(count: int) -> Iterator[str]:
    kinds = ("rename", "drop", "add", "wrong type", "stringify", "duplicate id", "other name", "cut")
    yield from (kinds[nth % len(kinds)] for nth in range(count))


def _is_right(offered: Offered, chance: random.Random, kind: str) -> bool:
    order = _order(chance)
    valid = copy.deepcopy(order)
    part, schema = _part(order, chance)
    key = chance.choice(sorted(part))
    required = key in schema["required"]
    name, expected = "buy", {kind}
    match kind:
        case "rename":
            part[f"{key}_{chance.randrange(9)}"] = part.pop(key)
            expected = {"missing"} if required else {"undeclared"}
        case "drop":
            key = chance.choice(schema["required"])
            del part[key]
            expected = {"missing"}
        case "add":
            part[f"extra_{chance.randrange(999)}"] = chance.choice([1, "x", None, []])
            expected = {"undeclared"}
        case "wrong type":
            part[key] = [None] if not isinstance(part[key], list) else 7
            expected = {"wrong type", "out of range"} if key == "ship" else {"wrong type"}
        case "stringify":
            return _is_stringify_right(offered, order, valid, part, key)
        case "duplicate id":
            calls = tuple(ToolCall("a", "buy", json.dumps(each)) for each in (order, _order(chance)))
            return [verdict.reason for verdict in offered.check(calls, ())] == [None, "duplicate id"]
        case "other name":
            name = chance.choice(["Buy", "buy_", "functions.buy", "sell"])
            expected = {"unknown name"}
    text = json.dumps(order)
    if kind == "cut":
        text, expected = text[: chance.randrange(1, len(text))], {"not JSON"}
    return offered.check((ToolCall("a", name, text),), ())[0].reason in expected


def _is_stringify_right(offered: Offered, order: Any, valid: Any, part: dict[str, Any], key: str) -> bool:
    """A value written as a string is read back without loss and recorded, or else refused."""
    was_string = isinstance(part[key], str)
    part[key] = json.dumps(part[key])
    (verdict,) = offered.check((ToolCall("a", "buy", json.dumps(order)),), ())
    if was_string:  # a string within quotes is another string: right where anything goes, else refused
        return verdict.reason in (None, "out of range")
    return verdict.ok and bool(verdict.edits) and verdict.call.value == valid


def _part(order: dict[str, Any], chance: random.Random) -> tuple[dict[str, Any], dict[str, Any]]:
    properties = ORDER["properties"]
    return chance.choice(
        [
            (order, ORDER),
            (order["to"], properties["to"]),
            (chance.choice(order["lines"]), properties["lines"]["items"]),
        ]
    )


def _stream() -> tuple[float, float]:
    """Microseconds for one delta near the beginning of a stream, and for one at its end."""

    def run() -> tuple[float, float]:
        assembler = ToolCallAssembler()
        assembler.add({"index": 0, "id": "a", "function": {"name": "buy", "arguments": ""}})
        delta = {"index": 0, "function": {"arguments": '"abcd'}}
        spent: list[float] = []
        for _ in range(CHUNKS):
            began = time.perf_counter()
            assembler.add(delta)
            spent.append(time.perf_counter() - began)
        return statistics.median(spent[50:150]) * 1e6, statistics.median(spent[-100:]) * 1e6

    found = [run() for _ in range(5)]
    return min(early for early, _ in found), min(late for _, late in found)


def _reasks(offered: Offered) -> tuple[int, int]:
    """Bytes of the feedback after the first refusal and after the fifth: each replaces the one before."""
    chance = random.Random(5)
    sizes = []
    for nth in range(5):
        order = _order(chance)
        del order["to"]
        order["cents"] = "many"
        call = ToolCall(f"call_{nth}", "buy", json.dumps(order))
        choice = read_reply(completion(tool_calls=[tool_call("buy", call.arguments, id=call.id)])).choices[0]
        sizes.append(len(json.dumps(feedback_messages(choice, offered.check((call,), ())))))
    return sizes[0], sizes[-1]


def _us(work: Callable[[], object]) -> float:
    """Microseconds of one *work*: the quietest of five medians."""
    work()
    medians = []
    for _ in range(5):
        spent = []
        for _ in range(200):
            began = time.perf_counter()
            work()
            spent.append(time.perf_counter() - began)
        medians.append(statistics.median(spent))
    return min(medians) * 1e6
