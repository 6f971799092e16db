//! The stratum family: mining in JSON, in all its dialects.
//!
//! A [`JsonSession`] cuts both directions of a flow into JSON messages and judges each by its
//! fields alone: neither ports nor who opened the connection matter. What is mining becomes a
//! [`Message`]; other JSON-RPC becomes a label, once for each flow.
//!
//! | file | dialects |
//! | --- | --- |
//! | `miner`, `pool`, `jobs` | `mining.*` with arrays: Stratum v1, EthereumStratum, Equihash, … |
//! | `ethereum` | eth-proxy, and the objects of EthereumStratum/2.0.0 and Alephium |
//! | `cryptonote` | CryptoNote, Grin, Beam |
//! | `pearl`, `ironfish` | `mining.*` with named parameters |
//! | `browser`, `xatum` | `type` and `params`; word, tilde, object |
//! | `rpc` | getwork and getblocktemplate |
//! | `answer` | answers, by shape or by the request they answer |

mod answer;
mod browser;
mod classify;
mod cryptonote;
mod dialect;
mod envelope;
mod ethereum;
mod fields;
mod gunzip;
mod ironfish;
mod jobs;
mod judge;
mod label;
mod message;
mod miner;
mod pearl;
mod pool;
mod probe;
mod rpc;
mod session;
#[cfg(test)]
mod tests;
mod xatum;

pub use dialect::Dialects;
pub use message::{Kind, Message, Outcome, Role, Shape};
pub use probe::looks_like_json_session;
pub use rpc::HttpFacts;
pub use session::{JsonSession, classify_http_json};
