#!/usr/bin/env bash
# Builds the image of `quanci`: the program of one file from pipeline/archive.sh, and this machine's roots of trust for object
# stores.
#
#   pipeline/image.sh [TAG]     by default quanci
#
# Takes podman, docker or buildah, whichever is there; ENGINE names one. Options for its `build` go into ENGINE_OPTIONS.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "pipeline/image.sh: $*" >&2; exit 1; }
tag=${1:-quanci}
roots=/etc/ssl/certs/ca-certificates.crt
[ -e "$roots" ] || fail "$roots is missing: install ca-certificates"
if [ -z "${ENGINE:-}" ]; then
    for ENGINE in podman docker buildah none; do
        if command -v "$ENGINE" >/dev/null; then break; fi
    done
    [ "$ENGINE" != none ] || fail "podman, docker or buildah is needed"
fi

archive=$(bash pipeline/archive.sh)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
root=$place/root
mkdir -p "$root/usr/local/bin" "$root/usr/share/doc/quanci" "$root/etc/ssl/certs" "$root/tmp" "$root/work"
tar -C "$place" -xzf "$archive"
files=$place/$(basename "$archive" .tar.gz)
install -m 755 "$files/quanci" "$root/usr/local/bin/"
install -m 644 "$files/LICENSE" "$files/THIRD-PARTY.txt" "$root/usr/share/doc/quanci/"
install -m 644 "$roots" "$root/etc/ssl/certs/"
echo 'quanci:x:10001:10001::/work:/sbin/nologin' >"$root/etc/passwd"
chmod 1777 "$root/tmp" "$root/work"
tar -C "$root" --sort=name --owner=0 --group=0 --numeric-owner "--mtime=@${SOURCE_DATE_EPOCH:-0}" -cf "$place/root.tar" .
# shellcheck disable=SC2086 # options are words
"$ENGINE" build ${ENGINE_OPTIONS:-} --file pipeline/Containerfile --tag "$tag" "$place"
