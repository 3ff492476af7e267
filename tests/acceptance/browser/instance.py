"""The trees of the instance that the tests in here look at.

Engine, courier, stores, web and page are real, and one instance serves every test here.
"""

GENEROUS_MS = 60_000
TREE = """version: 1
tree: shop
supervisor:
  strategy: rest_for_one
  children:
  - {id: web, process: {command: [/bin/sh, -c, "echo serving; echo WARNING: slow >&2; exec sleep 1000"]}}
  - {id: worker, instances: 3, process: {command: [/bin/sleep, "1000"]}}
  - id: jobs
    supervisor:
      children:
      - {id: mail, process: {command: [/bin/sleep, "1000"]}}
"""
LAB = """version: 1
tree: lab
supervisor:
  strategy: one_for_one
  intensity: 100
  children:
  - {id: web, process: {command: [/bin/sleep, "100000"]}}
  - id: jobs
    supervisor:
      strategy: one_for_all
      children:
      - {id: a, process: {command: [/bin/sleep, "100000"]}}
      - {id: b, process: {command: [/bin/sleep, "100000"]}}
"""
LONG = "a-process-with-a-name-of-sixty-three-letters-as-long-as-one-may"
LONG_TREE = "a-tree-whose-name-is-long-too-and-fills-a-line-of-a-telephone"
LONG_PARENT = "and-a-supervisor-in-it-that-somebody-named-with-care-and-love"
LONG_KEY = f"{LONG_TREE}/{LONG_PARENT}/{LONG}"
DEEP = f"""version: 1
tree: {LONG_TREE}
supervisor:
  children:
  - id: {LONG_PARENT}
    supervisor:
      children:
      - {{id: {LONG}, process: {{command: [/bin/sh, -c, "echo 'Ünïcode 日本語 ÄÖÜ'; exec sleep 100000"]}}}}
      - {{id: {LONG[:-4]}-2nd, process: {{command: [/bin/sleep, "100000"]}}}}
"""
