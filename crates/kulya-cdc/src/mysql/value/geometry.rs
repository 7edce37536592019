//! Geometries: well-known binary with the number of the spatial reference system, and coordinates of points.

use crate::debezium::json;
use crate::debezium::written::{Written, done};

/// Writes a geometry. System 0, which stands for none, is null, as Debezium has it.
pub(super) fn write(is_point: bool, srid: u32, wkb: &[u8], out: &mut Vec<u8>) -> Written {
    if wkb.is_empty() {
        return Written::NotAValue;
    }
    out.push(b'{');
    if is_point {
        let Some((x, y)) = coordinates(wkb) else {
            out.pop();
            return Written::NotAValue;
        };
        out.extend_from_slice(b"\"x\":");
        json::write(out, &x);
        out.extend_from_slice(b",\"y\":");
        json::write(out, &y);
        out.push(b',');
    }
    out.extend_from_slice(b"\"wkb\":");
    json::write_base64(out, wkb);
    out.extend_from_slice(b",\"srid\":");
    json::write(out, &(srid != 0).then_some(srid));
    out.push(b'}');
    done(true)
}

/// Reads the coordinates of a point: the byte order, the type, and two numbers.
fn coordinates(wkb: &[u8]) -> Option<(f64, f64)> {
    let (order, rest) = wkb.split_first()?;
    let (code, rest) = rest.split_first_chunk()?;
    let (x, rest) = rest.split_first_chunk()?;
    let (y, rest) = rest.split_first_chunk()?;
    let (code, x, y) = match order {
        0 => (u32::from_be_bytes(*code), f64::from_be_bytes(*x), f64::from_be_bytes(*y)),
        _ => (u32::from_le_bytes(*code), f64::from_le_bytes(*x), f64::from_le_bytes(*y)),
    };
    (code == 1 && rest.is_empty() && x.is_finite() && y.is_finite()).then_some((x, y))
}
