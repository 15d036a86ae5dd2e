//! Each machine in random orders of events against the figures of the RFCs: 3261 §17, figures 5 to 8, with 6026.
//!
//! The models here know nothing of the machines: they are the figures and the timers of table 4, written once more
//! as plain lists.

use proptest::prelude::*;

use super::*;

/// After how many milliseconds Timers E and G fire: doubled up to T2 (RFC 3261 §17.1.2.2, §17.2.1).
const UP_TO_T2: [u64; 10] = [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500];
/// Timer A: doubled without a ceiling (§17.1.1.2).
const DOUBLED: [u64; 6] = [500, 1_500, 3_500, 7_500, 15_500, 31_500];

/// What was put out, and when, in milliseconds.
type Story = Vec<(u64, String)>;

/// The state of a figure, since when, and what a model expects of the machine.
struct Figure {
    state: &'static str,
    since: u64,
    reliable: bool,
    /// What is repeated when asked.
    last: String,
    /// When it ends for another reason than its state's timer.
    ends: Option<u64>,
    story: Story,
}

impl Figure {
    fn new(state: &'static str, reliable: bool, last: &str) -> Self {
        let story = Vec::new();
        Self { state, since: 0, reliable, last: last.to_owned(), ends: None, story }
    }

    fn enter(&mut self, now: u64, state: &'static str) {
        (self.state, self.since) = (state, now);
    }

    fn says(&mut self, now: u64, what: &str) {
        self.story.push((now, what.to_owned()));
    }

    fn sends(&mut self, now: u64, what: &str) {
        self.last = what.to_owned();
        self.says(now, &format!("send {what}"));
    }

    fn repeats(&mut self, now: u64) {
        self.story.push((now, format!("resend {}", self.last)));
    }

    /// Repeats at these distances from `start` while `from` < moment ≤ `to`, and before `end`.
    fn repeats_at(&mut self, start: u64, distances: impl IntoIterator<Item = u64>, (from, to): (u64, u64), end: u64) {
        for at in distances.into_iter().map(|distance| start + distance) {
            if !self.reliable && at > from && at <= to && at < end {
                self.repeats(at);
            }
        }
    }

    /// The state's own end, if `to` reaches it.
    fn ends_at(&mut self, at: u64, to: u64, with: &str) {
        if at <= to {
            if !with.is_empty() {
                self.says(at, with);
            }
            self.enter(at, "Terminated");
        }
    }
}

/// The machine's own words.
fn told(output: &Output) -> String {
    let text = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Output::Send(bytes) => format!("send {}", text(bytes)),
        Output::Resend(bytes) => format!("resend {}", text(bytes)),
        Output::Deliver => "deliver".to_owned(),
        Output::TimedOut => "timed out".to_owned(),
        Output::Unreachable => "unreachable".to_owned(),
        Output::NoAck => "no ACK".to_owned(),
    }
}

/// One event, and how long it is until the next, in milliseconds.
type Step = (u8, u64);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![Just(0u64), 1..700u64, 1_000..9_000u64, 30_000..34_000u64];
    prop::collection::vec((0..6u8, pause), 0..12)
}

fn reliability(reliable: bool) -> Reliability {
    if reliable { Reliability::Reliable } else { Reliability::Unreliable }
}

/// Plays the steps, then lets all timers run out: what the machine said, and whether it is at its end.
fn play<M>(
    machine: &mut M,
    steps: &[Step],
    mut event: impl FnMut(&mut M, u8, Instant),
    due: impl Fn(&M) -> Option<Instant>,
    fire: impl Fn(&mut M, Instant),
    poll: impl Fn(&mut M) -> Option<Output>,
    start: Instant,
) -> Story {
    let mut story = Story::new();
    let (mut now, mut end) = (start, start);
    for step in steps.iter().map(Some).chain([None]) {
        let mut drain = |machine: &mut M, now: Instant| {
            while let Some(output) = poll(machine) {
                story.push(((now - start).as_millis() as u64, told(&output)));
            }
        };
        if let Some((which, pause)) = step {
            event(machine, *which, now);
            end += Duration::from_millis(*pause);
        } else {
            end += Duration::from_secs(100);
        }
        drain(machine, now);
        while let Some(at) = due(machine).filter(|at| *at <= end) {
            now = at;
            fire(machine, now);
            drain(machine, now);
        }
        now = end;
    }
    story
}

/// Plays the steps with a figure.
fn model(
    mut figure: Figure,
    steps: &[Step],
    event: impl Fn(&mut Figure, u8, u64),
    wait: impl Fn(&mut Figure, u64, u64),
) -> Figure {
    let mut now = 0;
    for (which, pause) in steps {
        event(&mut figure, *which, now);
        wait(&mut figure, now, now + pause);
        now += pause;
    }
    wait(&mut figure, now, now + 100_000);
    figure
}

const RESPONSES: [(u16, &str); 3] = [(180, "180"), (200, "200"), (486, "486")];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Figure 7 with RFC 6026 §7.1: Timers G, H, I, L.
    #[test]
    fn the_invite_server_follows_its_figure(steps in steps(), reliable: bool) {
        let bytes = |text: &'static str| Bytes::from_static(text.as_bytes());
        let start = Instant::now();
        let mut machine = ServerInvite::new(bytes("100"), reliability(reliable));
        let story = play(&mut machine, &steps, |machine, which, now| match which {
            0 => machine.handle_invite(),
            1 => machine.progress(bytes("180")),
            2 => machine.accept(now, bytes("200")),
            3 => machine.reject(now, bytes("486")),
            _ => _ = machine.handle_ack(now),
        }, ServerInvite::poll_timeout, ServerInvite::handle_timeout, ServerInvite::poll_output, start);
        let mut figure = Figure::new("Proceeding", reliable, "100");
        figure.says(0, "send 100");
        let figure = model(figure, &steps, |f, which, now| match (which, f.state) {
            (0, "Proceeding" | "Completed") => f.repeats(now),
            (1, "Proceeding") => f.sends(now, "180"),
            (2, "Proceeding") => { f.sends(now, "200"); f.enter(now, "Accepted") }
            (3, "Proceeding") => { f.sends(now, "486"); f.enter(now, "Completed") }
            (4.., "Completed") => f.enter(now, if f.reliable { "Terminated" } else { "Confirmed" }),
            _ => {}
        }, |f, from, to| match f.state {
            "Completed" => {
                f.repeats_at(f.since, UP_TO_T2, (from, to), f.since + 32_000);
                f.ends_at(f.since + 32_000, to, "no ACK");
            }
            "Confirmed" => f.ends_at(f.since + 5_000, to, ""),
            "Accepted" => f.ends_at(f.since + 32_000, to, ""),
            _ => {}
        });
        prop_assert_eq!(story, figure.story);
        prop_assert_eq!(machine.is_terminated(), figure.state == "Terminated");
    }

    /// Figure 5 with RFC 6026 §7.2: Timers A, B, D, M; a CANCEL gives the call 64·T1 (§9.1).
    #[test]
    fn the_invite_client_follows_its_figure(steps in steps(), reliable: bool) {
        let start = Instant::now();
        let mut machine = ClientInvite::new(start, Bytes::from_static(b"INVITE"), reliability(reliable));
        let story = play(&mut machine, &steps, |machine, which, now| match which {
            0..3 => machine.handle_response(now, RESPONSES[usize::from(which)].0, || Bytes::from_static(b"ACK")),
            3 => machine.cancelled(now),
            4 => machine.handle_send_failed(),
            _ => {}
        }, ClientInvite::poll_timeout, ClientInvite::handle_timeout, ClientInvite::poll_output, start);
        let mut figure = Figure::new("Calling", reliable, "INVITE");
        figure.says(0, "send INVITE");
        let figure = model(figure, &steps, |f, which, now| match (which, f.state) {
            (0, "Calling" | "Proceeding") => { f.says(now, "deliver"); f.enter(now, "Proceeding") }
            (1, "Calling" | "Proceeding") => { f.says(now, "deliver"); f.enter(now, "Accepted") }
            (1, "Accepted") => f.says(now, "deliver"),
            (2, "Calling" | "Proceeding") => {
                f.sends(now, "ACK");
                f.says(now, "deliver");
                f.enter(now, if f.reliable { "Terminated" } else { "Completed" });
            }
            (2, "Completed") => f.repeats(now),
            (3, "Proceeding") => f.ends = f.ends.or(Some(now + 32_000)),
            (4, "Calling" | "Proceeding") => { f.says(now, "unreachable"); f.enter(now, "Terminated") }
            _ => {}
        }, |f, from, to| match f.state {
            "Calling" => {
                f.repeats_at(0, DOUBLED, (from, to), 32_000);
                f.ends_at(32_000, to, "timed out");
            }
            "Proceeding" => if let Some(at) = f.ends { f.ends_at(at, to, "timed out") },
            "Completed" | "Accepted" => f.ends_at(f.since + 32_000, to, ""),
            _ => {}
        });
        prop_assert_eq!(story, figure.story);
        prop_assert_eq!(machine.is_terminated(), figure.state == "Terminated");
    }

    /// Figure 8: Timer J.
    #[test]
    fn the_other_server_follows_its_figure(steps in steps(), reliable: bool) {
        let start = Instant::now();
        let mut machine = Server::new(reliability(reliable));
        let story = play(&mut machine, &steps, |machine, which, now| match which {
            0..3 => machine.handle_request(),
            3 => machine.respond(now, Bytes::from_static(b"200")),
            _ => {}
        }, Server::poll_timeout, Server::handle_timeout, Server::poll_output, start);
        let figure = model(Figure::new("Trying", reliable, ""), &steps, |f, which, now| match (which, f.state) {
            (0..3, "Completed") => f.repeats(now),
            (3, "Trying") => {
                f.sends(now, "200");
                f.enter(now, if f.reliable { "Terminated" } else { "Completed" });
            }
            _ => {}
        }, |f, _, to| if f.state == "Completed" { f.ends_at(f.since + 32_000, to, "") });
        prop_assert_eq!(story, figure.story);
        prop_assert_eq!(machine.is_terminated(), figure.state == "Terminated");
    }

    /// Figure 6: Timers E, F, K. After the first 1xx Timer E is T2.
    #[test]
    fn the_other_client_follows_its_figure(steps in steps(), reliable: bool) {
        let start = Instant::now();
        let mut machine = Client::new(start, Bytes::from_static(b"BYE"), reliability(reliable));
        let story = play(&mut machine, &steps, |machine, which, now| match which {
            0..3 => machine.handle_response(now, RESPONSES[usize::from(which)].0),
            3 => machine.handle_send_failed(),
            _ => {}
        }, Client::poll_timeout, Client::handle_timeout, Client::poll_output, start);
        let mut figure = Figure::new("Trying", reliable, "BYE");
        figure.says(0, "send BYE");
        let figure = model(figure, &steps, |f, which, now| match (which, f.state) {
            (0, "Trying") => f.enter(now, "Proceeding"),
            (1 | 2, "Trying" | "Proceeding") => {
                f.says(now, "deliver");
                f.enter(now, if f.reliable { "Terminated" } else { "Completed" });
            }
            (3, "Trying" | "Proceeding") => { f.says(now, "unreachable"); f.enter(now, "Terminated") }
            _ => {}
        }, |f, from, to| match f.state {
            "Trying" => {
                f.repeats_at(0, UP_TO_T2, (from, to), 32_000);
                f.ends_at(32_000, to, "timed out");
            }
            "Proceeding" => {
                f.repeats_at(f.since, (1..9).map(|n| n * 4_000), (from, to), 32_000);
                f.ends_at(32_000, to, "timed out");
            }
            "Completed" => f.ends_at(f.since + 5_000, to, ""),
            _ => {}
        });
        prop_assert_eq!(story, figure.story);
        prop_assert_eq!(machine.is_terminated(), figure.state == "Terminated");
    }
}
