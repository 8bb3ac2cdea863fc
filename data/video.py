"""One frame of a video stands for it: the one at 15 s, or the middle one of a shorter clip.

Shapes: H×W pixels.
"""

import os
from pathlib import Path

import cv2
import numpy as np

SECONDS = 15.0
"""Where the frame is taken; a clip that does not reach so far gives its middle one."""
SUFFIXES = (".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".flv")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")  # how MP4 and QuickTime begin, from the fifth byte on


def is_video(path: str) -> bool:
    """Whether a path is named as a video is."""
    return path.lower().endswith(SUFFIXES)


def _check_container(path: Path) -> None:
    # FFmpeg goes by content: a playlist named .mp4 would make it open other files, outside the image root too.
    with open(path, "rb") as file:
        head = file.read(12)
    riff = head[:4] == b"RIFF" and head[8:] == b"AVI "
    if not (riff or head[4:8] in _BOXES or head[:4] == b"\x1a\x45\xdf\xa3" or head[:3] == b"FLV"):
        raise ValueError("its content is not that of a video file")


def _opened(path: Path, most_pixels: int) -> cv2.VideoCapture:
    # FFmpeg by name: other readers of OpenCV take a % in a file name for a series of pictures.
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    if not capture.isOpened():
        raise ValueError("no video stream that can be decoded")
    width, height = (int(capture.get(c)) for c in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > most_pixels:
        raise ValueError(f"{width}×{height} pixels are more than {most_pixels:,}")
    return capture


def _read(capture: cv2.VideoCapture) -> np.ndarray:
    read, frame = capture.read()
    if not read:
        raise ValueError("its frame cannot be decoded")
    return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)


def _walk(path: Path, most_pixels: int) -> np.ndarray:
    """The frame of a file that does not tell how long it is, frame by frame."""
    capture, count = _opened(path, most_pixels), 0
    while capture.grab():
        if capture.get(cv2.CAP_PROP_POS_MSEC) >= 1000 * SECONDS:
            return cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
        count += 1
    capture = _opened(path, most_pixels)
    for _ in range(count // 2):
        capture.grab()
    return _read(capture)


def open_frame(path: Path, most_pixels: int) -> np.ndarray:
    """Read the frame that stands for a video, turned upright as its file says.

    Args:
        path: the file.
        most_pixels: larger frames are refused.

    Returns:
        uint8 H×W×3 RGB.

    Raises:
        ValueError: why it cannot be read.
    """
    _check_container(path)
    # What is wrong with a file is told once, in its row; FFmpeg would tell it on the terminal too.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    capture = _opened(path, most_pixels)
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    if not (rate > 0 and count > 0):
        return _walk(path, most_pixels)
    number = round(SECONDS * rate) if count > SECONDS * rate else int(count) // 2
    capture.set(cv2.CAP_PROP_POS_FRAMES, number)
    return _read(capture)
