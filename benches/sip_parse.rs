//! CPU time of reading one INVITE of 1.1 KB with 17 headers and SDP: index of the headers, then Via branch,
//! From tag, To tag, Call-ID and CSeq. Prints one row of a Markdown table.
//!
//! Process CPU time, so a busy neighbour does not count; each sample is the mean of many rounds.

use std::hint::black_box;

use bytes::Bytes;
use hatif::sip::message::Message;
use rustix::time::{ClockId, clock_gettime};

/// As the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SAMPLES: usize = 15;
const ROUNDS: u32 = 50_000;

const INVITE: &[u8] = b"INVITE sip:+4930123456@192.0.2.10:5060;transport=udp SIP/2.0\r\n\
Via: SIP/2.0/UDP 198.51.100.20:5060;rport;branch=z9hG4bKPj4c8a1e0f9b7d4e6c8a2b\r\n\
Max-Forwards: 70\r\n\
From: \"Alice Example\" <sip:alice@hatif.example.com>;tag=8f14e45fceea167a\r\n\
To: <sip:+4930123456@hatif.example.com>\r\n\
Contact: <sip:alice@198.51.100.20:5060;ob>;+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>\"\r\n\
Call-ID: 5f2e9c1a-7d4b-4c3e-9a8f-0b1c2d3e4f50@198.51.100.20\r\n\
CSeq: 20714 INVITE\r\n\
Route: <sip:192.0.2.10:5060;lr>\r\n\
Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS\r\n\
Supported: replaces, 100rel, timer, norefersub\r\n\
Session-Expires: 1800\r\n\
Min-SE: 90\r\n\
User-Agent: Examplephone 5.12.3 (build 4711)\r\n\
P-Preferred-Identity: <sip:alice@hatif.example.com>\r\n\
Accept: application/sdp\r\n\
Content-Type: application/sdp\r\n\
Content-Length: 269\r\n\
\r\n\
v=0\r\n\
o=- 3871234567 3871234567 IN IP4 198.51.100.20\r\n\
s=session\r\n\
c=IN IP4 198.51.100.20\r\n\
t=0 0\r\n\
m=audio 4000 RTP/AVP 8 0 9 101\r\n\
a=rtpmap:8 PCMA/8000\r\n\
a=rtpmap:0 PCMU/8000\r\n\
a=rtpmap:9 G722/8000\r\n\
a=rtpmap:101 telephone-event/8000\r\n\
a=fmtp:101 0-16\r\n\
a=ptime:20\r\n\
a=sendrecv\r\n";

fn main() {
    let bytes = Bytes::from_static(INVITE);
    let message = read(&bytes).expect("the sample is a valid INVITE");
    assert_eq!(message.all_headers().count(), 17, "the sample has 17 headers");
    assert_eq!(message.body().len(), 269, "the sample's body is whole");
    let mut samples: Vec<f64> = (0..SAMPLES).map(|_| sample(&bytes)).collect();
    samples.sort_by(f64::total_cmp);
    let (min, median, max) = (samples[0], samples[SAMPLES / 2], samples[SAMPLES - 1]);
    println!("| what | n | min ns | median ns | max ns |");
    println!("|---|---|---|---|---|");
    println!("| read INVITE, {} bytes, 17 headers | {SAMPLES} | {min:.0} | {median:.0} | {max:.0} |", INVITE.len());
}

/// Mean CPU time of one round, in ns.
fn sample(bytes: &Bytes) -> f64 {
    let before = cpu_ns();
    for _ in 0..ROUNDS {
        black_box(read(black_box(bytes)));
    }
    (cpu_ns() - before) as f64 / f64::from(ROUNDS)
}

fn read(bytes: &Bytes) -> Option<Message> {
    let message = Message::parse(bytes.clone()).ok()?;
    black_box(message.branch()?);
    black_box(message.from_tag()?);
    black_box(message.to_tag());
    black_box(message.call_id()?);
    black_box(message.cseq()?);
    Some(message)
}

fn cpu_ns() -> i64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}
