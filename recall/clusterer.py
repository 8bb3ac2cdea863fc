"""Styles in a notebook: what the stage `styles` does with vectors, as an estimator of scikit-learn's conventions.

Shapes: N vectors, D dimensions, K clusters.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from data.text import words as cut_words
from recall.cluster import CLUSTERS, ClusterConfig, Clusters, content_keys, fit_clusters, least_vectors
from recall.lineage import new_ids
from recall.names import Words, name_styles
from recall.style_tables import ASSIGNMENTS, STYLES
from stylecast.config import from_dict, to_dict
from stylecast.estimator import Configured, as_value_errors
from stylecast.runs import SAVED
from stylecast.saved import load_any, save_model

KIND = f"{SAVED}styles"
LABELS = "labels.npy"
SCORES = ("k", "silhouette_space", "silhouette_vectors", "kept", "outliers")


class StyleClusterer(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, Configured, settings=ClusterConfig
):  # fmt: skip
    """Vectors become styles, as `stylecast styles` finds them; the parameters are those of `ClusterConfig`.

    The same vectors give the same styles in any order. A vector, old or new, belongs to the nearest centroid.

    Attributes:
        clusters_: what was found (`recall.cluster.Clusters`).
        labels_: cluster of each vector of the fit, N.
        styles_: a row a style: style, size (vectors of the fit, emerging ones aside), cluster (its number); with texts
            also name and keywords.
        scores_: how well the clusters stand apart (`Clusters.scores`).
        n_features_in_: D.
    """

    def fit(
        self, X: Any, y: None = None, *, texts: Sequence[str] | None = None, ids: Sequence[object] | None = None,  # noqa: ANN401
    ) -> "StyleClusterer":  # fmt: skip
        """Find the styles of vectors.

        Args:
            X: N×D.
            y: not used; it is there by convention.
            texts: what is said of each, N; styles are then named by the words that they use and others do not.
            ids: N names that decide which vectors are looked at and in which order, as `stylecast styles` takes
                picture ids; by default the vectors themselves decide.

        Raises:
            ValueError: a parameter is out of range, or there are too few vectors.
        """
        config: ClusterConfig = self.config()
        vectors_ND = validate_data(self, X, dtype=(np.float64, np.float32), ensure_min_samples=least_vectors(config))
        check_consistent_length(vectors_ND, texts, ids)
        keys = content_keys(vectors_ND) if ids is None else np.asarray(ids).astype(str)
        with as_value_errors():
            self._take(fit_clusters(keys, vectors_ND, config))
        self.labels_, distance_N = self.clusters_.predict(vectors_ND)
        self.scores_ = self.clusters_.scores
        self.styles_ = self._told(texts, distance_N <= self.clusters_.far)
        return self

    def _take(self, clusters: Clusters) -> None:
        self.clusters_ = clusters
        self._n_features_out = len(clusters.centroids_KP)

    def _told(self, texts: Sequence[str] | None, near_N: np.ndarray) -> pd.DataFrame:
        order = new_ids(len(self.clusters_.centroids_KP), set())
        if texts is None:
            sizes = np.bincount(self.labels_[near_N], minlength=len(order))
            return pd.DataFrame({"style": order, "size": sizes, "cluster": range(len(order))})
        rows = pd.DataFrame({"post_id": np.arange(len(near_N)), "style": np.array(order, object)[self.labels_]})
        said = Words.of(rows[["post_id"]].assign(words=[" ".join(cut_words(str(text))) for text in texts]))
        return name_styles(rows[near_N], said, order).assign(cluster=range(len(order)))

    def _vectors(self, X: Any) -> np.ndarray:  # noqa: ANN401
        check_is_fitted(self)
        return validate_data(self, X, dtype=(np.float64, np.float32), reset=False)

    def predict(self, X: Any) -> np.ndarray:  # noqa: ANN401
        """Nearest cluster of each vector, N; `styles_` tells the style of a cluster."""
        vectors_ND = self._vectors(X)
        return self.clusters_.predict(vectors_ND)[0]

    def transform(self, X: Any) -> np.ndarray:  # noqa: ANN401
        """Distance of each vector from each centroid, N×K, in the space where they are compared."""
        vectors_ND = self._vectors(X)
        return self.clusters_.distances(vectors_ND)

    def is_emerging(self, X: Any) -> np.ndarray:  # noqa: ANN401
        """Which vectors lie far from every style, bool N; `stylecast styles` counts them apart."""
        vectors_ND = self._vectors(X)
        return self.clusters_.predict(vectors_ND)[1] > self.clusters_.far

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that `from_pretrained` reads; it appears whole or not at all.

        Raises:
            UserError: something else lies there.
            sklearn.exceptions.NotFittedError: there is nothing to save.
        """
        check_is_fitted(self)
        with save_model(Path(folder), KIND, self.config()) as run:
            self.clusters_.save(run.folder / CLUSTERS)
            self.styles_.to_parquet(run.folder / STYLES, index=False)
            np.save(run.folder / LABELS, self.labels_)
            run.metrics |= self.scores_
            if (names := getattr(self, "feature_names_in_", None)) is not None:
                run.metrics["columns"] = list(names)

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> "StyleClusterer":
        """Read styles: what `save_pretrained` or `stylecast styles` wrote; of a run, `labels_` are of all its items.

        Raises:
            UserError: the folder is missing, damaged or something else.
        """
        folder = Path(folder)
        manifest = load_any(folder, KIND, "styles")
        told = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        own = manifest["stage"] == KIND
        config = from_dict(told if own else told["cluster"], ClusterConfig, str(folder / "config.json"))
        found = cls(**{name: getattr(config, name) for name in to_dict(config)})
        found._take(Clusters.load(folder / CLUSTERS))
        found.styles_ = pd.read_parquet(folder / STYLES).sort_values("cluster", ignore_index=True)
        found.scores_ = {name: manifest["metrics"][name] for name in SCORES if name in manifest["metrics"]}
        found.n_features_in_ = len(found.clusters_.mean_D)
        if "columns" in manifest["metrics"]:
            found.feature_names_in_ = np.array(manifest["metrics"]["columns"], dtype=object)
        if own:
            found.labels_ = np.load(folder / LABELS)
        else:
            number = found.styles_.set_index("style")["cluster"]
            found.labels_ = number[pd.read_parquet(folder / ASSIGNMENTS)["style"]].to_numpy(np.int64)
        return found
