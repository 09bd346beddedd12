"""Changes made in the text of a spec, so that its comments and its layout stay.

Only what a change is about is written anew, at the places that the nodes carry; then the text is
read back and must be the spec that the same changes make of the nodes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping as MappingABC
from collections.abc import Sequence as SequenceABC
from pathlib import Path

from bpcli.errors import SpecError, WriteError
from bpcli.spec.changes import Change, make
from bpcli.spec.editing.edits import Edits, Overlap
from bpcli.spec.editing.layout import Layout
from bpcli.spec.editing.rewriting import Rewriting
from bpcli.spec.model import Spec
from bpcli.spec.nodes import Node
from bpcli.spec.read import Families, families_with, read_spec
from bpcli.spec.yaml import read_yaml


class EditError(WriteError):
    """A change that could not be written into the text; nothing was written."""


def edit(
    text: str,
    changes: SequenceABC[Change],
    *,
    file: str = "<spec>",
    layers: MappingABC[str, type] | None = None,
) -> str:
    """The text of a spec with the changes made; all else in it stays as it is.

    Comments on what is taken away stay, on lines of their own. Raises SpecError where the text is
    no spec, before or after the changes; EditError where they could not be written.
    """
    families = families_with(layers)
    intended = _spec(make(_read(text, file), changes, families), file, layers)
    edited = text
    try:
        for change in changes:
            edited = _edited(edited, change, families, file)
        written = _spec(_read(edited, file), file, layers)
    except (SpecError, Overlap) as error:
        raise _refusal(file, changes, str(error)) from None
    if written != intended:
        raise _refusal(file, changes, "read back, the text says something else")
    return edited


def unified_diff(before: str, after: str, file: str, new_file: str | None = None) -> str:
    """What `diff -u` prints; nothing where the texts are equal."""
    lines = difflib.unified_diff(_lines(before), _lines(after), file, new_file or file)
    missing = "\n\\ No newline at end of file\n"
    return "".join(line if line.endswith("\n") else line + missing for line in lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _refusal(file: str, changes: SequenceABC[Change], reason: str) -> EditError:
    wanted = "".join(f"\n  {change}" for change in changes)
    return EditError(
        f"{file}: the change cannot be written into the file as it is laid out ({reason}); "
        f"nothing was written, make it by hand:{wanted}"
    )


def _read(text: str, file: str) -> Node:
    root, problems = read_yaml(text, file)
    if problems:
        raise SpecError(problems)
    return root


def _spec(root: Node, file: str, layers: MappingABC[str, type] | None) -> Spec:
    return read_spec(root, file=file, folder=Path(), name="", layers=layers)


def _edited(text: str, change: Change, families: Families, file: str) -> str:
    root = _read(text, file)
    layout = Layout(text, root)
    edits = Edits(layout)
    Rewriting(layout, edits).patch(root, make(root, [change], families))
    return edits.made()
