"""Nearest vectors by faiss: exact, ivf-pq or hnsw; on the GPU where faiss sees one (a graph stays on the CPU).

Vectors come and go by id. A removed vector is only passed over, in every kind alike, since a graph cannot lose a
node: its memory comes back when the index is built anew.

Shapes: N vectors, M new vectors, Q queries, D dimensions, K neighbours.
"""

import json
import logging
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import faiss
import numpy as np

from recall.index_kinds import (
    NEAREST,
    SAMPLE,
    IndexConfig,
    Kind,
    add_faiss,
    build_faiss,
    bytes_a_vector,
    choose_kind,
    search_parameters,
    tune,
)
from stylecast.errors import UserError

log = logging.getLogger(__name__)
FILE, IDS, FACTS = "index.faiss", "index-ids.npy", "index.json"
REMOVED = -1  # in place of the id
GPU_MOST = 2048  # vectors that faiss can rank on a GPU for one query


@dataclass(frozen=True)
class Facts:
    """What is known of an index beside its vectors."""

    kind: Kind
    """Which kind it is."""
    effort: int
    """Cells or vectors in hand a query, for 100 neighbours; 0 = exact."""
    recall: float
    """Share of the true 100 nearest that this finds, on the sample that it was tuned on."""


def _floats(vectors_ND: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(vectors_ND, dtype=np.float32)


class Index:
    """Search by inner product: the cosine, for normalised vectors.

    Args:
        index: what faiss built or read, on the CPU.
        ids_N: int64 id of each vector, -1 where it was removed.
        facts: kind and effort.
    """

    def __init__(self, index: faiss.Index, ids_N: np.ndarray, facts: Facts) -> None:
        self._cpu, self._ids_N, self.facts = index, ids_N, facts
        self._gpu = _on_gpu(index, facts.kind)
        self._selector: faiss.IDSelector | None = None
        self._mapped = False
        self._select()

    @classmethod
    def build(
        cls, vectors_ND: np.ndarray, config: IndexConfig | None = None, *, ids_N: np.ndarray | None = None,
        queries_SD: np.ndarray | None = None,
    ) -> "Index":  # fmt: skip
        """An index of vectors.

        Args:
            vectors_ND: float32, L2-normalised.
            config: kind and settings; by default chosen by the number of vectors.
            ids_N: int64, distinct and not negative; by default the rows, 0..N-1.
            queries_SD: what will be asked, L2-normalised, to tune an approximate index on; by default some of the
                vectors themselves, which are easier to find than queries of another kind.

        Raises:
            UserError: a setting does not fit the vectors, or an id is given twice.
        """
        config = config or IndexConfig()
        vectors_ND = _floats(vectors_ND)
        ids_N = _checked(np.arange(len(vectors_ND)) if ids_N is None else ids_N, len(vectors_ND))
        kind = choose_kind(config, len(vectors_ND))
        index = build_faiss(kind, vectors_ND, config)
        if kind == "exact":
            return cls(index, ids_N, Facts(kind, 0, 1.0))
        asked = vectors_ND if queries_SD is None or not len(queries_SD) else queries_SD
        spread = np.linspace(0, len(asked) - 1, min(SAMPLE, len(asked))).astype(int)
        effort, recall = tune(kind, index, vectors_ND, _floats(asked[spread]), config)
        log.info(
            "index: %s of %d vectors, effort %d, recall@%d %.3f; %.0f bytes a vector, and %.0f of candidates alone",
            kind, len(ids_N), effort, NEAREST, recall, *bytes_a_vector(kind, index),
        )  # fmt: skip
        return cls(index, ids_N, Facts(kind, effort, recall))

    def __len__(self) -> int:
        """Vectors that can be found."""
        return int((self._ids_N != REMOVED).sum())

    @property
    def bytes_a_vector(self) -> tuple[float, float]:
        """Size for each vector: what any search may read, and what is read of candidates alone, bytes."""
        return bytes_a_vector(self.facts.kind, self._cpu)

    def _select(self) -> None:
        live_N = self._ids_N != REMOVED
        self._selector = None if live_N.all() else faiss.IDSelectorBitmap(np.packbits(live_N, bitorder="little"))

    def search(self, queries_QD: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest vectors of each query.

        Args:
            queries_QD: float32.
            count: how many, at most all.

        Returns:
            Ids, int64 Q×K, and inner products, float32 Q×K, best first; -1 and -inf where an approximate index
            found fewer. The inner products of ivf-pq are those of float16 vectors.

        Raises:
            ValueError: the queries have another length than the vectors.
        """
        if queries_QD.shape[1] != self._cpu.d:
            raise ValueError(f"queries have {queries_QD.shape[1]} dimensions, the index has {self._cpu.d}")
        count = min(count, len(self))
        if count == 0:
            return np.empty((len(queries_QD), 0), np.int64), np.empty((len(queries_QD), 0), np.float32)
        # The effort was found for 100 neighbours among vectors that are all there.
        effort = math.ceil(self.facts.effort * max(1, count / NEAREST) * len(self._ids_N) / len(self))
        parameters = search_parameters(self.facts.kind, self._cpu, effort, self._selector)
        scores, rows = self._engine(count).search(_floats(queries_QD), count, params=parameters)
        return np.where(rows < 0, -1, self._ids_N[rows]), np.where(rows < 0, -np.inf, scores).astype(np.float32)

    def _engine(self, count: int) -> faiss.Index:
        ranked = count * int(self._cpu.k_factor) if self.facts.kind == "ivf-pq" else count
        # faiss passes over vectors on the CPU alone.
        return self._cpu if self._gpu is None or self._selector is not None or ranked > GPU_MOST else self._gpu

    def add(self, vectors_MD: np.ndarray, ids_M: np.ndarray) -> None:
        """Add vectors. Cells and codes of ivf-pq stay as they are, so that a much changed corpus wants a new index.

        Args:
            vectors_MD: float32, L2-normalised.
            ids_M: int64, distinct, not negative and not in the index.

        Raises:
            ValueError: the vectors have another length than those of the index.
            UserError: an id is given twice, or is in the index.
        """
        if vectors_MD.shape[1] != self._cpu.d:
            raise ValueError(f"vectors have {vectors_MD.shape[1]} dimensions, the index has {self._cpu.d}")
        ids_M = _checked(ids_M, len(vectors_MD))
        known = ids_M[np.isin(ids_M, self._ids_N)]
        if len(known):
            raise UserError(f"id {known[0]} is in the index already ({len(known)} such ids); remove it first")
        if self._mapped:  # a file cannot grow in place
            self._cpu, self._mapped = faiss.deserialize_index(faiss.serialize_index(self._cpu)), False
        add_faiss(self.facts.kind, self._cpu, _floats(vectors_MD))
        self._ids_N = np.concatenate([self._ids_N, ids_M])
        self._gpu = _on_gpu(self._cpu, self.facts.kind)
        self._select()

    def remove(self, ids_M: np.ndarray) -> None:
        """Remove vectors: no search finds them any more, and their ids may be given again.

        Raises:
            UserError: an id is not in the index.
        """
        gone = np.asarray(ids_M, dtype=np.int64)
        unknown = gone[~np.isin(gone, self._ids_N) | (gone < 0)]
        if len(unknown):
            raise UserError(f"id {unknown[0]} is not in the index ({len(unknown)} such ids); nothing was removed")
        self._ids_N = np.where(np.isin(self._ids_N, gone), REMOVED, self._ids_N)
        self._select()

    def save(self, folder: Path) -> None:
        """Write `index.faiss`, `index-ids.npy` and `index.json`."""
        # Beside first: the file may be the very one that this index is mapped from.
        beside = folder / f"{FILE}.tmp"
        faiss.write_index(self._cpu, str(beside))
        os.replace(beside, folder / FILE)
        np.save(folder / IDS, self._ids_N)
        (folder / FACTS).write_text(json.dumps(asdict(self.facts), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> "Index":
        """Read what `save` wrote; vectors, codes and graph are memory-mapped.

        Raises:
            UserError: a file is missing or cannot be read, or the files do not belong together.
        """
        for name in (FILE, IDS, FACTS):
            if not (folder / name).exists():
                raise UserError(f"{folder / name} is missing; make the index with `stylecast recall --force`")
        path = folder / FILE
        try:
            index = faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:
            raise UserError(f"{path}: faiss cannot read it; run `stylecast recall --force`") from error
        ids_N = np.load(folder / IDS)
        facts = Facts(**json.loads((folder / FACTS).read_text(encoding="utf-8")))
        if len(ids_N) != index.ntotal:
            raise UserError(f"{path} has {index.ntotal} vectors but {IDS} {len(ids_N)}; run `stylecast recall --force`")
        loaded = cls(index, ids_N, facts)
        loaded._mapped = True
        return loaded


def _checked(ids_N: np.ndarray, count: int) -> np.ndarray:
    ids_N = np.asarray(ids_N, dtype=np.int64)
    if ids_N.shape != (count,):
        raise ValueError(f"{count} vectors but ids of shape {ids_N.shape}")
    if len(ids_N) and ids_N.min() < 0:
        raise UserError(f"id {ids_N.min()}: ids of vectors must not be negative")
    values, times = np.unique(ids_N, return_counts=True)
    if (times > 1).any():
        raise UserError(f"id {values[times > 1][0]} is given twice; ids of vectors must be distinct")
    return ids_N


def _on_gpu(index: faiss.Index, kind: Kind) -> faiss.Index | None:
    """The same index on the first GPU that faiss sees, or None."""
    # The CPU build of faiss has no such function at all.
    if kind == "hnsw" or getattr(faiss, "get_num_gpus", lambda: 0)() == 0:
        return None
    resources, options = faiss.StandardGpuResources(), faiss.GpuClonerOptions()
    if kind == "exact":
        return faiss.index_cpu_to_gpu(resources, 0, index, options)
    options.useFloat16 = True  # tables of long codes do not fit a GPU's shared memory otherwise
    cells = faiss.index_cpu_to_gpu(resources, 0, faiss.downcast_index(index.base_index), options)
    refined = faiss.IndexRefine(cells, index.refine_index)
    refined.k_factor = index.k_factor
    refined.referenced_objects = [cells, index, resources]  # what it points to must live as long
    return refined
