use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use super::*;

const HELLO: &str = r#"{"id":0,"method":"mining.hello","params":{"agent":"m/1","host":"pool.example","port":"4d2","proto":"EthereumStratum/2.0.0"}}"#;
const GREETING: &str =
    r#"{"id":0,"result":{"proto":"EthereumStratum/2.0.0","encoding":"gzip","node":"n"}}"#;
const SUBSCRIBE: &str = r#"{"id":1,"method":"mining.subscribe","params":["cgminer/4.9"]}"#;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3], encoder.finish().unwrap().as_slice(), &[0; 8]].concat()
}

#[test]
fn a_session_that_turns_to_gzip_is_read_on() {
    let mut session = JsonSession::new("");
    let mut out = Events::new();
    session.data(at(UP, 1), HELLO.as_bytes(), &mut out);
    session.data(at(DOWN, 2), GREETING.as_bytes(), &mut out);
    let authorize = r#"{"id":2,"method":"mining.authorize","params":["rig","x"]}"#;

    session.data(at(UP, 3), &[b"\n".as_slice(), &gzip(authorize)].concat(), &mut out);
    session.data(at(DOWN, 4), &gzip(r#"{"id":2,"result":"w-1"}"#), &mut out);

    let found = mining(&out);
    assert_eq!(found.len(), 4);
    assert_eq!((found[2].kind, found[2].carrier), (Kind::Authorize, "gzip"));
    assert_eq!((found[3].outcome, found[3].carrier), (Outcome::Accepted, "gzip"));
}

#[test]
fn gzip_that_cannot_be_read_is_said_once_and_keeps_the_verdict() {
    let mut session = JsonSession::new("");
    let mut out = Events::new();
    session.data(at(UP, 1), HELLO.as_bytes(), &mut out);

    session.data(at(DOWN, 2), b"\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff\xff", &mut out);
    session.data(at(DOWN, 3), b"\x1f\x8b\x08more", &mut out);
    session.data(at(UP, 4), &gzip("{}")[..12], &mut out);
    session.gap(at(UP, 5), 100, &mut out);

    let found = mining(&out);
    assert_eq!(found.len(), 2);
    assert_eq!((found[1].kind, found[1].role), (Kind::Compressed, Role::Pool));
    assert!(session.is_mining());
}

#[test]
fn gzip_before_any_mining_is_noise() {
    let mut session = JsonSession::new("");
    let mut out = Events::new();

    session.data(at(DOWN, 1), &gzip(SUBSCRIBE), &mut out);

    assert!(out.is_empty());
}

#[test]
fn roles_come_from_messages_not_from_who_connected() {
    let found = session(&[
        (DOWN, SUBSCRIBE),
        (UP, r#"{"id":1,"result":[[["mining.notify","a"]],"00",4]}"#),
    ]);

    assert_eq!((found[0].role, found[1].role), (Role::Miner, Role::Pool));
}

#[test]
fn a_session_joined_late_is_known_by_its_next_job() {
    let tail = format!(
        r#"b",true],"id":1}}
{{"params":["26eb","{0}","01","02",[],"20000000","18015ddc","5b646541",false],"id":null,"method":"mining.notify"}}"#,
        h64()
    );

    let found = session(&[(DOWN, &tail)]);

    assert_eq!(briefs(&found), ["job pool valid !"]);
}

#[test]
fn a_gap_costs_the_message_it_falls_into() {
    let mut session = JsonSession::new("");
    let mut out = Events::new();

    session.data(at(UP, 1), br#"{"id":1,"method":"mining.sub"#, &mut out);
    session.gap(at(UP, 2), 40, &mut out);
    session.data(at(UP, 2), SUBSCRIBE.as_bytes(), &mut out);

    assert_eq!(mining(&out).len(), 1);
}

#[test]
fn answers_to_equal_ids_are_told_in_order_and_directions_apart() {
    let events = events(&[
        (UP, SUBSCRIBE),
        (DOWN, r#"{"id":1,"method":"client.get_version","params":[]}"#),
        (UP, r#"{"id":1,"result":"cgminer/4.9"}"#),
        (UP, r#"{"id":1,"method":"mining.authorize","params":["a","x"]}"#),
        (DOWN, r#"{"id":1,"result":[[],"00",4]}"#),
        (DOWN, r#"{"id":1,"result":true}"#),
        (DOWN, r#"{"id":1,"result":true}"#),
    ]);

    let methods: Vec<&str> = mining(&events).iter().map(|m| m.method.as_str()).collect();
    assert_eq!(
        methods,
        [
            "mining.subscribe",
            "client.get_version",
            "mining.authorize",
            "mining.subscribe",
            "mining.authorize",
        ]
    );
}

#[test]
fn a_miner_that_probes_dialects_starts_afresh() {
    let found = session(&[
        (UP, HELLO),
        (DOWN, r#"{"id":0,"result":null,"error":[20,"Unknown method",null]}"#),
        (
            UP,
            r#"{"id":1,"method":"eth_submitLogin","params":["0xc2d7cf95645d33006175b78989035c7c9061d3f9"]}"#,
        ),
        (DOWN, r#"{"id":1,"result":true}"#),
    ]);

    assert_eq!((found[1].error.as_str(), found[1].outcome), ("Unknown method", Outcome::Rejected));
    assert_eq!(names(found[3].dialects), "eth_proxy");
    assert_eq!(found[3].outcome, Outcome::Accepted);
}

#[test]
fn a_proof_of_600_kib_in_one_line_is_read_in_segments() {
    let mut session = JsonSession::new("");
    let mut out = Events::new();
    let wallet = format!("prl1p{}", "q".repeat(58));
    let authorize = format!(
        r#"{{"id":1,"method":"mining.authorize","params":{{"wallet":"{wallet}","worker":"w"}}}}"#
    );
    session.data(at(UP, 1), authorize.as_bytes(), &mut out);
    let line = format!(
        "\n{{\"id\":2,\"method\":\"mining.submit\",\"params\":{{\"plain_proof\":\"{}\",\"wallet\":\"{wallet}\",\"worker\":\"w\",\"job_id\":\"p1\",\"proof_encoding\":\"none\"}}}}\n",
        "Ab0/".repeat(150 * 1024)
    );

    for segment in line.as_bytes().chunks(1460) {
        session.data(at(UP, 2), segment, &mut out);
    }

    let found = mining(&out);
    assert_eq!(brief(found[1]), "submit miner valid !");
    assert_eq!((found[1].job_id.as_str(), found[1].wallet.as_str()), ("p1", wallet.as_str()));
    assert_eq!(usize::try_from(found[1].bytes).unwrap(), line.len() - 2);
    assert_eq!(found[1].excerpt.len(), 256);
}

#[test]
fn long_lines_are_skipped_until_mining_was_seen() {
    let long = format!("{{\"id\":1,\"method\":\"{}\"}}\n", "x".repeat(100 << 10));
    let mut session = JsonSession::new("");
    let mut out = Events::new();

    session.data(at(UP, 1), long.as_bytes(), &mut out);
    session.data(at(UP, 2), SUBSCRIBE.as_bytes(), &mut out);

    assert_eq!(mining(&out).len(), 1);
    assert_eq!(session.skipped_bytes(UP), u64::try_from(long.len() - 1).unwrap());
}

#[test]
fn noise_is_given_back_and_endless_other_json_is_given_up() {
    let mut noise = JsonSession::new("");
    let mut other = JsonSession::new("");
    let mut out = Events::new();
    let line = "{\"level\":\"info\"}\n".repeat(1000);

    assert_eq!(noise.data(at(UP, 1), &[b'.'; 5000], &mut out), crate::proto::Step::NotMine);
    let steps: Vec<_> = (0..80).map(|n| other.data(at(UP, n), line.as_bytes(), &mut out)).collect();

    assert_eq!(steps[0], crate::proto::Step::More);
    assert_eq!(steps[79], crate::proto::Step::Done);
    assert!(out.is_empty());
}

#[test]
fn web_socket_frames_may_hold_parts_of_messages() {
    let mut session = JsonSession::new("websocket");
    let mut out = Events::new();

    session.data(at(UP, 1), br#"{"type":"auth","params":{"site_"#, &mut out);
    session.data(
        at(UP, 2),
        br#"key":"K","type":"anonymous"}}{"type":"open","params":{}}"#,
        &mut out,
    );

    let found = mining(&out);
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].carrier, out[0].0.frame), ("websocket", 2));
}

#[test]
fn an_http_session_correlates_bodies() {
    let mut session = JsonSession::new("http");
    let mut out = Events::new();
    let submit = format!(
        r#"{{"id":7,"method":"eth_submitWork","params":["0x93dc6cdc00d0d468","0x{0}","0x{0}"]}}"#,
        h64()
    );

    session.http_head(HttpFacts::new("ethminer/0.19", false));
    session.data(at(UP, 1), submit.as_bytes(), &mut out);
    session.boundary(UP);
    session.data(at(DOWN, 2), br#"{"id":7,"result":true"#, &mut out);
    session.boundary(DOWN);
    session.data(at(DOWN, 3), br#"{"id":7,"result":true}"#, &mut out);

    let found = mining(&out);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].outcome, Outcome::Accepted);
}
