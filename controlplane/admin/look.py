"""How the admin looks: our name, sign and colours, its rows grouped by what they are about, and the way back."""

from typing import Any

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import get_script_prefix, reverse

TITLES = {
    "access": "People and tokens",
    "agents": "Agents",
    "alerts": "Alerts",
    "auditlog": "Audit log",
    "audits": "Code audits",
    "fleet": "Nodes",
    "journal": "Journal and what runs",
    "operations": "Overstory itself",
    "programs": "Programs",
    "remediation": "Remediation",
    "samples": "Samples",
    "tasks": "Tasks and workers",
    "trees": "Trees and commands",
}
"""Of the modules that register models; one that is not here is called as its module."""
PLURALS = {"delivery": "deliveries"}
FIRST = ("trees", "fleet", "journal", "alerts", "access")


def site_address(_request: HttpRequest) -> str:
    return get_script_prefix()


def sign(_request: HttpRequest) -> str:
    return str(static("icons/favicon.svg"))


def sheet(_request: HttpRequest) -> str:
    return str(static("css/admin.css"))


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Groups of links, the ones that are wanted most first; before them the way back. Any: as unfold wants it."""
    from controlplane.admin.index import site  # it brings every model

    groups: dict[str, list[dict[str, Any]]] = {}
    for model, admin in site._registry.items():
        options = model._meta
        link = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
        title = PLURALS.get(str(options.model_name), str(options.verbose_name_plural))
        item = {"title": title[:1].upper() + title[1:], "link": link, "active": request.path.startswith(link)}
        groups.setdefault(type(admin).__module__.rpartition(".")[2], []).append(item)
    order = sorted(groups, key=lambda name: (FIRST.index(name) if name in FIRST else len(FIRST), name))
    return [
        {
            "items": [
                {
                    "title": "Back to the pages",
                    "icon": "arrow_back",
                    "link": get_script_prefix(),
                    "active": False,
                }
            ]
        },
        *(
            {
                "title": TITLES.get(name, name),
                "separator": True,
                "items": sorted(groups[name], key=lambda item: str(item["title"])),
            }
            for name in order
        ),
    ]


BASE = {
    "50": "#f7f8fa", "100": "#eff1f5", "200": "#e1e4ea", "300": "#c9ced8", "400": "#a9b0bb", "500": "#69717f",
    "600": "#4a5260", "700": "#363d49", "800": "#262b33", "900": "#12151a", "950": "#0b0d10",
}  # fmt: skip
PRIMARY = {
    "50": "#eef2ff", "100": "#e0e7ff", "200": "#c8d5ff", "300": "#a3b9ff", "400": "#7c9cff", "500": "#7c9cff",
    "600": "#3355d6", "700": "#2a46b4", "800": "#243b93", "900": "#1f3275", "950": "#151f48",
}  # fmt: skip
"""The tokens of our pages (static/css/tokens.css), and steps between them."""

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Overstory",
    "SITE_HEADER": "Overstory",
    "SITE_SUBHEADER": "every row, for admins",
    "SITE_URL": site_address,
    "SITE_ICON": sign,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": sign}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": True,
    "BORDER_RADIUS": "6px",
    "STYLES": [sheet],
    "COLORS": {"base": BASE, "primary": PRIMARY},
    "SIDEBAR": {"show_search": True, "show_all_applications": False, "navigation": navigation},
}
"""Unfold's settings."""
