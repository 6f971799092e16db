use super::*;

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
        (UP, r#"{"id": 1, "method": "mining.subscribe", "params": ["bitaxe/BM1368"]}"#),
        (
            DOWN,
            r#"{"id":1,"result":[[["mining.set_difficulty","d1"],["mining.notify","ae6812"]],"08000002",4],"error":null}"#,
        ),
        (
            UP,
            r#"{"id":"auth","method":"mining.authorize","params":["1BoatSLRHtKNngkdXEeobR76b53LETtpyT.rig1","x"]}"#,
        ),
        (DOWN, r#"{"id":"auth","result":true,"error":null}"#),
        (DOWN, r#"{"id":null,"method":"mining.set_difficulty","params":[512.5]}"#),
        (DOWN, &notify),
        (
            UP,
            r#"{"id":4,"method":"mining.submit","params":["1BoatSLRHtKNngkdXEeobR76b53LETtpyT.rig1","bf","00000001","504e86ed","b2957c02","00000000"]}"#,
        ),
        (DOWN, r#"{"id":4,"result":null,"error":[23,"Low difficulty share",null]}"#),
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
    assert_eq!((found[8].job_id.as_str(), found[8].nonce.as_str()), ("bf", "b2957c02"));
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
