"""`bpcli explain` and completion: every page, and every spec that a page tells to run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bpcli.diagnosis.rules import RULES, Rule
from bpcli.ideas import Idea, find_idea, ideas, parse_idea
from bpcli.report.reference import reference

from .program import bpcli, environment, inside, results, strict_json

FOLDER = Path(sys.modules["bpcli.ideas"].__file__ or "").parent


FINDINGS = [rule.name for rule in RULES]


def test_everything_is_listed() -> None:
    found = results("explain")
    assert [each["name"] for each in found["findings"]] == FINDINGS
    pages = {file.stem for file in FOLDER.glob("*.md")}
    assert {each["name"] for each in found["ideas"]} == pages - set(FINDINGS)
    assert pages & set(FINDINGS) == {"vanishing-gradient", "exploding-gradient"}


@pytest.mark.parametrize("name", ["", *(idea.name for idea in ideas()), *FINDINGS])
def test_pages_fit_80_columns(name: str) -> None:
    ended = inside("explain", *([name] if name else []))
    assert ended.returncode == 0
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "…" not in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "rule", [rule for rule in RULES if rule.name != "wrong-gradient"], ids=lambda rule: rule.name
)
def test_the_spec_of_a_finding_shows_it(rule: Rule, tmp_path: Path) -> None:
    """As a finding of its own, or as what follows from another one."""
    spec = inside("explain", rule.code, "--spec").stdout
    ended = bpcli("diagnose", "-", "--format", "json", stdin=spec, folder=tmp_path)
    found = strict_json(ended.stdout)["findings"]
    hence = [name for each in found for name in each["evidence"].get("symptoms", [])]
    assert rule.name in [*(each["name"] for each in found), *hence]


@pytest.mark.parametrize("idea", ideas(), ids=lambda idea: idea.name)
def test_what_a_page_tells_to_run_runs(idea: Idea, tmp_path: Path) -> None:
    text = inside("explain", idea.name).stdout
    assert f"bpcli explain {idea.name} --spec |\n    {idea.command}\n" in text
    spec = inside("explain", idea.name, "--spec").stdout
    arguments = idea.command.split()
    assert arguments[0] == "bpcli"
    ended = bpcli(*arguments[1:], stdin=spec, folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout


def test_the_page_of_normalisation_shows_the_growth_that_it_tells_of(tmp_path: Path) -> None:
    """ln(π / (π - 1)) / 2 nats a layer."""
    idea = find_idea("normalization")
    assert idea is not None
    arguments = [*idea.command.split()[1:], "--format", "json"]
    found = bpcli(*arguments, stdin=idea.spec, folder=tmp_path)
    assert strict_json(found.stdout)["flow"]["gradient_slope"] == pytest.approx(0.1916, abs=0.03)


def test_biases_that_saturate_are_the_cause_and_their_removal_the_cure(tmp_path: Path) -> None:
    """The gradient vanishes too, and not because the weights were too small."""
    spec = inside("explain", "saturated-units", "--spec").stdout
    arguments = ("diagnose", "-", "--no-train", "--format", "json")
    ended = bpcli(*arguments, stdin=spec, folder=tmp_path)
    found = strict_json(ended.stdout)["findings"][0]
    assert (found["name"], found["cause"]) == ("vanishing-gradient", "large-bias")
    assert found["remedies"][0]["description"] == "start the biases at zero"


def test_the_page_of_findings_is_fresh() -> None:
    page = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
    assert page == reference(), "python -m bpcli.report.reference > docs/findings.md"


def test_a_page_that_lacks_a_section() -> None:
    with pytest.raises(ValueError, match="expected the sections"):
        parse_idea("# a: b\n\ntext\n\n## Formula\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("chain-rul",), "did you mean 'chain-rule'?"),
        (("BP001", "--spec"), "it takes a layer of one's own"),
        (("chain-rul", "--spec"), "did you mean 'chain-rule'?"),
        (("zzz",), "`bpcli explain` lists all"),
    ],
)
def test_what_there_is_not(arguments: tuple[str, ...], message: str) -> None:
    ended = inside("explain", *arguments)
    assert ended.returncode == 2
    assert message in ended.stderr


def completed(folder: Path, *words: str) -> list[str]:
    """What bash is offered for the last of the words."""
    line = " ".join(["bpcli", *words])
    ended = subprocess.run(
        [sys.executable, "-m", "bpcli"], cwd=folder, capture_output=True, text=True, check=False,
        env=environment(_BPCLI_COMPLETE="bash_complete", COMP_WORDS=line,
                        COMP_CWORD=str(len(words))),
    )  # fmt: skip
    assert ended.stderr == ""
    return [line.partition(",")[2] for line in ended.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("tra",), ["trace", "train"]),
        (("explain", "van"), ["vanishing-gradient", "vanishing-activation"]),
        (("explain", "norm"), ["normalisation"]),
        (("new", "sp"), ["spirals"]),
        (("train", "sm"), ["small.yaml"]),
        (("diagnose", "small.yaml", "--ignore", "dead"), ["dead-units"]),
        (("trace", "small.yaml", "--unit", "de"), ["dense_1.", "dense_2."]),
        (("trace", "small.yaml", "--layer", "de"), ["dense_1", "dense_2"]),
        (("trace", "none.yaml", "--unit", "de"), []),
    ],
)
def test_the_shell_completes(folder: Path, words: tuple[str, ...], expected: list[str]) -> None:
    assert sorted(completed(folder, *words)) == sorted(expected)
