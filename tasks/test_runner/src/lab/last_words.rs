//! What a lab that has ended said last.

/// How many lines an error shows.
const LINES: usize = 20;
/// What Linux says when it gives up after a fault of its own (`oops_end` in arch/x86/kernel/dumpstack.c). Other
/// reasons to give up, such as the end of init, want of memory or an order (sysrq), are programs' doing.
const PANIC: &str = "Kernel panic - not syncing: Fatal exception";
/// What begins the report of such a fault.
const FAULTS: [&str; 4] = [
    "BUG: ",
    "Oops: ",
    "general protection fault",
    "double fault",
];

/// The last lines of a console, without what moves a cursor.
pub(super) fn end_of(console: &[u8]) -> Vec<String> {
    let lines = lines_of(console);
    lines[lines.len().saturating_sub(LINES)..].to_vec()
}

/// The beginning of the report of a kernel that crashed, and what it gave up with. Nothing where it did not crash, or
/// gave up for another reason than a fault of its own.
pub(super) fn crash_in(console: &[u8]) -> Option<Vec<String>> {
    let lines = lines_of(console);
    let panic = lines.iter().rposition(|line| line.contains(PANIC))?;
    let is_fault = |line: &String| FAULTS.iter().any(|fault| line.contains(fault));
    let fault = lines[..panic].iter().position(is_fault);
    let begin = fault.unwrap_or(panic.saturating_sub(LINES));
    let mut report = lines[begin..panic.min(begin + LINES)].to_vec();
    report.push(lines[panic].clone());
    Some(report)
}

fn lines_of(console: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(console);
    let lines = text.lines().map(|line| {
        line.trim_end()
            .replace(|letter: char| letter.is_control(), "")
    });
    lines.filter(|line| !line.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_without_empty_lines_and_control_characters() {
        assert_eq!(end_of(b"early\n\n\x1b[0mlast\r\n"), ["early", "[0mlast"]);
        let many: Vec<_> = (0..50).map(|number| number.to_string()).collect();
        assert_eq!(end_of(many.join("\n").as_bytes()), many[50 - LINES..]);
    }

    #[test]
    fn a_crash_is_shown_from_its_beginning() {
        let trace = "[2.1]  f+0x1/0x2\n".repeat(50);
        let console = format!(
            "[1.0] Linux\n[2.0] BUG: unable to handle page fault for address: 0\n[2.0] Oops: 0000\n{trace}\
             [2.2] Kernel panic - not syncing: Fatal exception in interrupt\n[2.3] Kernel Offset: 0\n"
        );
        let report = crash_in(console.as_bytes()).expect("it crashed");
        assert_eq!(report.len(), LINES + 1);
        assert!(report[0].contains("BUG: "), "{report:?}");
        assert!(report[LINES].contains("Fatal exception"), "{report:?}");
        // One without a report before it.
        let short = crash_in(b"a\nKernel panic - not syncing: Fatal exception\n");
        assert_eq!(short.map(|report| report.len()), Some(2));
    }

    #[test]
    fn an_end_of_another_kind_is_no_crash() {
        for console in [
            "",
            "[1.0] Linux\n[9.9] reboot: Power down\n",
            "[9.9] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009\n",
            "[9.9] Kernel panic - not syncing: sysrq triggered crash\n",
        ] {
            assert_eq!(crash_in(console.as_bytes()), None, "{console}");
        }
    }
}
