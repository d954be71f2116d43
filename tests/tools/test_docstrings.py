"""What a docstring tells the model."""

from __future__ import annotations

import pytest

from guardrails_lite._tools._docstrings import read_docstring

GOOGLE = """Look up the weather.

    It may be wrong.

    Args:
        city (str): Where,
            such as "Oslo: Norway".
        unit: Of temperature.

    Returns:
        degrees: of heat
    """
NUMPY = """Look up the weather.

    It may be wrong.

    Parameters
    ----------
    city : str
        Where,
        such as "Oslo: Norway".
    unit, other : str
        Of temperature.

    Returns
    -------
    degrees : float
        of heat
    """
SPHINX = """Look up the weather.

    It may be wrong.

    :param str city: Where,
        such as "Oslo: Norway".
    :param unit: Of temperature.
    :returns: degrees
    """


@pytest.mark.parametrize("docstring", [GOOGLE, NUMPY, SPHINX], ids=["google", "numpy", "sphinx"])
def test_each_style_gives_the_summary_and_the_parameters(docstring: str) -> None:
    """The model reads what the function does and what each parameter means, and nothing of the results."""
    text, described = read_docstring(docstring)

    assert text == "Look up the weather.\n\nIt may be wrong."
    assert described["city"] == 'Where, such as "Oslo: Norway".'
    assert described["unit"] == "Of temperature."
    assert "degrees" not in described


@pytest.mark.parametrize("docstring", [None, "", "   \n"])
def test_nothing_says_nothing(docstring: str | None) -> None:
    """A function without a docstring is described by its name alone."""
    assert read_docstring(docstring) == ("", {})


def test_prose_with_colons_is_no_section() -> None:
    """Only a heading on its own line opens a section."""
    text, described = read_docstring("Do it.\n\nNote: args: are fun.\n\nExample: x")

    assert text == "Do it.\n\nNote: args: are fun.\n\nExample: x"
    assert described == {}


def test_text_below_the_arguments_is_kept() -> None:
    """What follows a section without indentation belongs to the description again."""
    text, described = read_docstring("Do it.\n\nArgs:\n    x: one\n\nUse with care.")

    assert " ".join(text.split()) == "Do it. Use with care."
    assert described == {"x": "one"}
