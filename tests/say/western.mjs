#!/usr/bin/env node
// A second, independent speller of English (British) and French (of France, traditional spelling) numbers.
//
// It is here only to check the engine (src/say/), and is written from the grammar of the two languages,
// without sight of the engine's code. No rule is to be copied from one to the other.
//
// How it works: a number becomes a flat row of atoms, the values that have a word of their own; three
// small passes then look along that row. 281 is the row 2 100 80 1 in both languages, but 71 is 70 1 in
// English and 60 11 in French. There is no recursion and no string is taken apart again.
//   Pass 1, atomise(): which atoms. Below 100, the largest atom that fits is taken off until nothing is
//                      left; French 70-79 and 90-99 come out right because 70 and 90 are no French atoms.
//   Pass 2, shape():   the form of each atom: vingt/vingts, cent/cents, million/millions, un/une.
//   Pass 3, glue():    what stands between two atoms: a hyphen, a space, "and", "et".
// An ordinal is the same row with another ending on the last atom.
//
// The rules in short:
//   - English: hyphen inside 21-99; "and" before what is below 100, after a hundred or at the number's end.
//   - French: hyphen below 100, but " et " before 1 and 11, except after quatre-vingt.
//   - vingt and cent take s when multiplied and last, or right before million, which is a noun (mille is
//     not). As a noun million also takes s, and "de" before what is counted, if nothing comes between.
//   - un becomes une only as the last atom. Bare mille and cent have no un before them.
//
// Use:  western.mjs < requests.tsv        one answer line for each request line, `?` if not understood
//       western.mjs --check western.tsv   lines "request<TAB>=<TAB>expected"; exit 1 on a difference

import { readFileSync } from 'node:fs';

const LIMIT = 999_999_999;
const THOUSAND = 1_000;
const MILLION = 1_000_000;

// ---- Atoms: the words for 0-19, then the rest as value:word ----

function lexicon(small, large) {
  const words = new Map(small.split(' ').map((word, value) => [value, word]));
  for (const pair of large.split(' ')) words.set(Number(pair.split(':')[0]), pair.split(':')[1]);
  const below100 = [...words.keys()].filter((value) => value > 0 && value < 100).sort((a, b) => b - a);
  return { words, below100 };
}

const ENGLISH = lexicon(
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen '
    + 'seventeen eighteen nineteen',
  '20:twenty 30:thirty 40:forty 50:fifty 60:sixty 70:seventy 80:eighty 90:ninety 100:hundred '
    + '1000:thousand 1000000:million',
);
const FRENCH = lexicon(
  'zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept '
    + 'dix-huit dix-neuf',
  '20:vingt 30:trente 40:quarante 50:cinquante 60:soixante 80:quatre-vingt 100:cent 1000:mille '
    + '1000000:million',
);

/** Pass 1. `bareOne(scale)`: whether this scale, counted once, is said without its one. */
function atomise(n, { below100 }, bareOne) {
  if (n === 0) return [0];
  const row = [];
  const takeOff = (rest) => {
    for (const atom of below100) if (atom <= rest) { row.push(atom); rest -= atom; }
  };
  for (const scale of [MILLION, THOUSAND, 1]) {
    const group = Math.floor(n / scale) % 1000;
    const hundreds = Math.floor(group / 100);
    if (!(hundreds === 1 && bareOne(100))) takeOff(hundreds);
    if (hundreds) row.push(100);
    if (!(group === 1 && bareOne(scale))) takeOff(group % 100);
    if (group && scale > 1) row.push(scale);
  }
  return row;
}

const render = (row, shape, glue) =>
  row.map((_, i) => (i ? glue(row, i) : '') + shape(row, i)).join('');

// ---- English ----

const englishRow = (n) => atomise(n, ENGLISH, () => false);
const englishWord = (row, i) => ENGLISH.words.get(row[i]);

function englishGlue(row, i) {
  if (row[i] >= 100) return ' ';
  if (row[i - 1] < 100) return '-';
  const endsNumber = row.slice(i).every((atom) => atom < 100);
  return row[i - 1] === 100 || endsNumber ? ' and ' : ' ';
}

const IRREGULAR = { 1: 'first', 2: 'second', 3: 'third', 5: 'fifth', 8: 'eighth', 9: 'ninth', 12: 'twelfth' };
const englishNth = (row, i) => (i < row.length - 1 ? englishWord(row, i)
  : IRREGULAR[row[i]] ?? englishWord(row, i).replace(/y$/, 'ie') + 'th');

const english = {
  minus: 'minus ',
  number: (n) => render(englishRow(n), englishWord, englishGlue),
  ordinal: (n) => render(englishRow(n), englishNth, englishGlue),
  calls: (n) => (n === 0 ? 'no calls' : `${english.number(n)} ${n === 1 ? 'call' : 'calls'}`),
  next: 'you are next in line',
  ahead: (n) => `there ${n === 1 ? 'is' : 'are'} ${english.calls(n)} before you`,
};

// ---- French ----

const frenchRow = (n) => atomise(n, FRENCH, (scale) => scale === 100 || scale === THOUSAND);

function frenchWord(row, i, gender) {
  const word = FRENCH.words.get(row[i]);
  const last = i === row.length - 1;
  if (row[i] === 1 && last && gender === 'f') return word + 'e';
  const multiplied = row[i] === 80 || (row[i] === 100 && i > 0 && row[i - 1] < 10);
  const several = row[i] === MILLION && !(i === 1 && row[0] === 1);
  return several || (multiplied && (last || row[i + 1] === MILLION)) ? word + 's' : word;
}

function frenchGlue(row, i) {
  if (row[i] >= 100 || row[i - 1] >= 100) return ' ';
  return (row[i] === 1 || row[i] === 11) && row[i - 1] !== 80 ? ' et ' : '-';
}

const STEM = { 5: 'cinqu', 9: 'neuv', 19: 'dix-neuv' };
const frenchNth = (row, i) => (i < row.length - 1 ? frenchWord(row, i, 'm')
  : (STEM[row[i]] ?? FRENCH.words.get(row[i]).replace(/e$/, '')) + 'ième');

const french = {
  minus: 'moins ',
  number: (n, gender) => render(frenchRow(n), (row, i) => frenchWord(row, i, gender), frenchGlue),
  ordinal: (n, gender) => (n > 1 ? render(frenchRow(n), frenchNth, frenchGlue)
    : gender === 'f' ? 'première' : 'premier'),
  calls: (n) => (n === 0 ? 'aucun appel'
    : french.number(n, 'm') + (n === 1 ? ' appel' : n % MILLION === 0 ? " d'appels" : ' appels')),
  next: 'votre appel est le prochain',
  ahead: (n) => `il y a ${french.calls(n)} avant le vôtre`,
};

// ---- The protocol: a request is matched as a whole line, then its range is checked ----

const LANGUAGES = { en: english, fr: french };
const FORM = /^(en|fr)\t(?:(number|ordinal)\t(-?\d+)\t([mf])|(count)\t(-?\d+)\tcall|(position)\t(-?\d+))$/;
const RANGE = { number: [-LIMIT, LIMIT], count: [-LIMIT, LIMIT], position: [1, LIMIT], ordinal: [1, 999_999] };

function answer(line) {
  const match = FORM.exec(line);
  if (!match) return '?';
  const language = LANGUAGES[match[1]];
  const kind = match[2] ?? match[5] ?? match[7];
  const n = Number(match[3] ?? match[6] ?? match[8]);
  if (n < RANGE[kind][0] || n > RANGE[kind][1]) return '?';
  if (kind === 'ordinal') return language.ordinal(n, match[4]);
  if (kind === 'position') return n === 1 ? language.next : language.ahead(n - 1);
  const size = Math.abs(n);
  return (n < 0 ? language.minus : '') + (kind === 'count' ? language.calls(size) : language.number(size, match[4]));
}

const linesOf = (source) => readFileSync(source, 'utf8').replace(/\r?\n$/, '').split(/\r?\n/);

if (process.argv[2] === '--check') {
  const cases = linesOf(process.argv[3]).filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t=\t'));
  const wrong = cases.filter(([request, expected]) => answer(request) !== expected);
  for (const [request, expected] of wrong) {
    console.log(`${request}\n  expected ${expected}\n  got      ${answer(request)}`);
  }
  console.log(`${cases.length} cases, ${wrong.length} wrong`);
  process.exitCode = wrong.length || !cases.length ? 1 : 0;
} else {
  process.stdout.write(linesOf(0).map(answer).join('\n') + '\n');
}
