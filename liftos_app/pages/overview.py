"""Overview: how are we doing, and what needs me?"""

from __future__ import annotations

import reflex as rx

from liftos_app.components.page_header import page_header
from liftos_app.pages._page import page
from liftos_app.state.app import AppState


@page("/", title="Overview", icon="layout-dashboard", allow="metrics.read", order=1)
def overview() -> rx.Component:
    """Key figures, what needs attention, spend and revenue by day, by channel."""
    return rx.fragment(page_header("Overview", AppState.org_name))
