"""The Python interface: what the commands do, as functions that return values and print nothing.

``import gate`` loads none of this; the names are looked up when they are used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gate import arguments
from gate.errors import UsageError
from gate.frames import to_frame, to_weightwatcher_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy.interface import Verdict
    from gate.report.verification import Verification
    from gate.spectra.executors import Executor
    from gate.spectra.interface import Group
    from gate.workflow.measure import MeasureOptions

__all__ = ["analyze", "check", "to_frame", "to_weightwatcher_frame", "verify"]


def analyze(
    source: str | os.PathLike[str] | Any,
    *,
    convention: str = "gate-1",
    full: bool = False,
    groups: Iterable[Group] | None = None,
    jobs: int | None = None,
    seed: int = 0,
    float32: bool = False,
    executor: str | Executor | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> Analysis:
    """Measure every layer of a model; judge nothing, record nothing.

    Parameters
    ----------
    source:
        One of

        - a path to a file or folder: ONNX, safetensors, PyTorch, a folder that MLflow wrote, ...;
        - ``models:/NAME/V``, ``models:/NAME@alias``, ``models:/m-ID`` or ``runs:/RUN/path``;
        - a mapping from names to arrays, such as ``module.state_dict()`` or ``numpy.load("weights.npz")``;
          nested as Flax and JAX nest parameters, it is named by dotted paths;
        - a live model: a PyTorch module (also of transformers), a Keras model, a scikit-learn estimator
          with ``coefs_`` or ``coef_``.  Its framework is not imported, its code is not run but for
          handing out the arrays, and they are read where they are.  A module gives what its state
          dict gives.

        Names tell what a tensor is (``encoder.0.weight``, ``conv2d/kernel``), so keep the framework's.
    convention:
        ``gate-1``, ``paper``, ``weightwatcher-0.7`` or ``weightwatcher-0.2``: the choices under which
        numbers are comparable with each other.
    full:
        Compute every group of metrics.
    groups:
        Further groups of metrics by name: ``randomness``, ``shuffle``, ``tails``, ``aspect``.  The
        ``default`` ones are always computed.
    jobs:
        Worker threads, by default one per core.  Results do not depend on it, not in one bit.
    seed:
        Of every shuffle and simulation.
    float32:
        Single precision in the linear algebra: faster, alpha to about 3e-5; every layer is flagged.
    executor:
        ``local`` (the default), ``dask://HOST:PORT``, or an object that
        :class:`gate.spectra.executors.Executor` describes.
    progress:
        Called with a stage, what is done and what there is to do.
    tracking_uri, registry_uri:
        MLflow's servers, by default what MLflow's own variables say.

    Returns
    -------
    Analysis
        Frozen.  ``.model`` holds the means over layers, ``.layers`` one row per layer, ``.coverage`` what
        was measured and what was left out and why; docs/metrics.md describes each figure.  Of a
        live model ``.source.uri`` is ``memory:`` and ``.source.digest`` is over its arrays.  The
        numbers are those of ``gate analyze``, bit for bit.

    Raises
    ------
    gate.errors.UsageError
        The source does not exist or is nothing that can be measured, or an option is not known.
    gate.errors.ModelError
        The model cannot be read, or is not safe to read.
    gate.errors.NothingToMeasureError
        It holds no weight matrix.
    gate.errors.RegistryError, gate.errors.ResourceError
        It could not be brought here, or there is not enough memory.

    Examples
    --------
    >>> import numpy as np, gate
    >>> weights = {"fc.weight": np.random.default_rng(0).standard_normal((300, 100))}
    >>> analysis = gate.analyze(weights)
    >>> analysis.layers[0].name, analysis.layers[0].eigenvalues
    ('fc', 100)
    >>> gate.to_frame(analysis)[["name", "alpha", "log_spectral_norm"]].shape
    (1, 3)
    """
    from gate.analysis.interface import Analysis  # noqa: PLC0415 - `import gate.api` stays light
    from gate.workflow.measure import measure  # noqa: PLC0415
    from gate.workflow.memory import measure_live  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress, locate  # noqa: PLC0415

    arguments.check_executor(executor)
    arguments.check_progress(progress)
    if isinstance(source, Analysis):
        raise UsageError(
            "this is an analysis already", hint="gate.check judges it, gate.to_frame makes a table of it."
        )
    named = executor if isinstance(executor, str) else None
    options = _options(convention, full=full, jobs=jobs, seed=seed, float32=float32, executor=named)
    settings = options.settings(arguments.groups_of(groups))
    runner = options.make_executor() if executor is None or isinstance(executor, str) else executor
    address = arguments.address(source)
    if address is None:
        return measure_live(source, settings, progress, runner)
    return measure(locate(address, RegistryAddress(tracking_uri, registry_uri)), settings, progress, runner)


def check(
    source: str | os.PathLike[str] | Any,
    *,
    policies: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    baseline: str | os.PathLike[str] | Sequence[str] | Analysis | Any | None = None,
    waivers: str | os.PathLike[str] | None = None,
    record: bool = False,
    convention: str = "gate-1",
    full: bool = False,
    jobs: int | None = None,
    seed: int = 0,
    float32: bool = False,
    executor: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> Verdict:
    """Measure a model and judge it by policies.

    Parameters
    ----------
    source:
        As for :func:`gate.analyze`; or an analysis made before, with the groups of metrics that the policies
        need (``full=True`` has them all).
    policies:
        Policy files, or packaged ones by name (``default``, ``strict``, ``llm``); all must pass.  By
        default ``default``.
    baseline:
        What to compare with in place of what the policies say: a specification
        (``alias:champion``, ``previous``, ``version:3``, a source, ``none``) or several, tried in
        order; a live model; or an analysis made before, by the same options and with all that
        the policies need.
    waivers:
        A file of waivers, which ``gate waive`` writes: rules that may fail, for this model and digest.
    record:
        Record the decision with the registered version, as ``gate check`` does by default for
        ``models:/``; this function writes nothing unless asked to.
    convention, full, jobs, seed, float32, executor, progress, tracking_uri, registry_uri:
        As for :func:`gate.analyze`; metrics that the policies need are always computed.

    Returns
    -------
    Verdict
        Frozen.  ``.outcome`` is ``passed``, ``warned``, ``blocked``, ``inconclusive`` or ``error``; a model
        that cannot be read is a verdict too, as the policies want it.  ``.rules`` says what each rule
        found, ``.analysis`` holds the figures.

    Raises
    ------
    gate.errors.UsageError
        The source, a policy, a baseline, the waivers or an option cannot be used; nothing was judged.
    gate.errors.NothingToMeasureError
        None of the policies governs the model.
    gate.errors.RegistryError, gate.errors.ResourceError
        A model could not be brought here, or the decision could not be recorded.

    Examples
    --------
    >>> import copy, gate
    >>> before = copy.deepcopy(model.state_dict())  # doctest: +SKIP
    >>> fine_tune(model)  # doctest: +SKIP
    >>> verdict = gate.check(model, baseline=before)  # doctest: +SKIP
    >>> [rule.message for rule in verdict.rules if rule.outcome == "failed"]  # doctest: +SKIP
    """
    from gate.workflow.check import CheckRequest, check_source  # noqa: PLC0415 - as above
    from gate.workflow.memory import BASELINE, MEMORY, Given  # noqa: PLC0415
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415

    arguments.check_progress(progress)
    if executor is not None and not isinstance(executor, str):
        raise UsageError(
            f"executor is a name here, not {arguments.kind_of(executor)}",
            hint="Pass local or dask://HOST:PORT.",
        )
    options = _options(convention, full=full, jobs=jobs, seed=seed, float32=float32, executor=executor)
    given: dict[str, Given] = {}
    address = arguments.address(source)
    if address is None:
        given[MEMORY] = Given(source)
    specs = _specs(baseline)
    if specs is None:
        given[BASELINE] = Given(baseline)
    request = CheckRequest(
        source=MEMORY if address is None else address,
        policies=arguments.paths("policies", policies),
        baselines=(BASELINE,) if specs is None else specs,
        options=options,
        record=record,
        address=RegistryAddress(tracking_uri, registry_uri),
        given=given,
        waivers=arguments.path("waivers", waivers),
    )
    result = check_source(request, progress)
    if result.record_error is not None:
        raise result.record_error
    return result.verdict


def verify(
    source: str | None = None,
    *,
    keys: str | os.PathLike[str] | None = None,
    policies: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    model: str | os.PathLike[str] | None = None,
    envelope: str | os.PathLike[str] | None = None,
    verdict: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    registry_uri: str | None = None,
) -> Verification:
    """Return only if the signed decisions on a model hold and passed: the line before it is loaded.

    Parameters
    ----------
    source:
        ``models:/NAME/V`` or ``models:/NAME@alias``; None to verify from files alone, which takes
        ``envelope`` and ``model``.
    keys:
        File or folder of trusted keys, by default what ``GATE_TRUSTED_KEYS`` names.
    policies:
        Policies, by file or packaged name, that must each have decided as they are now; by default
        those that the registry enforces, else whatever decided.
    model:
        Folder or file that is about to be loaded: it is hashed in the place of the registry's files.
    envelope:
        File of signed decisions (``verdict.intoto.jsonl``) in the place of the registry's.
    verdict:
        A ``verdict.json`` that must be the one that was decided by.
    tracking_uri, registry_uri:
        As for :func:`gate.analyze`.

    Returns
    -------
    gate.report.verification.Verification
        What was found, decision by decision.

    Raises
    ------
    gate.registry.attestation.AttestationError
        A decision is missing, does not hold, or did not pass; the message says which and why.
    gate.errors.UsageError
        There is nothing to verify, or no trusted key.
    gate.errors.RegistryError, gate.errors.ModelError
        The registry or the files could not be read.

    Examples
    --------
    >>> import gate, mlflow
    >>> path = mlflow.artifacts.download_artifacts("models:/fraud@champion")  # doctest: +SKIP
    >>> gate.verify("models:/fraud@champion", model=path, keys="gate-config/keys")  # doctest: +SKIP
    >>> loaded = mlflow.onnx.load_model(path)  # doctest: +SKIP
    """
    from gate.registry.attestation import AttestationError  # noqa: PLC0415 - `import gate.api` stays light
    from gate.workflow.sources import RegistryAddress  # noqa: PLC0415
    from gate.workflow.verify import VerifyRequest, verify_decisions  # noqa: PLC0415

    if source is not None and not isinstance(source, str):
        raise UsageError(
            f"the source is a registered version, not {arguments.kind_of(source)}",
            hint="Pass models:/NAME/V or models:/NAME@alias, and what is about to be loaded as model.",
        )
    found = verify_decisions(
        VerifyRequest(
            source=source,
            keys=arguments.path("keys", keys),
            policies=arguments.paths("policies", policies),
            envelope=arguments.path("envelope", envelope),
            model=arguments.path("model", model),
            verdict=arguments.path("verdict", verdict),
            address=RegistryAddress(tracking_uri, registry_uri),
        )
    )
    if not (found.valid and found.passed):
        raise AttestationError(f"{found.subject}: {found.headline.lower()}: {'; '.join(found.failures())}")
    return found


def _specs(baseline: object) -> tuple[str, ...] | None:
    """Return baseline specifications; None for a model or an analysis."""
    if baseline is None:
        return ()
    single = arguments.address(baseline)
    if single is not None:
        return (single,)
    if isinstance(baseline, list | tuple) and all(isinstance(item, str | os.PathLike) for item in baseline):
        return tuple(os.fsdecode(item) for item in baseline)
    return None


def _options(
    convention: str, *, full: bool, jobs: int | None, seed: int, float32: bool, executor: str | None
) -> MeasureOptions:
    from gate.workflow.measure import MeasureOptions  # noqa: PLC0415 - `import gate.api` stays light

    workers = None if jobs is None else arguments.whole_number("jobs", jobs, least=1)
    number = arguments.whole_number("seed", seed)
    full, float32 = arguments.flag("full", full), arguments.flag("float32", float32)
    return MeasureOptions(convention, full, workers, number, float32, executor or "local")
