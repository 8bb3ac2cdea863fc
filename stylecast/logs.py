"""What a person sees while a stage runs: plain log lines, and progress bars on a terminal."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
LINE = "%(asctime)s %(levelname).1s %(name)s: %(message)s"
PACKAGES = ("stylecast", "data", "pretrain", "recall", "rank", "ensemble")
SECONDS_A_LINE = 30.0  # a file or a CI log gets a line now and then, not thousands of redraws
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
    handler = logging.FileHandler(path, encoding="utf-8", delay=True)
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
    """Go through items with a bar (rate, remaining time) on a terminal, a line every half minute otherwise.

    Args:
        items: what to go through.
        what: the label of the bar.
        total: number of items, where `len` cannot tell.
        unit: name of one item.

    Yields:
        The items.
    """
    if not log.isEnabledFor(logging.INFO):
        yield from items
    elif sys.stderr.isatty():
        with tqdm(items, desc=what, total=total, unit=unit, leave=False, delay=0.5, dynamic_ncols=True) as bar:
            yield from bar
    else:
        yield from _in_lines(items, what, total, unit)


def _in_lines(items: Iterable[T], what: str, total: int | None, unit: str) -> Iterator[T]:
    count = total if total is not None else len(items) if isinstance(items, Sized) else None
    started = told = time.monotonic()
    for done, item in enumerate(items):
        now = time.monotonic()
        if now - told >= SECONDS_A_LINE:
            told = now
            rate = done / (now - started)
            left = f"/{count}, {(count - done) / max(rate, 1e-9):.0f} s left" if count else ""
            log.info("%s: %d%s, %.1f %s/s", what, done, left, rate, unit)
        yield item
