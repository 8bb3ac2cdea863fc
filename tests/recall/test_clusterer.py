"""Styles as an estimator: what the stage finds, scikit-learn's conventions, saved and read back."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from data.prepare_pictures import PictureSettings
from recall.cluster import ClusterConfig, content_keys, fit_clusters
from recall.clusterer import StyleClusterer
from recall.styles import StylesConfig, main
from stylecast.errors import UserError

WORDS = ("牛仔裤", "连衣裙", "风衣", "毛衣")


@pytest.fixture(scope="module")
def blobs() -> tuple[pd.DataFrame, np.ndarray, list[str]]:
    """Four groups of vectors, each with a word of its own."""
    rng = np.random.default_rng(0)
    truth_N = rng.integers(0, 4, 240)
    vectors_ND = rng.normal(size=(4, 12))[truth_N] * 4 + 0.4 * rng.normal(size=(240, 12))
    texts = [f"今天穿{WORDS[number]}" for number in truth_N]
    return pd.DataFrame(vectors_ND.astype(np.float32), columns=[f"v{n}" for n in range(12)]), truth_N, texts


# Without k, 20 vectors are needed, and the checks give some estimators 10.
@parametrize_with_checks([StyleClusterer(k=3, pca=5)])
def test_scikit_learns_conventions(estimator: StyleClusterer, check: Callable[[Any], None]) -> None:
    check(estimator)


def test_parameters_are_the_settings(blobs: tuple[pd.DataFrame, np.ndarray, list[str]]) -> None:
    plain = StyleClusterer()
    assert plain.config() == ClusterConfig()
    assert sorted(plain.get_params()) == sorted(field.name for field in fields(ClusterConfig))
    assert clone(plain).set_params(k=4, seed=7).config() == ClusterConfig(k=4, seed=7)
    with pytest.raises(TypeError, match="no parameter 'n_clusters'; there are method, k,"):
        StyleClusterer(n_clusters=4)
    with pytest.raises(ValueError, match=r"^k 200: must be"):
        StyleClusterer(k=200).fit(blobs[0])


def test_the_same_as_the_stage_underneath(blobs: tuple[pd.DataFrame, np.ndarray, list[str]]) -> None:
    frame, truth_N, texts = blobs
    vectors_ND = frame.to_numpy()
    found = StyleClusterer(k=4).fit(frame, texts=texts)
    assert adjusted_rand_score(truth_N, found.labels_) > 0.95
    told = fit_clusters(content_keys(vectors_ND), vectors_ND, ClusterConfig(k=4))
    np.testing.assert_array_equal(found.clusters_.centroids_KP, told.centroids_KP)
    label_N, distance_N = told.predict(vectors_ND)
    np.testing.assert_array_equal(found.predict(frame), label_N)
    np.testing.assert_array_equal(found.transform(frame).argmin(axis=1), label_N)
    np.testing.assert_array_equal(found.transform(frame).min(axis=1), distance_N)
    assert found.is_emerging(frame + 100).all()
    assert found.styles_["name"].map(lambda name: name in WORDS).all()
    assert found.styles_["size"].tolist() == np.bincount(label_N[distance_N <= told.far]).tolist()
    names = found.styles_["name"].to_numpy()[found.labels_]
    assert np.mean([name in text for name, text in zip(names, texts, strict=True)]) > 0.95
    frame_out = found.set_output(transform="pandas").transform(frame)
    assert list(frame_out.columns) == [f"styleclusterer{n}" for n in range(4)]


def test_ids_decide_what_is_looked_at(blobs: tuple[pd.DataFrame, np.ndarray, list[str]]) -> None:
    frame, ids = blobs[0], [f"p{n}" for n in range(240)]
    found = StyleClusterer(k=4, max_fit=100).fit(frame, ids=ids)
    told = fit_clusters(np.array(ids), frame.to_numpy(), ClusterConfig(k=4, max_fit=100))
    np.testing.assert_array_equal(found.clusters_.centroids_KP, told.centroids_KP)


def test_saved_and_read_back(blobs: tuple[pd.DataFrame, np.ndarray, list[str]], tmp_path: Path) -> None:
    frame, _, texts = blobs
    found = StyleClusterer(k=4, seed=3).fit(frame, texts=texts)
    found.save_pretrained(tmp_path / "kept")
    again = StyleClusterer.from_pretrained(tmp_path / "kept")
    assert again.get_params() == found.get_params()
    np.testing.assert_array_equal(again.transform(frame), found.transform(frame))
    np.testing.assert_array_equal(again.labels_, found.labels_)
    pd.testing.assert_frame_equal(again.styles_, found.styles_)
    assert again.scores_ == found.scores_
    with pytest.raises(ValueError, match="feature names"):
        again.predict(frame.rename(columns={"v0": "w0"}))
    (tmp_path / "kept" / "labels.npy").unlink()
    with pytest.raises(UserError, match=r"labels\.npy: missing.*save it again"):
        StyleClusterer.from_pretrained(tmp_path / "kept")


def test_a_run_of_styles_is_read(blobs: tuple[pd.DataFrame, np.ndarray, list[str]], tmp_path: Path) -> None:
    frame, _, texts = blobs
    np.save(tmp_path / "v.npy", np.asfortranarray(frame.to_numpy()))  # as pandas gives them
    pd.DataFrame({"id": range(240), "text": texts}).to_csv(tmp_path / "ids.csv", index=False)
    config = StylesConfig(
        vectors=tmp_path / "v.npy", ids=tmp_path / "ids.csv", out=tmp_path / "run", figures=False,
        cluster=ClusterConfig(k=4), images=PictureSettings(workers=1),
    )  # fmt: skip
    main(config)
    read = StyleClusterer.from_pretrained(tmp_path / "run")
    fitted = StyleClusterer(k=4).fit(frame.to_numpy(), texts=texts)
    np.testing.assert_array_equal(read.transform(frame.to_numpy()), fitted.transform(frame.to_numpy()))
    np.testing.assert_array_equal(read.labels_, fitted.labels_)
    columns = ["style", "name", "keywords", "size", "cluster"]
    pd.testing.assert_frame_equal(read.styles_[columns], fitted.styles_[columns], check_dtype=False)
