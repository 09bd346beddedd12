"""Nothing that a spec, a data file or a checkpoint says can run code; only --layers does."""

from __future__ import annotations

import ast
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli.program import bpcli, environment, write_spec

ROOT = Path(__file__).parents[2] / "bpcli"
FORBIDDEN_IMPORTS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
# where an import by name or a file of the user's is the purpose
MAY_EXECUTE = {"layers_file.py"}


def calls(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            found.append(function.id if isinstance(function, ast.Name) else ast.unparse(function))
    return found


@pytest.mark.parametrize("file", sorted(ROOT.rglob("*.py")), ids=lambda f: str(f.relative_to(ROOT)))
def test_the_source_runs_nothing_that_it_reads(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not FORBIDDEN_IMPORTS & {name.split(".")[0] for name in names}
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant)
            assert node.value.value is False
    used = calls(tree)
    if file.name not in MAY_EXECUTE:
        assert not FORBIDDEN_CALLS & set(used)
    assert not {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "os.system", "os.popen"} & set(
        used
    )


AUDITED = """\
import sys
from bpcli.__main__ import main
seen = []
def hook(event, arguments):
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect"):
        seen.append(event)
    if event == "import" and "evil" in str(arguments[0]):
        seen.append("import evil")
    if event == "pickle.find_class":
        seen.append("pickle")
sys.addaudithook(hook)
code = main()
sys.stderr.write(f"AUDIT {seen}\\n")
sys.exit(code)
"""


def audited(folder: Path, *arguments: str) -> tuple[int, str]:
    script = folder / "audited.py"
    script.write_text(AUDITED)
    run = subprocess.run(
        [sys.executable, str(script), *arguments],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in run.stderr
    return run.returncode, run.stderr


class Evil:
    """What a pickle could do."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (__import__, ("evil",))


def evil_files(folder: Path) -> None:
    (folder / "evil.py").write_text("open('/tmp/bpcli-was-here', 'w')\n")
    np.savez(folder / "evil.npz", x=np.array([Evil()], dtype=object), y=np.zeros(1))
    (folder / "evil.csv").write_bytes(pickle.dumps(Evil()))


@pytest.mark.parametrize(
    "data",
    [
        "data: {path: evil.npz}",
        "data: {path: evil.csv}",
        "data: !!python/object/apply:os.system ['true']",
        "data: {path: !!python/name:evil.x }",
        "data: {generate: evil}",
        "data: {generate: __import__('evil')}",
    ],
)
def test_specs_and_data_run_nothing(tmp_path: Path, data: str) -> None:
    evil_files(tmp_path)
    spec = write_spec(tmp_path, f"{data}\nnetwork: [{{dense: 2}}]\nloss: cross_entropy\n")
    code, said = audited(tmp_path, "train", str(spec))
    assert code == 2
    assert "AUDIT []" in said


def test_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    evil_files(tmp_path)
    spec = write_spec(tmp_path)
    assert bpcli("train", spec, "-q", folder=tmp_path).returncode == 0
    checkpoints = tmp_path / "runs" / "xor" / "1" / "checkpoints"
    for file in checkpoints.iterdir():
        file.write_bytes((tmp_path / "evil.npz").read_bytes())
    code, said = audited(tmp_path, "evaluate", "runs/xor/1")
    assert code == 2
    assert "damaged" in said
    assert "AUDIT []" in said


def test_a_layers_file_is_the_one_exception(tmp_path: Path) -> None:
    (tmp_path / "layers.py").write_text("raise RuntimeError('this file was run')\n")
    run = bpcli("train", write_spec(tmp_path), "--layers", tmp_path / "layers.py", folder=tmp_path)
    assert run.returncode == 2
    assert "this file was run" in run.stderr


@pytest.mark.parametrize("name", ["../../../up", "/etc/x", "a/b", "..", "\u202e", "x" * 500])
def test_a_name_cannot_leave_the_runs_folder(tmp_path: Path, name: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    spec = write_spec(inner)
    run = bpcli("train", spec, "--set", f"name='{name}'", "-q", folder=inner)
    assert run.returncode in (0, 2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["inner"]
    made = list(inner.glob("runs/*/*/spec.yaml"))
    assert len(made) == (run.returncode == 0)
