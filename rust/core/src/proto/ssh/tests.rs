use proptest::prelude::*;

use super::*;
use crate::dir::Dir;

fn packet(payload: &[u8]) -> Vec<u8> {
    let padding = 8 - (payload.len() + 5) % 8 + 4;
    let length = u32::try_from(payload.len() + padding + 1).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(u8::try_from(padding).unwrap());
    bytes.extend_from_slice(payload);
    bytes.resize(bytes.len() + padding, 0);
    bytes
}

fn kexinit(cipher: &str, mac: &str) -> Vec<u8> {
    kexinit_with("curve25519-sha256", cipher, mac)
}

fn kexinit_with(kex: &str, cipher: &str, mac: &str) -> Vec<u8> {
    let mut payload = vec![KEXINIT];
    payload.extend([0; 16]);
    for list in [kex, "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""] {
        payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        payload.extend(list.as_bytes());
    }
    payload.extend([0; 5]);
    packet(&payload)
}

fn at(dir: Dir, frame: u64) -> At {
    At { frame, ts: i64::try_from(frame).unwrap(), dir }
}

/// A whole opening: (direction, bytes) in order; `client` is who speaks the client's part.
fn opening(client: Dir, cipher: &str, mac: &str) -> Vec<(Dir, Vec<u8>)> {
    let server = client.flip();
    vec![
        (client, b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        (server, b"hello\r\nSSH-2.0-dropbear\r\n".to_vec()),
        (client, kexinit(cipher, mac)),
        (server, kexinit(cipher, mac)),
        (client, packet(&[30, 1, 2, 3])),
        (server, [packet(&[31, 4]), packet(&[NEWKEYS])].concat()),
        (client, packet(&[NEWKEYS])),
    ]
}

fn run(messages: &[(Dir, Vec<u8>)], chunk: usize) -> (Summary, Vec<(Dir, u32, bool)>) {
    let (mut parser, mut out) = (SshParser::default(), Events::new());
    for (frame, (dir, bytes)) in messages.iter().enumerate() {
        for part in bytes.chunks(chunk) {
            parser.data(at(*dir, u64::try_from(frame).unwrap() + 1), part, &mut out);
        }
    }
    parser.finish(&mut out);
    let mut tokens = Vec::new();
    let mut summary = Summary::default();
    for (at, event) in out {
        match event {
            Event::SshToken(token) => tokens.push((at.dir, token.size, token.exact)),
            Event::Ssh(found) => summary = *found,
            other => panic!("{other:?}"),
        }
    }
    (summary, tokens)
}

#[test]
fn banners_algorithms_and_roles_are_read() {
    let (summary, _) = run(&opening(Dir::Up, "chacha20-poly1305@openssh.com", "hmac-sha1"), 7);

    assert_eq!(summary.sending.up.banner, "SSH-2.0-OpenSSH_9.9");
    assert_eq!(summary.sending.down.banner, "SSH-2.0-dropbear");
    assert_eq!(summary.roles, Roles::Normal);
    assert_eq!(summary.kex, "curve25519-sha256");
    assert_eq!((summary.sending.up.block, summary.sending.up.tag), (8, 16));
    assert_eq!(summary.hassh.len(), 32);
}

#[test]
fn an_initiator_that_answers_the_key_exchange_is_the_server() {
    let (summary, _) = run(&opening(Dir::Down, "aes128-ctr", "hmac-sha2-256"), 1000);

    assert_eq!(summary.roles, Roles::Reversed);
}

#[test]
fn readable_lengths_cut_packets_out_of_any_segments() {
    let mut messages = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");
    let mut stream = Vec::new();
    for length in [32u32, 16, 48] {
        stream.extend(length.to_be_bytes());
        stream.resize(stream.len() + usize::try_from(length).unwrap() + 16, 7);
    }
    messages.push((Dir::Up, stream));

    for chunk in [1, 3, 50, 5000] {
        let (_, tokens) = run(&messages, chunk);
        assert_eq!(tokens, [(Dir::Up, 52, true), (Dir::Up, 36, true), (Dir::Up, 68, true)]);
    }
}

#[test]
fn hidden_lengths_make_a_segment_a_token_and_join_full_ones() {
    let mut messages = opening(Dir::Up, "chacha20-poly1305@openssh.com", "hmac-sha1");
    messages.push((Dir::Up, vec![7; 68]));
    messages.push((Dir::Down, vec![7; 1448]));
    messages.push((Dir::Down, vec![7; 52]));

    let (_, tokens) = run(&messages, 5000);

    assert_eq!(tokens, [(Dir::Up, 68, false), (Dir::Down, 1500, false)]);
}

#[test]
fn bytes_behind_new_keys_in_one_segment_are_a_token() {
    let mut messages = opening(Dir::Up, "chacha20-poly1305@openssh.com", "hmac-sha1");
    let last = messages.last_mut().unwrap();
    last.1.extend([9; 68]);

    let (_, tokens) = run(&messages, 5000);

    assert_eq!(tokens, [(Dir::Up, 68, false)]);
}

#[test]
fn a_length_that_cannot_be_one_falls_back_to_segments() {
    let mut messages = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");
    messages.push((Dir::Up, vec![0xff; 100]));

    let (_, tokens) = run(&messages, 5000);

    assert_eq!(tokens, [(Dir::Up, 100, false)]);
}

#[test]
fn ssh_1_shows_its_banner_only() {
    let messages = [(Dir::Up, b"SSH-1.5-1.2.26\n".to_vec()), (Dir::Down, vec![0; 400])];

    let (summary, tokens) = run(&messages, 5000);

    assert_eq!(summary.sending.up.banner, "SSH-1.5-1.2.26");
    assert_eq!(tokens, []);
}

/// An opening in which only the key exchange named and its messages are of interest.
fn exchange(kex: &str, messages: &[(Dir, u8)]) -> Vec<(Dir, Vec<u8>)> {
    let mut all = vec![
        (Dir::Up, b"SSH-2.0-a\r\n".to_vec()),
        (Dir::Down, b"SSH-2.0-b\r\n".to_vec()),
        (Dir::Up, kexinit_with(kex, "aes128-gcm@openssh.com", "hmac-sha1")),
        (Dir::Down, kexinit_with(kex, "aes128-gcm@openssh.com", "hmac-sha1")),
    ];
    all.extend(messages.iter().map(|(dir, kind)| (*dir, packet(&[*kind, 1, 2]))));
    all.push((Dir::Down, packet(&[NEWKEYS])));
    all.push((Dir::Up, packet(&[NEWKEYS])));
    all
}

fn roles_of(kex: &str, messages: &[(Dir, u8)]) -> Roles {
    run(&exchange(kex, messages), 5000).0.roles
}

#[test]
fn a_group_exchange_shows_who_is_client() {
    let kex = "diffie-hellman-group-exchange-sha256";
    let messages = [(Dir::Up, 34), (Dir::Down, 31), (Dir::Up, 32), (Dir::Down, 33)];
    let turned = messages.map(|(dir, kind)| (dir.flip(), kind));

    assert_eq!(roles_of(kex, &messages), Roles::Normal);
    assert_eq!(roles_of(kex, &turned), Roles::Reversed);
    assert_eq!(roles_of(kex, &[(Dir::Up, 30), (Dir::Down, 31)]), Roles::Normal);
}

#[test]
fn an_rsa_exchange_that_its_server_begins_is_not_reversed() {
    let messages = [(Dir::Down, 30), (Dir::Up, 31), (Dir::Down, 32)];

    assert_eq!(roles_of("rsa2048-sha256", &messages), Roles::Normal);
    assert_eq!(
        roles_of("rsa2048-sha256", &messages.map(|(dir, kind)| (dir.flip(), kind))),
        Roles::Reversed
    );
}

#[test]
fn a_gss_exchange_is_told_by_its_first_message_and_not_by_those_both_send() {
    let kex = "gss-group14-sha256-toWM5Slw5Ew8Mqkay+al2g==";

    assert_eq!(roles_of(kex, &[(Dir::Up, 30), (Dir::Down, 31), (Dir::Up, 31)]), Roles::Normal);
    assert_eq!(roles_of(kex, &[(Dir::Up, 31)]), Roles::Unknown);
    assert_eq!(roles_of(kex, &[(Dir::Down, 32)]), Roles::Normal);
}

#[test]
fn a_wrong_guess_does_not_change_the_roles() {
    let messages = [(Dir::Up, 30), (Dir::Up, 30), (Dir::Down, 31)];

    assert_eq!(roles_of("curve25519-sha256", &messages), Roles::Normal);
}

#[test]
fn messages_that_contradict_each_other_show_no_role() {
    let messages = [(Dir::Up, 30), (Dir::Down, 30)];

    assert_eq!(roles_of("curve25519-sha256", &messages), Roles::Unknown);
}

#[test]
fn a_guess_before_the_servers_lists_counts() {
    let mut messages = opening(Dir::Down, "aes128-ctr", "hmac-sha2-256");
    messages.swap(3, 4);

    assert_eq!(run(&messages, 5000).0.roles, Roles::Reversed);
}

#[test]
fn without_both_lists_nobody_is_accused_of_reversed_roles() {
    let mut messages = opening(Dir::Down, "aes128-ctr", "hmac-sha2-256");
    messages.remove(3);

    assert_eq!(run(&messages, 5000).0.roles, Roles::Unknown);
}

/// Runs messages with `missing` bytes lost in front of the message of that place.
fn run_with_gap(messages: &[(Dir, Vec<u8>)], place: usize) -> (Summary, Vec<(Dir, u32, bool)>) {
    let (mut parser, mut out) = (SshParser::default(), Events::new());
    for (frame, (dir, bytes)) in messages.iter().enumerate() {
        let at = at(*dir, u64::try_from(frame).unwrap() + 1);
        if frame == place {
            parser.gap(at, 700, &mut out);
        }
        parser.data(at, bytes, &mut out);
    }
    parser.finish(&mut out);
    let mut tokens = Vec::new();
    let mut summary = Summary::default();
    for (at, event) in out {
        match event {
            Event::SshToken(token) => tokens.push((at.dir, token.size, token.exact)),
            Event::Ssh(found) => summary = *found,
            other => panic!("{other:?}"),
        }
    }
    (summary, tokens)
}

fn readable(lengths: &[u32]) -> Vec<u8> {
    let mut stream = Vec::new();
    for length in lengths {
        stream.extend(length.to_be_bytes());
        stream.resize(stream.len() + usize::try_from(*length).unwrap() + 16, 7);
    }
    stream
}

#[test]
fn after_a_gap_readable_lengths_are_followed_again_from_a_segment_of_whole_packets() {
    let mut messages = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");
    messages.push((Dir::Up, readable(&[32])));
    messages.push((Dir::Up, vec![9; 77]));
    messages.push((Dir::Up, readable(&[16, 48])));
    messages.push((Dir::Up, readable(&[64])));

    let (summary, tokens) = run_with_gap(&messages, 8);

    assert_eq!(summary.sending.up.missing, 700);
    assert_eq!(
        tokens,
        [
            (Dir::Up, 52, true),
            (Dir::Up, 77, false),
            (Dir::Up, 36, true),
            (Dir::Up, 68, true),
            (Dir::Up, 84, true)
        ]
    );
}

#[test]
fn a_gap_in_the_key_exchange_is_over_at_new_keys() {
    let mut messages = opening(Dir::Up, "chacha20-poly1305@openssh.com", "hmac-sha1");
    let new_keys = [&[0, 0, 0, 12, 10, NEWKEYS], [0; 10].as_slice()].concat();
    messages[5].1 = [vec![1; 400], new_keys[..3].to_vec()].concat();
    messages.insert(6, (Dir::Down, [&new_keys[3..], &[5; 44]].concat()));
    messages.push((Dir::Down, vec![5; 28]));

    let (summary, tokens) = run_with_gap(&messages, 5);

    assert_eq!((summary.sending.down.block, summary.sending.down.tag), (8, 16));
    assert_eq!(summary.sending.down.newkeys_frame, 7);
    assert_eq!(tokens, [(Dir::Down, 44, false), (Dir::Down, 28, false)]);
}

#[test]
fn a_gap_before_the_lists_loses_that_side() {
    let mut messages = opening(Dir::Up, "chacha20-poly1305@openssh.com", "hmac-sha1");
    messages.push((Dir::Down, vec![5; 28]));

    let (summary, tokens) = run_with_gap(&messages, 3);

    assert_eq!(summary.sending.down.block, 0);
    assert_eq!(tokens, []);
}

#[test]
fn a_key_exchange_in_the_middle_is_tokens_like_all_else() {
    let mut messages = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");
    messages.push((Dir::Up, readable(&[1520])));
    messages.push((Dir::Down, readable(&[1040, 1280, 16])));
    messages.push((Dir::Up, readable(&[1232, 16, 32])));

    let (summary, tokens) = run(&messages, 1448);

    let sizes: Vec<u32> = tokens.iter().map(|token| token.1).collect();
    assert_eq!(sizes, [1540, 1060, 1300, 36, 1252, 36, 52]);
    assert!(tokens.iter().all(|token| token.2));
    assert_eq!(summary.sending.up.kexinit_frame, 3);
}

#[test]
fn strict_key_exchange_changes_no_size() {
    let strict = "curve25519-sha256,kex-strict-c-v00@openssh.com";
    let mut messages = exchange(strict, &[(Dir::Up, 30), (Dir::Down, 31)]);
    messages.push((Dir::Up, readable(&[32])));

    let (summary, tokens) = run(&messages, 5000);

    assert_eq!(summary.kex, "curve25519-sha256");
    assert_eq!(tokens, [(Dir::Up, 52, true)]);
}

#[test]
fn a_banner_in_pieces_is_one_banner() {
    let whole = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");

    for chunk in 1..25 {
        let (summary, _) = run(&whole, chunk);
        assert_eq!(summary.sending.up.banner, "SSH-2.0-OpenSSH_9.9");
        assert_eq!(summary.sending.down.banner, "SSH-2.0-dropbear");
    }
}

proptest! {
    #[test]
    fn any_bytes_after_a_banner_are_survived(
        parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
    ) {
        let mut messages = vec![(Dir::Up, b"SSH-2.0-x\r\n".to_vec())];
        messages.extend(parts.into_iter().map(|(up, b)| (if up { Dir::Up } else { Dir::Down }, b)));
        run(&messages, 64);
    }

    #[test]
    fn any_bytes_and_gaps_are_survived(
        parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..120)), 0..20),
        place in 0usize..27,
    ) {
        let mut messages = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");
        messages.extend(parts.into_iter().map(|(up, b)| (if up { Dir::Up } else { Dir::Down }, b)));
        run_with_gap(&messages, place);
    }

    #[test]
    fn the_same_bytes_in_other_pieces_give_the_same_packets(
        lengths in proptest::collection::vec(1u32..40, 1..12),
        chunk in 1usize..200,
    ) {
        let mut messages = opening(Dir::Up, "aes128-gcm@openssh.com", "hmac-sha1");
        let lengths: Vec<u32> = lengths.iter().map(|blocks| blocks * 16).collect();
        messages.push((Dir::Down, readable(&lengths)));
        prop_assert_eq!(run(&messages, chunk), run(&messages, 100_000));
    }
}
