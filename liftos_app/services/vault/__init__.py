"""The only code that turns a sealed credential into plaintext and back.

`Vault` holds the keys and the pure cryptography (sealing.py, keyring.py); the functions work on a
Context (store.py). The rules are those of docs/security.md: AES-256-GCM, one data key per
connection, every sealed value bound to its place.
"""

from liftos_app.services.secret import Secret
from liftos_app.services.vault.keyring import Vault
from liftos_app.services.vault.rotation import rewrap
from liftos_app.services.vault.sealing import VaultFault
from liftos_app.services.vault.store import get, get_all, put, seal, shred, unseal

__all__ = [
    "Secret",
    "Vault",
    "VaultFault",
    "get",
    "get_all",
    "put",
    "rewrap",
    "seal",
    "shred",
    "unseal",
]
