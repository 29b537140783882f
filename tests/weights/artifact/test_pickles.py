from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from gate.weights import begins_like_pickle, read_weights

if TYPE_CHECKING:
    from pathlib import Path

SYSTEM = f"{os.system.__module__}.system"
TEXT_PICKLE = f"c{os.system.__module__}\nsystem\n(S'true'\ntR.".encode()


class Harmful:
    """Unpickling it would run a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("true",)


PICKLES = {
    **{f"protocol {protocol}": pickle.dumps(Harmful(), protocol=protocol) for protocol in range(6)},
    "behind none": b"N0" + TEXT_PICKLE,
    "behind protocol 1": b"\x80\x01" + TEXT_PICKLE,
    "behind a long string": b"B" + (2 << 20).to_bytes(4, "little") + bytes(2 << 20) + b"0" + TEXT_PICKLE,
    "behind many steps": b"N0" * 150_000 + TEXT_PICKLE,
    "in a list": b"](I1\ne" + TEXT_PICKLE[:-1] + b"a.",
    "an instance": f"(S'true'\ni{os.system.__module__}\nsystem\n.".encode(),
    "cut off behind the call": TEXT_PICKLE[:-1],
}


@pytest.mark.parametrize("content", PICKLES.values(), ids=PICKLES)
def test_a_pickle_is_found_by_what_it_would_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "blob").write_bytes(content)
    assert begins_like_pickle(tmp_path / "blob")
    save_file({"a.weight": np.ones((3, 4), np.float32)}, tmp_path / "model.safetensors")
    assert read_weights(tmp_path).unsafe_globals[0] in {SYSTEM, "unreadable pickle blob"}


TEXTS = {
    "README.md": "# Model\n\nN0 one should take this for code.\n",
    "requirements.txt": "cloudpickle\nnumpy\npandas==2\ntorch\n",
    "pinned.txt": "cloudpickle==3.1\nnumpy==2.0\n",
    "vocab.txt": "\n".join([*"abcdefghijklmnopqrstuvwxyz", "(", ")", "]", "}", "R", "N.", "."]),
    "marks.txt": "(\n)\n.\n",
    "first.txt": "N.",
    "merges.txt": "#version: 0.2\ni n\nt h\n",
    "imports": "import os\nimport sys\n",
    "c.txt": "color\nname\n(see below)\n",
    "LICENSE": "(c) 2024 Somebody\nin all cases R.\n",
    "conda.yaml": "channels:\n- defaults\ndependencies:\n- pip\n",
    "tokenizer.json": json.dumps({"vocab": {"a": 1}}),
    "rows.csv": "id,name\n1,a\n",
    "numbers.txt": "I1\nI2\nI3\n",
    "list": "]\n}\n",
    "empty": "",
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_no_pickle(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(TEXTS[name])
    assert not begins_like_pickle(tmp_path / name)
    save_file({"a.weight": np.ones((3, 4), np.float32)}, tmp_path / "model.safetensors")
    assert read_weights(tmp_path).unsafe_globals == ()


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_and_images_are_no_pickle(tmp_path: Path, seed: int) -> None:
    noise = np.random.default_rng(seed).bytes(5000)
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"%PDF-1.7\n", b"PAR1", b"GIF89a", b"BZh9"):
        (tmp_path / "blob").write_bytes(start + noise)
        assert not begins_like_pickle(tmp_path / "blob")


def test_what_a_flavour_names_is_followed_whatever_it_is(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function: {python_model: p, artifacts: {x: {path: sub/q.txt}}, env: conda.yaml}\n"
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "q.txt").write_bytes(b"(S'true'\nimy mod\nf\n")  # a module `my mod.py` may lie there
    (tmp_path / "p").write_bytes(b"\x78\x9c compressed")
    (tmp_path / "conda.yaml").write_text(TEXTS["conda.yaml"])
    save_file({"a.weight": np.ones((3, 4), np.float32)}, tmp_path / "model.safetensors")
    assert read_weights(tmp_path).unsafe_globals == ("my mod.f", "unreadable pickle p")


def test_models_from_code_and_configurations_that_a_flavour_names_are_no_pickles(tmp_path: Path) -> None:
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function: {python_model: agent.py, model_code_path: agent.py}\n"
        "  mine: {model_data: model.yaml, data: model.ubj}\n"
    )
    (tmp_path / "agent.py").write_text("import os\nclass Agent:\n    pass\n")
    (tmp_path / "model.yaml").write_text("callbacks: null\ncallback_manager: null\n")
    (tmp_path / "model.ubj").write_bytes(b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner{L")
    save_file({"a.weight": np.ones((3, 4), np.float32)}, tmp_path / "model.safetensors")
    assert read_weights(tmp_path).unsafe_globals == ()
