"""The server in this process."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.testclient import TestClient

from ensemble.api import build_app
from ensemble.serve import ServeConfig


@contextmanager
def serving(run: Path, **settings) -> Iterator[TestClient]:  # noqa: ANN003
    """A client of a server that has loaded its run, or found that it cannot."""
    app = build_app(ServeConfig(run=run, **({"poll": 0.0} | settings)))
    with TestClient(app, base_url="http://127.0.0.1") as client:
        until(client, lambda: client.get("/health").json()["state"] != "loading")
        yield client


def until(client: TestClient, done) -> None:  # noqa: ANN001
    for _ in range(600):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError(client.get("/health").text)
