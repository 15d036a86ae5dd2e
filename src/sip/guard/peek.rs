//! A look at the first lines of a message, without reading it.

/// What can be seen of a message from outside. It decides only who waits: the reader judges anew.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Peek<'a> {
    /// The method; empty for a response and a keep-alive.
    pub method: &'a [u8],
    /// The user of the Request-URI as written; empty when there is none.
    pub user: &'a [u8],
    /// The tag of To.
    pub to_tag: Option<&'a [u8]>,
}

/// Looks at one message: the first line, and the first To.
pub fn peek(bytes: &[u8]) -> Peek<'_> {
    let bytes = bytes.trim_ascii_start();
    let (first, mut rest) = line(bytes);
    let mut words = first.split(|b| *b == b' ');
    let (method, uri) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method.starts_with(b"SIP/") {
        return Peek::default();
    }
    let mut found = Peek { method, user: user_of(uri), to_tag: None };
    while !rest.is_empty() {
        let (header, next) = line(rest);
        if header.is_empty() {
            break;
        }
        if let Some(value) = to_value(header) {
            found.to_tag = tag_of(value);
            break;
        }
        rest = next;
    }
    found
}

/// The first line without its end, and what follows.
pub(in super::super) fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|b| *b == b'\n') {
        Some(end) => {
            let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
            (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..).unwrap_or_default())
        }
        None => (bytes, &[]),
    }
}

/// The value of a To line, `None` for any other.
fn to_value(header: &[u8]) -> Option<&[u8]> {
    // Nearly every line is told by its first letter.
    let first = header.first()?.to_ascii_lowercase();
    if first != b't' {
        return None;
    }
    let colon = header.iter().position(|b| *b == b':')?;
    let name = header.get(..colon)?.trim_ascii();
    let is_to = name.eq_ignore_ascii_case(b"to") || name.eq_ignore_ascii_case(b"t");
    is_to.then(|| header.get(colon + 1..)).flatten()
}

/// The tag behind the URI.
fn tag_of(value: &[u8]) -> Option<&[u8]> {
    let from = value.iter().rposition(|b| *b == b'>').unwrap_or(0);
    let parameters = value.get(from..)?.split(|b| *b == b';').skip(1);
    parameters.map(<[u8]>::trim_ascii).find_map(|parameter| {
        let (name, tag) = parameter.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"tag=").then_some(tag)
    })
}

fn user_of(uri: &[u8]) -> &[u8] {
    let Some(colon) = uri.iter().position(|b| *b == b':') else { return &[] };
    let rest = uri.get(colon + 1..).unwrap_or_default();
    let end = match uri.get(..3).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"tel")) {
        true => rest.iter().position(|b| *b == b';').or(Some(rest.len())),
        false => rest.iter().position(|b| *b == b'@'),
    };
    end.and_then(|end| rest.get(..end)).unwrap_or_default()
}
