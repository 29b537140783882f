"""Checkpoints: what is read, what is left out, and every way in which one can lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights import read_weights, weight_files
from gate.weights.savedmodel import CheckpointReader, bundle, shards, sorted_table
from gate.weights.savedmodel.crc import crc32c
from tests.weights.savedmodel import build
from tests.weights.savedmodel.build import VALUE, Checkpoint, number, payload, varint, weights

if TYPE_CHECKING:
    from pathlib import Path

    from gate.weights.interface import ModelWeights

W = weights(4, 6)


def read(checkpoint: Checkpoint, folder: Path) -> ModelWeights:
    index = checkpoint.write(folder, "model.ckpt-7")
    assert CheckpointReader().matches(index)
    return CheckpointReader().read(index, root=folder)


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_checksums_are_those_of_the_standard(data: bytes, expected: int) -> None:
    """RFC 3720, appendix B.4; the catalogue's check value for nine digits."""
    assert crc32c(data) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_values_come_back_bit_for_bit(tmp_path: Path, dtype: str) -> None:
    stored = W.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    (layer,) = read(Checkpoint({"dense/kernel": stored, "dense/bias": stored[0]}), tmp_path).layers
    assert (layer.name, layer.dtype, layer.shape) == ("dense", dtype, (6, 4))
    np.testing.assert_array_equal(layer.read(), stored.T.astype(layer.read().dtype))


def test_names_are_those_that_variables_were_made_with(tmp_path: Path) -> None:
    paths = ["layer_with_weights-10/kernel", "layer_with_weights-9/kernel", "list/0", "list/1"]
    made = ["second/kernel", "first/kernel", "Variable", "Variable"]
    tensors = {path + VALUE: W + at for at, path in enumerate(paths)}
    weights_ = read(Checkpoint(tensors, dict(zip(paths, made, strict=True))), tmp_path)
    assert [layer.name for layer in weights_.layers] == ["first", "second", "list/0", "list/1"]


def test_what_the_training_run_left_is_named_and_not_lost(tmp_path: Path) -> None:
    tensors = {
        f"layer/kernel{VALUE}": W,
        f"layer/kernel/.OPTIMIZER_SLOT/optimizer/m{VALUE}": W,
        f"opt/_iterations{VALUE}": np.int64(3),
        f"opt/_variables/2{VALUE}": W,
        f"opt/_trainable_variables/0{VALUE}": W + 1,
        f"keras_api/metrics/0/total_cm{VALUE}": W,
        f"save_counter{VALUE}": np.int64(1),
        "old/kernel": W + 2,
        "old/kernel/Adam_1": W,
        "old/kernel/Adam_2/kernel": W + 3,
    }
    found = read(Checkpoint(tensors), tmp_path)
    assert {layer.name for layer in found.layers} == {
        "layer",
        "opt/_trainable_variables/0",
        "old",
        "old/kernel/Adam_2",
    }
    assert {item.name: item.reason for item in found.skipped} == {
        "layer/kernel/.OPTIMIZER_SLOT/optimizer/m": "kept by the optimizer beside a weight",
        "old/kernel/Adam_1": "kept by the optimizer beside a weight",
        "opt/_variables/2": "state of the optimizer",
        "keras_api/metrics/0/total_cm": "state of a metric",
    }
    assert not any(item.matrix for item in found.skipped)


def test_a_copy_counts_once_and_only_if_its_bytes_are_the_same(tmp_path: Path) -> None:
    other = W.copy()
    other[3, 5] += 1
    paths = {"_all/0": W, "variables/0": W, "_all/1": W, "variables/1": other}
    made = {path: f"dense_{path[-1]}/kernel" for path in paths}
    found = read(Checkpoint({path + VALUE: values for path, values in paths.items()}, made), tmp_path)
    assert [layer.name for layer in found.layers] == ["dense_0", "variables/1", "_all/1"]
    (copy,) = found.skipped
    assert (copy.name, copy.reason) == ("_all/0", "the same stored values as dense_0/kernel")


def pieces(*extents: tuple[int, int], whole: tuple[int, ...] = (4, 6)) -> bytes:
    """Return the entry of a variable that is cut along its first axis."""
    cuts = [payload(1, number(1, start) + number(2, length)) + payload(1, b"") for start, length in extents]
    whole_shape = payload(2, build.shape_proto(whole))
    return number(1, 1) + whole_shape + b"".join(payload(7, cut) for cut in cuts)


def piece_key(start: int, length: int) -> bytes:
    """Return the key of rows ``start`` to ``start + length`` of ``w``; numbers below 64 take one byte."""
    return b"\x00w\x00\x01\x01\x02" + bytes([0x80 ^ start, 0x80 ^ length, 0x80, 0x7F])


def in_pieces(folder: Path, entries: dict[bytes, bytes]) -> ModelWeights:
    """Return what is read of W's bytes, which only ``entries`` name."""
    return read(Checkpoint({"hidden": W}, entries={b"hidden": build.entry(1, (0,), 0, 0), **entries}), folder)


def test_a_variable_in_pieces_is_put_together(tmp_path: Path) -> None:
    entries = {
        b"w": pieces((0, 3), (3, 1)),
        piece_key(0, 3): build.entry(1, (3, 6), 0, 72),
        piece_key(3, 1): build.entry(1, (1, 6), 72, 24),
    }
    (layer,) = in_pieces(tmp_path, entries).layers
    assert layer.name == "w"
    np.testing.assert_array_equal(layer.read(), W)


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        (pieces((0, 3), (3, 2)), "missing or of another shape"),
        (pieces((0, 3), (0, 3)), "twice"),
        (pieces((0, 3), whole=(4,)), "not its own"),
    ],
    ids=["missing", "twice", "another rank"],
)
def test_pieces_that_do_not_fit_are_refused(tmp_path: Path, whole: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        in_pieces(tmp_path, {b"w": whole, piece_key(0, 3): build.entry(1, (3, 6), 0, 72)})


def test_pieces_that_leave_a_gap_are_named_and_not_read(tmp_path: Path) -> None:
    entries = {
        b"w": pieces((0, 3), whole=(5, 6)),
        piece_key(0, 3): build.entry(1, (3, 6), 0, 72),
        piece_key(4, 1): build.entry(1, (1, 6), 72, 24),
    }
    found = in_pieces(tmp_path, entries)
    assert {item.reason for item in found.skipped if item.matrix} == {
        "kept in 1 pieces that do not lie in one row",
        "a piece of no variable in the index",
    }


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({b"w": build.entry(1, (4, 6), 4, 96)}, "ends at byte 100"),
        ({b"w": build.entry(1, (4, 6), -1, 96)}, "lies at -1"),
        ({b"w": build.entry(1, (4, 6), 0, -96)}, "-96 bytes"),
        ({b"w": build.entry(1, (4, 6), 1 << 62, 96)}, "ends at byte"),
        ({b"w": build.entry(1, (4, 6), 0, 95)}, "needs 96 bytes"),
        ({b"w": build.entry(1, (1 << 40, 1 << 40), 0, 96)}, "needs"),
        ({b"w": build.entry(1, (4, -6), 0, 96)}, "negative extent"),
        ({b"w": build.entry(1, (1,) * 40, 0, 4)}, "40 axes"),
        ({b"w": build.entry(1, (4, 6), 0, 96, shard=1)}, "data file 1 of 1"),
        ({b"w": build.entry(1, (4, 6), 0, 96, shard=-1)}, "data file -1 of 1"),
        ({b"v": build.entry(1, (4, 6), 0, 96)}, "overlap"),
        ({b"": b""}, "0 data files"),
        ({b"": number(1, 1 << 40)}, "data files"),
        ({b"": number(1, -1)}, "-1 data files"),
        ({b"": number(1, 2)}, "not there"),
        ({b"": number(1, 1) + number(2, 1)}, "big-endian"),
        ({b"": b"\xff"}, "cut short"),
        ({b"\xff\xfe": build.entry(1, (), 0, 4)}, "UTF-8"),
    ],
)
def test_an_entry_that_lies_is_refused(tmp_path: Path, entries: dict[bytes, bytes], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        read(Checkpoint({"w": W}, entries=entries), tmp_path)
    assert str(caught.value).startswith("model.ckpt-7.index")
    assert caught.value.hint


def test_types_without_numbers_are_named(tmp_path: Path) -> None:
    entries = {b"vocabulary": build.entry(7, (2, 2), 0, 0), b"new": build.entry(99, (2, 2), 0, 0)}
    found = read(Checkpoint({"w": W}, entries=entries), tmp_path)
    assert [(item.name, item.reason, item.matrix) for item in found.skipped] == [
        ("new", "stored as type 99", True),
        ("vocabulary", "holds text", False),
    ]


def test_bytes_that_belong_to_no_tensor_are_counted(tmp_path: Path) -> None:
    index = Checkpoint({"w": W}).write(tmp_path)
    data = tmp_path / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes() + bytes(100))
    assert CheckpointReader().read(index, root=tmp_path).unreferenced_bytes == 100
    index.write_bytes(bytes(0) + index.read_bytes()[:-48] + bytes(7) + index.read_bytes()[-48:])
    assert CheckpointReader().read(index, root=tmp_path).unreferenced_bytes == 107


def test_data_files_may_be_several(tmp_path: Path) -> None:
    index = Checkpoint({"w": W}, shards=3).write(tmp_path)
    found = CheckpointReader().read(index, root=tmp_path)
    assert len(found.layers) == 1
    assert found.files == ("variables.index", *(f"variables.data-0000{at}-of-00003" for at in range(3)))


@pytest.mark.parametrize("which", ["variables.index", "variables.data-00000-of-00001"])
def test_no_link_leads_out_of_the_folder(tmp_path: Path, which: str) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "model"
    Checkpoint({"w": W}).write(folder / "variables")
    outside.mkdir()
    (folder / "variables" / which).rename(outside / which)
    (folder / "variables" / which).symlink_to(outside / which)
    (folder / "saved_model.pb").write_bytes(build.saved_model(build.graph([])))
    with pytest.raises(UnsafeModelError, match="link"):
        read_weights(folder)


def test_a_table_is_read_across_blocks(tmp_path: Path) -> None:
    tensors = {f"layer_{at:04d}/kernel": np.full((2, 3), at, np.float32) for at in range(500)}
    found = read(Checkpoint(tensors), tmp_path)
    assert [layer.read()[0, 0] for layer in found.layers] == list(range(500))


def retabled(*parts: bytes, index: list[tuple[bytes, bytes]]) -> bytes:
    """Return a table of the given data blocks and index entries, whatever they say."""
    data = b"".join(map(build.trailed, parts))
    meta, blocks = build.block([]), build.block(index)
    places = varint(len(data)) + varint(len(meta)) + varint(len(data) + len(meta) + 5) + varint(len(blocks))
    footer = places.ljust(40, b"\0") + build.MAGIC.to_bytes(8, "little")
    return data + build.trailed(meta) + build.trailed(blocks) + footer


def handle(start: int, length: int) -> bytes:
    return varint(start) + varint(length)


GOOD = build.block([(b"a", b"1"), (b"b", b"2")])
BACKWARDS = build.block([(b"b", b""), (b"a", b"")])
TWICE = build.block([(b"b", b""), (b"b", b"")])
LYING: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "no TensorFlow index"),
    "a wrong magic number": (build.table({b"a": b"1"})[:-1] + b"\0", "no TensorFlow index"),
    "a wrong checksum": (b"\x07" + build.table({b"a": b"1"})[1:], "checksum"),
    "snappy": (build.table({b"a": b"1"}, compression=1), "snappy"),
    "an unknown compression": (build.table({b"a": b"1"}, compression=9), "unknown compression 9"),
    "keys out of order": (retabled(BACKWARDS, index=[(b"c", handle(0, len(BACKWARDS)))]), "order"),
    "a key twice": (retabled(TWICE, index=[(b"c", handle(0, len(TWICE)))]), "order"),
    "a block outside": (retabled(GOOD, index=[(b"c", handle(1 << 50, 10))]), "past what the index holds"),
    "a long block": (retabled(GOOD, index=[(b"c", handle(0, 1 << 60))]), "past what the index holds"),
    "a block twice": (
        retabled(GOOD, index=[(b"c", handle(0, len(GOOD))), (b"d", handle(0, len(GOOD)))]),
        "named twice",
    ),
    "many restarts": (retabled(b"\0\0\0\0\xff\xff\xff\x7f", index=[(b"c", handle(0, 8))]), "restart points"),
    "a short block": (retabled(b"\0\0\0", index=[(b"c", handle(0, 3))]), "too short"),
    "a long key": (
        retabled(varint(0) + varint(1 << 40) + varint(0) + b"\0" * 8, index=[(b"c", handle(0, 16))]),
        "claims more",
    ),
    "a shared prefix of nothing": (
        retabled(varint(5) + varint(0) + varint(0) + b"\0\0\0\0\x01\0\0\0", index=[(b"c", handle(0, 11))]),
        "claims more",
    ),
    "a handle cut short": (retabled(GOOD, index=[(b"c", b"\xff")]), "cut short"),
}


@pytest.mark.parametrize("lie", LYING)
def test_a_table_that_lies_is_refused(lie: str) -> None:
    data, message = LYING[lie]
    with pytest.raises(ModelError, match=message):
        sorted_table.read_table(data)


def test_an_index_of_very_many_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sorted_table, "MOST_ENTRIES", 20)
    tensors: dict[str, Any] = {f"w{at}": np.float32(at) for at in range(30)}
    with pytest.raises(UnsafeModelError, match="more than 20 entries"):
        read(Checkpoint(tensors), tmp_path)


def test_limits_are_above_what_exists() -> None:
    assert sorted_table.MOST_ENTRIES >= 100_000
    assert shards.MOST_SHARDS >= 1024
    assert bundle.OBJECT_GRAPH == "_CHECKPOINTABLE_OBJECT_GRAPH"


def test_a_folder_of_checkpoints_is_several_models_and_other_indices_are_none(tmp_path: Path) -> None:
    Checkpoint({"w": W}).write(tmp_path, "ckpt-1")
    Checkpoint({"w": W}).write(tmp_path, "ckpt-2")
    (tmp_path / "faiss.index").write_bytes(b"IxFI")
    found = read_weights(tmp_path)
    assert [layer.name for layer in found.layers] == ["ckpt-1/w", "ckpt-2/w"]
    assert found.skipped == ()


def test_a_download_fetches_all_of_a_saved_model() -> None:
    names = [
        "model/saved_model.pb",
        "model/keras_metadata.pb",
        "model/variables/variables.index",
        "model/variables/variables.data-00000-of-00001",
    ]
    assert weight_files([(name, 1) for name in [*names, "model/assets/vocab.txt"]]) == tuple(names)


@pytest.mark.parametrize(
    "flavour",
    [
        "tensorflow: {data: data, save_format: tf}",
        "tensorflow: {saved_model_dir: tf2model}",
    ],
)
def test_mlflows_tensorflow_flavour_is_read(tmp_path: Path, flavour: str) -> None:
    (tmp_path / "MLmodel").write_text(f"flavors:\n  python_function: {{loader_module: x}}\n  {flavour}\n")
    place = "tf2model" if "dir" in flavour else "data/model"
    (tmp_path / place).mkdir(parents=True)
    build.served({"w": W}, [], tmp_path / place)
    (tmp_path / place / "keras_metadata.pb").write_bytes(b"\x0a\x00")
    found = read_weights(tmp_path)
    assert found.format == "savedmodel"
    assert found.files[0] == f"{place}/saved_model.pb"
    assert [layer.name for layer in found.layers] == ["w"]
