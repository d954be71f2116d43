"""Ways of hiding a text from a filter and not from a model, for the evaluation of `injection`."""

from __future__ import annotations

import base64
import codecs
import random
from collections.abc import Callable, Iterator
from urllib.parse import quote


def _each(form: str, between: str = "") -> Callable[[str], str]:
    return lambda text: between.join(form.format(byte) for byte in text.encode())


def _letters(first: int) -> Callable[[str], str]:
    return lambda text: "".join(
        chr(first + ord(char) - 97) if "a" <= char <= "z" else char for char in text.lower()
    )


def _imitated(letters: str, others: str) -> Callable[[str], str]:
    return lambda text: text.translate(str.maketrans(letters, others))


def _bits(text: str) -> str:
    return "".join(f"{byte:08b}" for byte in text.encode()).translate({48: "\u200b", 49: "\u2060"})


WAYS: dict[str, Callable[[str], str]] = {
    "full-width letters": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "bold letters": _letters(0x1D41A),
    "letters in squares": _letters(0x1F130),
    "Cyrillic letters": _imitated("aeopcxy", "аеорсху"),
    "accents": _imitated("aeiou", "áèîõü"),
    "struck through": lambda text: "".join(char + "\u0336" for char in text),
    "zero-width between": "\u200b".join,
    "soft hyphens between": "\u00ad".join,
    "tags": lambda text: "ok" + "".join(chr(0xE0000 + ord(c)) if ord(c) < 128 else c for c in text),
    "selectors": lambda text: (
        "ok" + "".join(chr(0xFE00 + b if b < 16 else 0xE00F0 + b) for b in text.encode())
    ),
    "zero-width bits": lambda text: f"Hello{_bits(text)}!",
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())).decode(),
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal pairs": lambda text: text.encode().hex(" "),
    "percent signs": lambda text: quote(text, safe=""),
    "all percent signs": _each("%{:02X}"),
    "entities": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "escapes": _each("\\x{:02x}"),
    "decimal numbers": _each("{}", ", "),
    "binary numbers": _each("{:08b}", " "),
    "ROT13": lambda text: codecs.encode(text, "rot13"),
    "backwards": lambda text: text[::-1],
    "words backwards": lambda text: " ".join(word[::-1] for word in text.split()),
    "digits for letters": _imitated("aeiost", "431057"),
    "spaced": lambda text: "  ".join(" ".join(word) for word in text.split()),
    "dashed": lambda text: " ".join("-".join(word) for word in text.split()),
    "dotted": lambda text: " ".join(".".join(word) for word in text.split()),
}


def hidden_attacks(draw: random.Random, attacks: list[str], *, each: int) -> Iterator[tuple[str, str]]:
    """So many of *attacks* hidden in each way: the way and the text."""
    for way, hide in WAYS.items():
        for text in draw.sample(attacks, each):
            yield way, hide(text)
