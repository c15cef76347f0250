"""Columns that are renamed or appear, on every stream of every platform: the imitation answers as a
platform would, and what is read of it is said.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from liftos_app.errors import PlatformFault
from tests.contract.conftest import Bench, read, streams

COLUMNS = ("", "id", "day", "properties")  # "": the last plain one
FAULTS = [("added_column", ""), *(("changed_column", c) for c in COLUMNS)]


@pytest.fixture
def broken() -> Iterator[list[logging.LogRecord]]:
    """What the sandbox's server logs as failed inside. It is quiet otherwise."""
    found: list[logging.LogRecord] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    log, kept = logging.getLogger("uvicorn.error"), Kept()
    level, told = log.level, log.propagate
    log.addHandler(kept)
    log.setLevel(logging.ERROR)
    log.propagate = False
    yield found
    log.removeHandler(kept)
    log.setLevel(level)
    log.propagate = told


def test_renamed_and_new_columns_break_no_imitation(
    bench: Bench, broken: list[logging.LogRecord]
) -> None:
    slug, trouble = bench.platform.slug, bench.box.trouble
    failed: list[Any] = []
    with bench.open() as client:
        account = bench.account(client)
        for stream in streams(bench.platform):
            task = bench.task(stream.name, account, days=1)
            for kind, column in FAULTS:
                fault = trouble.add(
                    kind, slug, count=None, detail={"column": column} if column else {}
                )
                with contextlib.suppress(PlatformFault):  # a refusal is an answer too
                    read(client, task)
                trouble.clear(fault.id)
                client.kept.clear()
                if broken:
                    failed.append((stream.name, kind, column, str(broken[0].exc_info)))
                    broken.clear()
    assert not failed
