"""What an auditor takes along: a dated, signed bundle of what this installation can show.

It shows what software can show; it certifies nothing (docs/security/frameworks.md).
"""

from liftos_app.services.evidence.bundle import Made, Verdict, make, verify

__all__ = ["Made", "Verdict", "make", "verify"]
