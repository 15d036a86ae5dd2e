//! One call with a phone that says anything at any moment, and a user of this layer who does too: whatever the order,
//! what leaves keeps to the RFCs, and in the end nothing is left.

use proptest::prelude::*;

use super::*;

/// What is seen of one call, from the phone's side.
struct Odd {
    world: World,
    session: SessionId,
    /// They called; else we did.
    theirs: bool,
    /// From, To and Call-ID of the phone's requests; To lacks our tag at first.
    from: String,
    to: String,
    call_id: String,
    cseq: u32,
    sent: u32,
    /// The last INVITE of theirs: its branch and number.
    invite: (String, u32),
    /// What the phone said last.
    last: String,
    /// RSeq of our last reliable response, and the number of its INVITE.
    rseq: Option<(u32, u32)>,
    /// Our requests without a final answer.
    pending: Vec<(Instant, Message)>,
    /// Final answers by branch and method.
    answers: BTreeMap<String, (u16, Instant)>,
    /// Our highest number by dialog (tag of the peer).
    numbers: BTreeMap<String, u32>,
    /// Branches of our requests: what comes again is a repetition.
    branches: BTreeSet<String>,
    /// When our 2xx to the first INVITE went out.
    accepted: Option<Instant>,
    acknowledged: bool,
    /// A last event came, or the user hung up.
    over: bool,
    /// Transfers that the user was asked for and owes a word.
    refers: Vec<ReferId>,
}

impl Odd {
    fn new(theirs: bool, more: &str) -> Odd {
        let mut world = World::new();
        let (session, from, to, call_id, invite, pending);
        if theirs {
            let text = Ask::new("INVITE", "first", 1).sdp().more(more).text();
            world.receive(udp(PHONE), &text);
            let events = world.take_events();
            let [Event::Incoming { session: found, .. }] = events.as_slice() else { panic!("{events:?}") };
            session = *found;
            let ask = Ask::new("INVITE", "first", 1);
            (from, to, call_id) = (ask.from, ask.to, "call-1".to_owned());
            (invite, pending) = (("first".to_owned(), 1), Vec::new());
        } else {
            let (ours, request) = calling(&mut world);
            session = ours;
            from = "<sip:101@hatif.test>;tag=t1".to_owned();
            to = value(&request, HeaderName::From);
            call_id = value(&request, HeaderName::CallId);
            (invite, pending) = (("none".to_owned(), 0), vec![(world.now, request)]);
        }
        let mut odd = Odd {
            world,
            session,
            theirs,
            from,
            to,
            call_id,
            cseq: 1,
            sent: 0,
            invite,
            last: String::new(),
            rseq: None,
            pending,
            answers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            branches: BTreeSet::new(),
            accepted: None,
            acknowledged: false,
            over: false,
            refers: Vec::new(),
        };
        odd.look();
        odd
    }

    /// A request of the phone with this number, by a transaction of its own.
    fn text(&mut self, method: &'static str, cseq: u32, branch: &str, more: &str, sdp: bool) -> String {
        let ask = Ask::new(method, "BRANCH", cseq).from(&self.from);
        let ask = if more.is_empty() { ask } else { ask.more(more) };
        let text = if sdp { ask.sdp() } else { ask }.text();
        let to = format!("To: {}\r\n", self.to);
        let text = text.replace("To: <sip:500@hatif.test>\r\n", &to);
        text.replace("BRANCH", branch).replace("call-1", &self.call_id)
    }

    fn asks(&mut self, method: &'static str, more: &str, sdp: bool) {
        // Without our tag it would be another call.
        if !self.to.contains(";tag=") {
            return;
        }
        self.cseq += 1;
        self.sent += 1;
        let branch = format!("b{}", self.sent);
        let text = self.text(method, self.cseq, &branch, more, sdp);
        if method == "INVITE" {
            self.invite = (branch, self.cseq);
        }
        self.says(text);
    }

    fn says(&mut self, text: String) {
        self.acknowledged |= text.starts_with("ACK ") && text.contains("CSeq: 1 ") && self.accepted.is_some();
        self.last.clone_from(&text);
        self.world.receive(udp(PHONE), &text);
        self.look();
    }

    fn acks(&mut self) {
        let (branch, cseq) = self.invite.clone();
        // To a 2xx by a branch of its own, to a refusal by that of its INVITE.
        let refused = self.answers.get(&format!("z9hG4bK{branch} INVITE")).is_some_and(|(code, _)| *code >= 300);
        self.sent += 1;
        let branch = if refused { branch } else { format!("a{}", self.sent) };
        let text = self.text("ACK", cseq, &branch, "", false);
        self.says(text);
    }

    /// Answers our oldest request, or the one before last.
    fn answers(&mut self, code: u16, which: usize, more: &str, sdp: bool) {
        let Some((_, request)) = self.pending.get(which % self.pending.len().max(1)).cloned() else { return };
        if code >= 200 {
            self.pending.retain(|(_, other)| other.branch() != request.branch());
        }
        let contact = format!("Contact: <sip:101@{PHONE}>\r\n{more}");
        self.says(respond(&request, code, "t1", &contact, if sdp { SDP } else { "" }));
    }

    fn user(&mut self, act: impl FnOnce(&mut Endpoint, Instant, SessionId)) {
        let session = self.session;
        self.world.act(|endpoint, now| act(endpoint, now, session));
        self.look();
    }

    /// What came out keeps to the rules.
    fn look(&mut self) {
        for (at_ms, _, message) in std::mem::take(&mut self.world.sent) {
            let at = self.world.start + Duration::from_millis(at_ms);
            if message.is_request() { self.look_at_request(at, message) } else { self.look_at_response(at, &message) }
        }
        for event in self.world.take_events() {
            if let Event::Refer { refer, .. } = &event {
                self.refers.push(*refer);
            }
            let over = self.over;
            self.over |= matches!(event, Event::Failed { .. } | Event::Cancelled { .. } | Event::Ended { .. });
            assert!(!over, "{event:?} after the end");
        }
    }

    fn look_at_response(&mut self, now: Instant, message: &Message) {
        let branch = String::from_utf8_lossy(message.branch().unwrap_or_default()).into_owned();
        let code = message.code();
        if code > 100
            && let Some(tag) = message.to_tag()
            && self.theirs
            && !self.to.contains(";tag=")
            && message.method() == Method::Invite
        {
            self.to = format!("{};tag={}", self.to, String::from_utf8_lossy(tag));
        }
        if let Some(rseq) = message.header(HeaderName::RSeq) {
            let number = String::from_utf8_lossy(rseq).parse().unwrap();
            self.rseq = Some((number, message.cseq().map_or(0, |cseq| cseq.number)));
        }
        let key = format!("{branch} {}", message.method().label());
        // RFC 5407 §3.1.4: who offers anew in the call has our 2xx, though his ACK is still on its way.
        self.acknowledged |= code < 300 && key.ends_with(" INVITE") && key != "z9hG4bKfirst INVITE";
        if code < 200 {
            return;
        }
        if code < 300 && key == "z9hG4bKfirst INVITE" {
            self.accepted.get_or_insert(now);
        }
        let (before, at) = *self.answers.entry(key.clone()).or_insert((code, now));
        // After 64·T1 a repetition is another request.
        let known = now - at < Duration::from_secs(32);
        assert!(!known || before == code, "{before} and {code} to {key}");
    }

    fn look_at_request(&mut self, now: Instant, message: Message) {
        let branch = String::from_utf8_lossy(message.branch().unwrap_or_default()).into_owned();
        let peer = String::from_utf8_lossy(message.to_tag().unwrap_or_default()).into_owned();
        let number = message.cseq().map_or(0, |cseq| cseq.number);
        match message.method() {
            Method::Ack | Method::Cancel => return,
            Method::Bye if self.theirs => {
                // RFC 3261 §15: not before the ACK, unless none came for 64·T1.
                let late = self.accepted.is_some_and(|at| now - at >= Duration::from_secs(32));
                assert!(self.acknowledged || late, "BYE before the ACK");
            }
            _ => {}
        }
        if !self.branches.insert(branch) {
            return;
        }
        if message.to_tag().is_none() {
            // Asked anew: what the phone says now is of other dialogs, though this one forgets to change its tag.
            self.numbers.clear();
        }
        let highest = self.numbers.entry(peer).or_default();
        assert!(number > *highest, "{} {number} after {highest} (RFC 3261 §12.2.1.1)", message.method().label());
        *highest = number;
        self.pending.push((now, message));
        // RFC 3261 §14.1, RFC 3311 §5.1: one offer of ours at a time; what is silent for 64·T1 has failed.
        let asked = |message: &Message| matches!(message.method(), Method::Invite | Method::Update);
        let fresh = |at: &Instant| now - *at < Duration::from_secs(32);
        let offers =
            |(at, m): &&(Instant, Message)| asked(m) && !m.body().is_empty() && m.to_tag().is_some() && fresh(at);
        assert!(self.pending.iter().filter(offers).count() < 2, "two offers at once: {:?}", self.pending);
    }

    fn step(&mut self, what: u8, pause: u64) {
        let digit = "Content-Type: application/dtmf-relay";
        match what {
            0 | 1 => self.acks(),
            2 => self.asks("INVITE", "", true),
            3 => self.asks("INVITE", "", false),
            4 => self.asks("UPDATE", "", true),
            5 => self.asks("UPDATE", "Supported: timer\r\nSession-Expires: 120;refresher=uac", false),
            6 => {
                let (rseq, cseq) = self.rseq.unwrap_or((1, 1));
                self.asks("PRACK", &format!("RAck: {rseq} {cseq} INVITE"), pause.is_multiple_of(2));
            }
            7 => self.asks("INFO", digit, false),
            8 => {
                // What it says of this dialog afterwards begins another.
                self.numbers.clear();
                self.asks("BYE", "", false);
            }
            9 => {
                let (branch, cseq) = self.invite.clone();
                let text = self.text("CANCEL", cseq, &branch, "", false);
                self.says(text);
            }
            10 => self.asks("REFER", "Refer-To: <sip:600@hatif.test>", false),
            11 => {
                let text = self.text("BYE", self.cseq + 1, "wrong", "", false).replace(";tag=", ";tag=0");
                self.says(text);
            }
            12 if self.to.contains(";tag=") => {
                self.sent += 1;
                let branch = format!("old{}", self.sent);
                let text = self.text("UPDATE", self.cseq.saturating_sub(1), &branch, "", true);
                self.says(text);
            }
            13 => self.says(self.last.clone()),
            14 => self.user(|e, now, id| e.ring(now, id, None)),
            15 => self.user(|e, now, id| e.ring(now, id, Some(Bytes::from(SDP)))),
            16 => self.user(|e, now, id| e.answer(now, id, Bytes::from(SDP))),
            17 => self.user(|e, now, id| e.reject(now, id, Rejection { code: 486, ..Rejection::default() })),
            18 => {
                self.over = true;
                self.user(|e, now, id| e.hang_up(now, id, None));
            }
            19 => self.user(|e, now, id| e.reinvite(now, id, Bytes::from(SDP))),
            20 => self.user(|e, now, id| e.answer_offer(now, id, Bytes::from(SDP))),
            21 => self.user(|e, now, id| e.refuse_offer(now, id, 488, None)),
            22 => self.answers(180, 0, "", false),
            23 => self.answers(183, 0, "Require: 100rel\r\nRSeq: 7\r\nAllow: UPDATE\r\n", true),
            24 | 25 => self.answers(200, usize::from(what % 2), "Allow: INVITE, UPDATE\r\n", true),
            26 => self.answers(491, 0, "", false),
            27 => self.answers(481, 1, "", false),
            28 => self.answers(486, 0, "", false),
            29 => self.answers(422, 0, "Min-SE: 2000\r\n", false),
            30 => self.refer(if pause == 0 { 180 } else { 200 }),
            _ => {}
        }
        self.world.pass(Duration::from_millis(pause));
        self.look();
    }

    /// A word about the last transfer.
    fn refer(&mut self, code: u16) {
        let refer = if code < 200 { self.refers.last().copied() } else { self.refers.pop() };
        if let Some(refer) = refer {
            self.user(|e, now, _| e.refer_progress(now, refer, code));
        }
    }

    fn end(mut self) {
        self.over = true;
        while !self.refers.is_empty() {
            self.refer(503);
        }
        self.user(|e, now, id| e.hang_up(now, id, None));
        // A peer that is silent now gets what is owed to it, and no more.
        self.world.pass(Duration::from_secs(140));
        self.look();
        let world = &mut self.world;
        assert!(world.endpoint.is_idle(), "{:?}", world.endpoint.stats());
        assert!(world.endpoint.tags.is_empty() && world.endpoint.timers.is_empty());
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, u64)>> {
    let pause = prop_oneof![4 => Just(0u64), 3 => 1..3_000u64, 1 => 30_000..35_000u64];
    prop::collection::vec((0..32u8, pause), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_call_of_theirs_keeps_to_the_rules_in_any_order(steps in steps(), reliable in 0..3u8) {
        let more = ["Supported: timer, 100rel\r\nAllow: UPDATE", "Require: 100rel\r\nAllow: UPDATE", "Subject: none"];
        let mut odd = Odd::new(true, more[usize::from(reliable)]);
        for (what, pause) in steps {
            odd.step(what, pause);
        }
        odd.end();
    }

    #[test]
    fn a_call_of_ours_keeps_to_the_rules_in_any_order(steps in steps()) {
        let mut odd = Odd::new(false, "");
        for (what, pause) in steps {
            odd.step(what, pause);
        }
        odd.end();
    }
}

/// An early dialog offered a change by UPDATE, and then the call was refused: the UPDATE is answered all the same.
#[test]
fn an_offer_of_a_call_that_is_refused_leaves_nothing() {
    let mut odd = Odd::new(false, "");
    for what in [23, 12, 28] {
        odd.step(what, 0);
    }
    odd.end();
}

/// What two transfers tell after the call is over has numbers of one row.
#[test]
fn transfers_that_outlive_their_call_share_its_numbers() {
    let mut odd = Odd::new(true, "Subject: none");
    for (what, pause) in [(16, 0), (0, 0), (10, 0), (10, 0), (18, 0), (24, 500)] {
        odd.step(what, pause);
    }
    odd.end();
}
