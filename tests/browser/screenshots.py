"""Screenshots compared with stored ones, coarsely: a quarter of the size, by a tolerance.

``GATE_UPDATE_SCREENSHOTS=1`` writes the stored ones anew; look at them before keeping them.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

GOLDENS = Path(__file__).parent / "goldens"
SHRUNK = 4
MEAN = 3.0
"""Most mean difference of a pixel, of 255."""
FAR, FAR_SHARE = 40, 0.02
"""A pixel is far off beyond so much, and so many may be: text moves by a pixel between font versions."""


def compare(name: str, screenshot: bytes, folder: Path) -> None:
    """Fail where a screenshot is not the stored one, leaving what was seen in ``folder``."""
    from PIL import Image  # noqa: PLC0415 - only the browser tests have it

    seen = _shrink(Image.open(io.BytesIO(screenshot)))
    path = GOLDENS / name
    if os.environ.get("GATE_UPDATE_SCREENSHOTS") == "1":
        seen.save(path, optimize=True)
    stored = Image.open(path).convert("RGB")
    (folder / name).write_bytes(screenshot)
    assert seen.size == stored.size, f"{seen.size} pixels, stored are {stored.size}; see {folder / name}"
    mean, far = difference(seen, stored)
    assert mean <= MEAN, f"pixels differ by {mean:.1f} on average; see {folder / name}"
    assert far <= FAR_SHARE, f"{far:.1%} of the pixels are far off; see {folder / name}"


def difference(one: Image, other: Image) -> tuple[float, float]:
    """Return the mean difference of a channel, and the share of channel values that are far off."""
    import numpy as np  # noqa: PLC0415 - as above

    apart = np.abs(np.asarray(one, dtype=np.int16) - np.asarray(other, dtype=np.int16))
    return float(apart.mean()), float((apart > FAR).mean())


def _shrink(image: Image) -> Image:
    return image.convert("RGB").reduce(SHRUNK)
