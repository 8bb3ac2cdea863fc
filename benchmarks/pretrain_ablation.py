"""What does pretraining on tags, on captions, on both, bring to recall?

    python benchmarks/pretrain_ablation.py --posts runs/demo/run/prepare --passes 12 --seeds 0 1 2

Each arm sees the same number of pictures: a share of the passes is spent on pretraining and the rest on recall; the arm
without pretraining spends all of them on recall. `none, recall no longer` leaves pretraining's passes unused: it tells
what recall reaches alone in the passes that the other arms leave it. A picture of a mined negative counts like any
other. A seed draws weights, order, augmentation and which tenth of the posts is held out; within a seed all arms have
the same split, vocabulary, queries and pools, so that the gain over `none` is told seed by seed. NDCG@5 is on pools of
held-out pictures, recall@10 over the gallery; the blend's NDCG@5 is the nested one. Median over the seeds, then least
and most. Allow about 1 ms for each picture of each pass on one core, and 20 s for each run beside it.
"""

import statistics
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from pretrain.recipes import RECIPES as PRETRAIN_RECIPES
from pretrain.train import PretrainConfig
from pretrain.train import main as pretrain
from recall.recipes import RECIPES as RECALL_RECIPES
from recall.train import RecallConfig
from recall.train import main as recall
from stylecast.cli import guarded
from stylecast.errors import UserError
from stylecast.logs import set_up_logging
from stylecast.loop import LoopConfig
from stylecast.runs import load_manifest

SHORT = "none, recall no longer"
ARMS = {"none": (0.0, 0.0), SHORT: (0.0, 0.0), "tags only": (1.0, 0.0), "captions only": (0.0, 1.0), "both": (1.0, 1.0)}
COLUMNS = {
    "word NDCG@5": "word_ndcg@5", "sentence NDCG@5": "sentence_ndcg@5", "blend NDCG@5": "blend_ndcg@5_nested",
    "word recall@10": "word_recall@10", "sentence recall@10": "sentence_recall@10",
    "blend recall@10": "blend_recall@10",
}  # fmt: skip


@dataclass(frozen=True)
class AblationConfig:
    """Tags only, captions only, both, none: what each brings to recall."""

    posts: Path = Path("runs/demo/run/prepare")
    """Run folder of `prepare`."""
    cut_off: str = ""
    """First day (YYYY-MM-DD) that nothing may learn from."""
    passes: float = 12.0
    """Pictures that each arm sees in all, as a multiple of the training pictures."""
    pretrain_share: float = 0.5
    """Share of the passes that pretraining takes, in the arms that have one, 0..1."""
    recipe: str = "small"
    """Recipe of pretrain and recall: encoder, losses, batch and learning rate are taken from it."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, order, augmentation and split."""
    arms: tuple[str, ...] = tuple(ARMS)
    """Which to run."""
    keep: Path | None = None
    """Keep the run folders here, and go on where a stopped benchmark left off; by default they are thrown away."""


def loop_of(loop: LoopConfig, pictures: float, a_step: int, seed: int) -> LoopConfig:
    """A loop that sees so many pictures, `a_step` at a time, and validates about five times."""
    steps = max(1, round(pictures / a_step))
    return replace(loop, epochs=5, min_steps=steps, max_steps=steps, patience=0, seed=seed)


def settings_of(config: AblationConfig) -> tuple[PretrainConfig, RecallConfig]:
    """The recipes, on these posts.

    Raises:
        UserError: no such recipe or arm, or a share that leaves nothing.
    """
    known = [name for name in PRETRAIN_RECIPES if name in RECALL_RECIPES]
    if config.recipe not in known:
        raise UserError(f"--recipe {config.recipe}: unknown; there are: {', '.join(known)}")
    if not config.arms or set(config.arms) - set(ARMS):
        raise UserError(f"--arms {' '.join(config.arms)}: choose from: {', '.join(ARMS)}")
    if not 0 < config.pretrain_share < 1 or config.passes <= 0 or not config.seeds:
        raise UserError("--pretrain-share must be between 0 and 1, --passes above 0, and --seeds at least one")
    first = replace(PRETRAIN_RECIPES[config.recipe](), posts=config.posts, cut_off=config.cut_off, caption_samples=0)
    return first, replace(RECALL_RECIPES[config.recipe](), posts=config.posts)


def untrained(first: PretrainConfig, seed: int, folder: Path) -> tuple[Path, int]:
    """A pretraining that learnt nothing: one step at a learning rate of zero; and the number of training pictures."""
    loop = replace(first.loop, max_steps=1, lr=0.0, weight_decay=0.0, seed=seed)
    run = pretrain(replace(first, out=folder / f"none-{seed}", loop=loop))
    return run, int(load_manifest(run, "pretrain")["metrics"]["train_pictures"])


def run_arm(config: AblationConfig, arm: str, seed: int, folder: Path) -> dict[str, float]:
    """Pretrain and recall; the metrics of recall."""
    first, second = settings_of(config)
    run, pictures = untrained(first, seed, folder)
    total = config.passes * pictures
    spent = 0.0 if arm == "none" else total * config.pretrain_share
    tags, captions = ARMS[arm]
    if tags or captions:
        loop = loop_of(first.loop, spent, first.loop.batch_size, seed)
        out = folder / f"{arm.replace(' ', '-')}-{seed}"
        run = pretrain(replace(first, out=out, loop=loop, tags_weight=tags, captions_weight=captions))
    a_step = second.loop.batch_size * (2 if second.mined else 1)
    loop = loop_of(second.loop, total - spent, a_step, seed)
    out = folder / f"recall-{arm.replace(',', '').replace(' ', '-')}-{seed}"
    return dict(load_manifest(recall(replace(second, pretrain=run, out=out, loop=loop)), "recall")["metrics"])


def spread(values: list[float], sign: str = "") -> str:
    """Median, least and most."""
    told = [f"{v:{sign}.3f}" for v in (statistics.median(values), min(values), max(values))]
    return f"{told[0]} ({told[1]} to {told[2]})"


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def report(config: AblationConfig, found: dict[str, list[dict[str, float]]]) -> str:
    """Both tables."""
    rows = [[arm, *(spread([m[key] for m in told]) for key in COLUMNS.values())] for arm, told in found.items()]
    title = (
        f"Recall after {config.passes:g} passes over {found[config.arms[0]][0]['train_pictures']} pictures in all, "
        f"{config.pretrain_share:.0%} of them pretraining; seeds {' '.join(map(str, config.seeds))}"
    )
    text = f"{title}\n\n{table(['pretraining', *COLUMNS], rows)}"
    if "none" not in found or len(found) == 1:
        return text
    gains = []
    for arm in [a for a in found if a != "none"]:
        pairs = list(zip(found[arm], found["none"], strict=True))
        gains.append([arm, *(spread([m[key] - n[key] for m, n in pairs], "+") for key in COLUMNS.values())])
    return f"{text}\n\nGain over none, seed by seed\n\n{table(['pretraining', *COLUMNS], gains)}"


def main(config: AblationConfig) -> str:
    """The tables, as text."""
    settings_of(config)
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in config.arms}
    with tempfile.TemporaryDirectory() as thrown:
        folder = config.keep or Path(thrown)
        for seed in config.seeds:
            for arm in config.arms:
                found[arm].append(run_arm(config, arm, seed, folder))
                told = " ".join(f"{name} {found[arm][-1][key]:.3f}" for name, key in COLUMNS.items())
                sys.stderr.write(f"seed {seed}, {arm}: {told}\n")
    return report(config, found)


if __name__ == "__main__":
    set_up_logging(-1)
    sys.exit(guarded(lambda: main(tyro.cli(AblationConfig, description=__doc__)), verbose=True))
