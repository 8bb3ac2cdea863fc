"""KDD Cup 2020 Multimodalities Recall: products as sets of detected boxes, queries, answers and submissions.

`data.kddcup_convert.convert` makes the folder that `Products.load` opens.

Shapes: N products, M boxes of all products, F = 2048 features of a box, Q queries, K products of a pool.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.kddcup_convert import BOXES, FEATURES, LABELS, STAGE
from data.kddcup_files import FEATURES as FEATURE_WIDTH
from data.pools import Pools
from stylecast.errors import UserError
from stylecast.files import write_whole
from stylecast.runs import load_manifest

SUBMITTED = 5  # products that a submission names for a query
HEADER = ("query-id", *(f"product{place}" for place in range(1, SUBMITTED + 1)))


@dataclass(frozen=True)
class Products:
    """What one file holds; the arrays of boxes are memory-mapped."""

    table: pd.DataFrame
    """One row a product: product_id, image_h, image_w (pixels), boxes (how many)."""
    pairs: pd.DataFrame
    """One row a row of the file: product (row of `table`), query_id, query, line."""
    offsets_N1: np.ndarray
    """int64: the boxes of product i are records offsets[i] to offsets[i + 1]."""
    boxes_M4: np.ndarray
    """float32: top, left, bottom, right, pixels."""
    features_MF: np.ndarray
    """float16."""
    labels_M: np.ndarray
    """uint8, 0..32."""

    @classmethod
    def load(cls, folder: Path, verify: bool = True) -> "Products":
        """Open a folder that `convert` made.

        Args:
            folder: the run folder.
            verify: compare every byte with the manifest; one process of many does.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        if verify:
            load_manifest(folder, STAGE)
        table = pd.read_parquet(folder / "products.parquet")
        offsets = np.concatenate([[0], np.cumsum(table["boxes"].to_numpy(np.int64))])
        many = int(offsets[-1])
        return cls(
            table, pd.read_parquet(folder / "pairs.parquet"), offsets,
            np.memmap(folder / BOXES, np.float32, "r", shape=(many, 4)),
            np.memmap(folder / FEATURES, np.float16, "r", shape=(many, FEATURE_WIDTH)),
            np.memmap(folder / LABELS, np.uint8, "r", shape=(many,)),
        )  # fmt: skip

    def ids(self) -> np.ndarray:
        """Product id of each row of the file; str."""
        return self.table["product_id"].to_numpy(object)[self.pairs["product"].to_numpy()]


def pools_of(products: Products) -> Pools:
    """The pools of a file whose rows are candidates."""
    pairs = products.pairs
    return Pools.of(pairs["query_id"], pairs["query"], pairs["product"].to_numpy(), products.ids())


def check_submission(ranked: Mapping[str, Sequence[str]], pools: Pools, source: Path) -> None:
    """Make sure that every query has five distinct products of its own pool, and that nothing else stands there.

    Args:
        ranked: product ids by query, best first.
        pools: the candidates.
        source: the file that they come from, named in messages.

    Raises:
        UserError: what is wrong, with its query.
    """
    for query_id, ids_K in zip(pools.query_ids, pools.ids_QK, strict=True):
        chosen, pool = list(ranked.get(query_id, [])), set(ids_K) - {""}
        wrong = ""
        if len(pool) < SUBMITTED:
            wrong = f"its pool has {len(pool)} products, and a submission needs {SUBMITTED}; see rejected.csv"
        elif len(chosen) != SUBMITTED or len(set(chosen)) != SUBMITTED:
            wrong = f"{chosen} are not {SUBMITTED} distinct products"
        elif not set(chosen) <= pool:
            wrong = f"{sorted(set(chosen) - pool)[0]} is not in its pool"
        if wrong:
            raise UserError(f"{source}: query {query_id}: {wrong}; nothing was written")
    strange = sorted(set(ranked) - set(pools.query_ids))
    if strange:
        raise UserError(f"{source}: no query {strange[0]}; a submission names the queries of this file alone")


def write_submission(path: Path, ranked: Mapping[str, Sequence[str]], pools: Pools, source: Path) -> None:
    """Validate a submission, then write it, whole or not at all.

    Args:
        path: the CSV, `query-id,product1,…,product5`.
        ranked: the five best product ids of each query, best first.
        pools: the candidates.
        source: the file that they come from, named in messages.

    Raises:
        UserError: see `check_submission`.
    """
    check_submission(ranked, pools, source)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    writer.writerows((query_id, *ranked[query_id]) for query_id in pools.query_ids)
    write_whole(path, text.getvalue())
