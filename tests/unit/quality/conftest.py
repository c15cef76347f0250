"""Fixtures of the quality tests."""

from tests.facts_builder import facts, platforms  # noqa: F401
