"""The page as a person has it: sorted, filtered, opened, in two languages, on a phone, in the dark, on paper."""

import base64
import re
from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from ensemble.page_data import PageMeta
from tests.browser import DESKTOP, PHONE, Browser
from tests.ensemble.boards import HOSTILE, page_of

pytestmark = pytest.mark.browser
ROWS = "return document.querySelectorAll('#board tbody tr').length"
NAMES = "#board tbody a[data-style]"
INKED = """
  const canvas = document.querySelector(arguments[0]);
  const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return new Set(new Uint32Array(data.buffer)).size;
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of the page of 60 styles."""
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page_of(60, 2, 48), encoding="utf-8")
    return path.as_uri()


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 10,000 styles."""
    path = tmp_path_factory.mktemp("large") / "index.html"
    path.write_text(page_of(10_000, 1, 16), encoding="utf-8")
    return path


def quiet(browser: Browser) -> None:
    assert browser.complaints() == []
    assert browser.hosts() == set()
    assert browser.run("return window.hacked") is None


def test_sorts_filters_and_keeps_it_in_the_address(browser: Browser, small: str) -> None:
    browser.size(DESKTOP)
    browser.open(small)
    assert browser.run(ROWS) == 50
    assert browser.find("#told").text == "1–50 of 60 styles"
    browser.find("th[data-sort=share_now] button").click()
    shares = [float(text.replace("Share now", "").rstrip("%")) for text in browser.texts("#board td.c-share_now")]
    assert shares == sorted(shares, reverse=True)
    assert browser.find("th[data-sort=share_now]").get_attribute("aria-sort") == "descending"
    assert browser.run("return document.activeElement.textContent") == "Share now"
    browser.find("th[data-sort=share_now] button").click()
    assert browser.find("th[data-sort=share_now]").get_attribute("aria-sort") == "ascending"
    browser.find("#find").send_keys("旗袍 linen")
    assert "旗袍" in browser.find("#find").get_attribute("value")
    found = browser.texts("#board tbody tr")
    assert found
    assert all("旗袍" in text and "linen" in text for text in found)
    assert "that match, 60 in all" in browser.find("#told").text
    address = browser.driver.current_url
    assert "sort=share_now" in address
    names = browser.texts(NAMES)
    browser.open(address)  # a link that was sent
    assert browser.texts(NAMES) == names
    assert browser.find("#find").get_attribute("value") == "旗袍 linen"
    browser.find("#reset").click()
    browser.run("const s = document.getElementById('outlook'); s.value = 'down'; s.dispatchEvent(new Event('change'))")
    assert all("falls" in text for text in browser.texts("#board td.c-p_up"))
    browser.find("#posts").send_keys("150")
    posts = [float(text.replace("Posts, 28 d", "").replace(",", "")) for text in browser.texts("#board td.c-posts_28d")]
    assert min(posts) >= 150
    browser.find("#find").send_keys("no such word")
    assert browser.find("#told").text == "No style matches; 60 in all"
    browser.find("#reset").click()
    browser.find("[data-turn='1']").click()
    assert browser.run(ROWS) == 10
    assert browser.find("#told").text == "51–60 of 60 styles"
    quiet(browser)


def test_a_style_opens_by_enter_and_closes_by_escape(browser: Browser, small: str) -> None:
    browser.size(DESKTOP)
    browser.open(small)
    links = browser.driver.find_elements("css selector", NAMES)
    browser.run("arguments[0].focus()", links[3])
    ActionChains(browser.driver).send_keys(Keys.ARROW_DOWN, Keys.ENTER).perform()
    browser.until("return document.getElementById('detail').open")
    style = links[4].get_attribute("data-style")
    assert f"style={style}" in browser.driver.current_url
    assert links[4].text in browser.find("#h-style").text
    assert browser.run("return document.activeElement.id") == "h-style"
    assert len(browser.driver.find_elements("css selector", ".gallery img")) == 2
    assert browser.run(INKED, "#detail canvas") > 5  # the fan is drawn: more than one colour, and its edges
    told = browser.find("#detail .plot").get_attribute("aria-label")
    assert "Predicted for July 2024" in told
    assert len(browser.texts("#detail .numbers tbody tr")) > 50
    assert len(browser.texts("#detail .reasons li")) == 3
    assert "LightGBM's own forecast, which counts 25% in this one" in browser.find("#detail").text
    assert len(browser.texts("#detail .cards a")) == 5
    ActionChains(browser.driver).send_keys(Keys.TAB).perform()
    assert browser.run("return document.getElementById('detail').contains(document.activeElement)")
    ActionChains(browser.driver).send_keys(Keys.ESCAPE).perform()
    browser.until("return !document.getElementById('detail').open")
    assert browser.run("return document.activeElement.dataset.style") == style
    browser.open(f"{small}#style=s00003")
    assert "Refit 1 s00002 split; 40% of it went into s00003" in browser.find("#detail .lineage").text
    neighbour = browser.find("#detail .cards a")
    other = neighbour.get_attribute("data-style")
    # By some fonts it lies at the lower edge of the dialog, where something else takes the click.
    browser.run("arguments[0].scrollIntoView({block: 'center'})", neighbour)
    neighbour.click()
    browser.until(f"return location.hash.includes('{other}')")
    assert browser.run("return document.querySelector('#h-style small').textContent.trim()") == other
    browser.open(f"{small}#style=nobody&sort=-growth")
    assert browser.find("#told").text == "There is no style nobody on this leaderboard."
    quiet(browser)


def test_what_people_wrote_stays_text(browser: Browser, small: str) -> None:
    browser.size(DESKTOP)
    browser.open(f"{small}#sort=name")
    assert set(HOSTILE) <= set(browser.texts(NAMES) + browser.texts(".who a"))
    for number in range(len(HOSTILE)):
        browser.run(f"location.hash = '#style=s{number:05d}'")
        browser.until(f"return document.querySelector('#h-style small')?.textContent.trim() === 's{number:05d}'")
        assert HOSTILE[number] in browser.find("#h-style").text
        assert browser.run("return document.querySelectorAll('#detail script, #detail img[src=x]').length") == 0
    browser.open(f"{small}#q=<script>alert(1)</script>&sort=<b>&page=-7&outlook=x")
    assert browser.run("return document.scripts.length") == 5
    quiet(browser)


def test_two_languages(browser: Browser, small: str) -> None:
    browser.size(DESKTOP)
    browser.open(small)
    browser.find("#language").click()
    assert browser.run("return document.documentElement.lang") == "zh-Hans"
    assert browser.find("#h-movers").text == "异动"
    assert "数据截至 2024年5月31日" in browser.find("#when").text
    assert "2024年7月" in browser.find("#when").text
    assert "lang=zh" in browser.driver.current_url
    assert browser.run("return document.activeElement.id") == "language"
    browser.open(f"{small}#lang=zh&style=s00009")
    assert browser.texts("#detail .reasons li b") == ["季节", "近期走势", "点赞"]
    assert "连续 4 周上升" in browser.find("#detail .reasons").text
    assert "在本预测中权重为 25%" in browser.find("#detail").text
    assert "running" not in browser.find("#detail").text
    browser.open(f"{small}#lang=zh")
    browser.find("#language").click()
    assert browser.find("#when").text == "Known up to 31 May 2024 · Forecast for July 2024"
    quiet(browser)


CHANGE = ["rises", "holds", "falls"]


@pytest.mark.parametrize(
    ("classes", "names", "told", "meaning", "chinese"),
    [
        ("change", CHANGE, "falls 10%, holds 20%, rises 70%", "falls, holds or rises", "下降、持平、上升的概率"),
        ("level", ["high", "middle", "low"], "low 10%, middle 20%, high 70%", "is low, middle or high", "低、中、高"),
        ("band:2.5", CHANGE, "falls 10%, holds (within ±2.5%) 20%, rises 70%", "falls by more than 2.5%", "±2.5%"),
    ],
)
def test_classes_are_called_what_they_are(
    browser: Browser, tmp_path: Path, classes: str, names: list[str], told: str, meaning: str, chinese: str
) -> None:
    page = tmp_path / "index.html"
    meta = PageMeta(language="en", classes=classes, ranked_by="rising")
    page.write_text(page_of(20, 0, 16, meta), encoding="utf-8")
    browser.size(DESKTOP)
    browser.open(f"{page.as_uri()}#sort=-p_up")
    assert browser.texts("#outlook option")[1:] == names
    cells = browser.texts("#board td.c-p_up")
    assert any(names[0] in cell for cell in cells)
    assert any(names[2] in cell for cell in cells)
    assert meaning in browser.find("#guide").text
    seen = " ".join(browser.texts("#facts, #tools, #board"))
    if classes == "level":
        assert "probability of a high share" in seen
        assert not re.search(r"rises|holds|falls|rising|Outlook|outlook", seen)
    else:
        assert "probability of rising" in seen
        assert not re.search(r"low\b|middle|high|Level", seen)
    browser.find("#board a[data-style]").click()
    browser.until("return document.getElementById('detail').open")
    assert told in browser.find("#detail .outlook").text
    browser.open(f"{page.as_uri()}#lang=zh")
    assert chinese in browser.find("#guide").text
    assert browser.texts("#board thead .c-p_up") == ["未来水平" if classes == "level" else "走势"]
    assert browser.texts("#outlook option")[1:] == (
        ["高", "中", "低"] if classes == "level" else ["上升", "持平", "下降"]
    )
    quiet(browser)


def test_record_new_styles_and_movers(browser: Browser, small: str) -> None:
    browser.size(DESKTOP)
    browser.open(f"{small}#part=record")
    assert browser.run("return document.activeElement.id") == "h-record"
    verdict = browser.find("#verdict").text
    assert "In 7 past forecasts the mean error was 0.410 points of share: 20% less" in verdict
    assert "Against last, the rule chosen before the test, 20% less (95%: 9% to 28%)." in verdict
    assert browser.texts("#record .record tbody th") == [
        "ensemble this forecast",
        "last simple rule",
        "theta simple rule",
    ]
    assert len(browser.driver.find_elements("css selector", "#record canvas")) == 2
    assert browser.run(INKED, "#record canvas") > 5
    assert "said 50.0%, seen" in browser.find("#record .plot").get_attribute("aria-label")
    assert len(browser.texts("#movers li")) == 20
    assert "First seen 9 Mar 2024 · 31 posts by 9 authors, 17 in the last month" in browser.find("#emerging").text
    assert len(browser.driver.find_elements("css selector", "#emerging img")) == 3
    quiet(browser)


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_serious_finding_of_axe(browser: Browser, small: str, size: tuple[int, int], dark: bool) -> None:
    browser.size(size, dark)
    browser.open(f"{small}#q=linen 旗袍")  # some of the rows: axe looks at every element
    assert browser.run(ROWS) >= 5
    browser.until("return document.querySelectorAll('#board canvas').length > 0")
    assert browser.run("return document.documentElement.dataset.theme") == ("dark" if dark else "light")
    ink = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (ink == "rgb(21, 23, 26)") == dark
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    assert browser.run("return [...document.images].every((image) => image.hasAttribute('alt'))")
    assert browser.blemishes() == []
    browser.find("#board a[data-style]").click()
    browser.until("return document.querySelectorAll('#detail canvas').length > 0")
    assert browser.run("return document.getElementById('detail').scrollWidth <= innerWidth")
    assert browser.blemishes() == []
    quiet(browser)


def test_the_switch_of_colours_draws_anew(browser: Browser, small: str) -> None:
    browser.size(DESKTOP)
    browser.open(f"{small}#theme=dark")
    dark = browser.run("return getComputedStyle(document.body).backgroundColor")
    browser.find("#theme").click()
    assert browser.run("return getComputedStyle(document.body).backgroundColor") != dark
    assert browser.run("return document.activeElement.id") == "theme"
    assert browser.find("#theme").text == "Dark"
    quiet(browser)


def test_paper_shows_the_table_or_the_open_style(browser: Browser, small: str) -> None:
    browser.size(DESKTOP, dark=True)
    browser.open(f"{small}#style=s00003")
    pdf = base64.b64decode(browser.driver.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.run("return getComputedStyle(document.getElementById('main')).display") == "none"
    assert browser.run("return getComputedStyle(document.getElementById('tools')).display") == "none"
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    quiet(browser)


def test_ten_thousand_styles(browser: Browser, large: Path) -> None:
    assert large.stat().st_size < 16e6
    browser.size(DESKTOP)
    browser.open(large.as_uri())
    assert browser.run(ROWS) == 50
    assert browser.find("#told").text == "1–50 of 10,000 styles"
    assert browser.run("return document.querySelectorAll('*').length") < 6000
    browser.find("th[data-sort=name] button").click()
    browser.find("#find").send_keys("马面裙")
    assert browser.run(ROWS) == 50
    browser.open(f"{large.as_uri()}#style=s09999")
    assert browser.run("return document.getElementById('detail').open")
    quiet(browser)
