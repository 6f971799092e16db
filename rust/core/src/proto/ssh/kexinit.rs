//! SSH_MSG_KEXINIT (RFC 4253 section 7.1).

use crate::bytes::Reader;
use crate::text::clip;

/// The longest list of names kept; OpenSSH's are under 600 bytes.
const LIST_BYTES: usize = 4096;

/// The lists of one side, each in its order of preference, comma separated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KexInit {
    kex: String,
    host_key: String,
    cipher_to_server: String,
    cipher_to_client: String,
    mac_to_server: String,
    mac_to_client: String,
    compression_to_server: String,
    compression_to_client: String,
}

/// What one direction uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    pub cipher: String,
    pub mac: String,
    pub compression: String,
}

/// What two KEXINITs come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agreement {
    pub kex: String,
    pub host_key: String,
    pub to_server: Chosen,
    pub to_client: Chosen,
}

impl KexInit {
    /// Reads the message after its number: a cookie of 16 bytes, then the lists.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut r = Reader::new(bytes);
        r.take(16).ok()?;
        let mut list = || {
            let len = usize::try_from(r.u32().ok()?).ok()?;
            Some(clip(r.take(len).ok()?, LIST_BYTES))
        };
        Some(Self {
            kex: list()?,
            host_key: list()?,
            cipher_to_server: list()?,
            cipher_to_client: list()?,
            mac_to_server: list()?,
            mac_to_client: list()?,
            compression_to_server: list()?,
            compression_to_client: list()?,
        })
    }

    /// What a client with these lists and a server with `server`'s agree on.
    pub fn choose(&self, server: &Self) -> Agreement {
        Agreement {
            kex: common(&self.kex, &server.kex),
            host_key: common(&self.host_key, &server.host_key),
            to_server: Chosen {
                cipher: common(&self.cipher_to_server, &server.cipher_to_server),
                mac: common(&self.mac_to_server, &server.mac_to_server),
                compression: common(&self.compression_to_server, &server.compression_to_server),
            },
            to_client: Chosen {
                cipher: common(&self.cipher_to_client, &server.cipher_to_client),
                mac: common(&self.mac_to_client, &server.mac_to_client),
                compression: common(&self.compression_to_client, &server.compression_to_client),
            },
        }
    }

    /// The text whose MD5 is a client's HASSH.
    pub fn hassh(&self) -> String {
        [&*self.kex, &self.cipher_to_server, &self.mac_to_server, &self.compression_to_server]
            .join(";")
    }

    /// The text whose MD5 is a server's HASSH.
    pub fn hassh_server(&self) -> String {
        [&*self.kex, &self.cipher_to_client, &self.mac_to_client, &self.compression_to_client]
            .join(";")
    }
}

fn common(client: &str, server: &str) -> String {
    client
        .split(',')
        .find(|name| server.split(',').any(|other| other == *name))
        .unwrap_or_default()
        .to_owned()
}
