"""Files `query_id,item_id,score` of one set of candidates side by side; what does not fit is told by file and row.

Queries stand in the order of a hash of their id and items by id, so that neither the order of rows nor that of
queries in time decides anything.

Shapes: M files, Q queries, K items of a pool (padded), R rows of a file.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.pools import Pools
from recall.pools import read_score_table
from stylecast.errors import UserError


@dataclass(frozen=True)
class ScoreFiles:
    """The scores of several files."""

    paths: tuple[Path, ...]
    """Where they lie, M."""
    names: tuple[str, ...]
    """Their names without suffix, M."""
    pools: Pools
    """The candidates of each query."""
    scores_MQK: np.ndarray
    """float64; -inf where there is padding."""

    def line_of(self, query_id: str) -> str:
        """Where a query first stands: file and line, for messages."""
        table = read_score_table(self.paths[0])
        return f"{self.paths[0]}: line {table.loc[table['query_id'] == query_id, 'line'].iloc[0]}"


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    queries = table["query_id"].unique()
    place = {query_id: hashlib.sha256(query_id.encode()).digest() for query_id in queries}
    number = {query_id: rank for rank, query_id in enumerate(sorted(queries, key=place.__getitem__))}
    order_R = np.lexsort((table["item_id"].to_numpy(str), table["query_id"].map(number).to_numpy()))
    return table.iloc[order_R]


def _index(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[["query_id", "item_id"]])


def read_score_files(paths: Sequence[Path]) -> ScoreFiles:
    """Read the files; every one must score the same pairs, and each once.

    Args:
        paths: CSV, TSV, JSON lines or Parquet.

    Raises:
        UserError: no file, two of one name; a column is missing, a pair stands twice, a score is no finite number, or
            a file lacks a pair that another one has: with file and line.
    """
    names = [path.stem for path in paths]
    if not names:
        raise UserError("--scores: no file; give files with the columns query_id,item_id,score")
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"--scores: two files named {twice[0]}; scores go by their file's name: rename one")
    first = _ordered(read_score_table(paths[0]))
    pairs = _index(first)
    columns = [first["score"].to_numpy(float)]
    for path in paths[1:]:
        table = read_score_table(path)
        place_R = _index(table).get_indexer(pairs)
        if (place_R < 0).any():
            _lacks(path, paths[0], first.iloc[int(np.argmax(place_R < 0))])
        if len(table) > len(first):
            further = np.setdiff1d(np.arange(len(table)), place_R)
            _lacks(paths[0], path, table.iloc[int(further[0])])
        columns.append(table["score"].to_numpy(float)[place_R])
    pools = Pools.of(first["query_id"], first["query_id"], np.arange(len(first)), first["item_id"].to_numpy(object))
    scores_MQK = np.full((len(names), *pools.row_QK.shape), -np.inf)
    scores_MQK[:, pools.real()] = columns
    return ScoreFiles(tuple(paths), tuple(names), pools, scores_MQK)


def _lacks(path: Path, other: Path, row: pd.Series) -> None:
    raise UserError(
        f"{path}: item {row['item_id']} of query {row['query_id']} has no score, which line {row['line']} of {other} "
        "has; every file must score the same pairs"
    )
