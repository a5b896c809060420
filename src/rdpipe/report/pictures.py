"""Pictures inside the page: data URIs of lossless WebP, which is smaller than PNG."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image


def uri(image: Image.Image) -> str:
    """A picture as a data URI."""
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


def of_file(path: Path) -> tuple[str, tuple[int, int]]:
    """The data URI of a picture in a file, and its width and height in pixels."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    return uri(image), image.size


def sheet(images: np.ndarray) -> str:
    """The data URI of a grid of small images, uint8 (rows, columns, H, W, C)."""
    rows, columns, height, width, channels = images.shape
    flat = images.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, channels)
    return uri(Image.fromarray(np.broadcast_to(flat, (*flat.shape[:2], 3)).copy()))
