//! Flows change under callers: who is in one goes on in his own, who comes later gets the new one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hatif::engine::Command;
use hatif::ivr::{self, Library};
use hatif::journal::{FlowOutcome, Kind};

use crate::centre::*;
use crate::phone::Leg;

/// A question whose key 1 leads to node `way`, and from there to another flow whose only word is `way_tail`.
fn library(way: &str) -> Arc<Library> {
    let main = format!(
        "flow = 1\nname = \"main\"\nlanguages = [\"en\"]\nstart = \"ask\"\n[node.ask]\nkind = \"menu\"\n\
         say = [{{ prompt = \"topic_menu\" }}]\nkeys = {{ \"1\" = \"{way}\" }}\ntimeout = \"60s\"\ntries = 3\n\
         on = {{ no_input = \"end\", invalid = \"end\" }}\n[node.{way}]\nkind = \"play\"\n\
         say = [{{ prompt = \"survey_thanks\" }}]\nnext = \"on\"\n[node.on]\nkind = \"goto\"\nflow = \"tail\"\n\
         [node.end]\nkind = \"hangup\"\n"
    );
    let tail = format!(
        "flow = 1\nname = \"tail\"\nlanguages = [\"en\"]\nstart = \"{way}_tail\"\n[node.{way}_tail]\nkind = \"play\"\n\
         say = [{{ prompt = \"goodbye\" }}]\nnext = \"end\"\n[node.end]\nkind = \"hangup\"\n"
    );
    let files = [("main.toml".to_owned(), main), ("tail.toml".to_owned(), tail)];
    let declared = ivr::Declared { languages: vec!["en".into(), "ar".into()], ..ivr::Declared::default() };
    let (library, faults) = ivr::load(&files, &declared);
    Arc::new(library.unwrap_or_else(|| panic!("{}", faults.iter().map(ToString::to_string).collect::<String>())))
}

fn caller(n: usize) -> SocketAddr {
    addr(&format!("10.3.{}.{}:5060", n / 200, n % 200 + 1))
}

/// 500 callers stand in menus while the flow is reloaded, and then rolled back: none is dropped, none is mixed.
#[test]
fn of_500_callers_each_walks_through_the_version_he_began_with() {
    let (old, new) = (library("old"), library("new"));
    let mut centre = Centre::with(|settings| {
        settings.media.ports = 20_000..=22_047;
        settings.flows = Arc::clone(&old);
    });
    let mut legs: Vec<Leg> = Vec::new();
    let mut begun: Vec<&str> = Vec::new();
    let mut come = |centre: &mut Centre, count: usize, way: &'static str| {
        for _caller in 0..count {
            let n = legs.len();
            legs.push(centre.connect(caller(n), &format!("05{n:05}"), "500"));
            begun.push(way);
            centre.pass(ms(20));
        }
    };
    come(&mut centre, 170, "old");
    // By a reload of the whole configuration, as `hatif reload` does it …
    let mut settings = centre.settings.clone();
    settings.flows = Arc::clone(&new);
    centre.command(Command::Reload(Box::new(settings)));
    come(&mut centre, 165, "new");
    // … and by a roll-back, which changes the flows alone.
    centre.command(Command::Flows(Arc::clone(&old)));
    come(&mut centre, 165, "old");
    assert_eq!(centre.engine.stats().calls, 500, "all are up at the same time");

    // Those of all three times press their key in turns.
    for step in 0..7 {
        for n in (step..500).step_by(7) {
            let leg = centre.leg(n);
            centre.digit(leg, '1');
        }
        centre.pass(ms(300));
    }
    centre.pass(seconds(5));
    for leg in &legs {
        centre.ended(leg);
    }
    centre.nothing_is_left();

    let version = |library: &Library| library.flows["main"].version.clone();
    let versions = BTreeMap::from([("old", version(&old)), ("new", version(&new))]);
    assert_ne!(versions["old"], versions["new"]);
    for (n, way) in begun.iter().enumerate() {
        let record = centre.record(n);
        let ivr = record.ivr.as_ref().expect("a flow");
        let path = ["ask", way, "on", &format!("tail/{way}_tail"), "tail/end"].map(str::to_owned);
        assert_eq!((ivr.path.as_slice(), &ivr.version), (&path[..], &versions[way]), "caller {n}");
        assert_eq!(ivr.outcome, Some(FlowOutcome::Contained), "caller {n}");
        assert!(record.trouble.is_empty(), "{:?}", record.trouble);
    }
    let entered = centre.told(|kind| matches!(kind, Kind::FlowEntered { .. }).then_some(()));
    assert_eq!(entered.len(), 1_000, "two flows for each");
}
