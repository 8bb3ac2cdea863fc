"""The server as a person has it: the leaderboard, a style, a search by words and by a picture, in Chromium."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ensemble.pipeline import RunConfig
from recall.search import Searcher
from tests.browser import DESKTOP, PHONE, Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(finished: tuple[RunConfig, str]) -> Iterator[str]:
    """Of a server on this machine, which ends with the tests."""
    command = [sys.executable, "-m", "stylecast", "serve", str(finished[0].out), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stderr is not None
        try:
            lines = iter(server.stderr.readline, "")
            base = next(match[1] for line in lines if (match := re.match(r"(http://127\.0\.0\.1:\d+) ", line)))
            while ": ready" not in next(lines):
                pass
            yield base
        finally:
            server.send_signal(signal.SIGTERM)
            server.communicate(timeout=30)


def quiet(browser: Browser) -> None:
    assert browser.complaints() == []
    assert browser.hosts() <= {"127.0.0.1"}


@pytest.fixture(scope="module")
def phrase(finished: tuple[RunConfig, str]) -> str:
    """A word that the run knows."""
    return Searcher.load(finished[0].out / "recall").models.vocabulary.words[3]


def search_for(browser: Browser, phrase: str) -> None:
    browser.find("#q").send_keys(phrase)
    browser.find("form[role=search] button").click()
    browser.until("return document.querySelectorAll('.hits img').length === 24")


def search_by_picture(browser: Browser, world: Path) -> None:
    browser.find("#picture").send_keys(str(sorted((world / "images").rglob("*.jpg"))[0]))
    browser.find("form[method=post] button").click()
    browser.until("return document.querySelector('.verdict') !== null")


def test_the_leaderboard_is_live(browser: Browser, address: str) -> None:
    browser.size(DESKTOP)
    browser.open(address)
    rows = browser.driver.find_elements("css selector", "#board tbody tr")
    assert len(rows) == 5
    assert len(browser.driver.find_elements("css selector", "#board img")) >= 5
    browser.find("#board a[data-style]").click()
    browser.until("return document.getElementById('detail').open")
    assert browser.driver.find_elements("css selector", "#detail .gallery img")
    days = browser.run("return [...document.getElementById('origin').options].map((option) => option.value)")
    assert days == sorted(days)
    browser.open(f"{address}/?origin={days[0]}")
    assert browser.find("#origin").get_attribute("value") == days[0]
    quiet(browser)


def test_a_search_by_words_and_by_a_picture(browser: Browser, address: str, phrase: str, world: Path) -> None:
    browser.size(PHONE)
    browser.open(address)
    browser.find("#nav a[href='/search']").click()
    search_for(browser, phrase)
    browser.until(
        "return [...document.querySelectorAll('.hits img')].slice(0, 4).every((image) => image.naturalWidth > 0)"
    )
    assert browser.find("[role=status]").text == "24 pictures, the best first."
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.blemishes() == []
    search_by_picture(browser, world)
    assert browser.find(".verdict").text.startswith("Style of the picture:")
    assert len(browser.driver.find_elements("css selector", ".hits img")) == 24
    browser.open(f"{address}/search?lang=zh&q={phrase}")
    assert browser.find("h1").text == "搜索图片"
    assert "24 张图片" in browser.find("[role=status]").text
    quiet(browser)


def test_leaderboard_and_search_follow_one_switch_of_the_language(
    browser: Browser, address: str, phrase: str, world: Path
) -> None:
    browser.size(DESKTOP)
    browser.open(address)
    browser.find("#language").click()
    browser.find("#nav a[href^='/search']").click()
    assert browser.find("h1").text == "搜索图片"
    assert browser.run("return document.documentElement.lang") == "zh-Hans"
    # A phrase and a picture are answered in the language that asked.
    search_for(browser, phrase)
    assert browser.find("[role=status]").text.startswith("24 张图片")
    search_by_picture(browser, world)
    assert browser.find(".verdict").text.startswith("图片的风格：")
    browser.find("#board").click()
    browser.until("return document.documentElement.dataset.ready === 'yes'")
    assert browser.find("#h-movers").text == "异动"
    # So are the words of a style; and the search page has the same switch.
    browser.find("#board a[data-style]").click()
    browser.until("return document.getElementById('detail').open")
    browser.find("#detail a[href^='/search']").click()
    browser.until("return document.querySelector('.hits') !== null")
    asked = browser.find("#q").get_attribute("value")
    assert asked
    assert browser.find("h1").text == "搜索图片"
    assert browser.find("#language").text == "English"
    browser.find("#language").click()
    assert browser.find("h1").text == "Search the pictures"
    assert browser.find("#q").get_attribute("value") == asked
    assert browser.blemishes() == []
    browser.find("#board").click()
    browser.until("return document.documentElement.dataset.ready === 'yes'")
    assert browser.find("#h-movers").text == "Movers"
    assert "lang=en" in browser.driver.current_url
    quiet(browser)
