from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rank.ablate import OWN, SEPARATE, AblateConfig, Cell, main, plan
from rank.ablate_table import LAST, MAJORITY, METRICS, summary
from rank.fusion_config import RECIPES
from rank.fusion_member import FusionMember
from rank.member import Answer, Question
from stylecast.errors import UserError
from stylecast.runs import load_manifest
from tests.rank.runs import make_posts, make_runs

TINY = RECIPES["tiny"]()
FUSION = replace(TINY, loop=replace(TINY.loop, epochs=1, min_steps=2, max_steps=2))


def test_the_plan_holds_every_subset_once() -> None:
    config = AblateConfig(backbone="resnet", seeds=2)
    cells = plan(config, ("picture", "garment", "text", "numbers"))
    told = [(cell.encoder, cell.reads) for cell in cells if cell.seed == 0]
    whole = "picture + text + numbers"
    assert told == [
        (OWN, "numbers"), (OWN, "picture"), (OWN, "text"), (OWN, "picture + text"), (OWN, whole),
        (OWN, "picture + garment + text + numbers"),
        (SEPARATE, "picture"), (SEPARATE, "text"), (SEPARATE, "picture + text"), (SEPARATE, whole),
    ]  # fmt: skip
    assert len(cells) == 2 * len(told) == 2 * len({cell.name for cell in cells if cell.seed == 1})
    texts = plan(replace(config, backbone="", seeds=1), ("text", "numbers"))
    assert [cell.reads for cell in texts] == ["numbers", "text", "text + numbers"]


def test_intervals_over_seeds_by_hand() -> None:
    rows = pd.DataFrame({"encoder": OWN, "reads": "text", "seed": [0, 1, 2], **{m: [1.0, 2.0, 6.0] for m in METRICS}})
    row = summary(rows).set_index("metric").loc["skill"]
    assert (row["median"], row["least"], row["most"], row["mean"]) == (2.0, 1.0, 6.0, 3.0)
    # sd = sqrt((4 + 1 + 9) / 2) = sqrt 7; t of 2 degrees of freedom at 97.5% is 4.3027
    half = 4.302653 * np.sqrt(7 / 3)
    assert (row["low_95"], row["high_95"]) == pytest.approx((3 - half, 3 + half), rel=1e-6)
    assert np.isnan(summary(rows[:1]).iloc[0]["low_95"])


def test_a_stopped_ablation_goes_on_and_tells_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = make_runs(tmp_path, make_posts(days=150))
    config = AblateConfig(
        styles=runs["styles"], posts=runs["posts"], recall=runs["recall"], garment=runs["garment"], seeds=2,
        target="days:10-15", test_origins=2, validation_origins=1, fusion=FUSION, out=tmp_path / "ablation",
    )  # fmt: skip
    trained: list[str] = []
    answer = FusionMember.answer

    def counted(self: FusionMember, question: Question) -> Answer:
        if len(trained) == 3 and "stopped" not in trained:
            trained.append("stopped")
            raise KeyboardInterrupt
        trained.append(self.name)
        assert bool(question.panel.numeric) == ("numbers" in self.name)
        sides = set() if self.bags is None else set(self.bags.sides)
        assert sides == set(self.name.split("-")[1:-1]) - {"numbers"}
        return answer(self, question)

    monkeypatch.setattr(FusionMember, "answer", counted)
    with pytest.raises(KeyboardInterrupt):
        main(config)
    told = main(config)
    names = [cell.name for cell in plan(config, ("picture", "garment", "text", "numbers"))]
    assert [name for name in trained if name != "stopped"] == names
    assert main(config) == told
    load_manifest(config.out, "ablate")
    rows = pd.read_csv(config.out / "cells.csv")
    assert rows["reads"].tolist()[:2] == [MAJORITY, LAST]
    assert len(rows) == 2 + len(names)
    assert rows[list(METRICS)].iloc[1:].notna().all(axis=None)
    assert rows.loc[0, ["hot_auc", "hot_f1"]].tolist() == [0.5, 0.0]
    seeds = rows[rows["reads"] == "numbers"]
    assert seeds["seed"].tolist() == [0, 1]
    assert "picture + garment + text + numbers" in told


def test_the_separate_encoders_are_read(tmp_path: Path) -> None:
    from tests.pretrain.checkpoints import checkpoint

    runs = make_runs(tmp_path, make_posts(count=500, days=120))
    folder, _ = checkpoint("vit", tmp_path / "vit")
    fusion = replace(FUSION, start="last")  # so that the networks, which alone see pictures, have a say
    config = AblateConfig(
        styles=runs["styles"], posts=runs["posts"], recall=runs["recall"], backbone=str(folder), seeds=1,
        target="days:5-8", test_origins=1, validation_origins=1, fusion=fusion, out=tmp_path / "ablation",
    )  # fmt: skip
    told = main(config)
    rows = pd.read_csv(config.out / "cells.csv")
    assert (rows["encoder"] == SEPARATE).sum() == 4
    assert told.count(SEPARATE) == 4
    own, other = (rows[(rows["encoder"] == e) & (rows["reads"] == "picture + text")] for e in (OWN, SEPARATE))
    assert own["hot_auc"].item() != other["hot_auc"].item() or own["skill"].item() != other["skill"].item()


def test_seeds_must_be_some() -> None:
    with pytest.raises(UserError, match="--seeds 0"):
        main(AblateConfig(seeds=0))


def test_a_cell_has_a_name_of_its_own() -> None:
    names = {Cell(encoder, reads, seed).name for encoder in (OWN, SEPARATE) for seed in (0, 1)
             for reads in (("text",), ("picture", "text"))}  # fmt: skip
    assert len(names) == 8
