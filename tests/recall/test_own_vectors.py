"""Own vectors become styles without the stages before; what does not belong together is told."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from recall.cluster import ClusterConfig
from recall.styles import StylesConfig, main
from stylecast.errors import UserError

WORDS = ["碎花 连衣裙 法式", "牛仔裤 工装 丹宁", "西装 通勤 职场"]


def write(folder: Path, order: np.ndarray | None = None, renumbered: bool = False, **columns: object) -> StylesConfig:
    """Vectors of three groups, and their table; `order` shuffles the rows."""
    rng = np.random.default_rng(0)
    truth_N = np.arange(240) % 3
    vectors_ND = (np.eye(3, 16)[truth_N] + 0.15 * rng.normal(size=(240, 16))).astype(np.float32)
    table = pd.DataFrame({"id": [f"p{n:03d}" for n in range(240)]}).assign(**columns)
    if order is not None:
        vectors_ND, table = vectors_ND[order], table.iloc[order]
    if renumbered:
        table["id"] = np.arange(len(table)).astype(str)
    folder.mkdir(exist_ok=True, parents=True)
    np.save(folder / "v.npy", vectors_ND)
    table.to_csv(folder / "ids.csv", index=False)
    cluster = ClusterConfig(k_min=2, k_max=8)
    return StylesConfig(
        vectors=folder / "v.npy", ids=folder / "ids.csv", out=folder / "run", cluster=cluster, figures=False
    )


def found(config: StylesConfig) -> pd.DataFrame:
    return pd.read_parquet(main(config) / "assignments.parquet").set_index("id")


def test_ids_alone_are_enough(tmp_path: Path) -> None:
    labels = found(write(tmp_path))["style"]
    assert adjusted_rand_score(np.arange(240) % 3, labels) == 1.0
    assert not (tmp_path / "run" / "panel.parquet").exists()
    tree = pd.read_csv(tmp_path / "run" / "hierarchy.csv")
    assert tree["size"].tolist()[-1] == 240
    assert set(tree["left"]) | set(tree["right"]) == {"s00", "s01", "s02", "h00"}


def test_neither_order_nor_ids_nor_number_format_matter(tmp_path: Path) -> None:
    plain = found(write(tmp_path / "plain"))["style"]
    order = np.random.default_rng(1).permutation(240)
    shuffled = found(write(tmp_path / "shuffled", order=order))["style"]
    pd.testing.assert_series_equal(plain, shuffled.loc[plain.index])
    renumbered = found(write(tmp_path / "renumbered", order=order, renumbered=True))["style"]
    np.testing.assert_array_equal(plain.to_numpy()[order], renumbered.to_numpy())
    config = write(tmp_path / "wide")
    np.save(config.vectors or Path(), np.load(config.vectors or Path()).astype(np.float64))
    np.testing.assert_array_equal(plain, found(config)["style"])


def test_time_text_and_image_bring_panel_names_and_medoids(tmp_path: Path) -> None:
    for n in range(240):
        noise = np.random.default_rng(n).integers(0, 255, (20, 20, 3), np.uint8)
        cv2.imwrite(str(tmp_path / f"{n}.png"), noise)
    config = write(
        tmp_path, time=pd.date_range("2024-01-01", periods=240).strftime("%Y-%m-%d"),
        text=[WORDS[n % 3] for n in range(240)], image=[f"{n}.png" if n else "gone.png" for n in range(240)],
    )  # fmt: skip
    run = main(replace(config, cut_off="2024-07-01"))
    styles = pd.read_parquet(run / "styles.parquet")
    assert {word for name in styles["name"] for word in name.split(" · ")} <= set(" ".join(WORDS).split())
    assert all(len(medoids) == 5 for medoids in styles["medoids"])
    assert "p000" not in {m for medoids in styles["medoids"] for m in medoids}
    assert pd.read_parquet(run / "panel.parquet")["count"].sum() > 230
    rejected = pd.read_csv(run / "rejected.csv")
    assert rejected[["post_id", "reason"]].to_numpy().tolist() == [["p000", "no such file"]]
    both = main(replace(config, source="both", text_dimensions=4, out=tmp_path / "both"))
    assert len(pd.read_parquet(both / "styles.parquet")) == 3


def test_half_precision_and_rows_that_hold_no_number(tmp_path: Path) -> None:
    config = write(tmp_path)
    vectors_ND = np.load(config.vectors or Path()).astype(np.float16)
    vectors_ND[7, 3], vectors_ND[9] = np.nan, 0
    np.save(config.vectors or Path(), vectors_ND)
    assert len(found(config)) == 238
    rejected = pd.read_csv(config.out / "rejected.csv")
    assert rejected["post_id"].tolist() == ["p007", "p009"]
    assert rejected["line"].tolist() == [9, 11]
    assert "NaN" in rejected["reason"][0]


def test_what_does_not_belong_together_is_told(tmp_path: Path) -> None:
    config = write(tmp_path)
    with pytest.raises(UserError, match="needs --ids"):
        main(replace(config, ids=None))
    with pytest.raises(UserError, match="no column `time`"):
        main(replace(config, cut_off="2024-01-01"))
    with pytest.raises(UserError, match="would not look at --vectors"):
        main(replace(config, source="text"))
    with pytest.raises(UserError, match="stands in for --recall"):
        main(replace(config, recall=tmp_path))
    pd.DataFrame({"id": ["a", "b"]}).to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(UserError, match=r"short\.csv has 2 rows but .*v\.npy 240 vectors"):
        main(replace(config, ids=tmp_path / "short.csv"))
    pd.DataFrame({"name": ["a"] * 240}).to_csv(tmp_path / "nameless.csv", index=False)
    with pytest.raises(UserError, match="no column `id`"):
        main(replace(config, ids=tmp_path / "nameless.csv"))
    np.save(tmp_path / "flat.npy", np.zeros(5))
    with pytest.raises(UserError, match=r"needs a matrix of numbers.*\(5,\)"):
        main(replace(config, vectors=tmp_path / "flat.npy"))
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(UserError, match=r"no \.npy file of numbers"):
        main(replace(config, vectors=tmp_path / "text.npy"))
