//! pkt-lines: the framing of Git's wire protocol, and the side bands inside.
//!
//! Every packet starts with its length, header included, in four hexadecimal digits; `0000` is a flush packet.

use super::error::Error;
use super::problem::Problem;
use super::transport::Source;

/// The longest packet git sends, header included.
const MAX_PACKET: usize = 65_520;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A packet with data.
    Data(Vec<u8>),
    /// `0000`, the end of a section.
    Flush,
    /// The other side closed the stream between two packets.
    End,
}

/// Reads packets from a source.
pub(super) struct Reader {
    source: Source,
    buffer: Vec<u8>,
    start: usize,
    taken: u64,
    limit: u64,
}

impl Reader {
    /// Reads from `source` and fails once `limit` bytes have come.
    pub(super) fn new(source: Source, limit: u64) -> Self {
        Self { source, buffer: Vec::new(), start: 0, taken: 0, limit }
    }

    /// Gives back the source; bytes that were read ahead are lost, so this is for the end of a section.
    pub(super) fn into_source(self) -> Source {
        self.source
    }

    /// The limit from now on.
    pub(super) fn set_limit(&mut self, limit: u64) {
        self.taken = 0;
        self.limit = limit;
    }

    /// Reads the next packet.
    ///
    /// # Errors
    ///
    /// When the framing is broken, the stream ends inside a packet, or the limit is passed.
    pub(super) async fn next(&mut self) -> Result<Packet, Error> {
        if !self.fill(4).await? {
            return match self.available().is_empty() {
                true => Ok(Packet::End),
                false => Err(self.unexpected_end().await),
            };
        }
        let length = length(self.available()).ok_or_else(|| self.source.problem(Problem::Framing))?;
        match length {
            0 => {
                self.start += 4;
                Ok(Packet::Flush)
            }
            4..=MAX_PACKET => {
                if !self.fill(length).await? {
                    return Err(self.unexpected_end().await);
                }
                let data = self.buffer[self.start + 4..self.start + length].to_vec();
                self.start += length;
                Ok(Packet::Data(data))
            }
            _ => Err(self.source.problem(Problem::Framing)),
        }
    }

    /// Returns what it means that the stream ended where more was due.
    pub(super) async fn unexpected_end(&mut self) -> Error {
        self.source.ended().await
    }

    pub(super) fn remote(&self) -> &str {
        self.source.remote()
    }

    /// Returns `problem` as an error of this remote.
    pub(super) fn problem(&self, problem: Problem) -> Error {
        self.source.problem(problem)
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Makes `wanted` bytes available; false when the stream ends before.
    async fn fill(&mut self, wanted: usize) -> Result<bool, Error> {
        while self.available().len() < wanted {
            self.buffer.drain(..self.start);
            self.start = 0;
            let before = self.buffer.len();
            if !self.source.read_into(&mut self.buffer).await? {
                return Ok(false);
            }
            self.taken += (self.buffer.len() - before) as u64;
            if self.taken > self.limit {
                return Err(Error::AnswerTooLarge { remote: self.source.remote().to_owned(), limit: self.limit });
            }
        }
        Ok(true)
    }
}

/// Splits the packets of a buffer that is complete, such as what side band 1 of a push carried.
pub(super) fn split(mut bytes: &[u8]) -> Option<Vec<Packet>> {
    let mut packets = Vec::new();
    while !bytes.is_empty() {
        let length = length(bytes)?;
        let (packet, used) = match length {
            0 => (Packet::Flush, 4),
            4..=MAX_PACKET => (Packet::Data(bytes.get(4..length)?.to_vec()), length),
            _ => return None,
        };
        packets.push(packet);
        bytes = &bytes[used..];
    }
    Some(packets)
}

/// Appends `data` as one packet. The caller keeps it shorter than a packet may be.
pub(super) fn push(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(format!("{:04x}", data.len() + 4).as_bytes());
    out.extend_from_slice(data);
}

/// Appends a flush packet.
pub(super) fn push_flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

/// Returns the packet's text without its final line feed.
pub(super) fn line(data: &[u8]) -> &[u8] {
    data.strip_suffix(b"\n").unwrap_or(data)
}

fn length(bytes: &[u8]) -> Option<usize> {
    let digits = bytes.get(..4)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_buffers_are_split_or_refused() {
        let data = |text: &str| Packet::Data(text.as_bytes().to_vec());
        let check = |bytes: &str, expect: Option<Vec<Packet>>| assert_eq!(split(bytes.as_bytes()), expect, "{bytes}");
        check("", Some(vec![]));
        check("0000", Some(vec![Packet::Flush]));
        check("0004", Some(vec![data("")]));
        check("000eunpack ok\n0000", Some(vec![data("unpack ok\n"), Packet::Flush]));
        check("00", None);
        check("0003", None);
        check("+0a1", None);
        check("0010short", None);
        check("ffff", None);
    }

    #[test]
    fn packets_carry_their_length() {
        let mut out = Vec::new();
        push(&mut out, b"done\n");
        push_flush(&mut out);
        assert_eq!(out, b"0009done\n0000");
        assert_eq!(line(b"done\n"), b"done");
    }
}
