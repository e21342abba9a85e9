//! A pack as it arrives: written to the disk, and read at the same time.
//!
//! Objects are told apart, hashed and counted while their bytes pass by; none is ever in memory. What comes as a difference from
//! another object is only noted, with what it says it becomes, and made out when all is there (`resolve`).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use flate2::{Crc, Decompress, FlushDecompress, Status};
use tempfile::NamedTempFile;

use super::delta;
use super::{Bounds, Excess, Failure};
use crate::id::{Hasher, ObjectFormat, ObjectId};

/// How much is inflated at once.
const CHUNK: usize = 32 << 10;

/// `PACK`, the version, and the number of objects.
const HEADER: usize = 12;

/// The kinds of objects as packs number them.
const KINDS: [&str; 5] = ["", "commit", "tree", "blob", "tag"];

/// An object that comes as a difference from another at an earlier place, and from another with an id.
const OFFSET_DELTA: u8 = 6;
const NAMED_DELTA: u8 = 7;

/// An object of a pack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Object {
    /// Where it begins.
    pub(super) offset: u64,
    /// The checksum of its bytes in the pack.
    pub(super) crc: u32,
    /// One of [`KINDS`]; 0 as long as it is not known.
    pub(super) kind: u8,
    /// Its id, once its kind is known.
    pub(super) id: ObjectId,
}

/// An object that comes as a difference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta {
    /// Its number among the objects.
    pub(super) object: u32,
    pub(super) base: Base,
}

/// What a difference is from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Base {
    /// Another object of the pack, by its number.
    At(u32),
    /// An object with this id, in the pack or in the mirror.
    Named(ObjectId),
}

/// A pack that is complete and whole, and that nobody has named yet.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) file: NamedTempFile,
    pub(super) objects: Vec<Object>,
    pub(super) deltas: Vec<Delta>,
    /// The largest of what differences say of their sizes.
    pub(super) largest: u64,
    /// Where the objects end and the checksum begins.
    pub(super) end: u64,
    pub(super) checksum: ObjectId,
}

/// What the next bytes are.
#[derive(Clone, Copy)]
enum State {
    Header,
    /// The kind and the size of an object.
    Entry,
    /// How far back the base is.
    Offset,
    /// The base's id.
    Name,
    /// The object, compressed.
    Data,
    Checksum,
    /// Nothing may follow.
    Done,
}

/// The object that is passing by.
struct Current {
    start: u64,
    kind: u8,
    size: u64,
    shift: u32,
    back: u64,
    crc: Crc,
    base: Option<Base>,
    inflated: u64,
    /// Of one that is no difference.
    hash: Option<Hasher>,
    /// The first bytes of a difference, which say how large both sides are.
    head: Vec<u8>,
}

/// Takes a pack in.
pub(super) struct Intake {
    file: io::BufWriter<NamedTempFile>,
    format: ObjectFormat,
    bounds: Bounds,
    state: State,
    /// How many bytes have passed.
    at: u64,
    hash: Hasher,
    /// A header, an id or a checksum that is not complete.
    small: Vec<u8>,
    inflate: Decompress,
    out: Vec<u8>,
    left: u32,
    current: Current,
    objects: Vec<Object>,
    deltas: Vec<Delta>,
    largest: u64,
}

/// The name that an object has by its kind and its bytes.
pub(super) fn hasher(format: ObjectFormat, kind: u8, size: u64) -> Hasher {
    let kind = KINDS.get(usize::from(kind)).copied().unwrap_or_default();
    let mut hash = Hasher::new(format);
    hash.update(format!("{kind} {size}\0").as_bytes());
    hash
}

impl Intake {
    /// Begins to write a pack into `folder`, with ids of this format.
    pub(super) fn new(folder: &Path, format: ObjectFormat, bounds: Bounds) -> io::Result<Self> {
        let file = tempfile::Builder::new().prefix("tmp_pack_").tempfile_in(folder)?;
        Ok(Self {
            file: io::BufWriter::with_capacity(2 * CHUNK, file),
            format,
            bounds,
            state: State::Header,
            at: 0,
            hash: Hasher::new(format),
            small: Vec::new(),
            inflate: Decompress::new(true),
            out: vec![0; CHUNK],
            left: 0,
            current: Current::at(0),
            objects: Vec::new(),
            deltas: Vec::new(),
            largest: 0,
        })
    }

    /// Takes the next bytes in.
    pub(super) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(Failure::Disk)?;
        while !bytes.is_empty() {
            let used = match self.state {
                State::Header => self.header(bytes)?,
                State::Entry => self.entry(bytes[0])?,
                State::Offset => self.offset(bytes[0])?,
                State::Name => self.name(bytes),
                State::Data => self.data(bytes)?,
                State::Checksum => self.checksum(bytes),
                State::Done => return Err(Failure::Broken),
            };
            bytes = &bytes[used..];
        }
        Ok(())
    }

    /// Returns the pack; none when it has no objects, which is what a remote sends that has nothing new.
    pub(super) fn finish(self) -> Result<Option<Arrived>, Failure> {
        let State::Done = self.state else { return Err(Failure::Broken) };
        let checksum = self.hash.finish();
        if self.small != checksum.bytes() {
            return Err(Failure::Broken);
        }
        if self.objects.is_empty() {
            return Ok(None);
        }
        let file = self.file.into_inner().map_err(|error| Failure::Disk(error.into_error()))?;
        let (objects, deltas, largest, end) =
            (self.objects, self.deltas, self.largest, self.at - self.format.bytes() as u64);
        Ok(Some(Arrived { file, objects, deltas, largest, end, checksum }))
    }

    /// Takes at most as many bytes as are missing to `wanted`; they count for the pack's checksum.
    fn gather(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let used = bytes.len().min(wanted - self.small.len());
        self.small.extend_from_slice(&bytes[..used]);
        self.passed(&bytes[..used]);
        used
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.at += bytes.len() as u64;
        self.hash.update(bytes);
        self.current.crc.update(bytes);
    }

    fn header(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let used = self.gather(bytes, HEADER);
        if self.small.len() == HEADER {
            let word = |at: usize| self.small[at..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
            match (&self.small[..4], word(4), word(8)) {
                (b"PACK", Some(2 | 3), Some(count)) => self.left = count,
                _ => return Err(Failure::Broken),
            }
            if self.left as usize > self.bounds.objects() {
                return Err(Failure::Costly(Excess::Objects { count: self.left }));
            }
            self.next();
        }
        Ok(used)
    }

    /// Begins with the next object, or with the checksum.
    fn next(&mut self) {
        self.small.clear();
        self.current = Current::at(self.at);
        self.state = if self.left == 0 { State::Checksum } else { State::Entry };
    }

    fn entry(&mut self, byte: u8) -> Result<usize, Failure> {
        let current = &mut self.current;
        match current.shift {
            0 => (current.kind, current.size, current.shift) = (byte >> 4 & 7, u64::from(byte & 15), 4),
            4..57 => {
                current.size |= u64::from(byte & 0x7f) << current.shift;
                current.shift += 7;
            }
            _ => return Err(Failure::Broken),
        }
        if byte & 0x80 == 0 {
            match current.kind {
                1..=4 => {
                    current.hash = Some(hasher(self.format, current.kind, current.size));
                    self.state = State::Data;
                }
                OFFSET_DELTA => self.state = State::Offset,
                NAMED_DELTA => self.state = State::Name,
                _ => return Err(Failure::Broken),
            }
            if current.hash.is_none() {
                self.bounds.object(current.size)?;
            }
        }
        self.passed(&[byte]);
        Ok(1)
    }

    fn offset(&mut self, byte: u8) -> Result<usize, Failure> {
        let back = self.current.back;
        // The first byte stands for itself, each other for one more.
        let before = if self.current.shift == u32::MAX { back + 1 } else { 0 };
        self.current.shift = u32::MAX;
        self.current.back = before.checked_mul(0x80).ok_or(Failure::Broken)?.saturating_add(u64::from(byte & 0x7f));
        self.passed(&[byte]);
        if byte & 0x80 == 0 {
            let place = self.current.start.checked_sub(self.current.back).ok_or(Failure::Broken)?;
            let at = self.objects.binary_search_by_key(&place, |object| object.offset);
            self.current.base = Some(Base::At(at.map_err(|_| Failure::Broken)? as u32));
            self.state = State::Data;
        }
        Ok(1)
    }

    fn name(&mut self, bytes: &[u8]) -> usize {
        let used = self.gather(bytes, self.format.bytes());
        if let Some(name) = ObjectId::from_bytes(&self.small).filter(|name| name.format() == self.format) {
            self.current.base = Some(Base::Named(name));
            self.state = State::Data;
        }
        used
    }

    fn data(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status =
            self.inflate.decompress(bytes, &mut self.out, FlushDecompress::None).map_err(|_| Failure::Broken)?;
        let read = usize::try_from(self.inflate.total_in() - read).unwrap_or(bytes.len());
        let written = usize::try_from(self.inflate.total_out() - written).unwrap_or(CHUNK);
        self.passed(&bytes[..read]);
        self.inflated(written)?;
        match status {
            Status::StreamEnd => self.end()?,
            _ if read == 0 && written == 0 => return Err(Failure::Broken),
            _ => {}
        }
        Ok(read)
    }

    /// Looks at the first `written` bytes of what was inflated.
    fn inflated(&mut self, written: usize) -> Result<(), Failure> {
        let (current, out) = (&mut self.current, &self.out[..written]);
        current.inflated += written as u64;
        if current.inflated > current.size {
            return Err(Failure::Broken);
        }
        match &mut current.hash {
            Some(hash) => hash.update(out),
            None => {
                let room = delta::MAX_HEAD - current.head.len();
                current.head.extend_from_slice(&out[..written.min(room)]);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.inflate.reset(true);
        let current = &mut self.current;
        if current.inflated != current.size {
            return Err(Failure::Broken);
        }
        let object = u32::try_from(self.objects.len()).map_err(|_| Failure::Broken)?;
        let crc = current.crc.sum();
        match (current.hash.take(), current.base) {
            (Some(hash), _) => {
                let id = hash.finish();
                self.objects.push(Object { offset: current.start, crc, kind: current.kind, id });
            }
            (None, Some(base)) => {
                let (before, after, _) = delta::sizes(&current.head).ok_or(Failure::Broken)?;
                self.bounds.object(before)?;
                self.bounds.object(after)?;
                self.largest = self.largest.max(before).max(after).max(current.size);
                self.objects.push(Object { offset: current.start, crc, kind: 0, id: ObjectId::zero(self.format) });
                self.deltas.push(Delta { object, base });
            }
            (None, None) => return Err(Failure::Broken),
        }
        self.left -= 1;
        self.next();
        Ok(())
    }

    /// The checksum is not part of what it is over.
    fn checksum(&mut self, bytes: &[u8]) -> usize {
        let used = bytes.len().min(self.format.bytes() - self.small.len());
        self.small.extend_from_slice(&bytes[..used]);
        self.at += used as u64;
        if self.small.len() == self.format.bytes() {
            self.state = State::Done;
        }
        used
    }
}

impl Current {
    fn at(start: u64) -> Self {
        Self {
            start,
            kind: 0,
            size: 0,
            shift: 0,
            back: 0,
            crc: Crc::new(),
            base: None,
            inflated: 0,
            hash: None,
            head: Vec::new(),
        }
    }
}

/// The bytes of one object that were read back from a pack.
pub(super) fn inflate(
    file: &File,
    (from, to): (u64, u64),
    format: ObjectFormat,
    bounds: Bounds,
) -> Result<Vec<u8>, Failure> {
    use std::os::unix::fs::FileExt;
    let mut chunk = vec![0; usize::try_from(to.saturating_sub(from)).unwrap_or(CHUNK).min(CHUNK)];
    file.read_exact_at(&mut chunk, from).map_err(Failure::Disk)?;
    let (size, head) = entry_head(&chunk, format).ok_or(Failure::Broken)?;
    bounds.object(size)?;
    let size = usize::try_from(size).map_err(|_| Failure::Broken)?;
    // One more, so that a stream is read to its end where nothing is left to come out.
    let mut out = Vec::with_capacity(size + 1);
    let mut inflate = Decompress::new(true);
    let (mut at, mut rest) = (from + chunk.len() as u64, head);
    loop {
        let read = inflate.total_in();
        let status = inflate.decompress_vec(&chunk[rest..], &mut out, FlushDecompress::None);
        rest += usize::try_from(inflate.total_in() - read).unwrap_or(0);
        match status {
            Ok(Status::StreamEnd) if out.len() == size => return Ok(out),
            Ok(Status::Ok | Status::BufError) if rest == chunk.len() && at < to => {
                chunk.resize(usize::try_from(to - at).unwrap_or(CHUNK).min(CHUNK), 0);
                file.read_exact_at(&mut chunk, at).map_err(Failure::Disk)?;
                (at, rest) = (at + chunk.len() as u64, 0);
            }
            // An empty object is all read when its checksum is.
            Ok(Status::Ok) if inflate.total_in() > read => {}
            _ => return Err(Failure::Broken),
        }
    }
}

/// Reads the size of an object, and where its compressed bytes begin.
fn entry_head(bytes: &[u8], format: ObjectFormat) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let (kind, mut size, mut shift, mut at) = (first >> 4 & 7, u64::from(first & 15), 4, 1);
    let mut more = first & 0x80 != 0;
    while more && shift < 57 {
        let byte = *bytes.get(at)?;
        size |= u64::from(byte & 0x7f) << shift;
        (shift, at, more) = (shift + 7, at + 1, byte & 0x80 != 0);
    }
    match kind {
        OFFSET_DELTA => {
            at += bytes.get(at..)?.iter().position(|byte| byte & 0x80 == 0)? + 1;
        }
        NAMED_DELTA => at += format.bytes(),
        _ => {}
    }
    Some((size, at))
}

/// The head of an object that is put into a pack as a whole.
pub(super) fn write_head(kind: u8, size: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut byte, mut size) = (kind << 4 | (size & 15) as u8, size >> 4);
    while size > 0 {
        out.push(byte | 0x80);
        byte = (size & 0x7f) as u8;
        size >>= 7;
    }
    out.push(byte);
    out
}
