"""Fixtures of the metrics tests."""

from tests.facts_builder import facts, platforms  # noqa: F401
