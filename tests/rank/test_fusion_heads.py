import numpy as np
import pytest
import torch

from data.windows import Target
from rank.feature import log_reference
from rank.fusion_config import RECIPES
from rank.fusion_forecast import build_net
from rank.fusion_inputs import Reader, start_classes
from rank.look import Look
from tests.rank.world import make_panel

TARGET = Target.parse("days:10-15")
TINY = RECIPES["tiny"]()


def test_an_untrained_network_says_what_its_start_says() -> None:
    panel = make_panel(days=200)
    reader, origins = Reader(panel, None, TARGET, TINY), panel.days[[150, 160, 170]]
    windows = reader.windows(origins)
    scaler = reader.fit_scaler(windows, reader.labels(origins, windows))
    batch = reader.batch(windows, scaler)
    with torch.inference_mode():
        told = build_net(scaler, {}, TINY, 0).eval()(batch)
    # The more the start lies beyond an edge, the surer the head is; between the two edges of classes it says flat.
    order = np.argsort(windows.edge_B)
    assert (np.diff(told["hot"].numpy()[order]) >= 0).all()
    assert ((told["hot"].numpy() >= 0) == (windows.edge_B >= 0)).all()
    low, high = scaler.classes.low, scaler.classes.high
    said_B = np.where(windows.start_B < low, 0, np.where(windows.start_B > high, 2, 1))
    assert told["classes"].argmax(dim=1).tolist() == said_B.tolist()
    assert len(set(said_B)) > 1


def test_the_edge_of_the_hot_by_hand() -> None:
    panel = make_panel(days=200)
    reader, origin = Reader(panel, None, TARGET, TINY), panel.days[150]
    windows = reader.windows(panel.days[[140, 150]])
    look = Look(reader.sums, TARGET, origin, TARGET.period(origin))
    styles = len(panel.styles)
    level_S = log_reference(look) + windows.start_B[styles:]
    assert windows.edge_B[styles:] == pytest.approx(level_S - np.quantile(level_S, 0.8))
    assert (windows.edge_B[styles:] >= -1e-9).sum() == 2  # a fifth of eight styles, rounded up
    assert np.array_equal(windows.take(np.array([9])).edge_B, windows.edge_B[[9]])


def test_classes_of_the_start_by_hand() -> None:
    found = start_classes(np.array([-1.0, 0.0, 2.0]), (-0.5, 0.25))
    assert found.tolist() == [[0.5, 0.0, -1.25], [-0.5, 0.0, -0.25], [-2.5, 0.0, 1.75]]
