from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rank.style_vectors import style_vectors
from recall.cluster import Clusters


def test_styles_have_the_centroids_of_their_clusters(tmp_path: Path) -> None:
    centroids = np.array([[3.0, 4.0], [0.0, 2.0], [1.0, 0.0]])
    Clusters(np.zeros(2), np.eye(2), centroids, 1.0, {}, {}).save(tmp_path / "clusters.safetensors")
    pd.DataFrame({"style": ["b", "a", "c"], "cluster": [0, 1, 2]}).to_parquet(tmp_path / "styles.parquet")
    found = style_vectors(tmp_path, ("a", "b"))
    assert found == pytest.approx(np.array([[0.0, 1.0], [0.6, 0.8]]))
    assert style_vectors(tmp_path, ("a", "z")) is None  # a style without a cluster: none has a vector
    (tmp_path / "clusters.safetensors").unlink()
    assert style_vectors(tmp_path, ("a", "b")) is None
