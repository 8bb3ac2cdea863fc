"""Chromium for tests: Debian's packages `chromium` and `chromium-driver`, driven by Selenium."""

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--lang=en-US",
)  # fmt: skip
DESKTOP, PHONE = (1440, 900), (390, 844)


class Browser:
    """A window of Chromium, and what it did."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def size(self, size: tuple[int, int], dark: bool = False) -> None:
        """Width and height in pixels, and what the person prefers."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        told = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size[0] < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", told)

    def open(self, address: str) -> None:
        """Open an address anew, and wait until the page has put itself together."""
        self.driver.get("about:blank")
        self.driver.get(address)
        self.until("return document.readyState === 'complete' && (document.documentElement.dataset.ready === 'yes' "
                   "|| !document.getElementById('data'))")  # fmt: skip

    def run(self, script: str, *values: object) -> object:
        """What a script returns."""
        return self.driver.execute_script(script, *values)

    def until(self, script: str, seconds: float = 60) -> None:
        """Wait until a script returns something true."""
        end = time.monotonic() + seconds
        while not self.run(script):
            assert time.monotonic() < end, f"in vain: {script}"
            time.sleep(0.05)

    def find(self, selector: str) -> WebElement:
        """The first element."""
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        """Texts of all elements."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent.trim())", selector
        )

    def complaints(self) -> list[str]:
        """What the console was told since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def hosts(self) -> set[str]:
        """Hosts of all requests since the last call; files, data and the browser's own pages have none."""
        told = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [entry["params"]["request"]["url"] for entry in told if entry["method"] == "Network.requestWillBeSent"]
        return {url.hostname or "" for url in map(urlsplit, sent) if url.scheme in ("http", "https", "ws", "wss")}

    def blemishes(self) -> list[str]:
        """Serious and critical findings of axe."""
        found = Axe().run(self.driver)["violations"]
        return [f"{rule['id']}: {node['html'][:200]}" for rule in found if rule["impact"] in ("serious", "critical")
                for node in rule["nodes"]]  # fmt: skip


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser without a window that keeps all it knows in a folder of its own."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    driver.set_script_timeout(300)  # axe looks at every element
    try:
        yield Browser(driver)
    finally:
        driver.quit()
