"""Files built to harm their reader, in every container."""

from __future__ import annotations

import contextlib
import io
import pickle
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ModelError
from gate.weights.budget import Budget, OverBudgetError
from gate.weights.pytorch import PytorchZipReader, scan_globals
from gate.weights.pytorch.flatten import named_tensors
from gate.weights.pytorch.opcodes import HANDLERS
from gate.weights.pytorch.pickle_machine import interpret
from tests.weights.pytorch.containers import (
    PROTO,
    call,
    dict_of,
    legacy_file,
    module,
    named,
    script_file,
    tensor,
    text,
    tuple_of,
    write,
    zip_file,
    zipped,
)
from tests.weights.pytorch.test_containers import FILES, READERS, export_file

if TYPE_CHECKING:
    from collections.abc import Iterator

VALUES = np.ones((2, 3), np.float32)
FLIPS = 400  # of each container; thousands were run by hand


def attacks(target: str) -> dict[str, bytes]:
    """Return calls that would make the file ``target`` if anything executed them."""
    command = f"open({target!r}, 'w')"
    shell = text(f"touch {target}")
    evaluate = named("builtins", "eval")
    getter = call(named("builtins", "getattr"), named("os", "path"), text("os"))
    return {
        "system": call(named("os", "system"), shell),
        "posix": call(named("posix", "system"), shell),
        "exec": call(named("builtins", "exec"), text(command)),
        "eval by instance": b"(" + text(command) + b"ibuiltins\neval\n",
        "eval by object": b"(" + evaluate + text(command) + b"o",
        "open": call(named("io", "open"), text(target), text("w")),
        "getattr chain": call(call(named("builtins", "getattr"), getter, text("system")), shell),
        "dotted name": text("os") + text("path.os.system") + b"\x93" + tuple_of(shell) + b"R",
        "popen": named("subprocess", "Popen") + tuple_of(shell) + b"\x81",
        "build": named("os", "system") + b")\x81" + text(command) + b"b",
        "map": call(named("builtins", "map"), evaluate, b"](" + text(command) + b"e"),
        "partial": call(call(named("functools", "partial"), evaluate, text(command))),
        "in a tensor": call(
            named("torch._utils", "_rebuild_parameter"), call(evaluate, text(command)), b"\x88", b"}"
        ),
        "torch": call(named("torch.storage", "_load_from_bytes"), text(command)),
    }


ATTACKS = tuple(attacks(""))


@pytest.mark.parametrize(
    "attack",
    ["system", "posix", "exec", "eval by instance", "eval by object", "open", "getattr chain", "dotted name"],
)
def test_the_attacks_are_real(attack: str, tmp_path: Path) -> None:
    target = tmp_path / "made"
    pickle.loads(b"\x80\x04" + attacks(str(target))[attack] + b".")
    assert target.exists()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("container", FILES)
@pytest.mark.parametrize("place", ["beside", "in a module's state"])
def test_nothing_is_executed_and_everything_reported(
    attack: str, container: str, place: str, tmp_path: Path
) -> None:
    target = tmp_path / "made"
    evil = attacks(str(target))[attack]
    weight = tensor("0", (2, 3), *([b"N"] if container == "pytorch-legacy" else []))
    structure = dict_of({"weight": weight, "evil": evil})
    if place != "beside":
        structure = module(named("__main__", "Net"), {"weight": weight}, {"inner": evil}, hook=evil)
    make = {"pytorch-zip": zip_file, "torchscript": script_file, "pytorch-legacy": legacy_file}.get(container)
    contents = (
        make(structure, {"0": VALUES})
        if make
        else export_file(data__sample_inputs__model=zip_file(structure, {"0": VALUES}))
    )
    path = write(tmp_path, contents)
    reader = next(reader for reader in READERS if reader.format == container)
    weights = reader.read(path, root=tmp_path)
    assert weights.unsafe_globals
    assert len(weights.layers) == 1
    np.testing.assert_array_equal(weights.layers[0].read().shape, (2, 3))
    assert not target.exists()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["model.pt"]


@pytest.mark.parametrize("container", FILES)
def test_flipped_bits_and_bytes_are_read_or_refused(container: str, tmp_path: Path) -> None:
    generator = random.Random(7)  # noqa: S311 - no secret
    reader = next(reader for reader in READERS if reader.format == container)
    refused = 0
    for _ in range(FLIPS):
        contents = bytearray(FILES[container])
        for _ in range(generator.choice([1, 1, 2, 8])):
            position = generator.randrange(len(contents))
            contents[position] = generator.choice([contents[position] ^ 1 << generator.randrange(8), 0, 255])
        path = write(tmp_path, bytes(contents))
        reader.matches(path)
        try:
            for layer in reader.read(path, root=tmp_path).layers:
                layer.read()
        except ModelError as error:
            refused += 1
            assert "\n" not in str(error)  # noqa: PT017 - most flips are refused, not all
    assert refused > FLIPS // 4


CODES = st.sampled_from([bytes([code]) for code in HANDLERS])
FRAGMENTS = st.one_of(
    CODES,
    st.binary(max_size=4),
    st.sampled_from(
        [
            text("_parameters"),
            named("torch._utils", "_rebuild_tensor_v2"),
            named("collections", "OrderedDict"),
            named("a", "B") + b")\x81",
            dict_of({"_parameters": b"}", "_buffers": b"}", "_modules": b"}"}),
            tensor("0", (2, 3)),
            b"q\x00",
            b"h\x00",
        ]
    ),
)


@settings(max_examples=400, deadline=None)
@given(fragments=st.lists(FRAGMENTS, max_size=30), script=st.booleans(), lenient=st.booleans())
def test_any_opcodes_are_read_or_refused(fragments: list[bytes], script: bool, lenient: bool) -> None:
    stream = memoryview(PROTO + b"".join(fragments) + b".")
    try:
        named_tensors(interpret(stream, script=script, lenient=lenient).value)
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017 - many streams are valid


def deflated(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, contents in entries.items():
            archive.writestr(name, contents)
    return buffer.getvalue()


STEPS = b"N0" * 600_000 + b"N."


def test_many_packed_pickles_cost_no_more_than_one_file_may(tmp_path: Path) -> None:
    path = write(tmp_path, deflated({f"{index}.pkl": STEPS for index in range(3)}))
    assert scan_globals(path) == ()
    path = write(tmp_path, deflated({f"{index}.pkl": STEPS for index in range(20)}))
    with pytest.raises(OverBudgetError, match="steps together"):
        scan_globals(path)
    budget = Budget()
    scan_globals(write(tmp_path, PROTO + STEPS), budget)
    assert budget.steps == Budget().steps - 2 * 600_000 - 2


@pytest.mark.parametrize("container", ["pytorch-zip", "torchscript", "pytorch-pt2"])
def test_pickles_within_a_container_are_charged_to_it(container: str, tmp_path: Path) -> None:
    within = deflated({f"{index}.pkl": STEPS for index in range(20)})
    structure = dict_of({"weight": tensor("0", (2, 3))})
    contents = {
        "pytorch-zip": lambda: zip_file(structure, {"0": VALUES}, **{"extra.zip": within}),
        "torchscript": lambda: script_file(structure, {"0": VALUES}, **{"extra.zip": within}),
        "pytorch-pt2": lambda: export_file(data__sample_inputs__model=within),
    }[container]()
    reader = next(reader for reader in READERS if reader.format == container)
    with pytest.raises(OverBudgetError, match="steps together"):
        reader.read(write(tmp_path, contents), root=tmp_path)


def test_what_is_inflated_is_charged_through_archives_within_archives(tmp_path: Path) -> None:
    bomb = deflated({f"{index}.pkl": b"N." + bytes(40 * 2**20) for index in range(4)})
    assert len(bomb) < 2**18
    assert scan_globals(write(tmp_path, bomb)) == ()
    with pytest.raises(OverBudgetError, match="inflate to more than"):
        scan_globals(write(tmp_path, deflated({f"{index}.pkl": bomb for index in range(2)})))


@pytest.mark.parametrize(("names", "order"), [(("byteorder", "data/0"), "<"), (("BYTEORDER", "DATA/0"), ">")])
def test_entries_named_in_other_letters_are_those_torch_would_read(
    names: tuple[str, str], order: str, tmp_path: Path
) -> None:
    values = VALUES * np.arange(1, 4)
    word = {"<": b"little", ">": b"big"}[order]
    structure = PROTO + dict_of({"weight": tensor("0", (2, 3))}) + b"."
    stored = {f"m/{names[0]}": word, f"m/{names[1]}": values.astype(f"{order}f4").tobytes()}
    path = write(tmp_path, zipped({"m/Data.pkl": structure, **stored, "m/VERSION": b"3\n"}))
    reader = PytorchZipReader()
    assert reader.matches(path)
    weights = reader.read(path, root=tmp_path)
    np.testing.assert_array_equal(weights.layers[0].read(), values)
    assert weights.unreferenced_bytes == 0


class Watched(type):
    """A class that notes what is done with it and its instances, besides making modules of it."""

    done: ClassVar[list[str]] = []

    def __call__(cls, *_: object) -> object:
        Watched.done.append("called")
        return None

    def __iter__(cls) -> Iterator[object]:
        Watched.done.append("iterated over")
        return iter(())


class Net(metaclass=Watched):
    """Stands for a user's module."""

    def __new__(cls, *arguments: object) -> Net:  # noqa: PYI034 - Python 3.10 has no Self
        if arguments:
            Watched.done.append("instantiated with arguments")
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        is_module = isinstance(state, dict) and {"_parameters", "_buffers", "_modules"} <= state.keys()
        if not is_module or "is_set" in vars(self):
            Watched.done.append("given another state")
        vars(self)["is_set"] = True

    def __getattr__(self, name: str) -> object:
        if not name.startswith("__"):
            Watched.done.append(f"asked for {name}")
        raise AttributeError(name)

    def __iter__(self) -> Iterator[object]:
        Watched.done.append("its instance iterated over")
        return iter(())


HARMLESS = [
    ("builtins", "list"),
    ("builtins", "set"),
    ("builtins", "tuple"),
    ("builtins", "object"),
    ("collections", "OrderedDict"),
    ("collections", "defaultdict"),
    ("copyreg", "_reconstructor"),
    ("copyreg", "__newobj__"),
]


class Unpickler(pickle._Unpickler):
    """Loads what is harmless, with the class above for every unknown global."""

    def find_class(self, module: str, name: str) -> object:
        """Return the watched class, or a plain container."""
        if module == "nets":
            return Net
        if (module, name) in HARMLESS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(name)

    def persistent_load(self, identity: tuple[object, ...]) -> object:
        """Return the class, as torch does."""
        return identity[1]


NET = named("nets", "Net")
NET_STATE = dict_of({"_parameters": b"}", "_buffers": b"}", "_modules": b"}"})
RECONSTRUCT, NEW_OBJECT = named("copyreg", "_reconstructor"), named("copyreg", "__newobj__")
RECONSTRUCTED = tuple_of(NET, named("builtins", "object"), b"N")
KEPT_CLASS = tuple_of(text("module"), NET, b"N", b"N")
CODES_OF_USE = b"0 2 ] ) } N R a e t o b Q ( \x81 \x85 \x86 \x87 q\x00 q\x01 h\x00 h\x01".split(b" ")
USES = st.lists(
    st.sampled_from(
        [
            *CODES_OF_USE,
            NET,
            NET + b")\x81",
            NET + b")\x81" + NET_STATE + b"b",
            NET + b"N\x85\x81",
            NET + b")}\x92",
            NET_STATE + b"b",
            b")\x81" + NET_STATE + b"b",
            b"}b",
            b"N\x85b",
            KEPT_CLASS,
            KEPT_CLASS + b"Q",
            RECONSTRUCTED,
            RECONSTRUCT + RECONSTRUCTED + b"R",
            RECONSTRUCT + b"h\x01R",
            NEW_OBJECT + NET + b"\x85R",
            NEW_OBJECT + b"h\x01R",
            *(named(*name) for name in HARMLESS),
            *(named(*name) + b"h\x00\x85R" for name in HARMLESS),
            *(named(*name) + b"h\x00\x85\x81" for name in HARMLESS),
        ]
    ),
    min_size=2,
    max_size=14,
)


@pytest.mark.parametrize(
    ("opcodes", "noted"),
    [
        (NET + b"N\x85\x81", "instantiated with arguments"),
        (NET + b")R", "called"),
        (NET + b")\x81" + NET_STATE + b"b" + NET_STATE + b"b", "given another state"),
        (named("builtins", "list") + NET + b")\x81" + NET_STATE + b"b\x85R", "its instance iterated over"),
        (NET + b")\x81" + NET_STATE + b"b", None),
    ],
)
def test_the_watched_class_notes_what_is_done_with_it(opcodes: bytes, noted: str | None) -> None:
    Watched.done.clear()
    Unpickler(io.BytesIO(PROTO + opcodes + b".")).load()
    assert Watched.done == ([noted] if noted else [])


@settings(max_examples=1500, deadline=None)
@given(uses=USES)
def test_whatever_python_does_with_an_unknown_class_is_reported(uses: list[bytes]) -> None:
    contents = PROTO + b"(" + b"".join(uses) + b"l."
    try:
        reported = interpret(memoryview(contents)).unsafe_globals
    except ModelError:
        return  # refused
    Watched.done.clear()
    with contextlib.suppress(Exception):  # what was done before the stream proved wrong counts
        Unpickler(io.BytesIO(contents)).load()
    assert not Watched.done or "nets.Net" in reported, Watched.done


LIMITED = """
import resource, sys
from pathlib import Path
from gate.errors import ModelError
from gate.weights.pytorch import PytorchZipReader
path = Path(sys.argv[1])
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    PytorchZipReader().read(path, root=path.parent)
except ModelError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the limit is a POSIX one")
@pytest.mark.parametrize(
    "opcodes",
    [
        b"(" + b"}" * 3_000_000 + b"l",
        b"(" + b"\x8f" * 3_000_000 + b"l",
        b"\x8e" + (2**40).to_bytes(8, "little"),
        dict_of({"w": tensor("0", (2**40, 2**10))}),
        b"N" + b"".join(b"r" + index.to_bytes(4, "little") for index in range(3_000_000)),
    ],
)
def test_memory_stays_bounded_whatever_the_file_claims(opcodes: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, zip_file(opcodes, {"0": VALUES}))
    limit = 1_500_000_000
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
        cwd=Path(__file__).parents[3],
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.stdout.startswith("model.pt: ")
    assert len(done.stdout.splitlines()) == 1
