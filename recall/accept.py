"""Command `emerging`: the new styles that a run of `styles` proposes, and their acceptance.

    stylecast emerging runs/styles                                             # what is proposed
    stylecast emerging runs/styles --accept e2024-03-1 --out runs/styles-2     # seconds

An accepted proposal is a style with an id that no style ever had. It takes the items after its scan that lie nearest
to its centroid; what lay before stays as it was counted, so that no forecast of a day before the scan changes.
"""

import logging
import shutil
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from safetensors.numpy import load_file

from data.fitted import FOLDER as FITTED
from data.posts import Posts
from data.splits import parse_cut_off
from recall.cluster import Clusters
from recall.counts import CountSettings
from recall.emerging import CENTROIDS, COLUMNS, JOINERS, PROPOSALS
from recall.figures import OF_TABLES, Found, draw_time
from recall.lineage import LINEAGE, new_ids, read_lineage
from recall.own_vectors import load_own
from recall.style_tables import ASSIGNMENTS, PANEL, SHARES, STYLES, with_dates, write_tables
from stylecast.errors import UserError
from stylecast.files import write_csv
from stylecast.runs import MANIFEST, Run, load_manifest, open_run

log = logging.getLogger(__name__)
MADE_ANEW = {ASSIGNMENTS, STYLES, PANEL, SHARES, LINEAGE, PROPOSALS, "clusters.safetensors", "config.json", MANIFEST,
             "run.log"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AcceptConfig:
    """Show the new styles that a run of `styles` proposes, or accept some of them."""

    styles: tyro.conf.Positional[Path]
    """Run folder of `styles`."""
    accept: tuple[str, ...] = ()
    """Proposals to accept, such as e2024-03-1; none = show what is proposed."""
    posts: Path | None = None
    """Run folder of `prepare`; by default the one that the styles were found in."""
    out: Path | None = None
    """Run folder of `styles` to write, in which what is accepted is a style; needed to accept."""
    figures: bool = True
    """Draw the new run's shares, months and lifespans; map and silhouette stay those of the fit."""
    force: bool = False
    """Run even if the result is up to date."""


@dataclass(frozen=True, kw_only=True)
class AcceptedConfig(CountSettings):
    """What the new run is: the proposals accepted, and how posts were and are counted."""

    accept: tuple[str, ...]
    """Proposals, sorted."""
    cut_off: str
    """Of the fit, which is that of the run before."""
    figures: bool
    """Whether it was drawn."""


def read_proposals(folder: Path) -> pd.DataFrame:
    """What a run proposes: `emerging.csv`, empty cells as empty text.

    Raises:
        UserError: the run has no such table.
    """
    if not (folder / PROPOSALS).is_file():
        raise UserError(f"{folder / PROPOSALS}: missing; only styles of dated posts propose new ones")
    table = pd.read_csv(folder / PROPOSALS, parse_dates=["known_from", "since"])
    text = ["proposal", "first", "month", "name", "keywords", "nearest", "nearest_name", "items", "accepted"]
    return table[COLUMNS].astype({name: object for name in text}).fillna(dict.fromkeys(text, ""))


def _chosen(proposals: pd.DataFrame, accept: tuple[str, ...], folder: Path) -> pd.DataFrame:
    """The rows to accept, by id.

    Raises:
        UserError: an id that is not proposed, was accepted before, or two ids of one group.
    """
    for name in accept:
        if name not in set(proposals["proposal"]):
            some = ", ".join(proposals["proposal"].tail(5)) or "none"
            raise UserError(f"--accept {name}: {folder / PROPOSALS} has no such proposal; its latest: {some}")
    rows = proposals[proposals["proposal"].isin(accept)].sort_values("proposal", ignore_index=True)
    done = proposals.loc[proposals["accepted"] != ""].set_index("first")["accepted"]
    for row in rows.itertuples():
        if row.first in done.index:
            raise UserError(f"--accept {row.proposal}: this group is a style already ({done[[row.first]].iloc[0]})")
    if rows["first"].duplicated().any():
        first = rows.loc[rows["first"].duplicated(), "first"].iloc[0]
        raise UserError(f"--accept: two proposals are of one group, first seen as {first}; accept one of them")
    return rows


def joined(assignments: pd.DataFrame, joiners: pd.DataFrame, ids: dict[str, str]) -> pd.DataFrame:
    """Assignments in which each item that an accepted proposal would take belongs to the nearest one.

    Args:
        assignments: id, style, distance, emerging.
        joiners: proposal, id, distance.
        ids: accepted proposal → its style.
    """
    mine = joiners[joiners["proposal"].isin(list(ids))].sort_values(["distance", "proposal"]).drop_duplicates("id")
    mine = mine.set_index("id")
    distance = assignments["id"].map(mine["distance"])
    take = distance.notna() & (distance < assignments["distance"])
    return assignments.assign(
        style=assignments["style"].where(~take, assignments["id"].map(mine["proposal"].map(ids))),
        distance=assignments["distance"].where(~take, distance).astype(np.float32),
        emerging=assignments["emerging"] & ~take,
    )


def _new_styles(rows: pd.DataFrame, ids: list[str], first_cluster: int, pictures: bool) -> pd.DataFrame:
    medoids = [items.split(";")[:5] for items in rows["items"]] if pictures else None
    return pd.DataFrame(
        {"style": ids, "name": rows["name"], "keywords": rows["keywords"], "size": rows["posts"],
         "cluster": np.arange(first_cluster, first_cluster + len(ids)), "medoids": medoids,
         "first_seen": rows["since"], "known_from": rows["known_from"]}
    )  # fmt: skip


def _write(config: AcceptConfig, rows: pd.DataFrame, posts: Posts, settings: AcceptedConfig, run: Run) -> None:
    old = config.styles
    for path in sorted(old.iterdir()):
        if path.is_dir() and path.name in ("text", FITTED):
            shutil.copytree(path, run.folder / path.name, dirs_exist_ok=True)
        elif path.is_file() and path.name not in MADE_ANEW and path.stem not in OF_TABLES:
            shutil.copy(path, run.folder / path.name)
    proposals, styles = read_proposals(old), pd.read_parquet(old / STYLES)
    lineage = read_lineage(old)
    known = {*styles["style"], *lineage["previous"], *lineage["current"]} - {""}
    ids = new_ids(len(rows), known)
    given = dict(zip(rows["proposal"], ids, strict=True))
    clusters = Clusters.load(old / "clusters.safetensors")
    centroid_EP = load_file(old / CENTROIDS)["centroids"][proposals.index[proposals["proposal"].isin(given)]]
    order = np.argsort(proposals.loc[proposals["proposal"].isin(given), "proposal"].to_numpy())
    grown = replace(clusters, centroids_KP=np.vstack([clusters.centroids_KP, centroid_EP[order]]))
    grown.save(run.folder / "clusters.safetensors")
    assignments = joined(pd.read_parquet(old / ASSIGNMENTS), pd.read_parquet(old / JOINERS), given)
    pictures = styles["medoids"].notna().any()
    added = _new_styles(rows, ids, len(clusters.centroids_KP), bool(pictures))
    both = pd.concat([styles, added], ignore_index=True)
    dated = with_dates(both, assignments)
    both = dated.assign(first_seen=both["first_seen"].where(both["first_seen"].notna(), dated["first_seen"]))
    refit = int(lineage["refit"].max()) if len(lineage) else 0
    told = pd.DataFrame({"refit": refit, "previous": "", "current": ids, "relation": "accepted", "kept": False})
    told = told.assign(shared=0, of_previous=0.0, of_current=0.0, distance=np.nan)
    lineage = told if lineage.empty else pd.concat([lineage, told], ignore_index=True)
    write_csv(lineage, run.folder / LINEAGE)
    accepted = proposals["proposal"].map(given).fillna(proposals["accepted"])
    proposals = proposals.assign(accepted=accepted)
    write_csv(proposals, run.folder / PROPOSALS)
    panel = write_tables(run.folder, assignments, both, posts.table, settings)
    if config.figures:
        found = Found(both, assignments, panel, proposals, lineage, parse_cut_off(settings.cut_off))
        draw_time(found, posts, run.folder)
    taken = assignments["style"].value_counts()
    for name, style in given.items():
        log.info("%s is now %s, with %d items since", name, style, taken.get(style, 0))
    run.metrics |= {"accepted": given, "styles": len(both), "emerging_share": float(assignments["emerging"].mean())}


def _told(proposals: pd.DataFrame, folder: Path) -> str:
    """The latest proposal of every group that is not accepted yet, largest first."""
    done = set(proposals.loc[proposals["accepted"] != "", "first"])
    latest = proposals[~proposals["first"].isin(done)].drop_duplicates("first", keep="last")
    if latest.empty:
        return f"{folder}: nothing new is proposed"
    shown = latest.sort_values(["posts", "proposal"], ascending=[False, True])
    shown = shown[["proposal", "first", "month", "posts", "new", "growth", "name", "nearest", "nearest_name"]]
    shown = shown.assign(growth=[f"{growth:+.0%}" if growth == growth else "new" for growth in shown["growth"]])
    return shown.to_string(index=False)


def main(config: AcceptConfig) -> str:
    """Show what is proposed, or write a run in which the accepted proposals are styles.

    Returns:
        What is to be printed.

    Raises:
        UserError: a proposal that is not there, no `--out`, or a run that is damaged.
    """
    manifest = load_manifest(config.styles, "styles")
    proposals = read_proposals(config.styles)
    if not config.accept:
        return _told(proposals, config.styles)
    if config.out is None or config.out.resolve() == config.styles.resolve():
        raise UserError("--accept needs --out, a folder for the new run of `styles`")
    rows = _chosen(proposals, config.accept, config.styles)
    before = manifest["key"]["config"]
    counted = {field.name: before[field.name] for field in fields(CountSettings)}
    accepted = AcceptedConfig(
        accept=tuple(rows["proposal"]), cut_off=before["cut_off"], figures=config.figures, **counted
    )
    own = load_own(config.styles) if config.posts is None else None
    inputs = {"styles": config.styles}
    if own is None:
        inputs["posts"] = config.posts or Path(manifest["inputs"]["posts"]["path"])
    with open_run(config.out, "styles", accepted, inputs, force=config.force, seed=manifest["seed"]) as run:
        if run is not None:
            run.metrics |= manifest["metrics"]
            run.fitted_on |= manifest["fitted_on"]
            _write(config, rows, own or Posts.load(inputs["posts"]), accepted, run)
    return f"{config.out}: {', '.join(f'{p} is a style' for p in rows['proposal'])}"
