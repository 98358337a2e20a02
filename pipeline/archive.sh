#!/usr/bin/env bash
# Builds `quanci` for this machine and packs it: target/archives/quanci-VERSION-TRIPLE.tar.gz and its .sha256. The archive
# has the program, its completions and manual pages, the READMEs, the changelog and all licences.
#
# For Linux the program is one file that needs no library of the system, and is tried in a folder without any; this needs
# the static C library (Debian: libc6-dev). QUANCI_ARCHIVE_DYNAMIC=1 links the system's libraries instead. QUANCI_PROGRAM names
# a program that was built before. QUANCI_COMMIT names the commit where the sources are no repository. Python 3 collects the
# licences.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "pipeline/archive.sh: $*" >&2; exit 1; }
[ $# -eq 0 ] || fail "unknown argument $1: there are none"
command -v cargo >/dev/null || fail "cargo is missing: install Rust from https://rustup.rs"
command -v python3 >/dev/null || fail "python3 is missing: it collects the licences"

triple=$(rustc -vV | sed -n 's/^host: //p')
target=${CARGO_TARGET_DIR:-$PWD/target}
case $triple in
    *-linux-gnu)
        if [ -z "${QUANCI_ARCHIVE_DYNAMIC:-}" ]; then
            # Random numbers come from the kernel: a static program finds no other way but files of /dev.
            export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static --cfg=getrandom_backend=\"linux_getrandom\""
        fi
        ;;
esac
program=${QUANCI_PROGRAM:-$target/$triple/dist/quanci}
# With --target, RUSTFLAGS are for the program alone, not for macros and build scripts.
[ -n "${QUANCI_PROGRAM:-}" ] || cargo build --profile dist --locked --target "$triple" -p quanci-pipeline
version=$("$program" -V)
name=quanci-${version#quanci }-$triple
out=$target/archives
rm -rf "${out:?}/$name" "$out/$name.tar.gz" "$out/$name.tar.gz.sha256"
mkdir -p "$out/$name/completions"
install -m 755 "$program" "$out/$name/quanci"
cp README.md README.zh-CN.md CHANGELOG.md LICENSE "$out/$name/"
"$program" completions bash >"$out/$name/completions/quanci.bash"
"$program" completions zsh >"$out/$name/completions/_quanci"
"$program" completions fish >"$out/$name/completions/quanci.fish"
"$program" man "$out/$name/man/man1" --quiet >/dev/null
python3 pipeline/third-party.py "$triple" >"$out/$name/THIRD-PARTY.txt"

if [[ $triple == *-linux-* && ${RUSTFLAGS:-} == *+crt-static* ]]; then
    # Its own loader and libraries: nothing asks for the system's.
    if readelf --program-headers "$program" | grep -q INTERP; then fail "$program is not static"; fi
    # In a root with nothing else in it, where this user may have one.
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    install -m 755 "$program" "$place/quanci"
    cp corpora/samples/original/essays.txt "$place/"
    printf '%s\n' '[vocabulary]' 'path = "/vocab.txt"' 'size = 2000' '[[corpus]]' 'format = "paragraphs"' 'paths = ["/essays.txt"]' >"$place/vocab.toml"
    if unshare --user --map-root-user true 2>/dev/null; then
        unshare --user --map-root-user chroot "$place" /quanci vocab /vocab.toml --quiet >/dev/null || fail "$program does not run alone"
        [ -s "$place/vocab.txt" ] || fail "$program wrote no vocabulary"
        echo "pipeline/archive.sh: $name runs in a root without libraries" >&2
    else
        echo "pipeline/archive.sh: no root of its own can be had here: $name was not tried in one" >&2
    fi
fi

# The same bytes for the same files, where tar can.
how=()
if tar --version | grep -q GNU; then
    how=(--sort=name --owner=0 --group=0 --numeric-owner "--mtime=@${SOURCE_DATE_EPOCH:-0}" --mode=u+w,go-w)
fi
tar -C "$out" ${how[@]+"${how[@]}"} -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
(
    cd "$out"
    if command -v sha256sum >/dev/null; then sha256sum "$name.tar.gz"; else shasum -a 256 "$name.tar.gz"; fi >"$name.tar.gz.sha256"
)
rm -rf "${out:?}/$name"
echo "$out/$name.tar.gz"
