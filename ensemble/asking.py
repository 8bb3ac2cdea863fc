"""What endpoints and pages of the server share: the run, a turn in the pool of threads, a picture that was sent."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

from fastapi import Depends, Query, Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from ensemble.keeper import Keeper
from ensemble.live import Live

T = TypeVar("T")
MOST = 200
"""Most pictures of an answer."""
LONGEST = 200
"""Most characters of a phrase."""
Phrase = Annotated[str, Query(min_length=1, max_length=LONGEST, description="Words, in any language of the posts")]
Count = Annotated[int, Query(ge=1, le=MOST, description="How many pictures")]


def live_of(request: Request) -> Live:
    """The run that is served.

    Raises:
        HTTPException: it is not loaded (yet): 503.
    """
    keeper: Keeper = request.app.state.keeper
    if keeper.live is None:
        raise HTTPException(503, f"the run is {keeper.state}; /health tells more", {"Retry-After": "5"})
    return keeper.live


Run = Annotated[Live, Depends(live_of)]


async def work(request: Request, task: Callable[[], T]) -> T:
    """Do something in a thread of the pool."""
    pool: ThreadPoolExecutor = request.app.state.pool
    return await asyncio.get_running_loop().run_in_executor(pool, task)


async def sent_picture(request: Request) -> bytes:
    """The picture of a request: its body, or the first file of a form.

    Raises:
        HTTPException: a form without a file, or a body of another kind.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.startswith("image/") or kind == "application/octet-stream":
        return await request.body()
    if kind != "multipart/form-data":
        raise HTTPException(415, "send a picture as image/jpeg, image/png, …, or as a file of multipart/form-data")
    async with request.form(max_files=1, max_fields=4) as form:
        file = next((value for value in form.values() if isinstance(value, UploadFile)), None)
        if file is None:
            raise HTTPException(422, "the form holds no file; send one named `picture`")
        return await file.read()
