"""Lone surrogates: a `str` may hold them, and no tokenizer can encode them."""

from __future__ import annotations


def encodable(text: str) -> str:
    """*text* with a mark in place of each: they stand for nothing, and every span keeps its place."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
