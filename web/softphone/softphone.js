// A SIP phone over WebSocket: one line, one talk at a time. Everything it can do is a function of `window.softphone`,
// for the buttons of the page and for tests (tests/browser/driver.mjs).

const JsSIP = globalThis.JsSIP;
// A steady tone is noise or echo to a browser's cleaning, which takes it away; and agents' headsets need none of it.
const MICROPHONE = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
// What is kept of what was heard, in pieces of 100 ms.
const HEARD_MAX = 1200;

const state = {
  connected: false,
  registered: false,
  cause: null,
  calls: 0,
  call: null, // the talk: { direction, remote, state, heldByUs, heldByThem, code, cause, keys }
};
let ua = null;
let session = null;
let autoAnswer = false;
let audio = null;
let node = null;
let source = null;
let heard = [];

function changed(changes) {
  Object.assign(state, changes);
  show();
}

function changeCall(of, changes) {
  if (of !== session) return;
  Object.assign(state.call, changes);
  show();
}

/** Registers; an older registration of this page ends. */
async function start(options) {
  stop();
  autoAnswer = options.autoAnswer ?? false;
  await listen();
  const socket = new JsSIP.WebSocketInterface(options.server);
  ua = new JsSIP.UA({
    sockets: [socket],
    uri: options.uri,
    password: options.password ?? '',
    display_name: options.name ?? '',
    register: options.register ?? true,
    register_expires: options.expires ?? 120,
    session_timers: options.sessionTimers ?? true,
    connection_recovery_min_interval: 1,
    connection_recovery_max_interval: 4,
    user_agent: 'Hatif softphone',
  });
  ua.on('connected', () => changed({ connected: true }));
  ua.on('disconnected', () => changed({ connected: false, registered: false }));
  ua.on('registered', () => changed({ registered: true, cause: null }));
  ua.on('unregistered', () => changed({ registered: false }));
  ua.on('registrationFailed', (e) => changed({ registered: false, cause: e.cause }));
  ua.on('newRTCSession', ({ originator, session: next, request }) => begin(originator, next, request));
  ua.start();
}

function stop() {
  if (ua) ua.stop();
  ua = null;
  changed({ connected: false, registered: false });
}

/** A talk begins; a second one while it lasts is told that we are busy. */
function begin(originator, next, request) {
  if (session && !session.isEnded()) {
    if (originator === 'remote') next.terminate({ status_code: 486 });
    return;
  }
  session = next;
  state.calls += 1;
  changed({
    call: {
      direction: originator === 'remote' ? 'in' : 'out',
      remote: next.remote_identity.uri.toString(),
      name: next.remote_identity.display_name ?? '',
      state: originator === 'remote' ? 'ringing' : 'calling',
      heldByUs: false,
      heldByThem: false,
      code: null,
      cause: null,
      keys: '',
    },
  });
  next.on('progress', () => changeCall(next, { state: 'ringing' }));
  next.on('accepted', () => changeCall(next, { state: 'answered' }));
  next.on('confirmed', () => changeCall(next, { state: 'talking' }));
  const ended = (e) => changeCall(next, { state: 'ended', code: e.message?.status_code ?? null, cause: e.cause });
  next.on('ended', ended);
  next.on('failed', ended);
  const held = (to) => (e) => changeCall(next, { [e.originator === 'local' ? 'heldByUs' : 'heldByThem']: to });
  next.on('hold', held(true));
  next.on('unhold', held(false));
  next.on('newDTMF', (e) => {
    if (e.originator === 'remote') changeCall(next, { keys: state.call.keys + e.dtmf.tone });
  });
  // An outgoing talk has its connection already, an incoming one gets it with the answer.
  if (next.connection) follow(next.connection);
  next.on('peerconnection', (e) => follow(e.peerconnection));
  if (originator === 'remote' && (autoAnswer || answersItself(request))) answer();
}

/** Whether the INVITE is to be answered without a hand (RFC 5373, and two older ways): our talk that a reload interrupted. */
function answersItself(request) {
  const says = (name) => (request.getHeader(name) ?? '').toLowerCase();
  return /^\s*auto\b/.test(says('Answer-Mode'))
    || /;\s*info=alert-autoanswer\b/.test(says('Alert-Info'))
    || /;\s*answer-after=0\b/.test(says('Call-Info'));
}

function follow(connection) {
  connection.addEventListener('track', (e) => hear(new MediaStream([e.track])));
}

function options() {
  return {
    mediaConstraints: { audio: MICROPHONE, video: false },
    pcConfig: { iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' },
  };
}

function call(target) {
  ua.call(target, options());
}

function answer() {
  session.answer(options());
}

function hangup() {
  if (session && !session.isEnded()) session.terminate();
}

/** Resolves when the peer has agreed; rejects when it refuses or another change is under way. */
function renegotiated(act) {
  return new Promise((resolve, reject) => {
    session.once('ended', () => reject(new Error('the call ended')));
    if (!act(resolve)) reject(new Error('not now'));
  });
}

const hold = () => renegotiated((done) => session.hold({}, done));
const unhold = () => renegotiated((done) => session.unhold({}, done));
/** New ICE names and paths (RFC 8445 §9), by a re-INVITE: as after a change of networks. */
const restart = () => renegotiated((done) => session.renegotiate({ rtcOfferConstraints: { iceRestart: true } }, done));

/** Keys as RFC 4733 events, or as INFO. */
function keys(digits, { info = false, durationMs = 100, gapMs = 100 } = {}) {
  session.sendDTMF(digits, {
    transportType: info ? 'INFO' : 'RFC2833',
    duration: durationMs,
    interToneGap: gapMs,
  });
}

// ---- Hearing ------------------------------------------------------------------------------------------------------

async function listen() {
  if (audio) return audio.resume();
  audio = new AudioContext({ sampleRate: 48000 });
  await audio.audioWorklet.addModule('capture.js');
  node = new AudioWorkletNode(audio, 'capture', { channelCount: 1, channelCountMode: 'explicit' });
  node.port.onmessage = (e) => {
    heard.push(e.data);
    if (heard.length > HEARD_MAX) heard.shift();
  };
  // A node is only run when it leads somewhere; its output is silence.
  node.connect(audio.destination);
  return audio.resume();
}

/** Chromium gives a remote stream to Web Audio only when an element plays it too. */
function hear(stream) {
  document.getElementById('ear').srcObject = stream;
  if (source) source.disconnect();
  source = audio.createMediaStreamSource(stream);
  source.connect(node);
}

/** What was heard since `forget`, at most two minutes: 16-bit samples, little endian, as base64, and their rate. */
function pcm() {
  const bytes = new Uint8Array(heard.reduce((sum, piece) => sum + piece.byteLength, 0));
  let at = 0;
  for (const piece of heard) {
    bytes.set(new Uint8Array(piece.buffer), at);
    at += piece.byteLength;
  }
  let text = '';
  for (let from = 0; from < bytes.length; from += 32768) {
    text += String.fromCharCode(...bytes.subarray(from, from + 32768));
  }
  return { rate: audio?.sampleRate ?? 0, samples: btoa(text) };
}

function forget() {
  heard = [];
}

/** What the browser says of the media: codec, path, protection, packets. */
async function stats() {
  const connection = session?.connection;
  if (!connection) return null;
  const reports = [...(await connection.getStats()).values()];
  const one = (type, fits = () => true) => reports.find((r) => r.type === type && fits(r));
  const by = (id) => reports.find((r) => r.id === id);
  const incoming = one('inbound-rtp');
  const outgoing = one('outbound-rtp');
  const transport = one('transport');
  const pair = transport && by(transport.selectedCandidatePairId);
  const remote = pair && by(pair.remoteCandidateId);
  return {
    ice: connection.iceConnectionState,
    connection: connection.connectionState,
    dtls: transport?.dtlsState ?? null,
    srtp: transport?.srtpCipher ?? null,
    remote: remote ? `${remote.address}:${remote.port}` : null,
    receives: incoming ? by(incoming.codecId)?.mimeType ?? null : null,
    sends: outgoing ? by(outgoing.codecId)?.mimeType ?? null : null,
    packetsReceived: incoming?.packetsReceived ?? 0,
    packetsLost: incoming?.packetsLost ?? 0,
    jitterMs: (incoming?.jitter ?? 0) * 1000,
    packetsSent: outgoing?.packetsSent ?? 0,
    roundTripMs: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
  };
}

/** The microphone to the ear through two connections of this page: shows that sound gets in and out at all. */
async function loop() {
  await listen();
  const stream = await navigator.mediaDevices.getUserMedia({ audio: MICROPHONE });
  const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
  here.onicecandidate = (e) => there.addIceCandidate(e.candidate);
  there.onicecandidate = (e) => here.addIceCandidate(e.candidate);
  follow(there);
  for (const track of stream.getTracks()) here.addTrack(track, stream);
  await here.setLocalDescription();
  await there.setRemoteDescription(here.localDescription);
  await there.setLocalDescription();
  await here.setRemoteDescription(there.localDescription);
  if (here.connectionState === 'connected') return;
  await new Promise((resolve, reject) => {
    here.onconnectionstatechange = () => {
      if (here.connectionState === 'connected') resolve();
      if (here.connectionState === 'failed') reject(new Error('no path within the page'));
    };
  });
}

// ---- The page -----------------------------------------------------------------------------------------------------

function show() {
  document.getElementById('state').textContent = JSON.stringify(state, null, 2);
}

document.getElementById('line').addEventListener('submit', (e) => {
  e.preventDefault();
  start(Object.fromEntries(new FormData(e.target)));
});
document.getElementById('dial').addEventListener('submit', (e) => {
  e.preventDefault();
  call(new FormData(e.target).get('target'));
});
const acts = { answer, hangup, hold, unhold, restart };
for (const button of document.querySelectorAll('[data-do]')) {
  button.addEventListener('click', () => acts[button.dataset.do]());
}
for (const key of '123456789*0#') {
  const button = document.createElement('button');
  button.textContent = key;
  button.addEventListener('click', () => keys(key));
  document.getElementById('keys').append(button);
}
show();

window.softphone = {
  state: () => structuredClone(state),
  start, stop, call, answer, hangup, hold, unhold, restart, keys, pcm, forget, stats, loop,
};
