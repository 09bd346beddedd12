"""JSON without NaN, and lines that a crash may have torn."""

from __future__ import annotations

import errno
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bpcli.errors import WriteError
from bpcli.training.files import check_place, sweep, to_json, write_atomic, write_result
from bpcli.training.json_lines import JsonLines


def test_numbers_that_are_not_finite_become_null_and_are_listed() -> None:
    document = {"loss": math.nan, "parts": [{"r2": math.inf}, {"r2": 0.5}], "name": "ü"}
    assert json.loads(to_json(document)) == {
        "loss": None,
        "parts": [{"r2": None}, {"r2": 0.5}],
        "name": "ü",
        "non_finite": ["loss", "parts.0.r2"],
    }
    assert json.loads(to_json({"loss": 1.0})) == {"loss": 1.0}


def lines_of(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_lines_can_be_read_as_they_are_written(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl", "step")
    for step in (1, 2, 3):
        log.append({"step": step, "loss": 0.5})
        assert lines_of(log.path) == list(range(1, step + 1))
    log.sync()
    log.close()


@pytest.mark.parametrize(
    ("content", "last", "kept"),
    [
        ('{"step": 1}\n{"step": 2}\n{"step": 3}\n', 2, [1, 2]),  # one too many
        ('{"step": 1}\n{"step": 2}\n{"ste', 9, [1, 2]),  # torn
        ('{"step": 1}\n{"step": 2}', 9, [1]),  # torn just before its end
        ('{"step": 1}\n{"step": 1}\n', 9, [1]),  # twice
        ('{"step": 1}\nnull\n', 9, [1]),
        ('{"step": 10}\n{"step": 20}\n', 20, [10, 20]),
        ("\0\0\0\0", 9, []),
        ("", 9, []),
    ],
)
def test_cutting_keeps_the_whole_lines_up_to_a_checkpoint(
    tmp_path: Path, content: str, last: int, kept: list[int]
) -> None:
    log = JsonLines(tmp_path / "log.jsonl", "step")
    log.path.write_text(content)
    assert log.cut(last) == (kept[-1] if kept else 0, len(kept), ())
    assert lines_of(log.path) == kept
    log.append({"step": 99})
    log.close()
    assert lines_of(log.path) == [*kept, 99]


def test_good_lines_after_a_strange_one_are_kept(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log.jsonl", "step")
    good = '{"step": 1}\n{"ste\n{"step": 2}\n{"step": 2}\n\xff\n{"step": 5}\n'
    log.path.write_text(good + 'null\n{"step": 6}\n{"step": 3}\n')
    assert log.cut(5) == (5, 3, (2, 4, 5))
    assert log.path.read_text() == good


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    for name in ("log.jsonl", f"spec.{os.getpid()}.tmp"):
        (tmp_path / name).symlink_to("mine")
    with pytest.raises(WriteError, match=r"log\.jsonl: Too many levels of symbolic links"):
        JsonLines(tmp_path / "log.jsonl", "step").append({"step": 1})
    write_atomic(tmp_path / "spec", b"new")
    assert (tmp_path / "spec").read_bytes() == b"new"
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_result_leaves_links_devices_and_pipes_what_they_are(tmp_path: Path) -> None:
    link, pipe, device = tmp_path / "link", tmp_path / "pipe", tmp_path / "device"
    link.symlink_to("file")
    os.mkfifo(pipe)
    device.symlink_to(os.devnull)
    with ThreadPoolExecutor(1) as pool:
        received = pool.submit(pipe.read_bytes)
        for path in (link, pipe, device):
            check_place(path)
            write_result(path, b"result")
    assert received.result() == (tmp_path / "file").read_bytes() == link.read_bytes() == b"result"
    assert link.is_symlink()
    assert pipe.is_fifo()
    assert device.is_char_device()
    assert len(list(tmp_path.iterdir())) == 4


def test_a_device_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(WriteError, match=r"could not write .*full: No space left on device"):
        write_result(tmp_path / "full", b"result")


def test_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert JsonLines(tmp_path / "log.jsonl", "step").cut(5) == (0, 0, ())
    assert not (tmp_path / "log.jsonl").exists()


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log, write = JsonLines(tmp_path / "log.jsonl", "step"), os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: write(descriptor, content[:3]))
    log.append({"step": 1, "text": "whole"})
    log.close()
    assert json.loads(log.path.read_text()) == {"step": 1, "text": "whole"}


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "gone" / "log.jsonl", "step")
    with pytest.raises(WriteError, match=r"could not write .*log\.jsonl: No such file"):
        log.append({"step": 1})


def test_a_log_that_cannot_be_made_safe_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    log = JsonLines(tmp_path / "log.jsonl", "step")
    log.append({"step": 1})
    monkeypatch.setattr("bpcli.training.json_lines.os.fsync", fail)
    with pytest.raises(WriteError, match=r"could not write .*log\.jsonl: Input/output error"):
        log.sync()


def test_a_folder_in_the_place_of_a_file_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="Is a directory"):
        write_atomic(tmp_path, b"")


def test_only_temporary_files_are_swept(tmp_path: Path) -> None:
    for name in ("last.npz", "last.npz.123.tmp"):
        (tmp_path / name).write_bytes(b"")
    sweep(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["last.npz"]
