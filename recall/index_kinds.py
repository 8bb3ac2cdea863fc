"""The kinds of index: what faiss builds for each, and how hard each looks at a search.

exact    compares a query with every vector.
ivf-pq   k-means cells; vectors of the nearest cells are compared by short codes (product quantisation: Jégou et al.
         2011), and the best of them once more by their float16 vectors.
hnsw     walks a graph of near neighbours (Malkov & Yashunin 2016).

Shapes: N vectors, S sample queries, D dimensions, K neighbours.
"""

import logging
import math
from dataclasses import dataclass
from typing import Literal

import faiss
import numpy as np

from stylecast.errors import UserError

log = logging.getLogger(__name__)
Kind = Literal["exact", "ivf-pq", "hnsw"]
NEAREST = 100  # neighbours that an index is tuned for
SAMPLE = 200  # queries that it is tuned on
EXACT_UNTIL, HNSW_UNTIL = 100_000, 300_000  # vectors: beyond, a graph takes too long to build
CODE_BOOK = 256  # centroids of each part of a code: one byte
FEWEST_POINTS = 39  # vectors a centroid, below which faiss calls its k-means unreliable
MOST_POINTS = 64  # vectors a centroid that k-means looks at: more find no better cells
ROUNDS = 10  # of k-means
BUILD_EFFORT = 128  # vectors in hand while the graph grows: with the usual 40, tight clusters become islands
MOST_EFFORT = 4096  # vectors in hand on a walk through the graph


@dataclass(frozen=True)
class IndexConfig:
    """How the nearest pictures are found."""

    kind: Literal["auto", "exact", "ivf-pq", "hnsw"] = "auto"
    """`auto`: exact up to 100,000 vectors, hnsw up to 300,000, ivf-pq beyond."""
    recall: float = 0.97
    """Share of the true 100 nearest that hnsw and ivf-pq are tuned to find, on a sample of queries, 0..1."""
    effort: int = 0
    """How hard to look: cells (ivf-pq) or vectors kept in hand (hnsw) a query; 0 = what `recall` takes."""
    cells: int = 0
    """Cells of ivf-pq, cells; 0 = 2·√N."""
    code: int = 0
    """Code of a vector in ivf-pq, bytes, a divisor of its dimensions; 0 = a quarter of the dimensions or a bit more."""
    candidates: int = 10
    """Of ivf-pq: how many vectors a hit are compared once more without the code, vectors."""
    links: int = 32
    """Neighbours of a vector in the graph of hnsw, vectors."""
    seed: int = 0
    """Seed of k-means."""


def choose_kind(config: IndexConfig, count: int) -> Kind:
    """The kind for so many vectors."""
    if config.kind != "auto":
        return config.kind
    return "exact" if count <= EXACT_UNTIL else "hnsw" if count <= HNSW_UNTIL else "ivf-pq"


def _cells(config: IndexConfig, count: int) -> int:
    most = count // FEWEST_POINTS
    if count < FEWEST_POINTS * CODE_BOOK:
        raise UserError(
            f"--index.kind ivf-pq: {count} vectors are too few for its code book, which takes "
            f"{FEWEST_POINTS * CODE_BOOK}; use --index.kind exact"
        )
    if config.cells > most:
        raise UserError(f"--index.cells {config.cells}: {count} vectors fill at most {most} cells; give {most} or less")
    return config.cells or min(most, round(2 * math.sqrt(count)))


def _code(config: IndexConfig, dim: int) -> int:
    divisors = [size for size in range(1, dim + 1) if dim % size == 0]
    if config.code and config.code not in divisors:
        told = ", ".join(map(str, divisors))
        raise UserError(f"--index.code {config.code}: must divide the {dim} dimensions of a vector: {told}")
    return config.code or next(size for size in divisors if size >= dim / 4)


def check_index(config: IndexConfig, count: int, dim: int) -> None:
    """Whether so many vectors of this length can be indexed so; asked before a training, not after it.

    Raises:
        UserError: a setting is out of its range, or does not fit the number or the length of the vectors.
    """
    ranges = {"recall": (0, 1), "effort": (0, None), "cells": (0, None), "code": (0, None), "candidates": (1, None),
              "links": (2, None), "seed": (0, None)}  # fmt: skip
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if value < low or (high is not None and value > high):
            told = f"from {low} to {high}" if high is not None else f"of {low} or more"
            raise UserError(f"--index.{name} {value}: choose a value {told}")
    if choose_kind(config, count) == "ivf-pq":
        _cells(config, count)
        _code(config, dim)


def build_faiss(kind: Kind, vectors_ND: np.ndarray, config: IndexConfig) -> faiss.Index:
    """The faiss index of some vectors: the same vectors and seed give the same bytes.

    Args:
        kind: which.
        vectors_ND: float32, contiguous.
        config: its settings.

    Raises:
        UserError: a setting is out of its range, or does not fit the number or the length of the vectors.
    """
    count, dim = vectors_ND.shape
    check_index(config, count, dim)
    if kind == "ivf-pq":
        what = f"IVF{_cells(config, count)},PQ{_code(config, dim)},Refine(SQfp16)"
    else:
        what = "Flat" if kind == "exact" else f"HNSW{config.links}"
    index = faiss.index_factory(dim, what, faiss.METRIC_INNER_PRODUCT)
    if kind == "ivf-pq":
        ivf = faiss.downcast_index(index.base_index)
        for means in (ivf.cp, ivf.pq.cp):
            means.niter, means.seed = ROUNDS, config.seed
        ivf.cp.max_points_per_centroid = MOST_POINTS
        ivf.do_polysemous_training = False  # minutes for a way of comparing codes that is not used here
        index.k_factor = config.candidates
        index.train(vectors_ND)
    if kind == "hnsw":
        index.hnsw.efConstruction = BUILD_EFFORT
    add_faiss(kind, index, vectors_ND)
    return index


def add_faiss(kind: Kind, index: faiss.Index, vectors_ND: np.ndarray) -> None:
    """Add vectors; a graph grows on one thread, since with more it depends on which of them is first."""
    threads = faiss.omp_get_max_threads()
    if kind == "hnsw":
        faiss.omp_set_num_threads(1)
    try:
        index.add(vectors_ND)
    finally:
        faiss.omp_set_num_threads(threads)


def most_effort(kind: Kind, index: faiss.Index) -> int:
    """The effort beyond which nothing more is found."""
    return int(faiss.downcast_index(index.base_index).nlist) if kind == "ivf-pq" else MOST_EFFORT


def search_parameters(
    kind: Kind, index: faiss.Index, effort: int, selector: faiss.IDSelector | None
) -> faiss.SearchParameters | None:
    """What faiss needs to know at a search.

    Args:
        kind: of the index.
        index: the index.
        effort: cells or vectors in hand, cut to what there is; exact search takes none.
        selector: which vectors count; None = all.
    """
    chosen = {} if selector is None else {"sel": selector}
    if kind == "hnsw":
        return faiss.SearchParametersHNSW(efSearch=effort, **chosen)
    if kind == "ivf-pq":
        cells = faiss.SearchParametersIVF(nprobe=min(effort, most_effort(kind, index)), **chosen)
        return faiss.IndexRefineSearchParameters(k_factor=index.k_factor, base_index_params=cells)
    return faiss.SearchParameters(**chosen) if chosen else None


def bytes_a_vector(kind: Kind, index: faiss.Index) -> tuple[float, float]:
    """Size of an index for each of its vectors: what any search may read, and what is read of candidates alone, bytes.

    The first should stay in memory; the second may stay on disk.
    """
    count, flat = max(1, index.ntotal), 4.0 * index.d
    if kind == "hnsw":
        return flat + faiss.downcast_index(index).hnsw.neighbors.size() * 4 / count, 0.0
    if kind == "ivf-pq":
        ivf = faiss.downcast_index(index.base_index)
        return ivf.code_size + 8 + ivf.nlist * flat / count, float(index.refine_index.sa_code_size())
    return flat, 0.0


def recall_of(found_SK: np.ndarray, truth_SK: np.ndarray) -> float:
    """Share of the true neighbours that were found, mean over the queries."""
    hits = [len(np.intersect1d(found, truth)) for found, truth in zip(found_SK, truth_SK, strict=True)]
    return float(np.mean(hits) / truth_SK.shape[1])


def tune(
    kind: Kind, index: faiss.Index, vectors_ND: np.ndarray, queries_SD: np.ndarray, config: IndexConfig
) -> tuple[int, float]:
    """The least effort that finds enough of the true nearest vectors of sample queries.

    Args:
        kind: ivf-pq or hnsw.
        index: of the vectors.
        vectors_ND: float32, contiguous.
        queries_SD: float32, contiguous.
        config: its `recall` is the goal; a given `effort` is only measured.

    Returns:
        The effort, and the recall at 100 that it reaches.
    """
    nearest = min(NEAREST, len(vectors_ND))
    _, truth_SK = faiss.knn(queries_SD, vectors_ND, nearest, metric=faiss.METRIC_INNER_PRODUCT)
    most = most_effort(kind, index)
    effort, reached, last = config.effort or 1, 0.0, most
    while True:
        _, found_SK = index.search(queries_SD, nearest, params=search_parameters(kind, index, effort, None))
        reached, last = recall_of(found_SK, truth_SK), effort
        if config.effort or reached >= config.recall or effort >= most:
            break
        effort = min(most, max(effort + 1, effort * 3 // 2))
    if reached < config.recall:
        more = "--index.effort" if config.effort else "--index.code or --index.candidates"
        knob = more if kind == "ivf-pq" or config.effort else "--index.links"
        log.warning("the index finds only %.3f of the true nearest pictures; raise %s", reached, knob)
    return last, reached
