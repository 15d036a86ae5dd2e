//! What is said against a second opinion: `tests/say/speller.mjs` (Arabic) and `tests/say/western.mjs` (English, French)
//! were written from the grammar, by other means and without the engine's code, and both must say the same. And
//! `docs/arabic-numbers.md` shows what is said.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hatif::say::{
    Case, Currency, Date, Gender, Kind, Language, MonthNames, Nouns, Request, Style, Weekday, latin_digits, say, text,
};

/// What both answer to a request that they refuse.
const REFUSED: &str = "?";
const GENDERS: [&str; 2] = ["m", "f"];
const CASES: [&str; 2] = ["n", "o"];

#[test]
fn f19_bare_numbers_agree() {
    let mut requests = Vec::new();
    for value in (0..10_000).chain(larger(500)).chain([-7]) {
        for gender in GENDERS {
            requests.extend(CASES.map(|case| format!("number\t{value}\t{gender}\t{case}")));
        }
    }
    both_agree(&requests);
}

#[test]
fn f19_numbers_and_places_of_english_and_french_agree() {
    let mut requests = Vec::new();
    for language in ["en", "fr"] {
        for value in (0..10_000).chain(larger(500)).chain([-7]) {
            requests.extend(GENDERS.map(|gender| format!("{language}\tnumber\t{value}\t{gender}")));
            requests.push(format!("{language}\tcount\t{value}\tcall"));
            if value > 0 {
                requests.push(format!("{language}\tposition\t{value}"));
            }
            if (1..=999_999).contains(&value) {
                requests.extend(GENDERS.map(|gender| format!("{language}\tordinal\t{value}\t{gender}")));
            }
        }
    }
    both_agree_by("tests/say/western.mjs", &requests, western_answer);
}

/// «أمامكم» and the number of calls, as the second speller counts them.
#[test]
fn f19_places_of_arabic_agree() {
    let before: Vec<i64> = (1..10_000).chain(larger(500)).collect();
    let counts: Vec<String> = before.iter().map(|value| format!("count\t{value}\tcall\tn")).collect();
    let counted = second_opinion("tests/say/speller.mjs", &counts);
    assert_eq!(counted.len(), before.len());
    let place = |place: i64| said(Style::MSA, Case::Nominative, Kind::Position(u32::try_from(place).unwrap_or(0)));
    assert_eq!(place(1), "دوركم هو التالي");
    for (before, counted) in before.iter().zip(&counted) {
        assert_eq!(place(before + 1), format!("أمامكم {counted}"));
    }
}

#[test]
fn counted_nouns_agree() {
    let mut requests = Vec::new();
    for noun in ["day", "call"] {
        for value in (0..1_300).chain(larger(500)) {
            requests.extend(CASES.map(|case| format!("count\t{value}\t{noun}\t{case}")));
        }
    }
    let nouns = Nouns::built_in();
    for noun in nouns.iter(Language::Ar) {
        for value in (0..=103).chain([200, 1_000, 2_000, 11_000, 2_000_000]) {
            requests.extend(CASES.map(|case| format!("count\t{value}\t{}\t{case}", noun.id)));
        }
    }
    both_agree(&requests);
}

#[test]
fn money_agrees() {
    let mut requests = Vec::new();
    for currency in Currency::ALL {
        for minor in (0..350).chain([1_000, 1_001, 2_000, 12_550, 100_000, 200_000, -150]).chain(larger(50)) {
            requests.extend(CASES.map(|case| format!("money\t{minor}\t{}\t{case}", currency.code)));
        }
    }
    both_agree(&requests);
}

#[test]
fn ordinals_agree() {
    let mut requests = Vec::new();
    let round = (1..1_000).map(|hundreds| hundreds * 100);
    let all = (1..1_300).chain(round).chain(larger(500).filter(|value| *value < 1_000_000));
    for value in all.chain([101_000, 102_000, 111_000, 121_300, 202_000, 202_201, 999_999]) {
        for gender in GENDERS {
            requests.extend(CASES.map(|case| format!("ordinal\t{value}\t{gender}\t{case}")));
        }
    }
    both_agree(&requests);
}

#[test]
fn times_agree() {
    let mut requests = Vec::new();
    for minute in 0..1_440 {
        requests.extend(CASES.map(|case| format!("time\t{:02}:{:02}\t{case}", minute / 60, minute % 60)));
    }
    both_agree(&requests);
}

#[test]
fn dates_agree() {
    let mut requests = Vec::new();
    for months in ["egypt", "levant", "hijri"] {
        for month in 1..=12 {
            let days = match (months, month) {
                ("hijri", _) | (_, 4 | 6 | 9 | 11) => 30,
                (_, 2) => 29,
                _ => 31,
            };
            for day in 1..=days {
                let weekday = (day + month) % 7;
                for case in CASES {
                    requests.push(format!("date\t{weekday}\t{day}\t{month}\t2028\t{months}\t{case}"));
                    requests.push(format!("date\t-\t{day}\t{month}\t-\t{months}\t{case}"));
                }
            }
        }
        requests.extend((1..2_200).map(|year| format!("date\t-\t1\t1\t{year}\t{months}\tn")));
    }
    both_agree(&requests);
}

#[test]
fn durations_and_digits_agree() {
    let mut requests = Vec::new();
    let long = larger(500).map(|seconds| seconds % 400_000);
    for seconds in (0..200).chain([3_600, 3_601, 3_660, 3_661, 7_200, 7_322, 36_000, 360_000]).chain(long) {
        requests.extend(CASES.map(|case| format!("duration\t{seconds}\t{case}")));
    }
    requests.extend(["0123456789", "05 123-4", "٩٦٦", "۷"].map(|digits| format!("digits\t{digits}")));
    both_agree(&requests);
}

/// `tests/say/examples.tsv` holds sentences to be read by people; each is what both say, letter by letter.
#[test]
fn the_examples_are_what_both_say() {
    examples_agree("tests/say/examples.tsv", 250, "tests/say/speller.mjs", answer);
}

#[test]
fn the_examples_of_english_and_french_are_what_both_say() {
    examples_agree("tests/say/western.tsv", 95, "tests/say/western.mjs", western_answer);
}

/// The engine gives the wanted answers, and the second speller does too.
#[track_caller]
fn examples_agree(file: &str, least: usize, speller: &str, answer: fn(&str) -> String) {
    let file = fs::read_to_string(path(file)).unwrap();
    let mut requests = Vec::new();
    let mut wrong = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (request, wanted) = line.split_once("\t=\t").unwrap_or_else(|| panic!("no answer in {line:?}"));
        let got = answer(request);
        if got != wanted {
            wrong.push(format!("{request}\n  wanted {wanted}\n  engine {got}"));
        }
        requests.push(request.to_owned());
    }
    assert!(requests.len() > least, "the file is read: {}", requests.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    both_agree_by(speller, &requests, answer);
}

/// `docs/arabic-numbers.md` between its two marks is what the engine says; `HATIF_BLESS=1` writes it anew.
#[test]
fn the_page_of_arabic_numbers_is_up_to_date() {
    const BEGIN: &str = "<!-- tables: written from src/say/ -->\n";
    const END: &str = "<!-- end of tables -->";
    let path = path("docs/arabic-numbers.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("begin mark");
    let (found, tail) = rest.split_once(END).expect("end mark");
    let wanted = tables();
    if found != wanted && std::env::var_os("HATIF_BLESS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{wanted}{END}{tail}")).unwrap();
        return;
    }
    assert!(found == wanted, "docs/arabic-numbers.md is old: run HATIF_BLESS=1 cargo test --test say");
}

// Both spellers.

/// Fails with the first twenty requests that the two answer differently.
#[track_caller]
fn both_agree(requests: &[String]) {
    both_agree_by("tests/say/speller.mjs", requests, answer);
}

#[track_caller]
fn both_agree_by(speller: &str, requests: &[String], answer: fn(&str) -> String) {
    let second = second_opinion(speller, requests);
    assert_eq!(second.len(), requests.len(), "the second speller answers each line");
    let mut differing = 0;
    let mut shown = String::new();
    for (request, second) in requests.iter().zip(&second) {
        let engine = answer(request);
        if engine != *second {
            differing += 1;
            if differing <= 20 {
                let _ = write!(shown, "\n{request}\n  engine {engine}\n  second {second}");
            }
        }
    }
    assert!(differing == 0, "{differing} of {} differ:{shown}", requests.len());
}

/// The answers of a second speller, one for each request.
fn second_opinion(speller: &str, requests: &[String]) -> Vec<String> {
    let mut node =
        Command::new("node").arg(path(speller)).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(
            |e| panic!("node does not start ({e}): please install Node.js 20 or newer (https://nodejs.org)"),
        );
    let mut input = node.stdin.take().expect("its stdin");
    let lines = requests.join("\n") + "\n";
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = node.wait_with_output().expect("its output");
    writer.join().expect("the writer ends").expect("node reads all requests");
    assert!(output.status.success(), "the second speller failed: {}", output.status);
    String::from_utf8(output.stdout).expect("UTF-8").lines().map(str::to_owned).collect()
}

/// The engine's answer to one request.
fn answer(request: &str) -> String {
    let nouns = Nouns::built_in();
    let request = latin_digits(request);
    read(&request)
        .and_then(|(kind, case)| say(&Request::new(Language::Ar, &nouns, kind).with_case(case)).ok())
        .map_or_else(|| REFUSED.to_owned(), |units| text(&units))
}

/// The engine's answer to one request that names its language.
fn western_answer(request: &str) -> String {
    let nouns = Nouns::built_in();
    let asked = request.split_once('\t').and_then(|(language, request)| {
        let language = Language::from_code(language)?;
        let kind = match *request.split('\t').collect::<Vec<_>>().as_slice() {
            ["number", value, g] => Kind::Number { value: value.parse().ok()?, gender: gender(g)? },
            ["ordinal", value, g] => Kind::Ordinal { value: value.parse().ok()?, gender: gender(g)? },
            ["count", value, noun @ "call"] => Kind::Count { value: value.parse().ok()?, noun },
            ["position", place] => Kind::Position(place.parse().ok()?),
            _ => return None,
        };
        say(&Request::new(language, &nouns, kind)).ok()
    });
    asked.map_or_else(|| REFUSED.to_owned(), |units| text(&units))
}

/// Reads one request: its fields are separated by tabs.
fn read(line: &str) -> Option<(Kind<'_>, Case)> {
    let fields: Vec<&str> = line.split('\t').collect();
    let number = |text: &str| text.parse().ok();
    let small = |text: &str| text.parse().ok();
    Some(match *fields.as_slice() {
        ["number", value, g, c] => (Kind::Number { value: number(value)?, gender: gender(g)? }, case(c)?),
        ["ordinal", value, g, c] => (Kind::Ordinal { value: number(value)?, gender: gender(g)? }, case(c)?),
        ["count", value, noun, c] => (Kind::Count { value: number(value)?, noun }, case(c)?),
        ["money", minor, currency, c] => (Kind::Money { minor: number(minor)?, currency }, case(c)?),
        ["duration", seconds, c] => (Kind::Duration { seconds: seconds.parse().ok()? }, case(c)?),
        ["digits", digits] => (Kind::Digits(digits), Case::Nominative),
        ["time", time, c] => {
            let (hour, minute) = time.split_once(':')?;
            (Kind::Time { hour: small(hour)?, minute: small(minute)? }, case(c)?)
        }
        ["date", weekday, day, month, year, months, c] => {
            let weekday = match weekday {
                "-" => None,
                index => Some(*Weekday::ALL.get(index.parse::<usize>().ok()?)?),
            };
            let year = if year == "-" { None } else { Some(year.parse().ok()?) };
            let months = match months {
                "egypt" => MonthNames::Egypt,
                "levant" => MonthNames::Levant,
                "hijri" => MonthNames::Hijri,
                _ => return None,
            };
            (Kind::Date(Date { weekday, day: small(day)?, month: small(month)?, year, months }), case(c)?)
        }
        _ => return None,
    })
}

fn gender(field: &str) -> Option<Gender> {
    match field {
        "m" => Some(Gender::Masculine),
        "f" => Some(Gender::Feminine),
        _ => None,
    }
}

fn case(field: &str) -> Option<Case> {
    match field {
        "n" => Some(Case::Nominative),
        "o" => Some(Case::Oblique),
        _ => None,
    }
}

/// Values from 10,000 to 999,999,999, of every length, the same in each run.
fn larger(count: usize) -> impl Iterator<Item = i64> {
    let mut state: u64 = 7;
    let values = std::iter::repeat_with(move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let digits = 5 + (state >> 60) % 5;
        let value = (state >> 20) % 10_u64.pow(u32::try_from(digits).unwrap_or(9));
        // Half of them end in zeros, where construct and noun change.
        let value = if (state >> 59).is_multiple_of(2) { value } else { value / 1_000 * 1_000 + value % 4 };
        i64::try_from(value).unwrap_or(0).max(10_000)
    });
    values.take(count)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

// The page.

fn tables() -> String {
    let mut page = String::new();
    numbers(&mut page);
    money(&mut page);
    ordinals(&mut page);
    times(&mut page);
    dates(&mut page);
    places(&mut page);
    dialects(&mut page);
    page.push('\n');
    page
}

fn numbers(page: &mut String) {
    heading(page, "Numbers", &["value", "alone, masculine", "alone, feminine", "day, يوم (m)", "call, مكالمة (f)"]);
    let larger = [
        200,
        201,
        202,
        300,
        999,
        1_000,
        1_001,
        1_002,
        1_003,
        2_000,
        2_001,
        3_000,
        11_000,
        100_000,
        101_000,
        200_000,
        1_000_000,
        2_000_000,
        3_000_000,
        11_000_000,
        123_456_789,
    ];
    for value in (0..=120).chain(larger) {
        let number = |gender| in_both_cases(Kind::Number { value, gender });
        let count = |noun| in_both_cases(Kind::Count { value, noun });
        let cells = [number(Gender::Masculine), number(Gender::Feminine), count("day"), count("call")];
        row(page, &value.to_string(), &cells);
    }
}

fn money(page: &mut String) {
    heading(page, "Money", &["amount", "said"]);
    let amounts =
        ["0", "0.01", "0.02", "0.50", "1", "1.01", "2", "2.02", "3", "11.11", "100", "102", "125.50", "2000.75"];
    let riyals = amounts.map(|amount| ("SAR", amount));
    let others = [
        ("AED", "3.25"),
        ("EGP", "11.50"),
        ("KWD", "1.500"),
        ("OMR", "3.002"),
        ("TND", "100.011"),
        ("LBP", "3000000"),
        ("EUR", "11.11"),
    ];
    for (code, amount) in riyals.into_iter().chain(others) {
        let currency = Currency::find(code).unwrap();
        let minor = currency.read(amount).unwrap_or_else(|| panic!("{amount} {code}"));
        row(page, &format!("{amount} {code}"), &[in_both_cases(Kind::Money { minor, currency: code })]);
    }
}

fn ordinals(page: &mut String) {
    heading(page, "Ordinals", &["place", "masculine", "feminine"]);
    for value in (1..=31).chain([99, 100, 101, 103, 121, 200, 300, 1_000, 1_001, 1_100, 1_201, 2_000, 3_000, 11_000]) {
        let ordinal = |gender| in_both_cases(Kind::Ordinal { value, gender });
        row(page, &value.to_string(), &[ordinal(Gender::Masculine), ordinal(Gender::Feminine)]);
    }
}

fn times(page: &mut String) {
    heading(page, "Times", &["time", "said"]);
    let times = [
        (0, 0),
        (0, 30),
        (1, 0),
        (2, 45),
        (3, 0),
        (3, 15),
        (3, 30),
        (5, 3),
        (9, 5),
        (10, 11),
        (11, 0),
        (11, 45),
        (12, 0),
        (12, 15),
        (12, 45),
        (13, 1),
        (14, 2),
        (14, 45),
        (20, 28),
        (22, 50),
        (23, 45),
        (23, 59),
    ];
    for (hour, minute) in times {
        row(page, &format!("{hour:02}:{minute:02}"), &[in_both_cases(Kind::Time { hour, minute })]);
    }
}

fn dates(page: &mut String) {
    const SETS: [MonthNames; 3] = [MonthNames::Egypt, MonthNames::Levant, MonthNames::Hijri];
    let columns = ["day", "egypt", "levant", "hijri"];
    heading(page, "Dates", &columns);
    for (year, month, day) in [(1999, 12, 31), (2000, 1, 1), (2026, 2, 18), (2026, 11, 22), (2028, 2, 29)] {
        let day = jiff::civil::date(year, month, day);
        let said = SETS.map(|months| in_both_cases(Kind::Date(Date::on(day, months).unwrap())));
        row(page, &day.to_string(), &said);
    }
    heading(page, "Months", &["month", "egypt", "levant", "hijri"]);
    for month in 1..=12 {
        let names = SETS.map(|months| {
            let date = Date { weekday: None, day: 1, month, year: None, months };
            let said = said(Style::MSA, Case::Nominative, Kind::Date(date));
            said.split_once(" من ").unwrap_or_else(|| panic!("no month in {said}")).1.to_owned()
        });
        row(page, &month.to_string(), &names);
    }
}

fn places(page: &mut String) {
    heading(page, "Places in a queue", &["place", "English", "French", "Arabic"]);
    let nouns = Nouns::built_in();
    for place in [1, 2, 3, 4, 9, 11, 12, 13, 21, 22, 100, 101, 102, 103, 104, 112, 201, 1_001, 1_002] {
        let said = [Language::En, Language::Fr, Language::Ar].map(|language| {
            let units = say(&Request::new(language, &nouns, Kind::Position(place)));
            text(&units.unwrap_or_else(|error| panic!("{place}: {error}")))
        });
        row(page, &place.to_string(), &said);
    }
}

fn dialects(page: &mut String) {
    heading(page, "Dialects", &["value", "ar-msa", "ar-gulf", "ar-eg", "ar-lev"]);
    let said_in_all = |kind| Style::ALL.map(|style| said(style, Case::Oblique, kind));
    for value in [1, 2, 3, 8, 11, 12, 13, 20, 21, 100, 200, 300, 1_000, 2_000, 3_000, 11_000] {
        let gender = Gender::Masculine;
        row(page, &value.to_string(), &said_in_all(Kind::Number { value, gender }));
        row(page, &format!("{value} days"), &said_in_all(Kind::Count { value, noun: "day" }));
        row(page, &format!("{value} calls"), &said_in_all(Kind::Count { value, noun: "call" }));
    }
    row(page, "0 calls", &said_in_all(Kind::Count { value: 0, noun: "call" }));
    for (hour, minute) in [(1, 0), (3, 15), (12, 30), (14, 45), (23, 59)] {
        row(page, &format!("{hour:02}:{minute:02}"), &said_in_all(Kind::Time { hour, minute }));
    }
}

/// The nominative, and under it the oblique where it differs.
fn in_both_cases(kind: Kind<'_>) -> String {
    let [nominative, oblique] = [Case::Nominative, Case::Oblique].map(|case| said(Style::MSA, case, kind));
    if nominative == oblique { nominative } else { format!("{nominative}<br>{oblique}") }
}

fn said(style: &'static Style, case: Case, kind: Kind<'_>) -> String {
    let nouns = Nouns::built_in();
    let request = Request::new(Language::Ar, &nouns, kind).with_style(style).with_case(case);
    text(&say(&request).unwrap_or_else(|error| panic!("{kind:?}: {error}")))
}

/// A section and the head of its table; Arabic columns stand at the right.
fn heading(page: &mut String, title: &str, columns: &[&str]) {
    let marks = vec!["---:"; columns.len() - 1].join(" | ");
    let _ = write!(page, "\n## {title}\n\n| {} |\n| --- | {marks} |\n", columns.join(" | "));
}

fn row(page: &mut String, value: &str, cells: &[String]) {
    let _ = writeln!(page, "| {value} | {} |", cells.join(" | "));
}
