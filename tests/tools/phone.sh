#!/usr/bin/env bash
# A telephone in the terminal (baresip), for trying Hatif without any phone or sound card.
#
#   phone.sh call 500                a customer calls 500; then press keys: 1, 2, … go to the call, b hangs up, q quits
#   phone.sh agent 101 PASSWORD      an agent's phone: registers and answers by itself; q quits
#   phone.sh agent 201 PASSWORD '*81101'   a registered phone that dials at once (here: 201 listens to 101)
#
# SERVER (default 127.0.0.1:5060) is Hatif. What the phone hears is written to a WAV file, whose name is shown. What it
# says is a tone; with a headset say AUDIO=alsa,default.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
if ! command -v baresip >/dev/null 2>&1; then tests/tools/install.sh test; fi

server=${SERVER:-127.0.0.1:5060}
modules=$(dirname "$(find /usr/lib /usr/local/lib -path '*baresip/modules/g711.so' -print -quit 2>/dev/null || true)")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
dial=()
case $1 in
    call)
        account="<sip:0501234567@customer.example>;regint=0;outbound=\"sip:$server\""
        tone=1004 heard=${TMPDIR:-/tmp}/hatif-customer.wav
        dial=(-e "/dial sip:$2@$server")
        ;;
    agent)
        account="<sip:$2@$server>;auth_user=$2;auth_pass=${3:?the password that serve --dev prints};answermode=auto;regint=300"
        tone=604 heard=${TMPDIR:-/tmp}/hatif-$2.wav
        if [ $# -ge 4 ]; then dial=(-e "/dial sip:$4@$server"); fi
        ;;
    *) echo "phone.sh: unknown phone '$1' (call, agent)" >&2; exit 2 ;;
esac
source=ausine,$tone player=aufile,$heard
extra=
if [ -n "${AUDIO:-}" ]; then source=$AUDIO player=$AUDIO heard='your headset' extra="module ${AUDIO%%,*}.so"; fi
cat >"$folder/config" <<END
module_path $modules
sip_listen 127.0.0.1:0
audio_source $source
audio_player $player
audio_alert aufile,$folder/alert.wav
ausrc_srate 48000
auplay_srate 8000
ausrc_channels 2
auplay_channels 1
module stdio.so
module g711.so
module aufile.so
module ausine.so
$extra
module_tmp account.so
module_app menu.so
END
echo "$account" >"$folder/accounts"
: >"$folder/contacts"
echo "hears into: $heard" >&2
baresip -f "$folder" "${dial[@]}"
