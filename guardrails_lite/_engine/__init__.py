"""One guarded call, from the request to its record.

Read `_exchange.py` first: the order of everything is there and nowhere else. It uses these modules:

- which target to ask next, and with what: `_climbing.py`; one send, and its reply: `_attempt.py`;
- the prepared guard: `_plan.py`; effects, and the drivers that perform them: `_effects.py`, `_drivers.py`;
- before anything is sent: `_request.py`, `_screen.py`, `_tally.py`, `_running.py`, `_cache.py`;
- while a reply comes in: `_flights.py`, `_hedging.py`, `_incoming.py`, `_gate.py`, `_partials.py`;
- once it is complete: `_integrity.py`, `_checking.py`, `_asking.py`;
- if it broke off, or never came: `_failing.py`, `_resuming.py`;
- at the end: `_endings.py`, `_kept.py`, `_story.py`.
"""
