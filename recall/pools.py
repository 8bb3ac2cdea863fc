"""Candidate pools of posts, from outside: which posts stand in them, which are right, how pictures of them score.

POOLS.csv holds `query_id,query,item_id`, a row a candidate; an item is a post id. ANSWERS.json holds
`{query_id: [item_id, …]}`. A post is as good as the best of its pictures.

Shapes: Q queries, K candidates of a pool (padded), N pictures, P posts.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from data.pools import Pools
from data.posts import Posts
from data.tables import read_table
from stylecast.errors import UserError


def read_pools(path: Path, posts: Posts, encoding: str = "utf-8") -> Pools:
    """Read POOLS.csv and find its posts.

    Raises:
        UserError: a column is missing, a query has two texts, an item stands twice in a pool or is no known post.
    """
    table, unread = read_table(path, encoding)
    missing = [name for name in ("query_id", "query", "item_id") if name not in table]
    if missing:
        raise UserError(f"{path}: no column {missing[0]}; it needs query_id,query,item_id, a row a candidate")
    if len(unread) or table.empty:
        told = f"line {unread['line'].iloc[0]}: {unread['reason'].iloc[0]}" if len(unread) else "no row"
        raise UserError(f"{path}: {told}; every candidate counts, so put it right")
    table = table.assign(**{name: table[name].str.strip() for name in ("query_id", "item_id")})
    row_of = pd.Series(np.arange(len(posts.table)), index=posts.table["post_id"].to_numpy(str))
    unknown = table[~table["item_id"].isin(row_of.index)]
    if len(unknown):
        raise UserError(
            f"{path}: line {unknown['line'].iloc[0]}: item {unknown['item_id'].iloc[0]} is no post of the given posts "
            f"({len(unknown)} of {len(table)} rows); name the run of `stylecast prepare` that has them with --posts"
        )
    twice = table[table.duplicated(["query_id", "item_id"])]
    if len(twice):
        raise UserError(f"{path}: line {twice['line'].iloc[0]}: the item stands twice in its pool; leave one out")
    texts = table.groupby("query_id", sort=False)["query"]
    if (texts.nunique() > 1).any():
        name = texts.nunique().idxmax()
        raise UserError(f"{path}: query {name} is written in two ways; give each query one text")
    rows = row_of.loc[table["item_id"]].to_numpy()
    return Pools.of(table["query_id"], table["query"], rows, table["item_id"].to_numpy())


def best_of_posts(scores_N: np.ndarray, place_N: np.ndarray, count: int) -> np.ndarray:
    """The best score over the pictures of each post; the least of all where a post has no picture.

    Args:
        scores_N: of pictures.
        place_N: number of the post of each.
        count: posts.

    Returns:
        float32 of length `count`.
    """
    best = np.full(count, -np.inf, dtype=np.float32)
    np.maximum.at(best, place_N, scores_N.astype(np.float32))
    return np.where(np.isfinite(best), best, scores_N.min() if len(scores_N) else 0.0)


def read_score_table(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Scores of pairs, from a file with the columns `query_id,item_id,score`, and the line on which each stands.

    Raises:
        UserError: a column is missing, there is no row, a pair stands twice, or a score is no finite number; with the
            line.
    """
    table, unread = read_table(path, encoding)
    missing = [name for name in ("query_id", "item_id", "score") if name not in table]
    if missing:
        raise UserError(f"{path}: no column {missing[0]}; it needs query_id,item_id,score, a row a pair")
    if len(unread) or table.empty:
        told = f"line {unread['line'].iloc[0]}: {unread['reason'].iloc[0]}" if len(unread) else "no row"
        raise UserError(f"{path}: {told}; every row counts, so put it right")
    ids = {name: table[name].str.strip() for name in ("query_id", "item_id")}
    values = pd.to_numeric(table["score"], errors="coerce").astype(float)
    if not np.isfinite(values).all():
        bad = table[~np.isfinite(values)].iloc[0]
        raise UserError(f"{path}: line {bad['line']}: the score {bad['score']!r} is no finite number; write one")
    table = table[["line"]].assign(**ids, score=values)
    twice = table[table.duplicated(["query_id", "item_id"])]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"{path}: line {row['line']}: item {row['item_id']} of query {row['query_id']} is scored twice; "
            "leave one out"
        )
    return table


def read_scores(path: Path, pools: Pools, encoding: str = "utf-8") -> np.ndarray:
    """Further scores of the candidates, from a CSV `query_id,item_id,score`; Q×K, -inf where there is padding.

    Raises:
        UserError: as `read_score_table`; or a candidate has no score.
    """
    table = read_score_table(path, encoding)
    told = pd.Series(table["score"].to_numpy(), index=pd.MultiIndex.from_frame(table[["query_id", "item_id"]]))
    queries = np.repeat(np.array(pools.query_ids, dtype=object), pools.real().sum(axis=1))
    found = told.reindex(pd.MultiIndex.from_arrays([queries, pools.ids_QK[pools.real()]]))
    if found.isna().any():
        lost = found.index[found.isna()][0]
        raise UserError(f"{path}: item {lost[1]} of query {lost[0]} has no score; every candidate needs one")
    return pools.fill(found.to_numpy())


def bootstrap_interval(
    values_Q: np.ndarray, level: float = 0.95, draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of the mean by drawing queries with replacement (Efron 1979).

    Args:
        values_Q: of each query.
        level: share of draws inside.
        draws: how many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    means = np.array([values_Q[rng.integers(0, len(values_Q), len(values_Q))].mean() for _ in range(draws)])
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
