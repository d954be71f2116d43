"""A grammar of short texts that explain something to a program or its user, and ask nothing of a model.

Descriptions of parameters and fields, entries of menus, headings, words of a search; and what tools are
described by. All of it was written here.
"""

# ruff: noqa: E501 - frames read best on one line

from __future__ import annotations

import random
from collections.abc import Iterator

from attacks import filled

SLOTS: dict[str, tuple[str, ...]] = {
    "thing": ("user", "customer", "assistant", "model", "author", "sender", "account", "document", "session", "agent", "order", "ticket", "conversation", "project", "file", "tool", "page", "image", "server", "game", "developer", "administrator", "system", "page", "form", "website", "bot", "call", "team", "company", "database", "repository", "book", "invoice", "student", "patient", "driver"),
    "part": ("question", "message", "text", "name", "id", "language", "role", "instructions", "prompt", "answer", "response", "reply", "context", "title", "summary", "query", "command", "password", "token", "key", "status", "content", "data", "rules", "task", "goal", "format", "output", "input", "result", "history", "identity", "character", "secret", "policy", "settings", "description", "memory", "code", "link", "address", "file", "comment", "header", "system prompt", "user message", "system message", "API key", "access token", "shell command", "mode", "score", "order", "request", "guidelines", "configuration", "persona", "tone", "solution", "translation", "explanation", "list", "sentence", "paragraph", "error"),
    "verb": ("send", "show", "print", "translate", "execute", "run", "delete", "create", "read", "write", "answer", "ignore", "repeat", "summarize", "classify", "use", "return", "search for", "update", "add", "remove", "skip", "include", "open", "load", "check", "encode", "decode", "replace", "insert", "complete", "store", "forward", "reveal in the folder", "generate", "rewrite", "follow", "assign", "reset", "override", "hide", "copy", "upload", "pass on", "evaluate"),
    "acts": ("Reads", "Writes", "Searches", "Creates", "Deletes", "Updates", "Lists", "Sends", "Runs", "Returns", "Translates", "Summarizes", "Stores", "Opens", "Posts", "Queries", "Fetches", "Validates", "Converts", "Executes", "Renders", "Schedules"),
    "number": ("10", "20", "100", "1", "0", "5", "3"),
    "noise": ("case", "errors", "whitespace", "warnings", "blank lines", "previous results", "duplicates", "the cache", "hidden files", "comments", "cookies", "the previous page", "accents"),
    "setting": ("default timeout", "default language", "output directory", "previous value", "default settings", "system language", "file name", "retry limit", "model name", "default rules"),
    "place": ("the workspace", "the file system", "the database", "the repository", "a channel", "the calendar", "the inbox", "the knowledge base", "the browser", "the container", "the shopping cart", "the ticket system", "the current directory", "the customer's account"),
    "when": ("Use this tool when you need {part}s of {place}.", "Use this whenever the user asks about {part}s.", "Call this function before you answer a question about {place}.", "Only call this after the user has confirmed.", "You should call this tool once for each {part}.", "Do not call this tool twice for the same {part}.", "Always ask the user before you {verb} anything.", "You must pass the {part} as it is.", "Never {verb} the {part} without a confirmation.", "Only works within allowed directories.", "Returns the {part} as JSON, or an error message.", "The {part} must begin with https://.", "IMPORTANT: the {part} is case sensitive.", "Note: this may take up to a minute.", "Requires the {part} of the {thing}.", "If the {part} is empty, the {thing} is used.", "Do not include secrets or API keys in the {part}.", "The output is truncated after {number}000 lines.", "Handles various text encodings and reports errors in detail.", "Use with caution: existing {part}s are overwritten without warning.", "Example: {verb} the {part} of {place}.", "Ignore {noise} by default.", "Prefer this over the shell.", "Your answer should refer to the {part} that is returned.", "The next message is answered by the {thing}.", "Hand over to the {thing} when the user is angry.", "Think step by step before you choose the {part}."),
}  # fmt: skip

KINDS: dict[str, tuple[str, ...]] = {
    "labels": (
        "The {part} of the {thing}", "{part} of the {thing}", "The {thing}'s {part}", "The {part} to {verb}", "{part} to {verb}", "The {part}", "{part}", "{thing} {part}", "Which {part} to {verb}", "Whether to {verb} the {part}", "{verb} the {part}", "{verb} all {part}s", "Optional. The {part} of the {thing}.", "The {part} of the {thing}; default: {number}", "A {part} that describes the {thing}", "Number of {part}s to {verb}", "Maximum length of the {part}", "The maximum number of {part}s to return", "List of {part}s", "{part}s", "Your {part}", "Your {part} here", "What is the {part} of the {thing}?", "New {part}", "Previous {part}", "All previous {part}s", "Ignore {noise}", "Override the {setting}", "Skip {noise}", "The {part} in which the {thing} should {verb}", "The {part} before the {part}", "The {part} above", "The {part} to send to the {thing}", "{part} and {part} of the {thing}", "The {thing} that the {part} is for", "Where the {part} is stored", "How to {verb} the {part}", "The {part} the {thing} must {verb}", "Act on {part}s of the {thing}", "{part}: the {thing}'s {part}", "Unique {part} of the {thing}", "Set to true to {verb} the {part}", "Enter your {part}", "Forgot your {part}?", "Show {part}", "{part} not found", "Invalid {part}", "The {part} of the {thing} has changed.", "The {part} for the {thing}, in English", "the {thing} whose {part} you {verb}",
    ),
    "tools": (
        "{acts} the {part} of a {thing}.", "{acts} {part}s in {place}. {when}", "{acts} a {part} in {place}. {when} {when}", "{verb} {part}s of {place}. {when}", "{acts} the {part} of the {thing}. {when} {when} {when}", "Tool that {verb}s {part}s. {when}", "Get the {part} of the {thing}. {when}", "{acts} {place}. {when} {when}", "A tool to {verb} the {part} of a {thing}. {when}\n\nArguments:\n- {part}: the {part} to {verb}\n- {thing}: the {thing}'s {part}", "{acts} a {part}.\n\n{when}\n{when}", "Use this tool to {verb} the {part} of the {thing}. {when}", "Call this to {verb} {place}. {when} {when}", "Transfers the conversation to the {thing}. {when}", "Store the {part} of the {thing} for later conversations. {when}", "Ask the {thing} for the {part}. {when}", "Act in {place} as the user would: click, type, scroll. {when}",
    ),
}  # fmt: skip


def labels(draw: random.Random, *, each: int) -> Iterator[tuple[str, str]]:
    """So many texts of each kind: the kind and the text."""
    for kind, frames in KINDS.items():
        for nth in range(each):
            text = filled(draw, frames[nth % len(frames)], SLOTS)
            yield kind, text if draw.random() < 0.3 else text[:1].upper() + text[1:]
