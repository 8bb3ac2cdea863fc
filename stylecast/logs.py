"""What a person sees while a stage runs: plain log lines, and progress bars on a terminal."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
PACKAGES = ("stylecast", "data", "pretrain", "recall", "rank", "ensemble")
log = logging.getLogger(__name__)


def set_up_logging(verbosity: int = 0, is_main: bool = True) -> None:
    """Send the log of our packages to stderr; the level follows -q and -v.

    Args:
        verbosity: -1 shows warnings only, 0 also what the stages say, 1 everything.
        is_main: false on ranks above 0, which speak up only when something is wrong.
    """
    level = {-1: logging.WARNING, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    if not root.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s" if verbosity <= 0 else LINE))
        root.addHandler(handler)
    for name in PACKAGES:
        logging.getLogger(name).setLevel(level if is_main else logging.ERROR)


@contextmanager
def log_to_file(path: Path) -> Iterator[None]:
    """Append what our packages log to a file while the block runs, errors with their traceback."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter(LINE))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    except BaseException:
        log.debug("stopped by an error", exc_info=True)
        raise
    finally:
        root.removeHandler(handler)
        handler.close()


def progress(items: Iterable[T], what: str, total: int | None = None, unit: str = "it") -> Iterator[T]:
    """Go through items with a bar (rate, remaining time) on a terminal, plain lines otherwise.

    Args:
        items: what to go through.
        what: the label of the bar.
        total: number of items, where `len` cannot tell.
        unit: name of one item.

    Yields:
        The items.
    """
    quiet = not log.isEnabledFor(logging.INFO)
    terminal = sys.stderr.isatty()
    # A file or a CI log gets a line every half minute, not thousands of redraws.
    seconds = 0.2 if terminal else 30.0
    with tqdm(
        items, desc=what, total=total, unit=unit, disable=quiet, mininterval=seconds,
        ascii=not terminal, leave=False, delay=0.5 if terminal else 30.0, dynamic_ncols=terminal,
        bar_format=None if terminal else "{desc}: {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]\n",
    ) as bar:  # fmt: skip
        yield from bar
