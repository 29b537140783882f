from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from gate.errors import ModelError
from gate.weights.safetensors.header import read_header
from gate.weights.strict_json import parse_object

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, header: object, data: bytes = b"", *, text: bytes | None = None) -> Path:
    encoded = json.dumps(header).encode() if text is None else text
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    return path


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


_EXTENDED = (ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2)
_PLAIN = (np.float64, np.float32, np.float16, np.int64, np.int32, np.int16, np.int8, np.uint8, np.bool_)


@pytest.mark.parametrize("dtype", _EXTENDED + _PLAIN)
def test_every_type_that_the_safetensors_package_writes_reads_bit_for_bit(tmp_path: Path, dtype: Any) -> None:
    rng = np.random.default_rng(3)
    stored = {
        "a": np.asarray(rng.normal(size=(5, 7)) * 3).astype(dtype),
        "b": np.asarray(rng.normal(size=11)).astype(dtype),
        "scalar": np.asarray(2).astype(dtype),
        "empty": np.empty((0, 3), dtype),
    }
    path = tmp_path / "model.safetensors"
    save_file(stored, path, metadata={"format": "np"})
    header = read_header(path)
    assert header.unreferenced_bytes == 0
    assert {tensor.name for tensor in header.tensors} == set(stored)
    for tensor in header.tensors:
        values = tensor.read.stored()  # type: ignore[attr-defined]
        assert tensor.dtype == np.dtype(dtype).name
        assert values.shape == stored[tensor.name].shape
        assert values.tobytes() == stored[tensor.name].tobytes()
        floats = tensor.read()
        assert floats.dtype in (np.float16, np.float32, np.float64)
        np.testing.assert_array_equal(floats, stored[tensor.name].astype(floats.dtype))


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        ({"a": entry([2], 0, 8), "b": entry([1], 12, 16)}, bytes(16), "expected at 8"),
        ({"a": entry([2], 0, 8), "b": entry([1], 4, 8)}, bytes(8), "expected at 8"),
        ({"a": entry([2], 4, 12)}, bytes(12), "expected at 0"),
        ({"a": entry([2], 0, 8)}, bytes(7), "need"),
        ({"a": entry([3], 0, 8)}, bytes(8), "cannot take"),
        ({"a": entry([2**62, 2**62], 0, 8)}, bytes(8), "cannot take"),
        ({"a": entry([2**40], 0, 2**42)}, bytes(8), "need"),
        ({"a": entry([-2], 0, 8)}, bytes(8), "shape"),
        ({"a": entry([2**63], 0, 8)}, bytes(8), "shape"),
        ({"a": entry([1] * 33, 0, 4)}, bytes(4), "shape"),
        ({"a": {**entry([2], 0, 8), "shape": [2.0]}}, bytes(8), "shape"),
        ({"a": {**entry([2], 0, 8), "shape": [True, 2]}}, bytes(8), "shape"),
        ({"a": {**entry([2], 0, 8), "shape": "2"}}, bytes(8), "shape"),
        ({"a": entry([2], 8, 0)}, bytes(8), "data_offsets"),
        ({"a": {**entry([2], 0, 8), "data_offsets": [0]}}, bytes(8), "data_offsets"),
        ({"a": entry([2], 0, 8, "F128")}, bytes(8), "F128"),
        ({"a": {**entry([2], 0, 8), "dtype": ["F32"]}}, bytes(8), "type"),
        ({"a": {"dtype": "F32", "shape": [2]}}, bytes(8), "entry"),
        ({"a": {**entry([2], 0, 8), "more": 1}}, bytes(8), "entry"),
        ({"a": []}, b"", "entry"),
        ({"n" * 5000: entry([2], 0, 8)}, bytes(8), "5000"),
        ({"__metadata__": {"a": 1}}, b"", "__metadata__"),
        ({"__metadata__": []}, b"", "__metadata__"),
        ([], b"", "start with"),
    ],
)
def test_a_header_that_lies_is_refused(tmp_path: Path, header: object, data: bytes, says: str) -> None:
    with pytest.raises(ModelError, match=says):
        read_header(write(tmp_path / "m.safetensors", header, data))


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": {"dtype":"U8"}, "a": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b'{"a": {"dtype":"U8","shape":[1],"data_offsets":[0,1],"shape":[1]}}',
        b'{"\\ud800": {"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
        b'{"a": {"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}',
        b'{"a": {"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}',
        b"{" + b'"a":{' * 100_000,
        b'{"a":' + b"[" * 100_000,
        b"{\xff}",
        b"{} trailing",
        b"{",
        b'{"a":[' + b"0," * 2_000_001 + b"0]}",
    ],
    ids=range(11),
)
def test_json_that_only_hurts_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ModelError):
        read_header(write(tmp_path / "m.safetensors", None, b"\0", text=text))


@pytest.mark.parametrize("length", [2**64 - 1, 2**63, 100_000_001, 10])
def test_a_length_beyond_the_file_is_not_allocated(tmp_path: Path, length: int) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    with pytest.raises(ModelError, match=str(length)):
        read_header(path)


def test_bytes_after_the_last_tensor_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "m.safetensors", {"a": entry([2], 0, 8)}, bytes(8) + b"hidden")
    assert read_header(path).unreferenced_bytes == 6


def test_a_file_cut_short_at_any_byte_is_refused(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({"a": np.ones((2, 3), np.float32), "b": np.ones(2, np.float16)}, whole)
    content = whole.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in range(len(content)):
        cut.write_bytes(content[:length])
        with pytest.raises(ModelError):
            read_header(cut)


def test_any_flipped_bit_is_refused_or_leaves_a_readable_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save_file({"a": np.ones((2, 3), np.float32), "b": np.ones(2, np.float16)}, whole)
    content = bytearray(whole.read_bytes())
    flipped = tmp_path / "flipped.safetensors"
    refused = 0
    for position in range((len(content) - 28) * 8):  # the last 28 bytes are values
        content[position // 8] ^= 1 << position % 8
        flipped.write_bytes(content)
        content[position // 8] ^= 1 << position % 8
        try:
            tensors = read_header(flipped).tensors
        except ModelError:
            refused += 1
            continue
        assert sum(tensor.read().size for tensor in tensors) >= 8
    assert refused > 200


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
_ENTRY = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "F4", "F8_E4M3", "U8", "C64"]) | _JSON,
        "shape": st.lists(st.integers(-1, 4) | st.integers(), max_size=3) | _JSON,
        "data_offsets": st.lists(st.integers(0, 40), min_size=2, max_size=2) | _JSON,
    }
)


@given(
    header=st.dictionaries(st.text(max_size=6) | st.just("__metadata__"), _ENTRY | _JSON, max_size=3),
    data=st.binary(max_size=40),
    cut=st.integers(0, 3),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_headers_raise_model_errors_only(
    tmp_path: Path, header: dict[str, Any], data: bytes, cut: int
) -> None:
    path = write(tmp_path / "m.safetensors", header, data)
    if cut:
        path.write_bytes(path.read_bytes()[:-cut])
    try:
        found = read_header(path)
    except ModelError:
        return
    for tensor in found.tensors:
        if tensor.dtype not in {"float4_e2m1fn", "complex64"}:
            assert tensor.read().shape == tensor.shape


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"{" + data + b"}"))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_an_object_or_a_model_error(data: bytes) -> None:
    try:
        parsed = parse_object(data, "the text")
    except ModelError:
        return
    assert parsed == json.loads(data)
