//! Which files are worth compacting.

use crate::state::LogInfo;

/// Neighbours of which more than half is dead, together with small ones among and beside them; no more than make one file
/// of `file_bytes`. `sealed` are the files that may be compacted, in the order of the log.
pub(crate) fn choose(sealed: &[(u32, &LogInfo)], file_bytes: u64) -> Option<Vec<u32>> {
    let is_poor = |info: &LogInfo| info.dead() > info.stays();
    let is_small = |info: &LogInfo| info.bytes < file_bytes / 16;
    let mut chosen = Vec::new();
    let (mut left, mut poor) = (0, false);
    for (id, info) in sealed {
        let stays = info.stays();
        let fits = (is_poor(info) || is_small(info)) && left + stays <= file_bytes;
        if !fits && poor {
            break;
        }
        if !fits {
            chosen.clear();
            left = 0;
        }
        if is_poor(info) || is_small(info) {
            chosen.push(*id);
            left += stays;
            poor |= is_poor(info);
        }
    }
    poor.then_some(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::LogName;

    #[test]
    fn poor_neighbours_are_taken_together_with_small_ones() {
        let chosen = |files: &[(u64, u64)]| {
            let info = |(number, (bytes, live)): (u32, &(u64, u64))| {
                let name = LogName::plain(number);
                (number, LogInfo { bytes: *bytes, live: *live, ..LogInfo::new(name) })
            };
            let files: Vec<_> = (0..).zip(files).map(info).collect();
            let files: Vec<_> = files.iter().map(|(number, info)| (*number, info)).collect();
            choose(&files, 1600)
        };
        assert_eq!(chosen(&[(1600, 1600), (1600, 800)]), None, "half alive is alive");
        assert_eq!(
            chosen(&[(1600, 1600), (1600, 100), (1600, 200), (1600, 1600), (1600, 0)]),
            Some(vec![1, 2])
        );
        assert_eq!(chosen(&[(90, 90), (1600, 100), (50, 50)]), Some(vec![0, 1, 2]));
        assert_eq!(chosen(&[(90, 90), (50, 50)]), None, "small files alone are left alone");
        assert_eq!(
            chosen(&[(1600, 700), (1600, 700), (1600, 700)]),
            Some(vec![0, 1]),
            "no more than one file holds"
        );
        assert_eq!(chosen(&[(50, 50), (1600, 1600), (1600, 0)]), Some(vec![2]));
        assert_eq!(chosen(&[]), None);
    }
}
