"""The noun `Embeddings`: ids and vectors; and the heads of pictures, kept for rescoring.

Shapes: N pictures or posts, H heads, D dimensions, W words.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from pretrain.encoder import Encoder
from pretrain.pictures import Pictures, embed
from recall.matchers import TextEncoder
from stylecast.errors import UserError
from stylecast.logs import progress

log = logging.getLogger(__name__)
IDS, VECTORS, HEADS = "ids.parquet", "vectors.npy", "heads.npy"
PART = 8192  # pictures between two writes: memory stays the same for any corpus


@dataclass(frozen=True)
class Embeddings:
    """Ids and their vectors."""

    ids: np.ndarray
    """str N."""
    vectors_ND: np.ndarray
    """float32, L2-normalised; memory-mapped when loaded."""

    def save(self, folder: Path) -> None:
        """Write `ids.parquet` (column id) and `vectors.npy`."""
        folder.mkdir(parents=True, exist_ok=True)
        pd.DataFrame({"id": self.ids}).to_parquet(folder / IDS, index=False)
        np.save(folder / VECTORS, self.vectors_ND)

    @classmethod
    def load(cls, folder: Path) -> "Embeddings":
        """Read what `save` wrote.

        Raises:
            UserError: a file is missing, or the two do not belong together.
        """
        for name in (IDS, VECTORS):
            if not (folder / name).exists():
                raise UserError(f"{folder / name} is missing; give the run folder of `stylecast recall`")
        ids = pd.read_parquet(folder / IDS)["id"].to_numpy(str)
        vectors_ND = np.load(folder / VECTORS, mmap_mode="r")
        if len(ids) != len(vectors_ND):
            raise UserError(f"{folder}: {len(ids)} ids but {len(vectors_ND)} vectors; run `stylecast recall --force`")
        return cls(ids, vectors_ND)


def normalise(vectors_ND: np.ndarray) -> np.ndarray:
    """Rows of length one; a row of zeros stays."""
    length_N1 = np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return (vectors_ND / np.maximum(length_N1, 1e-12)).astype(np.float32)


def write_picture_embeddings(encoder: Encoder, pictures: Pictures, ids: np.ndarray, folder: Path) -> Embeddings:
    """Embed every picture: `vectors.npy` is head 0, normalised; `heads.npy` all heads, float16 N×H×D.

    Args:
        encoder: of the recall stage.
        pictures: of the corpus, N.
        ids: picture ids, N.
        folder: where to write.
    """
    device = next(encoder.parameters()).device
    shape = (len(pictures), encoder.heads, encoder.dim)
    heads = np.lib.format.open_memmap(folder / HEADS, mode="w+", dtype=np.float16, shape=shape)
    vectors_ND = np.empty((shape[0], shape[2]), dtype=np.float32)
    for start in progress(range(0, len(pictures), PART), "embedding pictures", unit="part"):
        rows = np.arange(start, min(start + PART, len(pictures)))
        part_BHD = embed(encoder, pictures, rows, device)
        heads[rows] = part_BHD
        vectors_ND[rows] = normalise(part_BHD[:, 0])
    heads.flush()
    embeddings = Embeddings(ids, vectors_ND)
    embeddings.save(folder)
    return embeddings


def text_vectors(text: TextEncoder, words_PW: np.ndarray, chunk: int = 1024) -> np.ndarray:
    """Sentence vectors of posts, in float32; zero for a post without a known word.

    Args:
        text: of the recall stage.
        words_PW: distinct word numbers of the posts, padded.
        chunk: posts at a time; the last chunk is filled up, so that it changes no other.

    Returns:
        float32 P×D, L2-normalised or zero.
    """
    text.eval()
    parts = [np.zeros((0, text.table_VD.shape[1]), dtype=np.float32)]
    with torch.inference_mode():
        for start in range(0, len(words_PW), chunk):
            part = words_PW[start : start + chunk]
            filled = np.pad(part, ((0, chunk - len(part)), (0, 0)))
            vectors = text(torch.from_numpy(filled).to(text.table_VD.device)).sentence_QD
            parts.append(vectors[: len(part)].cpu().numpy())
    return np.concatenate(parts)
