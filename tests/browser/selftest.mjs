// Shows that the harness works before Hatif is asked: a tone of 1,004 Hz goes in by a fake microphone, through two
// connections of a page, and comes out of `pcm`.
//
//   node tests/browser/selftest.mjs

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const HZ = 1004;

/** A WAV file of a tone: one second, a whole number of waves, so that it can be looped. */
function tone(path) {
  const rate = 48000;
  const bytes = Buffer.alloc(44 + rate * 2);
  bytes.write('RIFF', 0);
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8);
  bytes.writeUInt32LE(16, 16);
  bytes.writeUInt16LE(1, 20);
  bytes.writeUInt16LE(1, 22);
  bytes.writeUInt32LE(rate, 24);
  bytes.writeUInt32LE(rate * 2, 28);
  bytes.writeUInt16LE(2, 32);
  bytes.writeUInt16LE(16, 34);
  bytes.write('data', 36);
  bytes.writeUInt32LE(rate * 2, 40);
  for (let n = 0; n < rate; n += 1) {
    bytes.writeInt16LE(Math.round(8000 * Math.sin((2 * Math.PI * HZ * n) / rate)), 44 + n * 2);
  }
  writeFileSync(path, bytes);
}

/** How much of the sound's energy is at `hz`, 0 to 1 (Goertzel). */
function share(samples, rate, hz) {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / rate);
  let [one, two, energy] = [0, 0, 0];
  for (const sample of samples) {
    [one, two] = [sample + turn * one - two, one];
    energy += sample * sample;
  }
  const power = one * one + two * two - turn * one * two;
  return energy === 0 ? 0 : (2 * power) / (samples.length * energy);
}

const folder = mkdtempSync(join(tmpdir(), 'hatif-browser-'));
const driver = spawn(process.execPath, [fileURLToPath(new URL('driver.mjs', import.meta.url))], {
  stdio: ['pipe', 'pipe', 'inherit'],
});
const waiting = new Map();
createInterface({ input: driver.stdout }).on('line', (line) => {
  const { id, ok, error } = JSON.parse(line);
  const [resolve, reject] = waiting.get(id);
  if (error) reject(new Error(error));
  else resolve(ok);
});
let last = 0;
const ask = (what, more = {}) => new Promise((resolve, reject) => {
  last += 1;
  waiting.set(last, [resolve, reject]);
  driver.stdin.write(`${JSON.stringify({ id: last, do: what, phone: 'anna', ...more })}\n`);
});

try {
  tone(join(folder, 'tone.wav'));
  await ask('open', { microphone: join(folder, 'tone.wav') });
  await ask('loop');
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await ask('forget');
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const { rate, samples } = await ask('pcm');
  const bytes = Buffer.from(samples, 'base64');
  const heard = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2).subarray(-rate);
  const level = Math.sqrt(heard.reduce((sum, s) => sum + s * s, 0) / heard.length);
  const found = share(heard, rate, HZ);
  console.log(`${(bytes.length / 2 / rate).toFixed(1)} s at ${rate} Hz, level ${level.toFixed(0)}, ${(found * 100).toFixed(1)} % at ${HZ} Hz`);
  if (heard.length < rate || level < 1000 || found < 0.9) throw new Error('the tone was not heard');
  const unknown = await ask('dance').catch((error) => error.message);
  if (unknown !== 'no command dance') throw new Error(`an unknown command gave ${unknown}`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  driver.stdin.end();
  rmSync(folder, { recursive: true });
}
