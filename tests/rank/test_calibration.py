import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rank.calibration import Calibration, scale_of


def test_interval_by_hand() -> None:
    # Nine errors -4..4 of one scale: at 80% the ends are the smallest and largest, floor(10 * 0.1) = 1.
    share = np.full(9, 0.5)
    half = np.full(9, 1e-4)
    scale = scale_of(share, half, 0.0)
    assert scale[0] == pytest.approx(np.sqrt((0.25 + 1e-4) * 2e-4))
    calibration = Calibration(0.0, np.arange(-4.0, 5.0))
    lower, upper = calibration.interval(np.array([0.5, 0.0]), 1e-4)
    assert lower[0] == pytest.approx(0.5 - 4 * scale[0])
    assert upper[0] == pytest.approx(0.5 + 4 * scale[0])
    assert lower[1] == 0.0
    lower, upper = calibration.interval(np.array([0.5]), 1e-4, level=0.5)
    assert upper[0] == pytest.approx(0.5 + 3 * scale[0])  # floor(10 * 0.25) = 2: the second largest


def test_classes_by_hand() -> None:
    # Reference and forecast 0.5; a fall by more than a tenth is down, a rise by more than a tenth is up.
    scale = scale_of(np.array([0.5]), 1e-6, 0.0)[0]
    calibration = Calibration(0.0, np.array([-0.2, -0.01, 0.0, 0.01]) / scale)
    told = calibration.classes(np.array([0.5]), np.array([0.5]), 1e-6, (np.log(0.9), np.log(1.1)))
    assert told[0] == pytest.approx(np.array([1 + 1 / 3, 3 + 1 / 3, 1 / 3]) / 5)


def drawn(spread: float) -> tuple[float, float, float]:
    """Coverage of new cells, of the large ones alone, and the move that was found; truths move by `spread`."""
    rng = np.random.default_rng(3)
    share = rng.dirichlet(np.full(40, 0.3), 100).ravel()
    half = np.full(len(share), 0.5 / 800)
    moved = share * np.exp(rng.normal(0, spread, len(share)))
    truth = rng.binomial(800, np.clip(moved, 0, 1)) / 800
    calibration = Calibration.fit(truth[::2], share[::2], half[::2])
    lower, upper = calibration.interval(share[1::2], half[1::2])
    held = (truth[1::2] >= lower) & (truth[1::2] <= upper)
    return float(held.mean()), float(held[share[1::2] > 0.02].mean()), calibration.move


def test_new_cells_are_covered_as_often_as_told() -> None:
    still, restless = drawn(0.0), drawn(0.5)
    for everywhere, large, _ in (still, restless):
        assert 0.76 < everywhere < 0.9
        assert 0.7 < large < 0.9
    assert restless[2] > still[2]


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 9999), st.integers(1, 50), st.floats(0.5, 0.99))
def test_always_a_sound_interval_and_probabilities(seed: int, cells: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 1.0, 0.3, 1e-7], cells) * rng.uniform(0, 1, cells)
    truth, half = rng.uniform(0, 1, cells) * rng.integers(0, 2, cells), rng.choice([0.5, 1e-3, 1e-8], cells)
    calibration = Calibration.fit(truth, share, half)
    lower, upper = calibration.interval(share, half, level)
    assert ((lower >= 0) & (lower <= share) & (share <= upper) & (upper <= 1)).all()
    low, high = sorted(rng.normal(0, 1, 2))
    told = calibration.classes(share, rng.uniform(0, 1, cells), half, (np.full(cells, low), np.full(cells, high)))
    assert (told > 0).all()
    assert told.sum(axis=1) == pytest.approx(np.ones(cells))


def test_no_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Calibration.fit(np.zeros(0), np.zeros(0), np.zeros(0))
