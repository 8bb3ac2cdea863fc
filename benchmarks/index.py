"""How well and how fast each kind of index finds the nearest vectors, beside exact search in the same run.

    OMP_NUM_THREADS=1 python benchmarks/index.py                              # 1,000,000 vectors of 256 dimensions
    OMP_NUM_THREADS=1 python benchmarks/index.py --vectors 50000 --dim 64     # a minute

Vectors are points of random clusters, queries are further points of the same clusters. Each index is built, saved,
and searched as it is loaded: memory-mapped. Times are shares of the time of exact search for the same queries,
measured in turns, so that a busy machine slows both; the time to build is told in exact searches of one query.

Shapes: N vectors, Q queries, D dimensions.
"""

import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import tyro

from recall.index import Index
from recall.index_kinds import NEAREST, IndexConfig, recall_of
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging

PART = 65_536  # vectors drawn at once


@dataclass(frozen=True)
class IndexBenchmarkConfig:
    """How large a corpus, and what is compared on it."""

    vectors: int = 1_000_000
    """Vectors, at least 10,000."""
    dim: int = 256
    """Dimensions of a vector."""
    clusters: int = 1000
    """Clusters that the vectors belong to."""
    spread: float = 1.0
    """Standard deviation within a cluster, as a share of that between the clusters."""
    queries: int = 256
    """Queries of a batch; a quarter of them are also asked one at a time."""
    repeats: int = 5
    """How often each time is measured."""
    kinds: tuple[str, ...] = ("ivf-pq", "hnsw")
    """Kinds to hold against exact search."""
    index: IndexConfig = field(default_factory=IndexConfig)
    """Settings of the kinds."""
    seed: int = 0
    """Seed of the vectors."""


def points(config: IndexBenchmarkConfig, count: int, stream: int) -> np.ndarray:
    """Points of the clusters, float32 count×D, L2-normalised."""
    centres = np.random.default_rng([config.seed, 0]).standard_normal((config.clusters, config.dim), dtype=np.float32)
    rng = np.random.default_rng([config.seed, stream])
    drawn = np.empty((count, config.dim), dtype=np.float32)
    for start in range(0, count, PART):
        part = drawn[start : start + PART]
        rng.standard_normal(out=part, dtype=np.float32)
        part *= config.spread
        part += centres[rng.integers(0, config.clusters, len(part))]
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return drawn


def seconds(index: Index, queries_QD: np.ndarray, single: bool) -> float:
    """Time of a query: in one batch, or one at a time."""
    started = time.perf_counter()
    if single:
        for row in range(len(queries_QD)):
            index.search(queries_QD[row : row + 1], NEAREST)
    else:
        index.search(queries_QD, NEAREST)
    return (time.perf_counter() - started) / len(queries_QD)


def told(values: list[float], digits: int = 3) -> str:
    """Median, and least to greatest."""
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def built(vectors_ND: np.ndarray, config: IndexConfig, folder: Path) -> tuple[Index, float]:
    """An index as a search finds it, and the seconds that it took to build and to save."""
    started = time.perf_counter()
    folder.mkdir()
    Index.build(vectors_ND, config).save(folder)
    return Index.load(folder), time.perf_counter() - started


def main(config: IndexBenchmarkConfig) -> str:
    """The table, as text.

    Raises:
        UserError: too few vectors, or a kind that there is not.
    """
    if config.vectors < 10_000 or config.queries < 4:
        raise UserError(f"--vectors {config.vectors} --queries {config.queries}: give 10,000 and 4, or more")
    wrong = sorted(set(config.kinds) - {"ivf-pq", "hnsw"})
    if wrong:
        raise UserError(f"--kinds {wrong[0]}: ivf-pq or hnsw")
    vectors_ND, queries_QD = points(config, config.vectors, 1), points(config, config.queries, 2)
    few = queries_QD[: config.queries // 4]
    with tempfile.TemporaryDirectory() as folder:
        exact, exact_built = built(vectors_ND, IndexConfig(kind="exact"), Path(folder) / "exact")
        truth_QK, _ = exact.search(queries_QD, NEAREST)
        single = statistics.median(seconds(exact, few, True) for _ in range(3))
        size = f"{exact.bytes_a_vector[0]:,.0f}"
        rows = [("exact", "", "1.000", "1", "1", f"{exact_built / single:,.0f}", size, "0")]
        for kind in config.kinds:
            index, took = built(vectors_ND, replace(config.index, kind=kind), Path(folder) / kind)  # type: ignore[arg-type]
            found_QK, _ = index.search(queries_QD, NEAREST)
            index.search(few[:1], NEAREST)
            ratios: dict[bool, list[float]] = {True: [], False: []}
            for _ in range(config.repeats):
                for one, asked in ((True, few), (False, queries_QD)):
                    ratios[one].append(seconds(index, asked, one) / seconds(exact, asked, one))
            rows.append(
                (kind, str(index.facts.effort), f"{recall_of(found_QK, truth_QK):.3f}", told(ratios[True], 4),
                 told(ratios[False], 4), f"{took / single:,.0f}", *(f"{value:,.0f}" for value in index.bytes_a_vector))
            )  # fmt: skip
    heads = ("kind", "effort", "recall@100", "time, one query", f"time, batch of {config.queries}",
             "build, exact queries", "bytes a vector", "and of candidates alone")  # fmt: skip
    title = (f"{config.vectors:,} vectors of {config.dim} dimensions, {config.clusters} clusters, spread "
             f"{config.spread}; an exact query takes {1000 * single:.1f} ms")  # fmt: skip
    lines = [title, "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


if __name__ == "__main__":
    set_up_logging()
    sys.exit(guarded(lambda: main(tyro.cli(IndexBenchmarkConfig, description=__doc__)), verbose=True))
