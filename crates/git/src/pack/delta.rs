//! Differences between objects: what they say of their sizes, and what they make.
//!
//! A difference begins with the sizes of what it is from and of what it makes; then pieces are copied from the one, or stand in
//! the difference itself.

/// The most bytes that the two sizes take.
pub(super) const MAX_HEAD: usize = 20;

/// Returns the sizes of both sides, and where the instructions begin.
pub(super) fn sizes(delta: &[u8]) -> Option<(u64, u64, usize)> {
    let (before, at) = size(delta, 0)?;
    let (after, at) = size(delta, at)?;
    Some((before, after, at))
}

fn size(delta: &[u8], mut at: usize) -> Option<(u64, usize)> {
    let (mut size, mut shift) = (0, 0);
    loop {
        let byte = *delta.get(at)?;
        at += 1;
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        match byte & 0x80 {
            0 => return Some((size, at)),
            _ if shift > 56 => return None,
            _ => {}
        }
    }
}

/// Makes an object out of another. None when the difference is not from that one, or is none.
pub(super) fn apply(before: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let (from, to, mut at) = sizes(delta)?;
    let to = usize::try_from(to).ok()?;
    if from != before.len() as u64 {
        return None;
    }
    let mut out = Vec::with_capacity(to);
    while let Some(&code) = delta.get(at) {
        at += 1;
        let piece = match code {
            0 => return None,
            1..0x80 => {
                let piece = delta.get(at..at + usize::from(code))?;
                at += piece.len();
                piece
            }
            _ => {
                let mut number = |bits: std::ops::Range<u32>| {
                    let start = bits.start;
                    bits.filter(|bit| code & (1 << bit) != 0).try_fold(0, |number, bit| {
                        let byte = *delta.get(at)?;
                        at += 1;
                        Some(number | usize::from(byte) << (8 * (bit - start)))
                    })
                };
                let (offset, length) = (number(0..4)?, number(4..7)?);
                let length = if length == 0 { 0x10000 } else { length };
                before.get(offset..offset.checked_add(length)?)?
            }
        };
        if out.len() + piece.len() > to {
            return None;
        }
        out.extend_from_slice(piece);
    }
    (out.len() == to).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_applied_or_refused() {
        let check = |delta: &[u8], expect: Option<&str>| {
            assert_eq!(apply(b"hello world", delta).as_deref(), expect.map(str::as_bytes), "{delta:?}");
        };
        check(&[11, 5, 0x91, 6, 5], Some("world"));
        check(&[11, 8, 0x90, 5, 3, b'a', b'b', b'c'], Some("helloabc"));
        check(&[11, 0], Some(""));
        // From another object, too long, too short, beyond the end, a code that means nothing, and cut off.
        check(&[10, 5, 0x91, 6, 5], None);
        check(&[11, 4, 0x91, 6, 5], None);
        check(&[11, 6, 0x91, 6, 5], None);
        check(&[11, 6, 0x91, 6, 6], None);
        check(&[11, 0, 0], None);
        check(&[11, 3, 3, b'a'], None);
        check(&[11, 5, 0x91, 6], None);
        check(&[11], None);
        check(&[0xff; 30], None);
    }

    #[test]
    fn a_length_of_nothing_is_64_kib() {
        let before = vec![b'x'; 0x10000];
        let delta = [0x80, 0x80, 4, 0x80, 0x80, 4, 0x80];
        assert_eq!(apply(&before, &delta).map(|after| after.len()), Some(0x10000));
    }
}
