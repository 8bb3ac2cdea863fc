"""How long the page takes to show its table, search and sort in Chromium, by the number of styles.

    python benchmarks/page.py                       # 100 and 10,000 styles; needs chromium and chromium-driver

Prints a row a page: its size, milliseconds to the first table, of a press on a heading and of a key press in the
search, each the median of five, and how many times those of the first row they are.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

from tests.browser import CHROMIUM, DESKTOP, DRIVER, Browser, chromium
from tests.ensemble.boards import page_of

REPEATS = 5
LOADED = "return performance.getEntriesByType('navigation')[0].domInteractive"
SEARCH = """
  const find = document.getElementById("find"), start = performance.now();
  find.value = arguments[0];
  find.dispatchEvent(new Event("input"));
  return performance.now() - start;
"""
SORT = """
  const start = performance.now();
  document.querySelector(`th[data-sort=${arguments[0]}] button`).click();
  return performance.now() - start;
"""


def measure(browser: Browser, address: str) -> list[float]:
    """Milliseconds until the table stands, of a search, of a sort."""
    times: list[list[float]] = []
    for number in range(REPEATS):
        browser.open(address)
        word, heading = ("linen", "growth") if number % 2 else ("旗袍", "name")
        times.append([browser.run(LOADED), browser.run(SORT, heading), browser.run(SEARCH, word)])  # type: ignore[list-item]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    """Build the pages, open them, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--styles", type=int, nargs="+", default=[100, 10_000], help="styles of each page")
    styles = parser.parse_args().styles
    if not CHROMIUM or not DRIVER:
        raise SystemExit("needs Chromium: apt-get install chromium chromium-driver")
    print("| styles | MB | first table, ms | sort, ms | search, ms | times the first row |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder) / "profile") as browser:
        browser.size(DESKTOP)
        first: list[float] = []
        for count in styles:
            path = Path(folder) / f"{count}.html"
            path.write_text(page_of(count, 1 if count > 1000 else 3, 80), encoding="utf-8")
            told = measure(browser, path.as_uri())
            first = first or told
            ratios = ", ".join(f"{mine / base:.1f}" for mine, base in zip(told, first, strict=True))
            cells = " | ".join(f"{value:.0f}" for value in told)
            print(f"| {count:,} | {path.stat().st_size / 1e6:.1f} | {cells} | {ratios} |")


if __name__ == "__main__":
    main()
