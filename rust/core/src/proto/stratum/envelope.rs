//! [`Envelope`]: the members that JSON-RPC and its relatives put around a message.

use super::Message;
use super::answer::Asked;
use super::rpc::HttpFacts;
use crate::proto::json::View;

/// The outer members of one object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope<'a> {
    pub(super) root: View<'a>,
    /// Empty if there is none.
    pub(super) method: &'a [u8],
    pub(super) params: Option<View<'a>>,
    /// IronFish's name for the parameters.
    pub(super) body: Option<View<'a>>,
    pub(super) id: Option<View<'a>>,
    pub(super) result: Option<View<'a>>,
    pub(super) error: Option<View<'a>>,
    /// The browser family's name for the method; empty if there is none.
    pub(super) type_name: &'a [u8],
    pub(super) is_json_rpc_2: bool,
}

impl<'a> Envelope<'a> {
    pub(super) fn of(root: View<'a>) -> Self {
        let mut envelope = Self {
            root,
            method: &[],
            params: None,
            body: None,
            id: None,
            result: None,
            error: None,
            type_name: &[],
            is_json_rpc_2: false,
        };
        for item in root.items() {
            match item.key() {
                b"method" => envelope.method = item.text().unwrap_or_default(),
                b"params" => envelope.params = Some(item),
                b"body" => envelope.body = Some(item),
                b"id" => envelope.id = Some(item),
                b"result" => envelope.result = Some(item),
                b"error" => envelope.error = Some(item),
                b"type" => envelope.type_name = item.text().unwrap_or_default(),
                b"jsonrpc" => envelope.is_json_rpc_2 = true,
                _ => {}
            }
        }
        envelope
    }

    /// The parameters, if they are an array.
    pub(super) fn array(&self) -> Option<View<'a>> {
        self.params.filter(|params| params.is_array())
    }

    /// The parameters, if they are an object.
    pub(super) fn object(&self) -> Option<View<'a>> {
        self.params.filter(|params| params.is_object())
    }
}

/// What the session knows when it judges a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// A message that only mining software sends was seen on this flow.
    pub(super) confirmed: bool,
    /// The request this message answers, if that was seen and was a mining one.
    pub(super) asked: Option<Asked>,
    /// The HTTP message around it, if any.
    pub(super) http: Option<HttpFacts>,
}

/// What a message is.
#[derive(Debug)]
pub(super) enum Verdict {
    Mining(Box<Message>),
    /// Not mining; the label's name.
    Label(&'static str),
    /// A JSON-RPC answer to something unseen.
    Unasked,
    /// No JSON-RPC at all.
    Nothing,
}
