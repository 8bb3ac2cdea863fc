"""Run folders of the stages before `rank`, made by hand: posts whose first coordinate tells what becomes of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from pretrain.encoder import EncoderConfig, build_encoder
from recall.embeddings import Embeddings, normalise
from stylecast.runs import open_run

STYLES = ("s0", "s1", "s2", "s3")


@dataclass(frozen=True)
class Nothing:
    """A config without settings."""


def make_posts(count: int = 1500, days: int = 300, seed: int = 0) -> pd.DataFrame:
    """Posts with a hidden appeal `z`, which likes follow, and a second number, known when a post is written."""
    rng = np.random.default_rng(seed)
    day_N = np.sort(rng.integers(0, days, count))
    style_N = rng.integers(0, len(STYLES), count)
    fame_A = rng.normal(0, 0.7, 12)
    author_N = rng.integers(0, len(fame_A), count)
    z_N = rng.normal(size=count)
    likes_N = np.exp(4 + 1.2 * z_N + fame_A[author_N] + rng.normal(0, 0.3, count))
    time_N = pd.Timestamp("2023-01-01") + pd.to_timedelta(day_N * 24 + rng.integers(7, 23, count), unit="h")
    return pd.DataFrame({
        "post_id": [f"p{number:05d}" for number in range(count)], "time": time_N, "title": "", "sentence": "",
        "hashtags": "", "key_words": "",
        "words": [f"w{style} 裙 好看 x{number % 7}" for number, style in enumerate(style_N)],
        "author_id": [f"a{author}" for author in author_N], "likes": np.round(likes_N),
        "followers": np.round(np.exp(fame_A[author_N]) * 1000), "style": [STYLES[s] for s in style_N], "z": z_N,
    })  # fmt: skip


def make_runs(folder: Path, posts: pd.DataFrame, seed: int = 0) -> dict[str, Path]:
    """Folders of `prepare`, `recall`, `styles` (and of a second recall, `garment`), each post with one picture."""
    rng = np.random.default_rng(seed)
    places = {name: folder / name for name in ("posts", "recall", "styles", "garment")}
    ids = posts["post_id"] + "/0"
    with open_run(places["posts"], "prepare", Nothing(), {}) as run:
        assert run is not None
        posts.drop(columns=["style", "z"]).to_parquet(run.folder / "posts.parquet", index=False)
        pictures = pd.DataFrame(
            {"picture_id": ids, "post_id": posts["post_id"], "path": "", "family": np.arange(len(ids))}
        )
        pictures.to_parquet(run.folder / "pictures.parquet", index=False)
        np.save(run.folder / "images.npy", rng.integers(0, 255, (len(ids), 8, 8, 3)).astype(np.uint8))
    for name in ("recall", "garment"):
        with open_run(places[name], "recall", Nothing(), {"posts": places["posts"]}) as run:
            assert run is not None
            view = "garment" if name == "garment" else "picture"
            build_encoder(EncoderConfig(channels=(8,), view=view)).save(run.folder)
            vectors_ND = rng.normal(0, 0.3, (len(posts), 6))
            vectors_ND[:, 0] = posts["z"]
            vectors_ND[:, 1] = 1.0
            Embeddings(ids.to_numpy(str), normalise(vectors_ND)).save(run.folder)
            texts_ND = np.eye(8)[posts["style"].str[1:].astype(int)]
            Embeddings(posts["post_id"].to_numpy(str), normalise(texts_ND)).save(run.folder / "text")
    with open_run(places["styles"], "styles", Nothing(), {}) as run:
        assert run is not None
        table = posts[["post_id", "time", "style"]].assign(id=ids, emerging=False)
        table.to_parquet(run.folder / "assignments.parquet", index=False)
        panel = Panel.from_rows(posts[["post_id", "style", "time", "likes"]])
        panel.to_frame().to_parquet(run.folder / "panel.parquet", index=False)
    return places
