"""Verdicts and analyses to render: realistic, empty, very large and hostile ones.

Spectra are quantiles of a log-normal bulk with a Pareto tail, so that they look like a trained
layer's; the fit is the plain maximum-likelihood one at every start, in pure Python and rounded, so
that the samples are the same on every machine.
"""

from __future__ import annotations

import dataclasses
import math
import random
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

from gate.analysis.interface import (
    Analysis,
    Coverage,
    Engine,
    FileFindings,
    SkippedLayer,
    Source,
    SourceFile,
)
from gate.policy.interface import (
    BaselineResult,
    HistoryPoint,
    PolicyResult,
    RuleLayer,
    RuleResult,
    Verdict,
)
from gate.spectra.interface import LayerMetrics, LayerPlot, ModelSummary, Phase

if TYPE_CHECKING:
    from gate.layer import LayerKind

BINS = 48
DIGEST = "sha256:4f1c2b7a90d3e8856f4f0a8f8e2b6f0d7cf5c9a1b2e3d4f5061728394a5b6c7d"


def rounded(number: float, digits: int = 6) -> float:
    return float(f"{number:.{digits}g}")


def spectrum(count: int, alpha: float, seed: str) -> list[float]:
    """Ascending eigenvalues: the lower part log-normal, the upper third Pareto with exponent alpha."""
    draw = random.Random(seed)  # noqa: S311 - seeded, so that the samples never change
    tail = max(2, int(count * 0.35))
    start = 1.5
    body = [
        min(start, start * math.exp(0.9 * NormalDist().inv_cdf(draw.uniform(1e-6, 1 - 1e-6)) - 1.9))
        for _ in range(count - tail)
    ]
    upper = [start * (1 - draw.random()) ** (-1 / (alpha - 1)) for _ in range(tail)]
    return [rounded(value) for value in sorted(body + upper)]


def noise(count: int, ratio: float, scale: float) -> list[float]:
    """Ascending quantiles of a Marchenko-Pastur law, by the midpoint rule."""
    low, high = scale * (1 - ratio**-0.5) ** 2, scale * (1 + ratio**-0.5) ** 2
    grid = [low + (high - low) * (i + 0.5) / 4000 for i in range(4000)]
    weights = [math.sqrt((high - x) * (x - low)) / x for x in grid]
    total, run = sum(weights), 0.0
    out: list[float] = []
    for x, weight in zip(grid, weights, strict=True):
        run += weight
        while len(out) < count and run / total >= (len(out) + 0.5) / count:
            out.append(rounded(x))
    return out


def fit(values: list[float]) -> tuple[float, float, float, int, list[tuple[float, float]]]:
    """Return alpha, x_min, D, tail size and the curve of D over x_min."""
    logs = [math.log(value) for value in values]
    count, suffix = len(values), [0.0] * (len(values) + 1)
    for i in range(count - 1, -1, -1):
        suffix[i] = suffix[i + 1] + logs[i]
    best, curve = (math.inf, 0.0, 0.0, 0), []
    for i in range(count - 1):
        size = count - i
        above = suffix[i] - size * logs[i]
        if above <= 0:
            continue
        alpha = 1 + size / above
        distance = max(
            abs(1 - math.exp((1 - alpha) * (logs[j] - logs[i])) - (j - i) / size) for j in range(i, count)
        )
        curve.append((values[i], distance))
        if distance < best[0]:
            best = (distance, alpha, values[i], size)
    return best[1], best[2], best[0], best[3], curve


def plot(values: list[float], curve: list[tuple[float, float]]) -> LayerPlot:
    low, high = math.log(values[0]), math.log(values[-1])
    edges = [math.exp(low + (high - low) * i / BINS) for i in range(BINS + 1)]
    edges[0], edges[-1] = values[0], values[-1]
    counts = [0] * BINS
    for value in values:
        counts[min(BINS - 1, int((math.log(value) - low) / (high - low) * BINS))] += 1
    least = min(curve, key=lambda point: point[1])
    thinned = sorted({*curve[:: max(1, len(curve) // 60)], least})
    return LayerPlot(
        edges=tuple(rounded(edge) for edge in edges),
        counts=tuple(counts),
        curve_x_min=tuple(rounded(x) for x, _ in thinned),
        curve_ks_distance=tuple(rounded(distance, 4) for _, distance in thinned),
    )


@lru_cache(maxsize=256)
def layer(
    name: str,
    kind: LayerKind,
    shape: tuple[int, ...],
    alpha: float,
    *,
    noisy: bool = False,
    flags: tuple[str, ...] = (),
) -> tuple[LayerMetrics, LayerPlot]:
    count = min(*shape[:2], 160)
    rows, columns = max(shape[:2]), min(shape[:2])
    values = noise(count, rows / columns, 2.2) if noisy else spectrum(count, alpha, name)
    fitted, x_min, distance, tail, curve = fit(values)
    largest, total = values[-1], sum(values)
    sigma = (fitted - 1) / math.sqrt(tail)
    phase: Phase = "random-like" if noisy else "heavy-tailed" if fitted < 4 else "bulk-decay"
    metrics = LayerMetrics(
        name=name,
        kind=kind,
        shape=shape,
        dtype="float32",
        parameters=math.prod(shape),
        rows=rows,
        columns=columns,
        matrices=math.prod(shape[2:]),
        eigenvalues=count,
        layer=name,
        alpha=rounded(fitted),
        alpha_sigma=rounded(sigma),
        alpha_standard_error=rounded(1.3 * sigma),
        x_min=rounded(x_min),
        x_max=rounded(largest),
        ks_distance=rounded(distance),
        tail_size=tail,
        log_spectral_norm=rounded(math.log10(largest)),
        log_frobenius_norm=rounded(math.log10(total)),
        log_alpha_schatten_norm=rounded(math.log10(sum(value**fitted for value in values))),
        alpha_weighted=rounded(fitted * math.log10(largest)),
        stable_rank=rounded(total / largest),
        matrix_rank=count,
        rank_loss=0,
        entropy=0.87,
        mp_edge=rounded(2.2 * (1 + (columns / rows) ** 0.5) ** 2) if noisy else None,
        phase=phase,
        phase_evidence={"spikes": 0, "mp_soft_rank": 0.98} if noisy else {},
        flags=flags,
    )
    return metrics, plot(values, curve)


BLOCK: tuple[tuple[str, LayerKind, tuple[int, ...], float], ...] = (
    ("attention.query", "attention", (256, 256), 3.4),
    ("attention.key", "attention", (256, 256), 3.6),
    ("attention.value", "attention", (256, 256), 4.4),
    ("attention.output", "attention", (256, 256), 4.1),
    ("mlp.up", "dense", (1024, 256), 2.9),
    ("mlp.down", "dense", (256, 1024), 3.2),
)
DAMAGED = ("encoder.2.attention.value.weight", "encoder.3.mlp.down.weight")


def transformer(damaged: bool = False, blocks: int = 4) -> Analysis:
    """A small encoder of six layers a block and two more; damaged, two of them hold noise."""
    pairs = [layer("embeddings.token.weight", "embedding", (8000, 256), 2.4)]
    for block in range(blocks):
        for name, kind, shape, alpha in BLOCK:
            full = f"encoder.{block}.{name}.weight"
            broken = damaged and full in DAMAGED
            flags = (
                ("few-decades", "no-clear-minimum")
                if broken
                else ("correlation-traps",)
                if name.endswith("key") and block == 1
                else ()
            )
            pairs.append(layer(full, kind, shape, round(alpha + 0.17 * block, 2), noisy=broken, flags=flags))
    pairs.append(layer("head.dense.weight", "dense", (256, 64), 2.2, flags=("short-tail", "few-decades")))
    skipped = (
        SkippedLayer("encoder.position_table", "position table, only added to the embeddings", 131072),
        SkippedLayer("head.labels", "integer table, not a weight", 1024),
    )
    return analysis_of(
        pairs, uri="models:/fraud-encoder/4" if damaged else "models:/fraud-encoder/3", skipped=skipped
    )


def analysis_of(
    pairs: list[tuple[LayerMetrics, LayerPlot]],
    *,
    uri: str = "models:/fraud-encoder/3",
    skipped: tuple[SkippedLayer, ...] = (),
    file: FileFindings | None = None,
) -> Analysis:
    rows = tuple(metrics for metrics, _ in pairs)
    measured = sum(row.parameters for row in rows if row.kind != "embedding")
    return Analysis(
        source=Source(
            uri=uri,
            format="safetensors",
            digest=DIGEST,
            files=(
                SourceFile("MLmodel", 812, DIGEST.replace("4f1c", "a01b")),
                SourceFile("model/model.safetensors", 18_874_368, DIGEST.replace("4f1c", "77aa")),
            ),
        ),
        engine=Engine("0.1.0", "gate-1", {"seed": 0, "float32": False, "groups": ["default", "randomness"]}),
        coverage=Coverage(
            parameters=measured + sum(entry.parameters for entry in skipped),
            analyzed_parameters=measured,
            layers=len(rows) + len(skipped),
            analyzed_layers=len(rows),
            skipped=skipped,
            embedding_parameters=sum(row.parameters for row in rows if row.kind == "embedding"),
            vector_parameters=9_216,
        ),
        file=file or FileFindings(),
        architecture=DIGEST.replace("4f1c", "5e5e"),
        model=summary(rows),
        layers=rows,
        plots={metrics.name: drawn for metrics, drawn in pairs},
    )


def summary(rows: tuple[LayerMetrics, ...]) -> ModelSummary:
    valid = [row for row in rows if row.alpha is not None and row.alpha < 8]

    def mean(name: str) -> float | None:
        values = [getattr(row, name) for row in valid if getattr(row, name) is not None]
        return rounded(sum(values) / len(values)) if values else None

    alphas = sorted(row.alpha for row in valid if row.alpha is not None)
    return ModelSummary(
        layers=len(valid),
        excluded_layers=len(rows) - len(valid),
        alpha=mean("alpha"),
        alpha_standard_error=0.061 if valid else None,
        alpha_median=alphas[len(alphas) // 2] if alphas else None,
        alpha_weighted=mean("alpha_weighted"),
        alpha_weighted_standard_error=0.082 if valid else None,
        ks_distance=mean("ks_distance"),
        log_spectral_norm=mean("log_spectral_norm"),
        log_frobenius_norm=mean("log_frobenius_norm"),
        log_alpha_schatten_norm=mean("log_alpha_schatten_norm"),
        stable_rank=mean("stable_rank"),
    )


def _in_range(analysis: Analysis) -> RuleResult:
    failing = tuple(
        RuleLayer(row.name, row.alpha, None, None)
        for row in analysis.layers
        if row.kind != "embedding" and row.alpha is not None and not 2 <= row.alpha <= 6
    )
    return RuleResult(
        policy="production",
        id="layer-alpha-in-range",
        severity="block",
        outcome="failed" if failing else "passed",
        message=f"{len(failing)} of 25 layers are outside 2 to 6; none may be.",
        metric="layer.alpha",
        limit="within 2 to 6",
        value=rounded(len(failing) / 25, 3),
        layers=failing,
        description="Layer alpha within 2 to 6: outside it a layer is under-trained or over-fitted.",
        evaluated=25,
        excluded=("head.dense.weight",),
        line=12,
        bounds=(2.0, 6.0),
    )


def blocked(mode: str = "enforce") -> Verdict:
    """The damaged encoder against its predecessor: two rules block, one warns, one cannot tell."""
    now, then = transformer(damaged=True), transformer()
    baseline_alpha = {row.name: row.alpha for row in then.layers if row.alpha is not None}
    lost = tuple(RuleLayer(name, "random-like", "bulk-decay", "became random-like") for name in DAMAGED)
    rules = (
        _in_range(now),
        RuleResult(
            policy="production", id="no-layer-lost", severity="block", outcome="failed",
            message="2 layers became random-like since the baseline.", metric="layer.phase",
            limit="may not become random-like, rank-collapse", value=2, layers=lost,
            description="A layer that held structure in the baseline still does.", evaluated=25, line=31,
        ),
        RuleResult(
            policy="production", id="alphahat-not-worse", severity="warn", outcome="failed",
            message="AlphaHat rose by 0.41, more than 3 sigmas (0.25) and more than 0.05.",
            metric="model.alpha_weighted", limit="increase at most 3 sigmas and 0.05",
            value=now.model.alpha_weighted, baseline_value=then.model.alpha_weighted,
            description="The model's AlphaHat is not worse than the baseline's.", evaluated=24, line=38,
        ),
        RuleResult(
            policy="production", id="log-norm-stable", severity="warn", outcome="inconclusive",
            message="The baseline's log norm is near zero: a relative change says nothing there.",
            metric="model.log_spectral_norm", limit="change at most 2 %", value=now.model.log_spectral_norm,
            baseline_value=then.model.log_spectral_norm, description="Scale stays where it was.", line=44,
        ),
        RuleResult(
            policy="production", id="embedding-alpha", severity="info", outcome="not_applicable",
            message="No layer matched where: kind: [lstm].", metric="layer.alpha", limit="within 2 to 6",
            description="Recurrent layers within range.", line=50,
        ),
        RuleResult(
            policy="production", id="no-unsafe-files", severity="block", outcome="passed",
            message="0 is at most 0.", metric="file.unsafe_globals", limit="at most 0", value=0,
            description="Loading the model calls nothing but the framework.", line=56,
        ),
        RuleResult(
            policy="security", id="no-extra-bytes", severity="block", outcome="waived",
            message="412 is more than 0.", metric="file.unreferenced_bytes", limit="at most 0", value=412,
            description="Every byte belongs to a tensor.", line=9,
            waiver="padding of the exporter; until 2027-01-31",
        ),
    )  # fmt: skip
    return Verdict(
        outcome="blocked",
        policies=(
            PolicyResult("production", DIGEST, "policies/production.yaml", mode, "blocked", "2 rules block."),  # type: ignore[arg-type]
            PolicyResult(
                "security", DIGEST.replace("4f", "e1"), "policies/security.yaml", "enforce", "passed"
            ),
        ),
        baselines=(
            BaselineResult("alias:champion", "models:/fraud-encoder/3", DIGEST.replace("4f", "03"), True, ""),
            BaselineResult(
                "version:1", "models:/fraud-encoder/1", None, False, "another architecture: 20 layers"
            ),
        ),
        rules=rules,
        analysis=now,
        run_metrics={"val_accuracy": 0.9312},
        baseline_model={
            name: value
            for name, value in dataclasses.asdict(then.model).items()
            if isinstance(value, (int, float))
        },
        baseline_alpha=baseline_alpha,
        history=(
            HistoryPoint(1, "warned", 3.391, 4.102, "2026-03-02T08:15:00Z"),
            HistoryPoint(2, None),
            HistoryPoint(3, "passed", then.model.alpha, then.model.alpha_weighted, "2026-05-11T09:40:12Z"),
        ),
    )


def passed() -> Verdict:
    """The undamaged encoder: a first version, nothing to compare with."""
    verdict = blocked()
    analysis = transformer()
    forgiven = "1 of 25 layers is outside 2 to 6; 10 % may be."
    rules = (
        dataclasses.replace(_in_range(analysis), outcome="passed", message=forgiven),
        verdict.rules[5],
    )
    return Verdict(
        outcome="passed",
        policies=(PolicyResult("production", DIGEST, "policies/production.yaml", "enforce", "passed"),),
        baselines=(BaselineResult("alias:champion", None, None, False, "no version holds this alias"),),
        rules=rules,
        analysis=analysis,
    )


def unreadable() -> Verdict:
    """A model that could not be read."""
    return Verdict(
        outcome="error",
        policies=(PolicyResult("production", DIGEST, "policies/production.yaml", "enforce", "error"),),
        baselines=(),
        rules=(),
        analysis=None,
        error="model.onnx: tensor 'w' claims 4,294,967,296 bytes, 1,024 are there",
    )


def empty() -> Verdict:
    """A model without a single matrix, and a policy that finds that inconclusive."""
    return Verdict(
        outcome="inconclusive",
        policies=(
            PolicyResult(
                "p", DIGEST, "p.yaml", "enforce", "inconclusive", "Nothing to measure: no weight matrix."
            ),
        ),
        baselines=(),
        rules=(),
        analysis=analysis_of([], uri="boosted.ubj"),
    )


HOSTILE_NAMES = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "line\nbreak\r\nand\ttab",
    "bidi\u202egpj.exe\u2066",
    "a|b|c",
    "`code` ``two``",
    "=cmd|' /C calc'!A0",
    "+1", "-1", "@SUM(A1)", "'quoted",
    "[link](https://example.org/evil) https://example.org www.example.org @mention #12 a@b.example",
    "&lt;b&gt; &amp; ]]> <!-- -->",
    "{{ 7 * 7 }} {% raw %}",
    "\x1b[31mred\x1b[0m \x00 \ufffe \ud800",
    "a\\|b\\",
    "   ",
    "n" * 700,
    "[bold]markup[/bold] :smile:",
)  # fmt: skip


def hostile() -> Verdict:
    """Names, messages and figures made to break out of every format."""
    base, drawn = layer("base", "dense", (64, 64), 3.0)
    pairs = [
        (dataclasses.replace(base, name=name, layer=name, reason=name, flags=(name,)), drawn)
        for name in HOSTILE_NAMES
    ]
    blank = LayerMetrics(
        "no figures", "dense", (1, 7), "float16", 7, 7, 1, 1, 1, reason="a single eigenvalue"
    )
    nan = dataclasses.replace(base, name="not finite", alpha=math.nan, x_max=math.inf, ks_distance=-math.inf)
    broken = LayerPlot(edges=(0.0, -1.0, math.inf), counts=(1,), curve_x_min=(1.0,), curve_ks_distance=())
    pairs += [(blank, LayerPlot((), ())), (nan, broken)]
    skipped = tuple(SkippedLayer(name, name) for name in HOSTILE_NAMES)
    analysis = analysis_of(
        pairs, uri=HOSTILE_NAMES[0], skipped=skipped, file=FileFindings(HOSTILE_NAMES, 3, HOSTILE_NAMES)
    )
    rules = tuple(
        RuleResult(
            policy=HOSTILE_NAMES[1], id=name, severity="block", outcome="failed", message=name, metric=name,
            limit=name, value=name, baseline_value=name, waiver=name, description=name,
            layers=tuple(RuleLayer(other, math.nan, name, name) for other in HOSTILE_NAMES),
            bounds=(math.nan, math.inf),
        )
        for name in HOSTILE_NAMES
    )  # fmt: skip
    return Verdict(
        outcome="blocked",
        policies=(
            PolicyResult(
                HOSTILE_NAMES[1], HOSTILE_NAMES[0], HOSTILE_NAMES[6], "audit", "blocked", HOSTILE_NAMES[11]
            ),
        ),
        baselines=tuple(BaselineResult(name, name, name, False, name) for name in HOSTILE_NAMES),
        rules=rules,
        analysis=analysis,
        error=HOSTILE_NAMES[0],
        run_metrics={HOSTILE_NAMES[0]: math.inf},
        baseline_model={"alpha": math.nan, "alpha_weighted": 1.0},
        baseline_alpha=dict.fromkeys(HOSTILE_NAMES, 2.0),
        history=(
            HistoryPoint(1, "passed", math.nan, 1e308, HOSTILE_NAMES[0]),
            HistoryPoint(2, "passed", 1.0, -1e308, HOSTILE_NAMES[1]),
            HistoryPoint(2, "blocked", 1.0, 2.0, HOSTILE_NAMES[2]),
        ),
    )


def many(count: int) -> Verdict:
    """The blocked verdict, repeated to ``count`` layers."""
    verdict = blocked()
    assert verdict.analysis is not None
    base = verdict.analysis
    pairs = []
    for index in range(count):
        row = base.layers[index % len(base.layers)]
        name = f"model.layers.{index // 7}.{row.name}.{index}"
        pairs.append((dataclasses.replace(row, name=name, layer=name), base.plots[row.name]))
    return dataclasses.replace(
        verdict, analysis=analysis_of(pairs, uri="models:/large/2", skipped=base.coverage.skipped)
    )


VERDICTS = {
    "blocked": blocked,
    "audited": lambda: blocked("audit"),
    "passed": passed,
    "unreadable": unreadable,
    "empty": empty,
    "hostile": hostile,
}
