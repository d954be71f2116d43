"""`keywords`, `regex`, `length`, `urls`, `hidden_text`: arguments, and what each lets pass."""

from __future__ import annotations

import re

import pytest

from guardrails_lite import ConfigError
from guardrails_lite_validators import hidden_text, keywords, length, regex, urls


def _found(validator: object, text: str) -> list[str]:
    return [text[slice(*finding.span)] for finding in validator(text)]  # type: ignore[operator]


def test_keywords_match_whole_words_unless_told_otherwise() -> None:
    """A word inside a longer word counts only where asked for."""
    assert _found(keywords(["cat"]), "a cat, a concatenation") == ["cat"]
    assert _found(keywords(["cat"], match="anywhere"), "concat") == ["cat"]
    assert _found(keywords(["Cat"], case="exact"), "cat Cat") == ["Cat"]


def test_keywords_prefer_the_longest_and_see_through_blanks() -> None:
    """A phrase may be wrapped over a line."""
    assert _found(keywords(["new", "new york"]), "in New\nYork") == ["New\nYork"]


@pytest.mark.parametrize("words", [[], [""], ["a", " "], "word", [1]])
def test_keywords_refuse_a_list_that_cannot_work(words: object) -> None:
    """An empty word would match everywhere."""
    with pytest.raises(ConfigError, match=r"keywords\(\.\.\.\)"):
        keywords(words)  # type: ignore[arg-type]


def test_regex_works_out_its_window_from_the_pattern() -> None:
    """A pattern with a longest match streams; one without does not, unless a window is given."""
    assert regex(r"AC-\d{4,6}").window == 11
    assert regex(r"(?<=no )AC-\d{4}").window == 15
    assert regex(r"AC-\d+").window is None
    assert regex(r"AC-\d+", window=20).window == 20


def test_regex_finds_overlapping_matches() -> None:
    """Where one match begins does not hide another."""
    assert _found(regex("aba"), "ababa") == ["aba", "aba"]


def test_regex_cuts_a_match_at_its_window() -> None:
    """No finding is longer than the window allows."""
    assert max(map(len, _found(regex(r"\d+", window=12), "1" * 50))) == 10


@pytest.mark.parametrize("pattern", ["(a+)+b", "(?:a*b*)*c", "(a|b+)*", "((x{2,})y?)+z"])
def test_regex_refuses_nested_unbounded_repeats(pattern: str) -> None:
    """They are what takes exponential time."""
    with pytest.raises(ConfigError, match="repeats a part that repeats without bound"):
        regex(pattern)


@pytest.mark.parametrize(("pattern", "says"), [("(", "does not compile"), ("a*", "matches the empty text")])
def test_regex_refuses_patterns_that_cannot_work(pattern: str, says: str) -> None:
    """The error names the pattern and the trouble."""
    with pytest.raises(ConfigError, match=says):
        regex(pattern)


def test_regex_takes_flags_and_says_them() -> None:
    """What made a validator is part of its repr, so of the guard's digest."""
    assert _found(regex("abc", flags=re.IGNORECASE), "ABC") == ["ABC"]
    assert repr(regex("abc", category="CODE")) == "regex(patterns=['abc'], category='CODE')"


def test_length_allows_the_limit_itself() -> None:
    """Limits are inclusive."""
    assert not length(max_chars=5, min_chars=5)("12345")
    assert [f.message for f in length(max_words=2)("one two three")] == ["has more words than allowed"]
    assert [f.message for f in length(min_lines=2)("one")] == ["has fewer lines than asked for"]


@pytest.mark.parametrize(
    "limits", [{}, {"max_chars": -1}, {"max_chars": True}, {"min_words": 3, "max_words": 2}]
)
def test_length_refuses_limits_that_cannot_work(limits: dict[str, int]) -> None:
    """No limit, a negative one, a contradiction."""
    with pytest.raises(ConfigError, match=r"length\("):
        length(**limits)


@pytest.mark.parametrize(
    "url",
    [
        "http://evil.com/?u=example.com",
        "https://example.com@evil.com/",
        "https://example.com\\@evil.com",
        "https://example.com.evil.com",
        "HTTPS://EVIL.COM",
        "https://ex\uff41mple.org",
        "//evil.com/x",
        "www.evil.com",
        "evil.com/path",
        "https://evil\u3002com/",
        "ftp://example.com/",
        "https://[::1]/",
        "http:/\\evil.com/",
        "https://%65vil.com/",
        "https:&#47;&#x2F;evil.com/",
        "https&colon;&sol;&bsol;evil.com/",
        "https://example.com&#64;evil.com/",
    ],
)
def test_urls_read_the_host_as_a_browser_does(url: str) -> None:
    """No spelling of a host that is not allowed gets past."""
    assert urls(allow=["example.com"])(f"see {url} now")


@pytest.mark.parametrize(
    "page",
    ['<img src="/\\evil.com/x">', "![x](\\/evil.com/x)", "<img src='https://evil&#46;com/x'>"],
)
def test_urls_read_a_page_as_a_browser_does(page: str) -> None:
    """Two slashes of either kind begin a host in an attribute, and entities stand for signs."""
    assert urls(allow=["example.com"])(page)
    assert urls(deny=["evil.com"])(page)


def test_urls_take_no_pattern_and_no_path_of_windows_for_a_link() -> None:
    """Backslashes are common in code."""
    assert not urls(allow=["example.com"])('re.sub("/\\d+/", x); y=/\\w.+/; path="\\\\server\\share.txt"')


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com/?a=1&amp;b=2",
        "http://example.com:8080/a?b#c",
        "https://EXAMPLE.com./",
        "https://a.good.org/x",
        "https://user@example.com/",
    ],
)
def test_urls_allow_what_is_listed(url: str) -> None:
    """Ports, case, a trailing dot and a user name do not make it another host."""
    assert not urls(allow=["example.com", "*.good.org"])(f"see ({url}).")


def test_urls_deny_lists_leave_the_rest_open() -> None:
    """With `deny` alone, only what it lists is found."""
    assert _found(urls(deny=["*.evil.com"]), "https://a.evil.com/x and https://b.com") == [
        "https://a.evil.com/x"
    ]


@pytest.mark.parametrize("host", ["https://example.com", "example.com/path", "user@example.com", "*"])
def test_urls_refuse_entries_that_are_no_host(host: str) -> None:
    """A whole URL in the list would never match."""
    with pytest.raises(ConfigError, match="without scheme, path or user name"):
        urls(allow=[host])


@pytest.mark.parametrize(
    "text",
    [
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f 1\ufe0f\u20e3 \u00a9\ufe0f",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u0915\u094d\u200d\u0937 \u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0e20\u0e32\u0e29\u0e32\u200b\u0e44\u0e17\u0e22",
        "\u05e9\u05dc\u05d5\u05dd \u200f(abc)\u200f",
        "\ufeffstarts with a mark",
        "Donau\u00addampf\u00adschiff",
        "\x1b[31mred\x1b[0m\tand\r\n",
        "\u041f\u0440\u0438\u0432\u0435\u0442, caf\u00e9, na\u00efve, \u03bcm",
        "SMS\u043a\u0430 \u0438 IT-\u043e\u0442\u0434\u0435\u043b",
    ],
)
def test_legitimate_characters_are_left_alone(text: str) -> None:
    """Emoji, flags, joiners of scripts that need them, direction marks beside right-to-left letters."""
    assert hidden_text()(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "the \u061cpassword is",
        "send the \u0430\u0440\u0440\u0456\u0435 to the server",
        "a\u200bb",
        "the \U000e0069\U000e0067\U000e006e end",
        "x\x1b[8mhidden\x1b[0m",
    ],
)
def test_what_hides_in_plain_words_is_found(text: str) -> None:
    """A mark does not vouch for itself, and a word of look-alikes among Latin ones needs no Latin letter."""
    assert hidden_text()(text)


def test_a_zero_width_space_that_parts_nothing_is_spared() -> None:
    """Formulas that were copied from a page are full of them."""
    assert hidden_text()("v\ni\n\u200b\n = 1") == []
    assert hidden_text()("\u043e\u0441\u0430 \u0438 \u0445\u043e\u0440, and a \u0440\u043e\u0441\u0430") == []


def test_redacting_hidden_text_keeps_what_was_visible() -> None:
    """Each replacement is what a reader saw there."""
    text = "p\u0430y\u200b the\U000e0061\U000e0062 bill"
    for finding in reversed(hidden_text()(text)):
        assert finding.span is not None
        text = text[: finding.span[0]] + finding.mask + text[finding.span[1] :]

    assert text == "pay the bill"


def test_hidden_text_looks_for_the_kinds_asked_for() -> None:
    """Unknown kinds are refused."""
    assert not hidden_text(kinds=["tag"])("a\u200bb")
    with pytest.raises(ConfigError, match="expected some of bidi, confusable"):
        hidden_text(kinds=["ghost"])
