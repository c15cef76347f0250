"""Rules I1 to I13: what they look for (rules.py, signals.py) and what is kept of it (book.py)."""

from liftos_app.services.incidents.book import acknowledge, list_open, sweep

__all__ = ["acknowledge", "list_open", "sweep"]
