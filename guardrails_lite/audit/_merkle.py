"""The Merkle tree of RFC 6962: roots, inclusion proofs and consistency proofs over leaf hashes.

A chain alone can only be checked whole; the tree lets one entry be shown to belong to a signed head with
a handful of hashes, and lets one head be shown to extend another. Functions take and give raw 32-byte
hashes; leaves are already hashed (`_format.leaf_hash`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

EMPTY: Final = sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """The right edge of a growing tree: enough to extend it and to know its root, and no more.

    It holds the root of each perfect subtree, largest first; their sizes are the binary digits of `size`.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self.peaks = list(peaks)
        if len(self.peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(self.peaks)}")

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add *leaves* on the right, a whole level of the tree at a time."""
        nodes, height, sha = list(leaves), 0, sha256
        size, added, fresh = self.size, len(nodes), []
        while nodes:
            if size >> height & 1:
                nodes.insert(0, self.peaks.pop())
            if len(nodes) & 1:
                fresh.append(nodes.pop())
            pairs = iter(nodes)
            nodes = [sha(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            height += 1
        self.peaks += reversed(fresh)
        self.size = size + added

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if not self.peaks:
            return EMPTY
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node

    def copy(self) -> Frontier:
        """An independent frontier at the same place."""
        return Frontier(self.size, self.peaks)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over *leaves*."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def inclusion(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of leaf *index* in the tree over all *leaves* (RFC 6962, 2.1.1)."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    path: list[bytes] = []
    low, high = 0, len(leaves)
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low = middle
    path.reverse()
    return path


def consistency(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the tree over the first *old_size* leaves is a prefix of this one (RFC 6962, 2.1.2)."""
    if not 0 < old_size <= len(leaves):
        raise IndexError(f"no tree of {old_size} in a tree of {len(leaves)}")
    path: list[bytes] = []
    low, high, whole = 0, len(leaves), True
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(root_of(leaves[middle:high]))
            high = middle
        else:
            path.append(root_of(leaves[low:middle]))
            low, whole = middle, False
    if not whole:
        path.append(root_of(leaves[low:high]))
    path.reverse()
    return path


def root_from_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that *path* leads to from *leaf*; None when the path has the wrong length."""
    if not 0 <= index < size:
        return None
    node, at, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if at & 1 or at == last:
            node = node_hash(sibling, node)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            node = node_hash(node, sibling)
        at >>= 1
        last >>= 1
    return node if last == 0 else None


def is_consistent(old_size: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether *path* shows that the tree of *size* extends the tree of *old_size* (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not path and old_root == root
    steps = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not steps:
        return False
    at, last = old_size - 1, size - 1
    while at & 1:
        at >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not at & 1 and at:
                at >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        at >>= 1
        last >>= 1
    return last == 0 and old == old_root and new == root


def _split(size: int) -> int:
    """The largest power of two smaller than *size*."""
    return 1 << (size - 1).bit_length() - 1
