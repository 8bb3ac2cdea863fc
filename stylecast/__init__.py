"""Stylecast: the styles in a feed of posts, and which of them gain or lose share."""

import importlib.util
from pathlib import Path

from stylecast.errors import UserError as UserError

__version__ = "0.1.0"

STAGES = ("data", "pretrain", "recall", "rank", "ensemble")


def _check_packages(root: Path) -> None:
    """Make sure that the stage packages are ours: `data` is a name that other projects use too.

    Raises:
        ImportError: a stage package is missing, or resolves to a folder outside of `root`.
    """
    for name in STAGES:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if found != root / name:
            raise ImportError(
                f"the package `{name}` resolves to {found or 'nothing'}, not to {root / name}: "
                f"another project shadows it. Run from a folder without a `{name}` of its own, or install "
                "Stylecast into an environment of its own (`pip install -e .[cpu]`)."
            )


_check_packages(Path(__file__).resolve().parents[1])
