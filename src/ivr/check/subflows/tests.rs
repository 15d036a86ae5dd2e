//! What only several flows together can show: recursion, depth, ways through a called flow, parameters nobody gives.

use crate::diagnostic::Diagnostic;
use crate::ivr::{Declared, load};

const END: &str = "[node.end]\nkind = \"hangup\"\n";
const LINE: &str = "on = { ended = \"return\", timeout = \"return\", full = \"return\", no_agents = \"return\" }\n";

fn flow(name: &str, nodes: &str) -> (String, String) {
    let head = format!("flow = 1\nname = \"{name}\"\nlanguages = [\"en\"]\nstart = \"start\"\n");
    (format!("{name}.toml"), format!("{head}{nodes}"))
}

fn call(node: &str, flow: &str, next: &str) -> String {
    format!("[node.{node}]\nkind = \"flow\"\nflow = \"{flow}\"\nnext = \"{next}\"\n")
}

fn play(node: &str, next: &str) -> String {
    format!("[node.{node}]\nkind = \"play\"\nsay = [{{ prompt = \"x\" }}]\nnext = \"{next}\"\n")
}

/// What is found, as `file code line:column`.
fn found(files: &[(String, String)]) -> Vec<String> {
    told(files, &[]).iter().map(|d| format!("{} {} {}:{}", d.file, d.code, d.line, d.column)).collect()
}

fn told(files: &[(String, String)], entered: &[&str]) -> Vec<Diagnostic> {
    let declared = Declared {
        queues: ["support".to_owned()].into(),
        entered: entered.iter().map(|name| (*name).to_owned()).collect(),
        languages: vec!["en".to_owned()],
        ..Declared::default()
    };
    let (library, diagnostics) = load(files, &declared);
    assert_eq!(library.is_none(), diagnostics.iter().any(Diagnostic::is_error));
    diagnostics
}

#[test]
fn a_flow_that_calls_another_is_sound_and_its_version_is_of_both() {
    let main = flow("main", &(call("start", "sub", "end") + END));
    let files = [main.clone(), flow("sub", &play("start", "return"))];
    assert_eq!(found(&files), [""; 0]);
    let version = |files: &[(String, String)]| {
        let declared = Declared { languages: vec!["en".to_owned()], ..Declared::default() };
        load(files, &declared).0.unwrap().flows["main"].version.clone()
    };
    let changed = [main, flow("sub", &(play("start", "more") + &play("more", "return")))];
    assert_ne!(version(&files), version(&changed));
}

#[test]
fn a_flow_that_calls_itself_is_refused_by_whatever_way() {
    let main = flow("main", &(call("start", "a", "end") + END));
    let goto = "[node.start]\nkind = \"goto\"\nflow = \"main\"\n";
    let by_goto = [main.clone(), flow("a", goto)];
    assert_eq!(found(&by_goto), ["main.toml ivr::recursion 7:8"]);
    assert_eq!(told(&by_goto, &[])[0].message, "flow main calls itself: main → a → main");
    let by_call = [main, flow("a", &call("start", "b", "return")), flow("b", &call("start", "a", "return"))];
    assert_eq!(found(&by_call), ["a.toml ivr::recursion 7:8", "b.toml ivr::recursion 7:8"]);
    // A circle of gotos waits for nobody.
    let goto = |to: &str| format!("{}[node.on]\nkind = \"goto\"\nflow = \"{to}\"\n{END}", menu("start", "on"));
    assert_eq!(found(&[flow("a", &goto("b")), flow("b", &goto("a"))]), [""; 0]);
}

fn menu(node: &str, one: &str) -> String {
    format!(
        "[node.{node}]\nkind = \"menu\"\nsay = [{{ prompt = \"x\" }}]\nkeys = {{ \"1\" = \"{one}\" }}\n\
         on = {{ no_input = \"end\", invalid = \"end\" }}\n"
    )
}

#[test]
fn eight_flows_may_wait_for_each_other_and_no_more() {
    let chain = |length: usize| -> Vec<_> {
        let link = |n: usize| match n + 1 == length {
            true => flow(&format!("f{n}"), &play("start", "return")),
            false => flow(&format!("f{n}"), &call("start", &format!("f{}", n + 1), "return")),
        };
        (0..length).map(link).collect()
    };
    assert_eq!(found(&chain(8)), [""; 0]);
    assert_eq!(found(&chain(9)), ["f7.toml ivr::too-deep 7:8"]);
}

#[test]
fn a_flow_that_never_comes_back_is_told_where_it_is_called() {
    let files = [flow("main", &(call("start", "sub", "end") + END)), flow("sub", &(play("start", "end") + END))];
    assert_eq!(found(&files), ["main.toml ivr::never-returns 7:8"]);
    assert!(!told(&files, &[])[0].is_error());
}

/// The way through a called flow is a way like any other: it may lead to no end, and it may never wait.
#[test]
fn circles_through_a_called_flow_are_found() {
    let sub = flow("sub", &play("start", "return"));
    let main = flow("main", &call("start", "sub", "start"));
    assert_eq!(found(&[main, sub]), ["main.toml ivr::never-ends 5:7"]);
    let choose = |next: &str| {
        format!(
            "[node.which]\nkind = \"switch\"\ncase = [{{ when = 'lang == \"en\"', next = \"end\" }}]\nelse = \"{next}\"\n\
             on = {{ error = \"end\" }}\n{END}"
        )
    };
    let main = flow("main", &(call("start", "sub", "which") + &choose("start")));
    let waits = flow("sub", &play("start", "return"));
    assert_eq!(found(&[main.clone(), waits]), [""; 0]);
    let hurries = flow("sub", "[node.start]\nkind = \"set\"\nset = { lang = '\"en\"' }\nnext = \"return\"\n");
    assert_eq!(found(&[main.clone(), hurries]), ["main.toml ivr::busy-loop 5:7"]);
    let line = format!("[node.start]\nkind = \"queue\"\nqueue = \"support\"\n{LINE}");
    assert_eq!(found(&[main, flow("sub", &line)]), ["main.toml ivr::busy-loop 5:7"], "the queue may be full each time");
}

#[test]
fn flows_that_are_entered_without_a_caller_need_no_parameter() {
    let wants = |default: &str| {
        flow("sub", &format!("[params]\nwho = {{ type = \"text\"{default} }}\n{}", play("start", "return")))
    };
    let goto = flow("main", "[node.start]\nkind = \"goto\"\nflow = \"sub\"\n");
    assert_eq!(found(&[goto.clone(), wants("")]), ["main.toml ivr::missing-param 7:8"]);
    assert_eq!(found(&[goto, wants(", default = \"x\"")]), [""; 0]);
    let number = told(&[wants("")], &["sub"]);
    assert_eq!((number[0].code.as_str(), number[0].line), ("ivr::missing-param", 6));
    assert!(told(&[wants(", default = \"x\"")], &["sub"]).is_empty());
}
