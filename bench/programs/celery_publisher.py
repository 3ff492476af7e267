"""Publishes for the benchmark as the application `shop`: a line `COUNT` or `COUNT SECONDS` in, a line `done` out.

With SECONDS apart the tasks say when they were published and when they began (`lag`); else they rest 10 ms, or do nothing.
"""

import sys
import time

import shop  # type: ignore[import-not-found]  # on the path that the benchmark gives

TASKS = {"rest": (shop.rest, (0.01,)), "noop": (shop.noop, ())}


def main() -> None:
    with shop.app.producer_pool.acquire(block=True) as producer:
        for line in sys.stdin:
            name, count = line.split()
            for number in range(int(count)):
                if name == "lag":
                    shop.note("sent", number)
                    shop.lag.apply_async((number,), producer=producer, ignore_result=True)
                    time.sleep(0.05)  # it is over before the next one comes
                else:
                    task, arguments = TASKS[name]
                    task.apply_async(arguments, producer=producer, ignore_result=True)
            sys.stdout.write("done\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
