"""The command line: help of every command, errors in one line with exit code 2, recipes and stored configs."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from stylecast.__main__ import COMMANDS, main
from stylecast.cli import parse, run_stage
from stylecast.errors import UserError


@dataclass(frozen=True)
class Inner:
    """Nested settings."""

    lr: float = 0.1
    """Learning rate."""


@dataclass(frozen=True)
class ToyConfig:
    """A toy stage."""

    out: Path = Path("runs/toy")
    """Folder of the result."""
    epochs: int = 3
    """Passes over the data."""
    loop: Inner = field(default_factory=Inner)
    """How to train."""


RECIPES = {"long": lambda: ToyConfig(epochs=100)}


def test_flags_change_a_recipe_and_a_stored_config(tmp_path: Path) -> None:
    config, _ = parse(ToyConfig, RECIPES, "toy", "", ["--recipe", "long", "--loop.lr", "0.5"])
    assert config == ToyConfig(epochs=100, loop=Inner(0.5))
    stored = tmp_path / "config.json"
    stored.write_text(json.dumps({"epochs": 7, "loop": {"lr": 0.2}}))
    config, common = parse(ToyConfig, RECIPES, "toy", "", ["--config", str(stored), "--out", "x", "-q"])
    assert config == ToyConfig(Path("x"), 7, Inner(0.2))
    assert common.quiet


def test_unknown_recipes_and_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--recipe short: unknown; there are: long"):
        parse(ToyConfig, RECIPES, "toy", "", ["--recipe", "short"])
    stored = tmp_path / "config.json"
    stored.write_text(json.dumps({"epoch": 7}))
    with pytest.raises(UserError, match="epoch"):
        parse(ToyConfig, RECIPES, "toy", "", ["--config", str(stored)])


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--epoch", "5"], "Unrecognized options: --epoch, 5; perhaps you meant --epochs"),
        (["--epochs", "many"], "Error parsing --epochs: invalid literal for int() with base 10: 'many'"),
        (["--epochs"], "Missing value for argument '--epochs'. Expected 1 values"),
        (["x.csv"], "Unrecognized options: x.csv"),
    ],
)
def test_a_wrong_flag_is_one_line_and_exit_code_2(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_stage(lambda c: None, ToyConfig, prog="toy", description="", args=args) == 2
    assert capsys.readouterr().err == f"stylecast: error: {told}; see toy --help\n"


def test_a_users_error_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    def fails(config: ToyConfig) -> None:
        raise UserError("posts.csv: row 3: no date; write YYYY-MM-DD")

    assert run_stage(fails, ToyConfig, prog="toy", description="", args=[]) == 2
    assert capsys.readouterr().err == "stylecast: error: posts.csv: row 3: no date; write YYYY-MM-DD\n"
    assert run_stage(fails, ToyConfig, prog="toy", description="", args=["-v"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_programming_error_is_not_hidden() -> None:
    def fails(config: ToyConfig) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_stage(fails, ToyConfig, prog="toy", description="", args=[])


def test_processes_are_refused_where_nothing_trains(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_stage(lambda c: None, ToyConfig, prog="toy", description="", args=["--nproc", "2"]) == 2
    assert "--nproc 2" in capsys.readouterr().err


READERS = ("features", "serve")
"""Commands that write nothing."""


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_settings_and_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    told = capsys.readouterr().out
    assert ("--out" in told) == (command not in READERS)
    assert "(default:" in told
    assert "--recipe" in told


def test_unknown_commands_and_flags_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    for args in (["nonsense"], ["prepare", "x.csv", "--nonsense"], []):
        with pytest.raises(SystemExit) as stopped:
            main(args)
        assert stopped.value.code == 2


def test_help_without_a_command_does_not_wait_for_torch() -> None:
    code = "import sys; from stylecast.__main__ import usage; usage(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
