//! File contents that compress about as well as real ones, as a function of a seed.

/// A small generator of pseudo-random numbers (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0. The bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number of `low..high`.
    pub(crate) fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.below(high - low)
    }

    fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let index = self.below(among.len() as u64);
        // The index is below the length of a slice.
        &among[usize::try_from(index).unwrap_or_default()]
    }
}

/// Writes text that looks like a program's source.
#[derive(Debug)]
pub(crate) struct Text {
    words: Vec<String>,
}

const CONSONANTS: &[u8] = b"bcdfghklmnprstvwz";
const VOWELS: &[u8] = b"aeiou";
const OPENINGS: [&str; 6] = [
    "const ",
    "return ",
    "let ",
    "if (!",
    "  await ",
    "export const ",
];
const MIDDLES: [&str; 6] = [" = require('./", "(", ".", " === ", " = new ", ", "];
const ENDINGS: [&str; 5] = [";\n", ");\n", " {\n", "');\n\n", ") {\n    "];

impl Text {
    /// A vocabulary of names.
    pub(crate) fn new(random: &mut Random) -> Self {
        let words = (0..4096)
            .map(|_| {
                let mut word = String::new();
                for _ in 0..random.between((1, 5)) {
                    word.push(char::from(*random.pick(CONSONANTS)));
                    word.push(char::from(*random.pick(VOWELS)));
                }
                word
            })
            .collect();
        Self { words }
    }

    /// Appends `size` bytes of text.
    pub(crate) fn write(&self, random: &mut Random, size: u64, to: &mut Vec<u8>) {
        let end = to.len() + usize::try_from(size).unwrap_or(usize::MAX);
        while to.len() < end {
            to.extend_from_slice(random.pick(&OPENINGS).as_bytes());
            for _ in 0..random.between((1, 4)) {
                to.extend_from_slice(random.pick(&self.words).as_bytes());
                to.extend_from_slice(random.pick(&MIDDLES).as_bytes());
            }
            to.extend_from_slice(random.pick(&self.words).as_bytes());
            to.extend_from_slice(random.pick(&ENDINGS).as_bytes());
        }
        to.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_range() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            assert!((5..9).contains(&random.between((5, 9))));
        }
    }

    #[test]
    fn text_has_the_size_asked_for_and_compresses_like_source() {
        use std::io::Write as _;
        let mut random = Random::new(3);
        let text = Text::new(&mut random);
        let mut contents = Vec::new();
        text.write(&mut random, 200_000, &mut contents);
        assert_eq!(contents.len(), 200_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&contents).expect("memory takes everything");
        let compressed = gzip.finish().expect("memory takes everything").len();
        assert!((40_000..90_000).contains(&compressed), "{compressed}");
    }
}
