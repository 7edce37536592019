//! Character sets of East Asia, whose characters have up to four bytes. The tables are those of the WHATWG's
//! encodings, which differ from the servers' in a few characters and in what is set aside for private use.

use encoding_rs::{BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS};

/// A character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MultiByte {
    Big5,
    Cp932,
    EucJpMs,
    EucKr,
    Gb18030,
    Gb2312,
    Gbk,
    Sjis,
    Ujis,
}

/// Characters in code order that the servers have, and the encoding has not or has otherwise.
type Exceptions = &'static [(u32, &'static str)];

const BIG5_EXCEPTIONS: Exceptions = &[
    (0xa145, "•"),
    (0xa14e, "､"),
    (0xa1c2, "‾"),
    (0xa1e3, "∼"),
    (0xa1f2, "♁☉"),
    (0xa241, "／＼"),
    (0xa244, "¥"),
    (0xa246, "¢£"),
    (0xc6a1, "ヾゝゞ々ぁあぃいぅうぇえぉおかがきぎくぐけげこごさざしじすずせぜ"),
    (0xc6c1, "そぞただちぢっつづてでとどなにぬねのはばぱひびぴふぶぷへべぺほぼ"),
    (0xc6e1, "ぽまみむめもゃやゅゆょよらりるれろゎわゐゑをんァアィイゥウェ"),
    (0xc740, "エォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデ"),
    (0xc760, "トドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユ"),
    (0xc7a1, "ョヨラリルレロヮワヰヱヲンヴヵヶДЕЁЖЗИЙКЛМУФХЦЧШ"),
    (0xc7c1, "ЩЪЫЬЭЮЯабвгдеёжзийклмнопрстуфхцч"),
    (0xc7e1, "шщъыьэюя①②③④⑤⑥⑦⑧⑨⑩⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽"),
];

const SJIS_EXCEPTIONS: Exceptions = &[(0x815f, "\\〜‖"), (0x817c, "−"), (0x8191, "¢£"), (0x81ca, "¬")];

const UJIS_EXCEPTIONS: Exceptions =
    &[(0xa1c0, "\\〜‖"), (0xa1dd, "−"), (0xa1f1, "¢£"), (0xa2cc, "¬"), (0x8f_a2b7, "~")];

const EUCJPMS_EXCEPTIONS: Exceptions = &[
    (0x8f_a2c3, "￤"),
    (0x8f_f3f3, "ⅰⅱⅲⅳⅴⅵⅶⅷⅸⅹⅠⅡ"),
    (0x8f_f4a1, "ⅢⅣⅤⅥⅦⅧⅨⅩ＇＂㈱№℡炻"),
    (0x8f_f4af, "仼僴凬匇匤\u{fa0e}咊坙\u{fa0f}\u{fa10}增寬峵嵓"),
    (0x8f_f4bd, "\u{fa11}德悅愠敎昻晥\u{fa12}\u{f929}栁\u{fa13}\u{fa14}橫櫢"),
    (0x8f_f4cb, "淸淲瀨\u{fa15}\u{fa16}甁皂皞\u{fa17}礰\u{fa18}\u{fa19}\u{fa1a}\u{fa1b}"),
    (0x8f_f4d9, "竧\u{fa1c}\u{fa1d}綠緖\u{fa1e}荢\u{fa1f}薰\u{fa20}\u{fa21}蠇\u{fa22}譿"),
    (0x8f_f4e7, "賴赶\u{fa23}\u{fa24}\u{fa25}郞\u{fa26}鄕\u{fa27}\u{fa28}閒\u{f9dc}\u{fa29}霻"),
    (0x8f_f4f5, "靍靑\u{fa2a}\u{fa2b}\u{fa2c}馞髙魲\u{fa2d}黑"),
];

const GB2312_EXCEPTIONS: Exceptions = &[(0xa1a4, "・"), (0xa1aa, "―")];

const GB18030_EXCEPTIONS: Exceptions = &[
    (0xa3a0, "\u{e5e5}"),
    (0xa6d9, "\u{e78d}\u{e78e}\u{e78f}\u{e790}\u{e791}\u{e792}\u{e793}"),
    (0xa6ec, "\u{e794}\u{e795}"),
    (0xa6f3, "\u{e796}"),
    (0xfe59, "\u{e81e}"),
    (0xfe61, "\u{e826}"),
    (0xfe66, "\u{e82b}\u{e82c}"),
    (0xfe6d, "\u{e832}"),
    (0xfe7e, "\u{e843}"),
    (0xfe90, "\u{e854}"),
    (0xfea0, "\u{e864}"),
];

impl MultiByte {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "big5" => Self::Big5,
            "cp932" => Self::Cp932,
            "eucjpms" => Self::EucJpMs,
            "euckr" => Self::EucKr,
            "gb18030" => Self::Gb18030,
            "gb2312" => Self::Gb2312,
            "gbk" => Self::Gbk,
            "sjis" => Self::Sjis,
            "ujis" => Self::Ujis,
            _ => return None,
        })
    }

    fn encoding(self) -> (&'static Encoding, Exceptions) {
        match self {
            Self::Big5 => (BIG5, BIG5_EXCEPTIONS),
            Self::Cp932 => (SHIFT_JIS, &[]),
            Self::EucJpMs => (EUC_JP, EUCJPMS_EXCEPTIONS),
            Self::EucKr => (EUC_KR, &[]),
            Self::Gb18030 => (GB18030, GB18030_EXCEPTIONS),
            Self::Gb2312 => (GBK, GB2312_EXCEPTIONS),
            Self::Gbk => (GBK, &[]),
            Self::Sjis => (SHIFT_JIS, SJIS_EXCEPTIONS),
            Self::Ujis => (EUC_JP, UJIS_EXCEPTIONS),
        }
    }

    /// Passes each character to `push`, `None` for one that is not known.
    pub(super) fn characters(self, bytes: &[u8], mut push: impl FnMut(Option<char>)) {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            let length = self.length(*first, rest.get(1).copied()).min(rest.len());
            let (character, behind) = rest.split_at(length);
            rest = behind;
            push(match first {
                0..=0x7f => Some(char::from(*first)),
                _ => self.character(character),
            });
        }
    }

    /// Returns the number of bytes of a character by its first two bytes.
    fn length(self, first: u8, second: Option<u8>) -> usize {
        let is_single = match self {
            Self::Cp932 | Self::Sjis => matches!(first, 0..=0x80 | 0xa0..=0xdf | 0xfd..),
            Self::EucJpMs | Self::Ujis => matches!(first, 0..=0x8d | 0x90..=0xa0 | 0xff),
            _ => matches!(first, 0..=0x80 | 0xff),
        };
        match (self, first) {
            _ if is_single => 1,
            (Self::EucJpMs | Self::Ujis, 0x8f) => 3,
            (Self::Gb18030, _) if second.is_some_and(|second| second.is_ascii_digit()) => 4,
            _ => 2,
        }
    }

    fn character(self, bytes: &[u8]) -> Option<char> {
        let (encoding, exceptions) = self.encoding();
        let code = bytes.iter().fold(0u32, |code, byte| code << 8 | u32::from(*byte));
        if let Some(character) = exception(exceptions, code).or_else(|| self.private_use(bytes)) {
            return Some(character);
        }
        let mut text = [0; 16];
        let mut decoder = encoding.new_decoder_without_bom_handling();
        let (_, _, written, has_errors) = decoder.decode_to_utf8(bytes, &mut text, true);
        let text = text.get(..written).and_then(|text| std::str::from_utf8(text).ok())?;
        text.chars().next().filter(|_| !has_errors)
    }

    /// The rows of Japanese sets in EUC that are for private use.
    fn private_use(self, bytes: &[u8]) -> Option<char> {
        let (start, row, cell) = match (self, bytes) {
            (Self::EucJpMs | Self::Ujis, [row, cell]) => (0xe000, row, cell),
            (Self::EucJpMs | Self::Ujis, [0x8f, row, cell]) => (0xe3ac, row, cell),
            _ => return None,
        };
        let (row, cell) = (row.checked_sub(0xf5)?, cell.checked_sub(0xa1)?);
        let is_within = row < 10 && cell < 94;
        char::from_u32(start + u32::from(row) * 94 + u32::from(cell)).filter(|_| is_within)
    }
}

fn exception(exceptions: Exceptions, code: u32) -> Option<char> {
    let place = exceptions.partition_point(|(start, _)| *start <= code).checked_sub(1)?;
    let (start, characters) = exceptions.get(place)?;
    let offset = usize::try_from(code - start).ok()?;
    characters.chars().nth(offset)
}
