"""Files built to harm their reader, in every container."""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate.errors import ModelError
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
)
from tests.weights.pytorch.test_containers import FILES, READERS, export_file

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
