//! Base64, base32 and checksums.
//!
//! Sprig's decoders give the error's text in place of the result; they do not fail. Decoded bytes that are no text become U+FFFD.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use crate::template::function::{Function, text};
use crate::template::sprig::text::lossy;
use crate::template::value::Parameter;

const STRING: Parameter = Parameter::String;

/// The functions of this file.
pub(crate) const TABLE: &[Function] = &[
    Function::new("b64enc", &[STRING], |context, a| context.string(STANDARD.encode(text(a, 0)))),
    Function::new("b64dec", &[STRING], |context, a| match decode_base64(text(a, 0)) {
        Ok(bytes) => context.string(lossy(&bytes)),
        Err(at) => context.string(format!("illegal base64 data at input byte {at}")),
    }),
    Function::new("b32enc", &[STRING], |context, a| context.string(encode_base32(text(a, 0).as_bytes()))),
    Function::new("b32dec", &[STRING], |context, a| match decode_base32(text(a, 0)) {
        Ok(bytes) => context.string(lossy(&bytes)),
        Err(at) => context.string(format!("illegal base32 data at input byte {at}")),
    }),
    Function::new("sha1sum", &[STRING], |context, a| context.string(hexadecimal(&Sha1::digest(text(a, 0))))),
    Function::new("sha256sum", &[STRING], |context, a| context.string(hexadecimal(&Sha256::digest(text(a, 0))))),
    Function::new("sha512sum", &[STRING], |context, a| context.string(hexadecimal(&Sha512::digest(text(a, 0))))),
    Function::new("adler32sum", &[STRING], |context, a| context.string(adler32(text(a, 0).as_bytes()).to_string())),
];

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    let (mut low, mut high) = (1, 0);
    for byte in bytes {
        low = (low + u32::from(*byte)) % MODULUS;
        high = (high + low) % MODULUS;
    }
    high << 16 | low
}

/// Go's decoder passes over line ends; on an error, it tells the byte.
fn decode_base64(text: &str) -> Result<Vec<u8>, usize> {
    let clean: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    STANDARD.decode(&clean).map_err(|error| match error {
        base64::DecodeError::InvalidByte(at, _) | base64::DecodeError::InvalidLastSymbol(at, _) => at,
        base64::DecodeError::InvalidLength(_) | base64::DecodeError::InvalidPadding => clean.len() / 4 * 4,
    })
}

fn encode_base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for group in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        let digits = (group.len() * 8).div_ceil(5);
        for index in 0..8 {
            let digit = usize::try_from(bits >> (35 - 5 * index) & 31).unwrap_or(0);
            out.push(if index < digits { char::from(BASE32[digit]) } else { '=' });
        }
    }
    out
}

fn decode_base32(text: &str) -> Result<Vec<u8>, usize> {
    let clean: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let length = clean.iter().position(|b| *b == b'=').unwrap_or(clean.len());
    let padding = clean.len() - length;
    if !clean.len().is_multiple_of(8)
        || clean[length..].iter().any(|b| *b != b'=')
        || !matches!(padding, 0 | 1 | 3 | 4 | 6)
    {
        return Err(length);
    }
    let mut out = Vec::with_capacity(clean.len() / 8 * 5);
    let (mut bits, mut count) = (0u32, 0);
    for (at, byte) in clean[..length].iter().enumerate() {
        let digit = BASE32.iter().position(|b| b == byte).and_then(|digit| u32::try_from(digit).ok()).ok_or(at)?;
        bits = bits << 5 | digit;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_be_bytes()[3]);
            bits &= (1 << count) - 1;
        }
    }
    Ok(out)
}
