//! Nouns: the words for what is counted, in every form that a number asks for.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Gender, Language, SayError, noun_table};

/// A noun of one language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Noun {
    /// Name that requests and clips use, such as `call`; the same in every language.
    pub id: Cow<'static, str>,
    /// Its gender; English ignores it.
    pub gender: Gender,
    /// Whether it names people: of men «لا يوجد أشخاص» is said, of everything else «لا توجد أيام».
    pub people: bool,
    /// The words.
    pub forms: Forms,
}

impl Noun {
    /// A noun for things, without any form yet.
    #[must_use]
    pub const fn new(id: Cow<'static, str>, gender: Gender) -> Self {
        Self { id, gender, people: false, forms: Forms::NONE }
    }

    /// The word in one form.
    ///
    /// # Errors
    ///
    /// [`SayError::MissingForm`]: the form was not declared; `language` is only named in it.
    pub fn form(&self, language: Language, form: Form) -> Result<&Cow<'static, str>, SayError> {
        self.forms.find(form).ok_or_else(|| SayError::MissingForm { noun: self.id.to_string(), form, language })
    }

    /// Every form that `language` needs and this noun lacks, each as a [`SayError::MissingForm`] to show.
    #[must_use]
    pub fn check(&self, language: Language) -> Vec<SayError> {
        Form::needed_in(language).iter().filter_map(|form| self.form(language, *form).err()).collect()
    }
}

/// The words of a noun; `None` where one is not declared.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Forms {
    /// Singular: «مكالمة», "call".
    pub one: Option<Cow<'static, str>>,
    /// Arabic dual, nominative: «مكالمتان».
    pub two: Option<Cow<'static, str>>,
    /// Arabic dual, oblique: «مكالمتين».
    pub two_oblique: Option<Cow<'static, str>>,
    /// Arabic plural, after 3–10: «مكالمات».
    pub few: Option<Cow<'static, str>>,
    /// Arabic singular accusative, after 11–99: «مكالمةً».
    pub many: Option<Cow<'static, str>>,
    /// Arabic singular genitive, after hundreds: «مكالمة»; the plural in other languages: "calls".
    pub other: Option<Cow<'static, str>>,
}

impl Forms {
    /// No form declared.
    pub const NONE: Self = Self { one: None, two: None, two_oblique: None, few: None, many: None, other: None };

    /// The word in one form, if it is declared.
    #[must_use]
    pub fn find(&self, form: Form) -> Option<&Cow<'static, str>> {
        match form {
            Form::One => self.one.as_ref(),
            Form::Two => self.two.as_ref(),
            Form::TwoOblique => self.two_oblique.as_ref(),
            Form::Few => self.few.as_ref(),
            Form::Many => self.many.as_ref(),
            Form::Other => self.other.as_ref(),
        }
    }
}

/// The form of a noun, by its CLDR plural category; Arabic has two for `two`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Form {
    /// Singular.
    One,
    /// Dual, nominative.
    Two,
    /// Dual, oblique.
    TwoOblique,
    /// Plural of 3–10.
    Few,
    /// Singular accusative of 11–99.
    Many,
    /// Everything else.
    Other,
}

impl Form {
    /// The forms that a noun of this language must have.
    #[must_use]
    pub const fn needed_in(language: Language) -> &'static [Self] {
        match language {
            Language::Ar => &[Self::One, Self::Two, Self::TwoOblique, Self::Few, Self::Many, Self::Other],
            Language::En | Language::Fr => &[Self::One, Self::Other],
        }
    }

    /// Name of the form in declarations and clips.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Two => "two",
            Self::TwoOblique => "two_oblique",
            Self::Few => "few",
            Self::Many => "many",
            Self::Other => "other",
        }
    }

    /// Which numbers ask for the form, for people to read.
    #[must_use]
    pub const fn needed_for(self, language: Language) -> &'static str {
        match (language, self) {
            (Language::Fr, Self::One) => "0 and 1",
            (Language::Ar | Language::En, Self::One) => "1",
            (Language::Ar | Language::En | Language::Fr, Self::Two) => "2",
            (Language::Ar | Language::En | Language::Fr, Self::TwoOblique) => "2 in the oblique case",
            (Language::Ar | Language::En | Language::Fr, Self::Few) => "3–10",
            (Language::Ar | Language::En | Language::Fr, Self::Many) => "11–99",
            (Language::Ar, Self::Other) => "100, 1000 and the like",
            (Language::En, Self::Other) => "0, 2 and above",
            (Language::Fr, Self::Other) => "2 and above",
        }
    }
}

/// The nouns that can be counted: the built-in ones, and those declared by a user.
#[derive(Clone, Debug, Default)]
pub struct Nouns {
    own: BTreeMap<(Language, String), Noun>,
}

impl Nouns {
    /// The built-in nouns alone.
    #[must_use]
    pub fn built_in() -> Self {
        Self::default()
    }

    /// Adds a noun to one language; it takes the place of one with the same name, built-in ones too.
    pub fn declare(&mut self, language: Language, noun: Noun) {
        self.own.insert((language, noun.id.to_string()), noun);
    }

    /// The noun of a name.
    ///
    /// # Errors
    ///
    /// [`SayError::UnknownNoun`]: neither built in nor declared for this language.
    pub fn find(&self, language: Language, id: &str) -> Result<&Noun, SayError> {
        self.find_own(language, id)
            .or_else(|| noun_table::built_in(language).iter().find(|noun| noun.id == id))
            .ok_or_else(|| SayError::UnknownNoun { noun: id.to_owned(), language })
    }

    /// The word of a noun in one form.
    ///
    /// # Errors
    ///
    /// - [`SayError::UnknownNoun`]: neither built in nor declared for this language.
    /// - [`SayError::MissingForm`]: declared without this form.
    pub fn form(&self, language: Language, id: &str, form: Form) -> Result<&str, SayError> {
        Ok(self.find(language, id)?.form(language, form)?)
    }

    /// Every noun of a language, built-in ones first; a declared noun hides the built-in one of its name.
    pub fn iter(&self, language: Language) -> impl Iterator<Item = &Noun> {
        let built_in = noun_table::built_in(language).iter();
        let own = self.own.iter().filter(move |((of, _), _)| *of == language).map(|(_, noun)| noun);
        built_in.filter(move |noun| !self.is_own(language, &noun.id)).chain(own)
    }

    /// What a user declared under this name, in all languages, as one text that changes with it; `None` when he did not.
    #[must_use]
    pub fn declared(&self, id: &str) -> Option<String> {
        let own: Vec<_> = self.own.iter().filter(|((_, name), _)| name == id).collect();
        if own.is_empty() { None } else { Some(format!("{own:?}")) }
    }

    /// Whether a user declared this noun, so that the dialects' words for the built-in one do not apply.
    pub(super) fn is_own(&self, language: Language, id: &str) -> bool {
        self.find_own(language, id).is_some()
    }

    /// The noun that a user declared under this name.
    fn find_own(&self, language: Language, id: &str) -> Option<&Noun> {
        // Most users declare nothing: do not build a key then.
        if self.own.is_empty() { None } else { self.own.get(&(language, id.to_owned())) }
    }
}
