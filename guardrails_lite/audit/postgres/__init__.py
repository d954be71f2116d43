"""A compliance log beyond one machine: shipped to PostgreSQL, asked there, and verified after the trip.

The log stays what it is: files of lines, each with the hash of the line before, and checkpoints. `ship`
copies their bytes into a database and keeps an index beside them; `ShippedIndex` asks that index; `fetch` and
`fetched` put the bytes back into a directory, where `guardrails_lite.audit.verify` checks what it checks
everywhere. So the database is trusted with nothing but keeping bytes: what it changes or loses is found out.

`_connect` opens connections, `_dialect` turns the index's SQL into PostgreSQL's, `_store` says what is kept
where, `_ship` and `_asked` use them.
"""

from guardrails_lite.audit.postgres._asked import ShippedIndex, fetch, fetched
from guardrails_lite.audit.postgres._ship import Shipment, ship

__all__ = ["Shipment", "ShippedIndex", "fetch", "fetched", "ship"]
