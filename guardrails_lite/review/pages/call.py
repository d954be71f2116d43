"""One call: what happened step by step, what was found, what was decided about it, its proof, its texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.responses import Response

from guardrails_lite.audit import prove, reveal
from guardrails_lite.audit._content import Form, content_of, heading
from guardrails_lite.audit._verdicts import QUIET, found_in, spell
from guardrails_lite.audit.index import Call
from guardrails_lite.review import _numbers
from guardrails_lite.review._charts import Piece, waterfall
from guardrails_lite.review._desk import Visit
from guardrails_lite.review._view import View

_COLUMNS: Final = ("step", "attempt", "what", "result", "did", "us")


def page(visit: Visit) -> View:
    """The record of a call, read from the log itself."""
    call = find(visit)
    entry = visit.index.entry(call)
    record = dict(entry.data)
    steps = timeline(record)
    verdicts = visit.verdicts()
    findings = [
        {**check, "standing": verdicts.standing(key), "word": spell(key)}
        for check in found_in(record)
        for key in [(call.id, str(check.get("rule")))]
    ]
    about = visit.index.events(call=call.id, order="oldest", limit=500)
    events = [event.to_dict() for event in visit.told(about)]
    data = {
        "call": call.to_dict(),
        "record": record,
        "place": {"stream": entry.stream, "n": entry.n, "written_ns": entry.time_ns},
        "steps": steps,
        "findings": findings,
        "events": events,
    }
    rows = [[step[name] for name in _COLUMNS] for step in steps]
    drawn = {
        "waterfall": waterfall(
            [Piece(step["what"], step["us"], step["kind"]) for step in steps if step["us"] is not None],
            title="The steps of this call, as long as they took",
            told=[f"{step['result']}, {_numbers.ms(step['us'])}" for step in steps if step["us"] is not None],
        ),
        "raw": json.dumps(record, indent=1, ensure_ascii=True),
        "has_originals": content_of(record).has_originals,
    }
    return View("call.html", f"Call {call.id[:12]}", data, _COLUMNS, rows, drawn)


def proof(visit: Visit) -> Response:
    """The proof of a call's record, as a file that ``guardrails-lite log check-proof`` checks.

    Raises:
        LookupError: no checkpoint covers it yet.
    """
    call = find(visit)
    kind = "call.intent" if call.outcome == "unfinished" else "call.completed"
    with visit.desk.place.stream(call.stream) as directory:
        found = prove(directory, call.id, kind=kind)
    told = {"line": found.line.decode(), "proof": found.text, "key": found.key}
    headers = {"Content-Disposition": f'attachment; filename="proof-{call.id[:12]}.json"'}
    return Response(json.dumps(told, indent=1) + "\n", media_type="application/json", headers=headers)


def texts(visit: Visit) -> View:
    """The captured texts of a call, as the rules left them; as they were said where that is asked for.

    What the model asked tools to do is among them.

    That they were read, in which form, by whom and why, is recorded first.

    Raises:
        LookupError: nothing was captured in this form, or it was erased.
        ConfigError: no reason was given, or what is about the person is restricted.
    """
    call = find(visit)
    form: Form = "original" if visit.form.get("texts") == "original" else "redacted"
    log, reason = visit.desk.place.log(), visit.asked("reason")
    found = reveal(log, call.id, reader=visit.reviewer, reason=reason, texts=form)
    told = [{**kept._asdict(), "heading": heading(kept)} for kept in found]
    data = {"call": call.id, "now_ns": visit.desk.clock(), "form": form, "texts": told}
    return View("texts.html", f"Texts of call {call.id[:12]}", data)


def find(visit: Visit) -> Call:
    """The call that the address names, by its id or the beginning of it.

    Raises:
        LookupError: there is none, or more than one.
    """
    found = visit.index.find(visit.path["id"])
    if len(found) != 1:
        raise LookupError("Several ids begin with this." if found else "There is no call with this id.")
    return found[0]


def timeline(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of a call in their order: the input's checks, then each attempt with what followed it."""
    steps: list[dict[str, Any]] = []
    checks, attempts = _list(record.get("checks")), _list(record.get("attempts"))
    notes, tools = _list(record.get("notes")), _list(record.get("tools"))
    numbers = [
        one.get(name)
        for held, name in ((checks, "attempt"), (notes, "attempt"), (tools, "attempt"), (attempts, "number"))
        for one in held
    ]
    for number in sorted({number for number in numbers if isinstance(number, int)}):
        for attempt in attempts:
            if attempt.get("number") == number:
                waited = attempt.get("waited_s")
                if isinstance(waited, (int, float)) and waited > 0:
                    steps.append(_step(number, "wait", "waited", "before the next attempt", "", waited * 1e6))
                told = attempt.get("status") or ""
                what = f"{attempt.get('target')}: {attempt.get('model') or 'no model'}"
                kind = "attempt" if attempt.get("result") == "answered" else "bad"
                steps.append(
                    _step(number, kind, what, attempt.get("result"), told, attempt.get("duration_us"))
                )
        for tool in tools:
            if tool.get("attempt") == number:
                kind = "check" if tool.get("verdict") == "passed" else "bad"
                name = tool.get("name") or "unknown tool"
                steps.append(_step(number, kind, f"tool {name}", tool.get("verdict"), _repairs(tool), None))
        for check in checks:
            if check.get("attempt") == number:
                kind = "check" if check.get("result") in QUIET else "bad"
                did, us = check.get("action") or "", check.get("duration_us")
                steps.append(
                    _step(
                        number,
                        kind,
                        f"{check.get('rule')} on {check.get('side')}",
                        check.get("result"),
                        did,
                        us,
                    )
                )
        steps += [
            _step(number, "note", note.get("what"), note.get("detail") or "", "", None)
            for note in notes
            if note.get("attempt") == number
        ]
    return [{"step": at, **step} for at, step in enumerate(steps, 1)]


def _step(attempt: int, kind: str, what: Any, result: Any, did: Any, us: Any) -> dict[str, Any]:
    taken = float(us) if isinstance(us, (int, float)) else None
    return {
        "attempt": attempt,
        "kind": kind,
        "what": str(what),
        "result": str(result),
        "did": str(did),
        "us": taken,
    }


def _repairs(tool: Mapping[str, Any]) -> str:
    repaired = tool.get("repaired")
    return f"{repaired} repairs" if repaired else ""


def _list(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
