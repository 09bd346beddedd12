"""The jobs of a sweep: a checked spec each, known by the hash of all that decides its result."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any

from bpcli.spec.dump import dump_section, reading_order
from bpcli.spec.model import Spec
from bpcli.spec.options import Option
from bpcli.sweep.axes import Point, coordinates

_MOST_TEXTS = 20_000


@dataclass(frozen=True, slots=True)
class Job:
    """One point of the sweep. Its spec holds no places of its file: what a worker is sent should
    be small."""

    number: int  # from 1, in the order of the grid
    key: str  # sha256 of the resolved spec and of what is done with it
    point: Point
    spec: Spec
    do: str

    @property
    def coordinates(self) -> dict[str, object]:
        return coordinates(self.point)


def make_jobs(specs: Iterable[tuple[Point, Spec]], do: str) -> Iterator[Job]:
    """A job for each point and its spec, whose paths are absolute."""
    keys = _Keys(do)
    for number, (point, spec) in enumerate(specs, 1):
        yield Job(number, keys.of(spec), point, spec, do)


class _Keys:
    """The sha256 of what is done and of the spec as a text, without its name.

    The text of a section that specs share is made once.
    """

    def __init__(self, do: str) -> None:
        self._do = f"{do}\n"
        self._texts: dict[tuple[str, Any], tuple[Any, str]] = {}  # holds the sections: ids stay

    def of(self, spec: Spec) -> str:
        texts = (
            self._text(option, "" if option.key == "name" else getattr(spec, option.field))
            for option in reading_order()
        )
        return hashlib.sha256("".join((self._do, *texts)).encode()).hexdigest()

    def _text(self, option: Option, section: Any) -> str:
        shared = is_dataclass(section) or isinstance(section, tuple)
        place = (option.key, id(section) if shared else section)
        found = self._texts.get(place)
        if found is None:
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            found = self._texts[place] = (section, dump_section(option, section))
        return found[1]


def result_line(job: Job, figures: dict[str, Any]) -> dict[str, Any]:
    """What `results.jsonl` keeps of a finished job."""
    return {"key": job.key, "job": job.number, "settings": job.coordinates, **figures}
