"""The life of a style over runs: proposed, accepted, refitted, with own vectors from end to end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recall.accept import AcceptConfig
from recall.accept import main as emerging
from recall.cluster import ClusterConfig
from recall.styles import StylesConfig
from recall.styles import main as styles
from stylecast.errors import UserError
from tests.recall.test_emerging import planted


def config_for(folder: Path, out: str, k: int, cut_off: str, previous: Path | None = None) -> StylesConfig:
    return StylesConfig(
        vectors=folder / "v.npy", ids=folder / "ids.csv", out=folder / out, cut_off=cut_off, previous=previous,
        cluster=ClusterConfig(k=k, far_quantile=0.97), figures=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs: `first` with two styles, `second` in which a third is accepted, `third` refitted two months on."""
    folder = tmp_path_factory.mktemp("refit")
    table, vectors_ND = planted()
    np.save(folder / "v.npy", vectors_ND)
    table.rename(columns={"post_id": "id", "title": "text"}).to_csv(folder / "ids.csv", index=False)
    first = styles(config_for(folder, "first", 2, "2024-04-01"))
    proposal = pd.read_csv(first / "emerging.csv")["proposal"].iloc[0]
    emerging(AcceptConfig(styles=first, accept=(proposal,), out=folder / "second", figures=False))
    styles(config_for(folder, "third", 3, "2024-06-01", previous=folder / "second"))
    return folder


def truth_of(folder: Path, run: str) -> dict[str, str]:
    """What most posts of each style are about."""
    rows = pd.read_parquet(folder / run / "assignments.parquet")
    rows = rows[~rows["emerging"]].set_index("post_id")
    text = planted()[0].set_index("post_id")["title"]
    return rows.groupby("style").apply(lambda group: text[group.index].mode()[0]).to_dict()


def test_an_accepted_style_keeps_its_id_over_a_refit(folder: Path) -> None:
    first, third = truth_of(folder, "first"), truth_of(folder, "third")
    assert third == first | {"s02": "蘑菇 森系"}
    lineage = pd.read_csv(folder / "third" / "lineage.csv")
    assert lineage["relation"].tolist() == ["accepted", "continues", "continues", "continues"]
    assert lineage["refit"].tolist() == [0, 1, 1, 1]
    known = pd.read_parquet(folder / "third" / "styles.parquet").set_index("style")
    assert known.loc["s02", "first_seen"].month == 4
    assert known.loc["s02", "name"] == "森系 · 蘑菇"


def test_what_was_counted_before_the_acceptance_stays(folder: Path) -> None:
    one, two = (pd.read_parquet(folder / run / "panel.parquet") for run in ("first", "second"))
    day = pd.read_parquet(folder / "second" / "styles.parquet")["known_from"].max()
    early_one, early_two = (p[(p["date"] < day) & (p["style"] != "s02")].reset_index(drop=True) for p in (one, two))
    pd.testing.assert_frame_equal(early_one, early_two)
    assert not two.loc[(two["date"] < day) & (two["style"] == "s02"), "count"].any()


def test_undated_vectors_propose_nothing(folder: Path, tmp_path: Path) -> None:
    table = pd.read_csv(folder / "ids.csv")
    np.save(tmp_path / "v.npy", np.load(folder / "v.npy"))
    table.drop(columns="time").to_csv(tmp_path / "ids.csv", index=False)
    run = styles(config_for(tmp_path, "run", 2, ""))
    with pytest.raises(UserError, match="only styles of dated posts"):
        emerging(AcceptConfig(styles=run))
