//! F25: a recording is true to the clock for an hour, whatever phones and networks do.

use super::*;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What each phone's clock is fast by, in millionths.
const DRIFTS: [f64; 2] = [200.0, -200.0];
const MINUTES: u64 = 60;
/// Each minute both say something here, for so long, in ms.
const BURST: std::ops::Range<u64> = 30_000..30_200;

/// Where a channel becomes loud after a second of quiet.
#[derive(Default)]
struct Onsets {
    heard: u64,
    loud_until: u64,
    found: Vec<u64>,
}

impl Onsets {
    /// Time in which nothing is said passes unheard.
    fn skip(&mut self, samples: u64) {
        self.heard += samples;
    }

    fn hear(&mut self, sample: i16) {
        if sample.unsigned_abs() > 2_000 {
            if self.heard > self.loud_until + 8_000 {
                self.found.push(self.heard / 8);
            }
            self.loud_until = self.heard;
        }
        self.heard += 1;
    }
}

/// 2 % loss, jitter of 10 ms and now and then 60, a hold of five minutes, three minutes of silence suppression, clocks
/// 400 ppm apart: the length is wall time within 40 ms, and each word lies within 20 ms of where it was said.
#[test]
fn an_hour_is_an_hour_and_each_word_in_its_place() {
    let mut rng = ChaCha8Rng::seed_from_u64(25);
    let mut world = World::new();
    let mut phones = [world.phone(Codec::Pcmu, 1_000.0), world.phone(Codec::Pcma, 1_000.0)];
    let loud = phones.each_ref().map(|phone| {
        let tone = |n: u32| (8_000.0 * (std::f64::consts::TAU * f64::from(n) / 8.0 + 0.4).sin()) as i16;
        (0..160).map(|n| law(phone.codec).encode(tone(n))).collect::<Vec<u8>>()
    });
    let quiet = phones.each_ref().map(|phone| vec![law(phone.codec).silence(); 160]);
    world.run(137);
    let began = world.ms;
    let (customer, others) = (phones[0].leg, smallvec![phones[1].leg]);
    world.command(Command::Record { recording: RecordingId::new(1, 1), customer, others });

    let (mut said, mut onsets) = ([Vec::new(), Vec::new()], [Onsets::default(), Onsets::default()]);
    let mut sent = [0u64; 2];
    let mut way: Vec<(u64, usize, Vec<u8>)> = Vec::new();
    for ms in (0..MINUTES * 60_000).step_by(10) {
        let (minute, in_minute) = (ms / 60_000, ms % 60_000);
        for side in 0..2 {
            let due = (sent[side] + 1) as f64 * 20.0 / (1.0 + DRIFTS[side] / 1e6);
            if due > ms as f64 {
                continue;
            }
            sent[side] += 1;
            let phone = &mut phones[side];
            // The agent holds, later the customer's phone suppresses its silence: timestamps go on.
            if (side == 1 && (20..25).contains(&minute)) || (side == 0 && (40..43).contains(&minute)) {
                phone.pause();
                continue;
            }
            let speaks = BURST.contains(&in_minute);
            if speaks && said[side].last().is_none_or(|last| ms > last + 10_000) {
                // The first sample of a packet was said 20 ms before it was sent.
                said[side].push(ms - 20);
            }
            let payload = if speaks { &loud[side] } else { &quiet[side] };
            let datagram = phone.datagram(payload_type(phone.codec), phone.timestamp, payload);
            phone.pause();
            let late = u64::from(rng.next_u32() % if rng.next_u32() % 50 == 0 { 60 } else { 10 });
            if speaks || rng.next_u32() % 100 >= 2 {
                way.push((ms + late, side, datagram));
            }
        }
        way.sort_by_key(|(at, _, _)| *at);
        let there = way.partition_point(|(at, _, _)| *at <= ms);
        for (_, side, datagram) in way.drain(..there) {
            let (slot, address) = (phones[side].slot, phones[side].address);
            world.packet(slot, address, &datagram);
        }
        if in_minute == 0 {
            world.wire.sent.clear();
        }
        world.run((began + ms + 10).saturating_sub(world.ms));
        listen(&mut world, &mut onsets);
    }
    world.command(Command::StopRecord { recording: RecordingId::new(1, 1) });
    listen(&mut world, &mut onsets);
    let wall = world.ms - began;
    let length = onsets.each_ref().map(|side| side.heard / 8);
    assert!(length[0].abs_diff(wall) <= 40 && length[0] == length[1], "{length:?} ms of {wall}");
    let expected = [MINUTES as usize - 3, MINUTES as usize - 5];
    for side in 0..2 {
        let (found, said) = (&onsets[side].found, &said[side]);
        assert_eq!((found.len(), said.len()), (expected[side], expected[side]));
        let off = found.iter().zip(said).map(|(found, said)| found.abs_diff(*said)).max();
        assert!(off <= Some(20), "side {side}: {off:?} ms");
    }
}

fn listen(world: &mut World, onsets: &mut [Onsets; 2]) {
    for chunk in world.wire.chunks.drain(..) {
        if let ChunkKind::Samples(samples) = chunk.kind {
            // A second each way of where something is said.
            let at = onsets[0].heard / 8 % 60_000;
            if !(BURST.start - 1_000..BURST.end + 1_000).contains(&at) {
                onsets.iter_mut().for_each(|side| side.skip(samples.len() as u64 / 2));
                continue;
            }
            for pair in samples.chunks_exact(2) {
                onsets.iter_mut().zip(pair).for_each(|(side, sample)| side.hear(*sample));
            }
        }
    }
}
