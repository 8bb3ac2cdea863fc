"""Clusters of like pictures, by which hard negatives are drawn: k-means of head 0, anew before each epoch.

Shapes: M pictures that are clustered, D dimensions, P posts.
"""

import faiss
import numpy as np
import torch
from torch import Tensor, nn

from pretrain.encoder import Encoder
from pretrain.examples import spread
from pretrain.pictures import Pictures, embed
from recall.embeddings import normalise
from recall.negatives import Negatives
from stylecast.world import World, broadcast_object

ROUNDS = 12
FEWEST = 8  # pictures for each cluster, on average


def cluster_numbers(vectors_MD: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """The cluster of each vector, by spherical k-means; the same vectors and seed give the same. int64 M."""
    count = max(1, min(clusters, len(vectors_MD) // FEWEST))
    kmeans = faiss.Kmeans(
        vectors_MD.shape[1], count, niter=ROUNDS, seed=seed, spherical=True,
        min_points_per_centroid=1, max_points_per_centroid=max(256, len(vectors_MD)),
    )  # fmt: skip
    kmeans.train(np.ascontiguousarray(vectors_MD, dtype=np.float32))
    numbers: np.ndarray = kmeans.index.search(np.ascontiguousarray(vectors_MD, dtype=np.float32), 1)[1][:, 0]
    return numbers


class Clusters(nn.Module):
    """Which training picture is of which cluster.

    The numbers are a buffer, so that a training that goes on in the middle of an epoch goes on with them.

    Args:
        negatives: what draws by them.
        pictures: of the corpus.
        rows: the training pictures.
        post_N: row of the post of each picture.
        world: rank 0 clusters for all.
        seed: of k-means.
    """

    number_M: Tensor

    def __init__(
        self, negatives: Negatives, pictures: Pictures, rows: np.ndarray, post_N: np.ndarray, world: World, seed: int
    ) -> None:
        super().__init__()
        self.negatives, self.pictures, self.world, self.seed = negatives, pictures, world, seed
        self.rows, self.post_N = spread(rows, negatives.config.clustered), post_N
        self.register_buffer("number_M", torch.zeros(len(self.rows), dtype=torch.int64))

    def renew(self, encoder: Encoder, begun: bool) -> None:
        """Cluster by what the encoder sees now, or go on with the numbers of the epoch that has begun."""
        if not begun:
            found = np.zeros(0, np.int64)
            if self.world.is_main:
                heads_MHD = embed(encoder, self.pictures, self.rows, self.number_M.device)
                found = cluster_numbers(normalise(heads_MHD[:, 0]), self.negatives.config.clusters, self.seed)
            self.number_M.copy_(torch.from_numpy(broadcast_object(found, self.world)))
        cluster_P = np.zeros(int(self.post_N.max()) + 1, np.int64)
        # A post is where its first picture is.
        cluster_P[self.post_N[self.rows][::-1]] = self.number_M.cpu().numpy()[::-1] + 1
        self.negatives.regroup(cluster_P)
