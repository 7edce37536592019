//! Selects the files to compact.

use crate::state::LogInfo;

/// Selects adjacent files of which more than half is dead, with small files among and beside them, whose
/// retained content fits into one file of `file_bytes`. `sealed` are the files that may be compacted, in
/// log order.
pub(crate) fn select_files(sealed: &[(u32, &LogInfo)], file_bytes: u64) -> Option<Vec<u32>> {
    let is_mostly_dead = |info: &LogInfo| info.dead_bytes() > info.retained_bytes();
    let is_small = |info: &LogInfo| info.bytes < file_bytes / 16;
    let mut selected = Vec::new();
    let (mut retained, mut has_dead) = (0, false);
    for (id, info) in sealed {
        let bytes = info.retained_bytes();
        let fits = (is_mostly_dead(info) || is_small(info)) && retained + bytes <= file_bytes;
        if !fits && has_dead {
            break;
        }
        if !fits {
            selected.clear();
            retained = 0;
        }
        if is_mostly_dead(info) || is_small(info) {
            selected.push(*id);
            retained += bytes;
            has_dead |= is_mostly_dead(info);
        }
    }
    has_dead.then_some(selected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log_name::LogName;

    #[test]
    fn mostly_dead_files_are_selected_with_small_neighbours() {
        let selected = |files: &[(u64, u64)]| {
            let info = |(number, (bytes, live)): (u32, &(u64, u64))| {
                let name = LogName::plain(number);
                (number, LogInfo { bytes: *bytes, live: *live, ..LogInfo::new(name) })
            };
            let files: Vec<_> = (0..).zip(files).map(info).collect();
            let files: Vec<_> = files.iter().map(|(number, info)| (*number, info)).collect();
            select_files(&files, 1600)
        };
        assert_eq!(selected(&[(1600, 1600), (1600, 800)]), None, "a file that is half dead is not compacted");
        assert_eq!(
            selected(&[(1600, 1600), (1600, 100), (1600, 200), (1600, 1600), (1600, 0)]),
            Some(vec![1, 2])
        );
        assert_eq!(selected(&[(90, 90), (1600, 100), (50, 50)]), Some(vec![0, 1, 2]));
        assert_eq!(selected(&[(90, 90), (50, 50)]), None, "small files alone are not compacted");
        assert_eq!(
            selected(&[(1600, 700), (1600, 700), (1600, 700)]),
            Some(vec![0, 1]),
            "the result must fit into one file"
        );
        assert_eq!(selected(&[(50, 50), (1600, 1600), (1600, 0)]), Some(vec![2]));
        assert_eq!(selected(&[]), None);
    }
}
