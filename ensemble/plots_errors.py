"""Drawings of how well a backtest did: error by origin and by size, calibration; and what LightGBM learnt from.

Shapes: M models, O origins of the split, S styles, L levels.
"""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from ensemble.combine import ENSEMBLE
from ensemble.figures import MINUS
from ensemble.walk import Walk
from rank.backtest import Backtest, best_rung
from rank.bootstrap import interval, ratios
from rank.feature import KINDS, NUMBER
from rank.metrics import held
from recall.fonts import COLOURS, INK, QUIET, canvas, shorten

LEVELS_L = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
GROUPS = 5  # of styles by size
TOP = 20  # features
MINE, RUNG = COLOURS[0], "#9a9a9a"


def size_groups(reference_N: np.ndarray, groups: int = GROUPS) -> tuple[np.ndarray, np.ndarray]:
    """Edges of groups of about as many cells each, by share at the origin, and the group of each cell."""
    edges = np.unique(np.quantile(reference_N, np.linspace(0, 1, groups + 1)))
    return edges, np.searchsorted(edges[1:-1], reference_N, side="right")


def errors(backtest: Backtest, walk: Walk) -> Figure:
    """Left: mean error of each test origin. Right: error as a part of the truth, by size of the style at the origin."""
    use_OS = backtest.cells(backtest.split.test)
    error_MOS = np.abs(walk.told_shares(backtest) - backtest.truth_OS)
    rung = best_rung(backtest, backtest.split.validation)
    figure = canvas(10, 3.7)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    shown = [(rung, RUNG, f"{rung} (best rule on validation)"), (ENSEMBLE, MINE, "ensemble")]
    _by_origin(left, backtest, walk, error_MOS, use_OS, shown)
    edges, group_N = size_groups(backtest.reference_OS[use_OS])
    truth_N = backtest.truth_OS[use_OS]
    said = {}
    for place, (model, colour, _) in enumerate(shown):
        error_N = error_MOS[walk.models.index(model)][use_OS]
        part_G = np.array([error_N[group_N == g].sum() / max(truth_N[group_N == g].sum(), 1e-12) for g in _of(group_N)])
        said[model] = part_G
        right.bar(np.arange(len(part_G)) + 0.4 * place - 0.2, 100 * part_G, 0.38, color=colour)
    for group, (mine, base) in enumerate(zip(said[ENSEMBLE], said[rung], strict=True)):
        text = f"{100 * (1 - mine / base):.0f}%".replace("-", MINUS) if base > 0 else ""
        right.text(group + 0.2, 100 * mine, text, ha="center", va="bottom", fontsize=8, color=MINE)
    names = [f"{100 * low:.2g}–{100 * high:.2g}%\n{(group_N == g).sum()} cells" for g, (low, high) in
             enumerate(pairwise(edges))] or ["all"]  # fmt: skip
    right.set_xticks(range(len(said[rung])), names[: len(said[rung])])
    right.set_title("By size: share at the origin; above, skill")
    right.set_ylabel("error, % of the shares that came")
    right.grid(axis="y")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=2, frameon=False, labelcolor=QUIET)
    return figure


def _of(group_N: np.ndarray) -> range:
    return range(int(group_N.max()) + 1)


def _by_origin(
    axes: Axes, backtest: Backtest, walk: Walk, error_MOS: np.ndarray, use_OS: np.ndarray,
    shown: list[tuple[str, str, str]],
) -> None:  # fmt: skip
    places = [place for place in backtest.places(backtest.split.test) if use_OS[place].any()]
    days = backtest.split.all[places]
    for model, colour, name in shown:
        number = walk.models.index(model)
        mean_O = [100 * error_MOS[number, place][use_OS[place]].mean() for place in places]
        axes.plot(days, mean_O, color=colour, linewidth=1.6, marker="o", markersize=4, label=name)
    locator = AutoDateLocator(minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_ylim(bottom=0)
    axes.set_title(f"Mean error by origin, {backtest.target}")
    axes.set_ylabel("points of share")
    axes.grid(axis="y")


def held_by_level(backtest: Backtest, walk: Walk, model: str) -> tuple[np.ndarray, np.ndarray]:
    """Part of the test truths that the model's intervals of each level held, [L], and which they were, [L, O, S]."""
    number, use_OS = walk.models.index(model), backtest.cells(backtest.split.test)
    share_OS = np.clip(walk.told_shares(backtest)[number], 0.0, 1.0)
    held_LOS = np.zeros((len(LEVELS_L), *use_OS.shape))
    for origin in np.flatnonzero(use_OS.any(axis=1)):
        use_S, fitted = use_OS[origin], walk.at[origin].calibrations[number]
        for place, level in enumerate(LEVELS_L):
            ends = fitted.interval(
                share_OS[origin, use_S], backtest.half_O[origin], float(level), backtest.spread_OS[origin, use_S]
            )
            held_LOS[place, origin, use_S] = held(backtest.truth_OS[origin, use_S], *ends)
    return held_LOS[:, use_OS].mean(axis=1), held_LOS


def calibration(backtest: Backtest, walk: Walk) -> Figure:
    """How many truths the intervals of each level held: on the diagonal they keep their word."""
    use_OS = backtest.cells(backtest.split.test)
    rung = best_rung(backtest, backtest.split.validation)
    members = [model for model in backtest.models if model not in backtest.rungs]
    figure = canvas(5.6, 5.2)
    axes = figure.add_subplot()
    axes.plot([0, 100], [0, 100], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
    part_L, held_LOS = held_by_level(backtest, walk, ENSEMBLE)
    low_L, high_L = interval(ratios(held_LOS, np.ones(use_OS.shape), use_OS))
    axes.fill_between(100 * LEVELS_L, 100 * low_L, 100 * high_L, color=MINE, alpha=0.14, linewidth=0,
                      label="95% of the draws of styles and origins")  # fmt: skip
    others = [(rung, RUNG)] + [(model, COLOURS[1 + place]) for place, model in enumerate(members)]
    for model, colour in others:
        axes.plot(100 * LEVELS_L, 100 * held_by_level(backtest, walk, model)[0], color=colour, linewidth=1,
                  label=model)  # fmt: skip
    axes.plot(100 * LEVELS_L, 100 * part_L, color=MINE, linewidth=1.8, marker="o", markersize=4, label=ENSEMBLE)
    at = int(np.flatnonzero(np.isclose(LEVELS_L, 0.8))[0])
    axes.annotate(f"80% intervals held {part_L[at]:.0%}", (80, 100 * part_L[at]), (98, 42), ha="right", fontsize=9,
                  color=MINE, arrowprops={"arrowstyle": "-", "color": MINE, "linewidth": 0.7})  # fmt: skip
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 101)
    axes.set_xlabel("% of the truths that the interval shall hold")
    axes.set_ylabel("% that it held on the test origins")
    axes.set_title("Do intervals keep their word?")
    axes.grid()
    axes.legend(loc="upper left", frameon=False, fontsize=8, labelcolor=QUIET)
    return figure


def importance(gains: Mapping[str, float], meaning: Mapping[str, tuple[str, str]]) -> Figure:
    """The features that lessened LightGBM's loss most, and what they speak of.

    Args:
        gains: feature → part of all gain.
        meaning: feature → what it says, its kind.
    """
    kinds = {name: meaning[name][1] if name in meaning else "other" for name in gains}
    total = {kind: sum(gain for name, gain in gains.items() if kinds[name] == kind) for kind in set(kinds.values())}
    order = sorted(total, key=lambda kind: (-total[kind], kind))
    colour = {kind: COLOURS[place % len(COLOURS)] for place, kind in enumerate(order)}
    shown = sorted(gains, key=lambda name: (-gains[name], name))[:TOP]
    figure = canvas(12, 0.23 * len(shown) + 1.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    left.barh(range(len(shown)), [100 * gains[name] for name in shown], 0.7, color=[colour[kinds[n]] for n in shown])
    texts = [shorten(meaning[name][0] if name in meaning else name, 48) for name in shown]
    left.set_yticks(range(len(shown)), texts, fontsize=8, color=INK)
    left.set_ylim(len(shown) - 0.4, -0.6)
    left.set_title(f"What LightGBM learnt from: {len(shown)} of {len(gains)} features")
    left.set_xlabel("% of what all features lessened the loss by")
    right.barh(range(len(order)), [100 * total[kind] for kind in order], 0.36, color=[colour[kind] for kind in order])
    words = [f"{kind.removeprefix(NUMBER)} per post" if kind.startswith(NUMBER) else KINDS.get(kind, kind)
             for kind in order]  # fmt: skip
    for place, (kind, text) in enumerate(zip(order, words, strict=True)):
        right.text(0, place - 0.2, f"{text}  {100 * total[kind]:.0f}%", fontsize=8, va="bottom")
    right.set_yticks([])
    right.set_ylim(len(order) - 0.5, -0.95)
    right.set_title("By what they speak of")
    for axes in (left, right):
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    return figure
