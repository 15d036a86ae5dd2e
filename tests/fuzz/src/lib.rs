//! The cores under their own names, and the bodies that feed them.
#![allow(missing_docs)]

#[path = "../../../src/clock.rs"]
pub mod clock;
#[path = "../../../src/id.rs"]
pub mod id;
#[path = "../../../src/sdp/mod.rs"]
pub mod sdp;
#[path = "../../../src/sip/mod.rs"]
pub mod sip;

#[path = "../../../src/media"]
pub mod media {
    pub mod codec;
    pub mod demux;
    pub mod ice;
    pub mod reception;
    pub mod rtcp;
    pub mod rtp;
    pub mod srtp;
    pub mod stun;
}

#[path = "../../../src/io/ws/limits.rs"]
pub mod ws_limits;

pub mod bodies;
