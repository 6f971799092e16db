//! The set-up message in clear.

use crate::bytes::Reader;
use crate::proto::Label;
use crate::proto::text::clip;

/// Bytes of wire text in a label, and of each string in it.
const MAX_DETAIL: usize = 120;
const MAX_STRING: usize = 40;

/// A SetupConnection message in clear, as it is allowed on a local network: names the software and
/// the pool as the client knows them.
#[must_use]
pub fn plain_label(bytes: &[u8]) -> Option<Label> {
    let mut r = Reader::new(bytes);
    let (extension, kind) = (r.u16_le().ok()?, r.u8().ok()?);
    let [low, middle, high] = r.array::<3>().ok()?;
    let length = usize::try_from(u32::from_le_bytes([low, middle, high, 0])).ok()?;
    if extension != 0 || kind != 0 {
        return None;
    }
    let mut body = Reader::new(r.take(length).ok()?);
    let (protocol, oldest, newest) = (body.u8().ok()?, body.u16_le().ok()?, body.u16_le().ok()?);
    let _flags = body.u32_le().ok()?;
    if protocol > 3 || oldest < 2 || newest < oldest {
        return None;
    }
    let host = string(&mut body)?;
    let port = body.u16_le().ok()?;
    let vendor = string(&mut body)?;
    let _hardware = string(&mut body)?;
    let _firmware = string(&mut body)?;
    let _device = string(&mut body)?;
    let detail = format!("vendor={vendor} endpoint={host}:{port}");
    let whole = body.is_empty();
    let detail = clip(detail.as_bytes(), MAX_DETAIL);
    whole.then_some(Label { name: "stratum_v2_plain", detail })
}

/// A string behind its length, 8 bits; `None` if it is no printable text.
fn string(r: &mut Reader<'_>) -> Option<String> {
    let length = usize::from(r.u8().ok()?);
    let text = std::str::from_utf8(r.take(length).ok()?).ok()?;
    let printable = !text.chars().any(char::is_control);
    printable.then(|| clip(text.as_bytes(), MAX_STRING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_set_up_in_clear_names_vendor_and_endpoint() {
        let mut body = vec![0, 2, 0, 2, 0, 0, 0, 0, 0, 12];
        body.extend(b"pool.example");
        body.extend([0xc2, 0x85, 5]);
        body.extend(b"Bitma\x03S19\x00\x00");
        let length = u8::try_from(body.len()).unwrap();
        let bytes = [&[0, 0, 0, length, 0, 0], &body[..]].concat();

        let label = plain_label(&bytes).unwrap();

        assert_eq!(label.detail, "vendor=Bitma endpoint=pool.example:34242");
        assert!(plain_label(&bytes[..bytes.len() - 1]).is_none());
        assert!(plain_label(&[0; 64]).is_none());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = plain_label(&bytes);
        }
    }
}
