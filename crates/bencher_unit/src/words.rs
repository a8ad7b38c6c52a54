//! Words of units and of environment files, by `systemd.unit`(5), `systemd.service`(5) and
//! `systemd.exec`(5).

use std::path::Path;

use crate::UnitError;

/// A path as a text, in which specifiers are still to be escaped.
///
/// # Errors
///
/// When it is relative, or no UTF-8.
pub fn absolute(path: &Path) -> Result<&str, UnitError> {
    path.to_str()
        .filter(|text| text.starts_with('/'))
        .ok_or_else(|| UnitError::Path(path.to_owned()))
}

/// A word of a command line.
///
/// # Errors
///
/// When it holds a control character.
pub fn quoted(word: &str) -> Result<String, UnitError> {
    let escaped = specifiers(word)?
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}

/// A text in which nothing is replaced.
///
/// # Errors
///
/// When it holds a control character.
pub fn specifiers(text: &str) -> Result<String, UnitError> {
    if text.contains(char::is_control) {
        return Err(UnitError::Control(text.to_owned()));
    }
    Ok(text.replace('%', "%%"))
}

/// A line of an environment file, which a shell reads in the same way.
///
/// # Errors
///
/// When the value holds a control character.
pub fn variable(name: &str, value: &str) -> Result<String, UnitError> {
    if value.contains(char::is_control) {
        return Err(UnitError::Variable(name.to_owned()));
    }
    let mut line = format!("{name}=\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '`' | '$') {
            line.push('\\');
        }
        line.push(character);
    }
    line.push_str("\"\n");
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn words_are_what_they_were() {
        for (word, expected) in [
            ("a b", r#""a b""#),
            ("100%", r#""100%%""#),
            ("$HOME", r#""$$HOME""#),
            ("\"q\"", r#""\"q\"""#),
            ("back\\slash", r#""back\\slash""#),
        ] {
            assert_eq!(quoted(word).unwrap(), expected);
        }
        quoted("a\nExecStartPost=x").unwrap_err();
    }

    #[test]
    fn only_absolute_paths_mean_something() {
        assert_eq!(absolute(Path::new("/a b")).unwrap(), "/a b");
        let error = absolute(Path::new("a")).unwrap_err();
        assert!(error.to_string().contains("absolute path"), "{error}");
    }

    #[test]
    fn a_shell_reads_the_same_value_and_an_error_shows_none() {
        let value = r#"postgres://u:p$HOME`id`"\'x @h/d"#;
        let line = variable("SECRET", value).unwrap();
        let script = format!("{line}printf %s \"$SECRET\"");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), value);
        let error = variable("SECRET", "a\nB=c").unwrap_err().to_string();
        assert!(
            error.contains("SECRET") && !error.contains("B=c"),
            "{error}"
        );
    }
}
