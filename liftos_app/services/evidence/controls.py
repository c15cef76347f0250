"""The table of controls: what each asks, where it is done, its tests, and how those went.

Read from the source tree (docs/security/controls.toml and the names of the tests); an image that
carries no sources has no table.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

from liftos_app.config import ROOT
from liftos_app.errors import Invalid

DATA: Final = ROOT / "docs" / "security" / "controls.toml"
_TEST: Final = re.compile(r"def (test_(?:L\d+_)+\w*)")
_NUMBER: Final = re.compile(r"L(\d+)(?=_)")
_WORST_FIRST: Final = ("failed", "skipped", "passed")


@dataclass(frozen=True, slots=True)
class Control:
    """One control. `tests` are `file::name`; `why` is the reason when there are none.

    `lacks` is what the tests do not prove, because it is not built or done in another way.
    """

    name: str
    asks: str
    code: str
    tests: tuple[str, ...]
    why: str
    also: str
    lacks: str


def there_is_a_table() -> bool:
    """Whether the sources lie beside the program."""
    return DATA.is_file() and (ROOT / "tests").is_dir()


def table() -> list[Control]:
    """Every control in order."""
    tests = numbered_tests()
    return [
        Control(name, one["what"], one["code"], tuple(tests.get(name, ())), one.get("why", ""),
                one.get("also", ""), one.get("lacks", ""))
        for name, one in tomllib.loads(DATA.read_text(encoding="utf-8")).items()
    ]


def results(outcomes: Mapping[str, str] | None) -> list[dict[str, Any]]:
    """The table with a result each. None: no test run was given, so nothing is known."""
    return [{**asdict(c), "result": _result(c, outcomes)} for c in table()]


def outcomes_of(path: Path) -> dict[str, str]:
    """`file::name` -> passed, failed or skipped, from a JUnit file of pytest. Raises Invalid.

    A test that ran several times (once per database) counts by its worst outcome.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:  # no test run writes any
            raise Invalid(f"{path.name} is no JUnit file.", why="It declares entities.")
        cases = list(ET.fromstring(text).iter("testcase"))  # noqa: S314  # nosec B314
    except (OSError, ValueError, ET.ParseError) as error:
        raise Invalid(
            f"{path.name} is no JUnit file.", why=str(error),
            fix="Make one: python -m pytest --junitxml=junit.xml",
        ) from error
    found: dict[str, str] = {}
    for case in cases:
        where = case.get("classname", "").replace(".", "/") + ".py"
        test = f"{where}::{case.get('name', '').partition('[')[0]}"
        kinds = {child.tag for child in case}
        now = ("failed" if kinds & {"failure", "error"}
               else "skipped" if "skipped" in kinds else "passed")
        found[test] = min(now, found.get(test, "passed"), key=_WORST_FIRST.index)
    return found


def _result(control: Control, outcomes: Mapping[str, str] | None) -> str:
    if not control.tests and not control.also:
        return "no test, see why"
    if outcomes is None:
        return "unknown, no test run was given"
    wanted = control.tests or [t for t in outcomes if t.startswith(f"{control.also}::")]
    seen = {outcomes.get(test, "not run") for test in wanted} or {"not run"}
    return next(word for word in ("failed", "not run", "skipped", "passed") if word in seen)


def numbered_tests() -> dict[str, list[str]]:
    """Control -> `file::name` of every test that carries its number."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for name in _TEST.findall(path.read_text(encoding="utf-8")):
            for number in _NUMBER.findall(name):
                where = path.relative_to(ROOT).as_posix()
                found.setdefault(f"L{number}", []).append(f"{where}::{name}")
    return found
