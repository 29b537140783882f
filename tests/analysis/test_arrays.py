"""The digest of arrays in memory, against its documented form written out by hand."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from gate.analysis import ArraysDigest, arrays_digest
from gate.errors import ModelError
from gate.weights.arrays import live_readers

WEIGHT = np.arange(6, dtype="<f4").reshape(2, 3)
BIAS = np.array([1.0, 2.0], dtype="<f8")


def digest(**arrays: Any) -> str:
    return arrays_digest(live_readers(arrays))


def test_the_form_is_the_documented_one() -> None:
    lines = [
        '{"schema":"gate/arrays/1"}',
        f'{{"dtype":"float64","name":"bias","sha256":"{sha(BIAS.tobytes())}","shape":[2]}}',
        f'{{"dtype":"float32","name":"w\\u00e9","sha256":"{sha(WEIGHT.tobytes())}","shape":[2,3]}}',
    ]
    expected = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert digest(wé=WEIGHT, bias=BIAS) == f"sha256:{expected}"
    assert [json.loads(line) for line in lines]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "same",
    [
        WEIGHT.astype(">f4"),
        np.asfortranarray(WEIGHT),
        np.concatenate([WEIGHT, WEIGHT], 1)[:, :3],
        np.array(WEIGHT.tolist(), np.float32),
    ],
    ids=["big-endian", "column order", "a view", "a copy"],
)
def test_how_it_lies_in_memory_does_not_count(same: Any) -> None:
    assert digest(w=same) == digest(w=WEIGHT)


def changed_in_one_bit() -> Any:
    other = WEIGHT.copy()
    other.view("u4")[1, 2] ^= 1
    return other


@pytest.mark.parametrize(
    "other",
    [{"v": WEIGHT}, {"w": changed_in_one_bit()}, {"w": WEIGHT.reshape(3, 2)}, {"w": WEIGHT.view("<i4")}, {}],
    ids=["name", "value", "shape", "type", "missing"],
)
def test_everything_else_counts(other: dict[str, Any]) -> None:
    assert digest(**other) != digest(w=WEIGHT)


@pytest.mark.parametrize("shape", [(), (0, 4), (1,)])
def test_scalars_and_empty_arrays(shape: tuple[int, ...]) -> None:
    assert digest(w=np.zeros(shape)) != digest(w=np.zeros((2, *shape)))


def test_of_python_objects_name_type_and_shape_are_covered_and_not_the_content() -> None:
    labels = np.array(["cat", "dog"], dtype=object)
    lines = [
        '{"schema":"gate/arrays/1"}',
        '{"dtype":"object","name":"labels","sha256":null,"shape":[2]}',
        f'{{"dtype":"float32","name":"w","sha256":"{sha(WEIGHT.tobytes())}","shape":[2,3]}}',
    ]
    expected = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    assert digest(w=WEIGHT, labels=labels) == f"sha256:{expected}"
    assert digest(w=WEIGHT, labels=np.array([{}, print], dtype=object)) == f"sha256:{expected}"
    for other in ({"names": labels}, {"labels": labels[:1]}, {}):
        assert digest(w=WEIGHT, **other) != f"sha256:{expected}"


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float8_e4m3fn", "int64", "bool"])
def test_the_framework_does_not_count(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.tensor([[0.5, -2.0], [0.0, 1.0]]).to(getattr(torch, dtype))
    known = getattr(ml_dtypes, dtype, None) or dtype
    array = np.array([[0.5, -2.0], [0.0, 1.0]]).astype(known)
    assert digest(w=tensor) == digest(w=array)
    assert digest(w=tensor.t()) == digest(w=array.T) != digest(w=array)
    assert digest(w=tensor[0, 0]) == digest(w=array[0, 0])


@pytest.mark.torch
def test_a_tensor_without_values_has_no_digest() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(ModelError, match="w"):
        digest(w=torch.empty(3, 3, device="meta"))


def test_tiles_can_be_done_in_any_order() -> None:
    values = np.arange(300 * 300, dtype=np.float32).reshape(300, 300)
    small = {f"small{index}": np.arange(5000.0) + index for index in range(30)}  # 65,536 elements a tile
    arrays = {
        "bias": BIAS,
        "large": values,
        "turned": values.T,
        "backwards": values[::-1],
        "longest": np.arange(1 << 21),
        "long": np.arange(1 << 20),
        **small,
    }
    readers = live_readers(arrays)
    digest = ArraysDigest(readers)
    assert digest.elements == sum(array.size for array in arrays.values())
    long, short = digest.tiles()
    assert len(long) == 2
    assert len(short) == 1 + 1 + 3  # those to be copied, the large one, 150,003 elements of small ones
    long[0]()
    assert list(digest._lines) == ["longest"]
    for tile in [*short[::-1], long[1]]:
        tile()
    assert digest.value() == arrays_digest(readers)


def test_much_to_copy_takes_long() -> None:
    values = np.ones((600, 600), np.float32)
    long, short = ArraysDigest(live_readers({f"w{index}": values.T for index in range(3)})).tiles()
    assert (len(long), len(short)) == (1, 0)
    assert ArraysDigest({}).tiles() == ([], [])


@pytest.mark.parametrize(
    "values", [WEIGHT, WEIGHT.T, WEIGHT[:, :2], WEIGHT.astype(">f4"), WEIGHT[0], WEIGHT.view("i4")]
)
def test_content_is_a_view_exactly_where_it_says_so(values: Any) -> None:
    (reader,) = live_readers({"w": values}).values()
    assert reader.in_place == np.shares_memory(reader.content(), values)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor")
def test_content_of_a_tensor_is_a_view_where_it_says_so() -> None:
    torch = pytest.importorskip("torch")
    tensor = torch.arange(6.0).reshape(2, 3)
    quantised = torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)
    for values, expected in [
        (tensor, True),
        (tensor.t(), False),
        (tensor.bfloat16(), True),
        (quantised, False),
        (tensor.to_sparse(), False),
        (torch.empty(2, 3, device="meta"), False),
    ]:
        (reader,) = live_readers({"w": values}).values()
        assert reader.in_place == expected
        if expected:
            assert reader.content().ctypes.data == values.data_ptr()
