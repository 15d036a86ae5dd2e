#!/usr/bin/env bash
# Installs the Debian packages that a step needs; does nothing where they are there.
#
#   install.sh run      what `make run` needs: cmake (libopus is built from its source), a voice for the demo prompts
#   install.sh test     what `make test` needs: robot phones, linphone, Chromium and its softphone, promtool, Kamailio
#   install.sh bench    what `make bench` needs
#
# Uses apt-get as root or through sudo. promtool and Kamailio are taken out of their packages without installing these,
# so that no service starts on this machine. The softphone's packages come by npm; Debian's Node.js is too old, so that
# it must be here. Quiet when there is nothing to do.
set -euo pipefail
cd "$(dirname "$0")/../.."

step=${1:-test}
# command:package
case $step in
    run) wanted=(cc:gcc cmake:cmake espeak-ng:espeak-ng) ;;
    test) wanted=(cc:gcc cmake:cmake espeak-ng:espeak-ng sipp:sip-tester baresip:baresip-core linphonec:linphone-cli chromium:chromium curl:curl ps:procps) ;;
    bench) wanted=(cc:gcc cmake:cmake curl:curl ps:procps) ;;
    *) echo "install.sh: unknown step '$step' (run, test, bench)" >&2; exit 2 ;;
esac

# The packages of web/softphone, as its lock file names them.
softphone() {
    local folder=web/softphone node log
    [ $folder/node_modules/.package-lock.json -nt $folder/package-lock.json ] && return
    node=$(node --version 2>/dev/null || echo none)
    node=${node#v} node=${node%%.*}
    if ! [ "$node" -ge 20 ] 2>/dev/null || ! command -v npm >/dev/null 2>&1; then
        echo "install.sh: please install Node.js 20 or newer with npm (https://nodejs.org), for the tests with a browser" >&2
        return 1
    fi
    log=$(mktemp)
    echo 'installing: packages of web/softphone' >&2
    if ! npm ci --prefix $folder --ignore-scripts --no-audit --no-fund >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    touch $folder/node_modules/.package-lock.json
    rm -f "$log"
}
[ "$step" != test ] || softphone

missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair#*:}")
done
# Packages to take a program out of, where the system has none.
unpack=()
if [ "$step" = test ]; then
    tools=target/tools
    command -v promtool >/dev/null 2>&1 || [ -x $tools/bin/promtool ] || unpack+=(prometheus)
    # A daemon: its folder is often not in PATH.
    [ -x /usr/sbin/kamailio ] || [ -x $tools/bin/kamailio ] || unpack+=(kamailio)
fi
[ ${#missing[@]} -eq 0 ] && [ ${#unpack[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "install.sh: no apt-get here; please install: ${missing[*]:-} ${unpack[*]:-}" >&2
    exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null || { [ -t 0 ] && command -v sudo >/dev/null 2>&1; }; then
        as_root=(sudo)
    else
        echo "install.sh: neither root nor sudo; please run: apt-get install ${missing[*]:-} ${unpack[*]:-}" >&2
        exit 1
    fi
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; return 1; }; }

echo "installing:${missing[*]:+ ${missing[*]}}${unpack[*]:+ (unpacked) ${unpack[*]}}" >&2
quietly "${as_root[@]}" apt-get update -qq
if [ ${#missing[@]} -gt 0 ]; then
    quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
for package in "${unpack[@]}"; do
    folder=$(mktemp -d)
    chmod 755 "$folder"
    (cd "$folder" && quietly apt-get download -qq "$package" && dpkg-deb -x "$package"_*.deb .)
    mkdir -p $tools/bin
    case $package in
        prometheus) cp "$folder/usr/bin/promtool" $tools/bin/ ;;
        kamailio)
            mkdir -p $tools/lib/kamailio/modules
            cp "$folder"/usr/lib/*/kamailio/modules/*.so $tools/lib/kamailio/modules/
            cp "$folder/usr/sbin/kamailio" $tools/bin/
            ;;
    esac
    rm -rf "$folder"
done
