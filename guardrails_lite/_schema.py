"""Output schemas: what a reply must look like, in whichever way that was declared.

`Schema.of` takes a pydantic model, a dataclass, a TypedDict, any type that pydantic takes, or a JSON Schema
dict, and compiles it once. `Schema.parse` gives the verdict on a whole reply: a typed value, or problems
that name places and expectations but quote no word of the reply. The parts are in `guardrails_lite.schemas`.

A text is first read strictly. Only if that fails, or the value does not fit, is the value looked for in
fences and prose, repaired and fitted; every change is recorded in the ledger. Lossless changes are accepted.
A lossy change, a guess, is accepted only if it touched nothing that the schema requires.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from guardrails_lite._errors import ConfigError
from guardrails_lite.schemas.defects import problems_of
from guardrails_lite.schemas.problems import (
    Code,
    Edit,
    EditKind,
    Parsed,
    Pointer,
    Problem,
    accepted,
    feedback,
    fingerprint,
)
from guardrails_lite.schemas.reading import Fault, Read, Refused, read
from guardrails_lite.schemas.wrapping import WRAPPER, is_object

if TYPE_CHECKING:
    from guardrails_lite.schemas.dialects import RawCheck
    from guardrails_lite.schemas.enforcement import Explanation
    from guardrails_lite.schemas.fields import FieldRule, FieldText, Shape
    from guardrails_lite.schemas.finding import Candidate
    from guardrails_lite.schemas.models import ModelCheck
    from guardrails_lite.schemas.outline import Outline
    from guardrails_lite.schemas.plans import Plans

__all__ = [
    "Code",
    "Edit",
    "EditKind",
    "Parsed",
    "Problem",
    "Schema",
    "explain_schema",
    "feedback",
    "fingerprint",
]

T = TypeVar("T")

_BLANK = " \t\r\n"
_OPENINGS = ("{", "[", '"', "\ufeff", "`")
"""How JSON begins, whole or broken: what begins so is never taken for bare text."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Schema(Generic[T]):
    """What a reply must be. Make one with `Schema.of`; it prints as the declared type prints."""

    declared: object
    """What it was made from."""
    json_schema: dict[str, Any]
    """All of it as JSON Schema: what is enforced here."""
    field_rules: tuple[FieldRule, ...]
    """The rules inside it, from ``Annotated[str, block(...)]``, with the places they apply to."""
    name: str
    """What the provider is told it is called."""
    _check: ModelCheck | RawCheck = field(repr=False)
    _wraps: bool = field(repr=False)
    """The declared value is no object, so the provider is asked for it under `WRAPPER`."""
    _closed: RawCheck | None = field(repr=False)
    """For arguments: the same JSON Schema with undeclared properties refused."""
    _shape: Shape | None = field(repr=False)
    _sent: dict[str, Any] = field(repr=False)
    _takes_bare_text: bool = field(repr=False)
    _plans: dict[bool, Plans | None] = field(default_factory=dict, repr=False)
    """What `StreamParser` knows of it, made for the first stream; under True as arguments of a tool."""

    @classmethod
    def of(cls, declared: object, *, documents: Mapping[str, Any] | None = None) -> Schema[Any]:
        """Compile what was declared.

        Args:
            declared: A pydantic model, dataclass, TypedDict, any type that pydantic takes, or a JSON Schema
                dict of draft 4 to 2020-12 (by its ``$schema``; 2020-12 without one).
            documents: Schemas that a JSON Schema's references may name, by URI. Nothing is ever fetched.

        Raises:
            ConfigError: it cannot be compiled, or a rule inside it cannot apply.
        """
        if isinstance(declared, Schema):
            return declared
        if isinstance(declared, dict):
            return _of_dict(declared, documents)
        return _of_type(declared)

    # -- verdicts ------------------------------------------------------------------------------------

    def parse(self, text: str) -> Parsed:
        """The verdict on a whole reply. It never raises for what the reply holds."""
        text = text.strip(_BLANK)
        try:
            plain, data, notes = read(text)
        except Refused as refused:
            return self._search(text, refused.fault)
        value, defects = self._check.judge(plain, data)
        if not defects:
            return accepted(value, plain, notes)
        verdict = self._verdict(self._check, plain, data, notes)
        return verdict if verdict.ok else self._fitted(verdict, text, self._check)

    def parse_arguments(self, text: str) -> Parsed:
        """The verdict on a tool call's arguments: an object, nothing undeclared, no prose around it.

        No arguments at all count as ``{}``. Arguments that were encoded twice are decoded, and recorded.
        """
        try:
            text, (plain, data, notes), edits, guessed = _read_or_mend(text.strip(_BLANK) or "{}")
        except Refused as refused:
            return _refused(refused.fault)
        lossy = self._lossy(guessed, plain)
        if lossy:
            return Parsed(json=plain, problems=lossy, edits=edits)
        if isinstance(plain, str):
            try:
                inner, data, notes = read(plain)
            except Refused:
                inner = None
            if isinstance(inner, dict):
                edits += (Edit("double encoding", 0),)
                plain, text = inner, data.decode()
        if not isinstance(plain, dict):
            return Parsed(json=plain, problems=(Problem("$", "an object", "wrong type"),), edits=edits)
        check = self._closed or self._check
        verdict = self._verdict(check, plain, data, notes)
        if not verdict.ok:
            verdict = self._fitted(verdict, text, check)
        return replace(verdict, edits=edits + verdict.edits) if edits else verdict

    def check(self, value: object) -> tuple[Problem, ...]:
        """What is wrong with a value that is already plain JSON."""
        try:
            plain, data, notes = read(json.dumps(value, allow_nan=False))
        except Refused as refused:
            return _refused(refused.fault).problems
        except (TypeError, ValueError, RecursionError):
            return (Problem("$", "a value that JSON can hold", "not json"),)
        return self._verdict(self._check, plain, data, notes).problems

    # -- fields with rules ---------------------------------------------------------------------------

    def field_texts(self, plain: object) -> tuple[FieldText, ...]:
        """The texts in a value (`Parsed.json`) that the rules of its fields apply to."""
        if self._shape is None:
            return ()
        from guardrails_lite.schemas.fields import FieldText, texts

        outline = self._check.outline
        return tuple(
            FieldText(pointer, outline.path(pointer, plain), text, rule)
            for pointer, text, rule in texts(self._shape, plain)
        )

    def with_texts(self, plain: object, new: Mapping[Pointer, str]) -> Parsed:
        """The verdict on a value (`Parsed.json`) with other texts at some places: what redaction leaves."""
        from guardrails_lite.schemas.fields import replaced_by

        plain, data, notes = read(json.dumps(replaced_by(plain, new)))
        return self._verdict(self._check, plain, data, notes)

    # -- what the provider is told -------------------------------------------------------------------

    def response_format(self) -> dict[str, Any]:
        """OpenAI's ``response_format`` for this schema, in the strict form where it has one."""
        return {"type": "json_schema", "json_schema": dict(self._sent)}

    # -- the value itself ----------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """Names what is enforced: the schema, the rules in it, and the code of its own validators."""
        parts = [repr(self), json.dumps(self.json_schema, sort_keys=True, default=repr)]
        parts += [f"{one.path} {one.rule!r} {one.rule.validator.fingerprint}" for one in self.field_rules]
        parts += self._check.code()
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

    def __repr__(self) -> str:
        from guardrails_lite.schemas.models import name_of

        return repr(self.declared) if isinstance(self.declared, dict) else name_of(self.declared)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Schema) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    # -- how a verdict is reached ---------------------------------------------------------------------

    def _verdict(
        self, check: ModelCheck | RawCheck, plain: object, data: bytes, notes: tuple[Edit, ...]
    ) -> Parsed:
        """Check a value that was read; also under the wrapper, where one is used."""
        value, defects = check.judge(plain, data)
        if not defects:
            return accepted(value, plain, notes)
        if self._wraps and isinstance(plain, dict) and plain.keys() == {WRAPPER}:
            value, defects = check.judge_wrapped(plain, data)
            plain = plain[WRAPPER]
            if not defects:
                return Parsed(value, plain, (), (*notes, Edit("wrapper", 0)))
        return Parsed(None, plain, problems_of(defects, check.outline, plain), notes)

    def _fitted(self, verdict: Parsed, text: str, check: ModelCheck | RawCheck) -> Parsed:
        """Put wrong forms right in a strict text, as long as that helps."""
        from guardrails_lite.schemas.fitting import MAX_ROUNDS, fit

        edits: tuple[Edit, ...] = ()
        for _ in range(MAX_ROUNDS):
            plain, data, notes = read(text)
            under: Pointer = ()
            if self._wraps and isinstance(plain, dict) and plain.keys() == {WRAPPER}:
                under, defects = (WRAPPER,), check.judge_wrapped(plain, data)[1]
            else:
                defects = check.judge(plain, data)[1]
            fitted = fit(text, defects, check.outline, under=under)
            if fitted is None:
                return verdict
            text, edits = fitted.text, edits + fitted.edits
            plain, data, notes = read(text)
            better = self._verdict(check, plain, data, notes)
            if better.ok:
                return replace(better, edits=edits + better.edits)
            if len(better.problems) < len(verdict.problems):
                verdict = replace(better, edits=edits + better.edits)
        return verdict

    def _search(self, text: str, fault: Fault) -> Parsed:
        """Look for the value in a text that is not strict JSON."""
        from guardrails_lite.schemas.finding import candidates

        if fault.code != "not json":
            return _refused(fault)
        if self._takes_bare_text and not text.startswith(_OPENINGS):
            data = json.dumps(text).encode()
            verdict = self._verdict(self._check, text, data, ())
            return replace(verdict, edits=(Edit("bare text", 0),))
        found, fault = candidates(text)
        if not found:
            return _refused(fault)
        verdicts = [self._judge(candidate) for candidate in found]
        fitting = {_canonical(verdict.json): verdict for verdict in verdicts if verdict.ok}
        if len(fitting) > 1:
            return Parsed(problems=(Problem("$", "one JSON value, and several fit", "several values"),))
        if fitting:
            return next(iter(fitting.values()))
        return min(verdicts, key=lambda verdict: len(verdict.problems))

    def _judge(self, candidate: Candidate) -> Parsed:
        mended = candidate.mended
        edits = mended.edits
        if candidate.where is not None:
            edits = (Edit(candidate.where, mended.source(0)), *edits)
        try:
            plain, data, notes = read(mended.text)
        except Refused as refused:
            return replace(_refused(refused.fault), edits=edits)
        verdict = self._verdict(self._check, plain, data, notes)
        if not verdict.ok:
            verdict = self._fitted(verdict, mended.text, self._check)
        lossy = self._lossy(mended.guessed, plain)
        moved = tuple(replace(edit, offset=mended.source(edit.offset)) for edit in verdict.edits)
        return replace(
            verdict,
            value=None if lossy else verdict.value,
            problems=verdict.problems + lossy,
            edits=edits + moved,
        )

    def _lossy(self, guessed: Iterable[Pointer], plain: object) -> tuple[Problem, ...]:
        """The guesses that touched what the schema requires."""
        outline = self._check.outline
        places = dict.fromkeys(pointer for pointer in guessed if outline.is_required(pointer))
        return tuple(
            Problem(
                outline.path(pointer, plain), f"{outline.phrase_at(pointer)}, in valid JSON", "lossy repair"
            )
            for pointer in places
        )


def explain_schema(declared: object) -> Explanation:
    """Who enforces which part of a schema: the provider while it writes, this library afterwards, or nobody.

    Print the result: a table with one line for each keyword and, if the strict form is not possible, the
    reasons.

    Args:
        declared: What `Schema.of` takes.
    """
    from guardrails_lite.schemas.enforcement import explain

    return explain(Schema.of(declared).json_schema)


def _read_or_mend(text: str) -> tuple[str, Read, tuple[Edit, ...], Sequence[Pointer]]:
    """A text that is one value, as read: itself or mended, with what that changed and where it guessed.

    Raises:
        Refused: it is no JSON, also not once it is mended.
    """
    try:
        return text, read(text), (), ()
    except Refused as refused:
        if refused.fault.code != "not json":
            raise
    from guardrails_lite.schemas.mending import mend

    mended = mend(text)
    if text[mended.end :].strip():
        raise Refused(Fault("not json", mended.end, "one JSON object and nothing after it"))
    return mended.text, read(mended.text), mended.edits, mended.guessed


def _refused(fault: Fault) -> Parsed:
    expectation = fault.expectation or "a JSON value"
    where = f" (at character {fault.offset})" if fault.offset else ""
    return Parsed(problems=(Problem("$", expectation + where, fault.code),))


def _canonical(plain: object) -> str:
    return json.dumps(plain, sort_keys=True)


def part_schema(declared: dict[str, Any], *, assert_formats: bool) -> Schema[Any]:
    """A part of a schema, made a schema of its own."""
    return _of_dict(declared, None, assert_formats=assert_formats)


def typed_part(adapter: Any, json_schema: dict[str, Any]) -> Schema[Any]:
    """A part of a Python type, by pydantic's check of it, made a schema of its own."""
    from guardrails_lite.schemas.models import ModelCheck

    check = ModelCheck(json_schema, adapter, json_schema)
    return Schema(
        declared=json_schema,
        json_schema=json_schema,
        field_rules=(),
        name="part",
        _check=check,
        _wraps=False,
        _closed=None,
        _shape=None,
        _sent={},
        _takes_bare_text=_is_text(check.outline),
    )


def _of_dict(
    declared: dict[str, Any], documents: Mapping[str, Any] | None, *, assert_formats: bool = True
) -> Schema[Any]:
    from guardrails_lite.schemas.closing import close
    from guardrails_lite.schemas.dialects import compile_schema
    from guardrails_lite.schemas.strict import to_send

    try:
        check = compile_schema(declared, documents=documents, assert_formats=assert_formats)
        schema = check.json_schema
        sent = to_send(schema, name=str(schema.get("title") or "reply"))
        closed = close(schema, draft=check.draft)
        stricter = compile_schema(closed, documents=documents) if closed != schema else None
    except RecursionError:
        raise ConfigError(
            "the JSON Schema is nested deeper than can be checked, which is some eighty levels, those that "
            "its references lead to included. Make it flatter."
        ) from None
    return Schema(
        declared=declared,
        json_schema=schema,
        field_rules=(),
        name=sent["name"],
        _check=check,
        _wraps=not is_object(schema),
        _closed=stricter,
        _shape=None,
        _sent=sent,
        _takes_bare_text=_is_text(check.outline),
    )


def _of_type(declared: Any) -> Schema[Any]:
    from guardrails_lite.schemas.fields import field_rules, shape_of
    from guardrails_lite.schemas.models import adapt, name_of
    from guardrails_lite.schemas.strict import to_send

    check = adapt(declared)
    shape = shape_of(declared)
    rules = field_rules(shape)
    sent = to_send(check.json_schema, name=name_of(declared))
    return Schema(
        declared=declared,
        json_schema=check.json_schema,
        field_rules=rules,
        name=sent["name"],
        _check=check,
        _wraps=not is_object(check.json_schema),
        _closed=None,
        _shape=shape if rules else None,
        _sent=sent,
        _takes_bare_text=_is_text(check.outline),
    )


def _is_text(outline: Outline) -> bool:
    """Whether a reply that is no JSON at all can be the value: the value is text and nothing else."""
    types = outline.types(())
    return "string" in types and not types & {"object", "array"}
