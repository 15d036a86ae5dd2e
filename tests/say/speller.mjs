#!/usr/bin/env node
// A second, independent Arabic number speller (Modern Standard Arabic).
//
// It exists only to check the engine (src/say/), which tests/say.rs does, and is written from the grammar
// of the Arabic numerals, not from the engine's code. No rule is to be copied from one to the other.
//
// How it works: two passes over a flat row of words, with no recursion.
//   Pass 1, plan():    writes down WHICH words the phrase has and in what order: hundreds, units, عشر,
//                      tens, and nouns. ألف and مليون are ordinary counted nouns like يوم.
//   Pass 2, inflect(): decides the SHAPE of each word by looking only at its two neighbours.
//
// The rules in short:
//   - A noun stands after what counts it: plural after 3-10, accusative singular after 11-99,
//     genitive singular after a hundred or after another noun (ألف, مليون).
//   - One and two are not written as numerals before a noun: singular or dual says it. After a larger
//     number the noun is said twice: مئة يوم ويوم، مئة ألف وألفان.
//   - A word directly followed by what it governs (no و between) is in construct: a dual loses its ن
//     (مئتا، ألفا), the tanween goes (أحد عشر ألف يوم), ثمانٍ becomes ثماني.
//   - 3-10 take ة with a masculine noun; the عشر of 11-19 takes ة with a feminine one; 1, 2 agree.
//   - Oblique changes ون to ين and ان to ين.
//   - Endings are derived: ثلاث gives ثلاثة، ثلاثون، ثلاثمئة; a singular gives its dual and accusative.
//
// Use:  speller.mjs < requests.tsv         one answer line for each request line, `?` if not understood
//       speller.mjs --check examples.tsv   lines "request<TAB>=<TAB>expected"; exit 1 on a difference

import { readFileSync } from 'node:fs';

const LIMIT = 999_999_999;

// ---- Words ----

// Stems of 3-9. Everything else about them is an ending.
const STEM = [, , , 'ثلاث', 'أربع', 'خمس', 'ست', 'سبع', 'ثمان', 'تسع'];

// Masculine ordinals 1-10; the feminine adds ة, except الأولى.
const ORDINAL = [, 'أول', 'ثاني', 'ثالث', 'رابع', 'خامس', 'سادس', 'سابع', 'ثامن', 'تاسع', 'عاشر'];

// key, gender, singular, plural; "=" marks a foreign word without an accusative ending.
const NOUN_TABLE = `
  call f مكالمة مكالمات; minute f دقيقة دقائق; second f ثانية ثوانٍ; hour f ساعة ساعات
  day m يوم أيام; week m أسبوع أسابيع; month m شهر أشهر; person m شخص أشخاص
  order m طلب طلبات; ticket f تذكرة تذاكر; year f سنة سنوات; riyal m ريال ريالات
  halala f هللة هللات; dirham m درهم دراهم; fils m فلس فلوس; pound m جنيه جنيهات
  piastre m قرش قروش; dinar m دينار دنانير; millime m مليم مليمات; baisa f بيسة بيسات
  centime m سنتيم سنتيمات; lira f ليرة ليرات; dollar m دولار دولارات; cent m سنت سنتات
  euro m يورو يوروات =`;

/** Make a noun: what cannot be derived is given, the stem of the dual and the accusative follow. */
function makeNoun(gender, singular, plural, indeclinable = false) {
  const dualStem = singular.replace(/ة$/, 'ت');
  const accusative = indeclinable ? singular : singular + (singular.endsWith('ة') ? 'ً' : 'اً');
  return { gender, singular, plural, dualStem, accusative, isScale: false };
}

const NOUNS = new Map(
  NOUN_TABLE.trim().split(/[;\n]/).map((entry) => {
    const [key, gender, singular, plural, mark] = entry.trim().split(' ');
    return [key, makeNoun(gender, singular, plural, mark === '=')];
  }),
);

const NOUN_KEYS = [...NOUNS.keys()];
const THOUSAND = { ...makeNoun('m', 'ألف', 'آلاف'), isScale: true };
const MILLION = { ...makeNoun('m', 'مليون', 'ملايين'), isScale: true };

// currency: major noun, minor noun, minor units in a major one
const CURRENCIES = new Map(
  `SAR riyal halala 100; QAR riyal dirham 100; YER riyal fils 100; OMR riyal baisa 1000
   AED dirham fils 100; MAD dirham centime 100; EGP pound piastre 100; SDG pound piastre 100
   KWD dinar fils 1000; BHD dinar fils 1000; JOD dinar fils 1000; IQD dinar fils 1000
   TND dinar millime 1000; LYD dinar dirham 1000; SYP lira piastre 100; LBP lira piastre 100
   USD dollar cent 100; EUR euro cent 100`
    .split(/[;\n]/).map((entry) => {
      const [code, major, minor, parts] = entry.trim().split(' ');
      return [code, { major, minor, parts: Number(parts) }];
    }),
);

const WEEKDAYS = ['الأحد', 'الاثنين', 'الثلاثاء', 'الأربعاء', 'الخميس', 'الجمعة', 'السبت'];

// Month names in the form they have after «من».
const MONTHS = {
  egypt: 'يناير،فبراير،مارس،أبريل،مايو،يونيو،يوليو،أغسطس،سبتمبر،أكتوبر،نوفمبر،ديسمبر'.split('،'),
  levant: ('كانون الثاني،شباط،آذار،نيسان،أيار،حزيران،تموز،آب،أيلول،تشرين الأول،تشرين الثاني،'
    + 'كانون الأول').split('،'),
  hijri: ('محرم،صفر،ربيع الأول،ربيع الآخر،جمادى الأولى،جمادى الآخرة،رجب،شعبان،رمضان،شوال،'
    + 'ذي القعدة،ذي الحجة').split('،'),
};

// ---- Pass 1: which words, in which order ----
// A slot is { kind, value, gender, noun, joined }; joined = it begins a new part with و.
// kinds: hundred (value 1-9), unit (1-9), ten (10 by itself), teen (the عشر of 11-19), tens (2-9),
//        noun (counted by what is before it), single and pair (a noun that says 1 or 2 by itself).

/** The words of 1-99, counted as of this gender. */
function planTail(row, tail, gender) {
  const units = tail % 10;
  const tens = Math.floor(tail / 10);
  if (tail === 10) row.push({ kind: 'ten', gender, joined: true });
  if (units) row.push({ kind: 'unit', value: units, gender, joined: true });
  if (tens === 1 && units) row.push({ kind: 'teen', gender, joined: false });
  if (tens > 1) row.push({ kind: 'tens', value: tens, joined: true });
}

/** The row of words of n > 0, with a noun, or (noun null) bare and counted as of `gender`. */
function plan(n, noun, gender) {
  const row = [];
  const groups = [
    [Math.floor(n / 1_000_000), MILLION],
    [Math.floor(n / 1_000) % 1000, THOUSAND],
    [n % 1000, noun],
  ];
  for (const [count, counted] of groups) {
    if (count === 0 && counted?.isScale) continue;
    // What can lean on a noun before its 1 or 2 is said: ألف only has the hundreds of its own count
    // (مئة ألف وألف), the real noun has everything said so far (ألف يوم ويوم).
    const leanFrom = counted?.isScale ? row.length : 0;
    const hundreds = Math.floor(count / 100);
    const tail = count % 100;
    if (hundreds) row.push({ kind: 'hundred', value: hundreds, joined: true });
    if (!counted) planTail(row, tail, gender);
    else if (tail === 1 || tail === 2) {
      if (row.length > leanFrom) row.push({ kind: 'noun', noun: counted, joined: false });
      row.push({ kind: tail === 1 ? 'single' : 'pair', noun: counted, joined: true });
    } else {
      planTail(row, tail, counted.gender);
      row.push({ kind: 'noun', noun: counted, joined: false });
    }
  }
  return row;
}

// ---- Pass 2: the shape of each word, from its neighbours ----

const marked = (stem, wanted) => (wanted ? stem + 'ة' : stem);
const soundPlural = (stem, oblique) => stem + (oblique ? 'ين' : 'ون');
const dual = (stem, oblique, construct) => stem + (oblique ? 'ي' : 'ا') + (construct ? '' : 'ن');

function inflect(slot, before, after, oblique) {
  const masculine = slot.gender === 'm';
  const construct = after !== undefined && !after.joined;
  switch (slot.kind) {
    case 'hundred':
      if (slot.value === 1) return 'مئة';
      if (slot.value === 2) return dual('مئت', oblique, construct);
      return STEM[slot.value] + 'مئة';
    case 'unit':
      if (slot.value === 1) {
        if (after?.kind === 'teen') return masculine ? 'أحد' : 'إحدى';
        if (after?.kind === 'tens') return masculine ? 'واحد' : 'إحدى';
        return marked('واحد', !masculine);
      }
      if (slot.value === 2) return dual(masculine ? 'اثن' : 'اثنت', oblique, construct);
      // ثمان is defective: its ي shows before an ending and in construct, and is a tanween otherwise.
      if (slot.value === 8) return STEM[8] + (masculine ? 'ية' : construct ? 'ي' : 'ٍ');
      return marked(STEM[slot.value], masculine);
    case 'ten':
      return marked('عشر', masculine);
    case 'teen':
      return marked('عشر', !masculine);
    case 'tens':
      return soundPlural(slot.value === 2 ? 'عشر' : STEM[slot.value], oblique);
    case 'single':
      return slot.noun.singular;
    case 'pair':
      return dual(slot.noun.dualStem, oblique, construct);
    case 'noun':
      if (before.kind === 'unit' || before.kind === 'ten') return slot.noun.plural;
      if (before.kind === 'teen' || before.kind === 'tens') {
        return construct ? slot.noun.singular : slot.noun.accusative;
      }
      return slot.noun.singular; // genitive, after a hundred, ألف or مليون
  }
}

function render(row, oblique) {
  let text = '';
  for (let i = 0; i < row.length; i += 1) {
    if (i > 0) text += row[i].joined ? ' و' : ' ';
    text += inflect(row[i], row[i - 1], row[i + 1], oblique);
  }
  return text;
}

// ---- Kinds of request. All take numbers that are not negative; parts joins with و. ----

const joinParts = (parts) => parts.join(' و');

const spellNumber = (n, gender, oblique) => (n === 0 ? 'صفر' : render(plan(n, null, gender), oblique));

function spellCount(n, key, oblique) {
  const noun = NOUNS.get(key);
  if (n === 0) return (key === 'person' ? 'لا يوجد ' : 'لا توجد ') + noun.plural;
  if (n === 1) return `${noun.singular} ${marked('واحد', noun.gender === 'f')}`;
  return render(plan(n, noun), oblique);
}

/** Amounts of several nouns, as money and durations have: zero parts are silent, unless all are. */
function spellAmounts(amounts, zeroKey, oblique) {
  const spoken = amounts.filter(([n]) => n > 0).map(([n, key]) => spellCount(n, key, oblique));
  return spoken.length ? joinParts(spoken) : `صفر ${NOUNS.get(zeroKey).singular}`;
}

function spellMoney(minorUnits, { major, minor, parts }, oblique) {
  const amounts = [[Math.floor(minorUnits / parts), major], [minorUnits % parts, minor]];
  return spellAmounts(amounts, major, oblique);
}

function spellDuration(seconds, oblique) {
  const minutes = Math.floor(seconds / 60);
  const amounts = [[Math.floor(minutes / 60), 'hour'], [minutes % 60, 'minute'], [seconds % 60, 'second']];
  return spellAmounts(amounts, 'second', oblique);
}

/** The definite ordinal of 1-99. In 11, 21, 31 ... first is الحادي. */
function spellSmallOrdinal(n, gender, oblique) {
  const feminine = gender === 'f';
  if (n === 1) return feminine ? 'الأولى' : 'الأول';
  if (n <= 10) return 'ال' + marked(ORDINAL[n], feminine);
  const tens = Math.floor(n / 10);
  const units = n % 10;
  const first = units ? 'ال' + marked(units === 1 ? 'حادي' : ORDINAL[units], feminine) : '';
  if (tens === 1) return `${first} ${marked('عشر', feminine)}`;
  const second = 'ال' + soundPlural(tens === 2 ? 'عشر' : STEM[tens], oblique);
  return units ? joinParts([first, second]) : second;
}

/** The definite number: every part that و joins takes the article. */
const definite = (number) => 'ال' + number.replaceAll(' و', ' وال');

/** Any ordinal: the last two digits are the ordinal, the rest stands after بعد, always genitive. */
function spellOrdinal(n, gender, oblique) {
  const rest = n % 100;
  const round = n - rest;
  if (round === 0) return spellSmallOrdinal(rest, gender, oblique);
  if (rest === 0) return definite(spellNumber(round, 'm', oblique));
  return `${spellSmallOrdinal(rest, gender, oblique)} بعد ${definite(spellNumber(round, 'm', true))}`;
}

function spellTime(hour, minute, oblique) {
  const quarterTo = minute === 45;
  const spoken = quarterTo ? (hour + 1) % 24 : hour;
  const onDial = spoken % 12 || 12;
  const words = ['الساعة', onDial === 1 ? 'الواحدة' : spellSmallOrdinal(onDial, 'f', oblique)];
  if (quarterTo) words.push('إلا ربعاً');
  else if (minute === 15) words.push('والربع');
  else if (minute === 30) words.push('والنصف');
  else if (minute > 0) words.push('و' + spellCount(minute, 'minute', oblique));
  words.push(spoken === 0 ? 'ليلاً' : spoken < 12 ? 'صباحاً' : spoken === 12 ? 'ظهراً' : 'مساءً');
  return words.join(' ');
}

function spellDate(weekday, day, month, year, monthSet, oblique) {
  const words = [spellSmallOrdinal(day, 'm', oblique), 'من', MONTHS[monthSet][month - 1]];
  if (weekday !== null) words.unshift(WEEKDAYS[weekday]);
  if (year !== null) words.push(spellNumber(year, 'm', true));
  return words.join(' ');
}

// ---- The protocol ----

const BAD = new Error('bad request'); // a request that is not understood or out of range

/** ٠-٩ and ۰-۹ are digits like 0-9. */
const plainDigits = (text) =>
  text.replace(/[٠-٩۰-۹]/g, (digit) => String(digit.charCodeAt(0) & 15));

function integer(text, low, high) {
  if (!/^-?\d+$/.test(text ?? '')) throw BAD;
  const n = Number(text);
  if (n < low || n > high) throw BAD;
  return n;
}

function oneOf(text, choices) {
  if (!choices.includes(text)) throw BAD;
  return text;
}

const isOblique = (text) => oneOf(text, ['n', 'o']) === 'o';
const optional = (text, most) => (text === '-' ? null : integer(text, 0, most));
const signed = (text, most, spell) => {
  const n = integer(text, -most, most);
  return (n < 0 ? 'ناقص ' : '') + spell(Math.abs(n));
};

// request kind: [number of fields after it, answer]
const KINDS = {
  number: [3, (n, gender, c) =>
    signed(n, LIMIT, (size) => spellNumber(size, oneOf(gender, ['m', 'f']), isOblique(c)))],
  count: [3, (n, key, c) =>
    signed(n, LIMIT, (size) => spellCount(size, oneOf(key, NOUN_KEYS), isOblique(c)))],
  money: [3, (n, code, c) => {
    const currency = CURRENCIES.get(oneOf(code, [...CURRENCIES.keys()]));
    const most = (LIMIT + 1) * currency.parts - 1; // the range is that of the spoken major number
    return signed(n, most, (size) => spellMoney(size, currency, isOblique(c)));
  }],
  ordinal: [3, (n, gender, c) =>
    spellOrdinal(integer(n, 1, 999_999), oneOf(gender, ['m', 'f']), isOblique(c))],
  time: [2, (clock, c) => {
    const [, hour, minute] = /^(\d\d?):(\d\d)$/.exec(clock) ?? [];
    return spellTime(integer(hour, 0, 23), integer(minute, 0, 59), isOblique(c));
  }],
  date: [6, (weekday, day, month, year, monthSet, c) =>
    spellDate(optional(weekday, 6), integer(day, 1, 31), integer(month, 1, 12),
      optional(year, LIMIT), oneOf(monthSet, Object.keys(MONTHS)), isOblique(c))],
  duration: [2, (n, c) => signed(n, LIMIT, (size) => spellDuration(size, isOblique(c)))],
  digits: [1, (text) => {
    const digits = text.match(/\d/g); // anything else (spaces, hyphens) is not spoken
    if (!digits) throw BAD;
    return digits.map((digit) => spellNumber(Number(digit), 'm', false)).join(' ');
  }],
};

function answer(line) {
  const [kind, ...fields] = plainDigits(line).split('\t');
  if (!Object.hasOwn(KINDS, kind)) return '?';
  const [arity, spell] = KINDS[kind];
  if (fields.length !== arity) return '?';
  try {
    return spell(...fields);
  } catch (error) {
    if (error !== BAD) throw error;
    return '?';
  }
}

const linesOf = (source) => readFileSync(source, 'utf8').replace(/\r?\n$/, '').split(/\r?\n/);

function check(file) {
  let cases = 0;
  let wrong = 0;
  for (const line of linesOf(file)) {
    if (line === '' || line.startsWith('#')) continue;
    const [request, expected] = line.split('\t=\t');
    const got = answer(request);
    cases += 1;
    if (got !== expected) {
      wrong += 1;
      console.log(`${request}\n  expected ${expected}\n  got      ${got}`);
    }
  }
  console.log(`${cases} cases, ${wrong} wrong`);
  process.exitCode = wrong || !cases ? 1 : 0;
}

if (process.argv[2] === '--check') {
  check(process.argv[3]);
} else {
  process.stdout.write(linesOf(0).map(answer).join('\n') + '\n');
}
