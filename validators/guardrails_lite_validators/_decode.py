"""Encoded parts of a text, decoded where they stand.

A model reads base64, hexadecimal, percent signs, entities and escapes as easily as letters, so what is
forbidden in letters must be found in them too. `decoded` puts the decoded text in place of each encoded
part, layer by layer, and keeps the way back: a finding in base64 comes from the whole token, one among
percent signs from just the characters it concerns. Nothing grows by decoding, and the number of layers is
bounded; a text that is encoded more often says so.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from guardrails_lite_validators._fold import Edit, Reading, plain, replaced
from guardrails_lite_validators._pieces import LONG, Pieces

MOST_LAYERS = 4


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text with its encoded parts decoded."""

    reading: Reading = field(repr=False)
    layers: int
    """How often something was decoded."""
    goes_on: bool = False
    """Under `MOST_LAYERS` layers there is another one: nobody encodes so often for an honest reason."""


def decoded(text: str, *, shown: Reading | None = None, pieces: Pieces | None = None) -> Decoded | None:
    """Decode *text*, which need not be folded; None if nothing in it is encoded.

    Args:
        text: What to decode.
        shown: `plain` of it, where that is at hand.
        pieces: Those of what is shown, where they are at hand.
    """
    reading, layers = shown or plain(text), 0
    if not text.isascii() and (edits := list(_carried(text))):
        carried, layers = replaced(text, edits), 1
        reading = carried.then(plain(carried.text))
    while layers <= MOST_LAYERS:
        pieces = Pieces(reading.text) if pieces is None else _pieces_of(reading, pieces)
        inner = _layer(pieces)
        if inner is None:
            break
        if layers == MOST_LAYERS:
            return Decoded(reading, layers, goes_on=True)
        reading = reading.then(inner)
        layers += 1
    return Decoded(reading, layers) if layers else None


def _layer(pieces: Pieces) -> Reading | None:
    text = pieces.text
    reading = Reading(text)
    if "%" in text or "&" in text or "\\" in text:
        for is_possible, edits in _CODES:
            if is_possible(reading.text):
                reading = _edited(reading, edits(reading.text))
            pieces = _pieces_of(reading, pieces)
    if _has_numbers(pieces):
        reading = _edited(reading, _numbers(reading.text))
        pieces = _pieces_of(reading, pieces)
    if pieces.long:
        reading = _edited(reading, _tokens(pieces))
    return reading if reading.text is not text else None


def _pieces_of(reading: Reading, pieces: Pieces) -> Pieces:
    return pieces if reading.text is pieces.text else Pieces(reading.text)


def _edited(reading: Reading, edits: Iterator[Edit]) -> Reading:
    found = list(edits)
    return reading.then(replaced(reading.text, found)) if found else reading


# --- letter by letter -------------------------------------------------------------------------------


def _turned(text: str) -> Iterator[Edit]:
    """Percent signs and entities that were written backwards."""
    for found in _BACKWARDS.finditer(text):
        yield *found.span(), found.group()[::-1]


_BACKWARDS = re.compile(r"(?<!%)(?:[0-9a-fA-F]{2}%){6,}(?![0-9a-fA-F]{2})|(?:;[0-9a-fA-F]{2,4}[xX]?#&){4,}")


def percents(text: str) -> Iterator[Edit]:
    """Each character that percent signs spell."""
    for found in _PERCENTS.finditer(text):
        yield from _spelled(found, bytes.fromhex(found.group().replace("%", "")), 3)


_PERCENTS = re.compile(r"(?:%[0-9a-fA-F]{2})+")


def _escapes(text: str) -> Iterator[Edit]:
    for found in _ESCAPED_BYTES.finditer(text):
        yield from _spelled(found, bytes.fromhex(re.sub(r"\\x", "", found.group())), 4)


_ESCAPED_BYTES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+")


def _spelled(found: re.Match[str], data: bytes, width: int) -> Iterator[Edit]:
    """One character a byte where that is so, to know where each one comes from."""
    if data.isascii():
        for at, byte in enumerate(data):
            start = found.start() + at * width
            yield start, start + width, chr(byte)
        return
    yield *found.span(), data.decode("utf-8", "replace")


def _points(text: str) -> Iterator[Edit]:
    for found in _ESCAPED_POINTS.finditer(text):
        yield *found.span(), _char(int(found.group(1) or found.group(2) or found.group(3), 16))


_ESCAPED_POINTS = re.compile(r"\\(?:u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}|U([0-9a-fA-F]{8}))")


def _entities(text: str) -> Iterator[Edit]:
    import html  # its table is large and seldom needed

    for found in _ENTITY.finditer(text):
        shown = html.unescape(found.group())
        if shown != found.group():
            yield *found.span(), shown


_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});?")


def _char(point: int) -> str:
    return chr(point) if point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF else "\ufffd"


# --- whole tokens -----------------------------------------------------------------------------------


def _tokens(pieces: Pieces) -> Iterator[Edit]:
    text = pieces.text
    done = tried = tries = 0
    for start, end in pieces.long:
        piece = text[start:end]
        if piece[1:].islower() and not _has_digit(piece):
            continue  # without digits, and capitals at most at its beginning: a word
        if _CODED.search(piece) is None and text[end : end + 1] not in ("\r", "\n"):
            continue  # a date or a telephone number, and no line of something longer
        if piece[0] == "[" and _MASK.fullmatch(piece) is not None:
            continue
        for found in _TOKEN.finditer(text, start, end):
            if found.start() < done:
                continue
            wider = _LINES.match(text, found.start()) if found.start() >= tried else None
            for token in (wider, found) if wider is not None and wider.end() > found.end() else (found,):
                tries += 1
                shown = _of_token("".join(token.group().split()), thorough=tries < _MOST_TRIES)
                tried = max(tried, token.end())  # so that no line is read once for each line above it
                if shown is not None:
                    yield *token.span(), shown
                    done = token.end()
                    break


def _has_digit(piece: str) -> bool:
    if piece.isascii():
        return _DIGIT.search(piece) is not None
    return any(map(str.isdigit, piece))


_MASK = re.compile(r"\[[A-Z]+(?:_[A-Z]+)+\]\W{0,3}")
"""What `redact` writes. Neither base32 nor hexadecimal has the bar, and base64 has more than capitals."""
_DIGIT = re.compile("[0-9]")
_CODED = re.compile(f"[A-Za-z]|[0-9]{{{LONG}}}")
_MOST_TRIES = 1000
_TOKEN = re.compile(rf"(?<![A-Za-z0-9+/_=-])={{0,6}}[A-Za-z0-9+/_-]{{{LONG},}}={{0,6}}")
_LINES = re.compile(r"={0,6}[A-Za-z0-9+/_-]+(?:\r?\n[A-Za-z0-9+/_-]{4,})*={0,6}")


def _of_token(token: str, *, thorough: bool) -> str | None:
    """What a token says in base64 or hexadecimal; if *thorough*, base32, backwards and in ROT13 too."""
    if len(set(token[:16])) < 3:
        return None
    codes: tuple[Callable[[str], bytes | None], ...] = (_hexadecimal, _base32, _base64)
    if not thorough:
        codes = (_hexadecimal, _base64)
    if token.lower() == token.upper():
        if not token.isdigit():
            return None
        codes = (_hexadecimal,)  # what a number is in base64 is no text that anybody wrote
    for raw in dict.fromkeys((token, token[::-1], token.translate(ROT13))) if thorough else (token,):
        for decode in codes:
            begins = decode(raw[:16])
            if begins is None or not _may_be_text(begins):
                continue  # most tokens are no text, and a few bytes of them say so
            data = decode(raw)
            if data is not None and (shown := _readable(data)) is not None:
                return shown
    return None


_ABC = "abcdefghijklmnopqrstuvwxyz"
ROT13 = str.maketrans(_ABC + _ABC.upper(), _ABC[13:] + _ABC[:13] + _ABC[13:].upper() + _ABC[:13].upper())


def _may_be_text(data: bytes) -> bool:
    return not data.translate(None, _TEXT_BYTES) or (data[1:4:2] == b"\0\0" and data[0] > 0)


_TEXT_BYTES = bytes((9, 10, 13, *range(32, 127), *range(128, 256)))


def _hexadecimal(token: str) -> bytes | None:
    token = token.removeprefix("0x")
    return bytes.fromhex(token) if len(token) % 2 == 0 and _HEX.fullmatch(token) else None


_HEX = re.compile(r"[0-9a-fA-F]+")


def _base32(token: str) -> bytes | None:
    if len(token) < 16 or not _BASE32.fullmatch(token):
        return None
    bare = token.rstrip("=")
    try:
        return base64.b32decode(bare + "=" * (-len(bare) % 8))
    except binascii.Error:
        return None


_BASE32 = re.compile(r"[A-Z2-7]+=*")


def _base64(token: str) -> bytes | None:
    bare = token.rstrip("=").replace("-", "+").replace("_", "/")
    if len(bare) % 4 == 1:
        bare = bare[:-1]
    try:
        return binascii.a2b_base64(bare + "=" * (-len(bare) % 4), strict_mode=True)
    except binascii.Error:
        return None


def _readable(data: bytes) -> str | None:
    """The text that bytes are, in UTF-8 or UTF-16; None if they are none."""
    if len(data) < 4:
        return None
    codec = "utf-16-le" if len(data) % 2 == 0 and data.count(0) * 2 == len(data) else "utf-8"
    try:
        text = data.decode(codec)
    except UnicodeDecodeError:
        return None
    bare = text.translate(_BREAKS)
    return text if bare.isprintable() and not bare.isspace() else None


_BREAKS = str.maketrans("", "", "\r\n\t")


# --- numbers ----------------------------------------------------------------------------------------


def _has_numbers(pieces: Pieces) -> bool:
    text, groups = pieces.text, pieces.digits
    if not groups or sum(end - start for start, end in groups) <= 10:
        return False
    for start, _ in groups:
        if _ROW_BEGINS.match(text, start) is not None:
            return _NUMBERS.search(text) is not None
    return False


_ROW_BEGINS = re.compile(
    r"[0-9]++[0-9a-fA-F]{0,2}(?:(?:[ ,:;-]{1,2}(?:0x)?[0-9a-fA-F]{2,3}){3}|[ ,]{1,2}[01]{7})"
)
"""From a group of digits on, for there are few: three more numbers, or a byte in bits. Less is no row."""
_NUMBERS = re.compile(r"[01]{7,8}[ ,]{1,2}[01]{7}|(?:[0-9a-fA-F]{2,3}[ ,:;-]{1,2}(?:0x)?){5}")


def _numbers(text: str) -> Iterator[Edit]:
    """Characters as numbers in a row: of binary, decimal and hexadecimal the one that reads best."""
    rows = [list(_row(text, pattern, base)) for pattern, base in _ROWS]
    yield from max(rows, key=_sense)


def _row(text: str, pattern: re.Pattern[str], base: int) -> Iterator[Edit]:
    for found in pattern.finditer(text):
        points = [int(number, base) for number in _NUMBER.findall(found.group())]
        if _is_ascii_text(points):
            yield *found.span(), "".join(map(chr, points))
        elif max(points) < 256 and (shown := _readable(bytes(points))) is not None:
            yield *found.span(), shown


def _sense(edits: list[Edit]) -> tuple[int, int]:
    """How much of a text a way of decoding explains, and how many letters and digits it finds there."""
    return sum(end - start for start, end, _ in edits), sum(
        char.isalnum() or char == " " for *_, shown in edits for char in shown
    )


_ROWS = (
    (re.compile(r"(?<![0-9a-zA-Z])(?:[01]{7,8}[ ,]{1,2}){3,}[01]{7,8}(?![0-9a-zA-Z])"), 2),
    (re.compile(r"(?<![0-9a-zA-Z])(?:[0-9]{2,3}[ ,:;-]{1,2}){5,}[0-9]{2,3}(?![0-9a-zA-Z])"), 10),
    (
        re.compile(
            r"(?<![0-9a-zA-Z])(?:(?:0x)?[0-9a-fA-F]{2}[ ,:;-]{1,2}){5,}(?:0x)?[0-9a-fA-F]{2}(?![0-9a-zA-Z])"
        ),
        16,
    ),
)
_NUMBER = re.compile(r"(?:0x)?([0-9a-fA-F]+)")

_CODES: tuple[tuple[Callable[[str], bool], Callable[[str], Iterator[Edit]]], ...] = (
    (
        lambda text: ("%" in text and text.count("%") >= 6) or ("&" in text and text.count("#&") >= 4),
        _turned,
    ),
    (lambda text: "%" in text, percents),
    (lambda text: "&" in text, _entities),
    (lambda text: "\\" in text and "\\x" in text, _escapes),
    (lambda text: "\\" in text and ("\\u" in text or "\\U" in text), _points),
)
"""A quick look that spares most texts each search, and the search; none without one of three signs."""


# --- bytes in characters that do not show ---------------------------------------------------------


def _carried(text: str) -> Iterator[Edit]:
    """Text in variation selectors, one a byte, and in zero-width characters, one a bit."""
    if not _MARKS.search(text):
        return
    for found in _CARRIERS.finditer(text):
        run = found.group()
        data = bytes(map(_selector_byte, run)) if found.lastgroup == "selectors" else _bits(run)
        shown = _readable(data) if data is not None else None
        if shown is not None:
            yield *found.span(), f" {shown} "  # the letters on either side belong to another text


_MARKS = re.compile("[\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]{4}")
_CARRIERS = re.compile(
    "(?P<selectors>[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,})"
    "|(?P<bits>[\u200b-\u200f\u2060-\u2064\u180e\ufeff]{28,})"
)


def _selector_byte(char: str) -> int:
    code = ord(char)
    return code - 0xFE00 if code < 0xFE10 else code - 0xE0100 + 16


def _bits(run: str) -> bytes | None:
    """Two of the characters are the bits; a third one may stand between the letters."""
    marks = sorted(dict.fromkeys(run), key=run.count, reverse=True)
    if not 2 <= len(marks) <= 3:
        return None
    for width, zero, one in ((8, 0, 1), (8, 1, 0), (7, 0, 1), (7, 1, 0)):
        digits = run.translate({ord(marks[zero]): "0", ord(marks[one]): "1"})
        groups = [group for group in (digits.split(marks[2]) if len(marks) == 3 else [digits]) if group]
        if any(len(group) % width for group in groups):
            continue
        points = [int(group[at : at + width], 2) for group in groups for at in range(0, len(group), width)]
        if _is_ascii_text(points) or (width == 8 and _readable(bytes(points)) is not None):
            return bytes(points)
    return None


def _is_ascii_text(points: Sequence[int]) -> bool:
    return all(31 < point < 127 or point in (9, 10, 13) for point in points)
