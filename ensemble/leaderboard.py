"""Stage `leaderboard`: a finished run in; its styles at one or several origins out, as tables and as a page.

Laptop:   stylecast leaderboard runs/mine --out runs/leaderboard
          (24 styles with pictures: a few seconds; 10,000 styles: about 15 s, a page of 10 MB)
          stylecast leaderboard runs/mine --origin 2024-03-31:2024-05-31 --out runs/spring
          stylecast leaderboard runs/mine --posts NEW.csv --out runs/june      # posts since the fit; nothing is trained
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import tyro

from data.panel import Panel
from data.posts import Posts
from data.values import parse_day
from data.windows import DAY
from ensemble.audit_parts import Runs
from ensemble.beside import Beside
from ensemble.classes import ranked_by
from ensemble.draw import draw_page
from ensemble.rescore import later_origins, rescored
from ensemble.scored import LeaderboardSettings, Scored
from ensemble.tables import as_csv, write_tables
from ensemble.terminal import terminal_table
from ensemble.weights import Weights
from rank.stored import load_backtest
from recall.new_posts import NewPosts
from recall.style_tables import PANEL
from recall.take_in import Taken, take_in
from stylecast.errors import UserError
from stylecast.runs import Run, load_manifest, open_run

log = logging.getLogger(__name__)
BOARD, EMERGING = "leaderboard", "emerging"
"""Names of the tables."""


@dataclass(frozen=True, kw_only=True)
class LeaderboardConfig(LeaderboardSettings, NewPosts):
    """Rank the styles of a run at an origin or several, and write tables and a page."""

    run: tyro.conf.Positional[Path]
    """Folder of a whole `stylecast run`, or of its `ensemble` run."""
    previous: Path | None = None
    """Folder of an earlier leaderboard, which changes of rank are told against; by default the run's origin before."""
    excel: bool = False
    """Begin the CSV files with a byte order mark, by which Excel knows that they are UTF-8."""
    out: Path = Path("runs/leaderboard")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


def parse_range(text: str) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """The first and the last day that `--origin` names, twice the same where it is one day; None where it is left out.

    Raises:
        UserError: one is no date.
    """
    first, colon, last = text.partition(":")
    low = parse_day(first, "--origin")
    return low, parse_day(last, "--origin") if colon else low


def chosen_origins(text: str, known: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The origins that `--origin` asks for: the latest, one, or all of a range.

    Args:
        text: empty, `2024-05-31`, or `2024-03-31:2024-05-31`, of which either may be left out.
        known: those that there are, earliest first.

    Raises:
        UserError: no date, or no such origin.
    """
    low, high = parse_range(text) if text else (known[-1], known[-1])
    found = known[(known >= (low or known[0])) & (known <= (high or known[-1]))]
    if found.empty:
        some = ", ".join(str(day.date()) for day in known[-3:])
        raise UserError(
            f"--origin {text}: the forecast has no such origin; it has {len(known)}, from {known[0].date()} to "
            f"{known[-1].date()}, the last of them {some}"
        )
    return found


def read_previous(folder: Path, origin: pd.Timestamp) -> pd.DataFrame:
    """The latest board of a folder of `leaderboard` that is earlier than an origin.

    Raises:
        UserError: no such folder, or none of its boards is earlier.
    """
    load_manifest(folder, "leaderboard")
    table = pd.read_parquet(folder / f"{BOARD}.parquet")
    table = table[table["origin"] < origin]
    if table.empty:
        raise UserError(f"--previous {folder}: none of its leaderboards is earlier than {origin.date()}")
    return table[table["origin"] == table["origin"].max()].reset_index(drop=True)


def _grown(
    config: LeaderboardConfig, folders: Mapping[str, Path], scored: Scored, taken: Taken, work: Path
) -> tuple[Scored, pd.DatetimeIndex]:
    """The run with its new posts, forecast at the origins that are asked for; and these."""
    before = load_backtest(folders["rank"], Panel.read(folders["styles"] / PANEL, granularity="day"))
    latest, target = before.split.latest, before.target
    later = later_origins(taken.panel, target, latest)
    known = scored.origins[scored.origins < latest].union(later)
    days = chosen_origins(config.origin, known)
    # Changes of rank need the origin before the first one too.
    earlier = known[known <= days[0] - (target.last if target.kind == "days" else 1) * DAY][-1:]
    asked = days.union(earlier)
    frame, reasons = rescored(folders, taken, work, asked[asked >= latest].union([latest]))
    kept = scored.forecast[scored.forecast["origin"] < latest]
    why = None if reasons is None or scored.reasons is None else pd.concat(
        [scored.reasons[scored.reasons["origin"] < latest], reasons], ignore_index=True
    )  # fmt: skip
    grown = replace(
        scored, forecast=pd.concat([kept, frame], ignore_index=True), panel=taken.panel, reasons=why,
        assignments=taken.assignments, proposals=taken.proposals, before=scored.panel, since=latest,
    )  # fmt: skip
    return grown, days


def _boards(config: LeaderboardConfig, scored: Scored, days: pd.DatetimeIndex) -> list[pd.DataFrame]:
    """A board for each origin; the first one's changes of rank are told against `--previous`, if there is one."""
    named = None if config.previous is None else read_previous(config.previous, days[0])
    return [scored.board(day, config, named if day == days[0] else None) for day in days]


def _make(config: LeaderboardConfig, folders: Mapping[str, Path], run: Run) -> None:
    scored = Scored.load(folders["ensemble"], folders["styles"])
    posts, work = [Posts.load(folders["prepare"])], run.folder / "work"
    if config.posts is None:
        days = chosen_origins(config.origin, scored.origins)
    else:
        taken = take_in(folders, config, work)
        scored, days = _grown(config, folders, scored, taken, work)
        posts.append(taken.posts)
        forecast = scored.forecast[scored.forecast["origin"].isin(days)]
        forecast.to_parquet(run.folder / "forecast.parquet", index=False)
        taken.assigned.to_parquet(run.folder / "assigned.parquet", index=False)
        (run.folder / "rejected.csv").write_bytes(as_csv(taken.rejected, config.excel))
        run.metrics["posts"] = taken.told
    boards = _boards(config, scored, days)
    beside = Beside.load(folders["styles"], scored.panel.styles)
    page, pictures = draw_page(boards[-1], scored, posts, config, beside)
    (run.folder / "index.html").write_text(page, encoding="utf-8", newline="\n")
    proposed = [scored.proposed(day) for day in days]
    tables = {BOARD: boards, EMERGING: proposed}
    write_tables(run.folder, {name: pd.concat(t, ignore_index=True) for name, t in tables.items()}, config.excel)
    shutil.rmtree(work, ignore_errors=True)
    run.metrics |= {
        "styles": len(boards[-1]), "origin": f"{days[-1]:%Y-%m-%d}", "origins": len(days), "pictures": pictures,
        "emerging": len(proposed[-1]),
    }  # fmt: skip


def _told_posts(told: Mapping[str, int], config: LeaderboardConfig) -> str:
    parts = [f"{told['accepted']} new posts of {told['rows']} rows of {config.posts}"]
    if told["known"]:
        parts.append(f"{told['known']} that the run has already are not counted again")
    if told["late"]:
        parts.append(f"{told['late']} are older than the run's newest")
    if told["emerging"]:
        parts.append(f"{told['emerging']} are far from every style")
    if told["without"]:
        parts.append(f"{told['without']} have nothing that tells their style")
    if told["rejected"]:
        parts.append(f"{told['rejected']} rejections, each with its line in {config.out / 'rejected.csv'}")
    return "; ".join(parts)


def main(config: LeaderboardConfig) -> str:
    """Run the stage.

    A run folder with `leaderboard` and `emerging` as .csv, .parquet and .jsonl, and `index.html`; with new posts also
    `forecast.parquet`, `assigned.parquet` and `rejected.csv`.

    Returns:
        What is to be printed: the top of the leaderboard, and where the page lies.

    Raises:
        UserError: an input is missing or damaged, or has no such origin.
    """
    if config.pictures < 0 or config.picture_side < 16 or config.top < 0:
        raise UserError("--pictures and --top must be 0 or more, and --picture-side 16 or more")
    for flag, value in (("image-root", config.image_root), ("comments", config.comments)):
        if config.posts is None and value is not None:
            raise UserError(f"--{flag} {value} goes with --posts; leave it out, or name new posts")
    parse_range(config.origin)  # refused before anything is read
    folders = Runs.below(config.run).folders
    if "ensemble" not in folders:
        raise UserError(f"{config.run}: holds no run of `ensemble`; run `stylecast ensemble` first")
    inputs = {"run": folders["ensemble"], "styles": folders["styles"], "prepare": folders["prepare"]}
    inputs |= {name: path for name in ("posts", "image_root", "comments", "previous")
               if (path := getattr(config, name)) is not None}  # fmt: skip
    with open_run(config.out, "leaderboard", config, inputs, force=config.force) as run:
        if run is not None:
            _make(config, folders, run)
    board = pd.read_parquet(config.out / f"{BOARD}.parquet")
    board = board[board["origin"] == board["origin"].max()]
    first, classes = board.iloc[0], Weights.load(folders["ensemble"]).classes
    head = f"Leaderboard of {first['origin']:%Y-%m-%d} for {first['target_start']:%Y-%m-%d} to"
    head += f" {first['target_end']:%Y-%m-%d}, by {ranked_by(config.by, classes)}"
    head += f" ({min(config.top, len(board))} of {len(board)} styles):"
    told = load_manifest(config.out, "leaderboard")["metrics"]
    lines = [head, terminal_table(board, config.top, classes), str(config.out / "index.html")]
    return "\n\n".join([*([_told_posts(told["posts"], config)] if "posts" in told else []), *lines])
