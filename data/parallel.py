"""Pure functions over the parts of a corpus, in several processes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from stylecast.logs import progress

A = TypeVar("A")
B = TypeVar("B")


def in_parallel(function: Callable[[A], B], items: list[A], workers: int, what: str) -> Iterator[B]:
    """Apply a pure function to each item, in order, over processes; in this one when there is little to do."""
    if workers <= 1 or len(items) <= 1:
        yield from (function(item) for item in progress(items, what, unit="part"))
        return
    # spawn: a fork of a process that already runs threads (torch, BLAS) may hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        # A bounded window: with a million pictures, results must not pile up in memory.
        waiting = iter(items)
        running = [pool.submit(function, item) for item in islice(waiting, 2 * workers)]
        for _ in progress(items, what, unit="part"):
            done = running.pop(0).result()
            running += [pool.submit(function, item) for item in islice(waiting, 1)]
            yield done
