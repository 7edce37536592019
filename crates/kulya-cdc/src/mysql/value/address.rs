//! UUID and addresses of MariaDB as the server prints them. The log has their bytes without zero bytes at the
//! end.

use super::bytes::push_hex;
use crate::debezium::Written;
use std::io::Write;
use std::net::Ipv4Addr;

/// Writes a UUID. The log has its bytes in the order of its text.
pub(super) fn write_uuid(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let Some(bytes) = padded::<16>(bytes) else { return Written::NotAValue };
    out.push(b'"');
    let mut rest = &bytes[..];
    for (index, length) in [4, 2, 2, 2, 6].into_iter().enumerate() {
        if index > 0 {
            out.push(b'-');
        }
        let (part, behind) = rest.split_at(length);
        push_hex(part, out);
        rest = behind;
    }
    out.push(b'"');
    Written::Value
}

/// Writes an address of four bytes.
pub(super) fn write_inet4(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let Some(bytes) = padded::<4>(bytes) else { return Written::NotAValue };
    out.push(b'"');
    push_inet4(bytes, out);
    out.push(b'"');
    Written::Value
}

/// Writes an address of 16 bytes. Other than RFC 5952 wants it, the server also shortens a single zero, and
/// prints the end of each address that may contain one of four bytes in the latter's form.
pub(super) fn write_inet6(bytes: &[u8], out: &mut Vec<u8>) -> Written {
    let Some(bytes) = padded::<16>(bytes) else { return Written::NotAValue };
    let (pairs, _) = bytes.as_chunks::<2>();
    let mut words = [0u16; 8];
    for (word, pair) in words.iter_mut().zip(pairs) {
        *word = u16::from_be_bytes(*pair);
    }
    let (gap, length) = longest_gap(&words);
    let has_inet4 = gap == 0 && (length == 6 || (length == 5 && words[5] == 0xffff));
    out.push(b'"');
    let mut index = 0;
    while index < words.len() {
        if index == gap && length > 0 {
            out.extend_from_slice(if index == 0 { b"::" } else { b":" });
            index += length;
        } else if index == 6 && has_inet4 {
            let [.., a, b, c, d] = bytes;
            push_inet4([a, b, c, d], out);
            break;
        } else {
            // a buffer takes everything
            let _ = write!(out, "{:x}", words[index]);
            if index < words.len() - 1 {
                out.push(b':');
            }
            index += 1;
        }
    }
    out.push(b'"');
    Written::Value
}

/// The first of the longest sequences of zeros: its place and length.
fn longest_gap(words: &[u16; 8]) -> (usize, usize) {
    let mut longest = (0, 0);
    let mut start = 0;
    for (index, word) in words.iter().enumerate() {
        if *word != 0 {
            start = index + 1;
        } else if index + 1 - start > longest.1 {
            longest = (start, index + 1 - start);
        }
    }
    longest
}

fn push_inet4(bytes: [u8; 4], out: &mut Vec<u8>) {
    // a buffer takes everything
    let _ = write!(out, "{}", Ipv4Addr::from(bytes));
}

/// Returns bytes with the zero bytes that they lack; `None` if there are more than `N`.
fn padded<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(all)
}
