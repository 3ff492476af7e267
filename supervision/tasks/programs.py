"""What programs ask and tell of tasks: from questions and events to services. Registered in the package's `ready()`.

A question may be put twice, as nobody knows whether it was answered when a connection is lost: each service says how it
takes that.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils import timezone

from supervision.journal.columns import storable
from supervision.programs.handlers import ProgramEvent, on_program_event
from supervision.programs.questions import Question, QuestionRefused, on_question
from supervision.tasks import attempts, children, operating, starting, workers
from supervision.tasks.admitting import PoolFullError
from supervision.tasks.attempts import Ending
from supervision.tasks.children import ChildTask
from supervision.tasks.exceptions import TaskError
from supervision.tasks.folding import MAX_TRACEBACK, Body, seconds, text, whole, whole_or_none
from supervision.tasks.models import MAX_APP, MAX_HOLDER, MAX_ID, MAX_NAME, MAX_QUEUE
from supervision.tasks.starting import PoolCannotKillError, Start
from supervision.tasks.states import Outcome
from supervision.tasks.telling import Told, take_in

MOST_IDS = 1000
ENDINGS: Mapping[str, Outcome] = {"done": Outcome.DONE, "failed": Outcome.FAILED, "revoked": Outcome.REVOKED}
Answer = dict[str, Any]
"""JSON."""


def start(question: Question) -> Answer:
    """`starts`: tasks to commit. Refused with `pool_full`, `pool_cannot_kill` or `task_refused`."""
    asked = question.body.get("starts")
    if not isinstance(asked, list):
        raise QuestionRefused("bad_request", "`starts` is a list")
    try:
        starts = [_start(each, question.key) for each in asked]
        made = starting.start_runs(starts=starts, node_id=question.node.pk, now=timezone.now())
    except PoolFullError as error:
        raise QuestionRefused("pool_full", str(error)) from None
    except PoolCannotKillError as error:
        raise QuestionRefused("pool_cannot_kill", str(error)) from None
    except TaskError as error:
        raise QuestionRefused("task_refused", str(error)) from None
    return {"started": len(made)}


def _start(asked: object, asker: str) -> Start:
    if not isinstance(asked, Mapping) or not isinstance(asked.get("spec"), dict):
        raise QuestionRefused("bad_request", "a start is an object with a `spec`")
    return Start(
        id=text(asked, "id", MAX_ID + 1), name=text(asked, "name", MAX_NAME + 1), app=text(asked, "app", MAX_APP + 1),
        queue=text(asked, "queue", MAX_QUEUE), supervisor=text(asked, "supervisor", 128),
        key=text(asked, "key", 2300), tree=asker.partition("/")[0], parent=text(asked, "parent", MAX_ID),
        spec=storable(dict(asked["spec"])),
    )  # fmt: skip


def start_child(question: Question) -> Answer:
    """`name`, `app`, `queue`, `digest`, `spec`: of the child that asks. Its key is its node's word, never its own."""
    body = question.body
    if not isinstance(body.get("spec"), dict):
        raise QuestionRefused("bad_request", "`spec` is an object")
    task = ChildTask(
        key=question.key, node_id=question.node.pk, name=text(body, "name", MAX_NAME), app=text(body, "app", MAX_APP),
        queue=text(body, "queue", MAX_QUEUE), digest=text(body, "digest", 64), spec=storable(dict(body["spec"])),
    )  # fmt: skip
    try:
        return children.start_child_task(task=task, now=timezone.now()).to_json()
    except PoolCannotKillError as error:
        raise QuestionRefused("pool_cannot_kill", str(error)) from None
    except TaskError as error:
        raise QuestionRefused("task_refused", str(error)) from None


def state(question: Question) -> Answer:
    """`id`."""
    return children.state_of(text(question.body, "id", MAX_ID))


def give_up(question: Question) -> Answer:
    """`ids`, `reason`, `message`: those that nobody has begun have failed; which."""
    reason, message = text(question.body, "reason", 300), text(question.body, "message", 1000)
    now = timezone.now()
    given_up = [
        each
        for each in _ids(question.body)
        if operating.give_up_run(run_id=each, reason=reason, message=message, now=now)
    ]
    return {"given_up": given_up}


def begin(question: Question) -> Answer:
    """`id`, `publication`, `holder`, `pid`, `token`."""
    body = question.body
    return attempts.begin_attempt(
        run_id=text(body, "id", MAX_ID), publication=whole(body, "publication"),
        holder=text(body, "holder", MAX_HOLDER), pid=whole(body, "pid") or None, token=text(body, "token", 32),
        now=timezone.now(),
    ).to_json()  # fmt: skip


def end(question: Question) -> Answer:
    """`id`, `epoch`, `outcome`, ...; the answer names the message to publish where it is to run again at once."""
    body, now = question.body, timezone.now()
    outcome = ENDINGS.get(text(body, "outcome", 10))
    if outcome is None:
        raise QuestionRefused("bad_request", f"an outcome is one of {', '.join(ENDINGS)}")
    run_id = text(body, "id", MAX_ID)
    ended = attempts.end_attempt(
        run_id=run_id, epoch=whole(body, "epoch"), ending=ending(outcome, body), now=now
    )
    answer = ended.to_json()
    if ended.accepted and ended.state == "retrying":
        answer["publish"] = workers.claim_due(run_id=run_id, now=now)
    return answer


def ending(outcome: Outcome, body: Body) -> Ending:
    """How an attempt ended, by its holder's own words."""
    return Ending(
        outcome,
        reason=text(body, "reason", 300),
        message=text(body, "message", 1000),
        traceback=text(body, "traceback", MAX_TRACEBACK),
        result=storable(body.get("result")),
        run_s=seconds(body, "run_s"),
    )


def outcomes(question: Question) -> Answer:
    """`ids`: those that ended, with how."""
    return {"ended": workers.outcomes_of(_ids(question.body))}


def withdraw(question: Question) -> Answer:
    """`ids`: nobody wants them any more."""
    by = text(question.body, "by", 128) or question.key
    now = timezone.now()
    return {
        "states": {each: operating.withdraw_run(run_id=each, by=by, now=now) for each in _ids(question.body)}
    }


def report(question: Question) -> Answer:
    """What a worker tells of itself; its errands."""
    body = question.body
    queues = body.get("queues")
    unacked = body.get("unacked")
    told = workers.Report(
        holder=text(body, "holder", MAX_HOLDER), worker=text(body, "worker", 255), app=text(body, "app", MAX_APP),
        pool=text(body, "pool", 40), concurrency=whole(body, "concurrency"), running=whole(body, "running"),
        tasks_total=whole(body, "tasks_total"), memory_bytes=whole_or_none(body, "memory_bytes"),
        unacked=unacked if isinstance(unacked, int) else None,
        queues=queues if isinstance(queues, Mapping) else {}, looks_only=body.get("looks_only") is True,
    )  # fmt: skip
    return workers.take_report(report=told, now=timezone.now()).to_json()


def answer_request(question: Question) -> Answer:
    """`request`, `answer`."""
    answer = question.body.get("answer")
    if not isinstance(answer, Mapping):
        raise QuestionRefused("bad_request", "`answer` is an object")
    request_id = text(question.body, "request", 36)
    return {"taken": workers.answer_request(request_id=request_id, answer=answer, now=timezone.now())}


def _ids(body: Body) -> list[str]:
    ids = body.get("ids")
    if not isinstance(ids, list) or len(ids) > MOST_IDS or not all(isinstance(each, str) for each in ids):
        raise QuestionRefused("bad_request", f"`ids` is a list of at most {MOST_IDS} ids")
    return [each[:MAX_ID] for each in ids]


def record(events: Sequence[ProgramEvent]) -> None:
    """Rows from what programs told."""
    take_in(events=[Told(event.kind, event.body) for event in events], now=timezone.now())


ANSWERS: Mapping[str, Callable[[Question], Answer]] = {
    "task.start": start,
    "task.start_child": start_child,
    "task.state": state,
    "task.give_up": give_up,
    "task.begin": begin,
    "task.end": end,
    "task.outcomes": outcomes,
    "task.withdraw": withdraw,
    "task.report": report,
    "task.answer": answer_request,
}


def register() -> None:
    """Once, when the package is ready."""
    for kind, answer in ANSWERS.items():
        on_question(kind)(answer)
    on_program_event("task.")(record)
    on_program_event("worker.")(record)
