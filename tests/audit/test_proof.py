"""Proofs of single entries, checked without the log."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from guardrails_lite._errors import ConfigError
from guardrails_lite.audit import AuditLog, check_proof, prove
from guardrails_lite.audit._keys import Ed25519Key
from tests.audit.calls import call_id, record


def test_every_call_can_be_proved(tmp_path: Path) -> None:
    """Across segments and keys, each call has a proof that holds, and holds for it alone."""
    root = tmp_path / "log"
    with AuditLog(root, signing="ed25519", checkpoint_every=5, segment_bytes=4096) as log:
        for number in range(20):
            log(record(number))
    proofs = [prove(root, call_id(number)) for number in range(20)]
    assert all(map(check_proof, proofs))
    assert len({proof.key for proof in proofs}) > 1
    for one, other in pairwise(proofs):
        assert not check_proof(replace(one, line=other.line))


def test_a_changed_proof_does_not_hold(tmp_path: Path) -> None:
    """Another decision, another key, another index, another format: refused."""
    root = tmp_path / "log"
    with AuditLog(root, signing="ed25519") as log:
        log(record(1))
    proof = prove(root, call_id(1))
    assert check_proof(proof)
    assert not check_proof(replace(proof, line=proof.line.replace(b"passed", b"blocked")))
    assert not check_proof(replace(proof, key=Ed25519Key.new("x").declared))
    assert not check_proof(replace(proof, text=proof.text.replace("index 1", "index 0")))
    assert not check_proof(replace(proof, text=proof.text.replace("@v1", "@v2")))
    assert not check_proof(replace(proof, text=""))


def test_what_cannot_be_proved_says_why(tmp_path: Path) -> None:
    """No such call, not signed yet, or signed so that nobody else can check."""
    log = AuditLog(tmp_path / "log", signing="ed25519")
    log(record(1))
    with pytest.raises(LookupError, match="not signed yet"):
        prove(log.directory, call_id(1))
    log.seal()
    assert check_proof(prove(log.directory, call_id(1)))
    with pytest.raises(LookupError, match=r"no call\.completed"):
        prove(log.directory, call_id(2))
    with AuditLog(tmp_path / "shared", signing="hmac-sha256") as shared:
        shared(record(1))
    with pytest.raises(ConfigError, match=r"HMAC.*Begin a new log .*\[audit\]"):
        prove(tmp_path / "shared", call_id(1))
