//! The half-MD4 hash of file names by which indexed directories are sorted.
//!
//! Source: the kernel's `fs/ext4/hash.c` describes the function; MD4 itself is RFC 1320, of which
//! each round uses half the steps over half the words. Names are hashed as *unsigned* bytes, which
//! the superblock says in its flags, so that the image does not depend on the building host.

/// The sort key of a name in a directory: the hash, and a second word that only breaks ties.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct NameHash {
    /// Never has its lowest bit set: the index uses that bit for itself.
    pub(super) major: u32,
    pub(super) minor: u32,
}

/// The largest hash is the kernel's end-of-directory mark; a name that has it gets the one before.
const END_OF_DIRECTORY: u32 = 0xFFFF_FFFE;

/// The initial state of MD4, which takes the place of an all-zero seed.
const MD4_STATE: [u32; 4] = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];

/// Words of a name that one transformation takes in.
const WORDS: usize = 8;

/// The hash of `name` in a filesystem whose superblock has this hash seed.
pub(super) fn half_md4(name: &[u8], seed: [u32; 4]) -> NameHash {
    let mut state = if seed == [0; 4] { MD4_STATE } else { seed };
    let mut rest = name;
    while !rest.is_empty() {
        transform(&mut state, &words(rest));
        rest = &rest[rest.len().min(4 * WORDS)..];
    }
    let major = state[1] & !1;
    NameHash {
        major: if major == END_OF_DIRECTORY {
            END_OF_DIRECTORY - 2
        } else {
            major
        },
        minor: state[2],
    }
}

/// The first 32 bytes of `rest` as big-endian words, padded with its length.
fn words(rest: &[u8]) -> [u32; WORDS] {
    // A name has at most 255 bytes.
    let length = u32::try_from(rest.len()).unwrap_or(u32::MAX) & 0xFF;
    let padding = length * 0x0101_0101;
    let mut words = [padding; WORDS];
    for (word, bytes) in words.iter_mut().zip(rest.chunks(4)) {
        for &byte in bytes {
            *word = (*word << 8) | u32::from(byte);
        }
    }
    words
}

fn transform(state: &mut [u32; 4], words: &[u32; WORDS]) {
    /// What mixes three of the variables in a round, the order of the words, the rotations, and
    /// the constant.
    type Round = (Mix, [usize; WORDS], [u32; 4], u32);
    type Mix = fn(u32, u32, u32) -> u32;
    let rounds: [Round; 3] = [
        (
            |x, y, z| (x & y) | (!x & z),
            [0, 1, 2, 3, 4, 5, 6, 7],
            [3, 7, 11, 19],
            0,
        ),
        (
            |x, y, z| (x & y) | (x & z) | (y & z),
            [1, 3, 5, 7, 0, 2, 4, 6],
            [3, 5, 9, 13],
            0x5A82_7999,
        ),
        (
            |x, y, z| x ^ y ^ z,
            [3, 7, 2, 6, 1, 5, 0, 4],
            [3, 9, 11, 15],
            0x6ED9_EBA1,
        ),
    ];
    let [mut a, mut b, mut c, mut d] = *state;
    for (mix, order, rotations, constant) in rounds {
        for (step, word) in order.into_iter().enumerate() {
            let sum = a
                .wrapping_add(mix(b, c, d))
                .wrapping_add(words[word])
                .wrapping_add(constant);
            // The four variables change roles after each step.
            (a, b, c, d) = (d, sum.rotate_left(rotations[step % 4]), b, c);
        }
    }
    for (word, addend) in state.iter_mut().zip([a, b, c, d]) {
        *word = word.wrapping_add(addend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes 00 11 22 … ff of a UUID as words.
    const SEED: [u32; 4] = [0x3322_1100, 0x7766_5544, 0xBBAA_9988, 0xFFEE_DDCC];

    /// What `debugfs -R 'dx_hash -h half_md4 [-s SEED] NAME'` of e2fsprogs 1.47.0 prints.
    #[test]
    fn agrees_with_debugfs() {
        let cases: [(&[u8], u32, u32); 8] = [
            (b"a", 0x9375_2EE6, 0x578C_30BA),
            (b"ab", 0x26FB_5C24, 0xFF2F_72C1),
            (b"abc", 0xB1CD_624A, 0x9519_AEC5),
            (b"abcd", 0xF4E4_A464, 0x2B72_9F00),
            (&[b'x'; 31], 0x7204_41F8, 0x6124_A336),
            (&[b'x'; 32], 0x7AE8_2A38, 0xEE35_9097),
            (&[b'x'; 33], 0x4748_CC22, 0xF5F9_CCA9),
            (&[b'x'; 255], 0x5966_F920, 0x2628_1CA3),
        ];
        for (name, major, minor) in cases {
            assert_eq!(half_md4(name, SEED), NameHash { major, minor });
        }
        let unseeded = NameHash {
            major: 0x1746_DA32,
            minor: 0x4200_13B5,
        };
        assert_eq!(half_md4(b"hello", [0; 4]), unseeded);
    }
}
