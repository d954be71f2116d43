"""The tree of RFC 6962, the checkpoint format of C2SP, and the two ways to check Ed25519."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guardrails_lite.audit._keys import Ed25519Key, Ed25519Public, HmacKey
from guardrails_lite.audit._merkle import (
    EMPTY,
    Frontier,
    consistency,
    inclusion,
    is_consistent,
    root_from_inclusion,
    root_of,
)
from guardrails_lite.audit._note import BadNote, Checkpoint, b64, check_note, read_note, unb64
from guardrails_lite.audit._standalone import is_signed

# The reference vectors of the certificate-transparency project: eight leaves, and the root after each.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAVES = [sha256(b"\0" + n.to_bytes(2, "big")).digest() for n in range(130)]


def test_reference_roots() -> None:
    """The roots over the reference inputs are the published ones."""
    leaves = [sha256(b"\0" + bytes.fromhex(text)).digest() for text in INPUTS]
    assert [root_of(leaves[: n + 1]).hex() for n in range(8)] == ROOTS
    assert root_of([]) == EMPTY


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 64, 100, 130])
def test_every_inclusion_proof_leads_to_the_root(size: int) -> None:
    """A leaf's audit path leads to the root, and another leaf's does not."""
    leaves = LEAVES[:size]
    root = root_of(leaves)
    for index in range(size):
        path = inclusion(leaves, index)
        assert root_from_inclusion(leaves[index], index, size, path) == root
        assert root_from_inclusion(leaves[index], index, size, [*path, root]) is None
        if size > 1:
            assert root_from_inclusion(leaves[index - 1], index, size, path) != root
            assert root_from_inclusion(leaves[index], index, size, path[:-1]) != root


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 63, 64, 130])
def test_every_consistency_proof_holds(size: int) -> None:
    """An older tree is shown to be a prefix of this one; another root is not."""
    root = root_of(LEAVES[:size])
    for old in range(1, size + 1):
        path = consistency(LEAVES[:size], old)
        old_root = root_of(LEAVES[:old])
        assert is_consistent(old, old_root, size, root, path)
        assert not is_consistent(old, EMPTY, size, root, path)
        if path:
            assert not is_consistent(old, old_root, size, root, path[:-1])


@given(st.lists(st.integers(1, 9), max_size=8))
def test_a_frontier_grows_as_the_tree_does(steps: list[int]) -> None:
    """However leaves arrive, the frontier's root is the root over all of them, also after a restart."""
    frontier, size = Frontier(), 0
    for step in steps:
        frontier.extend(LEAVES[size : size + step])
        size += step
        frontier = Frontier(frontier.size, frontier.peaks)
    assert frontier.root() == root_of(LEAVES[:size])


def test_a_note_signed_is_a_note_checked() -> None:
    """A checkpoint goes through its text unchanged, under both kinds of keys."""
    pair, shared = Ed25519Key.new("log/stream"), HmacKey.new("log/stream")
    found = Checkpoint("log/stream", 5, EMPTY, ("an extension",))
    assert check_note(found.signed(pair), pair.public) == found
    assert check_note(found.signed(shared), shared) == found
    assert check_note(found.signed(pair), Ed25519Public.read(pair.declared)) == found
    with pytest.raises(BadNote, match="does not belong"):
        check_note(found.signed(pair), Ed25519Key.new("log/stream").public)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "a\n01\nAAAA\n\n\u2014 a AAAA\n",
        "a\n1\nAAAA\n\n\u2014 a AAAA\n",
        f"a\n1\n{b64(EMPTY)}\n\nx a AAAA\n",
        f"a\n1\n{b64(EMPTY)}\n\n\u2014 a AAAA",
        f"a\n1\n{b64(EMPTY)}\n\n\u2014 a AB==\n",
    ],
)
def test_what_is_no_note_is_refused(text: str) -> None:
    """Only the one spelling of a checkpoint is read."""
    with pytest.raises(BadNote):
        read_note(text)


def test_base64_has_one_spelling() -> None:
    """Stray bits, missing padding and foreign characters are refused."""
    for text in ("AB==", "AA", "A-==", "AA==\n"):
        with pytest.raises(BadNote):
            unb64(text)


def test_both_ways_to_check_ed25519_agree() -> None:
    """The stand-alone check accepts and refuses what `cryptography` does; RFC 8032, test 2."""
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    assert is_signed(public, b"\x72", signature)
    pair = Ed25519Key.new("k")
    signed = pair.sign(b"text")
    assert is_signed(pair.public.public, b"text", signed[4:])
    for at in range(0, 64, 9):
        bad = bytearray(signed)
        bad[4 + at] ^= 1
        assert not pair.public.check(b"text", bytes(bad))
        assert not is_signed(pair.public.public, b"text", bytes(bad[4:]))
    assert not is_signed(b"\xff" * 32, b"text", signed[4:])
    assert not is_signed(pair.public.public, b"text", b"")
