"""The notebook of examples/, as a script on the tiny run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.posts import Posts
from ensemble.forecaster import ShareForecaster
from ensemble.pipeline import RunConfig
from pretrain.encoder import PixelEncoder
from rank.stored import load_backtest
from recall.cluster import CLUSTERS, Clusters
from recall.clusterer import StyleClusterer
from recall.items import head_vectors

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "notebook.py"


def test_every_cell_runs(finished: tuple[RunConfig, str], tmp_path: Path) -> None:
    run = finished[0].out
    done = subprocess.run([sys.executable, str(SCRIPT), str(run)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "gaussian-process" in done.stdout
    assert done.stdout.rstrip().endswith("kept in notebook and read back alike: True")
    assert (tmp_path / "notebook" / "shares.png").stat().st_size > 10_000
    images = Posts.load(run / "prepare").images[:3]
    kept = PixelEncoder.from_pretrained(tmp_path / "notebook" / "encoder").encode(images)
    np.testing.assert_array_equal(kept.astype(np.float16), np.load(run / "recall" / "heads.npy", mmap_mode="r")[:3])


def test_a_run_of_styles_is_an_estimator(finished: tuple[RunConfig, str]) -> None:
    run = finished[0].out
    styles = StyleClusterer.from_pretrained(run / "styles")
    told = pd.read_parquet(run / "styles" / "assignments.parquet")
    vectors_ND = head_vectors(run / "recall")
    names = styles.styles_["style"].to_numpy()
    assert (names[styles.predict(vectors_ND)] == told["style"]).all()
    assert (styles.is_emerging(vectors_ND) == told["emerging"]).all()
    assert (names[styles.labels_] == told["style"]).all()
    far = Clusters.load(run / "styles" / CLUSTERS).far
    assert ((styles.transform(vectors_ND).min(axis=1) > far) == told["emerging"]).all()


def test_a_run_of_rank_is_a_forecaster(finished: tuple[RunConfig, str]) -> None:
    run = finished[0].out
    found = ShareForecaster.from_pretrained(run / "rank")
    written = pd.read_parquet(run / "ensemble" / "forecast.parquet")
    asked = pd.concat([found.predict(origin) for origin in found.origins_], ignore_index=True)
    keys = ["model", "origin", "style"]
    one, two = (table.sort_values(keys, ignore_index=True) for table in (asked, written))
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    backtest = load_backtest(run / "rank", Panel.read(run / "styles" / "panel.parquet", granularity="day"))
    assert found.outcome_.backtest.models == backtest.models
    assert found.config().target == finished[0].rank.target
