"""How a reply's text becomes a checked value; `guardrails_lite._schema` is the entrance to this package.

Read in this order:

- `problems` has what a verdict consists of.
- `reading` reads strict JSON; `mending` repairs broken JSON, `finding` finds JSON in fences and prose, and
  `fitting` makes lossless changes of form.
- `models` and `dialects` are the two kinds of schema. For the second, `compiling` makes the checks from
  `keywords`.
- `strict` makes the schema that is sent to the provider, and `enforcement` says who enforces what of it.
- `parts` asks again for only the wrong parts; `streaming` checks a reply while it arrives.
"""
