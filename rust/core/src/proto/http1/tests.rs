use proptest::prelude::*;

use super::*;
use crate::proto::Dir;

/// Stands for whatever a WebSocket carries: it tells every payload as a label.
struct Echo;

impl Parser for Echo {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        label(at, "carried", &String::from_utf8_lossy(bytes), out);
        Step::More
    }

    fn gap(&mut self, _at: At, _missing: u64, _out: &mut Events) -> Step {
        Step::More
    }

    fn finish(&mut self, _out: &mut Events) {}
}

const UP: At = At { frame: 1, ts: 0, dir: Dir::Up };
const DOWN: At = At { frame: 2, ts: 1, dir: Dir::Down };

fn parser() -> Http1Parser {
    Http1Parser::carrying(Box::new(|| Box::new(Echo)))
}

fn run(pieces: &[(At, &[u8])]) -> (Events, Step) {
    let mut parser = parser();
    let mut out = Events::new();
    let mut step = Step::More;
    for (at, bytes) in pieces {
        if step == Step::More {
            step = parser.data(*at, bytes, &mut out);
        }
    }
    parser.finish(&mut out);
    (out, step)
}

fn heads(events: &Events) -> Vec<&Head> {
    let found = events.iter().filter_map(|(_, event)| match event {
        Event::Http(head) => Some(&**head),
        _ => None,
    });
    found.collect()
}

fn labels(events: &Events) -> Vec<(&str, &str)> {
    let found = events.iter().filter_map(|(_, event)| match event {
        Event::Label(label) => Some((label.name, label.detail.as_str())),
        _ => None,
    });
    found.collect()
}

const GETWORK: &[u8] = b"POST / HTTP/1.1\r\nHost: pool.example:8332\r\nUser-Agent: cgminer 4.9\r\n\
    X-Mining-Extensions: longpoll midstate rollntime submitold\r\nContent-Length: 44\r\n\r\n\
    {\"method\":\"getwork\",\"params\":[],\"id\":\"json\"}";

#[test]
fn pipelined_requests_and_their_responses_are_all_read() {
    let (events, step) = run(&[
        (UP, b"\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\nPOST /b HTTP/1.0\r\nContent-Length: 3\r\n\r\nxyzGET /c HTTP/1.1\r\n\r\n"),
        (DOWN, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nHTTPHTTP/1.1 100 Continue\r\n\r\n"),
        (DOWN, b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nHTTP/1.1 204 -\r\n\r\n"),
    ]);

    let read = heads(&events);
    let targets: Vec<&str> = read.iter().map(|head| head.target.as_str()).collect();
    let statuses: Vec<u16> = read.iter().map(|head| head.status).collect();
    assert_eq!(targets[..3], ["/a", "/b", "/c"]);
    assert_eq!(statuses[3..], [200, 100, 404, 204]);
    assert_eq!(read[1].version, "1.0");
    assert_eq!(step, Step::More);
}

#[test]
fn a_getwork_request_and_its_answer_are_mining() {
    let (data, target) = ("0".repeat(256), "f".repeat(64));
    let work =
        format!(r#"{{"result":{{"data":"{data}","target":"{target}"}},"error":null,"id":"json"}}"#);
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{work}", work.len());

    let (events, _) = run(&[(UP, GETWORK), (DOWN, answer.as_bytes())]);

    let read = heads(&events);
    assert_eq!(read[0].extensions, "longpoll midstate rollntime submitold");
    assert_eq!(read[0].user_agent, "cgminer 4.9");
    assert_eq!(read[1].content_length, 379);
    let mining = events.iter().filter(|(_, event)| matches!(event, Event::Mining(_)));
    let said: Vec<Dir> = mining.map(|(at, _)| at.dir).collect();
    assert_eq!(said, [Dir::Up, Dir::Down]);
}

#[test]
fn an_answer_to_head_has_no_body() {
    let (events, _) = run(&[
        (UP, b"HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        (DOWN, b"HTTP/1.1 200 -\r\nContent-Length: 9\r\n\r\nHTTP/1.1 304 -\r\n\r\n"),
    ]);

    assert_eq!(heads(&events).len(), 4);
}

#[test]
fn connect_hands_over_behind_the_answer() {
    let answer = b"HTTP/1.1 200 Connection established\r\n\r\nSSH-2.0-x\r\n";

    let (events, step) = run(&[(UP, b"CONNECT host.example:22 HTTP/1.1\r\n\r\n"), (DOWN, answer)]);

    assert_eq!(step, Step::Hand(answer.len() - 11));
    assert_eq!(labels(&events), [("http_connect", "host.example:22")]);
}

#[test]
fn a_refused_connect_stays_http() {
    let (events, step) = run(&[
        (UP, b"CONNECT host.example:22 HTTP/1.1\r\n\r\n"),
        (UP, b"GET /after HTTP/1.1\r\n\r\n"),
        (DOWN, b"HTTP/1.1 407 Auth\r\nContent-Length: 0\r\n\r\n"),
    ]);

    assert_eq!(step, Step::More);
    assert_eq!(heads(&events).last().unwrap().target, "/after");
    assert!(labels(&events).is_empty());
}

#[test]
fn another_upgrade_is_named_and_handed_over() {
    let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: DERP\r\n\r\n";

    let (events, step) =
        run(&[(UP, b"GET /derp HTTP/1.1\r\nUpgrade: DERP\r\n\r\n"), (DOWN, answer)]);

    assert_eq!(step, Step::Hand(answer.len()));
    assert_eq!(labels(&events), [("http_upgrade", "DERP")]);
}

#[test]
fn a_websocket_gives_payload_to_what_it_carries() {
    let frame = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];

    let (events, step) = run(&[
        (UP, b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Protocol: chisel-v3\r\n\r\n"),
        (DOWN, b"HTTP/1.1 101 -\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: a\r\n\r\n\x81\x03yes"),
        (UP, &frame),
    ]);

    let read = heads(&events);
    assert!(read[0].ws_key && read[1].ws_accept);
    assert_eq!(read[0].ws_protocol, "chisel-v3");
    assert_eq!(labels(&events), [("carried", "yes"), ("carried", "hi")]);
    assert_eq!(step, Step::More);
}

#[test]
fn chia_farmers_are_named_once() {
    let body = b"POST /partial HTTP/1.1\r\nContent-Length: 40\r\n\r\n\
        {\"payload\": {\"launcher_id\": \"0xaaaaaaa\"}}";

    let (events, _) = run(&[(UP, b"GET /farmer?launcher_id=aa HTTP/1.1\r\n\r\n"), (UP, body)]);

    assert_eq!(labels(&events), [("chia", "GET /farmer")]);
}

#[test]
fn other_text_is_given_back() {
    assert_eq!(run(&[(UP, b"{\"id\":1}\n")]).1, Step::NotMine);
    assert_eq!(run(&[(UP, b"EHLO me\r\n\r\n")]).1, Step::NotMine);
}

#[test]
fn heads_are_found_again_after_a_gap() {
    let mut parser = parser();
    let mut out = Events::new();
    parser.data(UP, GETWORK, &mut out);

    assert_eq!(parser.gap(UP, 100, &mut out), Step::More);
    parser.data(UP, b"tail of a body}PO", &mut out);
    parser.data(UP, b"ST /again HTTP/1.1\r\n\r\n", &mut out);

    assert_eq!(heads(&out).last().unwrap().target, "/again");
}

#[test]
fn a_gap_inside_a_body_of_known_length_loses_nothing_else() {
    let mut parser = parser();
    let mut out = Events::new();
    parser.data(UP, b"PUT /a HTTP/1.1\r\nContent-Length: 100\r\n\r\n", &mut out);
    parser.gap(UP, 90, &mut out);
    parser.data(UP, b"0123456789PUT /b HTTP/1.1\r\n\r\n", &mut out);

    assert_eq!(heads(&out).last().unwrap().target, "/b");
}

#[test]
fn an_endless_head_is_dropped_and_reading_goes_on() {
    let mut parser = parser();
    let mut out = Events::new();
    parser.data(UP, b"GET / HTTP/1.1\r\n\r\n", &mut out);
    parser.data(UP, &b"GET ".repeat(20_000), &mut out);
    for _ in 0..40 {
        parser.data(UP, &[b'x'; 1000], &mut out);
    }
    parser.data(UP, b"GET /later HTTP/1.1\r\n\r\n", &mut out);

    assert_eq!(heads(&out).last().unwrap().target, "/later");
}

#[test]
fn the_probe_knows_methods_and_statuses() {
    assert!(probe(GETWORK) && probe(b"HTTP/1.0 200 OK"));
    assert!(!probe(b"GETX") && !probe(b"SSH-2.0-x"));
}

const EXCHANGE: &[u8] = b"POST /rpc HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\n{\"a\":\r\n2;e\r\n1}\r\n0\r\nT: v\r\n\r\nGET /x HTTP/1.1\nHost: h\n\n\
    POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n[1,2,3] bad head\r\n\r\nGET /y HTTP/1.1\r\n\r\n";

fn events_of(pieces: &[(At, &[u8])]) -> Vec<Event> {
    run(pieces).0.into_iter().map(|(_, event)| event).collect()
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(cuts in proptest::collection::vec(0..300usize, 0..8)) {
        let mut edges: Vec<usize> = cuts.iter().map(|&cut| cut.min(EXCHANGE.len())).collect();
        edges.extend([0, EXCHANGE.len()]);
        edges.sort_unstable();
        let pieces: Vec<(At, &[u8])> =
            edges.windows(2).map(|edge| (UP, &EXCHANGE[edge[0]..edge[1]])).collect();

        prop_assert_eq!(events_of(&pieces), events_of(&[(UP, EXCHANGE)]));
    }

    #[test]
    fn damaged_bytes_split_anywhere_give_the_same_events(
        at in 0..EXCHANGE.len(), value: u8, cut in 0..EXCHANGE.len(),
    ) {
        let mut bytes = EXCHANGE.to_vec();
        bytes[at] = value;

        let whole = events_of(&[(UP, &bytes)]);

        prop_assert_eq!(whole, events_of(&[(UP, &bytes[..cut]), (UP, &bytes[cut..])]));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = run(&[(UP, &bytes), (DOWN, &bytes)]);
        let _ = run(&[(UP, GETWORK), (DOWN, &bytes), (UP, &bytes)]);
    }
}
