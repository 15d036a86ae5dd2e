// JsSIP as one script for a page. Its package holds CommonJS modules only; this puts them and what they require into
// one text with a `require` of ten lines, so that no bundler is needed.
//
//   node pack.mjs > jssip.js

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));

// Where a required name leads. `debug` has another file for browsers, and `events` is also a module of Node.
function resolve(from, name) {
  const packages = { debug: 'debug/src/browser.js', events: 'events/events.js' };
  return createRequire(from).resolve(packages[name] ?? name);
}

/** The text of a script that sets `globalThis.JsSIP`. */
export function pack() {
  const modules = new Map();
  const add = (file) => {
    if (modules.has(file)) return modules.get(file).number;
    const entry = { number: modules.size, text: '' };
    modules.set(file, entry);
    const source = readFileSync(file, 'utf8');
    const names = file.endsWith('.json') ? [] : [...source.matchAll(/\brequire\((['"])([^'"]+)\1\)/g)].map((m) => m[2]);
    const numbers = Object.fromEntries(names.map((name) => [name, add(resolve(file, name))]));
    const body = file.endsWith('.json') ? `module.exports = ${source};` : source;
    entry.text = `[${JSON.stringify(numbers)}, function (require, module, exports) {\n${body}\n}]`;
    return entry.number;
  };
  add(resolve(join(here, 'package.json'), 'jssip'));
  const texts = [...modules.values()].map((entry) => entry.text);
  return `(function () {
const modules = [${texts.join(',\n')}];
const loaded = [];
function load(number) {
  if (!loaded[number]) {
    const module = (loaded[number] = { exports: {} });
    const [numbers, body] = modules[number];
    body((name) => load(numbers[name]), module, module.exports);
  }
  return loaded[number].exports;
}
globalThis.JsSIP = load(0);
})();
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.stdout.write(pack());
