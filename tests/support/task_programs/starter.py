"""Starts a supervised task for each file `ask.N` in its directory, and says in `said.N` which, or what was refused.

starter.py DIRECTORY
"""

import itertools
import json
import sys
import time
from pathlib import Path

from overstory.celery import TaskSupervisor
from overstory.errors import Refused
from shop import app, until  # type: ignore[import-not-found]  # the program beside this one


def main() -> None:
    place = Path(sys.argv[1])
    supervisor = TaskSupervisor("starter", app)
    for number in itertools.count(1):
        asked = place / f"ask.{number}"
        while not asked.exists():  # audit: ignore[SUP207] for its test to end
            time.sleep(0.02)
        began = time.monotonic()
        try:
            said = {"id": supervisor.start_child(until, str(place / f"go.{number}")).id}
        except Refused as error:
            said = {"error": error.code}
        answer = place / f"said.{number}.new"
        answer.write_text(json.dumps(said | {"took_s": round(time.monotonic() - began, 2)}))
        answer.rename(place / f"said.{number}")


if __name__ == "__main__":
    main()
