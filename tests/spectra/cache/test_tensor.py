"""Digests tell every change of bytes or layout; packing puts a tensor back as it lay."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate.spectra.cache.tensor import Layout, packed, tensor_digest, unpacked
from tests.spectra.layers import gaussian

if TYPE_CHECKING:
    from numpy.typing import NDArray


def unaligned(values: NDArray[Any]) -> NDArray[Any]:
    buffer = np.zeros(values.nbytes + 1, np.uint8)
    moved: NDArray[Any] = np.frombuffer(buffer.data, values.dtype, values.size, 1).reshape(values.shape)
    buffer[1:] = values.reshape(-1).view(np.uint8)
    return moved


BASE = gaussian(12, 10, 3, 2)
LAYOUTS: dict[str, NDArray[Any]] = {
    "plain": BASE,
    "half": BASE.astype(np.float16),
    "turned": BASE.T,
    "axes": BASE.transpose(2, 3, 0, 1),
    "gaps": BASE[:, 2:7],
    "steps": BASE[::2, ::3],
    "backwards": BASE[::-1, :, ::-1],
    "unaligned": unaligned(BASE.astype(np.float32)),
    "big-endian": BASE.astype(">f4"),
    "spread": np.broadcast_to(BASE[:1], (5, 10, 3, 2)),
    "flat": gaussian(7, 1),
    "empty": np.empty((0, 4)),
    "scalar": np.array(1.5),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_packed_tensor_is_put_back_as_it_lay(name: str) -> None:
    values = LAYOUTS[name]
    data = packed(values)
    assert data.nbytes == values.nbytes
    back = unpacked(data.copy(), Layout.of(values))
    assert back.strides == values.strides
    assert back.dtype == values.dtype
    assert back.flags.aligned == values.flags.aligned
    assert back.flags.c_contiguous == values.flags.c_contiguous
    np.testing.assert_array_equal(back, values)
    assert tensor_digest(back) == tensor_digest(values)


def test_every_layout_has_a_digest_of_its_own() -> None:
    assert len({tensor_digest(values) for values in LAYOUTS.values()}) == len(LAYOUTS)


def test_the_digest_is_sha256_of_the_stated_bytes() -> None:
    values = np.arange(6, dtype="<f4").reshape(2, 3)
    stated = b"<f4 (2, 3) (12, 4) True\0" + values.tobytes()
    assert tensor_digest(values) == hashlib.sha256(stated).hexdigest()


def test_tensors_in_pieces_are_hashed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from gate.spectra.cache import tensor  # noqa: PLC0415

    values = gaussian(50, 40)[:, :30]
    whole = tensor_digest(values)
    monkeypatch.setattr(tensor, "_BLOCK", 700)
    assert tensor_digest(values) == whole


@given(st.integers(0, 12 * 10 * 3 * 2 * 8 - 1), st.integers(1, 255))
def test_any_changed_byte_changes_the_digest(position: int, change: int) -> None:
    changed = BASE.copy()
    changed.reshape(-1).view(np.uint8)[position] ^= change
    assert tensor_digest(changed) != tensor_digest(BASE)


def test_bytes_that_do_not_fill_the_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="reshape"):
        unpacked(packed(BASE)[:-8], Layout.of(BASE))
