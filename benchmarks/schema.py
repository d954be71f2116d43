"""What it costs to check a reply against a schema: whole, and while it arrives."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import jsonschema
from pydantic import BaseModel

from guardrails_lite._schema import Schema, feedback
from guardrails_lite.schemas.streaming import StreamParser

Row = tuple[str, float, str, float | None, bool]


class Address(BaseModel):
    street: str
    city: str
    postcode: str


class Line(BaseModel):
    sku: str
    qty: int
    price: float


class Order(BaseModel):
    id: int
    customer: str
    address: Address
    lines: list[Line]
    note: str | None = None


class Weather(BaseModel):
    city: str
    days: int
    unit: str


def rows() -> list[Row]:
    """Every number with the bound that it is held to."""
    return [*_models(), *_raw(), *_streams(), *_feedback()]


def _order(lines: int) -> dict[str, object]:
    return {
        "id": 17,
        "customer": "Ada Lovelace",
        "address": {"street": "1 High Street", "city": "London", "postcode": "N1 9GU"},
        "lines": [
            {"sku": f"SKU-{number:05}", "qty": number, "price": number * 1.5} for number in range(lines)
        ],
        "note": "leave it at the door, please",
    }


def _models() -> list[Row]:
    small = '{"city":"Paris","days":3,"unit":"celsius"}'
    return [_model(Weather, small), _model(Order, _text(14)), _model(Order, _text(1000))]


def _model(model: type[BaseModel], text: str) -> Row:
    schema = Schema.of(model)
    ours, theirs = _in_turns([lambda: schema.parse(text), lambda: model.model_validate_json(text)])
    return _at_most(f"parse a model, {len(text):,} bytes, over pydantic's own", ours / theirs, "x", 4)


def _raw() -> list[Row]:
    declared = Order.model_json_schema()
    schema, oracle = Schema.of(declared), jsonschema.Draft202012Validator(declared)
    value = _order(14)
    ours, theirs = _in_turns([lambda: schema._check.accepts(value), lambda: oracle.is_valid(value)])
    size = len(_text(14))
    found = [_at_most(f"validate a {size}-byte order, over jsonschema", ours / theirs, "x", 1 / 20)]
    text = _text(14)
    whole, read = _in_turns([lambda: schema.parse(text), lambda: oracle.is_valid(json.loads(text))])
    found.append(_at_most("the same, reading and hygiene included", whole / read, "x", None))
    return found


def _streams() -> list[Row]:
    text = _text(1000)
    schema = Schema.of(Order)
    chunks = [text[at : at + 6] for at in range(0, len(text), 6)]
    best = [float("inf")] * len(chunks)
    for _ in range(5):
        parser = StreamParser(schema)
        for at, chunk in enumerate(chunks):
            began = time.perf_counter()
            parser.feed(chunk)
            best[at] = min(best[at], time.perf_counter() - began)
    early, late = _mean(best[500:1500]), _mean(best[6500:7500])
    return [
        _at_most("a chunk of a stream at chunk 7,000", late * 1e6, "us", 50),
        _at_most("the same, over chunk 1,000", late / early, "x", 1.5),
    ]


def _feedback() -> list[Row]:
    schema = Schema.of(list[Line])
    one = feedback(schema.parse('[{"sku":1}]').problems)
    many = feedback(schema.parse(json.dumps([{"sku": 1}] * 5000)).problems)
    return [
        _at_most("feedback on 5,000 wrong rows", len(many.encode()), "bytes", 2000),
        _at_most("feedback on one wrong row", len(one.encode()), "bytes", None),
    ]


def _text(lines: int) -> str:
    return json.dumps(_order(lines), separators=(",", ":"))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _in_turns(calls: Sequence[Callable[[], object]], rounds: int = 40, for_s: float = 0.004) -> list[float]:
    """The best seconds per call of each, taken in turns so that a busy machine is unfair to none."""
    best = [float("inf")] * len(calls)
    counts = []
    for call in calls:
        began = time.perf_counter()
        call()
        counts.append(max(1, int(for_s / (time.perf_counter() - began))))
    for _ in range(rounds):
        for at, call in enumerate(calls):
            began = time.perf_counter()
            for _ in range(counts[at]):
                call()
            best[at] = min(best[at], (time.perf_counter() - began) / counts[at])
    return best


def _at_most(name: str, value: float, unit: str, bound: float | None) -> Row:
    return (name, value, unit, bound, bound is None or value <= bound)
