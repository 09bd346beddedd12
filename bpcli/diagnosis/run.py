"""Diagnoses a run directory: what happened while it trained."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpcli.build import network_on
from bpcli.data import Dataset, load_data
from bpcli.diagnosis.diagnosis import Diagnosis, diagnose
from bpcli.diagnosis.evidence import Evidence, Subject
from bpcli.diagnosis.facts import inputs_of, outputs_of
from bpcli.diagnosis.layer_facts import layers_of, symmetric_layers
from bpcli.diagnosis.log import add_what_happened, diagnose_log, read_log
from bpcli.diagnosis.options import options_of
from bpcli.diagnosis.prediction import predict, signal_of
from bpcli.diagnosis.reference import Expectation, expectation
from bpcli.diagnosis.remedies import with_remedies
from bpcli.diagnosis.trial import sample
from bpcli.diagnosis.verdict import Verdict
from bpcli.errors import BpcliError, DataError
from bpcli.network import Network
from bpcli.spec import load_spec
from bpcli.spec.model import Spec
from bpcli.training import RunDirectory
from bpcli.training.records import EPOCH, fitting


def diagnose_run(
    path: Path, *, ignore: Iterable[str] = (), layers: Mapping[str, type] | None = None
) -> Diagnosis:
    """What the run's log shows, judged by how well it did on its data.

    Where the data are gone, by its loss alone. Raises CheckpointError, DataError and SpecError.
    """
    run = RunDirectory.open(path)
    log = run.gradients.path
    try:
        spec = load_spec(run.spec, layers=layers)
        options = options_of(spec, ignore)
        dataset = load_data(spec)
    except BpcliError:
        return diagnose_log(log, ignore=ignore)
    lines = read_log(log)
    network = network_on(spec, dataset)
    _hold_against(network, lines, log)
    part = sample(dataset.train)
    signal = None if part.inputs.dtype.kind in "iu" else signal_of(part.inputs)
    prediction = predict(network.chain.nodes, signal) if signal is not None else None
    description = dataset.preparation.description(dataset.examples)
    evidence = Evidence(
        layers_of(network, prediction),
        options.thresholds,
        runs=[lines],
        prediction=prediction,
        inputs=inputs_of(part),
        outputs=outputs_of(spec, network, part),
        subject=Subject(spec, network, description),
        learning_rate=spec.optimizer.learning_rate,
        symmetric=symmetric_layers(network),
    )
    add_what_happened(evidence, lines)
    _judge(evidence, run, spec, dataset)
    found = diagnose(evidence, options.ignore)
    input_shape = dataset.preparation.inputs.shape
    return replace(found, findings=with_remedies(found.findings, spec, input_shape, layers))


def _hold_against(network: Network, lines: list[dict[str, Any]], log: Path) -> None:
    """Raises DataError where a line has a layer that the network has not."""
    known = {node.layer.path for node in network.nodes}
    for line in lines:
        other = next((each["name"] for each in line["layers"] if each["name"] not in known), None)
        if other is not None:
            raise DataError(
                f"{log}: step {line['step']} has a layer {other!r:.60}, which this run's network "
                "has not; was the file changed?"
            )


def _judge(evidence: Evidence, run: RunDirectory, spec: Spec, dataset: Dataset) -> None:
    """By the best score of its epochs, against chance and a plain learner's."""
    summary = run.read_summary() or {}
    if summary.get("reason") == "non_finite":
        evidence.verdict = Verdict(fails=True)
        return
    epochs = list(fitting(run.metrics.path, EPOCH))
    if not epochs:
        return
    steps = epochs[-1]["step"]
    if steps < evidence.thresholds.fewest_steps:
        return  # as a spec's trial of so few, it says nothing
    expected = expectation(spec, dataset, steps)
    share = _best_share(epochs, expected)
    if share is None:
        return
    finished = summary.get("reason") in ("finished", "early_stopping")
    limits = evidence.thresholds
    limit = limits.failing_share if finished else limits.unfinished_share
    evidence.verdict = Verdict(share < limit, share, removed=evidence.verdict.removed)


def _best_share(epochs: list[dict[str, Any]], expected: Expectation) -> float | None:
    scores = []
    for epoch in epochs:
        figures = epoch.get("validation") or epoch.get("train") or {}
        score = figures.get("accuracy", figures.get("r2"))
        if isinstance(score, int | float) and math.isfinite(score):
            scores.append(float(score))
    return expected.share_of_score(max(scores)) if scores else None
