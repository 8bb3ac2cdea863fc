"""Candidate pools: the items that stand to choose from for each query, and which of them are right.

Shapes: Q queries, K items of a pool (padded), R rows of a file, a candidate each.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from stylecast.errors import UserError


@dataclass(frozen=True)
class Pools:
    """The candidates of each query, padded."""

    query_ids: tuple[str, ...]
    """In the order of the file, Q."""
    queries: tuple[str, ...]
    """Their words, as written."""
    row_QK: np.ndarray
    """int64 rows of the items (products, posts); -1 = padding."""
    ids_QK: np.ndarray
    """Their ids, str; "" = padding."""

    @classmethod
    def of(cls, query_ids: pd.Series, queries: pd.Series, rows_R: np.ndarray, ids_R: np.ndarray) -> "Pools":
        """Pools of a file whose rows are candidates.

        Args:
            query_ids: of each row.
            queries: the text of each row's query; the first of a query counts.
            rows_R: row of each item.
            ids_R: id of each item.
        """
        number_R, names = pd.factorize(query_ids)
        place_R = query_ids.groupby(number_R).cumcount().to_numpy()
        shape = (len(names), int(place_R.max()) + 1)
        row_QK, ids_QK = np.full(shape, -1, np.int64), np.full(shape, "", dtype=object)
        row_QK[number_R, place_R], ids_QK[number_R, place_R] = rows_R, ids_R
        first = queries.to_numpy(object)[np.unique(number_R, return_index=True)[1]]
        return cls(tuple(map(str, names)), tuple(first), row_QK, ids_QK)

    def real(self) -> np.ndarray:
        """Which places are no padding; bool Q×K."""
        return self.row_QK >= 0

    def fill(self, values_R: np.ndarray) -> np.ndarray:
        """Values of the candidates, told query by query, as float32 Q×K; -inf where there is padding."""
        table_QK = np.full(self.row_QK.shape, -np.inf, dtype=np.float32)
        table_QK[self.real()] = values_R
        return table_QK


def read_answers(path: Path) -> dict[str, list[str]]:
    """Read `{query_id: [product_id, …]}`.

    Raises:
        UserError: no such file, no JSON, or something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; give the answers, {{query_id: [product_id, …]}}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UserError(f"{path}: not JSON ({error}); answers are {{query_id: [product_id, …]}}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: not an object; answers are {{query_id: [product_id, …]}}")
    for query_id, ids in content.items():
        if not isinstance(ids, list) or not ids or not all(isinstance(i, int | str) for i in ids):
            raise UserError(f"{path}: query {query_id}: not a list of product ids; write [product_id, …]")
    return {str(query_id): list(dict.fromkeys(map(str, ids))) for query_id, ids in content.items()}
