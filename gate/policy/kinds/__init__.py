"""The rule kinds: one operator of the policy language each.

In: a parsed rule and the evidence (an analysis, run metrics, a baseline to compare with).
Out: a :class:`~gate.policy.interface.RuleResult`.  A kind never looks a baseline up, never reads a
file, and never decides what its result means for the policy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gate.policy.kinds.bounds import AtLeast, AtMost
from gate.policy.kinds.change import MaxChange, MaxDecrease, MaxIncrease
from gate.policy.kinds.membership import Equals, In, NotIn
from gate.policy.kinds.transition import MayNotBecome
from gate.policy.kinds.within import Within

if TYPE_CHECKING:
    from gate.policy.kinds.interface import RuleKind

KINDS: Final[tuple[type[RuleKind], ...]] = (
    Within,
    AtLeast,
    AtMost,
    Equals,
    In,
    NotIn,
    MaxIncrease,
    MaxDecrease,
    MaxChange,
    MayNotBecome,
)
"""Every operator, in the order the reference lists them."""
