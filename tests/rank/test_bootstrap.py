"""Intervals by the pigeonhole bootstrap, against slow loops and worked by hand."""

import numpy as np
import pytest

from rank import bootstrap


def slow(error_OS: np.ndarray, rung_OS: np.ndarray, use_OS: np.ndarray, draws: int, seed: int) -> list[float]:
    """The skill of each draw, cell by cell."""
    told = []
    for origin_DO, style_DS in bootstrap.draw_counts(*use_OS.shape, draws, seed):
        for origin_O, style_S in zip(origin_DO, style_DS, strict=True):
            mine = rung = 0.0
            for o, times in enumerate(origin_O):
                for s, more in enumerate(style_S):
                    if use_OS[o, s]:
                        mine += times * more * error_OS[o, s]
                        rung += times * more * rung_OS[o, s]
            told.append(1 - mine / rung)
    return told


def test_as_slow_loops() -> None:
    rng = np.random.default_rng(3)
    error_MOS, rung_OS = rng.uniform(0, 1, (2, 4, 5)), rng.uniform(0.5, 1.5, (4, 5))
    use_OS = rng.uniform(size=(4, 5)) < 0.8
    assert use_OS.any(axis=0).all()
    assert use_OS.any(axis=1).all()
    low_M, high_M = bootstrap.skill_interval(error_MOS, rung_OS, use_OS, draws=60, seed=7)
    for number in range(2):
        ends = np.quantile(slow(error_MOS[number], rung_OS, use_OS, 60, 7), [0.025, 0.975])
        assert [low_M[number], high_M[number]] == pytest.approx(ends)


def test_by_hand() -> None:
    """Two styles, one origin: both drawn alike or one twice; in a quarter of the draws each style stands alone."""
    error_OS, rung_OS = np.array([[1.0, 3.0]]), np.array([[2.0, 3.0]])
    told_D = 1 - bootstrap.ratios(error_OS[None], rung_OS, np.ones((1, 2), bool), draws=4000)[0]
    values, counts = np.unique(told_D.round(9), return_counts=True)
    assert values == pytest.approx([0.0, 0.2, 0.5])  # 1 - 3/3, 1 - 4/5, 1 - 1/2
    assert counts / 4000 == pytest.approx([0.25, 0.5, 0.25], abs=0.03)


def test_what_never_counts_is_not_drawn_and_a_model_is_sure_of_itself() -> None:
    rng = np.random.default_rng(0)
    error_OS, use_OS = rng.uniform(1, 2, (3, 4)), np.ones((3, 4), bool)
    wide, cells = np.full((5, 6), np.nan), np.zeros((5, 6), bool)
    wide[1:4, 2:6], cells[1:4, 2:6] = error_OS, use_OS
    other_OS, far = error_OS + rng.uniform(-0.5, 0.5, (3, 4)), np.full((5, 6), np.nan)
    far[1:4, 2:6] = other_OS
    one = bootstrap.skill_interval(other_OS[None], error_OS, use_OS)
    two = bootstrap.skill_interval(far[None], wide, cells)
    assert np.array_equal(one, two)
    assert np.array_equal(np.array(bootstrap.skill_interval(error_OS[None], error_OS, use_OS)), [[0.0], [0.0]])


def test_blocks_of_draws_change_nothing_but_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "AT_ONCE", 7)
    sizes = [(len(o), len(s)) for o, s in bootstrap.draw_counts(2, 3, 5)]
    assert sizes == [(2, 2), (2, 2), (1, 1)]
    for origin_DO, style_DS in bootstrap.draw_counts(2, 3, 5):
        assert (origin_DO.sum(axis=1) == 2).all()
        assert (style_DS.sum(axis=1) == 3).all()


def test_intervals_hold_the_truth_where_styles_and_origins_move_together() -> None:
    """Effects of styles and of origins: drawing cells alone would hold the truth in a third of the worlds or fewer."""
    held = naive = 0
    worlds = 150
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        error_OS = 1 + 0.3 * rng.normal(size=(12, 1)) + 0.3 * rng.normal(size=20) + 0.1 * rng.normal(size=(12, 20))
        use_OS = np.ones((12, 20), bool)
        low, high = bootstrap.interval(bootstrap.ratios(error_OS[None], np.ones((12, 20)), use_OS, 200, seed))
        held += bool(low[0] <= 1 <= high[0])
        spread = 1.96 * error_OS.std() / np.sqrt(error_OS.size)
        naive += bool(abs(error_OS.mean() - 1) <= spread)
    assert held / worlds >= 0.88
    assert naive / worlds < 0.6


def test_too_few_cells_to_say() -> None:
    zero = np.zeros((1, 2))
    low, high = bootstrap.skill_interval(zero[None], zero, np.ones((1, 2), bool))
    assert np.isnan([low[0], high[0]]).all()
