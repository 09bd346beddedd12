"""What holds for the program as a whole and for every command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bpcli.cli.exit_codes import ExitCode
from bpcli.cli.group import group
from bpcli.cli.registry import COMMANDS
from bpcli.errors import BpcliError
from .program import bpcli


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_neither_numpy_nor_rich_nor_yaml(option: str) -> None:
    code = (
        f"import sys; sys.argv = ['bpcli', {option!r}]\n"
        "from bpcli.__main__ import main\n"
        "assert main() == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "rich", "yaml"} & set(run.stderr.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_for_itself_and_its_options(name: str) -> None:
    command = group.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.help
    for parameter in command.params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.name  # type: ignore[attr-defined]
    run = bpcli(name, "--help")
    assert run.returncode == 0
    assert max(map(len, run.stdout.splitlines())) <= 80


def test_every_file_of_commands_is_registered() -> None:
    folder = Path(sys.modules["bpcli.cli"].__file__ or "").parent / "commands"
    assert {file.stem for file in folder.glob("*.py")} - {"__init__"} == set(COMMANDS)


def test_version() -> None:
    assert bpcli("--version").stdout == "bpcli 0.1.0\n"


def test_a_near_miss_is_named() -> None:
    run = bpcli("schma")
    assert run.returncode == ExitCode.USAGE
    assert "did you mean 'schema'?" in run.stderr
    assert run.stdout == ""


def test_errors_end_with_documented_exit_codes() -> None:
    def all_of(kind: type[BpcliError]) -> list[type[BpcliError]]:
        return [kind, *(one for child in kind.__subclasses__() for one in all_of(child))]

    assert all(kind.exit_code in set(ExitCode) for kind in all_of(BpcliError))
