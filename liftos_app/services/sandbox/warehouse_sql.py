"""The small part of SQL that the imitated warehouses understand, run on their backing store.

Strict: what is not of a known form is a syntax error. Queries go to SQLite with names of three
parts joined and the warehouse's functions registered; CREATE, ALTER, MERGE, DELETE are read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from liftos_app.services.sandbox.warehouse import Column, Outcome, Store, StoreProblem, Table

_WORDS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")+"|`(?:[^`]|``)+`""")
_TYPE = r"[A-Za-z_]+(?:\s*\(\s*\d+\s*(?:,\s*\d+\s*)?\))?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a warehouse writes SQL. `types` maps its type words to those of the store."""

    quote: str  # " or `
    types: Mapping[str, str]
    # The SELECT a MERGE takes its rows from, as SQLite runs it; raises StoreProblem.
    source: Callable[[str], str]

    @property
    def ident(self) -> str:
        """A quoted identifier as a pattern with one group."""
        q = self.quote
        return rf"{q}((?:[^{q}]|{q}{q})+){q}"

    @property
    def path(self) -> str:
        """Three quoted identifiers with dots, as a pattern with three groups."""
        return r"\s*\.\s*".join([self.ident] * 3)

    def plain(self, text: str) -> str:
        """An identifier's text without doubled quotes."""
        return text.replace(self.quote * 2, self.quote)

    def name(self, *parts: str) -> str:
        """A table's full name."""
        return ".".join(self.plain(p) for p in parts)


def run(store: Store, dialect: Dialect, sql: str, params: Any) -> Outcome:
    """Run one statement. Raises StoreProblem."""
    text = sql.strip().rstrip(";").strip()
    word = text.split(None, 1)[0].upper() if text else ""
    if word in {"SELECT", "WITH"}:
        return _select(store, dialect, text, params)
    reader = _READERS.get(word)
    if reader is None:
        raise StoreProblem("syntax", f"unexpected '{word[:40]}'.")
    return reader(store, dialect, text, params)


def column(dialect: Dialect, name: str, words: str) -> Column:
    """A column from its name and type. Raises StoreProblem."""
    found = re.fullmatch(r"([A-Za-z_]+)(?:\s*\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?", words.strip())
    kind = dialect.types.get(found[1].upper()) if found else None
    if found is None or kind is None:
        raise StoreProblem("syntax", f"Unsupported data type '{words[:40]}'.")
    return Column(name, kind, int(found[2] or 38), int(found[3] or 0))


def _select(store: Store, dialect: Dialect, text: str, params: Any) -> Outcome:
    tables: list[Table] = []

    def joined(match: re.Match[str]) -> str:
        table = store.find(dialect.name(*match.groups()))
        tables.append(table)
        return f'"{table.name}"'

    query = re.sub(dialect.path, joined, text)
    query = _WORDS.sub(_as_identifier, query)
    names, rows = store.select(query, params)
    known = {c.name: c for t in tables for c in t.columns}
    return Outcome(tuple(_typed(n, known, rows, i) for i, n in enumerate(names)), rows)


def _as_identifier(found: re.Match[str]) -> str:
    """SQLite takes an unknown name in double quotes for a text; in backticks it does not."""
    text = found[0]
    if text.startswith("'"):
        return text
    return "`" + text[1:-1].replace(text[0] * 2, text[0]).replace("`", "``") + "`"


def _typed(name: str, known: Mapping[str, Column], rows: Sequence[Any], index: int) -> Column:
    found = known.get(name)
    if found is not None:
        return found
    values = [r[index] for r in rows if r[index] is not None]
    kind = "fixed" if values and all(type(v) is int for v in values) else "text"
    return Column(name, kind)


def _create(store: Store, dialect: Dialect, text: str, _params: Any) -> Outcome:
    two = r"\s*\.\s*".join([dialect.ident] * 2)
    schema = re.fullmatch(rf"CREATE\s+SCHEMA\s+IF\s+NOT\s+EXISTS\s+{two}", text, re.I)
    if schema:
        store.schemas.add(dialect.name(*schema.groups()))
        return Outcome(is_query=False)
    found = re.fullmatch(
        rf"CREATE\s+TABLE\s+IF\s+NOT\s+EXISTS\s+{dialect.path}\s*\((.*)\)(?:\s+USING\s+DELTA)?",
        text, re.I | re.S,
    )
    if found is None:
        raise StoreProblem("syntax", "unexpected 'CREATE'.")
    name = dialect.name(*found.groups()[:3])
    if name.rpartition(".")[0] not in store.schemas:
        raise StoreProblem("missing", name.rpartition(".")[0])
    columns = [
        column(dialect, dialect.plain(c[0]), c[1])
        for c in re.findall(rf"{dialect.ident}\s+({_TYPE})", found[4])
    ]
    if not columns:
        raise StoreProblem("syntax", "a table needs columns.")
    store.create(name, columns)
    return Outcome(is_query=False)


def _alter(store: Store, dialect: Dialect, text: str, _params: Any) -> Outcome:
    found = re.fullmatch(
        rf"ALTER\s+TABLE\s+{dialect.path}\s+ADD\s+COLUMN\s+(IF\s+NOT\s+EXISTS\s+)?"
        rf"{dialect.ident}\s+({_TYPE})", text, re.I,
    )
    if found is None:
        raise StoreProblem("syntax", "unexpected 'ALTER'.")
    added = store.add_column(
        dialect.name(*found.groups()[:3]), column(dialect, dialect.plain(found[5]), found[6])
    )
    if not added and not found[4]:
        raise StoreProblem("exists", dialect.plain(found[5]))
    return Outcome(is_query=False)


def _merge(store: Store, dialect: Dialect, text: str, params: Any) -> Outcome:
    i = dialect.ident
    found = re.fullmatch(
        rf"MERGE\s+INTO\s+{dialect.path}\s+t\s+USING\s+\((.*)\)\s+s\s+ON\s+t\.{i}\s*=\s*s\.{i}\s+"
        rf"WHEN\s+MATCHED\s+AND\s+t\.{i}\s*<>\s*s\.{i}\s+THEN\s+UPDATE\s+SET\s+(.*?)\s+"
        r"WHEN\s+NOT\s+MATCHED\s+THEN\s+INSERT\s+(.*)", text, re.I | re.S,
    )
    if found is None or found[5] != found[6] or found[7] != found[8]:
        raise StoreProblem("syntax", "unexpected 'MERGE'.")
    source = dialect.source(found[4])
    columns = [dialect.plain(c) for c in re.findall(rf"\sAS\s+{dialect.ident}",
                                                    source.replace('"', dialect.quote))]
    _check_sets(dialect, found[9], found[10], columns)
    return store.merge(
        dialect.name(*found.groups()[:3]), source, params, key=dialect.plain(found[5]),
        digest=dialect.plain(found[7]), columns=columns,
    )


def _check_sets(dialect: Dialect, sets: str, insert: str, columns: Sequence[str]) -> None:
    """Every column of the source is set and inserted, each from itself. Raises StoreProblem."""
    if sets.strip() == "*" and insert.strip() == "*":
        return
    i = dialect.ident
    pairs = re.findall(rf"{i}\s*=\s*s\.{i}", sets)
    listed = re.fullmatch(r"\((.*)\)\s*VALUES\s*\((.*)\)", insert.strip(), re.I | re.S)
    if listed is None or any(a != b for a, b in pairs):
        raise StoreProblem("syntax", "unexpected 'WHEN'.")
    names = re.findall(i, listed[1])
    values = re.findall(rf"s\.{i}", listed[2])
    if names != values or set(names) != set(columns) or not {a for a, _ in pairs} <= set(names):
        raise StoreProblem("syntax", "the columns of INSERT and VALUES differ.")


def _delete(store: Store, dialect: Dialect, text: str, params: Any) -> Outcome:
    found = re.fullmatch(
        rf"DELETE\s+FROM\s+{dialect.path}\s+WHERE\s+{dialect.ident}\s+IN\s+\((.*)\)", text,
        re.I | re.S,
    )
    if found is None:
        raise StoreProblem("syntax", "unexpected 'DELETE'.")
    return store.delete(
        dialect.name(*found.groups()[:3]), dialect.plain(found[4]), dialect.source(found[5]),
        params,
    )


_READERS: Final[Mapping[str, Callable[[Store, Dialect, str, Any], Outcome]]] = {
    "CREATE": _create, "ALTER": _alter, "MERGE": _merge, "DELETE": _delete,
}
