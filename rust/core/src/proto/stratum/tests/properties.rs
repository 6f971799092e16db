use proptest::prelude::*;

use super::*;

fn run(pieces: &[(Dir, &[u8])]) -> Vec<Event> {
    let mut session = JsonSession::new("");
    let mut out = Events::new();
    for (dir, piece) in pieces {
        session.data(at(*dir, 1), piece, &mut out);
    }
    session.finish(&mut out);
    out.into_iter().map(|(_, event)| event).collect()
}

/// Words and values the readers look for, in any order and nesting.
fn value() -> impl Strategy<Value = String> {
    let hex = proptest::sample::select(vec![1, 8, 16, 64, 80, 152, 256]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        hex.clone().prop_map(|digits| format!("\"{}\"", "a".repeat(digits))),
        hex.prop_map(|digits| format!("\"0x{}\"", "0".repeat(digits))),
        proptest::sample::select(vec!["mining.notify", "EthereumStratum/1.0.0", "w-1", "0", "OK"])
            .prop_map(|word| format!("\"{word}\"")),
    ];
    leaf.prop_recursive(3, 24, 9, |inner| {
        let keys = proptest::sample::select(vec![
            "login",
            "agent",
            "pass",
            "algo",
            "blob",
            "job_id",
            "target",
            "nonce",
            "result",
            "job",
            "wallet",
            "header",
            "plain_proof",
            "publicAddress",
            "id",
            "params",
            "status",
            "data",
        ]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..10)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((keys, inner), 0..6).prop_map(|members| {
                let members = members.iter().map(|(key, value)| format!("\"{key}\":{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

fn line() -> impl Strategy<Value = (Dir, String)> {
    let methods = proptest::sample::select(vec![
        "mining.subscribe",
        "mining.authorize",
        "mining.submit",
        "mining.notify",
        "mining.set",
        "mining.set_target",
        "mining.hello",
        "login",
        "submit",
        "job",
        "eth_getWork",
        "eth_submitWork",
        "eth_submitLogin",
        "getwork",
        "solution",
        "result",
        "mining.subscribed",
        "keepalived",
        "client.reconnect",
        "server.version",
        "",
    ]);
    let names = proptest::sample::select(vec!["params", "result", "body", "error", "type"]);
    let line = (any::<bool>(), 0u8..4, methods, names, value()).prop_map(
        |(up, id, method, name, value)| {
            let dir = if up { Dir::Up } else { Dir::Down };
            (dir, format!("{{\"id\":{id},\"method\":\"{method}\",\"{name}\":{value}}}\n"))
        },
    );
    prop_oneof![
        9 => line,
        1 => proptest::collection::vec(any::<u8>(), 0..40)
            .prop_map(|bytes| (Dir::Up, String::from_utf8_lossy(&bytes).into_owned())),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut stream = br#"{"id":1,"method":"mining.subscribe","params":["a"]}"#.to_vec();
        stream.extend_from_slice(&bytes);

        run(&[(Dir::Up, &stream), (Dir::Down, &bytes), (Dir::Up, b"\x1f\x8b\x08"), (Dir::Up, &bytes)]);
        let probed = looks_like_json_session(&bytes, true);
        prop_assert!(!probed || !bytes.is_empty());
    }

    #[test]
    fn any_split_gives_the_same_events(
        lines in proptest::collection::vec(line(), 1..6),
        size in 1usize..40,
    ) {
        let whole: Vec<(Dir, &[u8])> =
            lines.iter().map(|(dir, line)| (*dir, line.as_bytes())).collect();
        let pieces: Vec<(Dir, &[u8])> = whole
            .iter()
            .flat_map(|(dir, line)| line.chunks(size).map(move |piece| (*dir, piece)))
            .collect();

        prop_assert_eq!(run(&pieces), run(&whole));
    }

    #[test]
    fn text_from_the_wire_stays_bounded(lines in proptest::collection::vec(line(), 1..6)) {
        let whole: Vec<(Dir, &[u8])> =
            lines.iter().map(|(dir, line)| (*dir, line.as_bytes())).collect();

        for event in run(&whole) {
            if let Event::Mining(message) = event {
                prop_assert!(message.method.len() <= 64 && message.wallet.len() <= 256);
                prop_assert!(message.excerpt.chars().count() <= 256);
                prop_assert!(!message.dialects.is_empty());
            }
        }
    }
}
