use super::*;

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
        (UP, r#"{"id":4,"method":"mining.submit","params":["test","bf0488aa","6a909d9bbc0f"]}"#),
        (DOWN, r#"{"id":4,"result":true,"error":null}"#),
    ]);

    assert_eq!(names(found[0].dialects), "ethereumstratum_v1|kawpow|kaspa|conflux");
    assert_eq!(found[1].extranonce, "080c");
    assert!(found[2..].iter().all(|m| m.dialects == Dialects::ETHEREUMSTRATUM_V1));
    assert_eq!(briefs(&found[2..]), [POOL_JOB, "submit miner valid", ANSWER]);
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
        (UP, r#"{"id":1,"method":"mining.subscribe","params":"s-12345"}"#),
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
        (UP, r#"{"id":31,"method":"mining.submit","params":["bf0488aa","68765fccd712","w-123"]}"#),
        (DOWN, r#"{"id":31}"#),
        (UP, r#"{"id":16,"method":"mining.hashrate","params":["500000","w-123"]}"#),
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
    assert_eq!((found[0].host.as_str(), found[0].port), ("pool.example", 1234));
    assert_eq!(found[9].outcome, Outcome::Accepted);
    assert!(found.iter().all(|m| m.dialects == Dialects::ETHEREUMSTRATUM_V2));
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
        (UP, r#"{"worker": "", "jsonrpc": "2.0", "params": [], "id": 3, "method": "eth_getWork"}"#),
        (DOWN, &format!(r#"{{"id":3,"jsonrpc":"2.0","result":[{work},"0x492609"]}}"#)),
        (DOWN, &format!(r#"{{"id":0,"jsonrpc":"2.0","result":[{work}]}}"#)),
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
    assert_eq!((found[0].worker.as_str(), found[0].coin_hint), ("rig2", "ETH"));
    assert_eq!(found[3].height, 0x49_2609);
    assert!((3.9e9..4.1e9).contains(&found[4].difficulty));
    assert_eq!(found[6].outcome, Outcome::Rejected);
    assert_eq!(found[8].outcome, Outcome::Unsaid);
}
