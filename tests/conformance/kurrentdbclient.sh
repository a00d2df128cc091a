#!/usr/bin/env bash
# Runs the insecure class of the kurrentdbclient test suite against a fresh development server:
#   kurrentdbclient.sh SUITE_DIR
# SUITE_DIR is a checkout of github.com/pyeventsourcing/kurrentdbclient at the version of the package in
# tests/setup/python.in (1.0.4: commit 9a4696b). Which tests are run and how each must end is in kurrentdbclient.txt;
# tests of projections are left out, since the development server has no projections engine. Exit status 1: some test
# ended otherwise. Never copies anything of the suite.
set -euo pipefail

suite=${1:?usage: kurrentdbclient.sh SUITE_DIR}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=$("$root/tests/setup/python")

programs=$("$root/tests/setup/programs")
exec {output}< <(exec "$programs/devstore" --listen 127.0.0.1:0)
server=$!
trap 'kill "$server" 2>/dev/null || true' EXIT
# Its first line tells the address; a server that fails to start closes its output instead.
read -r -t 60 line <&"$output"
address=${line##* }

KURRENTDB_DOCKER_IMAGE=23.10 "$python" "$here/python_suite.py" "$suite" "$address" "$here/kurrentdbclient.txt"
