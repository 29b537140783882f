"""Each container, made by hand: where tensors lie, what is left over, what is refused."""

from __future__ import annotations

import io
import json
import pickle
import struct
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.errors import ModelError, UnsafeModelError
from gate.weights.pytorch import (
    Pt2Reader,
    PytorchLegacyReader,
    PytorchZipReader,
    TorchScriptReader,
    scan_globals,
)
from tests.weights.pytorch.containers import (
    PROTO,
    dict_of,
    integer,
    legacy_file,
    module,
    named,
    script_file,
    storage,
    tensor,
    text,
    tuple_of,
    write,
    zip_file,
    zipped,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

READERS = (PytorchZipReader(), TorchScriptReader(), Pt2Reader(), PytorchLegacyReader())
VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)
MODEL = dict_of({"fc.weight": tensor("0", (2, 3))})


def export_file(*, table: dict[str, Any] | None = None, graph: bytes = b"{}", **more: bytes) -> bytes:
    """Return an export package of one weight, 2 by 3."""
    meta = {
        "dtype": 7,
        "sizes": [{"as_int": 2}, {"as_int": 3}],
        "strides": [{"as_int": 3}, {"as_int": 1}],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }
    entry = {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": meta}
    config = {"config": {"fc.weight": entry | (table or {})}}
    return zipped(
        {
            "m/data/weights/weight_0": VALUES.tobytes(),
            "m/data/weights/model_weights_config.json": json.dumps(config).encode(),
            "m/data/constants/model_constants_config.json": b'{"config": {}}',
            "m/models/model.json": graph,
            "m/archive_format": b"pt2",
            **{f"m/{name.replace('__', '/')}": contents for name, contents in more.items()},
        }
    )


def tensor_meta(**changes: Any) -> dict[str, Any]:
    """Return a change to the table of :func:`export_file`."""
    meta: dict[str, Any] = {
        "dtype": 7,
        "sizes": [{"as_int": 2}, {"as_int": 3}],
        "strides": [{"as_int": 3}, {"as_int": 1}],
        "storage_offset": {"as_int": 0},
        "layout": 7,
    }
    return {"tensor_meta": meta | changes}


FILES: dict[str, bytes] = {
    "pytorch-zip": zip_file(MODEL, {"0": VALUES}),
    "torchscript": script_file(
        named("__torch__", "Net") + b")\x81" + dict_of({"weight": tensor("0", (2, 3))}) + b"b", {"0": VALUES}
    ),
    "pytorch-pt2": export_file(),
    "pytorch-legacy": legacy_file(dict_of({"fc.weight": tensor("0", (2, 3), b"N")}), {"0": VALUES}),
}


@pytest.mark.parametrize("container", FILES)
def test_each_container_has_one_reader_which_finds_the_values(container: str, tmp_path: Path) -> None:
    path = write(tmp_path, FILES[container])
    matching = [reader for reader in READERS if reader.matches(path)]
    assert [reader.format for reader in matching] == [container]
    weights = matching[0].read(path, root=tmp_path)
    (layer,) = weights.layers
    np.testing.assert_array_equal(layer.read(), VALUES)
    assert (weights.format, weights.files) == (container, ("model.pt",))
    assert (weights.unsafe_globals, weights.unreferenced_bytes, weights.nested_archives) == ((), 0, ())
    assert pickle.loads(pickle.dumps(layer.read))().tolist() == VALUES.tolist()


@pytest.mark.parametrize(
    "contents", [b"", b"\x80", b"PK\x03\x04", b"hello", pickle.dumps({"a": 1}), zipped({"a.npy": b"x"})]
)
def test_other_files_match_no_reader(contents: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, contents)
    assert not any(reader.matches(path) for reader in READERS)
    assert not any(reader.matches(tmp_path) or reader.matches(tmp_path / "missing") for reader in READERS)


@pytest.mark.parametrize("container", FILES)
def test_a_truncated_file_is_one_clear_error_at_every_length(container: str, tmp_path: Path) -> None:
    contents = FILES[container]
    reader = next(reader for reader in READERS if reader.format == container)
    for length in range(len(contents)):
        path = write(tmp_path, contents[:length])
        with pytest.raises(ModelError) as caught:
            reader.read(path, root=tmp_path)
        assert str(caught.value).startswith("model.pt: ")
        assert "\n" not in str(caught.value)


def test_views_of_one_storage_are_each_found(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32)
    model = dict_of(
        {
            "whole": tensor("0", (4, 6)),
            "transposed": tensor("0", (6, 4), strides=(1, 6)),
            "rows": tensor("0", (2, 6), offset=12, elements=24),
            "steps": tensor("0", (2, 3), strides=(12, 2), elements=24),
        }
    )
    reader = PytorchZipReader()
    read = {
        part.name: part.read()
        for part in reader.contents(write(tmp_path, zip_file(model, {"0": values}))).tensors
    }
    np.testing.assert_array_equal(read["whole"], values.reshape(4, 6))
    np.testing.assert_array_equal(read["transposed"], values.reshape(4, 6).T)
    np.testing.assert_array_equal(read["rows"], values[12:].reshape(2, 6))
    np.testing.assert_array_equal(read["steps"], np.array([[0, 2, 4], [12, 14, 16]], np.float32))


def test_a_big_endian_file_is_read_as_one(tmp_path: Path) -> None:
    contents = zip_file(MODEL, {"0": VALUES.astype(">f4")}).replace(b"little", b"big   ")
    with pytest.raises(ModelError, match="byte order"):
        PytorchZipReader().contents(write(tmp_path, contents))
    entries = {
        "m/data.pkl": PROTO + MODEL + b".",
        "m/byteorder": b"big",
        "m/data/0": VALUES.astype(">f4").tobytes(),
    }
    (read,) = PytorchZipReader().contents(write(tmp_path, zipped(entries))).tensors
    np.testing.assert_array_equal(read.read(), VALUES)


def test_legacy_windows_into_a_storage(tmp_path: Path) -> None:
    values = np.arange(10, dtype=np.float32)

    def window(start: int, elements: int) -> bytes:
        return tuple_of(text("view"), integer(start), integer(elements))

    model = dict_of({"w": tensor("0", (2, 2), window(3, 4), elements=10)})
    (read,) = PytorchLegacyReader().contents(write(tmp_path, legacy_file(model, {"0": values}))).tensors
    np.testing.assert_array_equal(read.read(), [[3, 4], [5, 6]])
    outside = dict_of({"w": tensor("0", (2, 2), window(8, 4), elements=10)})
    with pytest.raises(ModelError, match="lies outside"):
        PytorchLegacyReader().contents(write(tmp_path, legacy_file(outside, {"0": values})))


def test_bytes_no_tensor_refers_to_are_counted(tmp_path: Path) -> None:
    def unreferenced(contents: bytes, reader: PytorchZipReader | PytorchLegacyReader) -> int:
        return reader.contents(write(tmp_path, contents)).unreferenced_bytes

    longer = np.arange(10, dtype=np.float32)
    part = dict_of({"w": tensor("0", (2, 3), offset=1, elements=10)})
    assert unreferenced(zip_file(part, {"0": longer}), PytorchZipReader()) == 16
    assert unreferenced(zip_file(MODEL, {"0": VALUES, "1": longer}), PytorchZipReader()) == 40
    assert unreferenced(zip_file(MODEL, {"0": VALUES}, extra=b"secret"), PytorchZipReader()) == 6
    assert unreferenced(zip_file(MODEL + b"." + b"hidden", {"0": VALUES}), PytorchZipReader()) == 7
    assert unreferenced(FILES["pytorch-zip"] + b"tail", PytorchZipReader()) == 4
    assert unreferenced(FILES["pytorch-legacy"] + b"tail", PytorchLegacyReader()) == 4
    part = dict_of({"w": tensor("0", (2, 3), b"N", offset=1, elements=10)})
    assert unreferenced(legacy_file(part, {"0": longer}), PytorchLegacyReader()) == 16


def test_archives_within_are_named_and_scanned(tmp_path: Path) -> None:
    evil = PROTO + named("os", "system") + b"."
    inner = zip_file(named("shutil", "rmtree"), {})
    contents = zip_file(MODEL, {"0": VALUES}, **{"other.pkl": evil, "data.zip": inner, "notes.txt": b"hello"})
    read = PytorchZipReader().contents(write(tmp_path, contents))
    assert read.nested_archives == ("m/other.pkl", "m/data.zip")
    assert read.unsafe_globals == {"os.system", "shutil.rmtree"}
    smuggled = np.frombuffer(inner + b"\0" * (-len(inner) % 4), np.float32)
    contents = zip_file(dict_of({"w": tensor("0", smuggled.shape)}), {"0": smuggled})
    read = PytorchZipReader().contents(write(tmp_path, contents))
    assert read.nested_archives == ("m/data/0",)


def test_compressed_tensors_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", PROTO + MODEL + b".")
        archive.writestr("m/data/0", VALUES.tobytes())
    with pytest.raises(ModelError, match="compressed") as caught:
        PytorchZipReader().contents(write(tmp_path, buffer.getvalue()))
    assert caught.value.hint


def test_the_oldest_tar_form_is_named(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    path = write(tmp_path, buffer.getvalue())
    assert PytorchLegacyReader().matches(path)
    with pytest.raises(ModelError, match=r"tar form torch wrote before 0\.1\.10"):
        PytorchLegacyReader().read(path, root=tmp_path)


def test_a_version_nobody_knows_is_refused(tmp_path: Path) -> None:
    contents = zip_file(MODEL, {"0": VALUES}).replace(b"3\n", b"99")
    with pytest.raises(ModelError, match="99"):
        PytorchZipReader().contents(write(tmp_path, contents))


def legacy_count(value: int) -> Callable[[bytes], bytes]:
    return lambda contents: contents.replace(struct.pack("<q", 6), struct.pack("<q", value))


@pytest.mark.parametrize(
    "contents",
    [
        zip_file(MODEL, {}),
        zip_file(MODEL, {"0": VALUES[:1]}),
        zip_file(dict_of({"w": tensor("../../etc/passwd", (2, 3))}), {"0": VALUES}),
        zip_file(dict_of({"w": tensor("0", (2**40, 2**20))}), {"0": VALUES}),
        zip_file(dict_of({"w": tensor("0", (2, 3), strides=(2**40, 1))}), {"0": VALUES}),
        zip_file(dict_of({"w": tensor("0", (2, 3), offset=5)}), {"0": VALUES}),
        zip_file(dict_of({"w": tensor("0", (2, 3), elements=2**60)}), {"0": VALUES}),
        zip_file(dict_of({"w": tensor("0", (0, 2**62, 2**62))}), {"0": VALUES}),
        zip_file(storage("0", "float32", 2**70), {"0": VALUES}),
        legacy_count(2**62)(FILES["pytorch-legacy"]),
        legacy_count(-1)(FILES["pytorch-legacy"]),
        legacy_count(5)(FILES["pytorch-legacy"]),
        legacy_file(dict_of({"w": tensor("0", (2, 3), b"N")}), {"1": VALUES}),
        legacy_file(dict_of({"w": tensor("0", (2, 3), b"N")}), {}),
        export_file(table=tensor_meta(sizes=[{"as_int": 2**62}, {"as_int": 2**62}])),
        export_file(table=tensor_meta(sizes=[{"as_int": 9}, {"as_int": 9}])),
        export_file(table=tensor_meta(sizes=[{"as_expr": "s0"}])),
        export_file(table=tensor_meta(sizes=[{"as_int": -1}, {"as_int": 1}])),
        export_file(table=tensor_meta(strides=[{"as_int": 10**9}, {"as_int": 1}])),
        export_file(table=tensor_meta(storage_offset={"as_int": 10**9})),
        export_file(table=tensor_meta(sizes="x")),
        export_file(table={"path_name": "weight_7"}),
        export_file(table={"path_name": "../../weight_0"}),
        export_file(table={"path_name": 3}),
        export_file(table={"tensor_meta": None}),
        export_file().replace(b'{"config": {"fc', b'["config": {"fc'),
        export_file().replace(b'{"config": {}}', b"[" * 14),
        zipped({"m/data/weights/model_weights_config.json": b"[" * 10**6, "m/archive_format": b"pt2"}),
        zipped({"m/archive_format": b"pt2"}),
    ],
)  # fmt: skip
def test_claims_beyond_the_bytes_present_are_refused(contents: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, contents)
    (reader,) = [reader for reader in READERS if reader.matches(path)]
    with pytest.raises(ModelError) as caught:
        reader.read(path, root=tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"use_pickle": True},
        {"use_pickle": None},
        {"path_name": "custom_obj_0"},
        {"path_name": "opaque_obj_0"},
    ],
)
def test_pickled_entries_of_an_export_package_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    more = {"data__weights__custom_obj_0": b"x" * 24, "data__weights__opaque_obj_0": b"x" * 24}
    with pytest.raises(UnsafeModelError, match=r"'fc\.weight' is stored as a pickle"):
        Pt2Reader().contents(write(tmp_path, export_file(table=changes, **more)))


def test_what_loading_an_export_package_would_run_is_reported(tmp_path: Path) -> None:
    sample = zip_file(named("os", "system") + text("x") + b"\x85R", {})
    graph = json.dumps(
        {"a": {"expr_str": "__import__('os').system('x')"}, "b": {"expr_str": "2*s77 + Max(1, s0)"}}
    )
    contents = export_file(
        graph=graph.encode(), data__sample_inputs__model=sample, data__aotinductor__model__a=b"\x7fELF"
    )
    read = Pt2Reader().contents(write(tmp_path, contents))
    assert read.unsafe_globals == {
        "os.system",
        "aotinductor.m/data/aotinductor/model/a",
        "sympy.sympify(\"__import__('os').system('x')\")",
    }


@pytest.mark.parametrize(
    "names", [("serialized_exported_program.json", "serialized_state_dict.pt"), ("m/archive_format",)]
)
def test_pickled_forms_of_export_packages_are_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path, zipped(dict.fromkeys(names, b"x")))
    assert Pt2Reader().matches(path)
    with pytest.raises(UnsafeModelError, match="no table of raw weights"):
        Pt2Reader().read(path, root=tmp_path)


def test_script_attributes_are_told_from_parameters_by_the_source(tmp_path: Path) -> None:
    source = b'class Net(Module):\n  __parameters__ = ["weight", ]\n  __buffers__ = ["mean", ]\n'
    state = {"weight": tensor("0", (2, 3)), "mean": tensor("1", (2, 2)), "table": tensor("2", (2, 4))}
    structure = named("__torch__.shop", "Net") + b")\x81" + dict_of(state) + b"b"
    storages: dict[str, NDArray[Any]] = {
        "0": VALUES, "1": np.ones((2, 2), np.float32), "2": np.ones((2, 4), np.float32)
    }  # fmt: skip
    contents = zipped(
        {
            **{f"m/data/{key}": values.tobytes() for key, values in storages.items()},
            "m/data.pkl": PROTO + structure + b".",
            "m/constants.pkl": PROTO + b").",
            "m/code/__torch__/shop.py": source,
            "m/code/__torch__/shop.py.debug_pkl": PROTO + named("os", "system") + b".",
        }
    )
    read = TorchScriptReader().contents(write(tmp_path, contents))
    assert [part.name for part in read.tensors] == ["weight", "mean"]
    assert [(item.name, item.matrix) for item in read.skipped] == [("table", False)]
    assert read.unsafe_globals == {"os.system"}


def test_a_foreign_pickle_can_be_scanned(tmp_path: Path) -> None:
    model = PROTO + named("sklearn.svm", "SVC") + b")\x81" + dict_of({"hook": named("os", "system")}) + b"b."
    path = write(tmp_path, model, "model.pkl")
    assert not any(reader.matches(path) for reader in READERS)
    assert scan_globals(path) == ("os.system", "sklearn.svm.SVC")
    assert scan_globals(write(tmp_path, zip_file(module(named("a", "B"), {}), {}))) == ()
    with pytest.raises(ModelError, match=r"model\.pt: "):
        scan_globals(write(tmp_path, b"\xff\xff"))
