"""Weights on the simplex (none negative, sum one) that make a named loss small on held-out data.

The loss is any function of the weights; nothing is asked of its gradient, so that NDCG serves as well as MAE.
Shapes: M members, F folds, B weights tried side by side.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol, runtime_checkable

import numpy as np

Loss = Callable[[np.ndarray], float]


@runtime_checkable
class BatchLoss(Protocol):
    """A loss that is quicker for many weights at once."""

    def __call__(self, weights_M: np.ndarray, /) -> float:
        """Loss of one."""

    def of_each(self, weights_BM: np.ndarray) -> np.ndarray:
        """Loss of each, B."""


Path = Callable[[float], np.ndarray]
"""Weights [M] at a part, 0 to 1, of the way."""

GOLDEN = (np.sqrt(5) - 1) / 2
TIE = 1e-12
"""A loss must fall by more than this part of itself to count as better, so that rounding decides nothing."""
MANY = 20
"""Above so many members there are too many pairs to move weight between."""


@dataclass(frozen=True)
class Weights:
    """What a search found."""

    weights_M: np.ndarray
    """Non-negative, sum 1."""
    loss: float
    """On the data that the weights were fitted on: too good to be told alone."""


@dataclass(frozen=True)
class NestedWeights:
    """A search with its honest figure beside it."""

    weights_M: np.ndarray
    """Fitted on all groups."""
    in_sample: float
    """Loss of these weights on the same groups."""
    held_out: float
    """Mean loss of each fold under the weights of the other folds, weighted by the folds' groups."""
    fold_weights_FM: np.ndarray
    """The weights of each fold's search."""


def search_weights(
    loss: Loss, members: int, rounds: int = 50, grid: int = 200, sweeps: int = 3, polish: int = 20
) -> Weights:
    """Searches the simplex; the same loss gives the same weights.

    Two members: a grid of 5 * `grid` steps, then a golden-section search beside its best point. More: greedy
    selection with replacement (`select_greedily`), then line searches that move weight between two members at a time;
    above `MANY` members, between one member and all others, since there are too many pairs.

    Args:
        loss: of weights [M]; smaller is better. A `BatchLoss` is asked for many at once.
        members: M, at least 1.
        rounds: picks of the greedy selection; a pick adds 1 / `rounds` of weight.
        grid: steps of a line search.
        sweeps: how often all pairs are tried, at most.
        polish: golden-section steps after each grid; a loss that goes in steps, such as NDCG, gains nothing by them.

    Raises:
        ValueError: there are no members, or the loss is NaN for one of them alone.
    """
    if members == 2:
        start = Weights(np.array([1.0, 0.0]), float(_singles(loss, members)[0]))
        return _line(loss, _between(start.weights_M, 0, 1), start.loss, 5 * grid, polish) or start
    best = select_greedily(loss, members, rounds)
    for _ in range(sweeps):
        before = best.loss
        best = _sweep(loss, best, max(2, grid // 10), polish)
        if not _better(best.loss, before):
            break
    return best


def select_greedily(loss: Loss, members: int, rounds: int = 50) -> Weights:
    """Greedy selection with replacement: each pick is the member whose addition is best; the best moment counts.

    Caruana et al., "Ensemble selection from libraries of models" (ICML 2004). Arguments as for `search_weights`.
    """
    single_M = _singles(loss, members)
    picks_M = np.zeros(members)
    picks_M[single_M.argmin()] = 1
    best = Weights(picks_M.copy(), float(single_M.min()))
    for taken in range(2, rounds + 1 if members > 1 else 0):
        tried = _each(loss, (picks_M + np.eye(members)) / taken)
        picks_M[int(np.argmin(tried))] += 1
        if _better(float(tried.min()), best.loss):
            best = Weights(picks_M / taken, float(tried.min()))
    return best


def _singles(loss: Loss, members: int) -> np.ndarray:
    if members < 1:
        raise ValueError("weights need at least one member")
    single_M = _each(loss, np.eye(members))
    if np.isnan(single_M).any():
        raise ValueError(f"the loss of member {int(np.isnan(single_M).argmax())} alone is NaN")
    return single_M


def _each(loss: Loss, weights_BM: np.ndarray) -> np.ndarray:
    if isinstance(loss, BatchLoss):
        return loss.of_each(weights_BM)
    return np.array([loss(weights_M) for weights_M in weights_BM])


def _better(loss: float, than: float) -> bool:
    return loss < than - TIE * abs(than)


def _between(weights_M: np.ndarray, giver: int, taker: int) -> Path:
    """A part of the giver's weight goes to the taker."""

    def moved(part: float) -> np.ndarray:
        new_M = weights_M.copy()
        new_M[giver] = weights_M[giver] * (1 - part)
        new_M[taker] += weights_M[giver] * part
        return new_M

    return moved


def _from_all(weights_M: np.ndarray, taker: int) -> Path:
    """A part of everybody's weight goes to the taker."""
    return lambda part: (1 - part) * weights_M + part * np.eye(len(weights_M))[taker]


def _to_all(weights_M: np.ndarray, giver: int) -> Path:
    """A part of the giver's weight goes to all others, as much as they have."""

    def moved(part: float) -> np.ndarray:
        new_M = weights_M.copy()
        new_M[giver] *= 1 - part
        return new_M / new_M.sum()

    return moved


def _sweep(loss: Loss, best: Weights, steps: int, polish: int) -> Weights:
    """Every line once, each from the weights that are best when it is its turn."""

    def go(path: Path) -> Weights:
        return _line(loss, path, best.loss, steps, polish) or best

    members = len(best.weights_M)
    if members <= MANY:
        for giver, taker in permutations(range(members), 2):
            if best.weights_M[giver] > 0:
                best = go(_between(best.weights_M, giver, taker))
        return best
    for member in range(members):
        if best.weights_M[member] < 1:
            best = go(_from_all(best.weights_M, member))
        if 0 < best.weights_M[member] < 1:
            best = go(_to_all(best.weights_M, member))
    return best


def _line(loss: Loss, path: Path, at_start: float, steps: int, polish: int) -> Weights | None:
    """The best weights along a path from part 0 to 1: a grid, then golden section between the best point's neighbours.

    None where nothing is better than the start.
    """
    parts = np.arange(steps + 1) / steps
    tried = np.concatenate([[at_start], _each(loss, np.array([path(part) for part in parts[1:]]))])
    place = int(np.argmin(tried))
    best_part, best_loss = float(parts[place]), float(tried[place])
    low, high = max(best_part - 1 / steps, 0.0), min(best_part + 1 / steps, 1.0)
    for _ in range(polish):  # 20 narrow the bracket ten-thousandfold
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        loss_left, loss_right = loss(path(left)), loss(path(right))
        for part, value in ((left, loss_left), (right, loss_right)):
            if _better(value, best_loss):
                best_part, best_loss = part, float(value)
        low, high = (low, right) if loss_left <= loss_right else (left, high)
    return Weights(path(best_part), best_loss) if _better(best_loss, at_start) else None


def fold_parts(groups: int, folds: int) -> list[np.ndarray]:
    """The groups of each fold, neighbours together; none where there are fewer than two groups."""
    return np.array_split(np.arange(groups), min(folds, groups)) if groups > 1 else []


def nested_cross_validation(
    loss_on: Callable[[np.ndarray], Loss],
    groups: int,
    members: int,
    folds: int = 5,
    search: Callable[[Loss, int], Weights] = search_weights,
) -> NestedWeights:
    """Searches on all groups, and once more without each fold to tell what the search is worth on unseen ones.

    Args:
        loss_on: gives the loss over the groups (queries, origins) of an index.
        groups: how many there are; neighbours share a fold, since what lies close in time is alike.
        members: M.
        folds: at most; with one group there is nothing to hold out, and `held_out` is NaN.
        search: the search.
    """
    whole = search(loss_on(np.arange(groups)), members)
    parts = fold_parts(groups, folds)
    fold_weights, held_out = [], []
    for part in parts:
        rest = np.setdiff1d(np.arange(groups), part)
        found = search(loss_on(rest), members)
        fold_weights.append(found.weights_M)
        held_out.append(loss_on(part)(found.weights_M) * len(part))
    told = float(sum(held_out) / groups) if parts else float("nan")
    return NestedWeights(whole.weights_M, whole.loss, told, np.array(fold_weights).reshape(len(parts), members))
