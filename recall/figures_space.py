"""Drawings of how styles were found: the silhouette of each k, the map, what became of the styles of the run before.

Shapes: N points, K styles.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Curve

from recall.fonts import COLOURS, INK, QUIET, canvas, shorten, text_width

NAMED = 60  # styles with a name on the map
RINGS, TRIED = 300, 150  # places around its anchor that a label looks at; free ones among which it chooses
EVENTS = {"continues": "#0072b2", "split": "#e69f00", "merge": "#882255", "birth": "#009e73", "accepted": "#009e73",
          "death": "#707070"}  # fmt: skip


def silhouette(curve: Mapping[int, float], chosen: int, of_vectors: float) -> Figure:
    """Silhouette of each number of groups that was tried; the number of styles that was taken is marked.

    Args:
        curve: number → silhouette, in the space where groups were looked for.
        chosen: number of styles.
        of_vectors: silhouette of the styles among the vectors themselves; NaN = not told.
    """
    figure = canvas(7, 3.6)
    axes = figure.add_subplot()
    counts = sorted(curve)
    axes.plot(counts, [curve[k] for k in counts], color=COLOURS[0], linewidth=1.4, marker="o", markersize=3)
    axes.margins(x=0.04, y=0.25)
    level = float(np.interp(chosen, counts, [curve[k] for k in counts]))
    axes.plot([chosen], [level], marker="o", markersize=8, color="#d55e00")
    told = f"{chosen} styles: {level:.3f}" + (
        f"\namong the vectors: {of_vectors:.3f}" if np.isfinite(of_vectors) else ""
    )
    # In the corner, above every curve: beside the point it would lie on the line.
    axes.text(0.99, 0.98, told, transform=axes.transAxes, ha="right", va="top", color="#d55e00", fontsize=8.5)
    axes.set_title("Silhouette by number of styles")
    axes.set_xlabel("number of groups")
    axes.set_ylabel("silhouette where groups were looked for")
    axes.grid(axis="y")
    return figure


def place_labels(
    anchor_K2: np.ndarray, sizes: Sequence[tuple[float, float]], point_N2: np.ndarray, width: float, height: float
) -> np.ndarray:
    """Centres for labels near their anchors, all within the frame, that hide few points and never each other.

    The first label is placed first: give the most important one first. Each looks at places ever farther from its
    anchor, in all directions, and takes the one that costs least: a point under it as much as a fortieth of an inch.

    Args:
        anchor_K2: what is labelled, inches.
        sizes: width and height of each label.
        point_N2: what had better be seen.
        width: of the frame.
        height: of the frame.
    """
    step_C = np.arange(RINGS)
    angle_C = 2.399963 * step_C  # a sunflower: every direction, ever farther
    grid = np.stack(np.meshgrid(np.linspace(0, width, 41), np.linspace(0, height, 81)), axis=-1).reshape(-1, 2)
    taken_T4 = np.zeros((0, 4))
    for (x, y), (w, h) in zip(anchor_K2, sizes, strict=True):
        reach_C = 0.3 * h * np.sqrt(step_C)
        near_C2 = np.stack([x + 1.8 * reach_C * np.cos(angle_C), y + reach_C * np.sin(angle_C)], axis=1)
        # Where a crowd leaves nothing near, anywhere else will do.
        far_C2 = grid[np.argsort(np.hypot(*(grid - [x, y]).T), kind="stable")]
        half_2 = np.array([w / 2, h / 2])
        middle_C2 = np.clip(np.concatenate([near_C2, far_C2]), half_2, np.maximum([width, height] - half_2, half_2))
        box_C4 = np.concatenate([middle_C2 - half_2, middle_C2 + half_2], axis=1)
        free = np.flatnonzero(~_overlap(box_C4, taken_T4))[:TRIED]
        if not len(free):
            free = np.zeros(1, int)
        cost = [_hidden(box_C4[c], point_N2) / 40 + np.hypot(*(middle_C2[c] - [x, y])) for c in free]
        taken_T4 = np.vstack([taken_T4, box_C4[free[int(np.argmin(cost))]]])
    return (taken_T4[:, :2] + taken_T4[:, 2:]) / 2


def _overlap(box_C4: np.ndarray, taken_T4: np.ndarray) -> np.ndarray:
    """Which candidates lie on a box that is taken; bool C."""
    one, other = box_C4[:, None], taken_T4[None]
    both_CT = np.all((one[..., :2] < other[..., 2:]) & (other[..., :2] < one[..., 2:]), axis=2)
    return np.asarray(both_CT.any(axis=1))


def _hidden(box: np.ndarray, point_N2: np.ndarray) -> int:
    """Points under a box (left, bottom, right, top)."""
    x_N, y_N = point_N2[:, 0], point_N2[:, 1]
    return int(((x_N > box[0]) & (x_N < box[2]) & (y_N > box[1]) & (y_N < box[3])).sum())


def style_map(place_N2: np.ndarray, style_N: np.ndarray, order: Sequence[str], labels: Mapping[str, str]) -> Figure:
    """A point an item, coloured by style, with the style's name where most of its points lie.

    Args:
        place_N2: where UMAP puts the items.
        style_N: their styles.
        order: styles, largest first: those beyond the 60th are grey and nameless.
        labels: what each is called.
    """
    width, height = 10.0, 8.0
    low_2, high_2 = np.quantile(place_N2, 0.002, axis=0), np.quantile(place_N2, 0.998, axis=0)
    at_N2 = (place_N2 - low_2) / np.maximum(high_2 - low_2, 1e-9) * [width - 1.0, height - 1.2] + [0.5, 0.5]
    figure = canvas(width, height, arranged=False)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(0, height)
    axes.set_axis_off()
    named = [style for style in order if (style_N == style).any()][:NAMED]
    other_N = ~np.isin(style_N, named)
    axes.scatter(at_N2[other_N, 0], at_N2[other_N, 1], s=4, color="#c8c8c8", linewidth=0)
    for place, style in enumerate(named):
        mine_N = style_N == style
        colour = COLOURS[place % len(COLOURS)]
        axes.scatter(at_N2[mine_N, 0], at_N2[mine_N, 1], s=7, color=colour, alpha=0.6, linewidth=0)
    anchor_K2 = np.array([np.median(at_N2[style_N == style], axis=0) for style in named]).reshape(-1, 2)
    texts = [shorten(labels[style], 16) for style in named]
    points = 8.5 if len(named) <= 30 else 7.0
    unit = points / 72
    sizes = [(unit * (text_width(text) + 0.9), 1.75 * unit) for text in texts]
    spots_K2 = place_labels(anchor_K2, sizes, at_N2, width, height - 0.4)
    for place, (text, (x, y), (ax, ay)) in enumerate(zip(texts, spots_K2, anchor_K2, strict=True)):
        colour = COLOURS[place % len(COLOURS)]
        if abs(x - ax) > sizes[place][0] / 2 or abs(y - ay) > sizes[place][1] / 2:
            axes.plot([ax, x], [ay, y], color=colour, linewidth=0.9, zorder=3)
        axes.text(x, y, text, fontsize=points, ha="center", va="center", zorder=4,
                  bbox={"boxstyle": "round,pad=0.25", "facecolor": "white", "edgecolor": colour, "linewidth": 0.9,
                        "alpha": 0.92})  # fmt: skip
    axes.text(0.12, height - 0.12, f"Map of {len(place_N2):,} items (UMAP): what lies together looks alike",
              fontsize=11, fontweight="bold", va="top")  # fmt: skip
    return figure


def _rows_of(told: pd.DataFrame) -> tuple[dict[str, int], dict[str, int], int]:
    """The line on which each style of either run stands, and how many lines there are.

    What goes on has a line of its own, below it the pieces that came off it and the styles that went into it; last
    come those that end or begin.
    """
    left: dict[str, int] = {}
    right: dict[str, int] = {}
    line = 0
    kept = told[told["kept"]].sort_values("previous")
    rest = told[~told["kept"] & (told["previous"] != "") & (told["current"] != "")]
    heirs, parents = set(kept["current"]), set(kept["previous"])
    for row in kept.itertuples():
        left[row.previous] = right[row.current] = line
        pieces = sorted(set(rest.loc[rest["previous"] == row.previous, "current"]) - heirs - set(right))
        joined = sorted(set(rest.loc[rest["current"] == row.current, "previous"]) - parents - set(left))
        right |= {style: line + 1 + place for place, style in enumerate(pieces)}
        left |= {style: line + 1 + place for place, style in enumerate(joined)}
        line += 1 + max(len(pieces), len(joined))
    ended = sorted({*told["previous"]} - {""} - set(left))
    born = sorted({*told["current"]} - {""} - set(right))
    left |= {style: line + place for place, style in enumerate(ended)}
    right |= {style: line + place for place, style in enumerate(born)}
    return left, right, line + max(len(ended), len(born))


def lineage(told: pd.DataFrame, labels: Mapping[str, str]) -> Figure:
    """The styles of the run before at the left, those of today at the right, and what went over.

    Args:
        told: rows of the last refit: previous, current, relation, kept, shared, of_previous.
        labels: what the styles of today are called; others show their id.
    """
    left, right, rows = _rows_of(told)
    figure = canvas(8.5, 0.24 * max(rows, 1) + 1.0)
    axes = figure.add_subplot()
    drawn = told[(told["previous"] != "") & (told["current"] != "")]
    for row in drawn.itertuples():
        y0, y1 = left[row.previous], right[row.current]
        colour = EVENTS[row.relation]
        width = 1.0 + 6.0 * float(row.of_previous)
        curve = Curve([(0, y0), (0.4, y0), (0.6, y1), (1, y1)], [Curve.MOVETO, *[Curve.CURVE4] * 3])
        axes.add_patch(PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=width, capstyle="butt",
                                 alpha=0.75 if row.kept else 0.5))  # fmt: skip
    ended, born = set(told.loc[told["relation"] == "death", "previous"]), set(right) - set(drawn["current"])
    for style, place in left.items():
        colour, more = (EVENTS["death"], "  ended") if style in ended else (INK, "")
        axes.text(-0.02, place, style + more, ha="right", va="center", fontsize=8, color=colour)
    for style, spot in right.items():
        colour, more = (EVENTS["birth"], "  new") if style in born else (INK, "")
        name = shorten(labels.get(style, style), 22)
        axes.text(1.02, spot, name + more, ha="left", va="center", fontsize=8, color=colour)
    axes.set_xlim(-0.25, 1.75)
    axes.set_ylim(rows - 0.4, -1.6)
    axes.set_axis_off()
    axes.set_title("What became of the styles of the run before")
    counts = drawn["relation"].value_counts()
    legend = [relation for relation in ("continues", "split", "merge") if relation in counts]
    for place, relation in enumerate(legend):
        axes.plot([0.36 * place, 0.36 * place + 0.05], [-1.0, -1.0], color=EVENTS[relation], linewidth=4, alpha=0.75)
        axes.text(0.36 * place + 0.065, -1.0, f"{relation} ({counts[relation]})", fontsize=8, va="center", color=QUIET)
    return figure
