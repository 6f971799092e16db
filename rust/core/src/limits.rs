//! Every bound on what hostile input can make the core keep or do.

/// Bounds for one run. Hitting one is counted and reported, never silent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame or pcapng block taken as real; libpcap itself refuses above 128 MiB, and no
    /// link this project decodes comes near 1 MiB.
    pub block_bytes: usize,
    /// Decompressed bytes read from one compressed capture, against decompression bombs.
    pub decompressed_bytes: u64,
    /// Flows open at once; beyond it the one idle longest is closed as evicted.
    pub flows: usize,
    /// Seconds of silence after which a TCP flow is over. Long, because a pool may send a job only
    /// every few minutes and an idle tunnel less often than that.
    pub tcp_idle_s: i64,
    /// Seconds a closed TCP flow (FIN both ways or RST) is kept for late segments.
    pub tcp_linger_s: i64,
    /// Seconds of silence after which any other flow is over.
    pub other_idle_s: i64,
    /// Bytes out of order kept for one direction of one flow.
    pub reorder_bytes_per_flow: usize,
    /// Bytes out of order kept for all flows together.
    pub reorder_bytes: usize,
    /// How far ahead of the expected byte a segment may lie and still be kept, in bytes.
    pub reorder_window: u32,
    /// IP datagrams being put together at once.
    pub datagrams: usize,
    /// Bytes of fragments kept for all datagrams together.
    pub fragment_bytes: usize,
    /// Seconds an incomplete datagram is kept (RFC 8200 section 4.5: 60).
    pub fragment_s: i64,
    /// Data segments remembered for one encrypted or unknown flow.
    pub segments_per_flow: usize,
    /// Data segments remembered for all flows together.
    pub segments: usize,
    /// Payload packets of each direction that signatures are matched against.
    pub matched_packets: u8,
    /// Bytes of each such payload that are looked at.
    pub matched_bytes: usize,
    /// Rows kept of each event table; a row with its texts is seldom beyond 1 KiB.
    pub event_rows: usize,
    /// SSH tokens kept of all connections together.
    pub token_rows: usize,
    /// Issue rows kept; the rest are counted by kind only.
    pub issue_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            block_bytes: 16 << 20,
            decompressed_bytes: 256 << 30,
            flows: 1_000_000,
            tcp_idle_s: 3600,
            tcp_linger_s: 60,
            other_idle_s: 180,
            reorder_bytes_per_flow: 256 << 10,
            reorder_bytes: 64 << 20,
            reorder_window: 4 << 20,
            datagrams: 1024,
            fragment_bytes: 8 << 20,
            fragment_s: 60,
            segments_per_flow: 128,
            segments: 2_000_000,
            matched_packets: 2,
            matched_bytes: 512,
            event_rows: 500_000,
            token_rows: 2_000_000,
            issue_rows: 1000,
        }
    }
}

impl Limits {
    /// Replaces the bound called `name`, as the settings of a run give it.
    ///
    /// # Errors
    ///
    /// The name, if no bound is called that or the value does not fit it.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), String> {
        let refused = || format!("no limit `{name}` takes the value {value}");
        let size = usize::try_from(value).map_err(|_| refused())?;
        let seconds = i64::try_from(value).map_err(|_| refused())?;
        match name {
            "block_bytes" => self.block_bytes = size,
            "decompressed_bytes" => self.decompressed_bytes = value,
            "flows" => self.flows = size.max(1),
            "tcp_idle_s" => self.tcp_idle_s = seconds,
            "tcp_linger_s" => self.tcp_linger_s = seconds,
            "other_idle_s" => self.other_idle_s = seconds,
            "reorder_bytes_per_flow" => self.reorder_bytes_per_flow = size,
            "reorder_bytes" => self.reorder_bytes = size,
            "datagrams" => self.datagrams = size,
            "fragment_bytes" => self.fragment_bytes = size,
            "fragment_s" => self.fragment_s = seconds,
            "segments_per_flow" => self.segments_per_flow = size,
            "segments" => self.segments = size,
            "event_rows" => self.event_rows = size,
            "token_rows" => self.token_rows = size,
            "issue_rows" => self.issue_rows = size,
            _ => return Err(refused()),
        }
        Ok(())
    }
}
