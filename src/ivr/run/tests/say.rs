//! What is said: values in words, texts, and what happens where there are no words.

use super::*;

/// A flow that says this list and ends.
fn saying(list: &str) -> Call {
    Call::with(&format!("[node.start]\nkind = \"play\"\nsay = [{list}]\nnext = \"end\"\n"))
}

fn said(list: &str) -> String {
    let mut call = saying(list);
    let words = call.drain();
    assert_eq!(words[..2], ["[enter t]", "[start]"], "{list}");
    words[2..].join(", ")
}

#[test]
fn every_kind_of_value_is_said_in_the_callers_language() {
    let cases = [
        ("{ count = 'queue.support.waiting', noun = \"call\" }", "say «أربع مكالمات»/ar/2"),
        ("{ count = '2', noun = \"minute\", case = \"oblique\" }", "say «دقيقتين»/ar/1"),
        ("{ count = 'number', noun = \"call\" }", "say «لا توجد مكالمات»/ar/2"),
        ("{ count = '3', noun = \"call\", lang = \"en\" }", "say «three calls»/en/2"),
        ("{ number = '21', gender = \"f\" }", "say «إحدى وعشرون»/ar/2"),
        ("{ number = '3', style = \"ar-eg\" }", "say «تلاتة»/ar/1"),
        ("{ ordinal = '22', lang = \"en\" }", "say «twenty-second»/en/1"),
        ("{ money = '\"125.50\"', currency = \"SAR\" }", "say «مئة وخمسة وعشرون ريالاً وخمسون هللةً»/ar/6"),
        ("{ money = '5', currency = \"EUR\", lang = \"en\" }", "say «five euros»/en/2"),
        ("{ date = '\"2026-11-22\"' }", "say «الأحد الثاني والعشرون من نوفمبر ألفين وستة وعشرين»/ar/7"),
        (
            "{ date = '\"2026-02-18\"', months = \"hijri\" }",
            "say «الأربعاء الأول من رمضان ألف وأربعمئة وسبعة وأربعين»/ar/7",
        ),
        (
            "{ date = '\"2026-11-22\"', months = \"hijri\", lang = \"en\" }",
            "say «Sunday the twelfth of Jumada al-Akhirah fourteen forty-eight»/en/7",
        ),
        ("{ time = '\"14:30\"' }", "say «الساعة الثانية والنصف مساءً»/ar/4"),
        ("{ duration = '65', lang = \"en\" }", "say «one minute and five seconds»/en/5"),
        ("{ digits = '\"٤٢\"', lang = \"en\" }", "say «four two»/en/2"),
        (
            "{ phone = '\"0501234567\"', lang = \"en\" }",
            "say «zero five zero , one two three , four five six seven»/en/12",
        ),
        ("{ spell = '\"AB\"', lang = \"en\" }", "say «A B»/en/2"),
        ("{ text = { ar = \"رقم {number + 21}\", en = \"No.\" } }", "say «رقم واحد وعشرون»/ar/0"),
        ("{ text = \"{text}\" }, { prompt = \"hello\" }", "say hello/ar"),
    ];
    for (list, expected) in cases {
        let found = said(list);
        let (found_words, words) = (found.rsplit_once('/'), expected.rsplit_once('/'));
        assert_eq!(found_words.map(|(words, _)| words), words.map(|(words, _)| words), "{list}: {found}");
        if expected.ends_with("/0") || !expected.contains('«') {
            assert_eq!(found, expected, "a text has no recordings");
        } else {
            assert!(!found.ends_with("/0"), "{found}");
        }
    }
}

#[test]
fn what_cannot_be_said_takes_the_error_edge_and_tells_nothing_of_the_value() {
    for list in [
        "{ number = 'number + 1000000000' }",
        "{ count = 'queue.vip.waiting', noun = \"call\" }",
        "{ ordinal = 'number' }",
        "{ money = 'text + \"1.005\"', currency = \"SAR\" }",
        "{ date = 'text + \"2026-02-30\"' }",
        "{ time = 'text + \"24:00\"' }",
        "{ duration = 'number - 1' }",
        "{ digits = 'text' }",
        "{ phone = 'text + \"anonymous\"' }",
        "{ spell = 'text + \"§secret\"' }",
        "{ text = \"{1 / number}\" }",
    ] {
        let mut call = saying(list);
        let mut details = Vec::new();
        while let Some(output) = call.run.poll_output() {
            match output {
                Output::Journal(Kind::Trouble { code, detail }) => {
                    assert_eq!(code, "flow_expression");
                    details.push(detail);
                }
                Output::Play { said, .. } => {
                    let prompt = Prompt { id: "invalid_key".into(), language: "ar".into() };
                    assert_eq!(said, [Said::Prompt(prompt)], "{list}: the error edge leads there");
                }
                _ => {}
            }
        }
        assert_eq!(details.len(), 1, "{list}");
        assert!(details[0].starts_with("flow t node start: "), "{}", details[0]);
        assert_eq!(call.run.place(), ("t", "wrong"), "{list}");
    }
}

#[test]
fn a_question_that_cannot_be_repeated_takes_the_error_edge() {
    let menu = "[node.start]\nkind = \"menu\"\nsay = [{ prompt = \"topic_menu\" }]\nsay_again = [{ number = '1 / number' }]\n\
                keys = { \"1\" = \"end\" }\n";
    let mut call = Call::with(menu);
    call.drain();
    let words = call.press("5");
    let expected = ["stop", "[input \"5\" Invalid]", "[trouble flow_expression]", "[wrong]", "say invalid_key/ar"];
    assert_eq!(words, expected);
}

#[test]
fn nothing_to_say_is_over_at_once_and_no_dead_air() {
    let mut call = saying("{ text = \"{text}\" }");
    assert_eq!(call.drain(), ["[enter t]", "[start]", "say "]);
    assert_eq!(call.heard(), ["[end]", "[leave t Contained]", "hangup"]);
}

#[test]
fn codes_numbers_names_and_texts_with_values_are_private() {
    let cases = [
        ("{ digits = '\"12\"' }", true),
        ("{ phone = '\"0501\"' }", true),
        ("{ spell = '\"ab\"' }", true),
        ("{ text = \"No {number}\" }", true),
        ("{ text = \"Goodbye\" }", false),
        ("{ number = 'number' }", false),
    ];
    for (list, expected) in cases {
        let mut call = saying(list);
        let found = std::iter::from_fn(|| call.run.poll_output()).find_map(|output| match output {
            Output::Play { said, .. } => said.into_iter().next(),
            _ => None,
        });
        assert!(matches!(found, Some(Said::Spoken { is_private, .. }) if is_private == expected), "{list}: {found:?}");
    }
}
