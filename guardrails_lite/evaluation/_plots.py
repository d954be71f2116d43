"""Plots as inline SVG: shares with their intervals, a curve, a scatter.

Colours come from the page's style sheet by class: ``g0`` is the first guard, ``g1`` the second.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

from guardrails_lite._rates import Rate

_LABELS, _WIDTH, _VALUES = 210, 420, 170
_SIDE = 320
_MOST_DOTS = 1500


def whiskers(rows: Sequence[tuple[str, Sequence[Rate]]]) -> str:
    """Each row's shares as dots on a line from 0 to 1, with the interval as a bar."""
    step = 12 + 14 * max(len(rates) for _, rates in rows)
    height = step * len(rows) + 30
    parts = [
        f'<line class="axis" x1="{_x(mark)}" x2="{_x(mark)}" y1="0" y2="{height - 22}"/>'
        f'<text class="dim" x="{_x(mark)}" y="{height - 6}" text-anchor="middle">{mark:g}</text>'
        for mark in (0, 0.25, 0.5, 0.75, 1)
    ]
    for row, (name, rates) in enumerate(rows):
        middle = row * step + step / 2
        parts.append(
            f'<text x="{_LABELS - 12}" y="{middle + 4:.0f}" text-anchor="end">{escape(_short(name))}</text>'
        )
        for guard, rate in enumerate(rates):
            if not rate.total:
                continue
            y = middle + 14 * (guard - (len(rates) - 1) / 2)
            low, high = rate.interval
            parts.append(
                f'<g class="g{guard}"><title>{escape(name)}: {rate}</title>'
                f'<line x1="{_x(low):.1f}" x2="{_x(high):.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke-width="3" '
                f'stroke-opacity=".4"/><circle cx="{_x(rate.share):.1f}" cy="{y:.1f}" r="4"/></g>'
                f'<text class="dim" x="{_x(1) + 12:.0f}" y="{y + 4:.1f}">'
                f"{rate.share:.3f}, {rate.hits} of {rate.total}</text>"
            )
    return _svg(_LABELS + _WIDTH + _VALUES, height, parts)


def _x(share: float) -> float:
    return _LABELS + share * _WIDTH


def _short(name: str) -> str:
    return name if len(name) <= 30 else name[:29] + "…"


def steps(curves: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Curves of false-positive rate and recall, the former stretched, since only a few percent matter."""
    widest = max(0.01, *(x for curve in curves for x, _ in curve))
    reach = next(mark for mark in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if widest <= mark)
    parts = _axes(
        [(mark * reach / 4, f"{mark * reach / 4:.3g}") for mark in range(5)],
        [(mark / 4, f"{mark / 4:g}") for mark in range(5)],
        reach,
        1.0,
        "false-positive rate",
        "recall",
    )
    for guard, curve in enumerate(curves):
        points = " ".join(f"{_across(x / reach):.1f},{_up(y):.1f}" for x, y in curve)
        parts.append(f'<polyline class="g{guard} line" points="{points}"/>')
        parts += [
            f'<circle class="g{guard}" cx="{_across(x / reach):.1f}" cy="{_up(y):.1f}" r="3"/>'
            for x, y in curve
        ]
    return _svg(_SIDE + 130, _SIDE + 60, parts)


def scatter(groups: Sequence[Sequence[tuple[int, float]]]) -> str:
    """Length against time, both on logarithmic scales; of many points, an even choice."""
    points = [[(x, y) for x, y in group if x > 0 and y > 0] for group in groups]
    if not any(points):
        return ""
    high_x = math.ceil(math.log10(max(x for group in points for x, _ in group) + 1))
    low_y = math.floor(math.log10(min(y for group in points for _, y in group)))
    high_y = max(math.ceil(math.log10(max(y for group in points for _, y in group))), low_y + 1)
    parts = _axes(
        [(power, f"{10**power:g}") for power in range(high_x + 1)],
        [(power - low_y, f"{10.0**power:g}") for power in range(low_y, high_y + 1)],
        high_x,
        high_y - low_y,
        "characters",
        "µs",
    )
    for guard, group in enumerate(points):
        parts += [
            f'<circle class="g{guard} dot" cx="{_across(math.log10(x) / high_x):.1f}" '
            f'cy="{_up((math.log10(y) - low_y) / (high_y - low_y)):.1f}" r="2.5"/>'
            for x, y in group[:: len(group) // _MOST_DOTS + 1]
        ]
    return _svg(_SIDE + 130, _SIDE + 60, parts)


def _across(share: float) -> float:
    return 70 + share * (_SIDE + 30)


def _up(share: float) -> float:
    return 15 + (1 - share) * (_SIDE - 20)


def _axes(
    across: Iterable[tuple[float, str]],
    up: Iterable[tuple[float, str]],
    widest: float,
    highest: float,
    x_name: str,
    y_name: str,
) -> list[str]:
    left, right, bottom, top = _across(0), _across(1), _up(0), _up(1)
    parts = []
    for at, name in up:
        y = f"{_up(at / highest):.1f}"
        parts.append(
            f'<line class="axis" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>'
            f'<text class="dim" x="{left - 8}" y="{y}" dy="4" text-anchor="end">{name}</text>'
        )
    for at, name in across:
        x = f"{_across(at / widest):.1f}"
        parts.append(
            f'<line class="axis" x1="{x}" x2="{x}" y1="{bottom}" y2="{top}"/>'
            f'<text class="dim" x="{x}" y="{bottom + 18}" text-anchor="middle">{name}</text>'
        )
    parts.append(
        f'<text class="dim" x="{_across(0.5)}" y="{bottom + 36}" text-anchor="middle">{x_name}</text>'
        f'<text class="dim" x="14" y="{_up(0.5)}" transform="rotate(-90 14 {_up(0.5)})" '
        f'text-anchor="middle">{y_name}</text>'
    )
    return parts


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" role="img">'
        + "".join(parts)
        + "</svg>"
    )
