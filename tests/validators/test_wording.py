"""`code`, `competitors`, `language`, `profanity`, `readability`, `refusal`: arguments, what passes."""

from __future__ import annotations

import pytest

from guardrails_lite import ConfigError
from guardrails_lite_validators import code, competitors, language, profanity, readability, refusal


def _found(validator: object, text: str) -> list[str]:
    return [text[slice(*finding.span)] for finding in validator(text)]  # type: ignore[operator]


def test_code_is_known_by_its_fence_or_by_its_lines() -> None:
    """A fence goes by its name; two lines in a row that look alike need none."""
    text = "Like this:\n```sh\nls -l\n```\nor so:\n\nimport os\nimport sys\n\nThat is all."
    assert _found(code(), text) == ["```sh\nls -l\n```", "import os\nimport sys"]
    assert _found(code(["shell"]), text) == ["```sh\nls -l\n```"]
    assert _found(code(["python"]), text) == ["import os\nimport sys"]
    assert _found(code(["sql"]), text) == []


def test_a_fence_that_is_left_open_reaches_to_the_end() -> None:
    """As a page would show it."""
    assert _found(code(), "so:\n~~~go\nx := 1") == ["~~~go\nx := 1"]


def test_competitors_are_found_in_other_spellings() -> None:
    """Blanks, hyphens or nothing between words, any case, a genitive; no part of another word."""
    find = competitors(["Acme Corp", "C++ Soft"])
    assert _found(find, "acme-corp, AcmeCorp's, Acme\nCorp") == ["acme-corp", "AcmeCorp's", "Acme\nCorp"]
    assert _found(find, "Acme Corporation, pacme corp") == []
    assert _found(find, "by C++ Soft.") == ["C++ Soft"]


def test_a_name_that_is_a_word_too_counts_only_as_it_is_written() -> None:
    """ "Target" is a shop, "target" is not."""
    assert _found(competitors(["Target"], also_words=["Target"]), "the target of Target") == ["Target"]


@pytest.mark.parametrize("names", [[], "Acme", ["--"], [""]])
def test_competitors_refuse_names_that_cannot_work(names: object) -> None:
    """None, one text instead of a list, signs only."""
    with pytest.raises(ConfigError, match=r"competitors\(\.\.\.\)"):
        competitors(names)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code_", "text"),
    [
        ("de", "Ich h\u00e4tte gerne gewusst, wie das Wetter in der Stadt ist."),
        ("fr", "Je ne sais pas ce que nous allons faire avec les autres."),
        ("es", "No s\u00e9 lo que vamos a hacer con los dem\u00e1s en la ciudad."),
        ("it", "Non so che cosa faremo con gli altri nella citt\u00e0, ma \u00e8 bella."),
        ("nl", "Ik weet niet wat we met de anderen in de stad gaan doen."),
        ("pl", "Nie wiem, co si\u0119 z nim sta\u0142o, ale jest to dla mnie wa\u017cne."),
        ("da", "Jeg ved ikke, hvad vi skal g\u00f8re med de andre i byen."),
        (
            "uk",
            "\u043d\u0435 \u0437\u043d\u0430\u044e, \u0449\u043e \u0457\u043c",
        ),
        ("ja", "\u4eca\u65e5\u306f\u5929\u6c17\u304c\u3044\u3044\u3067\u3059\u306d"),
        (
            "fa",
            "\u0645\u0646 \u0646\u0645\u06cc\u200c\u062f\u0627\u0646\u0645 \u0686\u0647 \u06a9\u0646\u0645",
        ),
        (
            "el",
            "\u0394\u03b5\u03bd \u03be\u03ad\u03c1\u03c9 \u03c4\u03b9 \u03bd\u03b1 \u03ba\u03ac\u03bd\u03c9",
        ),
    ],
)
def test_a_language_is_told_where_it_is_not_allowed_only(code_: str, text: str) -> None:
    """Allowed, it passes; with English only, it is found."""
    assert not language([code_])(text)
    (finding,) = language(["en"])(text)
    assert finding.span is None
    assert 0.5 < (finding.score or 0) <= 1


def test_a_long_text_is_looked_at_in_three_places() -> None:
    """English in front does not vouch for the end."""
    english = "This is the way that they have it in the house, and it is not for you. " * 200
    german = "Das ist der Weg, auf dem sie es im Haus haben, und es ist nicht f\u00fcr dich. " * 40
    assert not language(["en"])(english)
    assert language(["en"])(english + german)


@pytest.mark.parametrize("allowed", [[], ["xx"], ["english"]])
def test_language_refuses_what_it_cannot_tell(allowed: list[str]) -> None:
    """The error lists what it can."""
    with pytest.raises(ConfigError, match="expected some of ar, bg"):
        language(allowed)


def test_profanity_looks_in_the_languages_asked_for() -> None:
    """A word of one language may be harmless in another."""
    assert _found(profanity(languages=["de"]), "Scheisse, shit") == ["Scheisse"]
    assert _found(profanity(languages="en"), "Scheisse, shit") == ["shit"]
    assert _found(profanity(more=["frak*"], allow=["shit"]), "shit, frakking") == ["frakking"]


def test_profanity_sees_through_digits_and_repetition() -> None:
    """Also in a word of one's own, and whatever else stands in the text."""
    assert _found(profanity(languages="en", more=["h4x"]), "sh1t! cr@ppp, cr4p, HAX, mail@example.org") == [
        "sh1t",
        "cr@ppp",
        "cr4p",
        "HAX",
    ]
    assert _found(profanity(languages="en"), "b4stttard") == ["b4stttard"]


@pytest.mark.parametrize(
    "options", [{"languages": ["xx"]}, {"languages": []}, {"more": ["two words"]}, {"allow": "word"}]
)
def test_profanity_refuses_lists_that_cannot_work(options: dict[str, object]) -> None:
    """Unknown languages, phrases, one text instead of a list."""
    with pytest.raises(ConfigError, match=r"profanity\(\.\.\.\)"):
        profanity(**options)  # type: ignore[arg-type]


def test_readability_is_that_of_the_published_formulas() -> None:
    """Flesch and Kincaid's grade and Bj\u00f6rnsson's index for a text counted by hand."""
    text = "The cat sat on the mat and the dog was out. It was a warm and sunny day in May again."
    # 21 words, 2 sentences, 23 syllables, no word of more than six letters
    grade, lix = 0.39 * 10.5 + 11.8 * 23 / 21 - 15.59, 10.5
    assert not readability(max_grade=grade + 0.5)(text)
    assert readability(max_grade=grade - 0.5)(text)
    assert not readability(max_lix=lix + 0.1)(text)
    assert readability(max_lix=lix - 0.1)(text)
    assert readability(max_sentence_words=10)(text)
    assert not readability(max_sentence_words=11)(text)


@pytest.mark.parametrize("limits", [{}, {"max_grade": 0}, {"max_lix": -1.0}])
def test_readability_refuses_limits_that_cannot_work(limits: dict[str, float]) -> None:
    """None at all, or none that a text could keep."""
    with pytest.raises(ConfigError, match=r"readability\("):
        readability(**limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't assist with that request.",
        "I cannot in good conscience provide instructions for that.",
        "I must respectfully decline.",
        "That goes against my guidelines.",
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Je suis d\u00e9sol\u00e9, mais je ne peux pas.",
        "Lo siento, pero no puedo ayudar con eso.",
        "Desculpe, mas n\u00e3o posso ajudar.",
        "Przykro mi, ale nie mog\u0119.",
        "\u7533\u3057\u8a33\u3042\u308a\u307e\u305b\u3093\u304c\u3001\u304a\u7b54\u3048\u3067\u304d\u307e\u305b\u3093",
    ],
)
def test_a_refusal_is_known_by_its_phrases(text: str) -> None:
    """In the words that models use, in several languages, whatever the case."""
    assert refusal()(text)
    assert refusal()(text.upper())
