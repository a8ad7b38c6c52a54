//! Comparing the names of images as people write them.

/// Whether two names mean the same image: `busybox` is `docker.io/library/busybox:latest`.
pub(crate) fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (Parts::of(left), Parts::of(right));
    left.name == right.name && left.tag == right.tag
}

struct Parts<'a> {
    name: &'a str,
    tag: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let short = ["docker.io/", "index.docker.io/"]
            .into_iter()
            .find_map(|host| text.strip_prefix(host))
            .unwrap_or(text);
        let short = short.strip_prefix("library/").unwrap_or(short);
        // A colon before a slash belongs to a host's port.
        match short.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => Self { name, tag },
            _ => Self {
                name: short,
                tag: "latest",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn names() {
        for (left, right) in [
            ("busybox", "busybox:latest"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("o/r", "index.docker.io/o/r:latest"),
            ("localhost:5000/a", "localhost:5000/a:latest"),
        ] {
            assert!(is_same(left, right), "{left} {right}");
        }
        for (left, right) in [
            ("busybox", "busybox:1"),
            ("a/busybox", "busybox"),
            ("ghcr.io/o/r", "o/r"),
            ("localhost:5000/a", "localhost:5000"),
        ] {
            assert!(!is_same(left, right), "{left} {right}");
        }
    }
}
