//! DNS messages (RFC 1035) over UDP, multicast UDP (RFC 6762) and TCP.

mod data;
mod name;
pub mod tcp;

pub use tcp::TcpDns;

use crate::bytes::{Reader, Truncated};

/// Questions and records kept of one message; more are read past, not kept.
const MAX_RECORDS: usize = 64;

const RESPONSE: u16 = 0x8000;
const RESERVED: u16 = 0x0040;
/// mDNS uses the top bit of the class for "unicast reply" and "cache flush".
const CLASS_MASK: u16 = 0x7fff;

/// One DNS message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// True for an answer.
    pub response: bool,
    /// Transaction number; 0 in mDNS.
    pub id: u16,
    /// Response code, without its extension in the OPT record: 0 no error, 3 no such name.
    pub rcode: u8,
    /// What was asked, at most 64.
    pub questions: Vec<Question>,
    /// The answer section, then the addresses among the additional records; at most 64.
    pub answers: Vec<Answer>,
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Lower case, no final dot; unprintable bytes as `\DDD` (RFC 4343).
    pub name: String,
    /// `A`, `TXT`, …; `TYPEnnn` where the type has no name here (RFC 3597).
    pub rtype: String,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The owner's name, written as in [`Question`].
    pub name: String,
    /// The type, written as in [`Question`].
    pub rtype: String,
    /// Seconds the record may be cached.
    pub ttl: u32,
    /// Address, name or text, at most 512 bytes.
    pub data: String,
}

struct Header {
    id: u16,
    flags: u16,
    questions: u16,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl Header {
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            id: r.u16()?,
            flags: r.u16()?,
            questions: r.u16()?,
            answers: r.u16()?,
            authorities: r.u16()?,
            additionals: r.u16()?,
        })
    }

    fn is_response(&self) -> bool {
        self.flags & RESPONSE != 0
    }

    fn opcode(&self) -> u16 {
        (self.flags >> 11) & 0xf
    }

    fn rcode(&self) -> u8 {
        u8::try_from(self.flags & 0xf).unwrap_or(0)
    }
}

struct RawRecord<'a> {
    name: String,
    rtype: u16,
    ttl: u32,
    data_at: usize,
    data: &'a [u8],
}

fn read_question(message: &[u8], r: &mut Reader<'_>) -> Option<(String, u16, u16)> {
    let name = name::read(message, r)?;
    let rtype = r.u16().ok()?;
    let class = r.u16().ok()?;
    Some((name, rtype, class))
}

fn read_record<'a>(message: &[u8], r: &mut Reader<'a>) -> Option<RawRecord<'a>> {
    let name = name::read(message, r)?;
    let rtype = r.u16().ok()?;
    let _class = r.u16().ok()?;
    let ttl = r.u32().ok()?;
    let length = usize::from(r.u16().ok()?);
    let data_at = r.offset();
    let data = r.take(length).ok()?;
    Some(RawRecord { name, rtype, ttl, data_at, data })
}

/// Reads one message.
///
/// A cut or malformed record ends the reading; what came before it is kept, because half an answer
/// still names an address. `None` if the header or a question is cut, malformed or of a class that
/// does not exist.
#[must_use]
pub fn parse(bytes: &[u8]) -> Option<Message> {
    let mut r = Reader::new(bytes);
    let header = Header::read(&mut r).ok()?;
    let mut questions = Vec::new();
    for _ in 0..header.questions {
        let (name, rtype, class) = read_question(bytes, &mut r)?;
        if !is_class(class) {
            return None;
        }
        if questions.len() < MAX_RECORDS {
            questions.push(Question { name, rtype: data::type_name(rtype) });
        }
    }
    Some(Message {
        response: header.is_response(),
        id: header.id,
        rcode: header.rcode(),
        questions,
        answers: read_answers(bytes, &mut r, &header),
    })
}

fn read_answers(bytes: &[u8], r: &mut Reader<'_>, header: &Header) -> Vec<Answer> {
    let mut kept = Vec::new();
    let (answers, authorities) = (u32::from(header.answers), u32::from(header.authorities));
    let total = answers + authorities + u32::from(header.additionals);
    for index in 0..total {
        if kept.len() >= MAX_RECORDS {
            break;
        }
        let Some(record) = read_record(bytes, r) else {
            break;
        };
        let additional_address = index >= answers + authorities && data::is_address(record.rtype);
        if index < answers || additional_address {
            kept.push(Answer {
                rtype: data::type_name(record.rtype),
                ttl: record.ttl,
                data: data::text(bytes, record.rtype, record.data_at, record.data),
                name: record.name,
            });
        }
    }
    kept
}

fn is_class(class: u16) -> bool {
    matches!(class & CLASS_MASK, 1 | 3 | 4 | 254 | 255)
}

/// True if the datagram is certainly one DNS message: every section is read to the datagram's last
/// byte, flags and classes exist, and a question has no answers.
///
/// NetBIOS name service shares the format and is told apart by its encoded names.
#[must_use]
pub fn probe_udp(bytes: &[u8]) -> bool {
    probe_whole(bytes).is_some()
}

fn probe_whole(bytes: &[u8]) -> Option<()> {
    let mut r = Reader::new(bytes);
    let header = Header::read(&mut r).ok()?;
    plausible_header(&header).then_some(())?;
    for _ in 0..header.questions {
        let (name, rtype, class) = read_question(bytes, &mut r)?;
        (is_class(class) && rtype != 0 && !is_netbios(&name, rtype)).then_some(())?;
    }
    let records =
        u32::from(header.answers) + u32::from(header.authorities) + u32::from(header.additionals);
    for _ in 0..records {
        let record = read_record(bytes, &mut r)?;
        (record.rtype != 0 && !is_netbios(&record.name, record.rtype)).then_some(())?;
    }
    r.is_empty().then_some(())
}

fn plausible_header(header: &Header) -> bool {
    const MAX_QUESTIONS: u16 = 16;
    const UPDATE: u16 = 5;
    let known_opcode = matches!(header.opcode(), 0 | 4 | UPDATE);
    let counts = if header.is_response() {
        header.questions > 0 || header.answers > 0 || header.rcode() != 0
    } else {
        header.questions > 0 || header.answers > 0 && header.id == 0
    };
    known_opcode
        && header.flags & RESERVED == 0
        && header.rcode() <= 11
        && header.questions <= MAX_QUESTIONS
        && counts
}

/// NetBIOS (RFC 1002) asks for types 32 and 33 with 16 bytes spelt as 32 letters from `a` to `p`.
fn is_netbios(name: &str, rtype: u16) -> bool {
    let label = name.split('.').next().unwrap_or_default();
    matches!(rtype, 32 | 33)
        && label.len() == 32
        && label.bytes().all(|letter| matches!(letter, b'a'..=b'p'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `WWW.example.com A` asked and answered with a CNAME and an address, with compression.
    pub(super) const ANSWER: &[u8] = b"\x1a\x2b\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\
        \x03WWW\x07example\x03com\x00\x00\x01\x00\x01\
        \xc0\x0c\x00\x05\x00\x01\x00\x00\x0e\x10\x00\x06\x03web\xc0\x10\
        \xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x07";

    pub(super) const QUERY: &[u8] = b"\x1a\x2b\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\
        \x04pool\x07example\x03org\x00\x00\x1c\x00\x01\
        \x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

    #[test]
    fn an_answer_follows_compressed_names_and_lowers_case() {
        let message = parse(ANSWER).unwrap();

        assert!(message.response);
        assert_eq!(message.id, 0x1a2b);
        assert_eq!(message.questions[0].name, "www.example.com");
        assert_eq!(message.answers[0].rtype, "CNAME");
        assert_eq!(message.answers[0].data, "web.example.com");
        assert_eq!(message.answers[1].name, "web.example.com");
        assert_eq!(message.answers[1].data, "192.0.2.7");
        assert_eq!(message.answers[1].ttl, 60);
    }

    #[test]
    fn a_query_keeps_its_question_and_not_its_option_record() {
        let message = parse(QUERY).unwrap();

        assert!(!message.response);
        assert_eq!(message.questions[0].rtype, "AAAA");
        assert!(message.answers.is_empty());
    }

    #[test]
    fn a_cut_answer_keeps_the_records_before_the_cut() {
        let message = parse(&ANSWER[..ANSWER.len() - 2]).unwrap();

        assert_eq!(message.answers.len(), 1);
    }

    #[test]
    fn whole_messages_probe_true_and_anything_cut_or_longer_does_not() {
        assert!(probe_udp(ANSWER) && probe_udp(QUERY));
        for cut in 0..ANSWER.len() {
            assert!(!probe_udp(&ANSWER[..cut]));
        }
        assert!(!probe_udp(&[ANSWER, &[0]].concat()));
    }

    #[test]
    fn netbios_names_are_not_dns() {
        let mut query = b"\x12\x34\x01\x10\x00\x01\x00\x00\x00\x00\x00\x00\x20".to_vec();
        query.extend_from_slice(b"CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00\x21\x00\x01");

        assert!(!probe_udp(&query));
    }

    #[test]
    fn multicast_answers_without_a_question_are_read() {
        let mdns = b"\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x01\
            \x04_ssh\x04_tcp\x05local\x00\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x07\x04node\xc0\x0c\
            \x04node\xc0\x16\x00\x01\x80\x01\x00\x00\x00\x78\x00\x04\x0a\x00\x00\x05";

        let message = parse(mdns).unwrap();

        assert!(probe_udp(mdns));
        assert_eq!(message.answers[0].data, "node._ssh._tcp.local");
        assert_eq!(message.answers[1].data, "10.0.0.5");
    }

    #[test]
    fn no_more_than_64_records_are_kept() {
        let mut bytes = b"\x00\x01\x80\x00\x00\x00\xff\xff\x00\x00\x00\x00".to_vec();
        for _ in 0..100 {
            bytes
                .extend_from_slice(b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x0a\x00\x00\x01");
        }

        assert_eq!(parse(&bytes).unwrap().answers.len(), MAX_RECORDS);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = parse(&bytes);
            let _ = probe_udp(&bytes);
        }

        #[test]
        fn a_damaged_answer_never_panics(at in 0..ANSWER.len(), value: u8) {
            let mut bytes = ANSWER.to_vec();
            bytes[at] = value;
            let _ = parse(&bytes);
        }
    }
}
