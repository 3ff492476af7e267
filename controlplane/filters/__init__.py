"""One filter grammar for every list: pages, REST and live topics ask `state:failed tree:shop restarts:>3 "free text"`.

docs/live.md holds the grammar; static/js has its twin, and both pass tests/data/filter_cases.json.
"""
