"""The sessions that README.md and docs/ show: run again, compared, and written anew.

    python tests/documents.py            # says which sessions differ
    python tests/documents.py --write    # writes the real output into the documents

A session is a fenced block of the kind ``console``. Its lines that begin with ``$ `` are commands,
the lines below each are what it prints, on both streams. The sessions of one document run one
after another in a folder of their own that holds configs, datasets and tests. A block right after
the comment ``<!-- not run -->`` is left alone: it needs what a test does not have.

Numbers differ from machine to machine, so sessions are compared with every number masked, and
bars with them; words, names and verdicts must agree.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SKIP = "<!-- not run -->"
_UNITS = "µs|ms|s|min|h|k|M|G|KiB|MiB"
_NUMBER = re.compile(
    rf"[-+]?(?<![A-Za-z_])\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?(?: ?(?:{_UNITS})\b|%)?"
)
_BARS = re.compile("[▀-▟]+")
_ROUNDS_MOST = re.compile(r"(?<=agree to # )\(\S+\)")  # which tensor, the BLAS decides


@dataclass
class Step:
    """A command and what it prints."""

    command: str
    shown: list[str] = field(default_factory=list)


@dataclass
class Session:
    """A block of a document, and the lines that it takes there."""

    start: int  # of its first line inside the fence, from 0
    stop: int
    steps: list[Step]


def sessions(text: str) -> Iterator[Session]:
    """The console blocks of a document, but for those that are not run."""
    lines = text.split("\n")
    place = 0
    while place < len(lines):
        if lines[place].strip() != "```console":
            place += 1
            continue
        stop = next(n for n in range(place + 1, len(lines)) if lines[n].strip() == "```")
        before = next((line for line in reversed(lines[:place]) if line.strip()), "")
        if before.strip() != SKIP:
            yield Session(place + 1, stop, _steps(lines[place + 1 : stop]))
        place = stop + 1


def _steps(lines: list[str]) -> list[Step]:
    steps: list[Step] = []
    for line in lines:
        if line.startswith("$ "):
            steps.append(Step(line[2:]))
        elif line.startswith("> ") and steps and not steps[-1].shown:
            steps[-1].command += "\n" + line[2:]
        elif steps:
            steps[-1].shown.append(line)
    return steps


def run(command: str, folder: Path) -> list[str]:
    """What the command prints, as a pipe would show it."""
    scripts = str(Path(sys.executable).parent)
    variables = os.environ | {
        "PATH": scripts + os.pathsep + os.environ.get("PATH", ""),
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONIOENCODING": "utf-8",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=variables, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8",
    )  # fmt: skip
    return [line.rstrip() for line in done.stdout.rstrip("\n").splitlines()]


def prepared(folder: Path) -> Path:
    """A folder as a clone looks to the commands."""
    for name in ("configs", "datasets", "tests"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def masked(lines: list[str]) -> list[str]:
    """The lines as they are compared: numbers as #, bars as one mark, spaces as one."""
    text = [_ROUNDS_MOST.sub("", _BARS.sub("▇", _NUMBER.sub("#", line))) for line in lines]
    return [" ".join(line.split()) for line in text if line.strip()]


def differences(document: Path, *, write: bool = False) -> list[str]:
    """What of the document's sessions is not what the commands print; with ``write`` it is."""
    text = document.read_text(encoding="utf-8")
    lines, found, moved = text.split("\n"), [], 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = prepared(Path(temporary))
        for session in sessions(text):
            fresh: list[str] = []
            for step in session.steps:
                printed = run(step.command, folder)
                first, *more = step.command.split("\n")
                fresh += [f"$ {first}", *(f"> {line}" for line in more), *printed]
                if _cut(masked(step.shown)) != _cut(masked(printed), like=masked(step.shown)):
                    found.append(_difference(document, session, step, printed))
            if write:
                lines[session.start + moved : session.stop + moved] = fresh
                moved += len(fresh) - (session.stop - session.start)
    if write and found:
        document.write_text("\n".join(lines), encoding="utf-8")
    return found


def _cut(lines: list[str], like: list[str] | None = None) -> list[str]:
    """Up to a line ``...``, with which a document leaves out the rest of what is printed."""
    pattern = lines if like is None else like
    if "..." in pattern:
        return lines[: pattern.index("...")]
    return lines


def _difference(document: Path, session: Session, step: Step, printed: list[str]) -> str:
    shown, now = masked(step.shown), masked(printed)
    where = next((n for n, (a, b) in enumerate(zip(shown, now, strict=False)) if a != b), None)
    if where is None:
        where = min(len(shown), len(now))
    return (
        f"{document.name}:{session.start}: $ {step.command}\n"
        f"  shows  {shown[where] if where < len(shown) else 'nothing more'}\n"
        f"  prints {now[where] if where < len(now) else 'nothing more'}"
    )


if __name__ == "__main__":
    wanted = [Path(name) for name in sys.argv[1:] if not name.startswith("-")] or DOCUMENTS
    for each in wanted:
        for difference in differences(each.resolve(), write="--write" in sys.argv):
            print(difference)
