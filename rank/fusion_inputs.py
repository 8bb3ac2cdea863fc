"""What the fusion-LSTM reads of a panel and its bags: windows of steps that end at an origin, and features of it.

Shapes: B windows (a style at an origin), O origins, S styles, T days, L steps, C numbers of a step, K calendar
waves, F features of an origin, U sets.

Nothing after the origin is touched: steps read running sums up to their own last day, features read a `Look`.
"""

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from data.panel import Panel
from data.shares import target_shares, to_growth
from data.sums import Sums
from data.windows import Target
from rank.bags import Bags
from rank.edges import Edges
from rank.feature import log_reference
from rank.fusion_config import FusionConfig
from rank.fusion_windows import Labels, Scaler, Windows, moments
from rank.gaussian import WALK
from rank.history_features import noise, relative_size, share_rank, trailing
from rank.lead import Lead, lead_of, shrunk_level
from rank.look import Look
from rank.metrics import is_hot, top_edges

OUTLOOK = "start"
TRAILING = (7, 28, 91)
"""Log share over so many days against the reference is a feature of the origin, days."""
FITTED_ON = 4096
"""Windows, evenly spaced, whose steps the scaler sees."""


class Reader:
    """Reads windows off a panel and its bags."""

    def __init__(self, panel: Panel, bags: Bags | None, target: Target, config: FusionConfig) -> None:
        """Sums up the panel.

        Raises:
            ValueError: bags and panel differ in styles or days.
        """
        if bags is not None and (bags.styles != panel.styles or not bags.days.equals(panel.days)):
            raise ValueError("the bags are of another panel: build them with its styles and days")
        self.panel, self.bags, self.target, self.config = panel, bags, target, config
        self.sums = Sums.of(panel)
        # A mean of logs is not moved by a single famous post.
        logs = [name for name in panel.numeric if name.endswith("_log")]
        self.numbers = tuple(sorted(logs or panel.numeric))
        self.feed_T = self.sums.count_ST.sum(axis=0)
        self.feed_numbers = {name: self.sums.numeric[name].sum(axis=0) for name in self.numbers}
        year_T = 2 * np.pi * panel.days.dayofyear.to_numpy() / 365.25
        week_T = 2 * np.pi * panel.days.dayofweek.to_numpy() / 7
        angles = [year_T, week_T] if config.step_days == 1 else [year_T]
        self.calendar_TK = np.stack([wave(angle) for angle in angles for wave in (np.sin, np.cos)], axis=1)

    @property
    def sides(self) -> dict[str, int]:
        """Dimension of the vectors of each modality that is there."""
        return {} if self.bags is None else {side: values.shape[1] for side, values in self.bags.sides.items()}

    def windows(self, origins: pd.DatetimeIndex, training: bool = False) -> Windows:
        """All styles at these origins; `training`: targets as `Target.training_period` has them."""
        looks = [self._look(origin, training) for origin in origins]
        leads = [lead_of(look, self.numbers) for look in looks]
        styles = len(self.panel.styles)
        start_OS = np.stack([self._start(*both) for both in zip(looks, leads, strict=True)])
        level_OS = start_OS + np.stack([log_reference(look) for look in looks])
        seen_OS = np.stack([look.seen_S for look in looks])
        edge_OS = level_OS - np.nan_to_num(top_edges(level_OS, seen_OS, self.config.hot_part))
        return Windows(
            np.tile(np.arange(styles), len(looks)),
            np.repeat(np.array([self.panel.index(origin) for origin in origins], dtype=np.int64), styles),
            np.concatenate([_features(*both) for both in zip(looks, leads, strict=True)]).astype(np.float32),
            start_OS.ravel(),
            edge_OS.ravel(),
            np.concatenate([look.reference_S for look in looks]),
            np.repeat([look.half for look in looks], styles),
            seen_OS.ravel(),
        )

    def labels(self, origins: pd.DatetimeIndex, windows: Windows, training: bool = False) -> Labels:
        """What came of the windows of these origins."""
        share_OS = target_shares(self.panel, self.target, origins, training)
        share_B = share_OS.ravel()
        growth_B = to_growth(share_B, windows.reference_B, windows.half_B)
        return Labels(share_B, growth_B, is_hot(share_OS, self.config.hot_part).ravel().astype(np.float32))

    def fit_scaler(self, windows: Windows, labels: Labels) -> Scaler:
        """Means and deviations over training windows."""
        some = windows.take(np.unique(np.linspace(0, len(windows) - 1, FITTED_ON).astype(int)))
        steps_BLC = self.steps(some)
        steps_mean, steps_sd = moments(steps_BLC[steps_BLC[..., -1] > 0])
        steps_mean[-1], steps_sd[-1] = 0.0, 1.0
        engagement = (0.0, 1.0)
        if self.bags is not None:
            seen_N = self.bags.until(int(windows.day_B.max()))
            mean, sd = moments(self.bags.engagement_N[seen_N][:, None])
            engagement = (mean[0], sd[0])
        flagged = np.flatnonzero(~np.isfinite(windows.features_BF).all(axis=0)).tolist()
        classes = Edges.fit(self.config.classes, labels.growth_B, labels.share_B)
        return Scaler(steps_mean, steps_sd, *moments(windows.features_BF), flagged, engagement, classes)

    def batch(self, windows: Windows, scaler: Scaler) -> dict[str, Tensor]:
        """Windows as the network reads them (CPU tensors)."""
        edges = scaler.classes.growth(windows.reference_B, windows.half_B)
        batch = {
            "steps": torch.from_numpy(scaler.steps(self.steps(windows))),
            "features": torch.from_numpy(scaler.features(windows.features_BF)),
            "start": torch.from_numpy(windows.start_B.astype(np.float32)),
            "start_classes": torch.from_numpy(start_classes(windows.start_B, edges)),
            "start_hot": torch.from_numpy(windows.edge_B.astype(np.float32)),
        }
        return batch if self.bags is None else {**batch, **self._sets(self.bags, windows, scaler)}

    def steps(self, windows: Windows) -> np.ndarray:
        """Numbers of the steps as they are, B×L×C; the last one is 1, and a step before the panel is all 0.

        Shares are logs of posts against those expected by the reference, one post added to both.
        """
        end_BL = self._ends(windows.day_B)
        stop_BL = np.maximum(end_BL, 0) + 1
        style_B1 = windows.style_B[:, None]
        usual_B1 = (windows.reference_B + windows.half_B)[:, None]
        columns = []
        for place, span in enumerate(self.config.spans):
            start_BL = np.maximum(stop_BL - span, 0)
            count_BL = self.sums.count_ST[style_B1, stop_BL] - self.sums.count_ST[style_B1, start_BL]
            count_BL = np.maximum(count_BL, 0)  # a difference of sums of fractions may end below 0 by rounding
            expected_BL = (self.sums.total_T[stop_BL] - self.sums.total_T[start_BL]) * usual_B1
            columns.append(np.log((count_BL + 1) / (expected_BL + 1)))
            if place == 0:
                columns.append(np.log1p(count_BL))
            if place > 0 or len(self.config.spans) == 1:  # over the shortest span engagement is mere noise
                columns += [self._level(name, style_B1, start_BL, stop_BL, count_BL) for name in self.numbers]
        columns += list(np.moveaxis(self.calendar_TK[stop_BL - 1], -1, 0))
        columns.append(np.ones_like(columns[0]))
        return np.stack(columns, axis=-1) * (end_BL >= 0)[..., None]

    def _look(self, origin: pd.Timestamp, training: bool) -> Look:
        asked = self.target.training_period(origin) if training else self.target.period(origin)
        return Look(self.sums, self.target, origin, asked, {OUTLOOK: WALK}, self.panel.granularity == "month")

    def _start(self, look: Look, lead: Lead) -> np.ndarray:
        if self.config.start == "last":
            return np.zeros(len(look.reference_S))
        expected_S = look.outlooks[OUTLOOK].mean_S
        return expected_S + lead.toward(expected_S) - log_reference(look)

    def _ends(self, day_B: np.ndarray) -> np.ndarray:
        """Position of the last day of each step, B×L, the oldest first; negative before the panel."""
        steps = -(-self.config.history_days // self.config.step_days)
        return day_B[:, None] - self.config.step_days * np.arange(steps)[::-1]

    def _level(
        self, name: str, style_B1: np.ndarray, start_BL: np.ndarray, stop_BL: np.ndarray, count_BL: np.ndarray
    ) -> np.ndarray:
        """Engagement of a post of the style against one of the feed, in logs."""
        sums_ST, feed_T = self.sums.numeric[name], self.feed_numbers[name]
        sum_BL = sums_ST[style_B1, stop_BL] - sums_ST[style_B1, start_BL]
        posts_BL = self.feed_T[stop_BL] - self.feed_T[start_BL]
        mean_BL = (feed_T[stop_BL] - feed_T[start_BL]) / np.maximum(posts_BL, 1e-9)
        return shrunk_level(sum_BL, count_BL, mean_BL, name.endswith("_log"))

    def _sets(self, bags: Bags, windows: Windows, scaler: Scaler) -> dict[str, Tensor]:
        """The sets of a batch, each once, and which step of which window is which set."""
        days, end_BL = len(self.panel.days), self._ends(windows.day_B)
        # All days before the panel are one day, -1, whose set is empty.
        key_BL = windows.style_B[:, None] * (days + 1) + np.maximum(end_BL, -1) + 1
        key_U, set_BL = np.unique(key_BL, return_inverse=True)
        sets = bags.sets(key_U // (days + 1), key_U % (days + 1) - 1, self.config.step_days, self.config.max_posts)
        batch = {
            "set": set_BL.reshape(end_BL.shape),
            "place": sets.place_UP,
            "engagement": scaler.items(bags.engagement_N[sets.item_R]),
        }
        for side in bags.sides:
            batch[side], batch[f"{side}_there"] = bags.read(side, sets.item_R)
        return {name: torch.from_numpy(values) for name, values in batch.items()}


def start_classes(start_B: np.ndarray, edges: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """How far the start lies below the first edge of the classes, nothing, how far above the second: B×3 float32."""
    return np.stack([edges[0] - start_B, np.zeros_like(start_B), start_B - edges[1]], axis=1).astype(np.float32)


def _features(look: Look, lead: Lead) -> np.ndarray:
    """Features of an origin, S×F: the reference, the outlook, the record of engagement."""
    outlook, reference_S = look.outlooks[OUTLOOK], log_reference(look)
    columns = [
        *(trailing(days)(look) for days in TRAILING),
        noise(look),
        share_rank(look),
        relative_size(look),
        outlook.mean_S - reference_S,
        outlook.now_S - reference_S,
        outlook.season_S,
        outlook.sd_S,
        lead.correlation_S,
        lead.deviation_S,
        lead.toward(outlook.mean_S),
    ]
    return np.stack(columns, axis=1)
