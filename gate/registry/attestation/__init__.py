"""The room of signed decisions: what one is, how it is signed, and how it is opened again.

In: a statement about one registered version, a private key; or the text of an envelope (hostile)
and the keys that are trusted.
Out: an envelope of at most 8,000 characters (DSSE around an in-toto Statement with a SLSA
Verification Summary), or the statement of one whose signature holds.
It must never know MLflow, a database or where an envelope is kept; it asks no clock but to judge
whether a key is valid now.

``interface`` has the values; ``statement`` turns them into the payload and back; ``envelope`` signs
and opens; ``keys`` makes, reads and judges keys, whose ``documents`` come from people; ``waiver``
signs waivers.  cryptography, securesystemslib and pydantic are imported when they are used.
"""

from gate.registry.attestation.interface import (
    LONGEST_ENVELOPE,
    ROLES,
    AttestationError,
    BaselineUse,
    MalformedError,
    Role,
    Signed,
    SigningKey,
    Statement,
    Subject,
    TrustedKey,
    UntrustedError,
    WaiverUse,
)

__all__ = [
    "LONGEST_ENVELOPE",
    "ROLES",
    "AttestationError",
    "BaselineUse",
    "MalformedError",
    "Role",
    "Signed",
    "SigningKey",
    "Statement",
    "Subject",
    "TrustedKey",
    "UntrustedError",
    "WaiverUse",
]
