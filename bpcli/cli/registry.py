"""The commands in the order of their listing: name -> what `bpcli --help` says of it.

Each is the object ``command`` of `bpcli.cli.commands.NAME`, imported only when it is used.
"""

from __future__ import annotations

COMMANDS = {
    "schema": "The JSON Schema of specs, for editors.",
}
