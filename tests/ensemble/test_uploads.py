"""Pictures that strangers send."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ensemble.uploads import UploadError, open_upload


def encoded(kind: str, size: tuple[int, int] = (30, 20), **options) -> bytes:  # noqa: ANN003
    file = BytesIO()
    Image.new("RGB", size, (200, 10, 10)).save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_common_kinds_are_read(kind: str) -> None:
    image = open_upload(encoded(kind), 64, 10_000)
    assert image.shape == (20, 30, 3)
    assert np.abs(image.astype(int) - [200, 10, 10]).max() < 8


@pytest.mark.parametrize("kind", ["BMP", "TIFF", "PPM", "EPS", "PDF", "ICO"])
def test_other_kinds_are_not(kind: str) -> None:
    with pytest.raises(UploadError) as refused:
        open_upload(encoded(kind), 64, 10_000)
    assert refused.value.status == 415


def test_a_picture_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_upload(encoded("JPEG", exif=exif), 64, 10_000).shape == (30, 20, 3)


@pytest.mark.parametrize("side", [101, 20_000, 60_000])
def test_what_a_header_claims_is_refused_before_it_is_decoded(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(encoded("PNG"))
    data[16:24] = side.to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    with pytest.raises(UploadError, match="pixels") as refused:
        open_upload(bytes(data), 64, 10_000)
    assert refused.value.status == 413


@given(st.binary(max_size=300), st.sampled_from(["JPEG", "PNG", "WEBP", "GIF"]), st.integers(0, 200))
def test_no_bytes_do_anything_but_be_read_or_refused(noise: bytes, kind: str, place: int) -> None:
    whole = encoded(kind)
    for data in (noise, whole[:place] + noise, whole[:place] + noise + whole[place + len(noise) :]):
        status, image = 0, None
        try:
            image = open_upload(data, 64, 10_000)
        except UploadError as error:
            status = error.status
        assert status in (413, 415, 422) if image is None else image.shape[0] * image.shape[1] <= 10_000
