"""Answers to questions about what only the host has: output, a plan with preflight, the seconds of samples.

A question is `{"op", "args", "reply", "deadline"}` in the list `overstory:ask:<node>`; the answer, `{"result"}` or
`{"error": {"code", "message"}}`, goes into the list that it names. Bounded in size and time, and from no other file than the
children's output: a key is looked up below the directory of logs and nowhere else.
"""

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from controlplane.courier.control import NodeControl
from controlplane.courier.many_outputs import ManyOutputs
from controlplane.courier.output_answers import Output
from controlplane.courier.sampling import SamplerClient
from controlplane.courier.session import Session
from supervision.runtime.client import ControlError

ASK = "overstory:ask:"
ANSWER = "overstory:answer:"
KEPT_S = 60
"""How long an answer waits for who asked."""
MAX_LIFE_S = 60.0
"""No question is worked on for longer, whatever deadline it names."""
POP_S = 1.0
WORKERS = 8
MAX_UNDER_WAY = 64
MAX_QUESTION = 20 << 20
PLAN_LIMIT_S = 20.0
READING = frozenset({"plan", "tree", "trees", "status", "strays", "spec"})
"""Operations of the control socket that change nothing; no other may be asked for here."""


class BadQuestionError(Exception):
    """The question cannot be answered; the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Answering:
    """The job `questions`."""

    def __init__(self, session: Session, client: redis.Redis) -> None:
        self.session = session
        self._redis = client
        self._list = ASK + session.node_id
        self._output = Output(session.paths.logs_dir, session.clock)
        self._many = ManyOutputs(session.paths.logs_dir, session.clock)
        self._workers = ThreadPoolExecutor(
            WORKERS, thread_name_prefix="question"
        )  # audit: ignore[SUP107] lives as long as the process
        self._under_way = 0
        self._lock = threading.Lock()
        self._answers: Mapping[str, Callable[[dict[str, Any], float], Any]] = {
            "logs": self._output.lines,
            "log_keys": self._output.keys,
            "follow": self._output.follow,
            "last_of_many": self._many.last,
            "follow_many": self._many.follow,
            "tail": self._output.tail,
            "samples": self._samples,
        }

    def step(self) -> float:
        """Take one question and have it answered."""
        found: Any = self._redis.blpop([self._list], timeout=POP_S)
        if found is None:
            return 0.0
        question = parse_question(found[1], now=self.session.clock.wall())
        if question is not None:
            with self._lock:
                is_too_much = self._under_way >= MAX_UNDER_WAY
                self._under_way += not is_too_much
            if is_too_much:
                self._reply(question["reply"], _error("unavailable", "too many questions at once; ask again"))
            else:
                self._workers.submit(
                    self._work, question
                )  # audit: ignore[SUP109] _work answers whoever asked
        return 0.0

    def _work(self, question: dict[str, Any]) -> None:
        try:
            self._reply(question["reply"], self._answer(question))
        except redis.RedisError:
            pass  # who asked hears nothing, and asks again or says so
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        op, args = question["op"], question["args"]
        left_s = min(question["deadline"] - self.session.clock.wall(), MAX_LIFE_S)
        if left_s <= 0:
            return _error("timeout", "the question was too old when the courier took it")
        try:
            if op in READING:
                return {"result": self._of_node(op, args, left_s)}
            answer = self._answers.get(op)
            if answer is None:
                raise BadQuestionError("bad_request", f"no question {op!r}")
            return {"result": answer(args, left_s)}
        except BadQuestionError as error:
            return _error(error.code, str(error))
        except ControlError as error:
            return _error(error.code, error.message) | {"error": _of(error)}
        except (KeyError, TypeError, ValueError) as error:
            return _error("bad_request", f"{type(error).__name__}: {error}")
        except OSError as error:
            return _error("internal", f"cannot be read: {error.strerror or error}")

    def _of_node(self, op: str, args: dict[str, Any], left_s: float) -> Any:
        control = NodeControl(self.session.paths)
        try:
            return control.call(op, timeout_s=min(left_s, PLAN_LIMIT_S), **args)
        finally:
            control.close()

    def _samples(self, args: dict[str, Any], left_s: float) -> Any:
        with SamplerClient(self.session.paths, timeout_s=min(left_s, 5.0)) as sampler:
            return sampler.history(str(args["key"]), float(args.get("seconds", 900)))

    def _reply(self, to: str, answer: dict[str, Any]) -> None:
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.rpush(to, json.dumps(answer, separators=(",", ":")))
            pipe.expire(to, KEPT_S)
            pipe.execute()


def parse_question(data: Any, *, now: float) -> dict[str, Any] | None:
    """None for what is no question, is too long, is over, or wants its answer somewhere else."""
    if not isinstance(data, bytes) or len(data) > MAX_QUESTION:
        return None
    try:
        body = json.loads(data)
        question: dict[str, Any] = {
            "op": str(body["op"]),
            "args": dict(body.get("args") or {}),
            "reply": str(body["reply"]),
            "deadline": float(body["deadline"]),
        }
    except (ValueError, KeyError, TypeError):
        return None
    return question if question["reply"].startswith(ANSWER) and question["deadline"] > now else None


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def _of(error: ControlError) -> dict[str, Any]:
    body: dict[str, Any] = {"code": error.code, "message": error.message, **error.details}
    return body if error.pointer is None else body | {"pointer": error.pointer}
