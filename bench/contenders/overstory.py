"""Overstory: a guardian with its node, and one tree whose children name no user; or name one (`user:`)."""

from bench.contenders.contender import Contender
from bench.engine import Engine, tree
from supervision.runtime.client import ControlClient, Pending

TREE = "bench"


class Overstory(Contender):
    """The node stands by when children are asked for, as it does for its user. Stops one after the other, as OTP does."""

    name = "Overstory"
    engine: Engine | None = None
    on_guardian_death = "stop"
    _client: ControlClient | None = None
    _stop: Pending | None = None
    _knows = False

    def prepare(self) -> None:
        self.engine = Engine(
            self.room.directory, self.room.environment(), on_guardian_death=self.on_guardian_death
        )
        self.engine.start()
        self._client = self.engine.client()

    def launch(self) -> None:
        """The first time apply the tree, which starts it; behind a stop start what is known."""
        if self._knows:
            self.client.call("start", key=TREE)
            return
        argvs = [self.room.argv(index) for index in range(self.room.count)]
        spec = tree(TREE, argvs, user=self.room.user, stop=self.room.stop)
        self.client.call("apply", spec=spec, message="bench")
        self._knows = True

    @property
    def client(self) -> ControlClient:
        if self._client is None:
            raise RuntimeError("not prepared")
        return self._client

    @property
    def running(self) -> Engine:
        if self.engine is None:
            raise RuntimeError("not prepared")
        return self.engine

    def halt(self) -> None:
        self._stop = self.client.begin("stop", key=TREE)

    def halted(self) -> None:
        if self._stop is not None:
            self.client.poll(self._stop, timeout_s=60)
            self._stop.value()

    def daemons(self) -> list[int]:
        """Guardian and node. Their helpers, which may die at any time, are counted apart."""
        return [self.running.guardian_pid(), self.running.node_pid()]

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self.engine is not None:
            self.engine.close()


class OverstoryUser(Overstory):
    """Children that run as another user than the node, which takes the exec shim."""

    name = "Overstory, user:"


class OverstoryAtOnce(Overstory):
    """Asked for children the moment its node answers: it has no spare output files yet, and its helpers are starting."""

    name = "Overstory, just started"


class OverstoryParallel(Overstory):
    """`stop: parallel`."""

    name = "Overstory, stop: parallel"


class OverstoryPromoting(Overstory):
    """`--on-guardian-death=promote`, as services run it."""

    name = "Overstory, promote"
    on_guardian_death = "promote"
