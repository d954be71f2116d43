"""``python -m guardrails_lite``: the command line."""

from __future__ import annotations

import sys

from guardrails_lite.cli import main

sys.exit(main())
