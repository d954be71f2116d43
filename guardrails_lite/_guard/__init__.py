"""`Guard`, the value that users build: its settings made valid, and put around a function.

`_guard.py` has the class, `_settings.py` what its settings come to, `_composition.py` what they come to
together, `_config.py` how others may read them, `_files.py` guards in files, `_decorating.py` and
`_binding.py` a guard around a function, `_deciding.py` what it says about one text.
"""

from guardrails_lite._guard._deciding import Decision
from guardrails_lite._guard._guard import Guard

__all__ = ["Decision", "Guard"]
