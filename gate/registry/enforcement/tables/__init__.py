"""The room that keeps what was decided: the gate's own tables in the registry's database.

In: a SQLAlchemy session (MLflow's store has one open, the command line opens its own) and verified
values.  Out: rows as frozen values of ``interface``.  It knows SQL and policy files' words; it must
never know what a decision means, whether a promotion is allowed, or MLflow.

``schema`` says what the tables are now, ``migrations`` how they came to be, ``migrate`` brings any
database there.  One file per kind of row holds the small functions that read and write it:
``registry``, ``policies``, ``keys``, ``decisions``, ``records``, ``artifacts``.  ``changes`` writes
each change of what is in force into the audit trail; ``seed`` fills policies and keys from the
folders a server is started with.
"""

from gate.registry.enforcement.tables.artifacts import (
    canonical_path,
    owners_above,
    owners_below,
    put_root,
    recorded_artifacts,
    release_artifacts,
    release_model,
    rename_artifacts,
)
from gate.registry.enforcement.tables.changes import (
    distrust_key,
    push_policies,
    stored_key,
    trust_keys,
)
from gate.registry.enforcement.tables.database import Database, database_url, open_database, unreachable
from gate.registry.enforcement.tables.decisions import (
    current_decision,
    current_decisions,
    decision,
    decisions_of,
    insert_decision,
    known_digest,
    last_seq,
    revoke_decision,
    standing,
)
from gate.registry.enforcement.tables.interface import (
    AliasHeld,
    AuditEntry,
    NewDecision,
    NewOverride,
    PoliciesState,
    RecordedFile,
    RecordedRoot,
    SchemaError,
    StaleDecisionError,
    StoredDecision,
    StoredKey,
    StoredOverride,
    StoredPolicy,
    UnknownKeyError,
    VersionKey,
)
from gate.registry.enforcement.tables.keys import add_key, all_keys, key, revoke_key
from gate.registry.enforcement.tables.migrate import check, current_version, newest_version, upgrade
from gate.registry.enforcement.tables.policies import (
    activate_policy,
    active_policies,
    last_seeded,
    policies_state,
    policy_versions,
    previous_policy,
    retire_policy,
)
from gate.registry.enforcement.tables.policy_files import PolicyFile, read_policy_files
from gate.registry.enforcement.tables.records import (
    aliases_held,
    audit_trail,
    insert_override,
    overrides_in_force,
    record_alias,
    record_audit,
    revoke_override,
)
from gate.registry.enforcement.tables.registry import registry_id, revision
from gate.registry.enforcement.tables.seed import prepare, seed_keys, seed_policies

__all__ = [
    "AliasHeld",
    "AuditEntry",
    "Database",
    "NewDecision",
    "NewOverride",
    "PoliciesState",
    "PolicyFile",
    "RecordedFile",
    "RecordedRoot",
    "SchemaError",
    "StaleDecisionError",
    "StoredDecision",
    "StoredKey",
    "StoredOverride",
    "StoredPolicy",
    "UnknownKeyError",
    "VersionKey",
    "activate_policy",
    "active_policies",
    "add_key",
    "aliases_held",
    "all_keys",
    "audit_trail",
    "canonical_path",
    "check",
    "current_decision",
    "current_decisions",
    "current_version",
    "database_url",
    "decision",
    "decisions_of",
    "distrust_key",
    "insert_decision",
    "insert_override",
    "key",
    "known_digest",
    "last_seeded",
    "last_seq",
    "newest_version",
    "open_database",
    "overrides_in_force",
    "owners_above",
    "owners_below",
    "policies_state",
    "policy_versions",
    "prepare",
    "previous_policy",
    "push_policies",
    "put_root",
    "read_policy_files",
    "record_alias",
    "record_audit",
    "recorded_artifacts",
    "registry_id",
    "release_artifacts",
    "release_model",
    "rename_artifacts",
    "retire_policy",
    "revision",
    "revoke_decision",
    "revoke_key",
    "revoke_override",
    "seed_keys",
    "seed_policies",
    "standing",
    "stored_key",
    "trust_keys",
    "unreachable",
    "upgrade",
]
