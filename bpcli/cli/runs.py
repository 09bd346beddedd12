"""Runs as commands need them: begun, gone on with, or opened to use what was trained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpcli import process
from bpcli.build import check_last_batch, check_trainable, network_for, network_on, prepare
from bpcli.cli.parameters import SpecRequest
from bpcli.data import Dataset, Preparation, load_data
from bpcli.diagnosis.options import options_of
from bpcli.errors import CheckpointError
from bpcli.network import Network
from bpcli.spec import dump_spec, load_spec, resolve_paths
from bpcli.spec.model import Spec
from bpcli.training import RunDirectory, Trainer, check_resumable, describe_environment
from bpcli.training.checkpoint import of_this_run, restore_network
from bpcli.training.records import BEST_WEIGHTS, LAST_WEIGHTS
from bpcli.training.resuming import refuse_another_spec


@dataclass(frozen=True)
class Training:
    """A run that is ready to go, or one that has nothing left to do (no trainer)."""

    spec: Spec
    run: RunDirectory
    dataset: Dataset | None = None
    trainer: Trainer | None = None
    warnings: Sequence[str] = ()


def begin(request: SpecRequest, root: Path) -> Training:
    """A new run of the spec; nothing is left behind where it cannot start."""
    spec = request.load()
    options_of(spec)  # so that a misspelt threshold leaves no run behind
    dataset, network = prepare(spec)
    check_trainable(spec, network)
    check_last_batch(spec, dataset, network)
    text = normal_form(spec)
    run = RunDirectory.create(root, spec.name)
    try:
        trainer = Trainer(spec, dataset, network, run=run)
        run.begin(text, _environment(text, spec, dataset), dataset.preparation.to_dict())
    except BaseException:
        run.discard()
        raise
    return Training(spec, run, dataset, trainer)


def go_on(request: SpecRequest, path: Path) -> Training:
    """The run at the path from its newest checkpoint; raises where the request differs from it."""
    run = RunDirectory.open(path)
    layers = request.layers
    spec = load_spec(run.spec, layers=layers)
    if request.path is not None:
        refuse_another_spec(run, normal_form(request.load()))
    elif request.changed:
        changed = load_spec(run.spec, settings=request.settings, seed=request.seed, layers=layers)
        refuse_another_spec(run, normal_form(changed))
    if run.finished:
        return Training(spec, run, warnings=run.verify())
    dataset = load_data(spec, _preparation(run))
    warnings = check_resumable(run, None, _environment(run.read_spec(), spec, dataset))
    trainer = Trainer(spec, dataset, network_on(spec, dataset), run=run)
    try:
        notes = trainer.resume()
    except CheckpointError as error:  # what changed may be why
        reasons = [warning.partition(";")[0] for warning in warnings]
        raise CheckpointError("; ".join([str(error), *reasons])) from None
    return Training(spec, run, dataset, trainer, warnings + notes)


@dataclass(frozen=True)
class Trained:
    """A run's network with its best weights, the last where none is best."""

    spec: Spec
    run: RunDirectory
    preparation: Preparation
    network: Network
    epoch: int
    steps: int
    warnings: Sequence[str]


def open_trained(path: Path, layers: Mapping[str, type] | None) -> Trained:
    """Raises CheckpointError where there is no such run, or its weights are damaged."""
    run = RunDirectory.open(path)
    spec = load_spec(run.spec, layers=layers)
    preparation = _preparation(run)
    network = network_for(spec, preparation.description())
    tree, notes = run.load_weights()
    best = "epoch" in tree
    with of_this_run(tree, BEST_WEIGHTS if best else LAST_WEIGHTS):
        restore_network(network, tree["network"])
    epoch = tree["epoch" if best else "epochs"]
    return Trained(spec, run, preparation, network, epoch, tree["steps"], notes)


def _preparation(run: RunDirectory) -> Preparation:
    try:
        return Preparation.from_dict(run.read_preparation())
    except CheckpointError as error:
        name = str(run.preparation)
        message = str(error)
        raise CheckpointError(message if name in message else f"{name}: {message}") from None


def different_data(trained: Trained, dataset: Dataset) -> list[str]:
    """A warning where the run's data are not what they were."""
    before = trained.run.read_environment().get("data_sha256")
    if before in (None, dataset.digest):
        return []
    return ["the data have changed since this run began; its parts may be others than then"]


def normal_form(spec: Spec) -> str:
    """The spec as `spec.yaml` of a run holds it."""
    return dump_spec(resolve_paths(spec))


def shown_path(path: Path) -> str:
    """The path as one would type it from here."""
    try:
        relative = os.path.relpath(path)
    except (ValueError, OSError):  # another drive, or the folder that one is in is gone
        return str(path)
    return str(path) if relative.startswith("..") else relative


def _environment(text: str, spec: Spec, dataset: Dataset) -> dict[str, Any]:
    seeds = {"seed": spec.seed, "data.seed": spec.data.seed}
    environment = describe_environment(text, dataset.digest, seeds)
    core_type, reason = process.choice()
    environment["blas"] |= {"chosen": core_type, "reason": reason}
    return environment
