//! pkt-lines: the framing of Git's wire protocol, and the side bands inside.
//!
//! Every packet starts with its length, header included, in four hexadecimal digits; `0000` is a flush packet, and `0001`, of
//! version 2, a delimiter.

use web::words;

use super::error::Error;
use super::problem::Problem;
use super::transport::Source;

/// The longest packet git sends, header included.
const MAX_PACKET: usize = 65_520;

/// How much of what comes before the protocol an error repeats, in bytes.
const MAX_TALK: usize = 200;

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// A packet with data.
    Data(Vec<u8>),
    /// `0000`, the end of a message.
    Flush,
    /// `0001`, the end of a section within one.
    Delimiter,
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
    /// Whether a packet has come.
    began: bool,
}

impl Reader {
    /// Reads from `source` and fails once `limit` bytes have come.
    pub(super) fn new(source: Source, limit: u64) -> Self {
        Self { source, buffer: Vec::new(), start: 0, taken: 0, limit, began: false }
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

    /// How many bytes have come since the limit was set.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
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
        let length = length(self.available()).ok_or_else(|| self.no_packet())?;
        match length {
            0 => {
                self.start += 4;
                self.began = true;
                Ok(Packet::Flush)
            }
            1 => {
                self.start += 4;
                self.began = true;
                Ok(Packet::Delimiter)
            }
            4..=MAX_PACKET => {
                if !self.fill(length).await? {
                    return Err(self.unexpected_end().await);
                }
                let data = self.buffer[self.start + 4..self.start + length].to_vec();
                self.start += length;
                self.began = true;
                Ok(Packet::Data(data))
            }
            _ => Err(self.no_packet()),
        }
    }

    /// Gives back the packet that was read last, to be read again.
    pub(super) fn put_back(&mut self, data: &[u8]) {
        self.start -= data.len() + 4;
    }

    /// Reads the next packet of a message; None at its end, which is a flush packet.
    ///
    /// # Errors
    ///
    /// As [`Reader::next`], and when anything else ends it.
    pub(super) async fn next_line(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.next().await? {
            Packet::Data(data) => Ok(Some(data)),
            Packet::Flush => Ok(None),
            Packet::Delimiter => Err(self.problem(Problem::Framing)),
            Packet::End => Err(self.unexpected_end().await),
        }
    }

    /// Whether the next bytes are these, which no packet begins with.
    pub(super) async fn is_at(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        Ok(self.fill(bytes.len()).await? && self.available().starts_with(bytes))
    }

    /// Reads what comes next as it is, at most as much as a packet may hold; nothing at the end of the stream.
    pub(super) async fn plain(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if !self.fill(1).await? {
            return Ok(None);
        }
        let end = self.buffer.len().min(self.start + MAX_PACKET);
        let data = self.buffer[self.start..end].to_vec();
        self.start = end;
        Ok(Some(data))
    }

    /// What it means that no packet begins here. In front of the first it is the words of somebody who does not speak the
    /// protocol: a shell that greets, a page, a warning of the program behind the server.
    fn no_packet(&self) -> Error {
        if self.began {
            return self.source.problem(Problem::Framing);
        }
        let talk = self.available();
        let words = words::clean(&talk[..talk.len().min(MAX_TALK)]);
        Error::Talk { remote: self.remote().to_owned(), words }
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

    /// What a line means that was not expected: an error in the remote's words, or `problem`.
    pub(super) fn said_or(&self, line: &[u8], problem: Problem) -> Error {
        line.strip_prefix(b"ERR ").map_or_else(|| self.problem(problem), |words| self.said(words))
    }

    /// The remote's words as its error.
    pub(super) fn said(&self, raw: &[u8]) -> Error {
        Error::Remote { remote: self.remote().to_owned(), words: words::clean(raw) }
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
            1 => (Packet::Delimiter, 4),
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

/// Appends a delimiter.
pub(super) fn push_delimiter(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
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
