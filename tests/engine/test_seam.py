"""The joint of a text and its continuation: what is repeated is cut off, however it was streamed."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails_lite._messages._seam import Misfit, Seam

SHOWN = "Refunds take five days. They are paid to the card that was used for the order, and fo"


def joined(text: str, pieces: list[str]) -> str | None:
    """The text with its continuation; None where that does not fit."""
    seam = Seam(text)
    try:
        return text + "".join(map(seam.feed, pieces)) + seam.finish()
    except Misfit:
        return None


def cut(text: str, sizes: list[int]) -> list[str]:
    pieces = []
    for size in sizes:
        pieces.append(text[:size])
        text = text[size:]
    return [*pieces, text]


@pytest.mark.parametrize(
    ("came", "whole"),
    [
        ("und nowhere else.", SHOWN + "und nowhere else."),
        ("found nowhere else.", SHOWN[:-2] + "found nowhere else."),
        ("for the order, and found nowhere else.", SHOWN[:-2] + "found nowhere else."),
        (SHOWN + "und nowhere else.", SHOWN + "und nowhere else."),
        ("", SHOWN),
        (SHOWN, SHOWN),
        ("Refunds take five days. They are paid to the account.", None),
        ("Refunds take five weeks.", SHOWN + "Refunds take five weeks."),
        ("Refunds take five days. They are", None),
    ],
)
def test_what_is_repeated_is_cut_off(came: str, whole: str | None) -> None:
    """Nothing repeated, the word, the end, all of it; and a beginning that becomes another reply."""
    assert joined(SHOWN, [came]) == whole
    assert joined(SHOWN, list(came)) == whole


@pytest.mark.parametrize("text", ["  }\n", "very ", "0, 0, ", "| - |\n"])
def test_what_may_well_come_twice_is_not_cut_off(text: str) -> None:
    """A few characters are no repetition unless they are the whole text or the broken word."""
    assert joined(f"So it is {text}", [f"{text}and so on"]) == f"So it is {text}{text}and so on"


def test_a_long_text_that_is_told_again_is_joined_in_no_time() -> None:
    """The whole of a long text, streamed in small pieces, is recognised as far as it goes."""
    text = "".join(f"line {number}\n" for number in range(3000))
    again = text + "the end"

    assert joined(text, [again[at : at + 50] for at in range(0, len(again), 50)]) == again


@given(
    st.text("ab ", min_size=1, max_size=60),
    st.text("ab ", max_size=60),
    st.booleans(),
    st.lists(st.integers(0, 9), max_size=12),
)
@example("ab", "a", False, [1])
@settings(max_examples=100, deadline=None)
def test_the_joined_text_does_not_depend_on_the_pieces(
    text: str, came: str, repeats: bool, sizes: list[int]
) -> None:
    """Any chunking gives the same, and that is the text and the end of the continuation."""
    came = text[-20:] + came if repeats else came
    whole = joined(text, [came])

    assert joined(text, cut(came, sizes)) == whole
    if whole is not None:
        assert whole.startswith(text)
        assert (text + came).endswith(whole[len(text) :])
        if repeats and len(text) >= 16:
            assert len(whole) <= len(text) + len(came) - min(20, len(text))
