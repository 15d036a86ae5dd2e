use aes::Aes128Enc;
use aes::cipher::KeyInit;
use proptest::prelude::*;

use super::cipher::counter_mode;
use super::*;

const PROFILES: [Profile; 4] =
    [Profile::AeadAes128Gcm, Profile::AeadAes256Gcm, Profile::AesCm128HmacSha1_80, Profile::AesCm128HmacSha1_32];

/// RFC 3711 appendix B.2: the key stream of AES-CM, its first blocks and those about 0xff00.
#[test]
fn the_key_stream_is_that_of_rfc_3711() {
    let key: [u8; 16] = hex("2b7e151628aed2a6abf7158809cf4f3c").try_into().unwrap();
    let aes = Aes128Enc::new(&key.into());
    let mut stream = vec![0; 0xff03 * 16];
    counter_mode(&aes, hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap(), &mut stream);
    let first = "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0";
    let last = "ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44";
    assert_eq!(stream[..48], hex(first));
    assert_eq!(stream[0xfeff * 16..0xff02 * 16], hex(last));
}

/// RFC 3711 appendix B.3.
#[test]
fn the_session_keys_are_those_of_rfc_3711() {
    let key: [u8; 16] = hex("e1f97a0d3e018be0d64fa32c06de4139").try_into().unwrap();
    let salt = hex("0ec675ad498afeebb6960b3aabe6").try_into().unwrap();
    let aes = Aes128Enc::new(&key.into());
    let derived = |label, bytes| {
        let mut out = vec![0xff; bytes];
        derive::derive(&aes, &salt, label, &mut out);
        out
    };
    assert_eq!(derived(0, 16), hex("c61e7a93744f39ee10734afe3ff7a087"));
    assert_eq!(derived(2, 14), hex("30cbbc08863d8c85d49db34a9ae1"));
    let authentication = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbcee049646c43d9327ad175578ef722709\
                          86371c10c9a369ac2f94a8c5fbcdddc256d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2dc";
    assert_eq!(derived(1, 95), hex(authentication));
}

/// RFC 7714 §16.1.1 and §16.2.1; the vectors name session keys.
#[test]
fn rtp_under_gcm_is_that_of_rfc_7714() {
    let plain =
        hex("8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
    let sealed_128 = "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf\
                      8833899d7f27beb16a9152cf765ee4390cce";
    let sealed_256 = "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799\
                      b87b7aa3db36dfffd6b0f9bb7878d7a76c13";
    for (cipher, expected) in gcm_of_rfc_7714().into_iter().zip([sealed_128, sealed_256]) {
        let mut packet = with_room(&plain);
        let length = cipher.seal(&mut packet, 12, plain.len(), 0x5501_a0b2, 0xf17b).unwrap();
        assert_eq!(packet[..length], hex(expected));
        let opened = cipher.open(&mut packet[..length], 12, 0x5501_a0b2, 0xf17b);
        assert_eq!((opened, &packet[..plain.len()]), (Ok(plain.len()), &plain[..]));
    }
}

/// RFC 7714 §17.1 and §17.2, and §17.3: authenticated only.
#[test]
fn rtcp_under_gcm_is_that_of_rfc_7714() {
    let plain =
        hex("81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef");
    let sealed_128 = "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded\
                      0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4";
    let sealed_256 = "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047\
                      6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4";
    let [cipher_128, cipher_256] = gcm_of_rfc_7714();
    for (cipher, expected) in [(&cipher_128, sealed_128), (&cipher_256, sealed_256)] {
        let mut packet = with_room(&plain);
        let length = cipher.seal_control(&mut packet, plain.len(), 0x4d61_7273, 0x5d4).unwrap();
        assert_eq!(packet[..length], hex(expected));
        let word = cipher.control_word(&packet[..length]);
        assert_eq!(word, Ok(0x8000_05d4));
        let opened = cipher.open_control(&mut packet[..length], 0x4d61_7273, 0x8000_05d4);
        assert_eq!((opened, &packet[..plain.len()]), (Ok(plain.len()), &plain[..]));
    }
    let mut clear = [&plain[..], &hex("841dd9683dd78ec92ae58790125f62b3000005d4")].concat();
    let mut changed = clear.clone();
    assert_eq!(cipher_128.open_control(&mut clear, 0x4d61_7273, 0x5d4), Ok(plain.len()));
    assert_eq!(clear[..plain.len()], plain);
    changed[20] ^= 1;
    assert_eq!(cipher_128.open_control(&mut changed, 0x4d61_7273, 0x5d4), Err(SrtpError::Forged));
}

/// The bytes of another implementation (rtc-srtp 0.21.1), for two packets over the wrap and one of RTCP.
#[test]
fn what_another_implementation_sends_is_read() {
    for (profile, packets, control) in FOREIGN {
        let mut receiver = Receiver::new(&keys(profile));
        for (sequence, sealed) in [0xffff, 0].into_iter().zip(packets) {
            let mut packet = hex(sealed);
            let length = receiver.unprotect(&mut packet).unwrap();
            assert_eq!(packet[..length], rtp(7, sequence), "{profile:?}");
        }
        let mut packet = hex(control);
        let length = receiver.unprotect_control(&mut packet).unwrap();
        assert_eq!(packet[..length], rtcp(7), "{profile:?}");
    }
}

/// What that implementation wrote is what we write.
#[test]
fn what_we_send_is_what_another_implementation_sends() {
    for (profile, packets, _) in FOREIGN {
        let mut sender = Sender::new(&keys(profile));
        for (sequence, sealed) in [0xffff, 0].into_iter().zip(packets) {
            assert_eq!(protect(&mut sender, &rtp(7, sequence)), Some(hex(sealed)), "{profile:?}");
        }
    }
}

#[test]
fn csrc_and_extension_stay_readable_and_are_authentic() {
    let mut plain = rtp::header(0, false, 1, 2, 3).to_vec();
    plain[0] |= 0x10 | 1;
    plain.extend([9, 9, 9, 9, 0xbe, 0xde, 0, 1, 8, 8, 8, 8]);
    plain.extend([0x55; 20]);
    for profile in PROFILES {
        let sealed = protect(&mut Sender::new(&keys(profile)), &plain).unwrap();
        assert_eq!(sealed.len(), plain.len() + profile.overhead_bytes());
        assert_eq!(sealed[..24], plain[..24]);
        assert_ne!(sealed[24..44], plain[24..]);
        assert_eq!(unprotect(&mut Receiver::new(&keys(profile)), &sealed), Ok(plain.clone()));
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert_eq!(unprotect(&mut Receiver::new(&keys(profile)), &changed), Err(SrtpError::Forged));
    }
}

/// RFC 3711 §3.3: counters move after the tag is found good, so that a stranger cannot move them.
#[test]
fn a_forged_packet_changes_nothing() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = (Sender::new(&keys(profile)), Receiver::new(&keys(profile)));
        let sealed: Vec<_> = (0..300).map(|n| protect(&mut sender, &rtp(7, n)).unwrap()).collect();
        let forged = |n: usize| [&rtp::header(0, false, n as u16, 0, 7)[..], &sealed[0][12..]].concat();
        assert_eq!(unprotect(&mut receiver, &forged(40_000)), Err(SrtpError::Forged));
        assert!(unprotect(&mut receiver, &sealed[1]).is_ok());
        for n in [2, 100, 299, 30_000, 65_535] {
            assert!(unprotect(&mut receiver, &forged(n)).is_err());
        }
        for (n, packet) in sealed.iter().enumerate().filter(|(n, _)| *n != 1) {
            assert_eq!(unprotect(&mut receiver, packet), Ok(rtp(7, n as u16)), "{profile:?} {n}");
        }
        assert_eq!(unprotect(&mut receiver, &sealed[299]), Err(SrtpError::Replayed));
        assert_eq!(unprotect(&mut receiver, &sealed[171]), Err(SrtpError::TooOld));
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_found() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = (Sender::new(&keys(profile)), Receiver::new(&keys(profile)));
        let sealed = protect(&mut sender, &rtp(7, 1)).unwrap();
        let control = protect_control(&mut sender, &rtcp(7)).unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 0x40;
            assert!(unprotect(&mut receiver, &changed).is_err(), "{profile:?} {at}");
            assert!(unprotect(&mut receiver, &sealed[..at]).is_err());
        }
        for at in 0..control.len() {
            let mut changed = control.clone();
            changed[at] ^= 0x40;
            assert!(unprotect_control(&mut receiver, &changed).is_err(), "{profile:?} {at}");
            assert!(unprotect_control(&mut receiver, &control[..at]).is_err());
        }
        assert_eq!(unprotect(&mut receiver, &sealed), Ok(rtp(7, 1)));
        assert_eq!(unprotect_control(&mut receiver, &control), Ok(rtcp(7)));
        assert_eq!(unprotect_control(&mut receiver, &control), Err(SrtpError::Replayed));
    }
}

/// RFC 3711 §3.4: E bit 0 under AES-CM leaves the packet readable.
#[test]
fn rtcp_that_is_only_authentic_is_read() {
    let keys = keys(Profile::AesCm128HmacSha1_80);
    let sealed = protect_control(&mut Sender::new(&keys), &rtcp(7)).unwrap();
    let length = rtcp(7).len();
    // Without the E bit the tag is another one: made with the cipher's own key, which only this test may use.
    let (_, control) = derive::ciphers(&keys);
    let Cipher::Counter { authentication, .. } = &control else { panic!("AES-CM") };
    let mut clear = [rtcp(7), vec![0, 0, 0, 5]].concat();
    let tag = hmac::Mac::chain_update(authentication.as_ref().clone(), &clear);
    clear.extend(&hmac::Mac::finalize(tag).into_bytes()[..10]);
    assert_eq!(unprotect_control(&mut Receiver::new(&keys), &clear), Ok(rtcp(7)));
    assert_ne!(sealed[8..length], rtcp(7)[8..]);
}

#[test]
fn the_sender_uses_no_index_twice() {
    for profile in PROFILES {
        let mut sender = Sender::new(&keys(profile));
        assert!(protect(&mut sender, &rtp(7, 500)).is_some());
        assert!(protect(&mut sender, &rtp(7, 498)).is_some(), "a little late");
        assert_eq!(protect(&mut sender, &rtp(7, 500)), None);
        assert_eq!(protect(&mut sender, &rtp(7, 498)), None);
        assert_eq!(protect(&mut sender, &rtp(7, 372)), None, "128 behind");
        for ssrc in 8..23 {
            assert!(protect(&mut sender, &rtp(ssrc, 1)).is_some());
        }
        assert_eq!(protect(&mut sender, &rtp(23, 1)), None, "the 17th SSRC");
        assert!(protect(&mut sender, &rtp(7, 501)).is_some(), "the first one goes on");
        sender.next_control = CONTROL_INDEX_END - 1;
        assert!(protect_control(&mut sender, &rtcp(7)).is_some());
        assert_eq!(protect_control(&mut sender, &rtcp(7)), None, "2^31 packets");
    }
}

#[test]
fn without_room_or_header_nothing_is_sent() {
    for profile in PROFILES {
        let mut sender = Sender::new(&keys(profile));
        let plain = rtp(7, 1);
        let mut packet = with_room(&plain);
        let enough = plain.len() + profile.overhead_bytes();
        assert_eq!(sender.protect(&mut packet[..enough - 1], plain.len()), None);
        assert_eq!(packet[..plain.len()], plain, "not even half encrypted");
        assert_eq!(sender.protect(&mut packet[..enough], plain.len()), Some(enough));
        assert_eq!(sender.protect(&mut packet, 11), None);
        assert_eq!(sender.protect(&mut packet, usize::MAX), None);
        let mut control = with_room(&rtcp(7));
        let enough = rtcp(7).len() + profile.control_overhead_bytes();
        assert_eq!(sender.protect_control(&mut control[..enough - 1], rtcp(7).len()), None);
        assert_eq!(sender.protect_control(&mut control[..enough], rtcp(7).len()), Some(enough));
        assert_eq!(sender.protect_control(&mut control, 7), None);
    }
}

#[test]
fn a_peer_may_change_its_ssrc_and_come_back() {
    for profile in PROFILES {
        let (mut sender, mut receiver) = (Sender::new(&keys(profile)), Receiver::new(&keys(profile)));
        for (ssrc, sequence) in [(7, 65_535), (7, 0), (8, 9), (9, 9), (7, 1), (10, 9), (11, 9), (7, 2), (11, 10)] {
            let sealed = protect(&mut sender, &rtp(ssrc, sequence)).unwrap();
            assert_eq!(unprotect(&mut receiver, &sealed), Ok(rtp(ssrc, sequence)), "{profile:?} {ssrc} {sequence}");
        }
    }
}

#[test]
fn keys_have_their_length_and_are_not_shown() {
    for profile in PROFILES {
        let (key, salt) = (vec![0xab; profile.key_bytes()], vec![0xab; profile.salt_bytes()]);
        let joined = [&key[..], &salt].concat();
        let shown = format!("{:?}", Keys::from_joined(profile, &joined).unwrap());
        assert!(!shown.contains("171") && !shown.contains("ab,"), "{shown}");
        assert!(Keys::new(profile, &key[1..], &salt).is_none());
        assert!(Keys::new(profile, &key, &salt[1..]).is_none());
        assert!(Keys::from_joined(profile, &joined[1..]).is_none());
        assert!(Keys::from_joined(profile, &[&joined[..], &[1]].concat()).is_none());
        assert!(Keys::from_joined(profile, &[]).is_none());
    }
}

proptest! {
    /// Over wraps, with loss, doubles and packets up to 100 late: each is read once, as it was sent.
    #[test]
    fn whatever_the_network_does_each_packet_is_read_once(
        first in any::<u16>(),
        profile in 0..PROFILES.len(),
        steps in prop::collection::vec((1u16..9_000, 0usize..40, 1usize..3, any::<bool>()), 1..120),
    ) {
        let keys = keys(PROFILES[profile]);
        let (mut sender, mut receiver) = (Sender::new(&keys), Receiver::new(&keys));
        let mut sequence = first;
        // Where a packet lies in the order of arrival, and the packet. The first one is first, or nobody knows the count.
        let mut wire = vec![(0, sequence, protect(&mut sender, &rtp(7, sequence)).unwrap())];
        for (n, (ahead, late, copies, lost)) in steps.into_iter().enumerate() {
            // Great jumps only between packets that cannot overtake each other.
            sequence = sequence.wrapping_add(if n % 41 == 40 { ahead } else { 1 });
            let sealed = protect(&mut sender, &rtp(7, sequence)).unwrap();
            let late = if n % 41 == 40 { 41 } else { late };
            for copy in 0..if lost { 0 } else { copies } {
                wire.push((1 + n + n / 41 * 90 + late + copy, sequence, sealed.clone()));
            }
        }
        wire.sort_by_key(|(at, ..)| *at);
        let mut read = std::collections::BTreeSet::new();
        for (_, sequence, sealed) in wire {
            let expected = if read.insert(sealed.clone()) { Ok(rtp(7, sequence)) } else { Err(SrtpError::Replayed) };
            let got = unprotect(&mut receiver, &sealed);
            // A double may be so late that the window has gone on.
            prop_assert!(got == expected || expected.is_err() && got == Err(SrtpError::TooOld), "{:?} {:?}", got, expected);
        }
    }

    #[test]
    fn any_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..80), profile in 0..PROFILES.len()) {
        let mut receiver = Receiver::new(&keys(PROFILES[profile]));
        if let Some(first) = bytes.first_mut() {
            *first = 0x80 | *first & 0x3f;
        }
        prop_assert!(receiver.unprotect(&mut bytes.clone()).is_err());
        prop_assert!(receiver.unprotect_control(&mut bytes).is_err());
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn gcm_of_rfc_7714() -> [Cipher; 2] {
    let key: [u8; 32] = std::array::from_fn(|n| n as u8);
    let salt = *b"Quid pro quo";
    [Cipher::gcm_128(key.first_chunk().unwrap(), salt), Cipher::gcm_256(&key, salt)]
}

/// The key counts from 1 and the salt goes on.
fn keys(profile: Profile) -> Keys {
    let joined: Vec<u8> = (1..=(profile.key_bytes() + profile.salt_bytes()) as u8).collect();
    Keys::from_joined(profile, &joined).unwrap()
}

/// 20 ms of G.711 that differs from packet to packet.
fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = rtp::header(0, false, sequence, u32::from(sequence) * 160, ssrc).to_vec();
    packet.extend((0..160u16).map(|n| (n ^ sequence) as u8));
    packet
}

/// A receiver report without reports, and a name.
fn rtcp(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 201, 0, 1];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([0x81, 202, 0, 3]);
    packet.extend(ssrc.to_be_bytes());
    packet.extend(*b"\x01\x05hatif\0");
    packet
}

fn with_room(packet: &[u8]) -> Vec<u8> {
    [packet, &[0; OVERHEAD_BYTES_MAX]].concat()
}

fn protect(sender: &mut Sender, packet: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = with_room(packet);
    let length = sender.protect(&mut bytes, packet.len())?;
    bytes.truncate(length);
    Some(bytes)
}

fn protect_control(sender: &mut Sender, packet: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = with_room(packet);
    let length = sender.protect_control(&mut bytes, packet.len())?;
    bytes.truncate(length);
    Some(bytes)
}

fn unprotect(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut bytes = packet.to_vec();
    let length = receiver.unprotect(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

fn unprotect_control(receiver: &mut Receiver, packet: &[u8]) -> Result<Vec<u8>, SrtpError> {
    let mut bytes = packet.to_vec();
    let length = receiver.unprotect_control(&mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

/// What rtc-srtp 0.21.1 makes of `rtp(7, 65_535)`, `rtp(7, 0)` and, as its first RTCP packet, `rtcp(7)` under `keys`.
#[rustfmt::skip]
const FOREIGN: [(Profile, [&str; 2], &str); 4] = [
    (
        Profile::AeadAes128Gcm,
        [
            "8000ffff009fff600000000786f30747e091fc10f9fc679b9308e4e58c9a13ea24d43f5aeb2cbf851268647ad5b23fad\
             19c4041c472d8d7bdfceaebad52cb6b562d1321eae8f15bbaba1f080904ad78860074b856e949618b4d135882219f4c1\
             2e16d716d9f39ee1493162582daab782c3e8da0ed0ad77fbd1811790baa428929addd9cd5ae46e52430a1298876119f2\
             1687f1352915e2891e5baa64e043f0846f9f20adfc0b3edeb9e28cb09c35619b8a3b010307d8ecfd5452ccab",
            "800000000000000000000007272f51fe249b91ba92979f0d337835a8cb3d2e12d9a81b95d7bfacbb6f5daf8f5b3a12c7\
             fdb29cbe28408b5c3613d13ea6654317e9e692a5e9a88595aaad12ccf66ce0b92fc1b0e09a6d92635c0f0ad8e2a96999\
             c599de88d3a518db14d2f55c8053638497c772c728eea76adf11c11ae06e58cf0d6aa31534ab62450aede27d322224c9\
             1f217403e1d769789cac0c3d69b1f4d68033bff49150b553f03a7771ee33a8666ec46c2b73e94ab44b74941e",
        ],
        "80c90001000000072cca8038f825bbc75c4b8bc7144268c669c4592717376f807cbdc9b9bfa224c180000001",
    ),
    (
        Profile::AeadAes256Gcm,
        [
            "8000ffff009fff6000000007eeea3300c81816581b8910e1b10db70f332f456d6328419d1c7023fc030b399fd0b925f7\
             e2f9ea06e023c3667a72a0cc4c229578550ae1221c2c1832da25460964fad1a9da61671ead3b533aacbf0250ba642d23\
             6fc1e627e2c30142d2f1320bb79be4b08b21bcd27547febac3642c78866841ada8cffabab2ea8009ec8448186959af7c\
             107a41aa119225589178633a05f829354d6a0db3e12b0da1d512e1df01de4e4d5f3ed57d1297d37f29dee6bc",
            "800000000000000000000007871642905c1290b8f1fe2df8bf1cb1d7e625911383e1a72ebcc92c5b8124f3a67fb381aa\
             ba3e3d285b0f5de4b10c0d656c5acae2fcfe11750f9a003e8a0e103143b6f35d91b3ed70e335b9e15df3208d9c067b7c\
             67fed28eeb3e5cfb4eb7ef4195a83bd1d73c3636d321654b21629bc37850f7b3f9c95a555e21e2c5c4db295947b320ce\
             e1ce631b7b827726f0480bddd9b4e1896c3217d48dc3a7b628e0ee2ff243e63ae26eddb6cf08e8d8dbf53aae",
        ],
        "80c90001000000076e98a8d98fac16a8e9f9059ff1f5fd04060ce906a6dd7d9a4443b12951bd351480000001",
    ),
    (
        Profile::AesCm128HmacSha1_80,
        [
            "8000ffff009fff6000000007eecf336063761c0f07c4587855fabdedca221cae11b51a445f5b352efe763c53a79b039c\
             f71e2e7f7fc23f38a68500f18e369c22451ab10f98bbdff68f71e684723a9dfcefffe04d1bd2dc6a05f6417554a457b1\
             bf1ecf19f8d4353d31cfe71a0acc8a7e3a272a625d35db826d0fcab24205d02039cab0cc775c99230df71092fb847682\
             3cf94bf1ca788d659c9543b3cbcaba05f9a605fe76b42887f5c7900d451a41bc85061b561a5d",
            "800000000000000000000007630c06bbfd62ca76e176de668c926f48b6c4144009a0e6480511d2875009e3431fbdbfa4\
             8a14a2f3e14b3904bbdae22e0ad5448a62669cb2241ff96e2865168f9b046c0d0f62164ce15c3510b838cb812a064e70\
             d122763ee7995208c3b3d4b6632e2e618ad281e844c15113b4bc0da7c971f931b8fe9f3d569e5423512f9050c229b894\
             6d1e55e73826c4b50a7120d2b666903244977336a5684b95c4f9c4c6aa741905046da0f9cd59",
        ],
        "80c90001000000078ef292e7b6dddc2370707bf017577b5780000001e51c0e80edab8d7c84dd",
    ),
    (
        Profile::AesCm128HmacSha1_32,
        [
            "8000ffff009fff6000000007eecf336063761c0f07c4587855fabdedca221cae11b51a445f5b352efe763c53a79b039c\
             f71e2e7f7fc23f38a68500f18e369c22451ab10f98bbdff68f71e684723a9dfcefffe04d1bd2dc6a05f6417554a457b1\
             bf1ecf19f8d4353d31cfe71a0acc8a7e3a272a625d35db826d0fcab24205d02039cab0cc775c99230df71092fb847682\
             3cf94bf1ca788d659c9543b3cbcaba05f9a605fe76b42887f5c7900d451a41bc",
            "800000000000000000000007630c06bbfd62ca76e176de668c926f48b6c4144009a0e6480511d2875009e3431fbdbfa4\
             8a14a2f3e14b3904bbdae22e0ad5448a62669cb2241ff96e2865168f9b046c0d0f62164ce15c3510b838cb812a064e70\
             d122763ee7995208c3b3d4b6632e2e618ad281e844c15113b4bc0da7c971f931b8fe9f3d569e5423512f9050c229b894\
             6d1e55e73826c4b50a7120d2b666903244977336a5684b95c4f9c4c6aa741905",
        ],
        "80c90001000000078ef292e7b6dddc2370707bf017577b5780000001e51c0e80edab8d7c84dd",
    ),
];
