"""What a worker does: one job, in a process whose BLAS runs on one thread.

The data of the sweep are read once a worker, not once a job.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bpcli.build import network_on
from bpcli.data import Dataset, decides_reading, load_data
from bpcli.errors import BpcliError
from bpcli.spec.model import Spec
from bpcli.spec.relocating import with_copies
from bpcli.sweep.jobs import Job, result_line
from bpcli.training import Trainer

_MOST_DATASETS = 4
_datasets: dict[str, Dataset] = {}
copies: dict[str, str] = {}  # where files of the data are here, if not where the spec says


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


def _diagnose(spec: Spec) -> dict[str, Any]:
    """How gradients flow as the network starts, as `bpcli diagnose --no-train` tells.

    χ₁ is the factor of the gradient's square a layer, exp(2 slope); one figure says how far from
    critical a network is, measured and predicted. Backward passes are not checked at every point.
    """
    from bpcli.diagnosis.diagnosis import diagnose
    from bpcli.diagnosis.options import options_of
    from bpcli.diagnosis.probe import Probe

    options, dataset = options_of(spec), _dataset(spec)
    evidence = Probe(spec, dataset, options.thresholds).evidence(train=False, check=False)
    found = diagnose(evidence, options.ignore)
    flow = found.flow.as_json()
    return {
        "healthy": found.healthy,
        "findings": " ".join(finding.name for finding in found.findings),
        **flow,
        "chi": _chi(flow["gradient_slope"]),
        "predicted_chi": _chi(flow["predicted_gradient_slope"]),
    }


def _chi(slope: float | None) -> float | None:
    return None if slope is None else math.exp(min(2 * slope, 700.0))


DO: dict[str, Callable[[Spec], dict[str, Any]]] = {"train": _train, "diagnose": _diagnose}


def read_data(job: Job) -> None:
    """Reads the job's data, so that its time is its own; what is wrong with them it says itself."""
    with suppress(Exception):
        _dataset(job.spec)


def forget_data() -> None:
    """Reads data anew for the next job."""
    _datasets.clear()


def _dataset(spec: Spec) -> Dataset:
    """The data that the spec asks for, kept for the next job that asks for the same."""
    key = repr((spec.data, decides_reading(spec), spec.source.folder))
    if key not in _datasets:
        if len(_datasets) >= _MOST_DATASETS:
            _datasets.pop(next(iter(_datasets)))
        moved = any(there != here for there, here in copies.items())
        _datasets[key] = load_data(with_copies(spec, copies) if moved else spec)
    return _datasets[key]
