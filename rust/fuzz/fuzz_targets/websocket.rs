//! WebSocket frames around a session.
#![no_main]

use libfuzzer_sys::fuzz_target;
use outgate_core::proto::Session;
use outgate_core::proto::websocket::WebSocket;

mod common;

fuzz_target!(|pieces: Vec<common::Piece>| {
    common::feed(&mut WebSocket::new(Box::new(Session::carried("websocket", 1)), true), &pieces);
});
