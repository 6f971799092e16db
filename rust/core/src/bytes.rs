//! [`Reader`]: the one place that turns bytes from the wire into numbers.

use std::fmt;

/// The input ended before a field did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncated {
    /// Bytes the field needs.
    pub need: usize,
    /// Bytes that were left.
    pub have: usize,
    /// Where in the input the field starts.
    pub offset: usize,
}

impl fmt::Display for Truncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "need {} bytes at offset {}, have {}", self.need, self.offset, self.have)
    }
}

impl std::error::Error for Truncated {}

/// A bounds-checked cursor over borrowed bytes. Numbers are big-endian unless the name says `le`.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `input`.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// How many bytes were taken so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The bytes not taken yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// True when every byte was taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at >= self.input.len()
    }

    /// Takes the next `n` bytes.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than `n` bytes are left; nothing is taken then.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Truncated> {
        let rest = self.rest();
        match rest.get(..n) {
            Some(taken) => {
                self.at += n;
                Ok(taken)
            }
            None => Err(Truncated { need: n, have: rest.len(), offset: self.at }),
        }
    }

    /// Takes `N` bytes as an array.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than `N` bytes are left.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Truncated> {
        let rest = self.rest();
        match rest.first_chunk::<N>() {
            Some(chunk) => {
                self.at += N;
                Ok(*chunk)
            }
            None => Err(Truncated { need: N, have: rest.len(), offset: self.at }),
        }
    }

    /// Takes one byte.
    ///
    /// # Errors
    ///
    /// [`Truncated`] at the end of the input.
    pub fn u8(&mut self) -> Result<u8, Truncated> {
        self.array::<1>().map(|[b]| b)
    }

    /// Takes a big-endian 16-bit number.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than 2 bytes are left.
    pub fn u16(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a big-endian 24-bit number.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than 3 bytes are left.
    pub fn u24(&mut self) -> Result<u32, Truncated> {
        self.array::<3>().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Takes a big-endian 32-bit number.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than 4 bytes are left.
    pub fn u32(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_be_bytes)
    }

    /// Takes a little-endian 16-bit number.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than 2 bytes are left.
    pub fn u16_le(&mut self) -> Result<u16, Truncated> {
        self.array().map(u16::from_le_bytes)
    }

    /// Takes a little-endian 32-bit number.
    ///
    /// # Errors
    ///
    /// [`Truncated`] if fewer than 4 bytes are left.
    pub fn u32_le(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_field_says_what_was_needed_and_takes_nothing() {
        let mut r = Reader::new(&[1, 2, 3]);
        r.u8().unwrap();

        let err = r.u32().unwrap_err();

        assert_eq!(err.to_string(), "need 4 bytes at offset 1, have 2");
        assert_eq!(r.rest(), &[2, 3]);
    }
}
