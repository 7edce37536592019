//! Opening: reads every frame of every log file into a [`State`], and tells a torn tail (the last writes were never
//! synced, nobody was told they were: cut them off) from a hole (something acknowledged is damaged: refuse, and say
//! where).

use crate::disk::Sequential;
use crate::folder::{Folder, from_io};
use crate::frame::{self, Found, HEADER_BYTES};
use crate::op::Reader;
use crate::state::State;
use kulya_store::{Error, ErrorKind, Result};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// What was read, and where writing goes on.
pub(crate) struct Recovered {
    pub(crate) state: State,
    /// The number of the file to append to.
    pub(crate) file: u32,
    /// Its length up to the last whole frame; everything behind is the torn end of a write.
    pub(crate) length: u64,
}

/// Reads the whole log.
pub(crate) fn recover(folder: &Folder) -> Result<Recovered> {
    let mut recovered = Recovered { state: State::default(), file: 0, length: 0 };
    let logs = folder.logs()?;
    for number in &logs {
        recovered.file = *number;
        recovered.length = read_log(folder, *number, logs.last() == Some(number), &mut recovered.state)?;
    }
    recovered.state.forget_staged();
    Ok(recovered)
}

/// Reads one file; gives its length up to the last whole frame.
fn read_log(folder: &Folder, number: u32, is_last: bool, state: &mut State) -> Result<u64> {
    let path = &folder.log(number);
    let failed = |e| from_io(&format!("cannot read {}", path.display()), e);
    let file = folder.read_log(number)?;
    let mut input = BufReader::with_capacity(1 << 20, Sequential { file: Arc::clone(&file), offset: 0 });
    let mut position = 0u64;
    loop {
        let (sequence, body) = match frame::read(&mut input).map_err(failed)? {
            Found::Frame { sequence, body, .. } => (sequence, body),
            Found::End => return Ok(position),
            Found::Bad => break,
        };
        if sequence != state.sequence + 1 {
            return Err(damaged(
                path,
                position,
                &format!("frame {sequence} follows frame {}", state.sequence),
            ));
        }
        apply(&body, number, position + HEADER_BYTES as u64, state)
            .map_err(|what| damaged(path, position, &what))?;
        state.sequence = sequence;
        position += (HEADER_BYTES + body.len()) as u64;
    }
    let mut rest = Vec::new();
    Sequential { file, offset: position }.read_to_end(&mut rest).map_err(failed)?;
    if let Some(later) = frame::later_frame(&rest, state.sequence) {
        return Err(damaged(
            path,
            position,
            &format!("frames that were synced later follow it at byte {}", position + later as u64),
        ));
    }
    if !is_last {
        return Err(damaged(path, position, "later log files follow it"));
    }
    Ok(position)
}

fn apply(body: &[u8], file: u32, position: u64, state: &mut State) -> std::result::Result<(), String> {
    let mut ops = Reader::new(body);
    while let Some((op, at)) = ops.next().map_err(|()| "its checksum is right but its ops cannot be read")? {
        state.apply(&op, file, position + at as u64)?;
    }
    Ok(())
}

fn damaged(path: &Path, position: u64, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!(
            "log file {} is damaged at byte {position}: {what}; nothing was changed, restore the folder from a copy",
            path.display()
        ),
    )
}
