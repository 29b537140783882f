"""Tests of policies: cases written in YAML beside the policy, so that a change of it shows what it changes.

In: a test file.  Out: typed cases, an analysis made of figures that a case gives, and the differences
between what a case expects and what the judge said.  It must never measure, read a model file or find
one: a case only names where its models come from.
"""

from gate.policy.testing.expect import Difference, differences
from gate.policy.testing.inline import inline_analysis
from gate.policy.testing.interface import Case, CaseModel, CaseWaiver, Expectation, TestFile
from gate.policy.testing.load import is_test_file, load_tests, parse_tests, policy_beside

__all__ = [
    "Case",
    "CaseModel",
    "CaseWaiver",
    "Difference",
    "Expectation",
    "TestFile",
    "differences",
    "inline_analysis",
    "is_test_file",
    "load_tests",
    "parse_tests",
    "policy_beside",
]
