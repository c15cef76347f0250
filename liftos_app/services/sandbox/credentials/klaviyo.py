"""What the imitated Klaviyo takes. Invented; it opens nothing else."""

from typing import Final

DEMO: Final = {
    "api_key": {"api_key": "pk_7d20c4e9b15f4a8395c6e0d7f3a1b28469"},
    "oauth": {
        "client_id": "6b0e94d2-3c71-4f8a-9a55-1f27c80de4b6",
        "client_secret": "kQ7vT2mB9xLr4nZp6sWd1yHc3fJg8uEa5oKi0qRt",
    },
}
SPARE: Final = {"api_key": "pk_e93b07a6d41c4f2f8b50a7c2d916e83f51"}
