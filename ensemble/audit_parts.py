"""What an audit asks of the runs below a forecast: whether they are whole, and what their parts were fitted on.

Nothing is taken from a config: the days are looked up in the posts by the ids that a stage kept, and what can be worked
out from those posts again (the words of a vocabulary, the centre of the clusters, the panel) is compared with what lies
in the run.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from data.fitted import fitted_posts, last_day
from data.posts import Posts
from pretrain.examples import split_words
from pretrain.train import PretrainConfig
from pretrain.vocabulary import Vocabulary
from recall.cluster import Clusters, choose_rows
from recall.counts import count_styles
from recall.items import picture_items, texts_by
from recall.style_tables import ASSIGNMENTS, PANEL
from recall.styles import StylesConfig
from recall.take_in import fit_of
from recall.text_vectors import TextVectors
from stylecast.errors import UserError
from stylecast.runs import MANIFEST, input_of, load_config, load_manifest

STAGE_OF = {"posts": "prepare", "captions": "caption", "garment": "recall"}
"""The stage of an input, where its setting has another name."""
TOP = ("ensemble", "rank")
"""Runs that forecasts are audited from."""


@dataclass(frozen=True)
class Runs:
    """The runs that a forecast was made from, each whole, each the one that the next was made from."""

    folders: dict[str, Path]
    """By stage; those below a second encoder (`rank --garment`) by `garment STAGE`."""
    manifests: dict[str, dict]
    """Likewise."""

    @classmethod
    def below(cls, run: Path) -> "Runs":
        """Finds them from the manifests' inputs; where those have moved, beside each other.

        Raises:
            UserError: no such run; one that is missing, damaged, or not the one that the next was made from.
        """
        top = next((f for f in (run, *(run / name for name in TOP)) if (f / MANIFEST).is_file()), None)
        if top is None:
            raise UserError(f"{run}: neither a run of `ensemble` or `rank` nor a folder that holds one; name one")
        stage = next((name for name in TOP if _is(top, name)), None)
        if stage is None:
            raise UserError(f"{top}: no run of `ensemble` or `rank`: there is no forecast in it to audit")
        runs = cls({}, {})
        runs._add(stage, top)
        if "prepare" not in runs.folders or "styles" not in runs.folders:
            raise UserError(f"{top}: was made without posts or styles of its own: their days cannot be looked up")
        return runs

    def _add(self, stage: str, folder: Path, branch: str = "") -> None:
        self.folders[branch + stage] = folder
        self.manifests[branch + stage] = manifest = load_manifest(folder, stage)
        self._add_below(stage, folder, manifest, branch)

    def _add_below(self, stage: str, folder: Path, manifest: dict, branch: str) -> None:
        for name, told in manifest["inputs"].items() if stage != "prepare" else ():
            below = STAGE_OF.get(name, name)
            if below not in STAGES:
                continue
            if below == stage:
                # Styles that others were accepted into name no vectors and no captions: the first run does, while it is
                # there. Who needs it asks for it (`recall.take_in.fit_of`).
                first = input_of(folder, told)
                if first is not None:
                    self._add_below(stage, first, load_manifest(first, stage), branch)
                continue
            side = f"{name} " if name == "garment" else branch
            if side + below not in self.folders:
                self._add(below, _whole(folder, name, told), side)
            if self.manifests[side + below]["content"] != told["identity"]:
                raise UserError(f"{folder} was not made from {self.folders[side + below]}; run `{stage}` again")


def _whole(folder: Path, name: str, told: dict[str, str]) -> Path:
    """The run that an input was.

    Raises:
        UserError: it is gone.
    """
    found = input_of(folder, told)
    if found is None:
        raise UserError(f"{told['path']}: the {name} of {folder} is not there any more; put it back, beside it")
    return found


STAGES = ("prepare", "pretrain", "recall", "caption", "styles", "rank")


def _is(folder: Path, stage: str) -> bool:
    return f'"stage": "{stage}"' in (folder / MANIFEST).read_text(encoding="utf-8").partition('"key"')[0]


@dataclass(frozen=True)
class Part:
    """Something that was fitted on posts."""

    name: str
    """`clusters of styles`."""
    until: pd.Timestamp
    """The latest day among these posts, looked up now."""
    problem: str
    """What does not hold of what the run tells; "" when all does."""


def fitted_parts(runs: Runs) -> Iterator[Part]:
    """Every part of the runs that was fitted on posts.

    Raises:
        UserError: a run does not tell what it was fitted on.
    """
    checks: dict[tuple[str, str], Callable[[Path, Runs, Posts, np.ndarray], str]] = {
        ("pretrain", "encoder"): _nothing_more, ("pretrain", "vocabulary"): _vocabulary,
        ("recall", "encoder"): _nothing_more, ("styles", "words"): _words, ("styles", "clusters"): _clusters,
    }  # fmt: skip
    found = [(name, *key) for name in runs.folders for key in checks if name.rpartition(" ")[2] == key[0]]
    for name, stage, part in found:
        if part == "words" and _styles(runs).source == "pictures":
            continue
        branch = name.removesuffix(stage)
        posts = Posts.load(runs.folders[f"{branch}prepare"])
        ids, told = fitted_posts(runs.folders[name], part), runs.manifests[name].get("fitted_on", {}).get(part, {})
        used_P = posts.table["post_id"].isin(ids).to_numpy()
        day = last_day(posts.table["time"][used_P])
        problem = ""
        if int(used_P.sum()) != len(ids) or told.get("posts") != len(ids):
            problem = f"{len(ids)} ids are kept, {told.get('posts')} posts are told, {int(used_P.sum())} are known"
        elif told.get("until") != day:
            problem = f"the manifest tells {told.get('until')}, its posts reach to {day}"
        until = pd.Timestamp.max if day is None else pd.Timestamp(day)  # without a day, anything may have been seen
        yield Part(f"{part} of {name}", until, problem or checks[stage, part](runs.folders[name], runs, posts, used_P))


def _styles(runs: Runs) -> StylesConfig:
    return fit_of(runs.folders["styles"])


def _nothing_more(folder: Path, runs: Runs, posts: Posts, used_P: np.ndarray) -> str:
    return ""


def _vocabulary(folder: Path, runs: Runs, posts: Posts, used_P: np.ndarray) -> str:
    """Counts its words again."""
    again = Vocabulary.build(split_words(posts.table[used_P]), load_config(folder, PretrainConfig).vocabulary)
    return "" if Vocabulary.load(folder) == again else "its words and counts are not those of the posts told"


def _words(folder: Path, runs: Runs, posts: Posts, used_P: np.ndarray) -> str:
    """Counts the texts of each word again."""
    counter = Counter(word for words in split_words(posts.table[used_P]) for word in set(words))
    again = sorted(word for word, count in counter.items() if count >= _styles(runs).min_count)
    model = TextVectors.load(folder / "text")
    return "" if sorted(model.words) == again else "its words are not those of the posts told"


def _clusters(folder: Path, runs: Runs, posts: Posts, used_P: np.ndarray) -> str:
    """Works out again where the centre of the fit lies."""
    config = _styles(runs)
    if config.source == "pictures":
        items = picture_items(posts, runs.folders["recall"])
    elif config.source == "text":
        items = texts_by(TextVectors.load(folder / "text"), posts, runs.folders.get("caption"))
    else:
        return ""  # the two sides were scaled on the fit: the ids alone tell
    first_N = items.table["post_id"].isin(posts.table["post_id"][used_P]).to_numpy()
    rows = choose_rows(items.table["id"].to_numpy()[first_N], config.cluster.max_fit)
    mean_D = items.vectors_ND[first_N][rows].astype(np.float64).mean(axis=0)
    kept = Clusters.load(folder / "clusters.safetensors").mean_D
    return "" if np.allclose(mean_D, kept, rtol=1e-6, atol=1e-9) else "its centre is not that of the posts told"


def panel_problem(runs: Runs, posts: Posts) -> str:
    """What does not hold of the panel: it must be what the assignments count to, on the days of the posts; "" if so."""
    folder = runs.folders["styles"]
    assignments, panel = (pd.read_parquet(folder / name) for name in (ASSIGNMENTS, PANEL))
    times = posts.table.set_index("post_id")["time"].reindex(assignments["post_id"])
    if not np.array_equal(times.to_numpy(), assignments["time"].to_numpy().astype(times.dtype)):
        return f"{folder / ASSIGNMENTS}: its times are not those of the posts"
    again = count_styles(assignments, posts.table, _styles(runs)).to_frame()
    same = list(again.columns) == list(panel.columns) and len(again) == len(panel)
    same = same and all(again[name].astype(str).equals(panel[name].astype(str)) for name in ("style", "date"))
    if not same or not np.allclose(again["count"], panel["count"]) or not np.allclose(again["total"], panel["total"]):
        return f"{folder / PANEL}: is not what its assignments count to"
    return ""
