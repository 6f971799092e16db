//! What JSON is when it is not mining.

use super::envelope::{Envelope, Verdict};

/// Methods of a Bitcoin-like node that have no prefix of their own.
const BITCOIN_METHODS: &[&[u8]] = &[
    b"getbalance",
    b"getbestblockhash",
    b"getblock",
    b"getblockchaininfo",
    b"getblockcount",
    b"getblockhash",
    b"getblockheader",
    b"getconnectioncount",
    b"getdifficulty",
    b"getinfo",
    b"getmempoolinfo",
    b"getmininginfo",
    b"getnetworkinfo",
    b"getnewaddress",
    b"getpeerinfo",
    b"getrawmempool",
    b"getrawtransaction",
    b"gettransaction",
    b"gettxout",
    b"getwalletinfo",
    b"estimatesmartfee",
    b"importaddress",
    b"listtransactions",
    b"listunspent",
    b"sendrawtransaction",
    b"sendtoaddress",
    b"validateaddress",
];

/// Judges a request that is no mining one.
pub(super) fn of_request(envelope: &Envelope<'_>) -> Verdict {
    if envelope.params.is_none() && envelope.id.is_none() && !envelope.is_json_rpc_2 {
        return Verdict::Nothing;
    }
    Verdict::Label(name(envelope))
}

fn name(envelope: &Envelope<'_>) -> &'static str {
    let method = envelope.method;
    let starts = |prefixes: &[&[u8]]| prefixes.iter().any(|prefix| method.starts_with(prefix));
    if starts(&[b"blockchain.", b"mempool.", b"server."]) {
        return "electrum";
    }
    if starts(&[b"eth_", b"net_", b"web3_", b"txpool_", b"debug_"]) {
        return "eth_rpc";
    }
    if starts(&[b"textDocument/", b"workspace/", b"window/", b"$/"]) || is_lsp_start(envelope) {
        return "lsp";
    }
    if BITCOIN_METHODS.contains(&method) {
        return "bitcoin_rpc";
    }
    match method {
        b"login" | b"submit" | b"job" | b"getjob" | b"get_job" => "job_queue",
        _ => "json_rpc",
    }
}

/// `initialize` of a language server; other protocols that borrow the word send a version.
fn is_lsp_start(envelope: &Envelope<'_>) -> bool {
    envelope.method == b"initialize"
        && envelope.object().is_some_and(|params| {
            params.get(b"capabilities").is_some() && params.get(b"protocolVersion").is_none()
        })
}

/// Judges an object without a method.
pub(super) fn of_answer(envelope: &Envelope<'_>) -> Verdict {
    if envelope.root.get(b"aggregate_signature").is_some()
        || envelope.root.get(b"launcher_id").is_some()
    {
        return Verdict::Label("chia");
    }
    if matches!(envelope.type_name, b"job" | b"submit" | b"login") && envelope.params.is_some() {
        return Verdict::Label("job_queue");
    }
    let answers = envelope.result.is_some() || envelope.error.is_some();
    if answers && envelope.id.is_some() { Verdict::Unasked } else { Verdict::Nothing }
}
