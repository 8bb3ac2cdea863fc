"""The documentation holds: commands and flags exist, links lead somewhere, every page has its place."""

import importlib
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from stylecast.__main__ import COMMANDS, main
from stylecast.cli import parse
from tests.docs.reading import DOCS, PAGES, ROOT, Shown, bare_flags, links, of_stylecast, shown_commands, words_of

MODULES = {command.module: name for name, command in COMMANDS.items()}
SHOWN = [shown for page in PAGES for shown in shown_commands(page)]
OURS = [(shown, *found) for shown in SHOWN if (found := of_stylecast(shown, MODULES))]
WHOLE = [(shown, name, flags) for shown, name, flags in OURS if shown.whole and "--help" not in flags]
FOREIGN = {"--build-arg", "--format", "--nnodes"}
"""Flags that pages name and other programs have: podman, torchrun."""


def _id(value: object) -> str:
    return value.place if isinstance(value, Shown) else ""


@cache
def flags_of(name: str) -> frozenset[str]:
    """Every flag in the help of a command."""
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdout.write", told.append)
        with pytest.raises(SystemExit):
            main([name, "--help"])
    return frozenset(re.findall(r"(?<![\w-])(--?[a-z][\w.-]*)", "".join(told)))


@pytest.mark.parametrize(("shown", "name", "flags"), OURS, ids=_id)
def test_commands_and_their_flags_exist(shown: Shown, name: str, flags: list[str]) -> None:
    assert name in COMMANDS, shown.place
    asked = {flag.partition("=")[0] for flag in flags if re.match(r"--?[a-z]", flag)}
    assert asked <= flags_of(name) | {"--help"}, f"{shown.place}: no flag {sorted(asked - flags_of(name))}"


@pytest.mark.parametrize(("shown", "name", "flags"), WHOLE, ids=_id)
def test_commands_in_blocks_parse(shown: Shown, name: str, flags: list[str]) -> None:
    command = COMMANDS[name]
    recipes = importlib.import_module(command.recipes).RECIPES if command.recipes else {}
    cls = getattr(importlib.import_module(command.module), command.config)
    config, _ = parse(cls, recipes, name, "", flags)
    assert isinstance(config, cls)


def flags_of_script(path: Path) -> set[str]:
    """Flags of a script that makes them out of the fields of its config."""
    fields = re.findall(r"^    (\w+): (bool)?", path.read_text(encoding="utf-8"), re.MULTILINE)
    signs = [(name, sign) for name, is_bool in fields for sign in (("", "no-") if is_bool else ("",))]
    return {f"--{sign}{name.replace('_', '-')}" for name, sign in signs}


def test_flags_named_alone_belong_to_a_command() -> None:
    known = FOREIGN.union(*map(flags_of, COMMANDS), *map(flags_of_script, (ROOT / "benchmarks").glob("*.py")))
    known |= {flag[: flag.index(".") + 1] for flag in known if "." in flag}  # `--recall.`: what begins so
    unknown = {f"{page.relative_to(ROOT)}: {flag}" for page in PAGES for flag in bare_flags(page) if flag not in known}
    assert not unknown


def test_make_targets_and_scripts_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for shown in SHOWN:
        program, *rest = shown.args
        if program == "make" and rest:
            assert rest[0] in targets, shown.place
        script = next((word for word in shown.args[:2] if word.endswith((".py", ".sh"))), "")
        if script.startswith(("benchmarks/", "docs/", "examples/")):
            assert (ROOT / script).is_file(), shown.place
            if script.endswith(".py"):
                asked = {word.partition("=")[0] for word in rest if word.startswith("--")}
                assert asked <= flags_of_script(ROOT / script), shown.place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        path = target.partition("#")[0]
        assert not path or (page.parent / path).exists(), f"{page.relative_to(ROOT)}: {target}"


def _entries(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav if isinstance(nav, list) else list(nav.values())  # type: ignore[attr-defined]
    return [entry for part in parts for entry in _entries(part)]


def test_every_page_has_one_place_in_the_nav() -> None:
    entries = _entries(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"])
    assert sorted(entries) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES if DOCS in page.parents)


def test_every_picture_is_shown_and_small() -> None:
    shown = {(page.parent / target).resolve() for page in PAGES for target in links(page)}
    pictures = [path for path in DOCS.rglob("*") if path.suffix in {".png", ".svg", ".jpg", ".webp"}]
    assert set(pictures) <= shown
    assert all(path.stat().st_size < 500_000 for path in pictures)


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {Requirement(line).name for lines in lists for line in lines} - {"stylecast"}
    told = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    assert {name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", told)} == set()


def test_the_reader_of_pages_reads() -> None:
    """The reader of this test finds what stands in a line, and leaves no command out."""
    assert words_of("A=1 stylecast run x.csv --out y  # why") == [["stylecast", "run", "x.csv", "--out", "y"]]
    assert words_of('stylecast search r "碎花 裙" | head') == [["stylecast", "search", "r", "碎花 裙"], ["head"]]
    names = {name for _, name, _ in OURS}
    assert names == set(COMMANDS)
    assert len(WHOLE) > 40
