"""Batches made ahead: threads make those of the coming steps while the model works on this one.

Threads and not processes, since reading, OpenCV and NumPy's large operations let go of Python's lock, and a batch
then needs no copy from one process to another.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def made_ahead(make: Callable[[int], T], steps: range, workers: int) -> Generator[T, None, None]:
    """What `make` makes of each step, in order, up to `workers` steps ahead.

    Args:
        make: called once a step, from several threads at once where there are several workers; what it makes must
            depend on the step alone.
        steps: which.
        workers: threads; 0 = each is made when it is asked for.

    Yields:
        The results; close the iterator to stop the threads early.

    Raises:
        Exception: what `make` raised, when its step comes.
    """
    if workers == 0:
        yield from map(make, steps)
        return
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="loader") as pool:
        try:
            waiting.extend(pool.submit(make, step) for step in steps[:workers])
            for number in range(len(steps)):
                made = waiting.popleft().result()
                if number + workers < len(steps):
                    waiting.append(pool.submit(make, steps[number + workers]))
                yield made
        finally:
            for future in waiting:
                future.cancel()
