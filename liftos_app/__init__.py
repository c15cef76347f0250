"""LiftOS: connect marketing platforms, sync them, prove the data, see it. One process, one port."""

__version__ = "0.1.0"
