//! Expressions and templates: what they see, what is refused, where the fault is marked.

use proptest::prelude::*;

use super::*;

struct Floor;

impl World for Floor {
    fn hours(&self, calendar: &str) -> Option<Hours> {
        Hours::WORDS.iter().find(|(word, _)| *word == calendar).map(|(_, hours)| *hours)
    }

    fn queue(&self, name: &str) -> Option<QueueFacts> {
        let facts = QueueFacts { waiting: 3, agents_ready: 1, longest_wait_s: 42, ewt: 240 };
        (name != "gone").then_some(facts)
    }
}

fn vars() -> BTreeMap<String, Value> {
    let text = Value::Text("مرحباً".to_owned());
    [
        ("topic".to_owned(), text),
        ("count".to_owned(), Value::Number(7)),
        ("known".to_owned(), Value::Bool(true)),
        ("customer.tier".to_owned(), Value::Text("gold".to_owned())),
        ("customer.visits".to_owned(), Value::Number(2)),
        ("customer.overdue".to_owned(), Value::Bool(false)),
    ]
    .into()
}

fn compile(source: &str) -> Result<Expression, Vec<Fault>> {
    let queues = ["support", "after-hours", "gone"].map(str::to_owned).into();
    Compiler::default().expression(source, Names { vars: &vars(), queues: &queues })
}

fn fault(source: &str) -> (&'static str, String) {
    let faults = compile(source).map(|expression| expression.ty()).unwrap_err();
    let first = &faults[0];
    (first.code, source.get(first.span.clone()).unwrap_or("(outside)").to_owned())
}

#[test]
fn a_misspelt_map_or_field_is_told_with_what_was_meant() {
    for (source, help) in [("customer.teir", "did you mean \"tier\"?"), ("costumer.tier", "did you mean \"customer\"?")]
    {
        let faults = compile(source).map(|expression| expression.ty()).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].help.as_deref(), Some(help));
    }
}

fn value(source: &str) -> Result<Value, String> {
    let expression = compile(source).unwrap_or_else(|faults| panic!("{source}: {faults:?}"));
    // Sunday 22 November 2026, 22:30 UTC: Monday in Riyadh.
    let wall = "2026-11-22T22:30:00Z".parse().unwrap_or_default();
    let facts = Facts { caller: "+966501".into(), called: "500".into(), utc_offset_minutes: 180, ..Facts::default() };
    expression.evaluate(&Scene { vars: &vars(), language: "ar", facts: &facts, wall, world: &Floor })
}

#[test]
fn expressions_see_variables_and_facts() {
    let yes = Ok(Value::Bool(true));
    for source in [
        "topic == 'مرحباً' && size(topic) == 6",
        "count + 1 == 8 && count * 2 - 1 > 10",
        "lang in ['ar', 'fr']",
        "caller.number.startsWith('+966') && call.number == '500'",
        "now.weekday == 1 && now.hour == 1 && now.minute == 30 && now.date == '2026-11-23'",
        "queue.support.waiting == 3 && queue[\"after-hours\"].longest_wait_s > 40 && queue.support.agents_ready < 2",
        "queue.support.ewt > 180 && queue[\"after-hours\"].ewt == 240",
        "customer.tier == 'gold' && customer.visits + 1 == 3 && !customer.overdue && has(customer.tier)",
        "known ? count > 0 : false",
        "int('12') == 12 && string(count) == '7'",
    ] {
        assert_eq!(value(source), yes, "{source}");
    }
}

#[test]
fn what_fails_while_running_is_told_without_the_values() {
    for source in
        ["count / (count - 7)", "int(topic)", "queue.gone.waiting", "9223372036854775807 + count", "1.5 * 2.0"]
    {
        let error = value(source).expect_err(source);
        assert!(!error.contains('م'), "{error}");
    }
}

#[test]
fn faults_are_found_before_running_and_marked_in_the_text() {
    for (source, code, marked) in [
        ("topik == 'a'", "unknown-variable", "topik"),
        ("topic == 'مرحباً' && cuont > 1", "unknown-variable", "cuont"),
        ("caller.nmuber", "unknown-field", "nmuber"),
        ("topic.size", "unknown-field", "size"),
        ("customer.teir == 'gold'", "unknown-field", "teir"),
        ("costumer.tier == 'gold'", "unknown-variable", "costumer"),
        ("customer == 'gold'", "unknown-field", "customer"),
        ("customer.tier.size", "unknown-field", "size"),
        ("customer.visits == 'x'", "expression-type", "=="),
        ("queue.support.etw > 1", "unknown-field", "etw"),
        ("queue.suport.waiting > 1", "unknown-queue", "suport"),
        ("queue.support > 1", "unknown-field", "queue"),
        ("queue == 1", "unknown-field", "queue"),
        ("sise(topic)", "unknown-function", "sise"),
        ("count + topic", "expression-type", "+"),
        ("!count", "expression-type", "!"),
        ("count ? 1 : 2", "expression-type", "?"),
        ("count == 'x'", "expression-type", "=="),
        ("count +", "expression", "(outside)"),
        ("topic == 'مرحباً' + )", "expression", ")"),
        ("", "expression", ""),
        ("[1].all(x, x > 0)", "not-built", "("),
        ("{'a': 1}", "not-built", "{"),
    ] {
        assert_eq!(fault(source), (code, marked.to_owned()), "{source}");
    }
    assert_eq!(fault(&"1+".repeat(600)).0, "too-large");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written in an expression is a fault inside its text or works out without a panic.
    #[test]
    fn any_expression_is_judged_and_worked_out_without_panic(
        words in proptest::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "count", "topic", "known", "customer", ".tier", "lang", "queue", ".support", ".waiting", "caller", ".number", "now.hour",
                "(", ")", "[", "]", "{", "}", "?", ":", ",", ".", "+", "-", "*", "/", "%", "==", "<", "&&", "||", "!",
                "in", "'a'", "\"", "'", "'م'", "0", "-9223372036854775808", "9223372036854775807", "1.5", "1u", "size",
                "int", "string", "double", "bool", "has", "all", "null", "b'x'", "r'\\'", "\\u00", "`", "@in", " ",
            ]).prop_map(str::to_owned),
            "\\PC{0,3}",
        ], 0..14),
    ) {
        let source = words.concat();
        match compile(&source) {
            Ok(_) => drop(value(&source)),
            Err(faults) => prop_assert!(faults.iter().all(|fault| fault.span.start <= source.len()), "{:?}", faults),
        }
    }
}

#[test]
fn templates_hold_expressions_in_braces() {
    let (vars, queues) = (vars(), BTreeSet::new());
    let names = Names { vars: &vars, queues: &queues };
    let compiler = Compiler::default();
    let template =
        compiler.template("a{{b}}:{count + 1}:{topic}:{customer.tier}", names).unwrap_or_else(|f| panic!("{f:?}"));
    let scene = Scene { vars: &vars, language: "ar", facts: &Facts::default(), wall: Wall(0), world: &Floor };
    assert_eq!(template.fill(&scene).as_deref(), Ok("a{b}:8:مرحباً:gold"));
    assert!(!template.is_constant() && compiler.template("x}}", names).is_ok_and(|t| t.is_constant()));
    for (text, span) in [("ab{count", 2..3), ("ab}", 2..3), ("é{topc}", 3..7)] {
        assert_eq!(compiler.template(text, names).unwrap_err()[0].span, span, "{text}");
    }
}
