"""Finding spans so that a stream sees what the whole text would show.

A validator with a window promises that a finding depends on that many characters and no more. Two
habits of regular expressions break the promise: `finditer` resumes after a match, so where one match
begins decides where the next may; and "longest first" resolution of overlaps can chain through a whole
text. `every_match` tries each start on its own, and `outermost` drops a finding only for one that
covers it, which no chain can undo.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from guardrails_lite import Finding


def every_match(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """The match at each position where one starts, also inside an earlier match."""
    found = pattern.search(text)
    while found is not None:
        if found.end() > found.start():
            yield found
        found = pattern.search(text, found.start() + 1)


def outermost(findings: Iterable[Finding]) -> list[Finding]:
    """Leave out each finding that lies inside a larger one, or at the same place as a surer one."""
    kept: list[Finding] = []
    reach = -1
    for finding in sorted(findings, key=_order):
        end = finding.span[1] if finding.span else 0
        if end > reach:
            kept.append(finding)
            reach = end
    return kept


def _order(finding: Finding) -> tuple[int, int, float]:
    start, end = finding.span or (0, 0)
    return start, -end, -(finding.score or 0.0)
