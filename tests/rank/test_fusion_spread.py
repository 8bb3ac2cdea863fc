import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd


def test_two_processes_forecast_as_one(tmp_path: Path) -> None:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    spread = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for name, starter in (("one", []), ("two", spread)):
        command = [sys.executable, *starter, "-m", "tests.rank.spread", str(tmp_path / name)]
        done = subprocess.run(
            command, capture_output=True, text=True, env=env, check=False, cwd=Path(__file__).parents[2]
        )
        assert done.returncode == 0, done.stderr
    one, two = (pd.read_parquet(tmp_path / name / "forecast.parquet") for name in ("one", "two"))
    told = ["growth", "p_down", "p_flat", "p_up", "p_hot"]
    np.testing.assert_allclose(two[told], one[told], rtol=0, atol=1e-5)
    # From the last share growth is 0 until it is trained: the two agree on more than where they began.
    assert one["growth"].abs().max() > 1e-3
