"""The room that judges: YAML to typed rules; (analysis, baselines, rules) to a verdict.

In: policy files, an :class:`~gate.analysis.interface.Analysis`, the run's metrics, and baselines as
:class:`~gate.policy.interface.Baseline`.  Out: a :class:`~gate.policy.interface.Verdict`, and for
people what a policy asks and what is wrong with a file.  It reads policy files and nothing else,
and it must never know MLflow, how a baseline is found, or how a verdict is shown.

The way a file takes: :mod:`.source` (YAML with places) → :mod:`.document` (shape) → :mod:`.meaning`
(sense) → :mod:`.rules` (typed values).  The way an analysis takes: :mod:`.lookup` and
:mod:`.pairing` (which baseline, which layer is which) → :mod:`.kinds` (one file per family of
operators) → :mod:`.judge` (with :mod:`.waivers`) → :mod:`.outcome`.
"""

from gate.policy.digest import policy_digest
from gate.policy.judge import error_verdict, judge, nothing_verdict, sentence
from gate.policy.load import (
    PACKAGED,
    load_policies,
    load_policy,
    packaged_name,
    packaged_policy,
    parse_policy,
    policy_path,
)
from gate.policy.matching import governing, governs
from gate.policy.metrics import needed_groups
from gate.policy.nothing import without_weights
from gate.policy.outcome import exit_code, worst
from gate.policy.problems import InvalidPolicyError, Problem
from gate.policy.rules import Policy, Rule
from gate.policy.waivers import Waiver, Waivers, load_waivers, waiver_payload

__all__ = [
    "PACKAGED",
    "InvalidPolicyError",
    "Policy",
    "Problem",
    "Rule",
    "Waiver",
    "Waivers",
    "error_verdict",
    "exit_code",
    "governing",
    "governs",
    "judge",
    "load_policies",
    "load_policy",
    "load_waivers",
    "needed_groups",
    "nothing_verdict",
    "packaged_name",
    "packaged_policy",
    "parse_policy",
    "policy_digest",
    "policy_path",
    "sentence",
    "waiver_payload",
    "without_weights",
    "worst",
]
