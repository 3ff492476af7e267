"""Issues and monitors on the command line: on this host through the services, or over REST."""

import itertools
from collections.abc import Mapping
from typing import Any, Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.localerrors import project_called
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body

MATCH = {"If-Match": "*"}


class Issues(Protocol):
    """Where they are kept. Answers have the shapes of the API (docs/api.md)."""

    def listed(self, text: str, most: int) -> list[Body]: ...

    def shown(self, short_id: str) -> Body: ...

    def events(self, short_id: str, most: int) -> list[Body]: ...

    def event(self, short_id: str, event_id: str) -> Body: ...

    def changed(self, short_id: str, body: Mapping[str, Any]) -> Body:
        """`status` with what belongs to it, or `assignee`, or `team`."""

    def watched(self, short_id: str, user: str | None, *, watching: bool) -> Body:
        """Who follows it now."""

    def commented(self, short_id: str, text: str) -> None: ...

    def merged(self, short_id: str, others: list[str], *, dry_run: bool) -> Body:
        """What was done, or would be: `matched`, `events`, and the `issue` that stays."""

    def parted(self, short_id: str, hashes: list[str]) -> Body:
        """The new issue."""

    def monitors(self) -> list[Body]: ...

    def lost(self, project: str, hours: int) -> Body:
        """What was not stored of its reports."""


def issues_of(remote: Address | None) -> Issues:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def listed(self, text: str, most: int) -> list[Body]:
        return list(itertools.islice(self._api.pages("error_issues", filter=text or None), most))

    def shown(self, short_id: str) -> Body:
        found: Body = self._api.get(f"error_issues/{short_id}").body
        return found

    def events(self, short_id: str, most: int) -> list[Body]:
        return list(itertools.islice(self._api.pages(f"error_issues/{short_id}/events"), most))

    def event(self, short_id: str, event_id: str) -> Body:
        found: Body = self._api.get(f"error_issues/{short_id}/events/{event_id}").body
        return found

    def changed(self, short_id: str, body: Mapping[str, Any]) -> Body:
        found: Body = self._api.request(
            "PATCH", f"error_issues/{short_id}", body=dict(body), headers=MATCH
        ).body
        return found

    def commented(self, short_id: str, text: str) -> None:
        self._api.post(f"error_issues/{short_id}/comments", {"text": text})

    def merged(self, short_id: str, others: list[str], *, dry_run: bool) -> Body:
        found: Body = self._api.post(
            f"error_issues/{short_id}/merge", {"others": others, "dry_run": dry_run}
        ).body
        return found

    def parted(self, short_id: str, hashes: list[str]) -> Body:
        found: Body = self._api.post(f"error_issues/{short_id}/part", {"hashes": hashes}).body
        return found

    def watched(self, short_id: str, user: str | None, *, watching: bool) -> Body:
        if user is not None:
            raise CliError("--to: whose token it is follows the issue", exit_code=ExitCode.USAGE)
        found: Body = self._api.post(f"error_issues/{short_id}/watch", {"watching": watching}).body
        return found

    def monitors(self) -> list[Body]:
        return list(self._api.pages("monitors"))

    def lost(self, project: str, hours: int) -> Body:
        found: Body = self._api.get(f"error_projects/{project}/discards", hours=hours).body
        return found


class Local:
    """Through the services, as whoever runs the command on the control plane's host. Imports wait until Django is there."""

    def listed(self, text: str, most: int) -> list[Body]:
        from controlplane.api.errors import render_issue
        from controlplane.filters.grammar import FilterError
        from controlplane.filters.issues import issue_condition
        from supervision.errors.store.selectors import issues

        try:
            terms = issue_condition(text)
        except FilterError as error:
            raise CliError(f"{error.message}, at character {error.at + 1}", code="invalid") from None
        return [render_issue(issue) for issue in issues(trees=None).filter(terms)[:most]]

    def shown(self, short_id: str) -> Body:
        from controlplane.api.around import around
        from controlplane.api.errors import render_issue
        from supervision.errors.store.owning import watchers_of
        from supervision.errors.store.selectors import event_of

        issue = self._find(short_id)
        newest = event_of(issue)
        return {
            **render_issue(issue),
            "because": issue.because,
            "hashes": [
                {"algorithm": one.algorithm, "hash": one.hash, "pinned": one.pinned}
                for one in issue.hashes.all()[:500]
            ],
            "watchers": watchers_of(issue),
            "around": around(newest) if newest is not None else None,
        }

    def events(self, short_id: str, most: int) -> list[Body]:
        from controlplane.api.errors import render_event
        from supervision.errors.store.selectors import events

        return [render_event(event) for event in events(self._find(short_id), most=most)]

    def event(self, short_id: str, event_id: str) -> Body:
        from controlplane.api.errors import render_event
        from supervision.errors.store.bodies import unpacked
        from supervision.errors.store.selectors import event_of

        event = event_of(self._find(short_id), event_id)
        if event is None:
            raise CliError(f"{short_id} has no event {event_id}", exit_code=ExitCode.NOT_FOUND)
        return {**render_event(event), "data": unpacked(event.data)}

    def changed(self, short_id: str, body: Mapping[str, Any]) -> Body:
        from controlplane.api.errors import render_issue
        from supervision.errors.store import issues
        from supervision.errors.store.owning import team_called

        issue = self._find(short_id)
        if "status" in body:
            self._do(issues.set_status, issue=issue, **issues.decision_of(body))
        if "assignee" in body:
            user = self._user(body["assignee"]) if body["assignee"] is not None else None
            self._do(issues.assign, issue=issue, user=user)
        if "team" in body:
            team = team_called(body["team"])
            if team is None:
                raise CliError(f"there is no team {body['team']}", exit_code=ExitCode.NOT_FOUND)
            self._do(issues.assign, issue=issue, team=team)
        return render_issue(self._find(short_id))

    def watched(self, short_id: str, user: str | None, *, watching: bool) -> Body:
        from django.utils import timezone

        from supervision.errors.store import owning

        if user is None:
            raise CliError("say who with --to USER", exit_code=ExitCode.USAGE)
        issue = self._find(short_id)
        owning.watch(issue=issue, user=self._user(user), watching=watching, now=timezone.now())
        return {"watchers": owning.watchers_of(issue)}

    def commented(self, short_id: str, text: str) -> None:
        from supervision.errors.store import issues

        self._do(issues.comment, issue=self._find(short_id), text=text)

    def merged(self, short_id: str, others: list[str], *, dry_run: bool) -> Body:
        from controlplane.api.errors import render_issue
        from supervision.errors.store import joining

        found = [self._find(other) for other in others]
        into = self._find(short_id)
        if dry_run:
            plan = self._refused(joining.plan_merge, into=into, others=found)
        else:
            plan = self._do(joining.merge, into=into, others=found)
        kept = render_issue(self._find(plan.into.short_id))
        return {"matched": len(plan.issues), "events": plan.events, "issue": kept}

    def parted(self, short_id: str, hashes: list[str]) -> Body:
        from controlplane.api.errors import render_issue
        from supervision.errors.store import parting

        new = self._do(parting.part, issue=self._find(short_id), hashes=hashes)
        return render_issue(self._find(new.issue.short_id))

    def monitors(self) -> list[Body]:
        from controlplane.api.errorprojects import render_monitor
        from supervision.errors.store.selectors import monitors

        return [render_monitor(monitor) for monitor in monitors(trees=None)]

    def lost(self, project: str, hours: int) -> Body:
        from django.utils import timezone

        from controlplane.api.errorshapes import ErrorLostHoursShape
        from supervision.errors.store.lost import MOST_HOURS, lost_hours

        if not 1 <= hours <= MOST_HOURS:
            raise CliError(f"hours: between 1 and {MOST_HOURS}", code="invalid")
        found = lost_hours(project_called(project), now=timezone.now(), hours=hours)
        return dict(ErrorLostHoursShape(found).data)

    @staticmethod
    def _user(name: str) -> Any:
        """Any: as below."""
        from django.contrib.auth.models import User

        found = User.objects.filter(username=name, is_active=True).first()
        if found is None:
            raise CliError(f"there is no user {name}", exit_code=ExitCode.NOT_FOUND)
        return found

    @staticmethod
    def _find(short_id: str) -> Any:
        """Any: the row, whose class is not imported before Django is there."""
        from supervision.errors.exceptions import UnknownIssueError
        from supervision.errors.store.issues import find_issue

        try:
            return find_issue(short_id)
        except UnknownIssueError as error:
            raise CliError(str(error), exit_code=ExitCode.NOT_FOUND) from None

    @classmethod
    def _do(cls, deed: Any, **arguments: Any) -> Any:
        """Any: a service and what it takes."""
        from django.utils import timezone

        from controlplane.access.actors import local_actor

        return cls._refused(deed, **arguments, now=timezone.now(), actor=local_actor())

    @staticmethod
    def _refused(deed: Any, **arguments: Any) -> Any:
        """What the room says to it, or refuses. Any: as above."""
        from supervision.errors.exceptions import InvalidFieldError, TooManyToMergeError

        try:
            return deed(**arguments)
        except (InvalidFieldError, TooManyToMergeError) as error:
            raise CliError(str(error), code="invalid") from None
