"""Weights on the simplex (none negative, sum one) that make a named loss small on held-out data.

The loss is any function of the weights; nothing is asked of its gradient, so that NDCG serves as well as MAE.
Shapes: M members, F folds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

Loss = Callable[[np.ndarray], float]

GOLDEN = (np.sqrt(5) - 1) / 2
TIE = 1e-12
"""A loss must fall by more than this part of itself to count as better, so that rounding decides nothing."""


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


def search_weights(loss: Loss, members: int, rounds: int = 50, grid: int = 200, sweeps: int = 3) -> Weights:
    """Searches the simplex; the same loss gives the same weights.

    Two members: a grid of 5 * `grid` steps, then a golden-section search beside its best point. More: greedy
    selection with replacement (Caruana et al., "Ensemble selection from libraries of models", ICML 2004), then line
    searches that move weight between two members at a time.

    Args:
        loss: of weights [M]; smaller is better.
        members: M, at least 1.
        rounds: picks of the greedy selection; a pick adds 1 / `rounds` of weight.
        grid: steps of a line search.
        sweeps: how often all pairs are tried, at most.

    Raises:
        ValueError: there are no members, or the loss is NaN for one of them alone.
    """
    if members < 1:
        raise ValueError("weights need at least one member")
    single_M = np.array([loss(one_M) for one_M in np.eye(members)])
    if np.isnan(single_M).any():
        raise ValueError(f"the loss of member {int(np.isnan(single_M).argmax())} alone is NaN")
    if members == 1:
        return Weights(np.ones(1), float(single_M[0]))
    if members == 2:
        return _line(loss, np.array([1.0, 0.0]), 0, 1, 5 * grid, float(single_M[0]))
    best = _greedy(loss, single_M, rounds)
    for _ in range(sweeps):
        before = best.loss
        for giver, taker in permutations(range(members), 2):
            if best.weights_M[giver] > 0:
                best = _line(loss, best.weights_M, giver, taker, max(2, grid // 10), best.loss)
        if not _better(best.loss, before):
            break
    return best


def _better(loss: float, than: float) -> bool:
    return loss < than - TIE * abs(than)


def _greedy(loss: Loss, single_M: np.ndarray, rounds: int) -> Weights:
    members = len(single_M)
    picks_M = np.zeros(members)
    picks_M[single_M.argmin()] = 1
    best = Weights(picks_M.copy(), float(single_M.min()))
    for taken in range(2, rounds + 1):
        tried = [loss((picks_M + one_M) / taken) for one_M in np.eye(members)]
        picks_M[int(np.argmin(tried))] += 1
        if _better(min(tried), best.loss):
            best = Weights(picks_M / taken, float(min(tried)))
    return best


def _line(loss: Loss, weights_M: np.ndarray, giver: int, taker: int, steps: int, at_start: float) -> Weights:
    """Moves weight from `giver` to `taker`: a grid, then golden section between the best point's neighbours."""
    amount = weights_M[giver]

    def moved(part: float) -> np.ndarray:
        new_M = weights_M.copy()
        new_M[giver] = amount * (1 - part)
        new_M[taker] += amount * part
        return new_M

    parts = np.arange(steps + 1) / steps
    tried = [at_start, *(loss(moved(part)) for part in parts[1:])]
    place = int(np.argmin(tried))
    best_part, best_loss = float(parts[place]), float(tried[place])
    low, high = max(best_part - 1 / steps, 0.0), min(best_part + 1 / steps, 1.0)
    for _ in range(20):  # narrows the bracket ten-thousandfold
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        loss_left, loss_right = loss(moved(left)), loss(moved(right))
        for part, value in ((left, loss_left), (right, loss_right)):
            if _better(value, best_loss):
                best_part, best_loss = part, float(value)
        low, high = (low, right) if loss_left <= loss_right else (left, high)
    if not _better(best_loss, at_start):
        return Weights(weights_M, at_start)
    return Weights(moved(best_part), best_loss)


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
    parts: Sequence[np.ndarray] = np.array_split(np.arange(groups), min(folds, groups)) if groups > 1 else []
    fold_weights, held_out = [], []
    for part in parts:
        rest = np.setdiff1d(np.arange(groups), part)
        found = search(loss_on(rest), members)
        fold_weights.append(found.weights_M)
        held_out.append(loss_on(part)(found.weights_M) * len(part))
    told = float(sum(held_out) / groups) if parts else float("nan")
    return NestedWeights(whole.weights_M, whole.loss, told, np.array(fold_weights).reshape(len(parts), members))
