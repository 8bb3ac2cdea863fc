"""The index: which vectors are nearest to a vector, by faiss.

Shapes: N vectors, D dimensions, Q queries, K neighbours.
"""

from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from stylecast.errors import UserError

FILE = "index.faiss"


@dataclass(frozen=True)
class Index:
    """An exact inner-product index over L2-normalised vectors; on the GPU where faiss sees one."""

    faiss_index: faiss.Index
    """Of faiss, on the CPU or on a GPU."""

    @classmethod
    def build(cls, vectors_ND: np.ndarray) -> "Index":
        """Index vectors; vector i has the number i.

        Args:
            vectors_ND: float32, L2-normalised.
        """
        index = faiss.IndexFlatIP(int(vectors_ND.shape[1]))
        index.add(np.ascontiguousarray(vectors_ND, np.float32))
        return cls(index)

    def to_gpu(self) -> "Index":
        """The same index on all GPUs that faiss sees; itself where there is none."""
        if not hasattr(faiss, "get_num_gpus") or faiss.get_num_gpus() == 0:
            return self
        return Index(faiss.index_cpu_to_all_gpus(self.faiss_index))

    def search(self, queries_QD: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k nearest vectors of each query, best first.

        Args:
            queries_QD: float32, L2-normalised.
            k: at most the number of vectors is returned.

        Returns:
            Inner products Q×K and numbers Q×K.
        """
        k = min(k, self.faiss_index.ntotal)
        products_QK, numbers_QK = self.faiss_index.search(np.ascontiguousarray(queries_QD, np.float32), k)
        return products_QK, numbers_QK

    def save(self, folder: Path) -> None:
        """Write `index.faiss`."""
        faiss.write_index(self.faiss_index, str(folder / FILE))

    @classmethod
    def load(cls, folder: Path) -> "Index":
        """Read `index.faiss`, memory-mapped.

        Raises:
            UserError: there is none.
        """
        path = folder / FILE
        if not path.is_file():
            raise UserError(f"{path}: missing; run `stylecast recall` first")
        return cls(faiss.read_index(str(path), faiss.IO_FLAG_MMAP))
