"""Charts, drawn here as SVG: no script, no style attribute, readable without colour and by a screen reader.

Each takes plain numbers and gives markup. Colours come from the style sheet by class, so that they follow
light and dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from guardrails_lite._harmless import safe

_TOLD_WIDTH: Final = 220
"""Room for what is written behind a bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart over time."""

    label: str
    """What it stands for: a day, an hour."""
    value: float
    told: str
    """The value as people read it."""
    part: float = 0.0
    """How much of it is marked, such as what was blocked."""
    link: str = ""


def bars(drawn: Sequence[Bar], *, title: str, unit: str = "", width: int = 960, height: int = 190) -> Markup:
    """A chart over time. Each bar has its numbers as a tooltip, and leads somewhere if it has a link.

    Without a *unit* it counts, and its axis has no half of a thing.
    """
    top, bottom, left = 12, 22, 44
    high = _ceiling(max((bar.value for bar in drawn), default=0))
    room, floor = height - top - bottom, height - bottom
    step = (width - left - 4) / max(1, len(drawn))
    parts = []
    for line in (0, 0.5, 1):
        if not unit and high * line % 1:
            continue
        y = floor - line * room
        parts.append(f'<line class="grid" x1="{left}" x2="{width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_label(left - 6, y + 4, unit + _short(high * line), anchor="end"))
    for at, bar in enumerate(drawn):
        x, wide = left + at * step, max(1.0, step * 0.78)
        tall, marked = (room * value / high if high else 0 for value in (bar.value, bar.part))
        shape = _rect("hit", x, top, step, room) + _rect("bar", x, floor - tall, wide, tall)
        if marked:
            shape += _rect("bar marked", x, floor - marked, wide, marked)
        told = f"{_text(bar.label)}: {_text(bar.told)}"
        shape += f"<title>{told}</title>"
        if bar.link:
            shape = f'<a href="{escape(bar.link)}" aria-label="{told}">{shape}</a>'
        parts.append(f"<g>{shape}</g>")
    every = max(1, -(-len(drawn) // 8))
    for nth, at in enumerate(range(0, len(drawn), every)):
        kind = "axis spare" if nth % 2 else "axis"  # on a narrow screen only every other one has room
        parts.append(_label(left + at * step, height - 6, drawn[at].label[5:], kind=kind))
    return _svg(
        parts, title, width, height, "chart", role="group" if any(bar.link for bar in drawn) else "img"
    )


def share(value: float, of: float, *, width: int = 120) -> Markup:
    """A flat bar in a row of a table; the number stands beside it, so it is hidden from a screen reader."""
    wide = min(width, max(0, width * value / of)) if of > 0 else 0
    parts = [_rect("track", 0, 0, width, 8, round=4), _rect("bar", 0, 0, wide, 8, round=4)]
    return _small(parts, width, 8, "share")


def interval(low: float, at: float, high: float, *, width: int = 140) -> Markup:
    """A share between 0 and 1 and where it may lie; the numbers stand beside it."""
    dot = min(width - 5.0, max(5.0, at * width))
    parts = [
        _rect("track", 0, 5, width, 4, round=2),
        _rect("span", low * width, 5, max(2.0, (high - low) * width), 4, round=2),
        f'<circle class="dot" cx="{dot:.1f}" cy="7" r="4.5"/>',
    ]
    return _small(parts, width, 14, "interval")


def spark(values: Sequence[float], *, title: str, width: int = 120, height: int = 28) -> Markup:
    """A small line over time."""
    high = max(values, default=0) or 1
    step = width / max(1, len(values) - 1)
    points = " ".join(
        f"{at * step:.1f},{height - 3 - (height - 6) * value / high:.1f}" for at, value in enumerate(values)
    )
    return _svg([f'<polyline class="line" points="{points}"/>'], title, width, height, "spark")


@dataclass(frozen=True, slots=True)
class Piece:
    """One step of a call."""

    label: str
    us: float
    kind: str
    """Its class in the style sheet: ``check``, ``bad``, ``attempt`` or ``wait``."""


def waterfall(pieces: Sequence[Piece], *, title: str, told: Sequence[str], width: int = 960) -> Markup:
    """The steps of a call one below the other, as long as they took."""
    whole = sum(piece.us for piece in pieces) or 1
    left, line = 290, 22
    room = width - left - 4
    parts, begun = [], 0.0
    for at, (piece, said) in enumerate(zip(pieces, told, strict=True)):
        y, x = at * line, left + room * begun / whole
        wide = max(2.0, room * piece.us / whole)
        begun += piece.us
        label = safe(piece.label)
        label = label if len(label) <= 42 else label[:41] + "…"
        after = x + wide < width - _TOLD_WIDTH or x < left + _TOLD_WIDTH
        shape = _label(0, y + 15, label, kind="label") + _rect(piece.kind, x, y + 5, wide, 12, round=2)
        if after:
            shape += _label(x + wide + 6, y + 15, said)
        else:
            shape += _label(x - 6, y + 15, said, anchor="end")
        parts.append(f"<g><title>{_text(piece.label)}: {_text(said)}</title>{shape}</g>")
    return _svg(parts, title, width, max(line, len(pieces) * line + 4), "waterfall")


def _svg(
    parts: Sequence[str], title: str, width: int, height: int, kind: str, *, role: str = "img"
) -> Markup:
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="{role}" aria-label="{_text(title)}" '
        f'preserveAspectRatio="xMinYMin meet">{"".join(parts)}</svg>'
    )


def _small(parts: Sequence[str], width: int, height: int, kind: str) -> Markup:
    """A drawing beside its number."""
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return Markup(f'<svg class="{kind}" {size} aria-hidden="true">{"".join(parts)}</svg>')


def _rect(kind: str, x: float, y: float, wide: float, tall: float, *, round: float = 1.5) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
    return f'<rect class="{escape(kind)}" {place} rx="{round}"/>'


def _label(x: float, y: float, text: str, *, kind: str = "axis", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{_text(text)}</text>'


def _text(value: object) -> Markup:
    return escape(safe(value))


def _ceiling(value: float) -> float:
    """The end of an axis: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** len(f"{int(value)}") / 10 if value >= 1 else 1.0
    while power > value:
        power /= 10
    return next(power * times for times in (1, 2, 5, 10) if power * times >= value)


def _short(value: float) -> str:
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
