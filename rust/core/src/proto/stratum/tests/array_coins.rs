use super::*;

#[test]
fn equihash_names_its_pool_and_sends_long_solutions() {
    let notify = format!(
        r#"{{"id":null,"method":"mining.notify","params":["8c6f","04000000","{0}","{0}","{0}","a9cc405a","09d8151c",true]}}"#,
        h64()
    );
    let submit = format!(
        r#"{{"id":100,"method":"mining.submit","params":["t1fAhZF5aUJdY7CikGULHmeYk7id8qmvbAd.rig4","8c6f","a9cc405a","{}","fd4005{}"]}}"#,
        "3e27".repeat(13),
        "0a".repeat(1344)
    );
    let found = session(&[
        (
            UP,
            r#"{"id":1,"method":"mining.subscribe","params":["EWBF 0.3.4b",null,"zec.example","3333"]}"#,
        ),
        (DOWN, r#"{"id":1,"result":["04d567b212", "04d567b212"], "error": null}"#),
        (DOWN, &format!(r#"{{"id":null,"method":"mining.set_target","params":["{}"]}}"#, h64())),
        (DOWN, &notify),
        (UP, &submit),
        (DOWN, r#"{"id":100,"result":true}"#),
    ]);

    assert_eq!(
        briefs(&found),
        ["subscribe miner valid !", ANSWER, "target pool valid !", POOL_JOB, MINER_SUBMIT, ANSWER]
    );
    assert_eq!((found[0].host.as_str(), found[0].port), ("zec.example", 3333));
    assert_eq!(found[1].extranonce, "04d567b212");
    assert_eq!(found[4].coin_hint, "ZEC");
    assert_eq!(found[4].bytes, u32::try_from(submit.len()).unwrap());
    assert_eq!(names(found[5].dialects), "equihash");
}

#[test]
fn kawpow_is_told_by_its_job() {
    let found = session(&[
        (UP, r#"{"id":1,"method":"mining.subscribe","params":["GMiner/2.09"]}"#),
        (DOWN, r#"{"id":1,"result":[null,"0a1b"],"error":null}"#),
        (
            DOWN,
            &format!(
                r#"{{"id":null,"method":"mining.notify","params":["j1","{0}","{0}","{0}",true,2000000,"1b00f3a2"]}}"#,
                h64()
            ),
        ),
        (
            UP,
            &format!(
                r#"{{"id":2,"method":"mining.submit","params":["RVN.rig","j1","0x0a1b000000000001","0x{0}","0x{0}"]}}"#,
                h64()
            ),
        ),
        (DOWN, r#"{"id":2,"result":true,"error":null}"#),
    ]);

    assert_eq!(briefs(&found[2..]), [POOL_JOB, MINER_SUBMIT, ANSWER]);
    assert_eq!(found[1].extranonce, "0a1b");
    assert_eq!((found[2].height, found[2].coin_hint), (2_000_000, "RVN"));
    assert!(found[2..].iter().all(|m| m.dialects == Dialects::KAWPOW));
}

#[test]
fn kaspa_borrows_ethereum_stratum_and_sends_four_words() {
    let wallet = "kaspa:qqkqkzjvr7zwxxmjxjkmxxdwju9kjs6e9u82uh59z07vgaks6gg62v8707g73";
    let found = session(&[
        (
            UP,
            r#"{"id":1,"method":"mining.subscribe","params":["BzMiner/v21.0.0","EthereumStratum/1.0.0"]}"#,
        ),
        (DOWN, r#"{"id":1,"result":[true,"EthereumStratum/1.0.0"]}"#),
        (UP, &format!(r#"{{"id":2,"method":"mining.authorize","params":["{wallet}.rig","x"]}}"#)),
        (DOWN, r#"{"method":"set_extranonce","params":["a1b2",6]}"#),
        (
            DOWN,
            r#"{"method":"mining.notify","params":["12",[1,18446744073709551615,3,4],1700000000000]}"#,
        ),
        (DOWN, &format!(r#"{{"method":"mining.notify","params":["13","{}"]}}"#, "0a".repeat(40))),
        (
            UP,
            &format!(
                r#"{{"id":3,"method":"mining.submit","params":["{wallet}.rig","12","0xa1b2000000000001"]}}"#
            ),
        ),
        (DOWN, r#"{"id":3,"result":true}"#),
    ]);

    assert_eq!(
        briefs(&found[2..]),
        [
            "authorize miner valid !",
            "extranonce pool valid",
            POOL_JOB,
            POOL_JOB,
            "submit miner valid",
            ANSWER,
        ]
    );
    assert_eq!((found[2].wallet.as_str(), found[2].coin_hint), (wallet, "KAS"));
    assert_eq!(found[3].extranonce, "a1b2");
    assert_eq!(names(found[7].dialects), "kaspa");
}

#[test]
fn ergo_conflux_and_xelis_are_told_by_their_jobs() {
    let h = h64();
    let ergo = format!(
        r#"{{"method":"mining.notify","id":null,"params":["e1",900000,"{h}","","","00000002","28948022309329048855892746252171976963209391069768726095651290785379","",true]}}"#
    );
    let conflux = format!(
        r#"{{"method":"mining.notify","id":null,"params":["c1","93811","0x{h}","0x{h}"]}}"#
    );
    let xelis = format!(
        r#"{{"method":"mining.notify","id":null,"params":["x1","0000018f9ab3c1d2","{h}","xel/v2",true]}}"#
    );
    let warthog = format!(
        r#"{{"method":"mining.notify","id":null,"params":["w1","{h}","0abc","00000002","1d00ffff","65a1b2c3",true]}}"#
    );
    let alephium =
        format!(r#"{{"method":"mining.notify","id":null,"params":["a1",3,"{}"]}}"#, h.repeat(4));
    let alephium_list = format!(
        r#"{{"method":"mining.notify","id":null,"params":[{{"jobId":"a2","fromGroup":0,"toGroup":3,"headerBlob":"{h}"}}]}}"#
    );

    for (line, dialect, job) in [
        (ergo, "ergo", "e1"),
        (conflux, "conflux", "c1"),
        (xelis, "xelis", "x1"),
        (warthog, "stratum_v1", "w1"),
        (alephium, "alephium", "a1"),
        (alephium_list, "alephium", "a2"),
    ] {
        let found = session(&[(DOWN, &line)]);
        assert_eq!(briefs(&found), [POOL_JOB], "{line}");
        assert_eq!((names(found[0].dialects).as_str(), found[0].job_id.as_str()), (dialect, job));
    }
}

#[test]
fn conflux_and_ergo_shares_have_their_own_shape() {
    let conflux = format!(
        r#"{{"id":5,"method":"mining.submit","params":["cfx:aak2rra2njvd77ezwjvx04kkds9fzagfe6ku8scz91.r","c1","0x12ab","0x{}"]}}"#,
        h64()
    );
    let ergo = r#"{"id":5,"method":"mining.submit","params":["u.r","e1","0a0b0c","538448e7","0011223344556677"]}"#;

    let found = session(&[(UP, &conflux)]);
    assert_eq!((brief(&found[0]).as_str(), found[0].coin_hint), (MINER_SUBMIT, "CFX"));
    assert_eq!(names(found[0].dialects), "conflux");
    assert_eq!(names(session(&[(UP, ergo)])[0].dialects), "ergo");
}

#[test]
fn xelis_subscribes_with_a_list_of_algorithms() {
    let wallet = "xel:vs3mfyywt0fjys0rgslue7mm4wr23xdgejsjk0ld7f2kxng4d4nqqnkdufz";
    let found = session(&[
        (UP, r#"{"id":1,"method":"mining.subscribe","params":["miner/1.0",["xel/v2"]]}"#),
        (DOWN, &format!(r#"{{"id":1,"result":["s1","{0}",32,"{0}"],"error":null}}"#, h64())),
        (UP, &format!(r#"{{"id":2,"method":"mining.authorize","params":["{wallet}","rig","x"]}}"#)),
        (DOWN, r#"{"id":null,"method":"mining.ping","params":[]}"#),
        (UP, r#"{"id":3,"method":"mining.pong","params":[]}"#),
    ]);

    assert_eq!(found.len(), 5);
    assert_eq!((found[2].wallet.as_str(), found[2].worker.as_str()), (wallet, "rig"));
    assert!(found.iter().all(|m| m.dialects == Dialects::XELIS));
}

#[test]
fn alephium_says_hello_and_shares_objects() {
    let found = session(&[
        (
            UP,
            r#"{"id":0,"method":"mining.hello","params":{"agent":"bz/1","host":"alph.example","port":"20032","proto":"AlephiumStratum/1.0.0"}}"#,
        ),
        (DOWN, r#"{"id":null,"method":"connection.set_gzip","params":[false]}"#),
        (
            UP,
            r#"{"id":3,"method":"mining.submit","params":{"jobId":"a1","fromGroup":0,"toGroup":3,"nonce":"00112233445566778899aabbccddeeff0011223344556677","worker":"1abc"}}"#,
        ),
        (DOWN, r#"{"id":3,"result":true}"#),
    ]);

    assert_eq!(briefs(&found), ["hello miner valid !", "other pool valid", MINER_SUBMIT, ANSWER]);
    assert!(found.iter().all(|m| m.dialects == Dialects::ALEPHIUM));
    assert_eq!((found[0].host.as_str(), found[0].port), ("alph.example", 20032));
}

#[test]
fn alephium_may_use_arrays_bare_strings_and_tokens() {
    let notify =
        format!(r#"{{"method":"mining.notify","params":["0000000a","0a","{}"]}}"#, h64().repeat(9));
    let submit = r#"{"id":"3","method":"mining.submit","params":["0000000a","0a1b00112233445566778899aabbccddeeff00112233","w-1"]}"#;
    let found = session(&[
        (UP, r#"{"id":"0","method":"mining.hello","params":["m/1","AlephiumStratum/1.0.0"]}"#),
        (DOWN, r#"{"id":"0","result":["AlephiumStratum/1.0.0",false,"b4","5","pool.example"]}"#),
        (UP, r#"{"id":"1","method":"connection.set_gzip"}"#),
        (DOWN, r#"{"id":"1","result":true}"#),
        (UP, r#"{"id":"2","method":"mining.subscribe","params":""}"#),
        (DOWN, r#"{"method":"mining.set_extranonce","params":"0a1b"}"#),
        (DOWN, r#"{"method":"mining.set_target","params":"00000fffabcd"}"#),
        (DOWN, &notify),
        (UP, submit),
        (DOWN, r#"{"id":"3","result":false}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "hello miner valid !",
            "result pool valid !",
            "other miner valid",
            ANSWER,
            "subscribe miner valid",
            "extranonce pool valid !",
            "target pool valid !",
            POOL_JOB,
            "submit miner valid",
            ANSWER,
        ]
    );
    assert!(found.iter().all(|m| m.dialects == Dialects::ALEPHIUM));
    assert_eq!((found[5].extranonce.as_str(), found[9].outcome), ("0a1b", Outcome::Rejected));
}

#[test]
fn kadena_sends_one_work_header() {
    let job = format!(
        r#"{{"id":null,"method":"mining.notify","params":["3","{}",true]}}"#,
        h64().repeat(9)
    );
    let share = r#"{"id":4,"method":"mining.submit","params":["k:ab.rig","3","0a0b0c0d0e0f"]}"#;

    let found = session(&[(DOWN, &job), (UP, share), (DOWN, r#"{"id":4,"result":true}"#)]);

    assert_eq!(briefs(&found), [POOL_JOB, "submit miner valid", ANSWER]);
    assert!(found.iter().all(|m| m.dialects == Dialects::STRATUM_V1));
}
