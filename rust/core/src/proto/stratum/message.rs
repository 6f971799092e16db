//! [`Message`]: one message of the stratum family, as a row of the `mining` table.

use super::Dialects;

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A miner asks for notifications and names its software.
    Subscribe,
    /// A miner names its account.
    Authorize,
    /// A miner names its account (CryptoNote, Grin, Beam).
    Login,
    /// A miner negotiates extensions.
    Configure,
    /// EIP-1571 greeting.
    Hello,
    /// A share.
    Submit,
    /// Work.
    Job,
    /// The pool sets, or the miner suggests, a difficulty.
    Difficulty,
    /// The pool sets, or the miner suggests, a target.
    Target,
    /// The pool sets, or the miner asks for, an extranonce.
    Extranonce,
    /// A miner asks for work.
    GetJob,
    /// A miner reports its hashrate.
    Hashrate,
    /// Nothing but a sign of life.
    Keepalive,
    /// An answer; [`Message::method`] names the request it answers, if that was seen.
    Result,
    /// The pool sends the miner elsewhere.
    Reconnect,
    /// The rest of the stream is compressed and could not be read.
    Compressed,
    /// Any other message of the family.
    Other,
}

impl Kind {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Authorize => "authorize",
            Self::Login => "login",
            Self::Configure => "configure",
            Self::Hello => "hello",
            Self::Submit => "submit",
            Self::Job => "job",
            Self::Difficulty => "difficulty",
            Self::Target => "target",
            Self::Extranonce => "extranonce",
            Self::GetJob => "get_job",
            Self::Hashrate => "hashrate",
            Self::Keepalive => "keepalive",
            Self::Result => "result",
            Self::Reconnect => "reconnect",
            Self::Compressed => "compressed",
            Self::Other => "other",
        }
    }
}

/// Who sends such a message. Never taken from ports or from who opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A miner (or a proxy in front of miners).
    Miner,
    /// A pool (or a proxy in front of a pool).
    Pool,
}

impl Role {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Miner => "miner",
            Self::Pool => "pool",
        }
    }
}

/// Whether the fields have the form the dialect demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// All that the dialect demands are there and pass.
    Valid,
    /// What is there passes, but something the dialect demands is missing.
    Partial,
    /// A field fails.
    Invalid,
}

impl Shape {
    /// The word in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Partial => "partial",
            Self::Invalid => "invalid",
        }
    }

    /// `Valid` or `Invalid`.
    #[must_use]
    pub fn valid_if(passes: bool) -> Self {
        if passes { Self::Valid } else { Self::Invalid }
    }

    /// `Valid` or `Partial`.
    #[must_use]
    pub fn complete_if(complete: bool) -> Self {
        if complete { Self::Valid } else { Self::Partial }
    }
}

/// What an answer says of a share, an authorisation or a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Outcome {
    /// The message answers no such request, or does not say.
    #[default]
    Unsaid,
    /// Taken.
    Accepted,
    /// Refused.
    Rejected,
}

impl Outcome {
    /// The word in the table; empty for [`Outcome::Unsaid`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unsaid => "",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }
}

/// One message. Text is from the wire and bounded; what is not known is empty or 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it may be, narrowed by earlier messages of the session.
    pub dialects: Dialects,
    /// What it is for.
    pub kind: Kind,
    /// Who sends such a message.
    pub role: Role,
    /// Whether its fields have the right form.
    pub shape: Shape,
    /// True if no other software says this.
    pub specific: bool,
    /// The method; of a result, the method it answers.
    pub method: String,
    /// The request's id, as text.
    pub msg_id: String,
    /// Login name, worker part cut off.
    pub wallet: String,
    /// The worker part of the login name, or its own field.
    pub worker: String,
    /// The miner's software, as it calls itself.
    pub agent: String,
    /// The job given or worked on.
    pub job_id: String,
    /// Share difficulty in the dialect's own unit; 0 if not said.
    pub difficulty: f64,
    /// Share target, as sent.
    pub target: String,
    /// The nonce of a share.
    pub nonce: String,
    /// Block height of a job.
    pub height: u64,
    /// Algorithm named by the message; names of a list joined by commas.
    pub algo: String,
    /// Coin ticker, from facts of the format only; never a guess from a port or name.
    pub coin_hint: &'static str,
    /// The pool's host, as the miner (or a reconnect) names it.
    pub host: String,
    /// The pool's port, likewise.
    pub port: u16,
    /// For answers to a share, an authorisation or a login.
    pub outcome: Outcome,
    /// Error text of an answer.
    pub error: String,
    /// Extranonce given by the pool.
    pub extranonce: String,
    /// Bytes of the message.
    pub bytes: u32,
    /// Its first characters.
    pub excerpt: String,
    /// What carried it: empty, `gzip`, `websocket` or `http`.
    pub carrier: &'static str,
}

impl Message {
    /// A message with nothing but its classification.
    #[must_use]
    pub fn new(dialects: Dialects, kind: Kind, role: Role, shape: Shape) -> Self {
        Self {
            dialects,
            kind,
            role,
            shape,
            specific: false,
            method: String::new(),
            msg_id: String::new(),
            wallet: String::new(),
            worker: String::new(),
            agent: String::new(),
            job_id: String::new(),
            difficulty: 0.0,
            target: String::new(),
            nonce: String::new(),
            height: 0,
            algo: String::new(),
            coin_hint: "",
            host: String::new(),
            port: 0,
            outcome: Outcome::Unsaid,
            error: String::new(),
            extranonce: String::new(),
            bytes: 0,
            excerpt: String::new(),
            carrier: "",
        }
    }

    /// From a miner.
    #[must_use]
    pub fn miner(dialects: Dialects, kind: Kind, shape: Shape) -> Self {
        Self::new(dialects, kind, Role::Miner, shape)
    }

    /// From a pool.
    #[must_use]
    pub fn pool(dialects: Dialects, kind: Kind, shape: Shape) -> Self {
        Self::new(dialects, kind, Role::Pool, shape)
    }
}
