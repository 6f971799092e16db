//! Who is client and who server, by the messages of the key exchange.
//!
//! Message numbers 30 to 49 mean what the chosen method says (RFC 4253 section 7): in most the client
//! sends 30 and the server 31, but not in all.

use super::kexinit::KexInit;
use crate::dir::{Both, Dir};

/// Messages remembered; a group exchange has four, a guess one more.
const MESSAGES_MAX: usize = 8;

/// Who took which part in the key exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Roles {
    /// No key exchange message showed it.
    #[default]
    Unknown,
    /// The flow's initiator is the SSH client.
    Normal,
    /// The flow's initiator is the SSH server.
    Reversed,
}

impl Roles {
    /// The word used in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Normal => "normal",
            Self::Reversed => "reversed",
        }
    }

    /// The side taken for the client; the initiator where nothing showed it.
    pub fn client(self) -> Dir {
        if self == Self::Reversed { Dir::Down } else { Dir::Up }
    }
}

/// The messages of a key exchange seen so far.
#[derive(Debug, Default)]
pub struct Exchange {
    messages: Vec<(Dir, u8)>,
}

impl Exchange {
    /// Notes a message of the numbers that belong to the method (30 to 49).
    pub fn note(&mut self, from: Dir, kind: u8) {
        if self.messages.len() < MESSAGES_MAX {
            self.messages.push((from, kind));
        }
    }

    /// The roles that all messages agree with, if only one does.
    ///
    /// Which method they are of depends on who the client is, so each side is tried as the client.
    pub fn roles(&self, lists: &Both<Option<KexInit>>) -> Roles {
        let (Some(up), Some(down)) = (&lists.up, &lists.down) else { return Roles::Unknown };
        let normal = self.agrees(&up.choose(down).kex, Dir::Up);
        let reversed = self.agrees(&down.choose(up).kex, Dir::Down);
        match (normal, reversed) {
            (true, false) => Roles::Normal,
            (false, true) => Roles::Reversed,
            _ => Roles::Unknown,
        }
    }

    /// Whether every message comes from the side that sends it when `client` is the client.
    fn agrees(&self, method: &str, client: Dir) -> bool {
        self.messages.iter().all(|(from, kind)| {
            sent_by_client(method, *kind).is_none_or(|by_client| by_client == (*from == client))
        })
    }
}

/// Whether the client sends this message; `None` if both may or nobody does.
fn sent_by_client(method: &str, kind: u8) -> Option<bool> {
    // RFC 4432: the server sends its public key first.
    if method.starts_with("rsa") {
        return match kind {
            30 | 32 => Some(false),
            31 => Some(true),
            _ => None,
        };
    }
    // RFC 4462: 31 goes both ways.
    if method.starts_with("gss-") {
        return match kind {
            30 | 40 => Some(true),
            32..=34 | 41 => Some(false),
            _ => None,
        };
    }
    // RFC 4253, 4419 and 5656; a post-quantum exchange looks the same.
    match kind {
        30 | 32 | 34 => Some(true),
        31 | 33 => Some(false),
        _ => None,
    }
}
