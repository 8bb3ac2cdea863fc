"""Nearest vectors by faiss, exact; on the GPU where faiss sees one.

Shapes: N vectors, Q queries, D dimensions, K neighbours.
"""

import logging
from pathlib import Path

import faiss
import numpy as np

from stylecast.errors import UserError

log = logging.getLogger(__name__)
FILE = "index.faiss"


class Index:
    """Exact inner-product search: the cosine, for normalised vectors.

    Args:
        index: what faiss built or read, on the CPU.
    """

    def __init__(self, index: faiss.Index) -> None:
        self._cpu = index
        self._search = index
        # The CPU build of faiss has no such function at all.
        if getattr(faiss, "get_num_gpus", lambda: 0)() > 0:
            self._search = faiss.index_cpu_to_all_gpus(index)

    @classmethod
    def build(cls, vectors_ND: np.ndarray) -> "Index":
        """An index of vectors; a hit is told by the row of its vector."""
        index = faiss.IndexFlatIP(vectors_ND.shape[1])
        index.add(np.ascontiguousarray(vectors_ND, dtype=np.float32))
        return cls(index)

    def __len__(self) -> int:
        return int(self._cpu.ntotal)

    def search(self, queries_QD: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest vectors of each query.

        Args:
            queries_QD: float32.
            count: how many, at most all.

        Returns:
            Rows, int64 Q×K, and inner products, float32 Q×K, best first.

        Raises:
            ValueError: the queries have another length than the vectors.
        """
        if queries_QD.shape[1] != self._cpu.d:
            raise ValueError(f"queries have {queries_QD.shape[1]} dimensions, the index has {self._cpu.d}")
        scores, rows = self._search.search(np.ascontiguousarray(queries_QD, dtype=np.float32), min(count, len(self)))
        return rows, scores

    def save(self, folder: Path) -> None:
        """Write `index.faiss`."""
        faiss.write_index(self._cpu, str(folder / FILE))

    @classmethod
    def load(cls, folder: Path) -> "Index":
        """Read what `save` wrote, memory-mapped.

        Raises:
            UserError: there is no index, or faiss cannot read it.
        """
        path = folder / FILE
        if not path.exists():
            raise UserError(f"{path} is missing; {folder} is no run of `stylecast recall`")
        try:
            return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP))
        except RuntimeError as error:
            raise UserError(f"{path}: faiss cannot read it; run `stylecast recall --force`") from error
