#!/usr/bin/env bash
# Prints the path of Prometheus' promtool: the installed one, or one unpacked from Debian's prometheus package into
# target/setup/promtool. Never installs anything.
set -euo pipefail

if command -v promtool; then exit 0; fi

root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${CARGO_TARGET_DIR:-$root/target}/setup/promtool
if [ ! -x "$folder/usr/bin/promtool" ]; then
  command -v apt-get >/dev/null || { echo "promtool needs Debian's apt-get" >&2; exit 1; }
  rm -rf "$folder.new"
  mkdir -p "$folder.new"
  (cd "$folder.new" && apt-get download -qq prometheus >&2 && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
  rm -rf "$folder"
  mv "$folder.new" "$folder"
fi
echo "$folder/usr/bin/promtool"
