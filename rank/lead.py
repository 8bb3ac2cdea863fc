"""Engagement that runs ahead of share: what a style's own record says of it.

For some styles likes rise weeks before posts do, for most they do not, and a window of some weeks cannot tell which.
The record can: at past origins whose targets are known, the engagement of the time is set beside the share that came.

Shapes: S styles, K past origins (a week apart, the newest first), of which J have a known target.
"""

from dataclasses import dataclass

import numpy as np

from rank.look import Look

SPAN = 28
"""Engagement is the mean over so many days."""
POSTS = 3.0
"""A style's engagement is drawn to the feed's as if by so many posts."""
WEEKS = 104
"""Past origins that are looked at."""
MOST = 2.0
"""The record may move a forecast by so much log share, at most."""


@dataclass(frozen=True)
class Lead:
    """What the record of each style says, [S] each."""

    log_share_S: np.ndarray
    """Log share of the target, by regression on engagement over the record."""
    correlation_S: np.ndarray
    """Of engagement and the share that came, over the record; 0 without one."""
    weeks_S: np.ndarray
    """Past origins of the record."""
    deviation_S: np.ndarray
    """Engagement now against its mean over the record."""

    def toward(self, log_share_S: np.ndarray) -> np.ndarray:
        """A step from this log share towards the record's, as far as the record is to be believed.

        That is the variance that engagement explained, shrunk by a quarter of a year, and never on a record that
        runs the wrong way.
        """
        trust_S = np.maximum(self.correlation_S, 0) ** 2 * self.weeks_S / (self.weeks_S + 13)
        return trust_S * np.clip(self.log_share_S - log_share_S, -MOST, MOST)


def lead_of(look: Look, numbers: tuple[str, ...]) -> Lead:
    """Reads the record of each style off what is seen at an origin.

    Args:
        look: what is seen.
        numbers: names of the panel's numbers that count as engagement; none give an empty record.
    """
    sums = look.sums
    origin = (look.origin - sums.first).days
    ahead = [(day - look.origin).days for day in look.asked]
    at_K = origin - 7 * np.arange(WEEKS + 1)
    at_K = at_K[at_K >= SPAN - 1]
    known_J = np.flatnonzero(at_K + ahead[1] <= origin)
    nothing_S = np.zeros(len(sums.count_ST))
    if not numbers or len(known_J) < 2:
        return Lead(nothing_S, nothing_S, nothing_S, nothing_S)
    level_SK = np.mean([_level(look, name, at_K) for name in numbers], axis=0)
    start_J, stop_J = at_K[known_J] + ahead[0], at_K[known_J] + ahead[1] + 1
    count_SJ = sums.count_ST[:, stop_J] - sums.count_ST[:, start_J]
    total_J = sums.total_T[stop_J] - sums.total_T[start_J]
    came_SJ = np.log((count_SJ + 0.5) / np.maximum(total_J, 1.0))
    use_SJ = ((sums.count_ST[:, at_K[known_J] + 1] > 0) & (total_J > 0)).astype(float)
    weeks_S = use_SJ.sum(axis=1)
    level_S, came_S = (_mean(values, use_SJ) for values in (level_SK[:, known_J], came_SJ))
    level_SJ = (level_SK[:, known_J] - level_S[:, None]) * use_SJ
    came_SJ = (came_SJ - came_S[:, None]) * use_SJ
    product_S, power_S = (level_SJ * came_SJ).sum(axis=1), (level_SJ**2).sum(axis=1)
    correlation_S = product_S / np.sqrt(np.maximum(power_S * (came_SJ**2).sum(axis=1), 1e-9))
    deviation_S = np.where(weeks_S > 0, level_SK[:, 0] - level_S, 0.0)
    return Lead(came_S + product_S / (power_S + 1) * deviation_S, correlation_S, weeks_S, deviation_S)


def _mean(values_SJ: np.ndarray, use_SJ: np.ndarray) -> np.ndarray:
    return (values_SJ * use_SJ).sum(axis=1) / np.maximum(use_SJ.sum(axis=1), 1)


def _level(look: Look, name: str, at_K: np.ndarray) -> np.ndarray:
    """Engagement of a post of each style over the days up to each origin, [S, K]."""
    start_K, stop_K = at_K - SPAN + 1, at_K + 1
    sums_ST, counts_ST = look.sums.numeric[name], look.sums.count_ST
    sum_SK = sums_ST[:, stop_K] - sums_ST[:, start_K]
    count_SK = counts_ST[:, stop_K] - counts_ST[:, start_K]
    mean_K = sum_SK.sum(axis=0) / np.maximum(count_SK.sum(axis=0), 1e-9)
    return shrunk_level(sum_SK, count_SK, mean_K, name.endswith("_log"))


def shrunk_level(sum_X: np.ndarray, count_X: np.ndarray, mean_X: np.ndarray, is_log: bool) -> np.ndarray:
    """Engagement of a post against one of the feed, in logs, any shape; drawn to the feed's as if by three posts.

    Args:
        sum_X: sum over the posts of a style.
        count_X: number of these posts.
        mean_X: mean over the posts of the feed.
        is_log: whether the numbers are logs already.
    """
    if is_log:
        return (sum_X - count_X * mean_X) / (count_X + POSTS)
    return np.log((sum_X + POSTS * mean_X + 1e-9) / ((count_X + POSTS) * mean_X + 1e-9))
