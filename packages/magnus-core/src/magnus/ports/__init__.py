"""What magnus asks of the outside: one abstract class for each kind of adapter.

Every service adapter is built as `Adapter(options)`, where *options* is an instance of the class attribute `Options`: a frozen
dataclass (or frozen pydantic model) with a default for everything that can have one. User-given options are validated by
pydantic before the adapter sees them; a misspelt key is refused by the core.

Drafted against local processes, containers, AWS Batch and three orchestrators; see docs/adr/0001.
"""

from __future__ import annotations

PORT_API = 1
"""The version of all ports together. An adapter names the one it was written for in its `AdapterSpec`."""
