"""What is done for a person: look up, hold, erase, read with a reason. Each of it leaves an entry."""

from __future__ import annotations

import argparse
import sys

from guardrails_lite._counts import counted
from guardrails_lite._errors import ConfigError
from guardrails_lite.cli._log._action import (
    Action,
    declare_keys,
    declare_original,
    form_of,
    index_of,
    tell_of_spill,
    writing,
)
from guardrails_lite.cli._log._calls import print_calls, shown_time, the_call
from guardrails_lite.cli._terminal import fail, print_json, print_table, safe

_KINDS = ("user", "session", "api_key")


def _declare_value(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "value",
        metavar="VALUE",
        help="the person, as they were bound; - reads it from standard input, to keep it out of the shell's "
        "history",
    )
    parser.add_argument("--kind", choices=_KINDS, default="user", help="what VALUE is; default: user")
    declare_keys(parser)


def _value(arguments: argparse.Namespace) -> str:
    value = sys.stdin.readline().rstrip("\n") if arguments.value == "-" else str(arguments.value)
    if not value:
        raise ConfigError("VALUE is empty; expected a person as they were bound, such as an e-mail address")
    return value


def _hash(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import pseudonyms_in

    names = pseudonyms_in(arguments.directory, arguments.kind, _value(arguments), keys=arguments.keys)
    if arguments.json:
        print_json(names)
    else:
        print("\n".join(names))
    return 0


def _find_subject(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import pseudonyms_in
    from guardrails_lite.audit.index import Filter

    names = pseudonyms_in(arguments.directory, arguments.kind, _value(arguments), keys=arguments.keys)
    asked = {
        "user": [Filter(user=names)],
        "api_key": [Filter(key=names)],
        "session": [Filter(tags={"session": name}) for name in names],
    }[arguments.kind]
    with index_of(arguments) as index:
        calls = [call for each in asked for call in index.calls(each)]
    print_calls(calls[::-1], as_json=arguments.json, empty="no calls by this person")
    tell_of_spill(arguments)
    return 0 if calls else 1


def _declare_hold(parser: argparse.ArgumentParser) -> None:
    _declare_value(parser)
    parser.add_argument("--owner", metavar="WHO", required=True, help="who places the hold")
    parser.add_argument("--reason", metavar="WHY", required=True, help="why; written to the log as it is")


def _hold(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import hold

    with writing(arguments) as log:
        ident = hold(
            log, _value(arguments), owner=arguments.owner, reason=arguments.reason, kind=arguments.kind
        )
    _tell(arguments, {"hold": ident}, f"hold {ident} is in force until it is released")
    tell_of_spill(arguments)
    return 0


def _holds(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import holds

    with writing(arguments) as log:
        found = holds(log)
    if arguments.json:
        print_json({ident: entry.data for ident, entry in found.items()})
        return 0
    if not found:
        print("no holds are in force")
        return 0
    print_table(
        ("placed", "id", "owner", "reason"),
        [
            (shown_time(entry.time_ns), ident, entry.data.get("owner"), entry.data.get("reason"))
            for ident, entry in found.items()
        ],
    )
    return 0


def _declare_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("hold", metavar="ID", help="the hold's id, as `holds` prints it")
    parser.add_argument("--owner", metavar="WHO", required=True, help="who releases the hold")
    parser.add_argument("--reason", metavar="WHY", required=True, help="why; written to the log as it is")
    declare_keys(parser)


def _release(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import release

    with writing(arguments) as log:
        release(log, arguments.hold, owner=arguments.owner, reason=arguments.reason)
    _tell(arguments, {"released": arguments.hold}, f"hold {arguments.hold} is released")
    return 0


def _declare_erase(parser: argparse.ArgumentParser) -> None:
    _declare_value(parser)
    parser.add_argument(
        "--request", metavar="NAME", required=True, help="the request's name, for the receipt"
    )
    parser.add_argument("--basis", metavar="LAW", required=True, help="the legal basis, for the receipt")
    parser.add_argument("--owner", metavar="WHO", default="", help="who does this, for the receipt")
    parser.add_argument("--yes", action="store_true", help="do it; the texts cannot be recovered")


def _erase(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import erase

    if not arguments.yes:
        return fail("erasing cannot be undone; add --yes to do it", 2)
    with writing(arguments) as log:
        keys = erase(
            log,
            _value(arguments),
            request=arguments.request,
            basis=arguments.basis,
            owner=arguments.owner,
            kind=arguments.kind,
        )
    _tell(
        arguments,
        {"keys": keys},
        f"destroyed {counted(keys, 'key')}; the log's entry `erasure` is the receipt",
    )
    tell_of_spill(arguments)
    return 0


def _declare_reveal(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the call's id, or the beginning of it")
    parser.add_argument("--reader", metavar="WHO", required=True, help="who reads")
    parser.add_argument("--reason", metavar="WHY", required=True, help="why; written to the log as it is")
    declare_original(parser)
    declare_keys(parser)


def _reveal(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import reveal
    from guardrails_lite.audit._content import heading

    with index_of(arguments) as index:
        call = the_call(index, arguments.id)
    with writing(arguments) as log:
        try:
            texts = reveal(
                log,
                call.id,
                reader=arguments.reader,
                reason=arguments.reason,
                texts=form_of(arguments),
            )
        except ConfigError:
            raise
        except ValueError as error:
            return fail(f"the kept texts of call {call.id} are not what was written: {error}", 2)
    if arguments.json:
        print_json([kept._asdict() for kept in texts])
        return 0
    for kept in texts:
        print(f"{safe(heading(kept))}:")
        for line in kept.text.splitlines():
            print(f"  {safe(line)}")
    return 0


def _tell(arguments: argparse.Namespace, told: dict[str, object], said: str) -> None:
    if arguments.json:
        print_json(told)
    else:
        print(safe(said))


ACTIONS = (
    Action("hash", "print a person's pseudonym in the log", "audit ada@example.com", _hash, _declare_value),
    Action(
        "find-subject",
        "list a person's calls",
        "audit ada@example.com",
        _find_subject,
        _declare_value,
        looks="at all of it",
    ),
    Action(
        "hold",
        "keep a person's texts from being erased",
        "audit ada@example.com --owner legal --reason 'case 12'",
        _hold,
        _declare_hold,
        looks="at all of it",
    ),
    Action("holds", "list the holds in force", "audit", _holds, declare_keys, looks="at all of it"),
    Action(
        "release",
        "release a hold",
        "audit 8f3c21 --owner legal --reason 'case 12 is closed'",
        _release,
        _declare_release,
        looks="at all of it",
    ),
    Action(
        "erase",
        "destroy the keys of a person's kept texts",
        "audit ada@example.com --request r-7 --basis 'GDPR 17' --yes",
        _erase,
        _declare_erase,
        looks="at all of it",
    ),
    Action(
        "reveal",
        "print the kept texts of a call, and record that they were read",
        "audit 8f3c21 --reader ada --reason 'case 12'",
        _reveal,
        _declare_reveal,
        looks="at all of it",
    ),
)
