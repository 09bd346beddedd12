"""Many specs that differ in a few settings, as a sweep makes them: read in the time that their
differences take.

Nodes never change: a setting copies those on the way to it and shares all others. So what was read
from a node once need not be read again, and equal parts of two specs are one object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING
from functools import lru_cache
from typing import Any, NamedTuple

from bpcli.errors import Problem
from bpcli.spec import options
from bpcli.spec.load import Template
from bpcli.spec.model import Spec
from bpcli.spec.nodes import Broken, Mark, Node, is_null
from bpcli.spec.options import Kind
from bpcli.spec.read import Families, Reader, families_with, read_spec
from bpcli.spec.settings import Setting, change, parse_setting

_MOST = 20_000  # nodes whose reading is remembered


class _Changed(NamedTuple):
    """The nodes after a setting, and all that was wrong so far."""

    setting: str
    root: Node
    problems: tuple[Problem, ...]


class Series:
    """The specs of a template under different settings, each read and checked as a file is.

    ``fixed`` are settings of all of them. Their sources hold no places. Settings that begin as the
    last ones did are made once.
    """

    def __init__(self, template: Template, fixed: Sequence[str] = ()) -> None:
        self.template, self.fixed = template, tuple(fixed)
        self._families = families_with(template.layers)
        self._steps: list[_Changed] = []  # of the last spec
        self._known: dict[tuple[int, str, Kind], tuple[Node, Any]] = {}

    def spec(self, settings: Sequence[str]) -> Spec:
        """The spec under these settings too; SpecError with all that is wrong with it."""
        template = self.template
        root, problems = self._changed((*self.fixed, *settings))
        if len(self._known) > _MOST:
            self._known.clear()
        reader = _RememberingReader(self._families, self._known)
        return read_spec(
            root, problems, file=template.file, folder=template.folder, name=template.name,
            reader=reader,
        )  # fmt: skip

    def _changed(self, settings: Sequence[str]) -> tuple[Node, tuple[Problem, ...]]:
        steps = self._steps
        same = 0
        while same < min(len(steps), len(settings)) and steps[same].setting == settings[same]:
            same += 1
        del steps[same:]
        for place, written in enumerate(settings[same:], same):
            root, problems = self._reached
            setting, wrong = _parsed(written, "--set" if place < len(self.fixed) else "--vary")
            if setting is not None and not isinstance(root, Broken):
                root, wrong = change(root, setting, self._families)
            steps.append(_Changed(written, root, (*problems, *wrong)))
        return self._reached

    @property
    def _reached(self) -> tuple[Node, tuple[Problem, ...]]:
        if not self._steps:
            return self.template.root, tuple(self.template.problems)
        _, root, problems = self._steps[-1]
        return root, problems


@lru_cache(maxsize=10_000)
def _parsed(written: str, option: str) -> tuple[Setting | None, list[Problem]]:
    return parse_setting(written, option)


class _RememberingReader(Reader):
    """Reads a node of named things, at a path and by a kind, once; what has problems each time."""

    def __init__(self, families: Families, known: dict[tuple[int, str, Kind], Any]) -> None:
        super().__init__(families)
        self._known = known  # holds the nodes too: their ids stay theirs

    def read(self, node: Node, kind: Kind, path: str, default: Any = MISSING) -> Any:
        if not isinstance(kind, options.Record | options.Choice | options.Layers) or is_null(node):
            return super().read(node, kind, path, default)
        key = (id(node), path, kind)
        found = self._known.get(key)
        if found is not None:
            return found[1]
        before = len(self.problems)
        value = super().read(node, kind, path, default)
        if len(self.problems) == before:
            self._known[key] = (node, value)
        return value

    def _remember(self, path: str, mark: Mark) -> None:
        """Places are for messages about a file; a job has none."""
