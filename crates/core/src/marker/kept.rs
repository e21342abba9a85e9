//! Scans as bytes, so that another process need not read the same text again.
//!
//! The bytes are good for the program that made them alone, which [`form`] tells: they follow the types field by field.
//! Whoever keeps them has to notice damage; bytes that end too early or go on are refused here.

use super::{Embedded, Scan, scan_with};

/// A text that has something of all that a scan can hold. It stands for the rules of scanning and for the hash functions of
/// the standard library, which may differ between programs of one version.
const SAMPLE: &str = "# A list, a flow, a tag, a block, a finding.
apiVersion: v1
kind: ConfigMap
metadata: {name: sample, namespace: default, annotations: {tagwright.dev/embedded: \"true\"}}
list:
  - name: app
    image: &a 'example.com/app:1.0' # {\"$imagepolicy\": \"default:app\"}
  - tag: !!str 1.0 # {\"$imagepolicy\": \"default:app:tag\"}
data:
  values.yaml: |
    tag: \"1.0\" # {\"$imagepolicy\": \"default:app:tag\"}
  # {\"$imagepolicy\": \"default:app:tag\"}
  wrong: [1] # {\"$imagepolicy\"}
";

/// Returns bytes that differ where scans, or how they are packed, may differ.
#[must_use]
pub fn form() -> Vec<u8> {
    pack(&scan_with(SAMPLE.as_bytes(), Embedded::Annotated))
}

/// Writes a scan as bytes.
#[must_use]
pub fn pack(scan: &Scan) -> Vec<u8> {
    // Writing to memory cannot fail; no bytes are as good as damaged ones.
    postcard::to_stdvec(scan).unwrap_or_default()
}

/// Reads what [`pack`] has written in a program of the same [`form`]; none where the bytes are something else.
#[must_use]
pub fn unpack(bytes: &[u8]) -> Option<Scan> {
    let (scan, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(scan)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_packed_is_unpacked() {
        let check = |text: &str, embedded| {
            let scan = scan_with(text.as_bytes(), embedded);
            let packed = pack(&scan);
            let read = unpack(&packed).unwrap();
            assert_eq!(format!("{read:?}"), format!("{scan:?}"), "{text}");
            for end in 0..packed.len() {
                assert!(unpack(&packed[..end]).is_none(), "{end} bytes of {text}");
            }
            assert!(unpack(&[packed.as_slice(), b"\0"].concat()).is_none(), "{text}");
        };
        for embedded in [Embedded::Annotated, Embedded::Everywhere] {
            check(SAMPLE, embedded);
            check("", embedded);
            check("a: 1 # {\"$imagepolicy\": \"default:app:tag\"}\n", embedded);
        }
        let scan = scan_with(SAMPLE.as_bytes(), Embedded::Annotated);
        assert_eq!((scan.markers.len(), scan.blocks.len(), scan.documents.len()), (3, 1, 1));
        assert!(!scan.diagnostics.is_empty() && scan.markers.iter().any(|marker| marker.scalar.tag.is_some()));
    }
}
