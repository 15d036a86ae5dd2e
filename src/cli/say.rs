//! `hatif say`: how a value is spoken, in words and in recordings.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil;
use serde_json::{Value, json};

use super::Failure;
use crate::config::values;
use crate::diagnostic::suggestion;
use crate::say::{
    self, Case, Currency, Date, Gender, Kind, Language, MonthNames, Nouns, Request, SayError, Style, Unit, latin_digits,
};

/// `hatif say …`
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = "Examples:\n\n  hatif say ar count 11 --noun call\n  hatif say ar money 125.50 --currency SAR --style \
    ar-gulf\n  hatif say ar date 2026-11-22 --months hijri\n  hatif say en time 14:45 --clips\n  hatif say clips ar > \
    list.csv\n\nArabic digits are taken too. docs/arabic-numbers.md shows the Arabic rules with tables."
)]
pub struct Options {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    sentence: Option<Sentence>,
}

#[derive(Subcommand)]
enum What {
    /// What to record, as CSV: the name of each recording and the words to read.
    Clips {
        /// The language.
        #[arg(value_name = "LANG", value_parser = language())]
        language: Language,
        /// The kind of Arabic; default ar-msa.
        #[arg(long, value_parser = style())]
        style: Option<&'static Style>,
    },
}

/// One value and how to say it.
#[derive(Args)]
struct Sentence {
    /// The language.
    #[arg(value_name = "LANG", value_parser = language())]
    language: Language,
    /// What the value is.
    #[arg(value_enum, value_name = "KIND")]
    kind: Word,
    /// The value.
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// What is counted, as call.
    #[arg(long)]
    noun: Option<String>,
    /// The currency of an amount, as SAR.
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// The gender of what a number or an ordinal stands for; default m.
    #[arg(long, value_parser = gender())]
    gender: Option<Gender>,
    /// The calendar of a date and how its months are called; default egypt, for ar-lev levant.
    #[arg(long, value_parser = months())]
    months: Option<MonthNames>,
    /// The Arabic case; default nominative. Dialects are always oblique.
    #[arg(long, value_parser = case())]
    case: Option<Case>,
    /// The kind of Arabic; default ar-msa.
    #[arg(long, value_parser = style())]
    style: Option<&'static Style>,
    /// The recordings instead of the sentence, as CSV in the order they are played.
    #[arg(long)]
    clips: bool,
    /// One JSON object: sentence and recordings.
    #[arg(long, conflicts_with = "clips")]
    json: bool,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Word {
    /// A number alone, as 125.
    Number,
    /// A number of things, as 3 --noun call.
    Count,
    /// A place in an order, as 3 for the third.
    Ordinal,
    /// An amount, as 125.50 --currency SAR.
    Money,
    /// A day of the Gregorian calendar, as 2026-11-22.
    Date,
    /// A time of day, as 14:45.
    Time,
    /// A length of time, as 1h5m, or 90 seconds.
    Duration,
    /// The place of a caller in a queue, as 1 for who is next.
    Position,
    /// Digit by digit.
    Digits,
    /// A phone number, by the groups of its country.
    Phone,
    /// Letter by letter.
    Spell,
}

/// Runs `hatif say`.
pub fn run(options: &Options) -> Result<(), Failure> {
    match (&options.what, &options.sentence) {
        (Some(What::Clips { language, style }), _) => {
            arabic_only(*language, &[("--style", style.is_some())])?;
            let clips = say::clips(*language, style.unwrap_or(Style::MSA), &Nouns::built_in());
            csv(clips.iter().map(|(id, text)| (id.as_str(), text.as_str())));
            Ok(())
        }
        (None, Some(sentence)) => sentence.run(),
        (None, None) => Err(usage("say what? see hatif say --help")),
    }
}

impl Sentence {
    fn run(&self) -> Result<(), Failure> {
        self.check_options()?;
        let value = latin_digits(&self.value);
        let nouns = Nouns::built_in();
        let style = self.style.unwrap_or(Style::MSA);
        let case = self.case.unwrap_or(Case::Nominative);
        let request = Request { language: self.language, style, case, nouns: &nouns, kind: self.kind(&value)? };
        let units = say::say(&request).map_err(|error| refused(&error, &nouns))?;
        if self.json {
            say!("{}", self.document(&units));
        } else if self.clips {
            csv(units.iter().map(|unit| (unit.clip.as_ref(), unit.text.as_ref())));
        } else {
            say!("{}", say::text(&units));
        }
        Ok(())
    }

    /// Refuses options that would change nothing.
    fn check_options(&self) -> Result<(), Failure> {
        use Word::{Count, Date, Money, Number, Ordinal};
        arabic_only(self.language, &[("--style", self.style.is_some()), ("--case", self.case.is_some())])?;
        for (option, given, kinds) in [
            ("--noun", self.noun.is_some(), &[Count][..]),
            ("--currency", self.currency.is_some(), &[Money]),
            ("--gender", self.gender.is_some(), &[Number, Ordinal]),
            ("--months", self.months.is_some(), &[Date]),
        ] {
            if given && !kinds.contains(&self.kind) {
                let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
                return Err(usage(format!(
                    "{option} goes with {}, not with {}",
                    kinds.join(" and "),
                    self.kind.name()
                )));
            }
        }
        Ok(())
    }

    /// The value, read as what it is.
    fn kind<'a>(&'a self, value: &'a str) -> Result<Kind<'a>, Failure> {
        let wrong = |mend: &str| usage(format!("\"{}\" is no {}: {mend}", self.value, self.kind.name()));
        let whole = || value.parse::<i64>().map_err(|_| wrong("write a whole number in digits, as 125"));
        let gender = self.gender.unwrap_or(Gender::Masculine);
        Ok(match self.kind {
            Word::Number => Kind::Number { value: whole()?, gender },
            Word::Ordinal => Kind::Ordinal { value: whole()?, gender },
            Word::Count => {
                let noun = self.noun.as_deref().ok_or_else(|| usage(format!("count needs --noun: {}", noun_list())))?;
                Kind::Count { value: whole()?, noun }
            }
            Word::Money => {
                let code = self.currency.as_deref();
                let code = code.ok_or_else(|| usage(format!("money needs --currency: {}", currency_list())))?;
                let currency = Currency::find(code).map_err(|error| refused(&error, &Nouns::built_in()))?;
                let places = currency.decimals();
                let minor = currency.read(value).ok_or_else(|| {
                    wrong(&format!("write it as 125.{:0<places$}, with at most {places} digits after the point", "5"))
                })?;
                Kind::Money { minor, currency: currency.code }
            }
            Word::Date => {
                let day: civil::Date = value
                    .parse()
                    .map_err(|_| wrong("write year, month and day of one that there is, as 2026-11-22"))?;
                let usual = self.style.unwrap_or(Style::MSA).months();
                let date = Date::on(day, self.months.unwrap_or(usual));
                Kind::Date(date.ok_or_else(|| wrong("its year is not 1 to 9999 in this calendar"))?)
            }
            Word::Time => {
                let parts = value.split_once(':').and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
                let (hour, minute) = parts.ok_or_else(|| wrong("write hours and minutes, as 14:45"))?;
                Kind::Time { hour, minute }
            }
            Word::Duration => {
                let units = || values::duration(value).map(|duration| duration.as_secs());
                let seconds = value.parse().ok().or_else(units);
                Kind::Duration { seconds: seconds.ok_or_else(|| wrong("write units, as 1h5m, or seconds, as 90"))? }
            }
            Word::Position => {
                let place = value.parse().ok().filter(|place| *place > 0);
                Kind::Position(place.ok_or_else(|| wrong("write a whole number from 1, in digits"))?)
            }
            Word::Digits => Kind::Digits(value),
            Word::Phone => Kind::Phone(value),
            Word::Spell => Kind::Spell(value),
        })
    }

    fn document(&self, units: &[Unit]) -> Value {
        let played: Vec<Value> = units
            .iter()
            .map(|unit| match unit.is_pause() {
                true => json!({ "pause_ms": unit.pause_ms }),
                false => json!({ "clip": unit.clip, "text": unit.text }),
            })
            .collect();
        json!({
            "language": self.language.code(),
            "kind": self.kind.name(),
            "value": self.value,
            "text": say::text(units),
            "units": played,
        })
    }
}

impl Word {
    const fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Count => "count",
            Self::Ordinal => "ordinal",
            Self::Money => "money",
            Self::Date => "date",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Position => "position",
            Self::Digits => "digits",
            Self::Phone => "phone",
            Self::Spell => "spell",
        }
    }
}

/// Why it cannot be said, with what could be.
fn refused(error: &SayError, nouns: &Nouns) -> Failure {
    let help = match error {
        SayError::UnknownNoun { noun, language } => {
            suggestion(noun, nouns.iter(*language).map(|noun| noun.id.as_ref())).unwrap_or_else(noun_list)
        }
        SayError::UnknownCurrency(code) => {
            suggestion(code, Currency::ALL.iter().map(|currency| currency.code)).unwrap_or_else(currency_list)
        }
        _ => return usage(error),
    };
    usage(format!("{error}: {help}"))
}

fn noun_list() -> String {
    let nouns = Nouns::built_in();
    let names: Vec<&str> = nouns.iter(Language::Ar).map(|noun| noun.id.as_ref()).collect();
    format!("one of {}", names.join(", "))
}

fn currency_list() -> String {
    let codes: Vec<&str> = Currency::ALL.iter().map(|currency| currency.code).collect();
    format!("one of {}", codes.join(", "))
}

/// Refuses what only Arabic has.
fn arabic_only(language: Language, options: &[(&str, bool)]) -> Result<(), Failure> {
    match options.iter().find(|(_, given)| *given && language != Language::Ar) {
        Some((option, _)) => Err(usage(format!("{option} is for ar, not for {language}"))),
        None => Ok(()),
    }
}

fn usage(what: impl std::fmt::Display) -> Failure {
    Failure::new(2, format!("error: {what}"))
}

/// Names and words under a heading; a comma in a field, as a pause has, is quoted.
fn csv<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) {
    say!("id,text");
    for (id, text) in rows {
        match text.contains([',', '"']) {
            true => say!("{id},\"{}\"", text.replace('"', "\"\"")),
            false => say!("{id},{text}"),
        }
    }
}

// Names of options, so that a wrong one is answered with a guess and the list.

fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::code))
        .try_map(|code| Language::from_code(&code).ok_or(SayError::Empty))
}

fn style() -> impl TypedValueParser<Value = &'static Style> {
    PossibleValuesParser::new(Style::ALL.map(|style| style.name))
        .try_map(|name| Style::named(&name).ok_or(SayError::Empty))
}

fn gender() -> impl TypedValueParser<Value = Gender> {
    PossibleValuesParser::new(["m", "f"]).map(|name| match name.as_str() {
        "f" => Gender::Feminine,
        _ => Gender::Masculine,
    })
}

fn case() -> impl TypedValueParser<Value = Case> {
    PossibleValuesParser::new(["nominative", "oblique"]).map(|name| match name.as_str() {
        "oblique" => Case::Oblique,
        _ => Case::Nominative,
    })
}

fn months() -> impl TypedValueParser<Value = MonthNames> {
    PossibleValuesParser::new(["egypt", "levant", "hijri"]).map(|name| match name.as_str() {
        "levant" => MonthNames::Levant,
        "hijri" => MonthNames::Hijri,
        _ => MonthNames::Egypt,
    })
}
