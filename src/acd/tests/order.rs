//! Acceptance row F08: whose turn it is, in one order across all queues.

use super::*;

/// Agent 101, paused, in queues a, b and c.
fn three() -> World {
    let mut w = World::new(FloorConfig::default());
    for name in ["a", "b", "c"] {
        w.queue(name);
    }
    w.config.agents.insert("101".into(), person("101", &[], &["a", "b", "c"]));
    w.apply();
    w.pause("101");
    w
}

fn numbers(served: Vec<(u64, Option<String>)>) -> Vec<u64> {
    served.into_iter().map(|(n, _)| n).collect()
}

/// asterisk#108: an agent in three queues always takes the top score.
#[test]
fn f08_one_order_across_queues_by_score_then_weight_then_entry() {
    let mut w = three();
    w.queue("c").weight = 5;
    w.queue("d");
    w.apply();
    w.enqueue_to(1, "b", &[], 0); // score by 90 s of waiting in the end
    w.pass(10.0);
    w.enqueue_to(2, "a", &[], 0);
    w.enqueue_to(3, "c", &[], 0); // same second as 2, higher weight
    w.pass(30.0);
    w.enqueue_to(4, "a", &[], 1); // 60 s head start: before 1
    w.pass(10.0);
    w.enqueue_to(5, "b", &[], 0);
    w.enqueue_to(6, "d", &[], 9); // not his queue
    assert_eq!(w.served("101"), [4, 1, 3, 2, 5].map(|n| (n, None)));
}

/// score = seconds waited + 60 · priority + boost; the reason says it.
#[test]
fn f08_a_segment_gives_a_head_start_where_its_queue_says_so() {
    let mut w = three();
    w.queue("a").segments.insert("gold".to_owned(), Duration::from_secs(90));
    w.apply();
    w.enqueue_to(1, "b", &[], 0);
    w.pass(80.0);
    w.enqueue_to(2, "b", &[], 1); // 60
    w.enqueue_as(3, "a", &[], 0, Some("gold")); // 90, more than the 80 of 1
    w.enqueue_as(4, "a", &[], 1, Some("gold")); // 150
    w.enqueue_as(5, "b", &[], 0, Some("gold")); // nothing in b
    w.enqueue_as(6, "a", &[], 0, Some("tin")); // unknown
    w.pass(5.0);
    let out = w.want("101", Wish::Ready);
    assert_eq!((offers(&out)[0].1, why(&out).score_s, why(&out).waited_ms), (call(4), Some(155), 5_000));
    w.pause("101");
    assert_eq!(numbers(w.served("101")), [4, 3, 1, 2, 5, 6]);
}

#[test]
fn f08_strict_priority_goes_before_any_score() {
    let mut w = three();
    w.queue("a").strict_priority = true;
    w.apply();
    w.enqueue_to(1, "a", &[], 0);
    w.enqueue_to(2, "b", &[], 9); // not strict: a head start of 540 s
    w.pass(400.0);
    w.enqueue_to(3, "a", &[], 1);
    w.pass(10.0);
    let out = w.enqueue_to(4, "a", &[], 2);
    assert!(matches!(kinds(&out)[0], Kind::Queued { position: 1, .. }));
    w.enqueue_to(5, "a", &[], 1);
    let strict = |n: u64, priority: u32| (n, Some(format!("priority {priority}")));
    assert_eq!(w.served("101"), [strict(4, 2), strict(3, 1), strict(5, 1), (2, None), (1, None)]);
}

/// Starvation cap: any caller over max_wait_strict goes first, also before those of other queues.
#[test]
fn f08_who_has_waited_for_max_wait_strict_goes_first() {
    let mut w = three();
    w.queue("a").strict_priority = true;
    w.queue("a").max_wait_strict = Some(Duration::from_secs(100));
    w.queue("b").max_wait_strict = Some(Duration::from_secs(120));
    w.apply();
    w.enqueue_to(1, "a", &[], 0);
    w.enqueue_to(2, "b", &[], 0);
    w.pass(50.0);
    w.enqueue_to(3, "a", &[], 5);
    w.pass(49.0);
    assert_eq!(w.floor.position(call(1)), Some(2));
    let out = w.pass(1.0);
    let moved: Vec<&Output> = out.iter().map(|(_, o)| o).collect();
    assert!(
        matches!(moved[..], [Output::Journal { kind: Kind::Moved { position: 1, .. }, .. }]),
        "told once, as his place changed: {moved:?}"
    );
    assert_eq!(w.pass(20.0), [], "2 is first in b anyway");
    w.enqueue_to(4, "a", &[], 9);
    let overdue = |n| (n, Some("overdue".to_owned()));
    let strict = |n: u64, priority: u32| (n, Some(format!("priority {priority}")));
    assert_eq!(w.served("101"), [overdue(1), overdue(2), strict(4, 9), strict(3, 5)]);
}

/// What a reload changes holds at once for those who wait, and each whose place is another is told in the journal.
#[test]
fn f08_new_rules_order_those_who_wait_anew() {
    let mut w = three();
    for n in 1..5 {
        w.enqueue_to(n, "a", &[], if n == 4 { 1 } else { 0 });
        w.pass(100.0);
    }
    assert_eq!([1, 2, 3, 4].map(|n| w.floor.position(call(n)).unwrap()), [1, 2, 3, 4]);
    w.queue("a").strict_priority = true;
    let out = w.apply();
    assert_eq!([1, 2, 3, 4].map(|n| w.floor.position(call(n)).unwrap()), [2, 3, 4, 1]);
    let moved = |k: &&Kind| if let Kind::Moved { position, .. } = k { Some(*position) } else { None };
    let positions: Vec<u32> = kinds(&out).iter().filter_map(moved).collect();
    assert_eq!(positions, [1, 2, 3, 4]);
    // A cap that 1 and 2 are over already, and 3 will be in 50 s.
    w.queue("a").max_wait_strict = Some(Duration::from_secs(250));
    w.apply();
    assert_eq!([1, 2, 3, 4].map(|n| w.floor.position(call(n)).unwrap()), [1, 2, 4, 3]);
    w.pass(50.0);
    assert_eq!([1, 2, 3, 4].map(|n| w.floor.position(call(n)).unwrap()), [1, 2, 3, 4]);
    w.queue("a").max_wait_strict = None;
    w.queue("a").strict_priority = false;
    w.apply();
    assert_eq!(numbers(w.served("101")), [1, 2, 3, 4]);
}
