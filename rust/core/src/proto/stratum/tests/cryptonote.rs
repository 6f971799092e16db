use super::*;

#[test]
fn cryptonote_is_read_in_any_key_order() {
    let wallet = format!("4{}", "AbCdEf1234".repeat(9) + "xyzw");
    let job = format!(
        r#"{{"blob":"{}","job_id":"7","target":"dc460300","height":3000000,"seed_hash":"{}","algo":"rx/0"}}"#,
        "0606".repeat(38),
        h64()
    );
    let found = session(&[
        (
            UP,
            &format!(
                r#"{{"id":1,"jsonrpc":"2.0","method":"login","params":{{"login":"{wallet}.rig","pass":"x","agent":"XMRig/6.26.0 (Linux x86_64) libuv/1.51.0 gcc/13.1","rigid":"gpu-7","algo":["rx/0","cn/r"]}}}}"#
            ),
        ),
        (
            DOWN,
            &format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":null,"result":{{"id":"s1","job":{job},"extensions":["algo","nicehash"],"status":"OK"}}}}"#
            ),
        ),
        (DOWN, &format!(r#"{{"jsonrpc":"2.0","params":{job},"method":"job"}}"#)),
        (
            UP,
            &format!(
                r#"{{"method":"submit","params":{{"id":"s1","job_id":"7","nonce":"98024001","result":"{}"}},"id":2}}"#,
                h64()
            ),
        ),
        (DOWN, r#"{"id":2,"jsonrpc":"2.0","error":{"code":-1,"message":"Low difficulty share"}}"#),
        (UP, r#"{"id":3,"jsonrpc":"2.0","method":"keepalived","params":{"id":"s1"}}"#),
        (DOWN, r#"{"id":3,"jsonrpc":"2.0","error":null,"result":{"status":"KEEPALIVED"}}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "login miner valid !",
            "result pool valid !",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
            "keepalive miner valid",
            "result pool valid !",
        ]
    );
    assert_eq!((found[0].wallet.as_str(), found[0].worker.as_str()), (wallet.as_str(), "gpu-7"));
    assert_eq!(found[0].algo, "rx/0,cn/r");
    assert_eq!(found[1].outcome, Outcome::Accepted);
    assert_eq!((found[2].height, found[2].coin_hint), (3_000_000, "XMR"));
    assert_eq!(found[2].difficulty.round(), 20_000.0);
    assert_eq!(
        (found[4].outcome, found[4].error.as_str()),
        (Outcome::Rejected, "Low difficulty share")
    );
    assert!(found.iter().all(|m| m.dialects == Dialects::CRYPTONOTE));
}

#[test]
fn grin_has_text_ids_and_a_cycle() {
    let cycle = vec!["7"; 42].join(",");
    let found = session(&[
        (
            UP,
            r#"{"id":"0","jsonrpc":"2.0","method":"login","params":{"login":"rig@example.org","pass":"","agent":"grin-miner"}}"#,
        ),
        (DOWN, r#"{"id":"0","jsonrpc":"2.0","method":"login","result":"ok","error":null}"#),
        (UP, r#"{"id":"1","jsonrpc":"2.0","method":"getjobtemplate","params":null}"#),
        (
            DOWN,
            &format!(
                r#"{{"id":"Stratum","jsonrpc":"2.0","method":"job","params":{{"difficulty":1,"height":16375,"job_id":5,"pre_pow":"{}"}}}}"#,
                h64().repeat(3)
            ),
        ),
        (
            UP,
            &format!(
                r#"{{"id":"2","jsonrpc":"2.0","method":"submit","params":{{"edge_bits":29,"height":16375,"job_id":5,"nonce":88895,"pow":[{cycle}]}}}}"#
            ),
        ),
        (DOWN, r#"{"id":"2","jsonrpc":"2.0","method":"submit","result":"ok","error":null}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "login miner partial",
            "result pool partial",
            "get_job miner partial",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
        ]
    );
    assert_eq!(found[0].wallet, "rig@example.org");
    assert_eq!((found[3].height, found[3].coin_hint), (16375, "GRIN"));
    assert!(found[1..].iter().all(|m| m.dialects == Dialects::GRIN));
    assert_eq!(found[5].outcome, Outcome::Accepted);
}

#[test]
fn beam_keeps_its_fields_at_the_top() {
    let found = session(&[
        (
            UP,
            &format!(
                r#"{{"method":"login","api_key":"{}.rig","id":"login","jsonrpc":"2.0"}}"#,
                h64()
            ),
        ),
        (
            DOWN,
            r#"{"code":0,"description":"Login successful","id":"login","jsonrpc":"2.0","method":"result","nonceprefix":"b39a4f"}"#,
        ),
        (
            DOWN,
            &format!(
                r#"{{"difficulty":27000,"height":12,"id":"9","input":"{}","jsonrpc":"2.0","method":"job"}}"#,
                h64()
            ),
        ),
        (
            UP,
            &format!(
                r#"{{"method":"solution","id":"9","nonce":"b39a4f0000000001","output":"{}","jsonrpc":"2.0"}}"#,
                "ab".repeat(104)
            ),
        ),
        (DOWN, r#"{"code":1,"description":"accepted","id":"9","jsonrpc":"2.0","method":"result"}"#),
    ]);

    assert_eq!(briefs(&found), ["login miner valid !", ANSWER, POOL_JOB, MINER_SUBMIT, ANSWER]);
    assert_eq!((found[0].wallet.as_str(), found[0].worker.as_str()), (h64().as_str(), "rig"));
    assert_eq!((found[1].outcome, found[1].extranonce.as_str()), (Outcome::Accepted, "b39a4f"));
    assert_eq!((found[4].outcome, found[4].method.as_str()), (Outcome::Accepted, "solution"));
}
