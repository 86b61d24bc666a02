"""Passwords as PostgreSQL keeps them, so that no statement, and so no log of the server, has one in the clear."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode

#: PostgreSQL's own default (scram_iterations).
ITERATIONS = 4096


def verifier(password: str, salt: bytes) -> str:
    """Return what PostgreSQL stores for a password: RFC 5803's form for SCRAM-SHA-256.

    Args:
        password: printable ASCII, of which SASLprep changes nothing.
        salt: 16 random bytes.
    """
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    parts = [b64encode(each).decode("ascii") for each in (salt, stored, server)]
    return f"SCRAM-SHA-256${ITERATIONS}:{parts[0]}${parts[1]}:{parts[2]}"
