//! Numbers of things: which form of the noun follows which number.
//!
//! | last two digits | number | noun |
//! |---|---|---|
//! | 0 | in construct | `other`: مئة يوم |
//! | 1, 2 above 100 | the round number with `other`, then «و» | `one` or dual: مئة يوم ويوم |
//! | 3–10 | opposite gender | `few`: ثلاثة أيام |
//! | 11–99 | | `many`: أحد عشر يوماً |

use super::names::{NONE_OF_MEN, NONE_OF_THINGS};
use super::number::Tail;
use super::word::{Scale, UNITS_FEMININE, UNITS_MASCULINE};
use super::{Case, Form, Gender, Language, Noun, Place, SayError, Speaker};

/// Something that has a number before it.
#[derive(Clone, Copy)]
pub(super) enum Counted<'n> {
    Noun(&'n Noun),
    /// A power of a thousand, and what comes after it.
    Scale(&'static Scale, Tail),
}

impl Speaker<'_> {
    /// Says how many there are, as a sentence of its own for 0.
    pub(super) fn count(&mut self, count: u32, noun: &Noun) -> Result<(), SayError> {
        if count > 0 {
            return self.counted_noun(count, noun);
        }
        let men = noun.people && noun.gender == Gender::Masculine;
        self.word(if men { &NONE_OF_MEN } else { &NONE_OF_THINGS });
        self.noun(noun, Form::Few)
    }

    /// Says several numbers of nouns joined by «و»; zeros are silent, but all of them together are «صفر».
    pub(super) fn amounts(&mut self, parts: &[(u32, &str)], when_zero: &str) -> Result<(), SayError> {
        let mut spoken = false;
        for (count, noun) in parts.iter().filter(|(count, _)| *count > 0) {
            if spoken {
                self.and();
            }
            spoken = true;
            self.counted_noun(*count, self.nouns.find(Language::Ar, noun)?)?;
        }
        if spoken {
            return Ok(());
        }
        self.number(0, Gender::Masculine, Tail::Noun);
        self.noun(self.nouns.find(Language::Ar, when_zero)?, Form::Other)
    }

    /// A noun and its number, from 1.
    pub(super) fn counted_noun(&mut self, count: u32, noun: &Noun) -> Result<(), SayError> {
        self.counted(count, Counted::Noun(noun))?;
        // One alone is an adjective; in 101 the noun is enough.
        if count == 1 {
            self.nth(Place::Any, by_gender(noun.gender), 0);
        }
        Ok(())
    }

    /// The number and what it counts, from 1; 1 and 2 are said by the noun alone.
    pub(super) fn counted(&mut self, count: u32, counted: Counted<'_>) -> Result<(), SayError> {
        let gender = match counted {
            Counted::Noun(noun) => noun.gender,
            Counted::Scale(..) => Gender::Masculine,
        };
        let rest = count % 100;
        match rest {
            1 | 2 => {
                if count > rest {
                    self.number(count - rest, gender, Tail::Noun);
                    self.form(counted, Form::Other)?;
                    self.and();
                }
                let form = match (rest, self.case) {
                    (2, Case::Nominative) => Form::Two,
                    (2, Case::Oblique) => Form::TwoOblique,
                    (0.., Case::Nominative | Case::Oblique) => Form::One,
                };
                self.form(counted, form)
            }
            0 | 3.. => {
                self.number(count, gender, Tail::Noun);
                let form = match rest {
                    3..=10 => Form::Few,
                    11.. => Form::Many,
                    0..=2 => Form::Other,
                };
                self.form(counted, form)
            }
        }
    }

    /// What is counted, in one form.
    fn form(&mut self, counted: Counted<'_>, form: Form) -> Result<(), SayError> {
        // Without tanween the accusative sounds like the genitive, which every noun has.
        let form = if form == Form::Many && !self.style.tanween { Form::Other } else { form };
        let (scale, tail) = match counted {
            Counted::Noun(noun) => return self.noun(noun, form),
            Counted::Scale(scale, tail) => (scale, tail),
        };
        self.word(match (form, tail) {
            (Form::Two, Tail::Noun) => &scale.two_construct,
            (Form::Two, Tail::Alone | Tail::Tens) => &scale.two,
            (Form::TwoOblique, Tail::Noun) => &scale.two_construct_oblique,
            (Form::TwoOblique, Tail::Alone | Tail::Tens) => &scale.two_oblique,
            (Form::Few, Tail::Alone | Tail::Noun | Tail::Tens) => &scale.few,
            (Form::Many, Tail::Alone | Tail::Tens) => &scale.many,
            // In construct the tanween goes: «أحد عشر ألف يوم».
            (Form::Many, Tail::Noun) | (Form::One | Form::Other, Tail::Alone | Tail::Noun | Tail::Tens) => &scale.one,
        });
        Ok(())
    }
}

/// The units of a gender, from 1.
fn by_gender(gender: Gender) -> &'static [super::Word] {
    match gender {
        Gender::Masculine => &UNITS_MASCULINE,
        Gender::Feminine => &UNITS_FEMININE,
    }
}
