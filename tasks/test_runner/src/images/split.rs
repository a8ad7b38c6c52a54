//! Deals the entries of one tar out to several layers, each byte as it was.

use std::io::Read;

use anyhow::{Context as _, bail};
use tar::{Archive, EntryType, Header};

use super::layer::LayerWriter;

/// The most that a header extension (a long name, PAX records) may take.
const MAX_EXTENSION: u64 = 1 << 20;

/// An entry of a tar: its header, what extends its header, its contents.
#[derive(Debug)]
struct RawEntry {
    header: Header,
    contents: Vec<u8>,
}

/// Copies every entry of `tar` to the layer that `choose` names for its path (without `./` in
/// front and `/` at the end). A hard link goes where its target went.
///
/// # Errors
///
/// When the tar can not be read, holds a global PAX header, or a layer can not be written.
pub(crate) fn split(
    tar: impl Read,
    layers: &mut [LayerWriter],
    choose: impl Fn(&str) -> usize,
) -> anyhow::Result<()> {
    let mut archive = Archive::new(tar);
    let mut extensions: Vec<RawEntry> = Vec::new();
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry.context("the tar of packages is damaged")?;
        let kind = entry.header().entry_type();
        let extends = matches!(
            kind,
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink
        );
        if kind == EntryType::XGlobalHeader || (extends && entry.size() > MAX_EXTENSION) {
            bail!("the tar of packages holds an extension that is not supported");
        }
        let mut contents = Vec::new();
        entry
            .read_to_end(&mut contents)
            .context("the tar of packages ends early")?;
        let raw = RawEntry {
            header: entry.header().clone(),
            contents,
        };
        if extends {
            extensions.push(raw);
            continue;
        }
        let place = place(&raw.header, &extensions)?;
        let index = choose(place.trim_start_matches("./").trim_end_matches('/'));
        let layer = layers.get_mut(index).context("there is no such layer")?;
        for part in extensions.drain(..).chain([raw]) {
            layer.raw(part.header.as_bytes(), &part.contents)?;
        }
    }
    Ok(())
}

/// The path that decides: the entry's own, or a hard link's target.
fn place(header: &Header, extensions: &[RawEntry]) -> anyhow::Result<String> {
    let link = header.entry_type() == EntryType::Link;
    let (long, record) = if link {
        (EntryType::GNULongLink, "linkpath")
    } else {
        (EntryType::GNULongName, "path")
    };
    for extension in extensions {
        let kind = extension.header.entry_type();
        if kind == long {
            let name = String::from_utf8_lossy(&extension.contents);
            return Ok(name.trim_end_matches('\0').to_owned());
        }
        if kind == EntryType::XHeader
            && let Some(path) = pax_record(&extension.contents, record)
        {
            return Ok(path);
        }
    }
    let bytes = if link {
        header
            .link_name_bytes()
            .context("a hard link without a target")?
    } else {
        header.path_bytes()
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The value of one PAX record (`length key=value\n`).
fn pax_record(mut records: &[u8], wanted: &str) -> Option<String> {
    while let Some(space) = records.iter().position(|&byte| byte == b' ') {
        let length: usize = std::str::from_utf8(&records[..space]).ok()?.parse().ok()?;
        let (record, rest) = records.split_at_checked(length)?;
        let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        if &record[..equals] == wanted.as_bytes() {
            return Some(String::from_utf8_lossy(&record[equals + 1..]).into_owned());
        }
        records = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::layout::BLOBS;
    use flate2::read::GzDecoder;
    use std::fs::File;
    use std::path::Path;

    /// Names in the order of the layer.
    fn names(layout: &Path, digest: &str) -> Vec<String> {
        let path = layout
            .join(BLOBS)
            .join(digest.trim_start_matches("sha256:"));
        let file = GzDecoder::new(File::open(path).expect("the layer is there"));
        let mut archive = Archive::new(file);
        let entries = archive.entries().expect("it is a tar");
        entries
            .map(|entry| {
                let entry = entry.expect("the entry is whole");
                entry.path().expect("it is a path").display().to_string()
            })
            .collect()
    }

    #[test]
    fn hard_links_follow_their_target_and_long_names_stay_whole() {
        let long = format!("tools/{}", "n".repeat(150));
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        tar.append_data(&mut header.clone(), "base", &b"abc"[..])
            .expect("it fits");
        tar.append_data(&mut header.clone(), &long, &b"def"[..])
            .expect("it fits");
        tar.append_pax_extensions([("path", &b"tools/\xc3\xb6"[..])])
            .expect("it fits");
        tar.append_data(&mut header.clone(), "x", &b"ghi"[..])
            .expect("it fits");
        header.set_size(0);
        header.set_entry_type(EntryType::Link);
        tar.append_link(&mut header, "elsewhere", &long)
            .expect("it fits");
        let tar = tar.into_inner().expect("it is complete");

        let folder = tempfile::tempdir().expect("a folder");
        let mut layers = ["a", "b"]
            .map(|name| LayerWriter::create(folder.path(), name).expect("it can be written"));
        split(&*tar, &mut layers, |path| {
            usize::from(path.starts_with("tools/"))
        })
        .expect("it can be split");
        let [base, tools] = layers.map(|layer| layer.finish().expect("it is complete"));
        assert_eq!(names(folder.path(), &base.digest), ["base"]);
        assert_eq!(
            names(folder.path(), &tools.digest),
            [long.as_str(), "tools/ö", "elsewhere"]
        );
    }

    #[test]
    fn a_tar_that_ends_early_is_an_error() {
        let mut tar = tar::Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(2000);
        tar.append_data(&mut header, "a", &[1; 2000][..])
            .expect("it fits");
        let tar = tar.into_inner().expect("it is complete");
        let folder = tempfile::tempdir().expect("a folder");
        let layer = LayerWriter::create(folder.path(), "a").expect("it can be written");
        let error = split(&tar[..1024], &mut [layer], |_| 0).expect_err("it is cut");
        assert_eq!(error.to_string(), "the tar of packages is damaged");
    }

    #[test]
    fn malformed_pax_records_hold_nothing() {
        for records in [
            "",
            " ",
            "11 path=a\n",
            "3 x\n",
            "99999999999999999999 path=a\n",
            "0 a=b",
        ] {
            assert_eq!(pax_record(records.as_bytes(), "path"), None, "{records:?}");
        }
        assert_eq!(
            pax_record(b"6 a=b\n10 path=c\n", "path").as_deref(),
            Some("c")
        );
    }
}
