"""Write `docs/reference/faults.md`: the catalogue, what our guard does, and what its peers were seen to do.

``python tests/testing/faults_page.py`` writes it anew; a test keeps it in step.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from guardrails_lite.testing.faults import FAULTS

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "faults.md"

OFFLINE: Mapping[str, str] = {"C02": "not tried: tests look up no name"}
"""Rows that cannot be tried where the tests run, and why."""

PEERS: Mapping[str, tuple[str, str]] = {
    "H01": ("exactly 2.00 s, no spread", "2.2 s"),
    "H02": ("1.50 s", "ignored: 0.66 s"),
    "H03": ("0.71 s", "ignored: 1.2 s"),
    "H04": ("2.53 s", "2.55 s"),
    "H06": ("0.39 s", ""),
    "H07": ("own backoff", ""),
    "H08": ("", "retried after 1.2 s"),
    "H09": ("gives up", "set aside for a day"),
    "H10": ("3 requests", "3 requests, then the fallback"),
    "H11": ("each caller retries", ""),
    "H12": ("3 requests", "3 requests, 2.6 s idle, then the fallback"),
    "H13": ("3 requests", "as 500"),
    "H14": ("honoured", ""),
    "H15": ("honoured", ""),
    "H16": ("1 request", "1 request, then the fallback"),
    "H17": ("1 request", "the fallback"),
    "H18": ("1 request", "the fallback"),
    "H19": ("1 request", "the fallback; for 403 after 3 requests"),
    "H20": ("1 request", ""),
    "H21": ("408 and 409 retried, 425 not", ""),
    "H24": ("1 request", ""),
    "C03": ("3 requests", "3 requests, then the fallback"),
    "C04": ("3 requests", ""),
    "C05": ("3 requests", ""),
    "C06": ("3 requests", "3 requests, then the fallback"),
    "C09": ("7.4 s with timeout=2", "10.7 s with timeout=2"),
    "C11": ("no bound", "no bound"),
    "C15": ("**taken for the next answer**", ""),
    "B01": ("a bare `JSONDecodeError`", "retried, then the fallback"),
    "B02": ("a bare `JSONDecodeError`", "retried, then the fallback"),
    "B03": ("**returned as the answer**", "retried"),
    "B04": ("**returned as a str**", "retried"),
    "B06": ("**a completion without choices**", "retried"),
    "B07": ("**returned as the answer**", "`[]` **returned**; null retried"),
    "B09": ("**returned as the answer**", "**returned as the answer**"),
    "B11": ("returned", "returned"),
    "B12": ("**returned as the answer**", "**returned as the answer**"),
    "B15": ("kept", "**rewritten to stop**"),
    "B17": ("**returned as the answer**", "**returned as the answer**"),
    "B18": ("returned", "returned"),
    "B20": ("a bare `UnicodeDecodeError`", "retried"),
    "B22": ("3 requests", "3 requests, then the fallback"),
    "B24": ("3 requests", ""),
    "S01": ("retried", "retried"),
    "S02": ("**an empty answer**", "**an empty answer, stop**"),
    "S03": ("**an empty answer**", "**an empty answer, stop**"),
    "S04": ("`APIError`, not retried", "3 requests, then the fallback"),
    "S05": ("`APIError`", "raised"),
    "S06": ("**an empty answer**", "3 requests, then the fallback"),
    "S07": ("**half an answer, as if whole**", "raised"),
    "S08": ("the answer", "the answer"),
    "S10": ("`APIConnectionError`", "raised"),
    "S11": ("a bare `JSONDecodeError`", "raised"),
    "S12": ("a bare `JSONDecodeError`", "3 requests, then the fallback"),
    "S13": ("a bare `UnicodeDecodeError`", "3 requests, then the fallback"),
    "S15": ("the text twice", "the text twice"),
    "S17": ("the answer", ""),
    "S22": ("no bound", "no bound"),
    "S23": ("its time-out", "raised"),
    "S25": ("ignored", ""),
    "S26": ("the answer", ""),
    "S27": ("returned", "returned"),
    "S32": ("4 of 5 connections left open", ""),
}
"""What the bare client and LiteLLM's Router with one fallback were measured to do."""

_HEAD = """\
# Faults

<!-- written by tests/testing/faults_page.py -->

What providers, networks and models do wrong, and what a guard does about it.
`guardrails_lite.testing.faults.FaultServer` serves every fault that a server can cause, on a real socket.
Each is tried through the real client: synchronous and asynchronous, whole and streamed.
You can [certify your own guard](../how-to/certify-your-guard.md) with the same server.
The other rows name the tests that try them.

| word | |
| --- | --- |
| DELIVER | the first answer is returned |
| RETRY | the same request is sent again, and its answer returned |
| REASK | the model is told what was wrong, and its next answer returned |
| FALL | another target's answer is returned |
| FAIL x | the call ends in an error of this library, with the [outcome](outcomes-and-errors.md#outcomes) x |

If a row has several words, any of them is right, depending on the guard and on how much had been released.
The last two columns show what openai 3.54 and LiteLLM 1.109's Router with one fallback did under the same \
faults; \
– means not measured, and bold means that a broken reply was returned as a good one.
"""

TESTED: dict[str, list[str]] = {}
"""The tests of ours that name a fault which is not served."""
for _path in sorted(TESTS.rglob("test_*.py")):
    for _id in dict.fromkeys(re.findall(r'"""Fault ([A-Z]\d\d)', _path.read_text())):
        TESTED.setdefault(_id, []).append(_path.relative_to(TESTS.parent).as_posix())

_GROUPS = {
    "H": "Status and headers",
    "C": "Connection",
    "B": "Body",
    "S": "Stream",
    "X": "The caller's own process",
}


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for letter, title in _GROUPS.items():
        head = ("id", "fault", "expected", "a guard", "openai", "LiteLLM")
        rows: list[tuple[str, ...]] = [head, ("---",) * len(head)]
        for id, fault in FAULTS.items():
            if id[0] == letter:
                ours = OFFLINE.get(id, "as expected")
                if not fault.is_served:
                    ours = f"as expected: {', '.join(f'`{path}`' for path in TESTED[id])}"
                peers = [seen or "–" for seen in PEERS.get(id, ("", ""))]
                rows.append((id, fault.title, " / ".join(fault.expected), ours, *peers))
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        parts.append(f"## {title}\n\n{table}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
