"""How sure a skill or a mean is: intervals by drawing styles and origins anew, both at once.

Cells of one style go together, and so do those of one origin; drawing cells alone would make intervals far too narrow.
Each draw takes S styles and O origins with replacement, independently; a cell counts as often as both were drawn (the
pigeonhole bootstrap: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics, 2007). The same draws serve all
models, so that a difference between two is told by what differs.

Shapes: M models, O origins, S styles, D draws.
"""

from collections.abc import Iterator

import numpy as np

DRAWS, SEED, LEVEL = 2000, 0, 0.95
"""Draws, their seed, and the part of the draws that an interval holds."""
AT_ONCE = 2_000_000
"""Numbers of a block of draws, which bounds the memory."""


def draw_counts(origins: int, styles: int, draws: int = DRAWS, seed: int = SEED) -> Iterator[tuple[np.ndarray, ...]]:
    """How often each origin, [d, O], and each style, [d, S], is taken, in blocks of draws."""
    rng = np.random.default_rng(seed)
    block = max(1, min(draws, AT_ONCE // max(styles, 1)))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        yield _counts(rng, size, origins), _counts(rng, size, styles)


def _counts(rng: np.random.Generator, draws: int, things: int) -> np.ndarray:
    taken_DT = rng.integers(0, things, (draws, things)) + things * np.arange(draws)[:, None]
    return np.bincount(taken_DT.ravel(), minlength=draws * things).reshape(draws, things).astype(float)


def ratios(
    upper_MOS: np.ndarray, lower_OS: np.ndarray, use_OS: np.ndarray, draws: int = DRAWS, seed: int = SEED
) -> np.ndarray:
    """Sum of `upper` over sum of `lower` in each draw, [M, D]; NaN where the second is 0.

    Args:
        upper_MOS: one number a cell for each model, such as its absolute error.
        lower_OS: likewise, such as the error of the rung; ones give means.
        use_OS: the cells that count; origins and styles without any are not drawn.
        draws: how many.
        seed: of the draws.
    """
    row_O, column_S = use_OS.any(axis=1), use_OS.any(axis=0)
    use = use_OS[row_O][:, column_S]
    both = np.concatenate([upper_MOS, lower_OS[None]])[:, row_O][:, :, column_S]
    both = np.where(use, both, 0.0)
    told = []
    origins, styles = use.shape
    for origin_DO, style_DS in draw_counts(origins, styles, draws, seed):
        told.append(np.stack([((origin_DO @ one_OS) * style_DS).sum(axis=1) for one_OS in both]))
    sums = np.concatenate(told, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[-1] > 0, sums[:-1] / sums[-1], np.nan)


def interval(value_MD: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends that hold the middle `level` of the draws, [M] each; draws without a value are left out.

    NaN where fewer than half of the draws have one: too few cells to say.
    """
    known = np.isfinite(value_MD).mean(axis=1) >= 0.5
    ends = np.full((2, len(value_MD)), np.nan)
    if known.any():
        ends[:, known] = np.nanquantile(value_MD[known], [(1 - level) / 2, (1 + level) / 2], axis=1)
    return ends[0], ends[1]


def skill_interval(
    error_MOS: np.ndarray, rung_OS: np.ndarray, use_OS: np.ndarray, draws: int = DRAWS, seed: int = SEED
) -> tuple[np.ndarray, np.ndarray]:
    """95% interval of 1 - MAE / MAE of the rung, [M] each.

    Args:
        error_MOS: absolute errors of the models.
        rung_OS: of the rung.
        use_OS: the cells that count.
        draws: how many draws.
        seed: of the draws.
    """
    low_M, high_M = interval(ratios(error_MOS, rung_OS, use_OS, draws, seed))
    return 1 - high_M, 1 - low_M
