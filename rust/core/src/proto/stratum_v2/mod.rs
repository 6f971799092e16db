//! Stratum V2: its encrypted handshake known by its sizes, and its set-up message in clear.
//!
//! The encrypted form has no magic number: a Noise handshake of 64 bytes up (an ElligatorSwift
//! key), 234 down (an older text of the specification says 170), then frames of 22 + n + 16 bytes
//! (sv2-spec `04-Protocol-Security.md`, `05-Mining-Protocol.md`).

mod plain;

pub use plain::plain_label;

use crate::proto::{At, Event, Events, Label, Parser, Step};

/// Client's key.
const ACT_ONE: usize = 64;
/// Server's key, its certificate, and their tags; the second form is the older text's.
const ACT_TWO: [usize; 2] = [234, 170];
/// Encrypted header (22) and tag (16) of a frame.
const FRAME_OVERHEAD: usize = 38;
/// SetupConnection has 16 fixed bytes with five empty strings, at most 255 each.
const SETUP: std::ops::RangeInclusive<usize> = FRAME_OVERHEAD + 16..=FRAME_OVERHEAD + 16 + 5 * 255;
/// SetupConnection.Success.
const SETUP_SUCCESS: usize = FRAME_OVERHEAD + 6;

/// Distinct values among 64 uniform bytes: 57 are expected, fewer than 45 practically never come.
const MIN_DISTINCT: usize = 45;
/// Printable bytes in a row that uniform bytes practically never show.
const MAX_PRINTABLE_RUN: usize = 12;

/// True if `bytes`, the first the client sent, can be act one of the handshake.
#[must_use]
pub fn probe(bytes: &[u8]) -> bool {
    bytes.len() == ACT_ONE && looks_uniform(bytes) && !has_known_magic(bytes)
}

fn looks_uniform(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    for &byte in bytes {
        if let Some(slot) = seen.get_mut(usize::from(byte)) {
            *slot = true;
        }
    }
    let distinct = seen.iter().filter(|&&slot| slot).count();
    let printable = |byte: &u8| matches!(byte, b' '..=b'~');
    let run = bytes.split(|byte| !printable(byte)).map(<[u8]>::len).max().unwrap_or_default();
    distinct >= MIN_DISTINCT && run < MAX_PRINTABLE_RUN
}

/// TLS, SSH, SOCKS and the length-prefixed binary protocols that begin with small numbers.
fn has_known_magic(bytes: &[u8]) -> bool {
    matches!(bytes, [0x14..=0x18, 3, ..] | [4 | 5, 1, ..] | [0, 0, ..] | [b'S', b'S', b'H', ..])
}

/// How far the handshake has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    ActOne,
    ActTwo,
    Setup,
    Success,
    Steady,
    /// The sizes stopped fitting after these stages.
    Broken(&'static str),
}

/// Follows sizes and turns: during the handshake only the sum of what one side says in one turn
/// counts, so that it does not matter how that was cut into segments.
#[derive(Debug, Default)]
pub struct Sv2Parser {
    stage: Stage,
    /// Bytes said in this turn.
    turn: usize,
    act_two: usize,
    setup: usize,
    frames: Frames,
    last: Option<At>,
}

/// Frames by their sizes, in deliveries that hold one frame or two.
#[derive(Debug, Default)]
struct Frames {
    submit: u64,
    success: u64,
    job: u64,
    prevhash: u64,
    target: u64,
    other: u64,
}

impl Sv2Parser {
    fn handshake(&mut self, at: At, size: usize, out: &mut Events) -> Step {
        let from_client = at.dir.is_up();
        let turn_of_client = matches!(self.stage, Stage::ActOne | Stage::Setup);
        if from_client != turn_of_client && !self.next_turn() {
            return self.misfit();
        }
        self.turn += size;
        if self.stage == Stage::Success && self.turn == SETUP_SUCCESS {
            self.stage = Stage::Steady;
            let detail = format!("{ACT_ONE}/{}/{}/{SETUP_SUCCESS}", self.act_two, self.setup);
            out.push((at, Event::Label(Label { name: "stratum_v2_handshake", detail })));
            return Step::More;
        }
        if self.turn > self.most() { self.misfit() } else { Step::More }
    }

    /// Most bytes the turn under way may have.
    fn most(&self) -> usize {
        match self.stage {
            Stage::ActOne => ACT_ONE,
            Stage::ActTwo => ACT_TWO.iter().copied().max().unwrap_or_default(),
            Stage::Setup => *SETUP.end(),
            Stage::Success => SETUP_SUCCESS,
            Stage::Steady | Stage::Broken(_) => usize::MAX,
        }
    }

    /// The other side begins to speak: true if the turn that ends had a right size.
    fn next_turn(&mut self) -> bool {
        let said = std::mem::take(&mut self.turn);
        let (fits, next) = match self.stage {
            Stage::ActOne => (said == ACT_ONE, Stage::ActTwo),
            Stage::ActTwo => (ACT_TWO.contains(&said), Stage::Setup),
            Stage::Setup => (SETUP.contains(&said), Stage::Success),
            // A whole answer has led on to the steady state already.
            Stage::Success | Stage::Steady | Stage::Broken(_) => (false, self.stage),
        };
        match self.stage {
            Stage::ActTwo => self.act_two = said,
            Stage::Setup => self.setup = said,
            _ => {}
        }
        if fits {
            self.stage = next;
        }
        fits
    }

    fn misfit(&mut self) -> Step {
        let Some(reached) = self.reached().filter(|_| self.stage != Stage::ActTwo) else {
            return Step::NotMine;
        };
        self.stage = Stage::Broken(reached);
        Step::Done
    }

    /// The stages of the handshake that were seen whole, if act two is among them.
    fn reached(&self) -> Option<&'static str> {
        match self.stage {
            Stage::ActTwo if ACT_TWO.contains(&self.turn) => Some("act1,act2"),
            Stage::Setup if SETUP.contains(&self.turn) => Some("act1,act2,setup"),
            Stage::Setup => Some("act1,act2"),
            Stage::Success => Some("act1,act2,setup"),
            Stage::Broken(reached) => Some(reached),
            Stage::ActOne | Stage::ActTwo | Stage::Steady => None,
        }
    }
}

impl Frames {
    fn count(&mut self, from_client: bool, size: usize) {
        if self.count_one(from_client, size) {
            return;
        }
        // A job and the block it builds on are often sent at once, and shares in pairs.
        const DOWN: [usize; 5] = [58, 83, 87, 86, 74];
        let pair = DOWN.iter().copied().find(|first| {
            let rest = size.checked_sub(*first);
            !from_client && rest.is_some_and(|rest| DOWN.contains(&rest))
        });
        match pair {
            Some(first) => {
                self.count_one(from_client, first);
                self.count_one(from_client, size - first);
            }
            None if from_client && size == 2 * 62 => self.submit += 2,
            None => self.other += 1,
        }
    }

    /// Counts a delivery that is one frame of a known size; false if it is none.
    fn count_one(&mut self, from_client: bool, size: usize) -> bool {
        let counter = match (from_client, size) {
            // SubmitSharesStandard; SubmitSharesExtended with an extranonce of up to 32 bytes.
            (true, 62..=95) => &mut self.submit,
            (false, 58) => &mut self.success,
            (false, 83 | 87) => &mut self.job,
            (false, 86) => &mut self.prevhash,
            (false, 74) => &mut self.target,
            _ => return false,
        };
        *counter += 1;
        true
    }

    fn detail(&self) -> String {
        format!(
            "submit={} success={} job={} prevhash={} target={} other={}",
            self.submit, self.success, self.job, self.prevhash, self.target, self.other
        )
    }
}

impl Parser for Sv2Parser {
    fn data(&mut self, at: At, bytes: &[u8], out: &mut Events) -> Step {
        if bytes.is_empty() {
            return Step::More;
        }
        self.last = Some(at);
        match self.stage {
            Stage::Steady => {
                self.frames.count(at.dir.is_up(), bytes.len());
                Step::More
            }
            Stage::Broken(_) => Step::Done,
            _ => self.handshake(at, bytes.len(), out),
        }
    }

    fn gap(&mut self, _at: At, missing: u64, _out: &mut Events) -> Step {
        if self.stage == Stage::Steady {
            self.frames.other += 1;
            return Step::More;
        }
        // The turn's sum cannot be trusted any more.
        self.turn = self.turn.saturating_add(usize::try_from(missing).unwrap_or(usize::MAX));
        self.misfit()
    }

    fn finish(&mut self, out: &mut Events) {
        let Some(at) = self.last.take() else { return };
        let label = if self.stage == Stage::Steady {
            Label { name: "stratum_v2_frames", detail: self.frames.detail() }
        } else if let Some(stages) = self.reached() {
            Label { name: "stratum_v2_partial", detail: stages.to_owned() }
        } else {
            return;
        };
        out.push((at, Event::Label(label)));
    }
}

#[cfg(test)]
mod tests;
