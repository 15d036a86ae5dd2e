//! Replaces: the dialog whose place a new call takes (RFC 3891).

use super::header::{Params, trim};

/// One Replaces value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Replaces<'a> {
    /// The Call-ID of that dialog.
    pub call_id: &'a [u8],
    /// The tag of who is asked to replace it.
    pub to_tag: &'a [u8],
    /// The tag of its peer.
    pub from_tag: &'a [u8],
    /// Only while it is not answered.
    pub early_only: bool,
}

impl<'a> Replaces<'a> {
    /// Reads one value; `None` unless both tags are there, once each (RFC 3891 §3).
    pub fn parse(value: &'a [u8]) -> Option<Replaces<'a>> {
        let end = value.iter().position(|b| *b == b';')?;
        let (call_id, params) = value.split_at_checked(end)?;
        let params = Params(params);
        let once = |name: &str| {
            let mut all = params.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()));
            let value = all.next()?.1.filter(|value| !value.is_empty())?;
            all.next().is_none().then_some(value)
        };
        let call_id = trim(call_id);
        if call_id.is_empty() || call_id.contains(&b',') {
            return None;
        }
        Some(Replaces {
            call_id,
            to_tag: once("to-tag")?,
            from_tag: once("from-tag")?,
            early_only: params.has("early-only"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3891 §6.1.
    #[test]
    fn a_value_has_a_call_id_and_both_tags() {
        let read = |value: &'static str| Replaces::parse(value.as_bytes());
        let plain = read("98732@sip.example.com\t; from-tag=r33th4x0r ;to-tag=ff87ff").unwrap();
        assert_eq!(plain.call_id, b"98732@sip.example.com");
        assert_eq!((plain.to_tag, plain.from_tag, plain.early_only), (&b"ff87ff"[..], &b"r33th4x0r"[..], false));
        assert!(read("87134@171.161.34.23;to-tag=24796;from-tag=0;early-only").unwrap().early_only);
        for bad in ["", "a", "a;to-tag=1", "a;from-tag=1", ";to-tag=1;from-tag=2", "a;to-tag=1;to-tag=1;from-tag=2"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
