"""One thread a process, since files are tested side by side; one browser for all tests of a process that need one."""

import os
from collections.abc import Iterator

import pytest

from tests.browser import CHROMIUM, DRIVER, Browser, chromium

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, by what the tests start too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A file is tested by one process, since its tests share fixtures; those of the pipeline share one finished run."""
    for item in items:
        folder = item.path.parent.name
        item.add_marker(pytest.mark.xdist_group(folder if folder == "pipeline" else f"{folder}/{item.path.name}"))


@pytest.fixture(scope="session")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium; skipped, with the reason, where it is not installed."""
    if not CHROMIUM or not DRIVER:
        pytest.skip("needs Chromium: apt-get install chromium chromium-driver fonts-noto-cjk")
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: Browser) -> Browser:
    """The browser with an empty log."""
    shared_browser.complaints()
    shared_browser.hosts()
    return shared_browser
