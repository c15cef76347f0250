"""What the page is built with, and which origins may open its socket. Import-light on purpose."""

import reflex as rx

from liftos_app import config as liftos_config
from liftos_app.rxplugins import FullNavigationPlugin, SameOriginPlugin

_settings = liftos_config.load(keep_secrets=False)

config = rx.Config(
    app_name="liftos_app",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    state_manager_mode="redis" if _settings.redis_url else "memory",
    redis_url=_settings.redis_url or None,
    cors_allowed_origins=list(_settings.origins),
    default_color_mode="system",
    frontend_lazy_bundled_libraries=True,
    plugins=[SameOriginPlugin(), FullNavigationPlugin()],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
