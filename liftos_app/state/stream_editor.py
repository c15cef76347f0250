"""Defining a stream: choose a source, map its columns, look at real rows, keep it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import reflex as rx

from liftos_app.errors import LiftOSError
from liftos_app.services import catalogue, connections, wizard
from liftos_app.services.connectors.spec import SourceObject
from liftos_app.services.context import App, Context, Principal
from liftos_app.state.app import AppState, as_id, handler, perform, reach
from liftos_app.state.stream_view import (
    Editor,
    fill,
    landings,
    raw_of,
    settings_of,
    show,
    sources_of,
    split_landing,
)

_NOT_A_NAME = re.compile(r"[^a-z0-9]+")


class StreamEditorState(AppState):
    """The editor in the wizard's fourth step. Nothing is kept before "Save stream"."""

    editor: Editor = Editor()
    working: str = ""
    _draft: dict[str, Any] = {}

    @handler("connections.write")
    async def add(self):
        """An empty editor, with what there is to choose from."""
        self.editor, self._draft = await perform(_empty, self._mine()), {}
        if self.editor.listed:
            self.working = "sources"
            yield
            await self._list("")

    @handler("connections.write")
    async def edit(self, name: str):
        """The editor with a stored definition, previewed anew."""
        self.editor, self._draft = await perform(_stored, self._mine(), name)
        if not self._draft:  # an address may name any
            self.editor = Editor()
            return
        self.working = "preview"
        yield
        await self._preview()

    @handler("connections.write")
    async def shut(self):
        """Leave without keeping anything."""
        self.editor, self._draft = Editor(), {}

    @handler("connections.write")
    async def land(self, value: str):
        """What the source is; a preview follows when there is one to make again."""
        self.editor.landing = value[:60]
        self.editor.daily = value == "facts"
        self.editor.seen = False
        if self.editor.object:
            self.working = "preview"
            yield
            self._draft = self._begin(self.editor.object)
            await self._preview()

    @handler("connections.write")
    async def browse(self, folder: str, name: str):
        """Open a folder; an empty id is the top."""
        self.working = "sources"
        yield
        way = [p for p in self.editor.folder if p[0] != folder] if folder else []
        known = [p[0] for p in self.editor.folder]
        if folder in known:
            way = self.editor.folder[: known.index(folder)]
        self.editor.folder = [*way, [folder[:500], name[:200]]] if folder else []
        await self._list(folder[:500])

    @handler("connections.write")
    async def choose(self, source: str, name: str):
        """Choose a source: its columns are read and a mapping is proposed."""
        self.working = "preview"
        yield
        self.editor.name = _name_of(name)
        plain = name.replace("_", " ")[:80]
        self.editor.title = plain.capitalize() if name.isupper() or name.islower() else plain
        self._draft = self._begin(source[:500])
        await self._preview()

    @handler("connections.write")
    async def check(self, form: dict[str, Any]):
        """Take over what the form holds and preview it."""
        self._draft = raw_of(form, self.editor)
        self.working = "preview"
        yield
        await self._preview()

    @handler("connections.write")
    async def keep(self):
        """Store what was previewed last."""
        try:
            await perform(_keep, self._mine(), dict(self._draft), write=True)
        except LiftOSError as error:
            self.editor.wrong = error.sentence()
            return None
        self.editor, self._draft = Editor(), {}
        self._note("ok", "Stream saved.", more="It is read with the next sync.")
        return rx.redirect(wizard.step_address(self._mine(), 4))

    @handler("connections.write")
    async def remove(self, name: str):
        """Take a defined stream away. Rows that were read stay until the connection is deleted."""
        await perform(_remove, self._mine(), name, write=True)
        self._note("ok", "Stream removed.", more="Rows it brought are not counted any more.")
        return rx.redirect(wizard.step_address(self._mine(), 4))

    def _mine(self) -> UUID:
        return as_id(str(self.router.url.query_parameters.get("id", ""))[:80])

    def _begin(self, source: str) -> dict[str, Any]:
        lands, kind = split_landing(self.editor.landing)
        return {
            "name": self.editor.name, "title": self.editor.title, "object": source,
            "lands": lands, "kind": kind,
        }

    async def _list(self, folder: str) -> None:
        try:
            found = await reach(_objects, self._mine(), folder)
            self.editor.sources, self.editor.wrong = sources_of(found), ""
        except LiftOSError as error:
            self.editor.wrong = error.sentence()
        finally:
            self.working = ""

    async def _preview(self) -> None:
        try:
            found = await reach(_preview, self._mine(), dict(self._draft))
            show(self.editor, found)
            self._draft = found.definition.json()
        except LiftOSError as error:
            self.editor.wrong = error.sentence()
        finally:
            self.working = ""


def _empty(ctx: Context, connection_id: UUID) -> Editor:
    platform = catalogue.find(connections.get(ctx, connection_id).platform)
    return Editor(
        open=True, listed=platform.objects is not None, landings=landings(), time_zone="UTC",
        naive_zone="UTC", settings=settings_of(platform, {}),
    )


def _stored(ctx: Context, connection_id: UUID, name: str) -> tuple[Editor, dict[str, Any]]:
    platform = catalogue.find(connections.get(ctx, connection_id).platform)
    editor = _empty(ctx, connection_id)
    for one in connections.defined(ctx, connection_id):
        if one.name == name:
            fill(editor, one)
            editor.existing = True
            editor.settings = settings_of(platform, one.source)
            return editor, one.json()
    return editor, {}


def _objects(
    app: App, who: Principal, org_id: int, connection_id: UUID, folder: str
) -> list[SourceObject]:
    return connections.objects(app, who, org_id, connection_id, folder)


def _preview(
    app: App, who: Principal, org_id: int, connection_id: UUID, raw: dict[str, Any]
) -> connections.Preview:
    return connections.preview(app, who, org_id, connection_id, raw)


def _keep(ctx: Context, connection_id: UUID, raw: dict[str, Any]) -> None:
    others = [
        d.json() for d in connections.defined(ctx, connection_id) if d.name != raw.get("name")
    ]
    connections.define(ctx, connection_id, [*others, raw])


def _remove(ctx: Context, connection_id: UUID, name: str) -> None:
    found = connections.defined(ctx, connection_id)
    connections.define(ctx, connection_id, [d.json() for d in found if d.name != name])


def _name_of(title: str) -> str:
    name = _NOT_A_NAME.sub("_", title.lower()).strip("_")[:40]
    return name if name[:1].isalpha() and len(name) >= 3 else f"stream_{name}"[:40]
