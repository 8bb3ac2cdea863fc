"""Batches made ahead: in order, no further ahead than asked, errors at their step, stopped when nobody asks."""

import threading

import pytest

from stylecast.loader import made_ahead


@pytest.mark.parametrize("workers", [0, 1, 3, 50])
def test_results_come_in_order_and_each_is_made_once(workers: int) -> None:
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        return step * step

    assert list(made_ahead(make, range(5, 25), workers)) == [step * step for step in range(5, 25)]
    assert sorted(made) == list(range(5, 25))
    assert list(made_ahead(make, range(3, 3), workers)) == []


def test_threads_work_at_once_but_not_too_far_ahead() -> None:
    started, go = [], threading.Event()
    both = threading.Barrier(3, timeout=10)

    def make(step: int) -> int:
        started.append(step)
        if step < 2:
            both.wait()  # passes only if two threads stand here, and the test
        else:
            go.wait(10)
        return step

    loader = made_ahead(make, range(100), 2)
    waiting = threading.Thread(target=both.wait)
    waiting.start()
    assert next(loader) == 0
    waiting.join()
    go.set()
    loader.close()
    assert set(started) <= {0, 1, 2}


def test_an_error_comes_at_its_step_and_ends_the_threads() -> None:
    made: list[int] = []

    def make(step: int) -> int:
        made.append(step)
        if step == 3:
            raise ValueError("step 3")
        return step

    loader = made_ahead(make, range(100), 2)
    assert [next(loader) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="step 3"):
        next(loader)
    assert max(made) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loader")]
