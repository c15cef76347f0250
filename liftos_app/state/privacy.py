"""Privacy & retention: how long data is kept, what would go next, and one's rights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from liftos_app.models import Organization
from liftos_app.services import format as fmt
from liftos_app.services import retention
from liftos_app.services.context import Context
from liftos_app.services.retention import choices
from liftos_app.state.app import AppState, handler, perform

_DONE: Final = {
    "retention": "The time is saved. What is older goes tonight.",
    "hold": "The legal hold was changed.",
    "erasure": "The organization will be deleted in seven days.",
}


@dataclass
class PrivacyView:
    """What the page shows, in finished words."""

    org_name: str = ""
    may_change: bool = False
    may_erase: bool = False
    marketing_days: str = ""
    held: bool = False
    hold_reason: str = ""
    erase_on: str = ""
    first_day: str = ""
    total: str = ""
    rows: list[list[str]] = field(default_factory=list)


class PrivacyState(AppState):
    """The page at /settings/privacy."""

    privacy: PrivacyView = PrivacyView()
    privacy_loaded: bool = False

    @handler("organization.read")
    async def load(self):
        """Read what holds, and say what a form has done."""
        done = _DONE.get(str(self.router.url.query_parameters.get("done", "")), "")
        if done:
            self._note("ok", done)
        self.privacy = await perform(_view)
        self.privacy_loaded = True

    @handler("data.erase")
    async def keep_organization(self):
        """Take the deletion of the organization back."""
        await perform(_cancel, write=True)
        self._note("ok", "The organization stays.")
        self.privacy = await perform(_view)


def _view(ctx: Context) -> PrivacyView:
    organization = ctx.session.get_one(Organization, ctx.org)
    choice = choices.get(ctx)
    view = PrivacyView(
        org_name=organization.name, may_change=ctx.can("organization.write"),
        may_erase=ctx.can("data.erase"), marketing_days=str(choice.marketing_days),
        held=choice.held, hold_reason=choice.hold_reason,
        erase_on=fmt.moment(choice.erase_at, organization.time_zone) if choice.erase_at else "",
    )
    if view.may_change:
        found = retention.preview(ctx)
        view.first_day = fmt.day(found.first_day_kept)
        view.total = fmt.plural(found.total, "row")
        view.rows = [
            [name.replace("_", " "), fmt.plural(count, "row")] for name, count in
            sorted(found.counts.items())
        ]
    return view


def _cancel(ctx: Context) -> None:
    choices.cancel_erasure(ctx)
