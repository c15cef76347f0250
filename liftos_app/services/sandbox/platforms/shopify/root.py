"""The query and mutation roots: what each root field answers for one call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from graphql import GraphQLError

from liftos_app.services.sandbox.call import Call
from liftos_app.services.sandbox.platforms.shopify import (
    auth,
    bulk,
    bulk_plan,
    paging,
    search,
    shopifyql,
    store,
    versions,
)
from liftos_app.services.sandbox.platforms.shopify.finding import Finder
from liftos_app.services.sandbox.platforms.shopify.orders import (
    Catalogue,
    customer_node,
    order_node,
)
from liftos_app.services.sandbox.platforms.shopify.schema import number_of, schema, type_of
from liftos_app.services.sandbox.world.plan import SHOP_ZONE

Node = dict[str, Any]
_NODE_SCOPES = {
    "Order": "read_orders",
    "Product": "read_products",
    "ProductVariant": "read_products",
    "Customer": "read_customers",
}
_NAME = re.compile(r"\w+Set\b")


@dataclass(slots=True)
class Desk:
    """One call's view of the shop."""

    call: Call
    shop: str
    app: str
    scopes: frozenset[str]
    jobs: bulk.Jobs
    text: str = ""
    notes: list[Node] = field(default_factory=list)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo(SHOP_ZONE))
    currency: str = "USD"
    shelf: store.Shelf = field(init=False)
    finder: Finder = field(init=False)

    def __post_init__(self) -> None:
        self.currency = self.call.trouble.currency(self.call.platform, self.shop, "USD")
        self.shelf = store.Shelf(self.call.world.products(as_of=self.call.now))
        catalogue = Catalogue(
            self.shelf.product,
            self.shelf.variant,
            lambda number: self.call.world.customer(number, as_of=self.call.now),
        )
        wanted = frozenset(_NAME.findall(self.text))
        self.finder = Finder(
            self.call, self.zone, "read_all_orders" in self.scopes,
            lambda order: order_node(
                order, currency=self.currency, now=self.call.now, catalogue=catalogue,
                wanted=wanted,
            ),
            self.warn, self.shop,
        )  # fmt: skip

    def warn(self, path: str, text: str, warnings: list[dict[str, str]]) -> None:
        """Keep what a search did not understand for the answer's extensions."""
        if warnings:
            self.notes.append({"path": [path], "query": text, "warnings": warnings})

    def listing(self, name: str, rows: Callable[[], list[Node]]) -> Callable[..., Node]:
        """A connection over a short list of nodes."""

        def page(**args: Any) -> Node:
            found = self.searched(name, rows(), args)
            sort = str(args.get("sortKey") or "ID")
            found.sort(key=lambda n: store.sort_key(n, sort))
            bent = self.call.bend(name, found, account=self.shop)
            return paging.connection(
                bent, args, key=lambda n: store.sort_key(n, sort), node=lambda n: n
            )

        return page

    def searched(self, name: str, rows: list[Node], args: Mapping[str, Any]) -> list[Node]:
        """The rows a search text accepts."""
        found = search.parse(args.get("query"), store.NODE_FIELDS, self.zone)
        self.warn(name, str(args.get("query") or ""), found.warnings)
        return [row for row in rows if found.matches(row)]

    def customers(self, **args: Any) -> Node:
        """customers: by id, a search knows updated_at and created_at."""
        found = search.parse(args.get("query"), store.NODE_FIELDS, self.zone)
        self.warn("customers", str(args.get("query") or ""), found.warnings)
        bounds = found.bounds.get("updated_at", search.Bounds())
        numbers = self.call.world.find_customers(
            as_of=self.call.now, updated=(bounds.low, bounds.high)
        )
        if args.get("query"):
            kept = ((n, self.customer(n)) for n in numbers)
            numbers = [n for n, node in kept if node is not None and found.matches(node)]
        return paging.connection(numbers, args, key=lambda n: (n, n), node=self.customer)

    def customer(self, number: int) -> Node | None:
        """One customer by number."""
        found = self.call.world.customer(number, as_of=self.call.now)
        return customer_node(found, self.currency) if found is not None else None

    def checkouts(self) -> list[Node]:
        """Abandoned checkouts of the last 60 days."""
        made = store.Checkouts(self.currency, f"https://{self.shop}", self.customer)
        orders = self.call.world.orders(
            self.call.world.find_orders(
                as_of=self.call.now, sort="created",
                created=(self.call.now - timedelta(days=60), self.call.now),
            ), as_of=self.call.now,
        )  # fmt: skip
        return [made.node(o) for o in orders if made.has_one(o)]

    def source(self, name: str, args: Mapping[str, Any]) -> Iterable[Node]:
        """The nodes of a bulk job's root connection."""
        if name == "orders":
            return self.finder.every(**args)
        if name == "customers":
            numbers = self.call.world.find_customers(as_of=self.call.now)
            return (node for n in numbers if (node := self.customer(n)) is not None)
        rows = {"products": self.shelf.products, "productVariants": self.shelf.variants,
                "abandonedCheckouts": self.checkouts}  # fmt: skip
        found = self.searched(name, rows[name](), args) if name in rows else []
        return self.call.bend(name, found, account=self.shop)

    def job_node(self, job: bulk.Job) -> Node:
        """A bulk job with the address of its file."""
        return job.node(lambda j: self.jobs.address(j, self.call.base))

    def job(self, **args: Any) -> Node | None:
        """bulkOperation(id)."""
        number = number_of(str(args["id"]), "BulkOperation")
        own = [j for j in self.jobs.of(self.shop, self.app) if j.number == number]
        return self.job_node(own[0]) if own else None

    def job_list(self, **args: Any) -> Node:
        """bulkOperations."""
        rows = [self.job_node(j) for j in self.jobs.of(self.shop, self.app)]
        return paging.connection(
            rows, args, key=lambda n: store.sort_key(n, "ID"), node=lambda n: n
        )

    def newest_job(self, **args: Any) -> Node | None:
        """currentBulkOperation."""
        own = self.jobs.of(self.shop, self.app)
        return self.job_node(own[-1]) if own and args.get("type") != "MUTATION" else None

    def run_bulk(self, **args: Any) -> Node:
        """bulkOperationRunQuery."""
        try:
            inner = bulk_plan.read(schema(), str(args["query"]), self.scopes)
        except bulk_plan.NotBulk as refused:
            return _user_error("INVALID", str(refused))
        job = self.jobs.start(
            shop=self.shop, app=self.app, query=str(args["query"]), inner=inner,
            source=self.source, now=lambda: self.call.now,
        )  # fmt: skip
        if job is None:
            limit = f"Bulk operations limit reached: at most {bulk.AT_ONCE} may run at once."
            return _user_error("LIMIT_REACHED", limit)
        node = self.job_node(job) | {"status": "CREATED", "url": None, "completedAt": None,
                                     "objectCount": "0", "rootObjectCount": "0"}  # fmt: skip
        return {"bulkOperation": node, "userErrors": []}

    def cancel_bulk(self, **args: Any) -> Node:
        """bulkOperationCancel."""
        number = number_of(str(args["id"]), "BulkOperation")
        for job in self.jobs.of(self.shop, self.app):
            if job.number == number and job.is_open:
                job.cancelled = True
                return {"bulkOperation": self.job_node(job) | {"status": "CANCELING"},
                        "userErrors": []}  # fmt: skip
        message = "Bulk operation does not exist or has ended."
        return {"bulkOperation": None, "userErrors": [{"field": ["id"], "message": message}]}

    def node(self, **args: Any) -> Node | None:
        """node(id): the same scopes as the field of the object's own kind."""
        text = str(args["id"])
        kind = type_of(text)
        if kind is None:
            raise GraphQLError(f"Invalid global id '{text[:80]}'",
                               extensions={"code": "argumentLiteralsIncompatible"})  # fmt: skip
        needed = _NODE_SCOPES.get(kind)
        if needed and needed not in self.scopes:
            raise GraphQLError(f"Access denied for node field. Required access: `{needed}` "
                               "access scope.", extensions={"code": "ACCESS_DENIED"})  # fmt: skip
        lookups: dict[str, Callable[[], Node | None]] = {
            "Order": lambda: self.by_id("Order", self.finder.one, text),
            "Product": lambda: self.by_id("Product", self.shelf.product, text),
            "ProductVariant": lambda: self.by_id("ProductVariant", self.shelf.variant, text),
            "Customer": lambda: self.by_id("Customer", self.customer, text),
            "BulkOperation": lambda: self.job(id=text),
        }
        return lookups[kind]() if kind in lookups else None

    def by_id(self, kind: str, find: Callable[[int], Node | None], text: str) -> Node | None:
        """An object by its global id. Raises GraphQLError when it names another kind."""
        number = number_of(text, kind)
        if number is None:
            raise GraphQLError(f"Invalid id: {text[:80]}",
                               extensions={"code": "RESOURCE_NOT_FOUND"})  # fmt: skip
        return find(number)

    def sales(self, **args: Any) -> Node:
        """shopifyqlQuery."""
        today = self.call.now.astimezone(self.zone).date()
        return shopifyql.answer(str(args["query"]), today=today, days=self.days)

    def days(self, start: date, end: date) -> Iterable[Any]:
        """The store's days, both included."""
        return self.call.world.store_days(start, end, as_of=self.call.now)

    def root(self) -> Node:
        """The root value; lazy fields are called by the resolver."""
        shelf, finder = self.shelf, self.finder
        return {
            "shop": lambda: store.shop_node(self.shop, self.currency, self.zone, self.call.now),
            "currentAppInstallation": lambda: store.installation(
                {k: v for k, v in auth.SCOPES.items() if k in self.scopes}
            ),
            "publicApiVersions": lambda: versions.public(self.call.now.date()),
            "orders": finder.page,
            "ordersCount": lambda **a: finder.count(a.get("query"), a.get("limit")),
            "order": lambda **a: self.by_id("Order", finder.one, str(a["id"])),
            "products": self.listing("products", shelf.products),
            "product": lambda **a: self.by_id("Product", shelf.product, str(a["id"])),
            "productVariants": self.listing("productVariants", shelf.variants),
            "productVariant": lambda **a: self.by_id(
                "ProductVariant", shelf.variant, str(a["id"])
            ),
            "customers": self.customers,
            "customer": lambda **a: self.by_id("Customer", self.customer, str(a["id"])),
            "abandonedCheckouts": self.listing("abandonedCheckouts", self.checkouts),
            "shopifyqlQuery": self.sales,
            "bulkOperation": self.job, "bulkOperations": self.job_list,
            "currentBulkOperation": self.newest_job,
            "bulkOperationRunQuery": self.run_bulk, "bulkOperationCancel": self.cancel_bulk,
            "node": self.node,
            "nodes": lambda **a: [self.node(id=one) for one in a["ids"]],
        }  # fmt: skip


def root_value(
    call: Call, *, shop: str, app: str, scopes: frozenset[str], jobs: bulk.Jobs, text: str
) -> tuple[Node, list[Node]]:
    """The root of one request, and the list its search warnings will be in.

    `text` is the query: amounts it does not name are not made.
    """
    desk = Desk(call, shop, app, scopes, jobs, text)
    return desk.root(), desk.notes


def _user_error(code: str, message: str) -> Node:
    return {"bulkOperation": None,
            "userErrors": [{"field": ["query"], "message": message, "code": code}]}  # fmt: skip
