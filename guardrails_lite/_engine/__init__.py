"""One guarded call, from the request to its record.

Read `_exchange.py` first: the order of everything is there and nowhere else. What it asks for:

- who is asked next, and with what: `_climbing.py`; one send, and what its reply goes through: `_attempt.py`;
- what it runs with: `_plan.py`; what it wants done, and who does it: `_effects.py`, `_drivers.py`;
- before anything is sent: `_request.py`, `_screen.py`, `_tally.py`, `_running.py`, `_cache.py`;
- while a reply comes in: `_flights.py`, `_hedging.py`, `_incoming.py`, `_gate.py`, `_partials.py`;
- when it is there: `_integrity.py`, `_checking.py`, `_asking.py`;
- when it broke off, or never came: `_failing.py`, `_resuming.py`;
- at the end: `_endings.py`, `_kept.py`, `_story.py`.
"""
