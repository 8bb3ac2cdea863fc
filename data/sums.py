"""Running sums of a panel: the counts of any window of days in one subtraction, and no look ahead.

Shapes: S styles, T days. A window is a pair of days, both inclusive.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.panel import Panel


@dataclass(frozen=True)
class Sums:
    """Running sums of a panel: the counts of any window in one subtraction."""

    first: pd.Timestamp
    """The first day of the panel."""
    last: pd.Timestamp
    """The last day that can be asked for."""
    count_ST: np.ndarray
    """Posts of a style before day t, [S, T + 1]."""
    total_T: np.ndarray
    """Posts of the feed before day t, [T + 1]."""
    numeric: dict[str, np.ndarray]
    """The panel's further numbers likewise, [S, T + 1] each."""

    @classmethod
    def of(cls, panel: Panel) -> "Sums":
        """Sums up a panel once; `until` then gives views of it."""
        numeric = {name: _running(values_ST) for name, values_ST in panel.numeric.items()}
        return cls(panel.days[0], panel.last, _running(panel.count_ST), _running(panel.total_T), numeric)

    def until(self, origin: pd.Timestamp, start: pd.Timestamp | None = None) -> "Sums":
        """A view that holds nothing after `origin`: who has only this cannot look ahead.

        With `start` it holds nothing before that day either: the days before are as if they had never been.
        """
        stop, low = (origin - self.first).days + 2, 0 if start is None else max((start - self.first).days, 0)
        if low == 0:
            numeric = {name: sums_ST[:, :stop] for name, sums_ST in self.numeric.items()}
            return Sums(self.first, min(origin, self.last), self.count_ST[:, :stop], self.total_T[:stop], numeric)

        def since(sums: np.ndarray) -> np.ndarray:
            # Counts may be fractions: what is left of a difference of two sums must not become a post.
            return np.maximum(sums[..., low:stop] - sums[..., low : low + 1], 0.0)

        numeric = {name: since(sums_ST) for name, sums_ST in self.numeric.items()}
        first = self.first + pd.Timedelta(days=low)
        return Sums(first, min(origin, self.last), since(self.count_ST), since(self.total_T), numeric)

    @property
    def held(self) -> pd.Timestamp:
        """The last day whose counts these arrays hold, told by their size."""
        return self.first + pd.Timedelta(days=len(self.total_T) - 2)

    def _bounds(self, start: pd.Timestamp, end: pd.Timestamp) -> tuple[int, int]:
        if end > self.last:
            raise ValueError(f"{end.date()} is after {self.last.date()}, the last day that may be looked at")
        low, high = (start - self.first).days, (end - self.first).days + 1
        return max(low, 0), max(high, 0)

    def count(self, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
        """Posts of each style in a window, [S]; days before the panel hold none. ValueError past the last day."""
        low, high = self._bounds(start, end)
        return self.count_ST[:, high] - self.count_ST[:, low]

    def total(self, start: pd.Timestamp, end: pd.Timestamp) -> float:
        """Posts of the feed in a window."""
        low, high = self._bounds(start, end)
        return float(self.total_T[high] - self.total_T[low])

    def share(self, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
        """Share of each style in a window, [S]; NaN where the window has no posts."""
        total = self.total(start, end)
        return self.count(start, end) / total if total > 0 else np.full(len(self.count_ST), np.nan)

    def number(self, name: str, start: pd.Timestamp, end: pd.Timestamp) -> np.ndarray:
        """Sum of a further number for each style in a window, [S]."""
        low, high = self._bounds(start, end)
        return self.numeric[name][:, high] - self.numeric[name][:, low]


def _running(values: np.ndarray) -> np.ndarray:
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums
