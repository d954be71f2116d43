"""`Guard`, the value that users build: it validates its settings and goes around a function or a client.

`_guard.py` has the class. `_settings.py` validates each setting, `_composition.py` all of them together, and
`_config.py` makes them readable for others. `_files.py` reads guards from files, `_decorating.py` and
`_binding.py` put a guard around a function, and `_deciding.py` decides about a single text.
"""

from guardrails_lite._guard._deciding import Decision
from guardrails_lite._guard._guard import Guard

__all__ = ["Decision", "Guard"]
