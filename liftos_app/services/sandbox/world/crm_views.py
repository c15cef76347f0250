"""What the World says about its trade program. Spans are [from, to); None is open."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Protocol

from liftos_app.services.sandbox.world import crm, crm_plan
from liftos_app.services.sandbox.world.crm import EVER, Span
from liftos_app.services.sandbox.world.crm_shapes import (
    CrmCampaign,
    CrmCompany,
    CrmContact,
    CrmDeal,
    CrmLead,
    CrmMember,
    CrmOwner,
    CrmPipeline,
)


class _Kept(Protocol):
    """What a world needs to keep for these views."""

    def crm_tables(self, as_of: datetime) -> crm.Crm: ...

    def crm_since(self, as_of: datetime) -> date | None: ...


class CrmViews:
    """Readings of the CRM: the newest state as of a moment, by id, deleted records included."""

    __slots__ = ()

    def crm_owners(self, *, as_of: datetime) -> tuple[CrmOwner, ...]:
        """The sales team; one who has left is inactive."""
        return tuple(
            replace(o, active=False, updated_at=o.left_at)
            if o.left_at is not None and o.left_at <= as_of
            else replace(o, left_at=None)
            for o in crm_plan.OWNERS
        )

    def crm_pipeline(self) -> CrmPipeline:
        """The pipeline with its stages."""
        return crm_plan.PIPELINE

    def crm_leads(
        self: _Kept, *, as_of: datetime, created: Span = EVER, updated: Span = EVER
    ) -> list[CrmLead]:
        """Leads, converted ones too."""
        lives, since = self.crm_tables(as_of).leads, self.crm_since(as_of)
        return crm.seen(lives, as_of=as_of, since=since, created=created, updated=updated)

    def crm_companies(
        self: _Kept, *, as_of: datetime, created: Span = EVER, updated: Span = EVER
    ) -> list[CrmCompany]:
        """Companies of converted leads."""
        lives, since = self.crm_tables(as_of).companies, self.crm_since(as_of)
        return crm.seen(lives, as_of=as_of, since=since, created=created, updated=updated)

    def crm_contacts(
        self: _Kept, *, as_of: datetime, created: Span = EVER, updated: Span = EVER
    ) -> list[CrmContact]:
        """Converted leads and their colleagues."""
        lives, since = self.crm_tables(as_of).contacts, self.crm_since(as_of)
        return crm.seen(lives, as_of=as_of, since=since, created=created, updated=updated)

    def crm_deals(
        self: _Kept, *, as_of: datetime, created: Span = EVER, updated: Span = EVER
    ) -> list[CrmDeal]:
        """Deals, open, won and lost."""
        lives, since = self.crm_tables(as_of).deals, self.crm_since(as_of)
        return crm.seen(lives, as_of=as_of, since=since, created=created, updated=updated)

    def crm_campaign_members(
        self: _Kept, *, as_of: datetime, created: Span = EVER, updated: Span = EVER
    ) -> list[CrmMember]:
        """Members of campaigns; a deleted one is gone for good."""
        lives, since = self.crm_tables(as_of).members, self.crm_since(as_of)
        return crm.seen(lives, as_of=as_of, since=since, created=created, updated=updated)

    def crm_campaigns(self: _Kept, *, as_of: datetime) -> tuple[CrmCampaign, ...]:
        """Campaigns with the counts of the moment."""
        tables, since = self.crm_tables(as_of), self.crm_since(as_of)
        tally = _Tally()
        tally.add(crm.seen(tables.members, as_of=as_of, since=since))
        tally.add(crm.seen(tables.leads, as_of=as_of, since=since))
        tally.add(crm.seen(tables.deals, as_of=as_of, since=since))
        return tuple(tally.on(c) for c in crm.seen(tables.campaigns, as_of=as_of, since=None))

    def crm_won(
        self: _Kept, start: date, end: date, *, as_of: datetime
    ) -> dict[tuple[date, str], int]:
        """Won revenue by close date and currency, both days included; deleted deals are out."""
        lives, since = self.crm_tables(as_of).deals, self.crm_since(as_of)
        return crm.won(crm.seen(lives, as_of=as_of, since=since), start, end)


class _Tally:
    """Counts of campaigns over records that are not deleted."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[int]] = {
            name: Counter()
            for name in (
                "members", "responses", "leads", "converted_leads", "deals", "won_deals", "won_usd",
            )
        }  # fmt: skip

    def add(self, records: list[CrmMember] | list[CrmLead] | list[CrmDeal]) -> None:
        """Count these records for their campaign."""
        for one in records:
            if one.deleted_at is None:
                for name, value in _counts(one):
                    self._counts[name][one.campaign_id] += value

    def on(self, campaign: CrmCampaign) -> CrmCampaign:
        """The campaign with its counts."""
        counts: dict[str, Any] = {n: c[campaign.id] for n, c in self._counts.items()}
        return replace(campaign, **counts)


def _counts(one: CrmMember | CrmLead | CrmDeal) -> tuple[tuple[str, int], ...]:
    if isinstance(one, CrmMember):
        return ("members", 1), ("responses", one.responded_at is not None)
    if isinstance(one, CrmLead):
        return ("leads", 1), ("converted_leads", one.converted_at is not None)
    won = (("won_deals", 1), ("won_usd", one.amount_usd or 0)) if one.is_won else ()
    return ("deals", 1), *won
