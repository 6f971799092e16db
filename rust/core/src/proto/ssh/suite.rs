//! How a cipher and MAC frame packets: padding block, tag, and whether lengths can be read.
//!
//! RFC 4253 section 6, RFC 5647 (AES-GCM), and OpenSSH's PROTOCOL and PROTOCOL.chacha20poly1305.

/// The framing of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Padding block in bytes.
    pub block: u8,
    /// Tag in bytes.
    pub tag: u8,
    /// `aead` and `etm`: the length field does not count for padding; `mac`: it does.
    pub framing: &'static str,
    /// The length field is in clear.
    pub lengths_readable: bool,
}

impl Suite {
    /// The framing of a cipher and MAC; `None` for names not known.
    pub fn of(cipher: &str, mac: &str) -> Option<Self> {
        if cipher.starts_with("chacha20-poly1305") {
            return Some(Self { block: 8, tag: 16, framing: "aead", lengths_readable: false });
        }
        if is_gcm(cipher) {
            return Some(Self { block: 16, tag: 16, framing: "aead", lengths_readable: true });
        }
        let block = block_of(cipher)?;
        let tag = tag_of(mac)?;
        let etm = mac.ends_with("-etm@openssh.com");
        let framing = if etm { "etm" } else { "mac" };
        Some(Self { block, tag, framing, lengths_readable: etm })
    }
}

fn is_gcm(cipher: &str) -> bool {
    (cipher.starts_with("aes") && cipher.contains("-gcm@")) || cipher.starts_with("AEAD_AES_")
}

fn block_of(cipher: &str) -> Option<u8> {
    match cipher {
        "" => None,
        _ if cipher.starts_with("aes")
            || cipher.starts_with("rijndael")
            || cipher.starts_with("twofish")
            || cipher.starts_with("serpent")
            || cipher.starts_with("camellia") =>
        {
            Some(16)
        }
        _ if cipher.starts_with("3des")
            || cipher.starts_with("blowfish")
            || cipher.starts_with("cast128")
            || cipher.starts_with("arcfour") =>
        {
            Some(8)
        }
        _ => None,
    }
}

fn tag_of(mac: &str) -> Option<u8> {
    let base = mac.split('@').next().unwrap_or_default();
    let base = base.strip_suffix("-etm").unwrap_or(base);
    match base {
        "umac-64" => Some(8),
        "hmac-sha1-96" | "hmac-md5-96" | "hmac-sha2-256-96" | "hmac-sha2-512-96" => Some(12),
        "umac-128" | "hmac-md5" => Some(16),
        "hmac-sha1" | "hmac-ripemd160" | "ripemd160" => Some(20),
        "hmac-sha2-256" | "hmac-sha256" => Some(32),
        "hmac-sha2-512" | "hmac-sha512" => Some(64),
        _ => None,
    }
}
