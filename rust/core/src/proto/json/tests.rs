use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

/// Feeds pieces; gives each message as debug text, with its tag and size.
fn messages(pieces: &[&[u8]]) -> Vec<String> {
    let mut tokenizer = Tokenizer::new(LIMIT);
    let mut found = Vec::new();
    for piece in pieces {
        feed_all(&mut tokenizer, piece, |t| found.push(show(t)));
    }
    found
}

fn feed_all(tokenizer: &mut Tokenizer, mut bytes: &[u8], mut each: impl FnMut(&Tokenizer)) {
    while !bytes.is_empty() {
        let fed = tokenizer.feed(bytes);
        bytes = &bytes[fed.used..];
        if fed.complete {
            each(tokenizer);
        }
    }
}

fn show(tokenizer: &Tokenizer) -> String {
    fn value(view: View<'_>, out: &mut String) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if view.is_object() || view.is_array() {
            out.push(if view.is_object() { '{' } else { '[' });
            for item in view.items() {
                if view.is_object() {
                    out.push_str(&text(item.key()));
                    out.push(':');
                }
                value(item, out);
                out.push(' ');
            }
            out.push_str(&view.count().to_string());
        } else if let Some(bytes) = view.text() {
            out.push_str(&format!("{:?}/{}", text(bytes), view.text_total()));
        } else if let Some(flag) = view.bool() {
            out.push_str(if flag { "yes" } else { "no" });
        } else {
            out.push_str(&view.number_text().map_or("null".to_owned(), text));
        }
    }
    let mut out = format!("{}~", String::from_utf8_lossy(tokenizer.tag()));
    value(tokenizer.tree().root().expect("complete"), &mut out);
    out
}

#[test]
fn messages_need_no_line_end_and_share_segments() {
    let found = messages(&[b"{\"a\":1}{\"b\":[true,null]}\r\n  [-2.5e3]"]);

    assert_eq!(found, ["~{a:1 1", "~{b:[yes null 2 1", "~[-2.5e3 1"]);
}

#[test]
fn escapes_are_decoded_and_lone_surrogates_replaced() {
    let found = messages(&[br#"{"\u0061\n":"\ud83d\ude00\ud83dx\udc00\"\/"}"#]);

    assert_eq!(found, ["~{a\n:\"\u{1f600}\u{fffd}x\u{fffd}\\\"/\"/13 1"]);
}

#[test]
fn a_stream_joined_in_the_middle_of_a_line_is_read_from_the_next_line() {
    let mut tokenizer = Tokenizer::new(LIMIT);
    let mut found = Vec::new();

    let bytes = b"b\",true],\"id\":1}\n{\"id\":2}\n";
    feed_all(&mut tokenizer, bytes, |t| found.push(show(t)));

    assert_eq!(found, ["~{id:2 1"]);
    assert_eq!(tokenizer.skipped(), 16);
}

#[test]
fn a_stream_without_line_ends_is_found_again_after_a_closing_brace() {
    assert_eq!(messages(&[b"tail\"}}{\"id\":2}"]), ["~{id:2 1"]);
}

#[test]
fn a_syntax_error_costs_its_line_only() {
    let found = messages(&[
        b"{\"a\":tru}\n{\"b\":2}\n{\"c\":\"x\n{\"d\":4}\n{\"e\":\n{\"f\" 1}\n{\"g\":7}",
    ]);

    assert_eq!(found, ["~{b:2 1", "~{d:4 1", "~{g:7 1"]);
}

#[test]
fn a_line_that_was_cut_does_not_swallow_the_next() {
    assert_eq!(messages(&[b"{\"a\":1\n{\"b\":2}"]), ["~{b:2 1"]);
}

#[test]
fn a_word_with_a_tilde_is_a_tag() {
    let found = messages(&[b"shake~{\"a\":1}\nword {\"b\":2}\npong~\n{\"c\":3}"]);

    assert_eq!(found, ["shake~{a:1 1", "~{c:3 1"]);
}

#[test]
fn nesting_and_length_have_ends() {
    let deep = format!("{}\n{{}}", "[".repeat(MAX_DEPTH + 1));
    let mut tokenizer = Tokenizer::new(10);
    let mut sizes = Vec::new();

    assert_eq!(messages(&[deep.as_bytes()]), ["~{0"]);
    feed_all(&mut tokenizer, b"[\"0123456\"]\n[\"012345\"]\n", |t| sizes.push(t.size()));
    assert_eq!(sizes, [10]);
}

#[test]
fn wide_arrays_are_counted_and_their_start_kept() {
    let wide = format!("[{}0]", "7,".repeat(1000));
    let mut tokenizer = Tokenizer::new(LIMIT);

    feed_all(&mut tokenizer, wide.as_bytes(), |t| {
        let root = t.tree().root().unwrap();
        assert_eq!((root.count(), root.items().count()), (1001, 128));
    });
    assert_eq!(tokenizer.skipped(), 0);
}

#[test]
fn a_line_of_a_mebibyte_streams_through_bounded_memory() {
    let head = b"{\"proof\":\"".as_slice();
    let body = "Ab0/".repeat(1024);
    let mut tokenizer = Tokenizer::new(2 * LIMIT);
    let mut seen = 0;

    feed_all(&mut tokenizer, head, |_| panic!("too early"));
    for _ in 0..256 {
        feed_all(&mut tokenizer, body.as_bytes(), |_| panic!("too early"));
    }
    feed_all(&mut tokenizer, b"\",\"x\":\"0xff\"}", |t| {
        let root = t.tree().root().unwrap();
        let proof = root.get(b"proof").unwrap();
        assert_eq!(proof.text().unwrap().len(), MAX_STRING_BYTES);
        assert_eq!(proof.text_total(), 1 << 20);
        assert!(proof.is_base64() && proof.hex().is_none());
        assert_eq!(root.get(b"x").unwrap().hex_0x(), Some(2));
        assert!(t.excerpt().len() <= MAX_EXCERPT_BYTES);
        seen += 1;
    });
    assert_eq!(seen, 1);
}

#[test]
fn a_long_hex_string_is_known_to_its_end() {
    let good = format!("[\"{}\"]", "0a".repeat(2000));
    let bad = format!("[\"{}z\"]", "0a".repeat(2000));
    let mut digits = Vec::new();

    for line in [good, bad] {
        let mut tokenizer = Tokenizer::new(LIMIT);
        feed_all(&mut tokenizer, line.as_bytes(), |t| {
            digits.push(t.tree().root().unwrap().at(0).unwrap().hex());
        });
    }

    assert_eq!(digits, [Some(4000), None]);
}

#[test]
fn a_message_full_of_text_stays_within_its_bounds() {
    let line = format!("[{}0]", format!("\"{}\",", "t".repeat(600)).repeat(200));
    let mut tokenizer = Tokenizer::new(LIMIT);

    feed_all(&mut tokenizer, line.as_bytes(), |t| {
        let kept: usize =
            t.tree().root().unwrap().items().filter_map(View::text).map(<[u8]>::len).sum();
        assert!(kept <= MAX_TEXT_BYTES);
    });
    assert!(tokenizer.is_between());
}

/// Bytes that often look like JSON.
fn jsonish() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"{\"id\":1,\"method\":\"a\\u00e9\"}".to_vec()),
        Just(b"[\"\\ud83d\\ude00\",{\"k\":[1,2]}]".to_vec()),
        Just(b"shake~{}\n".to_vec()),
        Just(b"\n".to_vec()),
        Just(b"}".to_vec()),
        Just(b"\"".to_vec()),
        proptest::collection::vec(any::<u8>(), 0..8),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_messages(bytes in jsonish(), cuts in proptest::collection::vec(0usize..200, 0..6)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();

        prop_assert_eq!(messages(&pieces), messages(&[&bytes]));
    }
}
