"""guardrails-lite."""
