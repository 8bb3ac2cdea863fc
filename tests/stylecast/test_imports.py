"""Imports run one way, and nobody half-uses a foreign package called `data`."""

import ast
import importlib
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


@pytest.mark.parametrize("package", ORDER[1:])
def test_a_package_offers_names_at_its_root(package: str) -> None:
    root = importlib.import_module(package)
    assert root.__all__
    for name in root.__all__:
        found = getattr(root, name)
        assert found.__name__ == name
        assert found.__module__.startswith(f"{package}.")
        assert name in dir(root)
    # What type checkers are told is what is offered.
    block = next(n for n in ast.parse((ROOT / package / "__init__.py").read_text()).body if isinstance(n, ast.If))
    told = [name.name for line in block.body if isinstance(line, ast.ImportFrom) for name in line.names]
    assert sorted(told) == sorted(root.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Nothing'"):
        root.Nothing  # noqa: B018
    assert (ROOT / package / "py.typed").is_file()


def test_packages_and_help_import_nothing_heavy() -> None:
    told = f"import sys, {', '.join(ORDER)}, stylecast.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "pandas", "sklearn", "transformers", "mlflow"} & set(done.stdout.split())
