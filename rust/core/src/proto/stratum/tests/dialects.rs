use super::*;

const MINER_SUBMIT: &str = "submit miner valid !";
const POOL_JOB: &str = "job pool valid !";
const ANSWER: &str = "result pool valid";

#[test]
fn stratum_v1_is_read_from_subscription_to_share() {
    let notify = format!(
        r#"{{"params":["bf","{0}","01000000","0d2f6e",["{0}"],"20000000","1802c8b2","538448e7",true],"id":null,"method":"mining.notify"}}"#,
        h64()
    );
    let found = session(&[
        (
            UP,
            r#"{"id":0,"method":"mining.configure","params":[["version-rolling"],{"version-rolling.mask":"1fffe000"}]}"#,
        ),
        (
            DOWN,
            r#"{"id":0,"result":{"version-rolling":true,"version-rolling.mask":"1fffe000"},"error":null}"#,
        ),
        (
            UP,
            r#"{"id": 1, "method": "mining.subscribe", "params": ["bitaxe/BM1368"]}"#,
        ),
        (
            DOWN,
            r#"{"id":1,"result":[[["mining.set_difficulty","d1"],["mining.notify","ae6812"]],"08000002",4],"error":null}"#,
        ),
        (
            UP,
            r#"{"id":"auth","method":"mining.authorize","params":["1BoatSLRHtKNngkdXEeobR76b53LETtpyT.rig1","x"]}"#,
        ),
        (DOWN, r#"{"id":"auth","result":true,"error":null}"#),
        (
            DOWN,
            r#"{"id":null,"method":"mining.set_difficulty","params":[512.5]}"#,
        ),
        (DOWN, &notify),
        (
            UP,
            r#"{"id":4,"method":"mining.submit","params":["1BoatSLRHtKNngkdXEeobR76b53LETtpyT.rig1","bf","00000001","504e86ed","b2957c02","00000000"]}"#,
        ),
        (
            DOWN,
            r#"{"id":4,"result":null,"error":[23,"Low difficulty share",null]}"#,
        ),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "configure miner valid !",
            ANSWER,
            "subscribe miner valid !",
            "result pool valid !",
            "authorize miner valid !",
            ANSWER,
            "difficulty pool valid !",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
        ]
    );
    assert_eq!(found[2].agent, "bitaxe/BM1368");
    assert_eq!(found[3].extranonce, "08000002");
    assert_eq!(
        (found[4].wallet.as_str(), found[4].worker.as_str()),
        ("1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "rig1")
    );
    assert_eq!(found[5].outcome, Outcome::Accepted);
    assert_eq!(found[5].method, "mining.authorize");
    assert_eq!(found[6].difficulty, 512.5);
    assert_eq!(
        (found[8].job_id.as_str(), found[8].nonce.as_str()),
        ("bf", "b2957c02")
    );
    assert_eq!(found[9].outcome, Outcome::Rejected);
    assert_eq!(found[9].error, "Low difficulty share");
    assert_eq!(names(found[9].dialects), "stratum_v1");
}

#[test]
fn a_nicehash_worker_subscribes_with_more_than_its_name() {
    let line = format!(
        r#"{{"id":1,"method":"mining.subscribe","params":["NiceHash/1.0.0",1533306034087,"{}"]}}"#,
        h64()
    );

    let found = session(&[(UP, &line)]);

    assert_eq!(briefs(&found), ["subscribe miner valid !"]);
    assert_eq!(found[0].agent, "NiceHash/1.0.0");
}

#[test]
fn ethereum_stratum_1_names_itself_twice() {
    let notify = format!(
        r#"{{"id":null,"method":"mining.notify","params":["bf0488aa","{0}","{0}",true]}}"#,
        h64()
    );
    let found = session(&[
        (
            UP,
            r#"{"id":1,"method":"mining.subscribe","params":["MinerName/1.0.0","EthereumStratum/1.0.0"]}"#,
        ),
        (
            DOWN,
            r#"{"id":1,"result":[["mining.notify","ae6812eb4cd7735a302a8a9dd95cf71f","EthereumStratum/1.0.0"],"080c"],"error":null}"#,
        ),
        (DOWN, &notify),
        (
            UP,
            r#"{"id":4,"method":"mining.submit","params":["test","bf0488aa","6a909d9bbc0f"]}"#,
        ),
        (DOWN, r#"{"id":4,"result":true,"error":null}"#),
    ]);

    assert_eq!(
        names(found[0].dialects),
        "ethereumstratum_v1|kawpow|kaspa|conflux"
    );
    assert_eq!(found[1].extranonce, "080c");
    assert!(
        found[2..]
            .iter()
            .all(|m| m.dialects == Dialects::ETHEREUMSTRATUM_V1)
    );
    assert_eq!(
        briefs(&found[2..]),
        [POOL_JOB, "submit miner valid", ANSWER]
    );
    assert_eq!(found[4].outcome, Outcome::Accepted);
}

#[test]
fn ethereum_stratum_2_answers_with_an_id_alone() {
    let header = "ab54f3".repeat(10);
    let notify =
        format!(r#"{{"method":"mining.notify","params":["bf0488aa","6526d5","{header}","0"]}}"#);
    let found = session(&[
        (
            UP,
            r#"{"id":0,"method":"mining.hello","params":{"agent":"ethminer-0.17","host":"pool.example","port":"4d2","proto":"EthereumStratum/2.0.0"}}"#,
        ),
        (
            DOWN,
            r#"{"id":0,"result":{"proto":"EthereumStratum/2.0.0","encoding":"plain","resume":"1","timeout":"b4","maxerrors":"5","node":"Geth/v1"}}"#,
        ),
        (
            UP,
            r#"{"id":1,"method":"mining.subscribe","params":"s-12345"}"#,
        ),
        (DOWN, r#"{"id":1,"result":"s-12345"}"#),
        (
            UP,
            r#"{"id":2,"method":"mining.authorize","params":["0xc0ffee254729296a45a3885639ac7e10f9d54979.rig","x"]}"#,
        ),
        (DOWN, r#"{"id":2,"result":"w-123"}"#),
        (
            DOWN,
            r#"{"method":"mining.set","params":{"epoch":"dc","target":"112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba","algo":"ethash","extranonce":"af4c"}}"#,
        ),
        (DOWN, &notify),
        (
            UP,
            r#"{"id":31,"method":"mining.submit","params":["bf0488aa","68765fccd712","w-123"]}"#,
        ),
        (DOWN, r#"{"id":31}"#),
        (
            UP,
            r#"{"id":16,"method":"mining.hashrate","params":["500000","w-123"]}"#,
        ),
        (UP, r#"{"id":50,"method":"mining.noop"}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "hello miner valid !",
            "result pool valid !",
            "subscribe miner valid",
            ANSWER,
            "authorize miner valid !",
            ANSWER,
            "target pool valid !",
            POOL_JOB,
            "submit miner valid",
            ANSWER,
            "hashrate miner valid",
            "keepalive miner partial",
        ]
    );
    assert_eq!(
        (found[0].host.as_str(), found[0].port),
        ("pool.example", 1234)
    );
    assert_eq!(found[9].outcome, Outcome::Accepted);
    assert!(
        found
            .iter()
            .all(|m| m.dialects == Dialects::ETHEREUMSTRATUM_V2)
    );
}

#[test]
fn eth_proxy_pushes_work_with_id_0() {
    let work = format!(
        r#""0x{0}","0x{0}","0x0112e0be826d694b2e62d01511f12a6061fbaec8bc02357593e70e52ba""#,
        h64()
    );
    let found = session(&[
        (
            UP,
            r#"{"worker": "eth1.0", "jsonrpc": "2.0", "params": ["0xC2d7CF95645D33006175B78989035C7c9061d3F9.rig2", "x"], "id": 2, "method": "eth_submitLogin"}"#,
        ),
        (DOWN, r#"{"id":2,"jsonrpc":"2.0","result":true}"#),
        (
            UP,
            r#"{"worker": "", "jsonrpc": "2.0", "params": [], "id": 3, "method": "eth_getWork"}"#,
        ),
        (
            DOWN,
            &format!(r#"{{"id":3,"jsonrpc":"2.0","result":[{work},"0x492609"]}}"#),
        ),
        (
            DOWN,
            &format!(r#"{{"id":0,"jsonrpc":"2.0","result":[{work}]}}"#),
        ),
        (
            UP,
            &format!(
                r#"{{"id":4,"method":"eth_submitWork","params":["0x93dc6cdc00d0d468","0x{0}","0x{0}"]}}"#,
                h64()
            ),
        ),
        (DOWN, r#"{"id":4,"jsonrpc":"2.0","result":false}"#),
        (
            UP,
            &format!(
                r#"{{"id":6,"jsonrpc":"2.0","method":"eth_submitHashrate","params":["0x375198a", "0x{}"]}}"#,
                h64()
            ),
        ),
        (DOWN, r#"{"id":6,"jsonrpc":"2.0","result":true}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "login miner valid !",
            ANSWER,
            "get_job miner valid",
            "job pool valid",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
            "hashrate miner valid !",
            ANSWER,
        ]
    );
    assert_eq!(
        (found[0].worker.as_str(), found[0].coin_hint),
        ("rig2", "ETH")
    );
    assert_eq!(found[3].height, 0x49_2609);
    assert!((3.9e9..4.1e9).contains(&found[4].difficulty));
    assert_eq!(found[6].outcome, Outcome::Rejected);
    assert_eq!(found[8].outcome, Outcome::Unsaid);
}

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
        (
            DOWN,
            &format!(r#"{{"jsonrpc":"2.0","params":{job},"method":"job"}}"#),
        ),
        (
            UP,
            &format!(
                r#"{{"method":"submit","params":{{"id":"s1","job_id":"7","nonce":"98024001","result":"{}"}},"id":2}}"#,
                h64()
            ),
        ),
        (
            DOWN,
            r#"{"id":2,"jsonrpc":"2.0","error":{"code":-1,"message":"Low difficulty share"}}"#,
        ),
        (
            UP,
            r#"{"id":3,"jsonrpc":"2.0","method":"keepalived","params":{"id":"s1"}}"#,
        ),
        (
            DOWN,
            r#"{"id":3,"jsonrpc":"2.0","error":null,"result":{"status":"KEEPALIVED"}}"#,
        ),
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
    assert_eq!(
        (found[0].wallet.as_str(), found[0].worker.as_str()),
        (wallet.as_str(), "gpu-7")
    );
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
        (
            DOWN,
            r#"{"id":1,"result":["04d567b212", "04d567b212"], "error": null}"#,
        ),
        (
            DOWN,
            &format!(
                r#"{{"id":null,"method":"mining.set_target","params":["{}"]}}"#,
                h64()
            ),
        ),
        (DOWN, &notify),
        (UP, &submit),
        (DOWN, r#"{"id":100,"result":true}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "subscribe miner valid !",
            ANSWER,
            "target pool valid !",
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER
        ]
    );
    assert_eq!(
        (found[0].host.as_str(), found[0].port),
        ("zec.example", 3333)
    );
    assert_eq!(found[1].extranonce, "04d567b212");
    assert_eq!(found[4].coin_hint, "ZEC");
    assert_eq!(found[4].bytes, u32::try_from(submit.len()).unwrap());
    assert_eq!(names(found[5].dialects), "equihash");
}

#[test]
fn grin_has_text_ids_and_a_cycle() {
    let cycle = vec!["7"; 42].join(",");
    let found = session(&[
        (
            UP,
            r#"{"id":"0","jsonrpc":"2.0","method":"login","params":{"login":"rig@example.org","pass":"","agent":"grin-miner"}}"#,
        ),
        (
            DOWN,
            r#"{"id":"0","jsonrpc":"2.0","method":"login","result":"ok","error":null}"#,
        ),
        (
            UP,
            r#"{"id":"1","jsonrpc":"2.0","method":"getjobtemplate","params":null}"#,
        ),
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
        (
            DOWN,
            r#"{"id":"2","jsonrpc":"2.0","method":"submit","result":"ok","error":null}"#,
        ),
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
        (
            DOWN,
            r#"{"code":1,"description":"accepted","id":"9","jsonrpc":"2.0","method":"result"}"#,
        ),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "login miner valid !",
            ANSWER,
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER
        ]
    );
    assert_eq!(
        (found[0].wallet.as_str(), found[0].worker.as_str()),
        (h64().as_str(), "rig")
    );
    assert_eq!(
        (found[1].outcome, found[1].extranonce.as_str()),
        (Outcome::Accepted, "b39a4f")
    );
    assert_eq!(
        (found[4].outcome, found[4].method.as_str()),
        (Outcome::Accepted, "solution")
    );
}

#[test]
fn kawpow_is_told_by_its_job() {
    let found = session(&[
        (
            UP,
            r#"{"id":1,"method":"mining.subscribe","params":["GMiner/2.09"]}"#,
        ),
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
        (
            UP,
            &format!(r#"{{"id":2,"method":"mining.authorize","params":["{wallet}.rig","x"]}}"#),
        ),
        (DOWN, r#"{"method":"set_extranonce","params":["a1b2",6]}"#),
        (
            DOWN,
            r#"{"method":"mining.notify","params":["12",[1,18446744073709551615,3,4],1700000000000]}"#,
        ),
        (
            DOWN,
            &format!(
                r#"{{"method":"mining.notify","params":["13","{}"]}}"#,
                "0a".repeat(40)
            ),
        ),
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
    assert_eq!(
        (found[2].wallet.as_str(), found[2].coin_hint),
        (wallet, "KAS")
    );
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
    let alephium = format!(
        r#"{{"method":"mining.notify","id":null,"params":["a1",3,"{}"]}}"#,
        h.repeat(4)
    );
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
        assert_eq!(
            (names(found[0].dialects).as_str(), found[0].job_id.as_str()),
            (dialect, job)
        );
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
    assert_eq!(
        (brief(&found[0]).as_str(), found[0].coin_hint),
        (MINER_SUBMIT, "CFX")
    );
    assert_eq!(names(found[0].dialects), "conflux");
    assert_eq!(names(session(&[(UP, ergo)])[0].dialects), "ergo");
}

#[test]
fn xelis_subscribes_with_a_list_of_algorithms() {
    let wallet = "xel:vs3mfyywt0fjys0rgslue7mm4wr23xdgejsjk0ld7f2kxng4d4nqqnkdufz";
    let found = session(&[
        (
            UP,
            r#"{"id":1,"method":"mining.subscribe","params":["miner/1.0",["xel/v2"]]}"#,
        ),
        (
            DOWN,
            &format!(
                r#"{{"id":1,"result":["s1","{0}",32,"{0}"],"error":null}}"#,
                h64()
            ),
        ),
        (
            UP,
            &format!(r#"{{"id":2,"method":"mining.authorize","params":["{wallet}","rig","x"]}}"#),
        ),
        (DOWN, r#"{"id":null,"method":"mining.ping","params":[]}"#),
        (UP, r#"{"id":3,"method":"mining.pong","params":[]}"#),
    ]);

    assert_eq!(found.len(), 5);
    assert_eq!(
        (found[2].wallet.as_str(), found[2].worker.as_str()),
        (wallet, "rig")
    );
    assert!(found.iter().all(|m| m.dialects == Dialects::XELIS));
}

#[test]
fn alephium_says_hello_and_shares_objects() {
    let found = session(&[
        (
            UP,
            r#"{"id":0,"method":"mining.hello","params":{"agent":"bz/1","host":"alph.example","port":"20032","proto":"AlephiumStratum/1.0.0"}}"#,
        ),
        (
            DOWN,
            r#"{"id":null,"method":"connection.set_gzip","params":[false]}"#,
        ),
        (
            UP,
            r#"{"id":3,"method":"mining.submit","params":{"jobId":"a1","fromGroup":0,"toGroup":3,"nonce":"00112233445566778899aabbccddeeff0011223344556677","worker":"1abc"}}"#,
        ),
        (DOWN, r#"{"id":3,"result":true}"#),
    ]);

    assert_eq!(
        briefs(&found),
        [
            "hello miner valid !",
            "other pool valid",
            MINER_SUBMIT,
            ANSWER
        ]
    );
    assert!(found.iter().all(|m| m.dialects == Dialects::ALEPHIUM));
    assert_eq!(
        (found[0].host.as_str(), found[0].port),
        ("alph.example", 20032)
    );
}

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
            &format!(
                r#"{{"id":2,"method":"mining.set_target","body":{{"target":"{}"}}}}"#,
                h64()
            ),
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
    assert_eq!(
        (found[0].wallet.as_str(), found[0].coin_hint),
        (h64().as_str(), "IRON")
    );
    assert_eq!(
        (found[5].outcome, found[5].error.as_str()),
        (Outcome::Rejected, "stale")
    );
}

#[test]
fn xatum_puts_a_word_before_the_object() {
    let found = session(&[
        (
            UP,
            r#"shake~{"addr":"xel:vs3mfyywt0fjys0rgslue7mm4wr23xdgejsjk0ld7f2kxng4d4nqqnkdufz","work":"rig","agent":"m/1","algo":"xel/0"}"#,
        ),
        (DOWN, r#"job~{"diff":20000,"blob":"AAECAwQF"}"#),
        (UP, r#"submit~{"data":"AAECAwQF"}"#),
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
    assert_eq!(
        (found[0].worker.as_str(), found[0].method.as_str()),
        ("rig", "shake")
    );
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
        (
            DOWN,
            r#"{"method":"mining.set_difficulty","params":{"difficulty":4096}}"#,
        ),
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
    assert_eq!(
        (found[0].wallet.as_str(), found[0].coin_hint),
        (wallet.as_str(), "PRL")
    );
    assert_eq!(
        (found[0].worker.as_str(), found[0].algo.as_str()),
        ("node7", "v2")
    );
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
        (
            DOWN,
            r#"{"type":"authed","params":{"token":"","hashes":0}}"#,
        ),
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
        [
            "authorize miner valid !",
            ANSWER,
            POOL_JOB,
            MINER_SUBMIT,
            ANSWER,
            "result pool partial",
        ]
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
    let solved = format!(
        r#"{{"method":"getwork","params":["{}"],"id":1}}"#,
        h64().repeat(4)
    );
    let one = |facts, body| mining(&classify_http_json(at(UP, 1), facts, body))[0].clone();

    assert_eq!(
        brief(&one(head("bfgminer/5.2.0", false), ask)),
        "get_job miner valid !"
    );
    assert_eq!(
        brief(&one(head("", true), template)),
        "get_job miner valid !"
    );
    assert_eq!(
        brief(&one(head("curl/8", false), template)),
        "get_job miner valid"
    );
    assert_eq!(
        brief(&one(head("", false), solved.as_bytes())),
        MINER_SUBMIT
    );
    assert_eq!(
        names(one(head("", false), template).dialects),
        "getblocktemplate"
    );
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
    assert_eq!(
        (brief(&found[0]).as_str(), found[0].height),
        ("job pool valid", 9)
    );
}
