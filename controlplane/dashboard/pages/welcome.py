"""Welcome: nothing runs yet; three lines, and what has come true of them."""

from controlplane.access.policy import Permission
from controlplane.dashboard.framework import Context, Page, PageRequest

LINES = (
    (
        ".venv/bin/python manage.py apply examples/site.yaml",
        "Declares a tree of example programs and starts it.",
    ),
    (".venv/bin/python manage.py tree --watch", "Shows it in the terminal, while this page shows it here."),
    (
        "pkill -9 -f -n greeter.py",
        "Ends one of its processes the hard way; its supervisor starts it again at once.",
    ),
)
"""In the folder that Overstory was started from."""


def select(request: PageRequest) -> Context:
    summary = request.reading.summary(request.visible, now=request.now)
    theirs = [tree for tree in summary["trees"] if tree["tree"] != "system"]
    running = any(tree["states"].get("running") for tree in theirs)
    members = list(request.reading.hub.fleet.members.values())
    restarted = any(member.get("restarts") for member in members if member["tree"] != "system")
    return {
        "lines": [{"text": text, "why": why} for text, why in LINES],
        "checklist": [
            {"text": "A node has joined", "done": bool(request.reading.hub.fleet.node_facts)},
            {"text": "A tree was applied", "done": bool(theirs)},
            {"text": "Its processes run", "done": running},
            {"text": "A process ended and was started again", "done": restarted},
        ],
    }


PAGE = Page(
    slug="welcome",
    title="Welcome",
    path="welcome",
    template="dashboard/welcome.html",
    select=select,
    may_open=lambda principal: principal.can(Permission.VIEW),
    topics={"summary": {}},
)
