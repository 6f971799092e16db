//! The columns of every table, in their order.

use super::columns::Kind::{self, Bool, Bytes, F64, I64, Text, Time, U8, U16, U32, U64, Word};

/// A table's columns.
pub type Schema = &'static [(&'static str, Kind)];

/// One row a flow.
pub const FLOWS: Schema = &[
    ("flow_id", U32),
    ("start", Time),
    ("end", Time),
    ("src_ip", Word),
    ("src_port", U16),
    ("dst_ip", Word),
    ("dst_port", U16),
    ("proto", U8),
    ("icmp_type", U8),
    ("icmp_code", U8),
    ("vlan", U16),
    ("community_id", Text),
    ("initiator_by", Word),
    ("midstream", Bool),
    ("up_packets", U64),
    ("down_packets", U64),
    ("up_bytes", U64),
    ("down_bytes", U64),
    ("up_payload", U64),
    ("down_payload", U64),
    ("up_retrans", U32),
    ("down_retrans", U32),
    ("up_gap", U64),
    ("down_gap", U64),
    ("rtt_up_ns", I64),
    ("rtt_down_ns", I64),
    ("first_frame", U64),
    ("last_frame", U64),
    ("history", Word),
    ("end_reason", Word),
    ("app", Word),
    ("encrypted", Bool),
    ("segments_dropped", U32),
    ("prefix_up", Bytes),
    ("prefix_down", Bytes),
];

/// One row a question or answer.
pub const DNS: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("kind", Word),
    ("id", U16),
    ("name", Word),
    ("rtype", Word),
    ("data", Text),
    ("ttl", U32),
    ("rcode", U8),
];

/// One row a hello.
pub const TLS: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("hello", Word),
    ("sni", Word),
    ("alpn", Word),
    ("version", Word),
    ("versions", Word),
    ("ciphers", U16),
    ("cipher", Word),
    ("ja3", Word),
    ("ja3s", Word),
    ("ja4", Word),
    ("record_bytes", U32),
];

/// One row a request or response head.
pub const HTTP: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("kind", Word),
    ("method", Word),
    ("target", Text),
    ("version", Word),
    ("status", U16),
    ("host", Word),
    ("user_agent", Word),
    ("upgrade", Word),
    ("ws_protocol", Word),
    ("content_type", Word),
    ("extensions", Word),
    ("accept_language", Word),
    ("content_length", U64),
];

/// One row an SSH connection.
pub const SSH: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up_banner", Word),
    ("down_banner", Word),
    ("client_banner", Word),
    ("server_banner", Word),
    ("roles", Word),
    ("kex", Word),
    ("host_key", Word),
    ("cipher_up", Word),
    ("cipher_down", Word),
    ("mac_up", Word),
    ("mac_down", Word),
    ("comp_up", Word),
    ("comp_down", Word),
    ("block_up", U8),
    ("block_down", U8),
    ("tag_up", U8),
    ("tag_down", U8),
    ("framing_up", Word),
    ("framing_down", Word),
    ("lengths_readable_up", Bool),
    ("lengths_readable_down", Bool),
    ("hassh", Word),
    ("hassh_server", Word),
    ("kexinit_frame_up", U64),
    ("kexinit_frame_down", U64),
    ("newkeys_frame_up", U64),
    ("newkeys_frame_down", U64),
    ("newkeys_ts_up", I64),
    ("newkeys_ts_down", I64),
    ("missing_up", U64),
    ("missing_down", U64),
    ("tokens", U32),
    ("tokens_dropped", U32),
    ("carrier", Word),
];

/// One row an SSH packet, or a segment standing for one.
pub const SSH_TOKENS: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("size", U32),
    ("exact", Bool),
    ("index", U32),
];

/// One row a data segment of an encrypted or unknown flow.
pub const SEGMENTS: Schema =
    &[("flow_id", U32), ("frame", U64), ("ts", Time), ("up", Bool), ("size", U32)];

/// One row a message of the stratum family.
pub const MINING: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("dialects", Word),
    ("kind", Word),
    ("role", Word),
    ("shape", Word),
    ("specific", Bool),
    ("method", Word),
    ("msg_id", Text),
    ("wallet", Word),
    ("worker", Word),
    ("agent", Word),
    ("job_id", Text),
    ("difficulty", F64),
    ("target", Word),
    ("nonce", Text),
    ("height", U64),
    ("algo", Word),
    ("coin_hint", Word),
    ("host", Word),
    ("port", U16),
    ("outcome", Word),
    ("error", Word),
    ("extranonce", Word),
    ("bytes", U32),
    ("excerpt", Text),
    ("carrier", Word),
];

/// One row a label.
pub const LABELS: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("name", Word),
    ("detail", Text),
];

/// One row a pattern found.
pub const HITS: Schema = &[
    ("flow_id", U32),
    ("frame", U64),
    ("ts", Time),
    ("up", Bool),
    ("pattern", Word),
    ("offset", U32),
];

/// One row something odd.
pub const ISSUES: Schema =
    &[("frame", U64), ("offset", U64), ("layer", Word), ("kind", Word), ("detail", Text)];
