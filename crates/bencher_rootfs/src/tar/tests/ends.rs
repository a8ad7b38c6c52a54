//! Where entries and archives end, and where they are cut off.

use std::io::Read;

use super::*;

#[test]
fn ends_of_archives() {
    let two = Archive::new().file("a", "1").file("b", "2").unterminated();
    let zeroes = |count: usize| vec![0; count];
    let accepted = [
        vec![],
        zeroes(512),
        zeroes(1024),
        zeroes(10_240),
        zeroes(700),
        [zeroes(1024), vec![b'x'; 777]].concat(),
    ];
    for end in accepted {
        assert_eq!(read(&[two.clone(), end].concat()).unwrap().len(), 2);
    }
    assert_eq!(read(&[]).unwrap().len(), 0);
    // The padding of the last contents, which some writers leave out.
    assert_eq!(read(&two[..two.len() - 511]).unwrap().len(), 2);

    let lone = [two.clone(), zeroes(512), two.clone()].concat();
    assert_eq!(problem(&lone), TarProblem::LoneZeroBlock);
    let dangling = Archive::new().pax(&[("uid", "1")]);
    assert_eq!(
        problem(&dangling.clone().unterminated()),
        TarProblem::DanglingExtendedHeader
    );
    assert_eq!(problem(&dangling.end()), TarProblem::DanglingExtendedHeader);
}

#[test]
fn truncation_is_noticed_everywhere() {
    let archive = Archive::new()
        .pax(&[("path", "long")])
        .file("a", [b'x'; 600])
        .file("b", "2")
        .unterminated();
    // Between entries, or where only padding is missing, there is nothing to notice.
    let complete = |length: usize| {
        length == 0 || (512 + 512 + 512 + 600..=512 * 5).contains(&length) || length > 512 * 6
    };
    for length in 0..archive.len() {
        let outcome = read_with(&archive[..length], &Limits::default());
        assert_eq!(outcome.is_ok(), complete(length), "{length}: {outcome:?}");
    }
}

#[test]
fn hard_links_with_and_without_data() {
    let link = Header::hard_link("link", "a").size(600);
    for body in [&b""[..], &[b'x'; 600]] {
        let archive = Archive::new()
            .file("a", [b'x'; 600])
            .add(&link)
            .raw(body)
            .padded()
            .file("after", "y");
        for archive in [archive.clone().end(), archive.unterminated()] {
            let entries = read(&archive).unwrap();
            let names: Vec<_> = entries.iter().map(|(entry, _)| &entry.path[..]).collect();
            assert_eq!(names, [&b"a"[..], b"link", b"after"]);
            assert_eq!(entries[1].1, []);
        }
    }
    let last = Archive::new().add(&link).unterminated();
    assert_eq!(read(&last).unwrap().len(), 1);
    let cut = Archive::new().add(&link).raw(&[b'x'; 512]).unterminated();
    assert_eq!(problem(&cut), TarProblem::Truncated);
}

#[test]
fn the_source_is_given_back_right_behind_the_archive() {
    let archive = Archive::new().file("a", "1").end();
    let bytes = [archive, b"rest".to_vec()].concat();
    let mut reader = Reader::new(&bytes[..], &Limits::default());
    while reader.next_entry(&mut Entry::default()).unwrap() {}
    assert_eq!(reader.position(), bytes.len() as u64 - 4);
    let mut rest = Vec::new();
    reader.into_inner().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"rest");
}
