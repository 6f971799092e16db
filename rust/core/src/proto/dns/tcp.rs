//! DNS over TCP: each message behind its length (RFC 1035 section 4.2.2).

use super::parse;
use crate::proto::{At, Both, Event, Events, Parser, Step};

/// Bytes of the length in front of each message; the message itself has at most 65,535.
const PREFIX: usize = 2;

/// Reads both directions of one TCP connection that carries DNS.
#[derive(Debug, Default)]
pub struct TcpDns {
    sides: Both<Side>,
    messages: u64,
}

#[derive(Debug, Default)]
struct Side {
    buffer: Vec<u8>,
    lost: bool,
}

/// True if `bytes`, the first of a direction, begin with a whole framed message.
#[must_use]
pub fn probe(bytes: &[u8]) -> bool {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX>() else {
        return false;
    };
    let length = usize::from(u16::from_be_bytes(*prefix));
    rest.get(..length).is_some_and(super::probe_udp)
}

impl TcpDns {
    fn take_messages(&mut self, at: At, bytes: &[u8], out: &mut Events) -> bool {
        let side = self.sides.of_mut(at.dir);
        if side.lost {
            return true;
        }
        side.buffer.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(message) = framed(side.buffer.get(used..).unwrap_or_default()) {
            used += PREFIX + message.len();
            match parse(message) {
                Some(parsed) => {
                    self.messages += 1;
                    out.push((at, Event::Dns(Box::new(parsed))));
                }
                None if self.messages == 0 => return false,
                None => {}
            }
        }
        side.buffer.drain(..used);
        true
    }
}

/// The first message of `buffer`, if all of it is there.
fn framed(buffer: &[u8]) -> Option<&[u8]> {
    let (prefix, rest) = buffer.split_first_chunk::<PREFIX>()?;
    rest.get(..usize::from(u16::from_be_bytes(*prefix)))
}

impl Parser for TcpDns {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        if self.take_messages(at, bytes, out) { Step::More } else { Step::NotMine }
    }

    fn gap(&mut self, at: At, _missing: u64, _out: &mut Events) -> Step {
        // Without the missing bytes the next length cannot be found.
        *self.sides.of_mut(at.dir) = Side { buffer: Vec::new(), lost: true };
        if self.sides.up.lost && self.sides.down.lost { Step::Done } else { Step::More }
    }

    fn finish(&mut self, _out: &mut Events) {}
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ANSWER, QUERY};
    use super::*;
    use crate::proto::Dir;
    use proptest::prelude::*;

    const UP: At = At { frame: 1, ts: 0, dir: Dir::Up };

    fn frame(message: &[u8]) -> Vec<u8> {
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        [&length, message].concat()
    }

    fn run(pieces: &[&[u8]]) -> (Vec<Event>, Step) {
        let mut parser = TcpDns::default();
        let mut out = Events::new();
        let mut step = Step::More;
        for piece in pieces {
            step = parser.data(UP, piece, &mut out);
        }
        (out.into_iter().map(|(_, event)| event).collect(), step)
    }

    #[test]
    fn two_messages_in_one_segment_are_two_events() {
        let (events, step) = run(&[&[frame(QUERY), frame(ANSWER)].concat()]);

        assert_eq!(events.len(), 2);
        assert_eq!(step, Step::More);
    }

    #[test]
    fn a_first_message_that_is_none_gives_the_flow_back() {
        assert_eq!(run(&[b"\x00\x05hello"]).1, Step::NotMine);
    }

    #[test]
    fn the_probe_wants_a_whole_message() {
        assert!(probe(&frame(QUERY)));
        assert!(!probe(QUERY));
    }

    #[test]
    fn a_gap_silences_its_direction_only() {
        let mut parser = TcpDns::default();
        let mut out = Events::new();
        let down = At { dir: Dir::Down, ..UP };

        assert_eq!(parser.gap(UP, 9, &mut out), Step::More);
        parser.data(UP, &frame(QUERY), &mut out);
        parser.data(down, &frame(ANSWER), &mut out);

        assert_eq!(out.len(), 1);
        assert_eq!(parser.gap(down, 9, &mut out), Step::Done);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(cut in 0..300usize, second in 0..300usize) {
            let bytes = [frame(QUERY), frame(ANSWER), frame(QUERY)].concat();
            let (first, second) = (cut.min(bytes.len()), second.min(bytes.len()));
            let (low, high) = (first.min(second), first.max(second));

            let pieces = [&bytes[..low], &bytes[low..high], &bytes[high..]];

            prop_assert_eq!(run(&pieces), run(&[&bytes]));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = run(&[&bytes]);
            let _ = probe(&bytes);
        }
    }
}
