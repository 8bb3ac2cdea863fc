"""What a member is asked and what it answers. Shapes: O origins of the split, S styles, C change classes."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

from data.panel import Panel
from data.windows import Split, Target
from rank.edges import Edges
from rank.gaussian import Kernel
from rank.metrics import CLASSES
from rank.table import Table, build_table


@dataclass(frozen=True)
class Question:
    """A panel, a target and the origins; members that need the table of features share one."""

    panel: Panel
    """The counts; who answers for an origin looks at `panel.until(origin)`, or at the table's rows."""
    target: Target
    """What is asked for."""
    split: Split
    """The origins: an answer is needed for each of `split.all`."""
    vectors_SV: np.ndarray | None = None
    """What the styles look like, where that is known, by which a young style finds its neighbours."""
    classes: str = "change"
    """How the change classes are cut; see `rank.edges.Edges.fit`."""
    kernels: dict[str, Kernel] | None = None
    """Gaussian processes that were fitted before; then the table holds the split's origins alone. None: fit them."""

    @cached_property
    def table(self) -> Table:
        """Features and labels of all origins."""
        return build_table(self.panel, self.target, self.split, self.vectors_SV, self.kernels)

    @cached_property
    def places(self) -> list[int]:
        """Where the origins of the split stand in the table, [O]."""
        return [self.table.place(origin) for origin in self.split.all]

    @cached_property
    def thresholds(self) -> Edges:
        """What is called down, flat and up throughout: by default terciles of change on the training origins."""
        rows_OS = self.training_rows
        return Edges.fit(self.classes, self.table.growth_OS[rows_OS], self.table.truth_OS[rows_OS])

    @cached_property
    def training_rows(self) -> np.ndarray:
        """Rows of the table whose origin is for training and whose label the first validation origin knows, [O, S]."""
        train_O = np.asarray(self.table.origins.isin(self.split.train))
        return self.table.rows_known_by(self.split.validation[0]) & train_O[:, None]


@dataclass(frozen=True)
class Answer:
    """What a member says for each origin of the split and each style; rows of styles not seen yet are not read."""

    growth_OS: np.ndarray
    """Growth of the target against the reference, in log share."""
    classes_OSC: np.ndarray | None
    """Probabilities of down, flat and up by `Question.thresholds`, or None where the member has no own."""
    used_O: pd.DatetimeIndex | None = None
    """The latest day that anything behind an origin's forecasts used, told by the rows that were used; None: untold."""
    hot_OS: np.ndarray | None = None
    """Probability that the style is among the largest at the target, or None where the member has no own."""
    spread_OS: np.ndarray | None = None
    """How far apart the member's outer quantiles of growth lie, or None where it has none."""


class Member(Protocol):
    """A forecaster that can stand in a backtest."""

    @property
    def name(self) -> str:
        """How tables call it."""

    def answer(self, question: Question) -> Answer:
        """Forecasts every origin of the split; nothing after an origin may touch what is said for it."""


def from_frame(frame: pd.DataFrame, question: Question) -> Answer:
    """An answer from a frame `origin, style, growth` and, if it has them, `p_down, p_flat, p_up`, `p_hot`, `used`."""
    origins, styles = question.split.all, pd.Index(list(question.panel.styles))
    row_N, column_N = origins.get_indexer(pd.Index(frame["origin"])), styles.get_indexer(pd.Index(frame["style"]))
    use_N = (row_N >= 0) & (column_N >= 0)
    used_O = None
    if "used" in frame.columns:
        used_O = pd.DatetimeIndex(frame.groupby("origin")["used"].max().reindex(origins))
    growth_OS = np.zeros((len(origins), len(styles)))
    growth_OS[row_N[use_N], column_N[use_N]] = frame["growth"].to_numpy()[use_N]
    hot_OS = None
    if "p_hot" in frame.columns:
        hot_OS = np.zeros(growth_OS.shape)
        hot_OS[row_N[use_N], column_N[use_N]] = frame["p_hot"].to_numpy()[use_N]
    names = [f"p_{name}" for name in CLASSES]
    if not set(names) <= set(frame.columns):
        return Answer(growth_OS, None, used_O, hot_OS)
    classes_OSC = np.full((*growth_OS.shape, len(CLASSES)), 1 / len(CLASSES))
    classes_OSC[row_N[use_N], column_N[use_N]] = frame[names].to_numpy()[use_N]
    return Answer(growth_OS, classes_OSC, used_O, hot_OS)
