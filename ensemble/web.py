"""The server's pages: the leaderboard as `stylecast leaderboard` writes it, a search, and the pictures of both.

No page needs a script but the leaderboard's own ones, and none loads anything from elsewhere.
"""

import re
from datetime import date
from functools import partial
from typing import Annotated
from urllib.parse import quote

import numpy as np
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException

from data.pictures import inside, open_picture
from ensemble import questions
from ensemble.answers import Alike, Hits
from ensemble.asking import LONGEST, Count, Run, sent_picture, work
from ensemble.live import Live
from ensemble.page import CHINESE, read_template, templates, words
from ensemble.thumbnails import encode_jpeg
from ensemble.uploads import UploadError
from stylecast.errors import UserError

SIDE = 1024
"""Longest side of an original that is shown, pixels; a larger one comes smaller."""
LANGUAGES = ("en", "zh")
SHEETS = ("page.css", "search.css")
KEPT = {"Cache-Control": "private, max-age=300"}
OWN_POLICY = re.compile(r'http-equiv="Content-Security-Policy" content="([^"]*)"')
pages = APIRouter(include_in_schema=False)


@pages.get("/")
async def leaderboard(request: Request, live: Run, origin: date | None = None) -> HTMLResponse:
    """The leaderboard's page; a run without forecasts leads to the search."""
    if live.scored is None:
        return HTMLResponse(status_code=307, headers={"Location": "/search"})
    page = await work(request, lambda: live.page(questions.origin_of(live, origin)))
    policy = OWN_POLICY.search(page)
    if policy is None:
        raise ValueError("the page has no content security policy")
    # The page's own scripts stand in it, and its policy names them by their hashes.
    return HTMLResponse(page, headers={"Content-Security-Policy": f"{policy[1]}; base-uri 'none'; form-action 'none'; "
                                                                  "frame-ancestors 'none'"})  # fmt: skip


def chosen_language(request: Request) -> str:
    """`zh` or `en`, as the address asks for; "" where it asks for none."""
    asked = request.query_params.get("lang", "")
    return asked if asked in LANGUAGES else ""


def language_of(request: Request, live: Live) -> str:
    """`zh` or `en`: what the address asks for, else what the server was started with, else what the browser prefers."""
    asked = chosen_language(request) or live.settings.language
    if asked not in LANGUAGES:
        asked = request.headers.get("accept-language", "").strip().lower()[:2]
    return "zh" if asked == "zh" else "en"


def _in_language(request: Request, language: str) -> str:
    """The address of this very page in a language."""
    return f"{request.url.path}?{request.url.include_query_params(lang=language).query}"


def _search_page(
    request: Request, live: Live, q: str, found: Hits | Alike | None, status: int = 200, refused: str = ""
) -> HTMLResponse:
    language = language_of(request, live)
    # What a picture found has no address that another language could be asked for by.
    switch = "" if request.method == "POST" else _in_language(request, "en" if language == "zh" else "zh")
    html = templates().get_template("search.html.j2").render(
        q=q, found=found, status=status, refused=refused, words=words(language), language=language,
        chosen=chosen_language(request), switch=switch,
        unknown=found.unknown if isinstance(found, Hits) else [],
        style=found.style if isinstance(found, Alike) else None,
        no_style=isinstance(found, Alike) and found.style is None, board=live.scored is not None,
        title=live.settings.title, quote=lambda text: quote(text, safe=""),
        lang=lambda text: "zh-Hans" if CHINESE.search(text) else "",
    )  # fmt: skip
    return HTMLResponse(html, status)


@pages.get("/search")
async def search(
    request: Request, live: Run, q: Annotated[str, Query(max_length=LONGEST)] = "", k: Count = 24
) -> HTMLResponse:
    """A box for a phrase, and what matches it."""
    if not q.strip():
        return _search_page(request, live, "", None)
    found = await work(request, partial(questions.hits, live, q, k))
    return _search_page(request, live, q, found)


@pages.post("/search")
async def search_by_picture(request: Request, live: Run) -> HTMLResponse:
    """The style of a picture, and what is like it."""
    try:
        data = await sent_picture(request)
        found = await work(request, partial(questions.alike, live, data, 24))
    except UploadError as error:
        return _search_page(request, live, "", None, error.status, error.reason)
    return _search_page(request, live, "", found)


def _known(live: Live, picture: str) -> int:
    row = live.row_of(picture)
    if row is None:
        raise UserError("no such picture in this run")
    return row


def _thumbnail(live: Live, picture: str, side: int) -> bytes:
    return encode_jpeg(np.asarray(live.posts.images[_known(live, picture)]), side)


def _original(live: Live, picture: str) -> bytes:
    relative = str(live.posts.pictures["path"].iloc[_known(live, picture)])
    path = inside(live.root, relative)
    if path is None or not path.is_file():
        raise UserError("the file of this picture is not there any more; /pictures shows what the run keeps of it")
    try:
        image = open_picture(path, SIDE)
    # Pillow raises OSError, SyntaxError, ValueError … for files that were changed since; all mean the same here.
    except Exception as error:
        raise UserError(f"the file of this picture cannot be read ({type(error).__name__})") from error
    # Drawn anew: what a file holds beside its pixels, or claims to be, reaches no browser.
    return encode_jpeg(image, SIDE)


@pages.get("/pictures")
async def picture(request: Request, live: Run, id: str, side: Annotated[int, Query(ge=16, le=SIDE)] = 256) -> Response:
    """What the run keeps of a picture, as a JPEG; never larger than it keeps it."""
    return Response(await work(request, partial(_thumbnail, live, id, side)), media_type="image/jpeg", headers=KEPT)


@pages.get("/originals")
async def original(request: Request, live: Run, id: str) -> Response:
    """A picture from the image root, at most 1024 pixels a side."""
    return Response(await work(request, partial(_original, live, id)), media_type="image/jpeg", headers=KEPT)


@pages.get("/favicon.ico")
async def icon() -> Response:
    """There is none; without an answer every browser would tell of a missing file."""
    return Response(status_code=204, headers=KEPT)


@pages.get("/assets/{name}")
async def sheet(name: str) -> Response:
    """A style sheet."""
    if name not in SHEETS:
        raise HTTPException(404, "no such file")
    return Response(read_template(name), media_type="text/css", headers=KEPT)
