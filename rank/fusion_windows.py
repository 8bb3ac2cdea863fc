"""The windows of the fusion-LSTM: a style at an origin, what came of it, and how its inputs are scaled.

Shapes: B windows, C numbers of a step, F features of an origin.
"""

from dataclasses import dataclass

import numpy as np

from rank.edges import Edges

CLIP = 5.0
"""Standardised inputs are held within so many standard deviations."""


@dataclass(frozen=True)
class Windows:
    """Styles at origins, in order of origin, then style."""

    style_B: np.ndarray
    """Position of the style (int64)."""
    day_B: np.ndarray
    """Position of the origin's day (int64)."""
    features_BF: np.ndarray
    """Features of the origin as they are, NaN where one cannot be said (float32)."""
    start_B: np.ndarray
    """Log growth that the network starts from and corrects."""
    edge_B: np.ndarray
    """Log share that this start comes to against the edge of the styles that count as hot."""
    reference_B: np.ndarray
    """Share over the reference."""
    half_B: np.ndarray
    """Half a post as a share of the reference."""
    seen_B: np.ndarray
    """Whether the style had a post by the origin."""

    def __len__(self) -> int:
        return len(self.style_B)

    def take(self, index: np.ndarray) -> "Windows":
        """Some of the windows."""
        return Windows(
            self.style_B[index], self.day_B[index], self.features_BF[index], self.start_B[index],
            self.edge_B[index], self.reference_B[index], self.half_B[index], self.seen_B[index],
        )  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """What came of windows."""

    share_B: np.ndarray
    """True share of the target; NaN where it is not complete."""
    growth_B: np.ndarray
    """Log growth against the reference."""
    hot_B: np.ndarray
    """Whether the style was among the largest at the target (float32, 0 or 1)."""

    def take(self, index: np.ndarray) -> "Labels":
        """Some of the labels."""
        return Labels(self.share_B[index], self.growth_B[index], self.hot_B[index])


@dataclass(frozen=True)
class Scaler:
    """Means and deviations of the inputs, and the edges of the classes, over the training windows."""

    steps_mean: list[float]
    """Of each number of a step, over steps within the panel."""
    steps_sd: list[float]
    """Likewise."""
    features_mean: list[float]
    """Of each feature, where it is known."""
    features_sd: list[float]
    """Likewise."""
    flagged: list[int]
    """Features that are not always there: each gets a column that says whether it is."""
    engagement: tuple[float, float]
    """Mean and deviation of an item's log engagement, over items up to the last training origin."""
    classes: Edges
    """What is called down, flat and up."""

    def steps(self, steps_BLC: np.ndarray) -> np.ndarray:
        """Standardised numbers of steps, B×L×C float32; the last one, the flag of a step within the panel, stays."""
        scaled_BLC = (steps_BLC - np.array(self.steps_mean)) / np.array(self.steps_sd)
        return (np.clip(scaled_BLC, -CLIP, CLIP) * steps_BLC[..., -1:]).astype(np.float32)

    def features(self, features_BF: np.ndarray) -> np.ndarray:
        """Standardised features with the columns of flags behind them, B×(F + flags) float32; unknown ones are 0."""
        scaled_BF = (features_BF - np.array(self.features_mean)) / np.array(self.features_sd)
        known_BF = np.isfinite(features_BF[:, self.flagged]) - 0.5
        return np.concatenate([np.clip(np.nan_to_num(scaled_BF), -CLIP, CLIP), known_BF], axis=1).astype(np.float32)

    def items(self, engagement_R: np.ndarray) -> np.ndarray:
        """Standardised log engagement of items, R float32; unknown ones are 0."""
        scaled_R = np.nan_to_num((engagement_R - self.engagement[0]) / self.engagement[1])
        return np.clip(scaled_R, -CLIP, CLIP).astype(np.float32)


def moments(values_NK: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and deviation of columns where they are known (0 and 1 where nowhere); a constant has deviation 1."""
    known_NK = np.isfinite(values_NK)
    number_K = np.maximum(known_NK.sum(axis=0), 1)
    filled_NK = np.where(known_NK, values_NK, 0.0).astype(np.float64)
    mean_K = filled_NK.sum(axis=0) / number_K
    sd_K = np.sqrt((((filled_NK - mean_K) * known_NK) ** 2).sum(axis=0) / number_K)
    return mean_K.tolist(), np.where(sd_K > 1e-6, sd_K, 1.0).tolist()
