"""Which Dask workers a sweep uses, and what it brings them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bpcli.errors import BpcliError
from bpcli.spec.load import load_template
from bpcli.sweep.axes import parse_axis
from bpcli.sweep.engines import visitor
from bpcli.sweep.engines.cluster import Cluster, Message
from bpcli.sweep.engines.dask import DaskEngine
from bpcli.sweep.results import Results
from bpcli.sweep.sweep import Sweep, run

OWN = visitor.environment()


@pytest.fixture
def unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is ever run, Dask is not needed to pack jobs."""
    monkeypatch.setattr("bpcli.sweep.engines.cluster.pack", lambda jobs: jobs)


class Client:
    """A cluster of workers with these environments; nothing is ever run."""

    status = "running"

    def __init__(self, **workers: Any) -> None:
        self.workers = workers
        self.sent: list[Any] = []

    def run(self, function: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
        return dict(self.workers)

    def nthreads(self) -> dict[str, int]:
        return dict.fromkeys(self.workers, 1)

    def submit(self, function: Any, *arguments: Any, workers: Any, **options: Any) -> Any:
        self.sent.append(workers)
        return self

    def add_done_callback(self, callback: Any) -> None:
        pass

    def cancel(self) -> None:
        pass


@pytest.mark.usefixtures("unpacked")
def test_workers_that_would_compute_other_bits_are_left_out() -> None:
    said: list[str] = []
    client = Client(
        a=OWN, b=OWN, c=OWN | {"threads": 64}, d=OWN | {"core_type": "Other"},
        e=OWN | {"bpcli": "0.0"}, f=ImportError("No module named 'bpcli'"),
    )  # fmt: skip
    cluster = Cluster(client, "tcp://x", said.append)
    assert cluster.choose() == OWN
    assert len(said) == 4
    for reason in ("64", "Other", "0.0", "No module named"):
        assert any(reason in message for message in said)
    cluster.submit(Message([], visitor.Shipment(OWN, (), None)))
    assert sorted(client.sent[0]) == ["a", "b"]


def test_without_a_worker_that_can_be_used_nothing_starts() -> None:
    client = Client(a=OWN | {"numpy": "0.1"})
    with pytest.raises(BpcliError, match=r"no worker of tcp://x can be used; a: its NumPy"):
        Cluster(client, "tcp://x", print).choose()


def test_most_workers_decide_and_this_machine_is_told_where_it_differs() -> None:
    said: list[str] = []
    other = OWN | {"core_type": "Other"}
    found = Cluster(Client(a=other, b=other, c=OWN), "tcp://x", said.append).choose()
    assert found["core_type"] == "Other"
    assert any("not this machine's" in message for message in said)


@pytest.mark.usefixtures("unpacked")
def test_jobs_of_workers_that_are_gone_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(a=OWN, c=OWN, b=OWN | {"threads": 64})
    cluster = Cluster(client, "tcp://x", lambda message: None)
    cluster.choose()
    jobs: Any = ["a job"]
    cluster.submit(Message(jobs, visitor.Shipment(OWN, (), None)))
    client.workers = {"b": client.workers["b"], "new": OWN}
    monkeypatch.setattr(cluster, "_looked", 0.0)
    assert cluster.look() == [jobs]
    assert not cluster.running


def test_a_cluster_that_stays_empty_ends_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(a=OWN)
    cluster = Cluster(client, "tcp://x", print)
    cluster.choose()
    client.workers = {}
    monkeypatch.setattr(cluster, "_looked", 0.0)
    monkeypatch.setattr(cluster, "_peopled", -1e9)
    with pytest.raises(BpcliError, match="has had no worker for 60 s"):
        cluster.look()


def first_steps(results: Results) -> int:
    """Steps an epoch."""
    line = next(results.lines())
    return int(line["steps"]) // int(line["epochs"])


@pytest.mark.slow
def test_data_and_layers_reach_a_worker_without_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the worker's disk held none of this machine's files."""
    distributed = pytest.importorskip("distributed")
    (tmp_path / "t.csv").write_text("x,y\n" + "1,a\n2,b\n" * 10)
    (tmp_path / "spec.yaml").write_text(
        "data: {path: t.csv, target: y}\nnetwork: [{dense: 2}]\nloss: cross_entropy\n"
    )
    monkeypatch.setattr(visitor, "_is_here", lambda file: file in visitor._copies)
    sweep = Sweep(load_template(tmp_path / "spec.yaml"), [parse_axis("seed=0..19")])
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0",
        local_directory=str(tmp_path / "dask"),
    ) as cluster:  # fmt: skip
        results = Results(tmp_path / "out")
        engine = DaskEngine(cluster.scheduler_address, 1)
        progress = run(sweep, engine, results)
        assert "bpcli" in next(iter(visitor._copies.values()))
        assert first_steps(results) == 1
        # the same worker, other data under the same name
        (tmp_path / "t.csv").write_text("x,y\n" + "1,a\n2,b\n" * 100)
        results = Results(tmp_path / "again")
        run(sweep, DaskEngine(cluster.scheduler_address, 1), results)
        assert first_steps(results) == 7
    assert (progress.done, progress.failed) == (20, 0)
    ((_, file),) = engine._cluster._sent
    assert file.path == str(tmp_path / "t.csv")


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "http://x:1", "tcp://"])
def test_no_scheduler(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("bpcli.sweep.engines.dask._PATIENCE", 0.5)
    with (
        pytest.raises(BpcliError, match="no Dask scheduler answers within"),
        DaskEngine(address, 1).ready([]),
    ):
        pass
