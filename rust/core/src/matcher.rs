//! Signature bytes in the first payloads of a flow.

use aho_corasick::automaton::OverlappingState;
use aho_corasick::{AhoCorasick, Anchored, Input, MatchKind, StartKind};

use crate::dir::Dir;

/// Which direction a pattern is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Both.
    Any,
    /// What the initiator sends.
    Up,
    /// What the responder sends.
    Down,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The signature's id.
    pub id: String,
    /// The bytes looked for.
    pub bytes: Vec<u8>,
    /// Where.
    pub side: Side,
    /// Only as the first bytes of a direction.
    pub at_start: bool,
}

/// A pattern that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Index into the patterns.
    pub pattern: usize,
    /// Where in the payload it starts.
    pub offset: usize,
}

/// All patterns, compiled.
pub struct Matcher {
    patterns: Vec<Pattern>,
    start: Option<AhoCorasick>,
    start_index: Vec<usize>,
    anywhere: Option<AhoCorasick>,
    anywhere_index: Vec<usize>,
}

impl Matcher {
    /// Compiles patterns.
    ///
    /// # Errors
    ///
    /// A sentence naming what is wrong: an empty pattern, or more than the engine takes.
    pub fn new(patterns: Vec<Pattern>) -> Result<Self, String> {
        if let Some(empty) = patterns.iter().find(|p| p.bytes.is_empty()) {
            return Err(format!("pattern `{}` is empty", empty.id));
        }
        let (start, start_index) = compile(&patterns, true)?;
        let (anywhere, anywhere_index) = compile(&patterns, false)?;
        Ok(Self { patterns, start, start_index, anywhere, anywhere_index })
    }

    /// The id of a pattern.
    #[must_use]
    pub fn id(&self, pattern: usize) -> &str {
        self.patterns.get(pattern).map_or("", |p| &p.id)
    }

    /// True when there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Finds patterns in a payload; `first` if it is the first of its direction.
    pub fn find(&self, dir: Dir, first: bool, payload: &[u8], mut give: impl FnMut(Hit)) {
        let mut offer = |pattern: usize, offset: usize| {
            let side = self.patterns.get(pattern).map_or(Side::Any, |p| p.side);
            let fits = match side {
                Side::Any => true,
                Side::Up => dir.is_up(),
                Side::Down => !dir.is_up(),
            };
            if fits {
                give(Hit { pattern, offset });
            }
        };
        if let Some(engine) = self.start.as_ref().filter(|_| first) {
            let input = Input::new(payload).anchored(Anchored::Yes);
            // The end of an anchored match may be another pattern, further in.
            each(engine, &self.start_index, &input, &mut |pattern, offset| {
                if offset == 0 {
                    offer(pattern, offset);
                }
            });
        }
        if let Some(engine) = &self.anywhere {
            each(engine, &self.anywhere_index, &Input::new(payload), &mut offer);
        }
    }
}

/// Every match, those inside and across others too: a pattern must not hide another.
fn each(
    engine: &AhoCorasick,
    index: &[usize],
    input: &Input<'_>,
    offer: &mut impl FnMut(usize, usize),
) {
    let mut state = OverlappingState::start();
    while engine.try_find_overlapping(input.clone(), &mut state).is_ok() {
        let Some(found) = state.get_match() else { return };
        if let Some(&pattern) = index.get(found.pattern().as_usize()) {
            offer(pattern, found.start());
        }
    }
}

fn compile(
    patterns: &[Pattern],
    at_start: bool,
) -> Result<(Option<AhoCorasick>, Vec<usize>), String> {
    let wanted: Vec<usize> = (0..patterns.len())
        .filter(|&i| patterns.get(i).is_some_and(|p| p.at_start == at_start))
        .collect();
    if wanted.is_empty() {
        return Ok((None, wanted));
    }
    let bytes = wanted.iter().filter_map(|&i| patterns.get(i)).map(|p| &p.bytes);
    let kind = if at_start { StartKind::Anchored } else { StartKind::Unanchored };
    let engine = AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .start_kind(kind)
        .build(bytes)
        .map_err(|e| format!("patterns cannot be compiled: {e}"))?;
    Ok((Some(engine), wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(patterns: &[(&str, Side, bool)]) -> Matcher {
        let made = patterns.iter().map(|(text, side, at_start)| Pattern {
            id: (*text).to_owned(),
            bytes: text.as_bytes().to_vec(),
            side: *side,
            at_start: *at_start,
        });
        Matcher::new(made.collect()).unwrap()
    }

    fn found(matcher: &Matcher, dir: Dir, first: bool, payload: &[u8]) -> Vec<(String, usize)> {
        let mut hits = Vec::new();
        matcher.find(dir, first, payload, |hit| {
            hits.push((matcher.id(hit.pattern).to_owned(), hit.offset));
        });
        hits
    }

    #[test]
    fn a_start_pattern_counts_only_at_the_start_of_a_direction() {
        let matcher = matcher(&[("abc", Side::Any, true)]);
        assert_eq!(found(&matcher, Dir::Up, true, b"abcd"), [("abc".to_owned(), 0)]);
        assert_eq!(found(&matcher, Dir::Up, true, b"xabc"), []);
        assert_eq!(found(&matcher, Dir::Up, false, b"abcd"), []);
    }

    #[test]
    fn a_pattern_of_one_direction_is_not_found_in_the_other() {
        let matcher = matcher(&[("pool", Side::Down, false)]);
        assert_eq!(found(&matcher, Dir::Up, true, b"a pool"), []);
        assert_eq!(found(&matcher, Dir::Down, true, b"a pool"), [("pool".to_owned(), 2)]);
    }

    #[test]
    fn a_pattern_hides_none_inside_or_across_it() {
        let anywhere = matcher(&[
            ("payload", Side::Down, false),
            ("load", Side::Any, false),
            ("loader", Side::Any, false),
        ]);
        let hits = found(&anywhere, Dir::Up, true, b"a payloader");
        assert_eq!(hits, [("load".to_owned(), 5), ("loader".to_owned(), 5)]);
        let at_start = matcher(&[
            ("GET /x", Side::Down, true),
            ("GET", Side::Any, true),
            ("/x", Side::Any, true),
        ]);
        assert_eq!(found(&at_start, Dir::Up, true, b"GET /x"), [("GET".to_owned(), 0)]);
    }

    #[test]
    fn an_empty_pattern_is_refused() {
        let empty = Pattern { id: "x".into(), bytes: vec![], side: Side::Any, at_start: false };
        assert!(Matcher::new(vec![empty]).is_err());
    }
}
