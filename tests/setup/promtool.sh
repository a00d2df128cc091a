#!/usr/bin/env bash
# Prints the path of Prometheus' promtool: the installed one, or the one of Debian's package prometheus, unpacked inside
# target/. Never installs anything.
set -euo pipefail

if command -v promtool; then exit 0; fi
echo "$("$(dirname "$0")/debian" prometheus)/usr/bin/promtool"
