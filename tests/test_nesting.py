"""JSON that is nested too deep, looked at before a parser goes there."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite._nesting import MAX_DEPTH, TooDeepError, loads, refuse_depth

LEAVES = st.one_of(st.none(), st.integers(), st.text('"\\[]{}a\N{SNOWMAN}', max_size=12))


def nested(value: Any, shape: list[bool]) -> Any:
    for is_object in shape:
        value = {'[{"\\': value, "b": "]}"} if is_object else ["[[", value]
    return value


@given(LEAVES, st.lists(st.booleans(), min_size=MAX_DEPTH - 3, max_size=MAX_DEPTH + 3), st.booleans())
def test_the_depth_of_what_is_json_is_counted_exactly(leaf: Any, shape: list[bool], escaped: bool) -> None:
    """Brackets inside strings are none, whatever stands before them, in every encoding that parsers read."""
    text = json.dumps(nested(leaf, shape), ensure_ascii=escaped)
    for body in (text, *(text.encode(encoding) for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-32"))):
        if len(shape) > MAX_DEPTH:
            with pytest.raises(TooDeepError):
                refuse_depth(body)
        else:
            refuse_depth(body)
    if len(shape) <= MAX_DEPTH:
        assert loads(text) == nested(leaf, shape)


@given(st.text('[]{}":\\,1 a', max_size=2_000))
def test_what_is_no_json_is_refused_by_one_or_the_other(text: str) -> None:
    """Nothing else is ever raised, so nothing that comes over a wire gets out of here as another error."""
    with pytest.raises((ValueError, TooDeepError)):
        loads(f"{text}[")


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """The likelihoods of a long answer hold thousands."""
    body = json.dumps([{"top": []}] * 10_000)
    refuse_depth(body)
    refuse_depth(body.encode())
