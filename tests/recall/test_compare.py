"""What styles could be found in, side by side."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recall.cluster import ClusterConfig
from recall.compare import CompareConfig, evenness, main, stability
from stylecast.errors import UserError
from tests.recall.test_own_vectors import WORDS, write


def test_evenness_and_stability_by_hand() -> None:
    assert evenness(np.array([0, 0, 1, 1])) == pytest.approx(1.0)
    assert evenness(np.array([0, 0, 0, 1])) == pytest.approx(0.8113, abs=1e-4)
    same, swapped = np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])
    assert stability([same, swapped]) == 1.0
    assert stability([same, swapped, np.array([0, 1, 0, 1])]) == pytest.approx((1 - 0.5 - 0.5) / 3)
    assert np.isnan(stability([same]))


def test_vectors_and_both_are_compared_with_the_truth(tmp_path: Path) -> None:
    own = write(tmp_path, text=[WORDS[n % 3] for n in range(240)])
    pd.DataFrame({"id": [f"p{n:03d}" for n in range(240)], "style": [n % 3 for n in range(240)]}).to_csv(
        tmp_path / "truth.csv", index=False
    )
    given = {f.name: getattr(own, f.name) for f in fields(own)} | {"text_dimensions": 4}
    # With so few vectors a valley is hardly seen: three groups are asked for.
    given["cluster"] = ClusterConfig(k=3)
    config = CompareConfig(**given, sources=("pictures", "both"), seeds=2, truth=tmp_path / "truth.csv")
    told = main(config)
    table = pd.read_csv(config.out / "compare.csv")
    assert table["source"].tolist() == ["pictures", "both"]
    assert table[["ARI", "NMI", "stability"]].min().min() > 0.99
    assert "silhouette_vectors" in told
    with pytest.raises(UserError, match="columns id and style"):
        main(replace(config, truth=tmp_path / "ids.csv", force=True))
    with pytest.raises(UserError, match="--seeds must be 1 or more"):
        main(replace(config, seeds=0, force=True))
