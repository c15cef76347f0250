"""Where a platform's requests go: its real hosts, the sandbox, or an address of the operator.

The path is kept in every case, so that connectors are written with real addresses only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from liftos_app.errors import GiveUp, Invalid
from liftos_app.services.connectors.redaction import place

if TYPE_CHECKING:
    from liftos_app.config import Settings
    from liftos_app.services.connectors.spec import Input, Kept, Platform

WHOLE = "{base_url}"  # a host that a person typed whole
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
# A part of a host that a person typed must be a plain host name of a known form.
SHOP = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\.myshopify\.com")
_HOST_FORMS: Mapping[str, re.Pattern[str]] = {"shop": SHOP}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of one connection.

    `hosts`: the real origins by name, placeholders filled. `base` and `browser_base`: what stands
    for all of them (sandbox or override), "" for the real ones. `guarded`: a person named a part
    of a real host, so it is resolved and judged before it is called.
    """

    platform: str
    hosts: Mapping[str, str]
    base: str = ""
    browser_base: str = ""
    guarded: bool = False
    values: Mapping[str, str] | None = None
    by_host: bool = False  # the real host becomes the first part of the path under a base
    allow: tuple[str, ...] = ()  # host:port pairs an operator opened for guarded addresses

    def url(self, host: str, path: str) -> str:
        """The address of a path on one of the platform's hosts. Raises ValueError for a path that
        would run into the host's name.
        """
        if path and path[0] not in "/?":
            raise ValueError("A path begins with / or ?.")
        return self._at(self.hosts[host]) + path

    def server(self, real: str) -> str:
        """Where we send what belongs to a real address; placeholders are filled."""
        return self._moved(real, self.base)

    def browser(self, real: str) -> str:
        """Where a person's browser goes for a real address."""
        return self._moved(real, self.browser_base)

    def follow(self, link: str) -> str:
        """A link the platform sent, as we may call it. Raises GiveUp for a foreign host."""
        if link.startswith("/") and not link.startswith("//"):
            return self.url("api", link)
        if self.base and _within(link, self.base):
            return link
        for origin in self.hosts.values():
            if _within(link, origin):
                return self._at(origin) + link[len(origin) :]
        raise GiveUp(
            "The platform sent a link to another address.",
            why="Following it would hand our credential to a stranger.",
            fix="Report it to the people who run this installation.",
            cause="source_data",
            owner="the_platform",
            where=place(link),
        )

    def download(self, link: str) -> tuple[str, bool]:
        """The address of a prepared file, and whether it lies on the platform's own host.

        Beside the base counts as own: a sandbox keeps its files next to its shops, and no
        credential travels with a download.
        """
        if self.base:
            base = urlsplit(self.base)
            if _within(link, f"{base.scheme}://{base.netloc}"):
                return link, True
        for origin in self.hosts.values():
            if _within(link, origin):
                return self._at(origin) + link[len(origin) :], bool(self.base)
        from liftos_app.services.connectors.net import check_url

        check_url(link)
        return link, False

    def host_of(self, link: str) -> str:
        """The host in an origin the platform named, real or under a base; "" when it is none."""
        for base in filter(None, (self.base, self.browser_base)):
            if _within(link, base):
                return link[len(base) :].strip("/").lower()
        host = link.removeprefix("https://").rstrip("/").lower()
        return host if link.startswith("https://") else ""

    def _at(self, origin: str) -> str:
        """Where a real origin is reached."""
        if not self.base:
            return origin
        return f"{self.base}/{origin.removeprefix('https://')}" if self.by_host else self.base

    def _moved(self, real: str, base: str) -> str:
        filled = fill(real, self.values or {})
        if not base:
            return filled
        parts = urlsplit(filled)
        host = f"/{parts.netloc}" if self.by_host else ""
        return base + host + parts.path + (f"?{parts.query}" if parts.query else "")


def resolve(
    platform: Platform,
    settings: Settings,
    *,
    demo: bool,
    inputs: Mapping[str, str],
    origin: str = "",
) -> Addresses:
    """The addresses for a connection with these inputs. Raises Invalid for a wrong host input.

    `origin` is the allowed origin the person's browser uses; it defaults to the public address.
    """
    if WHOLE in platform.hosts.values():
        return _typed(platform, settings, demo=demo, inputs=inputs, origin=origin)
    values, by_host = _host_values(platform, inputs), bool(platform.keeps)
    hosts = {name: fill(host, values) for name, host in platform.hosts.items()}
    given = settings.platform_urls.get(platform.slug, "")
    if given:
        base = fill(given, values).rstrip("/")
        return Addresses(platform.slug, hosts, base, base, False, values, by_host)
    if demo:
        tail = f"/sandbox/{platform.slug}"
        if values and not by_host:
            tail += "/" + "/".join(quote(v, safe="") for v in values.values())
        outside = (origin or settings.public_url).rstrip("/")
        return Addresses(
            platform.slug, hosts, settings.self_url + tail, outside + tail, False, values, by_host
        )
    for host in hosts.values():
        if not host.startswith("https://"):
            raise ValueError(f"{platform.slug} has a host without https")
    return Addresses(platform.slug, hosts, "", "", bool(values), values, by_host)


def _typed(
    platform: Platform, settings: Settings, *, demo: bool, inputs: Mapping[str, str], origin: str
) -> Addresses:
    """The addresses of a system whose whole address a person typed. Raises Invalid, Fix."""
    from liftos_app.services.connectors.net import check_url

    value = str(inputs.get("base_url", "")).strip().rstrip("/")
    try:
        parts = urlsplit(value)
    except ValueError:  # an open bracket, say
        parts = urlsplit("")
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise Invalid(
            "The address of the system is missing.", why="It begins with https:// and a host.",
            fix="Enter it, such as https://erp.example.com.", field="base_url",
        )
    hosts, values = dict.fromkeys(platform.hosts, value), {"base_url": value}
    given = settings.platform_urls.get(platform.slug, "").rstrip("/")
    if given:
        base = given + parts.path
        return Addresses(platform.slug, hosts, base, base, False, values)
    if demo:
        tail = f"/sandbox/{platform.slug}{parts.path}"
        outside = (origin or settings.public_url).rstrip("/")
        return Addresses(
            platform.slug, hosts, settings.self_url + tail, outside + tail, False, values
        )
    ours = (settings.public_url, settings.self_url, *settings.origins)
    check_url(
        value, allow=settings.ssrf_allow, plain=inputs.get("allow_http") == "yes",
        own={urlsplit(address).hostname or "" for address in ours},
    )
    return Addresses(platform.slug, hosts, "", "", True, values, allow=settings.ssrf_allow)


def named(platform: Platform, addresses: Addresses, one: Kept, link: str) -> str:
    """The host the platform named, one of the forms allowed for it. Raises GiveUp."""
    host = addresses.host_of(link)
    if re.fullmatch(one.pattern, host):
        return host
    raise GiveUp(
        f"{platform.name} named an address that is not its own.",
        why="Going on there would hand our credential to a stranger.",
        fix="Start the sign-in again from LiftOS. If it stays so, report it.",
        cause="source_data",
        owner="the_platform",
        where=place(link),
    )


def told(
    platform: Platform, addresses: Addresses, params: Mapping[str, str]
) -> dict[str, str]:
    """Hosts named on the way back from the consent page, by `Kept.name`. Raises GiveUp."""
    return {
        one.name: named(platform, addresses, one, params[one.callback])
        for one in platform.keeps
        if params.get(one.callback)
    }


def fill(template: str, values: Mapping[str, str]) -> str:
    """A template with its {placeholders} filled; unknown ones stay."""
    return _PLACEHOLDER.sub(lambda m: values.get(m[1], m[0]), template)


def _host_values(platform: Platform, inputs: Mapping[str, str]) -> dict[str, str]:
    """The inputs that become part of a host, each of the one form allowed for it."""
    names = dict.fromkeys(n for h in platform.hosts.values() for n in _PLACEHOLDER.findall(h))
    values = {}
    kept = {k.name: k for k in platform.keeps}
    for name in names:
        value = str(inputs.get(name, "")).strip().lower()
        if name in kept or name not in _HOST_FORMS:
            value = _formed(platform, name, value, kept.get(name))
            if value:
                values[name] = value
            continue
        if not _HOST_FORMS[name].fullmatch(value):
            raise Invalid(
                "This is not a shop address.",
                why="It must be the shop's own address, such as your-shop.myshopify.com.",
                fix="Copy it from the address bar of the shop's admin; custom domains do not work.",
                field=name,
            )
        values[name] = value
    return values


def _formed(platform: Platform, name: str, value: str, kept: Kept | None) -> str:
    """A part of a host in the form of its `Kept` or its input. Raises Invalid; "" is not named."""
    one = _input(platform, name)
    if kept is not None:
        value = value or kept.default
        if not value:
            return ""
    pattern = kept.pattern if kept is not None else one.pattern if one is not None else ""
    if pattern and re.fullmatch(pattern, value):
        return value
    raise Invalid(
        f"This is not an address of {platform.name}.",
        why=(one.wrong if one is not None else "") or "It does not have the form of its hosts.",
        fix=one.help if one is not None else "Sign in again.",
        field=name,
    )


def _input(platform: Platform, name: str) -> Input | None:
    return next((i for m in platform.auth for i in m.inputs if i.name == name), None)


def _within(link: str, base: str) -> bool:
    """Whether a link lies under a base: same scheme, host and port, and below its path."""
    try:
        one, other = urlsplit(link), urlsplit(base)
        if one.username is not None or one.password is not None or "\\" in link:
            return False
        same = (one.scheme, one.hostname, one.port) == (other.scheme, other.hostname, other.port)
    except ValueError:
        return False
    return same and (one.path == other.path or one.path.startswith(other.path.rstrip("/") + "/"))
