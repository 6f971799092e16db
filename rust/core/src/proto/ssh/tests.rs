use proptest::prelude::*;

use super::*;

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
    let mut payload = vec![KEXINIT];
    payload.extend([0; 16]);
    for list in
        ["curve25519-sha256", "ssh-ed25519", cipher, cipher, mac, mac, "none", "none", "", ""]
    {
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

proptest! {
    #[test]
    fn any_bytes_after_a_banner_are_survived(
        parts in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300)), 0..20),
    ) {
        let mut messages = vec![(Dir::Up, b"SSH-2.0-x\r\n".to_vec())];
        messages.extend(parts.into_iter().map(|(up, b)| (if up { Dir::Up } else { Dir::Down }, b)));
        run(&messages, 64);
    }
}
