#!/usr/bin/env bash
# Puts packages into an apt repository on a folder and signs it; the folder can then be served by any web server.
#   publish-apt.sh FOLDER KEY PACKAGE.deb...
# KEY names a secret key of gpg (fingerprint or address). Packages that the folder has already stay: an upgrade finds the
# newest version, and an older one can still be asked for. Needs apt-ftparchive (apt-utils), gpg and dpkg-deb.
# Never uploads anything.
set -euo pipefail

if [ $# -lt 3 ]; then
  sed -n '2,6s/^# //p' "$0" >&2
  exit 64
fi
folder=$1 key=$2
shift 2
suite=stable component=main

for package in "$@"; do
  name=$(dpkg-deb --field "$package" Package)
  version=$(dpkg-deb --field "$package" Version)
  architecture=$(dpkg-deb --field "$package" Architecture)
  # A colon (an epoch) has no place in a file's name.
  target=$folder/pool/$component/${name}_${version//:/%3a}_$architecture.deb
  if [ -e "$target" ] && ! cmp -s "$package" "$target"; then
    echo "$target is there already with other bytes: a version is published once" >&2
    exit 1
  fi
  install -D -m 0644 "$package" "$target"
done

cd "$folder"
dist=dists/$suite
for architecture in $(for file in "pool/$component"/*.deb; do dpkg-deb --field "$file" Architecture; done | sort -u); do
  index=$dist/$component/binary-$architecture
  mkdir -p "$index"
  apt-ftparchive --arch "$architecture" packages "pool/$component" >"$index/Packages"
  gzip --keep --force --no-name "$index/Packages"
done
architectures=$(cd "$dist/$component" && printf '%s ' binary-* | sed 's/binary-//g; s/ $//')

# Written beside and moved, so that no client ever sees half of it.
apt-ftparchive \
  -o APT::FTPArchive::Release::Origin=ditto -o APT::FTPArchive::Release::Label=ditto \
  -o APT::FTPArchive::Release::Suite=$suite -o APT::FTPArchive::Release::Codename=$suite \
  -o "APT::FTPArchive::Release::Architectures=$architectures" -o APT::FTPArchive::Release::Components=$component \
  release "$dist" >Release.new
gpg --batch --yes --local-user "$key" --armor --detach-sign --output Release.gpg.new Release.new
gpg --batch --yes --local-user "$key" --clearsign --output InRelease.new Release.new
mv Release.new "$dist/Release"
mv Release.gpg.new "$dist/Release.gpg"
mv InRelease.new "$dist/InRelease"
gpg --batch --yes --armor --output ditto-archive-keyring.asc --export "$key"
echo "$folder: $(find "pool/$component" -name '*.deb' | wc -l) packages for $architectures"
