"""Candidate pools whose products recur as in the real set.

Of the rows whose product stands in one pool alone 39% are answers; of the others 0.8%.

Shapes: N products, A attributes.
"""

from dataclasses import dataclass

import numpy as np

from data.sample_kddcup_world import SIZES, draw_products, draw_query, phrase, satisfies

FEWEST, MOST = 9, 30
SINGLE_RATE, RECURRING_RATE = 0.39, 0.008
USES = 8.0  # pools that a recurring product stands in, on average: hardly one of them in a single pool


@dataclass(frozen=True)
class Pool:
    """One query and its candidates."""

    text: str
    """The query."""
    products: list[int]
    """Rows of the products, in no order that tells anything."""
    answers: set[int]
    """Those that have all that the query asks for."""


def _near_miss(query_A: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Products that lack something a query asks for, most of them by one attribute or two."""
    products = draw_products(count, rng)
    kept = (rng.random(products.shape) < 0.6) & (query_A >= 0)
    products = np.where(kept, query_A, products)
    asked = np.flatnonzero(query_A >= 0)
    for row in np.flatnonzero(satisfies(products, query_A)):
        a = int(rng.choice(asked))
        products[row, a] = (products[row, a] + rng.integers(1, SIZES[a])) % SIZES[a]
    return products


def _recurring(
    query_A: np.ndarray, shelf_NA: np.ndarray, count: int, right: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows of the shelf of recurring products: so many answers, where there are any, and near misses."""
    fits = satisfies(shelf_NA, query_A)
    chosen = rng.choice(np.flatnonzero(fits), min(right, int(fits.sum())), replace=False)
    shared_N = (shelf_NA == query_A).sum(axis=1) + rng.random(len(shelf_NA)) * 2.5
    shared_N[fits] = -1
    order = np.argsort(-shared_N, kind="stable")[: max(count * 4, 40)]
    return np.concatenate([chosen, rng.choice(order[shared_N[order] >= 0], count - len(chosen), replace=False)])


def draw_pools(count: int, rng: np.random.Generator) -> tuple[np.ndarray, list[Pool]]:
    """Pools of 9 to 30 products, 2 to 6 of them answers.

    Args:
        count: number of pools.
        rng: source of the randomness.

    Returns:
        Attributes of the products, N×A, and the pools.
    """
    sizes = rng.integers(FEWEST, MOST + 1, count)
    shelf = draw_products(max(60, int(sizes.sum() * 0.5 / USES)), rng)
    attributes, known, pools = [shelf], len(shelf), []
    owed = 0.0  # recurring answers, wherever the next query has one on the shelf
    for size in sizes:
        right = int(rng.integers(2, min(6, int(size * SINGLE_RATE)) + 1))
        wanted = draw_products(1, rng)[0]
        query_A = draw_query(wanted, rng)
        own = np.where(query_A >= 0, query_A, draw_products(right, rng))
        # As many single products that are no answers as the rate asks for, rounded at random.
        wrong = int(right * (1 / SINGLE_RATE - 1) + rng.random())
        wrong = min(wrong, int(size) - right)
        attributes += [own, _near_miss(query_A, wrong, rng)]
        singles = np.arange(known, known + right + wrong)
        known += right + wrong
        rest = int(size) - right - wrong
        owed += rest * RECURRING_RATE
        others = _recurring(query_A, shelf, rest, min(rest, 6 - right, int(owed)), rng)
        recurring = others[satisfies(shelf[others], query_A)]
        owed -= len(recurring)
        products = rng.permutation(np.concatenate([singles, others]))
        answers = {*singles[:right].tolist(), *recurring.tolist()}
        pools.append(Pool(phrase(query_A, rng), products.tolist(), answers))
    return np.concatenate(attributes), pools
