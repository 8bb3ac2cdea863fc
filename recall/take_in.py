"""Posts that came after a run: read, embedded, given to its styles and counted, by what the run learnt before.

Nothing is trained or fitted: text is cut by the run's dictionary, pictures go through its encoder, items to the nearest
of its centroids or, far from all, among the emerging ones. Posts that the run has already are left out.

Shapes: N items.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd

from data.panel import Panel
from data.posts import Posts
from data.prepare import PrepareConfig
from data.splits import parse_cut_off
from pretrain.caption import CaptionConfig
from pretrain.caption import main as caption
from recall.accept import read_proposals
from recall.cluster import Clusters
from recall.counts import CountSettings, count_styles
from recall.emerging import PROPOSALS, scan
from recall.items import Items, SourceConfig, joined_items, kept_items, side_by_side
from recall.names import Words
from recall.new_posts import NewPosts, embed_posts, later_copies, read_new
from recall.style_tables import ASSIGNMENTS, PANEL, STYLES
from recall.styles import StylesConfig
from stylecast.errors import UserError
from stylecast.runs import identity_of, input_of, load_config, load_manifest


@dataclass(frozen=True)
class Taken:
    """What a run and the posts after it come to."""

    posts: Posts
    """The new ones."""
    table: pd.DataFrame
    """All posts."""
    pictures: pd.DataFrame
    """All pictures."""
    assignments: pd.DataFrame
    """Which item belongs to which style, the run's own first."""
    panel: Panel
    """The counts."""
    proposals: pd.DataFrame
    """New styles that are proposed."""
    rejected: pd.DataFrame
    """line, post_id, column, value, reason of what could not be used."""
    told: dict[str, int]
    """rows, known (posts that the run has), rejected, accepted (posts), late (of these, older than the run's newest),
    emerging (of no style), without (nothing tells their style)."""

    @property
    def assigned(self) -> pd.DataFrame:
        """The new rows of the assignments."""
        return self.assignments[self.assignments["post_id"].isin(self.posts.table["post_id"])].reset_index(drop=True)


def fit_of(styles: Path) -> StylesConfig:
    """The config that the styles of a run were found by; of styles that others were accepted into, the first run's.

    Raises:
        UserError: the first run is gone, or another; the styles are of own vectors, which new posts have none of.
    """
    inputs = load_manifest(styles, "styles")["inputs"]
    if told := inputs.get("styles"):
        before = input_of(styles, told)
        if before is None or identity_of(before) != told["identity"]:
            raise UserError(f"{told['path']}: the styles that {styles} was made from are not there; put them back")
        return fit_of(before)
    if "vectors" in inputs:
        raise UserError(f"{styles}: its styles were found in own vectors (--vectors), which new posts do not have")
    return load_config(styles, StylesConfig)


def _counted(styles: Path) -> CountSettings:
    told = load_manifest(styles, "styles")["key"]["config"]
    return CountSettings(**{field.name: told[field.name] for field in fields(CountSettings)})


def _items(
    folders: Mapping[str, Path], work: Path, fit: StylesConfig, old: Posts, new: Posts, cut_off: pd.Timestamp | None
) -> tuple[Items, np.ndarray]:
    """The items of the run, then those of the new posts; and which the run was fitted on, bool N."""
    source = SourceConfig(fit.source, fit.text_dimensions, fit.min_count, fit.cluster.seed, fit.text_by, fit.text_model)
    captions = folders.get("caption") if fit.source in ("text", "both") else None
    written = None
    if captions is not None:
        written = work / "captions"
        caption(replace(load_config(captions, CaptionConfig), posts=work / "prepare", pretrain=folders["pretrain"],
                        out=written, force=True))  # fmt: skip
    recall = folders.get("recall")
    before = kept_items(old, recall, captions, source, folders["styles"])
    after = kept_items(new, None if recall is None else work / "recall", written, source, folders["styles"])
    pictures, texts = (
        None if one is None or other is None else joined_items(one, other)
        for one, other in zip(before, after, strict=True)
    )
    main = pictures if pictures is not None else texts
    assert main is not None
    of_run = next(side for side in before if side is not None)
    first_N = np.zeros(len(main.table), bool)
    first_N[: len(of_run.table)] = of_run.before(cut_off, old)
    if pictures is not None and texts is not None:
        main = side_by_side(pictures, texts, first_N)
    return main, first_N


def _assigned(
    folders: Mapping[str, Path], items: Items, known: pd.DataFrame, clusters: Clusters, by_cluster: pd.DataFrame
) -> pd.DataFrame:
    """The new items, each with the nearest style that was known by then; those far from all are emerging.

    Raises:
        UserError: the run's items are not those that it assigned.
    """
    table, count = items.table, len(known)
    if not np.array_equal(table["id"].to_numpy(str)[:count], known["id"].to_numpy(str)):
        folder = folders["styles"]
        raise UserError(f"{folder / ASSIGNMENTS}: not the items of its vectors; run `stylecast styles --force`")
    distance_NK = clusters.distances(items.vectors_ND[count:])
    if "known_from" in by_cluster:  # as in `recall.accept`: nothing from before its scan, and nothing far, is its
        early_NK = table["time"].to_numpy()[count:, None] < by_cluster["known_from"].to_numpy()
        accepted_K = by_cluster["known_from"].notna().to_numpy()
        distance_NK[early_NK | (accepted_K & (distance_NK > clusters.far))] = np.inf
    ids, distance_N = by_cluster["style"].to_numpy(object), distance_NK.min(axis=1)
    return table.iloc[count:].assign(
        style=ids[distance_NK.argmin(axis=1)],
        distance=distance_N.astype(np.float32),
        emerging=distance_N > clusters.far,
    )


def take_in(folders: Mapping[str, Path], new: NewPosts, work: Path) -> Taken:
    """Read, embed, assign and count posts that came after a run.

    Args:
        folders: of the run's stages: `prepare`, `styles` and, if there are such, `recall`, `garment recall`, `caption`
            with `pretrain`.
        new: which posts.
        work: folder that gets `prepare`, `recall`, `garment` with what the models make of them.

    Raises:
        UserError: the table cannot be read, holds nothing new, or the run's styles cannot be told for new posts.
    """
    styles = folders["styles"]
    fit, counted = fit_of(styles), _counted(styles)
    old, posts = Posts.load(folders["prepare"]), read_new(new, folders["prepare"], work / "prepare")
    if counted.author_cap and "author_id" not in posts.table:
        raise UserError(f"{new.posts}: no column `author_id`, by which the run counts (--author-cap); add it")
    for name, out in (("recall", "recall"), ("garment recall", "garment")):
        if name in folders:
            embed_posts(folders[name], work / "prepare", work / out)
    cut_off, newest = parse_cut_off(fit.cut_off), old.table["time"].max()
    items, first_N = _items(folders, work, fit, old, posts, cut_off)
    known, described = pd.read_parquet(styles / ASSIGNMENTS), pd.read_parquet(styles / STYLES)
    by_cluster = described.sort_values("cluster", ignore_index=True)
    clusters = Clusters.load(styles / "clusters.safetensors")
    added = _assigned(folders, items, known, clusters, by_cluster)
    if added.empty:
        raise UserError(f"{new.posts}: no new post has a {'picture' if fit.source != 'text' else 'word'} that is known")
    if counted.duplicates == "once":
        read = load_config(folders["prepare"], PrepareConfig)
        copies = later_copies(old, posts, read.duplicate_bits, read.duplicate_likeness)
        added["duplicate_of"] = added["id"].map(copies)
    assignments = pd.concat([known, added], ignore_index=True)
    table = pd.concat([old.table, posts.table], ignore_index=True)
    panel = count_styles(assignments, table, counted)
    _same_numbers(panel, Panel.read(styles / PANEL, granularity="day"), new.posts)
    found = scan(
        assignments, first_N, items.vectors_ND, clusters, by_cluster["style"].tolist(), described, table,
        Words.of(table), cut_off or newest.normalize() + pd.Timedelta(days=1), fit.emerging,
    )  # fmt: skip
    return Taken(
        posts, table, pd.concat([old.pictures, posts.pictures], ignore_index=True), assignments, panel,
        _proposals(styles, found.proposals, newest),
        pd.read_csv(work / "prepare" / "rejected.csv", dtype=str, keep_default_na=False),
        _told(work / "prepare", posts.table, added, newest),
    )  # fmt: skip


def _told(prepared: Path, posts: pd.DataFrame, added: pd.DataFrame, newest: pd.Timestamp) -> dict[str, int]:
    """What became of the rows, as `Taken.told` has it."""
    counts = load_manifest(prepared, "prepare")["metrics"]
    return {
        "rows": counts["rows"], "known": counts["known"], "rejected": counts["rejected"], "accepted": len(posts),
        "late": int((posts["time"] <= newest).sum()),
        "emerging": added.loc[added["emerging"], "post_id"].nunique(),
        "without": int((~posts["post_id"].isin(added["post_id"])).sum()),
    }  # fmt: skip


def _same_numbers(panel: Panel, before: Panel, source: Path | None) -> None:
    """A number that is below 0 for the first time is counted in two columns, which no model of the run knows."""
    if further := sorted(set(panel.numeric) ^ set(before.numeric)):
        raise UserError(f"{source}: its numbers make the column `{further[0]}`, which the run's do not; run anew")


def _proposals(styles: Path, found: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    """Those that the run made of months that it saw whole, and those of the months since."""
    if not (styles / PROPOSALS).is_file():
        return found
    before, since = read_proposals(styles), last.to_period("M")
    parts = [before[pd.PeriodIndex(before["month"], freq="M") < since],
             found[pd.PeriodIndex(found["month"], freq="M") >= since]]  # fmt: skip
    return pd.concat([part for part in parts if len(part)] or [found.head(0)], ignore_index=True)
