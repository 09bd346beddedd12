"""What holds for the program as a whole and for every command."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from bpcli.cli import group as group_module
from bpcli.cli.environment import Environment
from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.group import group
from bpcli.cli.registry import COMMANDS
from bpcli.cli.run import run
from bpcli.errors import BpcliError

from .program import bpcli, checked, command, environment, inside

DOCS = Path(__file__).parents[2] / "docs" / "commands.md"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_neither_numpy_nor_rich_nor_yaml(option: str) -> None:
    code = (
        f"import sys; sys.argv = ['bpcli', {option!r}]\n"
        "from bpcli.__main__ import main\n"
        "assert main() == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "rich", "yaml"} & set(ended.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_itself_and_its_options(name: str) -> None:
    found = group.get_command(SimpleNamespace(), name)  # type: ignore[arg-type]
    assert found is not None
    assert found.help
    for parameter in found.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_its_own_options(name: str) -> None:
    sections = re.split(r"^## bpcli ", DOCS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert any(re.match(rf"{name}\b", section) for section in sections[1:])


def test_help_is_at_most_80_columns_wide(capfd: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        assert inside(name, "--help").returncode == 0
    assert max(map(len, capfd.readouterr().out.splitlines())) <= 80


def test_every_file_of_commands_is_registered() -> None:
    folder = Path(sys.modules["bpcli.cli"].__file__ or "").parent / "commands"
    assert {file.stem for file in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


def test_version(tmp_path: Path) -> None:
    assert bpcli("--version", folder=tmp_path).stdout == "bpcli 0.1.0\n"


def test_a_near_miss_is_named() -> None:
    ended = inside("trian")
    assert ended.returncode == ExitCode.USAGE
    assert "did you mean 'train'?" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [("train",), ("show",), ("show", "a", "b"), ("train", "x", "--seed", "-1"), ("--nothing",)],
)
def test_wrong_usage_says_how_to_get_help(arguments: tuple[str, ...]) -> None:
    ended = inside(*arguments)
    assert ended.returncode == ExitCode.USAGE
    assert "--help" in ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "x", "--seed", "x"),
        ("trace", "x", "--example", "x"),
        ("bench", "x", "--seconds", "x"),
        ("bench", "x", "--seconds", "nan"),
        ("predict", "x", "--temperature", "nan"),
    ],
)
def test_what_is_no_number_is_said_in_plain_words(arguments: tuple[str, ...]) -> None:
    ended = inside(*arguments)
    assert ended.returncode == ExitCode.USAGE
    assert re.search(r"'(x|nan)' is not a valid (integer|number)\.", ended.stderr)


def test_errors_end_with_documented_exit_codes() -> None:
    def all_of(kind: type[BpcliError]) -> list[type[BpcliError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in all_of(child))]

    assert all(kind.exit_code in set(ExitCode) for kind in all_of(BpcliError))
    table = DOCS.read_text(encoding="utf-8").split("## Exit codes")[1].split("\n## ")[0]
    documented = {int(n) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.M)
                  for n in row.split(",")}  # fmt: skip
    assert documented == set(ExitCode)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """`bpcli schema` has a bug."""

    @click.command()
    def command() -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(
        group_module, "import_module", lambda name: SimpleNamespace(command=command)
    )


def test_a_bug_is_owned_in_two_lines(broken: None) -> None:
    for variables, lines in (({}, 2), ({"BPCLI_TRACEBACK": "1"}, None)):
        err = io.StringIO()
        assert run(["schema"], Environment(io.StringIO(), err, variables)) == ExitCode.BUG
        assert "ZeroDivisionError" in err.getvalue()
        assert ("Traceback" in err.getvalue()) == (lines is None)
        assert lines is None or len(err.getvalue().splitlines()) == lines


def test_a_reader_who_leaves_early_is_no_error(folder: Path) -> None:
    with subprocess.Popen(
        command("schema"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.wait(timeout=60) == ExitCode.BROKEN_PIPE
        assert process.stderr.read() == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", ["schema", "--help", "show small.yaml"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_results_that_cannot_be_written_are_an_error(
    folder: Path, arguments: str, unbuffered: str
) -> None:
    """With Python's buffer, and without, as containers often set it."""
    shell = f"{' '.join(command(*arguments.split()))} >/dev/full"
    variables = environment(PYTHONUNBUFFERED=unbuffered)
    ended = subprocess.run(
        ["bash", "-c", shell], cwd=folder, env=variables, capture_output=True, text=True
    )
    assert ended.returncode == ExitCode.WRITE
    assert ended.stderr == "Error: could not write the results: No space left on device\n"


def test_closed_streams_do_no_harm(folder: Path) -> None:
    shell = f"{' '.join(command('show', 'small.yaml'))} 2>&- >&-; exit $?"
    ended = subprocess.run(["bash", "-c", shell], cwd=folder, env=environment())
    assert ended.returncode == ExitCode.WRITE


def test_control_characters_of_the_input_do_not_reach_the_terminal(folder: Path) -> None:
    checked(inside("show", "no\x1b[31mfile.yaml"))
    checked(inside("show", "small.yaml", "--set", "name=a\x1b[2Jb"))
    checked(inside("train", "small.yaml", "--set", 'network.0.dense.name="a\\eb"'))


@pytest.mark.parametrize(
    "command", [("diagnose",), ("report", "runs", "--html"), ("train", "a.yaml")]
)
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, command: tuple[str, ...]) -> None:
    name = "a" * 300
    (tmp_path / "a.yaml").write_text(f"data: {{path: {name}.csv}}\nnetwork: [relu]\nloss: mse\n")
    ended = bpcli(*command, *(() if "train" in command else (name,)), folder=tmp_path)
    assert ended.returncode in (2, 4, 5)
    assert "Traceback" not in ended.stderr
    assert "a bug" not in ended.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("diagnose", "small.yaml", "--fix"),
        ("diagnose", "small.yaml", "--html"),
        ("diagnose", "small.yaml", "--plot"),
        ("report", "runs/small/1", "--html"),
        ("predict", "runs/small/1", "--output"),
    ],
)
@pytest.mark.parametrize("name", ["nowhere/a.svg", "", "a.svg", "a" * 300 + ".svg"])
def test_what_could_not_be_written_is_refused_before_the_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...], name: str
) -> None:
    if command[-1] == "--plot":
        pytest.importorskip("matplotlib")
    Path("a.svg").mkdir()
    for work in ("bpcli.diagnosis.probe.diagnose_spec", "bpcli.training.RunDirectory.open"):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("work was done"))
    ended = inside(*command, name)
    assert ended.returncode in (2, 5)
    assert "a bug" not in ended.stderr


def test_completing_a_command_touches_no_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bpcli.training.files.check_place", lambda _: pytest.fail("it was touched"))
    line = ["diagnose", "small.yaml", "--html", "a.html", "--fix", "b.yaml"]
    with group.make_context("bpcli", line, resilient_parsing=True) as context:
        found = group.get_command(context, "diagnose")
        assert found is not None
        found.make_context("diagnose", line[1:], parent=context, resilient_parsing=True)


@pytest.mark.parametrize("descriptors", [9, 12])
def test_a_system_that_gives_no_more_files_is_no_bug(folder: Path, descriptors: int) -> None:
    limit = f'ulimit -n {descriptors}; exec "$@"'
    arguments = command("sweep", "small.yaml", "--vary", "seed=0,1")
    ended = subprocess.run(["sh", "-c", limit, "sh", *arguments], capture_output=True, text=True)
    assert ended.returncode == 5
    assert ended.stderr == "Error: Too many open files\n"


def test_ctrl_c_while_a_module_is_imported_is_no_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def command() -> None:
        raise RuntimeError("Error calling __set_name__") from KeyboardInterrupt()

    monkeypatch.setattr(
        group_module, "import_module", lambda name: SimpleNamespace(command=command)
    )
    assert inside("schema").returncode == ExitCode.INTERRUPTED


def test_a_folder_that_is_gone_is_no_bug(folder: Path, tmp_path: Path) -> None:
    spec, runs = tmp_path.absolute() / "small.yaml", tmp_path.absolute() / "elsewhere"
    gone = tmp_path / "gone"
    gone.mkdir()
    enter = f'cd {gone}; rmdir {gone}; exec "$@"'
    arguments = command("train", spec, "--quiet", "--runs", runs)
    ended = subprocess.run(["sh", "-c", enter, "sh", *arguments], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert str(runs / "small" / "1") in ended.stdout
