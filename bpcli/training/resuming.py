"""What must agree before a run goes on."""

from __future__ import annotations

from typing import Any

from bpcli.errors import CheckpointError
from bpcli.training.environment import changes
from bpcli.training.run_directory import RunDirectory


def check_resumable(
    run: RunDirectory, spec_text: str | None, environment: dict[str, Any]
) -> list[str]:
    """Refuses another spec than the run's, warns of another machine or other data.

    ``spec_text`` is a spec in the form that `spec.yaml` has, or None to go on with that one;
    ``environment`` is that of now. Returns the warnings; raises CheckpointError.
    """
    if spec_text is not None:
        refuse_another_spec(run, spec_text)
    return changes(run.read_environment(), environment)


def refuse_another_spec(run: RunDirectory, now: str) -> None:
    """Raises CheckpointError, saying what differs first, unless the text is the run's own."""
    before = run.read_spec()
    if before == now:
        return
    old, new = before.splitlines(), now.splitlines()
    longest = max(len(old), len(new))
    old, new = old + [""] * (longest - len(old)), new + [""] * (longest - len(new))
    was, becomes = next(
        (pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]), ("", "")
    )
    raise CheckpointError(
        f"{run.path} was begun with another spec: {_line(was)} there, {_line(becomes)} here; "
        "go on without naming a spec, or start a new run"
    )


def _line(text: str) -> str:
    return f"`{text.strip()}`" if text.strip() else "nothing"
