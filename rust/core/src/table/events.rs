//! All tables of one run, and the row of each event.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::columns::Columns;
use super::flows::{self, FlowFacts};
use super::schema;
use crate::error::Issue;
use crate::flow::Record;
use crate::limits::Limits;
use crate::proto::ssh::{Summary, Token};
use crate::proto::{At, Event, Label, dns, http1, stratum, tls};

/// Every table of a run.
pub struct Tables {
    flows: Columns,
    dns: Columns,
    tls: Columns,
    http: Columns,
    ssh: Columns,
    ssh_tokens: Columns,
    segments: Columns,
    mining: Columns,
    labels: Columns,
    hits: Columns,
    issues: Columns,
}

impl Tables {
    /// Empty tables.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let events = |schema| Columns::new(schema, limits.event_rows);
        Self {
            flows: Columns::new(schema::FLOWS, usize::MAX),
            dns: events(schema::DNS),
            tls: events(schema::TLS),
            http: events(schema::HTTP),
            ssh: events(schema::SSH),
            ssh_tokens: Columns::new(schema::SSH_TOKENS, limits.token_rows),
            segments: Columns::new(schema::SEGMENTS, limits.segments),
            mining: events(schema::MINING),
            labels: events(schema::LABELS),
            hits: events(schema::HITS),
            issues: Columns::new(schema::ISSUES, limits.issue_rows),
        }
    }

    /// The tables by name; they are empty after.
    ///
    /// # Errors
    ///
    /// If a row did not match its schema.
    pub fn finish(&mut self) -> Result<Vec<(&'static str, RecordBatch)>, ArrowError> {
        self.named().into_iter().map(|(name, table)| Ok((name, table.finish()?))).collect()
    }

    /// Rows that found no room, by table.
    #[must_use]
    pub fn dropped(&mut self) -> Vec<(&'static str, u64)> {
        let all = self.named().into_iter().map(|(name, table)| (name, table.dropped()));
        all.filter(|(_, dropped)| *dropped > 0).collect()
    }

    fn named(&mut self) -> [(&'static str, &mut Columns); 11] {
        [
            ("flows", &mut self.flows),
            ("dns", &mut self.dns),
            ("tls", &mut self.tls),
            ("http", &mut self.http),
            ("ssh", &mut self.ssh),
            ("ssh_tokens", &mut self.ssh_tokens),
            ("segments", &mut self.segments),
            ("mining", &mut self.mining),
            ("labels", &mut self.labels),
            ("hits", &mut self.hits),
            ("issues", &mut self.issues),
        ]
    }

    /// The row of a flow.
    pub fn flow(&mut self, record: &Record, facts: &FlowFacts) {
        flows::push(&mut self.flows, record, facts);
    }

    /// The row of something odd.
    pub fn issue(&mut self, issue: &Issue) {
        if let Some(mut row) = self.issues.row() {
            row.u64(issue.frame)
                .u64(issue.offset)
                .word(issue.layer)
                .word(issue.kind)
                .text(&issue.detail);
        }
    }

    /// The row of a data segment.
    pub fn segment(&mut self, flow: u32, at: At, size: u32) {
        if let Some(mut row) = self.segments.row() {
            row.u32(flow).u64(at.frame).time(at.ts).bool(at.dir.is_up()).u32(size);
        }
    }

    /// The row of a pattern found.
    pub fn hit(&mut self, flow: u32, at: At, pattern: &str, offset: u32) {
        if let Some(mut row) = self.hits.row() {
            row.u32(flow).u64(at.frame).time(at.ts).bool(at.dir.is_up()).word(pattern).u32(offset);
        }
    }

    /// The rows of an event.
    pub fn event(&mut self, flow: u32, at: At, event: &Event) {
        match event {
            Event::Dns(message) => self.dns(flow, at, message),
            Event::Tls(hello) => self.tls(flow, at, hello),
            Event::Http(head) => self.http(flow, at, head),
            Event::Ssh(summary) => self.ssh(flow, at, summary),
            Event::SshToken(token) => self.ssh_token(flow, at, *token),
            Event::Mining(message) => self.mining(flow, at, message),
            Event::Label(label) => self.label(flow, at, label),
        }
    }

    fn dns(&mut self, flow: u32, at: At, message: &dns::Message) {
        for question in &message.questions {
            if let Some(mut row) = self.dns.row() {
                row.u32(flow)
                    .u64(at.frame)
                    .time(at.ts)
                    .bool(at.dir.is_up())
                    .word(if message.response { "question" } else { "query" })
                    .u16(message.id)
                    .word(&question.name)
                    .word(&question.rtype)
                    .text("")
                    .u32(0)
                    .u8(message.rcode);
            }
        }
        for answer in &message.answers {
            if let Some(mut row) = self.dns.row() {
                row.u32(flow)
                    .u64(at.frame)
                    .time(at.ts)
                    .bool(at.dir.is_up())
                    .word("answer")
                    .u16(message.id)
                    .word(&answer.name)
                    .word(&answer.rtype)
                    .text(&answer.data)
                    .u32(answer.ttl)
                    .u8(message.rcode);
            }
        }
    }

    fn tls(&mut self, flow: u32, at: At, hello: &tls::Hello) {
        if let Some(mut row) = self.tls.row() {
            row.u32(flow)
                .u64(at.frame)
                .time(at.ts)
                .bool(at.dir.is_up())
                .word(if hello.client { "client" } else { "server" })
                .word(&hello.sni)
                .word(&hello.alpn.join(","))
                .word(&hello.version)
                .word(&hello.versions.join(","))
                .u16(hello.cipher_count)
                .word(&hello.cipher)
                .word(&hello.ja3)
                .word(&hello.ja3s)
                .word(&hello.ja4)
                .u32(hello.record_bytes);
        }
    }

    fn http(&mut self, flow: u32, at: At, head: &http1::Head) {
        if let Some(mut row) = self.http.row() {
            row.u32(flow)
                .u64(at.frame)
                .time(at.ts)
                .bool(at.dir.is_up())
                .word(if head.request { "request" } else { "response" })
                .word(&head.method)
                .text(&head.target)
                .word(&head.version)
                .u16(head.status)
                .word(&head.host)
                .word(&head.user_agent)
                .word(&head.upgrade)
                .word(&head.ws_protocol)
                .word(&head.content_type)
                .word(&head.extensions)
                .word(&head.accept_language)
                .u64(head.content_length);
        }
    }

    fn ssh(&mut self, flow: u32, at: At, ssh: &Summary) {
        let (up, down) = (&ssh.sending.up, &ssh.sending.down);
        let reversed = ssh.roles == crate::proto::ssh::Roles::Reversed;
        let (client, server) = if reversed { (down, up) } else { (up, down) };
        let Some(mut row) = self.ssh.row() else { return };
        row.u32(flow).u64(at.frame).time(at.ts);
        for banner in [up, down, client, server] {
            row.word(&banner.banner);
        }
        row.word(ssh.roles.name()).word(&ssh.kex).word(&ssh.host_key);
        row.word(&up.cipher).word(&down.cipher).word(&up.mac).word(&down.mac);
        row.word(&up.compression).word(&down.compression);
        row.u8(up.block).u8(down.block).u8(up.tag).u8(down.tag);
        row.word(up.framing).word(down.framing);
        row.bool(up.lengths_readable).bool(down.lengths_readable);
        row.word(&ssh.hassh).word(&ssh.hassh_server);
        row.u64(up.kexinit_frame).u64(down.kexinit_frame);
        row.u64(up.newkeys_frame).u64(down.newkeys_frame);
        row.i64(up.newkeys_ts).i64(down.newkeys_ts);
        row.u64(up.missing).u64(down.missing);
        row.u32(ssh.tokens).u32(ssh.tokens_dropped).word(ssh.carrier);
    }

    fn ssh_token(&mut self, flow: u32, at: At, token: Token) {
        if let Some(mut row) = self.ssh_tokens.row() {
            row.u32(flow)
                .u64(at.frame)
                .time(at.ts)
                .bool(at.dir.is_up())
                .u32(token.size)
                .bool(token.exact)
                .u32(token.index);
        }
    }

    fn mining(&mut self, flow: u32, at: At, message: &stratum::Message) {
        let dialects: Vec<&str> = message.dialects.names().collect();
        if let Some(mut row) = self.mining.row() {
            row.u32(flow)
                .u64(at.frame)
                .time(at.ts)
                .bool(at.dir.is_up())
                .word(&dialects.join("|"))
                .word(message.kind.name())
                .word(message.role.name())
                .word(message.shape.name())
                .bool(message.specific)
                .word(&message.method)
                .text(&message.msg_id)
                .word(&message.wallet)
                .word(&message.worker)
                .word(&message.agent)
                .text(&message.job_id)
                .f64(message.difficulty)
                .word(&message.target)
                .text(&message.nonce)
                .u64(message.height)
                .word(&message.algo)
                .word(message.coin_hint)
                .word(&message.host)
                .u16(message.port)
                .word(message.outcome.name())
                .word(&message.error)
                .word(&message.extranonce)
                .u32(message.bytes)
                .text(&message.excerpt)
                .word(message.carrier);
        }
    }

    fn label(&mut self, flow: u32, at: At, label: &Label) {
        if let Some(mut row) = self.labels.row() {
            row.u32(flow)
                .u64(at.frame)
                .time(at.ts)
                .bool(at.dir.is_up())
                .word(label.name)
                .text(&label.detail);
        }
    }
}
