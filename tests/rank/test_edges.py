"""The change classes: by terciles of change, of level, and by a band, worked by hand."""

import numpy as np
import pytest

from rank.edges import Edges, band_of, class_names
from stylecast.errors import UserError

NONE = np.empty(0)


def test_terciles_of_change() -> None:
    edges = Edges.fit("change", np.array([-1.0, 0.0, 1.0, 2.0, np.nan]), NONE)
    assert edges == Edges(0.0, 1.0, "change")
    assert (edges.rule, band_of(edges.rule)) == ("change", 0.0)
    growth = np.array([-0.1, 0.0, 1.0, 1.1])
    assert edges.label(growth, np.full(4, 0.3), 0.01).tolist() == [0, 1, 1, 2]
    assert Edges.fit("change", np.array([np.nan]), NONE) == Edges(0.0, 0.0)


def test_terciles_of_level() -> None:
    """Shares 0.1, 0.2, 0.4, 0.5: a third of the way along three steps is 0.2, two thirds 0.4."""
    edges = Edges.fit("level", NONE, np.array([0.4, 0.1, np.nan, 0.5, 0.2]))
    assert (edges.low, edges.high, edges.of) == (pytest.approx(0.2), pytest.approx(0.4), "level")
    assert (edges.rule, class_names(edges.rule), band_of(edges.rule)) == ("level", ("low", "middle", "high"), 0.0)
    reference, half = np.array([0.1, 0.5, 0.3, 0.3]), 0.05
    low, high = edges.growth(reference, half)
    assert low == pytest.approx(np.log(np.array([0.25 / 0.15, 0.25 / 0.55, 0.25 / 0.35, 0.25 / 0.35])))
    assert high == pytest.approx(np.log(np.array([0.45 / 0.15, 0.45 / 0.55, 0.45 / 0.35, 0.45 / 0.35])))
    # It is the share at the target that tells, wherever it came from: doubled to 0.19 is low, halved to 0.45 high.
    share = np.array([0.19, 0.45, 0.3, 0.41])
    assert edges.label(np.log((share + half) / (reference + half)), reference, half).tolist() == [0, 2, 1, 2]


def test_a_fixed_band() -> None:
    edges = Edges.fit("band:5", np.array([5.0, 6.0]), NONE)
    assert (edges.low, edges.high) == (pytest.approx(np.log(0.95)), pytest.approx(np.log(1.05)))
    assert (edges.of, edges.rule, class_names(edges.rule), band_of(edges.rule)) == (
        "change", "band:5", ("falls", "holds", "rises"), 5.0
    )  # fmt: skip
    assert Edges.fit("band:2.5", NONE, NONE).rule == "band:2.5"
    growth = np.log([0.94, 0.96, 1.0, 1.04, 1.06])
    assert edges.label(growth, np.full(5, 0.1), 0.0).tolist() == [0, 1, 1, 1, 2]
    for wrong in ("band:0", "band:100", "band:", "level-ish"):
        with pytest.raises(UserError, match="--classes"):
            Edges.fit(wrong, growth, growth)
