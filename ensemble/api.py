"""The server's JSON endpoints, and the application that they and the pages make up.

Every endpoint that works takes its turn in a small pool of threads, so that a slow one holds up no other, and the
event loop stays free for `/health`.
"""

import logging
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import Annotated, Any

import cv2
import faiss
import torch
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers

from ensemble import questions
from ensemble.answers import Alike, Board, Health, Hits, Problem, StyleDetail
from ensemble.asking import LONGEST, Count, Phrase, Run, sent_picture, work
from ensemble.guard import Guard, Meter, Rules
from ensemble.keeper import Keeper
from ensemble.live import load_live
from ensemble.serve import ServeConfig, is_loopback
from ensemble.uploads import UploadError
from ensemble.web import pages
from stylecast import __version__
from stylecast.errors import UserError
from stylecast.runs import versions

log = logging.getLogger(__name__)
SWITCH = 0.0005
"""Seconds that a worker keeps Python's lock from the event loop; ten times shorter than usual, since answers wait."""
FORM = 4096
"""Bytes that a form may add to the picture in it."""
REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem, "description": told}
    for code, told in {
        401: "no token, or another", 404: "not known to this run", 422: "cannot be asked so", 503: "not ready",
    }.items()
}  # fmt: skip
SENT: dict[int | str, dict[str, Any]] = {
    413: {"model": Problem, "description": "too large"},
    415: {"model": Problem, "description": "no picture"},
}
PICTURE = {"schema": {"type": "string", "format": "binary"}}
BODY = {"requestBody": {"required": True, "content": {
    "multipart/form-data": {"schema": {"type": "object", "required": ["picture"],
                                       "properties": {"picture": PICTURE["schema"]}}},
    "image/jpeg": PICTURE, "image/png": PICTURE, "image/webp": PICTURE, "image/gif": PICTURE,
}}}  # fmt: skip
router = APIRouter()


def one_thread() -> None:
    """Each worker keeps to one core: several searches at a time gain more than one on several cores."""
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)


@router.get("/api/leaderboard", responses=REFUSALS)
async def leaderboard(
    request: Request, live: Run, origin: date | None = None,
    filter: Annotated[str, Query(max_length=LONGEST, description="Words that name or keywords must hold")] = "",
    sort: Annotated[str, Query(description="A column; with - before it, largest first")] = "rank",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 100, offset: Annotated[int, Query(ge=0)] = 0,
) -> Board:  # fmt: skip
    """Every style at an origin, ranked; the latest origin where none is named."""
    return await work(request, partial(questions.board, live, origin, filter, sort, limit, offset))


@router.get("/api/styles/{style:path}", responses=REFUSALS)
async def style(request: Request, live: Run, style: str, origin: date | None = None) -> StyleDetail:
    """All that is known of a style: words, pictures, share history, forecast."""
    return await work(request, partial(questions.style, live, style, origin))


@router.get("/api/search", responses=REFUSALS)
async def search(request: Request, live: Run, q: Phrase, k: Count = 20) -> Hits:
    """Pictures that match a phrase. Where no word of it is known, there are no hits and `told` says so."""
    return await work(request, partial(questions.hits, live, q, k))


@router.post("/api/search", responses=REFUSALS | SENT, openapi_extra=BODY)
async def search_by_picture(request: Request, live: Run, k: Count = 20) -> Alike:
    """The style of a picture that is sent in, and the pictures nearest to it."""
    data = await sent_picture(request)
    return await work(request, partial(questions.alike, live, data, k))


@router.get("/health", responses={503: {"model": Health}})
async def health(request: Request, response: Response) -> Health:
    """Whether the run is whole and loaded; who has no token is told the state alone."""
    keeper: Keeper = request.app.state.keeper
    response.status_code = 200 if keeper.live is not None else 503
    if not request.app.state.rules.knows(Headers(scope=request.scope)):
        return Health(state=keeper.state, problem="", runs={}, versions={})
    runs = keeper.live.contents if keeper.live is not None else {}
    return Health(state=keeper.state, problem=keeper.problem, runs=runs, versions=request.app.state.versions)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(generate_latest(request.app.state.meter.registry), media_type=CONTENT_TYPE_LATEST)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    told = (f"{'.'.join(str(part) for part in e['loc'][1:])}: {e['msg']}" for e in error.errors())
    return JSONResponse({"detail": "; ".join(told)}, 422)


async def _refused(request: Request, error: Exception) -> JSONResponse:
    status = error.status if isinstance(error, UploadError) else 422 if isinstance(error, questions.NotAsked) else 404
    return JSONResponse({"detail": str(error)}, status)


def build_app(config: ServeConfig) -> FastAPI:
    """The application: it begins to load the run when it starts.

    Args:
        config: checked.
    """
    hosts = frozenset({"localhost", "127.0.0.1", "::1", config.host})
    open_to_all = not is_loopback(config.host)
    rules = Rules(config.secret(), frozenset() if open_to_all else hosts, config.upload_bytes + FORM)
    meter = Meter()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        cv2.setNumThreads(1)
        sys.setswitchinterval(SWITCH)
        app.state.pool = ThreadPoolExecutor(config.threads, "worker", one_thread)
        app.state.keeper.start()
        yield
        app.state.pool.shutdown(cancel_futures=True)
        app.state.keeper.stop()

    # The pages that FastAPI has for its API load scripts from elsewhere.
    app = FastAPI(
        title="Stylecast", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        exception_handlers={RequestValidationError: _invalid, UploadError: _refused, UserError: _refused},
    )  # fmt: skip
    load = partial(load_live, settings=config.page, most_pixels=config.upload_pixels)
    app.state.keeper = Keeper(config.run, load, config.poll, meter.tell)
    app.state.rules, app.state.meter, app.state.versions = rules, meter, versions()
    app.include_router(router)
    app.include_router(pages)
    app.add_middleware(Guard, rules=rules, meter=meter)
    return app
