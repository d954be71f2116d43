"""The tables of the index, and which facts are summed in advance.

``calls`` has one row for each call, joined from its intent and its record; ``checks``, ``attempts`` and
``tags`` hang from it by ``call``, which is its ``row``. ``found`` repeats which rules had a finding or broke,
in the order in which lists are read. ``events`` has every other entry: reviews, erasures, gaps, heads.

A million calls cannot be summed while somebody waits for a page, so what an overview needs is kept summed:
by hour (``hours``), by day (``people``, ``latencies``, ``rules``) and over the whole log (``totals``).
A range that begins within a bucket takes whole buckets from these and the rest from ``calls``.

Text that is absent is the empty string, so that it can be part of a key; money that is unknown is NULL. Times
are nanoseconds since the epoch. People are pseudonyms, as in the log.
"""

from __future__ import annotations

from typing import Final

VERSION: Final = 2
"""An index of another version is built anew."""

HOUR_NS: Final = 3_600 * 10**9
DAY_NS: Final = 24 * HOUR_NS

UNFINISHED: Final = "unfinished"
"""In place of an outcome: the call has an intent and no record, because it runs or its process died."""

BLOCKED: Final = ("blocked", "tool denied")
"""The outcomes that count as blocked: this guard said no."""

FOUND: Final = ("found", "broken", "timed out")
"""The results of a check that a reviewer looks at."""

BUCKETS: Final = 16
"""Latencies are counted in so many buckets per doubling, which places a percentile within 2.2 %."""

TABLES: Final = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE streams (
  name TEXT PRIMARY KEY, segment TEXT NOT NULL, offset INTEGER NOT NULL, last INTEGER NOT NULL,
  records INTEGER NOT NULL, leaf TEXT NOT NULL, first INTEGER NOT NULL, ended TEXT NOT NULL,
  problem TEXT NOT NULL, torn INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE calls (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, ended INTEGER NOT NULL,
  guard TEXT NOT NULL, digest TEXT NOT NULL, mode TEXT NOT NULL, style TEXT NOT NULL, model TEXT NOT NULL,
  outcome TEXT NOT NULL, error TEXT NOT NULL, user TEXT NOT NULL, key TEXT NOT NULL, tenant TEXT NOT NULL,
  tokens INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost_usd REAL,
  us INTEGER NOT NULL, input_chars INTEGER NOT NULL, output_chars INTEGER NOT NULL,
  attempts INTEGER NOT NULL, found TEXT NOT NULL, kept INTEGER NOT NULL,
  stream TEXT NOT NULL, n INTEGER NOT NULL, segment TEXT NOT NULL, offset INTEGER NOT NULL
);
CREATE UNIQUE INDEX calls_id ON calls (id);
CREATE INDEX calls_at ON calls (at);
CREATE INDEX calls_outcome ON calls (outcome, at);
CREATE INDEX calls_guard ON calls (guard, at);
CREATE INDEX calls_digest ON calls (digest, at);
CREATE INDEX calls_model ON calls (model, at);
CREATE INDEX calls_user ON calls (user, at);
CREATE INDEX calls_key ON calls (key, at);
CREATE INDEX calls_tenant ON calls (tenant, at);

CREATE TABLE checks (
  call INTEGER NOT NULL, step INTEGER NOT NULL, rule TEXT NOT NULL, side TEXT NOT NULL,
  attempt INTEGER NOT NULL, result TEXT NOT NULL, action TEXT NOT NULL, us INTEGER NOT NULL,
  error TEXT NOT NULL,
  PRIMARY KEY (call, step)
) WITHOUT ROWID;

CREATE TABLE attempts (
  call INTEGER NOT NULL, step INTEGER NOT NULL, target TEXT NOT NULL, model TEXT NOT NULL,
  number INTEGER NOT NULL, result TEXT NOT NULL, status INTEGER, us INTEGER NOT NULL, cost_usd REAL,
  PRIMARY KEY (call, step)
) WITHOUT ROWID;

CREATE TABLE found (
  rule TEXT NOT NULL, at INTEGER NOT NULL, call INTEGER NOT NULL, PRIMARY KEY (rule, at, call)
) WITHOUT ROWID;
CREATE INDEX found_at ON found (at, call, rule);

CREATE TABLE tags (
  name TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL, call INTEGER NOT NULL,
  PRIMARY KEY (name, value, at, call)
) WITHOUT ROWID;

CREATE TABLE tag_names (name TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE events (
  row INTEGER PRIMARY KEY, id TEXT NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL, call TEXT NOT NULL,
  stream TEXT NOT NULL, n INTEGER NOT NULL, data TEXT NOT NULL
);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_type ON events (type, at);
CREATE INDEX events_call ON events (call, at) WHERE call <> '';

CREATE TABLE hours (
  hour INTEGER NOT NULL, guard TEXT NOT NULL, digest TEXT NOT NULL, model TEXT NOT NULL,
  outcome TEXT NOT NULL, calls INTEGER NOT NULL, unpriced INTEGER NOT NULL,
  tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, cost REAL NOT NULL, us INTEGER NOT NULL,
  PRIMARY KEY (hour, guard, digest, model, outcome)
) WITHOUT ROWID;

CREATE TABLE people (
  field TEXT NOT NULL, day INTEGER NOT NULL, value TEXT NOT NULL,
  calls INTEGER NOT NULL, blocked INTEGER NOT NULL, unpriced INTEGER NOT NULL, tokens INTEGER NOT NULL,
  cost REAL NOT NULL,
  PRIMARY KEY (field, day, value)
) WITHOUT ROWID;

CREATE TABLE latencies (
  day INTEGER NOT NULL, guard TEXT NOT NULL, digest TEXT NOT NULL, model TEXT NOT NULL, outcome TEXT NOT NULL,
  bucket INTEGER NOT NULL, calls INTEGER NOT NULL,
  PRIMARY KEY (day, guard, digest, model, outcome, bucket)
) WITHOUT ROWID;

CREATE TABLE rules (
  day INTEGER NOT NULL, guard TEXT NOT NULL, digest TEXT NOT NULL, rule TEXT NOT NULL, side TEXT NOT NULL,
  result TEXT NOT NULL, action TEXT NOT NULL, bucket INTEGER NOT NULL, checks INTEGER NOT NULL,
  us INTEGER NOT NULL, PRIMARY KEY (day, guard, digest, rule, side, result, action, bucket)
) WITHOUT ROWID;

CREATE TABLE totals (
  field TEXT NOT NULL, value TEXT NOT NULL,
  calls INTEGER NOT NULL, blocked INTEGER NOT NULL, unpriced INTEGER NOT NULL, tokens INTEGER NOT NULL,
  cost REAL NOT NULL,
  PRIMARY KEY (field, value)
) WITHOUT ROWID;
CREATE INDEX totals_calls ON totals (field, calls);
CREATE INDEX totals_cost ON totals (field, cost);
"""
