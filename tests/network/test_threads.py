"""The threads: what they share out, in which order results come, and who decides their number."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpcli.network import threads
from bpcli.network.buffers import scratch

MANY = 10**9  # values


@given(st.integers(0, 1000), st.integers(0, 10**7))
def test_parts_cover_every_example_once_and_in_order(count: int, values: int) -> None:
    examples = list(range(count))
    found = [examples[part] for part in threads.parts(count, values)]
    assert list(chain.from_iterable(found)) == examples
    assert all(found) or not examples


def test_little_work_stays_in_one_piece() -> None:
    assert threads.parts(64, 1000) == [slice(0, 64)]


def test_results_come_in_order() -> None:
    chosen = [slice(0, 10), slice(10, 20)] if len(threads.parts(20, MANY)) > 1 else [slice(0, 20)]
    found = threads.run(lambda part: range(20)[part], chosen)
    assert list(chain.from_iterable(found)) == list(range(20))


def test_blas_gets_its_threads_back_and_errors_arrive() -> None:
    before = threads._threads()
    chosen = threads.parts(20, MANY)

    def fail_in_the_last(part: slice) -> int:
        assert threads._threads() == (1 if len(chosen) > 1 else before)
        return 1 // (20 - part.stop)

    with pytest.raises(ZeroDivisionError):
        threads.run(fail_in_the_last, chosen)
    assert threads._threads() == before


@pytest.mark.parametrize("variable", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])
def test_whoever_asks_for_one_thread_gets_one(variable: str) -> None:
    code = f"from bpcli.network.threads import parts; print(len(parts(64, {MANY})))"
    environment = {key: os.environ[key] for key in os.environ if not key.endswith("_NUM_THREADS")}
    command = [sys.executable, "-c", code]
    asked = subprocess.run(
        command, env=environment | {variable: "1"}, capture_output=True, text=True, check=True
    )
    assert asked.stdout == "1\n"
    if threads._blas() is not None and len(os.sched_getaffinity(0)) > 1:
        free = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert int(free.stdout) > 1


@pytest.fixture
def no_blas(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A NumPy whose folder has an OpenBLAS that cannot be loaded."""
    (tmp_path / "numpy.libs").mkdir()
    (tmp_path / "numpy.libs" / "libopenblas.so").write_text("no library")
    monkeypatch.setattr(np, "__file__", str(tmp_path / "numpy" / "__init__.py"))
    threads._blas.cache_clear()
    yield
    threads._blas.cache_clear()


@pytest.mark.usefixtures("no_blas")
def test_another_blas_keeps_its_threads_and_nothing_is_shared() -> None:
    assert threads.parts(64, MANY) == [slice(0, 64)]
    with threads.taken_over():
        assert threads.parts(64, MANY) == [slice(0, 64)]
    assert threads.run(lambda part: part.stop, threads.parts(64, MANY)) == [64]


@pytest.fixture(params=[2, 3])
def several(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """So many threads, however many BLAS was given."""
    blas = threads._blas()
    if blas is None:
        pytest.skip("this NumPy has another BLAS")
    before = blas.threads()
    blas.limit(request.param)
    yield request.param
    blas.limit(before)


def test_an_error_in_another_thread_arrives(several: int) -> None:
    chosen = threads.parts(20, MANY)
    assert len(chosen) == several
    with pytest.raises(ZeroDivisionError):
        threads.run(lambda part: 1 // (20 - part.stop), chosen)


@pytest.mark.parametrize("shape", [(301, 200, 90), (90, 200, 301)], ids=["rows", "columns"])
def test_a_large_product_is_shared_by_its_longer_side(
    several: int, shape: tuple[int, int, int]
) -> None:
    rows, inner, columns = shape
    random = np.random.default_rng(0)
    a, b = random.normal(size=(rows, inner)), random.normal(size=(inner, columns))
    out = np.empty((rows, columns))
    with threads.taken_over():
        threads.matmul(a, b, out)
    np.testing.assert_allclose(out, a @ b, rtol=1e-10, atol=1e-10)


def test_two_threads_compute_what_one_does() -> None:
    x = np.random.default_rng(0).normal(size=(64, 3000))
    y = np.empty_like(x)
    threads.run(lambda part: np.multiply(x[part], 2, out=y[part]), threads.parts(64, x.size))
    assert np.array_equal(y, 2 * x)


def test_blas_leaves_its_threads_to_what_is_shared() -> None:
    before = threads._threads()
    with threads.taken_over():
        assert threads._threads() == before
        assert len(threads.parts(64, MANY)) == min(before, 64)
        blas = threads._blas()
        assert blas is None or blas.threads() == 1
        with threads.taken_over():
            assert len(threads.parts(64, MANY)) == min(before, 64)
        assert blas is None or blas.threads() == 1
    assert threads._threads() == before


def test_a_shared_product_is_the_product() -> None:
    random = np.random.default_rng(0)
    a, b = random.normal(size=(301, 200)), random.normal(size=(200, 90))
    out = np.empty((301, 90))
    for left, right in ((a, b), (np.ascontiguousarray(a.T).T, b), (a, np.asfortranarray(b))):
        with threads.taken_over():
            threads.matmul(left, right, out)
        np.testing.assert_allclose(out, a @ b, rtol=1e-10, atol=1e-10)


def test_threads_keep_the_error_state_of_their_caller() -> None:
    def kept(part: slice) -> str:
        return np.geterr()["over"]

    with np.errstate(over="raise"):
        assert set(threads.run(kept, threads.parts(20, MANY))) == {"raise"}


def test_scratch_is_shared_by_layers_and_not_by_threads() -> None:
    first, second = scratch((4, 8), np.float64), scratch((3,), np.float32)
    assert np.shares_memory(first, second)
    assert second.ctypes.data % 64 == 0
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(scratch, (4, 8), np.float64).result()
    assert not np.shares_memory(first, other)
