"""The HTML report of an evaluation: one file, no script, nothing fetched, no text of an example."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from guardrails_lite._rates import Rate
from guardrails_lite.evaluation import _plots as plots
from guardrails_lite.evaluation._calibrate import Calibration
from guardrails_lite.evaluation._compare import compare
from guardrails_lite.evaluation._evaluate import Evaluation

MOST_LINES = 200
"""How many lines of missed and wrongly flagged examples are listed."""


def html_report(evaluations: Sequence[Evaluation], *, calibrations: Sequence[Calibration] = ()) -> str:
    """One or two evaluations of the same examples as an HTML page with plots.

    Args:
        evaluations: One, or two that are then also compared.
        calibrations: Thresholds to list beside them.

    Raises:
        ValueError: no evaluation or more than two, or two of different examples.
    """
    if not 1 <= len(evaluations) <= 2:
        raise ValueError(f"html_report(...) takes one or two evaluations, not {len(evaluations)}")
    first = evaluations[0]
    title = " and ".join(each.name for each in evaluations)
    positives = sum(each.positive for each in first.seen)
    body = [
        f"<h1>{escape(title)}</h1>",
        (
            f"<p>{len(first.seen)} examples: {positives} in which something should be found, "
            f"{len(first.seen) - positives} benign. Intervals are Wilson's, at 95&nbsp;%.</p>"
        ),
        _summary(evaluations),
        *(_comparison(*evaluations) if len(evaluations) == 2 else ()),
        *_calibrated(calibrations),
        _rates("Recall by kind", evaluations, positive=True),
        _rates("False positives by kind", evaluations, positive=False),
        *_thresholds(evaluations),
        "<h2>Cost by length</h2>",
        plots.scatter([[(seen.chars, seen.duration_us) for seen in each.seen] for each in evaluations]),
        *(part for each in evaluations for part in _details(each)),
    ]
    return _PAGE.format(title=escape(title), style=_STYLE, body="\n".join(part for part in body if part))


def _summary(evaluations: Sequence[Evaluation]) -> str:
    return _table(
        ("guard", "digest", "recall", "precision", "false positives", "µs per kB", "broken"),
        (
            (
                each.name,
                each.digest[:12],
                each.recall,
                each.precision,
                each.false_positive_rate,
                f"{each.us_per_kb:.0f}",
                each.broken,
            )
            for each in evaluations
        ),
        key=True,
    )


def _comparison(first: Evaluation, second: Evaluation) -> Iterable[str]:
    yield "<h2>Which catches what the other misses</h2>"
    yield _table(
        ("", "both", f"only {first.name}", f"only {second.name}", "neither", "p (McNemar, exact)"),
        (
            (what, each.both, each.only_first, each.only_second, each.neither, f"{each.p_value:.3g}")
            for what, each in zip(
                ("positive, flagged by", "benign, flagged by"), compare(first, second), strict=True
            )
        ),
    )


def _calibrated(calibrations: Sequence[Calibration]) -> Iterable[str]:
    if calibrations:
        yield "<h2>Calibrated thresholds</h2>"
        yield _table(
            ("validator", "threshold", "false positives", "recall"),
            (
                (repr(each.validator), f"{each.threshold:g}", each.false_positive_rate, each.recall)
                for each in calibrations
            ),
        )


def _rates(title: str, evaluations: Sequence[Evaluation], *, positive: bool) -> str:
    groups = [each.by_kind(positive=positive) for each in evaluations]
    if not groups[0]:
        return ""
    rows = [(kind or "all", [group[kind] for group in groups]) for kind in groups[0]]
    return f"<h2>{escape(title)}</h2>" + plots.whiskers(rows)


def _thresholds(evaluations: Sequence[Evaluation]) -> Iterable[str]:
    """Recall against false positives as the threshold rises, where findings have scores."""
    curves = [curve for each in evaluations if len(curve := _curve(each)) > 2]
    if len(curves) == len(evaluations):
        yield "<h2>Recall against false positives, by threshold</h2>"
        yield (
            "<p>From the threshold in force upwards, each text counted by its surest finding; "
            "a lower threshold than the one in force would find more of both.</p>"
        )
        yield plots.steps(curves)


def _curve(evaluation: Evaluation) -> list[tuple[float, float]]:
    positives = sum(each.positive for each in evaluation.seen)
    benign = len(evaluation.seen) - positives
    if not positives or not benign:
        return []
    points, hits, alarms = [(0.0, 0.0)], 0, 0
    scored = sorted((each for each in evaluation.seen if each.flagged), key=lambda each: -(each.score or 0))
    for place, each in enumerate(scored):
        hits += each.positive
        alarms += not each.positive
        if place + 1 == len(scored) or scored[place + 1].score != each.score:
            points.append((alarms / benign, hits / positives))
    return points


def _details(evaluation: Evaluation) -> Iterable[str]:
    yield f"<h2>{escape(evaluation.name)}: what was found in what</h2>"
    confusion = evaluation.confusion()
    columns = sorted({category for found in confusion.values() for category in found})
    yield _table(
        ("kind", *columns),
        ((kind, *(found.get(column, "") for column in columns)) for kind, found in confusion.items()),
    )
    if spans := evaluation.by_span():
        yield "<h3>Expected spans</h3>"
        yield _table(
            ("category", "covered by the same category", "covered by any"),
            ((category, typed, covered) for category, (typed, covered) in spans.items()),
        )
    yield "<h3>Cost by rule</h3>"
    yield _table(("rule", "µs per kB"), ((rule, f"{cost:.0f}") for rule, cost in evaluation.rules.items()))
    for what, lines in (
        ("Missed", [f"{s.line} ({s.kind})" for s in evaluation.seen if s.positive and not s.flagged]),
        (
            "Wrongly flagged",
            [
                f"{s.line} ({', '.join(s.categories)})"
                for s in evaluation.seen
                if s.flagged and not s.positive
            ],
        ),
    ):
        if lines:
            more = f" and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
            yield (
                f"<details><summary>{what}: {len(lines)}, by line of the file</summary>"
                f"<p class=lines>{escape(', '.join(lines[:MOST_LINES]))}{more}</p></details>"
            )


def _table(head: Sequence[str], rows: Iterable[Sequence[object]], *, key: bool = False) -> str:
    """A table; with *key*, the first cell of each row carries the colour of its guard in the plots."""
    lines = ["<div class=wide><table><tr>", *(f"<th>{escape(cell)}</th>" for cell in head), "</tr>"]
    for number, row in enumerate(rows):
        mark = f"<i class=g{number}></i>" if key else ""
        lines.append(
            "<tr>"
            + "".join(f"<td>{mark if place == 0 else ''}{_cell(cell)}</td>" for place, cell in enumerate(row))
            + "</tr>"
        )
    return "".join([*lines, "</table></div>"])


def _cell(cell: object) -> str:
    if isinstance(cell, Rate) and cell.total:
        low, high = cell.interval
        return f"<b>{cell.share:.3f}</b> <small>[{low:.3f}, {high:.3f}] {cell.hits} of {cell.total}</small>"
    return escape(str(cell))


_STYLE = """
:root { --ink: #1d2430; --paper: #fff; --faint: #d5dae2; --dim: #667085; --g0: #2563b8; --g1: #c2571a }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ef; --paper: #14181f; --faint: #343b47; --dim: #98a2b3; --g0: #6ea8f7; --g1: #f2955c }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem } h3 { font-size: 1rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--faint) }
th { color: var(--dim); font-weight: 500 } small, .lines { color: var(--dim) }
.wide { overflow-x: auto } i { display: inline-block; width: .7rem; height: .7rem; margin-right: .4rem }
i.g0 { background: var(--g0) } i.g1 { background: var(--g1) }
svg { max-width: 100%; height: auto } svg text { fill: var(--ink); font-size: 12px }
svg .dim { fill: var(--dim) } svg .axis { stroke: var(--faint); fill: none }
svg .g0 { stroke: var(--g0); fill: var(--g0) } svg .g1 { stroke: var(--g1); fill: var(--g1) }
svg .line { fill: none; stroke-width: 2 } svg .dot { fill-opacity: .45; stroke: none }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
{body}
</body>
</html>
"""
