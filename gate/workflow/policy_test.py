"""What ``gate policy test`` does: find test files, bring each case's models, judge, compare."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gate.errors import ModelError, NothingToMeasureError, UsageError
from gate.policy.interface import Baseline
from gate.report.policy_tests.interface import CaseResult, FileResult, TestReport
from gate.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from gate.analysis.interface import Analysis
    from gate.policy import Policy
    from gate.policy.interface import Verdict
    from gate.policy.testing import Case, CaseModel, TestFile
    from gate.policy.waivers import Waivers
    from gate.workflow.measure import MeasureOptions, Progress

_NOW: Final = datetime(2000, 1, 1, tzinfo=timezone.utc)
"""The moment of a case that names none: waivers without an end of their own never expire."""
_MOST_FILES: Final = 1000


def run_policy_tests(
    files: Sequence[Path], options: MeasureOptions, progress: Progress | None = None
) -> TestReport:
    """Run every case of the test files that ``files`` name.

    Parameters
    ----------
    files:
        Test files, policies (``production.yaml`` stands for ``production.test.yaml`` beside it) or names
        of packaged ones, and folders, which are searched; the current folder when there are none.
    options:
        How models that a case names by file are measured.

    Raises
    ------
    gate.errors.UsageError
        No test was found, or a test file or its policy is not valid: every mistake with its place.
    """
    from gate.policy import InvalidPolicyError, Problem, load_policy  # noqa: PLC0415 - keeps --help fast
    from gate.policy.testing import load_tests  # noqa: PLC0415
    from gate.policy.testing.load import unknown_rules  # noqa: PLC0415

    problems: list[Problem] = []
    loaded: list[tuple[TestFile, Policy]] = []
    for path in find_tests(files):
        try:
            tests = load_tests(path)
            policy = load_policy(path.parent / tests.policy)
        except InvalidPolicyError as error:
            problems.extend(error.problems)
            continue
        problems.extend(unknown_rules(tests, tuple(rule.id for rule in policy.rules)))
        loaded.append((tests, policy))
    if problems:
        raise InvalidPolicyError(problems)
    return TestReport(tuple(_run_file(tests, policy, options, progress) for tests, policy in loaded))


def find_tests(files: Sequence[Path]) -> tuple[Path, ...]:
    """Return the test files that ``files`` name, in order and each once.

    Raises
    ------
    gate.errors.UsageError
        A name stands for no test file, or nothing was found.
    """
    found = [path for name in files or (Path(),) for path in _named(name)]
    if not found:
        raise UsageError(
            "no test file found", hint="Write cases in NAME.test.yaml beside the policy NAME.yaml."
        )
    if len(found) > _MOST_FILES:
        raise UsageError(f"{len(found)} test files, more than {_MOST_FILES}", hint="Name some of them.")
    return tuple(dict.fromkeys(found))


def _named(name: Path) -> Iterable[Path]:
    from gate.policy import policy_path  # noqa: PLC0415 - as above
    from gate.policy.testing import is_test_file  # noqa: PLC0415

    if name.is_dir():
        return sorted(path for path in name.rglob("*.test.y*ml") if is_test_file(path) and path.is_file())
    path = policy_path(name)
    if is_test_file(path):
        return (path,)
    beside = path.with_name(f"{path.stem}.test{path.suffix}")
    if not beside.is_file():
        raise UsageError(
            f"{printable(str(name))} has no tests", hint=f"Write cases in {printable(str(beside))}."
        )
    return (beside,)


def _run_file(
    tests: TestFile, policy: Policy, options: MeasureOptions, progress: Progress | None
) -> FileResult:
    runner = _Runner(Path(tests.file).parent, policy, options, progress)
    results = tuple(runner.run(case) for case in tests.cases)
    named = {rule for case in tests.cases for rule in (*case.expect.rules, *case.expect.layers)}
    untested = tuple(rule.id for rule in policy.rules if rule.id not in named)
    return FileResult(tests.file, policy.file, policy.name, results, untested)


@dataclass
class _Runner:
    """Runs the cases of one file; a model that several of them name is measured once."""

    folder: Path
    policy: Policy
    options: MeasureOptions
    progress: Progress | None
    _measured: dict[str, Analysis] = field(default_factory=dict)

    def run(self, case: Case) -> CaseResult:
        from gate.policy.testing import differences  # noqa: PLC0415 - as above

        verdict = self._verdict(case)
        found = differences(case.expect, verdict)
        return CaseResult(case.name, case.line, verdict.outcome, found)

    def _verdict(self, case: Case) -> Verdict:
        from gate.policy import error_verdict, judge, nothing_verdict  # noqa: PLC0415 - as above

        try:
            analysis = self._analysis(case.model, "model")
        except NothingToMeasureError as error:
            return nothing_verdict(
                [self.policy],
                str(error),
                unsafe_globals=error.unsafe_globals,
                resolve=self._resolver(case),
                run_metrics=case.run_metrics,
            )
        except ModelError as error:
            return error_verdict([self.policy], str(error))
        return judge(
            analysis,
            [self.policy],
            resolve=self._resolver(case),
            run_metrics=case.run_metrics,
            waivers=_waivers(case, analysis),
        )

    def _resolver(self, case: Case) -> Callable[[str], Baseline]:
        known: dict[str, CaseModel] = dict(case.baselines)
        if case.baseline is not None:
            for spec in self.policy.baseline.use:
                known.setdefault(spec, case.baseline)

        def resolve(spec: str) -> Baseline:
            model = known.get(spec)
            if model is None:
                return Baseline(spec, None, None, "the case has none")
            try:
                return Baseline(spec, "baseline", self._analysis(model, "baseline"))
            except (ModelError, NothingToMeasureError) as error:
                return Baseline(spec, "baseline", None, f"it cannot be measured: {error}")

        return resolve

    def _analysis(self, model: CaseModel, name: str) -> Analysis:
        from gate.policy.testing import inline_analysis  # noqa: PLC0415 - as above

        if model.unreadable is not None:
            raise ModelError(model.unreadable)
        if model.nothing is not None:
            found = tuple(model.findings.get("unsafe_globals", ()))
            raise NothingToMeasureError(model.nothing, unsafe_globals=found)
        if model.layers is not None:
            return inline_analysis(model, name)
        return self._saved(model) if model.saved is not None else self._file(model)

    def _file(self, model: CaseModel) -> Analysis:
        from gate.policy import needed_groups  # noqa: PLC0415 - as above
        from gate.registry.resolve import ResolvedSource  # noqa: PLC0415
        from gate.workflow.measure import measure  # noqa: PLC0415
        from gate.workflow.sources import Located  # noqa: PLC0415

        path = str(self._existing(model, model.file or ""))
        if path not in self._measured:
            settings = self.options.settings(needed_groups([self.policy]))
            located = Located(ResolvedSource(uri=path), None)
            self._measured[path] = measure(located, settings, self.progress, self.options.make_executor())
        return self._measured[path]

    def _saved(self, model: CaseModel) -> Analysis:
        from gate.policy import InvalidPolicyError, Problem  # noqa: PLC0415 - as above
        from gate.policy.interface import Verdict  # noqa: PLC0415
        from gate.report import load_report  # noqa: PLC0415
        from gate.report.json import MAX_BYTES  # noqa: PLC0415

        path = self._existing(model, model.saved or "")
        try:
            with path.open("rb") as file:
                report = load_report(file.read(MAX_BYTES + 1))
        except (OSError, UsageError) as error:
            raise InvalidPolicyError([Problem(model.location, f"{printable(str(path))}: {error}")]) from error
        found = report.analysis if isinstance(report, Verdict) else report
        if found is None:
            raise ModelError(f"the saved verdict is of a model that could not be read: {report}")
        return found

    def _existing(self, model: CaseModel, name: str) -> Path:
        from gate.policy import InvalidPolicyError, Problem  # noqa: PLC0415 - as above

        path = self.folder / name
        if not path.exists():
            raise InvalidPolicyError(
                [
                    Problem(
                        model.location, f"{printable(str(path))} does not exist", "write it from this file on"
                    )
                ]
            )
        return path


def _waivers(case: Case, analysis: Analysis) -> Waivers:
    """Return the waivers of a case; what they leave out fits its model."""
    from gate.policy.waivers import Waiver, Waivers  # noqa: PLC0415 - as above

    now = case.now or _NOW
    never = now + timedelta(days=366)
    given = [
        Waiver(
            id=f"waiver-{index + 1}",
            rule=item.rule,
            digest=item.digest or analysis.source.digest,
            reason="a test",
            approver="a test",
            expires=item.expires or never,
            model=case.registered,
        )
        for index, item in enumerate(case.waivers)
    ]
    return Waivers(given, now, case.registered)
