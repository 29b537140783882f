"""The mini-contest: small networks of known quality, on which the gate's claims are put to the test.

What comes in: scikit-learn's digits and the fixed design of :mod:`benchmarks.contest.design`.  What goes
out: every network as a version in an MLflow registry of its own, the table of all of them, and the
pages docs/explanation/mini-contest.md and docs/explanation/significance.md, written from the
measurements whatever they say.

The design was fixed, and committed, before the first spectrum was looked at.  Training is the only part
that needs torch.
"""
