"""The room that enforces: MLflow's registry behind the gate.

In: what somebody asks of the registry (an alias, a stage, a tag, a file), signed decisions, the
policies and keys an operator loaded.  Out: the same registry, or a refusal that a person can act
on.  It looks up and never computes: it must never read a model, measure a spectrum or judge a rule.

``tables`` keeps what was decided, in the registry's own database; ``store`` is MLflow's registry
store plugin; ``artifacts`` its artifact repository plugin.
"""
