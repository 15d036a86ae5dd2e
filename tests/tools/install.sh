#!/usr/bin/env bash
# Installs the Debian packages that a step needs; does nothing where they are there.
#
#   install.sh run      what `make run` needs: a voice for the demo prompts
#   install.sh test     what `make test` needs: robot phones, promtool
#   install.sh bench    what `make bench` needs
#
# Uses apt-get as root or through sudo. promtool is taken out of its package without installing the server that comes
# with it, so that no service starts on this machine. Quiet when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/../.."

step=${1:-test}
# command:package
case $step in
    run) wanted=(cc:gcc espeak-ng:espeak-ng) ;;
    test) wanted=(cc:gcc espeak-ng:espeak-ng sipp:sip-tester baresip:baresip-core curl:curl ps:procps) ;;
    bench) wanted=(cc:gcc curl:curl ps:procps) ;;
    *) echo "install.sh: unknown step '$step' (run, test, bench)" >&2; exit 2 ;;
esac

missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair#*:}")
done
promtool=target/tools/bin/promtool
want_promtool=no
if [ "$step" = test ] && ! command -v promtool >/dev/null 2>&1 && [ ! -x "$promtool" ]; then want_promtool=yes; fi
[ ${#missing[@]} -eq 0 ] && [ "$want_promtool" = no ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "install.sh: no apt-get here; please install: ${missing[*]:-} promtool" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null 2>&1; }; then
        as_root=(sudo)
    else
        echo "install.sh: neither root nor sudo; please run: apt-get install ${missing[*]:-} prometheus" >&2
        exit 1
    fi
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }; }

echo "installing:${missing[*]:+ ${missing[*]}}$([ $want_promtool = no ] || echo ' promtool')" >&2
quietly "${as_root[@]}" apt-get update -qq
if [ ${#missing[@]} -gt 0 ]; then
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
if [ $want_promtool = yes ]; then
    folder=$(mktemp -d)
    chmod 755 "$folder"
    (cd "$folder" && quietly apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .)
    mkdir -p target/tools/bin
    cp "$folder/usr/bin/promtool" "$promtool"
    rm -rf "$folder"
fi
