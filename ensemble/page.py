"""The leaderboard as one HTML file that needs no network: pictures, data, styles and scripts lie within it.

Titles and tags of posts are untrusted. They reach the file as JSON in which no letter can open or close a tag, the
script puts them on the page as text alone, and a content security policy that names the page's own scripts and styles
by their hashes lets the browser run nothing else and load nothing from anywhere.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

CHINESE = re.compile(r"[\u3400-\u9fff]")
LIBRARY = ("vendor/uPlot-LICENSE.txt", "vendor/uPlot.iife.min.js")
SCRIPTS = ("page.js", "page-charts.js", "page-table.js", "page-style.js", "page-parts.js", "page-main.js")
SHEETS = ("vendor/uPlot.min.css", "page.css")
UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def read_template(name: str) -> str:
    """A file of `templates`."""
    return (resources.files("ensemble") / "templates" / name).read_text(encoding="utf-8")


def templates() -> Environment:
    """The templates; every value that they show is escaped."""
    return Environment(
        loader=FunctionLoader(read_template), autoescape=True, undefined=StrictUndefined, auto_reload=False
    )


def words(language: str = "") -> dict[str, Any]:
    """The interface's texts: [English, Chinese] by name; with a language, `en` or `zh`, the text alone."""
    table: dict[str, list[str]] = json.loads(read_template("words.json"))
    return {name: texts[language == "zh"] for name, texts in table.items()} if language else dict(table)


def as_json(value: object) -> Markup:
    """A value as JSON that can stand in a script element: nothing in it can close that element.

    Raises:
        ValueError: a number is not finite.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter, escape in UNSAFE.items():
        text = text.replace(letter, escape)
    return Markup(text)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"


def render_page(data: Mapping[str, Any]) -> str:
    """Writes the page of `page_data`. The same data give the same text.

    Args:
        data: as `ensemble.page_data.page_data` gives it.

    Returns:
        The HTML.
    """
    licence, library = map(read_template, LIBRARY)
    scripts = [
        f"/*\n{licence}*/\n{library}",
        '"use strict";\n(() => {\n' + "\n".join(map(read_template, SCRIPTS)) + "})();\n",
    ]
    style = "\n".join(map(read_template, SHEETS))
    uris = data["uris"]
    rest = {name: value for name, value in data.items() if name != "uris"}
    return templates().get_template("page.html.j2").render(
        title=data["title"], target_start=data["target_start"], target_end=data["target_end"],
        style=Markup(style), style_hash=_hash(style),
        scripts=[Markup(script) for script in scripts], script_hashes=" ".join(map(_hash, scripts)),
        data=as_json(rest), uris=as_json(uris), words=as_json(words()),
    )  # fmt: skip
