// Drives softphones (web/softphone) in a headless Chromium: commands as JSON lines on stdin, answers on stdout.
//
//   {"id": 1, "do": "open", "phone": "anna", "microphone": "/tmp/tone.wav"}     -> {"id": 1, "ok": null}
//   {"id": 2, "do": "start", "phone": "anna", "server": "ws://127.0.0.1:8080/sip", "uri": "sip:101@127.0.0.1",
//    "password": "…", "autoAnswer": true}
//   {"id": 3, "do": "wait", "phone": "anna", "for": {"registered": true}, "ms": 5000}
//   {"id": 4, "do": "call", "phone": "anna", "target": "9196"}
//   {"id": 5, "do": "wait", "phone": "anna", "for": {"call.state": "talking"}}
//   {"id": 6, "do": "pcm", "phone": "anna"}                         -> {"id": 6, "ok": {"rate": 48000, "samples": "…"}}
//
// Commands of a phone: open close reload offline state stats wait start stop call answer hangup hold unhold restart
// keys pcm forget loop; without a phone: quit. Each command gets one answer with its id, `ok` or `error`. Commands of one
// phone are done one after another, those of several phones beside each other. End of stdin is `quit`, once all is done.
//
// Each microphone file (16-bit PCM; `FILE%noloop` to play it once) has a browser of its own, because Chromium takes it
// as an argument. Chromium is CHROMIUM, else /usr/bin/chromium, else the first in PATH.

import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';

const SOFTPHONE = fileURLToPath(new URL('../../web/softphone/', import.meta.url));
const playwright = createRequire(join(SOFTPHONE, 'package.json')).resolve('playwright-core');
const { chromium } = (await import(pathToFileURL(playwright))).default;
const { pack } = await import(pathToFileURL(join(SOFTPHONE, 'pack.mjs')));

const FILES = {
  '/': ['index.html', 'text/html'],
  '/softphone.js': ['softphone.js', 'text/javascript'],
  '/capture.js': ['capture.js', 'text/javascript'],
};

function serve() {
  const jssip = pack();
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    const file = FILES[path];
    if (!file && path !== '/jssip.js') return response.writeHead(404).end();
    response.setHeader('Content-Type', `${file?.[1] ?? 'text/javascript'}; charset=utf-8`);
    return response.end(file ? readFileSync(join(SOFTPHONE, file[0])) : jssip);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function chromiumPath() {
  const names = (process.env.PATH ?? '').split(delimiter).flatMap((f) => [join(f, 'chromium'), join(f, 'google-chrome')]);
  const found = [process.env.CHROMIUM, '/usr/bin/chromium', ...names].find((path) => path && existsSync(path));
  if (!found) throw new Error('no chromium here: tests/tools/install.sh test brings it');
  return found;
}

const launch = (microphone) => chromium.launch({
  executablePath: chromiumPath(),
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--mute-audio',
    '--autoplay-policy=no-user-gesture-required', '--use-fake-ui-for-media-stream',
    '--use-fake-device-for-media-stream',
    // Tests live on 127.0.0.1, whose addresses a browser hides and leaves out otherwise.
    '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    ...(microphone ? [`--use-file-for-fake-audio-capture=${microphone}`] : []),
  ],
});

const server = await serve();
const origin = `http://127.0.0.1:${server.address().port}`;
const browsers = new Map(); // microphone -> promise of a browser
const phones = new Map(); // name -> { context, page }

async function open({ phone, microphone = '' }) {
  if (phones.has(phone)) throw new Error(`${phone} is open`);
  if (!browsers.has(microphone)) browsers.set(microphone, launch(microphone));
  const browser = await browsers.get(microphone);
  const context = await browser.newContext({ permissions: ['microphone'] });
  const page = await context.newPage();
  page.on('console', (message) => console.error(`${phone}: ${message.text()}`));
  page.on('pageerror', (error) => console.error(`${phone}: ${error.stack ?? error}`));
  phones.set(phone, { context, page });
  await ready(page);
}

async function ready(page) {
  await page.goto(origin);
  await page.waitForFunction(() => window.softphone);
}

function opened(phone) {
  const found = phones.get(phone);
  if (!found) throw new Error(`no phone ${phone} is open`);
  return found;
}

/** Calls a function of `window.softphone`. */
const act = (name, ...args) => ({ phone }) =>
  opened(phone).page.evaluate(([of, list]) => window.softphone[of](...list), [name, args]);

/** Waits until each path (`call.state`) of the state has its value. */
async function wait({ phone, for: wanted, ms = 10_000 }) {
  const { page } = opened(phone);
  try {
    await page.waitForFunction((paths) => {
      const state = window.softphone.state();
      const at = (path) => path.split('.').reduce((value, key) => value?.[key], state);
      return Object.entries(paths).every(([path, value]) => at(path) === value);
    }, wanted, { timeout: ms, polling: 20 });
  } catch (error) {
    if (error.name !== 'TimeoutError') throw error;
    const state = JSON.stringify(await act('state')({ phone }));
    throw new Error(`${JSON.stringify(wanted)} did not come within ${ms} ms: ${state}`);
  }
  return act('state')({ phone });
}

const DOES = {
  open,
  wait,
  async close({ phone }) {
    const { context } = opened(phone);
    phones.delete(phone);
    await context.close();
  },
  reload: ({ phone }) => ready(opened(phone).page),
  offline: ({ phone, offline }) => opened(phone).context.setOffline(offline),
  start: ({ phone, id, do: _, ...options }) => act('start', options)({ phone }),
  call: ({ phone, target }) => act('call', target)({ phone }),
  keys: ({ phone, keys, ...options }) => act('keys', keys, options)({ phone }),
  ...Object.fromEntries(
    ['stop', 'answer', 'hangup', 'hold', 'unhold', 'restart', 'state', 'stats', 'pcm', 'forget', 'loop']
      .map((name) => [name, act(name)]),
  ),
};

async function quit() {
  server.close();
  await Promise.allSettled([...browsers.values()].map(async (browser) => (await browser).close()));
  process.exit(0);
}

async function perform(command) {
  try {
    if (!Object.hasOwn(DOES, command.do)) throw new Error(`no command ${command.do}`);
    answer({ id: command.id, ok: (await DOES[command.do](command)) ?? null });
  } catch (error) {
    answer({ id: command.id ?? null, error: error.message });
  }
}

const queues = new Map(); // phone -> promise of its last command

function take(line) {
  let command;
  try {
    command = JSON.parse(line);
  } catch (error) {
    answer({ id: null, error: error.message });
    return;
  }
  if (command.do === 'quit') quit();
  else queues.set(command.phone, (queues.get(command.phone) ?? Promise.resolve()).then(() => perform(command)));
}

function answer(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

createInterface({ input: process.stdin }).on('line', take).on('close', () => Promise.all(queues.values()).then(quit));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, quit);
