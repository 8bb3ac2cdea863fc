"""Imports run one way, and nobody half-uses a foreign package called `data`."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ORDER = ["stylecast", "data", "pretrain", "recall", "rank", "ensemble"]


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_from_those_before_it(package: str) -> None:
    later = set(ORDER[ORDER.index(package) + 1 :])
    files = sorted((ROOT / package).glob("**/*.py"))
    assert files
    for path in files:
        if path == ROOT / "stylecast" / "__main__.py":
            continue
        assert not imported(path) & later, f"{path.relative_to(ROOT)} imports {imported(path) & later}"


def test_a_folder_is_one_level_deep() -> None:
    for package in ORDER:
        assert not [p for p in (ROOT / package).glob("*/*.py")], package


def test_a_foreign_data_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "__init__.py").write_text("")
    done = subprocess.run([sys.executable, "-c", "import stylecast"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "another project shadows it" in done.stderr
