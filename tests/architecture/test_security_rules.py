"""Lint rules of the security controls: SQL, secrets, clients and parsers in the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from liftos_app.services.secret import Secret

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "liftos_app"
# The imitated platforms hold no data of anybody and no secret of ours.
FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if "sandbox" not in p.parts]
TREES = {p.relative_to(PACKAGE).as_posix(): ast.parse(p.read_text("utf-8")) for p in FILES}

# Where SQL is written as text, and what of it is not fixed.
SQL = {
    "cli.py": "the revision of a database file",
    "db.py": "pragmas and BEGIN",
    "models/syncs.py": "the condition of an index",
    "row_security.py": "policies and rights, with quoted names of tables and roles",
    "services/audit/verify.py": "names from the two lists of the module",
    "services/backups.py": "checks of a copy",
    "services/budgets.py": "fixed statements with the clock of PostgreSQL",
    "services/health.py": "the size of the database",
    "services/limits.py": "a lock of PostgreSQL",
    "services/migrations.py": "a lock and a check",
    "services/sync/load/daily.py": "table and columns of a fixed shape",
}
WRITES_SQL = {"exec_driver_sql", "literal_column", "text", "DDL"}
SECRET = re.compile(
    r"(.*_)?(token|secret|password|mac|hmac|signature|verifier|otp|pin|api_key|recovery_code)"
)
PARSERS = {"pickle", "marshal", "shelve", "dill", "yaml", "jinja2", "mako", "lxml"}


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node


def name_of(node: ast.AST) -> str:
    """The last word of what a name, an attribute or a call is called."""
    while isinstance(node, ast.Call):
        node = node.func
    return getattr(node, "id", "") or getattr(node, "attr", "")


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of every import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((a.name, "") for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", a.name) for a in node.names)


def test_L23_nothing_stands_in_the_way_of_pasting_a_password() -> None:
    hindering = re.compile(r"on_?paste|\bpaste['\"]|autocomplete=.off", re.IGNORECASE)
    found = [
        p.relative_to(PACKAGE).as_posix() for p in FILES
        if p.relative_to(PACKAGE).parts[0] in {"pages", "components", "api", "state"}
        and hindering.search(p.read_text("utf-8"))
    ]
    assert found == []


def writes_sql(tree: ast.AST) -> bool:
    return any(
        module.startswith("sqlalchemy") and name in WRITES_SQL for module, name in imported(tree)
    ) or any(
        name_of(call.func) in {"exec_driver_sql", "literal_column", "cursor", "executescript"}
        or (name_of(call.func) in {"execute", "executemany"} and call.args
            and isinstance(call.args[0], ast.Constant | ast.JoinedStr))
        for call in calls(tree)
    )


def test_L15_sql_is_written_as_text_in_listed_places_only() -> None:
    assert {name for name, tree in TREES.items() if writes_sql(tree)} == set(SQL)


def test_L15_sql_of_other_places_is_found() -> None:
    assert writes_sql(ast.parse("from sqlalchemy import text"))
    assert writes_sql(ast.parse("session.connection().exec_driver_sql(f'DROP TABLE {name}')"))
    assert writes_sql(ast.parse("connection.execute(f'DROP TABLE {name}')"))
    assert not writes_sql(ast.parse("from liftos_app.values import text\ntext('x')"))


def compared_secrets(tree: ast.AST) -> list[int]:
    """Lines that compare a secret by ==; with a fixed text, such as an empty one, is no test of
    it, and hashes are looked up, not compared."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or any(
            not isinstance(op, ast.Eq | ast.NotEq) for op in node.ops
        ):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue
        if any(SECRET.fullmatch(name_of(s)) or name_of(s) == "reveal" for s in sides):
            found.append(node.lineno)
    return found


def test_L43_no_secret_is_compared_by_equality() -> None:
    assert {n: lines for n, tree in TREES.items() if (lines := compared_secrets(tree))} == {}


@pytest.mark.parametrize(("line", "bad"), [
    ("given == row.client_secret", True), ("a.reveal() != b", True), ("token == other", True),
    ("secret != ''", False), ("row.token_hash == vault.token_hash(x)", False),
    ("hmac.compare_digest(given, row.mac)", False), ("tokens == others", False),
])
def test_L43_such_comparisons_are_found(line: str, *, bad: bool) -> None:
    assert bool(compared_secrets(ast.parse(line))) is bad


def test_L57_pages_states_and_logs_open_no_secret() -> None:
    opened = {
        f"{name}:{call.lineno}" for name, tree in TREES.items() for call in calls(tree)
        if name.split("/")[0] in {"state", "pages", "components"} and name_of(call.func) == "reveal"
    }
    logged = {
        f"{name}:{call.lineno}" for name, tree in TREES.items() for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and name_of(call.func.value) in {"log", "logger"}
        for part in calls(ast.Tuple([*call.args, *(k.value for k in call.keywords)], ast.Load()))
        if name_of(part.func) == "reveal"
    }
    assert opened | logged == set()


def test_L57_no_state_keeps_a_secret() -> None:
    named = {
        f"{name}:{node.lineno}" for name, tree in TREES.items() if name.startswith("state/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and name_of(node) == Secret.__name__
    }
    assert named == set()


def test_L66_every_client_is_closed_to_redirects_environment_and_endless_waits() -> None:
    """net.py's own way out needs none of httpx's clients."""
    found = {}
    for name, tree in TREES.items():
        for call in calls(tree):
            if name_of(call.func) in {"Client", "AsyncClient"} and (
                isinstance(call.func, ast.Attribute) and name_of(call.func.value) == "httpx"
            ):
                given = {k.arg: ast.unparse(k.value) for k in call.keywords}
                found[name] = (
                    given.get("follow_redirects"), given.get("trust_env"), "timeout" in given,
                    "verify" in given,
                )
    assert found == dict.fromkeys(
        ("services/demo.py", "services/oidc.py"), ("False", "False", True, False)
    )
    quick = {
        name for name, tree in TREES.items() for call in calls(tree)
        if isinstance(call.func, ast.Attribute) and name_of(call.func.value) == "httpx"
        and call.func.attr in {"get", "post", "put", "request", "stream"}
    }
    assert quick == set()


def test_L70_nothing_reads_code_pickles_templates_or_xml_of_others() -> None:
    found = {
        f"{name}: {module}" for name, tree in TREES.items() for module, _ in imported(tree)
        if module.split(".")[0] in PARSERS or module.startswith("xml")
    } | {
        f"{name}: {name_of(call.func)}" for name, tree in TREES.items() for call in calls(tree)
        if isinstance(call.func, ast.Name) and call.func.id in {"eval", "exec", "compile"}
    }
    # JUnit files of our own test runs, for the evidence; one with a DOCTYPE or an entity is refused
    assert found == {"services/evidence/controls.py: xml.etree"}
