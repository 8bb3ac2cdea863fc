"""The container files: what a linter says, what they install, and that the server can be asked how it is."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from ensemble.serve import ServeConfig
from stylecast.cli import parse

ROOT = Path(__file__).resolve().parents[2]
FILES = [ROOT / "Containerfile", ROOT / "Containerfile.gpu"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def list_of(text: str, instruction: str) -> list[str]:
    """The words of the last instruction in its JSON form."""
    return shlex.split(re.findall(rf"^ *{instruction} \[(.*)\]$", text, re.MULTILINE)[-1].replace(",", " "))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_linter_finds_nothing(file: Path) -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_they_install_what_the_project_asks_for(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.findall(r'"(torch[^"]*)"', text) == [
        line for line in PROJECT["project"]["dependencies"] if "torch" in line
    ]
    extras = re.findall(r'"/src\[([^\]]+)\]"', text)[0].split(",")
    assert set(extras) == {"serve", "gpu" if file.suffix == ".gpu" else "cpu"}
    assert set(extras) <= set(PROJECT["project"]["optional-dependencies"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_they_serve_as_somebody_who_owns_nothing(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert re.findall(r"^USER (\S+)$", text, re.MULTILINE) == ["10001"]
    name, *flags = list_of(text, "CMD")
    assert (list_of(text, "ENTRYPOINT"), name) == (["stylecast"], "serve")
    config, _ = parse(ServeConfig, {}, "stylecast serve", "", flags)
    assert (config.host, config.port) == ("0.0.0.0", int(re.findall(r"^EXPOSE (\d+)$", text, re.MULTILINE)[0]))
    assert f"127.0.0.1:{config.port}/health" in text


def test_images_are_built_from_every_package_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    taken = {line[1:] for line in lines if line.startswith("!")}
    packages = set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"])
    assert "*" in lines
    assert taken == packages | {"pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]}
