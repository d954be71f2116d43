"""Completions, tool calls and chunks in OpenAI's shape."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import testing
from guardrails_lite.testing import assembled, chunks, completion, tool_call, with_choices


@given(
    text=st.one_of(st.none(), st.text()),
    arguments=st.lists(st.text(), max_size=3),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    reason=st.sampled_from(["auto", "length", None]),
)
def test_chunks_put_together_are_the_completion(
    text: str | None, arguments: list[str], sizes: list[int], reason: str | None
) -> None:
    """However a completion is cut, its chunks assemble to the same completion."""
    calls = [tool_call(f"tool_{nth}", argument) for nth, argument in enumerate(arguments)]
    whole = completion(text, tool_calls=calls, finish_reason=reason)
    assert assembled(chunks(whole, size=sizes, usage=True)) == whole


def test_several_choices_survive_the_cut() -> None:
    """A completion with two choices keeps both, by index."""
    whole = with_choices(completion("one"), completion("two", finish_reason="length"))
    assert [choice["index"] for choice in whole["choices"]] == [0, 1]
    assert assembled(chunks(whole, usage=True)) == whole


def test_different_calls_have_different_ids() -> None:
    """An id is derived from name and arguments, and can be chosen."""
    assert tool_call("a")["id"] == tool_call("a")["id"] != tool_call("b")["id"]
    assert tool_call("a", id="mine")["id"] == "mine"


def test_arguments_given_as_text_stay_as_they_are() -> None:
    """Broken arguments are passed on broken."""
    assert tool_call("a", '{"x": ')["function"]["arguments"] == '{"x": '


@pytest.mark.parametrize("size", [0, -1, [], [3, 0]])
def test_a_piece_has_at_least_one_character(size: int | list[int]) -> None:
    """A size that would never end is refused."""
    with pytest.raises(ValueError, match="positive number of characters"):
        chunks("text", size=size)


def test_public_names_load_on_demand() -> None:
    """Each public name resolves, and the list is sorted as ruff sorts it."""
    assert all(getattr(testing, name) is not None for name in testing.__all__)
    assert dir(testing) == sorted(testing.__all__)
    assert set(testing._HOMES) == set(testing.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        testing.nothing  # noqa: B018  # the access itself is tested
