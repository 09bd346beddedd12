"""Which BLAS kernels are chosen, as a pure function of the CPU's flags and the environment."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from bpcli.process import AVX512, CORE_TYPE, SWITCH, choose_core_type, cpu_flags, prepare

AVX2 = {"avx", "avx2", "fma"}


def test_avx512_kernels_where_the_cpu_has_all_their_instructions() -> None:
    assert choose_core_type(AVX2 | AVX512, {}).core_type == "SkylakeX"


@pytest.mark.parametrize("flag", sorted(AVX512))
def test_nothing_is_chosen_where_one_instruction_set_is_missing(flag: str) -> None:
    choice = choose_core_type((AVX2 | AVX512) - {flag}, {})
    assert choice.core_type is None
    assert flag in choice.reason


def test_what_the_user_chose_stays() -> None:
    assert choose_core_type(AVX512, {CORE_TYPE: "Haswell"}).core_type is None
    assert choose_core_type(AVX512, {SWITCH: "off"}).core_type is None
    environ = {CORE_TYPE: "Haswell"}
    prepare(environ)
    assert environ == {CORE_TYPE: "Haswell"}


def test_nothing_is_chosen_where_the_flags_are_not_known(tmp_path: Path) -> None:
    assert cpu_flags(str(tmp_path / "missing")) == frozenset()
    assert choose_core_type(frozenset(), {}).core_type is None


def test_flags_are_read_from_the_first_cpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="x86_64"))
    file = tmp_path / "cpuinfo"
    file.write_text("model name\t: X\nvmx flags\t: no\nflags\t\t: fpu avx2\nflags\t\t: sse\n")
    assert cpu_flags(str(file)) == {"fpu", "avx2"}
    monkeypatch.setattr("os.uname", lambda: SimpleNamespace(machine="aarch64"))
    assert cpu_flags(str(file)) == frozenset()
