//! Map variables: fields in expressions, assignments and answers of services.

use super::*;

const MAP: &str =
    "customer = { type = \"map\", default = { tier = \"none\", name = \"\", visits = 0, has_overdue_case = false } }\n";
const SHOW: &str = "[node.show]\nkind = \"queue\"\nqueue = \"support\"\n\
                    skills = [\"{customer.tier}:{customer.visits}:{customer.has_overdue_case}:{customer.name}\"]\n\
                    on = { ended = \"end\", timeout = \"end\", full = \"end\", no_agents = \"end\" }\n";

/// Asks for the customer, and shows what is known of him.
fn look_up(body: &str) -> Vec<String> {
    let nodes =
        "[node.start]\nkind = \"http\"\nservice = \"crm\"\nget = \"/customer\"\ninto = \"customer\"\nnext = \"show\"\n";
    let mut call = Call::among(&format!("{MAP}{nodes}{SHOW}"), &[]);
    call.drain();
    call.answers(200, body)
}

#[test]
fn fields_are_read_and_set_by_their_names() {
    let nodes = "[node.start]\nkind = \"set\"\nset = { \"customer.tier\" = '\"gold\"', \"customer.visits\" = 'customer.visits + 2' }\n\
                 next = \"which\"\n[node.which]\nkind = \"switch\"\n\
                 case = [{ when = 'customer.tier == \"gold\" && !customer.has_overdue_case', next = \"show\" }]\nelse = \"end\"\n";
    let words = Call::among(&format!("{MAP}{nodes}{SHOW}"), &[]).drain();
    assert_eq!(words.last().map(String::as_str), Some("queue support [\"gold:2:false:\"] 0 0ns"), "{words:?}");
}

/// Known fields are taken, unknown ones ignored; what is null or absent stays.
#[test]
fn an_object_is_laid_over_a_map() {
    let cases = [
        (r#"{"tier": "gold", "visits": 7, "has_overdue_case": true, "name": "سارة", "more": [1]}"#, "gold:7:true:سارة"),
        (r#"{"tier": null, "visits": 3}"#, "none:3:false:"),
        ("{}", "none:0:false:"),
        (r#"{"tier": 5}"#, "5:0:false:"),
    ];
    for (body, shown) in cases {
        let words = look_up(body);
        assert_eq!(words, ["[crm ok 0]", "[show]", &format!("queue support [\"{shown}\"] 0 0ns")], "{body}");
    }
}

/// One field of a wrong type, and nothing is taken.
#[test]
fn what_does_not_fit_the_map_is_an_error_and_changes_nothing() {
    let bodies =
        [r#"{"tier": "gold", "visits": "many"}"#, r#"{"has_overdue_case": 1}"#, "[]", "5", r#""gold""#, "null", "{"];
    for body in bodies {
        assert_eq!(look_up(body)[..2], ["[crm invalid 0]", "[wrong]"], "{body}");
    }
    let nodes = "[node.start]\nkind = \"http\"\nservice = \"crm\"\nget = \"/customer\"\ninto = \"customer\"\nnext = \"show\"\n\
                 on = { error = \"show\" }\n";
    let mut call = Call::among(&format!("{MAP}{nodes}{SHOW}"), &[]);
    call.drain();
    let words = call.answers(200, r#"{"tier": "gold", "visits": "many"}"#);
    assert_eq!(words.last().map(String::as_str), Some("queue support [\"none:0:false:\"] 0 0ns"), "{words:?}");
}

#[test]
fn single_fields_take_pointers_and_keys() {
    let nodes = "[node.start]\nkind = \"http\"\nservice = \"crm\"\nget = \"/customer\"\n\
                 into = { \"customer.tier\" = \"/a/tier\", text = \"/b\" }\nnext = \"ask\"\n\
                 [node.ask]\nkind = \"collect\"\nsay = [{ prompt = \"code\" }]\ninto = \"customer.visits\"\nmax = 2\nnext = \"show\"\n";
    let mut call = Call::among(&format!("{MAP}{nodes}{SHOW}"), &[]);
    call.drain();
    call.answers(200, r#"{"a": {"tier": "vip"}}"#);
    let words = call.press("42");
    assert_eq!(words.last().map(String::as_str), Some("queue support [\"vip:42:false:\"] 0 0ns"), "{words:?}");
}
