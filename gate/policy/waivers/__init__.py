"""Waivers: a person lets one rule pass for one model, with a reason, a name and an end.

In: a YAML file of its own (never the policy, whose digest must not depend on exceptions).  Out: typed
:class:`~gate.policy.waivers.interface.Waiver` values, what the judge makes of them, and the bytes that
a signature is over.  It must never know who may sign, nor where a model came from: the registered name
and the moment are given.

A waiver covers what a *rule* said.  It never covers a model that could not be read, one without weights,
or too little coverage: no rule said those.
"""

from gate.policy.waivers.interface import Waiver, moment_words
from gate.policy.waivers.load import load_waivers, parse_waivers
from gate.policy.waivers.payload import waiver_payload
from gate.policy.waivers.use import Waivers
from gate.policy.waivers.write import appended, expiry, new_waiver

__all__ = [
    "Waiver",
    "Waivers",
    "appended",
    "expiry",
    "load_waivers",
    "moment_words",
    "new_waiver",
    "parse_waivers",
    "waiver_payload",
]
