"""What a worker does: one job, in a process whose BLAS runs on one thread.

The data of the sweep are read once a worker, not once a job.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bpcli.build import network_on
from bpcli.data import Dataset, load_data
from bpcli.errors import BpcliError
from bpcli.spec.model import Spec
from bpcli.sweep.jobs import Job, result_line
from bpcli.training import Trainer

_MOST_DATASETS = 4
_datasets: dict[str, Dataset] = {}


def run(job: Job) -> dict[str, Any]:
    """The job's line; whatever goes wrong in it is its result, ``error``, not the sweep's end."""
    begun = time.perf_counter()
    try:
        figures = DO[job.do](job.spec)
    except BpcliError as error:
        figures = {"error": str(error)}
    except Exception as error:
        figures = {"error": f"a bug in bpcli: {type(error).__name__}: {error}"}
    return result_line(job, {**figures, "seconds": time.perf_counter() - begun})


def run_all(jobs: list[Job]) -> list[dict[str, Any]]:
    """Several jobs in one message."""
    return [run(job) for job in jobs]


def _train(spec: Spec) -> dict[str, Any]:
    """Figures of all parts, as `bpcli train` gives them; no run directory is left."""
    dataset = _dataset(spec)
    outcome = Trainer(spec, dataset, network_on(spec, dataset)).train()
    stopped = {"stopped_by": outcome.non_finite.message} if outcome.non_finite else {}
    return {
        "reason": outcome.reason,
        "epochs": outcome.epochs,
        "steps": outcome.steps,
        **outcome.figures,
        **stopped,
    }


DO: dict[str, Callable[[Spec], dict[str, Any]]] = {"train": _train}


def _dataset(spec: Spec) -> Dataset:
    """The data that the spec asks for, kept for the next job that asks for the same."""
    single_output = getattr(spec.network[-1], "units", None) == 1
    key = repr((spec.data, spec.loss, spec.dtype, single_output, spec.source.folder))
    if key not in _datasets:
        if len(_datasets) >= _MOST_DATASETS:
            _datasets.pop(next(iter(_datasets)))
        _datasets[key] = load_data(spec)
    return _datasets[key]
