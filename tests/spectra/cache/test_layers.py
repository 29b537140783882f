"""Results from the cache are the bits that measuring gives; what was finished is not measured again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gate.spectra import Settings, convention, measure_layers
from gate.spectra.cache import CacheFolder, LayerCache, layers
from gate.spectra.cache.codec import decode, encode
from gate.spectra.executors import Local
from gate.spectra.executors.cost import TRIVIAL, work
from gate.spectra.interface import GROUPS
from gate.spectra.layer import measure, start
from gate.weights import read_weights
from tests.models import fetch
from tests.spectra.layers import gaussian, layer_of

if TYPE_CHECKING:
    from pathlib import Path

    from gate.layer import WeightLayer

GATE = Settings(convention("gate-1"))
FULL = replace(GATE, groups=frozenset(GROUPS))


class Counted:
    """Counts the layers that were really measured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []

        def counting(layer: WeightLayer, settings: Settings) -> Any:
            self.names.append(layer.name)
            return start(layer, settings)

        monkeypatch.setattr(layers, "start", counting)


def model(count: int = 6) -> list[WeightLayer]:
    return [
        layer_of(gaussian(400, 300, seed=seed).astype(np.float32), name=f"blocks.{seed}.w")
        for seed in range(count)
    ]


def cached(path: Path) -> Local:
    return Local(LayerCache(CacheFolder(path)))


def test_the_second_run_measures_nothing_and_gives_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Counted(monkeypatch)
    plain = measure_layers(model(), GATE)
    first = cached(tmp_path)
    assert measure_layers(model(), GATE, executor=first) == plain
    assert first.notes == ()
    assert len(measured.names) == 6
    again = cached(tmp_path)
    assert measure_layers(model(), GATE, executor=again) == plain
    assert len(measured.names) == 6
    assert again.notes == (f"6 layers were measured before ({tmp_path})",)


def test_a_changed_layer_is_measured_and_the_others_are_free_under_their_new_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_layers(model(), GATE, executor=cached(tmp_path))
    tuned = [replace(layer, name=f"model.{layer.name}") for layer in model()]
    changed = tuned[2].read().copy()
    changed[0, 0] += 1e-3
    tuned[2] = layer_of(changed, name=tuned[2].name)
    measured = Counted(monkeypatch)
    found = measure_layers(tuned, GATE, executor=cached(tmp_path))
    assert measured.names == ["model.blocks.2.w"]
    assert found == measure_layers(tuned, GATE)
    assert all(result.rows[0].name in result.plots for result in found)


def test_the_next_release_of_a_real_model_pays_only_for_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [
        read_weights(path, root=path.parent).layers
        for path in (
            fetch("silero-vad", release, "silero_vad/data/silero_vad.onnx") for release in ("6.0.0", "6.2.0")
        )
    ]
    plain = [measure_layers(version, FULL) for version in versions]
    measured = Counted(monkeypatch)
    counts = []
    for version, expected in zip(versions, plain, strict=True):
        measured.names.clear()
        assert measure_layers(version, FULL, executor=cached(tmp_path)) == expected
        counts.append(len(measured.names))
    held = {
        (layer.name, layer.kind, layer.read().tobytes()) for layer in versions[0]
    }  # with --full the name enters, through the seed
    changed = sum((layer.name, layer.kind, layer.read().tobytes()) not in held for layer in versions[1])
    assert counts == [len(versions[0]), changed]


def test_seeded_metrics_are_never_taken_from_another_name(tmp_path: Path) -> None:
    first = layer_of(gaussian(60, 50), name="first")
    second = replace(first, name="second")
    kept = measure_layers([first], FULL, executor=cached(tmp_path))
    found = measure_layers([second], FULL, executor=cached(tmp_path))
    assert found == measure_layers([second], FULL)
    assert found[0].rows[0].shuffle_distance != kept[0].rows[0].shuffle_distance


def test_parts_slices_and_hostile_names_keep_their_places(tmp_path: Path) -> None:
    paper = replace(GATE, convention=convention("paper"), groups=frozenset({"default", "shuffle"}))
    name = '../../x\ud800"[0,0]\n'
    layer = layer_of(gaussian(60, 50, 2, 2).astype(np.float32), "conv2d", name)
    expected = measure_layers([layer], paper)
    assert len(expected[0].rows) == 4
    for _ in range(2):
        assert measure_layers([layer], paper, executor=cached(tmp_path)) == expected
    assert all(path.parent.parent == tmp_path for path in tmp_path.rglob("*.json"))


def test_layers_measured_faster_than_looked_up_are_not_kept(tmp_path: Path) -> None:
    layer = layer_of(gaussian(40, 30))
    assert work(layer) < TRIVIAL
    measure_layers([layer], GATE, executor=cached(tmp_path))
    assert not list(tmp_path.rglob("*.json"))
    measure_layers([layer], FULL, executor=cached(tmp_path))
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_an_entry_that_is_no_result_is_measured_anew_and_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = model(1)
    expected = measure_layers(one, GATE, executor=cached(tmp_path))
    (entry,) = tmp_path.rglob("*.json")
    key, whole = entry.parent.name + entry.stem, entry.read_bytes()
    foreign = (b"[]", b"{}", b'{"rows": [{}], "plots": {}}', b'{"rows": 3}', b"not json", b"[" * 100_000)
    for content in foreign:
        CacheFolder(tmp_path).write(key, content)  # with a checksum that holds
        measured = Counted(monkeypatch)
        assert measure_layers(one, GATE, executor=cached(tmp_path)) == expected
        assert measured.names == [one[0].name]
        assert entry.read_bytes() == whole


def test_entries_are_json_and_hold_no_name(tmp_path: Path) -> None:
    measure_layers([layer_of(gaussian(400, 300), name="secret-project")], GATE, executor=cached(tmp_path))
    (entry,) = tmp_path.rglob("*.json")
    head, content = entry.read_bytes().split(b"\n", 1)
    assert head.startswith(b"gate/layer-cache/1 ")
    assert json.loads(content)["rows"][0]["name"] == ""
    assert b"secret" not in entry.read_bytes()


def test_what_json_cannot_hold_exactly_is_not_kept() -> None:
    layer = layer_of(gaussian(40, 30))
    result = measure(layer, GATE)
    assert decode(encode(result, layer) or b"", layer) == result
    (row,) = result.rows
    for odd in (replace(row, alpha=float("nan")), replace(row, phase_evidence={"a": (1, [2])})):  # type: ignore[dict-item]
        assert encode(replace(result, rows=(odd,)), layer) is None


_KILLED = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from gate.layer import WeightLayer
from gate.spectra import Settings, convention, measure_layers
from gate.spectra.cache import CacheFolder, LayerCache, layers
from gate.spectra.executors import Local
from tests.spectra.cache.test_layers import GATE, model
measured = []
original = layers.start
def counting(layer, settings):
    measured.append(layer.name)
    return original(layer, settings)
layers.start = counting
kill_at = int(sys.argv[2])
finished = []
def progress(done, total):
    finished.append(done)
    if len(finished) == kill_at:
        os.kill(os.getpid(), signal.SIGKILL)
executor = Local(LayerCache(CacheFolder(Path(sys.argv[1]))))
found = measure_layers(model(30), replace(GATE, jobs=2), progress=progress, executor=executor)
assert found == measure_layers(model(30), GATE)
print(len(measured))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    def run(kill_at: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", _KILLED, str(tmp_path), str(kill_at)],
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    assert run(12).returncode == -signal.SIGKILL
    kept = len(list(tmp_path.rglob("*.json")))
    assert 12 <= kept < 30
    resumed = run(-1)
    assert resumed.returncode == 0, resumed.stderr
    assert int(resumed.stdout) == 30 - kept
    assert int(run(-1).stdout) == 0
