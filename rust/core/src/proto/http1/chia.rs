//! Chia's pool protocol: HTTP, and farming, not mining (Chia pool reference `SPECIFICATION.md`).

use memchr::memmem;

fn path(target: &str) -> &str {
    target.split('?').next().unwrap_or_default()
}

/// True if the request alone shows it: a farmer names its launcher in the query.
pub(super) fn is_request(method: &str, target: &str) -> bool {
    method == "GET"
        && matches!(path(target), "/farmer" | "/login")
        && target.contains("launcher_id=")
}

/// True if only the answer's body can show it.
pub(super) fn answer_decides(target: &str) -> bool {
    path(target) == "/pool_info"
}

/// True if a JSON body to or from `target` shows it.
pub(super) fn is_body(target: &str, request: bool, body: &[u8]) -> bool {
    let has = |word: &[u8]| memmem::find(body, word).is_some();
    match path(target) {
        "/farmer" | "/partial" => request && has(b"\"launcher_id\""),
        "/pool_info" => !request && has(b"\"target_puzzle_hash\""),
        _ => false,
    }
}
