"""The record of acts: append-only, hash-chained, written in the transaction of the act.

`record` queues an entry; chain.py seals what is queued at the commit. docs/security/audit.md.
"""

from liftos_app.services.audit.chain import record

__all__ = ["record"]
