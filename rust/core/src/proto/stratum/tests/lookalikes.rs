use super::*;

/// Labels of a session that must have no mining message that is specific, and none that is valid.
fn silent(lines: &[(Dir, &str)]) -> Vec<(&'static str, String)> {
    let events = events(lines);
    for message in mining(&events) {
        assert!(!message.specific && message.shape != Shape::Valid, "{message:?}");
    }
    labels(&events).iter().map(|label| (label.name, label.detail.clone())).collect()
}

fn names_of(lines: &[(Dir, &str)]) -> Vec<&'static str> {
    silent(lines).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn electrum_is_named_once() {
    let found = silent(&[
        (UP, r#"{"id":0,"method":"server.version","params":["electrum/4.5","1.4"]}"#),
        (DOWN, r#"{"jsonrpc":"2.0","id":0,"result":["ElectrumX 1.16","1.4"]}"#),
        (UP, r#"{"id":1,"method":"blockchain.headers.subscribe","params":[]}"#),
        (DOWN, r#"{"id":1,"jsonrpc":"2.0","result":{"height":520481,"hex":"00000020890208a0"}}"#),
        (UP, r#"{"id":2,"method":"mempool.get_fee_histogram","params":[]}"#),
    ]);

    assert_eq!(found, [("electrum", "server.version".to_owned())]);
}

#[test]
fn generic_json_rpc_is_named() {
    let services = silent(&[
        (UP, r#"{"jsonrpc":"2.0","id":1,"method":"mining.cluster","params":{"k":5}}"#),
        (DOWN, r#"{"jsonrpc":"2.0","id":1,"result":{"centres":[1,2]}}"#),
        (
            UP,
            r#"{"jsonrpc":"2.0","id":2,"method":"mining.subscribe","params":{"topic":"clusters"}}"#,
        ),
        (DOWN, r#"{"jsonrpc":"2.0","id":2,"result":true}"#),
    ]);

    assert_eq!(services, [("json_rpc", "mining.cluster".to_owned())]);
}

#[test]
fn answers_without_requests_are_named_at_the_end() {
    let lines = [(DOWN, r#"{"id":4,"result":true,"error":null}"#)];

    assert_eq!(names_of(&lines), ["json_rpc"]);
}

#[test]
fn an_ethereum_node_is_named() {
    let lines = [
        (UP, r#"{"jsonrpc":"2.0","method":"eth_blockNumber","params":[],"id":83}"#),
        (DOWN, r#"{"jsonrpc":"2.0","id":83,"result":"0x4b7"}"#),
        (UP, r#"{"jsonrpc":"2.0","method":"net_version","params":[],"id":84}"#),
    ];

    assert_eq!(names_of(&lines), ["eth_rpc"]);
}

#[test]
fn work_fetched_from_a_node_is_never_specific() {
    let work = format!(r#"{{"jsonrpc":"2.0","id":73,"result":["0x{0}","0x{0}","0x{0}"]}}"#, h64());
    let found = session(&[
        (UP, r#"{"jsonrpc":"2.0","method":"eth_getWork","params":[],"id":73}"#),
        (DOWN, &work),
    ]);

    assert_eq!(briefs(&found), ["get_job miner valid", "job pool valid"]);
}

#[test]
fn three_hashes_are_no_work_without_a_target() {
    let logs = format!(r#"{{"jsonrpc":"2.0","id":0,"result":["0x{0}","0x{0}","0x{0}"]}}"#, h64());
    let work = logs.replacen(&format!("\"0x{}\"]", h64()), "\"0x0000000112e0\"]", 1);

    assert_eq!(names_of(&[(DOWN, &logs)]), ["json_rpc"]);
    assert_eq!(briefs(&session(&[(DOWN, &work)])), ["job pool valid !"]);
}

#[test]
fn a_service_with_a_method_of_the_same_name_answers_in_its_own_form() {
    let found = session(&[
        (UP, r#"{"jsonrpc":"2.0","id":1,"method":"mining.subscribe","params":["clusters"]}"#),
        (DOWN, r#"{"jsonrpc":"2.0","id":1,"result":"subscription-1"}"#),
        (UP, r#"{"jsonrpc":"2.0","id":2,"method":"mining.authorize","params":["token","x"]}"#),
        (DOWN, r#"{"jsonrpc":"2.0","id":2,"result":{"scope":"read"}}"#),
    ]);

    let expected = [
        "subscribe miner valid",
        "result pool partial",
        "authorize miner valid !",
        "result pool partial",
    ];
    assert_eq!(briefs(&found), expected);
}

#[test]
fn names_passwords_and_keys_are_those_of_any_service() {
    let token = h64();
    let lines = [
        format!(r#"{{"id":1,"method":"login","params":{{"login":"{token}","pass":"x"}}}}"#),
        format!(r#"{{"id":"login","method":"login","api_key":"{token}"}}"#),
        r#"{"type":"auth","params":{"site_key":"6LeIxAcTAAAAAJcZVRqyHh71"}}"#.to_owned(),
        r#"submit~{"data":"aGVsbG8="}"#.to_owned(),
        r#"shake~{"addr":"192.0.2.1"}"#.to_owned(),
        r#"{"id":null,"method":"mining.set_target","params":["beef"]}"#.to_owned(),
    ];

    for line in &lines {
        let events = events(&[(UP, line)]);
        assert!(mining(&events).iter().all(|message| !message.specific), "{line}");
    }
}

#[test]
fn a_bitcoin_node_is_named() {
    let lines = [
        (UP, r#"{"method":"validateaddress","params":["x"],"id":1401178339681}"#),
        (DOWN, r#"{"result":{"isvalid":true},"error":null,"id":1401178339681}"#),
    ];

    assert_eq!(names_of(&lines), ["bitcoin_rpc"]);
}

#[test]
fn a_batch_is_read_item_by_item() {
    let lines =
        [(UP, r#"[{"method":"getinfo","params":[],"id":1},{"method":"getbalance","id":2}]"#)];

    assert_eq!(names_of(&lines), ["bitcoin_rpc"]);
}

#[test]
fn a_language_server_is_named_behind_its_headers() {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"processId":1,"capabilities":{}}}"#;
    let change = r#"{"jsonrpc":"2.0","method":"textDocument/didChange","params":{}}"#;
    let stream = format!(
        "Content-Length: {}\r\n\r\n{body}Content-Length: {}\r\n\r\n{change}",
        body.len(),
        change.len()
    );

    assert_eq!(silent(&[(UP, &stream)]), [("lsp", "initialize".to_owned())]);
}

#[test]
fn a_tool_server_is_no_language_server() {
    let lines = [(
        UP,
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"1","capabilities":{}}}"#,
    )];

    assert_eq!(names_of(&lines), ["json_rpc"]);
}

#[test]
fn job_queues_use_the_same_words() {
    let lines = [
        (UP, r#"{"id":1,"method":"login","params":{"login":"alice","pass":"secret"}}"#),
        (DOWN, r#"{"id":1,"result":{"id":"s1","status":"OK"}}"#),
        (
            UP,
            r#"{"id":2,"method":"submit","params":{"job_id":"17","script":"run.sh","nonce":"abc"}}"#,
        ),
        (DOWN, r#"{"method":"job","params":{"job_id":"17","state":"RUNNING","target":"node3"}}"#),
    ];

    assert_eq!(names_of(&lines), ["job_queue"]);
}

#[test]
fn a_login_with_software_and_password_stays_partial_and_so_does_its_answer() {
    let events = events(&[
        (
            UP,
            r#"{"id":1,"method":"login","params":{"login":"alice","pass":"x","agent":"queue/1.0"}}"#,
        ),
        (DOWN, r#"{"id":1,"result":{"status":"OK"}}"#),
    ]);

    let found: Vec<String> = mining(&events).into_iter().map(brief).collect();
    assert_eq!(found, ["login miner partial", "result pool partial"]);
}

#[test]
fn web_socket_applications_with_types_are_not_mining() {
    let lines = [
        (UP, r#"{"type":"auth","params":{"token":"abc"}}"#),
        (UP, r#"{"type":"submit","params":{"form":1}}"#),
        (DOWN, r#"{"type":"job","params":{"job_id":"1","state":"done"}}"#),
    ];

    assert_eq!(names_of(&lines), ["job_queue"]);
}

#[test]
fn chia_partials_are_named() {
    let line = r#"{"payload":{"launcher_id":"0x1"},"aggregate_signature":"0xab"}"#;

    assert_eq!(names_of(&[(UP, line)]), ["chia"]);
}

#[test]
fn log_lines_are_nothing() {
    let lines = [
        (UP, r#"{"level":"info","msg":"mining.submit","ts":1}"#),
        (UP, r#"{"message":"stratum+tcp://pool.example:3333","method":"mining.notify"}"#),
    ];

    assert_eq!(names_of(&lines), Vec::<&str>::new());
}
