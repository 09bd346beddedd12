"""Documents as JSON, for programs."""

from __future__ import annotations

from bpcli.report.document import Document
from bpcli.training.files import to_json


def render(document: Document) -> str:
    """The document's data; numbers that are not finite are null, their places in `non_finite`."""
    return to_json(document.data, indent=2) + "\n"
