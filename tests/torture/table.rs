// The messages of RFC 4475 and RFC 5118, byte for byte as printed there with CRLF line ends, and the answer that
// each asks of a server that takes calls and registrations. Included by the tests of the endpoint, of the running
// program, of the two readers and of the fuzz bodies.

/// What a message must be answered with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    /// Well formed: any final response but 400 and the 5xx of a server that broke; what it is depends on who lives
    /// here.
    Served,
    /// One of these.
    Code(&'static [u16]),
    /// Nothing: it is a response that answers no request of ours.
    Silence,
}

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Torture {
    /// Its name in the RFC.
    pub name: &'static str,
    /// 4475 or 5118.
    pub rfc: u16,
    /// Where the RFC discusses it.
    pub section: &'static str,
    /// Itself.
    pub bytes: &'static [u8],
    /// What it must be answered with, when it comes as one datagram.
    pub answer: Answer,
    /// Why, in the RFC's words made short.
    pub why: &'static str,
}

macro_rules! table {
    ($($rfc:literal $section:literal $name:literal $answer:expr, $why:literal;)*) => {
        /// All of them, in the order of the RFCs.
        pub const TORTURE: &[Torture] = &[$(Torture {
            name: $name,
            rfc: $rfc,
            section: $section,
            bytes: include_bytes!(concat!("rfc", stringify!($rfc), "/", $name, ".sip")),
            answer: $answer,
            why: $why,
        }),*];
    };
}

use Answer::{Code, Served, Silence};

table! {
    4475 "3.1.1.1" "wsinv" Served, "a tortuous but well-formed INVITE";
    4475 "3.1.1.2" "intmeth" Code(&[405, 501]), "an unknown method of unusual characters is not implemented";
    4475 "3.1.1.3" "esc01" Served, "escaped characters in URIs are valid";
    4475 "3.1.1.4" "escnull" Served, "escaped nulls in URIs are valid";
    4475 "3.1.1.5" "esc02" Code(&[405, 501]), "percent signs in a method escape nothing: an unknown method";
    4475 "3.1.1.6" "lwsdisp" Served, "no white space between display name and < is valid";
    4475 "3.1.1.7" "longreq" Served, "long values in the header fields are valid";
    4475 "3.1.1.8" "dblreq" Served, "the request that follows in the datagram is ignored";
    4475 "3.1.1.9" "semiuri" Served, "a semicolon in the user part belongs to the user";
    4475 "3.1.1.10" "transports" Served, "unknown transports in further Vias are valid";
    4475 "3.1.1.11" "mpart01" Served, "a binary body with NUL is valid, whether MESSAGE is served or not";
    4475 "3.1.1.12" "unreason" Silence, "a response with an unusual reason phrase";
    4475 "3.1.1.13" "noreason" Silence, "a response with an empty reason phrase";
    4475 "3.1.2.1" "badinv01" Code(&[400]), "separators that separate nothing in Via and Contact";
    4475 "3.1.2.2" "clerr" Code(&[400]), "the body is shorter than Content-Length";
    4475 "3.1.2.3" "ncl" Code(&[400]), "a negative Content-Length";
    4475 "3.1.2.4" "scalar02" Code(&[400]), "a CSeq number of 65 bits";
    4475 "3.1.2.5" "scalarlg" Silence, "a response with a CSeq number of 73 bits is dropped";
    4475 "3.1.2.6" "quotbal" Code(&[400]), "a quoted string that does not end";
    4475 "3.1.2.7" "ltgtruri" Code(&[400]), "angle brackets around the Request-URI";
    4475 "3.1.2.8" "lwsruri" Code(&[400]), "white space in the Request-URI";
    4475 "3.1.2.9" "lwsstart" Code(&[400]), "two spaces between the parts of the request line";
    4475 "3.1.2.10" "trws" Code(&[400]), "spaces after the request line";
    4475 "3.1.2.11" "escruri" Code(&[400]), "header fields in the Request-URI";
    4475 "3.1.2.12" "baddate" Served, "a Date that is not in GMT may be ignored by those who do not read it";
    4475 "3.1.2.13" "regbadct" Code(&[400]), "a Contact with a question mark and without angle brackets";
    4475 "3.1.2.14" "badaspec" Served, "spaces inside of angle brackets may be ignored";
    4475 "3.1.2.15" "baddn" Served, "a comma in an unquoted display name may be understood where only one value may stand";
    4475 "3.1.2.16" "badvers" Code(&[505]), "SIP/7.0";
    4475 "3.1.2.17" "mismatch01" Code(&[400]), "the method of CSeq is another";
    4475 "3.1.2.18" "mismatch02" Code(&[400, 501]), "the method of CSeq is another, and the method unknown";
    4475 "3.1.2.19" "bigcode" Silence, "a response with a status of 33 bits is dropped";
    4475 "3.2.1" "badbranch" Served, "nothing after the magic cookie: matched as RFC 2543 did";
    4475 "3.3.1" "insuf" Code(&[400]), "From, To and Call-ID are missing";
    4475 "3.3.2" "unkscm" Code(&[416]), "an unknown URI scheme";
    4475 "3.3.3" "novelsc" Code(&[416]), "a known URI scheme that is not of SIP";
    4475 "3.3.4" "unksm2" Code(&[400]), "the address of record is no SIP URI";
    4475 "3.3.5" "bext01" Code(&[420]), "extensions are required that nobody knows";
    4475 "3.3.6" "invut" Code(&[415]), "the body is of an unknown type";
    4475 "3.3.7" "regaut01" Code(&[401]), "an unknown authorization scheme is no authorization";
    4475 "3.3.8" "multi01" Code(&[400]), "several values where one may stand";
    4475 "3.3.9" "mcl01" Code(&[400]), "two Content-Lengths";
    4475 "3.3.10" "bcast" Silence, "a 200 whose second Via names the broadcast address is not passed on";
    4475 "3.3.11" "zeromf" Code(&[200, 483]), "Max-Forwards 0 has arrived at an endpoint";
    4475 "3.3.12" "cparam01" Served, "a parameter of the Contact header";
    4475 "3.3.13" "cparam02" Served, "a parameter of the Contact's URI";
    4475 "3.3.14" "regescrt" Served, "a Contact with escaped header fields in angle brackets";
    4475 "3.3.15" "sdp01" Code(&[400, 406]), "no answer may be written in the formats that Accept names";
    4475 "3.4.1" "inv2543" Served, "an INVITE after RFC 2543: no branch, no tag, no Contact, no length";
    5118 "4.1" "ipv6-good" Served, "an IPv6 reference";
    5118 "4.2" "ipv6-bad" Code(&[400]), "an IPv6 address without brackets";
    5118 "4.3" "port-ambiguous" Served, "inside the brackets all is address, and none of it a port";
    5118 "4.4" "port-unambiguous" Served, "the port stands after the brackets";
    5118 "4.5" "via-received-param-with-delim" Served, "received with brackets";
    5118 "4.5" "via-received-param-no-delim" Served, "received without brackets";
    5118 "4.6" "ipv6-in-sdp" Code(&[400]), "printed with a Content-Length of 268 over a body of 251 (RFC 3261 §18.3); with the right one it is served";
    5118 "4.7" "mult-ip-in-header" Served, "IPv4 and IPv6 in the Vias";
    5118 "4.8" "mult-ip-in-sdp" Served, "IPv4 and IPv6 in the session description";
    5118 "4.9" "ipv4-mapped-ipv6" Served, "IPv4 addresses mapped into IPv6";
    5118 "4.10" "ipv6-bug-abnf-3-colons" Served, "the third colon of the grammar of RFC 3261 must be tolerated";
    5118 "4.10" "ipv6-correct-abnf-2-colons" Served, "the address without it";
}

impl Torture {
    /// The message with the Content-Length that its body has; only `ipv6-in-sdp` is meant.
    pub fn measured(&self) -> Vec<u8> {
        let at = self.bytes.windows(4).position(|w| w == b"\r\n\r\n").map_or(self.bytes.len(), |at| at + 4);
        let head = String::from_utf8_lossy(&self.bytes[..at]).replace("Content-Length: 268", "Content-Length: 251");
        [head.as_bytes(), &self.bytes[at..]].concat()
    }
}

impl Answer {
    /// Whether this final response, or silence, is what was asked.
    pub fn allows(self, code: Option<u16>) -> bool {
        match (self, code) {
            (Served, Some(code)) => (200..700).contains(&code) && !matches!(code, 400 | 500),
            (Code(codes), Some(code)) => codes.contains(&code),
            (Silence, code) => code.is_none(),
            (Served | Code(_), None) => false,
        }
    }
}
