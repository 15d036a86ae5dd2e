use super::*;

const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9)), 5060);

fn guard() -> Guard {
    let emergency = std::collections::BTreeSet::from(["112".to_owned()]);
    Guard::new(GuardConfig { emergency, ..GuardConfig::default() }, 7)
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// How many of `count` calls a second, from this port for ten seconds, pass; and how many are told to come later.
fn flood(guard: &mut Guard, start: Instant, from: SocketAddr, standing: Standing, rate: u64) -> (u32, u32) {
    let (mut passed, mut told) = (0, 0);
    for n in 0..rate * 10 {
        let now = start + Duration::from_micros(n * 1_000_000 / rate);
        match guard.admit(now, now, from, standing, Class::Call) {
            Verdict::Pass => passed += 1,
            Verdict::Later(seconds) => {
                assert!((1..=10).contains(&seconds));
                told += 1;
            }
            Verdict::Drop => {}
        }
    }
    (passed, told)
}

/// 5,000 a second from one source: its allowance and no more passes, few are answered, nobody else notices.
#[test]
fn a_flood_gets_its_allowance_and_little_more() {
    let (mut guard, now) = (guard(), Instant::now());
    let (passed, told) = flood(&mut guard, now, PEER, Standing::Stranger, 5_000);
    assert!((220..=265).contains(&passed), "20 a second, 40 at once, 2 a second of the port: {passed}");
    assert!((45..=60).contains(&told), "{told}");
    let neighbour = SocketAddr::from(([203, 0, 113, 10], 5060));
    assert_eq!(flood(&mut guard, now, neighbour, Standing::Stranger, 15), (150, 0));
    let counts = guard.counts();
    assert_eq!(counts.of(Count::RefuseRate), u64::from(told));
    assert_eq!(counts.of(Count::DropRate), 50_000 - u64::from(passed + told));
}

/// Behind one address there may be an office: a phone that runs wild leaves its neighbours their own calls.
#[test]
fn other_ports_of_a_flooding_address_still_call() {
    let (mut guard, start) = (guard(), Instant::now());
    let mut neighbours = 0;
    for n in 0..20_000u64 {
        let now = start + Duration::from_micros(n * 200);
        guard.admit(now, now, PEER, Standing::Stranger, Class::Call);
        if n % 2_000 == 1_999 {
            let phone = SocketAddr::new(PEER.ip(), 40_000 + u16::try_from(n / 2_000).unwrap());
            neighbours += u32::from(guard.admit(now, now, phone, Standing::Stranger, Class::Call) == Verdict::Pass);
        }
    }
    assert_eq!(neighbours, 10);
    // But not any number of ports.
    let now = start + Duration::from_secs(4);
    let ports = (0..5_000u16).filter(|n| {
        let from = SocketAddr::new(PEER.ip(), 10_000 + n);
        guard.admit(now, now, from, Standing::Stranger, Class::Call) == Verdict::Pass
    });
    assert!(ports.count() < 2 * PORTS_MAX);
}

#[test]
fn who_is_known_may_do_more_and_who_is_trusted_all() {
    let (mut guard, now) = (guard(), Instant::now());
    let (passed, _) = flood(&mut guard, now, PEER, Standing::Known, 5_000);
    assert!((11_900..=12_100).contains(&passed), "{passed}");
    assert_eq!(flood(&mut guard, now, PEER, Standing::Trusted, 5_000), (50_000, 0));
}

/// What belongs to a call that is up is never held back; an emergency call has an allowance of its own.
#[test]
fn a_flooding_source_keeps_its_calls_and_its_emergency_calls() {
    let (mut guard, now) = (guard(), Instant::now());
    flood(&mut guard, now, PEER, Standing::Stranger, 5_000);
    let now = now + Duration::from_secs(10);
    for _ in 0..1_000 {
        assert_eq!(guard.admit(now, now - ms(900), PEER, Standing::Stranger, Class::Kept), Verdict::Pass);
    }
    let pass = |_: &u32| guard.admit(now, now - ms(900), PEER, Standing::Stranger, Class::Emergency) == Verdict::Pass;
    assert_eq!((0..100).filter(pass).count(), 10);
    assert!(guard.is_emergency(b"112") && !guard.is_emergency(b"1120"));
}

/// RFC 6357 §5: what is older than 500 ms is not worth the work; when all has waited for more than 50 ms and that for
/// 100 ms, the more is refused the older it is.
#[test]
fn old_requests_are_refused_and_then_dropped() {
    let (mut guard, now) = (guard(), Instant::now());
    let mut share = |at, age| {
        let now = now + ms(at);
        let verdicts = (0..1_000).map(|_| guard.admit(now, now - ms(age), PEER, Standing::Trusted, Class::Call));
        let verdicts = verdicts.collect::<Vec<_>>();
        let count = |wanted: fn(&Verdict) -> bool| verdicts.iter().filter(|v| wanted(v)).count();
        (count(|v| *v == Verdict::Pass), count(|v| *v == Verdict::Drop))
    };
    assert_eq!((share(1_000, 0), share(1_000, 50)), ((1_000, 0), (1_000, 0)));
    // Held up, and then it is over.
    assert_eq!((share(1_000, 400), share(1_090, 400), share(1_099, 400)), ((1_000, 0), (1_000, 0), (1_000, 0)));
    assert_eq!(share(1_100, 10), (1_000, 0));
    // More comes than can be done.
    assert_eq!((share(1_200, 100), share(1_250, 100), share(1_299, 100)), ((1_000, 0), (1_000, 0), (1_000, 0)));
    let (half, none) = share(1_300, 100);
    assert!((430..570).contains(&half) && none == 0, "{half}");
    assert_eq!((share(1_301, 151), share(1_302, 501)), ((0, 0), (0, 1_000)));
    // It gets less, or nothing comes for a while.
    assert_eq!((share(9_000, 400), share(9_050, 400)), ((1_000, 0), (1_000, 0)));
    assert_eq!(share(9_300, 400), (1_000, 0));
    assert_eq!((share(1_400, 20), share(1_450, 100)), ((1_000, 0), (1_000, 0)));
    assert_eq!(guard.admit(now, now - ms(900), PEER, Standing::Stranger, Class::Claim), Verdict::Pass);
}

/// A queue in front of one server: twice what it can do comes for a minute. Refusing costs a sixteenth of a call, a
/// message of a call that is up a fifth. Nine tenths of the best are done all the same, and nobody waits long.
#[test]
fn at_twice_the_capacity_nine_tenths_of_the_best_are_done() {
    let best = served(1.0);
    let twice = served(2.0);
    assert!(best.0 > 5_800, "{best:?}");
    assert!(f64::from(twice.0) >= 0.9 * f64::from(best.0), "{twice:?} of {best:?}");
    assert!(twice.1 < ms(250), "{twice:?}");
    // Without the guard the queue only grows: every call would be answered too late.
}

/// Calls served in a minute at so many times the capacity of 100 a second, and the longest wait of one of them.
fn served(load: f64) -> (u32, Duration) {
    // One call: INVITE 6 ms, ACK and BYE 2 ms each.
    let (invite_us, kept_us, refuse_us, drop_us) = (6_000, 2_000, 600, 50);
    let (mut guard, start) = (guard(), Instant::now());
    let mut arrivals = BTreeMap::new();
    let mut number = 0u64;
    let gap_us = 10_000.0 / load;
    let mut at_us = 0.0;
    while at_us < 60_000_000.0 {
        arrivals.insert((at_us as u64, number), Class::Call);
        number += 1;
        at_us += gap_us;
    }
    let (mut clock_us, mut done, mut longest) = (0u64, 0, Duration::ZERO);
    while let Some(((arrived_us, _), class)) = arrivals.pop_first() {
        clock_us = clock_us.max(arrived_us);
        if clock_us > 60_000_000 {
            break;
        }
        let moment = |us| start + Duration::from_micros(us);
        let verdict = guard.admit(moment(clock_us), moment(arrived_us), PEER, Standing::Trusted, class);
        clock_us += match (verdict, class) {
            (Verdict::Drop, _) => drop_us,
            (Verdict::Later(_), _) => refuse_us,
            (Verdict::Pass, Class::Call) => {
                longest = longest.max(Duration::from_micros(clock_us - arrived_us));
                done += 1;
                for later_us in [50_000, 1_000_000] {
                    arrivals.insert((clock_us + later_us, number), Class::Kept);
                    number += 1;
                }
                invite_us
            }
            (Verdict::Pass, _) => kept_us,
        };
    }
    (done, longest)
}

fn wrong(guard: &mut Guard, now: Instant, user: &[u8], standing: Standing) -> (bool, Option<Ban>) {
    let looked_at = guard.may_try(now, PEER.ip(), user, true).is_ok();
    let answered = if looked_at { Answered::Wrong } else { Answered::NotLookedAt { fresh: true } };
    (looked_at, guard.answered(now, PEER.ip(), standing, user, answered))
}

/// Of forty guesses in four seconds ten are looked at; the user can log in from elsewhere all the time.
#[test]
fn guesses_wait_longer_each_time() {
    let (mut guard, now) = (guard(), Instant::now());
    let looked = (0..40u64).filter(|n| wrong(&mut guard, now + ms(n * 100), b"101", Standing::Known).0).count();
    assert_eq!(looked, 10);
    let later = now + Duration::from_secs(4);
    assert_eq!(guard.may_try(later, [192, 0, 2, 1].into(), b"101", true), Ok(()));
    assert_eq!(guard.may_try(later, PEER.ip(), b"102", true), Ok(()), "another phone of the same office");
    assert!(guard.may_try(later, PEER.ip(), b"101", true).is_err());
    assert_eq!(guard.may_try(now + ms(5_901), PEER.ip(), b"101", true), Ok(()));
    wrong(&mut guard, now + ms(5_901), b"101", Standing::Known);
    assert_eq!(guard.may_try(now + ms(15_900), PEER.ip(), b"101", true), Err(1), "the second pause is 10 s");
    guard.answered(now + ms(16_000), PEER.ip(), Standing::Known, b"101", Answered::Right);
    assert_eq!(guard.may_try(now + ms(16_000), PEER.ip(), b"101", true), Ok(()));
    assert_eq!(guard.counts().of(Count::RefuseBackOff), 32);
}

/// A hundred sources guess for one user: all together get a try or two a second, but not who has logged in before.
#[test]
fn many_sources_that_guess_for_one_user_share_a_try_or_two_a_second() {
    let (mut guard, now) = (guard(), Instant::now());
    let home = IpAddr::from([198, 51, 100, 1]);
    guard.answered(now, home, Standing::Stranger, b"101", Answered::Right);
    let mut looked = 0;
    for n in 0..6_000u64 {
        let (at, source) = (now + ms(n * 10), IpAddr::from([10, 0, 0, (n % 200) as u8]));
        if guard.may_try(at, source, b"101", true).is_ok() {
            looked += 1;
            guard.answered(at, source, Standing::Stranger, b"101", Answered::Wrong);
        }
    }
    assert!((100..=230).contains(&looked), "{looked}");
    assert_eq!(guard.may_try(now + Duration::from_secs(60), home, b"101", true), Ok(()));
}

/// 20 wrong answers to fresh challenges in 60 s: banned for ten minutes, then for twenty.
#[test]
fn a_guessing_source_is_banned_and_longer_each_time() {
    let (mut guard, mut now) = (guard(), Instant::now());
    for (times, minutes) in [(1, 10), (2, 20), (3, 40)] {
        let bans: Vec<Ban> = (0..20u64)
            .filter_map(|n| wrong(&mut guard, now + ms(n * 100), format!("{n}").as_bytes(), Standing::Stranger).1)
            .collect();
        let left = Duration::from_secs(60 * minutes);
        assert_eq!(bans, [Ban { address: PEER.ip(), left, times }]);
        now += ms(1_900);
        assert_eq!(guard.admit(now, now, PEER, Standing::Stranger, Class::Other), Verdict::Drop);
        assert_eq!(guard.admit(now, now, PEER, Standing::Stranger, Class::Kept), Verdict::Pass);
        assert_eq!((guard.bans(now).len(), guard.counts().banned), (1, 1));
        now += left;
        assert_eq!(guard.admit(now, now, PEER, Standing::Stranger, Class::Other), Verdict::Pass);
        assert_eq!(guard.bans(now), []);
    }
    wrong(&mut guard, now, b"1", Standing::Stranger);
    assert!(!guard.unban(now, PEER.ip()));
}

/// An office with a registered phone, or a trunk, is slowed for each user but never shut out; old or foreign
/// challenges prove no sender and never ban one.
#[test]
fn nobody_bans_somebody_else() {
    let (mut guard, now) = (guard(), Instant::now());
    guard.registered(now, PEER.ip(), Duration::from_secs(3_600));
    assert_eq!(guard.standing(now, PEER.ip()), Standing::Known);
    assert_eq!(guard.standing(now + Duration::from_secs(3_600), PEER.ip()), Standing::Stranger);
    for n in 0..100u64 {
        assert_eq!(wrong(&mut guard, now + ms(n), b"101", Standing::Known).1, None);
    }
    for n in 0..1_000u64 {
        let at = now + ms(n);
        assert_eq!(guard.answered(at, [192, 0, 2, 1].into(), Standing::Stranger, b"x", Answered::Old), None);
    }
    assert_eq!(guard.bans(now), []);
    assert_eq!(guard.may_try(now, [192, 0, 2, 1].into(), b"x", true), Ok(()), "his own answers are looked at");
    assert!(guard.may_try(now, [192, 0, 2, 1].into(), b"x", false).is_err());
}

/// A million invented sources take no more room than the table has, and wash out no ban.
#[test]
fn tables_are_bounded_and_bans_outlive_a_flood_of_sources() {
    let (mut guard, now) = (guard(), Instant::now());
    for n in 0..20 {
        wrong(&mut guard, now, format!("{n}").as_bytes(), Standing::Stranger);
    }
    for n in 0..200_000u32 {
        let from = SocketAddr::from((n.to_be_bytes(), 5060));
        guard.admit(now, now, from, Standing::Stranger, Class::Other);
        guard.answered(now, from.ip(), Standing::Stranger, &n.to_be_bytes(), Answered::Wrong);
    }
    assert!(guard.sources.len() <= SOURCES_MAX);
    assert_eq!(guard.admit(now, now, PEER, Standing::Stranger, Class::Call), Verdict::Drop);
    assert!(guard.unban(now, PEER.ip()));
    assert_eq!(guard.admit(now, now, PEER, Standing::Stranger, Class::Call), Verdict::Pass);
}

#[test]
fn an_ipv6_site_is_one_source() {
    let source = |text: &str| source_of(text.parse().unwrap());
    assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
    assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
    assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
}

#[test]
fn networks_are_read_and_matched() {
    let network = |text: &str| Network::parse(text);
    let lan = network("192.0.2.0/24").unwrap();
    assert!(lan.contains([192, 0, 2, 200].into()) && !lan.contains([192, 0, 3, 1].into()));
    assert!(lan.contains("::ffff:192.0.2.9".parse().unwrap()) && !lan.contains("2001:db8::1".parse().unwrap()));
    assert!(network("0.0.0.0/0").unwrap().contains([8, 8, 8, 8].into()));
    assert!(network("2001:db8::/32").unwrap().contains("2001:db8:5::1".parse().unwrap()));
    assert!(network("::/0").unwrap().contains("2001:db8:5::1".parse().unwrap()));
    assert!(network("192.0.2.7").unwrap().contains([192, 0, 2, 7].into()));
    for bad in ["", "192.0.2.1/24", "192.0.2.0/33", "host", "192.0.2.0/", "::1/129"] {
        assert_eq!(network(bad), None, "{bad}");
    }
}

#[test]
fn a_look_tells_method_number_and_dialog() {
    let look = |text: &'static str| peek(text.as_bytes());
    let whole = look("INVITE sip:112@h SIP/2.0\r\nTimestamp: 1\r\nv: x\r\nT : <sip:a@b;tag=no>;x=y; TAG=abc\r\n\r\n");
    assert_eq!((whole.method, whole.user, whole.to_tag), (&b"INVITE"[..], &b"112"[..], Some(&b"abc"[..])));
    assert_eq!(look("BYE sip:h SIP/2.0\nTo: a@b;tag=1\n\n"), Peek { method: b"BYE", user: b"", to_tag: Some(b"1") });
    assert_eq!(look("INVITE tel:+1;x=y SIP/2.0\r\nTo: <sip:a;tag=x>\r\n\r\nTo: a;tag=b").to_tag, None);
    assert_eq!(look("INVITE tel:+1;x=y SIP/2.0\r\n\r\n").user, b"+1");
    for nothing in ["SIP/2.0 200 OK\r\nTo: a;tag=b\r\n\r\n", "\r\n\r\n", ""] {
        assert_eq!(look(nothing), Peek::default(), "{nothing}");
    }
    assert_eq!(look("\u{1}\u{2}").method, b"\x01\x02");
}
