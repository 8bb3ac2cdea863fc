"""What styles look like: the centroids of their clusters, by which a young style finds the styles most like it.

Shapes: S styles, V dimensions of the clusters' space.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from recall.cluster import CLUSTERS, Clusters
from recall.style_tables import STYLES

log = logging.getLogger(__name__)


def style_vectors(folder: Path, styles: tuple[str, ...]) -> np.ndarray | None:
    """Centroids of the styles, of length 1, [S, V]; None (told) where the run keeps none.

    They were fitted on what lies before the cut-off of the run, as the styles themselves.

    Args:
        folder: a run of `styles`.
        styles: of its panel, in order.
    """
    table = pd.read_parquet(folder / STYLES) if (folder / STYLES).is_file() else pd.DataFrame({"style": []})
    cluster_S = table.set_index("style").reindex(columns=["cluster"], index=list(styles))["cluster"]
    if not (folder / CLUSTERS).is_file() or cluster_S.isna().any():
        log.info("%s keeps no cluster of every style: young styles find their neighbours by their shares", folder)
        return None
    vectors_SV = Clusters.load(folder / CLUSTERS).centroids_KP[cluster_S.to_numpy(int)]
    return vectors_SV / np.maximum(np.linalg.norm(vectors_SV, axis=1, keepdims=True), 1e-12)
