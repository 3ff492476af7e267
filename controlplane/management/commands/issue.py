"""`manage.py issue`"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, ClassVar

import orjson
from django.core.management.base import CommandParser

from controlplane.cli.arguments import add_yes
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.issues import issues_of
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer
from controlplane.cli.table import table
from controlplane.cli.text import printable
from supervision.explain.words import count

Options = Mapping[str, Any]
HEADS = ("ISSUE", "STATUS", "EVENTS", "LAST SEEN", "CHILD", "TITLE")
MOST_TITLE = 80
OF_STATUS: Mapping[str, tuple[str, ...]] = {
    "resolved": ("release", "in_next_release"),
    "archived": ("until_at", "until_events", "until_users", "until_escalating"),
}
"""Options that belong to what is decided."""


def _list(invocation: Invocation, options: Options) -> None:
    found = issues_of(invocation.remote).listed(options["filter"], options["limit"])
    rows = [
        [one["short_id"], one["status"], str(one["count"]), _moment(one["last_seen"]), one["child"],
         printable(one["title"])[:MOST_TITLE]]
        for one in found
    ]  # fmt: skip
    answer(
        invocation,
        {"issues": [dict(one) for one in found]},
        lambda: table(HEADS, rows, invocation.terminal, empty="No issue is like that."),
    )


def _show(invocation: Invocation, options: Options) -> None:
    found = issues_of(invocation.remote).shown(options["name"])

    def lines() -> list[str]:
        around = found["around"] or {}
        told = [
            f"{found['short_id']}  {found['status']}  {printable(found['title'])}",
            f"{found['count']} events, the last {_moment(found['last_seen'])}, since {_moment(found['first_seen'])}",
            printable(f"at {found['culprit']}"),
        ]
        if around:
            life = f"incarnation {around['incarnation']} of " if around["incarnation"] else ""
            told.append(f"in {life}{around['key']}")
        told += [printable(f"    {link['text']}") for link in around.get("chain", ())]
        told += [f"    restarted with it: {key}" for key in around.get("restarted", ())]
        told.append(f"one by {found['because'].get('rule', '?')}")
        told += [printable(f"    {part}") for part in found["because"].get("parts", ())]
        return told + [
            f"hash {one['hash']}{' pinned' if one['pinned'] else ''}" for one in found.get("hashes", ())
        ]

    answer(invocation, found, lines)


def _events(invocation: Invocation, options: Options) -> None:
    found = issues_of(invocation.remote).events(options["name"], options["limit"])
    rows = [[one["event_id"], _moment(one["at"]), one["release"], one["child"]] for one in found]
    answer(
        invocation,
        {"events": [dict(one) for one in found]},
        lambda: table(("EVENT", "AT", "RELEASE", "CHILD"), rows, invocation.terminal, empty="None is kept."),
    )


def _event(invocation: Invocation, options: Options) -> None:
    """Whole, as JSON: a report has no other shape."""
    if not options["event"]:
        raise CliError("event needs --event ID", exit_code=ExitCode.USAGE)
    found = issues_of(invocation.remote).event(options["name"], options["event"])
    answer(
        invocation,
        found,
        lambda: orjson.dumps(dict(found), default=str, option=orjson.OPT_INDENT_2).decode().split("\n"),
    )


def _status(status: str) -> Do:
    def change(invocation: Invocation, options: Options) -> None:
        body: dict[str, Any] = {"status": status}
        said = {name: options[name] for name in OF_STATUS.get(status, ()) if options[name]}
        if "until_at" in said:
            said["until_at"] = _day(said["until_at"], remote=invocation.remote is not None)
        body |= said
        _say(invocation, issues_of(invocation.remote).changed(options["name"], body))

    return change


def _day(text: str, *, remote: bool) -> dt.datetime | str:
    """The moment, in UTC where nothing else is said; as text for REST."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CliError(
            f"--until: {text!r} is no moment like 2026-12-24 or 2026-12-24T08:00", exit_code=ExitCode.USAGE
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)
    return moment.isoformat() if remote else moment


def _assign(invocation: Invocation, options: Options) -> None:
    body = {"team": options["team"]} if options["team"] else {"assignee": options["to"]}
    _say(invocation, issues_of(invocation.remote).changed(options["name"], body))


def _watch(*, watching: bool) -> Do:
    def change(invocation: Invocation, options: Options) -> None:
        issues = issues_of(invocation.remote)
        found = issues.watched(options["name"], options["to"], watching=watching)
        names = ", ".join(found["watchers"]) or "nobody"
        answer(invocation, found, lambda: [f"{options['name']}  followed by {names}"])

    return change


def _say(invocation: Invocation, found: Body) -> None:
    owner = found["assignee"] or (f"#{found['team']}" if found["team"] else "")
    who = f", {owner}" if owner else ""
    answer(invocation, found, lambda: [f"{found['short_id']}  {found['status']}{who}"])


def _comment(invocation: Invocation, options: Options) -> None:
    if not options["message"]:
        raise CliError("comment needs -m TEXT", exit_code=ExitCode.USAGE)
    issues_of(invocation.remote).commented(options["name"], options["message"])
    answer(invocation, {"issue": options["name"], "ok": True}, lambda: [f"{options['name']}  said"])


def _merge(invocation: Invocation, options: Options) -> None:
    if not options["other"]:
        raise CliError("merge needs --other ISSUE", exit_code=ExitCode.USAGE)
    issues, name, others = issues_of(invocation.remote), options["name"], options["other"]
    plan = issues.merged(name, others, dry_run=True)
    kept = plan["issue"]
    what = f"{count(plan['matched'], 'issue')} with {count(plan['events'], 'event')}"
    if not plan["matched"]:
        answer(
            invocation,
            {"issue": kept["short_id"], "merged": 0, "moved": 0},
            lambda: ["They are one already."],
        )
        return
    confirm(
        f"Merge {what} into {kept['short_id']}, {printable(kept['title'])[:MOST_TITLE]}?",
        invocation.terminal,
        yes=options["yes"],
    )
    done = issues.merged(name, others, dry_run=False)
    answer(
        invocation,
        {"issue": kept["short_id"], "merged": done["matched"], "moved": done["events"]},
        lambda: [
            f"{kept['short_id']}  {count(done['matched'], 'issue')} with {count(done['events'], 'event')} came to it"
        ],
    )


def _part(invocation: Invocation, options: Options) -> None:
    if not options["hash"]:
        raise CliError("part needs --hash HASH; show lists them", exit_code=ExitCode.USAGE)
    new = issues_of(invocation.remote).parted(options["name"], options["hash"])
    answer(
        invocation,
        new,
        lambda: [f"{options['name']}  parted, {new['short_id']} is new, with {count(new['count'], 'event')}"],
    )


def _monitors(invocation: Invocation, _options: Options) -> None:
    found = issues_of(invocation.remote).monitors()
    rows = [
        [one["slug"], one["environment"], one["status"], _moment(one["last_seen"]), _moment(one["next_due"])]
        for one in found
    ]
    heads = ("MONITOR", "ENVIRONMENT", "STATUS", "LAST", "NEXT")
    answer(
        invocation,
        {"monitors": [dict(one) for one in found]},
        lambda: table(heads, rows, invocation.terminal, empty="No job is monitored."),
    )


def _lost(invocation: Invocation, options: Options) -> None:
    found = issues_of(invocation.remote).lost(options["name"], options["hours"])
    rows = [
        [_moment(one["hour"])[:16], str(one["count"]), one["category"], printable(one["words"]),
         "its SDK" if one["in_sdk"] else "here"]
        for one in found["items"]
    ]  # fmt: skip
    heads = ("HOUR", "COUNT", "CATEGORY", "WHY", "WHERE")

    def lines() -> list[str]:
        told = table(heads, rows, invocation.terminal, empty="Everything that came was stored.")
        return [*told] if found["is_whole"] else [*told, "There is more: ask for fewer hours."]

    answer(invocation, found, lines)


def _moment(text: str | None) -> str:
    """To the second; "-" for never."""
    return str(text)[:19].replace("T", " ") if text else "-"


class Command(StoreCommand):
    help = (
        "List, show, resolve, archive, mute, open, assign, follow, comment, merge and part issues of the error store; "
        "events and event show its reports, monitors the scheduled jobs, lost what was not stored of a project."
    )
    example = "manage.py issue list --filter 'open:true child:shop/api last_seen:<1d'"
    noun = "issue"
    alone: ClassVar[frozenset[str]] = frozenset({"list", "monitors"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "show": _show,
        "events": _events,
        "event": _event,
        "resolve": _status("resolved"),
        "archive": _status("archived"),
        "mute": _status("muted"),
        "open": _status("ongoing"),
        "assign": _assign,
        "watch": _watch(watching=True),
        "unwatch": _watch(watching=False),
        "comment": _comment,
        "merge": _merge,
        "part": _part,
        "monitors": _monitors,
        "lost": _lost,
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("--filter", default="open:true", metavar="FILTER", help="With list.")
        parser.add_argument("--limit", type=int, default=50, metavar="N", help="With list and events.")
        parser.add_argument("--hours", type=int, default=24, metavar="N", help="With lost: so many.")
        parser.add_argument("--event", metavar="ID", help="With event: which one.")
        parser.add_argument("--release", metavar="NAME", help="With resolve: the release that mends it.")
        parser.add_argument(
            "--next-release", dest="in_next_release", action="store_true",
            help="With resolve: the next release that is seen mends it.",
        )  # fmt: skip
        parser.add_argument(
            "--until", dest="until_at", metavar="MOMENT", help="With archive: until then, in UTC."
        )
        parser.add_argument(
            "--until-events", type=int, metavar="N", help="With archive: until so many more events came."
        )
        parser.add_argument(
            "--until-users",
            type=int,
            metavar="N",
            help="With archive: until it happened to so many more users.",
        )
        parser.add_argument(
            "--until-escalating",
            action="store_true",
            help="With archive: until it comes far more often than it did.",
        )
        parser.add_argument(
            "--to",
            metavar="USER",
            help="With assign: to whom; nobody without it. With watch, on this host: who.",
        )
        parser.add_argument("--team", metavar="TEAM", help="With assign: to a team instead.")
        parser.add_argument("-m", "--message", metavar="TEXT", help="With comment: what to say.")
        parser.add_argument(
            "--other", metavar="ISSUE", action="append", help="With merge: what comes to it; several times."
        )
        add_yes(parser)
        parser.add_argument(
            "--hash", metavar="HASH", action="append", help="With part: what goes into an issue of its own."
        )
