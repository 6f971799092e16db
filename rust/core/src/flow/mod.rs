//! Packets to bidirectional flows.

mod community;
mod key;
mod list;
mod record;
mod table;
mod tcp;
#[cfg(test)]
mod tests;

pub use self::community::community_id;
pub use self::key::{Key, is_icmp_answer};
pub use self::record::{EndReason, InitiatorBy, PREFIX_BYTES, Record};
pub use self::table::{Flow, Table, Touch};
