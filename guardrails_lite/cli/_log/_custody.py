"""Evidence for others: heads kept elsewhere, and proofs of single entries."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from guardrails_lite.cli._log._action import Action, declare_keys, index_of, output_of, read_text, writing
from guardrails_lite.cli._log._calls import the_call
from guardrails_lite.cli._terminal import fail, print_json, safe


def _declare_witness(parser: argparse.ArgumentParser) -> None:
    declare_keys(parser)
    parser.add_argument("--file", metavar="FILE", help="also append it to this file, best on another volume")
    parser.add_argument("--syslog", action="store_true", help="also send it to syslog")


def _witness(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import witness_file, witness_syslog

    if arguments.file is not None and _is_in(arguments.directory, arguments.file):
        return fail(f"--file {arguments.file} is inside the log; keep heads somewhere else", 2)
    with writing(arguments) as log:
        head = log.head()
    if arguments.file is not None:
        try:
            witness_file(arguments.file)(head)
        except OSError as error:
            return fail(f"{arguments.file}: cannot be written ({error.strerror})", 5)
    if arguments.syslog:
        witness_syslog()(head)
    if arguments.json:
        print_json({"head": head})
    else:
        print(head)
    return 0


def _is_in(directory: str, path: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(directory).resolve())


def _declare_prove(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the call's id, or the beginning of it")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write the proof to this new file; default: print it"
    )


def _prove(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import prove

    with index_of(arguments) as index:
        call = the_call(index, arguments.id)
    kind = "call.intent" if call.outcome == "unfinished" else "call.completed"
    proof = prove(arguments.directory, call.id, kind=kind)
    text = json.dumps({"line": proof.line.decode(), "proof": proof.text, "key": proof.key}, indent=1) + "\n"
    if arguments.output is None:
        print(text, end="")
        return 0
    try:
        with output_of(arguments) as file:
            file.write(text.encode())
    except OSError as error:
        return fail(f"{arguments.output}: cannot be written ({error.strerror or type(error).__name__})", 5)
    print(f"wrote the proof of call {call.id} to {safe(arguments.output)}")
    return 0


def _declare_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("proof", metavar="FILE", help="what `prove` wrote; - is standard input")


def _check_proof(arguments: argparse.Namespace) -> int:
    from guardrails_lite.audit import Proof, check_proof

    try:
        held = json.loads(read_text(arguments.proof))
        proof = Proof(str(held["line"]).encode(), str(held["proof"]), str(held["key"]))
    except (ValueError, KeyError, TypeError):
        return fail(f"{arguments.proof}: not a proof; expected what `guardrails-lite log prove` writes", 5)
    holds = check_proof(proof)
    entry = json.loads(proof.line) if holds else {}
    if arguments.json:
        print_json({"holds": holds, "key": proof.key, "entry": entry})
    elif holds:
        print(
            f"the proof holds: the {safe(entry['t'])} entry {safe(entry['id'])} was signed with\n"
            f"{safe(proof.key)}"
        )
        print(
            "Compare that key with the log's: `guardrails-lite log verify` checks that it is the log's own."
        )
    else:
        print("the proof does not hold: the entry, the proof or the signature was changed")
    return 0 if holds else 2


ACTIONS = (
    Action(
        "witness",
        "print the head of the log, so that you can keep it elsewhere",
        "audit --file kept/heads",
        _witness,
        _declare_witness,
        looks="at all of it",
    ),
    Action(
        "prove",
        "write a proof of one call for someone who does not have the log",
        "audit 8f3c21 --output call.proof",
        _prove,
        _declare_prove,
        looks="at all of it",
    ),
    Action(
        "check-proof", "check that a proof holds", "call.proof", _check_proof, _declare_check, on="nothing"
    ),
)
