use super::*;

#[test]
fn ironfish_puts_everything_in_a_body() {
    let found = session(&[
        (
            UP,
            &format!(
                r#"{{"id":0,"method":"mining.subscribe","body":{{"version":2,"name":"rig","publicAddress":"{}"}}}}"#,
                h64()
            ),
        ),
        (
            DOWN,
            r#"{"id":1,"method":"mining.subscribed","body":{"clientId":7,"graffiti":"x","xn":"0a1b"}}"#,
        ),
        (
            DOWN,
            &format!(r#"{{"id":2,"method":"mining.set_target","body":{{"target":"{}"}}}}"#, h64()),
        ),
        (
            DOWN,
            &format!(
                r#"{{"id":3,"method":"mining.notify","body":{{"miningRequestId":5,"header":"{}"}}}}"#,
                h64().repeat(3)
            ),
        ),
        (
            UP,
            r#"{"id":1,"method":"mining.submit","body":{"miningRequestId":5,"randomness":"0a1b000000000001"}}"#,
        ),
        (
            DOWN,
            r#"{"id":4,"method":"mining.submitted","body":{"id":1,"result":false,"message":"stale"}}"#,
        ),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "subscribe miner valid !",
            "result pool valid !",
            "target pool valid !",
            POOL_JOB,
            MINER_SUBMIT,
            "result pool valid !",
        ]
    );
    assert_eq!((found[0].wallet.as_str(), found[0].coin_hint), (h64().as_str(), "IRON"));
    assert_eq!((found[5].outcome, found[5].error.as_str()), (Outcome::Rejected, "stale"));
}

#[test]
fn xatum_puts_a_word_before_the_object() {
    let block = "AAECAwQF".repeat(19);
    let found = session(&[
        (
            UP,
            r#"shake~{"addr":"xel:vs3mfyywt0fjys0rgslue7mm4wr23xdgejsjk0ld7f2kxng4d4nqqnkdufz","work":"rig","agent":"m/1","algo":"xel/0"}"#,
        ),
        (DOWN, &format!(r#"job~{{"diff":20000,"blob":"{block}"}}"#)),
        (UP, &format!(r#"submit~{{"data":"{block}"}}"#)),
        (DOWN, r#"success~{"msg":"ok"}"#),
        (DOWN, "ping~{}"),
        (UP, "pong~{}"),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "login miner valid !",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
            "keepalive pool valid",
            "keepalive miner valid",
        ]
    );
    assert_eq!((found[0].worker.as_str(), found[0].method.as_str()), ("rig", "shake"));
    assert_eq!(found[1].difficulty, 20_000.0);
    assert_eq!(found[3].outcome, Outcome::Accepted);
}

#[test]
fn pearl_authorises_first_with_named_parameters() {
    let wallet = format!("prl1p{}", "q".repeat(58));
    let found = session(&[
        (
            UP,
            &format!(
                r#"{{"id":1,"method":"mining.authorize","params":{{"wallet":"{wallet}","worker":"node7","agent":"pearl-miner/1.0.0","type":"v2"}}}}"#
            ),
        ),
        (DOWN, r#"{"id":1,"result":true,"type":"v2"}"#),
        (DOWN, r#"{"method":"mining.set_difficulty","params":{"difficulty":4096}}"#),
        (
            DOWN,
            &format!(
                r#"{{"method":"mining.notify","params":{{"header":"{}","height":7,"job_id":"p1","target":"{}","cert_version":1}}}}"#,
                "0a".repeat(76),
                h64()
            ),
        ),
        (
            UP,
            &format!(
                r#"{{"id":2,"method":"mining.submit","params":{{"wallet":"{wallet}","worker":"node7","job_id":"p1","plain_proof":"H4sIAAAA+/8=","proof_encoding":"gzip"}}}}"#
            ),
        ),
        (DOWN, r#"{"id":2,"result":true}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "authorize miner valid !",
            ANSWER,
            "difficulty pool valid !",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
        ]
    );
    assert_eq!((found[0].wallet.as_str(), found[0].coin_hint), (wallet.as_str(), "PRL"));
    assert_eq!((found[0].worker.as_str(), found[0].algo.as_str()), ("node7", "v2"));
    assert_eq!((found[3].height, found[2].difficulty), (7, 4096.0));
    assert!(found.iter().all(|m| m.dialects == Dialects::PEARL));
}

#[test]
fn browsers_mine_with_type_and_params() {
    let found = session(&[
        (
            UP,
            r#"{"type":"auth","params":{"site_key":"SITEKEY0123456789abcdef","type":"anonymous","user":null,"goal":0}}"#,
        ),
        (DOWN, r#"{"type":"authed","params":{"token":"","hashes":0}}"#),
        (
            DOWN,
            &format!(
                r#"{{"type":"job","params":{{"blob":"{}","job_id":"9","target":"ffffff00"}}}}"#,
                "0606".repeat(38)
            ),
        ),
        (
            UP,
            &format!(
                r#"{{"type":"submit","params":{{"job_id":"9","nonce":"0a0b0c0d","result":"{}"}}}}"#,
                h64()
            ),
        ),
        (DOWN, r#"{"type":"hash_accepted","params":{"hashes":256}}"#),
        (DOWN, r#"{"type":"banned","params":{"banned":600}}"#),
    ]);

    assert_eq!(
        briefs(&found),
        ["authorize miner valid !", ANSWER, POOL_JOB, MINER_SUBMIT, ANSWER, "result pool partial",]
    );
    assert_eq!(found[0].wallet, "SITEKEY0123456789abcdef");
    assert!(found.iter().all(|m| m.dialects == Dialects::BROWSER));
}

#[test]
fn getwork_over_http_is_specific_only_from_a_miner_or_with_a_solution() {
    let head = |agent, extensions| HttpFacts::new(agent, extensions);
    let ask = br#"{"method": "getwork", "params": [], "id":0}"#.as_slice();
    let template =
        br#"{"id":0,"method":"getblocktemplate","params":[{"capabilities":["coinbasetxn"]}]}"#;
    let solved = format!(r#"{{"method":"getwork","params":["{}"],"id":1}}"#, h64().repeat(4));
    let one = |facts, body| mining(&classify_http_json(at(UP, 1), facts, body))[0].clone();

    assert_eq!(brief(&one(head("bfgminer/5.2.0", false), ask)), "get_job miner valid !");
    assert_eq!(brief(&one(head("", true), template)), "get_job miner valid !");
    assert_eq!(brief(&one(head("curl/8", false), template)), "get_job miner valid");
    assert_eq!(brief(&one(head("", false), solved.as_bytes())), MINER_SUBMIT);
    assert_eq!(names(one(head("", false), template).dialects), "getblocktemplate");
    assert_eq!(one(head("", false), ask).carrier, "http");
}

#[test]
fn the_servers_side_of_getwork_is_a_job() {
    let work = format!(
        r#"{{"result":{{"data":"{}","target":"{}","midstate":"{}"}},"error":null,"id":1}}"#,
        h64().repeat(4),
        h64(),
        h64()
    );
    let template = format!(
        r#"{{"result":{{"previousblockhash":"{}","bits":"1d00ffff","coinbasevalue":50,"height":9,"transactions":[]}},"id":1}}"#,
        h64()
    );

    let found = session(&[(DOWN, &work)]);
    assert_eq!(
        (brief(&found[0]).as_str(), names(found[0].dialects).as_str()),
        ("job pool valid", "getwork")
    );
    let found = session(&[(DOWN, &template)]);
    assert_eq!((brief(&found[0]).as_str(), found[0].height), ("job pool valid", 9));
}
