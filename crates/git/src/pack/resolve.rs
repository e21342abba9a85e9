//! What the objects of a pack are that come as differences.
//!
//! Differences are made out from their bases on, depth first, so that each base is read once and a chain of any length has one
//! object of it in memory. Where a base has several differences it waits for its turn; when those that wait take too much, they
//! are dropped and made out again. Whoever waits for all this may give up at any moment.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::intake::{Arrived, Base, Object, hasher, inflate, write_head};
use super::{Bounds, Failure, delta};
use crate::id::{Hasher, ObjectFormat, ObjectId};
use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

/// How much is read at once to find a checksum.
const CHUNK: usize = 64 << 10;

/// No object.
const NONE: u32 = u32::MAX;

/// An object that others are made out from.
struct Frame {
    object: u32,
    /// Its bytes, unless they were dropped.
    data: Option<Rc<Vec<u8>>>,
    children: Vec<u32>,
    next: usize,
}

struct Resolver<'a> {
    file: &'a File,
    objects: Vec<Object>,
    end: u64,
    /// What each object is a difference from, once that is known.
    parents: Vec<u32>,
    /// Those that are differences from an object of the pack: base and object, sorted.
    at: Vec<(u32, u32)>,
    /// Those that are differences from an object with an id: id and object, sorted.
    named: Vec<(ObjectId, u32)>,
    format: ObjectFormat,
    bounds: Bounds,
    given_up: &'a AtomicBool,
}

/// Finds out what all objects are. Bases that the pack leaves out are asked for with `outside`, which returns kind and bytes,
/// and are added to the pack.
pub(super) fn resolve(
    arrived: &mut Arrived,
    bounds: Bounds,
    given_up: &AtomicBool,
    mut outside: impl FnMut(ObjectId) -> Result<Option<(u8, Vec<u8>)>, Failure>,
) -> Result<(), Failure> {
    let objects = std::mem::take(&mut arrived.objects);
    let (mut at, mut named) = (Vec::new(), Vec::new());
    for delta in std::mem::take(&mut arrived.deltas) {
        match delta.base {
            Base::At(base) => at.push((base, delta.object)),
            Base::Named(id) => named.push((id, delta.object)),
        }
    }
    at.sort_unstable();
    named.sort_unstable();
    let (file, end) = (arrived.file.as_file(), arrived.end);
    let parents = vec![NONE; objects.len()];
    let format = arrived.checksum.format();
    let mut resolver = Resolver { file, objects, end, parents, at, named, format, bounds, given_up };
    let came = resolver.objects.len();
    for object in 0..came as u32 {
        if resolver.parents[object as usize] == NONE && resolver.is_known(object) {
            resolver.from(object, None)?;
        }
    }
    let mut bases: Vec<ObjectId> = resolver.named.iter().map(|(id, _)| *id).collect();
    bases.dedup();
    for id in bases {
        let waits = resolver.named(&id).iter().any(|(_, object)| !resolver.is_known(*object));
        if waits && let Some((kind, data)) = outside(id)? {
            let object = resolver.add(kind, id, &data)?;
            resolver.from(object, Some(data))?;
        }
    }
    if (0..resolver.objects.len() as u32).any(|object| !resolver.is_known(object)) {
        return Err(Failure::Broken);
    }
    (arrived.objects, arrived.end) = (resolver.objects, resolver.end);
    if arrived.objects.len() > came {
        let sealed = seal(arrived.file.as_file(), arrived.objects.len(), arrived.end, format);
        arrived.checksum = sealed.map_err(Failure::Disk)?;
    }
    Ok(())
}

impl Resolver<'_> {
    fn is_known(&self, object: u32) -> bool {
        self.objects[object as usize].kind != 0
    }

    fn named(&self, id: &ObjectId) -> &[(ObjectId, u32)] {
        let from = self.named.partition_point(|(base, _)| base < id);
        let to = self.named.partition_point(|(base, _)| base <= id);
        &self.named[from..to]
    }

    /// The differences from an object that are not known yet.
    fn children(&self, object: u32) -> Vec<u32> {
        let from = self.at.partition_point(|(base, _)| *base < object);
        let at = self.at[from..].iter().take_while(|(base, _)| *base == object).map(|(_, child)| *child);
        let named = self.named(&self.objects[object as usize].id).iter().map(|(_, child)| *child);
        at.chain(named).filter(|child| !self.is_known(*child)).collect()
    }

    /// Makes out everything that leads back to `object`.
    fn from(&mut self, object: u32, data: Option<Vec<u8>>) -> Result<(), Failure> {
        let children = self.children(object);
        if children.is_empty() {
            return Ok(());
        }
        let mut stack = vec![Frame { object, data: data.map(Rc::new), children, next: 0 }];
        while let Some(frame) = stack.last_mut() {
            let Some(&child) = frame.children.get(frame.next) else {
                stack.pop();
                continue;
            };
            frame.next += 1;
            if self.objects[child as usize].kind != 0 {
                continue;
            }
            let base = match &frame.data {
                Some(data) => Rc::clone(data),
                None => Rc::new(self.made_out(frame.object)?),
            };
            let (parent, is_last) = (frame.object, frame.next == frame.children.len());
            frame.data = Some(Rc::clone(&base));
            let data = self.make_out(child, parent, &base)?;
            drop(base);
            if is_last {
                stack.pop();
            }
            let children = self.children(child);
            if !children.is_empty() {
                stack.push(Frame { object: child, data: Some(Rc::new(data)), children, next: 0 });
                self.drop_some(&mut stack);
            }
        }
        Ok(())
    }

    /// Drops the bytes of the oldest of those that wait, when all take more than they may.
    fn drop_some(&self, stack: &mut [Frame]) {
        let size = |frame: &Frame| frame.data.as_ref().map_or(0, |data| data.len());
        let mut held: usize = stack.iter().map(size).sum();
        for frame in stack.iter_mut().rev().skip(1).rev() {
            if held <= self.bounds.memory / 3 {
                return;
            }
            held -= size(frame);
            frame.data = None;
        }
    }

    /// Makes an object out of its base, and takes down what it is.
    fn make_out(&mut self, object: u32, parent: u32, base: &[u8]) -> Result<Vec<u8>, Failure> {
        let data = self.apply(object, base)?;
        let kind = self.objects[parent as usize].kind;
        let mut id = hasher(self.format, kind, data.len() as u64);
        id.update(&data);
        let known = &mut self.objects[object as usize];
        (known.kind, known.id) = (kind, id.finish());
        self.parents[object as usize] = parent;
        Ok(data)
    }

    fn apply(&self, object: u32, base: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.given_up.load(Ordering::Relaxed) {
            return Err(Failure::GivenUp);
        }
        let delta = self.inflate(object)?;
        delta::apply(base, &delta).ok_or(Failure::Broken)
    }

    /// Returns the bytes of an object whose bases are known.
    fn made_out(&self, object: u32) -> Result<Vec<u8>, Failure> {
        let parent = |object: &u32| Some(self.parents[*object as usize]).filter(|parent| *parent != NONE);
        let chain: Vec<u32> = std::iter::successors(Some(object), parent).collect();
        let mut chain = chain.into_iter().rev();
        let mut data = self.inflate(chain.next().unwrap_or(object))?;
        for object in chain {
            data = self.apply(object, &data)?;
        }
        Ok(data)
    }

    fn inflate(&self, object: u32) -> Result<Vec<u8>, Failure> {
        let at = object as usize;
        let to = self.objects.get(at + 1).map_or(self.end, |next| next.offset);
        inflate(self.file, (self.objects[at].offset, to), self.format, self.bounds)
    }

    /// Puts an object behind those of the pack.
    fn add(&mut self, kind: u8, id: ObjectId, data: &[u8]) -> Result<u32, Failure> {
        let mut encoder = ZlibEncoder::new(write_head(kind, data.len() as u64), Compression::fast());
        let written = io::Write::write_all(&mut encoder, data).and_then(|()| encoder.finish());
        let compressed: Vec<u8> = written.map_err(Failure::Disk)?;
        self.file.write_all_at(&compressed, self.end).map_err(Failure::Disk)?;
        let mut crc = Crc::new();
        crc.update(&compressed);
        self.objects.push(Object { offset: self.end, crc: crc.sum(), kind, id });
        self.parents.push(NONE);
        self.end += compressed.len() as u64;
        Ok(self.objects.len() as u32 - 1)
    }
}

/// Gives a pack that has more objects now its new number of them and a new checksum.
fn seal(file: &File, objects: usize, end: u64, format: ObjectFormat) -> io::Result<ObjectId> {
    file.write_all_at(&(objects as u32).to_be_bytes(), 8)?;
    let (mut hash, mut at, mut chunk) = (Hasher::new(format), 0, vec![0; CHUNK]);
    while at < end {
        let size = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact_at(&mut chunk[..size], at)?;
        hash.update(&chunk[..size]);
        at += size as u64;
    }
    let checksum = hash.finish();
    file.write_all_at(checksum.bytes(), end)?;
    file.set_len(end + format.bytes() as u64)?;
    Ok(checksum)
}
