"""What each modality and each encoder brings to the fusion-LSTM: it is trained anew on every subset, seed by seed.

Laptop:   python -m rank.ablate --styles runs/styles --posts runs/prepare --recall runs/recall --out runs/ablation
          (24 styles, 36 months: about 10 s a row and seed on one idle core)
Many:     torchrun --nproc-per-node 4 -m rank.ablate --styles runs/styles --posts runs/prepare --recall runs/recall

Every row is one training on what is known at the first test origin, judged on the test origins. The history of shares
is always read. A stopped comparison goes on after the last training that was finished.
"""

import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from data.panel import Panel
from data.posts import Posts
from data.windows import Split, Target, split_origins
from rank.ablate_table import floors, judge, summary, table_text
from rank.backtest import run_backtest
from rank.bags import Bags, Vectors
from rank.fusion_config import FusionConfig, quarter
from rank.fusion_member import FusionMember
from rank.kept import KeptMember
from rank.member import Question
from rank.modalities import (
    MODALITIES,
    Modality,
    Sources,
    bags_of,
    choose_modalities,
    panel_read,
    picture_vectors,
    stored_vectors,
    text_vectors,
)
from rank.separate import separate_pictures, separate_texts
from stylecast.__main__ import run_command
from stylecast.errors import UserError
from stylecast.files import write_csv, write_whole
from stylecast.runs import load_manifest, open_run
from stylecast.world import World, barrier, open_world

log = logging.getLogger(__name__)

OWN, SEPARATE = "own matcher", "separate encoders"
TABLE = "table.md"


@dataclass(frozen=True, kw_only=True)
class AblateConfig(Sources):
    """Train the fusion-LSTM on subsets of the modalities, and by other encoders, and tell what each brings."""

    backbone: str = ""
    """Pictures by this backbone and texts by word vectors of the corpus, for comparison: a vision model of
    transformers by folder or hub name, or a run folder of `pretrain`."""
    seeds: int = 3
    """Trainings of each row, which differ by their seed."""
    target: str = "calendar-month:2"
    """What is asked for, as for `stylecast rank`."""
    test_origins: int | None = None
    """As for `stylecast rank`."""
    validation_origins: int | None = None
    """Origins on which the best rung is chosen, as for `stylecast rank`."""
    fusion: FusionConfig = field(default_factory=quarter)
    """Sizes and training."""
    out: Path = Path("runs/ablation")
    """Folder of the result."""
    force: bool = False
    """Run even if the result is up to date."""


@dataclass(frozen=True)
class Cell:
    """A row of the table and a seed."""

    encoder: str
    """`OWN` or `SEPARATE`."""
    modalities: tuple[Modality, ...]
    """What is read beside the history of shares."""
    seed: int
    """From 0."""

    @property
    def reads(self) -> str:
        """The modalities in words."""
        return " + ".join(self.modalities)

    @property
    def name(self) -> str:
        """Distinct, and fit for a file."""
        return f"{self.encoder.split()[0]}-{'-'.join(self.modalities)}-{self.seed}"


def plan(config: AblateConfig, there: tuple[Modality, ...]) -> list[Cell]:
    """The cells, in the order of the table: numbers, each modality alone, pictures with texts, all, all with garments.

    Args:
        config: whether there are separate encoders, and how many seeds.
        there: the modalities that are there.
    """
    plain = tuple(name for name in there if name != "garment")
    subsets = [("numbers",), ("picture",), ("text",), ("picture", "text"), plain, there]
    asked: list[tuple[str, tuple[Modality, ...]]] = []
    for encoder in (OWN, SEPARATE) if config.backbone else (OWN,):
        for subset in subsets:
            chosen = tuple(name for name in MODALITIES if name in subset and name in there)
            own_only = chosen == ("numbers",) or "garment" in chosen
            if len(chosen) == len(subset) and not (encoder == SEPARATE and own_only) and (encoder, chosen) not in asked:
                asked.append((encoder, chosen))
    return [Cell(encoder, chosen, seed) for encoder, chosen in asked for seed in range(config.seeds)]


def _member(
    config: AblateConfig, cell: Cell, bags: Callable[[Cell], Bags | None], world: World, folder: Path
) -> KeptMember:
    """A cell's training, kept in a folder once it is done."""
    fusion = replace(config.fusion, loop=replace(config.fusion.loop, seed=config.fusion.loop.seed + 1000 * cell.seed))

    def make(folder: Path) -> FusionMember:
        log.info("%s: %s, seed %d", cell.encoder, cell.reads, cell.seed)
        return FusionMember(world, folder, fusion, bags(cell), cell.name, parts=("test",))

    def see(question: Question) -> Question:
        return replace(question, panel=panel_read(question.panel, cell.modalities))

    return KeptMember(cell.name, folder / f"{cell.name}.safetensors", world, make, see)


def _bags(
    config: AblateConfig, panel: Panel, split: Split, world: World, folder: Path
) -> Callable[[Cell], Bags | None]:
    """What builds the sets of a cell, with the vectors of its encoder."""
    posts = Posts.load(config.posts)

    def vectors(cell: Cell, name: Modality) -> Vectors:
        if name == "text" and cell.encoder == OWN:
            return text_vectors(config, posts)
        if name == "text":
            return separate_texts(posts, split.validation[0] + pd.Timedelta(days=1), config.fusion.loop.seed)
        if cell.encoder == SEPARATE:
            if world.is_main:
                separate_pictures(posts, config.backbone, folder, world.device)
            barrier(world)
            return stored_vectors(folder)
        run = config.garment if name == "garment" else config.recall
        assert run is not None  # `choose_modalities` has seen to it
        return picture_vectors(run, "garment" if name == "garment" else "picture")

    def build(cell: Cell) -> Bags | None:
        read: dict[Modality, Vectors] = {name: vectors(cell, name) for name in cell.modalities if name != "numbers"}
        return bags_of(config, posts, panel, read, "numbers" in cell.modalities) if read else None

    return build


def main(config: AblateConfig) -> str:
    """Run the comparison.

    Returns:
        The table, to be printed; the run folder holds `cells.csv` (a row a training), `table.csv` and `table.md`.

    Raises:
        UserError: an input is missing, or the history is too short.
    """
    if config.seeds < 1:
        raise UserError(f"--seeds {config.seeds}: must be 1 or more")
    inputs = config.inputs | ({"backbone": Path(config.backbone)} if Path(config.backbone or "?").exists() else {})
    with (
        open_world() as world,
        open_run(
            config.out, "ablate", config, inputs, force=config.force, seed=config.fusion.loop.seed, world=world
        ) as run,
    ):
        if run is not None:
            load_manifest(config.styles, "styles")
            panel = Panel.read(config.styles / "panel.parquet", granularity="day")
            target = Target.parse(config.target)
            split = split_origins(panel, target, config.test_origins, config.validation_origins)
            if len(split.test) == 0:
                raise UserError("an ablation is judged on test origins: give --test-origins 1 or more")
            cells, encoded = plan(config, choose_modalities((), config, panel)), run.folder / "separate"
            bags = _bags(config, panel, split, world, encoded)
            members = [_member(config, cell, bags, world, run.folder / "cells") for cell in cells]
            backtest = run_backtest(panel, target, split, members, hot_part=config.fusion.hot_part)
            told = [{"encoder": c.encoder, "reads": c.reads, "seed": c.seed, **judge(backtest, c.name)} for c in cells]
            rows = pd.DataFrame([*floors(backtest), *told])
            if world.is_main:
                table = summary(rows)
                write_csv(rows, run.folder / "cells.csv")
                write_csv(table, run.folder / "table.csv")
                write_whole(run.folder / TABLE, table_text(table, backtest, config.seeds) + "\n")
                shutil.rmtree(encoded, ignore_errors=True)
            barrier(world)
    return (config.out / TABLE).read_text(encoding="utf-8").rstrip("\n")


if __name__ == "__main__":
    sys.exit(run_command("ablate", sys.argv[1:]))
