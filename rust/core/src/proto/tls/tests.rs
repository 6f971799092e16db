use proptest::prelude::*;

use super::*;
use crate::proto::Dir;

/// The ClientHello of the OpenSSL 3.0 command line without a server name; key material zeroed.
fn client_hello() -> Vec<u8> {
    let mut bytes = unhex("1603010124010001200303");
    bytes.extend([0; 32]);
    bytes.push(32);
    bytes.extend([0; 32]);
    bytes.extend(unhex(
        "003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039\
         c009c0130033009d009c003d003c0035002f00ff01000099000b000403000102000a00160014001d0017001e\
         0019001801000101010201030104002300000016000000170000000d002a0028040305030603080708080809\
         080a080b080408050806040105010601030303010302040205020602002b0009080304030303020301002d00\
         020101003300260024001d0020",
    ));
    bytes.extend([0; 32]);
    bytes
}

/// The answer of an OpenSSL 3.0 server to it, as far as it is in clear.
fn server_hello() -> Vec<u8> {
    let mut bytes = unhex("160303007a020000760303");
    bytes.extend([1; 32]);
    bytes.push(32);
    bytes.extend([0; 32]);
    bytes.extend(unhex("130200002e002b0002030400330024001d0020"));
    bytes.extend([0; 32]);
    bytes.extend(unhex("140303000101"));
    bytes
}

/// The hello with these extension bytes and one GREASE and one plain cipher.
fn small_hello(extensions: &[u8]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0; 32]);
    body.extend([0, 0, 4, 0x1a, 0x1a, 0xc0, 0x2f, 1, 0]);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    message.extend(body);
    message
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    let record = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[22, 3, 1], &length[..], part].concat()
    };
    message.chunks(size).flat_map(record).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

fn at(dir: Dir) -> At {
    At { frame: 1, ts: 0, dir }
}

/// Feeds the pieces, ends the flow, and gives the events and the last step.
fn run(pieces: &[(Dir, &[u8])]) -> (Vec<Event>, Step) {
    let mut parser = TlsParser::default();
    let mut out = Events::new();
    let mut step = Step::More;
    for (dir, bytes) in pieces {
        if step == Step::More {
            step = parser.data(at(*dir), bytes, &mut out);
        }
    }
    parser.finish(&mut out);
    (out.into_iter().map(|(_, event)| event).collect(), step)
}

fn hello_of(event: &Event) -> &Hello {
    let Event::Tls(hello) = event else { panic!("no hello: {event:?}") };
    hello
}

#[test]
fn a_command_line_client_has_its_published_fingerprints() {
    let (events, step) = run(&[(Dir::Up, &client_hello()), (Dir::Down, &server_hello())]);

    let (client, server) = (hello_of(&events[0]), hello_of(&events[1]));
    assert_eq!(client.ja3, "c216e752cae6f8755fd27f561d031636");
    assert_eq!(client.ja4, "t13i310900_e8f1e7e78f70_1f22a2ca17c4");
    assert_eq!((client.sni.as_str(), client.version.as_str()), ("", "1.3"));
    assert_eq!(client.versions, ["1.3", "1.2", "1.1", "1.0"]);
    assert_eq!((client.cipher_count, client.record_bytes), (31, 297));
    assert_eq!(server.ja3s, "15af977ce25de452b96affa2addb1036");
    assert_eq!((server.cipher.as_str(), server.version.as_str()), ("0x1302", "1.3"));
    assert_eq!(step, Step::Done);
}

#[test]
fn name_protocols_and_version_are_read_and_grease_is_left_out() {
    let extensions = unhex(
        "3a3a0000 00000010000e00000b504f4f4c2e74657374 2e78 0010000e000c02683208687474702f312e31",
    );
    let message = small_hello(&extensions);

    let (events, _) = run(&[(Dir::Up, &records(&message, 4096))]);

    let hello = hello_of(&events[0]);
    assert_eq!(hello.sni, "pool.test.x");
    assert_eq!(hello.alpn, ["h2", "http/1.1"]);
    assert_eq!((hello.version.as_str(), hello.cipher_count), ("1.2", 1));
    assert!(hello.ja4.starts_with("t12d0102h2_"), "{}", hello.ja4);
}

#[test]
fn a_hello_over_many_records_is_joined() {
    let message = small_hello(&[0, 23, 0, 0]);
    let bytes = records(&message, 7);

    let (events, _) = run(&[(Dir::Up, &bytes)]);

    assert_eq!(usize::try_from(hello_of(&events[0]).record_bytes).unwrap(), bytes.len());
}

#[test]
fn an_answer_in_clear_is_quoted_once() {
    let answer = b"{\"id\":null,\"error\":\"unparsable\"}\nmore\n";

    let (events, step) = run(&[
        (Dir::Up, &client_hello()),
        (Dir::Down, &answer[..9]),
        (Dir::Down, &answer[9..]),
        (Dir::Down, answer),
    ]);

    let detail = "{\"id\":null,\"error\":\"unparsable\"}".to_owned();
    assert_eq!(events.len(), 2);
    assert_eq!(events[1], Event::Label(Label { name: "tls_refused_in_clear", detail }));
    assert_eq!(step, Step::Done);
}

#[test]
fn a_clear_answer_without_a_line_end_is_quoted_when_the_flow_ends() {
    let (events, step) = run(&[(Dir::Up, &client_hello()), (Dir::Down, b"go away")]);

    assert!(matches!(&events[1], Event::Label(label) if label.detail == "go away"));
    assert_eq!(step, Step::More);
}

#[test]
fn binary_noise_as_an_answer_is_not_quoted() {
    let (events, step) = run(&[(Dir::Up, &client_hello()), (Dir::Down, b"\x00\x01\x02\n")]);

    assert_eq!((events.len(), step), (1, Step::Done));
}

#[test]
fn an_alert_alone_and_a_missing_answer_leave_the_client_hello() {
    let (events, step) = run(&[(Dir::Up, &client_hello()), (Dir::Down, &[21, 3, 3, 0, 2, 2, 40])]);

    assert_eq!((events.len(), step), (1, Step::More));
}

#[test]
fn a_retry_request_is_passed_over() {
    let mut retry = server_hello();
    retry.truncate(127);
    let random = unhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c");
    retry[11..43].copy_from_slice(&random);
    let (hello, answer) = (client_hello(), server_hello());

    let (events, step) =
        run(&[(Dir::Up, &hello), (Dir::Down, &retry), (Dir::Up, &hello), (Dir::Down, &answer)]);

    assert_eq!((events.len(), step), (2, Step::Done));
    assert_eq!(hello_of(&events[1]).record_bytes, 127);
}

#[test]
fn a_capture_that_begins_after_the_hellos_ends_at_once() {
    let data = [23, 3, 3, 0, 1, 9];

    assert_eq!(run(&[(Dir::Up, &data), (Dir::Down, &data)]), (Vec::new(), Step::Done));
}

#[test]
fn encrypted_records_are_known_in_the_middle_of_a_connection() {
    assert!(is_data(&[23, 3, 3, 0, 40, 1, 2]));
    assert!(!is_data(&[23, 3, 3, 0, 4]) && !is_data(&[22, 3, 3, 0, 40]) && !is_data(&[23, 3]));
}

#[test]
fn bytes_that_are_no_record_are_given_back() {
    assert_eq!(run(&[(Dir::Up, b"SSH-2.0-x\r\n")]).1, Step::NotMine);
}

#[test]
fn a_gap_in_the_server_hello_leaves_nothing_to_wait_for() {
    let mut parser = TlsParser::default();
    let mut out = Events::new();
    parser.data(at(Dir::Up), &client_hello(), &mut out);

    assert_eq!(parser.gap(at(Dir::Down), 100, &mut out), Step::Done);
}

#[test]
fn the_probe_takes_hellos_and_their_beginnings() {
    assert!(probe(&client_hello()) && probe(&client_hello()[..3]) && probe(&server_hello()));
    assert!(!probe(&[22, 3]) && !probe(&[22, 3, 1, 0, 5, 16]) && !probe(b"GET / HTTP/1.1"));
}

#[test]
fn a_claimed_hello_longer_than_the_bound_is_dropped() {
    let (events, _) = run(&[(Dir::Up, &[22, 3, 1, 0, 4, 1, 255, 255, 255])]);

    assert!(events.is_empty());
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events(
        cuts in proptest::collection::vec(0..700usize, 0..6),
        clear in any::<bool>(),
    ) {
        let up = client_hello();
        let down = if clear { b"{\"error\":\"no\"}\n".to_vec() } else { server_hello() };
        let mut pieces: Vec<(Dir, &[u8])> = Vec::new();
        for (dir, bytes) in [(Dir::Up, &up), (Dir::Down, &down)] {
            let mut edges: Vec<usize> = cuts.iter().map(|&cut| cut.min(bytes.len())).collect();
            edges.extend([0, bytes.len()]);
            edges.sort_unstable();
            pieces.extend(edges.windows(2).map(|edge| (dir, &bytes[edge[0]..edge[1]])));
        }

        prop_assert_eq!(run(&pieces), run(&[(Dir::Up, &up), (Dir::Down, &down)]));
    }

    #[test]
    fn any_split_of_damaged_bytes_gives_the_same_events(
        at in 0..297usize, value: u8, cut in 0..297usize,
    ) {
        let mut bytes = client_hello();
        bytes[at] = value;

        let whole = run(&[(Dir::Up, &bytes)]);
        let split = run(&[(Dir::Up, &bytes[..cut]), (Dir::Up, &bytes[cut..])]);

        prop_assert_eq!(whole.0, split.0);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = run(&[(Dir::Up, &bytes), (Dir::Down, &bytes)]);
        let _ = run(&[(Dir::Up, &client_hello()), (Dir::Down, &bytes)]);
        let _ = run(&[(Dir::Up, &records(&small_hello(&bytes), 999))]);
    }
}
